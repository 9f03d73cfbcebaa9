/* Text forms of node ids, names and ranges (OPC 10000-6, 5.3.1.10 and 5.3.1.12; OPC 10000-4, 7.27; Neuron's
 * "namespace!name"), and comparing ids. */
#include "base/encode.h"
#include "base/utf8.h"
#include "proto/opcua/ua_types.h"

static int bad(struct error *e, struct str text, const char *en, const char *zh)
{
    int n = text.n > 120 ? 120 : (int)text.n;
    return error_set(e, ERR_INVALID, "", "node id '%.*s': %s%.0s", "节点标识“%.*s”：%.0s%s", n, text.p ? text.p : "",
                     en, zh);
}

/* ---- Guid ----------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int ua_guid_parse(struct str t, struct ua_guid *ret)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    uint8_t raw[16] = {0};
    unsigned n = 0;
    if (t.n == 38 && t.p[0] == '{' && t.p[37] == '}') t = str_sub(t, 1, 36);
    if (t.n != sizeof form - 1) return ERR_INVALID;
    for (size_t i = 0; i < t.n; i++) {
        int digit = hex_digit(t.p[i]);
        if (form[i] == '-' ? t.p[i] != '-' : digit < 0) return ERR_INVALID;
        if (form[i] == '-') continue;
        raw[n / 2] = (uint8_t)(raw[n / 2] << 4 | digit);
        n++;
    }
    ret->a = (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 | (uint32_t)raw[2] << 8 | raw[3];
    ret->b = (uint16_t)(raw[4] << 8 | raw[5]);
    ret->c = (uint16_t)(raw[6] << 8 | raw[7]);
    memcpy(ret->d, raw + 8, 8);
    return 0;
}
void ua_guid_text(struct buf *out, const struct ua_guid *g)
{
    buf_printf(out, "%08x-%04x-%04x-%02x%02x-", (unsigned)g->a, g->b, g->c, g->d[0], g->d[1]);
    hex_encode(out, g->d + 2, 6);
}

/* ---- NodeId --------------------------------------------------------------------------------------------- */

/* Cut "name=...;" off the front. */
static bool prefix(struct str *t, const char *name, struct str *ret)
{
    size_t n = strlen(name);
    if (!str_starts(*t, str_of(name)) || t->n <= n) return false;
    struct str rest = str_sub(*t, n, t->n);
    if (str_find(rest, ';') < 0) return false;
    *ret = str_cut(&rest, ';');
    *t = rest;
    return true;
}
static int parse_bytes(struct arena *a, struct str t, struct str *ret)
{
    struct buf b;
    buf_init(&b, t.n + 4);
    int rc = base64_decode(&b, t, false);
    if (rc == 0) *ret = arena_str(a, b.n ? buf_view(&b) : STR(""));
    buf_fini(&b);
    return rc ? rc : ret->p ? 0 : ERR_NOMEM;
}
static int parse_identifier(struct arena *a, struct str whole, struct str t, struct ua_nodeid *ret, struct error *e)
{
    struct str v = str_sub(t, 2, t.n);
    uint64_t i = 0;
    char form = t.n >= 2 && t.p[1] == '=' ? t.p[0] : 0;
    ret->kind = form == 'i' ? UA_ID_NUMBER : form == 's' ? UA_ID_STRING : form == 'g' ? UA_ID_GUID : UA_ID_BYTES;
    switch (form) {
    case 'i':
        if (str_to_u64(v, &i) != 0 || i > UINT32_MAX)
            return bad(e, whole, "after i= stands a number from 0 to 4294967295", "i= 之后应为 0 到 4294967295 的整数");
        ret->i = (uint32_t)i;
        return 0;
    case 's':
        if (v.n == 0 || v.n > 4096 || !utf8_valid(v))
            return bad(e, whole, "after s= stands a text of 1 to 4096 bytes", "s= 之后应为 1 到 4096 字节的文本");
        ret->s = v;
        return 0;
    case 'g':
        if (ua_guid_parse(v, &ret->g) != 0)
            return bad(e, whole, "after g= stands a GUID like 09087e75-8e5e-499b-954f-f2a9603db28a",
                       "g= 之后应为 GUID，如 09087e75-8e5e-499b-954f-f2a9603db28a");
        return 0;
    case 'b':
        if (parse_bytes(a, v, &ret->s) != 0) return bad(e, whole, "after b= stands base64", "b= 之后应为 base64");
        return 0;
    }
    return bad(e, whole, "write ns=2;s=Name, ns=2;i=85, i=2258, g=..., b=..., nsu=uri;s=Name or 2!Name",
               "应写成 ns=2;s=名称、ns=2;i=85、i=2258、g=…、b=…、nsu=uri;s=名称 或 2!名称");
}

/* Neuron: "2!Name", "2!85". */
static bool parse_bang(struct str t, struct ua_nodeid *ret)
{
    uint64_t ns = 0, i = 0;
    struct str rest = t;
    if (str_find(t, '!') <= 0) return false;
    if (str_to_u64(str_cut(&rest, '!'), &ns) != 0 || ns > UINT16_MAX || rest.n == 0 || rest.n > 4096) return false;
    ret->ns = (uint16_t)ns;
    if (str_to_u64(rest, &i) == 0 && i <= UINT32_MAX && (rest.n == 1 || rest.p[0] != '0'))
        ret->i = (uint32_t)i;
    else
        ret->kind = UA_ID_STRING, ret->s = rest;
    return utf8_valid(rest);
}

int ua_nodeid_parse(struct arena *a, struct str text, struct ua_expanded *ret, struct error *e)
{
    struct ua_expanded x = {0};
    struct str t = text, v;
    uint64_t n = 0;
    if (parse_bang(t, &x.id)) {
        *ret = x;
        return 0;
    }
    x = (struct ua_expanded){0};
    if (prefix(&t, "svr=", &v)) {
        if (str_to_u64(v, &n) != 0 || n > UINT32_MAX)
            return bad(e, text, "after svr= stands a number", "svr= 之后应为整数");
        x.server = (uint32_t)n;
    }
    if (prefix(&t, "nsu=", &v)) {
        if (percent_decode(a, v, false, &x.uri) != 0 || x.uri.n == 0)
            return bad(e, text, "after nsu= stands a URI (; is %3B, % is %25)",
                       "nsu= 之后应为 URI（; 写作 %3B，% 写作 %25）");
    } else if (prefix(&t, "ns=", &v)) {
        if (str_to_u64(v, &n) != 0 || n > UINT16_MAX)
            return bad(e, text, "after ns= stands a number from 0 to 65535", "ns= 之后应为 0 到 65535 的整数");
        x.id.ns = (uint16_t)n;
    }
    int rc = parse_identifier(a, text, t, &x.id, e);
    if (rc == 0) *ret = x;
    return rc;
}

static void identifier(struct buf *out, const struct ua_nodeid *id)
{
    switch (id->kind) {
    case UA_ID_STRING:
        buf_z(out, "s=");
        buf_str(out, id->s);
        return;
    case UA_ID_GUID:
        buf_z(out, "g=");
        ua_guid_text(out, &id->g);
        return;
    case UA_ID_BYTES:
        buf_z(out, "b=");
        base64_encode(out, id->s.p, id->s.n, false);
        return;
    }
    buf_printf(out, "i=%u", (unsigned)id->i);
}
void ua_nodeid_text(struct buf *out, const struct ua_nodeid *id)
{
    if (id->ns != 0) buf_printf(out, "ns=%u;", id->ns);
    identifier(out, id);
}
void ua_expanded_text(struct buf *out, const struct ua_expanded *x)
{
    if (x->server != 0) buf_printf(out, "svr=%u;", (unsigned)x->server);
    if (x->uri.p == NULL) {
        ua_nodeid_text(out, &x->id);
        return;
    }
    buf_z(out, "nsu=");
    for (size_t i = 0; i < x->uri.n; i++) {
        if (x->uri.p[i] == ';' || x->uri.p[i] == '%')
            buf_printf(out, "%%%02X", x->uri.p[i]);
        else
            buf_u8(out, (uint8_t)x->uri.p[i]);
    }
    buf_u8(out, ';');
    identifier(out, &x->id);
}

bool ua_nodeid_eq(const struct ua_nodeid *a, const struct ua_nodeid *b)
{
    if (a->ns != b->ns || a->kind != b->kind) return false;
    if (a->kind == UA_ID_NUMBER) return a->i == b->i;
    if (a->kind == UA_ID_GUID) return memcmp(&a->g, &b->g, sizeof a->g) == 0;
    return str_eq(a->s, b->s);
}
/* OPC 10000-3, 8.2.4: ns 0 with an identifier that is nothing. */
bool ua_nodeid_null(const struct ua_nodeid *id)
{
    static const struct ua_guid none;
    if (id->ns != 0) return false;
    if (id->kind == UA_ID_NUMBER) return id->i == 0;
    return id->kind == UA_ID_GUID ? memcmp(&id->g, &none, sizeof none) == 0 : id->s.n == 0;
}
uint64_t ua_nodeid_hash(const struct ua_nodeid *id, uint64_t seed)
{
    seed += (uint64_t)id->ns << 8 | id->kind;
    if (id->kind == UA_ID_NUMBER) return str_hash(str_make((const char *)&id->i, sizeof id->i), seed);
    if (id->kind == UA_ID_GUID) return str_hash(str_make((const char *)&id->g, sizeof id->g), seed);
    return str_hash(id->s.p ? id->s : STR(""), seed);
}

/* ---- names and ranges ----------------------------------------------------------------------------------- */

int ua_name_parse(struct str text, struct ua_name *ret, struct error *e)
{
    ptrdiff_t colon = str_find(text, ':');
    uint64_t ns = 0;
    *ret = (struct ua_name){0, text};
    if (text.n == 0 || text.n > 512 || !utf8_valid(text))
        return error_set(e, ERR_INVALID, "", "a name has 1 to 512 bytes of UTF-8",
                         "名称应为 1 到 512 字节的 UTF-8 文本");
    if (colon <= 0 || str_to_u64(str_sub(text, 0, (size_t)colon), &ns) != 0) return 0;
    if (ns > UINT16_MAX || (size_t)colon + 1 == text.n)
        return error_set(e, ERR_INVALID, "", "'%.*s': write namespace:name, like 2:Tank",
                         "“%.*s”：应写成 命名空间:名称，如 2:Tank", STR_ARG(text));
    *ret = (struct ua_name){(uint16_t)ns, str_sub(text, (size_t)colon + 1, text.n)};
    return 0;
}

static bool range_part(struct str part)
{
    uint64_t lo = 0, hi = 0;
    bool pair = str_find(part, ':') >= 0;
    struct str first = str_cut(&part, ':');
    if (str_to_u64(first, &lo) != 0 || lo > INT32_MAX) return false;
    return !pair || (str_to_u64(part, &hi) == 0 && hi <= INT32_MAX && lo < hi);
}
int ua_range_check(struct str range, struct error *e)
{
    struct str rest = range;
    for (int i = 0; rest.p != NULL && i < 32; i++)
        if (!range_part(str_cut(&rest, ',')))
            break;
        else if (rest.p == NULL)
            return 0;
    return error_set(e, ERR_INVALID, "", "index range '%.*s': write 2, 1:3 or 0:1,2",
                     "索引范围“%.*s”：应写成 2、1:3 或 0:1,2", STR_ARG(range));
}
