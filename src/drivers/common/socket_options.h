/* socket_options.h - option rows that both ends of raw TCP and UDP have (drivers/socket, outlets/socket), and what they
 * say: the way, TLS, bytes, checks, lengths. Pure. */
#pragma once
#include "bornite/driver.h"
#include "drivers/common/rows.h"
#include "drivers/common/tls_options.h"
#include "proto/checksum.h"
#include "proto/frame_spec.h"

extern const struct option_choice socket_sizes[], socket_byte_orders[], socket_checks[];

#define SOCKET_WITH_CHECK "checksum=sum8|xor8|lrc|crc8|sum16|crc16_modbus|crc16_ccitt_false|crc16_xmodem|crc32"
#define SOCKET_BYTES_EN "Text with \\r \\n \\t \\xHH, or hex:02 0D 0A."
#define SOCKET_BYTES_ZH "可用 \\r \\n \\t \\xHH，或 hex:02 0D 0A。"

#define SOCKET_OPTION_PORT \
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .required = true, .min = "0", .max = "65535", \
     .help_en = "0, to listen on: the system chooses.", .help_zh = "监听时填 0 由系统选择。"}
#define SOCKET_OPTION_LOCAL_PORT(shown) \
    {.name = "local_port", .type = OPTION_INTEGER, .en = "Our own port", .zh = "本机端口", .min = "1", .max = "65535", .show_if = shown, \
     .help_en = "Where the other side answers to; empty: any.", .help_zh = "对端应答到的端口；留空则由系统选择。"}
#define SOCKET_OPTION_CONNECTIONS(usual, most, shown) \
    {.name = "max_connections", .type = OPTION_INTEGER, .en = "Most connections", .zh = "最大连接数", .def = usual, .min = "1", .max = most, \
     .show_if = shown}
#define SOCKET_OPTION_INTERFACE(shown) \
    {.name = "interface", .type = OPTION_STRING, .en = "Network card of multicast", .zh = "组播网卡地址", .max = "60", .show_if = shown, \
     .help_en = "Its IP address; empty: the system's choice.", .help_zh = "网卡的 IP 地址；留空则由系统选择。"}
/* Both ways: what concerns one of them only says so. */
#define SOCKET_OPTION_TLS \
    TLS_OPTION_ON("mode=tcp_client|tcp_server", "Of TCP. As a server we need a certificate and its key.", "仅用于 TCP；作为服务端须有证书和私钥。"), \
    TLS_OPTION_PEM("tls_ca", OPTION_STRING, "Certificate of the authority (PEM)", "CA 证书（PEM）", "tls=true", \
                   "As a client: whom we trust; empty: whom the system trusts. As a server: whoever connects must show a certificate of it; " \
                   "empty: none is asked for.", \
                   "作为客户端：信任的 CA，留空则使用系统信任的 CA。作为服务端：对端必须出示由其签发的证书，留空则不要求证书。"), \
    TLS_OPTION_VERIFY("Verify the server's certificate", "校验服务器证书", "tls=true"), \
    TLS_OPTION_NAME("Name in the server's certificate", "服务器证书中的名称", "tls=true"), \
    TLS_OPTION_OWN("tls=true", "As a client: only where the server asks for one.", "作为客户端：仅在服务器要求时填写。")
#define SOCKET_OPTION_BYTES(id, title_en, title_zh, usual, shown, more_en, more_zh) \
    {.name = id, .type = OPTION_STRING, .en = title_en, .zh = title_zh, .def = usual, .max = "120", .show_if = shown, \
     .help_en = SOCKET_BYTES_EN more_en, .help_zh = SOCKET_BYTES_ZH more_zh}
#define SOCKET_OPTION_LENGTH(usual) \
    {.name = "length_size", .type = OPTION_ENUM, .en = "Bytes of the length field", .zh = "长度字段字节数", .def = usual, .choices = socket_sizes, \
     .show_if = "framing=length"}, \
    {.name = "length_order", .type = OPTION_ENUM, .en = "Byte order of the length field", .zh = "长度字段字节序", .def = "BE", \
     .choices = socket_byte_orders, .show_if = "framing=length"}
#define SOCKET_OPTION_OFFSET(id, title_en, title_zh, usual, most, more_en, more_zh) \
    {.name = id, .type = OPTION_INTEGER, .en = title_en, .zh = title_zh, .def = usual, .min = "-" most, .max = most, \
     .show_if = SOCKET_WITH_CHECK, .help_en = more_en, .help_zh = more_zh}
/* Behind the row `checksum`; most: the longest frame. */
#define SOCKET_OPTION_CHECK(most) \
    SOCKET_OPTION_OFFSET("checksum_at", "Offset of the check", "校验偏移", NULL, most, "Negative: from the end. Empty: the last bytes.", \
                         "负数从末尾起；留空则为末尾字节。"), \
    SOCKET_OPTION_OFFSET("checksum_from", "First byte that counts", "校验起点", "0", most, NULL, NULL), \
    SOCKET_OPTION_OFFSET("checksum_to", "First byte that counts no more", "校验终点（不含）", "0", most, \
                         "0: up to the check; negative: from the end.", "0 表示到校验字段为止；负数从末尾起。"), \
    {.name = "checksum_order", .type = OPTION_ENUM, .en = "Byte order of the check", .zh = "校验字节序", .def = "BE", \
     .choices = socket_byte_orders, .show_if = SOCKET_WITH_CHECK}, \
    {.name = "checksum_hex", .type = OPTION_BOOLEAN, .en = "As hexadecimal digits", .zh = "以十六进制字符表示", .def = "false", \
     .show_if = SOCKET_WITH_CHECK}

/* The bytes of an option; ERR_INVALID names it. */
MUST_CHECK int socket_bytes_of(const struct options *o, const char *name, struct frame_mark *ret, struct error *e);
struct checksum_spec socket_check_of(const struct options *o);
uint8_t socket_length_size(const struct options *o); /* 1, 2, 4 */
/* Hosts, addresses, the port. server: it listens. */
MUST_CHECK int socket_way_check(const struct options *o, bool server, struct error *e);

/* TLS of a TCP client or a TCP server; both NULL: plain. */
struct socket_tls {
    struct tls_client *client;
    struct tls_server *server;
};
MUST_CHECK int socket_tls_of(const struct options *o, bool server, struct socket_tls *ret, struct error *e);
void socket_tls_free(struct socket_tls *t);
