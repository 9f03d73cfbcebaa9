/* The short way takes what it should and nothing else; what it takes is what the long way would decode. */
#include "base/test.h"
#include "base/mem.h"
#include "base/time.h"
#include "modules/push/push.h"

#define NOW 1700000000000000LL

static struct push p;
static struct push_device d;

static void key(const char *name, uint32_t num, bool text)
{
    if (!mem_grow((void **)&d.keys, &d.keys_cap, d.nkeys + 1, sizeof *d.keys)) return;
    d.keys[d.nkeys++] =
        (struct push_key){.key = mem_strdup(name), .key_n = strlen(name), .num = num, .epoch = 1, .text = text};
}

static void setup(void)
{
    p = (struct push){.epoch = 1};
    d = (struct push_device){.rate = 600, .tokens = 600, .max_keys = 10};
    key("a", 1, false);
    key("bb", 2, false);
    key("none", 0, false);
    key("s", 3, true);
}

static void teardown(void)
{
    for (size_t i = 0; i < d.nkeys; i++) mem_free(d.keys[i].key);
    mem_free(d.keys);
}

static struct sample out[PUSH_FAST_MAX];

static int take(enum push_form form, const char *text)
{
    size_t n = 0;
    int rc = push_fast(&p, &d, form, str_of(text), NOW, 1, out, &n);
    return rc ? rc : (int)n;
}

TEST(what_it_takes)
{
    setup();
    CHECK_INT(take(PUSH_THINGSBOARD, "{\"a\":1.5,\"bb\":true}"), 2);
    CHECK_DBL(out[0].v.d, 1.5, 0);
    CHECK(out[0].point == 1 && out[0].time_us == NOW && out[0].flags == 0);
    CHECK(out[1].point == 2 && out[1].type == SAMPLE_BOOL && out[1].v.i == 1);
    CHECK_INT(take(PUSH_THINGSBOARD, " { \"ts\" : 1699999999000 , \"values\" : { \"bb\" : -2e3 , \"none\" : 0 } } "),
              1);
    CHECK(out[0].time_us == NOW - 1000000 && out[0].flags == SAMPLE_FLAG_SOURCE_TIME && out[0].v.d == -2000);
    CHECK_INT(take(PUSH_THINGSBOARD, "{\"values\":{\"a\":false},\"ts\":1699990000000}"), 1);
    CHECK(out[0].flags == (SAMPLE_FLAG_SOURCE_TIME | SAMPLE_FLAG_BACKFILL) && out[0].v.i == 0);
    CHECK_INT(take(PUSH_OWN, "{\"values\":{\"a\":7}}"), 1);
    CHECK_INT(take(PUSH_OWN, "{\"t\":1699999999000,\"values\":{\"a\":7,\"bb\":8}}"), 2);
    CHECK_INT(take(PUSH_THINGSBOARD, "{}"), 0);
    CHECK_INT(d.messages, 6);
    CHECK_INT(d.unknown, 1);
    CHECK_Z(d.keys[1].value, "8");
    teardown();
}

TEST(what_it_leaves_to_the_long_way)
{
    static const struct {
        enum push_form form;
        const char *text;
    } rows[] = {
        {PUSH_THINGSBOARD, ""},
        {PUSH_THINGSBOARD, "nonsense"},
        {PUSH_THINGSBOARD, "[{\"a\":1}]"},
        {PUSH_THINGSBOARD, "{\"a\":1"},
        {PUSH_THINGSBOARD, "{\"a\":1}x"},
        {PUSH_THINGSBOARD, "{\"a\":1,}"},
        {PUSH_THINGSBOARD, "{\"a\":01}"},
        {PUSH_THINGSBOARD, "{\"a\":1.}"},
        {PUSH_THINGSBOARD, "{\"a\":.5}"},
        {PUSH_THINGSBOARD, "{\"a\":-}"},
        {PUSH_THINGSBOARD, "{\"a\":1e}"},
        {PUSH_THINGSBOARD, "{\"a\":+1}"},
        {PUSH_THINGSBOARD, "{\"a\":null}"},
        {PUSH_THINGSBOARD, "{\"a\":\"x\"}"},
        {PUSH_THINGSBOARD, "{\"a\":{}}"},
        {PUSH_THINGSBOARD, "{\"a\":tru}"},
        {PUSH_THINGSBOARD, "{\"a\":1,\"a\":2}"},
        {PUSH_THINGSBOARD, "{\"new\":1}"},
        {PUSH_THINGSBOARD, "{\"s\":1}"},
        {PUSH_THINGSBOARD, "{\"\\u0061\":1}"},
        {PUSH_THINGSBOARD, "{\"a\":1e999}"},
        {PUSH_THINGSBOARD, "{\"ts\":1699999999000}"},
        {PUSH_THINGSBOARD, "{\"values\":{\"a\":1}}"},
        {PUSH_THINGSBOARD, "{\"ts\":1699999999000.5,\"values\":{\"a\":1}}"},
        {PUSH_THINGSBOARD, "{\"ts\":1000,\"values\":{\"a\":1}}"},          /* 1970 */
        {PUSH_THINGSBOARD, "{\"ts\":1700009999000,\"values\":{\"a\":1}}"}, /* ahead */
        {PUSH_THINGSBOARD, "{\"ts\":1699999999000,\"bb\":1,\"values\":{\"a\":1}}"},
        {PUSH_THINGSBOARD, "{\"ts\":1699999999000,\"values\":{\"a\":1},\"values\":{}}"},
        {PUSH_OWN, "{\"a\":1}"},
        {PUSH_OWN, "{\"values\":{\"a\":{\"v\":1}}}"},
        {PUSH_OWN, "{\"t\":\"now\",\"values\":{\"a\":1}}"},
    };
    setup();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (take(rows[i].form, rows[i].text) != ERR_AGAIN) test_fail(__FILE__, __LINE__, "taken: %s", rows[i].text);
    CHECK_INT(d.messages, 0);
    CHECK_DBL(d.tokens, 600, 0);
    p.epoch = 2; /* a point was deleted: keys are looked for again */
    CHECK_INT(take(PUSH_THINGSBOARD, "{\"a\":1}"), ERR_AGAIN);
    teardown();
}

TEST(rate_and_the_servers_clock)
{
    setup();
    d.tokens = 1;
    d.server_clock = true;
    CHECK_INT(take(PUSH_THINGSBOARD, "{\"ts\":1000,\"values\":{\"a\":1}}"), 1);
    CHECK(out[0].time_us == NOW && out[0].flags == 0);
    CHECK_INT(take(PUSH_THINGSBOARD, "{\"a\":1}"), ERR_LIMIT);
    teardown();
}

/* Every message that the short way takes, the long way decodes to the same values. */
TEST(both_ways_agree)
{
    static const char *const texts[] = {"{\"a\":1.25e2,\"bb\":-0}",
                                        "{\"ts\":1699999999000,\"values\":{\"a\":0.1,\"bb\":12345678901234567890}}",
                                        "{\"bb\":1E-7}", "{\n\"a\"\t:\r0 }"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        AUTO_ARENA a;
        struct json *body;
        struct pushed *values;
        size_t n = 0;
        setup();
        arena_init(&a, 1 << 20);
        int took = take(PUSH_THINGSBOARD, texts[i]);
        CHECK_INT(json_parse(&a, str_of(texts[i]), &body, NULL), 0);
        CHECK_INT(push_decode(&a, PUSH_THINGSBOARD, body, &values, &n, NULL), 0);
        CHECK_INT(took, n);
        for (size_t k = 0; k < n && (int)n == took; k++) CHECK_DBL(out[k].v.d, json_double(values[k].v, 99), 0);
        teardown();
    }
}
