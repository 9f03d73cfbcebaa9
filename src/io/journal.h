/* journal.h - a durable queue on disk: append, commit, read back, acknowledge. Store-and-forward always
 * writes here first and deletes on the receiver's acknowledgement.
 *
 * Files <dir>/<first seq, 16 hex>.jnl, at most segment_max bytes each, all numbers little-endian:
 *   header  u32 magic 'BNJ1' (0x314a4e42), u32 version 1, u64 first seq, u32 crc32c of these 16 bytes, u32 0
 *   record  u32 length of the payload, u32 crc32c over everything that follows, u64 seq, u32 weight,
 *           u32 kind (0 data, 1 acknowledgement: payload u64 seq), payload
 * A torn tail (crash) ends the queue at the last good record. A damaged record before the tail: the rest
 * of that file is skipped and counted, following files are read.
 * Acknowledgements are written with the next commit, so after a crash a few records are given out again:
 * receivers must take repeats (samples: (point, time) is the key).
 * One thread at a time. Errors of base/error.h; after a failed sync the journal refuses (ERR_IO) until
 * journal_reopen. */
#pragma once
#include "base/buf.h"
#include "io/fs.h"

struct journal;
struct journal_config {
    struct fs *fs;
    const char *dir;           /* below the root, "journal" */
    uint64_t segment_max;      /* bytes; 0: 16 MiB */
    uint64_t total_max;        /* bytes; 0: 4 GiB; beyond it the oldest segment is dropped, acknowledged or not */
};
struct journal_stats {
    uint64_t bytes, records;           /* on disk and not acknowledged */
    uint64_t dropped_records, dropped_weight, damaged, appended;
};

MUST_CHECK int journal_open(const struct journal_config *cfg, struct journal **ret, struct error *e);
void journal_close(struct journal *j);                  /* without commit */
/* Put into the write buffer; durable after journal_commit. weight: what the owner counts (samples). */
MUST_CHECK int journal_append(struct journal *j, const void *p, size_t n, uint32_t weight, uint64_t *ret_seq);
MUST_CHECK int journal_commit(struct journal *j);       /* write + fdatasync; on failure nothing of this batch counts */
/* Next committed record with seq > *seq: fills out (cleared before) and *seq. 1: got one, 0: none left, < 0 error. */
MUST_CHECK int journal_next(struct journal *j, uint64_t *seq, struct buf *out, uint32_t *ret_weight);
void journal_ack(struct journal *j, uint64_t seq);      /* all up to seq are safe elsewhere */
uint64_t journal_acked(const struct journal *j);
uint64_t journal_last(const struct journal *j);         /* seq of the newest committed record; 0: none */
MUST_CHECK int journal_reopen(struct journal *j);       /* after an error: a new segment, what was committed is kept */
void journal_stats(const struct journal *j, struct journal_stats *ret);
