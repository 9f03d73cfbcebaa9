/* ua_unit.c - see ua_unit.h. */
#include "proto/opcua/ua_unit.h"
#include <string.h>

/* Code of Recommendation 20, UCUM. */
static const char *const units[][2] = {
    {"C62", "1"},      {"P1", "%"},     {"59", "[ppm]"},   {"MTR", "m"},      {"KMT", "km"},   {"CMT", "cm"},
    {"MMT", "mm"},     {"4H", "um"},    {"INH", "[in_i]"}, {"FOT", "[ft_i]"}, {"MTK", "m2"},   {"CMK", "cm2"},
    {"MMK", "mm2"},    {"MTQ", "m3"},   {"DMQ", "dm3"},    {"CMQ", "cm3"},    {"LTR", "L"},    {"MLT", "mL"},
    {"SEC", "s"},      {"C26", "ms"},   {"B98", "us"},     {"MIN", "min"},    {"HUR", "h"},    {"DAY", "d"},
    {"KGM", "kg"},     {"GRM", "g"},    {"MGM", "mg"},     {"TNE", "t"},      {"CEL", "Cel"},  {"KEL", "K"},
    {"FAH", "[degF]"}, {"PAL", "Pa"},   {"A97", "hPa"},    {"KPA", "kPa"},    {"MPA", "MPa"},  {"BAR", "bar"},
    {"MBR", "mbar"},   {"AMP", "A"},    {"4K", "mA"},      {"B84", "uA"},     {"B22", "kA"},   {"VLT", "V"},
    {"2Z", "mV"},      {"KVT", "kV"},   {"OHM", "Ohm"},    {"B49", "kOhm"},   {"B75", "MOhm"}, {"SIE", "S"},
    {"WTT", "W"},      {"C31", "mW"},   {"KWT", "kW"},     {"MAW", "MW"},     {"A90", "GW"},   {"D46", "V.A"},
    {"KVA", "kV.A"},   {"MVA", "MV.A"}, {"JOU", "J"},      {"KJO", "kJ"},     {"3B", "MJ"},    {"GV", "GJ"},
    {"WHR", "W.h"},    {"KWH", "kW.h"}, {"MWH", "MW.h"},   {"GWH", "GW.h"},   {"HTZ", "Hz"},   {"KHZ", "kHz"},
    {"MHZ", "MHz"},    {"RPM", "/min"}, {"NEW", "N"},      {"B47", "kN"},     {"NU", "N.m"},   {"MTS", "m/s"},
    {"2X", "m/min"},   {"KMH", "km/h"}, {"MQS", "m3/s"},   {"MQH", "m3/h"},   {"G51", "L/s"},  {"L2", "L/min"},
    {"E32", "L/h"},    {"KGS", "kg/s"}, {"F31", "kg/min"}, {"E93", "kg/h"},   {"E18", "t/h"},  {"KMQ", "kg/m3"},
    {"GL", "g/L"},     {"23", "g/cm3"}, {"M1", "mg/L"},    {"GP", "mg/m3"},   {"GQ", "ug/m3"}, {"DD", "deg"},
    {"C81", "rad"},    {"Q30", "[pH]"}, {"2N", "dB"},      {"LUX", "lx"},     {"C65", "Pa.s"}, {"C24", "mPa.s"},
    {"4C", "mm2/s"},   {"D10", "S/m"},  {"G42", "uS/cm"},  {"H61", "mS/cm"},  {"FAR", "F"},    {"4O", "uF"},
};
#define UNITS (sizeof units / sizeof units[0])

static int32_t id_of(const char *code)
{
    int32_t id = 0;
    for (; *code; code++) id = id << 8 | (unsigned char)*code;
    return id;
}

const char *ua_unit_ucum(const struct ua_eu_information *eu)
{
    if (eu->namespace_uri.n && !str_is(eu->namespace_uri, UA_UNIT_URI)) return NULL;
    for (size_t i = 0; i < UNITS; i++)
        if (id_of(units[i][0]) == eu->unit_id) return units[i][1];
    return NULL;
}

int32_t ua_unit_id(struct str ucum)
{
    for (size_t i = 0; i < UNITS; i++)
        if (str_is(ucum, units[i][1])) return id_of(units[i][0]);
    return -1;
}

bool ua_unit_at(size_t i, const char **ret_code, const char **ret_ucum)
{
    if (i >= UNITS) return false;
    *ret_code = units[i][0];
    *ret_ucum = units[i][1];
    return true;
}
