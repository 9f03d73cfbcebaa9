/* field_int.h - between field_parse.c (texts of users), field_spec.c (values out of frames) and field_put.c (into
 * them). */
#pragma once
#include <regex.h>
#include "base/json_path.h"
#include "proto/field_spec.h"

enum field_kind {
    FIELD_BINARY,
    FIELD_BITS,
    FIELD_SLICE,
    FIELD_COLUMN,
    FIELD_NUMBER,
    FIELD_TEXT,
    FIELD_KEY,
    FIELD_REGEX,
    FIELD_JSON
};
enum slice_kind { SLICE_UINT, SLICE_INT, SLICE_BCD, SLICE_NUMBER, SLICE_HEX, SLICE_TEXT };

struct field {
    enum field_kind kind;
    enum slice_kind slice;
    enum value_type type; /* BINARY: on the wire */
    unsigned order;
    int32_t at;      /* BINARY, BITS, SLICE */
    uint32_t len;    /* bytes */
    unsigned lo, hi; /* BITS */
    unsigned nth;    /* COLUMN, NUMBER: from 1; REGEX: group, 0: the first or all */
    bool has_re;
    regex_t re;
    struct arena a; /* of the path */
    const struct json_path_query *path;
    char name[FIELD_TEXT_MAX];
};

size_t number_bytes(enum value_type t);
size_t order_place(size_t i, size_t n, unsigned order); /* where byte i, the highest first, stands */
uint64_t order_gather(const uint8_t *p, size_t n, unsigned order);
void order_scatter(uint64_t v, size_t n, unsigned order, uint8_t *p);
/* Where the field stands in a frame of n bytes; false: outside. */
bool field_place(const struct field *f, size_t n, size_t *ret_at);
