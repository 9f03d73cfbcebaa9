/* Shapes as JSON Schema: each form once, and what is refused. */
#include "core/api/api_shape.h"
#include "base/mem.h"
#include "base/test.h"

static struct str schema(struct arena *a, const char *text)
{
    const char *fault;
    struct json *o = api_shape(a, text, &fault);
    return o ? json_text(a, o) : STR_NULL;
}

TEST(forms)
{
    static const struct {
        const char *shape, *schema;
    } table[] = {
        {"string", "{\"type\":\"string\"}"},
        {"any[]", "{\"type\":\"array\",\"items\":{}}"},
        {"time", "{\"type\":\"string\",\"format\":\"date-time\"}"},
        {"Text", "{\"$ref\":\"#/components/schemas/Text\"}"},
        {"'a'|'b-c'", "{\"type\":\"string\",\"enum\":[\"a\",\"b-c\"]}"},
        {"'a'|null", "{\"anyOf\":[{\"type\":\"string\",\"enum\":[\"a\"]},{\"type\":\"null\"}]}"},
        {"(number | null)[]", "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"null\"}]}}"},
        {"{}", "{\"type\":\"object\"}"},
        {"{*:integer}", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}"},
        {"{a:string; b?:{c:boolean}[]}",
         "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":"
         "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"c\"],\"properties\":{\"c\":{\"type\":\"boolean\"}}"
         "}}}}"},
    };
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) CHECK_STR(schema(&a, table[i].shape), table[i].schema);
}

TEST(faults_are_found_where_they_are)
{
    static const struct {
        const char *shape;
        size_t at;
    } table[] = {{"", 0},
                 {"{a}", 2},
                 {"{a:}", 3},
                 {"{a:string", 9},
                 {"'a", 2},
                 {"a|", 2},
                 {"a[", 2},
                 {"(a", 2},
                 {"a b", 2},
                 {"{:a}", 1},
                 {"a|'b", 4},
                 {"{a?string}", 3},
                 {"((((((((((((((((((", 16}};
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *fault = NULL;
        CHECK(api_shape(&a, table[i].shape, &fault) == NULL);
        CHECK(fault && fault == table[i].shape + table[i].at);
    }
}
