/* watch.c - who hears of changes: the log (kernel_changes), signals (kernel_watch) and the thread that
 * calls the hooks' `changed`.
 *
 * The log is written inside the change's transaction, so it is never ahead of or behind the data.
 * Signals come after the commit, under one lock, with a seq that only grows. The dispatcher reads the
 * log from where it stands and calls hooks in order of seq, runs of one kind together; at start it
 * stands at the newest change, because modules reconcile themselves then. Nothing is queued in memory.
 *
 * Several processes on one database: the store tells when another one has written to the log; the newest seq
 * is read, and watchers and hooks hear of those changes as of our own. */
#include "core/resource/kernel_int.h"
#include "io/log.h"

#define BATCH 1000
#define ARENA_MAX (8 << 20)

int64_t kernel_seq(struct kernel *k)
{
    pthread_mutex_lock(&k->lock);
    int64_t seq = k->seq;
    pthread_mutex_unlock(&k->lock);
    return seq;
}

void watch_committed(struct kernel *k, int64_t newest_seq)
{
    pthread_mutex_lock(&k->lock);
    if (newest_seq > k->seq) {
        k->seq = newest_seq;
        for (size_t i = 0; i < k->nwatchers; i++) k->watchers[i].fn(k->watchers[i].ctx, newest_seq);
        pthread_cond_broadcast(&k->cond);
    }
    pthread_mutex_unlock(&k->lock);
}

int kernel_watch(struct kernel *k, void (*fn)(void *ctx, int64_t newest_seq), void *ctx)
{
    pthread_mutex_lock(&k->lock);
    int rc = k->nwatchers == WATCHERS_MAX ? ERR_LIMIT : 0;
    if (!rc) k->watchers[k->nwatchers++] = (struct watcher){fn, ctx};
    pthread_mutex_unlock(&k->lock);
    return rc;
}

void kernel_unwatch(struct kernel *k, void (*fn)(void *ctx, int64_t newest_seq), void *ctx)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->nwatchers; i++)
        if (k->watchers[i].fn == fn && k->watchers[i].ctx == ctx) {
            k->watchers[i] = k->watchers[--k->nwatchers];
            break;
        }
    pthread_mutex_unlock(&k->lock);
}

/* ------------------------------------------------------------------ other processes */

static int read_seq(struct kernel *k, int64_t *ret, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select value from sequence where name = 'change'", &s, e);
    if (!rc) {
        rc = sql_step(s, e);
        if (rc == 1) *ret = sql_i64(s, 0);
        sql_done(s);
    }
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

static void peer_wrote(void *ctx, const struct sql_written *w)
{
    struct kernel *k = ctx;
    struct error e = {0};
    int64_t seq = 0;
    if (w->own || (w->table && strcmp(w->table, "resource_change") != 0)) return;
    if (read_seq(k, &seq, &e))
        log_error("core", "changes of another process cannot be read", "err=\"%s\"", e.text);
    else
        watch_committed(k, seq);
}

int watch_peers_start(struct kernel *k, struct error *e)
{
    int rc = sql_watch(k->db, peer_wrote, k, e);
    if (!rc && sql_shared(k->db)) peer_wrote(k, &(struct sql_written){.rows = true}); /* since load_seq */
    return rc;
}

void watch_peers_stop(struct kernel *k)
{
    sql_unwatch(k->db, k);
}

/* ------------------------------------------------------------------ the log */

static int oldest(struct sql_tx *tx, int64_t *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select coalesce(min(seq), 0) from resource_change", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int read_change(struct sql_stmt *s, struct arena *a, struct change *c, struct error *e)
{
    *c = (struct change){.seq = sql_i64(s, 0),
                         .op = (enum change_op)sql_i64(s, 1),
                         .kind = arena_str(a, sql_str(s, 2)),
                         .id = arena_str(a, sql_str(s, 3)),
                         .code = arena_str(a, sql_str(s, 4)),
                         .num = (uint32_t)sql_i64(s, 5),
                         .rev = sql_i64(s, 6),
                         .org = arena_str(a, sql_str(s, 7))};
    return c->kind.p && c->id.p && c->code.p && c->org.p ? 0 : kernel_nomem(e);
}

static int read_changes(struct sql_tx *tx, struct arena *a, int64_t from, size_t max, struct change *out, size_t *n,
                        struct error *e)
{
    struct sql_stmt *s;
    int rc =
        sql_prepare(tx,
                    "select seq, op, kind, id, code, num, rev, org from resource_change where seq > $1 order by seq "
                    "limit $2",
                    &s, e);
    if (rc) return rc;
    sql_bind_i64(s, 1, from);
    sql_bind_i64(s, 2, (int64_t)max);
    while ((rc = sql_step(s, e)) == 1 && (rc = read_change(s, a, &out[*n], e)) == 0) ++*n;
    sql_done(s);
    return rc;
}

int kernel_changes(struct kernel *k, struct arena *a, int64_t from, size_t max, struct change **ret, size_t *ret_n,
                   struct error *e)
{
    struct sql_tx *tx;
    if (max > BATCH) max = BATCH;
    struct change *out = arena_calloc(a, max ? max : 1, sizeof *out);
    CATCH_NOMEM(out, e);
    int rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    int64_t first = 0;
    size_t n = 0;
    rc = oldest(tx, &first, e);
    if (!rc && from < first - 1)
        rc = error_set(e, ERR_RANGE, "from", "changes before %lld are gone; read everything and watch from %lld",
                       "%lld 之前的变更已清除；请重新读取全部内容并从 %lld 开始订阅", (long long)first,
                       (long long)kernel_seq(k));
    if (!rc) rc = read_changes(tx, a, from, max, out, &n, e);
    sql_rollback(tx);
    if (rc) return rc;
    *ret = out;
    *ret_n = n;
    return 0;
}

/* ------------------------------------------------------------------ the dispatcher */

static void call_hooks(struct kernel *k, const struct change *c, size_t n)
{
    size_t hooks = atomic_load_explicit(&k->nhooks, memory_order_acquire);
    for (size_t i = 0; i < hooks; i++)
        if (k->hooks[i].changed && str_is(c->kind, k->hooks[i].kind)) k->hooks[i].changed(k->hooks[i].ctx, k, c, n);
}

static void call_runs(struct kernel *k, const struct change *c, size_t n)
{
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && str_eq(c[j].kind, c[i].kind);) j++;
        call_hooks(k, c + i, j - i);
    }
}

/* Kinds that another process changed are taken over before anybody hears of it. */
static void take_kinds(struct kernel *k, const struct change *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(c[i].kind, "user_kind")) {
            kinds_take(k);
            return;
        }
}

/* One batch after `from`; the seq up to which all is told. A log that cannot be read now (disk, memory)
 * is read again after the next commit or a second. */
static int64_t dispatch(struct kernel *k, int64_t from, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, ARENA_MAX);
    struct change *c = NULL;
    size_t n = 0;
    int rc = kernel_changes(k, &a, from, BATCH, &c, &n, e);
    if (rc == ERR_RANGE) return kernel_seq(k);
    if (rc) return -1;
    take_kinds(k, c, n);
    call_runs(k, c, n);
    return n ? c[n - 1].seq : kernel_seq(k);
}

static void pause_a_second(struct kernel *k)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    if (!k->closing) pthread_cond_timedwait(&k->cond, &k->lock, &until);
}

static void *dispatcher(void *arg)
{
    struct kernel *k = arg;
    pthread_mutex_lock(&k->lock);
    while (!k->closing) {
        if (k->dispatched >= k->seq) {
            pthread_cond_wait(&k->cond, &k->lock);
            continue;
        }
        int64_t from = k->dispatched;
        pthread_mutex_unlock(&k->lock);
        struct error e = {0};
        int64_t upto = dispatch(k, from, &e);
        if (upto < 0) log_error("core", "the change log cannot be read", "err=%s", e.text);
        pthread_mutex_lock(&k->lock);
        if (upto < 0) {
            pause_a_second(k);
            continue;
        }
        k->dispatched = upto;
        pthread_cond_broadcast(&k->cond);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int watch_dispatch_start(struct kernel *k)
{
    if (k->dispatching) return 0;
    k->dispatched = k->seq;
    if (pthread_create(&k->dispatcher, NULL, dispatcher, k)) return ERR_LIMIT;
    pthread_setname_np(k->dispatcher, "changes");
    k->dispatching = true;
    return 0;
}

void watch_stop(struct kernel *k)
{
    pthread_mutex_lock(&k->lock);
    k->closing = true;
    bool join = k->dispatching;
    k->dispatching = false;
    pthread_cond_broadcast(&k->cond);
    pthread_mutex_unlock(&k->lock);
    if (join) pthread_join(k->dispatcher, NULL);
}

void kernel_hooks_stop(struct kernel *k)
{
    watch_stop(k);
}

void kernel_settle(struct kernel *k)
{
    pthread_mutex_lock(&k->lock);
    int64_t want = k->seq;
    while (k->dispatching && !k->closing && k->dispatched < want) pthread_cond_wait(&k->cond, &k->lock);
    pthread_mutex_unlock(&k->lock);
}
