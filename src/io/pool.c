/* pool.c - bounded pool of threads for blocking work.
 *
 * One mutex, one condition, a circular array of the size given at start: a full queue refuses (counted),
 * it never grows. Stopping refuses new work, runs what is queued and joins. Any thread may submit. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/loop.h"

struct job {
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;
    struct job *jobs;
    unsigned cap, n, head;
    uint64_t rejected;
    bool closed;
    char name[16];
    unsigned nthreads;
    pthread_t threads[];
};

static bool next_job(struct pool *p, struct job *ret)
{
    pthread_mutex_lock(&p->lock);
    while (p->n == 0 && !p->closed) pthread_cond_wait(&p->wake, &p->lock);
    bool got = p->n > 0;
    if (got) {
        *ret = p->jobs[p->head];
        p->head = (p->head + 1) % p->cap;
        p->n--;
    }
    pthread_mutex_unlock(&p->lock);
    return got;
}

static void *pool_main(void *arg)
{
    struct pool *p = arg;
    pthread_setname_np(pthread_self(), p->name);
    struct job j;
    while (next_job(p, &j)) j.fn(j.arg);
    return NULL;
}

static int start_threads(struct pool *p, unsigned threads)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = 0;
    while (!err && p->nthreads < threads) {
        err = pthread_create(&p->threads[p->nthreads], NULL, pool_main, p);
        if (!err) p->nthreads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err ? error_from_errno(err) : 0;
}

int pool_start(const char *name, unsigned threads, unsigned queue, struct pool **ret)
{
    if (threads == 0 || threads > 1024 || queue == 0) return ERR_INVALID;
    struct pool *p = mem_calloc(1, sizeof *p + threads * sizeof *p->threads);
    if (!p) return ERR_NOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    str_to_cstr(str_of(name), p->name, sizeof p->name);
    p->cap = queue;
    p->jobs = mem_calloc(queue, sizeof *p->jobs);
    int err = p->jobs ? start_threads(p, threads) : ERR_NOMEM;
    if (err) {
        pool_stop(p);
        return err;
    }
    *ret = p;
    return 0;
}

int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg)
{
    int err = 0;
    pthread_mutex_lock(&p->lock);
    if (p->closed) {
        err = ERR_CLOSED;
    } else if (p->n == p->cap) {
        p->rejected++;
        err = ERR_LIMIT;
    } else {
        p->jobs[(p->head + p->n++) % p->cap] = (struct job){fn, arg};
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    return err;
}

unsigned pool_queued(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    unsigned n = p->n;
    pthread_mutex_unlock(&p->lock);
    return n;
}

uint64_t pool_rejected(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t n = p->rejected;
    pthread_mutex_unlock(&p->lock);
    return n;
}

void pool_stop(struct pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->nthreads; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->jobs);
    mem_free(p);
}
