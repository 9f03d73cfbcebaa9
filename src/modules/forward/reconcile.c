/* reconcile.c - the thread that makes the running forwardings equal to the stored ones, at start, after every change of
 * them and whenever the plant has changed. */
#include <time.h>
#include "base/mem.h"
#include "io/log.h"
#include "modules/forward/forward.h"

#define GATHER_MS 100
#define RETRY_MS 2000

struct f_line *forward_line(struct forward *f, struct str id)
{
    struct f_line *l = NULL;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->plan.n && !l; i++)
        if (str_eq(f->plan.lines[i]->id, id) || str_eq(f->plan.lines[i]->code, id)) l = f_line_ref(f->plan.lines[i]);
    pthread_mutex_unlock(&f->lock);
    return l;
}

size_t forward_lines(struct forward *f, struct f_line ***ret)
{
    pthread_mutex_lock(&f->lock);
    size_t n = f->plan.n;
    *ret = mem_calloc(n + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < n; i++) (*ret)[i] = f_line_ref(f->plan.lines[i]);
    pthread_mutex_unlock(&f->lock);
    return *ret ? n : 0;
}

/* Without the plant nothing goes: its first snapshot calls again. */
static bool reconcile_once(struct forward *f)
{
    struct error e = {0};
    struct plan fresh, old;
    struct plant *p = plant_of(f->node);
    if (!p) return true;
    int rc = plan_load(f->node, p, &fresh, &e);
    plant_unref(p);
    if (rc) {
        log_error("forward", "cannot load the forwardings", "err=\"%s\"", e.text);
        return false;
    }
    pthread_mutex_lock(&f->lock);
    old = f->plan;
    f->plan = fresh;
    pthread_mutex_unlock(&f->lock);
    fwd_run_apply(f->run, &fresh);
    plan_free(&old);
    return true;
}

/* Under the lock, which it lets go of; ends early when the module stops. */
static void sleep_ms(struct forward *f, long ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += ms % 1000 * 1000000;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    while (!f->stopping && pthread_cond_timedwait(&f->wake, &f->lock, &ts) == 0) continue;
}

static void *reconciler(void *arg)
{
    struct forward *f = arg;
    pthread_setname_np(pthread_self(), "forward-set");
    pthread_mutex_lock(&f->lock);
    while (!f->stopping) {
        while (!f->dirty && !f->stopping) pthread_cond_wait(&f->wake, &f->lock);
        sleep_ms(f, GATHER_MS);
        if (f->stopping) break;
        f->dirty = false;
        pthread_mutex_unlock(&f->lock);
        bool done = reconcile_once(f);
        pthread_mutex_lock(&f->lock);
        if (done) continue;
        f->dirty = true;
        sleep_ms(f, RETRY_MS);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

void forward_set_signal(void *arg)
{
    struct forward *f = arg;
    pthread_mutex_lock(&f->lock);
    f->dirty = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

int forward_set_start(struct forward *f, struct error *e)
{
    f->dirty = true;
    if (pthread_create(&f->thread, NULL, reconciler, f))
        return error_set(e, ERR_LIMIT, "forward", "cannot start the reconciler", "无法启动协调线程");
    f->running = true;
    return 0;
}

void forward_set_stop(struct forward *f)
{
    if (!f->running) return;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    f->running = false;
}
