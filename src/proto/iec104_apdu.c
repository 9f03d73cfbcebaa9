/* iec104_apdu.c - frames and ASDU headers; layout in iec104.h. */
#include "base/buf.h"
#include "proto/iec104.h"

#define START 0x68

static bool known_function(uint8_t f)
{
    return f == IEC104_STARTDT_ACT || f == IEC104_STARTDT_CON || f == IEC104_STOPDT_ACT || f == IEC104_STOPDT_CON ||
           f == IEC104_TESTFR_ACT || f == IEC104_TESTFR_CON;
}

static int control(const uint8_t *c, size_t asdu_n, struct iec104_apdu *ret, struct error *e)
{
    ret->nr = (uint16_t)((c[2] | c[3] << 8) >> 1);
    if ((c[0] & 1) == 0) {
        ret->format = IEC104_I;
        ret->ns = (uint16_t)((c[0] | c[1] << 8) >> 1);
        return 1;
    }
    ret->format = (c[0] & 3) == 1 ? IEC104_S : IEC104_U;
    ret->function = c[0];
    if (asdu_n)
        return error_set(e, ERR_PROTOCOL, "", "an S or U frame has %zu bytes too many", "S 或 U 帧多出 %zu 字节",
                         asdu_n);
    if (ret->format == IEC104_U && !known_function(c[0]))
        return error_set(e, ERR_PROTOCOL, "", "U frame with unknown function 0x%02x", "U 帧功能 0x%02x 未定义", c[0]);
    return 1;
}

int iec104_apdu_next(const uint8_t *p, size_t n, struct iec104_apdu *ret, struct error *e)
{
    if (n > 0 && p[0] != START)
        return error_set(e, ERR_PROTOCOL, "", "a frame begins with 0x%02x instead of 0x68",
                         "帧以 0x%02x 开头，应为 0x68", p[0]);
    if (n < 2) return 0;
    if (p[1] < 4 || p[1] > 253)
        return error_set(e, ERR_PROTOCOL, "", "length of a frame is %u; right are 4 to 253",
                         "帧长度为 %u，应为 4 至 253", p[1]);
    if (n < (size_t)p[1] + 2) return 0;
    *ret = (struct iec104_apdu){.used = (size_t)p[1] + 2, .asdu = p + 6, .asdu_n = (size_t)p[1] - 4};
    return control(p + 2, ret->asdu_n, ret, e);
}

size_t iec104_put_i(uint16_t ns, uint16_t nr, const uint8_t *asdu, size_t n, uint8_t out[IEC104_APDU_MAX])
{
    if (n > IEC104_ASDU_MAX) n = IEC104_ASDU_MAX;
    out[0] = START;
    out[1] = (uint8_t)(n + 4);
    out[2] = (uint8_t)(ns << 1);
    out[3] = (uint8_t)(ns >> 7);
    out[4] = (uint8_t)(nr << 1);
    out[5] = (uint8_t)(nr >> 7);
    memcpy(out + 6, asdu, n);
    return n + 6;
}

size_t iec104_put_s(uint16_t nr, uint8_t out[6])
{
    const uint8_t s[6] = {START, 4, 1, 0, (uint8_t)(nr << 1), (uint8_t)(nr >> 7)};
    memcpy(out, s, sizeof s);
    return sizeof s;
}

size_t iec104_put_u(enum iec104_function f, uint8_t out[6])
{
    const uint8_t u[6] = {START, 4, (uint8_t)f, 0, 0, 0};
    memcpy(out, u, sizeof u);
    return sizeof u;
}

/* ---- ASDU ---- */

static size_t objects_size(const struct iec104_asdu *a)
{
    size_t element = iec104_element_size(a->type);
    return a->sequence ? 3 + element * a->count : (3 + element) * a->count;
}

int iec104_asdu_decode(const uint8_t *p, size_t n, struct iec104_asdu *ret, struct error *e)
{
    if (n < 6)
        return error_set(e, ERR_PROTOCOL, "", "an ASDU of %zu bytes has no whole header", "ASDU 仅 %zu 字节，头部不全",
                         n);
    *ret = (struct iec104_asdu){.type = iec104_type(p[0]),
                                .sequence = p[1] >> 7,
                                .count = p[1] & 0x7f,
                                .test = p[2] >> 7,
                                .negative = p[2] >> 6 & 1,
                                .cause = p[2] & 0x3f,
                                .originator = p[3],
                                .ca = (uint16_t)(p[4] | p[5] << 8),
                                .objects = p + 6,
                                .objects_n = n - 6};
    if (ret->type == NULL)
        return error_set(e, ERR_UNSUPPORTED, "", "type %u is not supported", "不支持类型标识 %u", p[0]);
    if (ret->count == 0)
        return error_set(e, ERR_PROTOCOL, "", "%s without an object", "%s 不含信息对象", ret->type->name);
    size_t want = objects_size(ret);
    if (want != ret->objects_n)
        return error_set(e, ERR_PROTOCOL, "", "%s with %u objects takes %zu bytes; %zu came",
                         "%s 含 %u 个对象应为 %zu 字节，收到 %zu 字节", ret->type->name, ret->count, want,
                         ret->objects_n);
    return 0;
}

size_t iec104_put_header(const struct iec104_asdu *a, uint8_t out[6])
{
    out[0] = a->type->id;
    out[1] = (uint8_t)((a->sequence ? 0x80 : 0) | (a->count & 0x7f));
    out[2] = (uint8_t)((a->test ? 0x80 : 0) | (a->negative ? 0x40 : 0) | (a->cause & 0x3f));
    out[3] = a->originator;
    out[4] = (uint8_t)a->ca;
    out[5] = (uint8_t)(a->ca >> 8);
    return 6;
}
