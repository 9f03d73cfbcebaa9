/* arrow_ipc.h - writing Apache Arrow's IPC stream format: schema, dictionary, record batches, end.
 *
 * Just the types that history needs. Pure: appends to a buffer; errors stick there. Written from "Arrow Columnar
 * Format" 1.5 (IPC, Metadata) and the tables of Schema.fbs and Message.fbs; the bytes stand in arrow_ipc.c. */
#pragma once
#include "base/buf.h"

#define ARROW_ROWS_MAX 65536 /* of one record batch; the caller's business */

enum arrow_type {
    ARROW_F64,
    ARROW_U8,
    ARROW_TIME, /* timestamp[us, UTC] */
    ARROW_UTF8,
    ARROW_DICT, /* utf8 by dictionary; the index is int32, the dictionary's id that of the column */
};
struct arrow_column {
    struct str name;
    enum arrow_type type;
    bool nullable;
};
struct arrow_data { /* of one column of a batch */
    const void *values;      /* double, uint8_t, int64_t, int32_t (index); UTF8: rows + 1 int32_t offsets */
    const uint8_t *validity; /* bit i % 8 of byte i / 8: row i has a value; NULL: all have */
    size_t nulls;
    const uint8_t *bytes; /* UTF8: the texts */
};
void arrow_schema(struct buf *out, const struct arrow_column *c, size_t n);
void arrow_dictionary(struct buf *out, size_t column, const struct str *texts, size_t n);
void arrow_batch(struct buf *out, const struct arrow_column *c, const struct arrow_data *d, size_t n, size_t rows);
void arrow_end(struct buf *out);
