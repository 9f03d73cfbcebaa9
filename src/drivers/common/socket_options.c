/* socket_options.c - see socket_options.h. */
#include "drivers/common/socket_options.h"
#include "drivers/common/check.h"

static const uint8_t sizes[] = {1, 2, 4}; /* as socket_sizes */
const struct option_choice socket_sizes[] = {{"1", "1", "1"}, {"2", "2", "2"}, {"4", "4", "4"}, {0}};
const struct option_choice socket_byte_orders[] = {
    {"BE", "high byte first", "高字节在前"}, {"LE", "low byte first", "低字节在前"}, {0}};
const struct option_choice socket_checks[] = {
#define X(kind, name, bytes, en, zh) {name, en, zh},
    CHECKSUMS(X)
#undef X
        {0},
};

int socket_bytes_of(const struct options *o, const char *name, struct frame_mark *ret, struct error *e)
{
    size_t n = 0;
    int rc = check_at(e, name, bytes_parse(str_of(opt_str(o, name, "")), ret->p, sizeof ret->p, &n, e));
    ret->n = (uint8_t)n;
    return rc;
}

struct checksum_spec socket_check_of(const struct options *o)
{
    struct checksum_spec s = {.kind = (enum checksum)opt_enum(o, "checksum", CHECKSUM_NONE),
                              .from = (int)opt_i64(o, "checksum_from", 0),
                              .to = (int)opt_i64(o, "checksum_to", 0),
                              .little = opt_enum(o, "checksum_order", 0) == 1,
                              .hex = opt_bool(o, "checksum_hex", false)};
    s.at = (int)opt_i64(o, "checksum_at", -(int64_t)checksum_width(&s));
    return s;
}

uint8_t socket_length_size(const struct options *o)
{
    return sizes[opt_enum(o, "length_size", 1) % 3];
}

int socket_way_check(const struct options *o, bool server, struct error *e)
{
    static const struct option_rule listens[] = {{check_bind, "address"}, {check_bind, "interface"}, {0}};
    static const struct option_rule connects[] = {{check_host, "host"}, {check_bind, "interface"}, {0}};
    if (!server && opt_i64(o, "port", 0) == 0)
        return error_set(e, ERR_INVALID, "port", "0 is no port to send to: give that of the other side, 1 to 65535",
                         "端口 0 不能作为目的端口：请填写对端端口，1 至 65535");
    int rc = check_rules(server ? listens : connects, o, e);
    return rc ? rc : check_ip_list(o, "allow", NULL, e);
}

int socket_tls_of(const struct options *o, bool server, struct socket_tls *ret, struct error *e)
{
    *ret = (struct socket_tls){0};
    return server ? tls_server_of(o, &ret->server, e) : tls_client_of(o, &ret->client, e);
}

void socket_tls_free(struct socket_tls *t)
{
    tls_client_free(t->client);
    tls_server_free(t->server);
    *t = (struct socket_tls){0};
}
