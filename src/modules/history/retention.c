/* retention.c - see retention.h. One thread: it sleeps until a change of an archive class or point is
 * signalled or a minute has passed, rebuilds the table when something changed, and calls enforce.
 * A point's class is the class resource's number, 1..15; 0 is "no class" (kept for ever). */
#include "modules/history/retention.h"
#include <pthread.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "io/log.h"
#include "modules/history/engines.h"

METRIC(m_samples, METRIC_COUNTER, "bornite_retention_samples_total", "Samples that retention has deleted, about.");
METRIC(m_bytes, METRIC_COUNTER, "bornite_retention_bytes_total", "Bytes on disk that retention has freed, about.");

struct retention {
    struct node *node;
    struct engines *engines; /* NULL: none but our own */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, stopping, classes_dirty, points_dirty; /* under lock */
    struct retention_class row[TS_CLASSES];              /* under lock */
    size_t nrows;
};

/* 0: not given. */
static int read_age(const struct json *spec, const char *field, int64_t *ret, struct error *e)
{
    char where[40];
    struct str text = json_str(json_get(spec, field), STR(""));
    *ret = 0;
    int err = text.n ? duration_parse(text, ret, e) : 0;
    snprintf(where, sizeof where, "spec.%s", field);
    if (err && e) error_prefix(e, where);
    return err;
}

int retention_class_read(const struct json *spec, struct ts_class *ret, struct error *e)
{
    int64_t mb = json_i64(json_get(spec, "max_mb"), 0);
    int err = read_age(spec, "keep", &ret->max_age_us, e);
    if (!err) err = read_age(spec, "keep_rollups", &ret->rollup_age_us, e);
    if (!err) err = read_age(spec, "warm_after", &ret->warm_after_us, e);
    if (!err) err = read_age(spec, "cold_after", &ret->cold_after_us, e);
    ret->max_bytes = mb > 0 ? (uint64_t)mb << 20 : 0;
    return err;
}

static int load_class(void *ctx, const struct resource *res)
{
    struct retention *r = ctx;
    if (res->num == 0 || res->num >= TS_CLASSES || r->nrows == TS_CLASSES) {
        log_warn("history", "more archive classes than the store can tell apart", "code=%.*s", STR_ARG(res->code));
        return 0;
    }
    struct retention_class *row = &r->row[r->nrows++];
    row->c = (struct ts_class){.id = (uint8_t)res->num};
    if (retention_class_read(res->spec, &row->c, NULL)) /* the kind has checked it */
        log_warn("history", "an archive class cannot be read", "code=%.*s", STR_ARG(res->code));
    str_to_cstr(res->code, row->code, sizeof row->code);
    str_to_cstr(res->name, row->name, sizeof row->name);
    return 0;
}

static void load_classes(struct retention *r)
{
    struct ts_store *st = r->node->history;
    struct error e = {0};
    struct ts_class table[TS_CLASSES];
    pthread_mutex_lock(&r->lock);
    r->nrows = 0;
    int err = resource_each(r->node->kernel, "archive_class", load_class, r, &e);
    size_t n = r->nrows;
    for (size_t i = 0; i < n; i++) table[i] = r->row[i].c;
    pthread_mutex_unlock(&r->lock);
    if (r->engines) engines_apply(r->engines);
    if (!err && st->ops->classes) err = st->ops->classes(st, table, n);
    if (err) log_error("history", "cannot apply the archive classes", "err=%s detail=\"%s\"", error_name(err), e.text);
}

struct assignment {
    struct retention *r;
    uint32_t *points;
    uint8_t *classes;
    char (*ids)[37]; /* id of each class number */
    size_t n, pcap, ccap;
};

static int class_id(void *ctx, const struct resource *res)
{
    struct assignment *a = ctx;
    if (res->num && res->num < TS_CLASSES) str_to_cstr(res->id, a->ids[res->num], sizeof a->ids[0]);
    return 0;
}

static int assign_point(void *ctx, const struct resource *res)
{
    struct assignment *a = ctx;
    struct str ref = json_str(json_get(res->spec, "archive_class"), STR(""));
    uint8_t num = 0;
    for (int i = 1; ref.n && i < TS_CLASSES && !num; i++)
        if (str_is(ref, a->ids[i])) num = (uint8_t)i;
    if (!mem_grow((void **)&a->points, &a->pcap, a->n + 1, sizeof *a->points)) return ERR_NOMEM;
    if (!mem_grow((void **)&a->classes, &a->ccap, a->n + 1, sizeof *a->classes)) return ERR_NOMEM;
    a->points[a->n] = res->num;
    a->classes[a->n++] = num;
    return 0;
}

static void load_points(struct retention *r)
{
    struct ts_store *st = r->node->history;
    struct error e = {0};
    struct assignment a = {.r = r, .ids = mem_calloc(TS_CLASSES, 37)};
    if (!st->ops->classify || !kernel_kind(r->node->kernel, STR("point")) || !a.ids) {
        mem_free(a.ids);
        return;
    }
    int err = resource_each(r->node->kernel, "archive_class", class_id, &a, &e);
    if (!err) err = resource_each(r->node->kernel, "point", assign_point, &a, &e);
    if (r->engines) engines_names(r->engines);
    if (!err) err = st->ops->classify(st, a.points, a.classes, a.n);
    if (err) log_error("history", "cannot assign points to archive classes", "err=%s", error_name(err));
    mem_free(a.points);
    mem_free(a.classes);
    mem_free(a.ids);
}

/* What the classes hold on disk; a store that does not tell: nothing. */
static struct ts_class_usage held(struct ts_store *st)
{
    struct ts_class_usage all = {0}, u;
    for (uint8_t id = 0; id < TS_CLASSES && st->ops->class_usage; id++) {
        u = (struct ts_class_usage){0};
        if (st->ops->class_usage(st, id, &u)) continue;
        all.bytes += u.bytes;
        all.samples += u.samples;
    }
    return all;
}

/* Samples that come to the disk meanwhile make the figures a little smaller than they are. */
static void tell_deleted(const struct ts_class_usage *before, const struct ts_class_usage *after)
{
    if (after->samples >= before->samples) return;
    uint64_t samples = before->samples - after->samples;
    uint64_t bytes = before->bytes > after->bytes ? before->bytes - after->bytes : 0;
    metric_add(&m_samples, (int64_t)samples);
    metric_add(&m_bytes, (int64_t)bytes);
    log_info("history", "retention deleted", "samples=%llu bytes=%llu", (unsigned long long)samples,
             (unsigned long long)bytes);
}

static void enforce(struct retention *r)
{
    struct ts_store *st = r->node->history;
    struct error e = {0};
    struct ts_class_usage before = held(st);
    int err = st->ops->enforce ? st->ops->enforce(st, &e) : 0;
    if (err) log_error("history", "retention failed", "err=%s detail=\"%s\"", error_name(err), e.text);
    struct ts_class_usage after = held(st);
    tell_deleted(&before, &after);
}

static void *retention_main(void *arg)
{
    struct retention *r = arg;
    pthread_setname_np(pthread_self(), "retention");
    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        bool classes = r->classes_dirty, points = r->points_dirty || classes;
        r->classes_dirty = r->points_dirty = false;
        pthread_mutex_unlock(&r->lock);
        if (classes) load_classes(r);
        if (points) load_points(r);
        enforce(r);
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_sec += 60;
        pthread_mutex_lock(&r->lock);
        while (!r->stopping && !r->classes_dirty && !r->points_dirty)
            if (pthread_cond_timedwait(&r->wake, &r->lock, &ts)) break;
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* The store tells 15 classes apart, by number; numbers are never used twice. */
static int check_class(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                       const struct resource *new_, struct error *e)
{
    if (old || !new_ || new_->num < TS_CLASSES) return 0;
    return error_set(e, ERR_LIMIT, "", "a node has at most %d archive classes in its life; change one that exists",
                     "一个节点最多可建立 %d 个归档类别；请修改已有类别", TS_CLASSES - 1);
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct retention *r = ctx;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < n; i++) {
        if (str_is(c[i].kind, "point"))
            r->points_dirty = true;
        else
            r->classes_dirty = true;
    }
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

int retention_new(struct node *n, struct retention **ret, struct error *e)
{
    struct retention *r = mem_calloc(1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    r->node = n;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    const struct kind_hooks hooks[] = {{.kind = "archive_class", .validate = check_class, .changed = changed, .ctx = r},
                                       {.kind = "ts_engine", .changed = changed, .ctx = r},
                                       {.kind = "point", .changed = changed, .ctx = r}};
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        int err = kernel_hooks_add(r->node->kernel, &hooks[i]);
        if (!err) continue;
        retention_free(r);
        return error_set(e, err, "history", "cannot watch the kind %s", "无法监视类型 %s", hooks[i].kind);
    }
    *ret = r;
    return 0;
}

void retention_engines_set(struct retention *r, struct engines *g)
{
    r->engines = g;
}

int retention_start(struct retention *r, struct error *e)
{
    pthread_mutex_lock(&r->lock); /* hooks may come already */
    r->classes_dirty = true;
    pthread_mutex_unlock(&r->lock);
    if (pthread_create(&r->thread, NULL, retention_main, r))
        return error_set(e, ERR_LIMIT, "history", "cannot start the retention thread", "无法启动保留期线程");
    r->running = true;
    return 0;
}

void retention_stop(struct retention *r)
{
    if (!r->running) return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    r->running = false;
}

void retention_free(struct retention *r)
{
    if (!r) return;
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    mem_free(r);
}

size_t retention_classes(void *module, struct retention_class ret[TS_CLASSES])
{
    struct retention *r = history_retention(module);
    pthread_mutex_lock(&r->lock);
    size_t n = r->nrows;
    memcpy(ret, r->row, n * sizeof *ret);
    pthread_mutex_unlock(&r->lock);
    return n;
}

void retention_write(void *module, struct json_writer *w)
{
    struct retention *r = history_retention(module);
    struct ts_store *st = r->node->history;
    char t[TIME_TEXT_MAX];
    jw_key(w, STR("classes"));
    jw_array(w);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->nrows; i++) {
        struct ts_class_usage u = {0};
        if (st->ops->class_usage) (void)!st->ops->class_usage(st, r->row[i].c.id, &u);
        jw_object(w);
        jw_kz(w, "code", r->row[i].code);
        jw_kz(w, "name", r->row[i].name);
        jw_ki64(w, "max_age_s", r->row[i].c.max_age_us / TIME_US_PER_S);
        jw_ki64(w, "max_bytes", (int64_t)r->row[i].c.max_bytes);
        jw_ki64(w, "bytes", (int64_t)u.bytes);
        jw_ki64(w, "samples", (int64_t)u.samples);
        jw_kz(w, "oldest", u.oldest_us ? time_format(u.oldest_us, t) : NULL);
        jw_end(w);
    }
    pthread_mutex_unlock(&r->lock);
    jw_end(w);
}
