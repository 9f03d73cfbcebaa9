/* seg_format.h - the bytes of a segment file outside its blocks: header, frames, index, footer. Pure.
 * FORMAT.md has the tables. */
#pragma once
#include "base/buf.h"
#include "tsdb/bits.h"
#include "tsdb/segment.h"

#define SEG_HEAD 64
#define SEG_FOOT 128
#define FRAME_HEAD 16
#define FRAME_MAX (16u << 20) /* payload bytes */
#define TIMES_MAX 16384       /* rows of a shared time column */

/* BLOCK and INDEX are of the first version. */
enum frame_kind { FRAME_TIMES = 1, FRAME_BLOCK = 2, FRAME_INDEX = 3, FRAME_DIR = 4, FRAME_BUNDLE = 5, FRAME_PAGE = 6 };

/* Header in front of a payload that stands at offset + FRAME_HEAD. */
void frame_encode(uint8_t head[FRAME_HEAD], enum frame_kind kind, uint64_t uid, uint64_t offset, const void *payload,
                  size_t n);
/* The frame at p: its kind, or 0 when it does not check. */
int frame_check(const uint8_t *p, size_t n, uint64_t uid, uint64_t offset, struct in *ret_payload);

void seg_head_encode(const struct seg_info *i, uint8_t out[SEG_HEAD]);
int seg_head_decode(const uint8_t *p, size_t n, struct seg_info *ret); /* 0, ERR_CORRUPT, ERR_UNSUPPORTED */

struct seg_foot {
    struct seg_info info;
    uint64_t dir_at;
    uint32_t dir_len; /* of the frame */
};
void seg_foot_encode(const struct seg_foot *f, uint8_t out[SEG_FOOT]);
int seg_foot_decode(const uint8_t *p, size_t n, struct seg_foot *ret);

struct index_entry {
    struct block_meta meta;
    uint32_t group;
};
/* A row of an index page of the first version (m2 is not in it); the writer also keeps its entries so. */
void index_entry_encode(struct buf *b, const struct index_entry *e);
bool index_entry_decode(struct in *in, struct index_entry *e);

struct index_page {
    uint32_t first, last; /* points */
    uint32_t len;         /* of the frame */
    uint64_t at;
    int64_t min_us, max_us;
};
void index_dir_encode(struct buf *b, const struct index_page *p, size_t n);
/* *ret from mem_alloc. ERR_CORRUPT, ERR_NOMEM. */
int index_dir_decode(struct in *in, uint64_t file_bytes, struct index_page **ret, size_t *ret_n);

/* Payloads of index and directory frames: varint raw size, zstd frame. unzip: memory from mem_alloc. */
void zip(struct buf *b, const void *p, size_t n, ZSTD_CCtx *c);
int unzip(struct in *in, size_t max, ZSTD_DCtx *d, uint8_t **ret, size_t *ret_n);
