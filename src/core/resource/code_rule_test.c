/* code_rule_test.c - check digits against published vectors; rules: serials, periods, organisations, life-long codes.
 */
#include "core/resource/code_digits.h"
#include "core/resource/code_rule.h"
#include "core/resource/kernel_fixture.h"

extern const struct str core_kinds[];

static const char *digits(enum check_digits d, const char *code)
{
    static char out[3];
    check_digits(d, str_of(code), out);
    return out;
}

TEST(check_digits_of_the_standards)
{
    CHECK_Z(digits(CHECK_DIGITS_LUHN, "7992739871"), "3");              /* Luhn's usual example */
    CHECK_Z(digits(CHECK_DIGITS_LUHN, "453914880343646"), "7");         /* a card number of the ISO/IEC 7812 form */
    CHECK_Z(digits(CHECK_DIGITS_LUHN, "SP-7992-739871"), "3");          /* other characters do not count */
    CHECK_Z(digits(CHECK_DIGITS_MOD11_2, "0794"), "0");                 /* ISO/IEC 7064: 0794 0 */
    CHECK_Z(digits(CHECK_DIGITS_MOD11_2, "000000021825009"), "7");      /* ORCID 0000-0002-1825-0097 */
    CHECK_Z(digits(CHECK_DIGITS_MOD11_2, "000000021694233"), "X");      /* ORCID 0000-0002-1694-233X */
    CHECK_Z(digits(CHECK_DIGITS_MOD11_2, "11010519491231002"), "X");    /* GB 11643: 11010519491231002X */
    CHECK_Z(digits(CHECK_DIGITS_MOD97_10, "794"), "44");                /* ISO/IEC 7064: 794 44 */
    CHECK_Z(digits(CHECK_DIGITS_MOD97_10, "5493001KJTIIGC8Y1R"), "12"); /* LEI 5493001KJTIIGC8Y1R12 */
    CHECK_Z(digits(CHECK_DIGITS_MOD97_10, "529900T8BM49AURSDO"), "55"); /* LEI 529900T8BM49AURSDO55 */
    CHECK_Z(digits(CHECK_DIGITS_NONE, "794"), "");
}

static bool open_with_rules(struct fixture *f)
{
    static const char part[] =
        "{\"kind\":\"part\",\"plural\":\"parts\",\"title\":{\"en\":\"Part\"},\"code\":{\"required\":true,"
        "\"lifelong\":true},\"fields\":[{\"name\":\"group\",\"type\":\"string\"}]}";
    int rc = fixture_open(f, NULL) ? 0 : -1;
    for (const struct str *d = core_kinds; d->p && !rc; d++)
        if (str_has(*d, STR("\"kind\": \"code_rule\""))) rc = kernel_kind_add(f->k, *d, &f->e);
    if (!rc) rc = kernel_kind_add(f->k, str_of(part), &f->e);
    if (rc) test_fail(__FILE__, __LINE__, "%s: %s", f->e.where, f->e.text);
    return rc == 0;
}

static const char *made(struct fixture *f, const char *spec)
{
    struct resource r;
    if (fixture_create(f, "part", "", spec, &r)) return arena_printf(&f->a, "%s: %s", f->e.where, f->e.text);
    return arena_strdup(&f->a, r.code);
}

TEST(a_create_without_a_code_takes_the_next)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(open_with_rules(&f)); /* the clock stands at 2026-09-21T14:13:20Z, 22:13 at +08:00 */
    REQUIRE(fixture_create(
                &f, "code_rule", "R",
                "{\"kind\":\"part\",\"pattern\":\"SP-{yyyy}{mm}-{n:4}{check}\",\"reset\":\"month\",\"check\":\"luhn\"}",
                NULL) == 0);
    CHECK_Z(made(&f, "{}"), "SP-202609-00012");
    REQUIRE(fixture_create(&f, "part", "SP-202609-00020", "{}", NULL) == 0); /* taken by hand: passed over */
    CHECK_Z(made(&f, "{}"), "SP-202609-00038");
    struct str next[2];
    REQUIRE(code_rule_preview(f.k, &f.a, &actor_system, STR("R"), STR(""), 2, next, &f.e) == 0);
    CHECK_STR(next[0], "SP-202609-00046");
    REQUIRE(code_rule_preview(f.k, &f.a, &actor_system, STR("R"), STR(""), 1, next, &f.e) == 0);
    CHECK_STR(next[0], "SP-202609-00046"); /* nothing was used up */
    sim_clock_advance(&f.clock, 10 * 86400 * 1000000LL);
    CHECK_Z(made(&f, "{}"), "SP-202610-00010");
    bool ok = false;
    struct error why = {0};
    REQUIRE(code_rule_test(f.k, &f.a, &actor_system, STR("R"), STR("SP-202610-00010"), &ok, &why, &f.e) == 0);
    CHECK(ok);
    REQUIRE(code_rule_test(f.k, &f.a, &actor_system, STR("R"), STR("SP-202610-00011"), &ok, &why, &f.e) == 0);
    CHECK(!ok);
    CHECK_Z(why.text, "the check digits should be 0");
    REQUIRE(code_rule_test(f.k, &f.a, &actor_system, STR("R"), STR("SP-202613-00010"), &ok, &why, &f.e) == 0);
    CHECK(!ok);
    CHECK_Z(why.text, "'SP-202613-00010' does not follow the pattern");
    REQUIRE(resource_copy(f.k, &f.a, &actor_system, "part", STR("SP-202610-00010"), STR(""), STR(""), &r, &f.e) == 0);
    CHECK_STR(r.code, "SP-202610-00028");
    fixture_close(&f);
}

TEST(rules_that_make_no_sense)
{
    static const struct {
        const char *spec, *fault;
    } rows[] = {
        {"{\"kind\":\"prt\",\"pattern\":\"{n}\"}", "spec.kind: there is no kind 'prt'"},
        {"{\"kind\":\"part\",\"pattern\":\"SP\"}", "spec.pattern: needs a serial number, such as {n:5}"},
        {"{\"kind\":\"part\",\"pattern\":\"{x}{n}\"}",
         "spec.pattern: '{x}' is no token; use {org} {yyyy} {yy} {mm} {dd} {n:5} {field:name} {check}"},
        {"{\"kind\":\"part\",\"pattern\":\"{n:0}\"}", "spec.pattern: {n:…} takes 1 to 12 digits"},
        {"{\"kind\":\"part\",\"pattern\":\"{n\"}",
         "spec.pattern: '{n}' is no token; use {org} {yyyy} {yy} {mm} {dd} {n:5} {field:name} {check}"},
        {"{\"kind\":\"part\",\"pattern\":\"{n}\",\"reset\":\"year\"}",
         "spec.pattern: must hold the whole period after which the numbers begin again"},
        {"{\"kind\":\"part\",\"pattern\":\"{check}{n}\",\"check\":\"luhn\"}",
         "spec.pattern: {check} stands at the end"},
        {"{\"kind\":\"part\",\"pattern\":\"{n}{check}\"}", "spec.check: {check} needs a kind of check digits"},
        {"{\"kind\":\"part\",\"pattern\":\"{field:x}{n}\"}",
         "spec.pattern: 'x' is no field of part with a simple value"},
    };
    struct fixture f = {0};
    REQUIRE(open_with_rules(&f));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(fixture_create(&f, "code_rule", "R", rows[i].spec, NULL), ERR_INVALID);
        CHECK_Z(arena_printf(&f.a, "%s: %s", f.e.where, f.e.text), rows[i].fault);
    }
    REQUIRE(fixture_create(&f, "code_rule", "R", "{\"kind\":\"part\",\"pattern\":\"{field:group}-{n:3}\"}", NULL) == 0);
    CHECK_INT(fixture_create(&f, "code_rule", "S", "{\"kind\":\"part\",\"pattern\":\"{n}\"}", NULL), ERR_EXISTS);
    CHECK_Z(made(&f, "{}"), "spec.group: is part of the code and has to be filled in");
    CHECK_Z(made(&f, "{\"group\":\"V\"}"), "V-001");
    fixture_close(&f);
}

TEST(life_long_codes_are_never_used_again)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(open_with_rules(&f));
    REQUIRE(fixture_create(&f, "part", "A", "{}", &r) == 0);
    struct resource_input in = {.code = STR("B")};
    REQUIRE(resource_patch(f.k, &f.a, &actor_system, "part", STR("A"), -1, &in, &r, &f.e) == 0);
    CHECK_INT(fixture_create(&f, "part", "A", "{}", NULL), ERR_EXISTS); /* renamed */
    CHECK_Z(f.e.text, "'A' has been used before and is never used again; choose another code");
    in.code = STR("A");
    REQUIRE(resource_patch(f.k, &f.a, &actor_system, "part", STR("B"), -1, &in, &r, &f.e) == 0); /* its own */
    REQUIRE(resource_delete(f.k, &actor_system, "part", STR("A"), -1, &f.e) == 0);
    CHECK_INT(fixture_create(&f, "part", "A", "{}", NULL), ERR_EXISTS); /* deleted */
    REQUIRE(resource_restore(f.k, &f.a, &actor_system, "part", r.id, -1, &r, &f.e) == 0);
    CHECK_STR(r.code, "A");
    fixture_close(&f);
}
