/* The last messages: newest first, bounded in number and bytes, topics that each device has for itself apart. */
#include "base/test.h"
#include "modules/mqtt/recent.h"

static int64_t now = 1700000000000000;
static struct recent *r;

static void note(const char *topic, const char *device, enum seen_how how, size_t size, const struct error *why)
{
    static char big[RECENT_PAYLOAD * 2];
    memset(big, 'x', sizeof big);
    recent_note(r,
                &(struct seen){.topic = str_of(topic),
                               .payload = str_make(big, size),
                               .device = device,
                               .who = device[0] ? device : "ann",
                               .how = how,
                               .counted = true,
                               .mapping = "",
                               .why = why},
                now);
}

struct looking {
    const char *topic;
    const struct seen_topic *found;
    size_t n, bytes;
};

static int look(void *ctx, const struct seen_topic *t)
{
    struct looking *l = ctx;
    l->n++;
    for (unsigned i = 0; i < t->n; i++) l->bytes += t->m[i].n;
    if (strcmp(t->topic, l->topic) == 0) l->found = t;
    return 0;
}

static struct looking seen(const char *topic)
{
    struct looking l = {.topic = topic};
    (void)recent_each(r, look, &l);
    return l;
}

TEST(newest_first_and_counted)
{
    struct error why = {.text = "no", .text_zh = "否"};
    r = recent_new();
    REQUIRE(r);
    for (int i = 1; i <= 6; i++) {
        now += 1000000;
        note("a", "", i == 6 ? SEEN_REFUSED : SEEN_PASSED, (size_t)i, i == 6 ? &why : NULL);
    }
    struct looking l = seen("a");
    REQUIRE(l.found);
    CHECK_INT(l.found->n, RECENT_EACH);
    CHECK_INT(l.found->m[0].n, 6);
    CHECK_INT(l.found->m[3].n, 3);
    CHECK_INT(l.found->passed, 5);
    CHECK_INT(l.found->refused, 1);
    CHECK_Z(l.found->why_zh, "否");
    now += 1000; /* too soon for another copy of the same outcome, but counted */
    note("a", "", SEEN_REFUSED, 9, &why);
    CHECK_INT(seen("a").found->m[0].n, 6);
    CHECK_INT(seen("a").found->refused, 2);
    recent_free(r);
}

TEST(topics_of_each_device_stand_apart)
{
    r = recent_new();
    REQUIRE(r);
    note("v1/devices/me/telemetry", "D1", SEEN_STORED, 1, NULL);
    note("v1/devices/me/telemetry", "D2", SEEN_STORED, 1, NULL);
    note("shared", "D1", SEEN_STORED, 1, NULL);
    note("shared", "D2", SEEN_STORED, 1, NULL);
    CHECK_INT(seen("").n, 3);
    recent_free(r);
}

TEST(bounds_hold_and_the_oldest_goes)
{
    char topic[32];
    r = recent_new();
    REQUIRE(r);
    for (int i = 0; i < RECENT_TOPICS + 10; i++) {
        now += 1000;
        snprintf(topic, sizeof topic, "t/%d", i);
        note(topic, "", SEEN_PASSED, RECENT_PAYLOAD + 100, NULL);
    }
    struct looking l = seen("t/0");
    CHECK(l.n <= RECENT_TOPICS && l.bytes <= RECENT_BYTES && l.bytes > RECENT_BYTES / 2);
    CHECK(l.found == NULL);
    l = seen(topic);
    REQUIRE(l.found);
    CHECK_INT(l.found->m[0].n, RECENT_PAYLOAD);
    CHECK_INT(l.found->m[0].size, RECENT_PAYLOAD + 100);
    recent_free(r);
}
