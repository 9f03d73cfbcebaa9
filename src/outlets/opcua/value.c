/* value.c - a sample as a DataValue and back, the codes of units, parts of values.
 *
 * A variable keeps one DataType: what does not fit into it is BadOutOfRange, without a value. Units are those of UNECE
 * Recommendation 20, whose code of three letters is the number of EUInformation (OPC 10000-8, 5.6.3). */
#include "outlets/opcua/server_int.h"

#define UNECE "http://www.opcfoundation.org/UA/units/un/cefact"

static const struct {
    const char *ucum, *code, *symbol, *name;
} units[] = {
    {"%", "P1", "%", "percent"},
    {"1", "C62", "1", "one"},
    {"[ppm]", "59", "ppm", "part per million"},
    {"[ppb]", "61", "ppb", "part per billion"},
    {"Cel", "CEL", "°C", "degree Celsius"},
    {"[degF]", "FAH", "°F", "degree Fahrenheit"},
    {"K", "KEL", "K", "kelvin"},
    {"Pa", "PAL", "Pa", "pascal"},
    {"hPa", "A97", "hPa", "hectopascal"},
    {"kPa", "KPA", "kPa", "kilopascal"},
    {"MPa", "MPA", "MPa", "megapascal"},
    {"bar", "BAR", "bar", "bar"},
    {"mbar", "MBR", "mbar", "millibar"},
    {"m", "MTR", "m", "metre"},
    {"mm", "MMT", "mm", "millimetre"},
    {"cm", "CMT", "cm", "centimetre"},
    {"um", "4H", "µm", "micrometre"},
    {"km", "KMT", "km", "kilometre"},
    {"m2", "MTK", "m²", "square metre"},
    {"m3", "MTQ", "m³", "cubic metre"},
    {"L", "LTR", "l", "litre"},
    {"l", "LTR", "l", "litre"},
    {"mL", "MLT", "ml", "millilitre"},
    {"g", "GRM", "g", "gram"},
    {"kg", "KGM", "kg", "kilogram"},
    {"mg", "MGM", "mg", "milligram"},
    {"t", "TNE", "t", "tonne"},
    {"s", "SEC", "s", "second"},
    {"ms", "C26", "ms", "millisecond"},
    {"min", "MIN", "min", "minute"},
    {"h", "HUR", "h", "hour"},
    {"d", "DAY", "d", "day"},
    {"Hz", "HTZ", "Hz", "hertz"},
    {"kHz", "KHZ", "kHz", "kilohertz"},
    {"/min", "C94", "min⁻¹", "reciprocal minute"},
    {"{rpm}", "RPM", "r/min", "revolutions per minute"},
    {"m/s", "MTS", "m/s", "metre per second"},
    {"m/min", "2X", "m/min", "metre per minute"},
    {"mm/s", "C16", "mm/s", "millimetre per second"},
    {"km/h", "KMH", "km/h", "kilometre per hour"},
    {"m/s2", "MSK", "m/s²", "metre per second squared"},
    {"m3/h", "MQH", "m³/h", "cubic metre per hour"},
    {"m3/s", "MQS", "m³/s", "cubic metre per second"},
    {"m3/min", "G53", "m³/min", "cubic metre per minute"},
    {"L/min", "L2", "l/min", "litre per minute"},
    {"L/h", "E32", "l/h", "litre per hour"},
    {"L/s", "G51", "l/s", "litre per second"},
    {"kg/h", "E93", "kg/h", "kilogram per hour"},
    {"kg/s", "KGS", "kg/s", "kilogram per second"},
    {"kg/min", "F31", "kg/min", "kilogram per minute"},
    {"t/h", "E18", "t/h", "tonne per hour"},
    {"t/d", "F05", "t/d", "tonne per day"},
    {"kg/m3", "KMQ", "kg/m³", "kilogram per cubic metre"},
    {"g/L", "GL", "g/l", "gram per litre"},
    {"mg/L", "M1", "mg/l", "milligram per litre"},
    {"mg/m3", "GP", "mg/m³", "milligram per cubic metre"},
    {"ug/m3", "GQ", "µg/m³", "microgram per cubic metre"},
    {"g/cm3", "23", "g/cm³", "gram per cubic centimetre"},
    {"A", "AMP", "A", "ampere"},
    {"mA", "4K", "mA", "milliampere"},
    {"kA", "B22", "kA", "kiloampere"},
    {"V", "VLT", "V", "volt"},
    {"mV", "2Z", "mV", "millivolt"},
    {"kV", "KVT", "kV", "kilovolt"},
    {"Ohm", "OHM", "Ω", "ohm"},
    {"W", "WTT", "W", "watt"},
    {"kW", "KWT", "kW", "kilowatt"},
    {"MW", "MAW", "MW", "megawatt"},
    {"V.A", "D46", "V·A", "volt ampere"},
    {"kV.A", "KVA", "kV·A", "kilovolt ampere"},
    {"kvar", "KVR", "kvar", "kilovar"},
    {"W.h", "WHR", "W·h", "watt hour"},
    {"kW.h", "KWH", "kW·h", "kilowatt hour"},
    {"MW.h", "MWH", "MW·h", "megawatt hour"},
    {"J", "JOU", "J", "joule"},
    {"kJ", "KJO", "kJ", "kilojoule"},
    {"MJ", "3B", "MJ", "megajoule"},
    {"GJ", "GV", "GJ", "gigajoule"},
    {"N", "NEW", "N", "newton"},
    {"kN", "B47", "kN", "kilonewton"},
    {"N.m", "NU", "N·m", "newton metre"},
    {"deg", "DD", "°", "degree"},
    {"rad", "C81", "rad", "radian"},
    {"S/m", "D10", "S/m", "siemens per metre"},
    {"uS/cm", "G42", "µS/cm", "microsiemens per centimetre"},
    {"lx", "LUX", "lx", "lux"},
    {"dB", "2N", "dB", "decibel"},
    {"mol/L", "C38", "mol/l", "mole per litre"},
    {"[pH]", "Q30", "pH", "pH (potential of Hydrogen)"},
};

/* A unit that the list has not is told by its symbol alone. */
bool os_unit(struct str ucum, struct arena *a, struct ua_eu_information *ret)
{
    (void)a;
    *ret = (struct ua_eu_information){.unit_id = -1, .display_name = {STR_NULL, ucum}, .description = {STR_NULL, ucum}};
    if (ucum.n == 0) return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!str_is(ucum, units[i].ucum)) continue;
        ret->unit_id = 0;
        for (const char *c = units[i].code; *c; c++) ret->unit_id = ret->unit_id << 8 | (uint8_t)*c;
        ret->namespace_uri = STR(UNECE);
        ret->display_name = (struct ua_text){STR_NULL, str_of(units[i].symbol)};
        ret->description = (struct ua_text){STR("en"), str_of(units[i].name)};
        break;
    }
    return true;
}

static const uint8_t wire_types[VALUE_TYPE_COUNT] = {
    [VALUE_BOOL] = UA_BOOLEAN,  [VALUE_INT8] = UA_SBYTE,    [VALUE_UINT8] = UA_BYTE,    [VALUE_INT16] = UA_INT16,
    [VALUE_UINT16] = UA_UINT16, [VALUE_INT32] = UA_INT32,   [VALUE_UINT32] = UA_UINT32, [VALUE_INT64] = UA_INT64,
    [VALUE_UINT64] = UA_UINT64, [VALUE_FLOAT] = UA_FLOAT,   [VALUE_DOUBLE] = UA_DOUBLE, [VALUE_BCD16] = UA_UINT16,
    [VALUE_BCD32] = UA_UINT32,  [VALUE_STRING] = UA_STRING,
};
uint8_t os_wire_type(enum value_type t)
{
    return t < VALUE_TYPE_COUNT ? wire_types[t] : UA_NULL;
}
uint8_t os_type_of_sample(const struct sample *s)
{
    static const uint8_t types[] = {
        [SAMPLE_DOUBLE] = UA_DOUBLE, [SAMPLE_INT] = UA_INT64, [SAMPLE_BOOL] = UA_BOOLEAN, [SAMPLE_STRING] = UA_STRING};
    return s->type < sizeof types ? types[s->type] : UA_NULL;
}

/* Into the type of the variable; false: it does not fit. */
static bool convert(uint8_t type, const struct sample *x, const char *text, size_t n, struct ua_variant *ret)
{
    struct str t = str_make(text ? text : "", n);
    if (x->type == SAMPLE_STRING || type == UA_STRING) {
        if (x->type != SAMPLE_STRING || (type != UA_STRING && type != UA_NULL)) return false;
        *ret = ua_variant_scalar(UA_STRING, &t);
        return true;
    }
    if (type == UA_NULL) type = os_type_of_sample(x);
    if (x->type == SAMPLE_DOUBLE) {
        double d = x->v.d;
        if (type != UA_DOUBLE && type != UA_FLOAT) d = nearbyint(d);
        return ua_variant_from_double(type, d, ret, NULL) == 0;
    }
    if (x->type == SAMPLE_INT || x->type == SAMPLE_BOOL) return ua_variant_from_i64(type, x->v.i, ret, NULL) == 0;
    return false;
}

void os_value(const struct os_point *p, const struct sample *x, const char *text, size_t n, struct ua_datavalue *ret)
{
    *ret = (struct ua_datavalue){.source_us = UA_TIME_NONE, .server_us = UA_TIME_NONE};
    ret->status = ua_quality_status(x->quality, x->flags & SAMPLE_REASON_MASK);
    if (x->time_us) ret->source_us = x->time_us;
    if (x->type == SAMPLE_BLOB) {
        ret->status = UA_BAD_NOT_SUPPORTED; /* waveforms and pictures are no values of OPC UA variables here */
    } else if (x->type != SAMPLE_NONE) {
        if (convert(p->type, x, text, n, &ret->value))
            ret->has |= UA_HAS_VALUE;
        else if (!ua_bad(ret->status))
            ret->status = UA_BAD_OUT_OF_RANGE;
    } else if (!ua_bad(ret->status)) {
        ret->status = UA_BAD_WAITING_FOR_INITIAL_DATA;
    }
}

/* What of it goes over the wire. */
void os_stamp(struct ua_datavalue *v, int32_t stamps, int64_t now_us)
{
    v->has &= UA_HAS_VALUE;
    if (v->status != UA_GOOD) v->has |= UA_HAS_STATUS;
    if ((stamps == UA_STAMPS_SOURCE || stamps == UA_STAMPS_BOTH) && v->source_us != UA_TIME_NONE)
        v->has |= UA_HAS_SOURCE_TIME;
    if (stamps == UA_STAMPS_SERVER || stamps == UA_STAMPS_BOTH) {
        v->has |= UA_HAS_SERVER_TIME;
        v->server_us = now_us;
    }
}

/* A value that a client writes. */
uint32_t os_sample_of(const struct os_point *p, const struct ua_variant *v, struct sample *ret, struct str *ret_text)
{
    double d;
    int64_t i;
    *ret = (struct sample){0};
    *ret_text = STR_NULL;
    if (v->array || v->type == UA_NULL || (p->type != UA_NULL && v->type != p->type)) return UA_BAD_TYPE_MISMATCH;
    if (v->type == UA_STRING) {
        const struct str *s = ua_variant_item(v, 0);
        ret->type = SAMPLE_STRING;
        *ret_text = s->p ? *s : STR("");
        return 0;
    }
    if (v->type == UA_DOUBLE || v->type == UA_FLOAT) {
        if (!ua_variant_double(v, 0, &d) || !isfinite(d)) return UA_BAD_OUT_OF_RANGE;
        ret->type = SAMPLE_DOUBLE;
        ret->v.d = d;
        return 0;
    }
    if (v->type > UA_DOUBLE) return UA_BAD_TYPE_MISMATCH;
    if (!ua_variant_i64(v, 0, &i)) return UA_BAD_OUT_OF_RANGE;
    ret->type = v->type == UA_BOOLEAN ? SAMPLE_BOOL : SAMPLE_INT;
    ret->v.i = i;
    return 0;
}

/* ---- index ranges: of arrays of one dimension, and of texts and bytes ---- */

static bool parse_range(struct str range, uint64_t *from, uint64_t *to)
{
    struct str rest = range, first = str_cut(&rest, ':');
    bool one = rest.p == NULL;
    if (ua_range_check(range, NULL) || str_to_u64(first, from)) return false;
    if (one) *to = *from;
    return one || str_to_u64(rest, to) == 0;
}
uint32_t os_cut(struct arena *a, struct str range, struct ua_variant *v)
{
    uint64_t from, to;
    if (ua_range_check(range, NULL)) return UA_BAD_INDEX_RANGE_INVALID;
    if (!parse_range(range, &from, &to)) return UA_BAD_INDEX_RANGE_NO_DATA; /* several dimensions: none here */
    if (v->array) {
        size_t size = ua_size_of(v->type);
        if (from >= v->n) return UA_BAD_INDEX_RANGE_NO_DATA;
        if (to >= v->n) to = v->n - 1;
        v->u.items = (char *)v->u.items + from * size;
        v->n = (uint32_t)(to - from + 1);
        return 0;
    }
    if (v->type != UA_STRING && v->type != UA_BYTESTRING) return UA_BAD_INDEX_RANGE_NO_DATA;
    struct str s = *(const struct str *)ua_variant_item(v, 0);
    if (from >= s.n) return UA_BAD_INDEX_RANGE_NO_DATA;
    s = arena_str(a, str_sub(s, from, to - from + 1));
    *v = ua_variant_scalar(v->type, &s);
    return s.p ? 0 : UA_BAD_OUT_OF_MEMORY;
}
