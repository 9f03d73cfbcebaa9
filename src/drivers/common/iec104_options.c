/* iec104_options.c - see iec104_options.h. */
#include "drivers/common/iec104_options.h"
#include "drivers/common/check.h"
#include "io/zone_load.h"

#define T2_DEFAULT_MS 10000

const struct option_choice iec104_command_types[] = {
    /* in the order of command_types[] */
    {"single", "single command (C_SC)", "单命令（C_SC）"},
    {"double", "double command (C_DC)", "双命令（C_DC）"},
    {"step", "regulating step (C_RC)", "步调节命令（C_RC）"},
    {0},
};
const struct option_choice iec104_setpoint_types[] = {
    /* in the order of setpoint_types[] */
    {"float", "float (C_SE_NC)", "短浮点（C_SE_NC）"},
    {"scaled", "scaled (C_SE_NB)", "标度化（C_SE_NB）"},
    {"normalized", "normalized (C_SE_NA)", "归一化（C_SE_NA）"},
    {0},
};
static const uint8_t command_types[] = {IEC104_C_SC_NA, IEC104_C_DC_NA, IEC104_C_RC_NA};
static const uint8_t setpoint_types[] = {IEC104_C_SE_NC, IEC104_C_SE_NB, IEC104_C_SE_NA};

struct iec104_link_config iec104_link_of(const struct options *o)
{
    struct iec104_link_config c = {.k = (uint16_t)opt_i64(o, "k", 12),
                                   .w = (uint16_t)opt_i64(o, "w", 8),
                                   .t1_ms = (uint32_t)opt_ms(o, "t1", 15000),
                                   .t2_ms = (uint32_t)opt_ms(o, "t2", T2_DEFAULT_MS),
                                   .t3_ms = (uint32_t)opt_ms(o, "t3", 20000)};
    if (c.t2_ms > c.t1_ms / 3 * 2) c.t2_ms = c.t1_ms / 3 * 2; /* the peer has a t1, too */
    return c;
}

int iec104_times_check(const struct options *o, struct error *e)
{
    int64_t t1 = opt_ms(o, "t1", 15000), t2 = opt_ms(o, "t2", T2_DEFAULT_MS);
    if (t2 < t1 || t2 == T2_DEFAULT_MS) return 0;
    return error_set(
        e, ERR_INVALID, "t2",
        "t2 (%lld ms) must be shorter than t1 (%lld ms), or the other side gives up before it hears from us: "
        "give at most two thirds of t1, or leave t2 out",
        "t2（%lld 毫秒）必须短于 t1（%lld 毫秒），否则对方会先超时断开：最多取 t1 的三分之二，或不填 t2", (long long)t2,
        (long long)t1);
}

struct iec104_rules iec104_rules_of(const struct options *o)
{
    static const char *const names[IEC104_BASES] = {"base_yx", "base_yc", "base_yk", "base_yt", "base_ym"};
    struct iec104_rules r = {.ca = (uint16_t)opt_i64(o, "common_address", 1),
                             .base = IEC104_BASE_DEFAULTS,
                             .yk_type = command_types[opt_enum(o, "yk_type", 0)],
                             .yt_type = setpoint_types[opt_enum(o, "yt_type", 0)]};
    for (int i = 0; i < IEC104_BASES; i++) r.base[i] = (uint32_t)opt_i64(o, names[i], r.base[i]);
    return r;
}

int iec104_zone_of(const struct options *o, struct iec104_zone *ret, struct error *e)
{
    struct iec104_zone z = {0};
    int rc = check_at(e, "time_zone", zone_load(str_of(opt_str(o, "time_zone", "+08:00")), &z.zone, e));
    if (rc) return rc;
    z.fixed = iec104_zone_is_fixed(&z.zone);
    *ret = z;
    return 0;
}
