/* resource_seal.c - secret fields of a spec: sealed as they are stored, opened as they are read; all of them
 * sealed again under the newest data key; how many stand under which.
 *
 * Each value is bound to its place, "<kind>/<id>/<path>", so that one copied to another resource or field
 * does not open. A value that does not open is read as null and counted: the rest of the resource stays
 * usable, and whoever needs the secret says that it is missing. Sealing again changes no revision; it goes
 * through the rows in order of id, a batch in each transaction. */
#include "base/metric.h"
#include "core/resource/kernel_int.h"
#include "core/secret.h"

METRIC(unopened_total, METRIC_COUNTER, "bornite_secret_unopened_total",
       "stored secrets that did not open: changed, moved, or sealed under a key that is not there");

#define BATCH 200
#define BATCH_BYTES (64 << 20)

struct sealing {
    struct kernel *k;
    struct arena *a;
    struct str kind, id;
    struct error *e;
    bool renewed;
};

static struct str place(const struct sealing *s, struct str path)
{
    return str_of(arena_printf(s->a, "%.*s/%.*s/%.*s", STR_ARG(s->kind), STR_ARG(s->id), STR_ARG(path)));
}

static bool holds(const struct field *f, const struct json *v)
{
    return f->type == FIELD_SECRET && v->type == JSON_STRING && v->s.n;
}

static int seal_one(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct sealing *s = ctx;
    if (!holds(f, v)) return 0;
    struct str about = place(s, path);
    CATCH_NOMEM(about.p, s->e);
    return secret_seal(s->k->secrets, s->a, about, v->s, &v->s, s->e);
}

static int open_one(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct sealing *s = ctx;
    if (!holds(f, v)) return 0;
    struct str about = place(s, path);
    CATCH_NOMEM(about.p, s->e);
    int rc = secret_unseal(s->k->secrets, s->a, about, v->s, &v->s, s->e);
    if (rc != ERR_CORRUPT) return rc;
    metric_add(&unopened_total, 1);
    v->type = JSON_NULL;
    if (s->e) *s->e = (struct error){0};
    return 0;
}

int spec_seal(struct kernel *k, const struct kind *kd, struct arena *a, struct str id, const struct json *spec,
              const struct json **ret, struct error *e)
{
    *ret = spec;
    if (!k->secrets || !kd->has_secret) return 0;
    struct json *copy = json_copy(a, spec);
    CATCH_NOMEM(copy, e);
    struct sealing s = {.k = k, .a = a, .kind = kd->kind, .id = id, .e = e};
    *ret = copy;
    return kind_walk(kd, copy, seal_one, &s);
}

int spec_open(struct kernel *k, const struct kind *kd, struct arena *a, struct str id, const struct json *spec,
              struct error *e)
{
    if (!k->secrets || !kd || !kd->has_secret) return 0;
    struct sealing s = {.k = k, .a = a, .kind = kd->kind, .id = id, .e = e};
    return kind_walk(kd, (struct json *)spec, open_one, &s);
}

/* ------------------------------------------------------------------ all again */

struct sweep {
    struct kernel *k;
    const struct kind *kd;
    bool history;
    char id[64]; /* of the last row */
    int64_t rev;
    size_t seen, changed;
    struct error *e;
};

struct row {
    struct str id, spec;
    int64_t rev;
};

static const char *const selects[] = {
    "select r.id, r.rev, r.spec from resource r where r.kind = $1 and r.id > $2 and $3 = $3 order by r.id limit $4",
    "select h.id, h.rev, h.spec from resource_history h join resource r on r.id = h.id where r.kind = $1 and"
    " (h.id > $2 or (h.id = $2 and h.rev > $3)) order by h.id, h.rev limit $4"};

static int read_batch(struct sweep *w, struct sql_tx *tx, struct arena *a, struct row *rows, size_t *n)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, selects[w->history], &s, w->e);
    if (rc) return rc;
    sql_bind_str(s, 1, w->kd->kind);
    sql_bind_str(s, 2, str_of(w->id));
    sql_bind_i64(s, 3, w->rev);
    sql_bind_i64(s, 4, BATCH);
    while (*n < BATCH && (rc = sql_step(s, w->e)) == 1) {
        rows[*n] = (struct row){.id = arena_str(a, sql_str(s, 0)), .spec = arena_str(a, sql_str(s, 2))};
        rows[*n].rev = sql_i64(s, 1);
        if (!rows[*n].id.p || !rows[*n].spec.p) {
            rc = kernel_nomem(w->e);
            break;
        }
        ++*n;
    }
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int store(struct sweep *w, struct sql_tx *tx, struct arena *a, const struct row *r, const struct json *spec)
{
    struct str text = json_text(a, spec);
    CATCH_NOMEM(text.p, w->e);
    w->changed++;
    if (w->history)
        return sql_exec(tx, w->e, "update resource_history set spec = $3 where id = $1 and rev = $2", "sis", r->id,
                        r->rev, text);
    return sql_exec(tx, w->e, "update resource set spec = $2 where id = $1", "ss", r->id, text);
}

/* What cannot be opened keeps its text: the key may be brought back. */
static int renew_one(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct sealing *s = ctx;
    struct str plain;
    if (!holds(f, v) || secret_is_current(s->k->secrets, v->s)) return 0;
    struct str about = place(s, path);
    CATCH_NOMEM(about.p, s->e);
    int rc = secret_unseal(s->k->secrets, s->a, about, v->s, &plain, NULL);
    if (rc == ERR_CORRUPT) return 0;
    if (rc) return kernel_nomem(s->e);
    s->renewed = true;
    return secret_seal(s->k->secrets, s->a, about, plain, &v->s, s->e);
}

static int walk_row(struct sweep *w, struct sql_tx *tx, struct arena *a, const struct row *r)
{
    struct json *spec;
    struct sealing s = {.k = w->k, .a = a, .kind = w->kd->kind, .id = r->id, .e = w->e};
    int rc = json_parse(a, r->spec, &spec, w->e);
    if (!rc) rc = kind_walk(w->kd, spec, renew_one, &s);
    return rc || !s.renewed ? rc : store(w, tx, a, r, spec);
}

/* ret_n 0: through. */
static int batch(struct sweep *w, struct sql_tx *tx, size_t *ret_n)
{
    AUTO_ARENA a;
    struct row rows[BATCH];
    size_t n = 0;
    arena_init(&a, BATCH_BYTES);
    int rc = read_batch(w, tx, &a, rows, &n);
    for (size_t i = 0; i < n && !rc; i++) rc = walk_row(w, tx, &a, &rows[i]);
    if (!rc && n) {
        str_to_cstr(rows[n - 1].id, w->id, sizeof w->id);
        w->rev = rows[n - 1].rev;
    }
    w->seen += n;
    *ret_n = n;
    return rc;
}

static int sweep(struct sweep *w, bool (*go_on)(void *ctx, size_t seen), void *ctx)
{
    size_t n = 0;
    do {
        struct sql_tx *tx;
        int rc = sql_begin(w->k->db, true, &tx, w->e);
        if (rc) return rc;
        rc = batch(w, tx, &n);
        if (rc)
            sql_rollback(tx);
        else
            rc = sql_commit(tx, w->e);
        if (rc) return rc;
        if (go_on && !go_on(ctx, w->seen)) return error_set(w->e, ERR_CANCELLED, "", "cancelled", "已取消");
    } while (n);
    return 0;
}

int kernel_secrets_reseal(struct kernel *k, bool (*go_on)(void *ctx, size_t seen), void *ctx, size_t *ret_changed,
                          struct error *e)
{
    const struct kind *kd;
    int rc = 0;
    *ret_changed = 0;
    for (size_t i = 0; !rc && k->secrets && (kd = kernel_kind_at(k, i)); i++) {
        for (int history = 0; history < 2 && !rc && kd->has_secret; history++) {
            struct sweep w = {.k = k, .kd = kd, .history = history, .e = e};
            rc = sweep(&w, go_on, ctx);
            *ret_changed += w.changed;
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ how many */

struct counting {
    int64_t (*counts)[2];
    size_t n;
};

static int count_one(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct counting *c = ctx;
    if (!holds(f, v)) return 0;
    int64_t number = secret_key_number(v->s);
    for (size_t i = 0; i < c->n; i++)
        if (c->counts[i][0] == number) c->counts[i][1]++;
    return 0;
}

static int count_kind(const struct kind *kd, struct sql_tx *tx, const char *text, struct counting *c, struct error *e)
{
    struct sql_stmt *s;
    AUTO_ARENA a;
    arena_init(&a, BATCH_BYTES);
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, kd->kind);
    while ((rc = sql_step(s, e)) == 1) {
        struct json *spec;
        arena_reset(&a);
        if (json_parse(&a, sql_str(s, 0), &spec, NULL) == 0) (void)kind_walk(kd, spec, count_one, c);
    }
    sql_done(s);
    return rc;
}

int kernel_secrets_count(struct kernel *k, int64_t (*counts)[2], size_t n, struct error *e)
{
    struct counting c = {counts, n};
    const struct kind *kd;
    struct sql_tx *tx;
    int rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    for (size_t i = 0; !rc && (kd = kernel_kind_at(k, i)); i++) {
        if (!kd->has_secret) continue;
        rc = count_kind(kd, tx, "select spec from resource where kind = $1", &c, e);
        if (!rc)
            rc = count_kind(kd, tx,
                            "select h.spec from resource_history h join resource r on r.id = h.id where r.kind = $1",
                            &c, e);
    }
    sql_rollback(tx);
    return rc;
}
