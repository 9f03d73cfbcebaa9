/* opcua_options.c - see opcua_options.h. */
#include "drivers/common/opcua_options.h"
#include "drivers/common/check.h"

static int parse(struct str cert, const char *cert_name, struct str key, const char *key_name,
                 struct ua_cert **ret_cert, struct ua_key **ret_key, struct error *e)
{
    int rc = check_at(e, cert_name, ua_cert_parse(cert, ret_cert, e));
    if (rc == 0) rc = check_at(e, key_name, ua_key_parse(key, STR_NULL, ret_key, e));
    if (rc || ua_cert_has_key(*ret_cert, *ret_key)) return rc;
    return error_set(e, ERR_INVALID, key_name,
                     "the private key does not belong to the certificate: give those of one pair",
                     "私钥与证书不匹配：请填写同一对证书和私钥");
}

int opcua_pair_of(const struct options *o, const char *cert, const char *key, struct ua_cert **ret_cert,
                  struct ua_key **ret_key, struct error *e)
{
    const char *c = opt_str(o, cert, ""), *k = opt_str(o, key, "");
    struct ua_cert *x = NULL;
    struct ua_key *y = NULL;
    if (!c[0] && !k[0]) return 0;
    if (!c[0] || !k[0])
        return error_set(e, ERR_INVALID, c[0] ? key : cert,
                         "a certificate needs its private key, and a key its certificate: give both or none",
                         "证书与私钥必须同时填写，或都不填");
    int rc = parse(str_of(c), cert, str_of(k), key, &x, &y, e);
    if (rc) {
        ua_cert_free(x);
        ua_key_free(y);
        return rc;
    }
    *ret_cert = x;
    *ret_key = y;
    return 0;
}
