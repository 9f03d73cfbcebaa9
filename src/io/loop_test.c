/* loop_test.c - loops: order of posts, calls, stop; pools: bounds, counters, stop runs the queue. */
#include <pthread.h>
#include "base/test.h"
#include "io/loop.h"

struct seen {
    struct loop *loop;
    int n, ordered;
    bool here;
};

struct numbered {
    struct seen *seen;
    int i;
};

static void note(void *arg)
{
    struct numbered *p = arg;
    p->seen->ordered += p->seen->n == p->i;
    p->seen->n++;
    p->seen->here = loop_here(p->seen->loop);
}

TEST(posts_run_in_order_on_the_loop)
{
    static struct numbered items[1000];
    struct seen s = {0};
    REQUIRE(loop_start("test", &s.loop) == 0);
    CHECK(!loop_here(s.loop));
    for (int i = 0; i < 1000; i++) {
        items[i] = (struct numbered){&s, i};
        CHECK_INT(loop_post(s.loop, note, &items[i]), 0);
    }
    struct numbered last = {&s, 1000};
    CHECK_INT(loop_call(s.loop, note, &last), 0);
    CHECK_INT(s.n, 1001);
    CHECK_INT(s.ordered, 1001);
    CHECK(s.here);
    loop_stop(s.loop);
}

struct again {
    struct loop *loop;
    int left, err_after_stop;
};

static void repost(void *arg)
{
    struct again *a = arg;
    if (a->left-- > 0) a->err_after_stop = loop_post(a->loop, repost, a);
}

TEST(stop_runs_what_was_posted)
{
    static struct numbered items[50];
    struct seen s = {0};
    REQUIRE(loop_start("test", &s.loop) == 0);
    for (int i = 0; i < 50; i++) {
        items[i] = (struct numbered){&s, i};
        CHECK_INT(loop_post(s.loop, note, &items[i]), 0);
    }
    loop_stop(s.loop);
    CHECK_INT(s.n, 50);
}

static void *stopper(void *arg)
{
    loop_stop(arg);
    return NULL;
}

TEST(endless_reposting_ends_at_stop)
{
    struct again a = {.left = 1 << 30};
    pthread_t t;
    REQUIRE(loop_start("test", &a.loop) == 0);
    CHECK_INT(loop_post(a.loop, repost, &a), 0);
    REQUIRE(pthread_create(&t, NULL, stopper, a.loop) == 0);
    pthread_join(t, NULL);
    CHECK_INT(a.err_after_stop, ERR_CLOSED);
}

struct timed {
    struct loop *loop;
    uv_timer_t timer;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool fired;
};

static void on_timer(uv_timer_t *t)
{
    struct timed *x = t->data;
    uv_close((uv_handle_t *)t, NULL);
    pthread_mutex_lock(&x->lock);
    x->fired = true;
    pthread_cond_signal(&x->cond);
    pthread_mutex_unlock(&x->lock);
}

static void start_timer(void *arg)
{
    struct timed *x = arg;
    uv_timer_init(loop_uv(x->loop), &x->timer);
    x->timer.data = x;
    uv_timer_start(&x->timer, on_timer, 1, 0);
}

TEST(uv_handles_live_on_it)
{
    struct timed x = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    REQUIRE(loop_start("a name longer than fifteen", &x.loop) == 0);
    CHECK_INT(loop_post(x.loop, start_timer, &x), 0);
    pthread_mutex_lock(&x.lock);
    while (!x.fired) pthread_cond_wait(&x.cond, &x.lock);
    pthread_mutex_unlock(&x.lock);
    loop_stop(x.loop);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int entered, ran;
    bool open;
};

static void gated(void *arg)
{
    struct gate *g = arg;
    pthread_mutex_lock(&g->lock);
    g->entered++;
    pthread_cond_broadcast(&g->cond);
    while (!g->open) pthread_cond_wait(&g->cond, &g->lock);
    g->ran++;
    pthread_mutex_unlock(&g->lock);
}

/* ---- work on the loop's own thread ---- */

struct inline_case {
    struct loop *loop;
    struct gate gate;
    bool assisted, taken, again, here_in_work, here_at_home;
    _Atomic int works, homes;
    pthread_t began, came_home;
};

static void inline_home(void *arg)
{
    struct inline_case *c = arg;
    c->here_at_home = loop_here(c->loop);
    c->came_home = pthread_self();
    c->homes++;
}

static void inline_work(void *arg)
{
    struct inline_case *c = arg;
    c->here_in_work = loop_here(c->loop);
    c->began = pthread_self();
    c->works++;
    gated(&c->gate);
}

static void inline_start(void *arg)
{
    struct inline_case *c = arg;
    if (!c->assisted) c->assisted = loop_assist(c->loop) == 0;
    c->taken = loop_inline(c->loop, inline_work, inline_home, c);
    c->again = loop_inline(c->loop, inline_work, inline_home, c);
}

static void nothing(void *arg) {}

/* The second thread needs a moment to be there. */
static void begin_inline(struct inline_case *c)
{
    c->gate = (struct gate){.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .open = c->gate.open};
    do CHECK_INT(loop_call(c->loop, inline_start, c), 0);
    while (!c->taken);
    CHECK(!c->again); /* one at a time */
}

static void open_gate(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->entered) pthread_cond_wait(&g->cond, &g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->cond);
    pthread_mutex_unlock(&g->lock);
}

TEST(quick_work_stays_on_the_thread_of_the_loop)
{
    struct inline_case c = {.gate.open = true};
    REQUIRE(loop_start("test", &c.loop) == 0);
    for (int i = 1; i <= 200; i++) {
        begin_inline(&c);
        do CHECK_INT(loop_call(c.loop, nothing, NULL), 0);
        while (c.homes < i); /* at once, unless this machine kept the thread from running */
        CHECK_INT(c.works, i);
        CHECK(!c.here_in_work);
        CHECK(c.here_at_home);
    }
    loop_stop(c.loop);
}

TEST(the_loop_goes_on_while_work_waits)
{
    struct inline_case c = {0};
    REQUIRE(loop_start("test", &c.loop) == 0);
    for (int i = 1; i <= 5; i++) {
        c.gate.open = false;
        begin_inline(&c);
        CHECK_INT(loop_call(c.loop, nothing, NULL), 0); /* returns: the other thread has taken over */
        CHECK_INT(c.works, i);
        CHECK_INT(c.homes, i - 1);
        CHECK_INT(loop_call(c.loop, inline_start, &c), 0);
        CHECK(!c.taken); /* nobody is left to take over once more */
        open_gate(&c.gate);
        while (c.homes < i) CHECK_INT(loop_call(c.loop, nothing, NULL), 0);
        CHECK(c.here_at_home);
        CHECK(!pthread_equal(c.began, c.came_home));
    }
    loop_stop(c.loop);
}

/* Work that waits for its own loop is not a deadlock. */
static void call_back(void *arg)
{
    struct inline_case *c = arg;
    c->works += loop_call(c->loop, nothing, NULL) == 0;
}

static void start_call_back(void *arg)
{
    struct inline_case *c = arg;
    if (!c->assisted) c->assisted = loop_assist(c->loop) == 0;
    c->taken = loop_inline(c->loop, call_back, inline_home, c);
}

TEST(work_may_wait_for_its_loop)
{
    struct inline_case c = {0};
    REQUIRE(loop_start("test", &c.loop) == 0);
    do CHECK_INT(loop_call(c.loop, start_call_back, &c), 0);
    while (!c.taken);
    while (c.homes < 1) CHECK_INT(loop_call(c.loop, nothing, NULL), 0);
    CHECK_INT(c.works, 1);
    loop_stop(c.loop);
}

TEST(pool_refuses_when_full)
{
    struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct pool *p;
    REQUIRE(pool_start("test", 2, 3, &p) == 0);
    CHECK_INT(pool_submit(p, gated, &g), 0);
    CHECK_INT(pool_submit(p, gated, &g), 0);
    pthread_mutex_lock(&g.lock);
    while (g.entered < 2) pthread_cond_wait(&g.cond, &g.lock);
    pthread_mutex_unlock(&g.lock);
    for (int i = 0; i < 3; i++) CHECK_INT(pool_submit(p, gated, &g), 0);
    CHECK_INT(pool_submit(p, gated, &g), ERR_LIMIT);
    CHECK_INT(pool_queued(p), 3);
    CHECK_INT(pool_rejected(p), 1);
    pthread_mutex_lock(&g.lock);
    g.open = true;
    pthread_cond_broadcast(&g.cond);
    pthread_mutex_unlock(&g.lock);
    pool_stop(p); /* runs the three that waited */
    CHECK_INT(g.ran, 5);
}

TEST(pool_bad_sizes)
{
    struct pool *p;
    CHECK_INT(pool_start("x", 0, 1, &p), ERR_INVALID);
    CHECK_INT(pool_start("x", 1, 0, &p), ERR_INVALID);
}
