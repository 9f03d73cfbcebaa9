/* wal_record.h - the bytes of the write-ahead log. Pure. See wal_record.c for the layout. */
#pragma once
#include "base/buf.h"
#include "bornite/sample.h"

#define WAL_HEAD 32     /* bytes of a file header */
#define WAL_REC_HEAD 24 /* bytes of a record header */
#define WAL_SAMPLES_MAX (4u << 20)

void wal_head_encode(uint64_t number, uint8_t out[WAL_HEAD]);
/* 0, ERR_CORRUPT, ERR_UNSUPPORTED (a version that this program does not know). */
int wal_head_decode(const uint8_t *p, size_t n, uint64_t *ret_number);

/* Append one record to b (b->err on failure). Samples of type NONE lose their value. n = 0 makes the mark of a
 * clean end. */
void wal_record_encode(struct buf *b, uint64_t number, uint64_t seq, int64_t wall_us, const struct sample *s, size_t n);
struct wal_remove { /* samples of a point in [from, to) */
    uint32_t point;
    int64_t from, to;
};
void wal_record_encode_remove(struct buf *b, uint64_t number, uint64_t seq, int64_t wall_us,
                              const struct wal_remove *r);

struct wal_record {
    uint64_t seq;
    uint32_t samples;
    bool removes;    /* for wal_record_decode_remove */
    int64_t wall_us; /* when it was written; 0: not known */
    const uint8_t *payload;
    size_t payload_n, total; /* total: header, time and payload */
};
/* The record at p: true when it is whole and its checksum is right. */
bool wal_record_parse(const uint8_t *p, size_t n, uint64_t number, struct wal_record *ret);
/* Bytes that the header at p (WAL_REC_HEAD bytes) claims for its record. */
size_t wal_record_size(const uint8_t *p);
/* When it says that it was written (0: it does not); not checked. false: no header stands there. */
bool wal_record_time(const uint8_t *p, size_t n, int64_t *ret);
/* Its samples, r->samples of them; ERR_CORRUPT. */
int wal_record_decode(const struct wal_record *r, struct sample *out);
int wal_record_decode_remove(const struct wal_record *r, struct wal_remove *ret);
/* Offset of the next record at or after `from` with a seq above `after`; n when none. */
size_t wal_record_find(const uint8_t *p, size_t n, size_t from, uint64_t number, uint64_t after);
