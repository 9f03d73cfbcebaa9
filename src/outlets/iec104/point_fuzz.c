/* Any text as an address: what is taken has a canonical form that means the same; and as a list of who may connect. */
#include <assert.h>
#include <stdio.h>
#include "outlets/iec104/station_int.h"

static void address(const char *text, enum value_type type)
{
    struct outlet_point p = {.num = 1, .address = text, .code = "P", .type = type, .lo = NAN, .hi = NAN};
    struct outlet_address a, b;
    struct sv_rules rules;
    struct sv_point x, y;
    struct error e = {0};
    sv_rules_of(NULL, &rules);
    if (sv_point_resolve(&p, &rules, &x, &a, &e)) {
        assert(e.text[0] && e.text_zh[0]);
        return;
    }
    p.address = a.canonical;
    assert(sv_point_resolve(&p, &rules, &y, &b, &e) == 0);
    assert(strcmp(a.canonical, b.canonical) == 0 && strcmp(a.key, b.key) == 0 && a.type == b.type);
    assert(x.ca == y.ca && x.ioa == y.ioa && x.type == y.type && x.command == y.command);
    assert(x.command_ca == y.command_ca && x.command_ioa == y.command_ioa);
}

static void list(const char *text)
{
    struct ip_list l;
    struct error e = {0};
    if (ip_list_parse(text, &l, &e))
        assert(e.text[0]);
    else
        (void)ip_list_has(&l, "10.0.0.7");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char text[200];
    if (n == 0 || n >= sizeof text) return 0;
    memcpy(text, p, n);
    text[n] = 0;
    address(text, VALUE_AUTO);
    address(text, VALUE_BOOL);
    list(text);
    return 0;
}
