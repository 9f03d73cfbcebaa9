/* import_text.c - CSV out of the store of objects, in windows: bytes are brought to UTF-8 (a byte order mark decides,
 * then validity of the first 64 KiB, else GB18030; or as `encoding` says) and cut into rows. A row that is cut off by
 * the end of a window waits for the next. Positions count bytes of UTF-8 text. */
#include <errno.h>
#include <iconv.h>
#include "base/csv.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "modules/history/import.h"

#define PIECE (256u << 10)
#define ROW_MAX (1u << 20)

struct text {
    struct import_run *run;
    iconv_t decode; /* (iconv_t)-1: UTF-8 as it is */
    uint8_t *raw;
    size_t nraw;
    uint64_t read; /* raw bytes taken from the object */
    bool end;
    struct buf window; /* UTF-8 */
    uint64_t at;       /* of the window's first byte */
    struct csv csv;
    struct arena arena; /* of the rows of a window */
    struct cell *cell;
    size_t cells_cap;
    bool header_seen;
};

static int read_more(struct text *t, struct error *e)
{
    size_t n = 0;
    int err = object_get(t->run->objects, t->run->key, t->read, t->raw + t->nraw, PIECE - t->nraw, &n, e);
    if (err) return err;
    t->read += n;
    t->nraw += n;
    t->end = n == 0;
    return 0;
}

/* ---- encodings ---- */

static const char *sniff(const struct text *t)
{
    const char *p = (const char *)t->raw;
    struct str head = str_make(p, t->nraw < 65536 ? t->nraw : 65536);
    if (str_starts(head, STR("\xff\xfe"))) return "UTF-16LE";
    if (str_starts(head, STR("\xfe\xff"))) return "UTF-16BE";
    for (int cut = 0; cut < 4 && head.n; cut++, head.n--) /* the last character may be cut */
        if (utf8_valid(head)) return "UTF-8";
    return "GB18030";
}

static int choose(struct text *t, struct error *e)
{
    char name[24];
    struct str asked = json_str(json_get(job_params(t->run->rows.job), "encoding"), STR("auto"));
    str_to_cstr(asked, name, sizeof name);
    if (str_is(asked, "auto") || !asked.n) snprintf(name, sizeof name, "%s", sniff(t));
    if (str_ieq(str_of(name), STR("utf-8"))) return 0;
    t->decode = iconv_open("UTF-8", name);
    if (t->decode == (iconv_t)-1)
        return error_set(e, ERR_INVALID, "encoding", "'%s' is no encoding that is known; utf-8, gb18030 or utf-16",
                         "不支持的编码 '%s'；可用 utf-8、gb18030、utf-16", name);
    size_t mark = !strcmp(name, "UTF-16LE") || !strcmp(name, "UTF-16BE") ? 2 : 0;
    memmove(t->raw, t->raw + mark, t->nraw - mark);
    t->nraw -= mark;
    job_log(t->run->rows.job, "info", "encoding %s", name);
    return 0;
}

static int not_text(const struct text *t, struct error *e)
{
    return error_set(e, ERR_INVALID, "", "the text is in another encoding from byte %llu on; name it (encoding)",
                     "从第 %llu 字节起编码不符；请指定 encoding", (unsigned long long)(t->read - t->nraw));
}

/* All raw bytes that make whole characters go to the window. */
static int decode(struct text *t, struct error *e)
{
    if (t->decode == (iconv_t)-1) {
        buf_add(&t->window, t->raw, t->nraw);
        t->nraw = 0;
        return t->window.err;
    }
    char *in = (char *)t->raw;
    size_t left = t->nraw, room = t->nraw * 3 + 16;
    char *out = (char *)buf_space(&t->window, room), *at = out;
    if (!out) return t->window.err;
    bool bad = iconv(t->decode, &in, &left, &at, &room) == (size_t)-1 && errno != EINVAL;
    t->window.n += (size_t)(at - out);
    memmove(t->raw, in, left);
    t->nraw = left;
    return bad || (t->end && left) ? not_text(t, e) : 0;
}

/* ---- windows ---- */

/* Drop what is read, add a piece. */
static int next_window(struct text *t, struct error *e)
{
    size_t used = t->csv.pos;
    memmove(t->window.p, t->window.p + used, t->window.n - used);
    t->window.n -= used;
    t->at += used;
    int err = read_more(t, e);
    if (!err) err = decode(t, e);
    if (err) return err;
    t->csv.text = buf_view(&t->window);
    t->csv.pos = 0;
    t->csv.more = !t->end;
    return 0;
}

static int first_window(struct text *t, struct error *e)
{
    struct str sep = json_str(json_get(job_params(t->run->rows.job), "separator"), STR(""));
    int err = read_more(t, e);
    if (!err) err = choose(t, e);
    if (!err) err = decode(t, e);
    if (err) return err;
    csv_init(&t->csv, buf_view(&t->window));
    t->csv.pos = t->window.n - t->csv.text.n; /* behind a byte order mark */
    t->csv.text = buf_view(&t->window);
    t->csv.max_cells = IMPORT_COLUMNS_MAX;
    t->csv.more = true;
    if (str_is(sep, "\\t")) sep = STR("\t");
    if (sep.n) t->csv.sep = sep.p[0];
    return 0;
}

/* To where a checkpoint left off. */
static int skip_to(struct text *t, uint64_t at, uint64_t line, struct error *e)
{
    int err = 0;
    while (!err && t->at + t->window.n < at && !t->end) {
        t->csv.pos = t->window.n;
        err = next_window(t, e);
    }
    if (!err && (at < t->at || at > t->at + t->window.n))
        return error_set(e, ERR_INVALID, "", "the file has changed", "文件已改变");
    t->csv.pos = (size_t)(at - t->at);
    t->csv.next_line = line;
    return err;
}

/* ---- rows ---- */

static int numbered_columns(struct text *t, size_t n, struct error *e)
{
    struct arena *a = &t->run->rows.arena;
    struct str *title = arena_calloc(a, n, sizeof *title);
    for (size_t i = 0; title && i < n; i++) title[i] = str_of(arena_printf(a, "%zu", i));
    return title ? importer_columns(&t->run->rows, title, n, e)
                 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int header(struct text *t, const struct str *cells, size_t n, bool *ret_is_row, struct error *e)
{
    *ret_is_row = !json_bool(json_get(job_params(t->run->rows.job), "header"), true);
    t->header_seen = true;
    if (*ret_is_row) return numbered_columns(t, n, e);
    struct str *title = arena_calloc(&t->run->rows.arena, n, sizeof *title);
    for (size_t i = 0; title && i < n; i++) title[i] = arena_str(&t->run->rows.arena, str_trim(cells[i]));
    return title ? importer_columns(&t->run->rows, title, n, e)
                 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int give_row(struct text *t, const struct str *text, size_t n, struct error *e)
{
    bool is_row = true;
    int err = t->header_seen ? 0 : header(t, text, n, &is_row, e);
    if (err || !is_row) return err;
    if (!mem_grow((void **)&t->cell, &t->cells_cap, n, sizeof *t->cell))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < n; i++)
        t->cell[i] = (struct cell){.type = text[i].n ? CELL_TEXT : CELL_EMPTY, .text = text[i]};
    return importer_row(&t->run->rows, t->csv.line, t->cell, n, e);
}

/* A row that is none: reported, its first line is left out. */
static void bad_row(struct text *t, const struct error *why)
{
    t->run->rows.counts.rows++;
    importer_bad(&t->run->rows, t->csv.from_line, why->text, why->text_zh);
    (void)csv_skip_line(&t->csv);
}

/* All rows of the window. */
static int window_rows(struct text *t, struct error *e)
{
    for (;;) {
        struct error why = {0};
        struct str *cells;
        size_t n;
        int rc = csv_next(&t->csv, &t->arena, &cells, &n, &why);
        if (rc == ERR_AGAIN && t->window.n - t->csv.from < ROW_MAX) return 0;
        if (rc == 0) return 0;
        if (rc == ERR_NOMEM) return error_set(e, rc, "", "out of memory", "内存不足");
        if (rc == ERR_AGAIN) error_set(&why, ERR_TOO_LARGE, "", "a row is longer than 1 MiB", "一行超过 1 MiB");
        if (rc == 1)
            rc = give_row(t, cells, n, e);
        else
            bad_row(t, &why), rc = 0;
        if (rc) return rc;
        if (t->run->rows.flushed) rc = import_mark(t->run, t->at + t->csv.pos, t->csv.next_line, t->read, e);
        if (rc) return rc;
    }
}

static int all_windows(struct text *t, struct error *e)
{
    int err = first_window(t, e);
    if (!err && t->run->from_at) { /* the titles stand at the beginning all the same */
        struct str *cells;
        size_t n;
        bool is_row;
        if (csv_next(&t->csv, &t->arena, &cells, &n, e) == 1) err = header(t, cells, n, &is_row, e);
        if (!err) err = skip_to(t, t->run->from_at, t->run->from_line, e);
    }
    while (!err) {
        err = window_rows(t, e);
        arena_reset(&t->arena);
        job_progress(t->run->rows.job, t->read, t->run->size, "bytes", "字节");
        if (!err && job_cancelled(t->run->rows.job)) err = ERR_CANCELLED;
        if (err || t->end) break;
        err = next_window(t, e);
    }
    if (!err && !t->header_seen) err = error_set(e, ERR_INVALID, "", "the file has no rows", "文件没有数据行");
    return err ? err : importer_flush(&t->run->rows, e);
}

int import_csv(struct import_run *r, struct error *e)
{
    struct text t = {.run = r, .decode = (iconv_t)-1, .raw = mem_alloc(PIECE)};
    arena_init(&t.arena, 256u << 20);
    buf_init(&t.window, 16u << 20);
    int err = t.raw ? all_windows(&t, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (t.decode != (iconv_t)-1) iconv_close(t.decode);
    mem_free(t.raw);
    mem_free(t.cell);
    buf_fini(&t.window);
    arena_fini(&t.arena);
    return err;
}
