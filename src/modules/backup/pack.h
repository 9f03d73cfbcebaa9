/* pack.h - a file into the target, and out of it again.
 *
 * Packing reads a file once, cuts it into chunks, and hashes chunks and file. Fetching hashes all of it again: what is
 * written has the bytes that were packed, or the fetch fails and names the file. One thread; room for one chunk. */
#pragma once
#include "io/fs.h"
#include "modules/backup/manifest.h"

struct pack_source {
    int64_t (*read)(void *ctx, void *p, size_t n, int64_t at); /* bytes, 0 at the end, or an error; may be short */
    void *ctx;
    int64_t bytes; /* it must have: fewer are an error; what stands behind is left out. -1: to its end */
    size_t chunk;  /* 0: TARGET_CHUNK */
    void (*progress)(void *ctx, size_t n); /* may be NULL */
    void *pctx;
};
/* f: name and so on are set; bytes, sha256 and chunks are filled in `a`. */
MUST_CHECK int pack_file(struct target *t, struct arena *a, const struct pack_source *s, struct entry *f,
                         struct error *e);

/* Into `to` under `path` (folders are made), synced; to NULL: only checked. */
struct fetch {
    struct target *t;
    void *room; /* TARGET_CHUNK */
    struct hasher *hash;
    void (*progress)(void *ctx, size_t n);
    void *pctx;
};
MUST_CHECK int fetch_begin(struct fetch *x, struct target *t, struct error *e);
MUST_CHECK int fetch_file(struct fetch *x, const struct entry *f, struct fs *to, const char *path, struct error *e);
void fetch_end(struct fetch *x);
/* Where a file of a backup stands below a data directory: "ts/…", "kernel.db", "objects/…",
 * "settings-of-backup.json". */
void restored_path(const struct entry *f, char out[600]);
