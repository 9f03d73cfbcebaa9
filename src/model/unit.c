/* unit.c - UCUM expressions: tables of atoms, prefixes, aliases and dimension names, and a small parser.
 *
 * Factors: UCUM 2.1 tables; NIST SP 811 (2008) appendix B.8 for the customary units; exact where they are.
 * Grammar: ['/'] term {('.' | '/') term}; term: '(' … ')' | digits | symbol [exponent], each with {annotation}.
 * Recursion by parentheses is bounded by DEPTH_MAX. Pure; any thread. */
#include "model/unit.h"
#include <math.h>
#include <stdio.h>

enum { DEPTH_MAX = 8, EXPONENT_MAX = 24 };

struct atom {
    const char *code;
    bool metric; /* takes prefixes */
    double factor, offset;
    int8_t dim[UNIT_DIMS]; /* length mass time current temperature amount luminous angle */
};
#define PI 3.14159265358979323846
static const struct atom atoms[] = {
    {"m", true, 1, 0, {1}},
    {"g", true, 1e-3, 0, {0, 1}},
    {"s", true, 1, 0, {0, 0, 1}},
    {"A", true, 1, 0, {0, 0, 0, 1}},
    {"K", true, 1, 0, {0, 0, 0, 0, 1}},
    {"mol", true, 1, 0, {0, 0, 0, 0, 0, 1}},
    {"cd", true, 1, 0, {0, 0, 0, 0, 0, 0, 1}},
    {"rad", true, 1, 0, {0, 0, 0, 0, 0, 0, 0, 1}},
    {"deg", false, PI / 180, 0, {0, 0, 0, 0, 0, 0, 0, 1}},
    {"circ", false, 2 * PI, 0, {0, 0, 0, 0, 0, 0, 0, 1}},
    {"Cel", true, 1, 273.15, {0, 0, 0, 0, 1}},
    {"[degF]", false, 5.0 / 9, 459.67 * 5 / 9, {0, 0, 0, 0, 1}},
    {"[degR]", false, 5.0 / 9, 0, {0, 0, 0, 0, 1}},
    {"%", false, 1e-2, 0, {0}},
    {"[ppth]", false, 1e-3, 0, {0}},
    {"[ppm]", false, 1e-6, 0, {0}},
    {"[ppb]", false, 1e-9, 0, {0}},
    {"[pH]", false, 1, 0, {0}},
    {"l", true, 1e-3, 0, {3}},
    {"L", true, 1e-3, 0, {3}},
    {"ar", true, 100, 0, {2}},
    {"t", true, 1e3, 0, {0, 1}},
    {"u", true, 1.66053906660e-27, 0, {0, 1}},
    {"min", false, 60, 0, {0, 0, 1}},
    {"h", false, 3600, 0, {0, 0, 1}},
    {"d", false, 86400, 0, {0, 0, 1}},
    {"wk", false, 604800, 0, {0, 0, 1}},
    {"mo", false, 2629800, 0, {0, 0, 1}},
    {"a", false, 31557600, 0, {0, 0, 1}},
    {"Hz", true, 1, 0, {0, 0, -1}},
    {"Bq", true, 1, 0, {0, 0, -1}},
    {"N", true, 1, 0, {1, 1, -2}},
    {"Pa", true, 1, 0, {-1, 1, -2}},
    {"bar", true, 1e5, 0, {-1, 1, -2}},
    {"atm", false, 101325, 0, {-1, 1, -2}},
    {"m[H2O]", true, 9806.65, 0, {-1, 1, -2}},
    {"m[Hg]", true, 133322.0, 0, {-1, 1, -2}},
    {"[psi]", false, 6894.757293168361, 0, {-1, 1, -2}},
    {"[in_i'H2O]", false, 249.08891, 0, {-1, 1, -2}},
    {"J", true, 1, 0, {2, 1, -2}},
    {"cal", true, 4.184, 0, {2, 1, -2}},
    {"cal_IT", true, 4.1868, 0, {2, 1, -2}},
    {"[Btu_IT]", false, 1055.05585262, 0, {2, 1, -2}},
    {"eV", true, 1.602176634e-19, 0, {2, 1, -2}},
    {"W", true, 1, 0, {2, 1, -3}},
    {"[HP]", false, 745.6998715822702, 0, {2, 1, -3}},
    {"C", true, 1, 0, {0, 0, 1, 1}},
    {"V", true, 1, 0, {2, 1, -3, -1}},
    {"Ohm", true, 1, 0, {2, 1, -3, -2}},
    {"S", true, 1, 0, {-2, -1, 3, 2}},
    {"F", true, 1, 0, {-2, -1, 4, 2}},
    {"H", true, 1, 0, {2, 1, -2, -2}},
    {"Wb", true, 1, 0, {2, 1, -2, -1}},
    {"T", true, 1, 0, {0, 1, -2, -1}},
    {"lm", true, 1, 0, {0, 0, 0, 0, 0, 0, 1}},
    {"lx", true, 1, 0, {-2, 0, 0, 0, 0, 0, 1}},
    {"P", true, 0.1, 0, {-1, 1, -1}},
    {"St", true, 1e-4, 0, {2, 0, -1}},
    {"[g]", true, 9.80665, 0, {1, 0, -2}},
    {"gf", true, 9.80665e-3, 0, {1, 1, -2}},
    {"[in_i]", false, 0.0254, 0, {1}},
    {"[ft_i]", false, 0.3048, 0, {1}},
    {"[yd_i]", false, 0.9144, 0, {1}},
    {"[mi_i]", false, 1609.344, 0, {1}},
    {"[lb_av]", false, 0.45359237, 0, {0, 1}},
    {"[oz_av]", false, 0.028349523125, 0, {0, 1}},
    {"[oz_tr]", false, 0.0311034768, 0, {0, 1}},
    {"[ston_av]", false, 907.18474, 0, {0, 1}},
    {"[lton_av]", false, 1016.0469088, 0, {0, 1}},
    {"[gal_us]", false, 3.785411784e-3, 0, {3}},
    {"[bbl_us]", false, 0.158987294928, 0, {3}},
    {"[lbf_av]", false, 4.4482216152605, 0, {1, 1, -2}},
};

static const struct {
    const char *code;
    double factor;
} prefixes[] = {{"da", 1e1}, {"Y", 1e24},  {"Z", 1e21},  {"E", 1e18},  {"P", 1e15},  {"T", 1e12}, {"G", 1e9},
                {"M", 1e6},  {"k", 1e3},   {"h", 1e2},   {"d", 1e-1},  {"c", 1e-2},  {"m", 1e-3}, {"u", 1e-6},
                {"n", 1e-9}, {"p", 1e-12}, {"f", 1e-15}, {"a", 1e-18}, {"z", 1e-21}, {"y", 1e-24}};

const struct unit_alias unit_aliases[] = {
    {"-", "1"},
    {"degC", "Cel"},
    {"℃", "Cel"},
    {"°C", "Cel"},
    {"degF", "[degF]"},
    {"℉", "[degF]"},
    {"°F", "[degF]"},
    {"°", "deg"},
    {"rpm", "{rev}/min"},
    {"r/min", "{rev}/min"},
    {"ppm", "[ppm]"},
    {"ppb", "[ppb]"},
    {"‰", "[ppth]"},
    {"pH", "[pH]"},
    {"%Nc", "%{Nc}"},
    {"Nm3", "m3{normal}"},
    {"Nm3/h", "m3{normal}/h"},
    {"Nm3/min", "m3{normal}/min"},
    {"Nm3/s", "m3{normal}/s"},
    {"Nm3/t", "m3{normal}/t"},
    {"mg/Nm3", "mg/m3{normal}"},
    {"g/Nm3", "g/m3{normal}"},
    {"m³", "m3"},
    {"m³/h", "m3/h"},
    {"m³/s", "m3/s"},
    {"m³/min", "m3/min"},
    {"m²", "m2"},
    {"Nm³/h", "m3{normal}/h"},
    {"mg/m³", "mg/m3"},
    {"t/hr", "t/h"},
    {"kWh", "kW.h"},
    {"MWh", "MW.h"},
    {"Wh", "W.h"},
    {"kWh/t", "kW.h/t"},
    {"VA", "V.A"},
    {"kVA", "kV.A"},
    {"MVA", "MV.A"},
    {"var", "V.A{reactive}"},
    {"kvar", "kV.A{reactive}"},
    {"Mvar", "MV.A{reactive}"},
    {"kvarh", "kV.A.h{reactive}"},
    {"Nm", "N.m"},
    {"N·m", "N.m"},
    {"kNm", "kN.m"},
    {"ue", "10*-6{strain}"},
    {"με", "10*-6{strain}"},
    {"gE", "[g]{envelope}"},
    {"g/t Cu", "g/t{Cu}"},
    {"pcs", "{pcs}"},
    {"pcs/h", "{pcs}/h"},
    {"pcs/t", "{pcs}/t"},
    {"pcs/100m", "{pcs}/(100.m)"},
    {"NTU", "{NTU}"},
    {"IU", "{IU}"},
    {"dB", "{dB}"},
    {"dB(A)", "{dB_A}"},
    {"bool", "{bool}"},
    {"enum", "{enum}"},
    {"various", "{various}"},
    {"Ω", "Ohm"},
    {"ohm", "Ohm"},
    {"µm", "um"},
    {"μm", "um"},
    {"µS/cm", "uS/cm"},
    {"psi", "[psi]"},
    {"mmH2O", "mm[H2O]"},
    {"mmHg", "mm[Hg]"},
    {"inH2O", "[in_i'H2O]"},
    {"hp", "[HP]"},
    {"ft", "[ft_i]"},
    {"in", "[in_i]"},
    {"lb", "[lb_av]"},
    {"gal", "[gal_us]"},
    {"gpm", "[gal_us]/min"},
    {"bbl", "[bbl_us]"},
    {"oz/t", "[oz_tr]/t"},
    {NULL, NULL},
};

static const struct {
    int8_t dim[UNIT_DIMS];
    const char *en, *zh;
} dim_names[] = {
    {{0}, "number", "数"},
    {{1}, "length", "长度"},
    {{2}, "area", "面积"},
    {{3}, "volume", "体积"},
    {{0, 1}, "mass", "质量"},
    {{0, 0, 1}, "time", "时间"},
    {{0, 0, -1}, "frequency", "频率"},
    {{1, 0, -1}, "speed", "速度"},
    {{1, 0, -2}, "acceleration", "加速度"},
    {{3, 0, -1}, "volume flow", "体积流量"},
    {{0, 1, -1}, "mass flow", "质量流量"},
    {{-3, 1}, "density", "密度"},
    {{1, 1, -2}, "force", "力"},
    {{-1, 1, -2}, "pressure", "压力"},
    {{2, 1, -2}, "energy", "能量"},
    {{2, 1, -3}, "power", "功率"},
    {{0, 0, 0, 1}, "electric current", "电流"},
    {{2, 1, -3, -1}, "voltage", "电压"},
    {{2, 1, -3, -2}, "resistance", "电阻"},
    {{-3, -1, 3, 2}, "conductivity", "电导率"},
    {{0, 0, 0, 0, 1}, "temperature", "温度"},
    {{0, 0, 0, 0, 0, 1}, "amount of substance", "物质的量"},
    {{0, 0, 0, 0, 0, 0, 0, 1}, "angle", "角度"},
    {{3, 0, 0, 0, 0, 0, 0, 0, 1}, "normal volume", "标况体积"},
    {{3, 0, -1, 0, 0, 0, 0, 0, 1}, "normal volume flow", "标况体积流量"},
    {{-3, 1, 0, 0, 0, 0, 0, 0, -1}, "concentration at normal conditions", "标况浓度"},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct parser {
    struct str text;
    size_t pos;
    int depth;
    struct error *e;
};

static int fail(const struct parser *p, const char *en, const char *zh)
{
    char where[32];
    snprintf(where, sizeof(where), "position %zu", p->pos + 1);
    return error_set(p->e, ERR_INVALID, where, "unit '%.*s', position %zu: %s%.0s", "单位“%.*s”第 %zu 位：%.0s%s",
                     (int)(p->text.n > 60 ? 60 : p->text.n), p->text.p ? p->text.p : "", p->pos + 1, en, zh);
}

static char peek(const struct parser *p)
{
    return p->pos < p->text.n ? p->text.p[p->pos] : '\0';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool add_powers(struct unit *u, const struct unit *v, int exponent)
{
    u->factor *= pow(v->factor, exponent);
    for (size_t i = 0; i < UNIT_DIMS; i++) {
        int d = u->dim[i] + v->dim[i] * exponent;
        if (d < -99 || d > 99) return false;
        u->dim[i] = (int8_t)d;
    }
    return isfinite(u->factor) && u->factor > 0;
}

static bool find_atom(struct str code, struct unit *ret)
{
    for (size_t k = 0; k <= COUNT(prefixes); k++) { /* the last round: no prefix, which wins ("min", "cd") */
        size_t j = COUNT(prefixes) - k;
        struct str pre = j < COUNT(prefixes) ? str_of(prefixes[j].code) : STR("");
        if (!str_starts(code, pre)) continue;
        for (size_t i = 0; i < COUNT(atoms); i++) {
            if ((pre.n && !atoms[i].metric) || !str_is(str_sub(code, pre.n, code.n), atoms[i].code)) continue;
            *ret = (struct unit){atoms[i].factor * (pre.n ? prefixes[j].factor : 1), atoms[i].offset, {0}};
            memcpy(ret->dim, atoms[i].dim, sizeof(ret->dim));
            return true;
        }
    }
    return false;
}

static int scan_exponent(struct parser *p, int *ret)
{
    int sign = 1, v = 0;
    *ret = 1;
    bool has_sign = peek(p) == '-' || peek(p) == '+';
    if (!has_sign && !digit(peek(p))) return 0;
    if (has_sign) sign = p->text.p[p->pos++] == '-' ? -1 : 1;
    if (!digit(peek(p))) return fail(p, "expected an exponent", "应为指数");
    while (digit(peek(p)) && v <= EXPONENT_MAX) v = v * 10 + (p->text.p[p->pos++] - '0');
    if (v > EXPONENT_MAX) return fail(p, "exponent over 24", "指数超过 24");
    *ret = sign * v;
    return 0;
}

static int scan_annotation(struct parser *p, struct unit *u)
{
    if (peek(p) != '{') return 0;
    struct str rest = str_sub(p->text, p->pos + 1, p->text.n);
    ptrdiff_t end = str_find(rest, '}');
    if (end < 0) return fail(p, "expected '}'", "应为 '}'");
    u->dim[UNIT_NORMAL] = (int8_t)(u->dim[UNIT_NORMAL] + str_is(str_sub(rest, 0, (size_t)end), "normal"));
    p->pos += (size_t)end + 2;
    return 0;
}

static int scan_symbol(struct parser *p, struct unit *ret)
{
    size_t from = p->pos;
    bool bracket = false;
    for (char c; (c = peek(p)) && (bracket || (!digit(c) && !strchr("./(){+-", c))); p->pos++)
        bracket = c == '[' ? true : c == ']' ? false : bracket;
    struct str code = str_sub(p->text, from, p->pos - from);
    struct unit atom;
    int exponent, rc;
    if (!find_atom(code, &atom)) {
        p->pos = from;
        return fail(p, "unknown unit, expected a UCUM code like m3/h, kW, Cel",
                    "未知单位，应为 UCUM 代码，如 m3/h、kW、Cel");
    }
    if ((rc = scan_exponent(p, &exponent))) return rc;
    *ret = (struct unit){1, exponent == 1 ? atom.offset : 0, {0}};
    return add_powers(ret, &atom, exponent) ? 0 : fail(p, "out of range", "超出范围");
}

static int scan_number(struct parser *p, struct unit *ret)
{
    uint64_t v;
    int exponent = 1, rc;
    size_t from = p->pos;
    while (digit(peek(p))) p->pos++;
    if (str_to_u64(str_sub(p->text, from, p->pos - from), &v) || v == 0)
        return fail(p, "expected a number above 0", "应为大于 0 的数");
    bool power = v == 10 && (peek(p) == '*' || peek(p) == '^');
    if (power) p->pos++;
    if (power && (rc = scan_exponent(p, &exponent))) return rc;
    *ret = (struct unit){pow((double)v, exponent), 0, {0}};
    return 0;
}

static int scan_product(struct parser *p, struct unit *ret);

static int scan_term(struct parser *p, struct unit *ret)
{
    int rc;
    *ret = (struct unit){.factor = 1};
    if (peek(p) == '(') {
        if (++p->depth > DEPTH_MAX) return fail(p, "too many parentheses", "括号过多");
        p->pos++;
        if ((rc = scan_product(p, ret))) return rc;
        if (peek(p) != ')') return fail(p, "expected ')'", "应为 ')'");
        p->pos++;
        p->depth--;
    } else if (peek(p) != '{') {
        rc = digit(peek(p)) ? scan_number(p, ret) : scan_symbol(p, ret);
        if (rc) return rc;
    }
    return scan_annotation(p, ret);
}

static int scan_product(struct parser *p, struct unit *ret)
{
    *ret = (struct unit){.factor = 1};
    int sign = 1;
    for (size_t terms = 0;; terms++) {
        if (peek(p) == '/' || (terms && peek(p) == '.'))
            sign = p->text.p[p->pos++] == '/' ? -1 : 1;
        else if (terms)
            return 0;
        struct unit term;
        int rc = scan_term(p, &term);
        if (rc) return rc;
        if (!add_powers(ret, &term, sign)) return fail(p, "out of range", "超出范围");
        ret->offset = terms == 0 && sign == 1 ? term.offset : 0; /* only alone */
    }
}

struct str unit_ucum(struct str text)
{
    for (const struct unit_alias *a = unit_aliases; a->alias; a++) {
        if (str_is(text, a->alias)) return str_of(a->ucum);
    }
    return text;
}

int unit_parse(struct str text, struct unit *ret, struct error *e)
{
    struct parser p = {.text = unit_ucum(text), .e = e};
    struct unit u = {.factor = 1};
    int rc = p.text.n ? scan_product(&p, &u) : 0;
    if (rc) return rc;
    if (p.pos < p.text.n) return fail(&p, "expected '.' or '/'", "应为 '.' 或 '/'");
    *ret = u;
    return 0;
}

bool unit_is_known(struct str text)
{
    struct unit u;
    return unit_parse(text, &u, NULL) == 0;
}

const char *unit_dim_name(const struct unit *u, bool zh)
{
    for (size_t i = 0; i < COUNT(dim_names); i++) {
        if (memcmp(dim_names[i].dim, u->dim, sizeof(u->dim)) == 0) return zh ? dim_names[i].zh : dim_names[i].en;
    }
    return "";
}

static const char *name_or(const struct unit *u, bool zh)
{
    const char *name = unit_dim_name(u, zh);
    return *name ? name : zh ? "其他量" : "another quantity";
}

int unit_convert(struct str from, struct str to, double value, double *ret, struct error *e)
{
    struct unit f, t;
    int rc = unit_parse(from, &f, e);
    if (rc == 0) rc = unit_parse(to, &t, e);
    if (rc) return rc;
    if (memcmp(f.dim, t.dim, sizeof(f.dim)) == 0) {
        *ret =
            f.offset == t.offset ? value * (f.factor / t.factor) : (value * f.factor + f.offset - t.offset) / t.factor;
        return 0;
    }
    return error_set(e, ERR_INVALID, NULL,
                     "cannot convert %.*s (%s%.0s) to %.*s (%s%.0s): give a unit of the same quantity",
                     "无法将 %.*s（%.0s%s）换算为 %.*s（%.0s%s）：请给出同类量的单位", (int)(from.n > 40 ? 40 : from.n),
                     from.p ? from.p : "", name_or(&f, false), name_or(&f, true), (int)(to.n > 40 ? 40 : to.n),
                     to.p ? to.p : "", name_or(&t, false), name_or(&t, true));
}
