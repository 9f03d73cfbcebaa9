/* audit.c - see audit.h. */
#include "core/audit/audit.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "io/log.h"

#define QUEUE_MAX 1024
#define DETAIL_MAX 16384
#define HEX (2 * SHA256_DIGEST_LENGTH)

METRIC(dropped_total, METRIC_COUNTER, "bornite_audit_dropped_total", "audit records lost because the queue was full");
METRIC(records_total, METRIC_COUNTER, "bornite_audit_records_total", "audit records written");
METRIC(failing, METRIC_GAUGE, "bornite_audit_failing", "1 while the audit log cannot be written");

static const struct sql_migration migrations[] = {
    {1, "create table audit(seq bigint primary key, at_us bigint not null, class text not null, user_id text not null,"
        " login text not null, peer text not null, action text not null, kind text not null, resource text not null,"
        " outcome text not null, status bigint not null, detail text not null, hash text not null);"
        "create index audit_at on audit(at_us);"},
};

enum { F_CLASS, F_USER, F_LOGIN, F_PEER, F_ACTION, F_KIND, F_RESOURCE, F_OUTCOME, F_DETAIL, NFIELDS };
struct entry {
    int64_t seq, at_us, status;
    struct str field[NFIELDS]; /* into `text` */
    bool waited, done;
    int rc;
    struct entry *next;
    char text[];
};
struct audit {
    struct sql *db;
    const struct clock *clock;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    pthread_t thread;
    bool started, stopping, broken;
    struct entry *head, **tail;
    size_t queued;
    int64_t seq; /* of the last record; writer thread only */
    char hash[HEX + 1];
};

const char *audit_class_name(enum api_audit cls)
{
    static const char *const names[] = {
        [AUDIT_NONE] = "none", [AUDIT_CHANGE] = "change", [AUDIT_CONTROL] = "control", [AUDIT_SECURITY] = "security"};
    return names[cls];
}

static void hash_i64(EVP_MD_CTX *h, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld;", (long long)v);
    EVP_DigestUpdate(h, text, (size_t)n);
}

static void chain(char hash[HEX + 1], const struct entry *r)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[SHA256_DIGEST_LENGTH];
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    if (!h || !EVP_DigestInit_ex(h, EVP_sha256(), NULL)) abort(); /* out of memory in the crypto library */
    EVP_DigestUpdate(h, hash, strlen(hash));
    hash_i64(h, r->seq);
    hash_i64(h, r->at_us);
    hash_i64(h, r->status);
    for (int i = 0; i < NFIELDS; i++) {
        hash_i64(h, (int64_t)r->field[i].n);
        EVP_DigestUpdate(h, r->field[i].p, r->field[i].n);
    }
    EVP_DigestFinal_ex(h, raw, NULL);
    EVP_MD_CTX_free(h);
    for (size_t i = 0; i < sizeof(raw); i++) {
        hash[2 * i] = digits[raw[i] >> 4];
        hash[2 * i + 1] = digits[raw[i] & 15];
    }
    hash[HEX] = 0;
}

static int insert(struct sql_tx *tx, const struct entry *r, const char *hash, struct error *e)
{
    return sql_exec(
        tx, e,
        "insert into audit(seq, at_us, class, user_id, login, peer, action, kind, resource, outcome, detail,"
        " status, hash) values($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
        "iisssssssssis", r->seq, r->at_us, r->field[F_CLASS], r->field[F_USER], r->field[F_LOGIN], r->field[F_PEER],
        r->field[F_ACTION], r->field[F_KIND], r->field[F_RESOURCE], r->field[F_OUTCOME], r->field[F_DETAIL], r->status,
        str_of(hash));
}

static int read_last(struct sql_tx *tx, int64_t *seq, char hash[HEX + 1], struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx, "select seq, hash from audit order by seq desc limit 1", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    if (rc == 1) {
        *seq = sql_i64(s, 0);
        rc = str_to_cstr(sql_str(s, 1), hash, HEX + 1) ? 0 : ERR_CORRUPT;
    }
    sql_done(s);
    return rc;
}

/* Another process on the same database continues the same chain: its end is read under the writer. */
static int write_batch(struct audit *a, struct entry *list, struct error *e)
{
    struct sql_tx *tx = NULL;
    char hash[HEX + 1];
    int64_t seq = a->seq, first;
    memcpy(hash, a->hash, sizeof(hash));
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    if (sql_shared(a->db)) rc = read_last(tx, &seq, hash, e);
    first = seq;
    for (struct entry *r = list; r && !rc; r = r->next) {
        r->seq = ++seq;
        chain(hash, r);
        rc = insert(tx, r, hash, e);
    }
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    rc = sql_commit(tx, e);
    if (rc) return rc;
    metric_add(&records_total, seq - first);
    a->seq = seq;
    memcpy(a->hash, hash, sizeof(hash));
    return 0;
}

/* Under the lock: whoever waits is told; what nobody waits for is freed. Waiters free their own. */
static void finish(struct audit *a, struct entry *list, int rc)
{
    for (struct entry *r = list, *next; r; r = next) {
        next = r->next;
        a->queued--;
        r->rc = rc;
        r->done = true;
        if (!r->waited) mem_free(r);
    }
    pthread_cond_broadcast(&a->done);
}

static void set_broken(struct audit *a, int rc, const struct error *e)
{
    if (rc && !a->broken)
        log_error("audit", "the audit log cannot be written; changes are refused until it can", "err=\"%s\"", e->text);
    if (!rc && a->broken) log_info("audit", "the audit log is written again", NULL);
    a->broken = rc != 0;
    metric_set(&failing, a->broken);
}

static void *run(void *arg)
{
    struct audit *a = arg;
    pthread_mutex_lock(&a->lock);
    while (!a->stopping || a->head) {
        if (!a->head) {
            pthread_cond_wait(&a->work, &a->lock);
            continue;
        }
        struct entry *list = a->head;
        a->head = NULL;
        a->tail = &a->head;
        pthread_mutex_unlock(&a->lock);
        struct error e = {0};
        int rc = write_batch(a, list, &e);
        pthread_mutex_lock(&a->lock);
        set_broken(a, rc, &e);
        finish(a, list, rc);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static struct str put(char **at, struct str s)
{
    struct str copy = {*at, s.n};
    if (s.n) memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static struct entry *entry_new(const struct audit *a, const struct audit_record *r)
{
    struct str f[NFIELDS] = {
        [F_CLASS] = str_of(audit_class_name(r->cls)),
        [F_USER] = str_of(r->user_id),
        [F_LOGIN] = str_of(r->login),
        [F_PEER] = str_of(r->peer),
        [F_ACTION] = str_of(r->action),
        [F_KIND] = str_of(r->kind),
        [F_RESOURCE] = str_sub(r->resource, 0, 256),
        [F_OUTCOME] = str_of(r->outcome),
        [F_DETAIL] = r->detail.n > DETAIL_MAX ? STR("{}") : r->detail,
    };
    size_t total = 0;
    for (int i = 0; i < NFIELDS; i++) total += f[i].n;
    struct entry *n = mem_calloc(1, sizeof(*n) + total + 1);
    if (!n) return NULL;
    char *at = n->text;
    for (int i = 0; i < NFIELDS; i++) n->field[i] = put(&at, f[i]);
    n->at_us = clock_now_us(a->clock);
    n->status = r->status;
    return n;
}

int audit_add(struct audit *a, const struct audit_record *r, bool wait)
{
    struct entry *n = entry_new(a, r);
    if (!n) return ERR_NOMEM;
    n->waited = wait;
    pthread_mutex_lock(&a->lock);
    while (wait && a->queued >= QUEUE_MAX && !a->stopping) pthread_cond_wait(&a->done, &a->lock);
    if (a->queued >= QUEUE_MAX || a->stopping) {
        int rc = a->stopping ? ERR_CLOSED : ERR_LIMIT;
        pthread_mutex_unlock(&a->lock);
        mem_free(n);
        metric_add(&dropped_total, 1);
        return rc;
    }
    *a->tail = n;
    a->tail = &n->next;
    a->queued++;
    pthread_cond_signal(&a->work);
    while (wait && !n->done) pthread_cond_wait(&a->done, &a->lock);
    int rc = wait ? n->rc : 0;
    pthread_mutex_unlock(&a->lock);
    if (wait) mem_free(n);
    return rc;
}

/* While broken, each ask queues a probe record, so that the log mends itself when the store does. */
bool audit_ok(struct audit *a)
{
    pthread_mutex_lock(&a->lock);
    bool broken = a->broken;
    pthread_mutex_unlock(&a->lock);
    if (!broken) return true;
    struct audit_record probe = {.cls = AUDIT_SECURITY,
                                 .user_id = "",
                                 .login = "system",
                                 .peer = "",
                                 .action = "audit.probe",
                                 .kind = "audit",
                                 .outcome = "done"};
    return audit_add(a, &probe, true) == 0;
}

static int load_last(struct audit *a, struct error *e)
{
    struct sql_tx *tx = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = read_last(tx, &a->seq, a->hash, e);
    sql_rollback(tx);
    return rc;
}

int audit_new(struct sql *db, const struct clock *clock, struct audit **ret, struct error *e)
{
    struct audit *a = mem_calloc(1, sizeof(*a));
    if (!a) return ERR_NOMEM;
    *a = (struct audit){.db = db, .clock = clock};
    a->tail = &a->head;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->done, NULL);
    int rc = sql_migrate(db, "audit", migrations, sizeof(migrations) / sizeof(migrations[0]), e);
    if (!rc) rc = load_last(a, e);
    if (!rc && pthread_create(&a->thread, NULL, run, a) != 0)
        rc = error_set(e, ERR_NOMEM, "", "no thread for the audit log", NULL);
    a->started = rc == 0;
    if (rc)
        audit_free(a);
    else
        *ret = a;
    return rc;
}

void audit_free(struct audit *a)
{
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->work);
    pthread_cond_broadcast(&a->done);
    pthread_mutex_unlock(&a->lock);
    if (a->started) pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->work);
    pthread_cond_destroy(&a->done);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

#define COLUMNS "seq, at_us, class, user_id, login, peer, action, kind, resource, outcome, status, detail, hash"

static void write_item(struct sql_stmt *s, struct json_writer *w)
{
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_ki64(w, "seq", sql_i64(s, 0));
    jw_kz(w, "at", time_format(sql_i64(s, 1), at));
    jw_kstr(w, "class", sql_str(s, 2));
    jw_kstr(w, "user_id", sql_str(s, 3));
    jw_kstr(w, "login", sql_str(s, 4));
    jw_kstr(w, "peer", sql_str(s, 5));
    jw_kstr(w, "action", sql_str(s, 6));
    jw_kstr(w, "kind", sql_str(s, 7));
    jw_kstr(w, "resource", sql_str(s, 8));
    jw_kstr(w, "outcome", sql_str(s, 9));
    jw_ki64(w, "status", sql_i64(s, 10));
    if (sql_str(s, 11).n) {
        jw_key(w, STR("detail"));
        jw_raw(w, sql_str(s, 11));
    }
    jw_end(w);
}

static int count(struct sql_tx *tx, const struct audit_query *q, int64_t *ret, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx, "select count(*) from audit where at_us >= $1 and at_us < $2", &s, e);
    if (rc) return rc;
    sql_bind_i64(s, 1, q->from_us);
    sql_bind_i64(s, 2, q->to_us);
    rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc == 1 ? 0 : rc ? rc : ERR_INTERNAL;
}

int audit_list(struct audit *a, const struct audit_query *q, struct json_writer *w, int64_t *ret_total, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = count(tx, q, ret_total, e);
    if (!rc)
        rc = sql_prepare(
            tx, "select " COLUMNS " from audit where at_us >= $1 and at_us < $2 order by seq desc limit $3 offset $4",
            &s, e);
    if (!rc) {
        sql_bind_i64(s, 1, q->from_us);
        sql_bind_i64(s, 2, q->to_us);
        sql_bind_i64(s, 3, (int64_t)q->limit);
        sql_bind_i64(s, 4, (int64_t)q->offset);
        while ((rc = sql_step(s, e)) == 1) write_item(s, w);
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static bool row_matches(struct sql_stmt *s, char hash[HEX + 1])
{
    static const int column[NFIELDS] = {2, 3, 4, 5, 6, 7, 8, 9, 11};
    struct entry r = {.seq = sql_i64(s, 0), .at_us = sql_i64(s, 1), .status = sql_i64(s, 10)};
    for (int i = 0; i < NFIELDS; i++) r.field[i] = sql_str(s, column[i]);
    chain(hash, &r);
    return str_is(sql_str(s, 12), hash);
}

int audit_verify(struct audit *a, int64_t *ret_seq, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    char hash[HEX + 1] = "";
    int64_t seq = 0;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select " COLUMNS " from audit order by seq", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        seq++;
        rc = sql_i64(s, 0) == seq && row_matches(s, hash) ? 0 : ERR_CORRUPT;
    }
    sql_done(s);
    sql_rollback(tx);
    if (!rc || rc == ERR_CORRUPT) *ret_seq = seq;
    if (rc == ERR_CORRUPT)
        error_set(e, rc, "", "audit record %lld does not fit the one before: the log has been changed",
                  "审计记录 %lld 与前一条不衔接：日志已被改动", (long long)seq);
    return rc;
}
