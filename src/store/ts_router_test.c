/* ts_router_test.c - the router over stores in memory: where samples go and are found, queues before engines that fail,
 * power cuts, refusals, mirrors, moving a class; random changes against one plain array. */
#include <time.h>
#include "io/sim_fs.h"
#include "store/ts_router_int.h"
#include "store/ts_test.h"

#define MAX 8
struct bench {
    struct fs *fs;
    struct mem_store *own, *remote[MAX]; /* remote: as the address says, "0".. */
    struct ts_store *st;
    struct error e;
    _Atomic unsigned events[4];
};
static struct bench *current; /* for `open_fake`: tests run one after another */

/* Its data outlives the handle that the router holds. */
struct fake {
    struct ts_store base;
    struct mem_store *m;
};
static int fake_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    return mem_append(&((struct fake *)st)->m->base, s, n, e);
}
static int fake_scan(struct ts_store *st, uint32_t p, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx,
                     struct error *e)
{
    return mem_scan(&((struct fake *)st)->m->base, p, from, to, fn, ctx, e);
}
static int fake_before(struct ts_store *st, uint32_t p, int64_t at, struct sample *ret)
{
    return mem_before(&((struct fake *)st)->m->base, p, at, ret);
}
static int fake_after(struct ts_store *st, uint32_t p, int64_t at, struct sample *ret)
{
    return mem_after(&((struct fake *)st)->m->base, p, at, ret);
}
static int fake_remove(struct ts_store *st, uint32_t p, int64_t from, int64_t to, struct error *e)
{
    return mem_remove(&((struct fake *)st)->m->base, p, from, to, e);
}
static int fake_summary(struct ts_store *st, uint32_t p, int64_t from, int64_t to, bool step, struct ts_summary *ret,
                        struct error *e)
{
    return ts_summary_by_scan(st, p, from, to, step, ret, e);
}
static void fake_stats(struct ts_store *st, struct ts_stats *ret)
{
    *ret = (struct ts_stats){0};
}
static void fake_close(struct ts_store *st)
{
    mem_free(st);
}
static int open_fake(const struct ts_remote_config *cfg, struct ts_store **ret, struct error *e)
{
    static const struct ts_store_ops ops = {
        .name = "fake",
        .append = fake_append,
        .scan = fake_scan,
        .before = fake_before,
        .after = fake_after,
        .remove = fake_remove,
        .summary = fake_summary,
        .stats = fake_stats,
        .close = fake_close,
    };
    if (strcmp(cfg->url, "wrong") == 0) return error_set(e, ERR_INVALID, "url", "not right", "不正确");
    struct fake *f = mem_calloc(1, sizeof *f);
    f->base.ops = &ops;
    f->m = current->remote[cfg->url[0] - '0'];
    *ret = &f->base;
    return 0;
}

static void on_event(void *ctx, const char *id, const char *code, enum ts_queue_event ev, uint64_t n,
                     const struct error *why)
{
    ((struct bench *)ctx)->events[ev]++;
}

static int up(struct bench *b)
{
    struct ts_router_config c = {.engine = &b->own->base, .fs = b->fs, .retry_ms = 1, .open = open_fake};
    int err = ts_router_open(&c, &b->st, &b->e);
    if (err) test_fail(__FILE__, __LINE__, "open: %s", b->e.text);
    if (!err) ts_router_listen(b->st, on_event, b);
    return err;
}

static bool begin(struct bench *b)
{
    memset(b, 0, sizeof *b);
    current = b;
    b->own = mem_store_new();
    for (int i = 0; i < MAX; i++) b->remote[i] = mem_store_new();
    b->fs = sim_fs_new();
    return b->fs && up(b) == 0;
}

/* What was not synced is gone, or not. */
static void power_cut(struct bench *b, uint64_t seed)
{
    struct fs *after = sim_fs_power_cut(b->fs, seed);
    b->st->ops->close(b->st);
    fs_destroy(b->fs);
    b->fs = after;
    (void)!up(b);
}

static void end(struct bench *b)
{
    b->st->ops->close(b->st);
    for (int i = 0; i < MAX; i++) mem_close(&b->remote[i]->base);
    mem_close(&b->own->base);
    fs_destroy(b->fs);
}

static void engines(struct bench *b, unsigned n)
{
    static const char *const url[] = {"0", "1", "2", "3"};
    struct ts_router_engine e[4];
    char id[4][37];
    for (unsigned i = 0; i < n; i++) {
        snprintf(id[i], sizeof id[i], "0000-%u", i);
        e[i] = (struct ts_router_engine){
            .id = id[i], .code = id[i], .stamp = 1, .remote = {.engine = "influxdb", .url = url[i], .batch = 50}};
    }
    CHECK_INT(ts_router_engines(b->st, e, n, &b->e), 0);
}

static void classes(struct bench *b, const char *engine1, const char *mirror1, const char *engine2)
{
    struct ts_router_class c[2] = {{.id = 1}, {.id = 2}};
    snprintf(c[0].engine, sizeof c[0].engine, "%s", engine1);
    snprintf(c[0].mirror, sizeof c[0].mirror, "%s", mirror1);
    snprintf(c[1].engine, sizeof c[1].engine, "%s", engine2);
    CHECK_INT(ts_router_classes(b->st, c, 2, &b->e), 0);
}

static void put(struct bench *b, uint32_t point, int64_t t, double v)
{
    struct sample s = {.time_us = t, .point = point, .type = SAMPLE_DOUBLE, .v.d = v};
    int err = b->st->ops->append(b->st, &s, 1, &b->e);
    if (err) test_fail(__FILE__, __LINE__, "append: %s", b->e.text);
}

static double at(struct bench *b, uint32_t point, int64_t t)
{
    struct sample s;
    return b->st->ops->before(b->st, point, t, &s) == 0 && s.time_us == t ? s.v.d : NAN;
}

struct sum {
    size_t n;
    int64_t last;
    bool disorder;
    double v[64];
};
static int add(void *ctx, const struct sample *s, size_t n)
{
    struct sum *x = ctx;
    for (size_t i = 0; i < n; i++) {
        if (x->n && s[i].time_us <= x->last) x->disorder = true;
        x->last = s[i].time_us;
        if (x->n < 64) x->v[x->n] = s[i].v.d;
        x->n++;
    }
    return 0;
}
static struct sum all(struct bench *b, uint32_t point)
{
    struct sum x = {0};
    int err = b->st->ops->scan(b->st, point, 0, INT64_MAX, add, &x, &b->e);
    if (err) test_fail(__FILE__, __LINE__, "scan: %s", b->e.text);
    CHECK(!x.disorder);
    return x;
}

static struct ts_queue_status found;
static void take_status(void *ctx, const struct ts_router_status *s)
{
    if (strcmp(s->id, ctx) == 0) found = s->queue;
}
static struct ts_queue_status status(struct bench *b, const char *id)
{
    char copy[37];
    snprintf(copy, sizeof copy, "%s", id);
    found = (struct ts_queue_status){0};
    ts_router_each(b->st, take_status, copy);
    return found;
}
static void settle(struct bench *b, const char *id)
{
    uint8_t slot = 0;
    CHECK_INT(ts_router_slot(b->st, id, &slot), 0);
    CHECK_INT(ts_router_settle(b->st, slot, 10000), 0);
}

TEST(points_without_class_stay_here)
{
    struct bench b;
    REQUIRE(begin(&b));
    put(&b, 7, 10, 1.5);
    CHECK_DBL(at(&b, 7, 10), 1.5, 0);
    CHECK_INT(b.own->n, 1);
    engines(&b, 1);
    put(&b, 7, 20, 2.5);
    CHECK_INT(b.own->n, 2);
    CHECK_INT(b.remote[0]->n, 0);
    end(&b);
}

TEST(a_class_goes_to_its_engine_and_its_mirror)
{
    struct bench b;
    REQUIRE(begin(&b));
    put(&b, 7, 10, 1);
    engines(&b, 2);
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){7, 8}, (uint8_t[]){1, 0}, 2), 0);
    classes(&b, "0000-0", "0000-1", "");
    put(&b, 7, 20, 2);
    put(&b, 8, 20, 8);
    settle(&b, "0000-0");
    settle(&b, "0000-1");
    CHECK_INT(b.own->n, 2);
    CHECK_INT(b.remote[0]->n, 1);
    CHECK_INT(b.remote[1]->n, 1);
    struct sum x = all(&b, 7); /* what was here before is still found */
    CHECK_INT(x.n, 2);
    put(&b, 7, 10, 5); /* written again: the present engine wins */
    CHECK_DBL(all(&b, 7).v[0], 5, 0);
    settle(&b, "0000-0");
    CHECK_DBL(all(&b, 7).v[0], 5, 0);
    CHECK_DBL(at(&b, 7, 10), 5, 0);
    CHECK_INT(all(&b, 7).n, 2);
    classes(&b, "", "", "");
    put(&b, 7, 20, 9); /* and back */
    CHECK_DBL(at(&b, 7, 20), 9, 0);
    CHECK_INT(all(&b, 7).n, 2);
    CHECK_DBL(all(&b, 7).v[1], 9, 0);
    end(&b);
}

TEST(an_engine_that_is_down_costs_nothing)
{
    struct bench b;
    struct sample s;
    REQUIRE(begin(&b));
    engines(&b, 1);
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){7}, (uint8_t[]){1}, 1), 0);
    classes(&b, "0000-0", "", "");
    b.remote[0]->fail = ERR_UNAVAILABLE;
    for (int i = 1; i <= 30; i++) put(&b, 7, i * 10, i);
    CHECK_INT(all(&b, 7).n, 30); /* from memory */
    CHECK_INT(b.st->ops->after(b.st, 7, 101, &s), 0);
    CHECK_INT(s.time_us, 110);
    CHECK_INT(status(&b, "0000-0").pending, 30);
    for (int i = 0; i < 5000 && status(&b, "0000-0").up; i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
    CHECK(!status(&b, "0000-0").up);
    CHECK_Z(status(&b, "0000-0").error.text, "refused");
    b.st->ops->close(b.st); /* the power is off for a while */
    REQUIRE(up(&b) == 0);
    put(&b, 7, 310, 31); /* nobody has told yet which engines there are */
    CHECK_INT(b.own->n, 0);
    struct sum none = {0};
    CHECK_INT(b.st->ops->scan(b.st, 7, 0, 1000, add, &none, &b.e), ERR_UNAVAILABLE);
    engines(&b, 1);
    CHECK_INT(all(&b, 7).n, 31);
    b.remote[0]->fail = 0;
    settle(&b, "0000-0");
    CHECK_INT(b.remote[0]->n, 31);
    CHECK_INT(all(&b, 7).n, 31);
    CHECK_INT(status(&b, "0000-0").pending, 0);
    CHECK(b.events[TS_QUEUE_DOWN] >= 1);
    end(&b);
}

TEST(what_is_refused_stands_alone)
{
    struct bench b;
    REQUIRE(begin(&b));
    engines(&b, 1);
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){7, 8}, (uint8_t[]){1, 1}, 2), 0);
    classes(&b, "0000-0", "", "");
    b.remote[0]->fail = ERR_UNAVAILABLE;
    for (int i = 1; i <= 40; i++) put(&b, i == 17 ? 8 : 7, i * 10, i);
    b.remote[0]->refuse = 8;
    b.remote[0]->fail = 0;
    settle(&b, "0000-0");
    CHECK_INT(b.remote[0]->n, 39);
    CHECK_INT(status(&b, "0000-0").failed, 1);
    CHECK_INT(status(&b, "0000-0").sent, 39);
    for (int i = 0; i < 5000 && !b.events[TS_QUEUE_REFUSED]; i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
    CHECK_INT(b.events[TS_QUEUE_REFUSED], 1); /* told right after */
    put(&b, 8, 500, 1);                       /* alone: patience first, then out of the way */
    put(&b, 7, 510, 1);
    settle(&b, "0000-0");
    CHECK_INT(b.remote[0]->n, 40);
    end(&b);
}

TEST(engines_with_wrong_settings_only_queue)
{
    struct bench b;
    REQUIRE(begin(&b));
    struct ts_router_engine e = {.id = "x", .code = "X", .stamp = 1, .remote = {.engine = "influxdb", .url = "wrong"}};
    CHECK_INT(ts_router_engines(b.st, &e, 1, &b.e), 0);
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){7}, (uint8_t[]){1}, 1), 0);
    classes(&b, "x", "", "");
    put(&b, 7, 10, 1);
    CHECK(!status(&b, "x").up);
    CHECK_Z(status(&b, "x").error.text, "not right");
    e.stamp = 2;
    e.remote.url = "3";
    CHECK_INT(ts_router_engines(b.st, &e, 1, &b.e), 0);
    settle(&b, "x");
    CHECK_INT(b.remote[3]->n, 1);
    CHECK_INT(ts_router_engines(b.st, NULL, 0, &b.e), 0); /* gone: its class is here again */
    put(&b, 7, 20, 2);
    CHECK_INT(b.own->n, 1);
    CHECK_INT(all(&b, 7).n, 1);
    end(&b);
}

TEST(moving_a_class)
{
    struct bench b;
    uint8_t slot = 0;
    REQUIRE(begin(&b));
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){7}, (uint8_t[]){1}, 1), 0);
    for (int i = 1; i <= 20; i++) put(&b, 7, i * 10, i);
    engines(&b, 1);
    classes(&b, "", "", "");
    CHECK_INT(ts_router_slot(b.st, "0000-0", &slot), 0);
    CHECK_INT(ts_router_slot(b.st, "0000-9", &slot), ERR_NOT_FOUND);
    CHECK_INT(ts_router_copy_to(b.st, 1, slot, &b.e), 0);
    put(&b, 7, 300, 30); /* to both */
    settle(&b, "0000-0");
    CHECK_INT(b.remote[0]->n, 1);
    CHECK_INT(ts_router_write(b.st, slot, b.own->s, b.own->n, &b.e), 0);
    CHECK_INT(b.remote[0]->n, 21);
    CHECK_INT(ts_router_switch(b.st, 1, slot, (uint32_t[]){7}, 1, &b.e), 0);
    CHECK_INT(ts_router_places(b.st, 7), 1 << slot);
    put(&b, 7, 400, 40);
    CHECK_INT(b.own->n, 21);
    CHECK_INT(b.st->ops->remove(b.st, 7, 0, 105, &b.e), 0);
    CHECK_INT(b.own->n, 21); /* no place of this point any more */
    CHECK_INT(all(&b, 7).n, 12);
    b.st->ops->close(b.st);
    REQUIRE(up(&b) == 0);
    engines(&b, 1);
    CHECK_INT(ts_router_places(b.st, 7), 1 << slot);
    CHECK_INT(all(&b, 7).n, 12);
    end(&b);
}

static void put_blob(struct bench *b, uint32_t point, int64_t t, uint64_t id)
{
    struct sample s = {.time_us = t, .point = point, .type = SAMPLE_BLOB, .v.u = id};
    CHECK_INT(b->st->ops->append(b->st, &s, 1, &b->e), 0);
}

TEST(blobs_stay_here)
{
    struct bench b;
    uint8_t slot = 0;
    struct sample s;
    REQUIRE(begin(&b));
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){7, 8}, (uint8_t[]){1, 1}, 2), 0);
    engines(&b, 1);
    classes(&b, "0000-0", "", "");
    CHECK_INT(ts_router_slot(b.st, "0000-0", &slot), 0);
    CHECK_INT(ts_router_places(b.st, 7) & 1, 1); /* from before */
    CHECK_INT(ts_router_switch(b.st, 1, slot, (uint32_t[]){7, 8}, 2, &b.e), 0);
    CHECK_INT(ts_router_places(b.st, 7) & 1, 0);
    put(&b, 7, 10, 1);
    put_blob(&b, 7, 20, UINT64_C(5) << 32);
    put(&b, 7, 30, 3);
    settle(&b, "0000-0");
    CHECK_INT(b.remote[0]->n, 2);
    CHECK_INT(b.own->n, 1);
    CHECK_INT(all(&b, 7).n, 3); /* in one order */
    CHECK(b.st->ops->before(b.st, 7, 25, &s) == 0 && s.type == SAMPLE_BLOB && s.v.u == UINT64_C(5) << 32);
    b.st->ops->close(b.st);
    REQUIRE(up(&b) == 0); /* the map remembers */
    engines(&b, 1);
    CHECK_INT(all(&b, 7).n, 3);
    CHECK_INT(ts_router_places(b.st, 8) & 1, 0);
    CHECK_INT(ts_router_switch(b.st, 1, slot, (uint32_t[]){7, 8}, 2, &b.e), 0); /* moving the class leaves them */
    CHECK_INT(ts_router_places(b.st, 7), 1 << slot | 1);
    CHECK_INT(ts_router_places(b.st, 8), 1 << slot);
    CHECK_INT(all(&b, 7).n, 3);
    end(&b);
}

/* One model for all places: whatever is switched, fails or restarts, the same samples are read. */
static void compare(struct bench *b, struct mem_store *model, uint32_t point, struct dice *d)
{
    struct sum want = {0}, got = {0};
    int64_t from = (int64_t)roll(d, 3000), to = from + (int64_t)roll(d, 3000);
    (void)!mem_scan(&model->base, point, from, to, add, &want, NULL);
    int err = b->st->ops->scan(b->st, point, from, to, add, &got, &b->e);
    if (err || got.disorder || got.n != want.n || memcmp(got.v, want.v, sizeof got.v) != 0)
        test_fail(__FILE__, __LINE__, "point %u [%lld, %lld): %d, %zu samples, want %zu", point, (long long)from,
                  (long long)to, err, got.n, want.n);
    struct sample w = {0}, g = {0};
    int a = mem_before(&model->base, point, from, &w), c = b->st->ops->before(b->st, point, from, &g);
    if (a != c || w.time_us != g.time_us || w.v.u != g.v.u)
        test_fail(__FILE__, __LINE__, "before %lld", (long long)from);
    w = g = (struct sample){0};
    a = mem_after(&model->base, point, from, &w), c = b->st->ops->after(b->st, point, from, &g);
    if (a != c || w.time_us != g.time_us || w.v.u != g.v.u)
        test_fail(__FILE__, __LINE__, "after %lld", (long long)from);
}

TEST(the_same_wherever_it_lies)
{
    static const char *const way[] = {"", "0000-0", "0000-1", "0000-2"}; /* no class comes back to where it was */
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct bench b;
        struct dice d = {seed};
        unsigned at1 = 0, at2 = 0;
        REQUIRE(begin(&b));
        struct mem_store *model = mem_store_new();
        b.own->batch = 7;
        for (int i = 0; i < 3; i++) b.remote[i]->batch = 5;
        engines(&b, 3);
        CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){1, 2, 3}, (uint8_t[]){1, 2, 1}, 3), 0);
        for (int step = 0; step < 400; step++) {
            struct sample s[20];
            size_t n = 1 + (size_t)roll(&d, 20);
            for (size_t i = 0; i < n; i++)
                s[i] = (struct sample){.time_us = (int64_t)roll(&d, 4000),
                                       .point = 1 + (uint32_t)roll(&d, 4),
                                       .type = SAMPLE_DOUBLE,
                                       .v.d = step + (double)i / 100};
            CHECK_INT(b.st->ops->append(b.st, s, n, &b.e), 0);
            for (size_t i = 0; i < n; i++) mem_put(model, &s[i]);
            if (roll(&d, 60) == 0 && at1 < 3) classes(&b, way[++at1], "", way[at2]);
            if (roll(&d, 60) == 0 && at2 < 3) classes(&b, way[at1], "", way[++at2]);
            if (roll(&d, 20) == 0) b.remote[roll(&d, 3)]->fail = roll(&d, 2) ? ERR_UNAVAILABLE : 0;
            if (roll(&d, 60) == 0) {
                power_cut(&b, seed * 1000 + (uint64_t)step);
                engines(&b, 3);
            }
            if (step % 4 == 0) compare(&b, model, 1 + (uint32_t)roll(&d, 4), &d);
        }
        for (int i = 0; i < 3; i++) b.remote[i]->fail = 0;
        settle(&b, "0000-0");
        settle(&b, "0000-1");
        settle(&b, "0000-2");
        for (uint32_t p = 1; p <= 4; p++) compare(&b, model, p, &d);
        mem_close(&model->base);
        end(&b);
    }
}

TEST(a_damaged_map_is_no_map)
{
    struct bench b;
    struct buf out;
    struct ts_router *r = mem_calloc(2, sizeof *r);
    REQUIRE(begin(&b));
    engines(&b, 2);
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){70}, (uint8_t[]){1}, 1), 0);
    classes(&b, "0000-0", "0000-1", "");
    buf_init(&out, 1 << 20);
    router_map_encode((struct ts_router *)b.st, &out);
    CHECK_INT(router_map_decode(r, buf_view(&out)), 0);
    CHECK_Z(r->slot[2].id, "0000-1");
    CHECK_INT(r->places[70], 3);
    CHECK_INT(r->route[1].mirror, 2);
    for (size_t i = 0; i < out.n; i++) {
        out.p[i] ^= 0x10;
        CHECK_INT(router_map_decode(&r[1], buf_view(&out)), ERR_CORRUPT);
        out.p[i] ^= 0x10;
        CHECK_INT(router_map_decode(&r[1], str_make((char *)out.p, i)), ERR_CORRUPT);
    }
    put(&b, 70, 10, 1);
    settle(&b, "0000-0");
    classes(&b, "", "", "");
    put(&b, 70, 20, 2);
    b.st->ops->close(b.st); /* damaged on disk: set aside, everything is found nevertheless */
    CHECK_INT(fs_replace(b.fs, ROUTER_MAP, out.p, out.n - 1), 0);
    REQUIRE(up(&b) == 0);
    engines(&b, 2);
    classes(&b, "", "", "");
    CHECK_INT(all(&b, 70).n, 2);
    CHECK_INT(b.st->ops->classify(b.st, (uint32_t[]){70, 71}, (uint8_t[]){1, 0}, 2), 0);
    CHECK_INT(all(&b, 70).n, 2);
    buf_fini(&out);
    mem_free(r->class_of);
    mem_free(r->places);
    mem_free(r);
    end(&b);
}
