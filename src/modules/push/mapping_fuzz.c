/* A mapping's spec and a payload that peers choose: nothing but errors. */
#include "modules/push/mapping_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *const specs[] = {
    "{\"leaves\":true,\"time\":\"$.t\",\"device\":{\"from\":\"path\",\"path\":\"$.d\"}}",
    "{\"each\":\"$.a[*]\",\"rows\":[{\"key\":\"{$.n}{name}{index}\",\"value\":\"$..v\",\"quality\":\"$.q\",\"as\":"
    "\"number\"}]}",
    "{\"form\":\"csv\",\"leaves\":true,\"rows\":[{\"value\":\"2\",\"time\":\"1\"}]}",
    "{\"form\":\"text\",\"rows\":[{\"key\":\"{topic.1}\"}]}",
    "{\"form\":\"bytes\",\"encoding\":\"hex\",\"rows\":[{\"key\":\"a\",\"value\":\"3:f64sw\"},{\"key\":\"b\",\"value\":"
    "\"0:text9\"}]}"};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    struct json *spec;
    struct mapping *m;
    struct mapping_result got;
    arena_init(&a, 8u << 20);
    if (!n) return 0;
    struct str text = str_make((const char *)p + 1, n - 1), given = text;
    bool own = p[0] >= 128; /* the spec stands before a line feed */
    struct str line = own ? str_cut(&text, '\n') : str_of(specs[p[0] % (sizeof specs / sizeof *specs)]);
    if (json_parse(&a, line, &spec, NULL) || mapping_compile(spec, &m, NULL)) return 0;
    struct mapping_input in = {.topic = STR("a/b"), .payload = own ? text : given, .client = STR("c")};
    if (mapping_apply(m, &a, &in, &got, NULL) == 0)
        for (size_t i = 0; i < got.n; i++)
            if (!got.v[i].v.key.n || !got.v[i].v.v) __builtin_trap();
    mapping_free(m);
    return 0;
}
