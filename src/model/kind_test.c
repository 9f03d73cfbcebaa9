/* kind_test.c - kind documents, checking and completing specs, cells of tables, schema, near names. */
#include "base/mem.h"
#include "base/test.h"
#include "model/kind.h"

static const char doc[] =
    "{\"kind\":\"pump\",\"plural\":\"pumps\",\"module\":\"test\",\"numbered\":true,"
    "\"title\":{\"en\":\"Pump\",\"zh\":\"泵\"},\"code\":{\"required\":true,\"pattern\":\"[A-Z0-9_]+\"},"
    "\"fields\":["
    "{\"name\":\"device\",\"type\":\"ref\",\"kind\":\"device\",\"required\":true,\"title\":{\"en\":\"Device\",\"zh\":"
    "\"设备\"}},"
    "{\"name\":\"period\",\"type\":\"duration\",\"default\":\"1s\",\"min\":\"50ms\",\"max\":\"1d\"},"
    "{\"name\":\"lo\",\"type\":\"number\",\"min\":-10,\"max\":10.5,\"unit\":\"bar\"},"
    "{\"name\":\"count\",\"type\":\"integer\",\"min\":1},"
    "{\"name\":\"on\",\"type\":\"boolean\",\"default\":false},"
    "{\"name\":\"mode\",\"type\":\"enum\",\"default\":\"auto\",\"values\":[{\"value\":\"auto\",\"title\":{\"en\":"
    "\"Automatic\",\"zh\":\"自动\"}},{\"value\":\"manual\",\"title\":{\"en\":\"Manual\",\"zh\":\"手动\"}}]},"
    "{\"name\":\"why\",\"type\":\"string\",\"required\":true,\"max\":5,\"show_if\":{\"field\":\"mode\",\"in\":["
    "\"manual\"]}},"
    "{\"name\":\"mail\",\"type\":\"string\",\"format\":\"email\"},"
    "{\"name\":\"tag\",\"type\":\"string\",\"pattern\":\"[a-z]{2}[0-9]\"},"
    "{\"name\":\"since\",\"type\":\"time\"},"
    "{\"name\":\"key\",\"type\":\"secret\"},"
    "{\"name\":\"options\",\"type\":\"object\",\"fields\":[{\"name\":\"port\",\"type\":\"integer\",\"min\":1,\"max\":"
    "65535,\"required\":true},{\"name\":\"host\",\"type\":\"string\",\"format\":\"host\"}]},"
    "{\"name\":\"roles\",\"type\":\"array\",\"items\":{\"type\":\"string\"},\"max_items\":3},"
    "{\"name\":\"free\",\"type\":\"json\"}]}";

static struct kind *pump(void)
{
    struct kind *k = NULL;
    struct error e = {0};
    if (kind_parse(str_of(doc), &k, &e)) test_fail(__FILE__, __LINE__, "%s: %s", e.where, e.text);
    return k;
}

/* Check a spec; the completed text, or the faults as "where: text; …". */
static const char *checked(const char *spec)
{
    static char out[2048];
    struct kind *k = pump();
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *v = NULL, *done = NULL;
    struct error errs[8], e = {0};
    size_t n = 0;
    out[0] = 0;
    if (json_parse(&a, str_of(spec), &v, &e)) return "bad test";
    int rc = kind_check(k, &a, v, &done, NULL, NULL, errs, 8, &n, &e);
    if (rc == 0) snprintf(out, sizeof out, "%.*s", STR_ARG(json_text(&a, done)));
    for (size_t i = 0, at = 0; rc && i < n; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%s: %s", i ? "; " : "", errs[i].where, errs[i].text);
    kind_free(k);
    return out;
}

TEST(defaults_complete_a_spec_in_schema_order)
{
    CHECK_Z(checked("{\"lo\":2.5,\"device\":\"D1\"}"),
            "{\"device\":\"D1\",\"period\":\"1s\",\"lo\":2.5,\"on\":false,\"mode\":\"auto\"}");
    CHECK_Z(
        checked(
            "{\"device\":\"D1\",\"on\":null,\"count\":3.0,\"period\":\"250\",\"since\":\"2026-01-02 03:04:05+08:00\"}"),
        "{\"device\":\"D1\",\"period\":\"250ms\",\"count\":3,\"on\":false,\"mode\":\"auto\",\"since\":\"2026-01-01T19:"
        "04:05Z\"}");
}

TEST(faults_name_field_and_remedy)
{
    CHECK_Z(checked("{}"), "spec.device: is required");
    CHECK_Z(checked("{\"device\":\"D\",\"period\":\"5x\"}"),
            "spec.period: '5x' is not a duration; write for example 500ms, 10s or 5m");
    CHECK_Z(checked("{\"device\":\"D\",\"lo\":\"12\"}"), "spec.lo: '12' is not a number; write for example 12.5");
    CHECK_Z(checked("{\"device\":\"D\",\"lo\":11}"), "spec.lo: 11 is outside -10 … 10.5 bar");
    CHECK_Z(checked("{\"device\":\"D\",\"count\":0}"), "spec.count: 0 is less than 1 ");
    CHECK_Z(checked("{\"device\":\"D\",\"count\":1.5}"),
            "spec.count: '1.5' is not a whole number; write for example 12");
    CHECK_Z(checked("{\"device\":\"D\",\"perid\":\"1s\"}"),
            "spec.perid: there is no field 'perid'; did you mean 'period'?");
    CHECK_Z(checked("{\"device\":\"D\",\"mode\":\"off\"}"), "spec.mode: 'off' is not one of auto, manual");
    CHECK_Z(checked("{\"device\":\"D\",\"options\":{\"prt\":1}}"),
            "spec.options.prt: there is no field 'prt'; did you mean 'port'?; spec.options.port: is required");
    CHECK_Z(checked("{\"device\":\"D\",\"roles\":[\"a\",1]}"), "spec.roles[1]: '1' is not a text; put it in quotes");
    CHECK_Z(checked("{\"device\":\"D\",\"roles\":[\"a\",\"b\",\"c\",\"d\"]}"),
            "spec.roles: may have at most 3 entries");
    CHECK_Z(checked("{\"device\":\"D\",\"mail\":\"x\"}"),
            "spec.mail: 'x' is not of the form email; write for example zhang@example.com");
    CHECK_Z(checked("{\"device\":\"D\",\"tag\":\"ab\"}"), "spec.tag: 'ab' does not match [a-z]{2}[0-9]");
    CHECK_Z(checked("[]"), "spec: must be an object {…}");
    CHECK_Z(checked("{\"device\":5,\"on\":1}"),
            "spec.device: '5' is not the code or id of a resource; spec.on: '1' is not true or false");
}

TEST(a_hidden_field_is_not_required)
{
    CHECK_Z(checked("{\"device\":\"D\",\"mode\":\"manual\"}"), "spec.why: is required");
    CHECK(strstr(checked("{\"device\":\"D\",\"mode\":\"manual\",\"why\":\"test\"}"), "\"why\":\"test\""));
    CHECK_Z(checked("{\"device\":\"D\",\"mode\":\"manual\",\"why\":\"铜铜铜铜铜铜\"}"),
            "spec.why: must have at most 5 characters");
}

static const char *parsed(const char *text)
{
    static char out[500];
    struct kind *k = NULL;
    struct error e = {0};
    out[0] = 0;
    if (kind_parse(str_of(text), &k, &e)) snprintf(out, sizeof out, "%s: %s", e.where, e.text);
    kind_free(k);
    return out;
}

#define STATES \
    "\"states\":[{\"state\":\"draft\"},{\"state\":\"pending\",\"edit\":false,\"delete\":false," \
    "\"title\":{\"en\":\"Pending\",\"zh\":\"待审\"}},{\"state\":\"ok\",\"edit\":false}]"
#define CYCLE(transitions) \
    "{\"kind\":\"a\",\"plural\":\"as\",\"lifecycle\":{" STATES ",\"transitions\":[" transitions \
    "]},\"fields\":[{\"name\":\"who\",\"type\":\"string\"}]}"
#define SUBMIT \
    "{\"name\":\"submit\",\"from\":[\"draft\"],\"to\":\"pending\",\"requires\":[\"who\"],\"comment\":" \
    "\"optional\"}"
#define APPROVE \
    "{\"name\":\"approve\",\"from\":[\"pending\"],\"to\":\"ok\",\"action\":\"approve\",\"four_eyes\":true," \
    "\"notify\":true}"

TEST(a_life_cycle_is_read)
{
    struct kind *k = NULL;
    struct error e = {0};
    REQUIRE(kind_parse(str_of(CYCLE(SUBMIT "," APPROVE)), &k, &e) == 0);
    const struct lifecycle *l = k->lifecycle;
    REQUIRE(l != NULL);
    CHECK_INT(l->nstates, 3);
    CHECK_INT(l->ntransitions, 2);
    CHECK_INT(l->initial, 0);
    CHECK(l->states[0].editable && l->states[0].deletable);
    CHECK(!l->states[1].editable && !l->states[1].deletable && !l->states[2].editable && l->states[2].deletable);
    CHECK_STR(l->states[1].title_zh, "待审");
    const struct transition *t = lifecycle_transition(l, STR("approve"));
    REQUIRE(t != NULL);
    CHECK(t->four_eyes && t->notify && t->comment == COMMENT_NONE && t->from == 2 && t->to == 2);
    CHECK_STR(t->action, "approve");
    t = lifecycle_transition(l, STR("submit"));
    REQUIRE(t && t->nrequired == 1);
    CHECK_STR(t->action, "write");
    CHECK(t->comment == COMMENT_OPTIONAL && !t->four_eyes);
    CHECK_STR(t->required[0], "who");
    CHECK(!lifecycle_transition(l, STR("x")) && !lifecycle_state(l, STR("x")) && !lifecycle_state(NULL, STR("ok")));
    kind_free(k);
}

TEST(life_cycles_that_make_no_sense)
{
    CHECK_Z(parsed(CYCLE(SUBMIT)), "lifecycle.states[2]: no transition leads to 'ok'; add one or remove the state");
    CHECK_Z(parsed(CYCLE("{\"name\":\"x\",\"from\":[\"darft\"],\"to\":\"ok\"}")),
            "lifecycle.transitions[0].from[0]: there is no state 'darft'; did you mean 'draft'?");
    CHECK_Z(parsed(CYCLE("{\"name\":\"x\",\"from\":[\"draft\"],\"to\":\"zzzzzz\"}")),
            "lifecycle.transitions[0].to: there is no state 'zzzzzz'");
    CHECK_Z(parsed(CYCLE("{\"name\":\"x\",\"from\":[],\"to\":\"ok\"}")),
            "lifecycle.transitions[0].from: must be a list of states");
    CHECK_Z(parsed(CYCLE("{\"name\":\"x\",\"from\":[\"draft\"],\"to\":\"ok\",\"action\":\"aprove\"}")),
            "lifecycle.transitions[0].action: there is no action 'aprove'; did you mean 'approve'?");
    CHECK_Z(parsed(CYCLE(SUBMIT "," APPROVE ",{\"name\":\"x\",\"from\":[\"ok\"],\"to\":\"draft\",\"requires\":["
                                "\"woh\"]}")),
            "lifecycle.transitions[2].requires[0]: there is no field 'woh'; did you mean 'who'?");
    CHECK_Z(parsed(CYCLE(SUBMIT "," SUBMIT)), "lifecycle.transitions[1].name: 'submit' is there twice");
    CHECK_Z(parsed(CYCLE("{\"name\":\"x\",\"form\":[]}")),
            "lifecycle.transitions[0]: there is no attribute 'form'; did you mean 'from'?");
    CHECK_Z(parsed(CYCLE("{\"name\":\"x\",\"from\":[\"draft\"],\"to\":\"ok\",\"comment\":true}")),
            "lifecycle.transitions[0].comment: must be none, optional or required");
    CHECK_Z(parsed("{\"kind\":\"a\",\"plural\":\"as\",\"lifecycle\":{}}"),
            "lifecycle.states: must be a list of 1 to 32 states");
    CHECK_Z(parsed("{\"kind\":\"a\",\"plural\":\"as\",\"lifecycle\":{\"initial\":\"b\",\"states\":[{\"state\":\"a\"}"
                   "]}}"),
            "lifecycle.initial: there is no state 'b'; did you mean 'a'?");
    CHECK_Z(parsed("{\"kind\":\"a\",\"plural\":\"as\",\"lifecycle\":{\"states\":[{\"state\":\"a\",\"edit\":1}]}}"),
            "lifecycle.states[0].edit: must be true or false");
    CHECK_Z(parsed("{\"kind\":\"a\",\"plural\":\"as\",\"lifecycle\":[]}"), "lifecycle: must be an object {…}");
}

TEST(patterns_cannot_eat_the_memory)
{
#define PATTERN(p) \
    "{\"kind\":\"a\",\"plural\":\"as\",\"fields\":[{\"name\":\"x\",\"type\":\"string\",\"pattern\":\"" p "\"}]}"
    CHECK_Z(parsed(PATTERN("((a{1,255}){1,255}){1,255}")),
            "fields[0].pattern: is not a POSIX extended regular expression, or repeats too much");
    CHECK_Z(parsed(PATTERN("(((((a{9}){9}){9}){9}){9}){9}")),
            "fields[0].pattern: is not a POSIX extended regular expression, or repeats too much");
    CHECK_Z(parsed(PATTERN("[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(/[]a{9}]{1,200})?{2}")), "");
    CHECK_Z(parsed(PATTERN("([a-z]{0,255}-){1,60}")), "");
}

TEST(kinds_of_one_resource_and_files_and_organisations)
{
#define KIND(rest) "{\"kind\":\"a\",\"plural\":\"as\"," rest "}"
    CHECK_Z(parsed(KIND("\"single\":true,\"fields\":[{\"name\":\"x\",\"type\":\"integer\",\"required\":true}]")),
            "fields[0].default: a kind with \"single\" needs a default for the required field 'x'");
    CHECK_Z(parsed(KIND("\"org_from\":\"x\",\"fields\":[{\"name\":\"x\",\"type\":\"string\"}]")),
            "org_from: 'x' is no field of type ref");
    CHECK_Z(parsed(KIND("\"fields\":[{\"name\":\"x\",\"type\":\"secret\",\"sensitive\":true}]")),
            "fields[0].sensitive: a field of type secret has no 'sensitive'");
    CHECK_Z(parsed(KIND("\"code\":{\"lifelong\":1}")), "code.lifelong: must be true or false");
    struct kind *k = NULL;
    struct error e = {0};
    const char *text = KIND("\"org_from\":\"d\",\"code\":{\"lifelong\":true},\"fields\":["
                            "{\"name\":\"d\",\"type\":\"ref\",\"kind\":\"b\"},"
                            "{\"name\":\"photo\",\"type\":\"file\",\"accept\":\"image\"},"
                            "{\"name\":\"pay\",\"type\":\"number\",\"sensitive\":true}]");
    REQUIRE(kind_parse(str_of(text), &k, &e) == 0);
    CHECK(k->code_lifelong && k->has_file && k->has_sensitive && !k->single && !k->user);
    CHECK_STR(k->org_from, "d");
    CHECK(kind_field(k, STR("photo"))->type == FIELD_FILE && kind_field(k, STR("pay"))->sensitive);
    CHECK_Z(field_type_name(FIELD_FILE), "file");
    kind_free(k);
}

TEST(documents_are_checked)
{
#define HEAD "{\"kind\":\"a\",\"plural\":\"as\",\"fields\":["
    CHECK_Z(parsed("{\"kind\":\"a\",\"plural\":\"as\"}"), "");
    CHECK_Z(parsed("{\"kind\":\"A b\",\"plural\":\"as\"}"),
            "kind: needs a name of a-z, 0-9, _ and - that begins with a letter");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"strin\"}]}"),
            "fields[0].type: 'strin' is no field type; did you mean 'string'?");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"string\",\"requird\":true}]}"),
            "fields[0]: unknown attribute 'requird'; did you mean 'required'?");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"boolean\",\"min\":1}]}"),
            "fields[0].min: a field of type boolean has no 'min'");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"enum\"}]}"),
            "fields[0].values: a field of type enum needs 'values'");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"string\",\"pattern\":\"(\"}]}"),
            "fields[0].pattern: is not a POSIX extended regular expression, or repeats too much");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"integer\",\"default\":\"a\"}]}"),
            "fields[0].default: 'a' is not a whole number; write for example 12");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"json\"},{\"name\":\"x\",\"type\":\"json\"}]}"),
            "fields[1].name: 'x' is there twice");
    CHECK_Z(parsed(HEAD "{\"name\":\"x\",\"type\":\"object\",\"fields\":[{\"name\":\"y\",\"type\":\"q\"}]}]}"),
            "fields[0].fields[0].type: 'q' is no field type; did you mean 'string'?");
    CHECK(strlen(parsed("nonsense")) > 0);
    CHECK_Z(parsed("[]"), ": a kind document is a JSON object");
}

TEST(paths_find_fields)
{
    struct kind *k = pump();
    REQUIRE(k);
    REQUIRE(kind_field(k, STR("options.port")));
    CHECK_INT(kind_field(k, STR("options.port"))->type, FIELD_INTEGER);
    CHECK(!kind_field(k, STR("options.nope")) && !kind_field(k, STR("period.x")));
    CHECK(k->has_secret && k->has_ref && k->numbered && k->code_required);
    CHECK_INT(kind_check_code(k, STR("P_1"), NULL), 0);
    struct error e;
    CHECK_INT(kind_check_code(k, STR("p 1"), &e), ERR_INVALID);
    CHECK_Z(e.text, "'p 1' does not match [A-Z0-9_]+");
    kind_free(k);
}

static int ref_seen(void *ctx, const struct field *f, struct str path, struct str target, struct error *e)
{
    (*(int *)ctx)++;
    if (str_is(target, "D1") && str_is(f->ref_kind, "device") && str_is(path, "device")) return 0;
    if (str_is(target, "IO")) return error_set(e, ERR_IO, "", "no disk", NULL);
    return error_set(e, ERR_NOT_FOUND, "", "there is no device '%.*s'", "没有设备“%.*s”", STR_ARG(target));
}

TEST(references_are_reported)
{
    struct kind *k = pump();
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    static const struct {
        const char *spec;
        int rc;
    } rows[] = {{"{\"device\":\"D1\"}", 0}, {"{\"device\":\"D2\"}", ERR_INVALID}, {"{\"device\":\"IO\"}", ERR_IO}};
    for (size_t i = 0; i < 3; i++) {
        struct json *v, *done;
        struct error e = {0};
        int seen = 0;
        REQUIRE(json_parse(&a, str_of(rows[i].spec), &v, NULL) == 0);
        CHECK_INT(kind_check(k, &a, v, &done, ref_seen, &seen, NULL, 0, NULL, &e), rows[i].rc);
        CHECK_INT(seen, 1);
        if (i == 1) CHECK_Z(e.where, "spec.device");
    }
    kind_free(k);
}

TEST(cells_come_back_unchanged)
{
    static const struct {
        const char *field, *cell, *json;
    } rows[] = {{"device", "D1", "\"D1\""},
                {"lo", "2.50", "2.5"},
                {"count", "7", "7"},
                {"count", "7.0", "7"},
                {"on", "是", "true"},
                {"on", "FALSE", "false"},
                {"mode", "手动", "\"manual\""},
                {"mode", "automatic", "\"auto\""},
                {"roles", "a; b", "[\"a\",\"b\"]"},
                {"roles", "[\"a;b\"]", "[\"a;b\"]"},
                {"free", "{\"a\":[1]}", "{\"a\":[1]}"},
                {"free", "\"text\"", "\"text\""},
                {"why", " x ", "\" x \""},
                {"why", "", "null"},
                {"lo", "  ", "null"}};
    struct kind *k = pump();
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct field *f = kind_field(k, str_of(rows[i].field));
        struct json *v = NULL, *again = NULL;
        struct error e = {0};
        REQUIRE(field_from_text(f, &a, str_of(rows[i].cell), &v, &e) == 0);
        CHECK_STR(json_text(&a, v), rows[i].json);
        struct buf b;
        buf_init(&b, 1000);
        field_to_text(f, v, &b);
        CHECK_INT(field_from_text(f, &a, buf_view(&b), &again, &e), 0);
        CHECK(json_equal(v, again));
        buf_fini(&b);
    }
    struct json *v;
    struct error e = {0};
    CHECK_INT(field_from_text(kind_field(k, STR("lo")), &a, STR("abc"), &v, &e), ERR_INVALID);
    CHECK_Z(e.text, "'abc' is not a number; write for example 12.5");
    CHECK_INT(field_from_text(kind_field(k, STR("count")), &a, STR("1.5"), &v, &e), ERR_INVALID);
    kind_free(k);
}

static int collect(void *ctx, const struct field *f, struct str path, struct json *v)
{
    buf_printf(ctx, "%.*s ", STR_ARG(path));
    return 0;
}

TEST(walking_visits_leaves)
{
    struct kind *k = pump();
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *v;
    REQUIRE(json_parse(&a, STR("{\"options\":{\"port\":1},\"roles\":[\"a\",\"b\"],\"device\":\"D\"}"), &v, NULL) == 0);
    struct buf b;
    buf_init(&b, 1000);
    CHECK_INT(kind_walk(k, v, collect, &b), 0);
    CHECK_STR(buf_view(&b), "device options.port roles[0] roles[1] ");
    buf_fini(&b);
    kind_free(k);
}

TEST(schema_for_openapi)
{
    struct kind *k = pump();
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *s = kind_schema(k, &a);
    REQUIRE(s);
    CHECK_STR(json_str(json_path(s, "properties.options.properties.port.type"), STR("")), "integer");
    CHECK_INT(json_i64(json_path(s, "properties.options.properties.port.maximum"), 0), 65535);
    CHECK_STR(json_str(json_path(s, "required.0"), STR("")), "device");
    CHECK_INT(json_count(json_get(s, "required")), 1);
    CHECK_STR(json_str(json_path(s, "properties.mode.enum.1"), STR("")), "manual");
    CHECK(json_bool(json_path(s, "properties.key.writeOnly"), false));
    kind_free(k);
}

TEST(near_names)
{
    static const struct str names[] = {STR("period"), STR("address"), STR("unit"), STR("code")};
    CHECK_STR(name_nearest(STR("peroid"), names, 4), "period");
    CHECK_STR(name_nearest(STR("adress"), names, 4), "address");
    CHECK_STR(name_nearest(STR("UNIT"), names, 4), "unit");
    CHECK(!name_nearest(STR("temperature"), names, 4).p);
    CHECK(!name_nearest(STR(""), names, 4).p);
}

TEST(every_allocation_may_fail)
{
    int failed = 0;
    for (uint64_t n = 1; n < 500; n++) {
        struct kind *k = NULL;
        struct error e = {0};
        uint64_t before = mem_count();
        mem_fail_at(n, false);
        int rc = kind_parse(str_of(doc), &k, &e);
        mem_fail_at(0, false);
        if (rc) {
            CHECK(rc == ERR_NOMEM || rc == ERR_INVALID);
            failed++;
        }
        bool over = mem_count() - before < n;
        kind_free(k);
        if (over) break;
    }
    CHECK(failed > 0);
}
