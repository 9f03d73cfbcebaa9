/* pump.c - see pump.h. Everything of a line but its inbox belongs to the pump's thread, or, before the line is in the
 * table and after it has left it, to who opens and closes it. The inbox (samples, batches that came back, words) is
 * under the line's own lock, so that shards of one line wait for nothing but a copy. */
#include "modules/forward/pump.h"
#include <pthread.h>
#include <time.h>
#include "base/mem.h"
#include "base/metric.h"
#include "io/journal.h"
#include "io/log.h"
#include "modules/forward/ledger.h"

#define COMPONENT "forward"
#define GATHER_MAX (1u << 20) /* samples that may wait for the disk: 24 MiB a line */
#define LIVE_WAITING 32       /* batches that may wait in memory for the outlet */
#define LIVE_OUT 8            /* batches at the outlet */
#define BACKFILL_OUT 4
#define AGAIN_NS 1000000000ull
#define RETRY_MIN_NS 500000000ull
#define RETRY_MAX_NS 30000000000ull
#define TRIM_NS 10000000000ull
#define SEGMENT_MIN (1u << 20)
#define SEGMENT_MAX (16u << 20)

METRIC(m_sent, METRIC_COUNTER, "bornite_forward_sent_total", "Samples that receivers have acknowledged.");
METRIC(m_lost, METRIC_COUNTER, "bornite_forward_lost_total", "Samples that fell out of a buffer or never got into it.");
METRIC(m_refused, METRIC_COUNTER, "bornite_forward_refused_total", "Samples that receivers refused for good.");

struct came_back {
    struct pump_batch *b;
    int rc;
};

struct pump_line {
    struct pump *p;
    struct pump_line_config cfg;
    struct pump_line *next;

    pthread_mutex_t lock; /* the inbox, and the copy of the figures */
    struct sample *in;
    size_t nin, in_cap;
    struct came_back *back;
    size_t nback, back_cap;
    bool ready, discard, down;
    uint64_t lost_in;
    struct pump_stats stats;

    char dir[64];      /* of the journal, which borrows it */
    int64_t newest_us; /* when the last record of the time before was made; 0: none */
    struct journal *journal;
    struct ledger ledger;
    struct pump_batch *live, **live_end; /* waiting for the outlet, in order */
    size_t nlive;
    unsigned live_out, backfill_out;
    uint64_t live_hold_ns, backfill_hold_ns, retry_ns, trim_ns, gather_ns, dropped_seen;
    struct pump_stats s;
    struct sample *work;
    size_t work_cap;
    struct buf record;
};

struct pump {
    struct pump_config cfg;
    pthread_t thread;
    pthread_mutex_t lock; /* the lines; held for a whole round, so never by who must not wait for the disk */
    struct pump_line *lines;
    uint64_t number;
    pthread_mutex_t wake_lock; /* all below */
    pthread_cond_t wake;
    bool stopping, poked;
};

static uint64_t mono(const struct pump *p)
{
    return clock_mono_ns(p->cfg.clock);
}

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

static void batch_free(struct pump_batch *b)
{
    batch_fini(&b->b);
    mem_free(b);
}

void pump_done(struct pump_line *l, struct pump_batch *b, int rc)
{
    pthread_mutex_lock(&l->lock);
    bool kept = mem_grow((void **)&l->back, &l->back_cap, l->nback + 1, sizeof *l->back);
    if (kept) l->back[l->nback++] = (struct came_back){b, rc};
    pthread_mutex_unlock(&l->lock);
    if (kept) poke(l->p);
}

void pump_stats(struct pump_line *l, struct pump_stats *ret)
{
    pthread_mutex_lock(&l->lock);
    *ret = l->stats;
    pthread_mutex_unlock(&l->lock);
}

/* ---- batches that came back ---- */

static void lose(struct pump_line *l, uint64_t n)
{
    l->s.lost += n;
    metric_add(&m_lost, (int64_t)n);
}

static void live_insert(struct pump_line *l, struct pump_batch *b)
{
    struct pump_batch **at = &l->live;
    while (*at && (*at)->number < b->number) at = &(*at)->next;
    b->next = *at;
    *at = b;
    if (!b->next) l->live_end = &b->next;
    l->nlive++;
}

static void gone(struct pump_line *l, struct pump_batch *b, int rc)
{
    if (!rc) {
        l->s.sent += b->b.n;
        if (b->flow == OUTLET_BACKFILL) l->s.backfilled += b->b.n;
        metric_add(&m_sent, (int64_t)b->b.n);
    } else {
        l->s.refused += b->b.n;
        metric_add(&m_refused, (int64_t)b->b.n);
        log_warn(COMPONENT, "the receiver refused a batch for good", "forward=%s samples=%zu", l->cfg.code, b->b.n);
    }
    if (b->from) ledger_done(&l->ledger, b->from, b->to);
    batch_free(b);
}

/* Not delivered: it is backlog again, or, without a journal, lost. */
static void put_back(struct pump_line *l, struct pump_batch *b)
{
    if (b->from)
        ledger_back(&l->ledger, b->from, b->to);
    else if (l->cfg.buffered)
        lose(l, b->b.n);
    batch_free(b);
}

static void take_back(struct pump_line *l, struct came_back c)
{
    uint64_t now = mono(l->p);
    bool live = c.b->flow == OUTLET_LIVE;
    *(live ? &l->live_out : &l->backfill_out) -= 1;
    if (c.rc == 0 || c.rc == ERR_INVALID || c.rc == ERR_TOO_LARGE) {
        l->retry_ns = 0;
        gone(l, c.b, c.rc);
        return;
    }
    if (c.rc == ERR_AGAIN) {
        *(live ? &l->live_hold_ns : &l->backfill_hold_ns) = now + AGAIN_NS;
        live ? live_insert(l, c.b) : put_back(l, c.b);
        return;
    }
    l->retry_ns = l->retry_ns ? l->retry_ns * 2 : RETRY_MIN_NS;
    if (l->retry_ns > RETRY_MAX_NS) l->retry_ns = RETRY_MAX_NS;
    l->live_hold_ns = l->backfill_hold_ns = now + l->retry_ns;
    put_back(l, c.b);
}

static void live_spill(struct pump_line *l)
{
    while (l->live) {
        struct pump_batch *b = l->live;
        l->live = b->next;
        put_back(l, b);
    }
    l->live_end = &l->live;
    l->nlive = 0;
}

/* ---- samples that came ---- */

static struct str text_of(struct pump_line *l, const struct sample *s, char *room, size_t cap)
{
    size_t n = 0;
    struct ts_store *st = l->p->cfg.texts;
    if (s->type != SAMPLE_STRING || !st || st->ops->string_get(st, s->v.u, room, cap, &n)) return STR("");
    return str_make(room, n);
}

static struct pump_batch *batch_new(struct pump_line *l, enum outlet_flow flow)
{
    struct pump_batch *b = mem_calloc(1, sizeof *b);
    if (!b) return NULL;
    batch_init(&b->b);
    b->flow = flow;
    b->number = ++l->p->number;
    b->b.made_us = clock_now_us(l->p->cfg.clock);
    return b;
}

static void live_add(struct pump_line *l, struct pump_batch *b)
{
    b->next = NULL;
    *l->live_end = b;
    l->live_end = &b->next;
    l->nlive++;
}

static void fault(struct pump_line *l, int rc)
{
    if (!l->s.disk_fault)
        log_error(COMPONENT, "the buffer cannot be written; samples go out without it", "forward=%s err=%s",
                  l->cfg.code, error_title(rc));
    l->s.disk_fault = true;
    snprintf(l->s.fault, sizeof l->s.fault, "%s", error_title(rc));
}

/* The batches from `first` on into the journal, all or none. */
static int keep(struct pump_line *l, struct pump_batch *first)
{
    int rc = l->s.disk_fault ? journal_reopen(l->journal) : 0;
    for (struct pump_batch *b = first; b && !rc; b = b->next) {
        buf_clear(&l->record);
        record_write(&b->b, &l->record);
        rc = l->record.err ? l->record.err
                           : journal_append(l->journal, l->record.p, l->record.n, (uint32_t)b->b.n, &b->from);
        b->to = b->from;
        if (!rc) l->s.written += l->record.n;
    }
    if (!rc) rc = journal_commit(l->journal);
    for (struct pump_batch *b = first; b; b = b->next) {
        if (rc || ledger_take(&l->ledger, b->from, b->to)) b->from = b->to = 0;
    }
    if (rc)
        fault(l, rc);
    else
        l->s.disk_fault = false;
    return rc;
}

static void take_samples(struct pump_line *l, const struct sample *s, size_t n)
{
    AUTO_FREE char *room = mem_alloc(RECORD_TEXT_MAX / 4);
    struct pump_batch *b = NULL, *first = NULL;
    struct pump_batch **tail = l->live_end;
    for (size_t i = 0; i < n; i++) {
        struct str t = room ? text_of(l, &s[i], room, RECORD_TEXT_MAX / 4) : STR("");
        int rc = b ? batch_add(&b->b, &s[i], t) : ERR_TOO_LARGE;
        if (rc == ERR_TOO_LARGE && (b = batch_new(l, OUTLET_LIVE))) {
            live_add(l, b);
            rc = batch_add(&b->b, &s[i], t);
        }
        if (rc) lose(l, 1);
    }
    first = *tail;
    if (first && l->journal) (void)!keep(l, first);
}

/* ---- offering ---- */

static void offer(struct pump_line *l, struct pump_batch *b)
{
    *(b->flow == OUTLET_LIVE ? &l->live_out : &l->backfill_out) += 1;
    b->next = NULL;
    l->cfg.offer(l->cfg.ctx, b);
}

static void offer_live(struct pump_line *l, uint64_t now)
{
    while (l->live && l->live_out < LIVE_OUT && now >= l->live_hold_ns) {
        struct pump_batch *b = l->live;
        l->live = b->next;
        if (!l->live) l->live_end = &l->live;
        l->nlive--;
        offer(l, b);
    }
    if (l->nlive > LIVE_WAITING) live_spill(l);
}

/* One record of the backlog into the batch. 1: joined; 0: the batch is full; < 0: an error. *seq: what was read.
 * Records that are not there any more, or damaged, count as done. */
static int join(struct pump_line *l, struct pump_batch *b, uint64_t want, uint64_t to, uint64_t *seq)
{
    uint32_t weight = 0;
    uint64_t at = want - 1;
    buf_clear(&l->record);
    int got = journal_next(l->journal, &at, &l->record, &weight);
    if (got < 0) return got;
    if (got == 0 || at > to) {
        *seq = to;
        return 1;
    }
    *seq = at;
    int rc = record_read(buf_view(&l->record), &b->b);
    if (rc == ERR_TOO_LARGE && b->b.n) return 0;
    if (rc) {
        lose(l, weight);
        log_warn(COMPONENT, "a record of the buffer is damaged and left out", "forward=%s samples=%u", l->cfg.code,
                 weight);
    }
    return 1;
}

static struct pump_batch *backlog_batch(struct pump_line *l)
{
    uint64_t from, to, seq;
    if (!ledger_backlog(&l->ledger, &from, &to)) return NULL;
    struct pump_batch *b = batch_new(l, OUTLET_BACKFILL);
    if (!b) return NULL;
    b->from = from;
    b->to = 0;
    for (uint64_t want = from; want <= to && b->b.n < RECORD_MAX; want = seq + 1) {
        int rc = join(l, b, want, to, &seq);
        if (rc <= 0) break;
        b->to = seq;
    }
    if (!b->to || ledger_take(&l->ledger, b->from, b->to)) {
        batch_free(b);
        return NULL;
    }
    return b;
}

static void offer_backlog(struct pump_line *l, uint64_t now)
{
    while (l->backfill_out < BACKFILL_OUT && now >= l->backfill_hold_ns) {
        struct pump_batch *b = backlog_batch(l);
        if (!b) return;
        if (b->b.n) {
            offer(l, b);
        } else {
            ledger_done(&l->ledger, b->from, b->to);
            batch_free(b);
        }
    }
}

/* ---- limits ---- */

static void drop_stretch(struct pump_line *l, bool all, int64_t before_us)
{
    uint64_t from, to;
    while (ledger_backlog(&l->ledger, &from, &to)) {
        for (uint64_t want = from; want <= to;) {
            uint32_t weight = 0;
            uint64_t at = want - 1;
            buf_clear(&l->record);
            int got = journal_next(l->journal, &at, &l->record, &weight);
            if (got < 0) return;
            if (got == 0 || at > to) at = to;
            if (got && !all && record_made(buf_view(&l->record)) >= before_us) return;
            if (got && at >= want) lose(l, weight);
            if (ledger_take(&l->ledger, want, at)) return;
            ledger_done(&l->ledger, want, at);
            want = at + 1;
        }
    }
}

static void trim(struct pump_line *l, uint64_t now)
{
    struct journal_stats js;
    uint64_t from, to, at;
    uint32_t weight;
    if (now < l->trim_ns) return;
    l->trim_ns = now + TRIM_NS;
    drop_stretch(l, false, clock_now_us(l->p->cfg.clock) - l->cfg.keep_us);
    l->s.oldest_us = 0;
    if (ledger_backlog(&l->ledger, &from, &to)) {
        at = from - 1;
        buf_clear(&l->record);
        if (journal_next(l->journal, &at, &l->record, &weight) > 0) l->s.oldest_us = record_made(buf_view(&l->record));
    }
    journal_stats(l->journal, &js);
    if (js.dropped_weight > l->dropped_seen) lose(l, js.dropped_weight - l->dropped_seen);
    l->dropped_seen = js.dropped_weight;
}

/* ---- a turn ---- */

static void figures(struct pump_line *l)
{
    struct journal_stats js;
    if (l->journal) {
        uint64_t from, to;
        journal_stats(l->journal, &js);
        l->s.bytes = js.bytes;
        l->s.records = ledger_waiting(&l->ledger);
        l->s.backlog = ledger_backlog(&l->ledger, &from, &to) ? to - from + 1 : 0;
        if (!l->s.records) l->s.oldest_us = 0;
    }
    pthread_mutex_lock(&l->lock);
    l->stats = l->s;
    pthread_mutex_unlock(&l->lock);
}

struct inbox {
    struct came_back *back;
    size_t n, samples;
    bool ready, discard, down;
    uint64_t lost;
};

/* What has come since the last turn; samples that are due are in l->work afterwards. */
static struct inbox inbox_take(struct pump_line *l, uint64_t now)
{
    pthread_mutex_lock(&l->lock);
    struct inbox in = {TAKE(l->back), l->nback, 0, l->ready, l->discard, l->down, l->lost_in};
    l->nback = l->back_cap = 0;
    l->ready = l->discard = l->down = false;
    l->lost_in = 0;
    if (l->nin && !l->gather_ns) l->gather_ns = now + (uint64_t)l->cfg.gather_ms * 1000000;
    if (l->nin && (now >= l->gather_ns || l->nin >= RECORD_MAX)) {
        struct sample *s = l->work;
        size_t cap = l->work_cap;
        in.samples = l->nin;
        l->work = l->in;
        l->work_cap = l->in_cap;
        l->in = s;
        l->in_cap = cap;
        l->nin = 0;
        l->gather_ns = 0;
    }
    pthread_mutex_unlock(&l->lock);
    return in;
}

static uint64_t earlier(uint64_t a, bool want, uint64_t b)
{
    return want && b < a ? b : a;
}

/* Monotonic time of the next turn that this line needs, UINT64_MAX: none. */
static uint64_t turn(struct pump_line *l)
{
    uint64_t now = mono(l->p);
    struct inbox in = inbox_take(l, now);
    if (in.lost) lose(l, in.lost);
    if (in.ready) l->live_hold_ns = l->backfill_hold_ns = 0;
    for (size_t i = 0; i < in.n; i++) take_back(l, in.back[i]);
    mem_free(in.back);
    if (in.samples) take_samples(l, l->work, in.samples);
    if (in.down) live_spill(l);
    if (in.discard && l->journal) drop_stretch(l, true, 0);
    if (l->journal) trim(l, now); /* what is too old is not offered any more */
    offer_live(l, now);
    if (l->journal) offer_backlog(l, now);
    if (l->journal) journal_ack(l->journal, l->ledger.acked);
    figures(l);
    uint64_t due = earlier(UINT64_MAX, l->journal != NULL, l->trim_ns);
    due = earlier(due, l->gather_ns, l->gather_ns);
    due = earlier(due, l->live && l->live_hold_ns > now, l->live_hold_ns);
    return earlier(due, l->s.backlog && l->backfill_hold_ns > now, l->backfill_hold_ns);
}

static bool sleep_until(struct pump *p, uint64_t due)
{
    uint64_t now = mono(p);
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
        uint64_t d = turn(l);
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
    mem_free(l->back);
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
    pthread_mutex_init(&l->lock, NULL);
    buf_init(&l->record, RECORD_TEXT_MAX + RECORD_MAX * 32);
    int rc = c->buffered ? journal_of(l, e) : 0;
    if (rc) {
        line_free(l);
        return rc;
    }
    pthread_mutex_lock(&p->lock);
    l->next = p->lines;
    p->lines = l;
    pthread_mutex_unlock(&p->lock);
    poke(p);
    *ret = l;
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

/* What still waits goes to the journal. */
static void flush(struct pump_line *l)
{
    for (size_t i = 0; i < l->nback; i++) take_back(l, l->back[i]);
    l->nback = 0;
    if (l->nin) take_samples(l, l->in, l->nin);
    live_spill(l);
    if (!l->journal) return;
    journal_ack(l->journal, l->ledger.acked);
    if (journal_commit(l->journal))
        log_warn(COMPONENT, "the buffer was not written to its end", "forward=%s", l->cfg.code);
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
    flush(l);
    line_free(l);
    if (forget) pump_forget(fs, id);
}
