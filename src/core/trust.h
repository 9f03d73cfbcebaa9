/* trust.h - certificates of this node and of its peers, for every protocol that has them; kept by module trust, which sets
 * node.trust in its init. The functions are those of struct driver_host and struct outlet_host, which pass them on: asking
 * never blocks, whatever thread asks. A purpose is a short word, [a-z][a-z0-9_]{0,30} ("opcua"). */
#pragma once
#include <stddef.h>

struct trust {
    /* This node's own certificate and key, PEM, alive as long as the node runs. ERR_AGAIN: it is being made, which takes a
     * second or so: ask again then. After a renewal the next call gives the new pair. */
    int (*identity)(void *ctx, const char *purpose, const char **ret_cert_pem, const char **ret_key_pem);
    /* Is that certificate (DER, one) trusted? 1: somebody said so; 0: not yet, it is listed for him to decide;
     * ERR_FORBIDDEN: he said no. */
    int (*trust)(void *ctx, const char *purpose, const void *der, size_t n);
    void *ctx;
};
