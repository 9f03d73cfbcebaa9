/* pump.c - the pump's thread, the lives of its lines, and what other threads put into their inboxes. See pump.h,
 * pump_int.h. */
#include <time.h>
#include "modules/forward/pump_int.h"

#define GATHER_MAX (1u << 20) /* samples that may wait for the disk: 24 MiB a line */
#define SEGMENT_MIN (1u << 20)
#define SEGMENT_MAX (16u << 20)

static void poke(struct pump *p)
{
    pthread_mutex_lock(&p->wake_lock);
    p->poked = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->wake_lock);
}

/* ---- the inbox: any thread ---- */

void pump_put(struct pump_line *l, const struct sample *s, size_t n)
{
    pthread_mutex_lock(&l->lock);
    bool first = l->nin == 0;
    if (l->nin + n > GATHER_MAX || !mem_grow((void **)&l->in, &l->in_cap, l->nin + n, sizeof *l->in)) {
        l->lost_in += n;
    } else if (n) {
        memcpy(l->in + l->nin, s, n * sizeof *s);
        l->nin += n;
    }
    pthread_mutex_unlock(&l->lock);
    if (first) poke(l->p);
}

void pump_up(struct pump_line *l, bool up)
{
    pthread_mutex_lock(&l->lock);
    l->ready = l->ready || up;
    l->down = !up;
    pthread_mutex_unlock(&l->lock);
    poke(l->p);
}

void pump_ready(struct pump_line *l)
{
    pthread_mutex_lock(&l->lock);
    l->ready = true;
    pthread_mutex_unlock(&l->lock);
    poke(l->p);
}

void pump_discard(struct pump_line *l)
{
    pthread_mutex_lock(&l->lock);
    l->discard = true;
    pthread_mutex_unlock(&l->lock);
    poke(l->p);
}

void pump_line_set(struct pump_line *l, int64_t keep_us, uint64_t max_bytes, unsigned gather_ms)
{
    pthread_mutex_lock(&l->lock);
    l->cfg.keep_us = keep_us;
    l->cfg.max_bytes = max_bytes;
    l->cfg.gather_ms = gather_ms;
    pthread_mutex_unlock(&l->lock);
}

void pump_done(struct pump_line *l, struct pump_batch *b, int rc)
{
    pthread_mutex_lock(&l->lock);
    b->rc = rc;
    b->next = l->back;
    l->back = b;
    pthread_mutex_unlock(&l->lock);
    poke(l->p);
}

void pump_stats(struct pump_line *l, struct pump_stats *ret)
{
    pthread_mutex_lock(&l->lock);
    *ret = l->stats;
    pthread_mutex_unlock(&l->lock);
}

/* ---- the thread ---- */

static bool sleep_until(struct pump *p, uint64_t due)
{
    uint64_t now = pump_mono(p);
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    uint64_t ns = due <= now ? 0 : due - now;
    if (ns > 1000000000ull) ns = 1000000000ull;
    ns += (uint64_t)ts.tv_nsec;
    ts.tv_sec += (time_t)(ns / 1000000000ull);
    ts.tv_nsec = (long)(ns % 1000000000ull);
    pthread_mutex_lock(&p->wake_lock);
    while (!p->poked && !p->stopping && pthread_cond_timedwait(&p->wake, &p->wake_lock, &ts) == 0) continue;
    p->poked = false;
    bool go_on = !p->stopping;
    pthread_mutex_unlock(&p->wake_lock);
    return go_on;
}

static uint64_t round_of(struct pump *p)
{
    uint64_t due = UINT64_MAX;
    pthread_mutex_lock(&p->lock);
    for (struct pump_line *l = p->lines; l; l = l->next) {
        uint64_t d = line_turn(l);
        if (d < due) due = d;
    }
    pthread_mutex_unlock(&p->lock);
    return due;
}

static void *run(void *arg)
{
    struct pump *p = arg;
    pthread_setname_np(pthread_self(), "forward-pump");
    while (sleep_until(p, round_of(p))) continue;
    return NULL;
}

/* ---- life ---- */

int pump_start(const struct pump_config *c, struct pump **ret, struct error *e)
{
    struct pump *p = mem_calloc(1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, COMPONENT, "out of memory", "内存不足");
    pthread_condattr_t attr;
    p->cfg = *c;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->wake_lock, NULL);
    int rc = c->fs->ops->mkdir(c->fs, "forward");
    if (!rc && pthread_create(&p->thread, NULL, run, p)) rc = ERR_LIMIT;
    if (rc) {
        mem_free(p);
        return error_set(e, rc, COMPONENT, "the buffers cannot be opened: %s%.0s", "无法打开缓存：%.0s%s",
                         error_title(rc), error_title_zh(rc));
    }
    *ret = p;
    return 0;
}

void pump_stop(struct pump *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->wake_lock);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->wake_lock);
    pthread_join(p->thread, NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->wake_lock);
    pthread_cond_destroy(&p->wake);
    mem_free(p);
}

static void line_free(struct pump_line *l)
{
    journal_close(l->journal);
    ledger_fini(&l->ledger);
    buf_fini(&l->record);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->in);
    mem_free(l->work);
    mem_free(l);
}

static void path_of(const char *id, char ret[64])
{
    snprintf(ret, 64, "forward/%s", id);
}

static int journal_of(struct pump_line *l, struct error *e)
{
    uint64_t segment = l->cfg.max_bytes / 16;
    path_of(l->cfg.id, l->dir);
    struct journal_config c = {.fs = l->p->cfg.fs,
                               .dir = l->dir,
                               .total_max = l->cfg.max_bytes,
                               .segment_max = segment < SEGMENT_MIN   ? SEGMENT_MIN
                                              : segment > SEGMENT_MAX ? SEGMENT_MAX
                                                                      : segment};
    int rc = journal_open(&c, &l->journal, e);
    if (rc) return rc;
    uint64_t last = journal_last(l->journal), at = last ? last - 1 : 0;
    uint32_t weight;
    ledger_init(&l->ledger, journal_acked(l->journal), last);
    if (last && journal_next(l->journal, &at, &l->record, &weight) > 0)
        l->newest_us = record_made(buf_view(&l->record));
    return 0;
}

int pump_line_open(struct pump *p, const struct pump_line_config *c, struct pump_line **ret, struct error *e)
{
    struct pump_line *l = mem_calloc(1, sizeof *l);
    if (!l) return error_set(e, ERR_NOMEM, COMPONENT, "out of memory", "内存不足");
    l->p = p;
    l->cfg = *c;
    l->live_end = &l->live;
    l->window = BACKFILL_OUT;
    l->batch_max = c->batch_max > RECORD_MAX ? c->batch_max : RECORD_MAX;
    pthread_mutex_init(&l->lock, NULL);
    buf_init(&l->record, RECORD_TEXT_MAX + RECORD_MAX * 32);
    int rc = c->buffered ? journal_of(l, e) : 0;
    if (rc) {
        line_free(l);
        return rc;
    }
    *ret = l; /* first: what is offered at once comes back by it */
    pthread_mutex_lock(&p->lock);
    l->next = p->lines;
    p->lines = l;
    pthread_mutex_unlock(&p->lock);
    poke(p);
    return 0;
}

struct forgetting {
    struct fs *fs;
    char dir[64];
};

static void forget_file(void *ctx, const char *name, bool dir, int64_t size)
{
    struct forgetting *f = ctx;
    char path[160];
    snprintf(path, sizeof path, "%s/%.80s", f->dir, name);
    if (!dir) (void)!f->fs->ops->remove(f->fs, path);
}

void pump_forget(struct fs *fs, const char *id)
{
    struct forgetting f = {.fs = fs};
    path_of(id, f.dir);
    (void)!fs->ops->list(fs, f.dir, forget_file, &f);
    (void)!fs->ops->remove(fs, f.dir);
}

int64_t pump_line_newest(const struct pump_line *l)
{
    return l->newest_us;
}

void pump_line_stop(struct pump_line *l)
{
    struct pump *p = l->p;
    pthread_mutex_lock(&p->lock);
    for (struct pump_line **at = &p->lines; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    pthread_mutex_unlock(&p->lock);
}

void pump_line_close(struct pump_line *l, bool forget)
{
    struct fs *fs = l->p->cfg.fs;
    char id[37];
    memcpy(id, l->cfg.id, sizeof id);
    line_flush(l);
    line_free(l);
    if (forget) pump_forget(fs, id);
}
