/* api_idem.c - Idempotency-Key: a creating request that is sent again gets the first answer again.
 *
 * Key: SHA-256 of user, method, path and the client's key; with it the digest of the body, the status,
 * two headers and the answer. Kept 24 h, at most 10,000 (the oldest go first). A key whose first request
 * is still running answers 409; one sent with another body answers 400. Answers of 5xx and answers larger
 * than 1 MiB are not kept. Runs on workers only. */
#include "core/api/api_int.h"
#include <openssl/sha.h>
#include "base/mem.h"

#define KEEP_US (24LL * 3600 * 1000000)
#define KEEP_MAX 10000
#define ANSWER_MAX (1u << 20)
#define RUNNING_MAX 64

static const struct sql_migration migrations[] = {
    {1, "create table api_idempotency(key text primary key, at_us bigint not null, request text not null,"
        " status bigint not null, headers text not null, type text not null, body text not null);"
        "create index api_idempotency_at on api_idempotency(at_us);"},
};
#define HEX (2 * DIGEST_N + 1)
#define DIGEST_N 32

struct idem {
    struct sql *db;
    const struct clock *clock;
    pthread_mutex_t lock;
    char running[RUNNING_MAX][HEX]; /* keys at work; "" free */
};

int idem_new(struct sql *db, const struct clock *clock, struct idem **ret, struct error *e)
{
    struct idem *i = mem_calloc(1, sizeof(*i));
    if (!i) return ERR_NOMEM;
    i->db = db;
    i->clock = clock;
    pthread_mutex_init(&i->lock, NULL);
    int rc = sql_migrate(db, "idempotency", migrations, 1, e);
    if (rc)
        idem_free(i);
    else
        *ret = i;
    return rc;
}

void idem_free(struct idem *i)
{
    if (!i) return;
    pthread_mutex_destroy(&i->lock);
    mem_free(i);
}

static void digest(struct str s, char ret[HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[DIGEST_N];
    SHA256((const unsigned char *)s.p, s.n, raw);
    for (size_t i = 0; i < DIGEST_N; i++) {
        ret[2 * i] = digits[raw[i] >> 4];
        ret[2 * i + 1] = digits[raw[i] & 15];
    }
    ret[HEX - 1] = 0;
}

/* 0: ours now; ERR_AGAIN: the same is at work, or too many are. */
static int begin(struct idem *i, const char key[HEX])
{
    int place = -1;
    pthread_mutex_lock(&i->lock);
    for (int n = 0; n < RUNNING_MAX; n++) {
        if (strcmp(i->running[n], key) == 0) {
            place = -1;
            break;
        }
        if (!i->running[n][0]) place = n;
    }
    if (place >= 0) memcpy(i->running[place], key, HEX);
    pthread_mutex_unlock(&i->lock);
    return place < 0 ? ERR_AGAIN : 0;
}

static void end(struct idem *i, const char key[HEX])
{
    pthread_mutex_lock(&i->lock);
    for (int n = 0; n < RUNNING_MAX; n++)
        if (strcmp(i->running[n], key) == 0) i->running[n][0] = 0;
    pthread_mutex_unlock(&i->lock);
}

static const char *kept_type(struct str type)
{
    return str_starts(type, STR("application/problem")) ? "application/problem+json; charset=utf-8" : NULL;
}

/* Answer from the row: 0, or ERR_INVALID when it was for another body. */
static int replay(struct sql_stmt *s, struct api_call *c, const char *request)
{
    if (!str_is(sql_str(s, 0), request)) return ERR_INVALID;
    c->res->status = (int)sql_i64(s, 1);
    buf_str(&c->res->headers, sql_str(s, 2));
    c->res->content_type = kept_type(sql_str(s, 3));
    buf_str(&c->res->body, sql_str(s, 4));
    http_set_header(c->res, "Idempotent-Replayed", STR("true"));
    return 0;
}

/* 1: answered from the table, 0: not there, negative: error. */
static int find(struct idem *i, struct api_call *c, const char *key, const char *request, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(i->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(
        tx, "select request, status, headers, type, body from api_idempotency where key = $1 and at_us > $2", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, str_of(key));
        sql_bind_i64(s, 2, clock_now_us(i->clock) - KEEP_US);
        rc = sql_step(s, e);
        if (rc == 1 && replay(s, c, request))
            rc = error_set(e, ERR_INVALID, "Idempotency-Key",
                           "this Idempotency-Key was used with another body; use a new one",
                           "该 Idempotency-Key 已用于内容不同的请求，请换用新值");
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

/* The headers that belong to the answer, not to every answer. */
static struct str own_headers(const struct api_call *c, size_t before)
{
    struct str all = buf_view(&c->res->headers);
    return str_sub(all, before, all.n);
}

static int keep(struct idem *i, const struct api_call *c, const char *key, const char *request, size_t headers_before)
{
    struct sql_tx *tx = NULL;
    int64_t now = clock_now_us(i->clock);
    int rc = sql_begin(i->db, true, &tx, NULL);
    if (rc) return rc;
    rc = sql_exec(
        tx, NULL,
        "insert into api_idempotency(key, at_us, request, status, headers, type, body) values($1,$2,$3,$4,$5,$6,$7)"
        " on conflict(key) do update set at_us = excluded.at_us, request = excluded.request,"
        " status = excluded.status, headers = excluded.headers, type = excluded.type, body = excluded.body",
        "sisisss", str_of(key), now, str_of(request), (int64_t)c->res->status, own_headers(c, headers_before),
        str_of(c->res->content_type ? c->res->content_type : ""), buf_view(&c->res->body));
    if (!rc) rc = sql_exec(tx, NULL, "delete from api_idempotency where at_us <= $1", "i", now - KEEP_US);
    if (!rc)
        rc = sql_exec(
            tx, NULL,
            "delete from api_idempotency where key in (select key from api_idempotency order by at_us desc, key"
            " limit 1000 offset $1)",
            "i", (int64_t)KEEP_MAX);
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, NULL);
}

static void first_time(struct idem *i, struct api_call *c, const char *key, const char *request,
                       void (*fn)(struct api_call *c))
{
    size_t before = c->res->headers.n;
    fn(c);
    if (!c->res->status) c->res->status = 200;
    if (c->res->status < 500 && c->res->body.n <= ANSWER_MAX && keep(i, c, key, request, before))
        return; /* not kept: a repeat runs again */
}

void idem_run(struct idem *i, struct api_call *c, struct str client_key, void (*fn)(struct api_call *c))
{
    struct error e = {0};
    char key[HEX], request[HEX];
    struct buf b;
    if (client_key.n > 200) {
        error_set(&e, ERR_INVALID, "Idempotency-Key", "an Idempotency-Key has at most 200 characters",
                  "Idempotency-Key 最多 200 个字符");
        api_problem(c, &e, NULL, 0);
        return;
    }
    buf_init(&b, 1 << 20);
    buf_printf(&b, "%s\n%.*s\n%.*s\n", c->actor.user_id, STR_ARG(c->req->target), STR_ARG(client_key));
    digest(buf_view(&b), key);
    buf_fini(&b);
    digest(c->req->body, request);
    if (begin(i, key)) {
        error_set(&e, ERR_EXISTS, "Idempotency-Key", "the first request with this Idempotency-Key is still running",
                  "使用该 Idempotency-Key 的首次请求仍在执行");
        api_problem(c, &e, NULL, 0);
        return;
    }
    int rc = find(i, c, key, request, &e);
    if (rc == 0)
        first_time(i, c, key, request, fn);
    else if (rc < 0)
        api_problem(c, &e, NULL, 0);
    end(i, key);
}
