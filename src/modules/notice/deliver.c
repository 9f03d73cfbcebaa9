/* deliver.c - table `delivery`: collecting -> queued -> sent | failed. At least once: what was on its way when
 * the process died goes out again. One delivery a channel at a time, so that order holds and a slow receiver
 * holds up nobody else. */
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "io/log.h"
#include "modules/notice/notice.h"

#define KEEP_DAYS 30
#define KEEP_ROWS 100000
#define RETRY_MAX_US (3600 * TIME_US_PER_S)
#define LOOK 500

METRIC(m_sent, METRIC_COUNTER, "bornite_notice_sent_total", "Deliveries that arrived.");
METRIC(m_failed, METRIC_COUNTER, "bornite_notice_failed_total", "Deliveries given up.");
METRIC(m_tries, METRIC_COUNTER, "bornite_notice_retries_total", "Tries that failed and come again.");

static const struct sql_migration migrations[] = {
    {1, "create table delivery(id text primary key, channel text not null, channel_code text not null, "
        "org text not null, topic text not null, severity int not null, title text not null, text text not null, "
        "link text not null, kind text not null, ref text not null, recipients text not null, count int not null, "
        "at_us int not null, state text not null, tries int not null, next_us int not null, sent_us int not null, "
        "error text not null) strict;"
        "create index delivery_due on delivery(state, next_us);"
        "create index delivery_channel on delivery(channel, at_us);"},
};

const char *const deliver_states[] = {"collecting", "queued", "sent", "failed", NULL};

int deliver_migrate(struct sql *db, struct error *e)
{
    return sql_migrate(db, "notice_delivery", migrations, sizeof migrations / sizeof *migrations, e);
}

static struct str filled(struct str s)
{
    return s.p ? s : STR("");
}

static int store_one(struct sql_tx *tx, const struct delivery *d, struct error *e)
{
    return sql_exec(tx, e,
                    "insert into delivery(id, channel, channel_code, org, topic, severity, title, text, link, kind, "
                    "ref, recipients, count, at_us, state, tries, next_us, sent_us, error) "
                    "values($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,0,$16,0,'') on conflict(id) do update "
                    "set severity = excluded.severity, title = excluded.title, text = excluded.text, "
                    "count = excluded.count, state = excluded.state, next_us = excluded.next_us",
                    "sssssissssssiisi", str_of(d->id), str_of(d->channel), str_of(d->channel_code), str_of(d->org),
                    d->topic, (int64_t)d->severity, filled(d->title), filled(d->text), filled(d->link), filled(d->kind),
                    filled(d->ref), d->recipients, d->count, d->at_us, str_of(d->open ? "collecting" : "queued"),
                    d->next_us);
}

int deliver_store(struct sql_tx *tx, const struct delivery *d, size_t n, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) rc = store_one(tx, &d[i], e);
    return rc;
}

static int change(struct sql *db, const char *text, const char *fmt, int64_t a, struct str b, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    rc = fmt[1] ? sql_exec(tx, e, text, fmt, a, b) : sql_exec(tx, e, text, fmt, a);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int deliver_recover(struct sql *db, struct error *e)
{
    return change(db, "update delivery set state = 'queued' where state = 'collecting' and next_us >= $1", "i",
                  INT64_MIN, STR_NULL, e);
}

int deliver_prune(struct notices *x, struct error *e)
{
    struct sql *db = kernel_sql(x->node->kernel);
    int rc = change(db, "delete from delivery where at_us < $1 and state in ('sent', 'failed')", "i",
                    clock_now_us(x->node->clock) - KEEP_DAYS * 86400LL * TIME_US_PER_S, STR_NULL, e);
    if (!rc)
        rc = change(db,
                    "delete from delivery where state in ('sent', 'failed') and id <= (select id from delivery order "
                    "by id desc limit 1 offset $1)",
                    "i", KEEP_ROWS, STR_NULL, e);
    return rc;
}

/* ---- sending ---- */

struct trip { /* a delivery on its way; owned by the pool's job */
    struct notices *x;
    struct arena arena;
    char id[37], channel[37];
    struct message m;
    struct str recipients;
    int64_t tries;
};

static int64_t retry_delay(const struct resource *c, int64_t tries)
{
    int64_t us = 10 * TIME_US_PER_S;
    struct str text = c ? json_str(json_get(c->spec, "retry_after"), STR("")) : STR("");
    if (text.n && duration_parse(text, &us, NULL)) us = 10 * TIME_US_PER_S;
    for (int64_t i = 1; i < tries && us < RETRY_MAX_US; i++) us *= 2;
    return us < RETRY_MAX_US ? us : RETRY_MAX_US;
}

static int finish(struct trip *t, const char *state, int64_t next_us, int64_t sent_us, const char *why)
{
    struct sql_tx *tx;
    struct error e = {0};
    int rc = sql_begin(kernel_sql(t->x->node->kernel), true, &tx, &e);
    if (!rc) {
        rc = sql_exec(
            tx, &e, "update delivery set state = $1, tries = $2, next_us = $3, sent_us = $4, error = $5 where id = $6",
            "siiiss", str_of(state), t->tries, next_us, sent_us, str_of(why), str_of(t->id));
        if (!rc)
            rc = sql_commit(tx, &e);
        else
            sql_rollback(tx);
    }
    if (rc)
        log_error("notice", "the outcome of a delivery cannot be stored; it may go out again", "err=\"%s\"", e.text);
    return rc;
}

/* The list that it was found in may be older than the last trip of its channel: is it still to be sent? */
static bool still_due(struct trip *t)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    bool due = false;
    if (sql_begin(kernel_sql(t->x->node->kernel), false, &tx, NULL)) return false;
    if (sql_prepare(tx, "select 1 from delivery where id = $1 and state = 'queued' and tries = $2", &s, NULL) == 0) {
        sql_bind_str(s, 1, str_of(t->id));
        sql_bind_i64(s, 2, t->tries);
        due = sql_step(s, NULL) == 1;
        sql_done(s);
    }
    sql_rollback(tx);
    return due;
}

static void try_once(struct trip *t)
{
    struct node *n = t->x->node;
    struct resource c = {0};
    struct error e = {0};
    struct json *to = NULL;
    bool again = false;
    int64_t now;
    if (!still_due(t)) return;
    int rc = resource_get(n->kernel, &t->arena, "message_channel", str_of(t->channel), &c, &e);
    bool known = rc == 0;
    if (!rc && !json_bool(json_get(c.spec, "enabled"), true))
        rc = error_set(&e, ERR_UNAVAILABLE, "", "the channel is switched off", "通道已停用");
    if (!rc) rc = json_parse(&t->arena, t->recipients, &to, &e);
    if (!rc) rc = send_message(n, &t->arena, &c, &t->m, to, &again, &e);
    t->tries++;
    now = clock_now_us(n->clock);
    if (!rc) {
        metric_add(&m_sent, 1);
        finish(t, "sent", now, now, "");
    } else if (again && t->tries < json_i64(json_get(c.spec, "tries"), 6)) {
        metric_add(&m_tries, 1);
        finish(t, "queued", now + retry_delay(&c, t->tries), 0, e.text);
    } else {
        metric_add(&m_failed, 1);
        log_warn("notice", "a message cannot be delivered", "channel=%.*s err=\"%s\"",
                 STR_ARG(known ? c.code : str_of(t->channel)), e.text);
        finish(t, "failed", now, 0, e.text);
    }
}

static void set_busy(struct notices *x, const char *from, const char *to)
{
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        if (strcmp(x->busy[i], from) != 0) continue;
        snprintf(x->busy[i], sizeof x->busy[i], "%s", to);
        return;
    }
}

static void on_pool(void *arg)
{
    struct trip *t = arg;
    struct notices *x = t->x;
    try_once(t);
    pthread_mutex_lock(&x->lock);
    set_busy(x, t->channel, "");
    x->due = true;
    pthread_cond_signal(&x->due_cond);
    pthread_mutex_unlock(&x->lock);
    arena_fini(&t->arena);
    mem_free(t);
}

static struct trip *trip_of(struct notices *x, struct sql_stmt *s)
{
    struct trip *t = mem_calloc(1, sizeof *t);
    if (!t) return NULL;
    t->x = x;
    arena_init(&t->arena, 16 << 20);
    str_to_cstr(sql_str(s, 0), t->id, sizeof t->id);
    str_to_cstr(sql_str(s, 1), t->channel, sizeof t->channel);
    t->m = (struct message){.id = str_of(t->id),
                            .topic = arena_str(&t->arena, sql_str(s, 2)),
                            .severity = (enum event_severity)sql_i64(s, 3),
                            .title = arena_str(&t->arena, sql_str(s, 4)),
                            .text = arena_str(&t->arena, sql_str(s, 5)),
                            .link = arena_str(&t->arena, sql_str(s, 6)),
                            .kind = arena_str(&t->arena, sql_str(s, 7)),
                            .ref = arena_str(&t->arena, sql_str(s, 8)),
                            .count = sql_i64(s, 10),
                            .at_us = sql_i64(s, 11)};
    t->recipients = arena_str(&t->arena, sql_str(s, 9));
    t->tries = sql_i64(s, 12);
    return t;
}

static bool claim(struct notices *x, struct str channel)
{
    size_t room = IN_FLIGHT;
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        if (str_is(channel, x->busy[i])) room = IN_FLIGHT + 1;
        if (!x->busy[i][0] && room == IN_FLIGHT) room = i;
    }
    if (room < IN_FLIGHT) str_to_cstr(channel, x->busy[room], sizeof x->busy[room]);
    pthread_mutex_unlock(&x->lock);
    return room < IN_FLIGHT;
}

static void give_back(struct notices *x, const char *channel)
{
    pthread_mutex_lock(&x->lock);
    set_busy(x, channel, "");
    pthread_mutex_unlock(&x->lock);
}

static void depart(struct notices *x, struct sql_stmt *s)
{
    struct str channel = sql_str(s, 1);
    if (!claim(x, channel)) return;
    struct trip *t = trip_of(x, s);
    if (t && pool_submit(x->pool, on_pool, t) == 0) return;
    char name[37];
    str_to_cstr(channel, name, sizeof name);
    give_back(x, name);
    if (t) arena_fini(&t->arena);
    mem_free(t);
}

static void next_due(struct sql_tx *tx, int64_t now, int64_t *ret)
{
    struct sql_stmt *s;
    if (sql_prepare(tx, "select min(next_us) from delivery where state = 'queued' and next_us > $1", &s, NULL)) return;
    sql_bind_i64(s, 1, now);
    if (sql_step(s, NULL) == 1 && !sql_is_null(s, 0)) *ret = sql_i64(s, 0);
    sql_done(s);
}

void deliver_due(struct notices *x, int64_t *ret_next_us)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int64_t now = clock_now_us(x->node->clock);
    *ret_next_us = now + 60 * TIME_US_PER_S;
    if (sql_begin(kernel_sql(x->node->kernel), false, &tx, NULL)) return;
    if (sql_prepare(
            tx,
            "select id, channel, topic, severity, title, text, link, kind, ref, recipients, count, at_us, tries "
            "from delivery where state = 'queued' and next_us <= $1 order by next_us, id limit $2",
            &s, NULL) == 0) {
        sql_bind_i64(s, 1, now);
        sql_bind_i64(s, 2, LOOK);
        while (sql_step(s, NULL) == 1) depart(x, s);
        sql_done(s);
    }
    next_due(tx, now, ret_next_us);
    sql_rollback(tx);
}

/* ---- lists ---- */

#define ORGS_MAX 900 /* parameters of a statement */
static void where(struct buf *b, const struct scope *scope)
{
    buf_z(b, " from delivery where ($1 = '' or channel = $1 or channel_code = $1) and ($2 = '' or state = $2)");
    if (scope->all) return;
    buf_z(b, " and org in (''");
    for (size_t i = 0; i < scope->n; i++) buf_printf(b, ",$%zu", i + 3);
    buf_z(b, ")");
}

static int prepare(struct sql_tx *tx, const char *what, const char *tail, const struct scope *scope, struct str channel,
                   struct str state, struct sql_stmt **ret, struct error *e)
{
    struct buf text;
    if (!scope->all && scope->n > ORGS_MAX)
        return error_set(e, ERR_LIMIT, "",
                         "you may see more than %d organisations one by one; ask for a grant above them",
                         "单独授权的组织超过 %d 个，请改为上级组织授权", ORGS_MAX);
    buf_init(&text, 1 << 20);
    buf_z(&text, what);
    where(&text, scope);
    buf_z(&text, tail);
    int rc = text.err ? text.err : sql_prepare(tx, buf_cstr(&text), ret, e);
    buf_fini(&text);
    if (rc) return rc;
    sql_bind_str(*ret, 1, filled(channel));
    sql_bind_str(*ret, 2, filled(state));
    for (size_t i = 0; !scope->all && i < scope->n; i++) sql_bind_str(*ret, (int)i + 3, scope->orgs[i]);
    return 0;
}

static void write_row(struct json_writer *w, struct sql_stmt *s)
{
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_kstr(w, "id", sql_str(s, 0));
    jw_kstr(w, "channel", sql_str(s, 1));
    jw_kstr(w, "channel_code", sql_str(s, 2));
    jw_kstr(w, "topic", sql_str(s, 3));
    jw_kz(w, "severity", severity_name((enum event_severity)sql_i64(s, 4)));
    jw_kstr(w, "title", sql_str(s, 5));
    jw_ki64(w, "count", sql_i64(s, 6));
    jw_kz(w, "at", time_format(sql_i64(s, 7), at));
    jw_kstr(w, "state", sql_str(s, 8));
    jw_ki64(w, "tries", sql_i64(s, 9));
    jw_kz(w, "next_at", time_format(sql_i64(s, 10), at));
    jw_kz(w, "sent_at", sql_i64(s, 11) ? time_format(sql_i64(s, 11), at) : NULL);
    jw_kstr(w, "error", sql_str(s, 12));
    jw_end(w);
}

int deliver_list(struct kernel *k, const struct permissions *may, struct str channel, struct str state, size_t offset,
                 size_t limit, struct json_writer *w, int64_t *ret_total, struct error *e)
{
    struct scope scope = permitted_scope(may, "message_channel", ACT_READ);
    struct sql_tx *tx;
    struct sql_stmt *s;
    char tail[100];
    snprintf(tail, sizeof tail, " order by id desc limit %zu offset %zu", limit, offset);
    int rc = sql_begin(kernel_sql(k), false, &tx, e);
    if (rc) return rc;
    rc = prepare(tx, "select count(*)", "", &scope, channel, state, &s, e);
    if (!rc) {
        rc = sql_step(s, e);
        if (rc == 1) *ret_total = sql_i64(s, 0);
        sql_done(s);
    }
    if (rc >= 0)
        rc = prepare(tx,
                     "select id, channel, channel_code, topic, severity, title, count, at_us, state, tries, next_us, "
                     "sent_us, error",
                     tail, &scope, channel, state, &s, e);
    if (!rc) {
        while ((rc = sql_step(s, e)) == 1) write_row(w, s);
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}

static int org_of(struct sql_tx *tx, struct str id, char org[37], struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select org from delivery where id = $1 and state <> 'collecting'", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, e);
    if (rc == 1) str_to_cstr(sql_str(s, 0), org, 37);
    sql_done(s);
    return rc < 0 ? rc : rc ? 0 : ERR_NOT_FOUND;
}

int deliver_again(struct notices *x, const struct permissions *may, struct str id, struct error *e)
{
    struct sql_tx *tx;
    char org[37];
    int rc = sql_begin(kernel_sql(x->node->kernel), true, &tx, e);
    if (rc) return rc;
    rc = org_of(tx, id, org, e);
    if (!rc && !permitted_at(may, "message_channel", ACT_READ, str_of(org))) rc = ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND) error_set(e, rc, "id", "there is no such delivery", "没有该投递记录");
    if (!rc && !permitted_at(may, "message_channel", ACT_WRITE, str_of(org)))
        rc = error_set(e, ERR_FORBIDDEN, "id", "you may not send on this channel", "无权通过该通道发送");
    if (!rc)
        rc = sql_exec(tx, e, "update delivery set state = 'queued', tries = 0, next_us = $1 where id = $2", "is",
                      clock_now_us(x->node->clock), id);
    if (!rc) {
        rc = sql_commit(tx, e);
    } else {
        sql_rollback(tx);
    }
    if (rc) return rc;
    pthread_mutex_lock(&x->lock);
    x->due = true;
    pthread_cond_signal(&x->due_cond);
    pthread_mutex_unlock(&x->lock);
    return 0;
}
