/* sheet_strings.c - the texts that cells share: all in one buffer, rich text joined, readings left out. */
#include "proto/sheet_int.h"

struct strings {
    struct xml_in in;
    bool in_text;
    unsigned phonetic;
    size_t from; /* where the current item began */
};

static void strings_start(void *ctx, const char *name, const char **attr)
{
    struct strings *s = ctx;
    if (strcmp(name, "si") == 0)
        s->from = s->in.w->strings.n;
    else if (strcmp(name, "rPh") == 0)
        s->phonetic++;
    else if (strcmp(name, "t") == 0)
        s->in_text = s->phonetic == 0;
}

static void end_item(struct strings *s)
{
    struct workbook *w = s->in.w;
    text_unescape(&w->strings, s->from);
    if (w->strings.err)
        xml_fail(&s->in, error_set(&s->in.err, w->strings.err, s->in.entry, "the texts are larger than %zu MiB",
                                   "文本超过 %zu MiB", w->lim.strings >> 20));
    else if (!mem_grow((void **)&w->string_ends, &w->strings_cap, w->nstrings + 1, sizeof *w->string_ends))
        xml_fail(&s->in, error_set(&s->in.err, ERR_NOMEM, "", "out of memory", "内存不足"));
    else
        w->string_ends[w->nstrings++] = w->strings.n;
}

static void strings_end(void *ctx, const char *name)
{
    struct strings *s = ctx;
    if (strcmp(name, "si") == 0)
        end_item(s);
    else if (strcmp(name, "rPh") == 0 && s->phonetic)
        s->phonetic--;
    else if (strcmp(name, "t") == 0)
        s->in_text = false;
}

static void strings_text(void *ctx, const char *p, size_t n)
{
    struct strings *s = ctx;
    if (s->in_text) buf_add(&s->in.w->strings, p, n);
}

int strings_load(struct workbook *w, struct error *e)
{
    static const struct xml_ops ops = {strings_start, strings_end, strings_text};
    struct strings s = {.from = 0};
    if (w->strings_loaded || !w->strings_path) return 0;
    int rc = xml_all(w, w->strings_path, &ops, &s, e);
    w->strings_loaded = rc == 0;
    return rc;
}

struct str strings_at(const struct workbook *w, size_t i, bool *ok)
{
    *ok = i < w->nstrings;
    if (!*ok) return STR("");
    size_t from = i ? w->string_ends[i - 1] : 0;
    return str_sub(buf_view(&w->strings), from, w->string_ends[i] - from);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* _x000D_ and the like: control characters, and '_' itself as _x005F_. Others stay as they stand. */
static bool escape_at(const uint8_t *p, size_t n, uint8_t *ret)
{
    unsigned v = 0;
    if (n < 7 || p[0] != '_' || p[1] != 'x' || p[6] != '_') return false;
    for (int i = 2; i < 6; i++) {
        int h = hex((char)p[i]);
        if (h < 0) return false;
        v = v << 4 | (unsigned)h;
    }
    *ret = (uint8_t)v;
    return v > 0 && v < 0x80;
}

void text_unescape(struct buf *b, size_t from)
{
    if (b->err || from >= b->n || !memmem(b->p + from, b->n - from, "_x", 2)) return;
    size_t to = from;
    for (size_t i = from; i < b->n; to++) {
        if (escape_at(b->p + i, b->n - i, &b->p[to]))
            i += 7;
        else
            b->p[to] = b->p[i++];
    }
    b->n = to;
}
