/* kind_options_test.c - tables that share names. */
#include "drivers/common/kind_options.h"
#include "base/test.h"

static const struct option_choice two[] = {{"2005", "2005", "2005"}, {"2017", "2017", "2017"}, {NULL, NULL, NULL}};
static const struct option_choice other[] = {{"2017", "2017", "2017"}, {"5.0", "5.0", "5.0"}, {NULL, NULL, NULL}};
static const struct option a_table[] = {
    {"version", OPTION_ENUM, "V", "版", NULL, NULL, "2017", NULL, NULL, two, NULL, NULL, true},
    {"port", OPTION_INTEGER, "Port", "端口", NULL, NULL, "502", "1", "65535", NULL, NULL, NULL, false},
    {"key", OPTION_SECRET, "Key", "密钥", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false},
    {NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false}};
static const struct option b_table[] = {
    {"version", OPTION_ENUM, "V", "版", NULL, NULL, "5.0", NULL, NULL, other, NULL, NULL, false},
    {"port", OPTION_STRING, "Port", "端口", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false},
    {NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false}};
static const struct option c_table[] = {
    {"key", OPTION_STRING, "Key", "密钥", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false},
    {NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false}};
#define DOC STR("{\"fields\":[{\"name\":\"options\",\"type\":\"json\"}]}")

TEST(joined)
{
    AUTO_ARENA a;
    struct str text;
    struct json *root;
    struct error e;
    const struct option *tables[] = {a_table, NULL, b_table};
    arena_init(&a, 1 << 20);
    REQUIRE(!kind_with_options(DOC, tables, 3, &a, &text, &e));
    REQUIRE(!json_parse(&a, text, &root, &e));
    CHECK_INT(json_count(json_path(root, "fields.0.fields")), 3);
    CHECK_INT(json_count(json_path(root, "fields.0.fields.0.values")), 3);
    CHECK(!json_path(root, "fields.0.fields.0.required"));
    CHECK_STR(json_str(json_path(root, "fields.0.fields.1.type"), STR("")), "json");
    CHECK_STR(json_str(json_path(root, "fields.0.fields.2.type"), STR("")), "secret");
}

TEST(a_secret_is_one_everywhere)
{
    AUTO_ARENA a;
    struct str text;
    struct error e;
    const struct option *tables[] = {a_table, c_table};
    arena_init(&a, 1 << 20);
    CHECK_INT(kind_with_options(DOC, tables, 2, &a, &text, &e), ERR_INTERNAL);
}
