/* point.c - addresses, what the standard's tables say of a code, data flags, numbers. Pure.
 *
 *   w01018, w01018-Rtd   a pollutant or a quantity: real-time value, and average, extremes and total of the periods
 *   a21026-ZsRtd         the converted value of a21026 (excess air): ZsRtd, ZsAvg, ZsMin, ZsMax of the same item
 *   SB1-RS               running state of equipment 1 (2021), its running time of the day (2041)
 *   cmd/3011/w01018 …    what the platform commands: control.c
 * RT! and 2011/ in front are those of the driver's addresses, and are dropped. */
#include <stdio.h>
#include "outlets/hj212/sender_int.h"

static int wrong(const char *text, struct error *e)
{
    return error_set(
        e, ERR_INVALID, "address",
        "'%.60s' is no address: write the code of the pollutant, w01018 or a21026-Rtd, a21026-ZsRtd for a "
        "converted value, SB1-RS for a running state, cmd/3011/w01018 for a command of the platform, "
        "set/w01018/i13004 for a parameter",
        "“%.60s”不是有效地址：请写污染因子编码，如 w01018 或 a21026-Rtd；折算值写 a21026-ZsRtd，设备运行状态写 SB1-RS，"
        "平台命令写 cmd/3011/w01018，参数写 set/w01018/i13004",
        text);
}

bool hs_code_ok(struct str s)
{
    if (s.n == 0 || s.n >= HS_CODE_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) return false;
    }
    return true;
}

static int parse(const char *text, struct hs_point *ret, struct error *e)
{
    struct str s = str_trim(str_of(text ? text : ""));
    int control = hs_control_parse(s, ret);
    if (control) return control > 0 ? 0 : wrong(text, e);
    if (str_starts(s, STR("RT!"))) s = str_sub(s, 3, s.n);
    if (str_starts(s, STR("2011/")) || str_starts(s, STR("2021/"))) s = str_sub(s, 5, s.n);
    struct str attr = s, code = str_cut(&attr, '-');
    if (!hs_code_ok(code)) return wrong(text ? text : "", e);
    str_to_cstr(code, ret->code, sizeof ret->code);
    if (attr.n == 0 ? str_find(s, '-') < 0 : str_is(attr, "Rtd"))
        ret->kind = HS_VALUE;
    else if (str_is(attr, "ZsRtd"))
        ret->kind = HS_CONVERTED;
    else if (str_is(attr, "RS"))
        ret->kind = HS_STATE;
    else
        return wrong(text ? text : "", e);
    return 0;
}

/* ---- totals ---- */

static const struct {
    const char *code;
    char medium;
    double to_m3; /* of unit x seconds */
} flows[] = {{"w00000", 'w', 1e-3}, {"B01", 'w', 1e-3}, {"a00000", 'a', 1}, {"B02", 'a', 1}};

static const struct {
    const char *unit;
    char medium;
    double to_kg; /* of unit x m³ */
} contents[] = {{"mg/L", 'w', 1e-3},  {"µg/L", 'w', 1e-6},  {"ng/L", 'w', 1e-9},
                {"mg/m³", 'a', 1e-6}, {"µg/m³", 'a', 1e-9}, {"ng/m³", 'a', 1e-12}};

static bool is_flow(struct hs_point *p)
{
    for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
        if (strcmp(p->code, flows[i].code) != 0) continue;
        p->medium = (uint8_t)flows[i].medium;
        p->factor = flows[i].to_m3;
        return true;
    }
    return false;
}

static bool is_content(struct hs_point *p)
{
    const struct hj212_code *c = hj212_code(str_of(p->code));
    for (size_t i = 0; c && i < sizeof contents / sizeof *contents; i++) {
        if (strcmp(c->unit, contents[i].unit) != 0) continue;
        p->medium = (uint8_t)contents[i].medium;
        p->factor = contents[i].to_kg;
        return true;
    }
    return false;
}

/* AUTO becomes what the code says. */
static int choose_total(struct hs_point *p, struct error *e)
{
    uint8_t wanted = p->total;
    p->flow = is_flow(p);
    bool content = !p->flow && is_content(p);
    p->total = p->flow ? HS_TOTAL_VOLUME : content ? HS_TOTAL_MASS : HS_TOTAL_NONE;
    if (p->kind != HS_VALUE || wanted == HS_TOTAL_NONE) p->total = HS_TOTAL_NONE;
    if (wanted == HS_TOTAL_MASS && p->total != HS_TOTAL_MASS)
        return error_set(e, ERR_INVALID, "total", "%s: only concentrations (mg/L, mg/m³ …) have a mass",
                         "%s：只有浓度类因子（mg/L、mg/m³ 等）才能计算排放量", p->code);
    if (p->by_flow && !content)
        return error_set(e, ERR_INVALID, "average", "%s: only averages of concentrations are weighted by flow",
                         "%s：只有浓度类因子才能按流量加权平均", p->code);
    return 0;
}

/* ---- points ---- */

static const uint8_t totals[] = {HS_TOTAL_AUTO, HS_TOTAL_NONE, HS_TOTAL_MASS};

int hs_point_resolve(const struct outlet_point *p, struct hs_point *ret, struct outlet_address *addr, struct error *e)
{
    static const char *const ends[] = {[HS_VALUE] = "", [HS_CONVERTED] = "-ZsRtd", [HS_STATE] = "-RS"};
    struct hs_point q = {.num = p->num,
                         .writable = p->writable,
                         .text = p->type == VALUE_STRING,
                         .total = totals[opt_enum(p->options, "total", 0)],
                         .by_flow = opt_enum(p->options, "average", 0) == 1,
                         .decimals = (int8_t)opt_i64(p->options, "decimals", -1)};
    int rc = parse(p->address, &q, e);
    bool control = q.kind == HS_CONTROL;
    if (rc == 0 && !control) rc = choose_total(&q, e);
    if (rc == 0 && !control && p->type == VALUE_STRING)
        rc = error_set(e, ERR_INVALID, "type",
                       "values of HJ 212 are numbers; choose another type or leave the point out",
                       "HJ 212 的值为数值；请选择其他类型，或不转发该测点");
    if (rc) return rc;
    if (addr) {
        if (control)
            hs_control_text(&q, addr->canonical, sizeof addr->canonical);
        else
            snprintf(addr->canonical, sizeof addr->canonical, "%s%s", q.code, ends[q.kind]);
        snprintf(addr->key, sizeof addr->key, "%s", addr->canonical);
        addr->type = control && q.text ? VALUE_STRING : q.kind == HS_STATE ? VALUE_BOOL : VALUE_DOUBLE;
    }
    if (ret) *ret = q;
    return 0;
}

/* ---- flags ---- */

/* What a reason is in table 8 of the standard when the value is not good. */
static const char letters[] = {
    [REASON_NONE] = 'N',           [REASON_COMM_FAILURE] = 'B',   [REASON_NOT_CONNECTED] = 'B',
    [REASON_DEVICE_FAILURE] = 'D', [REASON_SENSOR_FAILURE] = 'D', [REASON_OUT_OF_RANGE] = 'T',
    [REASON_STALE] = 'B',          [REASON_CONFIG_ERROR] = 'D',   [REASON_DEVICE_EXCEPTION] = 'D',
    [REASON_NOT_A_NUMBER] = 'D',   [REASON_MANUAL] = 'S',         [REASON_SUBSTITUTED] = 'S',
    [REASON_NO_DATA] = 'B',        [REASON_OUT_OF_SERVICE] = 'F', [REASON_LAST_KNOWN] = 'B',
    [REASON_SHUTDOWN] = 'B',
};

char hs_flag(const struct sample *s)
{
    unsigned why = s->flags & SAMPLE_REASON_MASK;
    char c = why < sizeof letters ? letters[why] : 'N';
    if (s->quality == QUALITY_GOOD) return c == 'S' ? 'S' : 'N';
    return (c == 'N' || c == 'S') && s->quality == QUALITY_BAD ? 'D' : c;
}

/* ---- numbers ---- */

bool hs_number(const struct sample *s, double *ret)
{
    if (s->type == SAMPLE_DOUBLE)
        *ret = s->v.d;
    else if (s->type == SAMPLE_INT || s->type == SAMPLE_BOOL)
        *ret = (double)s->v.i;
    else
        return false;
    return isfinite(*ret);
}

void hs_put_number(struct buf *b, double x, int decimals)
{
    char text[400];
    int n = snprintf(text, sizeof text, "%.*f", decimals < 0 ? 3 : decimals, x);
    if (decimals < 0) {
        while (n > 0 && text[n - 1] == '0') n--;
        if (n > 0 && text[n - 1] == '.') n--;
    }
    text[n] = 0;
    buf_z(b, strcmp(text, "-0") == 0 ? "0" : text);
}
