/* parquet.h - rows of an Apache Parquet file (github.com/apache/parquet-format), flat columns, read and never written.
 *
 * Bounded: nothing that the file says is allocated before it has been checked against the file's size or a limit; pages
 * are unpacked one at a time a column. Encodings PLAIN, PLAIN_DICTIONARY and RLE_DICTIONARY, RLE, DELTA_BINARY_PACKED,
 * DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY, BYTE_STREAM_SPLIT; pages v1 and v2; codecs UNCOMPRESSED, SNAPPY, GZIP, ZSTD. Columns of lists
 * and structs are left out. Encrypted files, BROTLI, LZ4 and LZO are refused by name.
 * No I/O of its own: bytes are asked of a source. One thread at a time. */
#pragma once
#include "base/str.h"

struct parquet_source {
    /* Exactly n bytes from `at` on (inside the file). */
    int (*read)(void *ctx, uint64_t at, void *p, size_t n, struct error *e);
    void *ctx;
    uint64_t size;
};
enum parquet_type { PARQUET_NULL, PARQUET_BOOL, PARQUET_INT, PARQUET_DOUBLE, PARQUET_TEXT, PARQUET_TIME };
struct parquet_value {
    enum parquet_type type;
    int64_t i; /* BOOL, INT; TIME: microseconds since 1970 */
    double d;
    struct str text; /* until the next row */
};
struct parquet;
MUST_CHECK int parquet_open(const struct parquet_source *src, struct parquet **ret, struct error *e);
void parquet_close(struct parquet *p);
uint64_t parquet_rows(const struct parquet *p);
size_t parquet_columns(const struct parquet *p);
struct str parquet_column(const struct parquet *p, size_t i); /* name */
bool parquet_local(const struct parquet *p, size_t i);        /* times of a local clock, not of UTC */
/* Leave n rows out; before the first row. Groups of rows are not even read. */
MUST_CHECK int parquet_skip(struct parquet *p, uint64_t n, struct error *e);
/* 1: a row of parquet_columns() values, 0: the end. ERR_PROTOCOL: damaged; ERR_UNSUPPORTED: the text tells what. */
MUST_CHECK int parquet_next(struct parquet *p, struct parquet_value *row, struct error *e);
uint64_t parquet_read_bytes(const struct parquet *p); /* asked of the source so far */
