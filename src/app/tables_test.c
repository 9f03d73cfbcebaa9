/* Each registered driver and outlet by tables of options, right and wrong, and the place that is named. What several
 * share (hosts, certificates, URLs) is tested in drivers/common/check_test.c; here it is that they ask for it. */
#include "app/tables.h"
#include "drivers/common/checkbed.h"

struct thing_rows {
    const char *name;
    const struct checkbed_row *channel, *device; /* end with json NULL */
};
#define ROWS (const struct checkbed_row[])

static const struct thing_rows of_drivers[] = {
    {.name = "modbus_tcp",
     .channel = ROWS{{"{\"host\":\"10.0.0.7\"}", NULL},
                     {"{\"host\":\"plc1\",\"framing\":\"rtu_udp\",\"broadcast\":true}", NULL},
                     {"{\"host\":\"10.0.0.7:502\"}", "host"},
                     {0}}},
    {.name = "modbus_serial",
     .channel =
         ROWS{{"{\"device\":\"/dev/ttyUSB0\"}", NULL},
              {"{\"device\":\"/dev/ttyUSB0\",\"framing\":\"ascii\",\"data_bits\":\"7\",\"flow\":\"xon_xoff\"}", NULL},
              {"{\"device\":\"COM1:   \"}", "device"},
              {"{\"device\":\"/dev/../etc/passwd\"}", "device"},
              {"{\"device\":\"/dev/ttyUSB0\",\"data_bits\":\"7\"}", "data_bits"},
              {"{\"device\":\"/dev/ttyUSB0\",\"flow\":\"xon_xoff\"}", "flow"},
              {"{\"device\":\"/dev/ttyUSB0\",\"flow\":\"rts_cts\",\"rs485\":\"rts\"}", "flow"},
              {0}}},
    {.name = "iec104",
     .channel = ROWS{{"{\"host\":\"10.0.0.7\",\"host_2\":\"10.0.0.8\",\"time_zone\":\"UTC\"}", NULL},
                     {"{\"host\":\"a b\"}", "host"},
                     {"{\"host\":\"a\",\"host_2\":\"a:1\"}", "host_2"},
                     {"{\"host\":\"a\",\"time_zone\":\"Mars/Olympus\"}", "time_zone"},
                     {"{\"host\":\"a\",\"t1\":\"4s\",\"t2\":\"4s\"}", "t2"},
                     {"{\"host\":\"a\",\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}", "tls_key"},
                     {0}}},
    {.name = "hj212",
     .channel = ROWS{{"{}", NULL}, {"{\"bind\":\"here\"}", "bind"}, {"{\"time_zone\":\"Beijin\"}", "time_zone"}, {0}},
     .device = ROWS{{"{\"mn\":\"010000A8900016F000169DC0\",\"password\":\"123456\"}", NULL},
                    {"{\"mn\":\"a;b\"}", "mn"},
                    {"{\"mn\":\"a b\"}", "mn"},
                    {"{\"mn\":\"1\",\"password\":\"a&b\"}", "password"},
                    {0}}},
    {.name = "opcua",
     .channel = ROWS{{"{\"endpoint\":\"opc.tcp://h:4840/p\",\"endpoints\":\"opc.tcp://[fd00::1] opc.tcp://b\"}", NULL},
                     {"{\"endpoint\":\"http://h:4840/p\"}", "endpoint"},
                     {"{\"endpoint\":\"opc.tcp://a b:4840\"}", "endpoint"},
                     {"{\"endpoint\":\"opc.tcp://h:99999\"}", "endpoint"},
                     {"{\"endpoint\":\"opc.tcp://h\",\"endpoints\":\"opc.tcp://b, c\"}", "endpoints"},
                     {"{\"endpoint\":\"opc.tcp://h\",\"thumbprint\":\"12\"}", "thumbprint"},
                     {"{\"endpoint\":\"opc.tcp://h\",\"user\":\"username\"}", "username"},
                     {"{\"endpoint\":\"opc.tcp://h\",\"user\":\"certificate\"}", "user_certificate"},
                     {"{\"endpoint\":\"opc.tcp://h\",\"certificate\":\"x\",\"private_key\":\"@K\"}", "certificate"},
                     {"{\"endpoint\":\"opc.tcp://h\",\"certificate\":\"@C\"}", "private_key"},
                     {0}}},
    {.name = "tcp_udp",
     .channel = ROWS{{"{\"host\":\"h\",\"port\":1}", NULL},
                     {"{\"mode\":\"tcp_server\",\"port\":0}", NULL},
                     {"{\"host\":\"h\",\"port\":0}", "port"},
                     {"{\"host\":\"a b\",\"port\":1}", "host"},
                     {"{\"mode\":\"tcp_server\",\"port\":1,\"address\":\"x\"}", "address"},
                     {"{\"mode\":\"tcp_server\",\"port\":1,\"allow\":\"x\"}", "allow"},
                     {"{\"mode\":\"tcp_server\",\"port\":1,\"tls\":true}", "tls_certificate"},
                     {"{\"mode\":\"udp_server\",\"port\":1,\"tls\":true}", NULL}, /* hidden */
                     {"{\"mode\":\"udp_server\",\"port\":1,\"group\":\"10.0.0.1\"}", "group"},
                     {"{\"host\":\"h\",\"port\":1,\"end_bytes\":\"\\\\q\"}", "end_bytes"},
                     {"{\"host\":\"h\",\"port\":1,\"separator\":\"\"}", "separator"},
                     {"{\"host\":\"h\",\"port\":1,\"identify\":\"field\",\"identity\":\"x\"}", "identity"},
                     {"{\"host\":\"h\",\"port\":1,\"tls\":true,\"tls_ca\":\"x\"}", "tls_ca"},
                     {0}},
     .device = ROWS{{"{}", NULL},
                    {"{\"peer\":\"10.0.0.7:4001\"}", NULL},
                    {"{\"peer\":\"fd00::7\"}", NULL},
                    {"{\"peer\":\"[fd00::7]:1\"}", NULL},
                    {"{\"peer\":\"plc\"}", "peer"},
                    {"{\"peer\":\"10.0.0.7:0\"}", "peer"},
                    {"{\"login\":\"${what}\"}", "login"},
                    {"{\"request\":\"\\\\q\"}", "request"},
                    {"{\"ack\":\"${sum:none}\"}", "ack"},
                    {"{\"select\":\"regex:(\"}", "select"},
                    {"{\"time\":\"x\"}", "time"},
                    {"{\"utc_offset\":\"here\"}", "utc_offset"},
                    {0}}},
    {.name = "mqtt_client",
     .channel = ROWS{{"{\"host\":\"h\"}", NULL},
                     {"{\"host\":\"h:1883\"}", "host"},
                     {"{\"host\":\"h\",\"password\":\"x\"}", "username"},
                     {0}},
     .device = ROWS{{"{\"topics\":\"a/+/b, c/#\"}", NULL},
                    {"{\"topics\":\"a/#/b\"}", "topics"},
                    {"{\"topics\":\"a\\u0001\"}", "topics"},
                    {"{\"records\":\"$[\"}", "records"},
                    {"{\"time_path\":\"$[\"}", "time_path"},
                    {"{\"quality_path\":\"$[\"}", "quality_path"},
                    {"{\"time_zone\":\"Beijin\"}", "time_zone"},
                    {"{\"state_topic\":\"a/+\"}", "state_topic"},
                    {"{\"form\":\"csv\",\"separator\":\"ab\"}", "separator"},
                    {"{\"form\":\"csv\",\"separator\":\"\\\\t\"}", NULL},
                    {0}}},
    {.name = "sparkplug_host",
     .channel = ROWS{{"{\"host\":\"h\",\"groups\":\"a, b\"}", NULL},
                     {"{\"host\":\"a b\"}", "host"},
                     {"{\"host\":\"h\",\"groups\":\"a/b\"}", "groups"},
                     {"{\"host\":\"h\",\"host_id\":\"a+b\"}", "host_id"},
                     {0}},
     .device = ROWS{{"{}", NULL},
                    {"{\"group\":\"a\",\"edge_node\":\"b\",\"device\":\"c\"}", NULL},
                    {"{\"group\":\"a/b\",\"edge_node\":\"b\"}", "group"},
                    {"{\"group\":\"a\"}", "edge_node"},
                    {"{\"device\":\"a\"}", "group"},
                    {0}}},
    {.name = "http_client",
     .channel = ROWS{{"{\"url\":\"http://h/api\"}", NULL}, {"{\"url\":\"opc.tcp://h\"}", "url"}, {0}},
     .device = ROWS{{"{\"path\":\"/v?from=${last:ms}\"}", NULL},
                    {"{\"path\":\"/a b\"}", "path"},
                    {"{\"path\":\"/${nope}\"}", "path"},
                    {"{\"headers\":\"x\"}", "headers"},
                    {"{\"method\":\"POST\",\"body\":\"${nope}\"}", "body"},
                    {"{\"method\":\"POST\",\"content_type\":\"a\\nb\"}", "content_type"},
                    {"{\"rows\":\"$[\"}", "rows"},
                    {"{\"payload\":\"xml\",\"rows\":\"//a/@b\"}", "rows"},
                    {"{\"key\":\"tag\"}", "value"},
                    {"{\"time\":\"$[\"}", "time"},
                    {"{\"time_zone\":\"Mars/Olympus\"}", "time_zone"},
                    {"{\"time_format\":\"pattern\",\"time_pattern\":\"%Q\"}", "time_pattern"},
                    {"{\"paging\":\"next\",\"next_path\":\"$[\"}", "next_path"},
                    {"{\"paging\":\"offset\"}", "page_size"},
                    {"{\"paging\":\"next\",\"payload\":\"xml\"}", "paging"},
                    {0}}},
    {.name = "websocket",
     .channel = ROWS{{"{\"url\":\"ws://h/\"}", NULL},
                     {"{\"url\":\"http://h/\"}", "url"},
                     {"{\"mode\":\"server\"}", "token"},
                     {"{\"mode\":\"server\",\"token\":\"long-enough\",\"address\":\"x\"}", "address"},
                     {0}},
     .device = ROWS{{"{\"peer\":\"/plc1\",\"select\":\"$.id\"}", NULL},
                    {"{\"peer\":\"plc1\"}", "peer"},
                    {"{\"select\":\"$[\"}", "select"},
                    {"{\"time\":\"$[\"}", "time"},
                    {0}}},
};

static const struct thing_rows of_outlets[] = {
    {.name = "modbus_server",
     .channel = ROWS{{"{}", NULL}, {"{\"address\":\"here\"}", "address"}, {"{\"allow\":\"x\"}", "allow"}, {0}}},
    {.name = "iec104_server",
     .channel = ROWS{{"{\"tls\":true}", NULL}, /* this node's certificate */
                     {"{\"bind\":\"here\"}", "bind"},
                     {"{\"allow\":\"10.0.0\"}", "allow"},
                     {"{\"time_zone\":\"Mars/Olympus\"}", "time_zone"},
                     {"{\"t1\":\"4s\",\"t2\":\"5s\"}", "t2"},
                     {"{\"tls\":true,\"tls_ca\":\"x\"}", "tls_ca"},
                     {"{\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}", "tls_key"},
                     {0}}},
    {.name = "hj212_sender",
     .channel = ROWS{{"{\"host\":\"h\",\"mn\":\"1\"}", NULL},
                     {"{\"host\":\"a b\",\"mn\":\"1\"}", "host"},
                     {"{\"host\":\"h\",\"mn\":\"a;b\"}", "mn"},
                     {"{\"host\":\"h\",\"mn\":\"1\",\"minute_interval\":\"7m\"}", "minute_interval"},
                     {0}}},
    {.name = "mqtt_publisher",
     .channel = ROWS{{"{\"host\":\"h\"}", NULL},
                     {"{\"host\":\"a b\"}", "host"},
                     {"{\"host\":\"h\",\"topic\":\"a/#\"}", "topic"},
                     {"{\"host\":\"h\",\"topic\":\"a/${nope}\"}", "topic"},
                     {"{\"host\":\"h\",\"command_topic\":\"a/+\"}", "command_topic"},
                     {"{\"host\":\"h\",\"command_path\":\"$[\"}", "command_path"},
                     {"{\"host\":\"h\",\"reply_topic\":\"+\"}", "reply_topic"},
                     {"{\"host\":\"h\",\"alarm_topic\":\"+\"}", "alarm_topic"},
                     {"{\"host\":\"h\",\"status_topic\":\"+\"}", "status_topic"},
                     {"{\"host\":\"h\",\"form\":\"template\",\"template\":\"${nope}\"}", "template"},
                     {0}}},
    {.name = "opcua_server",
     .channel = ROWS{{"{}", NULL},
                     {"{\"address\":\"here\"}", "address"},
                     {"{\"host\":\"a b\"}", "host"},
                     {"{\"basic256sha256\":false,\"aes128_sha256_rsaoaep\":false,\"aes256_sha256_rsapss\":false}",
                      "basic256sha256"},
                     {"{\"anonymous\":false,\"username\":false}", "anonymous"},
                     {"{\"trusted\":\"x\"}", "trusted"},
                     {"{\"trusted_users\":\"x\"}", "trusted_users"},
                     {"{\"certificate\":\"@C\"}", "private_key"},
                     {"{\"namespace_uri\":\"http://opcfoundation.org/UA/\"}", "namespace_uri"},
                     {"{\"application_name\":\"a\\nb\"}", "application_name"},
                     {0}}},
    {.name = "tcp_udp_out",
     .channel =
         ROWS{{"{\"host\":\"h\",\"port\":1}", NULL},
              {"{\"host\":\"h\",\"port\":0}", "port"},
              {"{\"host\":\"a b\",\"port\":1}", "host"},
              {"{\"mode\":\"tcp_server\",\"port\":0,\"allow\":\"x\"}", "allow"},
              {"{\"mode\":\"tcp_server\",\"port\":0,\"tls\":true,\"tls_certificate\":\"@C\",\"tls_key\":\"@X\"}",
               "tls_key"},
              {"{\"mode\":\"udp\",\"host\":\"h\",\"port\":1,\"interface\":\"eth0\"}", "interface"},
              {"{\"host\":\"h\",\"port\":1,\"ack\":\"\\\\q\"}", "ack"},
              {"{\"host\":\"h\",\"port\":1,\"content\":\"binary\",\"frame_length\":2,\"frame\":\"abc\"}", "frame"},
              {"{\"host\":\"h\",\"port\":1,\"content\":\"binary\",\"frame_length\":2,\"checksum\":\"crc32\"}",
               "checksum_at"},
              {"{\"host\":\"h\",\"port\":1,\"form\":\"template\",\"template\":\"${nope}\"}", "template"},
              {0}}},
    {.name = "http_push",
     .channel = ROWS{{"{\"url\":\"http://h/a\"}", NULL},
                     {"{\"url\":\"h\\u0020      \"}", "url"},
                     {"{\"url\":\"http://h/a\",\"path\":\"/a b\"}", "path"},
                     {"{\"url\":\"http://h/a\",\"form\":\"template\",\"template\":\"${nope}\"}", "template"},
                     {"{\"url\":\"http://h/a\",\"proxy\":\"x\"}", "proxy"},
                     {0}}},
    {.name = "websocket_server",
     .channel = ROWS{{"{\"token\":\"long-enough\"}", NULL},
                     {"{}", "token"},
                     {"{\"token\":\"long-enough\",\"form\":\"template\",\"template\":\"${nope}\"}", "template"},
                     {"{\"token\":\"long-enough\",\"tls_key\":\"@K\"}", "tls_certificate"},
                     {0}}},
    {.name = "websocket_push",
     .channel = ROWS{{"{\"url\":\"ws://h/\",\"ack\":\"$.ok\"}", NULL},
                     {"{\"url\":\"ws://h/\",\"ack\":\"$[\"}", "ack"},
                     {"{\"url\":\"ftp://h/\"}", "url"},
                     {0}}},
    {.name = "sparkplug_edge",
     .channel = ROWS{{"{\"host\":\"h\",\"group\":\"g\"}", NULL},
                     {"{\"host\":\"h\",\"group\":\"a/b\"}", "group"},
                     {"{\"host\":\"h\",\"group\":\"g\",\"edge_node\":\"a#\"}", "edge_node"},
                     {"{\"host\":\"h\",\"group\":\"g\",\"primary_host\":\"a+\"}", "primary_host"},
                     {"{\"host\":\"a b\",\"group\":\"g\"}", "host"},
                     {0}}},
};

static const struct thing_rows *rows_of(const struct thing_rows *t, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(t[i].name, name) == 0) return &t[i];
    test_fail(__FILE__, __LINE__, "%s: no table of options in this test", name);
    return NULL;
}

static void check_all(const char *name, const struct option *table,
                      int (*check)(const struct options *o, struct error *e), const struct checkbed_row *rows)
{
    size_t n = 0;
    while (rows[n].json) n++;
    if (!check) test_fail(__FILE__, __LINE__, "%s: no check", name);
    if (check) checkbed_run(table, check, rows, n);
}

TEST(options_of_drivers)
{
    for (const struct driver *const *d = app_drivers; *d; d++) {
        const struct thing_rows *t = rows_of(of_drivers, sizeof of_drivers / sizeof *of_drivers, (*d)->name);
        if (t) check_all(t->name, (*d)->channel_options, (*d)->channel_check, t->channel);
        if (t && t->device) check_all(t->name, (*d)->device_options, (*d)->device_check, t->device);
        if (t) CHECK((t->device != NULL) == ((*d)->device_check != NULL));
    }
}

TEST(options_of_outlets)
{
    for (const struct outlet *const *o = app_outlets; *o; o++) {
        const struct thing_rows *t = rows_of(of_outlets, sizeof of_outlets / sizeof *of_outlets, (*o)->name);
        if (t) check_all(t->name, (*o)->channel_options, (*o)->channel_check, t->channel);
    }
}
