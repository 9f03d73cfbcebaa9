/* opcua_options.h - what both ends of OPC UA check of their options. Pure. */
#pragma once
#include "bornite/driver.h"
#include "proto/opcua/ua_security.h"

/* A certificate and its private key (PEM) out of two options: both or none, and they belong together. ERR_INVALID names
 * the one that is wrong. */
MUST_CHECK int opcua_pair_of(const struct options *o, const char *cert, const char *key, struct ua_cert **ret_cert,
                             struct ua_key **ret_key, struct error *e);
