/* address.c - addresses, and a point's value both ways.
 *
 *   [CA!][type:]IOA     16385, 0x4001, M_ME_NC:16385, 2!M_SP:1, C_SC:24577
 *   [CA!]yx|yc|yk|yt|ymN  the N-th of its class, counted from 0 upon the class's base address: yc12
 * What names no command type is an object that the station tells; any type of the named family fits (M_ME_NC takes
 * 13, 14 and 36). */
#include <stdio.h>
#include "drivers/common/registry.h"
#include "drivers/iec104/iec104_int.h"

static const struct {
    char name[3];
    uint8_t family; /* 0: any of measured values, of points */
    uint32_t base;
} classes[BASE_COUNT] = {
    [BASE_YX] = {"yx", IEC104_M_SP_NA, 0x0001}, [BASE_YC] = {"yc", 0, 0x4001},
    [BASE_YK] = {"yk", IEC104_C_SC_NA, 0x6001}, [BASE_YT] = {"yt", IEC104_C_SE_NC, 0x6201},
    [BASE_YM] = {"ym", IEC104_M_IT_NA, 0x6401},
};
static const uint8_t yk_types[] = {IEC104_C_SC_NA, IEC104_C_DC_NA, IEC104_C_RC_NA};
static const uint8_t yt_types[] = {IEC104_C_SE_NC, IEC104_C_SE_NB, IEC104_C_SE_NA};

void st_device_init(struct st_device *d, const struct driver_device *dd, const struct options *o)
{
    static const char *const names[] = {"base_yx", "base_yc", "base_yk", "base_yt", "base_ym"};
    *d = (struct st_device){
        .num = dd ? dd->num : 0,
        .ca = (uint16_t)opt_i64(o, "common_address", 1),
        .group = (uint8_t)opt_i64(o, "group", 0),
        .yk_type = yk_types[opt_enum(o, "yk_type", 0)],
        .yt_type = yt_types[opt_enum(o, "yt_type", 0)],
        .select = opt_bool(o, "select_before_operate", false),
        .stamp = opt_bool(o, "command_time", false),
        .wait_term = opt_bool(o, "wait_termination", true),
        .source_time = opt_enum(o, "time_source", 0) == 0,
    };
    for (int i = 0; i < BASE_COUNT; i++) d->base[i] = (uint32_t)opt_i64(o, names[i], classes[i].base);
    str_to_cstr(str_of(dd && dd->code ? dd->code : ""), d->code, sizeof d->code);
}

/* ---- parsing ---- */

static int bad_address(struct str text, struct error *e)
{
    struct str t = str_sub(text, 0, 60);
    return error_set(e, ERR_INVALID, "address",
                     "'%.*s' is no address: write 16385, M_ME_NC:16385, 2!M_SP:1, C_SC:24577 or yc12",
                     "“%.*s”不是有效地址：请写成 16385、M_ME_NC:16385、2!M_SP:1、C_SC:24577 或 yc12", STR_ARG(t));
}

static bool number(struct str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (!str_starts(s, STR("0x")) && !str_starts(s, STR("0X"))) return str_to_u64(s, ret) == 0;
    if (s.n < 3 || s.n > 10) return false;
    for (size_t i = 2; i < s.n; i++) {
        char c = s.p[i], low = (char)(c | 32);
        if (c >= '0' && c <= '9')
            v = v << 4 | (unsigned)(c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (unsigned)(low - 'a' + 10);
        else
            return false;
    }
    *ret = v;
    return true;
}

static int take_type(struct str name, struct str text, const struct st_device *d, struct st_address *ret,
                     struct error *e)
{
    bool exact;
    const struct iec104_type *t = iec104_type_parse(name, &exact);
    if (t == NULL)
        return error_set(e, ERR_INVALID, "address", "'%.*s' is no type: M_SP, M_DP, M_ME_NC, M_IT, C_SC, C_SE_NC …",
                         "没有类型“%.*s”：可用 M_SP、M_DP、M_ME_NC、M_IT、C_SC、C_SE_NC 等",
                         STR_ARG(str_sub(name, 0, 40)));
    bool command = t->id >= IEC104_C_SC_NA && t->id <= IEC104_C_BO_TA;
    if (!command && (t->direction & IEC104_CONTROL || t->id == IEC104_M_EI_NA))
        return error_set(e, ERR_INVALID, "address", "%s is no value of a point", "%s 不是测点的值", t->name);
    ret->family = t->family;
    ret->klass = command ? CLASS_COMMAND : CLASS_OBJECT;
    ret->counter = t->family == IEC104_M_IT_NA;
    ret->type = t->id;
    if (command && !exact && d->stamp) ret->type = iec104_type_stamped(t, IEC104_CP56)->id;
    return 0;
}

static bool take_class(struct str s, const struct st_device *d, struct st_address *ret, uint64_t *ret_ioa)
{
    uint64_t n;
    for (int i = 0; i < BASE_COUNT; i++) {
        if (s.n < 3 || !str_ieq(str_sub(s, 0, 2), str_of(classes[i].name)) || !number(str_sub(s, 2, s.n), &n)) continue;
        if (n > IEC104_IOA_MAX) return false;
        *ret_ioa = d->base[i] + n;
        ret->family = i == BASE_YK ? d->yk_type : i == BASE_YT ? d->yt_type : i == BASE_YX ? 0 : classes[i].family;
        ret->klass = i == BASE_YK || i == BASE_YT ? CLASS_COMMAND : CLASS_OBJECT;
        ret->counter = i == BASE_YM;
        ret->type = ret->family;
        if (ret->klass == CLASS_COMMAND && d->stamp)
            ret->type = iec104_type_stamped(iec104_type(ret->type), IEC104_CP56)->id;
        return true;
    }
    return false;
}

static int take_ca(struct str s, struct str text, struct st_address *ret, struct error *e)
{
    uint64_t ca;
    if (!number(s, &ca)) return bad_address(text, e);
    if (ca < 1 || ca > 65534)
        return error_set(e, ERR_INVALID, "address", "common address %llu: right are 1 to 65534",
                         "公共地址 %llu 超出范围：应为 1 至 65534", (unsigned long long)ca);
    ret->ca = (uint16_t)ca;
    ret->has_ca = true;
    return 0;
}

int st_address_parse(struct str text, const struct st_device *d, struct st_address *ret, struct error *e)
{
    struct str rest = str_trim(text);
    struct st_address a = {.ca = d->ca};
    uint64_t ioa = 0;
    int rc = 0;
    ptrdiff_t at = str_find(rest, '!');
    if (at >= 0) {
        rc = take_ca(str_sub(rest, 0, (size_t)at), text, &a, e);
        rest = str_sub(rest, (size_t)at + 1, rest.n);
    }
    at = str_find(rest, ':');
    if (rc == 0 && at >= 0) {
        rc = take_type(str_sub(rest, 0, (size_t)at), text, d, &a, e);
        rest = str_sub(rest, (size_t)at + 1, rest.n);
    }
    if (rc) return rc;
    if (!(at < 0 && take_class(rest, d, &a, &ioa)) && !number(rest, &ioa)) return bad_address(text, e);
    if (ioa > IEC104_IOA_MAX)
        return error_set(e, ERR_INVALID, "address", "object address %llu is above 16777215",
                         "对象地址 %llu 超过 16777215", (unsigned long long)ioa);
    a.ioa = (uint32_t)ioa;
    *ret = a;
    return 0;
}

/* "M_SP_NA_1" -> "M_SP"; measured values and set-points keep what tells them apart: "M_ME_NC". */
static int short_name(const struct iec104_type *t)
{
    return strncmp(t->name, "M_ME", 4) == 0 || strncmp(t->name, "C_SE", 4) == 0 || strncmp(t->name, "M_EP", 4) == 0 ? 7
                                                                                                                    : 4;
}

void st_address_format(const struct st_address *a, char out[96])
{
    char ca[16] = "";
    const struct iec104_type *t = iec104_type(a->klass == CLASS_COMMAND ? a->type : a->family);
    if (a->has_ca) snprintf(ca, sizeof ca, "%u!", a->ca);
    if (t == NULL)
        snprintf(out, 96, "%s%u", ca, a->ioa);
    else if (t->stamp != IEC104_NO_TIME)
        snprintf(out, 96, "%s%s:%u", ca, t->name, a->ioa);
    else
        snprintf(out, 96, "%s%.*s:%u", ca, short_name(t), t->name, a->ioa);
}

/* ---- points ---- */

enum value_type st_natural_type(unsigned family)
{
    const struct iec104_type *t = iec104_type(family);
    switch (t ? t->form : IEC104_FLOAT) {
    case IEC104_SINGLE:
    case IEC104_DOUBLE:
    case IEC104_PROTECTION:
    case IEC104_COMMAND1:
    case IEC104_COMMAND2: return VALUE_BOOL;
    case IEC104_STEP: return VALUE_INT8;
    case IEC104_BITS: return VALUE_UINT32;
    case IEC104_SCALED: return VALUE_INT16;
    case IEC104_COUNTER: return VALUE_INT32;
    case IEC104_CHANGES: return VALUE_UINT16;
    case IEC104_PACKED: return VALUE_UINT8;
    default: return VALUE_DOUBLE;
    }
}

static enum value_type type_of(const struct driver_point *p, const struct st_address *a, const struct st_device *d)
{
    uint64_t n;
    if (p->type != VALUE_AUTO) return p->type;
    if (a->family == 0) { /* yx12: a state, whichever type brings it */
        struct str s = str_trim(str_of(p->address));
        ptrdiff_t at = str_find(s, '!');
        s = str_sub(s, (size_t)(at + 1), s.n);
        if (s.n > 2 && str_ieq(str_sub(s, 0, 2), STR("yx")) && number(str_sub(s, 2, s.n), &n)) return VALUE_BOOL;
    }
    return st_natural_type(a->family);
}

static int check_type(enum value_type t, const struct driver_point *p, struct error *e)
{
    if (t == VALUE_STRING || t == VALUE_BCD16 || t == VALUE_BCD32)
        return error_set(e, ERR_INVALID, "type", "%s: values of IEC 104 are numbers and states, not %s",
                         "%s：IEC 104 的值为数值或状态，不支持类型 %s", p->address, value_type_name(t));
    return 0;
}

/* The option "command" of a point that is shown: where writes go. */
static int take_command(const struct driver_point *p, const struct st_device *d, struct st_address *ret,
                        struct error *e)
{
    const char *text = opt_str(p->options, "command", "");
    if (text[0] == 0) return 0;
    int rc = st_address_parse(str_of(text), d, ret, e);
    if (rc) return rc;
    if (ret->klass != CLASS_COMMAND)
        return error_set(e, ERR_INVALID, "command", "'%s' is no command: write C_SC:24577, C_SE_NC:25089 or yk0",
                         "“%s”不是命令地址：请写成 C_SC:24577、C_SE_NC:25089 或 yk0", text);
    return 0;
}

int st_point_resolve(const struct driver_point *p, const struct st_device *d, struct st_point *ret,
                     struct driver_address *addr, struct error *e)
{
    struct st_address a, command = {0};
    int rc = st_address_parse(str_of(p->address ? p->address : ""), d, &a, e);
    if (rc == 0) rc = take_command(p, d, &command, e);
    if (rc) return rc;
    enum value_type t = type_of(p, &a, d);
    if ((rc = check_type(t, p, e)) != 0) return rc;
    if (a.klass == CLASS_COMMAND) command = a;
    if (addr) {
        st_address_format(&a, addr->canonical);
        addr->type = t;
        addr->writable = command.klass == CLASS_COMMAND;
    }
    if (ret == NULL) return 0;
    int select = opt_enum(p->options, "select", 0);
    *ret = (struct st_point){.num = p->num,
                             .device = p->device,
                             .at = a,
                             .command = command,
                             .value_type = (uint8_t)t,
                             .qualifier = (uint8_t)opt_i64(p->options, "qualifier", 0),
                             .select = (int8_t)(select == 0 ? -1 : select - 1),
                             .scale = p->scale,
                             .offset = p->offset,
                             .lo = p->lo,
                             .hi = p->hi};
    ret->last = (struct sample){.point = p->num, .quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    return 0;
}

/* ---- an object as a value ---- */

/* First that fits wins. */
static const struct {
    uint16_t bit;
    uint8_t quality, reason;
} qualities[] = {
    {IEC104_IV, QUALITY_BAD, REASON_DEVICE_FAILURE},     {IEC104_NT, QUALITY_UNCERTAIN, REASON_STALE},
    {IEC104_BL, QUALITY_UNCERTAIN, REASON_LAST_KNOWN},   {IEC104_SB, QUALITY_UNCERTAIN, REASON_SUBSTITUTED},
    {IEC104_OV, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE}, {IEC104_CY, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE},
    {IEC104_CA, QUALITY_UNCERTAIN, REASON_MANUAL},
};

static void set_quality(struct sample *s, uint8_t q, uint8_t reason)
{
    s->quality = q;
    s->flags = reason;
}

static bool double_form(const struct iec104_type *t)
{
    return t->form == IEC104_DOUBLE || t->form == IEC104_PROTECTION;
}

/* 0: between the ends; 3: contacts that contradict each other. The state before stays. */
static void set_double(const struct st_point *p, const struct iec104_object *o, struct sample *s)
{
    s->type = SAMPLE_BOOL;
    s->v.i = o->i == 2;
    if (o->i == 1 || o->i == 2) return;
    if (p->last.type == SAMPLE_BOOL) s->v.i = p->last.v.i;
    set_quality(s, o->i == 0 ? QUALITY_UNCERTAIN : QUALITY_BAD, o->i == 0 ? REASON_LAST_KNOWN : REASON_SENSOR_FAILURE);
}

static void set_state(const struct st_point *p, const struct iec104_type *t, const struct iec104_object *o,
                      struct sample *s)
{
    if (double_form(t)) {
        set_double(p, o, s);
        return;
    }
    s->type = SAMPLE_BOOL;
    s->v.i = t->form == IEC104_FLOAT ? o->d != 0 : o->i != 0;
}

static void set_number(const struct st_point *p, const struct iec104_type *t, const struct iec104_object *o,
                       struct sample *s)
{
    bool whole = p->value_type != VALUE_FLOAT && p->value_type != VALUE_DOUBLE;
    bool plain = p->scale == 1 && p->offset == 0;
    double x = t->form == IEC104_FLOAT ? o->d : whole || t->form != IEC104_NORMALIZED ? (double)o->i : o->d;
    if (whole && t->form == IEC104_FLOAT) x = round(x);
    x = x * p->scale + p->offset;
    s->type = SAMPLE_DOUBLE;
    s->v.d = x;
    if (!isfinite(x)) {
        set_quality(s, QUALITY_BAD, REASON_NOT_A_NUMBER);
        s->v.d = NAN;
        return;
    }
    if (x < p->lo || x > p->hi) set_quality(s, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE);
    if (double_form(t) && o->i != 1 && o->i != 2)
        set_quality(s, o->i ? QUALITY_BAD : QUALITY_UNCERTAIN, o->i ? REASON_SENSOR_FAILURE : REASON_LAST_KNOWN);
    if (whole && plain && fabs(x) < 9e15) {
        s->type = SAMPLE_INT;
        s->v.i = (int64_t)x;
    }
}

void st_point_value(const struct st_point *p, const struct iec104_type *t, const struct iec104_object *o,
                    struct sample *s)
{
    set_quality(s, QUALITY_GOOD, REASON_NONE);
    if (p->value_type == VALUE_BOOL)
        set_state(p, t, o, s);
    else
        set_number(p, t, o, s);
    if (s->quality == QUALITY_BAD) return;
    if (o->transient) set_quality(s, QUALITY_UNCERTAIN, REASON_LAST_KNOWN);
    for (size_t i = 0; i < sizeof qualities / sizeof *qualities; i++) {
        if (!(o->quality & qualities[i].bit)) continue;
        set_quality(s, qualities[i].quality, qualities[i].reason);
        return;
    }
}

/* ---- a value as a command ---- */

static int no_fit(struct error *e, const struct iec104_type *t, double x, double lo, double hi)
{
    return error_set(e, ERR_INVALID, "value", "%s takes %.10g to %.10g, not %.15g",
                     "%s 的值应在 %.10g 至 %.10g 之间，而不是 %.15g", t->name, lo, hi, x);
}

static int set_whole(const struct iec104_type *t, double x, double lo, double hi, struct iec104_object *o,
                     struct error *e)
{
    double r = round(x);
    if (!(r >= lo && r <= hi)) return no_fit(e, t, x, lo, hi);
    o->i = (int64_t)r;
    o->d = r;
    return 0;
}

static int set_normalized(const struct st_point *p, const struct iec104_type *t, double x, struct iec104_object *o,
                          struct error *e)
{
    bool whole = p->value_type != VALUE_FLOAT && p->value_type != VALUE_DOUBLE;
    if (whole) return set_whole(t, x, INT16_MIN, INT16_MAX, o, e);
    if (!(x >= -1 && x <= 1)) return no_fit(e, t, x, -1, 1);
    double r = round(x * 32768);
    o->i = r > INT16_MAX ? INT16_MAX : (int64_t)r; /* +1 is the largest there is */
    o->d = (double)o->i / 32768;
    return 0;
}

static int set_float(const struct iec104_type *t, double x, struct iec104_object *o, struct error *e)
{
    if (!isfinite((float)x)) return no_fit(e, t, x, -3.4028234e38, 3.4028234e38);
    o->d = (double)(float)x;
    return 0;
}

int st_command_value(const struct st_point *p, const struct sample *v, struct iec104_object *o, struct error *e)
{
    const struct iec104_type *t = iec104_type(p->command.type);
    bool state = t->form == IEC104_COMMAND1 || t->form == IEC104_COMMAND2;
    int rc = 0;
    if (v->type != SAMPLE_DOUBLE && v->type != SAMPLE_INT && v->type != SAMPLE_BOOL)
        return error_set(e, ERR_INVALID, "value", "the value must be a number", "值应为数字");
    double x = v->type == SAMPLE_DOUBLE ? v->v.d : (double)v->v.i;
    if (!state) x = (x - p->offset) / p->scale;
    *o = (struct iec104_object){.ioa = p->command.ioa, .qualifier = p->qualifier};
    if (state)
        rc = set_whole(t, x, 0, 1, o, e);
    else if (t->form == IEC104_NORMALIZED)
        rc = set_normalized(p, t, x, o, e);
    else if (t->form == IEC104_SCALED)
        rc = set_whole(t, x, INT16_MIN, INT16_MAX, o, e);
    else if (t->form == IEC104_BITS)
        rc = set_whole(t, x, 0, UINT32_MAX, o, e);
    else
        rc = set_float(t, x, o, e);
    if (rc == 0 && state && x != 0 && x != 1) rc = no_fit(e, t, x, 0, 1);
    if (rc == 0 && t->form == IEC104_COMMAND2) o->i = o->i ? 2 : 1; /* on, higher; off, lower */
    return rc;
}
