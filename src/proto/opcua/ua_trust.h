/* ua_trust.h - may this certificate of a peer be used? What people have decided (asked by `ask`: the host's `trust`,
 * which keeps certificates of peers and authorities) put together with what the certificate and its chain prove. For
 * clients and servers. Pure but for `ask`; any thread.
 *
 *   said no to it, or to an issuer in its chain       refused
 *   the certificate itself is trusted                 good, if it is in time, its signature and its key are in order;
 *                                                     faults of its names, its use or its chain are only told
 *   an issuer in the chain that was sent is trusted   good, if nothing at all is wrong: names, use, time, chain
 *   else                                              refused; `ask` has listed it for people to decide */
#pragma once
#include "proto/opcua/ua_security.h"

struct ua_trust {
    int (*ask)(void *ctx, const char *purpose, const void *der,
               size_t n); /* 1, 0, negative; NULL: nothing is trusted */
    void *ctx;
    const char *purpose; /* "opcua" */
    int64_t now_us;
    struct str uri, host; /* as in ua_cert_check; NULL: any */
    const struct ua_policy *policy;
};
/* 0 or BadCertificate...; *ret_faults (may be NULL): what else was found, as ua_cert_verify. *e says what is wrong and
 * what to do, in words for whoever looks after this node. */
MUST_CHECK uint32_t ua_cert_trust(const struct ua_cert *c, const struct ua_trust *t, uint32_t *ret_faults,
                                  struct error *e);
