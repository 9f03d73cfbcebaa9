/* manifest.h - what a backup consists of: a document, a list of files, a list of points.
 *
 * backups/<id>/manifest.json:
 *   {"format":1,"id","plan","plan_code","mode":"full|incremental","base","at","ended_at","until" (microseconds),
 *    "files","bytes","new_bytes","samples","log","engine":"sqlite|postgresql" or
 * "","parts":{"history":{"files","bytes"},…},
 *    "list":[chunks],"points":[chunks],"digest":{"from","to","samples","points","complete"}}
 * The lists are texts of one JSON object a line, cut into chunks anywhere:
 *   file:  {"part","name","id","bytes","sha256","chunks":[…],"class","place","from","to"}
 *   point: {"p":number,"n":samples in the window of the digest,"h":SHA-256 of them,"s":samples stored}
 * Every backup names all of its files: it is restored from its manifest alone, whatever it was based on.
 * logs/<number>.json: {"name","number","bytes","sha256","chunks","first","last","after"}; `after`: the log before it
 * that was stored, 0 when the one before it was not kept (a gap). */
#pragma once
#include "base/json.h"
#include "modules/backup/target.h"

#define MANIFEST_FORMAT 1
enum backup_part { PART_HISTORY, PART_DATABASE, PART_FILES, PARTS };
const char *part_name(enum backup_part p);

struct manifest {
    char id[37], plan[37], plan_code[129], mode[16], base[37], engine[16];
    int64_t at_us, ended_us;
    int64_t until_us; /* newest sample in it; 0: none */
    uint64_t files, bytes, new_bytes, samples, log;
    bool part[PARTS];
    uint64_t part_files[PARTS], part_bytes[PARTS];
    const struct json *list, *points; /* arrays of hashes */
    int64_t digest_from, digest_to;
    uint64_t digest_samples, digest_points;
    bool digest_complete; /* all samples of all points */
};
/* The document of `key`; texts live in v. */
MUST_CHECK int manifest_parse(const struct json *v, struct manifest *ret, const char *key, struct error *e);
MUST_CHECK int manifest_write(struct target *t, const struct manifest *m, struct error *e);
MUST_CHECK int manifest_read(struct target *t, struct arena *a, struct str id, struct manifest *ret, struct error *e);
/* All of the target, oldest first, in `a`. What is no manifest is passed over; *ret_bad counts it. */
MUST_CHECK int manifest_all(struct target *t, struct arena *a, struct manifest **ret, size_t *ret_n, size_t *ret_bad,
                            struct error *e);
MUST_CHECK int manifest_delete(struct target *t, const char *id, struct error *e);
/* The backup that `id` names; empty: the newest at or before until_us. */
MUST_CHECK int manifest_pick(struct target *t, struct arena *a, struct str id, int64_t until_us, struct manifest *ret,
                             struct error *e);

struct entry { /* a file; texts live as long as its line */
    struct str part, name, id, sha256;
    int64_t bytes, from_us, to_us;
    int class_id, place;
    const struct json *chunks;
};
void entry_write(struct json_writer *w, const struct entry *f);
MUST_CHECK int entry_read(const struct json *v, struct entry *ret, struct error *e);

/* Lists. */
struct lines {
    struct target *t;
    struct buf buf; /* not yet stored */
    struct arena *a;
    struct json *chunks;
};
MUST_CHECK int lines_begin(struct lines *l, struct target *t, struct arena *a, struct error *e);
MUST_CHECK int lines_add(struct lines *l, struct str line, struct error *e);
MUST_CHECK int lines_flush(struct lines *l, struct error *e); /* l->chunks is all that was added so far */
MUST_CHECK int lines_end(struct lines *l, struct error *e);   /* then l->chunks is whole; lines_begin may come again */
void lines_fini(struct lines *l);
typedef int line_fn(void *ctx, struct arena *a, const struct json *line,
                    struct error *e); /* `a` is reset after each line */
MUST_CHECK int lines_each(struct target *t, const struct json *chunks, line_fn *fn, void *ctx, struct error *e);
/* The files of a backup. */
typedef int entry_fn(void *ctx, const struct entry *f, struct error *e);
MUST_CHECK int manifest_files(struct target *t, const struct manifest *m, entry_fn *fn, void *ctx, struct error *e);

struct log_entry {
    struct entry file;
    uint64_t number, after;
    int64_t first_us, last_us;
};
MUST_CHECK int logfile_write(struct target *t, const struct log_entry *l, struct error *e);
/* Of the target, by number, in `a`. */
MUST_CHECK int logfile_all(struct target *t, struct arena *a, struct log_entry **ret, size_t *ret_n, struct error *e);
MUST_CHECK int logfile_delete(struct target *t, uint64_t number, struct error *e);
