/* blobs.h - the files of blobs of a store, under "ts/blobs".
 *
 * A file belongs to one archive class and is only added to by the process that began it; when it is long enough, spans
 * enough time, for a snapshot (unless it is short) and at the next start it gets its footer and stays as it is. The id
 * of a blob is its file's number and its place; numbers are never used twice, also not by a store restored from a
 * backup: they are seconds of the clock, or the next one. Locks: `put` one writer at a time; `lock` the list and what
 * it says, held for moments. Both come before tsdb->lock, `put` before `lock`, both after `work`. */
#pragma once
#include "tsdb/blob_format.h"
#include "tsdb/engine.h"

struct blob_file {
    atomic_int refs;
    struct fs *fs;
    struct blob_info i; /* lock, while it grows */
    bool doomed;        /* the file goes with the last reference */
};
struct blob_current { /* put: the file that a class is added to */
    struct blob_file *file;
    struct fs_file *f;
};
struct blobs {
    pthread_mutex_t put, lock;
    struct blob_file **files; /* lock; by number */
    size_t n, cap;
    uint32_t last; /* put: number of the newest file that there ever was, as far as is known */
    bool dir;      /* put: the directory is there, durably */
    struct blob_current current[TS_CLASSES];
};

int blobs_open(struct tsdb *db, struct error *e); /* at the start; makes db->blobs */
void blobs_close(struct tsdb *db);
int blobs_load(struct tsdb *db, struct blobs *b, struct error *e); /* blobs_load.c */

int db_blob_put(struct ts_store *st, uint32_t point, int64_t time_us, const char *type, struct str bytes,
                uint64_t *ret_id, struct error *e);
int db_blob_get(struct ts_store *st, uint64_t id, struct ts_blob *ret, struct buf *bytes, struct error *e);

/* All files as they are now: a reference and a copy of what each says. NULL, 0: none, or (ERR_NOMEM) no memory. */
struct blob_pick {
    struct blob_file *file;
    struct blob_info i;
};
int blobs_pick(struct tsdb *db, struct blob_pick **ret, size_t *ret_n);
void blobs_unpick(struct blob_pick *p, size_t n);
int blob_file_open(const struct blob_file *f, struct fs_file **ret);
void blob_file_unref(struct blob_file *f);
uint64_t blobs_bytes(struct tsdb *db, int class_id); /* of the files of a class, -1: of all */
/* Nothing is added any more to the files that have so many bytes. */
void blobs_end(struct tsdb *db, int64_t least);
#define BLOB_FILE_LEAST ((int64_t)1 << 20) /* a shorter file takes any time, and is not ended for a snapshot */
/* Take a file out; it is removed when nobody reads it. */
void blobs_drop(struct tsdb *db, struct blob_file *f);
void blobs_expire(struct tsdb *db, uint8_t class_id, int64_t floor); /* files that end before `floor` */
/* A broken place, counted unless it is known. point 0: not known. */
void blob_damage(struct tsdb *db, uint32_t number, int64_t at, int64_t bytes, const struct ts_blob *what);
/* Read and check from *at on, about max bytes; *damaged rises. */
int blob_scrub(struct tsdb *db, const struct blob_pick *p, int64_t *at, uint64_t max, struct ts_scrub *s);
