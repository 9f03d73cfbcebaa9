/* postgres_listen.c - which tables others have written: NOTIFY with the commit, a listening connection with a
 * thread of its own, and who wants to know.
 *
 * Every commit that wrote rows sends `<origin> <table>[~],<table>[~]…` on the channel "bornite_<schema>"; origin is
 * this open database, "~" means updated only. PostgreSQL delivers it after the commit, also to ourselves. When the
 * listening connection was lost, anything may have happened: everybody is told so (table NULL) once it is back.
 *
 * Watchers are called on the thread, under `watch_lock`: sql_unwatch waits for a call that runs. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/clock.h"
#include "store/postgres_int.h"

#define TABLES_TOLD 64 /* of one batch; more: anything */
#define RETRY_MS 300

static void channel_of(const struct pg *p, char out[80])
{
    snprintf(out, 80, "bornite_%s", p->schema);
}

/* ------------------------------------------------------------------ who is told */

struct told {
    char name[PG_TABLE_MAX];
    bool own, rows;
};
struct batch {
    struct told item[TABLES_TOLD];
    size_t n;
    bool all;
};

static void call(struct pg *p, const struct sql_written *w)
{
    pthread_mutex_lock(&p->watch_lock);
    for (size_t i = 0; i < p->nwatchers; i++) p->watchers[i].fn(p->watchers[i].ctx, w);
    pthread_mutex_unlock(&p->watch_lock);
}

static void add(struct batch *b, struct str name, bool own)
{
    bool rows = !str_ends(name, STR("~"));
    if (!rows) name.n--;
    for (size_t i = 0; i < b->n; i++)
        if (str_is(name, b->item[i].name) && b->item[i].own == own) {
            b->item[i].rows |= rows;
            return;
        }
    if (b->n == TABLES_TOLD || str_is(name, "*")) {
        b->all = true;
        return;
    }
    struct told *t = &b->item[b->n++];
    *t = (struct told){.own = own, .rows = rows};
    str_to_cstr(name, t->name, sizeof t->name);
}

static void read_one(struct pg *p, struct batch *b, const char *payload)
{
    struct str s = str_of(payload), origin = str_cut(&s, ' ');
    bool own = str_is(origin, p->origin);
    while (s.p) add(b, str_cut(&s, ','), own);
}

static void tell(struct pg *p, const struct batch *b)
{
    if (b->all) {
        call(p, &(struct sql_written){.rows = true});
        return;
    }
    for (size_t i = 0; i < b->n; i++) call(p, &(struct sql_written){b->item[i].name, b->item[i].own, b->item[i].rows});
}

static bool take_all(struct pg *p, PGconn *h)
{
    struct batch b = {.n = 0};
    if (!PQconsumeInput(h)) return false;
    for (PGnotify *x; (x = PQnotifies(h));) {
        read_one(p, &b, x->extra);
        PQfreemem(x);
    }
    tell(p, &b);
    return true;
}

/* ------------------------------------------------------------------ the thread */

static bool wait_for(struct pg *p, int fd, int ms)
{
    struct pollfd f[2] = {{.fd = p->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    (void)poll(f, fd < 0 ? 1 : 2, ms);
    return !(f[0].revents & POLLIN);
}

static PGconn *listen_on(struct pg *p)
{
    char channel[80], text[120];
    PGconn *h = NULL;
    if (pg_dial(p, &h, NULL)) return NULL;
    channel_of(p, channel);
    snprintf(text, sizeof text, "listen \"%s\"", channel);
    if (pg_command(h, text, NULL) == 0) return h;
    PQfinish(h);
    return NULL;
}

static void *listener(void *arg)
{
    struct pg *p = arg;
    PGconn *h = TAKE(p->listening); /* the first one stands already */
    for (;;) {
        if (!wait_for(p, h ? PQsocket(h) : -1, h ? -1 : RETRY_MS)) break;
        if (h && take_all(p, h)) continue;
        PQfinish(h);
        h = listen_on(p);
        if (h) call(p, &(struct sql_written){.rows = true});
    }
    PQfinish(h);
    return NULL;
}

static int start(struct pg *p, struct error *e)
{
    if (p->listens) return 0;
    p->listening = listen_on(p);
    if (!p->listening)
        return error_set(e, ERR_UNAVAILABLE, "", "the database server does not answer", "无法连接数据库服务器");
    p->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (p->stop_fd < 0 || pthread_create(&p->listener, NULL, listener, p))
        return error_set(e, ERR_LIMIT, "", "no thread for changes of other processes", "无法创建监听线程");
    pthread_setname_np(p->listener, "sql-listen");
    p->listens = true;
    return 0;
}

void pg_listen_stop(struct pg *p)
{
    uint64_t one = 1;
    if (p->listens && write(p->stop_fd, &one, sizeof one) == sizeof one) pthread_join(p->listener, NULL);
    if (p->listening) PQfinish(p->listening);
    if (p->stop_fd >= 0) close(p->stop_fd);
}

int pg_watch(struct sql *db, void (*fn)(void *ctx, const struct sql_written *w), void *ctx, struct error *e)
{
    struct pg *p = (struct pg *)db;
    pthread_mutex_lock(&p->watch_lock);
    int rc = p->nwatchers == PG_WATCHERS ? error_set(e, ERR_LIMIT, "", "too many watchers of the database", NULL) : 0;
    if (!rc) rc = start(p, e);
    if (!rc) p->watchers[p->nwatchers++] = (struct pg_watcher){fn, ctx};
    pthread_mutex_unlock(&p->watch_lock);
    return rc;
}

void pg_unwatch(struct sql *db, void *ctx)
{
    struct pg *p = (struct pg *)db;
    pthread_mutex_lock(&p->watch_lock);
    for (size_t i = 0; i < p->nwatchers; i++)
        if (p->watchers[i].ctx == ctx) p->watchers[i--] = p->watchers[--p->nwatchers];
    pthread_mutex_unlock(&p->watch_lock);
}

/* ------------------------------------------------------------------ what a transaction wrote */

void pg_note_written(struct pg_tx *t, const struct pg_stmt *s)
{
    for (unsigned i = 0; i < t->nwritten; i++)
        if (strcmp(t->written[i].name, s->table) == 0) {
            t->written[i].rows |= !s->updates;
            return;
        }
    if (!s->table[0] || t->nwritten == PG_WRITTEN) {
        t->all_written |= s->table[0] != 0;
        return;
    }
    struct pg_written *w = &t->written[t->nwritten++];
    memcpy(w->name, s->table, sizeof w->name);
    w->rows = !s->updates;
}

/* "select pg_notify(…); " or nothing. Names are words of SQL, so nothing needs quoting. */
void pg_notify_text(const struct pg *p, const struct pg_tx *t, struct buf *out)
{
    char channel[80];
    if (!t->nwritten && !t->all_written) return;
    channel_of(p, channel);
    buf_printf(out, "select pg_notify('%s', '%s ", channel, p->origin);
    if (t->all_written) buf_z(out, "*");
    for (unsigned i = 0; i < t->nwritten && !t->all_written; i++)
        buf_printf(out, "%s%s%s", i ? "," : "", t->written[i].name, t->written[i].rows ? "" : "~");
    buf_z(out, "'); ");
}
