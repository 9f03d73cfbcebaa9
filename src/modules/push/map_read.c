/* map_read.c - a payload cut into records, by its form. */
#include "base/csv.h"
#include "base/encode.h"
#include "base/utf8.h"
#include "modules/push/mapping_int.h"

struct cutting {
    record_fn *fn;
    void *ctx;
    const struct json *root;
    size_t n;
};

static int on_each(void *ctx, const struct json *node)
{
    struct cutting *c = ctx;
    return c->fn(c->ctx, &(struct record){.doc = node, .root = c->root, .index = c->n++});
}

static int json_records(const struct mapping *m, struct arena *a, struct str payload, struct cutting *c,
                        struct error *e)
{
    struct json *root;
    int rc = json_parse(a, payload, &root, e);
    if (rc) return rc;
    c->root = root;
    if (!m->each) return on_each(c, root);
    rc = json_path_all(m->each, root, on_each, c);
    if (rc == ERR_LIMIT) return error_set(e, rc, "each", "the path visits too much", "路径匹配的内容过多");
    if (!rc && !c->n)
        return error_set(e, ERR_INVALID, "each", "the path of the records finds nothing in this message",
                         "记录路径在该消息中没有匹配");
    return rc;
}

/* ---- CSV ---- */

/* Columns in their order, also where two have one name. */
static void append(struct json *row, struct str name, struct json *v)
{
    v->key = name;
    if (row->last)
        row->last->next = v;
    else
        row->child = v;
    row->last = v;
    row->count++;
}

static int csv_row(const struct str *names, size_t nnames, struct arena *a, const struct str *cell, size_t n,
                   struct cutting *c, struct error *e)
{
    struct json *row = json_new_object(a);
    for (size_t i = 0; row && i < n; i++) {
        struct str name = i < nnames ? str_trim(names[i]) : str_of(arena_printf(a, "%zu", i + 1));
        struct json *v = name.p ? map_typed(a, cell[i]) : NULL;
        if (!v) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        append(row, name, v);
    }
    return row ? on_each(c, row) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int csv_records(const struct mapping *m, struct arena *a, struct str payload, struct cutting *c, struct error *e)
{
    struct csv csv;
    struct str *names = NULL, *cells;
    size_t nnames = 0, n;
    int rc;
    csv_init(&csv, payload);
    if (m->sep) csv.sep = m->sep;
    if (m->header && csv_next(&csv, a, &names, &nnames, e) != 1)
        return error_set(e, ERR_INVALID, "", "there is no line with the names of columns", "缺少列名行");
    while ((rc = csv_next(&csv, a, &cells, &n, e)) == 1)
        if ((rc = csv_row(names, nnames, a, cells, n, c, e))) return rc;
    if (!rc && !c->n) return error_set(e, ERR_INVALID, "", "there is no line with values", "缺少数据行");
    return rc;
}

/* ---- text, bytes ---- */

static int text_record(struct arena *a, struct str payload, struct cutting *c, struct error *e)
{
    struct str text = str_trim(payload);
    if (!text.n || !utf8_valid(text))
        return error_set(e, ERR_INVALID, "", "the message is empty or no text (UTF-8)", "消息为空或不是 UTF-8 文本");
    struct json *v = map_typed(a, text);
    return v ? on_each(c, v) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static struct str without_blanks(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.n; i++)
        if (!memchr(" \t\r\n:-", s.p[i], 6)) out[n++] = s.p[i];
    return str_make(out, n);
}

static int bytes_record(const struct mapping *m, struct arena *a, struct str payload, struct cutting *c,
                        struct error *e)
{
    struct buf b;
    struct record r = {.bytes = payload};
    if (m->encoding != RAW) {
        buf_init(&b, payload.n + 16);
        int rc = m->encoding == AS_HEX ? hex_decode(&b, without_blanks(a, payload))
                                       : base64_decode(&b, str_trim(payload), false);
        r.bytes = rc ? STR_NULL : arena_str(a, buf_view(&b));
        buf_fini(&b);
        if (rc)
            return m->encoding == AS_HEX
                       ? error_set(e, ERR_INVALID, "", "the message is no hexadecimal text", "消息不是十六进制文本")
                       : error_set(e, ERR_INVALID, "", "the message is no base64", "消息不是 base64");
    }
    if (!r.bytes.n) return error_set(e, ERR_INVALID, "", "the message is empty", "消息为空");
    return c->fn(c->ctx, &r);
}

int map_records(const struct mapping *m, struct arena *a, struct str payload, record_fn *fn, void *ctx, struct error *e)
{
    struct cutting c = {.fn = fn, .ctx = ctx};
    switch (m->form) {
    case MAP_JSON: return json_records(m, a, payload, &c, e);
    case MAP_CSV: return csv_records(m, a, payload, &c, e);
    case MAP_TEXT: return text_record(a, payload, &c, e);
    case MAP_BYTES: return bytes_record(m, a, payload, &c, e);
    }
    return ERR_INTERNAL;
}
