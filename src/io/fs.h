/* fs.h - durable files, as a thing that tests can break.
 *
 * Everything that must survive is written through `struct fs`: the real one (fs_real) or the simulated
 * twin (sim_fs.h), which keeps what is synced apart from what is not, fails the n-th call, tears and
 * reorders unsynced writes at a simulated power cut. Paths are relative to the root given at creation,
 * '/' separated, without "..". Files are appended to or written by position, never mapped writable.
 * All functions: 0 / count, or a negative error code. A file handle is used by one thread at a time,
 * reads (pread) by any. An fsync error is final for that file: the owner must stop acknowledging. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

struct fs;
struct fs_file;
enum fs_open_flags { FS_READ = 1, FS_WRITE = 2, FS_CREATE = 4, FS_EXCL = 8, FS_TRUNC = 16 };

struct fs_ops {
    int (*open)(struct fs *, const char *path, int flags, struct fs_file **ret);
    void (*close)(struct fs_file *);
    int64_t (*pread)(struct fs_file *, void *p, size_t n, int64_t at);         /* short only at the end */
    int (*pwrite)(struct fs_file *, const void *p, size_t n, int64_t at);      /* all or an error; a part may have been written */
    int (*sync)(struct fs_file *);                                             /* fdatasync */
    int (*truncate)(struct fs_file *, int64_t size);
    int64_t (*size)(struct fs_file *);
    int (*rename)(struct fs *, const char *from, const char *to);              /* replaces */
    int (*remove)(struct fs *, const char *path);                              /* file or empty directory */
    int (*mkdir)(struct fs *, const char *path);                               /* existing is no error */
    int (*sync_dir)(struct fs *, const char *path);                            /* "" = root */
    int (*list)(struct fs *, const char *path, void (*each)(void *ctx, const char *name, bool dir, int64_t size), void *ctx);
    int (*space)(struct fs *, int64_t *ret_free, int64_t *ret_total);
    void (*destroy)(struct fs *);
};
struct fs { const struct fs_ops *ops; };
struct fs_file { const struct fs_ops *ops; };

/* The machine's files under `root` (created, mode 0700; files 0600). Takes an exclusive lock file
 * "LOCK" when `lock`: ERR_EXISTS and a text that names the holder's pid. */
MUST_CHECK int fs_real(const char *root, bool lock, struct fs **ret, struct error *e);
void fs_destroy(struct fs *fs);

static inline int fs_open(struct fs *fs, const char *path, int flags, struct fs_file **ret) { return fs->ops->open(fs, path, flags, ret); }
static inline void fs_close(struct fs_file *f) { if (f) f->ops->close(f); }
static inline int64_t fs_pread(struct fs_file *f, void *p, size_t n, int64_t at) { return f->ops->pread(f, p, n, at); }
static inline int fs_pwrite(struct fs_file *f, const void *p, size_t n, int64_t at) { return f->ops->pwrite(f, p, n, at); }
static inline int fs_sync(struct fs_file *f) { return f->ops->sync(f); }
static inline int64_t fs_size(struct fs_file *f) { return f->ops->size(f); }
/* Whole small files: read into a mem_alloc'd block; replace by write-new, sync, rename, sync directory. */
MUST_CHECK int fs_read_all(struct fs *fs, const char *path, size_t max, void **ret, size_t *ret_n);
MUST_CHECK int fs_replace(struct fs *fs, const char *path, const void *p, size_t n);
