/* list_index.c - indices that are made when somebody asks for what has none.
 *
 * A filter over a field, label or column of a large kind that no index serves reads every row. The first such
 * filter starts a thread that makes the index (once, remembered in resource_index, at most AUTO_MAX a kind, so
 * that changes stay quick); those after it find it. One thread at a time; a wish that comes meanwhile is made by
 * whoever asks again. Ends before the kernel closes. */
#include "core/resource/list_int.h"
#include "core/resource/lists.h"

#define AUTO_MAX 8

struct wish {
    struct kernel *k;
    struct lists *ls;
    char name[64], prefix[40];
    char text[]; /* the statement */
};

struct lists *lists_of(struct kernel *k)
{
    pthread_mutex_lock(&k->lock);
    if (!k->lists && (k->lists = mem_calloc(1, sizeof *k->lists))) {
        pthread_mutex_init(&k->lists->lock, NULL);
        pthread_mutex_init(&k->lists->index_lock, NULL);
        pthread_cond_init(&k->lists->index_done, NULL);
    }
    struct lists *ls = k->lists;
    pthread_mutex_unlock(&k->lock);
    return ls;
}

void lists_settle(struct kernel *k)
{
    struct lists *ls = k->lists;
    if (!ls) return;
    pthread_mutex_lock(&ls->index_lock);
    while (ls->building) pthread_cond_wait(&ls->index_done, &ls->index_lock);
    pthread_mutex_unlock(&ls->index_lock);
}

void lists_free(struct kernel *k)
{
    struct lists *ls = k->lists;
    if (!ls) return;
    if (ls->started) pthread_join(ls->builder, NULL);
    tallies_free(ls->tallies);
    pthread_mutex_destroy(&ls->lock);
    pthread_mutex_destroy(&ls->index_lock);
    pthread_cond_destroy(&ls->index_done);
    mem_free(ls);
    k->lists = NULL;
}

/* Rows of resource_index with that name or beginning. */
static int have(struct sql_tx *tx, const char *text, struct str name, int64_t *ret)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, text, &s, NULL);
    if (rc) return rc;
    sql_bind_str(s, 1, name);
    rc = sql_step(s, NULL);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static bool wanted(struct sql_tx *tx, const char *name, const char *prefix)
{
    char pattern[64];
    int64_t same = 0, all = 0;
    snprintf(pattern, sizeof pattern, "%s%%", prefix);
    if (have(tx, "select count(*) from resource_index where name = $1", str_of(name), &same) || same) return false;
    return !have(tx, "select count(*) from resource_index where name like $1", str_of(pattern), &all) && all < AUTO_MAX;
}

static void *build(void *arg)
{
    struct wish *w = arg;
    struct sql_tx *tx;
    if (sql_begin(w->k->db, true, &tx, NULL) == 0) {
        int rc = wanted(tx, w->name, w->prefix) ? sql_exec(tx, NULL, w->text, "") : ERR_EXISTS;
        if (!rc)
            rc = sql_exec(tx, NULL, "insert into resource_index(name, definition) values($1, $2)", "ss",
                          str_of(w->name), str_of(w->text));
        if (rc)
            sql_rollback(tx);
        else
            (void)!sql_commit(tx, NULL); /* it is made again when somebody asks again */
    }
    pthread_mutex_lock(&w->ls->index_lock);
    w->ls->building = false;
    pthread_cond_broadcast(&w->ls->index_done);
    pthread_mutex_unlock(&w->ls->index_lock);
    mem_free(w);
    return NULL;
}

/* The expression without "r.", which the definition of an index may not have. */
static void without_alias(struct buf *out, struct str x)
{
    for (size_t i = 0; i < x.n; i++) {
        bool alias = x.p[i] == 'r' && i + 1 < x.n && x.p[i + 1] == '.' && (i == 0 || strchr(" (", x.p[i - 1]));
        if (alias)
            i++;
        else
            buf_u8(out, (uint8_t)x.p[i]);
    }
}

static void names(const struct kind *kd, struct str expression, char name[64], char prefix[40])
{
    snprintf(prefix, 40, "resource_auto_%08x_", (unsigned)str_hash(kd->kind, 3));
    snprintf(name, 64, "%s%08x", prefix, (unsigned)str_hash(expression, 4));
}

bool index_made(struct sql_tx *tx, const struct kind *kd, struct str expression)
{
    char name[64], prefix[40];
    int64_t n = 0;
    names(kd, expression, name, prefix);
    return !have(tx, "select count(*) from resource_index where name = $1", str_of(name), &n) && n > 0;
}

static struct wish *wish_new(struct kernel *k, const struct kind *kd, struct str expression)
{
    struct buf b;
    char name[64], prefix[40];
    names(kd, expression, name, prefix);
    buf_init(&b, 16384);
    buf_printf(&b, "create index %s on resource(", name);
    without_alias(&b, expression);
    buf_printf(&b, ", code) where kind = '%.*s' and deleted = 0", STR_ARG(kd->kind));
    struct wish *w = b.err ? NULL : mem_alloc(sizeof *w + b.n + 1);
    if (w) {
        *w = (struct wish){.k = k};
        memcpy(w->name, name, sizeof name);
        memcpy(w->prefix, prefix, sizeof prefix);
        str_to_cstr(buf_view(&b), w->text, b.n + 1);
    }
    buf_fini(&b);
    return w;
}

static bool still_wanted(struct kernel *k, const struct wish *w)
{
    struct sql_tx *tx;
    if (sql_begin(k->db, false, &tx, NULL)) return false;
    bool yes = wanted(tx, w->name, w->prefix);
    sql_rollback(tx);
    return yes;
}

void index_wish(struct kernel *k, const struct kind *kd, struct str expression)
{
    struct lists *ls = lists_of(k);
    struct wish *w = ls ? wish_new(k, kd, expression) : NULL;
    if (!w) return;
    bool go = still_wanted(k, w);
    pthread_mutex_lock(&ls->index_lock);
    if (go && !ls->building) {
        if (ls->started) pthread_join(ls->builder, NULL);
        w->ls = ls;
        ls->started = ls->building = pthread_create(&ls->builder, NULL, build, w) == 0;
        if (ls->started) w = NULL;
    }
    pthread_mutex_unlock(&ls->index_lock);
    mem_free(w);
}
