/* blob_format.h - the bytes of a file of blobs: header, records, footer, and how a body is made small. Pure, but for
 * blob_walk, which reads a file. Layout at the top of blob_format.c. */
#pragma once
#include "base/buf.h"
#include "io/fs.h"
#include "model/tsstore.h"

#define BLOB_DIR "ts/blobs"
#define BLOB_PATH_MAX 48
#define BLOB_FILE_HEAD 32
#define BLOB_FILE_FOOT 72
#define BLOB_HEAD 40                             /* of a record, before the type */
#define BLOB_HEAD_MAX (BLOB_HEAD + TS_BLOB_TYPE) /* with the type, whole words */

enum blob_codec { BLOB_PLAIN, BLOB_ZSTD, BLOB_SHUFFLED };

struct blob_info { /* a file */
    uint32_t number;
    uint8_t class_id;
    bool ended; /* it has its footer: nothing is added any more */
    uint64_t uid;
    int64_t bytes, end;     /* of the file; where its records end */
    uint64_t records, size; /* size: of all blobs as they were given */
    int64_t min_us, max_us; /* of samples; INT64_MAX, INT64_MIN when empty */
};
struct blob_rec {
    struct ts_blob blob;
    uint32_t stored, body_crc;
    uint8_t codec, width, skip, head; /* head: bytes before the body */
};

bool blob_type_ok(const char *type); /* printable, without blanks, 1 to TS_BLOB_TYPE - 1 */
void blob_path(uint32_t number, char out[BLOB_PATH_MAX]);
bool blob_name_parse(const char *name, uint32_t *ret);
static inline uint64_t blob_id(uint32_t number, int64_t at)
{
    return (uint64_t)number << 32 | (uint64_t)at / 8;
}
static inline int64_t blob_rec_bytes(const struct blob_rec *r)
{
    return r->head + (int64_t)((r->stored + UINT64_C(7)) & ~UINT64_C(7));
}

void blob_head_encode(const struct blob_info *i, uint8_t out[BLOB_FILE_HEAD]);
void blob_foot_encode(const struct blob_info *i, uint8_t out[BLOB_FILE_FOOT]);
/* number, class, uid. ERR_CORRUPT, ERR_UNSUPPORTED. */
int blob_head_decode(const uint8_t *p, size_t n, struct blob_info *ret);
int blob_foot_decode(const uint8_t *p, size_t n, struct blob_info *ret); /* all of it */

/* A whole record for offset `at` of the file, appended to b (b->err): the body as it takes least. */
void blob_encode(const struct blob_info *i, int64_t at, const struct ts_blob *what, struct str bytes, struct buf *b);
/* The head at p, n <= BLOB_HEAD_MAX bytes of the file from `at` on. ERR_CORRUPT. */
int blob_rec_decode(const struct blob_info *i, int64_t at, const uint8_t *p, size_t n, struct blob_rec *ret);
/* The body of r, stored at p, appended to `out`; NULL: it is only checked. ERR_CORRUPT, ERR_NOMEM, ERR_TOO_LARGE. */
int blob_body_decode(const struct blob_rec *r, const uint8_t *p, struct buf *out);
/* Make a record that was encoded for another place one for offset `at` of i. */
void blob_move(const struct blob_info *i, int64_t at, uint8_t *rec);

/* The records of [*at, end) in turn, bodies unread. fn gets ERR_CORRUPT and r NULL for each stretch that holds none,
 * with its length; non-zero ends it, above 0 behind what was told last. *at: how far it came. */
typedef int blob_walk_fn(void *ctx, int64_t at, int64_t bytes, const struct blob_rec *r);
int blob_walk(struct fs_file *f, const struct blob_info *i, int64_t *at, int64_t end, blob_walk_fn *fn, void *ctx);
