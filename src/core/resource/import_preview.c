/* import_preview.c - what a table has and what it probably means, for the person who maps its columns. */
#include "core/resource/import.h"

#define LOOK_ROWS 20
#define SAMPLE_MAX 60

struct looking {
    struct arena *a;
    const struct kind *kd;
    struct table *t;
    struct table_preview *out;
};

static size_t known_cells(struct looking *l, const struct table_row *r, struct arena *a, size_t *filled)
{
    struct column c;
    struct str text;
    size_t known = 0;
    *filled = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (table_text(l->t, &r->cells[i], a, &text, NULL) || !str_trim(text).n) continue;
        ++*filled;
        known += column_suggest(l->kd, a, text, &c);
    }
    return known;
}

/* The row among the first whose cells are known best; the first with two cells when none is known. */
static int find_header(struct looking *l, size_t *ret, struct error *e)
{
    struct table_row r;
    size_t best = 0, fallback = 0, filled;
    AUTO_ARENA a;
    arena_init(&a, 64 << 20);
    *ret = 0;
    int rc = table_rewind(l->t, e);
    for (size_t i = 0; !rc && i < LOOK_ROWS; i++) {
        arena_reset(&a);
        if ((rc = table_next(l->t, &a, &r, e)) != 1) break;
        rc = 0;
        size_t known = known_cells(l, &r, &a, &filled);
        if (known > best) best = known, *ret = r.line;
        if (!fallback || (filled > 1 && fallback == 1)) fallback = r.line;
    }
    if (!*ret) *ret = fallback;
    return rc < 0 ? rc : 0;
}

static int add_sample(struct looking *l, struct preview_column *c, struct str text, struct error *e)
{
    text = str_trim(text);
    if (!text.n || c->nsamples == 5) return 0;
    size_t n = text.n < SAMPLE_MAX ? text.n : SAMPLE_MAX;
    while (n && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80) n--;
    c->samples[c->nsamples] = arena_str(l->a, str_sub(text, 0, n));
    return c->samples[c->nsamples++].p ? 0 : kernel_nomem(e);
}

static int widen(struct looking *l, size_t n, struct error *e)
{
    if (n <= l->out->n) return 0;
    if (n > COLUMNS_MAX) return error_set(e, ERR_TOO_LARGE, "", "has more than %d columns", "超过 %d 列", COLUMNS_MAX);
    struct preview_column *more = arena_calloc(l->a, n, sizeof *more);
    CATCH_NOMEM(more, e);
    if (l->out->n) memcpy(more, l->out->columns, l->out->n * sizeof *more);
    l->out->columns = more;
    l->out->n = n;
    return 0;
}

static int read_rows(struct looking *l, struct error *e)
{
    struct table_row r;
    AUTO_ARENA a;
    arena_init(&a, 64 << 20);
    int rc;
    while ((rc = table_next(l->t, &a, &r, e)) == 1) {
        l->out->rows++;
        rc = l->out->rows <= LOOK_ROWS ? widen(l, r.n, e) : 0;
        for (size_t i = 0; !rc && i < r.n && l->out->rows <= LOOK_ROWS; i++) {
            struct str text = r.cells[i].type == CELL_ERROR ? r.cells[i].text : STR("");
            if (!text.n) rc = table_text(l->t, &r.cells[i], &a, &text, e);
            if (!rc) rc = add_sample(l, &l->out->columns[i], text, e);
        }
        if (rc) return rc;
        arena_reset(&a);
    }
    return rc;
}

/* A field is suggested once, for the column that names it first. */
static void suggest(struct looking *l, struct preview_column *c, size_t n)
{
    struct column meant;
    if (!column_suggest(l->kd, l->a, c[n].title, &meant)) return;
    struct str path = column_path(l->a, &meant);
    for (size_t i = 0; i < n; i++)
        if (str_eq(c[i].field, path)) return;
    c[n].field = path;
}

int table_preview(struct arena *a, const struct kind *kd, struct table *t, size_t header_row, struct table_preview *ret,
                  struct error *e)
{
    struct looking l = {a, kd, t, ret};
    struct str *titles = NULL;
    size_t n = 0;
    int rc = 0;
    *ret = (struct table_preview){.header_row = header_row};
    if (t->format == TABLE_JSON) {
        rc = table_rewind(t, e);
        return rc ? rc : read_rows(&l, e);
    }
    if (!header_row) rc = find_header(&l, &ret->header_row, e);
    if (!rc) rc = table_header(t, ret->header_row, a, &titles, &n, &ret->header_row, e);
    if (!rc) rc = widen(&l, n, e);
    for (size_t i = 0; !rc && i < n; i++) {
        ret->columns[i].title = titles[i];
        suggest(&l, ret->columns, i);
    }
    return rc ? rc : read_rows(&l, e);
}

int table_fields(const struct kind *kd, bool zh,
                 int (*fn)(void *ctx, struct str path, struct str title, const struct field *f), void *ctx)
{
    struct columns all;
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    int rc = columns_all(kd, &a, NULL, 0, true, &all, NULL);
    for (size_t i = 0; i < all.n && !rc; i++)
        rc = fn(ctx, column_path(&a, &all.items[i]), column_title(kd, &a, &all.items[i], zh), all.items[i].f);
    return rc;
}
