/* auth_peers.c - several processes on one database: what another one writes about sessions, tokens, passwords and
 * locks takes effect here within a second. Changes of users, roles and groups come as everybody's, through the
 * change log.
 *
 * The database tells which tables were written (sql_watch); a thread of its own then reads them again, at most
 * every PAUSE_MS. Sessions and tokens: what is not in memory is added, then what is in memory but no more in the
 * table is dropped - looked for in memory before the table is read, so that one just made here is never taken
 * for one that is gone. Own writes of these two tables are heard too: one ended here while the table was being
 * read could otherwise stand in memory again. On a database of one process there is no thread. */
#include <time.h>
#include "base/mem.h"
#include "core/auth/auth_int.h"
#include "io/log.h"

#define PAUSE_MS 100

struct auth_peers {
    struct auth *auth;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t cond;
    pthread_t thread;
    bool started, stopping, logins, users;
};

struct known {
    uint8_t key[DIGEST];
    char id[37];
    bool there;
};

/* Under the lock. Both structs begin with their id. */
static int list_known(const struct auth_map *m, struct known **ret, size_t *ret_n)
{
    struct known *list = mem_calloc(m->n + 1, sizeof(*list));
    const char *id;
    size_t n = 0;
    if (!list) return ERR_NOMEM;
    auth_map_each(m, i, id)
    {
        memcpy(list[n].key, m->slots[i].key, DIGEST);
        memcpy(list[n++].id, id, sizeof(list[0].id));
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->id, ((const struct known *)b)->id);
}

static int mark_there(struct auth *a, const char *ids, struct known *list, size_t n, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, ids, &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        struct known key, *hit;
        str_to_cstr(sql_str(s, 0), key.id, sizeof(key.id));
        hit = bsearch(&key, list, n, sizeof(*list), by_id);
        if (hit) hit->there = true;
        rc = 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static int drop_gone(struct auth *a, struct auth_map *m, const char *ids, void (*free_value)(void *), struct error *e)
{
    struct known *list = NULL;
    size_t n = 0;
    pthread_mutex_lock(&a->lock);
    int rc = list_known(m, &list, &n);
    pthread_mutex_unlock(&a->lock);
    if (rc) return rc;
    qsort(list, n, sizeof(*list), by_id);
    rc = mark_there(a, ids, list, n, e);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < n && !rc; i++) {
        void *gone = list[i].there ? NULL : auth_map_take(m, list[i].key);
        if (gone) free_value(gone);
    }
    pthread_mutex_unlock(&a->lock);
    mem_free(list);
    return rc;
}

static int read_logins(struct auth *a, struct error *e)
{
    int rc = sessions_fetch(a, e);
    if (!rc) rc = tokens_load(a, e);
    if (!rc) rc = drop_gone(a, &a->sessions, "select id from api_session", session_free, e);
    if (!rc) rc = drop_gone(a, &a->tokens, "select id from api_token", token_free, e);
    return rc;
}

static void pause_a_bit(struct auth_peers *p)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PAUSE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    while (!p->stopping && pthread_cond_timedwait(&p->cond, &p->lock, &until) == 0) continue;
}

static void *run(void *arg)
{
    struct auth_peers *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        if (!p->logins && !p->users) {
            pthread_cond_wait(&p->cond, &p->lock);
            continue;
        }
        bool logins = p->logins, users = p->users;
        struct error e = {0};
        p->logins = p->users = false;
        pthread_mutex_unlock(&p->lock);
        int rc = users ? auth_reload(p->auth, &e) : 0;
        if (!rc && logins) rc = read_logins(p->auth, &e);
        if (rc) log_error("auth", "what another process changed cannot be read", "err=\"%s\"", e.text);
        pthread_mutex_lock(&p->lock);
        p->users |= rc && users; /* once more */
        p->logins |= rc && logins;
        pause_a_bit(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void wrote(void *ctx, const struct sql_written *w)
{
    struct auth_peers *p = ctx;
    struct str table = str_of(w->table);
    bool any = !w->table;
    bool logins = str_is(table, "api_session") || str_is(table, "api_token");
    bool other = !logins && !str_is(table, "api_idempotency") && str_starts(table, STR("api_"));
    pthread_mutex_lock(&p->lock);
    if (any || (logins && w->rows)) p->logins = true; /* updates only tell of use */
    if (any || (other && !w->own)) p->users = true;
    if (p->logins || p->users) pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

int auth_peers_start(struct auth *a, struct error *e)
{
    if (!sql_shared(a->db)) return 0;
    struct auth_peers *p = a->peers = mem_calloc(1, sizeof(*p));
    if (!p) return ERR_NOMEM;
    p->auth = a;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->cond, NULL);
    p->logins = p->users = true; /* whatever happened since they were loaded */
    int rc = pthread_create(&p->thread, NULL, run, p) ? ERR_LIMIT : 0;
    p->started = rc == 0;
    if (p->started) pthread_setname_np(p->thread, "auth-peers");
    return rc ? rc : sql_watch(a->db, wrote, p, e);
}

void auth_peers_stop(struct auth *a)
{
    struct auth_peers *p = a->peers;
    if (!p) return;
    sql_unwatch(a->db, p);
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
    if (p->started) pthread_join(p->thread, NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->cond);
    mem_free(p);
    a->peers = NULL;
}
