/* tls_options.c - see tls_options.h. */
#include "drivers/common/tls_options.h"
#include "drivers/common/check.h"

static bool off(const struct options *o)
{
    for (const struct option *r = o ? o->table : NULL; r && r->name; r++)
        if (strcmp(r->name, "tls") == 0) return !opt_bool(o, "tls", false);
    return false;
}

static bool given(const struct options *o, const char *name)
{
    return opt_str(o, name, "")[0] != 0;
}

bool tls_own_given(const struct options *o)
{
    return given(o, "tls_certificate") || given(o, "tls_key");
}

static int named(struct error *e, int rc)
{
    if (rc == ERR_INVALID) error_prefix(e, "tls_");
    return rc;
}

static int client_of(const struct options *o, bool verify, struct tls_client **ret, struct error *e)
{
    const struct tls_client_config c = {.ca_pem = opt_str(o, "tls_ca", ""),
                                        .cert_pem = opt_str(o, "tls_certificate", ""),
                                        .key_pem = opt_str(o, "tls_key", ""),
                                        .verify = verify,
                                        .server_name = opt_str(o, "tls_name", "")};
    *ret = NULL;
    if (off(o)) return 0;
    int rc = check_host(o, "tls_name", e);
    return rc ? rc : named(e, tls_client_new(&c, ret, e));
}

int tls_client_of(const struct options *o, struct tls_client **ret, struct error *e)
{
    return client_of(o, opt_bool(o, "tls_verify", true), ret, e);
}

int tls_server_of(const struct options *o, struct tls_server **ret, struct error *e)
{
    const struct tls_server_config c = {.cert_pem = opt_str(o, "tls_certificate", ""),
                                        .key_pem = opt_str(o, "tls_key", ""),
                                        .client_ca_pem = opt_str(o, "tls_ca", "")};
    *ret = NULL;
    return off(o) ? 0 : named(e, tls_server_new(&c, ret, e));
}

int tls_options_check(const struct options *o, bool server, struct error *e)
{
    const struct tls_client_config ca = {.ca_pem = opt_str(o, "tls_ca", "")};
    struct tls_client *client = NULL;
    struct tls_server *own = NULL;
    int rc = 0;
    if (off(o)) return 0;
    if (server && tls_own_given(o))
        rc = tls_server_of(o, &own, e);
    else if (!server)
        rc = client_of(o, false, &client, e);
    else if (given(o, "tls_ca"))
        rc = named(e, tls_client_new(&ca, &client, e));
    tls_client_free(client);
    tls_server_free(own);
    return rc;
}
