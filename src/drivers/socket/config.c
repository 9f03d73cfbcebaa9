/* config.c - options into what the session works with. Also the check of what a user gave. */
#include "drivers/common/check.h"
#include "drivers/common/registry.h"
#include "drivers/socket/socket_int.h"

/* ---- the channel ---- */

static int read_frame(struct sk_config *c, const struct options *o, struct error *e)
{
    struct frame_spec *f = &c->frame;
    *f = (struct frame_spec){.kind = (enum frame_kind)opt_enum(o, "framing", FRAME_DELIMITER),
                             .max = (uint32_t)opt_i64(o, "max_length", 4096),
                             .fixed = (uint32_t)opt_i64(o, "fixed_length", 0),
                             .length_at = (uint32_t)opt_i64(o, "length_at", 0),
                             .length_size = socket_length_size(o),
                             .length_little = opt_enum(o, "length_order", 0) == 1,
                             .length_adjust = (int32_t)opt_i64(o, "length_adjust", 0),
                             .restart = opt_bool(o, "restart", false)};
    int rc = socket_bytes_of(o, "start_bytes", &f->start, e);
    if (rc == 0) rc = socket_bytes_of(o, "end_bytes", &f->end, e);
    return rc ? rc : frame_spec_check(f, e);
}

bool sk_separator(struct str text, char *ret, size_t cap)
{
    size_t n = 0;
    uint8_t bytes[8];
    if (bytes_parse(text, bytes, cap - 1 < 8 ? cap - 1 : 8, &n, NULL) || n == 0 || memchr(bytes, 0, n)) return false;
    memcpy(ret, bytes, n);
    ret[n] = 0;
    return true;
}

static void read_way(struct sk_config *c, const struct options *o)
{
    c->mode = (enum sk_mode)opt_enum(o, "mode", SK_TCP_CLIENT);
    c->port = (uint16_t)opt_i64(o, "port", 0);
    c->local_port = (uint16_t)opt_i64(o, "local_port", 0);
    str_to_cstr(str_of(opt_str(o, "host", "")), c->host, sizeof c->host);
    str_to_cstr(str_of(opt_str(o, "address", "0.0.0.0")), c->address, sizeof c->address);
    str_to_cstr(str_of(opt_str(o, "group", "")), c->group, sizeof c->group);
    str_to_cstr(str_of(opt_str(o, "interface", "")), c->interface, sizeof c->interface);
    bool server = c->mode == SK_TCP_SERVER || c->mode == SK_UDP_SERVER;
    snprintf(c->place, sizeof c->place, "%s %s:%u",
             c->mode == SK_TCP_CLIENT || c->mode == SK_TCP_SERVER ? "TCP" : "UDP", server ? c->address : c->host,
             c->port);
    c->max_links = server ? (unsigned)opt_i64(o, "max_connections", 1000) : 1;
    c->connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 3000);
    c->gap_ms = (uint32_t)opt_ms(o, "gap", 50);
    c->backoff = reconnect_of(o, 60000);
    c->sum = socket_check_of(o);
}

static int read_identity(struct sk_config *c, const struct options *o, struct error *e)
{
    const char *text = opt_str(o, "identity", "");
    c->identify = (enum sk_identify)opt_enum(o, "identify", SK_ANY);
    if (c->identify != SK_FIELD && c->identify != SK_FIRST) return 0;
    return check_at(e, "identity", field_new(str_of(text), VALUE_AUTO, &c->identity, e));
}

static int read_texts(struct sk_config *c, const struct options *o, struct error *e)
{
    bool server = c->mode == SK_TCP_SERVER || c->mode == SK_UDP_SERVER;
    int rc = socket_way_check(o, server, e);
    if (rc == 0) rc = check_ip_list(o, "allow", &c->allow, e);
    if (rc == 0 && c->mode == SK_UDP_SERVER) rc = check_group(o, "group", e);
    if (rc == 0) rc = read_frame(c, o, e);
    if (rc == 0 && !sk_separator(str_of(opt_str(o, "separator", ",")), c->separator, sizeof c->separator))
        rc = error_set(e, ERR_INVALID, "separator", "a separator has 1 to 7 bytes, for example , or \\t",
                       "分隔符为 1 至 7 字节，例如 , 或 \\t");
    return rc ? rc : read_identity(c, o, e);
}

int sk_config_read(struct sk_config *c, const struct options *o, struct error *e)
{
    *c = (struct sk_config){0};
    read_way(c, o);
    int rc = read_texts(c, o, e);
    if (rc == 0 && (c->mode == SK_TCP_CLIENT || c->mode == SK_TCP_SERVER))
        rc = socket_tls_of(o, c->mode == SK_TCP_SERVER, &c->tls, e);
    if (rc) sk_config_free(c);
    return rc;
}

void sk_config_free(struct sk_config *c)
{
    field_free(TAKE(c->identity));
    socket_tls_free(&c->tls);
}

int sk_channel_check(const struct options *o, struct error *e)
{
    struct sk_config c;
    int rc = sk_config_read(&c, o, e);
    if (rc == 0) sk_config_free(&c);
    return rc;
}

/* ---- devices ---- */

static int read_template(const struct options *o, const char *name, bool value, struct byte_template **ret,
                         struct error *e)
{
    const char *text = opt_str(o, name, "");
    return *text ? check_at(e, name, byte_template_new(str_of(text), value, ret, e)) : 0;
}

static int read_condition(const struct options *o, const char *name, struct condition **ret, struct error *e)
{
    const char *text = opt_str(o, name, "");
    return *text ? check_at(e, name, condition_new(str_of(text), ret, e)) : 0;
}

/* "10.0.0.7", "10.0.0.7:5000", "[fd00::7]:5000" */
static int check_peer(const char *text, struct error *e)
{
    struct sockaddr_in6 a;
    struct str s = str_of(text), port = STR_NULL;
    char host[72];
    uint64_t n = 1;
    bool v6 = s.n && s.p[0] == '[';
    if (!s.n || uv_inet_pton(AF_INET6, text, &a.sin6_addr) == 0) return 0;
    port = v6 ? str_sub(s, 1, s.n) : s;
    s = str_cut(&port, v6 ? ']' : ':');
    if (v6 && port.n && port.p[0] == ':') port = str_sub(port, 1, port.n);
    bool good = str_to_cstr(s, host, sizeof host) && uv_inet_pton(v6 ? AF_INET6 : AF_INET, host, &a.sin6_addr) == 0 &&
                (!port.p || (str_to_u64(port, &n) == 0 && n >= 1 && n <= 65535));
    return good ? 0
                : error_set(e, ERR_INVALID, "peer",
                            "'%.60s' is no address of a device: write 10.0.0.7, 10.0.0.7:5000 or [fd00::7]:5000",
                            "“%.60s”不是设备地址：应写成 10.0.0.7、10.0.0.7:5000 或 [fd00::7]:5000", text);
}

int sk_device_read(struct sk_device *d, const struct driver_device *dd, const struct options *o, struct error *e)
{
    *d = (struct sk_device){.num = dd ? dd->num : 0,
                            .period_ms = (uint32_t)opt_ms(o, "request_period", 1000),
                            .timeout_ms = (uint32_t)opt_ms(o, "request_timeout", 1000),
                            .silence_ms = (uint32_t)opt_ms(o, "silence", 0),
                            .write_ms = (uint32_t)opt_ms(o, "write_timeout", 3000),
                            .time_format = (enum sk_time)opt_enum(o, "time_format", SK_TIME_UNIX)};
    int minutes = 0;
    str_to_cstr(str_of(dd && dd->code ? dd->code : ""), d->code, sizeof d->code);
    str_to_cstr(str_trim(str_of(opt_str(o, "peer", ""))), d->peer, sizeof d->peer);
    str_to_cstr(str_trim(str_of(opt_str(o, "id", ""))), d->id, sizeof d->id);
    const char *time = opt_str(o, "time", "");
    int rc = read_template(o, "login", false, &d->login, e);
    if (rc == 0) rc = read_template(o, "request", false, &d->request, e);
    if (rc == 0) rc = read_template(o, "ack", false, &d->ack, e);
    if (rc == 0) rc = read_condition(o, "select", &d->select, e);
    if (rc == 0 && *time) rc = check_at(e, "time", field_new(str_of(time), VALUE_UINT32, &d->time, e));
    if (rc == 0) rc = check_utc_offset(o, "utc_offset", "UTC", &minutes, e);
    d->utc_offset_us = minutes * 60000000LL;
    return rc ? rc : check_peer(d->peer, e);
}

int sk_device_check(const struct options *o, struct error *e)
{
    struct sk_device *d = mem_calloc(1, sizeof *d);
    int rc = d ? sk_device_read(d, NULL, o, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    sk_device_free(d);
    return rc;
}

void sk_device_free(struct sk_device *d)
{
    if (d == NULL) return;
    byte_template_free(d->login);
    byte_template_free(d->request);
    byte_template_free(d->ack);
    condition_free(d->select);
    field_free(d->time);
    ring_free(&d->seen);
    mem_free(d);
}

/* ---- points ---- */

static uint64_t key_of(const struct driver_point *p)
{
    static const char *const names[] = {"select", "write", "confirm", "refused"};
    uint64_t h = str_hash(str_of(p->address ? p->address : ""), hash_seed()) + (uint64_t)p->type;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        h = h * 31 + str_hash(str_of(opt_str(p->options, names[i], "")), hash_seed());
    return h;
}

static int check_type(const struct sk_point *k, const char *address, struct error *e)
{
    bool text = field_type(k->field) == VALUE_STRING;
    if (!text || k->type == VALUE_STRING || k->p.type == VALUE_AUTO || strcmp(address, "text") == 0) return 0;
    return error_set(e, ERR_INVALID, "type", "%s is a text; its number is read by OFFSET+LENGTH:number or 'number 1'",
                     "%s 是文本；读取其中的数字用 偏移+长度:number 或 number 1", address);
}

int sk_point_read(struct sk_point *k, const struct driver_point *p, struct error *e)
{
    *k = (struct sk_point){.num = p->num, .p = *p, .key = key_of(p)};
    k->p.address = NULL;
    k->p.options = NULL;
    buf_init(&k->text, SK_TEXT_MAX);
    int rc = check_at(e, "address", field_new(str_of(p->address ? p->address : ""), p->type, &k->field, e));
    if (rc) return rc;
    k->type = p->type == VALUE_AUTO ? field_type(k->field) : p->type;
    rc = check_type(k, p->address, e);
    if (rc == 0) rc = read_condition(p->options, "select", &k->select, e);
    if (rc == 0) rc = read_template(p->options, "write", true, &k->write, e);
    if (rc == 0) rc = read_condition(p->options, "confirm", &k->confirm, e);
    if (rc == 0) rc = read_condition(p->options, "refused", &k->refused, e);
    return rc;
}

void sk_point_fini(struct sk_point *k)
{
    field_free(k->field);
    condition_free(k->select);
    byte_template_free(k->write);
    condition_free(k->confirm);
    condition_free(k->refused);
    buf_fini(&k->text);
}
