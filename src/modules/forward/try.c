/* try.c - testing an outlet: on the running forwarding, or on one made for the purpose, which has no points and no
 * pump. The waiting handler and the loop own the job together; whoever lets go last frees it. */
#include <time.h>
#include "base/mem.h"
#include "modules/forward/run_int.h"

struct trial {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned owners;
    bool done;
    struct run *run;
    char id[37];
    struct f_line *line;
    struct fwd *temp;
    struct run_test result;
};

static void let_go(struct trial *t)
{
    pthread_mutex_lock(&t->lock);
    bool last = --t->owners == 0;
    pthread_mutex_unlock(&t->lock);
    if (!last) return;
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->cond);
    f_line_unref(t->line);
    mem_free(t);
}

static void temp_gone(void *arg)
{
    let_go(arg);
}

static void finish(struct trial *t)
{
    struct fwd *temp = t->temp;
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_cond_signal(&t->cond);
    pthread_mutex_unlock(&t->lock);
    if (temp && temp->ch)
        fwd_close(temp, temp_gone, t);
    else
        let_go(t);
}

static void on_tested(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct trial *t = arg;
    t->result.ok = !e;
    t->result.ms = ms;
    if (e)
        t->result.error = *e;
    else
        error_set(&t->result.error, 0, "", "%s%.0s", "%.0s%s", en ? en : "connected", zh ? zh : "已连接");
    finish(t);
}

static void do_test(void *arg)
{
    struct trial *t = arg;
    struct fwd *f = t->id[0] ? fwd_find(t->run, str_of(t->id)) : NULL;
    if (!f && t->line && (f = fwd_new(t->run, t->line))) {
        t->temp = f;
        if (f->outlet->channel_open(&f->host, &t->line->options, &f->ch, &t->result.error)) {
            fwd_unref(f);
            t->temp = NULL;
            finish(t);
            return;
        }
    }
    if (f) {
        f->outlet->test(f->ch, on_tested, t);
        return;
    }
    error_set(&t->result.error, ERR_UNAVAILABLE, "id", "the forwarding is not running", "转发未运行");
    finish(t);
}

static void wait_for(struct trial *t, unsigned wait_ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += wait_ms / 1000;
    ts.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    pthread_mutex_lock(&t->lock);
    while (!t->done && pthread_cond_timedwait(&t->cond, &t->lock, &ts) == 0) continue;
    pthread_mutex_unlock(&t->lock);
}

void fwd_run_test(struct run *r, struct str id, struct f_line *line, unsigned wait_ms, struct run_test *ret)
{
    struct trial *t = mem_calloc(1, sizeof *t);
    pthread_condattr_t attr;
    *ret = (struct run_test){0};
    error_set(&ret->error, ERR_TIMEOUT, "", "no answer within %u s", "%u 秒内无应答", wait_ms / 1000);
    if (!t) return;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->cond, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&t->lock, NULL);
    t->owners = 2;
    t->run = r;
    if (line) t->line = f_line_ref(line);
    str_to_cstr(id, t->id, sizeof t->id);
    if (loop_post(r->loop, do_test, t)) t->owners = 1;
    wait_for(t, wait_ms);
    pthread_mutex_lock(&t->lock);
    if (t->done) *ret = t->result;
    pthread_mutex_unlock(&t->lock);
    let_go(t);
}
