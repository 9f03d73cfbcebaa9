/* ua_status.h - status codes: names, texts, and what they mean for the quality of a sample.
 *
 * 32 bits (OPC 10000-4, 7.39): severity (31..30), sub-code (27..16), structure changed (15), semantics
 * changed (14), info type (11..10), limit (9..8), overflow (7), historian bits (4..0). The table holds the
 * codes of OPC 10000-6 Annex A.2, by number. Pure. */
#pragma once
#include "base/buf.h"
#include "base/str.h"

#define UA_GOOD 0u
/* The codes that this code itself gives or looks at; all others are in the table of ua_status.c. */
#define UA_BAD_UNEXPECTED_ERROR 0x80010000u
#define UA_BAD_INTERNAL_ERROR 0x80020000u
#define UA_BAD_OUT_OF_MEMORY 0x80030000u
#define UA_BAD_COMMUNICATION_ERROR 0x80050000u
#define UA_BAD_ENCODING_ERROR 0x80060000u
#define UA_BAD_DECODING_ERROR 0x80070000u
#define UA_BAD_ENCODING_LIMITS 0x80080000u
#define UA_BAD_TIMEOUT 0x800A0000u
#define UA_BAD_SERVICE_UNSUPPORTED 0x800B0000u
#define UA_BAD_SHUTDOWN 0x800C0000u
#define UA_BAD_NOTHING_TO_DO 0x800F0000u
#define UA_BAD_TOO_MANY_OPERATIONS 0x80100000u
#define UA_BAD_CERTIFICATE_INVALID 0x80120000u
#define UA_BAD_SECURITY_CHECKS_FAILED 0x80130000u
#define UA_BAD_CERTIFICATE_TIME_INVALID 0x80140000u
#define UA_BAD_CERTIFICATE_ISSUER_TIME_INVALID 0x80150000u
#define UA_BAD_CERTIFICATE_HOST_NAME_INVALID 0x80160000u
#define UA_BAD_CERTIFICATE_URI_INVALID 0x80170000u
#define UA_BAD_CERTIFICATE_USE_NOT_ALLOWED 0x80180000u
#define UA_BAD_CERTIFICATE_ISSUER_USE_NOT_ALLOWED 0x80190000u
#define UA_BAD_CERTIFICATE_UNTRUSTED 0x801A0000u
#define UA_BAD_CERTIFICATE_REVOCATION_UNKNOWN 0x801B0000u
#define UA_BAD_CERTIFICATE_ISSUER_REVOCATION_UNKNOWN 0x801C0000u
#define UA_BAD_CERTIFICATE_REVOKED 0x801D0000u
#define UA_BAD_CERTIFICATE_ISSUER_REVOKED 0x801E0000u
#define UA_BAD_USER_ACCESS_DENIED 0x801F0000u
#define UA_BAD_IDENTITY_TOKEN_INVALID 0x80200000u
#define UA_BAD_IDENTITY_TOKEN_REJECTED 0x80210000u
#define UA_BAD_SECURE_CHANNEL_ID_INVALID 0x80220000u
#define UA_BAD_NONCE_INVALID 0x80240000u
#define UA_BAD_SESSION_ID_INVALID 0x80250000u
#define UA_BAD_SESSION_CLOSED 0x80260000u
#define UA_BAD_SESSION_NOT_ACTIVATED 0x80270000u
#define UA_BAD_SUBSCRIPTION_ID_INVALID 0x80280000u
#define UA_BAD_NO_COMMUNICATION 0x80310000u
#define UA_BAD_WAITING_FOR_INITIAL_DATA 0x80320000u
#define UA_BAD_NODE_ID_INVALID 0x80330000u
#define UA_BAD_NODE_ID_UNKNOWN 0x80340000u
#define UA_BAD_ATTRIBUTE_ID_INVALID 0x80350000u
#define UA_BAD_INDEX_RANGE_INVALID 0x80360000u
#define UA_BAD_INDEX_RANGE_NO_DATA 0x80370000u
#define UA_BAD_DATA_ENCODING_INVALID 0x80380000u
#define UA_BAD_DATA_ENCODING_UNSUPPORTED 0x80390000u
#define UA_BAD_NOT_READABLE 0x803A0000u
#define UA_BAD_NOT_WRITABLE 0x803B0000u
#define UA_BAD_OUT_OF_RANGE 0x803C0000u
#define UA_BAD_NOT_SUPPORTED 0x803D0000u
#define UA_BAD_NOT_FOUND 0x803E0000u
#define UA_BAD_MONITORING_MODE_INVALID 0x80410000u
#define UA_BAD_MONITORED_ITEM_ID_INVALID 0x80420000u
#define UA_BAD_FILTER_NOT_ALLOWED 0x80450000u
#define UA_BAD_CONTINUATION_POINT_INVALID 0x804A0000u
#define UA_BAD_NO_CONTINUATION_POINTS 0x804B0000u
#define UA_BAD_SECURITY_MODE_REJECTED 0x80540000u
#define UA_BAD_SECURITY_POLICY_REJECTED 0x80550000u
#define UA_BAD_TOO_MANY_SESSIONS 0x80560000u
#define UA_BAD_USER_SIGNATURE_INVALID 0x80570000u
#define UA_BAD_APPLICATION_SIGNATURE_INVALID 0x80580000u
#define UA_BAD_NO_VALID_CERTIFICATES 0x80590000u
#define UA_BAD_METHOD_INVALID 0x80750000u
#define UA_BAD_TYPE_MISMATCH 0x80740000u
#define UA_BAD_TOO_MANY_SUBSCRIPTIONS 0x80770000u
#define UA_BAD_TOO_MANY_PUBLISH_REQUESTS 0x80780000u
#define UA_BAD_NO_SUBSCRIPTION 0x80790000u
#define UA_BAD_SEQUENCE_NUMBER_UNKNOWN 0x807A0000u
#define UA_BAD_MESSAGE_NOT_AVAILABLE 0x807B0000u
#define UA_BAD_TCP_SERVER_TOO_BUSY 0x807D0000u
#define UA_BAD_TCP_MESSAGE_TYPE_INVALID 0x807E0000u
#define UA_BAD_TCP_SECURE_CHANNEL_UNKNOWN 0x807F0000u
#define UA_BAD_TCP_MESSAGE_TOO_LARGE 0x80800000u
#define UA_BAD_TCP_NOT_ENOUGH_RESOURCES 0x80810000u
#define UA_BAD_TCP_INTERNAL_ERROR 0x80820000u
#define UA_BAD_TCP_ENDPOINT_URL_INVALID 0x80830000u
#define UA_BAD_REQUEST_TIMEOUT 0x80850000u
#define UA_BAD_SECURE_CHANNEL_CLOSED 0x80860000u
#define UA_BAD_SECURE_CHANNEL_TOKEN_UNKNOWN 0x80870000u
#define UA_BAD_SEQUENCE_NUMBER_INVALID 0x80880000u
#define UA_BAD_NO_MATCH 0x806F0000u
#define UA_BAD_NOT_CONNECTED 0x808A0000u
#define UA_BAD_REQUEST_TOO_LARGE 0x80B80000u
#define UA_BAD_RESPONSE_TOO_LARGE 0x80B90000u
#define UA_BAD_CERTIFICATE_CHAIN_INCOMPLETE 0x810D0000u
#define UA_BAD_CERTIFICATE_POLICY_CHECK_FAILED 0x81140000u
#define UA_BAD_PROTOCOL_VERSION_UNSUPPORTED 0x80BE0000u

static inline bool ua_good(uint32_t code)
{
    return code >> 30 == 0;
}
static inline bool ua_uncertain(uint32_t code)
{
    return code >> 30 == 1;
}
static inline bool ua_bad(uint32_t code)
{
    return code >> 30 >= 2;
}
#define UA_STATUS_OVERFLOW 0x480u /* info type DataValue and the overflow bit: a queue lost values */
#define UA_STATUS_STRUCTURE_CHANGED 0x8000u
#define UA_STATUS_SEMANTICS_CHANGED 0x4000u
enum ua_limit { UA_LIMIT_NONE = 0, UA_LIMIT_LOW = 1, UA_LIMIT_HIGH = 2, UA_LIMIT_CONSTANT = 3 };
enum ua_limit ua_status_limit(uint32_t code); /* NONE unless the info type is DataValue */
bool ua_status_overflow(uint32_t code);

/* "BadNodeIdUnknown"; codes outside the table: "Good", "Uncertain" or "Bad" by severity. */
const char *ua_status_name(uint32_t code);
/* A sentence: "the node id refers to a node that does not exist"; NULL when there is none. */
const char *ua_status_text(uint32_t code, bool zh);
/* "BadNodeIdUnknown (0x80340000)", with limit and overflow when set. */
void ua_status_print(struct buf *out, uint32_t code);
uint32_t ua_status_find(struct str name, uint32_t unknown); /* by name, severity word with or without "_" */

/* Quality and reason of bornite/sample.h for a code, and back for the northbound server.
 * Limit low/high of an otherwise good value: uncertain, out of range. */
struct ua_quality {
    uint8_t quality; /* enum quality */
    uint8_t reason;  /* enum quality_reason */
};
struct ua_quality ua_status_quality(uint32_t code);
uint32_t ua_quality_status(unsigned quality, unsigned reason);
/* What a service result means for a caller of ours: 0 for Good and Uncertain, else a code of base/error.h,
 * *e filled with "what: BadXxx (0x...): text". */
MUST_CHECK int ua_status_error(uint32_t code, const char *what, struct error *e);
