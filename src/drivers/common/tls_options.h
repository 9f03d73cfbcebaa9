/* tls_options.h - option rows of TLS, and what they say as a tls_client or a tls_server: one set for all drivers and
 * outlets. Names: tls, tls_verify, tls_name, tls_ca, tls_certificate, tls_key. Pure. */
#pragma once
#include "bornite/driver.h"
#include "io/tls_server.h"

#define TLS_OPTION_ON(shown, hint_en, hint_zh) \
    {.name = "tls", .type = OPTION_BOOLEAN, .en = "TLS", .zh = "TLS 加密", .def = "false", .show_if = shown, .help_en = hint_en, .help_zh = hint_zh}
/* verify_en …: "Verify the server's certificate". */
#define TLS_OPTION_VERIFY(verify_en, verify_zh, shown) \
    {.name = "tls_verify", .type = OPTION_BOOLEAN, .en = verify_en, .zh = verify_zh, .def = "true", .show_if = shown, \
     .help_en = "Off: anybody in between can read and change everything.", .help_zh = "关闭后，中间人可读取和篡改全部数据。"}
#define TLS_OPTION_NAME(name_en, name_zh, shown) \
    {.name = "tls_name", .type = OPTION_STRING, .en = name_en, .zh = name_zh, .max = "253", .show_if = shown, \
     .help_en = "Empty: the host.", .help_zh = "留空则为主机名。"}
#define TLS_OPTION_PEM(id, secret, title_en, title_zh, shown, hint_en, hint_zh) \
    {.name = id, .type = secret, .en = title_en, .zh = title_zh, .max = "65536", .show_if = shown, .help_en = hint_en, .help_zh = hint_zh}
#define TLS_OPTION_CA(shown) \
    TLS_OPTION_PEM("tls_ca", OPTION_STRING, "Certificate of the authority (PEM)", "CA 证书（PEM）", shown, \
                   "Empty: the authorities that the system trusts.", "留空则使用系统信任的 CA。")
#define TLS_OPTION_OWN(shown, hint_en, hint_zh) \
    TLS_OPTION_PEM("tls_certificate", OPTION_STRING, "Our certificate (PEM)", "本端证书（PEM）", shown, hint_en, hint_zh), \
    TLS_OPTION_PEM("tls_key", OPTION_SECRET, "Our private key (PEM)", "本端私钥（PEM）", shown, NULL, NULL)
/* All rows of a client whose address does not say whether it is TLS. */
#define TLS_CLIENT_OPTIONS(verify_en, verify_zh, name_en, name_zh, hint_en, hint_zh) \
    TLS_OPTION_ON(NULL, hint_en, hint_zh), TLS_OPTION_VERIFY(verify_en, verify_zh, "tls=true"), \
    TLS_OPTION_NAME(name_en, name_zh, "tls=true"), TLS_OPTION_CA("tls=true"), TLS_OPTION_OWN("tls=true", NULL, NULL)

/* With the option `tls` in the table and off: 0, *ret NULL. ERR_INVALID names the option. */
MUST_CHECK int tls_client_of(const struct options *o, struct tls_client **ret, struct error *e);
MUST_CHECK int tls_server_of(const struct options *o, struct tls_server **ret, struct error *e);
/* Is a certificate or a key of our own given? */
bool tls_own_given(const struct options *o);
/* Only what is given is looked at: for those whose URL says whether it is TLS, and whose own certificate may be missing. */
MUST_CHECK int tls_options_check(const struct options *o, bool server, struct error *e);
