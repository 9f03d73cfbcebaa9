/* address.c - a point by its address (proto/iec104_address.h) and options, and its value both ways. */
#include <stdio.h>
#include "drivers/common/iec104_options.h"
#include "drivers/common/registry.h"
#include "drivers/iec104/iec104_int.h"

void st_device_init(struct st_device *d, const struct driver_device *dd, const struct options *o)
{
    *d = (struct st_device){
        .num = dd ? dd->num : 0,
        .ca = (uint16_t)opt_i64(o, "common_address", 1),
        .group = (uint8_t)opt_i64(o, "group", 0),
        .select = opt_bool(o, "select_before_operate", false),
        .wait_term = opt_bool(o, "wait_termination", true),
        .source_time = opt_enum(o, "time_source", 0) == 0,
    };
    d->rules = iec104_rules_of(o);
    d->rules.stamp = opt_bool(o, "command_time", false);
    str_to_cstr(str_of(dd && dd->code ? dd->code : ""), d->code, sizeof d->code);
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

static enum value_type type_of(const struct driver_point *p, const struct iec104_address *a)
{
    if (p->type != VALUE_AUTO) return p->type;
    return a->state ? VALUE_BOOL : st_natural_type(a->family);
}

static int check_type(enum value_type t, const struct driver_point *p, struct error *e)
{
    if (t == VALUE_STRING || t == VALUE_BCD16 || t == VALUE_BCD32)
        return error_set(e, ERR_INVALID, "type", "%s: values of IEC 104 are numbers and states, not %s",
                         "%s：IEC 104 的值为数值或状态，不支持类型 %s", p->address, value_type_name(t));
    return 0;
}

/* The option "command" of a point that is shown: where writes go. */
static int take_command(const struct driver_point *p, const struct st_device *d, struct iec104_address *ret,
                        struct error *e)
{
    const char *text = opt_str(p->options, "command", "");
    if (text[0] == 0) return 0;
    int rc = iec104_address_parse(str_of(text), &d->rules, ret, e);
    if (rc) return rc;
    if (ret->klass != IEC104_IS_COMMAND)
        return error_set(e, ERR_INVALID, "command", "'%s' is no command: write C_SC:24577, C_SE_NC:25089 or yk0",
                         "“%s”不是命令地址：请写成 C_SC:24577、C_SE_NC:25089 或 yk0", text);
    return 0;
}

int st_point_resolve(const struct driver_point *p, const struct st_device *d, struct st_point *ret,
                     struct driver_address *addr, struct error *e)
{
    struct iec104_address a, command = {0};
    int rc = iec104_address_parse(str_of(p->address ? p->address : ""), &d->rules, &a, e);
    if (rc == 0) rc = take_command(p, d, &command, e);
    if (rc) return rc;
    enum value_type t = type_of(p, &a);
    if ((rc = check_type(t, p, e)) != 0) return rc;
    if (a.klass == IEC104_IS_COMMAND) command = a;
    if (addr) {
        iec104_address_format(&a, addr->canonical);
        addr->type = t;
        addr->writable = command.klass == IEC104_IS_COMMAND;
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
