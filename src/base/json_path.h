/* json_path.h - JSONPath (RFC 9535), the part that payload mappings need: $, .name, ['name'], [0], [-1], [*], .*,
 * [from:to:step], ..name, ..[*], and filters with one comparison or several joined by && and ||, such as
 * [?@.name=='flow' && @.q>0]. The leading "$" may be left out ("data[0].v"); "" is the root.
 *
 * Pure; a compiled path is immutable and may be shared between threads. Bounds: 32 segments, 4 KiB of text; a query
 * visits at most 1,000,000 nodes. */
#pragma once
#include "base/arena.h"
#include "base/json.h"

struct json_path_query;
/* ERR_INVALID names the position and what was expected. Lives in the arena. */
MUST_CHECK int json_path_compile(struct str text, struct arena *a, const struct json_path_query **ret, struct error *e);
/* The first node, or NULL. */
const struct json *json_path_first(const struct json_path_query *q, const struct json *root);
/* All of them in document order; non-zero from fn ends it and is returned; ERR_LIMIT when too many were visited. */
typedef int json_path_fn(void *ctx, const struct json *node);
int json_path_all(const struct json_path_query *q, const struct json *root, json_path_fn *fn, void *ctx);
/* Paths of all leaves of a document (at most max), in normal form "$['a'][0]" shortened to "$.a[0]" where it can be: what
 * a user picks from when a sample of the payload is there. Texts live in the arena. */
struct json_path_leaf {
    struct str path;
    const struct json *value;
};
size_t json_path_leaves(const struct json *root, struct arena *a, struct json_path_leaf *ret, size_t max);
