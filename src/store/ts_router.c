/* ts_router.c - see ts_router.h: life, engines and classes, writing. Reading stands in ts_route_read.c.
 *
 * `lock` guards slots, routes and points; appends and queries hold it for reading only while they look things up (an
 * append also while it writes, so that no route changes under it). `writing` puts appends one after another, also those
 * of a migration, because the embedded engine takes them from one thread at a time. */
#include "store/ts_router_int.h"
#include "base/mem.h"
#include "io/log.h"

static struct ts_router *self(struct ts_store *st)
{
    return (struct ts_router *)st;
}

/* ------------------------------------------------------------------ the map */

static void save(struct ts_router *r)
{
    struct buf b;
    buf_init(&b, 64 + ROUTER_POINTS_MAX * 3ull);
    router_map_encode(r, &b);
    int err = b.err ? b.err : fs_replace(r->cfg.fs, ROUTER_MAP, b.p, b.n);
    if (err) log_error("history", "the map of engines cannot be stored", "err=%s", error_name(err));
    buf_fini(&b);
}

static void look(struct ts_router *r)
{
    bool plain = true;
    for (size_t i = 1; i < TS_SLOTS; i++) plain &= !r->slot[i].id[0];
    r->plain = plain;
}

/* A point is read wherever its class has lived since. */
static bool mark_places(struct ts_router *r)
{
    bool changed = false;
    for (size_t p = 0; p < r->npoints; p++) {
        uint16_t bit = (uint16_t)(1u << r->route[r->class_of[p]].slot);
        changed |= !(r->places[p] & bit);
        r->places[p] |= bit;
    }
    return changed;
}

/* ------------------------------------------------------------------ writing */

/* Blobs stay here, bytes and samples, wherever the class lives. */
static bool for_slot(const struct ts_router *r, uint8_t slot, const struct sample *s)
{
    if (s->type == SAMPLE_BLOB) return slot == 0;
    const struct route *w = &r->route[s->point < r->npoints ? r->class_of[s->point] : 0];
    return w->slot == slot || w->mirror == slot || w->copy == slot;
}

/* Those of one slot, in order; the batch itself when all are. */
static const struct sample *pick(struct ts_router *r, uint8_t slot, const struct sample *s, size_t n, size_t *ret_n)
{
    size_t k = 0;
    while (k < n && for_slot(r, slot, &s[k])) k++;
    *ret_n = k;
    if (k == n) return s;
    memcpy(r->sorted, s, k * sizeof *s);
    for (size_t i = k; i < n; i++)
        if (for_slot(r, slot, &s[i])) r->sorted[k++] = s[i];
    *ret_n = k;
    return r->sorted;
}

/* Remote ones first: what they have in their queues does no harm when the embedded engine then refuses. */
static int append_slots(struct ts_router *r, const struct sample *s, size_t n, struct error *e)
{
    if (!mem_grow((void **)&r->sorted, &r->sorted_cap, n, sizeof *s))
        return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    int err = 0;
    for (size_t i = TS_SLOTS; i-- > 0 && !err;) {
        size_t k;
        if (i && !r->slot[i].queue) continue;
        const struct sample *part = pick(r, (uint8_t)i, s, n, &k);
        if (!k) continue;
        err = i ? ts_queue_put(r->slot[i].queue, part, k, e) : r->cfg.engine->ops->append(r->cfg.engine, part, k, e);
    }
    return err;
}

/* Points of other engines are read here too from their first blob on. ERR_NOMEM. */
static int mark_blobs(struct ts_router *r, const struct sample *s, size_t n)
{
    bool changed = false, ok = true;
    size_t i = 0;
    while (i < n && s[i].type != SAMPLE_BLOB) i++;
    if (i == n) return 0;
    pthread_rwlock_wrlock(&r->lock);
    for (; i < n && ok && !r->plain; i++) {
        if (s[i].type != SAMPLE_BLOB || (router_places(r, s[i].point) & 1)) continue;
        ok = router_points_grow(r, (size_t)s[i].point + 1);
        if (ok) r->places[s[i].point] |= 1;
        changed |= ok;
    }
    if (changed) save(r);
    pthread_rwlock_unlock(&r->lock);
    return ok ? 0 : ERR_NOMEM;
}

static int route_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    struct ts_router *r = self(st);
    pthread_mutex_lock(&r->writing);
    if (mark_blobs(r, s, n)) {
        pthread_mutex_unlock(&r->writing);
        return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    }
    pthread_rwlock_rdlock(&r->lock);
    int err = r->plain ? r->cfg.engine->ops->append(r->cfg.engine, s, n, e) : append_slots(r, s, n, e);
    pthread_rwlock_unlock(&r->lock);
    pthread_mutex_unlock(&r->writing);
    return err;
}

/* ------------------------------------------------------------------ what goes on to the embedded engine */

static int route_string_put(struct ts_store *st, struct str s, uint64_t *ret_id)
{
    struct ts_store *own = self(st)->cfg.engine;
    return own->ops->string_put(own, s, ret_id);
}
static int route_string_get(struct ts_store *st, uint64_t id, char *out, size_t cap, size_t *ret_n)
{
    struct ts_store *own = self(st)->cfg.engine;
    return own->ops->string_get(own, id, out, cap, ret_n);
}
static int route_blob_put(struct ts_store *st, uint32_t point, int64_t time_us, const char *type, struct str bytes,
                          uint64_t *ret_id, struct error *e)
{
    struct ts_store *own = self(st)->cfg.engine;
    if (!own->ops->blob_put)
        return error_set(e, ERR_UNSUPPORTED, "", "this store keeps no blobs", "该存储不支持数据块");
    return own->ops->blob_put(own, point, time_us, type, bytes, ret_id, e);
}
static int route_blob_get(struct ts_store *st, uint64_t id, struct ts_blob *ret, struct buf *bytes, struct error *e)
{
    struct ts_store *own = self(st)->cfg.engine;
    if (!own->ops->blob_get) return error_set(e, ERR_NOT_FOUND, "", "this store keeps no blobs", "该存储不支持数据块");
    return own->ops->blob_get(own, id, ret, bytes, e);
}
static void route_stats(struct ts_store *st, struct ts_stats *ret)
{
    struct ts_store *own = self(st)->cfg.engine;
    own->ops->stats(own, ret);
}
static int route_enforce(struct ts_store *st, struct error *e)
{
    struct ts_store *own = self(st)->cfg.engine;
    return own->ops->enforce ? own->ops->enforce(own, e) : 0;
}
static int route_classes_table(struct ts_store *st, const struct ts_class *c, size_t n)
{
    struct ts_store *own = self(st)->cfg.engine;
    return own->ops->classes ? own->ops->classes(own, c, n) : 0;
}
static int route_class_usage(struct ts_store *st, uint8_t id, struct ts_class_usage *ret)
{
    struct ts_store *own = self(st)->cfg.engine;
    *ret = (struct ts_class_usage){0};
    return own->ops->class_usage ? own->ops->class_usage(own, id, ret) : 0;
}
static int route_reopen(struct ts_store *st, struct error *e)
{
    struct ts_store *own = self(st)->cfg.engine;
    return own->ops->reopen ? own->ops->reopen(own, e) : 0;
}

static bool classify(struct ts_router *r, const uint32_t *points, const uint8_t *classes, size_t n)
{
    bool changed = false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = classes[i] % TS_CLASSES;
        if (points[i] >= r->npoints && r->route[c].slot == 0 && c == 0 && !r->unsure)
            continue; /* what is not in the map is so */
        if (!router_points_grow(r, (size_t)points[i] + 1)) continue;
        changed |= r->class_of[points[i]] != c;
        r->class_of[points[i]] = c;
    }
    return mark_places(r) || changed;
}

static int route_classify(struct ts_store *st, const uint32_t *points, const uint8_t *classes, size_t n)
{
    struct ts_router *r = self(st);
    struct ts_store *own = r->cfg.engine;
    pthread_rwlock_wrlock(&r->lock);
    if (classify(r, points, classes, n) && !r->plain) save(r);
    pthread_rwlock_unlock(&r->lock);
    return own->ops->classify ? own->ops->classify(own, points, classes, n) : 0;
}

/* ------------------------------------------------------------------ removing */

/* What waits would come after the removal: it has to arrive first. */
static int remove_at(struct ts_router *r, uint8_t slot, uint32_t point, int64_t from, int64_t to, struct error *e)
{
    struct ts_handle *h = ts_router_place(&r->base, slot);
    if (!h) return error_set(e, ERR_UNAVAILABLE, "engine", "the engine is not ready", "引擎未就绪");
    int err = ts_router_settle(&r->base, slot, 5000);
    if (err)
        error_set(e, err = ERR_AGAIN, "engine", "samples still wait for the engine; try again later",
                  "仍有样本等待写入该引擎，请稍后重试");
    if (!err && !h->st->ops->remove)
        err = error_set(e, ERR_UNSUPPORTED, "", "this store cannot remove samples", "该存储不支持删除数据");
    if (!err) err = h->st->ops->remove(h->st, point, from, to, e);
    ts_handle_unref(h);
    return err;
}

static int route_remove(struct ts_store *st, uint32_t point, int64_t from, int64_t to, struct error *e)
{
    struct ts_router *r = self(st);
    uint16_t places = ts_router_places(st, point);
    int err = 0;
    for (size_t i = TS_SLOTS; i-- > 0 && !err;)
        if (places >> i & 1) err = remove_at(r, (uint8_t)i, point, from, to, e);
    return err;
}

/* ------------------------------------------------------------------ engines */

static void on_queue(void *ctx, enum ts_queue_event ev, uint64_t n, const struct error *why)
{
    struct router_label *l = ctx;
    struct ts_router *r = l->router;
    pthread_mutex_lock(&r->listening);
    if (r->fn) r->fn(r->fn_ctx, l->id, l->code, ev, n, why);
    pthread_mutex_unlock(&r->listening);
}

void ts_router_listen(struct ts_store *st, ts_router_fn *fn, void *ctx)
{
    struct ts_router *r = self(st);
    pthread_mutex_lock(&r->listening);
    r->fn = fn;
    r->fn_ctx = ctx;
    pthread_mutex_unlock(&r->listening);
}

static int open_queue(struct ts_router *r, size_t i, struct error *e)
{
    char dir[64];
    struct router_slot *s = &r->slot[i];
    s->label = mem_calloc(1, sizeof *s->label);
    if (!s->label) return error_set(e, ERR_NOMEM, "engine", "out of memory", "内存不足");
    s->label->router = r;
    snprintf(s->label->id, sizeof s->label->id, "%s", s->id);
    snprintf(s->label->code, sizeof s->label->code, "%s", s->code);
    snprintf(dir, sizeof dir, "router-%s", s->id);
    struct ts_queue_config qc = {.fs = r->cfg.fs,
                                 .dir = dir,
                                 .max_bytes = r->cfg.queue_max,
                                 .clock = r->cfg.clock,
                                 .retry_ms = r->cfg.retry_ms,
                                 .event = on_queue,
                                 .ctx = s->label};
    int err = ts_queue_open(&qc, &s->queue, e);
    if (err) mem_free(TAKE(s->label));
    return err;
}

static void close_queue(struct ts_queue *q, struct router_label *l)
{
    ts_queue_close(q);
    mem_free(l);
}

/* An engine that is no more: its queue goes, no class leads there, no point is read there. */
static struct router_slot free_slot(struct ts_router *r, size_t i)
{
    struct router_slot gone = r->slot[i];
    r->slot[i] = (struct router_slot){0};
    for (size_t c = 0; c < TS_CLASSES; c++) {
        if (r->route[c].slot == i) r->route[c].slot = 0;
        if (r->route[c].mirror == i) r->route[c].mirror = TS_NO_SLOT;
        if (r->route[c].copy == i) r->route[c].copy = TS_NO_SLOT;
    }
    for (size_t p = 0; p < r->npoints; p++) {
        r->places[p] &= (uint16_t) ~(1u << i);
        if (!r->places[p]) r->places[p] = 1;
    }
    return gone;
}

/* Without the lock: its thread may be waiting for an answer. */
static void bury(struct router_slot *gone)
{
    struct ts_queue_status st = {0};
    if (!gone->id[0]) return;
    if (gone->store && !gone->label->router->cfg.open) ts_remote_cancel(gone->store->st);
    if (gone->queue) {
        ts_queue_status(gone->queue, &st);
        ts_queue_drop(gone->queue);
    }
    if (st.pending)
        log_warn("history", "an engine was removed while samples waited for it", "engine=%s samples=%llu", gone->code,
                 (unsigned long long)st.pending);
    close_queue(gone->queue, gone->label);
    ts_handle_unref(gone->store);
}

static size_t slot_of(const struct ts_router *r, const char *id)
{
    for (size_t i = 1; i < TS_SLOTS; i++)
        if (id[0] && strcmp(r->slot[i].id, id) == 0) return i;
    return 0;
}

static bool listed(const char *id, const struct ts_router_engine *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(e[i].id, id) == 0) return true;
    return false;
}

static int new_slot(struct ts_router *r, const char *id, size_t *ret, struct error *e)
{
    size_t i = 1;
    while (i < TS_SLOTS && r->slot[i].id[0]) i++;
    if (i == TS_SLOTS) return error_set(e, ERR_LIMIT, "", "at most %d engines", "最多 %d 个引擎", TS_SLOTS - 1);
    snprintf(r->slot[i].id, sizeof r->slot[i].id, "%s", id);
    int err = open_queue(r, i, e);
    if (err) r->slot[i].id[0] = 0;
    *ret = i;
    return err;
}

/* Opened with new settings; what is under way ends with the old ones. */
static void set_store(struct ts_router *r, struct router_slot *s, const struct ts_router_engine *e)
{
    struct ts_remote_config c = e->remote;
    struct ts_remote_traits t = {.engine = "test"};
    struct ts_store *st = NULL;
    c.strings = r->cfg.engine;
    s->stamp = e->stamp;
    snprintf(s->code, sizeof s->code, "%s", e->code);
    pthread_mutex_lock(&r->listening);
    snprintf(s->label->code, sizeof s->label->code, "%s", e->code);
    pthread_mutex_unlock(&r->listening);
    ts_handle_unref(s->store);
    s->store = NULL;
    s->engine = NULL;
    s->fault = (struct error){0};
    int err = r->cfg.open ? r->cfg.open(&c, &st, &s->fault) : ts_remote_open(&c, &st, &s->fault);
    if (!err) s->store = ts_handle_new(st);
    if (!s->store) {
        log_error("history", "an engine's settings are not right", "engine=%s detail=\"%s\"", s->code, s->fault.text);
        ts_queue_engine(s->queue, NULL, 0, 0);
        return;
    }
    if (!r->cfg.open) ts_remote_traits(st, &t);
    s->engine = t.engine;
    ts_queue_engine(s->queue, ts_handle_ref(s->store), c.batch, t.visible_us);
}

int ts_router_engines(struct ts_store *st, const struct ts_router_engine *e, size_t n, struct error *err)
{
    struct ts_router *r = self(st);
    struct router_slot gone[TS_SLOTS] = {0};
    int rc = 0;
    bool changed = false;
    pthread_mutex_lock(&r->writing);
    pthread_rwlock_wrlock(&r->lock);
    for (size_t i = 1; i < TS_SLOTS; i++) {
        if (!r->slot[i].id[0] || listed(r->slot[i].id, e, n)) continue;
        gone[i] = free_slot(r, i);
        changed = true;
    }
    for (size_t k = 0; k < n; k++) {
        size_t i = slot_of(r, e[k].id);
        bool fresh = i == 0;
        int one = fresh ? new_slot(r, e[k].id, &i, err) : 0;
        if (one) rc = one;
        changed |= fresh && !one;
        if (!one && (fresh || !r->slot[i].store || r->slot[i].stamp != e[k].stamp)) set_store(r, &r->slot[i], &e[k]);
    }
    look(r);
    if (changed) save(r);
    pthread_rwlock_unlock(&r->lock);
    pthread_mutex_unlock(&r->writing);
    for (size_t i = 1; i < TS_SLOTS; i++) bury(&gone[i]);
    return rc;
}

void ts_router_rest(struct ts_store *st)
{
    struct ts_router *r = self(st);
    struct ts_handle *store[TS_SLOTS] = {0};
    struct ts_queue *queue[TS_SLOTS] = {0};
    pthread_rwlock_wrlock(&r->lock);
    for (size_t i = 1; i < TS_SLOTS; i++) {
        queue[i] = r->slot[i].queue;
        store[i] = TAKE(r->slot[i].store);
        r->slot[i].stamp = -1;
        if (store[i] && !r->cfg.open) ts_remote_cancel(store[i]->st);
    }
    pthread_rwlock_unlock(&r->lock);
    for (size_t i = 1; i < TS_SLOTS; i++) {
        if (queue[i]) ts_queue_rest(queue[i]);
        ts_handle_unref(store[i]);
    }
}

int ts_router_classes(struct ts_store *st, const struct ts_router_class *c, size_t n, struct error *e)
{
    struct ts_router *r = self(st);
    struct route old[TS_CLASSES];
    int rc = 0;
    pthread_rwlock_wrlock(&r->lock);
    memcpy(old, r->route, sizeof old);
    for (size_t i = 0; i < TS_CLASSES; i++) r->route[i] = (struct route){0, TS_NO_SLOT, old[i].copy};
    for (size_t i = 0; i < n; i++) {
        size_t slot = slot_of(r, c[i].engine), mirror = slot_of(r, c[i].mirror);
        if ((c[i].engine[0] && !slot) || (c[i].mirror[0] && !mirror))
            rc = error_set(e, ERR_NOT_FOUND, "engine", "the engine of class %u is not known", "类别 %u 的引擎不存在",
                           c[i].id);
        if (c[i].id >= TS_CLASSES) continue;
        r->route[c[i].id].slot = (uint8_t)slot;
        if (mirror && mirror != slot) r->route[c[i].id].mirror = (uint8_t)mirror;
    }
    bool moved = mark_places(r);
    if (moved || memcmp(old, r->route, sizeof old) != 0) save(r);
    pthread_rwlock_unlock(&r->lock);
    return rc;
}

void ts_router_each(struct ts_store *st, void (*fn)(void *ctx, const struct ts_router_status *s), void *ctx)
{
    struct ts_router *r = self(st);
    pthread_rwlock_rdlock(&r->lock);
    for (size_t i = 1; i < TS_SLOTS; i++) {
        struct router_slot *s = &r->slot[i];
        if (!s->id[0]) continue;
        struct ts_router_status status = {.id = s->id, .code = s->code, .configured = s->store != NULL};
        if (s->queue) ts_queue_status(s->queue, &status.queue);
        if (!s->store) {
            status.queue.error = s->fault;
            status.queue.up = false;
        }
        status.engine = s->engine ? s->engine : "";
        fn(ctx, &status);
    }
    pthread_rwlock_unlock(&r->lock);
}

/* ------------------------------------------------------------------ moving a class */

int ts_router_slot(struct ts_store *st, const char *id, uint8_t *ret)
{
    struct ts_router *r = self(st);
    pthread_rwlock_rdlock(&r->lock);
    size_t i = slot_of(r, id);
    pthread_rwlock_unlock(&r->lock);
    if (id[0] && !i) return ERR_NOT_FOUND;
    *ret = (uint8_t)i;
    return 0;
}

int ts_router_copy_to(struct ts_store *st, uint8_t class_id, uint8_t slot, struct error *e)
{
    struct ts_router *r = self(st);
    if (class_id >= TS_CLASSES) return error_set(e, ERR_INVALID, "class", "no such class", "没有该类别");
    pthread_rwlock_wrlock(&r->lock);
    bool changed = r->route[class_id].copy != slot;
    r->route[class_id].copy = slot;
    if (changed) save(r);
    pthread_rwlock_unlock(&r->lock);
    return 0;
}

struct ts_handle *ts_router_place(struct ts_store *st, uint8_t slot)
{
    struct ts_router *r = self(st);
    pthread_rwlock_rdlock(&r->lock);
    struct ts_handle *h = ts_handle_ref(slot == 0 ? &r->embedded : slot < TS_SLOTS ? r->slot[slot].store : NULL);
    pthread_rwlock_unlock(&r->lock);
    return h;
}

int ts_router_write(struct ts_store *st, uint8_t slot, const struct sample *s, size_t n, struct error *e)
{
    struct ts_router *r = self(st);
    struct ts_handle *h = ts_router_place(st, slot);
    if (!h) return error_set(e, ERR_UNAVAILABLE, "engine", "the engine is not ready", "引擎未就绪");
    if (slot == 0) pthread_mutex_lock(&r->writing);
    int err = h->st->ops->append(h->st, s, n, e);
    if (slot == 0) pthread_mutex_unlock(&r->writing);
    ts_handle_unref(h);
    return err;
}

int ts_router_settle(struct ts_store *st, uint8_t slot, unsigned ms)
{
    struct ts_router *r = self(st);
    uint64_t end = clock_mono_ns(r->cfg.clock) + (uint64_t)ms * 1000000;
    for (;;) { /* in short waits: the lock keeps settings from changing */
        pthread_rwlock_rdlock(&r->lock);
        struct ts_queue *q = slot < TS_SLOTS ? r->slot[slot].queue : NULL;
        int err = q ? ts_queue_wait(q, 100) : 0;
        pthread_rwlock_unlock(&r->lock);
        if (!err || clock_mono_ns(r->cfg.clock) >= end) return err;
    }
}

static int first_blob(void *ctx, const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i].type == SAMPLE_BLOB) return 1;
    return 0;
}

/* Of which of the points there are blobs in the embedded engine. */
static void find_blobs(struct ts_router *r, const uint32_t *points, size_t n, bool *ret)
{
    struct ts_store *own = r->cfg.engine;
    struct ts_stats s = {0};
    if (own->ops->stats) own->ops->stats(own, &s);
    for (size_t i = 0; i < n && s.bytes_blobs; i++) {
        if (!(ts_router_places(&r->base, points[i]) & 1)) continue;
        ret[i] = own->ops->scan(own, points[i], INT64_MIN, INT64_MAX, first_blob, NULL, NULL) != 0; /* in doubt: yes */
    }
}

int ts_router_switch(struct ts_store *st, uint8_t class_id, uint8_t slot, const uint32_t *points, size_t n,
                     struct error *e)
{
    struct ts_router *r = self(st);
    AUTO_FREE bool *blobs = mem_calloc(n + 1, sizeof *blobs);
    if (class_id >= TS_CLASSES) return error_set(e, ERR_INVALID, "class", "no such class", "没有该类别");
    if (!blobs) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    if (slot) find_blobs(r, points, n, blobs);
    pthread_rwlock_wrlock(&r->lock);
    r->route[class_id].slot = slot;
    r->route[class_id].copy = TS_NO_SLOT;
    if (r->route[class_id].mirror == slot) r->route[class_id].mirror = TS_NO_SLOT;
    for (size_t i = 0; i < n; i++)
        if (router_points_grow(r, (size_t)points[i] + 1) && r->class_of[points[i]] == class_id)
            r->places[points[i]] = (uint16_t)(1u << slot | blobs[i]);
    mark_places(r);
    save(r);
    pthread_rwlock_unlock(&r->lock);
    return 0;
}

uint16_t ts_router_places(struct ts_store *st, uint32_t point)
{
    struct ts_router *r = self(st);
    pthread_rwlock_rdlock(&r->lock);
    uint16_t places = router_places(r, point);
    if (point < r->npoints) places |= (uint16_t)(1u << r->route[r->class_of[point]].slot);
    pthread_rwlock_unlock(&r->lock);
    return places;
}

/* ------------------------------------------------------------------ life */

static void route_close(struct ts_store *st)
{
    struct ts_router *r = self(st);
    for (size_t i = 1; i < TS_SLOTS; i++) {
        close_queue(r->slot[i].queue, r->slot[i].label);
        ts_handle_unref(r->slot[i].store);
    }
    pthread_mutex_destroy(&r->listening);
    pthread_mutex_destroy(&r->writing);
    pthread_rwlock_destroy(&r->lock);
    mem_free(r->class_of);
    mem_free(r->places);
    mem_free(r->sorted);
    mem_free(r);
}

static const struct ts_store_ops ops = {
    .name = "router",
    .append = route_append,
    .scan = route_scan,
    .before = route_before,
    .after = route_after,
    .summary = route_summary,
    .windows = route_windows,
    .summaries = route_summaries,
    .remove = route_remove,
    .plot = route_plot,
    .string_put = route_string_put,
    .string_get = route_string_get,
    .blob_put = route_blob_put,
    .blob_get = route_blob_get,
    .stats = route_stats,
    .classes = route_classes_table,
    .classify = route_classify,
    .enforce = route_enforce,
    .class_usage = route_class_usage,
    .reopen = route_reopen,
    .close = route_close,
};

bool ts_is_router(const struct ts_store *st)
{
    return st && st->ops == &ops;
}

/* The node works on: every engine is asked for every point, and the map grows anew. */
static int set_aside(struct ts_router *r, struct error *e)
{
    log_error("history", "the map of engines is damaged and set aside; all engines are asked for all points",
              "file=%s.bad", ROUTER_MAP);
    r->unsure = true;
    int err = r->cfg.fs->ops->rename(r->cfg.fs, ROUTER_MAP, ROUTER_MAP ".bad");
    return err ? error_set(e, err, ROUTER_MAP, "the damaged file cannot be set aside", "无法移开损坏的文件") : 0;
}

static int load(struct ts_router *r, struct error *e)
{
    void *p = NULL;
    size_t n = 0;
    int err = fs_read_all(r->cfg.fs, ROUTER_MAP, 64 + ROUTER_POINTS_MAX * 3ull, &p, &n);
    if (err == ERR_NOT_FOUND) return 0;
    if (!err) err = router_map_decode(r, str_make(p, n));
    mem_free(p);
    if (err == ERR_CORRUPT) return set_aside(r, e);
    for (size_t i = 1; i < TS_SLOTS && !err; i++) {
        if (!r->slot[i].id[0]) continue;
        snprintf(r->slot[i].code, sizeof r->slot[i].code, "%s", r->slot[i].id);
        err = open_queue(r, i, e);
    }
    return err;
}

int ts_router_open(const struct ts_router_config *cfg, struct ts_store **ret, struct error *e)
{
    struct ts_router *r = mem_calloc(1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    r->base.ops = &ops;
    r->cfg = *cfg;
    if (!r->cfg.clock) r->cfg.clock = clock_real();
    r->embedded.st = cfg->engine;
    r->embedded.refs = 1;
    pthread_rwlock_init(&r->lock, NULL);
    pthread_mutex_init(&r->writing, NULL);
    pthread_mutex_init(&r->listening, NULL);
    for (size_t i = 0; i < TS_CLASSES; i++) r->route[i] = (struct route){0, TS_NO_SLOT, TS_NO_SLOT};
    int err = load(r, e);
    look(r);
    if (err) {
        route_close(&r->base);
        return err;
    }
    *ret = &r->base;
    return 0;
}
