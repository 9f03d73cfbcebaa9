/* wal.h - a write-ahead log file: create, append durably, replay. One thread at a time. */
#pragma once
#include "io/fs.h"
#include "tsdb/wal_record.h"

struct wal {
    struct fs_file *f;
    uint64_t number, seq;
    int64_t end; /* of what is acknowledged */
    bool failed; /* an error other than a full disk: nothing more may be acknowledged from this file */
};
#define WAL_PATH_MAX 40
void wal_path(uint64_t number, char out[WAL_PATH_MAX]);
bool wal_name_parse(const char *name, uint64_t *ret_number);
/* Create "ts/wal-<number>", header written, file and directory synced. */
int wal_create(struct fs *fs, uint64_t number, struct wal *ret);
void wal_finish(struct wal *w, int64_t wall_us); /* mark of a clean end; nothing is appended any more */
void wal_close(struct wal *w);
/* Write a record that wal_record_encode made with w->number and w->seq + 1, and sync it. ERR_DISK_FULL: nothing
 * happened, try again later. Any other error is final (w->failed). */
int wal_append(struct wal *w, const void *rec, size_t n);

struct wal_replayed {
    uint64_t records, samples, damaged; /* damaged: places where records are missing or broken */
    uint64_t bytes;
    int64_t first_us, last_us; /* wall clock of the first and last record; 0: not known */
    bool torn;                 /* ended with a record that was being written */
};
struct wal_op { /* a record: samples, or what it removes */
    int64_t wall_us;
    const struct sample *s;
    size_t n;
    const struct wal_remove *remove; /* NULL: samples */
};
typedef int wal_replay_fn(void *ctx, const struct wal_op *op);
/* When its first and last record were written, by the headers of the records alone (0: not known). */
int wal_times(struct fs *fs, const char *path, int64_t *ret_first, int64_t *ret_last);
/* Give every good record to fn. ERR_NOMEM, ERR_IO, ERR_UNSUPPORTED, or what fn returned. */
int wal_replay(struct fs *fs, uint64_t number, wal_replay_fn *fn, void *ctx, struct wal_replayed *ret);
