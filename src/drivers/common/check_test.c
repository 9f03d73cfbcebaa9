/* Checks of options that many have. */
#include "drivers/common/check.h"
#include "drivers/common/checkbed.h"
#include "drivers/common/http_link.h"
#include "drivers/common/iec104_options.h"
#include "drivers/common/mqtt_options.h"
#include "drivers/common/socket_options.h"
#include "drivers/common/tls_options.h"
#include "drivers/common/ws_settings.h"

TEST(hosts)
{
    static const char *const right[] = {"10.0.0.7",          "::1",  "fd00::7",      "fe80::1%eth0", "plc1",
                                        "plc_1.plant.local", "a.b.", "3com.example", "工厂.cn",      "x-1"};
    static const char *const wrong[] = {"10.0.0",
                                        "10.0.0.256",
                                        "10.0.0.7:502",
                                        "[::1]",
                                        "http://a",
                                        "a b",
                                        "a/b",
                                        "a..b",
                                        "-a",
                                        "a-",
                                        ".",
                                        ":::",
                                        "a,b",
                                        "a\n",
                                        "127.1",
                                        "%eth0",
                                        "0123456789012345678901234567890123456789012345678901234567890123.a"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) CHECK_INT(check_host_text(str_of(right[i]), NULL), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error e = {0};
        if (!check_host_text(str_of(wrong[i]), &e)) test_fail(__FILE__, __LINE__, "'%s' is right", wrong[i]);
        CHECK(e.text[0] && e.text_zh[0]);
    }
}

static int all_rules(const struct options *o, struct error *e)
{
    static const struct option_rule rules[] = {
        {check_host, "host"}, {check_bind, "bind"}, {check_group, "group"}, {check_line, "line"}, {0}};
    int rc = check_rules(rules, o, e);
    if (!rc) rc = check_ip_list(o, "allow", NULL, e);
    return rc ? rc : check_utc_offset(o, "zone", "UTC", NULL, e);
}

TEST(addresses_lists_and_offsets)
{
    static const struct option table[] = {{.name = "host"},
                                          {.name = "bind"},
                                          {.name = "group"},
                                          {.name = "line"},
                                          {.name = "allow"},
                                          {.name = "zone"},
                                          {0}};
    static const struct checkbed_row rows[] = {
        {"{}", NULL},
        {"{\"host\":\"h\",\"bind\":\"::\",\"group\":\"239.1.2.3\",\"allow\":\"10.0.0.0/8, "
         "fd00::/8\",\"zone\":\"-03:30\"}",
         NULL},
        {"{\"group\":\"ff02::1\",\"zone\":\"Z\"}", NULL},
        {"{\"host\":\"a b\"}", "host"},
        {"{\"bind\":\"localhost\"}", "bind"},
        {"{\"bind\":\"0.0.0.0:80\"}", "bind"},
        {"{\"group\":\"10.0.0.1\"}", "group"},
        {"{\"group\":\"fd00::1\"}", "group"},
        {"{\"line\":\"a\\nb\"}", "line"},
        {"{\"allow\":\"10.0.0.0/33\"}", "allow"},
        {"{\"zone\":\"+15:00\"}", "zone"},
        {"{\"zone\":\"+8:7\"}", "zone"},
        {"{\"zone\":\"Beijing\"}", "zone"},
    };
    CHECK_OPTIONS(table, all_rules, rows);
    int minutes = 0;
    struct option_value v[6] = {[5] = {.set = true, .s = "-03:30"}};
    struct options o = {table, v};
    CHECK_INT(check_utc_offset(&o, "zone", "UTC", &minutes, NULL), 0);
    CHECK_INT(minutes, -210);
}

static int tls_client_check(const struct options *o, struct error *e)
{
    struct tls_client *t = NULL;
    int rc = tls_client_of(o, &t, e);
    if (!rc) CHECK((t != NULL) == opt_bool(o, "tls", false));
    tls_client_free(t);
    return rc;
}
static int tls_server_check(const struct options *o, struct error *e)
{
    struct tls_server *t = NULL;
    int rc = tls_server_of(o, &t, e);
    tls_server_free(t);
    return rc;
}
static int tls_given_check(const struct options *o, struct error *e)
{
    return tls_options_check(o, true, e);
}

TEST(certificates_and_keys)
{
    static const struct option table[] = {TLS_CLIENT_OPTIONS("v", "v", "n", "n", NULL, NULL), {0}};
    static const struct checkbed_row client[] = {
        {"{\"tls_ca\":\"rubbish\"}", NULL}, /* TLS is off */
        {"{\"tls\":true}", NULL},
        {"{\"tls\":true,\"tls_ca\":\"@C\",\"tls_certificate\":\"@C\",\"tls_key\":\"@K\",\"tls_name\":\"plc.local\"}",
         NULL},
        {"{\"tls\":true,\"tls_ca\":\"rubbish\"}", "tls_ca"},
        {"{\"tls\":true,\"tls_ca\":\"@K\"}", "tls_ca"},
        {"{\"tls\":true,\"tls_certificate\":\"rubbish\",\"tls_key\":\"@K\"}", "tls_certificate"},
        {"{\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"rubbish\"}", "tls_key"},
        {"{\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}", "tls_key"},
        {"{\"tls\":true,\"tls_certificate\":\"@C\"}", "tls_key"},
        {"{\"tls\":true,\"tls_key\":\"@K\"}", "tls_certificate"},
        {"{\"tls\":true,\"tls_name\":\"a b\"}", "tls_name"},
    };
    static const struct checkbed_row server[] = {
        {"{\"tls\":false}", NULL},
        {"{\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@K\",\"tls_ca\":\"@C\"}", NULL},
        {"{\"tls\":true}", "tls_certificate"},
        {"{\"tls\":true,\"tls_certificate\":\"@C\"}", "tls_key"},
        {"{\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}", "tls_key"},
        {"{\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@K\",\"tls_ca\":\"x\"}", "tls_ca"},
    };
    static const struct checkbed_row given[] = {
        {"{\"tls\":true}", NULL}, /* the node's own */
        {"{\"tls\":true,\"tls_ca\":\"x\"}", "tls_ca"},
        {"{\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}", "tls_key"},
    };
    CHECK_OPTIONS(table, tls_client_check, client);
    CHECK_OPTIONS(table, tls_server_check, server);
    CHECK_OPTIONS(table, tls_given_check, given);
}

TEST(urls_headers_and_credentials)
{
    static const struct option table[] = {HTTP_OPTIONS, {0}};
    static const struct checkbed_row rows[] = {
        {"{\"url\":\"https://h:8443/api\"}", NULL},
        {"{\"url\":\"http://10.0.0.7/a b\"}", "url"},
        {"{\"url\":\"ftp://h/aaaa\"}", "url"},
        {"{\"url\":\"http://h:99999/\"}", "url"},
        {"{\"url\":\"http://u:p@h/\"}", "url"},
        {"{\"url\":\"http://h/?a=1\"}", "url"},
        {"{\"url\":\"http://h/a\",\"headers\":\"no header\"}", "headers"},
        {"{\"url\":\"http://h/a\",\"headers\":\"Host: x\"}", "headers"},
        {"{\"url\":\"http://h/a\",\"auth\":\"bearer\",\"token\":\" \"}", "token"},
        {"{\"url\":\"http://h/a\",\"auth\":\"header\",\"key\":\"k\",\"key_name\":\"a b\"}", "key_name"},
        {"{\"url\":\"http://h/a\",\"auth\":\"oauth2\",\"token_url\":\"x\",\"client_id\":\"a\",\"client_secret\":\"b\"}",
         "token_url"},
        {"{\"url\":\"http://h/a\",\"tls_ca\":\"x\"}", "tls_ca"},
        {"{\"url\":\"https://h/a\",\"proxy\":\"http://10.0.0.1:3128\",\"proxy_username\":\"u\"}", NULL},
        {"{\"url\":\"https://h/a\",\"proxy\":\"10.0.0.1:3128\"}", "proxy"},
        {"{\"url\":\"https://h/a\",\"proxy\":\"http://p:3128/path\"}", "proxy"},
        {"{\"url\":\"https://h/a\",\"proxy\":\"http://u:p@p:3128\"}", "proxy"},
        {"{\"url\":\"https://h/a\",\"proxy_username\":\"u\"}", "proxy"},
        {"{\"url\":\"http://169.254.169.254/a\",\"proxy\":\"http://p:3128\"}", "url"},
        {"{\"url\":\"http://0xa9fea9fe/a\",\"proxy\":\"http://p:3128\"}", "url"},
        {"{\"url\":\"http://h/a\",\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}", "tls_key"},
    };
    CHECK_OPTIONS(table, http_options_check, rows);
}

TEST(brokers)
{
    static const struct option table[] = {MQTT_OPTIONS, {0}};
    static const struct checkbed_row rows[] = {
        {"{\"host\":\"h\"}", NULL},
        {"{\"host\":\"mqtt://h\"}", "host"},
        {"{\"host\":\"h\",\"transport\":\"websocket\",\"path\":\"mqtt\"}", "path"},
        {"{\"host\":\"h\",\"transport\":\"websocket\",\"path\":\"/a b\"}", "path"},
        {"{\"host\":\"h\",\"client_id\":\"a\\nb\"}", "client_id"},
        {"{\"host\":\"h\",\"password\":\"p\"}", "username"},
        {"{\"host\":\"h\",\"password\":\"p\",\"version\":\"5.0\"}", NULL},
        {"{\"host\":\"h\",\"tls\":true,\"tls_ca\":\"x\"}", "tls_ca"},
    };
    CHECK_OPTIONS(table, mqtt_options_check, rows);
}

static int ws_client_check(const struct options *o, struct error *e)
{
    return ws_options_check(o, false, e);
}
static int ws_server_check(const struct options *o, struct error *e)
{
    return ws_options_check(o, true, e);
}

TEST(web_sockets)
{
    static const struct option client_table[] = {WS_CLIENT_OPTIONS(NULL), WS_COMMON_OPTIONS, HTTP_OPTION_TLS, {0}};
    static const struct option server_table[] = {WS_SERVER_OPTIONS(NULL, "0"), WS_COMMON_OPTIONS, HTTP_OPTION_TLS, {0}};
    static const struct checkbed_row client[] = {
        {"{\"url\":\"wss://h/stream\",\"protocol\":\"v1.json\"}", NULL},
        {"{\"url\":\"http://h/\"}", "url"},
        {"{\"url\":\"ws://h:0/\"}", "url"},
        {"{\"url\":\"ws://h/\",\"protocol\":\"a b\"}", "protocol"},
        {"{\"url\":\"ws://h/\",\"headers\":\"x\"}", "headers"},
        {"{\"url\":\"ws://h/\",\"token\":\"a\\nb\"}", "token"},
        {"{\"url\":\"ws://h/\",\"tls_ca\":\"x\"}", "tls_ca"},
        {"{\"url\":\"wss://h/\",\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}", "tls_key"},
    };
    static const struct checkbed_row server[] = {
        {"{\"token\":\"long-enough\"}", NULL},
        {"{\"token\":\"short\"}", "token"},
        {"{\"token\":\"long-enough\",\"address\":\"here\"}", "address"},
        {"{\"token\":\"long-enough\",\"allow\":\"10.0.0\"}", "allow"},
        {"{\"token\":\"long-enough\",\"tls_certificate\":\"@C\"}", "tls_key"},
    };
    CHECK_OPTIONS(client_table, ws_client_check, client);
    CHECK_OPTIONS(server_table, ws_server_check, server);
}

TEST(times_of_iec104)
{
    static const struct option table[] = {IEC104_OPTION_WINDOW, IEC104_OPTION_TIMES, {0}};
    static const struct checkbed_row rows[] = {
        {"{}", NULL},
        {"{\"t1\":\"5s\"}", NULL}, /* t2 follows */
        {"{\"t1\":\"20s\",\"t2\":\"19s\"}", NULL},
        {"{\"t1\":\"5s\",\"t2\":\"5s\"}", "t2"},
    };
    CHECK_OPTIONS(table, iec104_times_check, rows);
    struct options none = {0};
    struct iec104_link_config c = iec104_link_of(&none);
    CHECK(c.k == 12 && c.w == 8 && c.t1_ms == 15000 && c.t2_ms == 10000);
}
