/* modbus_address.c - addresses as people write them. Grammar in modbus.h. */
#include <stdio.h>
#include "proto/modbus.h"

#define EXAMPLES "400001, 1!400001, 1!300004.0, 4:0x1F"

static const char *const order_names[] = {"ABCD", "CDAB", "BADC", "DCBA"};

const char *modbus_order_name(int order)
{
    return order >= 0 && order <= 3 ? order_names[order] : "";
}

static const struct {
    const char *name;
    int order;
} orders[] = {
    {"ABCD", MODBUS_ABCD}, {"CDAB", MODBUS_CDAB}, {"BADC", MODBUS_BADC}, {"DCBA", MODBUS_DCBA},
    {"AB", MODBUS_ABCD},   {"BA", MODBUS_BADC},   {"LL", MODBUS_ABCD},   {"LB", MODBUS_BADC},
    {"BL", MODBUS_CDAB},   {"BB", MODBUS_DCBA},   {"L", MODBUS_ABCD},    {"B", MODBUS_BADC},
};

static int parse_order(struct str s, struct modbus_address *a, struct error *e)
{
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (!str_ieq(s, str_of(orders[i].name))) continue;
        a->order = orders[i].order;
        return 0;
    }
    return error_set(e, ERR_INVALID, "address",
                     "byte order '#%.*s' is not known; one of #ABCD #CDAB #BADC #DCBA (or #LL #BL #LB #BB, #L #B)",
                     "字节序“#%.*s”无法识别；应为 #ABCD #CDAB #BADC #DCBA 之一（或 #LL #BL #LB #BB、#L #B）",
                     STR_ARG(s));
}

static int parse_length(struct str digits, char letter, struct modbus_address *a, struct error *e)
{
    static const char letters[] = "HLDE";
    uint64_t n;
    const char *at = letter ? strchr(letters, letter) : letters;
    unsigned max = letter == 'D' || letter == 'E' ? MODBUS_READ_REGISTERS_MAX : 2 * MODBUS_READ_REGISTERS_MAX;
    if (str_to_u64(digits, &n) || n < 1 || n > max || at == NULL)
        return error_set(e, ERR_INVALID, "address",
                         "'.%.*s' is no text length of 1 to %u characters; right is for example 1!400001.10H",
                         "“.%.*s”不是 1 至 %u 个字符的文本长度；正确示例 1!400001.10H", STR_ARG(digits), max);
    a->length = (unsigned)n;
    a->text = (enum modbus_text)(at - letters);
    return 0;
}

static int parse_bit(struct str s, struct modbus_address *a, struct error *e)
{
    uint64_t n;
    if (modbus_area_bits(a->area))
        return error_set(e, ERR_INVALID, "address", "'.%.*s': a coil or discrete input has no bits; leave it out",
                         "“.%.*s”：线圈和离散输入没有位号，请去掉", STR_ARG(s));
    if (str_to_u64(s, &n) || n > 15)
        return error_set(e, ERR_INVALID, "address", "bit '.%.*s' must be 0 to 15, for example 1!300004.0",
                         "位号“.%.*s”应为 0 至 15，例如 1!300004.0", STR_ARG(s));
    a->bit = (int)n;
    return 0;
}

static int parse_dot(struct str s, bool text, struct modbus_address *a, struct error *e)
{
    char last = s.n ? s.p[s.n - 1] : 0;
    if (last >= 'a' && last <= 'z') last = (char)(last - 32);
    if (last && (last < '0' || last > '9')) return parse_length(str_sub(s, 0, s.n - 1), last, a, e);
    return text ? parse_length(s, 0, a, e) : parse_bit(s, a, e);
}

/* What follows the number: ".…" and "#…" in any order. */
static int parse_suffixes(struct str s, bool text, struct modbus_address *a, struct error *e)
{
    int rc = 0;
    while (rc == 0 && s.n) {
        size_t end = 1;
        while (end < s.n && s.p[end] != '.' && s.p[end] != '#') end++;
        struct str part = str_sub(s, 1, end - 1);
        rc = s.p[0] == '#' ? parse_order(part, a, e) : parse_dot(part, text, a, e);
        s = str_sub(s, end, s.n);
    }
    return rc;
}

static bool area_exists(unsigned n)
{
    return n == 0 || n == 1 || n == 3 || n == 4;
}

static int no_area(struct str s, struct error *e)
{
    return error_set(
        e, ERR_INVALID, "address",
        "'%.*s' does not say its area: 0 coil, 1 discrete input, 3 input register, 4 holding register and "
        "then the number, for example 400001, or 4:0",
        "“%.*s”没有说明数据区：0 线圈，1 离散输入，3 输入寄存器，4 保持寄存器，后接编号，例如 400001 或 4:0",
        STR_ARG(s));
}

static int no_number(struct str s, struct error *e)
{
    return error_set(e, ERR_INVALID, "address", "'%.*s' is no Modbus address; right are for example " EXAMPLES,
                     "“%.*s”不是 Modbus 地址；正确示例 " EXAMPLES, STR_ARG(s));
}

static bool parse_hex(struct str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.n < 3 || s.n > 6 || s.p[0] != '0' || (s.p[1] | 32) != 'x') return false;
    for (size_t i = 2; i < s.n; i++) {
        int c = s.p[i] | 32, d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0) return false;
        v = v << 4 | (unsigned)d;
    }
    *ret = v;
    return true;
}

/* base 1: numbers from 1 to 65536; base 0: from 0 to 65535. */
static int set_offset(struct str s, uint64_t n, unsigned base, struct modbus_address *a, struct error *e)
{
    if (n < base || n - base > 65535)
        return error_set(e, ERR_INVALID, "address", "number %llu must be %u to %u: %.*s",
                         "编号 %llu 应为 %u 至 %u：%.*s", (unsigned long long)n, base, 65535 + base, STR_ARG(s));
    a->offset = (uint16_t)(n - base);
    return 0;
}

/* "4:0", "4:0x1F", "4x1" */
static int parse_marked(struct str s, struct modbus_address *a, struct error *e)
{
    struct str number = str_sub(s, 2, s.n);
    uint64_t n;
    bool wire = s.p[1] == ':';
    if (!area_exists((unsigned)(s.p[0] - '0'))) return no_area(s, e);
    a->area = (enum modbus_area)(s.p[0] - '0');
    if (!(wire && parse_hex(number, &n)) && str_to_u64(number, &n)) return no_number(s, e);
    return set_offset(s, n, wire ? 0 : 1, a, e);
}

static int parse_hinted(struct str s, const struct modbus_address_hint *h, struct modbus_address *a, struct error *e)
{
    uint64_t n;
    a->area = (enum modbus_area)h->area;
    if (parse_hex(s, &n)) return set_offset(s, n, 0, a, e);
    if (str_to_u64(s, &n)) return no_number(s, e);
    return set_offset(s, n, h->zero_based ? 0 : 1, a, e);
}

/* Six digits that no bare number can have: 400001 keeps its meaning whatever the hint. */
static bool names_area(struct str s)
{
    uint64_t n;
    return s.n == 6 && str_to_u64(s, &n) == 0 && n > 65536;
}

static int parse_number(struct str s, const struct modbus_address_hint *h, struct modbus_address *a, struct error *e)
{
    uint64_t n;
    if (s.n == 0) return no_number(s, e);
    bool digit = s.p[0] >= '0' && s.p[0] <= '9';
    if (digit && s.n >= 3 && (s.p[1] == ':' || ((s.p[1] | 32) == 'x' && s.p[0] != '0'))) return parse_marked(s, a, e);
    if (h && h->area >= 0 && !names_area(s)) return parse_hinted(s, h, a, e);
    if (parse_hex(s, &n)) return no_area(s, e);
    if (str_to_u64(s, &n)) return no_number(s, e);
    if ((s.n != 5 && s.n != 6) || !area_exists((unsigned)(s.p[0] - '0'))) return no_area(s, e);
    a->area = (enum modbus_area)(s.p[0] - '0');
    if (str_to_u64(str_sub(s, 1, s.n), &n)) return no_number(s, e);
    return set_offset(s, n, 1, a, e);
}

static int parse_unit(struct str *s, struct modbus_address *a, struct error *e)
{
    uint64_t n;
    if (str_find(*s, '!') < 0) return 0;
    struct str unit = str_cut(s, '!');
    if (str_to_u64(unit, &n) || n > 255)
        return error_set(e, ERR_INVALID, "address", "station '%.*s' before '!' must be 0 to 255, for example 1!400001",
                         "“!”前的站号“%.*s”应为 0 至 255，例如 1!400001", STR_ARG(unit));
    a->unit = (int)n;
    return 0;
}

int modbus_address_parse(struct str s, const struct modbus_address_hint *hint, struct modbus_address *ret,
                         struct error *e)
{
    struct modbus_address a = {.unit = -1, .bit = -1, .order = -1};
    size_t end = 0;
    s = str_trim(s);
    int rc = parse_unit(&s, &a, e);
    while (end < s.n && s.p[end] != '.' && s.p[end] != '#') end++;
    if (rc == 0) rc = parse_number(str_sub(s, 0, end), hint, &a, e);
    if (rc == 0) rc = parse_suffixes(str_sub(s, end, s.n), hint && hint->text, &a, e);
    if (rc == 0) *ret = a;
    return rc;
}

const char *modbus_address_format(const struct modbus_address *a, char out[MODBUS_ADDRESS_MAX])
{
    char unit[8] = "", bit[8] = "", order[8] = "", length[16] = "";
    if (a->unit >= 0) snprintf(unit, sizeof unit, "%u!", (unsigned)a->unit & 255);
    if (a->bit >= 0) snprintf(bit, sizeof bit, ".%u", (unsigned)a->bit & 15);
    if (a->order >= 0) snprintf(order, sizeof order, "#%s", modbus_order_name(a->order));
    if (a->length) snprintf(length, sizeof length, ".%u%c", a->length & 1023, "HLDE"[a->text & 3]);
    snprintf(out, MODBUS_ADDRESS_MAX, "%s%u%05u%s%s%s", unit, (unsigned)a->area, a->offset + 1u, bit, order, length);
    return out;
}
