/* worker.c - the background thread. It sleeps until an append finds the head full; a seal that failed is
 * tried again after a second. Between two merges it looks for a seal that has become due. */
#include "tsdb/worker.h"

#define RETRY_S 1

static void wait_for_work(struct tsdb *db) /* lock held */
{
    while (!db->stop && !db->seal_wanted && !db->merge_wanted) {
        if (db->seal_rc == 0) {
            pthread_cond_wait(&db->wake, &db->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += RETRY_S;
        if (pthread_cond_timedwait(&db->wake, &db->lock, &until)) return;
    }
}

static void seal_now(struct tsdb *db)
{
    pthread_mutex_lock(&db->work);
    int rc = seal_all(db);
    pthread_mutex_unlock(&db->work);
    pthread_mutex_lock(&db->lock);
    db->seal_rc = rc;
    db->sealing = false;
    pthread_cond_broadcast(&db->idle);
    pthread_mutex_unlock(&db->lock);
}

static bool merge_now(struct tsdb *db)
{
    pthread_mutex_lock(&db->work);
    int rc = compact_once(db);
    pthread_mutex_unlock(&db->work);
    return rc == 1;
}

static void *run(void *arg)
{
    struct tsdb *db = arg;
    bool more = false;
    for (;;) {
        pthread_mutex_lock(&db->lock);
        if (!more) wait_for_work(db);
        bool stop = db->stop, seal = db->seal_wanted || (db->seal_rc && !more);
        db->seal_wanted = db->merge_wanted = false;
        db->sealing = seal && !stop;
        pthread_mutex_unlock(&db->lock);
        if (stop) return NULL;
        if (seal) seal_now(db);
        more = merge_now(db);
    }
}

int worker_start(struct tsdb *db)
{
    if (pthread_create(&db->thread, NULL, run, db)) return ERR_LIMIT;
    db->running = db->threaded = true;
    return 0;
}

void worker_stop(struct tsdb *db)
{
    if (!db->running) return;
    pthread_mutex_lock(&db->lock);
    db->stop = true;
    pthread_cond_broadcast(&db->wake);
    pthread_cond_broadcast(&db->idle);
    pthread_mutex_unlock(&db->lock);
    pthread_join(db->thread, NULL);
    db->running = false;
}
