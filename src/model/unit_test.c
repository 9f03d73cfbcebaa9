/* unit_test.c - factors against NIST SP 811 (2008) appendix B.8 and the UCUM tables; the plant's spellings. */
#include "base/test.h"
#include "model/unit.h"

static const struct {
    const char *from, *to;
    double value, want;
} factors[] = {
    {"m3/h", "L/s", 3.6, 1},
    {"t/h", "kg/s", 3.6, 1},
    {"degC", "K", 25, 298.15},
    {"degC", "[degF]", 100, 212},
    {"[degF]", "Cel", 32, 0},
    {"kWh", "MJ", 1, 3.6},
    {"[psi]", "kPa", 1, 6.894757293168361},
    {"bar", "MPa", 10, 1},
    {"atm", "Pa", 1, 101325},
    {"mm[H2O]", "Pa", 1, 9.80665},
    {"[in_i]", "mm", 1, 25.4},
    {"[lb_av]", "kg", 1, 0.45359237},
    {"[HP]", "W", 1, 745.6998715822702},
    {"rpm", "Hz", 60, 1},
    {"%", "[ppm]", 1, 10000},
    {"g/t", "[ppm]", 5, 5},
    {"km/h", "m/s", 36, 10},
    {"Nm3/min", "Nm3/h", 1, 60},
    {"kN.m", "N.m", 1, 1000},
    {"uS/cm", "S/m", 10000, 1},
    {"10*3/m3", "/L", 1, 1},
    {"kg.m/s2", "N", 1, 1},
    {"J/(kg.K)", "kJ/(t.K)", 1, 1},
    {"deg", "rad", 180, 3.14159265358979323846},
    {"[oz_tr]/t", "g/t", 1, 31.1034768},
    {"cm2", "m2", 10000, 1},
    {"Cel/min", "K/s", 60, 1},
    {"d", "h", 1, 24},
};

TEST(unit_factors)
{
    for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
        double got = NAN, back = NAN;
        struct error e = {0};
        if (unit_convert(str_of(factors[i].from), str_of(factors[i].to), factors[i].value, &got, &e))
            test_fail(__FILE__, __LINE__, "%s: %s", factors[i].from, e.text);
        CHECK_DBL(got, factors[i].want, 1e-12 * (1 + fabs(factors[i].want)));
        CHECK_INT(unit_convert(str_of(factors[i].to), str_of(factors[i].from), got, &back, NULL), 0);
        CHECK_DBL(back, factors[i].value, 1e-10 * (1 + fabs(factors[i].value)));
    }
}

TEST(unit_plant_spellings)
{
    static const char *known[] = {
        "%",      "%Nc",   "-",       "1/min", "A",      "IU",   "K",    "L/h",      "L/s",   "MPa",   "MW",   "Mvar",
        "NTU",    "Nm3/h", "Nm3/min", "Nm3/t", "Pa",     "V",    "bool", "cm/s",     "dB",    "deg",   "degC", "enum",
        "g/L",    "g/t",   "g/t Cu",  "gE",    "kA",     "kN",   "kNm",  "kPa",      "kV",    "kW",    "kWh",  "kg",
        "km/h",   "m",     "m/h",     "m/min", "m/s",    "m3",   "m3/h", "m3/min",   "m3/s",  "mA",    "mV",   "mg/L",
        "mg/Nm3", "mg/m3", "mm",      "mm/h",  "mm/min", "mm/s", "pcs",  "pcs/100m", "pcs/h", "pcs/t", "ppm",  "rpm",
        "s",      "t",     "t/d",     "t/h",   "uS/cm",  "ue",   "um",   "various",  ""};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!unit_is_known(str_of(known[i]))) test_fail(__FILE__, __LINE__, "unknown: %s", known[i]);
    }
    for (const struct unit_alias *a = unit_aliases; a->alias; a++) {
        if (!unit_is_known(str_of(a->ucum))) test_fail(__FILE__, __LINE__, "alias %s: %s", a->alias, a->ucum);
    }
}

TEST(unit_errors)
{
    static const struct {
        const char *text, *where;
    } bad[] = {{"m3/xyz", "position 4"},
               {"m..s", "position 3"},
               {"m/", "position 3"},
               {"(m", "position 3"},
               {"m)", "position 2"},
               {"m{a", "position 2"},
               {"m-", "position 3"},
               {"kmin", "position 1"},
               {"m99", "position 4"},
               {"0", "position 2"},
               {"((((((((((m))))))))))", "position 9"},
               {" m", "position 1"},
               {"[in_i", "position 1"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct unit u;
        struct error e = {0};
        CHECK_INT(unit_parse(str_of(bad[i].text), &u, &e), ERR_INVALID);
        if (strcmp(e.where, bad[i].where)) test_fail(__FILE__, __LINE__, "%s: %s", bad[i].text, e.where);
    }
    double v = 7;
    struct error e = {0};
    CHECK_INT(unit_convert(STR("m3/h"), STR("kg"), 1, &v, &e), ERR_INVALID);
    CHECK_Z(e.text, "cannot convert m3/h (volume flow) to kg (mass): give a unit of the same quantity");
    CHECK_Z(e.text_zh, "无法将 m3/h（体积流量）换算为 kg（质量）：请给出同类量的单位");
    CHECK_INT(unit_convert(STR("Nm3"), STR("m3"), 1, &v, &e), ERR_INVALID);
    CHECK_DBL(v, 7, 0);
}
