/* payload_read_fuzz.c - any document by rules of each form: values and names come out, nothing else happens. */
#include "base/arena.h"
#include "drivers/common/options.h"
#include "drivers/common/payload_read.h"

static const struct option table[] = {PAYLOAD_READ_OPTIONS, {0}};
#define KEYED \
    "{\"rows\":\"$[*]\",\"key\":\"k\",\"value\":\"v\",\"time\":\"t\",\"time_format\":\"pattern\",\"time_pattern\":\"%" \
    "y%b%d %I%p%M%S.%f%z%j\"}"
static const char *const rules[] = {
    "{\"rows\":\"$..r[*]\",\"time\":\"t\",\"quality\":\"q\"}",
    KEYED,
    "{\"payload\":\"csv\",\"time\":\"t\"}",
    "{\"payload\":\"text\"}",
    "{\"payload\":\"xml\",\"rows\":\"//r\",\"time\":\"@t\",\"quality\":\"q\"}",
};

static int any(void *ctx, const struct payload_value *v)
{
    struct str text;
    struct sample s = {0};
    const struct driver_point p = {.scale = 1, .lo = 0, .hi = 9};
    for (int t = 0; t < VALUE_TYPE_COUNT; t++) payload_sample(v->value, (enum value_type)t, &p, ctx, &s, &text);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct payload_reader *r = NULL;
    struct payload_place *place = NULL;
    struct payload_doc *d = NULL;
    struct payload_name names[20];
    struct options o;
    struct json *v = NULL;
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    if (!n) return 0;
    size_t kind = p[0] % (sizeof rules / sizeof *rules);
    if (json_parse(&a, str_of(rules[kind]), &v, NULL) || options_check(table, &a, v, &o, NULL, 0, NULL, NULL) ||
        payload_reader_new(&o, &r, NULL) || payload_place_new(r, kind == 3 ? "value" : "v", NULL, &place, NULL))
        __builtin_trap();
    if (!payload_doc_parse(r, str_make((const char *)p + 1, n - 1), &a, &d, NULL)) {
        (void)payload_doc_read(d, place, any, &a);
        (void)payload_doc_names(d, &a, names, 20);
    }
    payload_place_free(place);
    payload_reader_free(r);
    return 0;
}
