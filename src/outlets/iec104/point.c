/* point.c - a point by its address and options; a sample as an object; a command as a value. Pure.
 *
 *   VALUE[/COMMAND]    M_ME_NC:16385, 2!M_SP:1, yc12, 16385/C_SE_NC:25089, yx3/yk3, C_SE_NC:25089
 * VALUE and COMMAND are addresses of proto/iec104_address.h. A number alone takes its type from the point: states are
 * single (or double) points, all others measured values of the channel's type. */
#include <stdio.h>
#include "drivers/common/iec104_options.h"
#include "outlets/iec104/station_int.h"

static const uint8_t yx_types[] = {IEC104_M_SP_NA, IEC104_M_DP_NA};
static const uint8_t yc_types[] = {IEC104_M_ME_NC, IEC104_M_ME_NB, IEC104_M_ME_NA};

void sv_rules_of(const struct options *o, struct sv_rules *ret)
{
    ret->yx_type = yx_types[opt_enum(o, "yx_type", 0)];
    ret->yc_type = yc_types[opt_enum(o, "yc_type", 0)];
    ret->rules = iec104_rules_of(o);
}

/* ---- addresses ---- */

static const struct {
    uint8_t form, value_type;
} forms[] = {
    {IEC104_SINGLE, VALUE_BOOL},   {IEC104_DOUBLE, VALUE_BOOL},   {IEC104_STEP, VALUE_INT8},
    {IEC104_BITS, VALUE_UINT32},   {IEC104_SCALED, VALUE_INT16},  {IEC104_NORMALIZED, VALUE_DOUBLE},
    {IEC104_FLOAT, VALUE_DOUBLE},  {IEC104_COUNTER, VALUE_INT32}, {IEC104_COMMAND1, VALUE_BOOL},
    {IEC104_COMMAND2, VALUE_BOOL},
};

static bool carried(unsigned type, enum value_type *ret)
{
    const struct iec104_type *t = iec104_type(type);
    for (size_t i = 0; t && i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].form != t->form) continue;
        *ret = forms[i].value_type;
        return true;
    }
    return false;
}

/* The type that is told: named by the address, or by the kind of the point. */
static void choose_type(const struct outlet_point *p, const struct sv_rules *r, struct iec104_address *a)
{
    if (a->klass == IEC104_IS_COMMAND) return;
    if (a->family == 0) a->family = a->state || p->type == VALUE_BOOL ? r->yx_type : r->yc_type;
    a->type = a->family;
}

static int wrong_part(struct str text, struct error *e)
{
    return error_set(e, ERR_INVALID, "address",
                     "'%.*s': after the '/' stands the address of the command, C_SC:24577, C_SE_NC:25089 or yk0; "
                     "before it that of the value",
                     "“%.*s”：“/”之后应为命令地址，如 C_SC:24577、C_SE_NC:25089 或 yk0；之前为数据地址",
                     STR_ARG(str_sub(text, 0, 60)));
}

static int parse_part(struct str text, const struct outlet_point *p, const struct sv_rules *r,
                      struct iec104_address *ret, struct error *e)
{
    enum value_type any;
    int rc = iec104_address_parse(text, &r->rules, ret, e);
    if (rc) return rc;
    choose_type(p, r, ret);
    if (!carried(ret->type, &any))
        return error_set(e, ERR_INVALID, "address",
                         "%s is not told by this station: write M_SP, M_DP, M_ST, M_BO, M_ME_NA, M_ME_NB, M_ME_NC or "
                         "M_IT",
                         "本站不发送类型 %s：可用 M_SP、M_DP、M_ST、M_BO、M_ME_NA、M_ME_NB、M_ME_NC、M_IT",
                         iec104_type(ret->type)->name);
    if (ret->ioa == 0)
        return error_set(e, ERR_INVALID, "address", "'%.*s': object addresses begin at 1",
                         "“%.*s”：信息对象地址从 1 开始", STR_ARG(str_sub(text, 0, 60)));
    return 0;
}

static int parse(const struct outlet_point *p, const struct sv_rules *r, struct iec104_address *value,
                 struct iec104_address *command, struct error *e)
{
    struct str text = str_trim(str_of(p->address ? p->address : "")), rest = text;
    bool two = str_find(text, '/') >= 0;
    struct str first = str_cut(&rest, '/');
    int rc = parse_part(first, p, r, value, e);
    struct sv_rules same = *r;
    same.rules.ca = value->ca; /* of the value, unless it names another */
    if (rc == 0 && two) rc = parse_part(rest, p, &same, command, e);
    if (rc) return rc;
    if (two && (value->klass == IEC104_IS_COMMAND || command->klass != IEC104_IS_COMMAND)) return wrong_part(text, e);
    if (value->klass != IEC104_IS_COMMAND) return 0;
    *command = *value;
    *value = (struct iec104_address){0};
    return 0;
}

static void fill(const struct iec104_address *value, const struct iec104_address *command, struct outlet_address *ret)
{
    char a[IEC104_ADDRESS_TEXT] = "", b[IEC104_ADDRESS_TEXT] = "";
    enum value_type t = VALUE_DOUBLE;
    if (value->type) iec104_address_format(value, a);
    if (command->type) iec104_address_format(command, b);
    snprintf(ret->canonical, sizeof ret->canonical, "%.70s%s%.70s", a, a[0] && b[0] ? "/" : "", b);
    if (value->type)
        snprintf(ret->key, sizeof ret->key, "%u!%u", value->ca, value->ioa);
    else
        snprintf(ret->key, sizeof ret->key, "%u!c%u", command->ca, command->ioa);
    (void)carried(value->type ? value->type : command->type, &t);
    ret->type = t;
}

static int check_type(const struct outlet_point *p, struct error *e)
{
    if (p->type != VALUE_STRING && p->type != VALUE_BCD16 && p->type != VALUE_BCD32) return 0;
    return error_set(e, ERR_INVALID, "type",
                     "values of IEC 104 are numbers and states; choose another type or leave it out",
                     "IEC 104 的值为数值或状态；请选择其他类型，或不转发该测点");
}

/* C_SC:1 and M_ME_NC, C_SE and M_SP: a state takes states, a number numbers. */
static int check_pair(const struct iec104_address *value, const struct iec104_address *command, struct error *e)
{
    enum value_type v, c;
    if (!value->type || !command->type || !carried(value->type, &v) || !carried(command->type, &c)) return 0;
    if ((v == VALUE_BOOL) == (c == VALUE_BOOL)) return 0;
    return error_set(e, ERR_INVALID, "address", "%s and %s do not go together: states take C_SC or C_DC, numbers C_SE",
                     "%s 与 %s 不匹配：状态量用 C_SC 或 C_DC，数值用 C_SE", iec104_type(value->type)->name,
                     iec104_type(command->type)->name);
}

int sv_point_resolve(const struct outlet_point *p, const struct sv_rules *r, struct sv_point *ret,
                     struct outlet_address *addr, struct error *e)
{
    struct iec104_address value = {0}, command = {0};
    int rc = check_type(p, e);
    if (rc == 0) rc = parse(p, r, &value, &command, e);
    if (rc == 0) rc = check_pair(&value, &command, e);
    if (rc) return rc;
    if (addr) fill(&value, &command, addr);
    if (ret == NULL) return 0;
    bool whole = p->type != VALUE_AUTO && p->type != VALUE_FLOAT && p->type != VALUE_DOUBLE;
    *ret = (struct sv_point){.num = p->num,
                             .ca = value.ca,
                             .ioa = value.ioa,
                             .type = value.type,
                             .command_ca = command.ca,
                             .command_ioa = command.ioa,
                             .command = command.family,
                             .group = (uint8_t)opt_i64(p->options, "group", 0),
                             .select = (uint8_t)opt_enum(p->options, "select", 0),
                             .writable = p->writable,
                             .whole = whole,
                             .step = p->step,
                             .full_scale = opt_double(p->options, "full_scale", 1)};
    return 0;
}

/* Four counters of 16 bits in *next: yx, yc, yk, yt. */
static uint32_t take_next(uint64_t *next, enum iec104_base b)
{
    unsigned shift = 16 * (unsigned)b;
    uint32_t n = (uint32_t)(*next >> shift) & 0xffff;
    *next = (*next & ~(0xffffull << shift)) | (uint64_t)((n + 1) & 0xffff) << shift;
    return n;
}

int sv_address_default(const struct outlet_point *p, const struct options *o, uint64_t *next, char *ret, size_t cap,
                       struct error *e)
{
    struct sv_rules all;
    const struct iec104_rules *r = &all.rules;
    bool state = p->type == VALUE_BOOL;
    int rc = check_type(p, e);
    if (rc) return rc;
    sv_rules_of(o, &all);
    enum iec104_base b = state ? IEC104_YX : IEC104_YC, cb = state ? IEC104_YK : IEC104_YT;
    uint32_t n = take_next(next, b);
    struct iec104_address a = {.family = state ? all.yx_type : all.yc_type, .ioa = r->base[b] + n};
    char text[IEC104_ADDRESS_TEXT], command[IEC104_ADDRESS_TEXT] = "";
    iec104_address_format(&a, text);
    if (p->writable) {
        struct iec104_address c = {.klass = IEC104_IS_COMMAND,
                                   .type = state ? r->yk_type : r->yt_type,
                                   .ioa = r->base[cb] + take_next(next, cb)};
        iec104_address_format(&c, command);
    }
    uint32_t end = 0xffffffff; /* the base of the next class ends this one */
    for (int i = 0; i < IEC104_BASES; i++)
        if (r->base[i] > r->base[b] && r->base[i] < end) end = r->base[i];
    if (n >= 0xffff || a.ioa >= end || a.ioa > IEC104_IOA_MAX)
        return error_set(e, ERR_LIMIT, "address",
                         "the addresses from %u on are used up; move the base addresses of the forwarding apart, or "
                         "write addresses",
                         "从 %u 起的地址已用完；请加大各类起始地址的间距，或手工填写地址", r->base[b]);
    snprintf(ret, cap, "%s%s%s", text, command[0] ? "/" : "", command);
    return 0;
}

/* ---- quality ---- */

/* What a reason means on the wire when the value is not good; a bad one is IV, too. `always`: a good one as well. */
static const struct {
    uint8_t bits;
    bool always;
} reasons[] = {
    [REASON_NONE] = {IEC104_NT, false},
    [REASON_COMM_FAILURE] = {IEC104_NT, false},
    [REASON_NOT_CONNECTED] = {IEC104_NT, false},
    [REASON_DEVICE_FAILURE] = {IEC104_IV, false},
    [REASON_SENSOR_FAILURE] = {IEC104_IV, false},
    [REASON_OUT_OF_RANGE] = {IEC104_OV, false},
    [REASON_STALE] = {IEC104_NT, false},
    [REASON_CONFIG_ERROR] = {IEC104_IV, false},
    [REASON_DEVICE_EXCEPTION] = {IEC104_IV, false},
    [REASON_NOT_A_NUMBER] = {IEC104_IV, false},
    [REASON_MANUAL] = {IEC104_SB, true},
    [REASON_SUBSTITUTED] = {IEC104_SB, true},
    [REASON_NO_DATA] = {IEC104_IV | IEC104_NT, false},
    [REASON_OUT_OF_SERVICE] = {IEC104_BL, true},
    [REASON_LAST_KNOWN] = {IEC104_BL, false},
    [REASON_SHUTDOWN] = {IEC104_NT, false},
};

uint16_t sv_quality(const struct sample *s)
{
    unsigned why = s->flags & SAMPLE_REASON_MASK;
    if (why >= sizeof reasons / sizeof *reasons) why = REASON_NONE;
    if (s->quality == QUALITY_GOOD) return reasons[why].always ? reasons[why].bits : 0;
    uint16_t bits = reasons[why].bits;
    if (s->quality == QUALITY_BAD) return why == REASON_NONE ? IEC104_IV : bits | IEC104_IV;
    return bits & IEC104_IV ? (uint16_t)((bits & ~IEC104_IV) | IEC104_NT) : bits; /* uncertain is not invalid */
}

/* ---- a sample as an object ---- */

static double number_of(const struct sample *s)
{
    return s->type == SAMPLE_DOUBLE ? s->v.d : s->type == SAMPLE_INT || s->type == SAMPLE_BOOL ? (double)s->v.i : 0;
}

static void put_whole(struct iec104_object *o, double x, double lo, double hi)
{
    double r = round(x);
    if (!(r >= lo && r <= hi)) o->quality |= IEC104_OV;
    r = r < lo ? lo : r > hi ? hi : r;
    o->i = (int64_t)r;
    o->d = r;
}

static void put_normalized(const struct sv_point *p, struct iec104_object *o, double x)
{
    double raw = p->whole ? x : round(x / p->full_scale * 32768);
    put_whole(o, raw == 32768 ? 32767 : raw, INT16_MIN, INT16_MAX); /* +1 is the largest there is */
    o->d = (double)o->i / 32768;
}

/* Counters go round at 2^31, as those of meters do. */
static void put_counter(const struct sv_point *p, struct iec104_object *o, double x)
{
    o->i = (int64_t)fmod(floor(x), 2147483648.0);
    o->d = (double)o->i;
    o->qualifier = p->sequence;
}

static void put_float(struct iec104_object *o, double x)
{
    o->d = (double)(float)x;
    if (isfinite(o->d)) return;
    o->d = x > 0 ? 3.4028234e38 : -3.4028234e38;
    o->quality |= IEC104_OV;
}

bool sv_object(const struct sv_point *p, const struct sample *s, struct iec104_object *o)
{
    if (s->type == SAMPLE_STRING || s->type == SAMPLE_BLOB) return false;
    double x = number_of(s);
    *o = (struct iec104_object){.ioa = p->ioa, .quality = sv_quality(s)};
    if (s->type == SAMPLE_NONE) o->quality |= IEC104_IV;
    if (isnan(x) || (isinf(x) && p->type != IEC104_M_ME_NC)) {
        o->quality |= IEC104_IV;
        x = 0;
    }
    switch (iec104_type(p->type)->form) {
    case IEC104_SINGLE: o->i = x != 0; break;
    case IEC104_DOUBLE: o->i = x != 0 ? 2 : 1; break;
    case IEC104_STEP: put_whole(o, x, -64, 63); break;
    case IEC104_BITS: put_whole(o, x, 0, UINT32_MAX); break;
    case IEC104_NORMALIZED: put_normalized(p, o, x); break;
    case IEC104_SCALED: put_whole(o, x, INT16_MIN, INT16_MAX); break;
    case IEC104_COUNTER: put_counter(p, o, x); break;
    default: put_float(o, x); break;
    }
    return true;
}

/* ---- a command as a value ---- */

static int no_state(const struct iec104_type *t, int64_t i)
{
    return t->form == IEC104_COMMAND2 && i != 1 && i != 2 ? ERR_INVALID : 0;
}

int sv_command_value(const struct sv_point *p, const struct iec104_type *t, const struct iec104_object *o,
                     struct sample *ret)
{
    *ret = (struct sample){.point = p->num, .type = SAMPLE_DOUBLE};
    switch (t->form) {
    case IEC104_COMMAND1:
    case IEC104_COMMAND2:
        ret->type = SAMPLE_BOOL;
        ret->v.i = t->form == IEC104_COMMAND1 ? o->i : o->i == 2;
        return no_state(t, o->i);
    case IEC104_NORMALIZED:
        if (!p->whole) {
            ret->v.d = o->d * p->full_scale;
            return 0;
        }
        break;
    case IEC104_FLOAT: ret->v.d = o->d; return isfinite(o->d) ? 0 : ERR_INVALID;
    default: break;
    }
    ret->type = SAMPLE_INT;
    ret->v.i = o->i;
    return 0;
}
