/* ingest.c - what other ways in ask of the devices. */
#include "base/mem.h"
#include "base/utf8.h"
#include "modules/push/push.h"

static bool found(const struct push_device *d, struct push_id *ret)
{
    if (!d || !d->enabled) return false;
    memcpy(ret->id, d->id, sizeof ret->id);
    memcpy(ret->code, d->code, sizeof ret->code);
    memcpy(ret->digest, d->digest, sizeof ret->digest);
    return true;
}

bool push_find_token(struct push *p, struct str token, struct push_id *ret)
{
    push_lock(p);
    bool ok = found(push_by_token(p, token), ret);
    push_unlock(p);
    return ok;
}

bool push_find_code(struct push *p, struct str code, struct push_id *ret)
{
    bool ok = false;
    push_lock(p);
    for (size_t i = 0; i < p->n && !ok; i++) ok = str_is(code, p->devices[i]->code) && found(p->devices[i], ret);
    push_unlock(p);
    return ok;
}

bool push_holds(struct push *p, const struct push_id *who, bool by_token)
{
    push_lock(p);
    const struct push_device *d = push_locked_device(p, who->id);
    bool ok = d && (!by_token || (d->has_token && memcmp(d->digest, who->digest, PUSH_DIGEST) == 0));
    push_unlock(p);
    return ok;
}

uint64_t push_changes(struct push *p)
{
    push_lock(p);
    uint64_t n = p->changes;
    push_unlock(p);
    return n;
}

uint64_t push_locked_changes(const struct push *p)
{
    return p->changes;
}

void push_lock(struct push *p)
{
    pthread_mutex_lock(&p->lock);
}

void push_unlock(struct push *p)
{
    pthread_mutex_unlock(&p->lock);
}

struct push_device *push_locked_device(struct push *p, const char *id)
{
    struct push_device *d = push_by_id(p, str_of(id));
    return d && d->enabled ? d : NULL;
}

static void set_problem(char out[160], const char *where, const char *between, const char *text)
{
    char all[ERROR_TEXT_MAX + ERROR_WHERE_MAX + 8];
    snprintf(all, sizeof all, "%s%s%s", where, where[0] ? between : "", text);
    str_to_cstr(str_sub(str_of(all), 0, utf8_floor(str_of(all), 159)), out, 160);
}

void push_problem(struct push *p, const char *id, const struct error *why)
{
    push_lock(p);
    struct push_device *d = push_by_id(p, str_of(id));
    if (d) {
        d->refused++;
        d->refused_us = clock_now_us(p->node->clock);
        set_problem(d->problem, why->where, ": ", why->text);
        set_problem(d->problem_zh, why->where, "：", why->text_zh);
    }
    push_unlock(p);
}

static bool wanted(struct str keys, struct str key)
{
    if (!keys.n) return true;
    while (keys.p)
        if (str_eq(str_trim(str_cut(&keys, ',')), key)) return true;
    return false;
}

int push_read_attributes(struct push *p, const char *id, struct str keys, struct json_writer *w, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(kernel_sql(p->node->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select key, value from push_attribute where device_id = $1 order by key", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, str_of(id));
        while ((rc = sql_step(s, e)) == 1) {
            if (!wanted(keys, sql_str(s, 0))) continue;
            jw_key(w, sql_str(s, 0));
            jw_raw(w, sql_str(s, 1));
        }
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}
