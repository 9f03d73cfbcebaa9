/* shared.c - shared attributes: what the platform tells a device (set points of its program, intervals), kept until
 * they are taken away. The device asks for them, and who watches is told of each change, after it is stored. Table
 * push_shared(device_id, key, value JSON, at_us, by). */
#include "base/time.h"
#include "modules/push/push.h"

#define SHARED_MAX 200
#define VALUE_MAX 4096

void push_watch(struct push *p, const struct push_watcher *w)
{
    push_lock(p);
    p->watcher = w ? *w : (struct push_watcher){.ctx = NULL};
    push_unlock(p);
}

static int check(struct arena *a, const struct json *changes, struct error *e)
{
    if (!changes || changes->type != JSON_OBJECT || !changes->count || changes->count > SHARED_MAX)
        return error_set(e, ERR_INVALID, "shared", "must be an object of 1 to %d members", "应为 1 至 %d 项的对象",
                         SHARED_MAX);
    for
        json_each (m, changes) {
            struct str text = json_text(a, m);
            if (!m->key.n || m->key.n > 200)
                return error_set(e, ERR_INVALID, "shared", "a key has 1 to 200 bytes", "键长度为 1 至 200 字节");
            if (!text.p || text.n > VALUE_MAX)
                return error_set(e, ERR_TOO_LARGE, "shared", "the value of '%.*s' is longer than %d bytes",
                                 "'%.*s' 的值超过 %d 字节", STR_ARG(str_sub(m->key, 0, 60)), VALUE_MAX);
        }
    return 0;
}

static int store_one(struct push *p, struct sql_tx *tx, struct arena *a, const char *id, const struct json *m,
                     const char *by, struct error *e)
{
    if (m->type == JSON_NULL)
        return sql_exec(tx, e, "delete from push_shared where device_id = $1 and key = $2", "ss", str_of(id), m->key);
    return sql_exec(tx, e,
                    "insert into push_shared(device_id, key, value, at_us, by_whom) values($1,$2,$3,$4,$5) on "
                    "conflict(device_id, key) do update set value = excluded.value, at_us = excluded.at_us, by_whom = "
                    "excluded.by_whom",
                    "sssis", str_of(id), m->key, json_text(a, m), clock_now_us(p->node->clock), str_of(by));
}

static int store(struct push *p, struct arena *a, const char *id, const struct json *changes, const char *by,
                 struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(p->node->kernel), true, &tx, e);
    if (rc) return rc;
    for
        json_each (m, changes) {
            if (!rc) rc = store_one(p, tx, a, id, m, by, e);
        }
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

/* As ThingsBoard tells it: {"key":value,…,"deleted":["key",…]}. */
static struct str told(struct arena *a, const struct json *changes)
{
    struct buf b;
    buf_init(&b, 2u << 20);
    struct json_writer w = json_writer(&b);
    bool gone = false;
    jw_object(&w);
    for
        json_each (m, changes) {
            gone |= m->type == JSON_NULL;
            if (m->type == JSON_NULL) continue;
            jw_key(&w, m->key);
            jw_json(&w, m);
        }
    if (gone) {
        jw_key(&w, STR("deleted"));
        jw_array(&w);
        for
            json_each (m, changes) {
                if (m->type == JSON_NULL) jw_str(&w, m->key);
            }
        jw_end(&w);
    }
    jw_end(&w);
    struct str text = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return text;
}

int push_shared_set(struct push *p, struct arena *a, const char *id, const struct json *changes, const char *by,
                    struct error *e)
{
    int rc = check(a, changes, e);
    if (!rc) rc = store(p, a, id, changes, by, e);
    if (rc) return rc;
    push_lock(p);
    struct push_watcher w = p->watcher;
    push_unlock(p);
    struct str text = told(a, changes);
    if (w.shared && text.p) w.shared(w.ctx, id, text);
    return 0;
}

static bool wanted(struct str keys, struct str key)
{
    if (!keys.n) return true;
    while (keys.p)
        if (str_eq(str_trim(str_cut(&keys, ',')), key)) return true;
    return false;
}

int push_read_shared(struct push *p, const char *id, struct str keys, struct json_writer *w, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(kernel_sql(p->node->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select key, value from push_shared where device_id = $1 order by key", &s, e);
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

int push_shared_list(struct push *p, const char *id, struct json_writer *w, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(kernel_sql(p->node->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select key, value, at_us, by_whom from push_shared where device_id = $1 order by key", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, str_of(id));
        while ((rc = sql_step(s, e)) == 1) {
            char at[TIME_TEXT_MAX];
            jw_object(w);
            jw_kstr(w, "key", sql_str(s, 0));
            jw_key(w, STR("value"));
            jw_raw(w, sql_str(s, 1));
            jw_kz(w, "at", time_format(sql_i64(s, 2), at));
            jw_kstr(w, "by", sql_str(s, 3));
            jw_end(w);
        }
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}
