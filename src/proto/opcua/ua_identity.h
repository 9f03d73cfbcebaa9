/* ua_identity.h - choosing an endpoint, and the identity token of a user for it (OPC 10000-4, 7.14, 7.40). Pure. */
#pragma once
#include "proto/opcua/ua_security.h"
#include "proto/opcua/ua_service.h"

/* The endpoint with this policy and mode over OPC UA TCP; policy NULL: the most secure one that we speak (by its level,
 * then by policy and mode). NULL: there is none. */
const struct ua_endpoint_description *ua_endpoint_pick(const struct ua_endpoint_description *endpoints, uint32_t n,
                                                       const struct ua_policy *policy, enum ua_mode mode);
/* The endpoint's policy for tokens of a type (enum ua_user_token_type of ua_ids.h): of several the most secure; NULL.
 */
const struct ua_user_token_policy *ua_token_policy(const struct ua_endpoint_description *e, int32_t token_type);

/* What ActivateSession needs of the channel. */
struct ua_identity {
    const struct ua_endpoint_description *endpoint;
    const struct ua_policy *policy; /* of the channel */
    enum ua_mode mode;
    const struct ua_cert *server; /* may be NULL with policy None and an endpoint without certificate */
    struct str nonce;             /* server_nonce of CreateSession or the last ActivateSession */
    bool allow_plain;             /* a password may travel readable (policy None all through) */
};
/* The token for ActivateSession.user_identity_token, all memory in `a`. ERR_UNSUPPORTED: the endpoint takes no such
 * token; ERR_FORBIDDEN: the password would travel readable. */
MUST_CHECK int ua_identity_anonymous(const struct ua_identity *i, struct arena *a, struct ua_extension *ret,
                                     struct error *e);
MUST_CHECK int ua_identity_user(const struct ua_identity *i, struct str user, struct str password, struct arena *a,
                                struct ua_extension *ret, struct error *e);
/* By the user's own certificate; *ret_signature is ActivateSession.user_token_signature. */
MUST_CHECK int ua_identity_cert(const struct ua_identity *i, const struct ua_cert *user, const struct ua_key *key,
                                struct arena *a, struct ua_extension *ret, struct ua_signature_data *ret_signature,
                                struct error *e);
/* A token of an issuer (JWT and others), as text. */
MUST_CHECK int ua_identity_issued(const struct ua_identity *i, struct str token, struct arena *a,
                                  struct ua_extension *ret, struct error *e);
