/* loop.c - an event loop on its own thread, with a queue of calls into it.
 *
 * Posting: a mutex-guarded array that the loop swaps out as a whole, woken by one uv_async_t. The array
 * grows: what is posted must be bounded by its poster (one post per request, per batch ...).
 * Threads: loop_start, loop_post and loop_call from any thread; loop_uv only on the loop's own. Signals
 * are blocked on loop threads: SIGPIPE becomes EPIPE, the others go to the main thread.
 * Ownership: the struct is freed by loop_stop; nobody may hold it after that call has returned. */
#include "io/loop.h"
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/log.h"

struct call {
    void (*fn)(void *arg);
    void *arg;
};

struct calls {
    struct call *items;
    size_t n, cap;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_t thread;
    char name[16];
    pthread_mutex_t lock; /* guards `posted`, `closed` */
    struct calls posted;
    bool closed;
    struct calls running; /* loop thread only */
};

/* Run what has been posted; returns how many calls, and whether the loop has been told to stop. */
static size_t run_posted(struct loop *l, bool *ret_closed)
{
    pthread_mutex_lock(&l->lock);
    struct calls batch = l->posted;
    l->posted = l->running;
    l->posted.n = 0;
    *ret_closed = l->closed;
    pthread_mutex_unlock(&l->lock);
    l->running = (struct calls){0};
    for (size_t i = 0; i < batch.n; i++) batch.items[i].fn(batch.items[i].arg);
    l->running = batch;
    return batch.n;
}

static void close_leftover(uv_handle_t *h, void *arg)
{
    struct loop *l = arg;
    if (uv_is_closing(h)) return;
    log_error("loop", "handle left open at stop", "loop=%s type=%s", l->name, uv_handle_type_name(h->type));
    uv_close(h, NULL);
}

static void on_wake(uv_async_t *a)
{
    struct loop *l = a->data;
    bool closed;
    size_t ran;
    do {
        ran = run_posted(l, &closed);
    } while (closed && ran > 0);
    if (!closed) return;
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_walk(&l->uv, close_leftover, l);
}

static void *loop_main(void *arg)
{
    struct loop *l = arg;
    pthread_setname_np(pthread_self(), l->name);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    return NULL;
}

/* New threads inherit the mask of their creator, so it is set around the creation. */
static int start_thread(pthread_t *ret, void *(*main_fn)(void *), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(ret, NULL, main_fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err == 0 ? 0 : error_from_errno(err);
}

static void loop_free(struct loop *l)
{
    mem_free(l->posted.items);
    mem_free(l->running.items);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

static int loop_setup(struct loop *l)
{
    if (uv_loop_init(&l->uv) != 0) return ERR_NOMEM;
    if (uv_async_init(&l->uv, &l->wake, on_wake) != 0) {
        uv_loop_close(&l->uv);
        return ERR_NOMEM;
    }
    l->wake.data = l;
    return 0;
}

int loop_start(const char *name, struct loop **ret)
{
    struct loop *l = mem_calloc(1, sizeof *l);
    if (!l) return ERR_NOMEM;
    pthread_mutex_init(&l->lock, NULL);
    str_to_cstr(str_of(name), l->name, sizeof l->name);
    int err = loop_setup(l);
    if (err) {
        loop_free(l);
        return err;
    }
    err = start_thread(&l->thread, loop_main, l);
    if (err) {
        uv_close((uv_handle_t *)&l->wake, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
        uv_loop_close(&l->uv);
        loop_free(l);
        return err;
    }
    *ret = l;
    return 0;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

bool loop_here(const struct loop *l)
{
    return pthread_equal(pthread_self(), l->thread);
}

int loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    int err = 0;
    pthread_mutex_lock(&l->lock);
    struct calls *q = &l->posted;
    if (l->closed)
        err = ERR_CLOSED;
    else if (!mem_grow((void **)&q->items, &q->cap, q->n + 1, sizeof *q->items))
        err = ERR_NOMEM;
    else
        q->items[q->n++] = (struct call){fn, arg};
    bool first = !err && q->n == 1;
    if (first) uv_async_send(&l->wake);
    pthread_mutex_unlock(&l->lock);
    return err;
}

struct sync_call {
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void run_sync(void *arg)
{
    struct sync_call *c = arg;
    c->fn(c->arg);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(&c->lock);
}

int loop_call(struct loop *l, void (*fn)(void *arg), void *arg)
{
    assert(!loop_here(l));
    struct sync_call c = {.fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    int err = loop_post(l, run_sync, &c);
    if (err) return err;
    pthread_mutex_lock(&c.lock);
    while (!c.done) pthread_cond_wait(&c.cond, &c.lock);
    pthread_mutex_unlock(&c.lock);
    pthread_mutex_destroy(&c.lock);
    pthread_cond_destroy(&c.cond);
    return 0;
}

void loop_stop(struct loop *l)
{
    if (!l) return;
    assert(!loop_here(l));
    pthread_mutex_lock(&l->lock);
    l->closed = true;
    uv_async_send(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    int busy = uv_loop_close(&l->uv);
    assert(busy == 0);
    (void)busy;
    loop_free(l);
}
