/* s3_sign.h - the signature of requests to an S3 store: AWS Signature Version 4, AWS4-HMAC-SHA256, in the
 * Authorization header (AWS General Reference, "Signing AWS API requests"; S3 API Reference, "Authenticating
 * Requests: Using the Authorization Header"). Pure; any thread; texts come from the arena. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct s3_pair {
    struct str name, value;
};
struct s3_identity {
    struct str access, secret, region, service; /* service: "s3" */
};
struct s3_to_sign {
    const char *method;
    struct str path;             /* raw: encoded once here, '/' stays; no normalisation, as S3 wants it */
    const struct s3_pair *query; /* raw, any order */
    size_t nquery;
    const struct s3_pair *headers; /* all that are signed, "host" and "x-amz-date" among them; any case and order */
    size_t nheaders;
    struct str payload; /* SHA-256 of the body in hex, or "UNSIGNED-PAYLOAD" */
    int64_t time_us;    /* as in x-amz-date */
};
struct s3_signed {
    struct str canonical; /* request */
    struct str text;      /* string to sign */
    struct str header;    /* value of Authorization */
};
#define S3_PAIRS_MAX 16
/* ERR_INVALID: more than S3_PAIRS_MAX pairs; ERR_NOMEM. */
MUST_CHECK int s3_sign(struct arena *a, const struct s3_identity *who, const struct s3_to_sign *r,
                       struct s3_signed *ret);
void s3_path(struct buf *out, struct str path); /* percent-encoded, '/' stays */
/* "a=1&b=" sorted and encoded as it is signed; the request is sent with this very text. */
MUST_CHECK int s3_query(struct buf *out, const struct s3_pair *query, size_t n);
#define S3_TIME_MAX 20
const char *s3_time(int64_t time_us, char out[S3_TIME_MAX]); /* "20130524T000000Z" */
#define S3_HASH_MAX 65
const char *s3_hash(struct str bytes, char out[S3_HASH_MAX]); /* SHA-256 in hex; "" when out of memory */
