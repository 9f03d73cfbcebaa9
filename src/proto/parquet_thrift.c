/* parquet_thrift.c - footer and heads of pages: Thrift's compact protocol (thrift-compact-protocol.md), of which only
 * the fields named here are taken and all others skipped.
 *
 *   FileMetaData   2 schema, 3 num_rows, 4 row_groups
 *   SchemaElement  1 type, 2 type_length, 3 repetition, 4 name, 5 num_children, 6 converted_type, 7 scale, 10
 * logicalType RowGroup       1 columns, 3 num_rows;  ColumnChunk 1 file_path, 3 meta_data ColumnMetaData 1 type, 4
 * codec, 5 num_values, 7 total_compressed_size, 9 data_page_offset, 11 dictionary_page_offset PageHeader     1 type, 2
 * uncompressed size, 3 compressed size, 4 crc, 5 data head, 7 dictionary head, 8 data head v2 */
#include "proto/parquet_int.h"

#define DEPTH_MAX 16

/* ---- Thrift ---- */

static uint64_t varint(struct thrift *t)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (t->p >= t->end) break;
        uint8_t b = *t->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
    t->bad = true;
    t->p = t->end;
    return 0;
}

int64_t thrift_int(struct thrift *t)
{
    uint64_t v = varint(t);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct str thrift_binary(struct thrift *t)
{
    uint64_t n = varint(t);
    if (n > (uint64_t)(t->end - t->p)) {
        t->bad = true;
        t->p = t->end;
        return STR("");
    }
    t->p += n;
    return str_make((const char *)t->p - n, (size_t)n);
}

size_t thrift_list(struct thrift *t, int *ret_type)
{
    uint8_t head = t->p < t->end ? *t->p++ : 0;
    uint64_t n = head >> 4;
    if (n == 15) n = varint(t);
    *ret_type = head & 15;
    if (n > (uint64_t)(t->end - t->p)) t->bad = true, n = 0;
    return (size_t)n;
}

bool thrift_field(struct thrift *t, int *id, int *type)
{
    if (t->p >= t->end) t->bad = true;
    if (t->bad) return false;
    uint8_t head = *t->p++;
    *type = head & 15;
    if (*type == T_STOP) return false;
    *id = head >> 4 ? *id + (head >> 4) : (int)(int16_t)thrift_int(t);
    return !t->bad;
}

static void skip_bytes(struct thrift *t, size_t n)
{
    if (n > (size_t)(t->end - t->p)) t->bad = true, n = (size_t)(t->end - t->p);
    t->p += n;
}

static void skip_map(struct thrift *t, int depth)
{
    uint64_t n = varint(t);
    if (n > (uint64_t)(t->end - t->p)) t->bad = true;
    if (!n || t->bad) return;
    uint8_t types = t->p < t->end ? *t->p++ : 0;
    for (uint64_t i = 0; i < n && !t->bad; i++) {
        thrift_skip(t, types >> 4, depth);
        thrift_skip(t, types & 15, depth);
    }
}

static void skip_list(struct thrift *t, int depth)
{
    int type;
    size_t n = thrift_list(t, &type);
    if (type == T_TRUE || type == T_FALSE) type = T_BYTE; /* a byte each in a list */
    for (size_t i = 0; i < n && !t->bad; i++) thrift_skip(t, type, depth);
}

void thrift_skip(struct thrift *t, int type, int depth)
{
    int id = 0, inner;
    if (depth > DEPTH_MAX) t->bad = true;
    if (t->bad) return;
    switch (type) {
    case T_TRUE:
    case T_FALSE: return;
    case T_BYTE: skip_bytes(t, 1); return;
    case T_I16:
    case T_I32:
    case T_I64: varint(t); return;
    case T_DOUBLE: skip_bytes(t, 8); return;
    case T_BINARY: thrift_binary(t); return;
    case T_LIST:
    case T_SET: skip_list(t, depth + 1); return;
    case T_MAP: skip_map(t, depth + 1); return;
    case T_STRUCT:
        while (thrift_field(t, &id, &inner)) thrift_skip(t, inner, depth + 1);
        return;
    }
    t->bad = true;
}

/* ---- schema ---- */

struct element {
    struct str name;
    int64_t type, width, repetition, children, converted, scale;
    int meaning; /* of the logical type; -1 */
    bool local;
};

/* 8 TIMESTAMP {1 isAdjustedToUTC, 2 unit {1 ms, 2 us, 3 ns}} */
static void read_timestamp(struct thrift *t, struct element *el)
{
    int id = 0, type, unit = 0, none;
    while (thrift_field(t, &id, &type)) {
        if (id == 1 && (type == T_TRUE || type == T_FALSE)) {
            el->local = type == T_FALSE;
        } else if (id == 2 && type == T_STRUCT) {
            while (thrift_field(t, &unit, &none)) {
                if (unit >= 1 && unit <= 3) el->meaning = M_MILLIS + unit - 1;
                thrift_skip(t, none, 2);
            }
        } else {
            thrift_skip(t, type, 1);
        }
    }
}

static void read_logical(struct thrift *t, struct element *el)
{
    int id = 0, type, inner, at;
    while (thrift_field(t, &id, &type)) {
        if (type != T_STRUCT) {
            thrift_skip(t, type, 1);
        } else if (id == 8) {
            read_timestamp(t, el);
        } else if (id == 5 || id == 10) { /* DECIMAL {1 scale}, INTEGER {2 isSigned} */
            for (at = 0; thrift_field(t, &at, &inner);) {
                if (id == 5 && at == 1 && inner == T_I32) {
                    el->scale = thrift_int(t);
                } else {
                    if (id == 10 && at == 2 && inner == T_FALSE) el->meaning = M_UNSIGNED;
                    thrift_skip(t, inner, 1);
                }
            }
            if (id == 5) el->meaning = M_DECIMAL;
        } else {
            if (id == 6) el->meaning = M_DATE;
            thrift_skip(t, type, 1);
        }
    }
}

static struct element read_element(struct thrift *t)
{
    struct element el = {.type = -1, .converted = -1, .meaning = -1};
    int id = 0, type;
    while (thrift_field(t, &id, &type)) {
        int64_t *to = id == 1   ? &el.type
                      : id == 2 ? &el.width
                      : id == 3 ? &el.repetition
                      : id == 5 ? &el.children
                      : id == 6 ? &el.converted
                      : id == 7 ? &el.scale
                                : NULL;
        if (to && type == T_I32)
            *to = thrift_int(t);
        else if (id == 4 && type == T_BINARY)
            el.name = thrift_binary(t);
        else if (id == 10 && type == T_STRUCT)
            read_logical(t, &el);
        else
            thrift_skip(t, type, 0);
    }
    return el;
}

static uint8_t meaning_of(const struct element *el)
{
    if (el->meaning >= 0) return (uint8_t)el->meaning;
    switch (el->converted) {
    case 5: return M_DECIMAL;
    case 6: return M_DATE;
    case 9: return M_MILLIS;
    case 10: return M_MICROS;
    case 11:
    case 12:
    case 13:
    case 14: return M_UNSIGNED;
    }
    return M_PLAIN;
}

/* Leaves below elements of depth 1 only are columns; `open`: children still to come at each depth. */
static int read_schema(struct thrift *t, struct arena *a, struct footer *f)
{
    int type;
    size_t n = thrift_list(t, &type), depth = 0;
    int64_t open[DEPTH_MAX] = {0};
    if (type != T_STRUCT || n < 2 || n > PARQUET_COLUMNS_MAX * 4) return ERR_PROTOCOL;
    f->leaf = arena_calloc(a, n, sizeof *f->leaf);
    if (!f->leaf) return ERR_NOMEM;
    for (size_t i = 0; i < n && !t->bad; i++) {
        struct element el = read_element(t);
        bool repeated = el.repetition == 2 && i > 0;
        if (i > 0 && el.children <= 0) {
            f->leaf[f->nleaves++] = (struct leaf){.name = arena_str(a, el.name),
                                                  .physical = (uint8_t)el.type,
                                                  .meaning = meaning_of(&el),
                                                  .width = (uint32_t)el.width,
                                                  .scale = (int)el.scale,
                                                  .optional = el.repetition == 1,
                                                  .local = el.local,
                                                  .nested = depth > 1 || repeated};
            if (el.type < P_BOOLEAN || el.type > P_FIXED || el.scale < 0 || el.scale > 40) return ERR_PROTOCOL;
            if (el.type == P_FIXED && (el.width < 1 || el.width > 1 << 20)) return ERR_PROTOCOL;
        }
        if (i > 0) open[depth]--;
        if (el.children > 0) {
            if (++depth >= DEPTH_MAX) return ERR_PROTOCOL;
            open[depth] = el.children;
        }
        while (depth > 0 && open[depth] <= 0) depth--;
    }
    return f->nleaves && f->nleaves <= PARQUET_COLUMNS_MAX ? 0 : ERR_PROTOCOL;
}

/* ---- groups of rows ---- */

static void read_chunk_meta(struct thrift *t, struct chunk *c)
{
    int id = 0, type;
    int64_t data = 0, dict = 0, codec = 0;
    while (thrift_field(t, &id, &type)) {
        int64_t *to = id == 4    ? &codec
                      : id == 5  ? &c->values
                      : id == 7  ? &c->bytes
                      : id == 9  ? &data
                      : id == 11 ? &dict
                                 : NULL;
        if (to && (type == T_I32 || type == T_I64))
            *to = thrift_int(t);
        else
            thrift_skip(t, type, 0);
    }
    c->codec = codec >= 0 && codec < 200 ? (uint8_t)codec : 200;
    c->begin = dict > 0 && dict < data ? dict : data;
    c->none = false;
}

static struct chunk read_chunk(struct thrift *t)
{
    struct chunk c = {.none = true};
    int id = 0, type;
    bool elsewhere = false;
    while (thrift_field(t, &id, &type)) {
        if (id == 3 && type == T_STRUCT) {
            read_chunk_meta(t, &c);
        } else {
            elsewhere = elsewhere || id == 1;
            thrift_skip(t, type, 0);
        }
    }
    c.none = c.none || elsewhere;
    return c;
}

static int read_columns(struct thrift *t, struct arena *a, struct footer *f, struct group *g)
{
    int type;
    size_t n = thrift_list(t, &type);
    if (type != T_STRUCT || n != f->nleaves) return ERR_PROTOCOL;
    g->chunk = arena_calloc(a, n, sizeof *g->chunk);
    if (!g->chunk) return ERR_NOMEM;
    for (size_t i = 0; i < n && !t->bad; i++) g->chunk[i] = read_chunk(t);
    return 0;
}

static int read_groups(struct thrift *t, struct arena *a, struct footer *f)
{
    int type, err = 0;
    size_t n = thrift_list(t, &type);
    if ((type != T_STRUCT && n) || n > PARQUET_GROUPS_MAX) return ERR_PROTOCOL;
    f->group = arena_calloc(a, n + 1, sizeof *f->group);
    if (!f->group) return ERR_NOMEM;
    f->ngroups = n;
    for (size_t i = 0; i < n && !t->bad && !err; i++) {
        int id = 0, inner;
        while (!err && thrift_field(t, &id, &inner)) {
            if (id == 1 && inner == T_LIST)
                err = read_columns(t, a, f, &f->group[i]);
            else if (id == 3 && inner == T_I64)
                f->group[i].rows = thrift_int(t);
            else
                thrift_skip(t, inner, 0);
        }
    }
    return err;
}

static int check_groups(const struct footer *f, uint64_t file_size)
{
    int64_t rows = 0;
    for (size_t i = 0; i < f->ngroups; i++) {
        const struct group *g = &f->group[i];
        if (!g->chunk || g->rows < 0 || __builtin_add_overflow(rows, g->rows, &rows)) return ERR_PROTOCOL;
        for (size_t k = 0; k < f->nleaves; k++) {
            const struct chunk *c = &g->chunk[k];
            if (f->leaf[k].nested || c->none) continue;
            if (c->begin < 4 || c->bytes < 0 || (uint64_t)c->begin > file_size) return ERR_PROTOCOL;
            if ((uint64_t)c->bytes > file_size - (uint64_t)c->begin) return ERR_PROTOCOL;
        }
    }
    return rows == f->rows ? 0 : ERR_PROTOCOL;
}

int footer_read(struct str bytes, uint64_t file_size, struct arena *a, struct footer *ret, struct error *e)
{
    struct thrift t = {(const uint8_t *)bytes.p, (const uint8_t *)bytes.p + bytes.n, false};
    int id = 0, type, err = 0;
    *ret = (struct footer){0};
    while (!err && thrift_field(&t, &id, &type)) {
        if (id == 2 && type == T_LIST && !ret->leaf)
            err = read_schema(&t, a, ret);
        else if (id == 3 && type == T_I64)
            ret->rows = thrift_int(&t);
        else if (id == 4 && type == T_LIST && ret->leaf && !ret->group)
            err = read_groups(&t, a, ret);
        else
            thrift_skip(&t, type, 0);
    }
    if (!err && (t.bad || !ret->leaf || !ret->group)) err = ERR_PROTOCOL;
    if (!err) err = check_groups(ret, file_size);
    if (err == ERR_NOMEM) return error_set(e, err, "", "out of memory", "内存不足");
    return err ? error_set(e, err, "", "the Parquet file's description (its footer) is damaged",
                           "Parquet 文件的元数据（文件尾）已损坏")
               : 0;
}

/* ---- heads of pages ---- */

static void read_data_head(struct thrift *t, struct page_head *h, bool v2)
{
    int id = 0, type;
    while (thrift_field(t, &id, &type)) {
        bool number = type == T_I32;
        if (id == 1 && number)
            h->values = thrift_int(t);
        else if (id == (v2 ? 4 : 2) && number)
            h->encoding = (int)thrift_int(t);
        else if (v2 && id == 5 && number)
            h->levels_bytes = thrift_int(t);
        else if (v2 && id == 6 && number)
            h->repeat_bytes = thrift_int(t);
        else if (v2 && id == 7 && (type == T_TRUE || type == T_FALSE))
            h->is_packed = type == T_TRUE;
        else
            thrift_skip(t, type, 0);
    }
}

int page_head_read(struct str bytes, struct page_head *ret)
{
    struct thrift t = {(const uint8_t *)bytes.p, (const uint8_t *)bytes.p + bytes.n, false};
    struct page_head h = {.type = -1, .is_packed = true};
    int id = 0, type;
    while (thrift_field(&t, &id, &type)) {
        if (id == 1 && type == T_I32)
            h.type = (int)thrift_int(&t);
        else if (id == 2 && type == T_I32)
            h.unpacked = thrift_int(&t);
        else if (id == 3 && type == T_I32)
            h.packed = thrift_int(&t);
        else if (id == 4 && type == T_I32)
            h.has_crc = true, h.crc = (uint32_t)thrift_int(&t);
        else if ((id == 5 || id == 7 || id == 8) && type == T_STRUCT)
            read_data_head(&t, &h, id == 8);
        else
            thrift_skip(&t, type, 0);
    }
    if (t.bad) return ERR_AGAIN;
    bool sane = h.type >= 0 && h.type <= 3 && h.unpacked >= 0 && h.unpacked <= PARQUET_PAGE_MAX && h.packed >= 0 &&
                h.packed <= PARQUET_PAGE_MAX && h.values >= 0 && h.levels_bytes >= 0 && h.repeat_bytes >= 0 &&
                h.levels_bytes + h.repeat_bytes <= h.packed && h.levels_bytes + h.repeat_bytes <= h.unpacked;
    if (!sane) return ERR_PROTOCOL;
    h.bytes = bytes.n - (size_t)(t.end - t.p);
    *ret = h;
    return 0;
}
