/* ua_custom.h - structures that only the server knows: decoded and encoded by their definition at run time
 * (DataTypeDefinition, OPC 10000-3, 8.48-8.52; encoding OPC 10000-6, 5.2.7: plain, with optional fields, unions).
 *
 * The owner reads the DataTypeDefinition attribute of the types that it meets and hands them in as a catalogue.
 * Values become JSON: numbers, texts, {} and []. DateTime: RFC 3339; ByteString: base64; Int64 and UInt64: numbers
 * when exact in JSON, else texts; NodeId, Guid, QualifiedName: their text forms; LocalizedText: its text;
 * StatusCode: {"code", "name"}; non-finite floats: "NaN", "Infinity", "-Infinity". Pure; bounded by depth and arena. */
#pragma once
#include "base/json.h"
#include "proto/opcua/ua_service.h"

struct ua_catalogue {
    /* Definition of a structure by its encoding id or data type id; NULL: unknown. */
    const struct ua_structure_definition *(*structure)(void *ctx, const struct ua_nodeid *id, bool encoding);
    /* Which built-in type a data type is at last (an enumeration: UA_INT32, a subtype of Double: UA_DOUBLE), 0: none.
     * Standard types up to i=29 need not be known. */
    unsigned (*builtin)(void *ctx, const struct ua_nodeid *data_type);
    void *ctx;
};
/* Any variant as JSON; extension objects by the catalogue (may be NULL: then {"type", "body" in base64}). */
MUST_CHECK int ua_variant_json(struct arena *a, const struct ua_variant *v, const struct ua_catalogue *c,
                               struct json **ret);
MUST_CHECK int ua_value_json(struct arena *a, unsigned type, const void *value, const struct ua_catalogue *c,
                             struct json **ret);
/* JSON -> a value of a built-in type (scalar or array, one dimension), or a structure by its definition. For writes. */
MUST_CHECK int ua_json_variant(struct arena *a, const struct json *j, unsigned type, struct ua_variant *ret,
                               struct error *e);
MUST_CHECK int ua_json_structure(struct arena *a, const struct json *j, const struct ua_structure_definition *def,
                                 const struct ua_catalogue *c, struct ua_extension *ret, struct error *e);
