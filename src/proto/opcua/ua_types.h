/* ua_types.h - the built-in types of OPC UA (OPC 10000-6, 5.1.2) and their binary encoding (5.2).
 *
 * A C type for each built-in type; what has no fixed size points into an arena or into the message that
 * it was decoded from (which lives in the same arena), so that a whole message dies with its arena.
 *   null and empty differ:  a String, ByteString or XmlElement is null when .p == NULL; an array is null
 *                           when its pointer is NULL.
 *   DateTime                int64_t, microseconds since 1970 UTC. UA_TIME_NONE is the standard's 0 (1601-01-01
 *                           and before), UA_TIME_MAX its greatest (9999-12-31 and after). 100 ns digits are cut.
 *   Enumerations            int32_t.
 * Devices send texts in other encodings (GBK, Latin-1): such a String does not spoil its message, the bytes that are no
 * UTF-8 are replaced when it is decoded.
 * Decoding is bounded by struct ua_limits and by the arena's maximum; nesting is counted (diagnostics,
 * variants, data values and extension objects in one another), never deeper than limits->depth.
 * Nothing here does I/O, reads a clock or keeps state. Any thread. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum ua_type {
    UA_NULL = 0,
    UA_BOOLEAN = 1, /* bool */
    UA_SBYTE = 2,   /* int8_t */
    UA_BYTE = 3,    /* uint8_t */
    UA_INT16 = 4,
    UA_UINT16 = 5,
    UA_INT32 = 6,
    UA_UINT32 = 7,
    UA_INT64 = 8,
    UA_UINT64 = 9,
    UA_FLOAT = 10,      /* float */
    UA_DOUBLE = 11,     /* double */
    UA_STRING = 12,     /* struct str; what is no UTF-8 has become U+FFFD */
    UA_DATETIME = 13,   /* int64_t, see above */
    UA_GUID = 14,       /* struct ua_guid */
    UA_BYTESTRING = 15, /* struct str, any bytes */
    UA_XML = 16,        /* struct str */
    UA_NODEID = 17,     /* struct ua_nodeid */
    UA_EXPANDED = 18,   /* struct ua_expanded */
    UA_STATUS = 19,     /* uint32_t, ua_status.h */
    UA_NAME = 20,       /* struct ua_name, a QualifiedName */
    UA_TEXT = 21,       /* struct ua_text, a LocalizedText */
    UA_EXTENSION = 22,  /* struct ua_extension */
    UA_DATAVALUE = 23,  /* struct ua_datavalue */
    UA_VARIANT = 24,    /* struct ua_variant */
    UA_DIAGNOSTIC = 25, /* struct ua_diagnostic */
    UA_BUILTIN_COUNT = 26,
};
#define UA_TIME_NONE INT64_MIN
#define UA_TIME_MAX INT64_MAX

struct ua_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

enum ua_nodeid_kind { UA_ID_NUMBER = 0, UA_ID_STRING = 1, UA_ID_GUID = 2, UA_ID_BYTES = 3 };
struct ua_nodeid { /* all zero: the null NodeId */
    uint16_t ns;
    uint8_t kind;
    union {
        uint32_t i;
        struct str s; /* STRING and BYTES */
        struct ua_guid g;
    };
};
struct ua_expanded {
    struct ua_nodeid id;
    struct str uri;  /* namespace by name; then id.ns counts for nothing; NULL: by id.ns */
    uint32_t server; /* 0: this one */
};
struct ua_name {
    uint16_t ns;
    struct str name;
};
struct ua_text {
    struct str locale, text;
};

enum ua_body { UA_BODY_NONE = 0, UA_BODY_BYTES = 1, UA_BODY_XML = 2 };
struct ua_extension {
    struct ua_nodeid type; /* of the ENCODING (binary), not of the data type */
    uint8_t body_kind;     /* enum ua_body */
    uint16_t known;        /* type number of ua_service.h when `value` is set, else 0 */
    struct str body;       /* as on the wire */
    void *value;           /* decoded structure, when the type is one of ua_service.h and the body is sound */
};

/* Shape of a value, of a Variant. A scalar of at most 16 bytes stands in `u`, everything else at `items`. */
struct ua_variant {
    uint8_t type; /* enum ua_type, UA_NULL: no value */
    bool array;
    uint32_t n;      /* elements of an array; 1 for a scalar */
    uint32_t dims_n; /* 0: one dimension */
    uint32_t *dims;  /* their product is n */
    union {
        bool b;
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64; /* also DATETIME */
        uint64_t u64;
        float f;
        double d;
        struct str s;
        struct ua_guid g;
        void *items; /* arrays: n of the C type of `type`; great scalars: one */
    } u;
};

#define UA_HAS_VALUE 0x01
#define UA_HAS_STATUS 0x02
#define UA_HAS_SOURCE_TIME 0x04
#define UA_HAS_SERVER_TIME 0x08
#define UA_HAS_SOURCE_PS 0x10
#define UA_HAS_SERVER_PS 0x20
struct ua_datavalue {
    uint8_t has;                   /* UA_HAS_... */
    uint16_t source_ps, server_ps; /* units of 10 ps */
    uint32_t status;               /* 0 (Good) when absent */
    int64_t source_us, server_us;  /* UA_TIME_NONE when absent */
    struct ua_variant value;
};

struct ua_diagnostic {
    uint8_t has; /* mask of the wire: 1 symbolic, 2 namespace, 4 text, 8 locale, 16 info, 32 status, 64 inner */
    int32_t symbolic, ns, locale, text; /* indexes into the string table of the header */
    struct str info;
    uint32_t inner_status;
    struct ua_diagnostic *inner;
};

/* ---- limits ----------------------------------------------------------------------------------------- */

struct ua_limits {
    uint32_t string;  /* bytes of a String, ByteString, XmlElement */
    uint32_t array;   /* elements */
    uint32_t depth;   /* nesting, at most UA_DEPTH_MAX */
    uint32_t message; /* bytes of a message over all its chunks; also of all unfinished messages together */
    uint32_t chunks;  /* chunks of a message */
    uint32_t partial; /* messages that may be unfinished at a time */
};
#define UA_DEPTH_MAX 128 /* on the wire; decoders must take 100 (OPC 10000-6, 5.2.2.12 and 5.2.2.16) */
#define UA_JSON_DEPTH 32 /* as JSON, which others have to read */
extern const struct ua_limits ua_limits_default; /* 16 MiB, 1,000,000, 128, 64 MiB, 4096, 8 */

/* ---- encoding and decoding (ua_codec.c) -------------------------------------------------------------- */

/* `type`: enum ua_type, or the number of a structure of ua_service.h. */
size_t ua_size_of(unsigned type); /* of the C type; 0: unknown type */

/* One value of `type` at `v`. Errors stick in out->err; ERR_INVALID there for what cannot be encoded
 * (a variant of an unknown type, nesting too deep, lengths over 2^31). */
void ua_encode(struct buf *out, unsigned type, const void *v);

struct ua_decoder {
    struct rd rd;
    struct arena *a;
    const struct ua_limits *limits;
    uint32_t depth;
    uint32_t status; /* first fault: BadDecodingError, BadEncodingLimitsExceeded, BadOutOfMemory; 0: none */
};
struct ua_decoder ua_decoder(struct arena *a, struct str bytes, const struct ua_limits *limits);
/* Decode one value of `type` into `ret` (ua_size_of(type) bytes). Views point into the bytes. On failure
 * d->status tells why and *ret is not to be used. */
MUST_CHECK bool ua_decode(struct ua_decoder *d, unsigned type, void *ret);

/* ---- variants ---------------------------------------------------------------------------------------- */

const void *ua_variant_item(const struct ua_variant *v, uint32_t i); /* a scalar has one, i = 0 */
struct ua_variant ua_variant_scalar(unsigned type, const void *v);   /* great ones are pointed to, not copied */
struct ua_variant ua_variant_array(unsigned type, const void *items, uint32_t n);
/* A scalar (or element i of an array) as a number; booleans are 0 and 1. false: it is none. A DateTime is none. */
bool ua_variant_double(const struct ua_variant *v, uint32_t i, double *ret);
bool ua_variant_i64(const struct ua_variant *v, uint32_t i, int64_t *ret); /* integers and booleans, exact */
/* Number -> scalar of `type` (Boolean..Double), range checked: what a write needs. ERR_INVALID names the range. */
MUST_CHECK int ua_variant_from_double(unsigned type, double d, struct ua_variant *ret, struct error *e);
MUST_CHECK int ua_variant_from_i64(unsigned type, int64_t i, struct ua_variant *ret, struct error *e);
bool ua_equal(unsigned type, const void *a, const void *b); /* by their encodings; scratch memory is taken */
/* Deep copy of a value of any type into `a`, so that it outlives its message. ERR_TOO_LARGE: the arena's maximum. */
MUST_CHECK int ua_copy(struct arena *a, unsigned type, const void *from, void *ret);

const char *ua_type_name(unsigned type); /* "Double", "ReadRequest"; NULL: unknown */

/* ---- text forms (ua_text.c) --------------------------------------------------------------------------- */

/* ns=2;s=Tank.Level   i=2258   ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a   b=M/RbKBsRVkePCePcx24oRA==
 * nsu=http://x/;s=Y   svr=1;nsu=...;i=5 (OPC 10000-6, 5.3.1.10);   2!Tank.Level and 2!85 (Neuron: all digits
 * are a number). Texts point into `text`; bytes and unescaped uris into `a`.
 * For nsu= the caller looks ret->uri up in the server's namespace array and sets id.ns. */
MUST_CHECK int ua_nodeid_parse(struct arena *a, struct str text, struct ua_expanded *ret, struct error *e);
void ua_nodeid_text(struct buf *out, const struct ua_nodeid *id);
void ua_expanded_text(struct buf *out, const struct ua_expanded *id);
bool ua_nodeid_eq(const struct ua_nodeid *a, const struct ua_nodeid *b);
bool ua_nodeid_null(const struct ua_nodeid *id);
uint64_t ua_nodeid_hash(const struct ua_nodeid *id, uint64_t seed);
static inline struct ua_nodeid ua_id(uint16_t ns, uint32_t i)
{
    return (struct ua_nodeid){.ns = ns, .i = i};
}
static inline struct ua_nodeid ua_id_str(uint16_t ns, struct str s)
{
    return (struct ua_nodeid){.ns = ns, .kind = UA_ID_STRING, .s = s};
}
MUST_CHECK int ua_guid_parse(struct str text, struct ua_guid *ret);
void ua_guid_text(struct buf *out, const struct ua_guid *g);
/* "2:Name" or "Name" (namespace 0). */
MUST_CHECK int ua_name_parse(struct str text, struct ua_name *ret, struct error *e);
/* Index range "2", "1:3", "0:1,2" (OPC 10000-4, 7.27): syntax only. */
MUST_CHECK int ua_range_check(struct str range, struct error *e);

int64_t ua_ticks_to_us(int64_t ticks); /* 100 ns since 1601 -> us since 1970 */
int64_t ua_us_to_ticks(int64_t us);
