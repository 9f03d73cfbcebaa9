/* kept.c - see kept.h. */
#include "modules/forward/kept.h"
#include "base/mem.h"
#include "core/secret.h"
#include "io/log.h"

static const struct sql_migration migrations[] = {
    {1, "create table forward_kept(forward text not null, name text not null, value text not null, "
        "primary key(forward, name)) strict;"},
};

int kept_migrate(struct sql *db, struct error *e)
{
    return sql_migrate(db, "forward_kept", migrations, sizeof migrations / sizeof *migrations, e);
}

void kept_init(struct kept *k)
{
    *k = (struct kept){0};
    pthread_mutex_init(&k->lock, NULL);
}

void kept_fini(struct kept *k)
{
    for (size_t i = 0; i < k->n; i++) mem_free(k->at[i].value);
    pthread_mutex_destroy(&k->lock);
}

/* ---- in memory ---- */

static struct kept_one *find(struct kept *k, const char *name)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->at[i].name, name) == 0) return &k->at[i];
    return NULL;
}

const char *kept_get(const struct kept *k, const char *name)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->at[i].name, name) == 0) return k->at[i].value;
    return NULL;
}

static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= KEPT_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

static struct kept_one *place(struct kept *k, const char *name)
{
    struct kept_one *p = find(k, name);
    if (p || k->n == KEPT_NAMES) return p;
    p = &k->at[k->n++];
    snprintf(p->name, sizeof p->name, "%s", name);
    return p;
}

int kept_set(struct kept *k, const char *name, const char *value, size_t *ret_at, uint64_t *ret_change, struct error *e)
{
    char *copy = value ? mem_strdup(value) : NULL;
    if (value && !copy) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    struct kept_one *p = name_ok(name) && (!value || strlen(value) <= KEPT_VALUE_MAX) ? place(k, name) : NULL;
    if (!p) {
        mem_free(copy);
        return error_set(e, ERR_LIMIT, "", "the setting '%.40s' cannot be kept: at most %d of %d bytes",
                         "设置项“%.40s”无法保存：最多 %d 项，每项 %d 字节", name, KEPT_NAMES, KEPT_VALUE_MAX);
    }
    mem_free(p->value);
    p->value = copy;
    *ret_at = (size_t)(p - k->at);
    *ret_change = ++p->asked;
    return 0;
}

/* ---- on disk ---- */

/* What a sealed value is bound to. */
static struct str about(struct arena *a, const char *forward, const char *name)
{
    return str_of(arena_printf(a, "forward_kept %s %s", forward, name));
}

static int take_row(struct kernel *kernel, struct arena *a, struct kept *k, const char *forward, struct str name,
                    struct str sealed, struct error *e)
{
    char text[KEPT_NAME_MAX + 1], value[KEPT_VALUE_MAX + 1];
    struct str plain;
    struct error why;
    size_t at;
    uint64_t change;
    if (!str_to_cstr(name, text, sizeof text)) return 0;
    if (secret_unseal(kernel_secrets(kernel), a, about(a, forward, text), sealed, &plain, &why) ||
        !str_to_cstr(plain, value, sizeof value)) {
        log_warn("forward", "a kept setting cannot be opened", "forward=%s name=%s", forward, text);
        return 0;
    }
    return kept_set(k, text, value, &at, &change, e);
}

int kept_load(struct kernel *kernel, const char *forward, struct kept *k, struct error *e)
{
    AUTO_ARENA a;
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    arena_init(&a, 1 << 20);
    int rc = sql_begin(kernel_sql(kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select name, value from forward_kept where forward = $1 order by name", &s, e);
    if (!rc) sql_bind_str(s, 1, str_of(forward));
    while (!rc && (rc = sql_step(s, e)) == 1) rc = take_row(kernel, &a, k, forward, sql_str(s, 0), sql_str(s, 1), e);
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static int write_row(struct kernel *kernel, const char *forward, const char *name, const char *value, struct error *e)
{
    AUTO_ARENA a;
    struct sql_tx *tx;
    struct str sealed = STR_NULL;
    arena_init(&a, 1 << 16);
    int rc = value ? secret_seal(kernel_secrets(kernel), &a, about(&a, forward, name), str_of(value), &sealed, e) : 0;
    if (!rc) rc = sql_begin(kernel_sql(kernel), true, &tx, e);
    if (rc) return rc;
    if (value)
        rc = sql_exec(tx, e,
                      "insert into forward_kept(forward, name, value) values($1, $2, $3) "
                      "on conflict(forward, name) do update set value = excluded.value",
                      "sss", str_of(forward), str_of(name), sealed);
    else
        rc = sql_exec(tx, e, "delete from forward_kept where forward = $1 and name = $2", "ss", str_of(forward),
                      str_of(name));
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int kept_store(struct kernel *kernel, const char *forward, struct kept *k, size_t at, uint64_t change,
               const char *value, struct error *e)
{
    int rc = 0;
    pthread_mutex_lock(&k->lock);
    if (change > k->at[at].stored) rc = write_row(kernel, forward, k->at[at].name, value, e);
    if (!rc && change > k->at[at].stored) k->at[at].stored = change;
    pthread_mutex_unlock(&k->lock);
    return rc;
}

void kept_forget(struct kernel *kernel, const char *forward)
{
    struct sql_tx *tx;
    struct error e;
    int rc = sql_begin(kernel_sql(kernel), true, &tx, &e);
    if (!rc) {
        rc = sql_exec(tx, &e, "delete from forward_kept where forward = $1", "s", str_of(forward));
        if (!rc)
            rc = sql_commit(tx, &e);
        else
            sql_rollback(tx);
    }
    if (rc) log_warn("forward", "kept settings of a deleted forwarding stay", "forward=%s err=\"%s\"", forward, e.text);
}
