/* ip_list.c - see ip_list.h. */
#include "io/ip_list.h"
#include <arpa/inet.h>
#include "base/str.h"

static bool address_of(struct str s, uint8_t out[16], bool *ret_v4)
{
    char text[64];
    if (s.n == 0 || !str_to_cstr(s, text, sizeof text)) return false;
    memset(out, 0, 16);
    *ret_v4 = inet_pton(AF_INET, text, out + 12) == 1;
    if (!*ret_v4) return inet_pton(AF_INET6, text, out) == 1;
    out[10] = out[11] = 0xff;
    return true;
}

static bool take(struct str part, struct ip_list *l)
{
    bool v4, has_bits = str_find(part, '/') >= 0;
    struct str host = str_cut(&part, '/');
    uint64_t bits = 128;
    uint8_t *a = l->nets[l->n].address;
    if (!address_of(host, a, &v4)) return false;
    if (has_bits && (str_to_u64(part, &bits) || bits > (v4 ? 32 : 128))) return false;
    l->nets[l->n++].bits = (uint8_t)(has_bits && v4 ? bits + 96 : bits);
    return true;
}

static bool separates(char c)
{
    return c == ',' || c == ';' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int ip_list_parse(const char *text, struct ip_list *ret, struct error *e)
{
    struct ip_list l = {0};
    const char *p = text ? text : "";
    for (;;) {
        while (separates(*p)) p++;
        size_t n = 0;
        while (p[n] && !separates(p[n])) n++;
        if (n == 0) break;
        if (l.n == IP_LIST_MAX)
            return error_set(e, ERR_INVALID, "", "more than %d addresses; write networks such as 10.1.0.0/16",
                             "地址超过 %d 个；请改写为网段，如 10.1.0.0/16", IP_LIST_MAX);
        if (!take(str_make(p, n), &l))
            return error_set(e, ERR_INVALID, "", "'%.*s' is no address: write 10.0.0.7, 10.1.0.0/16 or fd00::/8",
                             "“%.*s”不是地址：请写成 10.0.0.7、10.1.0.0/16 或 fd00::/8", (int)(n < 60 ? n : 60), p);
        p += n;
    }
    *ret = l;
    return 0;
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0) return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool ip_list_has(const struct ip_list *l, const char *address)
{
    uint8_t a[16];
    bool v4;
    if (!address_of(str_of(address), a, &v4)) return false;
    for (unsigned i = 0; i < l->n; i++)
        if (same(a, l->nets[i].address, l->nets[i].bits)) return true;
    return false;
}
