/* pump_line.c - what a line does in its turn: takes what came, keeps it, offers, lets go, keeps its limits. On the
 * pump's thread, but for line_flush. */
#include "base/metric.h"
#include "modules/forward/pump_int.h"

#define LIVE_WAITING 32 /* batches that may wait in memory for the outlet */
#define LIVE_OUT 8      /* batches at the outlet */
#define WIDER 64        /* batches taken until one more is tried */
#define AGAIN_NS 1000000000ull
#define RETRY_MIN_NS 500000000ull
#define RETRY_MAX_NS 2000000000ull /* outlets have back-offs of their own, and say ERR_AGAIN meanwhile */
#define TRIM_NS 10000000000ull

METRIC(m_sent, METRIC_COUNTER, "bornite_forward_sent_total", "Samples that receivers have acknowledged.");
METRIC(m_lost, METRIC_COUNTER, "bornite_forward_lost_total", "Samples that fell out of a buffer or never got into it.");
METRIC(m_refused, METRIC_COUNTER, "bornite_forward_refused_total", "Samples that receivers refused for good.");

static void batch_free(struct pump_batch *b)
{
    batch_fini(&b->b);
    mem_free(b);
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
        if (b->flow == OUTLET_BACKFILL) {
            l->s.backfilled += b->b.n;
            if (++l->taken % WIDER == 0 && l->window < BACKFILL_OUT) l->window++;
        }
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

static void held_insert(struct pump_line *l, struct pump_batch *b)
{
    struct pump_batch **at = &l->held;
    while (*at && (*at)->number < b->number) at = &(*at)->next;
    b->next = *at;
    *at = b;
}

/* What was joined of several records and is too large for the receiver comes in smaller batches from now on. */
static bool shorten(struct pump_line *l, const struct pump_batch *b)
{
    if (b->rc != ERR_TOO_LARGE || b->from == b->to || b->b.n <= RECORD_MAX) return false;
    if (l->batch_max > b->b.n / 2) l->batch_max = b->b.n / 2 > RECORD_MAX ? b->b.n / 2 : RECORD_MAX;
    return true;
}

static void take_back(struct pump_line *l, struct pump_batch *b)
{
    uint64_t now = pump_mono(l->p);
    bool live = b->flow == OUTLET_LIVE;
    *(live ? &l->live_out : &l->backfill_out) -= 1;
    if (shorten(l, b)) {
        put_back(l, b);
        return;
    }
    if (b->rc == 0 || b->rc == ERR_INVALID || b->rc == ERR_TOO_LARGE) {
        l->retry_ns = 0;
        gone(l, b, b->rc);
        return;
    }
    if (b->rc == ERR_AGAIN) {
        l->turn[b->flow]++;
        if (!live && l->backfill_out) { /* as many as it has now are enough for it */
            l->window = l->backfill_out;
            l->taken = 0;
        }
        *(live ? &l->live_hold_ns : &l->backfill_hold_ns) = now + AGAIN_NS;
        live ? live_insert(l, b) : held_insert(l, b);
        return;
    }
    l->retry_ns = l->retry_ns ? l->retry_ns * 2 : RETRY_MIN_NS;
    if (l->retry_ns > RETRY_MAX_NS) l->retry_ns = RETRY_MAX_NS;
    l->live_hold_ns = l->backfill_hold_ns = now + l->retry_ns;
    put_back(l, b);
}

/* In the order in which they came. */
static void take_all_back(struct pump_line *l, struct pump_batch *newest)
{
    struct pump_batch *first = NULL;
    while (newest) {
        struct pump_batch *b = newest;
        newest = b->next;
        b->next = first;
        first = b;
    }
    while (first) {
        struct pump_batch *b = first;
        first = b->next;
        take_back(l, b);
    }
}

static void put_all_back(struct pump_line *l, struct pump_batch *first)
{
    while (first) {
        struct pump_batch *b = first;
        first = b->next;
        put_back(l, b);
    }
}

static void live_spill(struct pump_line *l)
{
    put_all_back(l, TAKE(l->live));
    l->live_end = &l->live;
    l->nlive = 0;
}

/* Nothing of the journal waits in memory any more. */
static void spill(struct pump_line *l)
{
    live_spill(l);
    put_all_back(l, TAKE(l->held));
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
    b->turn = l->turn[b->flow];
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
    b->b.max = l->batch_max;
    for (uint64_t want = from; want <= to && b->b.n < l->batch_max; want = seq + 1) {
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
    while (l->backfill_out < l->window && now >= l->backfill_hold_ns) {
        struct pump_batch *b = l->held;
        if (b)
            l->held = b->next;
        else
            b = backlog_batch(l);
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
    struct pump_batch *back;
    size_t samples;
    bool ready, discard, down;
    uint64_t lost;
};

/* What has come since the last turn; samples that are due are in l->work afterwards. */
static struct inbox inbox_take(struct pump_line *l, uint64_t now)
{
    pthread_mutex_lock(&l->lock);
    struct inbox in = {TAKE(l->back), 0, l->ready, l->discard, l->down, l->lost_in};
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

uint64_t line_turn(struct pump_line *l)
{
    uint64_t now = pump_mono(l->p);
    struct inbox in = inbox_take(l, now);
    if (in.lost) lose(l, in.lost);
    take_all_back(l, in.back);
    if (in.ready) l->live_hold_ns = l->backfill_hold_ns = 0;
    if (in.samples) take_samples(l, l->work, in.samples);
    if (in.down) spill(l);
    if (in.discard && l->journal) {
        put_all_back(l, TAKE(l->held));
        drop_stretch(l, true, 0);
    }
    if (l->journal) trim(l, now); /* what is too old is not offered any more */
    offer_live(l, now);
    if (l->journal) offer_backlog(l, now);
    if (l->journal) journal_ack(l->journal, l->ledger.acked);
    figures(l);
    uint64_t due = earlier(UINT64_MAX, l->journal != NULL, l->trim_ns);
    due = earlier(due, l->gather_ns, l->gather_ns);
    due = earlier(due, l->live && l->live_hold_ns > now, l->live_hold_ns);
    return earlier(due, (l->s.backlog || l->held) && l->backfill_hold_ns > now, l->backfill_hold_ns);
}

void line_flush(struct pump_line *l)
{
    take_all_back(l, TAKE(l->back));
    if (l->nin) take_samples(l, l->in, l->nin);
    spill(l);
    if (!l->journal) return;
    journal_ack(l->journal, l->ledger.acked);
    if (journal_commit(l->journal))
        log_warn(COMPONENT, "the buffer was not written to its end", "forward=%s", l->cfg.code);
}
