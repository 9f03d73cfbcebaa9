/* parquet.c - see parquet.h. A file: "PAR1", pages, footer (Thrift), its length (u32), "PAR1". A group of rows holds a
 * chunk a column: a dictionary page or none, then data pages. Rows are put together from one cursor a column. */
#include "proto/parquet.h"
#include <zlib.h>
#include "base/mem.h"
#include "proto/parquet_int.h"

#define HEAD_FIRST (64u << 10)
#define HEAD_MAX (4u << 20)
#define MEMORY_MAX (512u << 20) /* pages and dictionaries of all columns */

struct column { /* a cursor */
    const struct leaf *leaf;
    size_t at_leaf;
    uint64_t next, end; /* of the chunk in the file */
    int64_t left;       /* values of the chunk in pages that are still to come */
    int codec;
    uint8_t *page, *dict_page;
    size_t page_cap, dict_cap;
    struct parquet_value *dict;
    size_t ndict, dict_room;
    int64_t in_page;
    struct rle levels;
    struct values values;
};

struct parquet {
    struct parquet_source src;
    struct arena arena;
    struct footer footer;
    struct column *column;
    size_t n;
    size_t group; /* next one */
    int64_t in_group;
    uint8_t *in; /* packed bytes on their way */
    size_t in_cap;
    uint64_t memory, asked;
};

static int damaged(const struct column *c, struct error *e)
{
    return error_set(e, ERR_PROTOCOL, "", "the Parquet file is damaged in column '%.*s'",
                     "Parquet 文件的列 '%.*s' 已损坏", STR_ARG(c->leaf->name));
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int ask(struct parquet *p, uint64_t at, void *to, size_t n, struct error *e)
{
    p->asked += n;
    return p->src.read(p->src.ctx, at, to, n, e);
}

/* Room for n items; what all columns hold together is limited. */
static int room(struct parquet *p, void **buf, size_t *cap, size_t n, size_t size, struct error *e)
{
    if (n <= *cap) return 0;
    if (p->memory + (n - *cap) * size > MEMORY_MAX)
        return error_set(e, ERR_TOO_LARGE, "",
                         "pages of this Parquet file need more than 512 MiB at once; write smaller ones",
                         "此 Parquet 文件的页同时需要超过 512 MiB 内存；请用更小的页写出");
    void *more = mem_alloc(n * size);
    if (!more) return no_memory(e);
    mem_free(*buf);
    *buf = more;
    p->memory += (n - *cap) * size;
    *cap = n;
    return 0;
}

/* ---- pages ---- */

/* The head of the next page; how many bytes from c->next on stand in p->in. */
static int page_head(struct parquet *p, struct column *c, struct page_head *h, size_t *ret_have, struct error *e)
{
    for (size_t want = HEAD_FIRST;; want *= 8) {
        uint64_t rest = c->end - c->next;
        size_t have = rest < want ? (size_t)rest : want;
        int err = room(p, (void **)&p->in, &p->in_cap, have, 1, e);
        if (!err) err = have ? ask(p, c->next, p->in, have, e) : 0;
        if (err) return err;
        *ret_have = have;
        err = page_head_read(str_make((const char *)p->in, have), h);
        if (err == ERR_AGAIN && have < rest && want < HEAD_MAX) continue;
        return err ? damaged(c, e) : 0;
    }
}

/* The page's bytes as they lie in the file, into p->in. */
static int page_body(struct parquet *p, struct column *c, const struct page_head *h, size_t have, struct error *e)
{
    size_t n = (size_t)h->packed;
    if (h->bytes + n > c->end - c->next) return damaged(c, e);
    int err = 0;
    if (h->bytes + n <= have) {
        memmove(p->in, p->in + h->bytes, n);
    } else {
        err = room(p, (void **)&p->in, &p->in_cap, n, 1, e);
        if (!err) err = ask(p, c->next + h->bytes, p->in, n, e);
    }
    if (!err && h->has_crc && crc32(0, p->in, (uInt)n) != h->crc) err = damaged(c, e);
    return err;
}

static int unpack(struct column *c, int codec, struct str packed, uint8_t *out, size_t n, struct error *e)
{
    int err = page_unpack(codec, packed, out, n);
    if (err == ERR_UNSUPPORTED)
        return error_set(e, err, "", "column '%.*s' is packed with %s; write the file with ZSTD, SNAPPY or GZIP",
                         "列 '%.*s' 使用 %s 压缩；请改用 ZSTD、SNAPPY 或 GZIP 写出", STR_ARG(c->leaf->name),
                         codec_name(codec));
    return err ? damaged(c, e) : 0;
}

static int begin_values(struct column *c, int encoding, const uint8_t *at, const uint8_t *end, int64_t n,
                        struct error *e)
{
    int err = values_begin(&c->values, c->leaf, encoding, at, end, (uint64_t)n, c->dict, c->ndict);
    if (err == ERR_UNSUPPORTED)
        return error_set(
            e, err, "", "column '%.*s' is written in %s, which is not read here; write the file in version 1",
            "列 '%.*s' 的编码 %s 不受支持；请以版本 1 写出文件", STR_ARG(c->leaf->name), encoding_name(encoding));
    return err ? damaged(c, e) : 0;
}

static int dictionary(struct parquet *p, struct column *c, const struct page_head *h, struct error *e)
{
    size_t n = (size_t)h->unpacked;
    if (h->values > h->unpacked) return damaged(c, e);
    int err = room(p, (void **)&c->dict_page, &c->dict_cap, n + 1, 1, e);
    if (!err) err = unpack(c, c->codec, str_make((const char *)p->in, (size_t)h->packed), c->dict_page, n, e);
    if (!err) err = room(p, (void **)&c->dict, &c->dict_room, (size_t)h->values + 1, sizeof *c->dict, e);
    if (!err) err = begin_values(c, 0, c->dict_page, c->dict_page + n, h->values, e);
    for (c->ndict = 0; !err && c->ndict < (size_t)h->values; c->ndict++)
        if (!values_next(&c->values, &c->dict[c->ndict])) err = damaged(c, e);
    return err;
}

/* v1: all of it is packed; levels with their length before them. */
static int data_page(struct parquet *p, struct column *c, const struct page_head *h, struct error *e)
{
    size_t n = (size_t)h->unpacked;
    uint32_t levels;
    int err = unpack(c, c->codec, str_make((const char *)p->in, (size_t)h->packed), c->page, n, e);
    const uint8_t *at = c->page, *end = at + n;
    if (!err && c->leaf->optional) {
        if (n < 4) return damaged(c, e);
        memcpy(&levels, at, 4);
        if (levels > n - 4) return damaged(c, e);
        rle_begin(&c->levels, at + 4, at + 4 + levels, 1);
        at += 4 + (size_t)levels;
    }
    return err ? err : begin_values(c, h->encoding, at, end, h->values, e);
}

/* v2: levels stand unpacked before the rest. */
static int data_page_v2(struct parquet *p, struct column *c, const struct page_head *h, struct error *e)
{
    size_t before = (size_t)(h->levels_bytes + h->repeat_bytes), n = (size_t)h->unpacked;
    struct str rest = str_make((const char *)p->in + before, (size_t)h->packed - before);
    memcpy(c->page, p->in, before);
    rle_begin(&c->levels, c->page + h->repeat_bytes, c->page + before, 1);
    int codec = h->is_packed && (rest.n || n > before) ? c->codec : C_NONE;
    int err = unpack(c, codec, rest, c->page + before, n - before, e);
    return err ? err : begin_values(c, h->encoding, c->page + before, c->page + n, h->values, e);
}

static int one_page(struct parquet *p, struct column *c, struct error *e)
{
    struct page_head h;
    size_t have;
    if (c->next >= c->end) return damaged(c, e);
    int err = page_head(p, c, &h, &have, e);
    if (!err) err = page_body(p, c, &h, have, e);
    if (err) return err;
    c->next += h.bytes + (uint64_t)h.packed;
    if (h.type == 1) return 0;
    if (h.type == 2) return dictionary(p, c, &h, e);
    if (h.values > c->left) return damaged(c, e);
    c->left -= h.values;
    c->in_page = h.values;
    err = room(p, (void **)&c->page, &c->page_cap, (size_t)h.unpacked + 1, 1, e);
    if (err) return err;
    return h.type == 3 ? data_page_v2(p, c, &h, e) : data_page(p, c, &h, e);
}

static int column_next(struct parquet *p, struct column *c, struct parquet_value *ret, struct error *e)
{
    uint32_t level = 1;
    while (c->in_page == 0) {
        int err = c->left > 0 ? one_page(p, c, e) : damaged(c, e);
        if (err) return err;
    }
    c->in_page--;
    if (c->leaf->optional && !rle_next(&c->levels, &level)) return damaged(c, e);
    if (level == 0) {
        *ret = (struct parquet_value){.type = PARQUET_NULL};
        return 0;
    }
    return values_next(&c->values, ret) ? 0 : damaged(c, e);
}

/* ---- rows ---- */

static int begin_group(struct parquet *p, struct error *e)
{
    const struct group *g = &p->footer.group[p->group++];
    p->in_group = g->rows;
    for (size_t i = 0; i < p->n; i++) {
        struct column *c = &p->column[i];
        const struct chunk *k = &g->chunk[c->at_leaf];
        if (k->none)
            return error_set(e, ERR_UNSUPPORTED, "", "column '%.*s' is encrypted or stands in another file",
                             "列 '%.*s' 已加密或位于其他文件", STR_ARG(c->leaf->name));
        c->next = (uint64_t)k->begin;
        c->end = c->next + (uint64_t)k->bytes;
        c->left = k->values;
        c->codec = k->codec;
        c->in_page = 0;
        c->ndict = 0;
    }
    return 0;
}

int parquet_skip(struct parquet *p, uint64_t n, struct error *e)
{
    struct parquet_value *row = NULL;
    while (p->group < p->footer.ngroups && (uint64_t)p->footer.group[p->group].rows <= n)
        n -= (uint64_t)p->footer.group[p->group++].rows;
    if (n) row = mem_alloc(p->n * sizeof *row);
    if (n && !row) return no_memory(e);
    int rc = 1;
    while (n-- > 0 && rc == 1) rc = parquet_next(p, row, e);
    mem_free(row);
    return rc < 0 ? rc : 0;
}

int parquet_next(struct parquet *p, struct parquet_value *row, struct error *e)
{
    while (p->in_group == 0) {
        if (p->group == p->footer.ngroups) return 0;
        int err = begin_group(p, e);
        if (err) return err;
    }
    p->in_group--;
    for (size_t i = 0; i < p->n; i++) {
        int err = column_next(p, &p->column[i], &row[i], e);
        if (err) return err;
    }
    return 1;
}

/* ---- opening ---- */

static int not_parquet(struct error *e)
{
    return error_set(e, ERR_PROTOCOL, "", "this is no Parquet file (or only a part of one)",
                     "这不是 Parquet 文件（或文件不完整）");
}

static int read_footer(struct parquet *p, struct error *e)
{
    uint8_t tail[8];
    uint32_t n;
    if (p->src.size < 12) return not_parquet(e);
    int err = ask(p, p->src.size - 8, tail, 8, e);
    if (err) return err;
    memcpy(&n, tail, 4);
    if (!memcmp(tail + 4, "PARE", 4))
        return error_set(e, ERR_UNSUPPORTED, "", "encrypted Parquet files are not read", "不支持加密的 Parquet 文件");
    if (memcmp(tail + 4, "PAR1", 4) || n > PARQUET_FOOTER_MAX || n > p->src.size - 12) return not_parquet(e);
    char *bytes = arena_alloc(&p->arena, n);
    if (!bytes) return no_memory(e);
    err = ask(p, p->src.size - 8 - n, bytes, n, e);
    return err ? err : footer_read(str_make(bytes, n), p->src.size, &p->arena, &p->footer, e);
}

static int make_columns(struct parquet *p, struct error *e)
{
    p->column = arena_calloc(&p->arena, p->footer.nleaves, sizeof *p->column);
    if (!p->column) return no_memory(e);
    for (size_t i = 0; i < p->footer.nleaves; i++)
        if (!p->footer.leaf[i].nested) p->column[p->n++] = (struct column){.leaf = &p->footer.leaf[i], .at_leaf = i};
    if (p->n) return 0;
    return error_set(e, ERR_UNSUPPORTED, "", "all columns of this Parquet file are nested; flat ones are read",
                     "此 Parquet 文件的列均为嵌套类型；仅支持平面列");
}

int parquet_open(const struct parquet_source *src, struct parquet **ret, struct error *e)
{
    struct parquet *p = mem_calloc(1, sizeof *p);
    if (!p) return no_memory(e);
    p->src = *src;
    arena_init(&p->arena, 512u << 20);
    int err = read_footer(p, e);
    if (!err) err = make_columns(p, e);
    if (err)
        parquet_close(p);
    else
        *ret = p;
    return err;
}

void parquet_close(struct parquet *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n; i++) {
        mem_free(p->column[i].page);
        mem_free(p->column[i].dict_page);
        mem_free(p->column[i].dict);
        values_fini(&p->column[i].values);
    }
    mem_free(p->in);
    arena_fini(&p->arena);
    mem_free(p);
}

uint64_t parquet_rows(const struct parquet *p)
{
    return (uint64_t)p->footer.rows;
}
size_t parquet_columns(const struct parquet *p)
{
    return p->n;
}
struct str parquet_column(const struct parquet *p, size_t i)
{
    return p->column[i].leaf->name;
}
bool parquet_local(const struct parquet *p, size_t i)
{
    return p->column[i].leaf->local;
}
uint64_t parquet_read_bytes(const struct parquet *p)
{
    return p->asked;
}
