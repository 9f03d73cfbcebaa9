/* line_cache_test.c - the memory of series: found by guess and by hash, forgotten by point, begun anew, given back. */
#include "base/mem.h"
#include "base/test.h"
#include "core/auth/auth.h"
#include "io/clock.h"
#include "modules/history/line_int.h"

struct rig {
    struct sim_clock clock;
    struct node node;
    struct line_map map;
    struct principal who;
    struct api_call call;
};

static struct line_cache *open_rig(struct rig *r, const char *database)
{
    *r = (struct rig){.who.key = {7}};
    sim_clock_init(&r->clock, 1780000000000000LL);
    r->node.clock = &r->clock.clock;
    r->map.node = &r->node;
    r->call.who = &r->who;
    pthread_mutex_init(&r->map.lock, NULL);
    return line_cache_get(&r->map, &r->call, str_of(database));
}

static void keep(struct line_cache *k, int i, uint32_t num)
{
    char series[40];
    struct line_seen seen = {.code = "X", .why = {.code = ERR_NOT_FOUND, .text = "none", .text_zh = "无"}};
    snprintf(series, sizeof series, "m,point=P%d", i);
    CHECK_INT(line_cache_keep(k, str_of(series), STR("value"), num, &seen, atomic_load(&k->map->generation)), 0);
}

static uint32_t find(struct line_cache *k, int i, uint32_t *at)
{
    char series[40];
    snprintf(series, sizeof series, "m,point=P%d", i);
    line_cache_lock(k);
    uint32_t num = line_cache_find(k, str_of(series), STR("value"), at);
    line_cache_unlock(k);
    return num;
}

TEST(found_in_any_order)
{
    struct rig r;
    struct line_cache *k = open_rig(&r, "db");
    uint32_t at = 0;
    CHECK(find(k, 1, &at) == LINE_UNSEEN);
    for (int i = 0; i < 5000; i++) keep(k, i, (uint32_t)i + 1);
    for (int i = 0; i < 5000; i++) CHECK_INT(find(k, i, &at), i + 1);
    for (int i = 4999; i >= 0; i -= 7) CHECK_INT(find(k, i, &at), i + 1);
    line_cache_lock(k);
    CHECK(line_cache_find(k, STR("m,point=P1"), STR("valu"), &at) == LINE_UNSEEN);
    CHECK(line_cache_find(k, STR("m,point=P1v"), STR("alue"), &at) == LINE_UNSEEN); /* the same bytes, cut elsewhere */
    line_cache_unlock(k);
    line_cache_put(k);
    line_caches_free(&r.map);
    CHECK_INT(atomic_load(&r.map.bytes), 0);
}

TEST(what_means_no_point_is_looked_at_again)
{
    struct rig r;
    struct line_cache *k = open_rig(&r, "");
    struct line_seen seen;
    uint32_t at = 0;
    keep(k, 1, 0);
    CHECK_INT(find(k, 1, &at), 0);
    CHECK(line_cache_why(k, at, &seen));
    CHECK_Z(seen.why.text, "none");
    CHECK_Z(seen.code, "X");
    sim_clock_advance(&r.clock, 60000000);
    CHECK(find(k, 1, &at) == LINE_UNSEEN);
    keep(k, 1, 9);
    CHECK_INT(find(k, 1, &at), 9);
    CHECK(!line_cache_why(k, at, &seen));
    line_cache_put(k);
    line_caches_free(&r.map);
}

TEST(changes_take_entries_out)
{
    struct rig r;
    struct line_cache *k = open_rig(&r, "db");
    uint32_t at = 0, gone[] = {30, 2, 11};
    for (int i = 0; i < 40; i++) keep(k, i, (uint32_t)i + 1);
    keep(k, 50, 0);
    line_caches_forget(&r.map, gone, 3);
    for (int i = 0; i < 40; i++) {
        bool out = i == 29 || i == 1 || i == 10;
        CHECK_INT(find(k, i, &at), out ? LINE_UNSEEN : (uint32_t)i + 1);
    }
    CHECK(find(k, 50, &at) == LINE_UNSEEN); /* a point may have come */
    struct line_seen none = {0};
    unsigned before = atomic_load(&r.map.generation);
    atomic_fetch_add(&r.map.generation, 1);
    CHECK_INT(line_cache_keep(k, STR("late"), STR("value"), 5, &none, before), 0); /* found before the change */
    line_cache_lock(k);
    CHECK(line_cache_find(k, STR("late"), STR("value"), &at) == LINE_UNSEEN);
    line_cache_unlock(k);
    line_caches_forget(&r.map, NULL, 0);
    CHECK(find(k, 5, &at) == LINE_UNSEEN);
    line_cache_put(k);
    line_caches_free(&r.map);
}

TEST(one_for_each_caller_and_database)
{
    struct rig r;
    struct line_cache *k = open_rig(&r, "a"), *again = line_cache_get(&r.map, &r.call, STR("a"));
    CHECK(k == again);
    line_cache_put(again);
    for (int i = 0; i < 100; i++) { /* more than there is room for: the one unused longest goes */
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        struct line_cache *other = line_cache_get(&r.map, &r.call, str_of(name));
        CHECK(other && other != k);
        line_cache_put(other);
    }
    r.who.key[0] = 8;
    struct line_cache *his = line_cache_get(&r.map, &r.call, STR("a"));
    CHECK(his != k);
    line_cache_put(his);
    line_cache_put(k);
    line_caches_free(&r.map);
    CHECK_INT(atomic_load(&r.map.bytes), 0);
}
