/* parquet_test.c - files that others wrote (golden/README.md), read back value by value; and damaged ones. */
#include "proto/parquet.h"
#include <math.h>
#include "base/mem.h"
#include "base/test.h"
#include "proto/snappy.h"

struct file {
    uint8_t *p;
    size_t n;
};

static int read_bytes(void *ctx, uint64_t at, void *p, size_t n, struct error *e)
{
    const struct file *f = ctx;
    if (at > f->n || n > f->n - at) test_fail(__FILE__, __LINE__, "outside of the file");
    memcpy(p, f->p + at, n);
    return 0;
}

static bool load(const char *name, struct file *f)
{
    char path[200];
    snprintf(path, sizeof path, "src/proto/golden/%s", name);
    FILE *in = fopen(path, "rb");
    if (!in) return false;
    f->p = mem_alloc(1 << 20);
    f->n = fread(f->p, 1, 1 << 20, in);
    fclose(in);
    return f->n > 0;
}

static size_t column(const struct parquet *p, const char *name)
{
    for (size_t i = 0; i < parquet_columns(p); i++)
        if (str_is(parquet_column(p, i), name)) return i;
    test_fail(__FILE__, __LINE__, "no column %s", name);
    return 0;
}

#define T0 INT64_C(1767323045678901) /* 2026-01-02 03:04:05.678901 UTC */

static void check_numbers(const struct parquet *p, const struct parquet_value *v, int64_t i)
{
    const struct parquet_value *n = &v[column(p, "n")];
    CHECK(v[column(p, "i32")].type == PARQUET_INT && v[column(p, "i32")].i == i);
    CHECK_INT(v[column(p, "i64")].i, i * 1000003);
    CHECK_DBL(v[column(p, "d")].d, (double)i / 8, 0);
    CHECK_DBL(v[column(p, "f")].d, (double)((float)((double)i / 3)), 0);
    CHECK(v[column(p, "b")].type == PARQUET_BOOL && v[column(p, "b")].i == (i % 2 == 0));
    CHECK(v[column(p, "de")].type == PARQUET_DOUBLE);
    CHECK_DBL(v[column(p, "de")].d, (double)i / 100, 1e-12);
    CHECK_DBL(v[column(p, "big")].d, (double)i / 10, 1e-9);
    CHECK_INT(v[column(p, "u8")].i, i % 200);
    CHECK_DBL(v[column(p, "u64")].d, 18446744073709551615.0 - (double)i, 4096);
    CHECK(n->type == (i % 3 == 0 ? PARQUET_NULL : PARQUET_DOUBLE));
    if (i % 3) CHECK_DBL(n->d, (double)i / 2, 0);
}

static void check_texts_and_times(const struct parquet *p, const struct parquet_value *v, int64_t i)
{
    static const char *const times[] = {"ts", "tz"};
    char text[40];
    const struct parquet_value *s = &v[column(p, "s")];
    CHECK(s->type == (i % 5 ? PARQUET_TEXT : PARQUET_NULL));
    snprintf(text, sizeof text, "text %d", (int)(i % 7));
    if (i % 5) CHECK(str_is(s->text, text));
    snprintf(text, sizeof text, "unique text number %d", (int)i);
    CHECK(str_is(v[column(p, "u")].text, text));
    for (size_t k = 0; k < 2; k++) CHECK_INT(v[column(p, times[k])].i, T0 + i * 1000000);
    CHECK_INT(v[column(p, "tms")].i, T0 / 1000000 * 1000000 + i * 1000000);
    CHECK_INT(v[column(p, "tns")].i, T0 / 1000000 * 1000000 + i * 1000000);
    CHECK(v[column(p, "dd")].type == PARQUET_TIME);
    CHECK_INT(v[column(p, "dd")].i, (INT64_C(1767312000) + i * 86400) * 1000000);
}

static void check_file(const char *name, int64_t rows)
{
    struct file f;
    struct parquet *p;
    struct error e = {0};
    REQUIRE(load(name, &f));
    struct parquet_source src = {read_bytes, &f, f.n};
    if (parquet_open(&src, &p, &e)) test_fail(__FILE__, __LINE__, "%s: %s", name, e.text);
    CHECK_INT(parquet_rows(p), rows);
    CHECK_INT(parquet_columns(p), 17); /* without the list and the struct */
    CHECK(parquet_local(p, column(p, "ts")) && !parquet_local(p, column(p, "tz")));
    struct parquet_value *v = mem_calloc(parquet_columns(p), sizeof *v);
    int64_t i = 0;
    int rc;
    for (; (rc = parquet_next(p, v, &e)) == 1; i++) {
        check_numbers(p, v, i);
        check_texts_and_times(p, v, i);
    }
    if (rc) test_fail(__FILE__, __LINE__, "%s: row %d: %s", name, (int)i, e.text);
    CHECK_INT(i, rows);
    parquet_close(p);
    mem_free(v);
    mem_free(f.p);
}

TEST(files_of_another_hand)
{
    check_file("duckdb_plain.parquet", 200);
    check_file("duckdb_snappy.parquet", 200);
    check_file("duckdb_gzip.parquet", 200);
    check_file("duckdb_zstd.parquet", 200);
    check_file("duckdb_v2.parquet", 2500); /* deltas, split bytes, two groups */
}

/* hyparquet-writer: pages of version 2, Snappy, each column in an encoding of its own. */
static void check_other_row(const struct parquet *p, const struct parquet_value *v, int64_t i)
{
    char text[40];
    CHECK_INT(v[column(p, "i32")].i, i * 3 - 700);
    CHECK_INT(v[column(p, "i64")].i, i * 1000000007);
    CHECK_DBL(v[column(p, "d")].d, (double)i / 8, 0);
    CHECK(v[column(p, "n")].type == (i % 4 ? PARQUET_DOUBLE : PARQUET_NULL));
    if (i % 4) CHECK_DBL(v[column(p, "n")].d, (double)i / 2, 0);
    CHECK(v[column(p, "b")].type == PARQUET_BOOL && v[column(p, "b")].i == (i % 3 == 0));
    snprintf(text, sizeof text, "LT-GRD-SAG%03d.%d", (int)(i >> 4), (int)(i % 16));
    CHECK(str_is(v[column(p, "front")].text, text));
    CHECK_INT(v[column(p, "len")].text.n, i % 19);
    snprintf(text, sizeof text, "state %d", (int)(i % 3));
    CHECK(v[column(p, "dict")].type == (i % 5 ? PARQUET_TEXT : PARQUET_NULL));
    if (i % 5) CHECK(str_is(v[column(p, "dict")].text, text));
    CHECK_INT(v[column(p, "ts")].i, (INT64_C(1767323045678) + i * 1000) * 1000);
}

TEST(a_file_of_a_third_hand)
{
    struct file f;
    struct parquet *p;
    struct error e = {0};
    struct parquet_value v[9];
    REQUIRE(load("hyparquet.parquet", &f));
    struct parquet_source src = {read_bytes, &f, f.n};
    REQUIRE(parquet_open(&src, &p, &e) == 0);
    CHECK_INT(parquet_columns(p), 9);
    int64_t i = 0;
    int rc;
    for (; (rc = parquet_next(p, v, &e)) == 1; i++) check_other_row(p, v, i);
    if (rc) test_fail(__FILE__, __LINE__, "row %d: %s", (int)i, e.text);
    CHECK_INT(i, 500);
    parquet_close(p);
    mem_free(f.p);
}

TEST(rows_can_be_left_out)
{
    static const uint64_t skips[] = {0, 1, 2047, 2048, 2100, 2499, 2500, 9999};
    struct file f;
    REQUIRE(load("duckdb_v2.parquet", &f));
    struct parquet_source src = {read_bytes, &f, f.n};
    for (size_t k = 0; k < sizeof skips / sizeof *skips; k++) {
        struct parquet *p;
        struct parquet_value v[17];
        REQUIRE(parquet_open(&src, &p, NULL) == 0);
        CHECK_INT(parquet_skip(p, skips[k], NULL), 0);
        int rc = parquet_next(p, v, NULL);
        CHECK_INT(rc, skips[k] < 2500);
        if (rc == 1) CHECK_INT(v[column(p, "i32")].i, (int64_t)skips[k]);
        parquet_close(p);
    }
    mem_free(f.p);
}

/* Whatever is broken is told or read otherwise, never run over. */
TEST(damage_is_told)
{
    struct file f;
    REQUIRE(load("duckdb_v2.parquet", &f));
    struct parquet_value v[64];
    size_t refused = 0;
    for (size_t at = 0; at < f.n; at += 61) {
        struct parquet *p = NULL;
        struct error e = {0};
        struct parquet_source src = {read_bytes, &f, f.n};
        f.p[at] ^= 0x55;
        int rc = parquet_open(&src, &p, &e);
        for (int more = !rc; more && parquet_columns(p) <= 64;) more = (rc = parquet_next(p, v, &e)) == 1;
        f.p[at] ^= 0x55;
        parquet_close(p);
        refused += rc < 0;
        if (rc < 0) CHECK(e.text[0] && e.text_zh[0]);
    }
    CHECK(refused > 20); /* a flipped bit of a value is a value: these pages have no checksum */
    f.n /= 2;
    struct parquet *p;
    struct parquet_source src = {read_bytes, &f, f.n};
    CHECK_INT(parquet_open(&src, &p, NULL), ERR_PROTOCOL);
    mem_free(f.p);
}

TEST(snappy_blocks)
{
    uint8_t out[16];
    size_t n;
    CHECK_INT(snappy_length(STR("\x90\x01"), &n), 0);
    CHECK_INT(n, 144);
    CHECK_INT(snappy_unpack(STR("\x0c\x0cwxyz\x1e\x04\x00"), out, 12), 0);
    CHECK(!memcmp(out, "wxyzwxyzwxyz", 12));
    CHECK_INT(snappy_unpack(STR("\x0c\x0cwxyz\x11\x04"), out, 12), 0); /* copy of 8, 11-bit offset */
    CHECK(!memcmp(out, "wxyzwxyzwxyz", 12));
    CHECK_INT(snappy_unpack(STR("\x0c\x0cwxyz\x11\x05"), out, 12), ERR_PROTOCOL); /* before the beginning */
    CHECK_INT(snappy_unpack(STR("\x0c\x0cwxyz"), out, 12), ERR_PROTOCOL);         /* too short */
    CHECK_INT(snappy_unpack(STR("\x0b\x0cwxyz\x1e\x04\x00"), out, 11), ERR_PROTOCOL);
    CHECK_INT(snappy_unpack(STR("\x02\xf0\x01hi"), out, 2), 0); /* length in a byte of its own */
    CHECK_INT(snappy_length(STR("\xff\xff\xff\xff\xff"), &n), ERR_PROTOCOL);
}
