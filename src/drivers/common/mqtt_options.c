/* mqtt_options.c - see mqtt_options.h. */
#include "drivers/common/mqtt_options.h"
#include <stdio.h>
#include "base/mem.h"
#include "drivers/common/check.h"

const struct option_choice mqtt_versions[] = {
    /* the second: 5.0 */
    {"3.1.1", "MQTT 3.1.1", "MQTT 3.1.1"},
    {"5.0", "MQTT 5.0", "MQTT 5.0"},
    {0},
};

const struct option_choice mqtt_transports[] = {
    /* the second: WebSocket */
    {"tcp", "TCP", "TCP"},
    {"websocket", "WebSocket", "WebSocket"},
    {0},
};

/* NULL when it is not given or empty. */
static const char *text(struct mqtt_settings *s, const struct options *o, const char *name)
{
    const char *z = opt_str(o, name, "");
    return z[0] ? arena_strdup(&s->arena, str_of(z)) : NULL;
}

static void set_times(struct mqtt_settings *s, const struct options *o)
{
    int64_t keep_alive = (opt_ms(o, "keep_alive", 60000) + 999) / 1000;
    int64_t expiry = opt_ms(o, "session_expiry", 86400000) / 1000;
    s->c.keep_alive_s = (uint16_t)(keep_alive < 65535 ? keep_alive : 65535);
    s->c.session_expiry_s = (uint32_t)expiry;
    s->c.connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 10000);
    s->c.answer_ms = (uint32_t)opt_ms(o, "answer_timeout", 30000);
    s->backoff = reconnect_of(o, 3000);
}

static int take_tls(struct mqtt_settings *s, const struct options *o, struct error *e)
{
    struct tls_client *tls;
    int rc = tls_client_of(o, &tls, e);
    if (rc == 0) s->c.tls = tls;
    return rc;
}

static int check_path(const char *path, struct error *e)
{
    if (!path || (path[0] == '/' && !strpbrk(path, " \t\r\n#"))) return 0;
    return error_set(e, ERR_INVALID, "path", "the path begins with '/' and holds no blank and no '#', as in /mqtt",
                     "路径应以“/”开头，且不含空格和“#”，如 /mqtt");
}

/* What is wrong with the texts. */
static int check(const struct mqtt_settings *s, const struct options *o, struct error *e)
{
    static const struct option_rule rules[] = {
        {check_host, "host"}, {check_line, "client_id"}, {check_line, "username"}, {0}};
    if (!s->c.host || !s->c.client_id)
        return error_set(e, s->c.host ? ERR_NOMEM : ERR_INVALID, "host",
                         "option 'host' is missing: the broker's address", "缺少选项“host”：代理地址");
    int rc = check_rules(rules, o, e);
    if (rc == 0) rc = check_path(s->c.path, e);
    if (rc == 0 && s->c.password && !s->c.user && s->c.version == MQTT_3_1_1)
        rc = error_set(e, ERR_INVALID, "username",
                       "MQTT 3.1.1 takes a password with a user name only; give option 'username'",
                       "MQTT 3.1.1 使用密码时必须同时给出用户名（选项“username”）");
    return rc;
}

int mqtt_settings_new(const struct options *o, const char *name, struct mqtt_settings **ret, struct error *e)
{
    struct mqtt_settings *s = mem_calloc(1, sizeof *s);
    if (s == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    arena_init(&s->arena, 1 << 20);
    s->c.host = text(s, o, "host");
    s->c.client_id = text(s, o, "client_id");
    s->made_id = s->c.client_id == NULL;
    if (s->made_id) s->c.client_id = arena_printf(&s->arena, "bornite-%s", name ? name : "");
    s->c.user = text(s, o, "username");
    s->c.password = text(s, o, "password");
    s->c.version = opt_enum(o, "version", 0) == 1 ? MQTT_5 : MQTT_3_1_1;
    s->c.clean = opt_bool(o, "clean_start", true);
    s->c.packet_max = (uint32_t)opt_i64(o, "packet_max", 1 << 20);
    set_times(s, o);
    int rc = take_tls(s, o, e);
    bool ws = opt_enum(o, "transport", 0) == 1;
    if (ws) s->c.path = arena_strdup(&s->arena, str_of(opt_str(o, "path", "/mqtt")));
    s->c.port = (uint16_t)opt_i64(o, "port", ws ? (s->c.tls ? 8084 : 8083) : (s->c.tls ? 8883 : 1883));
    if (rc == 0) rc = check(s, o, e);
    if (rc)
        mqtt_settings_free(s);
    else
        *ret = s;
    return rc;
}

int mqtt_options_check(const struct options *o, struct error *e)
{
    struct mqtt_settings *s = NULL;
    int rc = mqtt_settings_new(o, "", &s, e);
    if (rc == 0) mqtt_settings_free(s);
    return rc;
}

struct mqtt_client_config mqtt_settings_temporary(const struct mqtt_settings *s, uint64_t random, char id[MQTT_ID_MAX])
{
    struct mqtt_client_config c = s->c;
    if (!s->made_id) return c;
    snprintf(id, MQTT_ID_MAX, "%.230s-%08x", c.client_id, (unsigned)random);
    c.client_id = id;
    c.clean = true;
    return c;
}

uint32_t mqtt_settings_wait_ms(struct mqtt_settings *s, const struct error *why, uint64_t random)
{
    uint32_t ms = backoff_next_ms(&s->backoff, random);
    bool refused = why->code == ERR_UNAUTHENTICATED || why->code == ERR_FORBIDDEN;
    return refused && ms < s->backoff.max_ms * 10 ? s->backoff.max_ms * 10 : ms;
}

void mqtt_settings_free(struct mqtt_settings *s)
{
    if (s == NULL) return;
    tls_client_free((struct tls_client *)(uintptr_t)s->c.tls);
    arena_fini(&s->arena);
    mem_free(s);
}
