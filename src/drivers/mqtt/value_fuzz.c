/* value_fuzz.c - any bytes as a payload of any form: records end, values are well-formed samples, times lie in their
 * range. The first byte chooses form and time, the second the options of the form. */
#include <math.h>
#include <stdlib.h>
#include "base/time.h"
#include "base/utf8.h"
#include "drivers/mqtt/mqtt_int.h"

#define NOW 1767225600000000

static void check(const struct mt_value *v)
{
    if (v->s.type == SAMPLE_STRING && (v->text.n > 65536 || !utf8_valid(v->text))) abort();
    if (v->s.type == SAMPLE_DOUBLE && v->s.quality != QUALITY_BAD && !isfinite(v->s.v.d)) abort();
    if (v->s.type == SAMPLE_BOOL && v->s.v.i != 0 && v->s.v.i != 1) abort();
    if (v->s.type == SAMPLE_NONE && v->s.quality != QUALITY_BAD) abort();
}

static void try_point(const struct mt_format *f, const struct mt_record *r, const char *address, enum value_type t,
                      struct arena *a)
{
    struct driver_point dp = {.num = 1, .type = t, .address = address, .scale = 1, .lo = NAN, .hi = NAN};
    struct str topic = STR("t");
    struct mt_point p;
    struct mt_value v;
    struct error e;
    int64_t us;
    bool source;
    if (mt_point_of(f, &topic, 1, &dp, a, &p, &e)) return;
    if (!mt_value_of(f, &p, r, a, &v)) return;
    mt_quality_of(f, r, &v.s);
    mt_time_of(f, r, NOW, &us, &source);
    if (us < 0 || us > NOW + 86400 * TIME_US_PER_S) abort();
    check(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const addresses[] = {"$.a", "$", "$[?@.a==1].b", "1", "2", "a", "0", "1.3", "0:3", "t"};
    static const enum value_type types[] = {VALUE_AUTO,  VALUE_BOOL,  VALUE_INT32,
                                            VALUE_FLOAT, VALUE_BCD16, VALUE_STRING};
    if (n < 2) return 0;
    struct mt_format f = {.form = p[0] % 5, .unit = p[0] / 5 % 7, .order = p[1] & 3, .header = p[1] & 4, .sep = ','};
    AUTO_ARENA a;
    arena_init(&a, 16u << 20);
    struct mt_payload payload = {
        .topic = STR("t"), .bytes = str_make((const char *)p + 2, n - 2), .now_us = NOW, .arena = &a};
    struct mt_record *r = NULL;
    size_t k = 0;
    struct error e;
    f.good = STR("good"), f.uncertain = STR("0"), f.columns = STR("a,b"), f.tz_minutes = p[1] & 8 ? 480 : 0;
    f.time_column.number = 1, f.quality_column.number = 2;
    if (json_path_compile(STR("$.t"), &a, &f.time, &e) || json_path_compile(STR("q"), &a, &f.quality, &e)) abort();
    if (p[1] & 16 && json_path_compile(STR("$.r[*]"), &a, &f.records, &e)) abort();
    if (mt_records(&f, &payload, &r, &k, &e)) return 0;
    for (size_t i = 0; i < k && i < 20; i++)
        for (size_t x = 0; x < sizeof addresses / sizeof *addresses; x++)
            for (size_t t = 0; t < sizeof types / sizeof *types; t++) try_point(&f, &r[i], addresses[x], types[t], &a);
    return 0;
}
