/* arrow_ipc_test.c - frames, alignment and bodies of Arrow streams; that others can read them is tested from outside
 * (tests/doors.test.mjs, with the apache-arrow package). */
#include "proto/arrow_ipc.h"
#include "base/test.h"

static const struct arrow_column columns[] = {{STR("point"), ARROW_DICT, false},
                                              {STR("time"), ARROW_TIME, false},
                                              {STR("value"), ARROW_F64, true},
                                              {STR("text"), ARROW_UTF8, true},
                                              {STR("quality"), ARROW_U8, false}};

static uint32_t u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static int64_t i64(const uint8_t *p)
{
    int64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Place of a slot of a table, 0: absent; as a reader of FlatBuffers finds it. */
static size_t slot(const uint8_t *fb, size_t at, unsigned i)
{
    uint16_t size, rel;
    const uint8_t *v = fb + at - u32(fb + at);
    memcpy(&size, v, 2);
    if (4 + 2 * i + 2 > size) return 0;
    memcpy(&rel, v + 4 + 2 * i, 2);
    return rel ? at + rel : 0;
}
static size_t follow(const uint8_t *fb, size_t at)
{
    return at + u32(fb + at);
}

TEST(schema_is_a_table_of_fields)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    arrow_schema(&b, columns, 5);
    REQUIRE(!b.err && b.n % 8 == 0);
    CHECK(u32(b.p) == 0xffffffff && u32(b.p + 4) == b.n - 8);
    const uint8_t *fb = b.p + 8;
    size_t root = u32(fb), schema = follow(fb, slot(fb, root, 2)), fields = follow(fb, slot(fb, schema, 1));
    CHECK_INT(fb[slot(fb, root, 0)], 4);
    CHECK_INT(fb[slot(fb, root, 1)], 1);
    CHECK_INT(slot(fb, root, 3) % 8, 0);
    CHECK_INT(u32(fb + fields), 5);
    for (unsigned i = 0; i < 5; i++) {
        size_t f = follow(fb, fields + 4 + 4 * i), name = follow(fb, slot(fb, f, 0));
        CHECK_INT(u32(fb + name), columns[i].name.n);
        CHECK(memcmp(fb + name + 4, columns[i].name.p, columns[i].name.n) == 0);
        CHECK_INT(fb[slot(fb, f, 1)], columns[i].nullable);
        CHECK_INT(slot(fb, f, 4) != 0, columns[i].type == ARROW_DICT);
        CHECK_INT(u32(fb + follow(fb, slot(fb, f, 5))), 0);
    }
    buf_fini(&b);
}

TEST(batch_names_its_buffers)
{
    static const int32_t index[3] = {0, 1, 0}, at[4] = {0, 0, 3, 3};
    static const int64_t time[3] = {1, 2, 3};
    static const double value[3] = {1.5, 0, -2};
    static const uint8_t valid[1] = {5}, has_text[1] = {2}, quality[3] = {0, 2, 1};
    const struct arrow_data d[] = {{.values = index},
                                   {.values = time},
                                   {.values = value, .validity = valid, .nulls = 1},
                                   {.values = at, .validity = has_text, .nulls = 2, .bytes = (const uint8_t *)"abc"},
                                   {.values = quality}};
    static const size_t want[] = {0, 12, 0, 24, 1, 24, 1, 16, 3, 0, 3};
    struct buf b;
    buf_init(&b, 1 << 20);
    arrow_batch(&b, columns, d, 5, 3);
    REQUIRE(!b.err && b.n % 8 == 0);
    const uint8_t *fb = b.p + 8, *body = fb + u32(b.p + 4);
    size_t root = u32(fb), batch = follow(fb, slot(fb, root, 2));
    CHECK_INT(i64(fb + slot(fb, root, 3)), b.p + b.n - body);
    CHECK_INT(i64(fb + slot(fb, batch, 0)), 3);
    size_t nodes = follow(fb, slot(fb, batch, 1)), buffers = follow(fb, slot(fb, batch, 2));
    CHECK_INT(u32(fb + nodes), 5);
    CHECK_INT((nodes + 4) % 8, 0);
    CHECK_INT(i64(fb + nodes + 4 + 16 * 3 + 8), 2); /* nulls of text */
    CHECK_INT(u32(fb + buffers), 11);
    for (unsigned i = 0; i < 11; i++) {
        CHECK_INT(i64(fb + buffers + 4 + 16 * i) % 8, 0);
        CHECK_INT(i64(fb + buffers + 12 + 16 * i), want[i]);
    }
    CHECK(memcmp(body + i64(fb + buffers + 4 + 16 * 8), "abc", 3) == 0);
    CHECK(memcmp(body + i64(fb + buffers + 4 + 16 * 5), value, 24) == 0);
    buf_fini(&b);
}

TEST(dictionary_and_end)
{
    static const struct str texts[] = {STR("P1"), STR(""), STR("P22")};
    struct buf b;
    buf_init(&b, 1 << 20);
    arrow_dictionary(&b, 7, texts, 3);
    REQUIRE(!b.err && b.n % 8 == 0);
    const uint8_t *fb = b.p + 8, *body = fb + u32(b.p + 4);
    size_t dict = follow(fb, slot(fb, u32(fb), 2));
    CHECK_INT(i64(fb + slot(fb, dict, 0)), 7);
    CHECK(memcmp(body, "\0\0\0\0\2\0\0\0\2\0\0\0\5\0\0\0P1P22", 21) == 0);
    buf_clear(&b);
    arrow_end(&b);
    CHECK(b.n == 8 && u32(b.p) == 0xffffffff && u32(b.p + 4) == 0);
    buf_fini(&b);
}

TEST(a_full_buffer_is_an_error_and_nothing_else)
{
    static const struct str texts[] = {STR("P1")};
    for (size_t max = 0; max < 200; max++) {
        struct buf b;
        buf_init(&b, max);
        arrow_schema(&b, columns, 5);
        arrow_dictionary(&b, 0, texts, 1);
        CHECK(b.err && b.n <= max);
        buf_fini(&b);
    }
}
