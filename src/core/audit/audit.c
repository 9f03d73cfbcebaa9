/* audit.c - see audit.h. */
#include "core/audit/audit_int.h"
#include <stdatomic.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "io/log.h"

#define QUEUE_MAX 1024
#define DETAIL_MAX 16384
#define HEX AUDIT_HEX
#define MARK_RECORDS 1000
#define MARK_US 3600000000LL
#define PRUNE_RECORDS 20000 /* at a time, so that nobody waits long */

METRIC(dropped_total, METRIC_COUNTER, "bornite_audit_dropped_total", "audit records lost because the queue was full");
METRIC(records_total, METRIC_COUNTER, "bornite_audit_records_total", "audit records written");
METRIC(failing, METRIC_GAUGE, "bornite_audit_failing", "1 while the audit log cannot be written");

struct entry {
    struct audit_row row; /* fields into `text` */
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
    int64_t mark_us, mark_seq; /* of the newest checkpoint that it made */
    bool changed;              /* the log is not what was written */
    struct audit_key key;
    _Atomic int64_t keep_us;
};

const char *audit_class_name(enum api_audit cls)
{
    static const char *const names[] = {
        [AUDIT_NONE] = "none", [AUDIT_CHANGE] = "change", [AUDIT_CONTROL] = "control", [AUDIT_SECURITY] = "security"};
    return names[cls];
}

static int insert(struct sql_tx *tx, const struct entry *r, const char *hash, struct error *e)
{
    return sql_exec(
        tx, e,
        "insert into audit(seq, at_us, class, user_id, login, peer, action, kind, resource, outcome, detail,"
        " status, hash) values($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
        "iisssssssssis", r->row.seq, r->row.at_us, r->row.field[F_CLASS], r->row.field[F_USER], r->row.field[F_LOGIN],
        r->row.field[F_PEER], r->row.field[F_ACTION], r->row.field[F_KIND], r->row.field[F_RESOURCE],
        r->row.field[F_OUTCOME], r->row.field[F_DETAIL], r->row.status, str_of(hash));
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

/* Everything up to a checkpoint older than is kept goes; that checkpoint is the new beginning. */
static int prune(struct audit *a, struct sql_tx *tx, struct audit_head *h, struct error *e)
{
    struct sql_stmt *s;
    int64_t keep = atomic_load(&a->keep_us);
    if (!keep) return 0;
    int rc = sql_prepare(tx,
                         "select seq, hash from audit_checkpoint where at_us < $1 and seq > $2 and seq <= $3"
                         " order by seq desc limit 1",
                         &s, e);
    if (rc) return rc;
    sql_bind_i64(s, 1, clock_now_us(a->clock) - keep);
    sql_bind_i64(s, 2, h->begin);
    sql_bind_i64(s, 3, h->begin + PRUNE_RECORDS);
    rc = sql_step(s, e);
    if (rc == 1) {
        h->begin = sql_i64(s, 0);
        str_to_cstr(sql_str(s, 1), h->begin_hash, sizeof(h->begin_hash));
    }
    sql_done(s);
    if (rc != 1) return rc;
    rc = sql_exec(tx, e, "delete from audit where seq <= $1", "i", h->begin);
    if (!rc) rc = sql_exec(tx, e, "delete from audit_checkpoint where seq < $1", "i", h->begin);
    if (!rc) h->marks -= sql_changes(tx);
    return rc;
}

static int checkpoint(struct audit *a, struct sql_tx *tx, struct audit_head *h, struct error *e)
{
    struct audit_mark m = {.seq = h->seq, .at_us = clock_now_us(a->clock)};
    memcpy(m.hash, h->hash, sizeof(m.hash));
    memcpy(m.prev, h->mark, sizeof(m.prev));
    int rc = audit_mark_sign(&a->key, &m);
    if (!rc) rc = audit_mark_write(tx, &m, e);
    if (rc) return rc;
    audit_mark_digest(&m, h->mark);
    h->marks++;
    a->mark_us = m.at_us;
    a->mark_seq = m.seq;
    return prune(a, tx, h, e);
}

/* The ends are signed anew, but only when they were what this process or another wrote: what was changed from
 * outside keeps its old signature and is found by whoever verifies. */
static int sign_ends(struct audit *a, struct sql_tx *tx, struct audit_head *h, int64_t seq, const char *hash,
                     struct error *e)
{
    h->seq = seq;
    memcpy(h->hash, hash, sizeof(h->hash));
    bool due = seq - a->mark_seq >= MARK_RECORDS || clock_now_us(a->clock) - a->mark_us >= MARK_US;
    int rc = due ? checkpoint(a, tx, h, e) : 0;
    if (!rc) rc = audit_head_sign(&a->key, h);
    return rc ? rc : audit_head_write(tx, h, e);
}

static bool whole(struct audit *a, const struct audit_head *h, int64_t seq, const char *hash)
{
    bool ok = audit_head_good(&a->key, h) && h->seq == seq && strcmp(h->hash, hash) == 0;
    if (!ok && !a->changed)
        log_error("audit", "the log was changed from outside: bornite audit verify tells where", NULL);
    a->changed = !ok;
    return ok;
}

static int write_list(struct audit *a, struct sql_tx *tx, struct entry *list, int64_t *seq, char hash[HEX + 1],
                      struct error *e)
{
    struct audit_head h;
    char last_hash[HEX + 1];
    int64_t last = 0;
    int rc = audit_head_read(tx, &h, e);
    if (rc >= 0) rc = read_last(tx, &last, last_hash, e);
    if (rc < 0) return rc;
    bool sign = whole(a, &h, last == *seq ? last : -1, hash);
    if (last > *seq) *seq = last; /* somebody else's record stands where the next would */
    rc = 0;
    for (struct entry *r = list; r && !rc; r = r->next) {
        r->row.seq = ++*seq;
        audit_link(hash, &r->row);
        rc = insert(tx, r, hash, e);
    }
    return !rc && sign ? sign_ends(a, tx, &h, *seq, hash, e) : rc;
}

/* Another process on the same database continues the same chain: its end is read under the writer. */
static int write_batch(struct audit *a, struct entry *list, struct error *e)
{
    struct sql_tx *tx = NULL;
    char hash[HEX + 1];
    int64_t seq = a->seq;
    memcpy(hash, a->hash, sizeof(hash));
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    char others[HEX + 1] = "";
    int64_t last = 0;
    if (sql_shared(a->db)) rc = read_last(tx, &last, others, e);
    if (last > seq) { /* an end that was cut off does not become the end by that */
        seq = last;
        memcpy(hash, others, sizeof(hash));
    }
    int64_t first = seq;
    if (rc >= 0) rc = write_list(a, tx, list, &seq, hash, e);
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
    for (int i = 0; i < NFIELDS; i++) n->row.field[i] = put(&at, f[i]);
    n->row.at_us = clock_now_us(a->clock);
    n->row.status = r->status;
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

/* A key that does not open stops nothing: the log is written, and unsigned from there on, which verify tells. */
static int open_key(struct audit *a, const struct audit_config *cfg, struct error *e)
{
    struct error why = {0};
    int rc = audit_key_open(a->db, cfg->secrets, cfg->rng, &a->key, &why);
    if (rc == ERR_CORRUPT) {
        log_error("audit", "the key of the audit log does not open: it is not signed", "err=\"%s\"", why.text);
        audit_key_free(&a->key);
        return 0;
    }
    if (rc && e) *e = why;
    return rc;
}

int audit_open(const struct audit_config *cfg, struct audit **ret, struct error *e)
{
    struct audit *a = mem_calloc(1, sizeof(*a));
    if (!a) return ERR_NOMEM;
    a->db = cfg->db;
    a->clock = cfg->clock;
    a->tail = &a->head;
    a->mark_us = clock_now_us(cfg->clock);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->done, NULL);
    int rc = audit_migrate(a->db, e);
    if (!rc) rc = open_key(a, cfg, e);
    if (!rc) rc = load_last(a, e);
    if (rc > 0) rc = 0;
    a->mark_seq = a->seq;
    if (!rc && pthread_create(&a->thread, NULL, run, a) != 0)
        rc = error_set(e, ERR_NOMEM, "", "no thread for the audit log", NULL);
    a->started = rc == 0;
    if (rc)
        audit_free(a);
    else
        *ret = a;
    return rc;
}

int audit_new(struct sql *db, const struct clock *clock, struct audit **ret, struct error *e)
{
    struct audit_config cfg = {.db = db, .clock = clock, .rng = rng_real()};
    return audit_open(&cfg, ret, e);
}

void audit_keep(struct audit *a, int days)
{
    atomic_store(&a->keep_us, (int64_t)(days < AUDIT_DAYS_MIN ? AUDIT_DAYS_MIN : days) * 86400000000LL);
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
    audit_key_free(&a->key);
    pthread_cond_destroy(&a->work);
    pthread_cond_destroy(&a->done);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

struct sql *audit_sql(struct audit *a)
{
    return a->db;
}

const struct audit_key *audit_key(struct audit *a)
{
    return a->key.key ? &a->key : NULL;
}
