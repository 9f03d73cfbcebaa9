/* bus.c - sources, shards, subscribers. See bus.h for the path.
 *
 * A source's publish puts the batch into its ring of each shard concerned (all or nothing with one
 * shard; with several, room is checked in all rings first - the source is their only producer, so room
 * that is seen stays). A shard sleeps on a semaphore when all its rings are empty. Lists of sources and
 * subscribers change under `lock`; the shard holds it while it works on one batch, so that after
 * unsubscribe or close nothing runs any more.
 *
 * The swinging door (core/filter.h) stands between the exception filter and history alone. What it holds back lives
 * in the slot of the point; it is stored when the door closes, when the filter is switched off or the point goes,
 * when it has waited door_max (a sweep, every two seconds, over the points that have a door) and at a clean stop.
 * What a killed process loses is that one sample a point. */
#include <errno.h>
#include <semaphore.h>
#include "base/mem.h"
#include "base/metric.h"
#include "core/bus/bus_int.h"
#include "io/log.h"

#define SHARDS_MAX 16
#define SUBSCRIBERS_MAX 32
#define BATCH 4096
#define SWEEP_NS 2000000000ull /* how often doors that stay open are looked at */

METRIC(m_received, METRIC_COUNTER, "bornite_bus_received_total", "Samples taken from sources.");
METRIC(m_refused, METRIC_COUNTER, "bornite_bus_refused_total", "Samples refused because a ring was full.");
METRIC(m_filtered, METRIC_COUNTER, "bornite_bus_filtered_total", "Samples held back by the exception filter.");
METRIC(m_door, METRIC_COUNTER, "bornite_bus_door_total", "Samples that the swinging door kept out of history.");
METRIC(m_passed, METRIC_COUNTER, "bornite_bus_passed_total", "Samples passed on to subscribers and history.");

struct subscriber {
    bus_fn *fn;
    void *ctx;
    bool all; /* also what the filter holds back */
};

struct command { /* a change of point settings, applied by the shard in order */
    struct bus_point cfg;
    bool remove;
};

struct shard {
    struct bus *bus;
    unsigned index;
    pthread_t thread;
    sem_t wake;
    atomic_bool sleeping, stopping;
    pthread_mutex_t lock; /* sources, subscribers, commands */
    struct bus_source **sources;
    size_t nsources, sources_cap;
    struct subscriber subs[SUBSCRIBERS_MAX];
    size_t nsubs;
    struct command *commands;
    size_t ncommands, commands_cap;
    uint32_t *doors; /* points that have or had a door */
    size_t ndoors, doors_cap;
    uint64_t now_ns, swept_ns;
    struct sample in[BATCH], out[2 * BATCH], hist[FILTER_OUT * BATCH];
};

struct bus {
    struct bus_config cfg;
    unsigned nshards;
    struct shard *shard;
    struct point_table table;
    struct history *history;
    _Atomic uint64_t received, refused, passed, filtered, unknown, door;
};

enum mark_stage { MARK_NONE, MARK_SHARDS, MARK_DISK };
struct mark { /* how far the newest open ticket has come; the source's own */
    enum mark_stage stage;
    uint64_t ticket, put[SHARDS_MAX], history;
    uint64_t dropped, dropped_next; /* before this one began gathering; when it began */
};

struct bus_source {
    struct bus *bus;
    char name[48];
    struct ring ring[SHARDS_MAX];
    uint64_t put[SHARDS_MAX];          /* samples put into the rings */
    _Atomic uint64_t done[SHARDS_MAX]; /* of those, handed on by the shards */
    uint64_t ticket, kept, lost_from, lost_to;
    struct mark mark;
    struct sample *sorted; /* scratch of publish with several shards */
    size_t sorted_cap;
};

/* ---- shards ---- */

static void shard_wake(struct shard *s)
{
    if (atomic_exchange(&s->sleeping, false)) sem_post(&s->wake);
}

static void door_let_go(struct bus *b, struct point_slot *slot)
{
    struct sample held;
    if (door_end(&slot->filter.door, &held) && b->history) history_put(b->history, &held, 1);
}

/* Before the settings change: does the door close for good? Afterwards: is it to be swept? */
static void apply_command(struct shard *s, const struct command *c)
{
    struct point_slot *slot = point_slot(&s->bus->table, c->cfg.num, true);
    if (!slot) return;
    if (c->remove || !(c->cfg.door > 0) || !c->cfg.archive) {
        door_let_go(s->bus, slot);
        slot->filter.door = (struct door_filter){0}; /* what is stored meanwhile, it would not know */
    }
    point_configure(slot, c->remove ? NULL : &c->cfg);
    if (c->remove || !(c->cfg.door > 0) || slot->swept) return;
    if (!mem_grow((void **)&s->doors, &s->doors_cap, s->ndoors + 1, sizeof *s->doors)) return;
    s->doors[s->ndoors++] = c->cfg.num;
    slot->swept = true;
}

static void apply_commands(struct shard *s)
{
    for (size_t i = 0; i < s->ncommands; i++) apply_command(s, &s->commands[i]);
    s->ncommands = 0;
}

/* Doors that have been open for too long by our own clock: their source is silent, or says the same. */
static void sweep_doors(struct shard *s)
{
    if (s->now_ns - s->swept_ns < SWEEP_NS) return;
    s->swept_ns = s->now_ns;
    for (size_t i = 0; i < s->ndoors;) {
        struct point_slot *slot = point_slot(&s->bus->table, s->doors[i], false);
        struct bus_point cfg = {0};
        if (!point_settings(slot, &cfg) || !(cfg.door > 0)) {
            slot->swept = false;
            s->doors[i] = s->doors[--s->ndoors];
            continue;
        }
        int64_t longest = cfg.door_max_us > 0 ? cfg.door_max_us : DOOR_MAX_DEFAULT_US;
        bool due = s->now_ns - slot->filter.door.since_ns >= (uint64_t)longest * 1000;
        if (door_holds(&slot->filter.door) && due) door_let_go(s->bus, slot);
        i++;
    }
}

struct outcome {
    size_t out, hist;
    uint64_t filtered, unknown, door;
};

/* What passed the exception filter, to history: through the door, where there is one. */
static void keep_sample(struct shard *s, struct point_slot *slot, const struct bus_point *cfg, const struct sample *v,
                        struct outcome *o)
{
    struct door_filter *d = &slot->filter.door;
    if (!(cfg->door > 0)) {
        s->hist[o->hist++] = *v;
        return;
    }
    bool held = door_holds(d);
    int n = door_put(d, cfg, v, s->hist + o->hist);
    o->hist += (size_t)n;
    if (door_holds(d) && (!held || n > 0)) d->since_ns = s->now_ns;
    o->door += !n;
}

static void take_sample(struct shard *s, const struct sample *v, struct outcome *o)
{
    static const struct bus_point unknown = {.deadband = -1, .archive = true};
    struct point_slot *slot = point_slot(&s->bus->table, v->point, true);
    struct bus_point cfg = unknown;
    if (!slot || !point_settings(slot, &cfg)) {
        o->unknown++;
        if (!slot) return;
        cfg = unknown;
    }
    if (v->time_us >= point_newest(slot)) point_publish(slot, v);
    int n = exception_put(&slot->filter.exception, &cfg, v, s->out + o->out);
    if (n == 0) o->filtered++;
    for (int i = 0; i < n && cfg.archive; i++) keep_sample(s, slot, &cfg, s->out + o->out + i, o);
    o->out += (size_t)n;
}

static void take_batch(struct shard *s, size_t n)
{
    struct bus *b = s->bus;
    struct outcome o = {0};
    for (size_t i = 0; i < n; i++) take_sample(s, &s->in[i], &o);
    for (size_t i = 0; i < s->nsubs; i++) {
        const struct subscriber *sub = &s->subs[i];
        if (sub->all)
            sub->fn(sub->ctx, s->in, n);
        else if (o.out)
            sub->fn(sub->ctx, s->out, o.out);
    }
    if (b->history && o.hist) history_put(b->history, s->hist, o.hist);
    atomic_fetch_add(&b->received, n);
    atomic_fetch_add(&b->passed, o.out);
    atomic_fetch_add(&b->filtered, o.filtered);
    atomic_fetch_add(&b->unknown, o.unknown);
    atomic_fetch_add(&b->door, o.door);
    metric_add(&m_received, (int64_t)n);
    metric_add(&m_passed, (int64_t)o.out);
    metric_add(&m_filtered, (int64_t)o.filtered);
    metric_add(&m_door, (int64_t)o.door);
}

/* One walk over all sources; how many samples it found. */
static size_t shard_round(struct shard *s)
{
    size_t total = 0;
    pthread_mutex_lock(&s->lock);
    s->now_ns = clock_mono_ns(s->bus->cfg.clock);
    apply_commands(s);
    sweep_doors(s);
    for (size_t i = 0; i < s->nsources; i++) {
        size_t n = ring_take(&s->sources[i]->ring[s->index], s->in, BATCH);
        if (n) take_batch(s, n);
        if (n) atomic_fetch_add(&s->sources[i]->done[s->index], n);
        total += n;
    }
    pthread_mutex_unlock(&s->lock);
    return total;
}

/* Until something comes, or doors want to be looked at. `doors` changes on this thread only, and under the lock of
 * it when a source goes: a point that was given a door meanwhile has sent a wake as well. */
static void wait_for_work(struct shard *s)
{
    struct timespec until;
    pthread_mutex_lock(&s->lock);
    bool doors = s->ndoors > 0;
    pthread_mutex_unlock(&s->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SWEEP_NS / 1000000000ull;
    for (int rc = -1; rc != 0;) {
        rc = doors ? sem_clockwait(&s->wake, CLOCK_MONOTONIC, &until) : sem_wait(&s->wake);
        if (rc != 0 && errno == ETIMEDOUT) break;
    }
    if (doors) atomic_store(&s->sleeping, false);
}

static void *shard_main(void *arg)
{
    struct shard *s = arg;
    char name[16];
    snprintf(name, sizeof name, "shard-%u", s->index);
    pthread_setname_np(pthread_self(), name);
    for (;;) {
        if (shard_round(s)) continue;
        atomic_store(&s->sleeping, true);
        if (shard_round(s)) { /* put between the round and the flag */
            atomic_store(&s->sleeping, false);
            continue;
        }
        if (atomic_load(&s->stopping)) return NULL;
        wait_for_work(s);
    }
}

static int shard_start(struct bus *b, unsigned index)
{
    struct shard *s = &b->shard[index];
    s->bus = b;
    s->index = index;
    sem_init(&s->wake, 0, 0);
    pthread_mutex_init(&s->lock, NULL);
    return pthread_create(&s->thread, NULL, shard_main, s) ? ERR_LIMIT : 0;
}

static void shard_stop(struct shard *s)
{
    atomic_store(&s->stopping, true);
    atomic_store(&s->sleeping, false);
    sem_post(&s->wake);
    pthread_join(s->thread, NULL);
    sem_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->sources);
    mem_free(s->commands);
    mem_free(s->doors);
}

/* ---- life ---- */

static void let_go_at_end(void *bus, struct point_slot *slot)
{
    door_let_go(bus, slot);
}

static void bus_free(struct bus *b, unsigned started)
{
    for (unsigned i = 0; i < started; i++) shard_stop(&b->shard[i]);
    point_table_each(&b->table, let_go_at_end, b);
    history_stop(b->history);
    point_table_fini(&b->table);
    mem_free(b->shard);
    mem_free(b);
}

int bus_start(const struct bus_config *cfg, struct bus **ret, struct error *e)
{
    struct bus *b = mem_calloc(1, sizeof *b);
    if (!b) return error_set(e, ERR_NOMEM, "bus", "out of memory", "内存不足");
    b->cfg = *cfg;
    if (!b->cfg.clock) b->cfg.clock = clock_real();
    if (!b->cfg.ring) b->cfg.ring = 65536;
    b->nshards = cfg->shards ? cfg->shards : 1;
    if (b->nshards > SHARDS_MAX) b->nshards = SHARDS_MAX;
    b->shard = mem_calloc(b->nshards, sizeof *b->shard);
    if (!b->shard) {
        bus_free(b, 0);
        return error_set(e, ERR_NOMEM, "bus", "out of memory", "内存不足");
    }
    int err = cfg->store ? history_start(&b->cfg, &b->history, e) : 0;
    unsigned started = 0;
    while (!err && started < b->nshards) {
        err = shard_start(b, started);
        if (err)
            error_set(e, err, "bus", "cannot start a shard thread", "无法启动分片线程");
        else
            started++;
    }
    if (err) {
        bus_free(b, started);
        return err;
    }
    *ret = b;
    return 0;
}

void bus_stop(struct bus *b)
{
    if (b) bus_free(b, b->nshards);
}

/* ---- points ---- */

static int command_add(struct bus *b, const struct command *c)
{
    struct shard *s = &b->shard[c->cfg.num % b->nshards];
    pthread_mutex_lock(&s->lock);
    bool ok = mem_grow((void **)&s->commands, &s->commands_cap, s->ncommands + 1, sizeof *s->commands);
    if (ok) s->commands[s->ncommands++] = *c;
    pthread_mutex_unlock(&s->lock);
    shard_wake(s);
    return ok ? 0 : ERR_NOMEM;
}

int bus_point_set(struct bus *b, const struct bus_point *p, size_t n)
{
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) err = command_add(b, &(struct command){p[i], false});
    return err;
}

int bus_point_remove(struct bus *b, const uint32_t *num, size_t n)
{
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) err = command_add(b, &(struct command){{.num = num[i]}, true});
    return err;
}

bool bus_point_get(struct bus *b, uint32_t num, struct bus_point *ret)
{
    return point_settings(point_slot(&b->table, num, false), ret);
}

bool bus_current(struct bus *b, uint32_t num, struct sample *ret)
{
    return point_value(point_slot(&b->table, num, false), ret);
}

/* ---- sources ---- */

static int refuse(struct bus *b, size_t n)
{
    atomic_fetch_add(&b->refused, n);
    metric_add(&m_refused, (int64_t)n);
    return ERR_AGAIN;
}

static size_t ring_room(const struct ring *r)
{
    return (size_t)r->mask + 1 - ring_count(r);
}

/* Several shards: sort by shard into scratch, check room everywhere, then put. */
static int publish_sharded(struct bus_source *src, const struct sample *s, size_t n)
{
    struct bus *b = src->bus;
    size_t count[SHARDS_MAX] = {0}, at[SHARDS_MAX];
    if (!mem_grow((void **)&src->sorted, &src->sorted_cap, n, sizeof *src->sorted)) return refuse(b, n);
    for (size_t i = 0; i < n; i++) count[s[i].point % b->nshards]++;
    for (unsigned k = 0, sum = 0; k < b->nshards; k++) {
        if (ring_room(&src->ring[k]) < count[k]) return refuse(b, n);
        at[k] = sum;
        sum += (unsigned)count[k];
    }
    for (size_t i = 0; i < n; i++) src->sorted[at[s[i].point % b->nshards]++] = s[i];
    for (unsigned k = 0; k < b->nshards; k++) {
        if (!count[k]) continue;
        (void)!ring_put(&src->ring[k], src->sorted + at[k] - count[k], count[k]); /* room was there */
        src->put[k] += count[k];
        shard_wake(&b->shard[k]);
    }
    return 0;
}

static int source_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bus_source *src = ctx;
    struct bus *b = src->bus;
    if (n == 0) return 0;
    if (b->nshards > 1) return publish_sharded(src, s, n);
    if (ring_put(&src->ring[0], s, n)) return refuse(b, n);
    src->put[0] += n;
    shard_wake(&b->shard[0]);
    return 0;
}

/* ---- tickets: one at a time is followed through the rings and to the disk; it stands for all before it ---- */

static void mark_begin(struct bus_source *s)
{
    struct history *h = s->bus->history;
    s->mark.ticket = s->ticket;
    memcpy(s->mark.put, s->put, sizeof s->put);
    s->mark.dropped = s->mark.dropped_next; /* what was dropped since the last one began may have been of this one */
    s->mark.dropped_next = h ? history_marks(h).dropped : 0;
    s->mark.stage = MARK_SHARDS;
}

static void mark_end(struct bus_source *s, bool lost)
{
    if (lost) {
        if (s->lost_to != s->kept) s->lost_from = s->kept; /* else it goes on */
        s->lost_to = s->mark.ticket;
    }
    s->kept = s->mark.ticket;
    s->mark.stage = MARK_NONE;
}

static bool mark_left_shards(const struct bus_source *s)
{
    for (unsigned i = 0; i < s->bus->nshards; i++)
        if (atomic_load(&s->done[i]) < s->mark.put[i]) return false;
    return true;
}

static void mark_advance(struct bus_source *s)
{
    struct history *h = s->bus->history;
    if (s->mark.stage == MARK_NONE && s->ticket > s->kept) mark_begin(s);
    if (s->mark.stage == MARK_SHARDS && mark_left_shards(s)) {
        s->mark.stage = MARK_DISK;
        if (h) s->mark.history = history_marks(h).put;
        if (h) history_hurry(h);
    }
    if (s->mark.stage != MARK_DISK) return;
    struct history_marks m = h ? history_marks(h) : (struct history_marks){0};
    if (h == NULL || m.kept >= s->mark.history) mark_end(s, m.dropped != s->mark.dropped);
}

uint64_t bus_source_mark(struct bus_source *s)
{
    s->ticket++;
    mark_advance(s);
    return s->ticket;
}

int bus_source_kept(struct bus_source *s, uint64_t ticket)
{
    mark_advance(s);
    if (s->mark.stage == MARK_NONE && s->ticket > s->kept) mark_advance(s); /* the next one is on its way */
    if (ticket > s->lost_from && ticket <= s->lost_to) return ERR_IO;
    return ticket <= s->kept;
}

static int source_intern(void *ctx, struct str s, uint64_t *ret_id)
{
    struct bus_source *src = ctx;
    struct ts_store *store = src->bus->cfg.store;
    if (!store) return ERR_UNAVAILABLE;
    return store->ops->string_put(store, s, ret_id);
}

struct sink bus_source_sink(struct bus_source *s)
{
    return (struct sink){source_publish, source_intern, s};
}

static void source_free(struct bus_source *s)
{
    for (unsigned i = 0; i < s->bus->nshards; i++) ring_fini(&s->ring[i]);
    mem_free(s->sorted);
    mem_free(s);
}

static int source_attach(struct shard *sh, struct bus_source *s)
{
    pthread_mutex_lock(&sh->lock);
    bool ok = mem_grow((void **)&sh->sources, &sh->sources_cap, sh->nsources + 1, sizeof(struct bus_source *));
    if (ok) sh->sources[sh->nsources++] = s;
    pthread_mutex_unlock(&sh->lock);
    return ok ? 0 : ERR_NOMEM;
}

static void source_detach(struct shard *sh, struct bus_source *s)
{
    pthread_mutex_lock(&sh->lock);
    apply_commands(sh);
    for (size_t i = 0; i < sh->nsources; i++) {
        if (sh->sources[i] != s) continue;
        for (size_t n; (n = ring_take(&s->ring[sh->index], sh->in, BATCH));) take_batch(sh, n);
        sh->sources[i] = sh->sources[--sh->nsources];
        break;
    }
    pthread_mutex_unlock(&sh->lock);
}

int bus_source_open(struct bus *b, const char *name, struct bus_source **ret)
{
    struct bus_source *s = mem_calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    s->bus = b;
    snprintf(s->name, sizeof s->name, "%s", name);
    int err = 0;
    for (unsigned i = 0; i < b->nshards && !err; i++) err = ring_init(&s->ring[i], sizeof(struct sample), b->cfg.ring);
    for (unsigned i = 0; i < b->nshards && !err; i++) err = source_attach(&b->shard[i], s);
    if (err) {
        bus_source_close(s);
        return err;
    }
    *ret = s;
    return 0;
}

void bus_source_close(struct bus_source *s)
{
    if (!s) return;
    for (unsigned i = 0; i < s->bus->nshards; i++) source_detach(&s->bus->shard[i], s);
    source_free(s);
}

/* ---- subscribers, direct writes, figures ---- */

static int subscribe(struct bus *b, const struct subscriber *sub)
{
    int err = 0;
    for (unsigned i = 0; i < b->nshards; i++) {
        struct shard *s = &b->shard[i];
        pthread_mutex_lock(&s->lock);
        if (s->nsubs == SUBSCRIBERS_MAX)
            err = ERR_LIMIT;
        else
            s->subs[s->nsubs++] = *sub;
        pthread_mutex_unlock(&s->lock);
    }
    if (err) bus_unsubscribe(b, sub->fn, sub->ctx);
    return err;
}

int bus_subscribe(struct bus *b, bus_fn *fn, void *ctx)
{
    return subscribe(b, &(struct subscriber){fn, ctx, false});
}

int bus_subscribe_all(struct bus *b, bus_fn *fn, void *ctx)
{
    return subscribe(b, &(struct subscriber){fn, ctx, true});
}

void bus_unsubscribe(struct bus *b, bus_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < b->nshards; i++) {
        struct shard *s = &b->shard[i];
        pthread_mutex_lock(&s->lock);
        for (size_t k = 0; k < s->nsubs; k++) {
            if (s->subs[k].fn != fn || s->subs[k].ctx != ctx) continue;
            s->subs[k] = s->subs[--s->nsubs];
            break;
        }
        pthread_mutex_unlock(&s->lock);
    }
}

void bus_restore(struct bus *b, uint32_t num)
{
    struct sample last;
    struct ts_store *store = b->cfg.store;
    struct shard *s = &b->shard[num % b->nshards];
    if (!store || bus_current(b, num, &last) || store->ops->before(store, num, INT64_MAX, &last)) return;
    pthread_mutex_lock(&s->lock);
    struct point_slot *slot = point_slot(&b->table, num, true);
    if (slot && point_newest(slot) == INT64_MIN) point_publish(slot, &last);
    pthread_mutex_unlock(&s->lock);
}

/* Samples of one shard, under its lock, as it holds it while it works. */
static void publish_run(struct shard *sh, const struct sample *s, size_t n)
{
    struct bus *b = sh->bus;
    for (size_t i = 0; i < n; i++) {
        struct sample held;
        struct point_slot *slot = point_slot(&b->table, s[i].point, true);
        if (!slot) continue;
        if (s[i].time_us >= point_newest(slot)) point_publish(slot, &s[i]);
        if (door_stored(&slot->filter.door, &s[i], &held)) history_put(b->history, &held, 1);
    }
    for (size_t k = 0; k < sh->nsubs; k++) sh->subs[k].fn(sh->subs[k].ctx, s, n);
}

/* What the API has stored: current values, lines of the doors, subscribers. Runs of one shard are taken together. */
static void publish_written(struct bus *b, const struct sample *s, size_t n)
{
    for (size_t from = 0, to; from < n; from = to) {
        struct shard *sh = &b->shard[s[from].point % b->nshards];
        for (to = from + 1; to < n && to - from < BATCH && s[to].point % b->nshards == sh->index;) to++;
        pthread_mutex_lock(&sh->lock);
        publish_run(sh, s + from, to - from);
        pthread_mutex_unlock(&sh->lock);
    }
}

int bus_write(struct bus *b, const struct sample *s, size_t n, struct error *e)
{
    if (!b->history) return error_set(e, ERR_UNAVAILABLE, "history", "this node keeps no history", "本节点不保存历史");
    int err = history_write(b->history, s, n, e);
    if (!err) publish_written(b, s, n);
    return err;
}

void bus_stats(struct bus *b, struct bus_stats *ret)
{
    *ret = (struct bus_stats){.received = atomic_load(&b->received),
                              .refused = atomic_load(&b->refused),
                              .passed = atomic_load(&b->passed),
                              .filtered = atomic_load(&b->filtered),
                              .unknown_point = atomic_load(&b->unknown),
                              .door = atomic_load(&b->door)};
    if (b->history) history_stats(b->history, ret);
}
