/* parquet_int.h - between parquet_thrift.c (the file's own words), parquet_page.c (values of a page), parquet.c (rows). */
#pragma once
#include "base/arena.h"
#include "proto/parquet.h"

#define PARQUET_COLUMNS_MAX 10000
#define PARQUET_GROUPS_MAX 100000
#define PARQUET_FOOTER_MAX (64u << 20)
#define PARQUET_PAGE_MAX (128u << 20)

/* ---- Thrift compact protocol, reading ---- */
struct thrift {
    const uint8_t *p, *end;
    bool bad; /* sticks; everything reads as 0 from then on */
};
enum thrift_type { T_STOP, T_TRUE, T_FALSE, T_BYTE, T_I16, T_I32, T_I64, T_DOUBLE, T_BINARY, T_LIST, T_SET, T_MAP, T_STRUCT };
/* The next field of a struct: its id (*id is the one before, 0 at first) and type; false: the struct ends. */
bool thrift_field(struct thrift *t, int *id, int *type);
int64_t thrift_int(struct thrift *t);
struct str thrift_binary(struct thrift *t);
size_t thrift_list(struct thrift *t, int *ret_type); /* count, at most the bytes that are left */
void thrift_skip(struct thrift *t, int type, int depth);

/* ---- the file ---- */
enum physical { P_BOOLEAN, P_INT32, P_INT64, P_INT96, P_FLOAT, P_DOUBLE, P_BYTE_ARRAY, P_FIXED };
enum meaning { M_PLAIN, M_UNSIGNED, M_DECIMAL, M_DATE, M_MILLIS, M_MICROS, M_NANOS };
enum codec { C_NONE, C_SNAPPY, C_GZIP, C_LZO, C_BROTLI, C_LZ4, C_ZSTD, C_LZ4_RAW };
struct leaf {
    struct str name;
    uint8_t physical, meaning;
    uint32_t width; /* FIXED */
    int scale;
    bool optional, local, nested; /* nested: left out */
};
struct chunk {
    uint8_t codec;
    int64_t values, begin, bytes; /* begin: of its first page, the dictionary's included */
    bool none;                    /* not described */
};
struct group {
    int64_t rows;
    struct chunk *chunk; /* one a leaf */
};
struct footer {
    struct leaf *leaf;
    size_t nleaves;
    struct group *group;
    size_t ngroups;
    int64_t rows;
};
MUST_CHECK int footer_read(struct str bytes, uint64_t file_size, struct arena *a, struct footer *ret, struct error *e);

struct page_head {
    int type; /* 0 data, 1 index, 2 dictionary, 3 data v2 */
    int64_t unpacked, packed, values, levels_bytes, repeat_bytes;
    int encoding;
    bool is_packed, has_crc;
    uint32_t crc; /* of the bytes behind the head */
    size_t bytes; /* of the head itself */
};
/* ERR_AGAIN: more bytes are needed. */
MUST_CHECK int page_head_read(struct str bytes, struct page_head *ret);

/* ---- values of a page ---- */
struct rle { /* run lengths and bit-packed numbers in turn */
    const uint8_t *p, *end;
    unsigned width;
    uint64_t left; /* of this run */
    uint32_t value;
    bool packed;
    unsigned bit;
};
struct delta { /* DELTA_BINARY_PACKED */
    const uint8_t *p, *end;
    uint64_t block, per_mini, minis, left, in_mini, mini;
    uint64_t value, least;
    uint8_t widths[512];
    unsigned width, bit;
    bool first;
};
struct values {
    const struct leaf *leaf;
    int encoding;
    const uint8_t *p, *end;
    unsigned bit; /* PLAIN booleans */
    uint64_t count, at; /* BYTE_STREAM_SPLIT */
    struct rle rle;
    struct delta delta, suffix;
    uint8_t *text; /* DELTA_BYTE_ARRAY: the value before; mem_alloc'd, kept from page to page */
    size_t text_n, text_cap;
    const struct parquet_value *dict;
    size_t ndict;
};
void rle_begin(struct rle *r, const uint8_t *p, const uint8_t *end, unsigned width);
bool rle_next(struct rle *r, uint32_t *ret);
/* ERR_UNSUPPORTED, ERR_PROTOCOL. count: values that are there (an upper bound). */
MUST_CHECK int values_begin(struct values *v, const struct leaf *leaf, int encoding, const uint8_t *p, const uint8_t *end,
                            uint64_t count, const struct parquet_value *dict, size_t ndict);
bool values_next(struct values *v, struct parquet_value *ret);
void values_fini(struct values *v);
const char *encoding_name(int encoding);
const char *codec_name(int codec);
/* Into out, exactly n bytes. */
MUST_CHECK int page_unpack(int codec, struct str packed, uint8_t *out, size_t n);
