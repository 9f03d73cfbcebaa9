/* kernel_kinds.c - the kinds of a kernel: one immutable table, replaced as a whole.
 *
 * Readers take the newest table with one atomic load and no lock; a kind that they hold stays what it is,
 * because tables and kinds that were replaced are freed at kernel_close only (they are few: one for each
 * change of a user kind). Writers are serialised by kinds_lock. */
#include "core/resource/kernel_int.h"

static const struct kind_table no_kinds;

static const struct kind_table *table(struct kernel *k)
{
    const struct kind_table *t = atomic_load_explicit(&k->kinds, memory_order_acquire);
    return t ? t : &no_kinds;
}

const struct kind *kernel_kind_at(struct kernel *k, size_t i)
{
    const struct kind_table *t = table(k);
    return i < t->n ? t->items[i] : NULL;
}

const struct kind *kernel_kind(struct kernel *k, struct str name)
{
    const struct kind_table *t = table(k);
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(t->items[i]->kind, name) || str_eq(t->items[i]->plural, name)) return t->items[i];
    return NULL;
}

int kind_need(struct kernel *k, const char *name, const struct kind **ret, struct error *e)
{
    struct str names[KINDS_MAX], want = str_of(name);
    const struct kind_table *t = table(k);
    if ((*ret = kernel_kind(k, want))) return 0;
    for (size_t i = 0; i < t->n; i++) names[i] = t->items[i]->kind;
    struct str near = name_nearest(want, names, t->n);
    if (near.p)
        return error_set(e, ERR_NOT_FOUND, "kind", "there is no kind '%s'; did you mean '%.*s'?",
                         "没有类型“%s”；是否想写“%.*s”？", name, STR_ARG(near));
    return error_set(e, ERR_NOT_FOUND, "kind", "there is no kind '%s'", "没有类型“%s”", name);
}

/* ------------------------------------------------------------------ changing the table */

static int publish(struct kernel *k, struct kind_table *t)
{
    t->older = k->tables;
    k->tables = t;
    atomic_store_explicit(&k->kinds, t, memory_order_release);
    return 0;
}

static int own(struct kernel *k, struct kind *kd, struct error *e)
{
    struct kind_owned *o = mem_alloc(sizeof *o);
    CATCH_NOMEM(o, e);
    *o = (struct kind_owned){k->owned, kd};
    k->owned = o;
    return 0;
}

static struct kind_table *copy_without(const struct kind_table *old, struct str kind)
{
    struct kind_table *t = mem_alloc(sizeof *t + (old->n + 1) * sizeof *t->items);
    if (!t) return NULL;
    t->n = 0;
    for (size_t i = 0; i < old->n; i++)
        if (!str_eq(old->items[i]->kind, kind)) t->items[t->n++] = old->items[i];
    return t;
}

int kinds_put(struct kernel *k, struct kind *kd, struct error *e)
{
    const struct kind_table *old = table(k);
    size_t at = 0;
    while (at < old->n && !str_eq(old->items[at]->kind, kd->kind)) at++;
    if (old->n - (at < old->n) >= KINDS_MAX)
        return error_set(e, ERR_LIMIT, "kind", "there are %d kinds already", "类型数量已达上限 %d", KINDS_MAX);
    struct kind_table *t = mem_alloc(sizeof *t + (old->n + 1) * sizeof *t->items);
    CATCH_NOMEM(t, e);
    int rc = own(k, kd, e);
    if (rc) {
        mem_free(t);
        return rc;
    }
    if (old->n) memcpy(t->items, old->items, old->n * sizeof *t->items);
    t->items[at] = kd;
    t->n = at < old->n ? old->n : old->n + 1;
    return publish(k, t);
}

int kinds_drop(struct kernel *k, struct str kind, struct error *e)
{
    struct kind_table *t = copy_without(table(k), kind);
    CATCH_NOMEM(t, e);
    return publish(k, t);
}

void kinds_free(struct kernel *k)
{
    for (struct kind_table *t = k->tables, *next; t; t = next) {
        next = t->older;
        mem_free(t);
    }
    for (struct kind_owned *o = k->owned, *next; o; o = next) {
        next = o->older;
        kind_free(o->kind);
        mem_free(o);
    }
}

/* ------------------------------------------------------------------ what the store needs */

static int adopt_states(struct sql_tx *tx, const struct kind *kd, struct error *e)
{
    if (!kd->lifecycle) return 0;
    return sql_exec(tx, e, "update resource set state = $2 where kind = $1 and state = ''", "ss", kd->kind,
                    kd->lifecycle->states[kd->lifecycle->initial].name);
}

/* Once: the codes that were given before the kind said so. */
static int adopt_codes(struct sql_tx *tx, const struct kind *kd, struct error *e)
{
    char name[KIND_NAME_MAX + 16];
    int64_t done = 0;
    if (!kd->code_lifelong) return 0;
    snprintf(name, sizeof name, "lifelong:%.*s", STR_ARG(kd->kind));
    int rc = sequence_read(tx, str_of(name), &done, e);
    if (rc || done) return rc;
    rc = sql_exec(tx, e,
                  "insert into code_used(kind, org, code, id) select kind, org, code, min(id) from resource "
                  "where kind = $1 group by kind, org, code on conflict(kind, org, code) do nothing",
                  "s", kd->kind);
    if (!rc)
        rc = sql_exec(tx, e,
                      "insert into code_used(kind, org, code, id) select r.kind, h.org, h.code, min(h.id) from "
                      "resource_history h join resource r on r.id = h.id where r.kind = $1 group by r.kind, h.org, "
                      "h.code on conflict(kind, org, code) do nothing",
                      "s", kd->kind);
    return rc ? rc : sequence_write(tx, str_of(name), 1, e);
}

int kind_prepare(struct sql_tx *tx, const struct kind *kd, struct error *e)
{
    int rc = unique_prepare(tx, kd, e);
    if (!rc) rc = adopt_states(tx, kd, e);
    return rc ? rc : adopt_codes(tx, kd, e);
}

static bool needs_store(const struct kind *kd)
{
    bool any = kd->lifecycle || kd->code_lifelong;
    for (size_t i = 0; i < kd->nfields && !any; i++) any = kd->fields[i].unique || kd->fields[i].index;
    return any;
}

static int prepare(struct kernel *k, const struct kind *kd, struct error *e)
{
    struct sql_tx *tx;
    if (!needs_store(kd)) return 0;
    int rc = sql_begin(k->db, true, &tx, e);
    if (rc) return rc;
    rc = kind_prepare(tx, kd, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int kernel_kind_add(struct kernel *k, struct str document, struct error *e)
{
    struct kind *kd = NULL;
    int rc = kind_parse(document, &kd, e);
    if (rc) return rc;
    kd->builtin = true;
    pthread_mutex_lock(&k->kinds_lock);
    if (kernel_kind(k, kd->kind) || kernel_kind(k, kd->plural))
        rc =
            error_set(e, ERR_EXISTS, "kind", "the kind '%.*s' is there already", "类型“%.*s”已存在", STR_ARG(kd->kind));
    if (!rc) rc = prepare(k, kd, e);
    if (!rc) rc = kinds_put(k, kd, e);
    pthread_mutex_unlock(&k->kinds_lock);
    if (rc) kind_free(kd);
    return rc;
}
