/* iec104_address.c - see iec104_address.h. */
#include "proto/iec104_address.h"
#include <stdio.h>

static const struct {
    char name[3];
    uint8_t family; /* 0: any of measured values, of points */
} classes[IEC104_BASES] = {
    [IEC104_YX] = {"yx", IEC104_M_SP_NA}, [IEC104_YC] = {"yc", 0},
    [IEC104_YK] = {"yk", IEC104_C_SC_NA}, [IEC104_YT] = {"yt", IEC104_C_SE_NC},
    [IEC104_YM] = {"ym", IEC104_M_IT_NA},
};
/* ---- parsing ---- */

static int bad_address(struct str text, struct error *e)
{
    struct str t = str_sub(text, 0, 60);
    return error_set(e, ERR_INVALID, "address",
                     "'%.*s' is no address: write 16385, M_ME_NC:16385, 2!M_SP:1, C_SC:24577 or yc12",
                     "“%.*s”不是有效地址：请写成 16385、M_ME_NC:16385、2!M_SP:1、C_SC:24577 或 yc12", STR_ARG(t));
}

bool iec104_address_number(struct str s, uint64_t *ret)
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

static int take_type(struct str name, struct str text, const struct iec104_rules *d, struct iec104_address *ret,
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
    ret->klass = command ? IEC104_IS_COMMAND : IEC104_IS_VALUE;
    ret->counter = t->family == IEC104_M_IT_NA;
    ret->type = t->id;
    if (command && !exact && d->stamp) ret->type = iec104_type_stamped(t, IEC104_CP56)->id;
    return 0;
}

static bool take_class(struct str s, const struct iec104_rules *d, struct iec104_address *ret, uint64_t *ret_ioa)
{
    uint64_t n;
    for (int i = 0; i < IEC104_BASES; i++) {
        if (s.n < 3 || !str_ieq(str_sub(s, 0, 2), str_of(classes[i].name)) ||
            !iec104_address_number(str_sub(s, 2, s.n), &n))
            continue;
        if (n > IEC104_IOA_MAX) return false;
        *ret_ioa = d->base[i] + n;
        ret->family = i == IEC104_YK   ? d->yk_type
                      : i == IEC104_YT ? d->yt_type
                      : i == IEC104_YX ? 0
                                       : classes[i].family;
        ret->klass = i == IEC104_YK || i == IEC104_YT ? IEC104_IS_COMMAND : IEC104_IS_VALUE;
        ret->counter = i == IEC104_YM;
        ret->state = i == IEC104_YX;
        ret->type = ret->family;
        if (ret->klass == IEC104_IS_COMMAND && d->stamp)
            ret->type = iec104_type_stamped(iec104_type(ret->type), IEC104_CP56)->id;
        return true;
    }
    return false;
}

static int take_ca(struct str s, struct str text, struct iec104_address *ret, struct error *e)
{
    uint64_t ca;
    if (!iec104_address_number(s, &ca)) return bad_address(text, e);
    if (ca < 1 || ca > 65534)
        return error_set(e, ERR_INVALID, "address", "common address %llu: right are 1 to 65534",
                         "公共地址 %llu 超出范围：应为 1 至 65534", (unsigned long long)ca);
    ret->ca = (uint16_t)ca;
    ret->has_ca = true;
    return 0;
}

int iec104_address_parse(struct str text, const struct iec104_rules *d, struct iec104_address *ret, struct error *e)
{
    struct str rest = str_trim(text);
    struct iec104_address a = {.ca = d->ca};
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
    if (!(at < 0 && take_class(rest, d, &a, &ioa)) && !iec104_address_number(rest, &ioa)) return bad_address(text, e);
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

void iec104_address_format(const struct iec104_address *a, char out[IEC104_ADDRESS_TEXT])
{
    char ca[16] = "";
    const struct iec104_type *t = iec104_type(a->klass == IEC104_IS_COMMAND ? a->type : a->family);
    if (a->has_ca) snprintf(ca, sizeof ca, "%u!", a->ca);
    if (t == NULL)
        snprintf(out, IEC104_ADDRESS_TEXT, "%s%u", ca, a->ioa);
    else if (t->stamp != IEC104_NO_TIME)
        snprintf(out, IEC104_ADDRESS_TEXT, "%s%s:%u", ca, t->name, a->ioa);
    else
        snprintf(out, IEC104_ADDRESS_TEXT, "%s%.*s:%u", ca, short_name(t), t->name, a->ioa);
}
