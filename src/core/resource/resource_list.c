/* resource_list.c - pages of resources: scope, filter, text, sort, offset or cursor, total.
 *
 * What the reader may not see is left out by the query itself, so that pages are full and totals right. A
 * cursor is base64url of a JSON array: the sort, then the values of the last row's sort keys; the next page goes
 * on behind them, whatever was inserted or deleted meanwhile, and does not read what lies before. Totals of whole
 * lists are exact (list_total.c); those of a filter or text are counted up to COUNT_MAX.
 *
 * Of two ways to a page one is chosen here, because no engine sees it: along the index of the sort, looking at
 * each row (when much is found, a page is soon full), or from an index of what is asked for, sorting what is
 * found (when that is little: a count with a limit tells beforehand). A page by number in the second half of a
 * whole list is read from its end. */
#include <math.h>
#include "base/encode.h"
#include "core/resource/list_int.h"

#define CURSOR_MAX 8192
#define COUNT_MAX 10000
#define PROBE_MAX 500 /* found by a filter, when no total is asked for */
#define WISHES 4

struct listing {
    struct kernel *k;
    struct arena *a;
    const struct kind *kd;
    const struct list_query *q;
    const struct permissions *may;
    size_t limit;
    struct filter f;
    struct sort_key keys[SORT_KEYS];
    size_t nkeys;
    struct search_plan text;
    bool by_text;  /* q by the index of texts */
    bool own_text; /* q in code and name only */
    bool walk;     /* his organisations hold so much that an index over them is the longer way */
    bool few;      /* what the filter finds is little: it leads, and is sorted */
    bool reversed; /* the page is read from the end of the list; `more`: something comes behind it */
    bool more;
    int64_t live;  /* that he may read; -1: not known */
    int64_t found; /* by the filter alone; -1: not counted */
    struct str wishes[WISHES];
    size_t nwishes;
};

static const struct kind *kind_of(void *ctx, struct str name)
{
    return kernel_kind(ctx, name);
}

static void wish(void *ctx, struct str expression)
{
    struct listing *l = ctx;
    if (l->nwishes == WISHES) return;
    struct str copy = arena_str(l->a, expression);
    if (copy.p) l->wishes[l->nwishes++] = copy;
}

static struct str sort_of(const struct listing *l)
{
    return str_trim(l->q->sort).n ? str_trim(l->q->sort) : l->kd->list_sort.n ? l->kd->list_sort : STR("code");
}

/* ------------------------------------------------------------------ where */

/* In code and name: in the bin, and for those who may not see all fields. */
static int own_text(struct listing *l, struct error *e)
{
    struct str pattern = like_pattern(l->a, l->q->text);
    CATCH_NOMEM(pattern.p, e);
    buf_z(&l->f.sql, " and (lower(r.code) like lower(");
    int rc = filter_param_add(&l->f, (struct filter_param){.type = FILTER_TEXT, .s = pattern}, e);
    buf_printf(&l->f.sql, ") escape '\\' or lower(r.name) like lower($%zu) escape '\\')", l->f.nparams);
    return rc;
}

static bool filtered(const struct listing *l)
{
    return str_trim(l->q->filter).n > 0;
}

enum purpose {
    PAGE,
    COUNT, /* nothing is sorted, so that the index of texts is the better way unless the filter finds little */
    PROBE, /* without the text */
};

/* Nothing but the text decides, so that the resources need not be read. */
static bool text_decides(const struct listing *l)
{
    char kind[KIND_NAME_MAX];
    bool all = !l->may || (str_to_cstr(l->kd->kind, kind, sizeof kind) && permitted_scope(l->may, kind, ACT_READ).all &&
                           permitted(l->may, kind, ACT_READ) && !l->kd->owner.n);
    return all && l->text.alone && l->text.tokens.n && !filtered(l) && !l->own_text;
}

static int write_where(struct listing *l, enum purpose for_, struct error *e)
{
    bool text = l->q->text.n && !l->own_text && for_ != PROBE;
    bool by_text = text && l->text.tokens.n && (l->by_text || (for_ == COUNT && !l->few));
    int rc = 0;
    if (for_ == COUNT && text && text_decides(l)) return search_texts(l->k, &l->f, &l->text, e);
    if (by_text)
        rc = search_from(l->k, &l->f, &l->text, for_ == COUNT, e);
    else
        buf_z(&l->f.sql, " from resource r where");
    buf_printf(&l->f.sql, " r.kind = '%.*s' and r.deleted = %d", STR_ARG(l->kd->kind), l->q->deleted);
    filter_scope(&l->f, l->kd->kind, "r", l->walk);
    if (!rc && l->own_text && l->q->text.n) rc = own_text(l, e);
    if (!rc && text && !by_text) rc = search_where(&l->f, &l->text, e);
    if (rc || !filtered(l)) return rc;
    buf_z(&l->f.sql, " and ");
    return filter_compile(&l->f, l->q->filter, e);
}

/* ------------------------------------------------------------------ cursors */

static int bad_cursor(struct error *e)
{
    return error_set(e, ERR_INVALID, "after",
                     "is no cursor of this list; take it from 'next' of the page before, with the same sort",
                     "不是此列表的游标；请使用上一页的 next，且排序相同");
}

static int key_param(struct listing *l, const struct sort_key *k, const struct json *v, struct error *e)
{
    struct filter_param p = {.type = k->type};
    if (k->type == FILTER_TEXT)
        p.s = json_str(v, STR(""));
    else if (k->type == FILTER_INT)
        p.i = json_i64(v, 0);
    else
        p.d = json_double(v, 0);
    return filter_param_add(&l->f, p, e);
}

static bool value_fits(const struct sort_key *k, const struct json *v)
{
    if (!v) return false;
    if (v->type == JSON_NULL) return k->nullable;
    if (k->type == FILTER_TEXT) return v->type == JSON_STRING;
    return v->type == JSON_INT || (k->type == FILTER_DOUBLE && v->type == JSON_DOUBLE);
}

/* Behind `v` by key i, or the same there and behind it by those that follow. Nulls stand last. */
static int behind(struct listing *l, size_t i, const struct json *v, struct error *e)
{
    const struct sort_key *k = &l->keys[i];
    struct buf *b = &l->f.sql;
    bool last = i + 1 == l->nkeys;
    int rc = 0;
    if (!value_fits(k, v)) return bad_cursor(e);
    if (v->type == JSON_NULL) {
        buf_printf(b, "(%s is null%s", k->sql, last ? " and 1 = 0" : " and ");
        if (!last) rc = behind(l, i + 1, v->next, e);
        buf_z(b, ")");
        return rc;
    }
    buf_z(b, "(");
    if (!k->nullable && !last) { /* a range that an index can begin with */
        buf_printf(b, "%s %s ", k->sql, k->down ? "<=" : ">=");
        rc = key_param(l, k, v, e);
        buf_z(b, " and (");
    }
    buf_printf(b, "%s %s ", k->sql, k->down ? "<" : ">");
    if (!rc) rc = key_param(l, k, v, e);
    if (k->nullable) buf_printf(b, " or %s is null", k->sql);
    if (!rc && !last) {
        buf_printf(b, " or (%s = ", k->sql);
        rc = key_param(l, k, v, e);
        buf_z(b, " and ");
        if (!rc) rc = behind(l, i + 1, v->next, e);
        buf_z(b, ")");
    }
    buf_z(b, !k->nullable && !last ? "))" : ")");
    return rc;
}

static int read_cursor(struct listing *l, const struct json **ret, struct error *e)
{
    struct buf b;
    struct json *v = NULL;
    if (l->q->after.n > CURSOR_MAX) return bad_cursor(e);
    buf_init(&b, CURSOR_MAX);
    int rc = base64_decode(&b, l->q->after, true) ? bad_cursor(e) : 0;
    struct str s = rc ? STR("") : arena_str(l->a, buf_view(&b));
    buf_fini(&b);
    if (!rc && (json_parse(l->a, s, &v, NULL) || json_count(v) != l->nkeys + 1 ||
                !str_eq(json_str(json_at(v, 0), STR("")), sort_of(l))))
        rc = bad_cursor(e);
    if (!rc) *ret = v->child->next;
    return rc;
}

static int add_cursor(struct listing *l, struct error *e)
{
    const struct json *values = NULL;
    int rc = read_cursor(l, &values, e);
    if (rc) return rc;
    buf_z(&l->f.sql, " and ");
    return behind(l, 0, values, e);
}

/* The sort keys of the row that stands there, which the statement gives behind the columns of the envelope. */
static int make_cursor(struct listing *l, struct sql_stmt *s, int col, struct str *ret, struct error *e)
{
    struct buf json, b;
    buf_init(&json, CURSOR_MAX);
    buf_init(&b, CURSOR_MAX * 2);
    struct json_writer w = json_writer(&json);
    jw_array(&w);
    jw_str(&w, sort_of(l));
    for (size_t i = 0; i < l->nkeys; i++, col++) {
        if (sql_is_null(s, col))
            jw_null(&w);
        else if (l->keys[i].type == FILTER_TEXT)
            jw_str(&w, sql_str(s, col));
        else if (l->keys[i].type == FILTER_INT)
            jw_i64(&w, sql_i64(s, col));
        else
            jw_double(&w, sql_double(s, col));
    }
    jw_end(&w);
    base64_encode(&b, json.p, json.n, true);
    *ret = json.err || b.err || b.n > CURSOR_MAX ? STR_NULL : arena_str(l->a, buf_view(&b));
    bool fits = !json.err && b.n <= CURSOR_MAX;
    buf_fini(&json);
    buf_fini(&b);
    return ret->p || !fits ? 0 : kernel_nomem(e); /* keys of many kilobytes: pages by number only */
}

/* ------------------------------------------------------------------ the statement */

static int begin(struct listing *l, struct kernel *k, struct arena *a, const struct list_query *q, struct error *e)
{
    *l = (struct listing){.k = k, .a = a, .q = q, .live = -1, .found = -1, .may = q->by ? q->by->may : NULL};
    int rc = kind_need(k, q->kind, &l->kd, e);
    if (rc) return rc;
    l->limit = q->limit ? q->limit : 50;
    if (l->limit > LIMIT_PAGE) l->limit = LIMIT_PAGE;
    l->f.kind_of = kind_of;
    l->f.ctx = k;
    l->f.now_us = clock_now_us(k->clock);
    l->f.may = l->may;
    l->f.by = q->by;
    l->f.wish = wish;
    l->f.wish_ctx = l;
    return filter_init(&l->f, a, l->kd, e);
}

static bool restricted(const struct listing *l)
{
    char kind[KIND_NAME_MAX];
    if (!l->may) return false;
    return !str_to_cstr(l->kd->kind, kind, sizeof kind) || !permitted_all_fields(l->may, kind, ACT_READ);
}

static void restart(struct listing *l, const char *text)
{
    buf_clear(&l->f.sql);
    l->f.nparams = 0;
    l->nwishes = 0;
    buf_z(&l->f.sql, text);
}

static int too_large(struct error *e)
{
    return error_set(e, ERR_TOO_LARGE, "filter", "is too large", "过大");
}

static int counted(struct listing *l, struct sql_tx *tx, enum purpose for_, int64_t max, int64_t *ret, struct error *e)
{
    struct sql_stmt *s;
    restart(l, "select count(*) from (select 1");
    int rc = write_where(l, for_, e);
    buf_printf(&l->f.sql, " limit %lld) x", (long long)max + 1);
    if (!rc && l->f.sql.err) rc = too_large(e);
    for (size_t i = 0; i < l->nwishes && !rc && for_ == PROBE; i++)
        if (!index_made(tx, l->kd, l->wishes[i])) return 0; /* it would read every row */
    if (!rc) rc = sql_prepare(tx, buf_cstr(&l->f.sql), &s, e);
    if (rc) return rc;
    filter_bind(&l->f, s);
    rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int count(struct listing *l, struct sql_tx *tx, struct list_page *page, struct error *e)
{
    int rc = 0;
    bool whole = !l->q->text.n && !filtered(l), unfinished = false;
    if (whole && l->live >= 0) {
        page->total = l->live;
        return 0;
    }
    if (!page->next.p && !l->q->after.n && (page->n || !l->q->offset) && page->n < l->limit) /* it ends here */
        page->total = (int64_t)(l->q->offset + page->n);
    else if (!l->q->text.n && l->found >= 0)
        page->total = l->found;
    else {
        rc = counted(l, tx, COUNT, COUNT_MAX, &page->total, e);
        unfinished = l->text.tokens.n && !l->few && l->text.hits > SEARCH_LOOK;
    }
    page->more_than_total = page->total > COUNT_MAX || (unfinished && rc == 0);
    if (page->total > COUNT_MAX) page->total = COUNT_MAX;
    return rc;
}

/* What can be known beforehand about how much will be found. */
static int plan(struct listing *l, struct sql_tx *tx, struct error *e)
{
    int64_t all = 0, max = l->q->count || l->q->text.n ? COUNT_MAX : PROBE_MAX;
    int rc = l->q->deleted ? 0 : total_live(l->k, tx, l->kd, NULL, &all, e);
    if (!rc && !l->q->deleted) rc = total_live(l->k, tx, l->kd, l->may, &l->live, e);
    if (l->may && l->kd->owner.n) l->live = -1; /* others' are not counted */
    l->walk = l->live > 2 * SEARCH_FEW && l->live > all / 100;
    l->own_text = l->q->deleted || restricted(l);
    if (!rc && l->q->text.n && !l->own_text) rc = search_plan(l->k, tx, l->a, l->kd, l->q->text, &l->text, e);
    l->by_text = l->text.hits <= SEARCH_FEW;
    if (rc || !filtered(l) || l->live <= SEARCH_FEW || (l->q->text.n && l->by_text && !l->own_text)) return rc;
    rc = counted(l, tx, PROBE, max, &l->found, e);
    l->few = l->found >= 0 && l->found <= max;
    return rc;
}

static void write_order(struct listing *l)
{
    buf_z(&l->f.sql, " order by ");
    for (size_t i = 0; i < l->nkeys; i++) {
        const char *apart = !l->few || i ? "" : l->keys[i].type == FILTER_TEXT ? " || ''" : " + 0"; /* by no index */
        buf_printf(&l->f.sql, "%s(%s%s)%s%s", i ? ", " : "", l->keys[i].sql, apart,
                   l->keys[i].down != l->reversed ? " desc" : "", l->keys[i].nullable ? " nulls last" : "");
    }
}

/* Nearer to the end of a whole list than to its beginning: the other way round. */
static void from_the_end(struct listing *l, size_t *limit, size_t *offset)
{
    bool whole = *limit && !l->q->after.n && !l->q->text.n && !filtered(l) && l->live >= 0;
    for (size_t i = 0; i < l->nkeys; i++) whole = whole && !l->keys[i].nullable;
    if (!whole || *offset <= (size_t)l->live / 2) return;
    size_t rest = *offset < (size_t)l->live ? (size_t)l->live - *offset : 0;
    *limit = rest < l->limit ? rest : l->limit;
    *offset = rest - *limit;
    l->reversed = true;
    l->more = rest > *limit;
}

/* The text of the page; limit 0: all. Limit and offset are bound, so that pages share a statement. */
static int write_page(struct listing *l, size_t limit, size_t offset, struct error *e)
{
    restart(l, "select " ROW_COLUMNS);
    l->f.dead = l->q->deleted;
    int rc = filter_sort(&l->f, sort_of(l), l->keys, &l->nkeys, e);
    for (size_t i = 0; i < l->nkeys && limit && !rc; i++) buf_printf(&l->f.sql, ", %s", l->keys[i].sql);
    if (!rc) rc = write_where(l, PAGE, e);
    if (!rc && l->q->after.n) rc = add_cursor(l, e);
    if (rc) return rc;
    bool all = !limit;
    from_the_end(l, &limit, &offset);
    write_order(l);
    if (!all) {
        buf_z(&l->f.sql, " limit ");
        rc = filter_param_add(&l->f, (struct filter_param){.type = FILTER_INT, .i = (int64_t)limit}, e);
        buf_z(&l->f.sql, " offset ");
        if (!rc) rc = filter_param_add(&l->f, (struct filter_param){.type = FILTER_INT, .i = (int64_t)offset}, e);
    }
    return rc ? rc : l->f.sql.err ? too_large(e) : 0;
}

/* ------------------------------------------------------------------ running */

#define KEY_COLUMN 17 /* what follows ROW_COLUMNS */

static int read_reversed(struct listing *l, struct sql_tx *tx, struct list_page *page, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, buf_cstr(&l->f.sql), &s, e);
    if (rc) return rc;
    filter_bind(&l->f, s);
    while (page->n < l->limit && (rc = sql_step(s, e)) == 1) {
        if (!page->n && l->more && (rc = make_cursor(l, s, KEY_COLUMN, &page->next, e))) break;
        if ((rc = row_read(l->k, s, l->a, &page->items[page->n], e))) break;
        page->n++;
    }
    sql_done(s);
    for (size_t i = 0; i < page->n / 2; i++) {
        struct resource r = page->items[i];
        page->items[i] = page->items[page->n - 1 - i];
        page->items[page->n - 1 - i] = r;
    }
    return rc;
}

static int read_page(struct listing *l, struct sql_tx *tx, struct list_page *page, struct error *e)
{
    struct sql_stmt *s;
    struct str cursor = STR_NULL;
    int rc = sql_prepare(tx, buf_cstr(&l->f.sql), &s, e);
    if (rc) return rc;
    filter_bind(&l->f, s);
    while ((rc = sql_step(s, e)) == 1) {
        if (page->n == l->limit) {
            page->next = cursor;
            rc = 0;
            break;
        }
        if ((rc = row_read(l->k, s, l->a, &page->items[page->n], e))) break;
        if (++page->n == l->limit && (rc = make_cursor(l, s, KEY_COLUMN, &cursor, e))) break;
    }
    sql_done(s);
    return rc;
}

static int list_in(struct listing *l, struct sql_tx *tx, struct list_page *page, struct error *e)
{
    int rc = plan(l, tx, e);
    if (!rc) rc = write_page(l, l->limit + 1, l->q->after.n ? 0 : l->q->offset, e);
    if (!rc) rc = l->reversed ? read_reversed(l, tx, page, e) : read_page(l, tx, page, e);
    if (!rc && l->q->count) rc = count(l, tx, page, e);
    if (!rc) rc = row_refs(l->k, tx, l->a, l->kd, page->items, page->n, e);
    return rc;
}

int resource_list(struct kernel *k, struct arena *a, const struct list_query *q, struct list_page *ret, struct error *e)
{
    struct listing l;
    struct sql_tx *tx;
    int rc = begin(&l, k, a, q, e);
    if (rc) return rc;
    struct list_page page = {.items = arena_alloc(a, (l.limit + 1) * sizeof *page.items), .total = -1};
    rc = page.items ? sql_begin(k->db, false, &tx, e) : kernel_nomem(e);
    if (!rc) {
        rc = list_in(&l, tx, &page, e);
        sql_rollback(tx);
    }
    for (size_t i = 0; i < l.nwishes && !rc && l.live >= INDEX_ROWS; i++) index_wish(k, l.kd, l.wishes[i]);
    filter_fini(&l.f);
    if (!rc) *ret = page;
    return rc;
}

/* Everything that the query finds, row by row in a short-lived arena (export). */
static int stream(struct listing *l, struct sql_tx *tx,
                  int (*fn)(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *a), void *ctx,
                  struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, buf_cstr(&l->f.sql), &s, e);
    if (rc) return rc;
    AUTO_ARENA row;
    arena_init(&row, LIMIT_SPEC * 16);
    filter_bind(&l->f, s);
    while ((rc = sql_step(s, e)) == 1) {
        struct resource r;
        arena_reset(&row);
        rc = row_read(l->k, s, &row, &r, e);
        if (!rc) rc = fn(ctx, tx, &r, &row);
        if (rc) break;
    }
    sql_done(s);
    return rc;
}

int list_stream(struct kernel *k, const struct list_query *q,
                int (*fn)(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *a), void *ctx,
                struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct listing l;
    struct sql_tx *tx;
    int rc = begin(&l, k, &a, q, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    rc = plan(&l, tx, e);
    if (!rc) rc = write_page(&l, 0, 0, e);
    if (!rc) rc = stream(&l, tx, fn, ctx, e);
    sql_rollback(tx);
    filter_fini(&l.f);
    return rc;
}

/* ------------------------------------------------------------------ the few columns of many */

static int brief_rows(struct listing *l, struct sql_tx *tx, size_t n, int (*fn)(void *ctx, const struct brief *b),
                      void *ctx, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, buf_cstr(&l->f.sql), &s, e);
    if (rc) return rc;
    filter_bind(&l->f, s);
    while ((rc = sql_step(s, e)) == 1) {
        struct brief b = {.num = (uint32_t)sql_i64(s, 0), .code = sql_str(s, 1), .name = sql_str(s, 2)};
        for (size_t i = 0; i < n; i++) b.field[i] = sql_str(s, 3 + (int)i).p ? sql_str(s, 3 + (int)i) : STR("");
        if ((rc = fn(ctx, &b))) break;
    }
    sql_done(s);
    return rc;
}

int resource_list_brief(struct kernel *k, const struct list_query *q, const char *const *fields, size_t n,
                        int (*fn)(void *ctx, const struct brief *b), void *ctx, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct listing l;
    struct sql_tx *tx;
    int rc = begin(&l, k, &a, q, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    rc = plan(&l, tx, e);
    restart(&l, "select r.num, r.code, r.name");
    for (size_t i = 0; i < n && i < BRIEF_FIELDS; i++) buf_printf(&l.f.sql, ", r.spec ->> '%s'", fields[i]);
    if (!rc) rc = write_where(&l, PAGE, e);
    if (!rc && l.f.sql.err) rc = too_large(e);
    if (!rc) rc = brief_rows(&l, tx, n, fn, ctx, e);
    sql_rollback(tx);
    filter_fini(&l.f);
    return rc;
}
