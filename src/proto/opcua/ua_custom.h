/* ua_custom.h - values as JSON and back, and structures that only the server knows: decoded and encoded by their
 * definition at run time (DataTypeDefinition, OPC 10000-3, 8.48 to 8.52; encoding OPC 10000-6, 5.2.7: plain, with
 * optional fields, unions, with subtyped values).
 *
 * The owner reads the DataTypeDefinition attribute of the types that it meets and hands them in as a catalogue.
 *   numbers                numbers; integers beyond 2^53 texts; "NaN", "Infinity", "-Infinity"
 *   DateTime               RFC 3339 text, null for none;    ByteString: base64;    null texts: null
 *   NodeId, Guid, names    their text forms;    LocalizedText: its text (in: also {"locale", "text"})
 *   StatusCode             {"code", "name"} (in: also a number or a name)
 *   DataValue              {"value", "status", "source_time", "server_time"}
 *   structures             objects, members named as in the definition (standard ones: as in ua_service.h)
 *   unknown extension      {"type": encoding id, "body": base64 or XML}
 *   arrays                 arrays; dimensions nest
 * Pure; bounded by depth (UA_JSON_DEPTH) and arena. */
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
/* ERR_TOO_LARGE: the arena's maximum. A body that does not fit its definition is shown as an unknown one. */
MUST_CHECK int ua_variant_json(struct arena *a, const struct ua_variant *v, const struct ua_catalogue *c,
                               struct json **ret);
MUST_CHECK int ua_value_json(struct arena *a, unsigned type, const void *value, const struct ua_catalogue *c,
                             struct json **ret);

/* JSON -> a value of a built-in type or a structure of ours (scalar or array of one dimension), for writes. The error
 * names the place: "[2].low". */
MUST_CHECK int ua_json_variant(struct arena *a, const struct json *j, unsigned type, struct ua_variant *ret,
                               struct error *e);
/* JSON -> a structure by its definition: an extension object with the definition's default encoding. */
MUST_CHECK int ua_json_structure(struct arena *a, const struct json *j, const struct ua_structure_definition *def,
                                 const struct ua_catalogue *c, struct ua_extension *ret, struct error *e);
