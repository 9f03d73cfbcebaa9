/* check.c - see check.h. */
#include "drivers/common/check.h"
#include <arpa/inet.h>

int check_at(struct error *e, const char *name, int rc)
{
    if (rc && e) str_to_cstr(str_of(name), e->where, sizeof e->where);
    return rc;
}

int check_rules(const struct option_rule *rules, const struct options *o, struct error *e)
{
    int rc = 0;
    for (const struct option_rule *r = rules; !rc && r->check; r++) rc = r->check(o, r->name, e);
    return rc;
}

/* ---- hosts ---- */

enum ip_kind { NO_IP, IP_V4, IP_V6 };

static enum ip_kind ip_of(struct str s, uint8_t out[16])
{
    char text[64];
    struct str bare = str_cut(&s, '%'); /* fe80::1%eth0 */
    if (!bare.n || !str_to_cstr(bare, text, sizeof text)) return NO_IP;
    if (!s.p && inet_pton(AF_INET, text, out) == 1) return IP_V4;
    return inet_pton(AF_INET6, text, out) == 1 ? IP_V6 : NO_IP;
}

static bool name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           (unsigned char)c >= 0x80; /* names in other scripts are resolved by their own encoding */
}

/* Parts of 1 to 63 bytes; the last one no number (that would be an address, and a wrong one). */
static bool good_name(struct str s)
{
    bool digits = false;
    if (s.n && s.p[s.n - 1] == '.') s.n--;
    if (!s.n || s.n > 253) return false;
    while (s.p) {
        struct str part = str_cut(&s, '.');
        if (!part.n || part.n > 63 || part.p[0] == '-' || part.p[part.n - 1] == '-') return false;
        digits = true;
        for (size_t i = 0; i < part.n; i++) {
            if (!name_byte(part.p[i])) return false;
            digits &= part.p[i] >= '0' && part.p[i] <= '9';
        }
    }
    return !digits;
}

int check_host_text(struct str host, struct error *e)
{
    uint8_t ip[16];
    struct str s = str_sub(host, 0, 80);
    if (ip_of(host, ip) != NO_IP || good_name(host)) return 0;
    return error_set(e, ERR_INVALID, "",
                     "'%.*s' is no host: write a name or an IP address alone, such as plc1.plant.local, 10.0.0.7 or "
                     "fd00::7; the port has a field of its own",
                     "“%.*s”不是主机：只写名称或 IP 地址，例如 plc1.plant.local、10.0.0.7 或 fd00::7；端口另行填写",
                     STR_ARG(s));
}

int check_host(const struct options *o, const char *name, struct error *e)
{
    const char *host = opt_str(o, name, "");
    return host[0] ? check_at(e, name, check_host_text(str_of(host), e)) : 0;
}

/* ---- addresses ---- */

int check_bind(const struct options *o, const char *name, struct error *e)
{
    uint8_t ip[16];
    const char *text = opt_str(o, name, "");
    if (!text[0] || ip_of(str_of(text), ip) != NO_IP) return 0;
    return error_set(
        e, ERR_INVALID, name,
        "'%.60s' is no IP address of this machine: write 0.0.0.0 for all, :: for all with IPv6, or one such "
        "as 10.0.0.5",
        "“%.60s”不是本机 IP 地址：全部网卡写 0.0.0.0（含 IPv6 写 ::），或写其中一个，例如 10.0.0.5", text);
}

int check_group(const struct options *o, const char *name, struct error *e)
{
    uint8_t ip[16];
    const char *text = opt_str(o, name, "");
    if (!text[0]) return 0;
    enum ip_kind kind = ip_of(str_of(text), ip);
    if ((kind == IP_V4 && ip[0] >= 224 && ip[0] <= 239) || (kind == IP_V6 && ip[0] == 0xff)) return 0;
    return error_set(e, ERR_INVALID, name,
                     "'%.60s' is no multicast group: write an address from 224.0.0.0 to 239.255.255.255, or ff00::/8",
                     "“%.60s”不是组播地址：应为 224.0.0.0 至 239.255.255.255，或 ff00::/8", text);
}

int check_ip_list(const struct options *o, const char *name, struct ip_list *ret, struct error *e)
{
    struct ip_list list;
    return check_at(e, name, ip_list_parse(opt_str(o, name, ""), ret ? ret : &list, e));
}

/* ---- texts ---- */

int check_line(const struct options *o, const char *name, struct error *e)
{
    for (const char *p = opt_str(o, name, ""); *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return error_set(e, ERR_INVALID, name, "holds a line break or a control character; write it in one line",
                             "含有换行或控制字符；请写成一行");
    return 0;
}

static bool offset_of(struct str s, int *ret)
{
    uint64_t h, m = 0;
    bool negative = s.n && s.p[0] == '-';
    *ret = 0;
    if (!s.n || str_is(s, "UTC") || str_is(s, "Z")) return true;
    if (s.p[0] == '+' || negative) s = str_sub(s, 1, s.n);
    struct str hours = str_cut(&s, ':');
    if (hours.n > 2 || str_to_u64(hours, &h) || h > 14) return false;
    if (s.p && (s.n != 2 || str_to_u64(s, &m) || m > 59)) return false;
    *ret = (int)(h * 60 + m) * (negative ? -1 : 1);
    return true;
}

int check_utc_offset(const struct options *o, const char *name, const char *def, int *ret_minutes, struct error *e)
{
    int minutes;
    const char *text = opt_str(o, name, def);
    if (!offset_of(str_of(text), &minutes))
        return error_set(e, ERR_INVALID, name, "'%.60s' is no offset from UTC: write +08:00, -03:30 or UTC",
                         "“%.60s”不是与 UTC 的偏移：请写成 +08:00、-03:30 或 UTC", text);
    if (ret_minutes) *ret_minutes = minutes;
    return 0;
}
