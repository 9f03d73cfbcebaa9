/* loop.c - an event loop on its own thread, with a queue of calls into it, and a second thread that can take it over.
 *
 * Posting: a mutex-guarded array that the loop swaps out as a whole, woken by one uv_async_t. The array
 * grows: what is posted must be bounded by its poster (one post per request, per batch ...).
 * Inline work (loop_inline): between two rounds of libuv the thread that has the loop runs a piece of work that may
 * block. `turn` is odd meanwhile. The other thread (loop_assist) looks at it every LOOP_PATIENCE_MS; when it finds the
 * same odd number twice it makes it even, and the loop is its own: whoever fails to make an odd turn even has lost the
 * loop, and is the one that waits from then on. While nobody is there to wait, no work is taken inline. So a loop is
 * kept from its other work for at most two such spans, whatever the work waits for, be it for the loop itself. The
 * watching thread sleeps for good once LOOP_QUIET looks have seen nothing.
 * Threads: loop_start, loop_post and loop_call from any thread; loop_uv only on the loop's own. Signals
 * are blocked on loop threads: SIGPIPE becomes EPIPE, the others go to the main thread.
 * Ownership: the struct is freed by loop_stop; nobody may hold it after that call has returned. */
#include "io/loop.h"
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/log.h"

#define LOOP_PATIENCE_MS 2
#define LOOP_QUIET 25

struct call {
    void (*fn)(void *arg);
    void *arg;
};

struct calls {
    struct call *items;
    size_t n, cap;
};

struct inlined {
    void (*work)(void *arg), (*home)(void *arg);
    void *arg;
};

struct runner { /* one of the threads that may have the loop */
    struct loop *loop;
    int index;
    pthread_t thread;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    struct runner runner[2];
    bool assisted;       /* there are both */
    _Atomic int holder;  /* index of the one that has the loop */
    struct inlined next; /* holder only; work NULL: none */
    _Atomic uint64_t turn;
    _Atomic bool spare, watching; /* the other one is there; it looks from time to time */
    pthread_mutex_t role;         /* guards `wanted`, `ended` */
    pthread_cond_t role_cond;
    bool wanted, ended;
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

/* ---- work between two rounds, and the thread that takes over ---- */

static void wake_watcher(struct loop *l)
{
    pthread_mutex_lock(&l->role);
    l->wanted = true;
    pthread_cond_signal(&l->role_cond);
    pthread_mutex_unlock(&l->role);
}

/* False: the loop was taken over meanwhile. */
static bool run_inline(struct loop *l)
{
    struct inlined w = l->next;
    uint64_t turn = atomic_load(&l->turn) + 1;
    l->next = (struct inlined){0};
    atomic_store(&l->turn, turn);
    if (!atomic_load(&l->watching)) wake_watcher(l);
    w.work(w.arg);
    if (atomic_compare_exchange_strong(&l->turn, &turn, turn + 1)) {
        w.home(w.arg);
        return true;
    }
    while (loop_post(l, w.home, w.arg) == ERR_NOMEM) sched_yield();
    return false;
}

/* False: the loop has ended. True: it was taken over. */
static bool run_loop(struct loop *l)
{
    bool alive = true;
    while (alive || l->next.work) {
        alive = uv_run(&l->uv, l->next.work ? UV_RUN_NOWAIT : UV_RUN_ONCE) != 0;
        if (l->next.work && !run_inline(l)) return true;
    }
    return false;
}

static void wait_a_little(struct loop *l)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += LOOP_PATIENCE_MS * 1000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&l->role_cond, &l->role, &t);
}

/* Locked. True: the loop is ours. False: nothing has happened for long, or the loop has ended. */
static bool watch(struct loop *l)
{
    atomic_store(&l->watching, true);
    uint64_t seen = atomic_load(&l->turn);
    for (int quiet = 0; quiet < LOOP_QUIET && !l->ended;) {
        wait_a_little(l);
        uint64_t now = atomic_load(&l->turn);
        if (now % 2 && now == seen && atomic_compare_exchange_strong(&l->turn, &now, now + 1)) return true;
        quiet = now == seen ? quiet + 1 : 0;
        seen = now;
        if (quiet < LOOP_QUIET) continue;
        atomic_store(&l->watching, false);
        if (atomic_load(&l->turn) == seen) break; /* who begins from here on sees that nobody watches */
        atomic_store(&l->watching, true);
        quiet = 0;
    }
    return false;
}

/* Until the loop is kept too long (true: it is ours) or has ended. */
static bool follow(struct runner *me)
{
    struct loop *l = me->loop;
    bool ours = false;
    pthread_mutex_lock(&l->role);
    atomic_store(&l->spare, true);
    while (!ours && !l->ended) {
        while (!l->wanted && !l->ended) pthread_cond_wait(&l->role_cond, &l->role);
        l->wanted = false;
        ours = watch(l);
    }
    atomic_store(&l->spare, false);
    atomic_store(&l->watching, false);
    if (ours) atomic_store(&l->holder, me->index);
    pthread_mutex_unlock(&l->role);
    return ours;
}

static void *runner_main(void *arg)
{
    struct runner *me = arg;
    struct loop *l = me->loop;
    pthread_setname_np(pthread_self(), l->name);
    for (bool ours = me->index == 0; ours || follow(me); ours = false) {
        if (run_loop(l)) continue;
        pthread_mutex_lock(&l->role);
        l->ended = true;
        pthread_cond_broadcast(&l->role_cond);
        pthread_mutex_unlock(&l->role);
        break;
    }
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
    pthread_mutex_destroy(&l->role);
    pthread_cond_destroy(&l->role_cond);
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

static void init_locks(struct loop *l)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->role, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->role_cond, &attr);
    pthread_condattr_destroy(&attr);
}

int loop_start(const char *name, struct loop **ret)
{
    struct loop *l = mem_calloc(1, sizeof *l);
    if (!l) return ERR_NOMEM;
    for (int i = 0; i < 2; i++) l->runner[i] = (struct runner){.loop = l, .index = i};
    init_locks(l);
    str_to_cstr(str_of(name), l->name, sizeof l->name);
    int err = loop_setup(l);
    if (err) {
        loop_free(l);
        return err;
    }
    err = start_thread(&l->runner[0].thread, runner_main, &l->runner[0]);
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

int loop_assist(struct loop *l)
{
    if (l->assisted) return 0;
    int err = start_thread(&l->runner[1].thread, runner_main, &l->runner[1]);
    l->assisted = err == 0;
    return err;
}

bool loop_inline(struct loop *l, void (*work)(void *arg), void (*home)(void *arg), void *arg)
{
    assert(loop_here(l));
    if (l->next.work || !atomic_load(&l->spare)) return false;
    l->next = (struct inlined){work, home, arg};
    return true;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

bool loop_here(const struct loop *l)
{
    const struct runner *has = &l->runner[atomic_load(&l->holder)];
    return pthread_equal(pthread_self(), has->thread) && atomic_load(&l->turn) % 2 == 0;
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
    pthread_join(l->runner[0].thread, NULL);
    if (l->assisted) pthread_join(l->runner[1].thread, NULL);
    int busy = uv_loop_close(&l->uv);
    assert(busy == 0);
    (void)busy;
    loop_free(l);
}
