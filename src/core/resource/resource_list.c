/* resource_list.c - pages of resources: filter, text, sort, offset or cursor, total.
 *
 * A cursor is base64url of "c" or "i", the last code and the last id; it goes on where the page ended,
 * whatever was inserted or deleted meanwhile. */
#include "core/resource/kernel_int.h"
#include "base/encode.h"
#include "core/resource/list_filter.h"

struct listing {
    struct kernel *k;
    struct arena *a;
    const struct kind *kd;
    const struct list_query *q;
    size_t limit;
    bool by_id, down, keyed; /* keyed: sorted so that a cursor works */
    struct filter f;
};

static const struct kind *kind_of(void *ctx, struct str name)
{
    return kernel_kind(ctx, name);
}

static struct str sort_of(const struct listing *l)
{
    return l->q->sort.n ? l->q->sort : l->kd->list_sort.n ? l->kd->list_sort : STR("code");
}

static void find_order(struct listing *l)
{
    struct str s = str_trim(sort_of(l));
    l->down = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) s = str_sub(s, 1, s.n);
    l->by_id = str_is(s, "id");
    l->keyed = l->by_id || str_is(s, "code");
}

/* ------------------------------------------------------------------ where */

static int add_text(struct listing *l, struct error *e)
{
    struct str pattern = like_pattern(l->a, l->q->text);
    CATCH_NOMEM(pattern.p, e);
    struct filter_param p = {.type = FILTER_TEXT, .s = pattern};
    buf_z(&l->f.sql, " and (lower(r.code) like lower(");
    int rc = filter_param_add(&l->f, p, e);
    buf_printf(&l->f.sql, ") escape '\\' or lower(r.name) like lower($%zu) escape '\\')", l->f.nparams);
    return rc;
}

static int write_where(struct listing *l, struct error *e)
{
    buf_printf(&l->f.sql, " from resource r where r.kind = '%.*s' and r.deleted = 0", STR_ARG(l->kd->kind));
    int rc = l->q->text.n ? add_text(l, e) : 0;
    if (rc || !str_trim(l->q->filter).n) return rc;
    buf_z(&l->f.sql, " and ");
    return filter_compile(&l->f, l->q->filter, e);
}

static int bad_cursor(struct error *e)
{
    return error_set(e, ERR_INVALID, "after",
                     "is no cursor of this list; take it from 'next' of the page before, with the same sort",
                     "不是此列表的游标；请使用上一页的 next，且排序相同");
}

static int add_cursor(struct listing *l, struct error *e)
{
    struct buf b;
    buf_init(&b, 1024);
    int rc = base64_decode(&b, l->q->after, true) ? bad_cursor(e) : 0;
    struct str s = rc ? STR("") : arena_str(l->a, buf_view(&b));
    buf_fini(&b);
    if (rc) return rc;
    if (!l->keyed || s.n < 38 || s.p[0] != (l->by_id ? 'i' : 'c')) return bad_cursor(e);
    struct filter_param code = {.type = FILTER_TEXT, .s = str_sub(s, 37, s.n)};
    struct filter_param id = {.type = FILTER_TEXT, .s = str_sub(s, 1, 36)};
    const char *op = l->down ? "<" : ">";
    if (l->by_id) {
        buf_printf(&l->f.sql, " and r.id %s ", op);
        return filter_param_add(&l->f, id, e);
    }
    buf_printf(&l->f.sql, " and r.code %s= ", op);
    rc = filter_param_add(&l->f, code, e);
    buf_printf(&l->f.sql, " and (r.code %s $%zu or r.id %s ", op, l->f.nparams, op);
    if (!rc) rc = filter_param_add(&l->f, id, e);
    buf_z(&l->f.sql, ")");
    return rc;
}

/* ------------------------------------------------------------------ running */

static int begin(struct listing *l, struct kernel *k, struct arena *a, const struct list_query *q, struct error *e)
{
    *l = (struct listing){.k = k, .a = a, .q = q};
    int rc = kind_need(k, q->kind, &l->kd, e);
    if (rc) return rc;
    l->limit = q->limit ? q->limit : 50;
    if (l->limit > LIMIT_PAGE) l->limit = LIMIT_PAGE;
    find_order(l);
    l->f.kind_of = kind_of;
    l->f.ctx = k;
    l->f.now_us = clock_now_us(k->clock);
    return filter_init(&l->f, a, l->kd, e);
}

static int count(struct listing *l, struct sql_tx *tx, int64_t *ret, struct error *e)
{
    struct sql_stmt *s;
    buf_clear(&l->f.sql);
    l->f.nparams = 0;
    buf_z(&l->f.sql, "select count(*)");
    int rc = write_where(l, e);
    if (!rc) rc = sql_prepare(tx, buf_cstr(&l->f.sql), &s, e);
    if (rc) return rc;
    filter_bind(&l->f, s);
    rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

/* The text of the page; limit and offset are literals so that SQLite can plan with them. */
static int write_page(struct listing *l, size_t limit, size_t offset, struct error *e)
{
    buf_clear(&l->f.sql);
    l->f.nparams = 0;
    buf_z(&l->f.sql, "select " ROW_COLUMNS);
    int rc = write_where(l, e);
    if (!rc && l->q->after.n) rc = add_cursor(l, e);
    buf_z(&l->f.sql, " order by ");
    if (!rc) rc = filter_sort(&l->f, sort_of(l), e);
    if (limit) {
        buf_z(&l->f.sql, " limit ");
        if (!rc) rc = filter_param_add(&l->f, (struct filter_param){.type = FILTER_INT, .i = (int64_t)limit}, e);
        buf_z(&l->f.sql, " offset ");
        if (!rc) rc = filter_param_add(&l->f, (struct filter_param){.type = FILTER_INT, .i = (int64_t)offset}, e);
    }
    return rc ? rc : l->f.sql.err ? error_set(e, l->f.sql.err, "filter", "is too large", "过大") : 0;
}

static int read_page(struct listing *l, struct sql_tx *tx, struct resource *items, size_t *n, bool *more,
                     struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, buf_cstr(&l->f.sql), &s, e);
    if (rc) return rc;
    filter_bind(&l->f, s);
    while ((rc = sql_step(s, e)) == 1) {
        *more = *n == l->limit;
        if (*more) {
            rc = 0;
            break;
        }
        if ((rc = row_read(l->k, s, l->a, &items[*n], e))) break;
        ++*n;
    }
    sql_done(s);
    return rc;
}

static int make_cursor(struct listing *l, const struct resource *last, struct str *ret, struct error *e)
{
    struct buf b;
    char *plain = arena_printf(l->a, "%c%.*s%.*s", l->by_id ? 'i' : 'c', STR_ARG(last->id), STR_ARG(last->code));
    CATCH_NOMEM(plain, e);
    buf_init(&b, 1024);
    base64_encode(&b, plain, strlen(plain), true);
    *ret = arena_str(l->a, buf_view(&b));
    buf_fini(&b);
    return ret->p ? 0 : kernel_nomem(e);
}

static int list_in(struct listing *l, struct sql_tx *tx, struct list_page *page, struct error *e)
{
    bool more = false;
    int rc = 0;
    if (l->q->count) rc = count(l, tx, &page->total, e);
    if (!rc) rc = write_page(l, l->limit + 1, l->q->after.n ? 0 : l->q->offset, e);
    if (!rc) rc = read_page(l, tx, page->items, &page->n, &more, e);
    if (!rc) rc = row_refs(l->k, tx, l->a, l->kd, page->items, page->n, e);
    if (!rc && more && l->keyed) rc = make_cursor(l, &page->items[page->n - 1], &page->next, e);
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
    if (rc) return rc;
    rc = write_page(&l, 0, 0, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (!rc) {
        rc = stream(&l, tx, fn, ctx, e);
        sql_rollback(tx);
    }
    filter_fini(&l.f);
    return rc;
}
