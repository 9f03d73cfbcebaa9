/* store.c - sessions that persist, and retained messages, in a database of their own (mqtt.db in the data directory,
 * SQLite): their traffic would hold up the writer of the kernel, and they belong to this node.
 *
 *   session       key "<owner>\n<client id>", who it is, expiry, since when it is away (0: connected)
 *   subscription  filter as inside, options as on the wire, subscription id
 *   message       for a session, in order of row; packet_id and state: on its way (QoS 2)
 *   received      ids of QoS 2 publishes that were taken and not released
 *   retained      by topic
 *   will          of a session, persisting or not; due_us: when it is to be sent, 0: its connection stood
 * Changes are gathered on the loop as records with their texts in one buffer, and run by the committer in one
 * transaction. A message that is kept and acknowledged within one gathering never reaches the database. */
#include "modules/mqtt/mqtt.h"
#include "base/mem.h"
#include "store/sql.h"

struct store {
    struct sql *db;
};

static const struct sql_migration migrations[] = {
    {1, "create table session(key text primary key, client_id text not null, owner text not null, name text not null, "
        "role int not null, expiry_s int not null, gone_us int not null) strict;"
        "create table subscription(key text not null, filter text not null, options int not null, number int not null, "
        "primary key(key, filter)) strict;"
        "create table message(key text not null, row int not null, qos int not null, retain int not null, "
        "packet_id int not null, state int not null, topic text not null, props blob not null, payload blob not null, "
        "expires_us int not null, primary key(key, row)) strict;"
        "create table received(key text not null, packet_id int not null, primary key(key, packet_id)) strict;"
        "create table retained(topic text primary key, qos int not null, props blob not null, payload blob not null, "
        "expires_us int not null) strict;"
        "create table once(what text primary key) strict;"},
    {2, "create table will(key text primary key, client_id text not null, owner text not null, name text not null, "
        "role int not null, qos int not null, retain int not null, topic text not null, props blob not null, payload "
        "blob not null, expiry_s int not null, delay_s int not null, due_us int not null) strict;"},
};

/* ---- records ---- */

struct piece {
    size_t at, n;
};
struct op {
    uint8_t op, state, qos;
    bool retain, cancelled;
    uint32_t options, number;
    uint64_t row;
    int64_t time_us; /* session: gone; message, retained: expires; will: due */
    struct piece key, text, props, payload;
    struct piece who_at; /* a struct mq_who */
    struct piece client; /* will: client id */
};
struct store_ops {
    struct op *ops;
    size_t n, cap;
    struct buf text;
    uint32_t serial; /* of this gathering */
};

/* Of all lists, so that no handle fits another gathering. */
static uint32_t next_serial(void)
{
    static atomic_uint serials = 1;
    return atomic_fetch_add(&serials, 1);
}

struct store_ops *mqtt_store_ops_new(void)
{
    struct store_ops *o = mem_calloc(1, sizeof *o);
    if (!o) return NULL;
    buf_init(&o->text, 512u << 20);
    o->serial = next_serial();
    return o;
}

void mqtt_store_ops_free(struct store_ops *o)
{
    if (!o) return;
    buf_fini(&o->text);
    mem_free(o->ops);
    mem_free(o);
}

size_t mqtt_store_ops_count(const struct store_ops *o)
{
    return o->n;
}

size_t mqtt_store_ops_bytes(const struct store_ops *o)
{
    return o->text.n + o->n * sizeof *o->ops;
}

static struct piece put(struct store_ops *o, struct str s)
{
    struct piece p = {o->text.n, s.n};
    buf_add(&o->text, s.p, s.n);
    return p;
}

static struct str text_of(const struct store_ops *o, struct piece p)
{
    return str_make((const char *)o->text.p + p.at, p.n);
}

static bool cancel(struct store_ops *o, uint64_t handle)
{
    size_t i = (size_t)(handle & UINT32_MAX) - 1;
    if (handle >> 32 != o->serial || i >= o->n || o->ops[i].op != MQ_KEEP_MESSAGE) return false;
    o->ops[i].cancelled = true;
    return true;
}

uint64_t mqtt_store_ops_add(struct store_ops *o, struct mq_broker *b, const struct mq_keep *k, int64_t now_us)
{
    struct mq_session_view v = {.key = STR("")};
    struct op op = {.op = k->op,
                    .state = k->state,
                    .qos = k->qos,
                    .retain = k->retain,
                    .options = k->options,
                    .number = k->number,
                    .row = k->row};
    if (k->op == MQ_DROP_MESSAGE && cancel(o, k->handle)) return 0;
    if (!mem_grow((void **)&o->ops, &o->cap, o->n + 1, sizeof *o->ops)) {
        o->text.err = ERR_NOMEM;
        return 0;
    }
    if (k->session) mq_session_view(k->session, &v);
    op.key = put(o, v.key);
    op.text = put(o, k->op == MQ_KEEP_SESSION ? v.client_id : k->filter);
    if (k->op == MQ_KEEP_WILL) {
        op.who_at = put(o, str_make((const char *)v.who, sizeof *v.who));
        op.client = put(o, v.client_id);
    }
    if (k->op == MQ_KEEP_SESSION) {
        op.who_at = put(o, str_make((const char *)v.who, sizeof *v.who));
        op.number = v.expiry_s;
        op.time_us = v.link ? 0 : now_us;
    }
    if (k->message) {
        struct mq_message_view m = mq_message_view(b, k->message);
        op.text = put(o, m.topic);
        op.props = put(o, m.props);
        op.payload = put(o, m.payload);
        op.time_us = m.expires_us;
        if (k->op == MQ_KEEP_RETAINED) op.qos = m.qos;
        if (k->op == MQ_KEEP_WILL) op.time_us = k->due_us;
    }
    o->ops[o->n++] = op;
    return (uint64_t)o->serial << 32 | o->n;
}

/* ---- running them ---- */

struct run {
    struct sql_tx *tx;
    struct store_ops *o;
    struct error *e;
};

static int exec_bytes(struct run *r, const char *sql, const struct op *op, bool message)
{
    struct sql_stmt *s;
    int rc = sql_prepare(r->tx, sql, &s, r->e), i = 1;
    if (rc) return rc;
    if (message) {
        sql_bind_str(s, i++, text_of(r->o, op->key));
        sql_bind_i64(s, i++, (int64_t)op->row);
        sql_bind_i64(s, i++, op->retain);
    }
    struct str props = text_of(r->o, op->props), payload = text_of(r->o, op->payload);
    sql_bind_i64(s, i++, op->qos);
    sql_bind_str(s, i++, text_of(r->o, op->text));
    sql_bind_blob(s, i++, props.n ? props.p : "", props.n);
    sql_bind_blob(s, i++, payload.n ? payload.p : "", payload.n);
    sql_bind_i64(s, i, op->time_us);
    rc = sql_step(s, r->e);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int keep_session(struct run *r, const struct op *op)
{
    struct mq_who who;
    memcpy(&who, text_of(r->o, op->who_at).p, sizeof who);
    return sql_exec(
        r->tx, r->e,
        "insert into session(key, client_id, owner, name, role, expiry_s, gone_us) values($1,$2,$3,$4,$5,$6,$7) "
        "on conflict(key) do update set name = excluded.name, expiry_s = excluded.expiry_s, gone_us = "
        "excluded.gone_us",
        "ssssiii", text_of(r->o, op->key), text_of(r->o, op->text), str_of(who.id), str_of(who.name), (int64_t)who.role,
        (int64_t)op->number, op->time_us);
}

static int drop_session(struct run *r, const struct op *op)
{
    static const char *const texts[] = {"delete from session where key = $1", "delete from subscription where key = $1",
                                        "delete from message where key = $1", "delete from received where key = $1"};
    int rc = 0;
    for (size_t i = 0; i < 4 && !rc; i++) rc = sql_exec(r->tx, r->e, texts[i], "s", text_of(r->o, op->key));
    return rc;
}

static int keep_sub(struct run *r, const struct op *op)
{
    return sql_exec(
        r->tx, r->e,
        "insert into subscription(key, filter, options, number) values($1,$2,$3,$4) on conflict(key, filter) "
        "do update set options = excluded.options, number = excluded.number",
        "ssii", text_of(r->o, op->key), text_of(r->o, op->text), (int64_t)op->options, (int64_t)op->number);
}

static int drop_sub(struct run *r, const struct op *op)
{
    return sql_exec(r->tx, r->e, "delete from subscription where key = $1 and filter = $2", "ss",
                    text_of(r->o, op->key), text_of(r->o, op->text));
}

static int keep_message(struct run *r, const struct op *op)
{
    if (op->cancelled) return 0;
    return exec_bytes(r,
                      "insert into message(key, row, retain, qos, topic, props, payload, expires_us, packet_id, state) "
                      "values($1,$2,$3,$4,$5,$6,$7,$8,0,0)",
                      op, true);
}

static int sent_message(struct run *r, const struct op *op)
{
    return sql_exec(r->tx, r->e, "update message set packet_id = $1, state = $2 where key = $3 and row = $4", "iisi",
                    (int64_t)op->number, (int64_t)op->state, text_of(r->o, op->key), (int64_t)op->row);
}

static int drop_message(struct run *r, const struct op *op)
{
    return sql_exec(r->tx, r->e, "delete from message where key = $1 and row = $2", "si", text_of(r->o, op->key),
                    (int64_t)op->row);
}

static int keep_received(struct run *r, const struct op *op)
{
    return sql_exec(r->tx, r->e, "insert into received(key, packet_id) values($1,$2) on conflict do nothing", "si",
                    text_of(r->o, op->key), (int64_t)op->number);
}

static int drop_received(struct run *r, const struct op *op)
{
    return sql_exec(r->tx, r->e, "delete from received where key = $1 and packet_id = $2", "si", text_of(r->o, op->key),
                    (int64_t)op->number);
}

static int keep_retained(struct run *r, const struct op *op)
{
    return exec_bytes(r,
                      "insert into retained(qos, topic, props, payload, expires_us) values($1,$2,$3,$4,$5) on "
                      "conflict(topic) do update set qos = excluded.qos, props = excluded.props, payload = "
                      "excluded.payload, expires_us = excluded.expires_us",
                      op, false);
}

static int drop_retained(struct run *r, const struct op *op)
{
    return sql_exec(r->tx, r->e, "delete from retained where topic = $1", "s", text_of(r->o, op->text));
}

static int keep_will(struct run *r, const struct op *op)
{
    struct mq_who who;
    struct sql_stmt *s;
    struct str props = text_of(r->o, op->props), payload = text_of(r->o, op->payload);
    memcpy(&who, text_of(r->o, op->who_at).p, sizeof who);
    int rc = sql_prepare(
        r->tx,
        "insert into will(key, client_id, owner, name, role, qos, retain, topic, props, payload, expiry_s, delay_s, "
        "due_us) values($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13) on conflict(key) do update set name = "
        "excluded.name, qos = excluded.qos, retain = excluded.retain, topic = excluded.topic, props = excluded.props, "
        "payload = excluded.payload, expiry_s = excluded.expiry_s, delay_s = excluded.delay_s, due_us = "
        "excluded.due_us",
        &s, r->e);
    if (rc) return rc;
    sql_bind_str(s, 1, text_of(r->o, op->key));
    sql_bind_str(s, 2, text_of(r->o, op->client));
    sql_bind_str(s, 3, str_of(who.id));
    sql_bind_str(s, 4, str_of(who.name));
    sql_bind_i64(s, 5, who.role);
    sql_bind_i64(s, 6, op->qos);
    sql_bind_i64(s, 7, op->retain);
    sql_bind_str(s, 8, text_of(r->o, op->text));
    sql_bind_blob(s, 9, props.n ? props.p : "", props.n);
    sql_bind_blob(s, 10, payload.n ? payload.p : "", payload.n);
    sql_bind_i64(s, 11, op->options);
    sql_bind_i64(s, 12, op->number);
    sql_bind_i64(s, 13, op->time_us);
    rc = sql_step(s, r->e);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int drop_will(struct run *r, const struct op *op)
{
    return sql_exec(r->tx, r->e, "delete from will where key = $1", "s", text_of(r->o, op->key));
}

static int (*const runners[])(struct run *r, const struct op *op) = {
    [MQ_KEEP_SESSION] = keep_session,   [MQ_DROP_SESSION] = drop_session,   [MQ_KEEP_SUB] = keep_sub,
    [MQ_DROP_SUB] = drop_sub,           [MQ_KEEP_MESSAGE] = keep_message,   [MQ_SENT_MESSAGE] = sent_message,
    [MQ_DROP_MESSAGE] = drop_message,   [MQ_KEEP_RECEIVED] = keep_received, [MQ_DROP_RECEIVED] = drop_received,
    [MQ_KEEP_RETAINED] = keep_retained, [MQ_DROP_RETAINED] = drop_retained, [MQ_KEEP_WILL] = keep_will,
    [MQ_DROP_WILL] = drop_will,
};

int mqtt_store_ops_run(struct store *st, struct store_ops *o, struct error *e)
{
    struct run r = {.o = o, .e = e};
    int rc = o->text.err ? error_set(e, o->text.err, "mqtt", "too much to keep at once", "一次保存内容过多") : 0;
    if (!rc) rc = sql_begin(st->db, true, &r.tx, e);
    for (size_t i = 0; i < o->n && !rc; i++) rc = runners[o->ops[i].op](&r, &o->ops[i]);
    if (!rc)
        rc = sql_commit(r.tx, e);
    else if (r.tx)
        sql_rollback(r.tx);
    o->n = 0;
    o->serial = next_serial();
    if (o->text.cap > 4u << 20) {
        buf_fini(&o->text);
        buf_init(&o->text, 512u << 20);
    }
    buf_clear(&o->text);
    return rc;
}

/* ---- at start ---- */

static int each(struct store *st, const char *sql, int (*fn)(struct mq_broker *b, struct sql_stmt *s),
                struct mq_broker *b, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(st->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, sql, &s, e);
    if (!rc) {
        while ((rc = sql_step(s, e)) == 1)
            if ((rc = fn(b, s))) break;
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}

static int load_session(struct mq_broker *b, struct sql_stmt *s)
{
    struct mq_who who = {.role = (uint8_t)sql_i64(s, 3)};
    str_to_cstr(sql_str(s, 1), who.id, sizeof who.id);
    str_to_cstr(sql_str(s, 2), who.name, sizeof who.name);
    return mq_load_session(b, sql_str(s, 0), &who, (uint32_t)sql_i64(s, 4), sql_i64(s, 5));
}

static int load_sub(struct mq_broker *b, struct sql_stmt *s)
{
    char key[2048];
    str_to_cstr(sql_str(s, 0), key, sizeof key);
    return mq_load_sub(b, str_of(key), sql_str(s, 1), (uint32_t)sql_i64(s, 2), (uint32_t)sql_i64(s, 3));
}

static int load_message(struct mq_broker *b, struct sql_stmt *s)
{
    struct mq_loaded m = {.row = (uint64_t)sql_i64(s, 1),
                          .qos = (uint8_t)sql_i64(s, 2),
                          .retain = sql_i64(s, 3) != 0,
                          .packet_id = (uint16_t)sql_i64(s, 4),
                          .state = (uint8_t)sql_i64(s, 5),
                          .topic = sql_str(s, 6),
                          .props = sql_str(s, 7),
                          .payload = sql_str(s, 8),
                          .expires_us = sql_i64(s, 9)};
    return mq_load_message(b, sql_str(s, 0), &m);
}

static int load_received(struct mq_broker *b, struct sql_stmt *s)
{
    return mq_load_received(b, sql_str(s, 0), (uint16_t)sql_i64(s, 1));
}

static int load_retained(struct mq_broker *b, struct sql_stmt *s)
{
    struct mq_loaded m = {.topic = sql_str(s, 0),
                          .qos = (uint8_t)sql_i64(s, 1),
                          .props = sql_str(s, 2),
                          .payload = sql_str(s, 3),
                          .expires_us = sql_i64(s, 4)};
    return mq_load_retained(b, &m);
}

static int load_will(struct mq_broker *b, struct sql_stmt *s)
{
    struct mq_who who = {.role = (uint8_t)sql_i64(s, 3)};
    struct mq_loaded m = {.qos = (uint8_t)sql_i64(s, 4),
                          .retain = sql_i64(s, 5) != 0,
                          .topic = sql_str(s, 6),
                          .props = sql_str(s, 7),
                          .payload = sql_str(s, 8)};
    str_to_cstr(sql_str(s, 1), who.id, sizeof who.id);
    str_to_cstr(sql_str(s, 2), who.name, sizeof who.name);
    return mq_load_will(b, sql_str(s, 0), &who, &m, (uint32_t)sql_i64(s, 9), (uint32_t)sql_i64(s, 10), sql_i64(s, 11));
}

int mqtt_store_load(struct store *st, struct mq_broker *b, struct error *e)
{
    int rc = each(st, "select client_id, owner, name, role, expiry_s, gone_us from session", load_session, b, e);
    if (!rc) rc = each(st, "select key, filter, options, number from subscription", load_sub, b, e);
    if (!rc)
        rc = each(st,
                  "select key, row, qos, retain, packet_id, state, topic, props, payload, expires_us from message "
                  "order by key, row",
                  load_message, b, e);
    if (!rc) rc = each(st, "select key, packet_id from received", load_received, b, e);
    if (!rc) rc = each(st, "select topic, qos, props, payload, expires_us from retained", load_retained, b, e);
    if (rc) return rc;
    return each(
        st,
        "select client_id, owner, name, role, qos, retain, topic, props, payload, expiry_s, delay_s, due_us from "
        "will",
        load_will, b, e);
}

static int first_time(struct sql *db, bool *ret, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "insert into once(what) values($1) on conflict do nothing", "s", STR("listener"));
    *ret = !rc && sql_changes(tx) == 1;
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int mqtt_store_open(const char *data_path, struct store **ret, bool *ret_fresh, struct error *e)
{
    char url[4200];
    struct store *st = mem_calloc(1, sizeof *st);
    if (!st) return error_set(e, ERR_NOMEM, "mqtt", "out of memory", "内存不足");
    snprintf(url, sizeof url, "sqlite:%s/mqtt.db", data_path);
    int rc = sql_open(url, &st->db, e);
    if (!rc) rc = sql_migrate(st->db, "mqtt", migrations, sizeof migrations / sizeof *migrations, e);
    if (!rc) rc = first_time(st->db, ret_fresh, e);
    if (rc) {
        mqtt_store_close(st);
        return rc;
    }
    *ret = st;
    return 0;
}

void mqtt_store_close(struct store *st)
{
    if (!st) return;
    if (st->db) sql_close(st->db);
    mem_free(st);
}
