/* kind.h - kinds: the schema of a resource, a JSON document, parsed once into this and used for
 * validation, API documentation, list and form pages, CSV import and export.
 *
 * A kind document (built-in ones are files src/<module>/kinds/<kind>.json, embedded in the binary):
 * {
 *   "kind": "point", "plural": "points", "module": "collect",
 *   "title": {"en": "Point", "zh": "测点"}, "titles": {"en": "Points", "zh": "测点"},
 *   "help": {"en": "…", "zh": "…"}, "icon": "…",
 *   "numbered": true,                      // gets a dense number `num` >= 1, never reused
 *   "code": {"required": true, "pattern": "…", "lifelong": true},   // lifelong: never used again, even after deletion
 *   "single": true,                        // exactly one resource, code "default": settings
 *   "org_from": "device",                  // organisation follows that of the resource referred to
 *   "lifecycle": {
 *     "initial": "draft",
 *     "states": [{"state": "draft", "title": {…}, "color": "blue", "edit": true, "delete": true}, …],  // both default true
 *     "transitions": [{"name": "submit", "title": {…}, "from": ["draft"], "to": "pending",
 *       "action": "write",                 // permission needed: write | approve | admin …; default write
 *       "requires": ["supplier"],          // fields that must be filled
 *       "comment": "none" | "optional" | "required",
 *       "four_eyes": true,                 // not by whoever changed the content or made the transition before
 *       "notify": true}, …]},              // event resource.transition
 *   "fields": [
 *     {"name": "device", "type": "ref", "kind": "device", "required": true,
 *      "title": {"en": "Device", "zh": "设备"}, "help": {…}},
 *     {"name": "period", "type": "duration", "default": "1s", "min": "50ms", "max": "1d"},
 *     {"name": "lo", "type": "number", "unit_field": "unit"},
 *     {"name": "type", "type": "enum", "values": [{"value": "int16", "title": {"en": …, "zh": …}}]},
 *     {"name": "options", "type": "object", "fields": [ … ]},         // nested, depth <= 8
 *     {"name": "permissions", "type": "array", "items": { a field without name }, "max_items": 100}
 *   ],
 *   "lists": {"columns": ["code", "name", "device", "spec…"], "sort": "code"},
 *   "form": {"groups": [{"title": {…}, "fields": ["device", "address"]}]},
 *   "owner": "owner", "shared": "shared", "shared_with": "roles",
 *                                          // belongs to the user whose id stands in that field (a read_only string that
 *                                          // the server writes): he and whoever may admin it see and change it; others see
 *                                          // it when the boolean `shared` is true and they have one of the roles, or none
 *                                          // are named
 *   "share": "none" | "up" | "down",
 *   "api": false                           // no generic routes: the kind has its own, or none
 * }
 * Field types: string (max, min lengths, pattern, format: email|url|host|color|multiline|json|unit|path|locale),
 * integer, number (min, max, unit), boolean, enum (values), ref (kind), duration ("500ms"), time,
 * secret (never given out), object (fields), array (items), json (anything), point (reference to a
 * point by code), file (id of an attachment; "accept": "image"). Common: required, default,
 * sensitive (masked for whoever may not `sensitive` on the kind), read_only, unique, index, title, help, show_if
 * {"field": "x", "in": [..]} (a hint for forms; a hidden field is not required), example.
 * Spec members outside the schema are errors that name the nearest field. */
#pragma once
#include "base/json.h"

enum field_type {
    FIELD_STRING, FIELD_INTEGER, FIELD_NUMBER, FIELD_BOOLEAN, FIELD_ENUM, FIELD_REF, FIELD_DURATION,
    FIELD_TIME, FIELD_SECRET, FIELD_OBJECT, FIELD_ARRAY, FIELD_JSON, FIELD_POINT, FIELD_FILE,
};

struct field {
    struct str name;
    enum field_type type;
    struct str title_en, title_zh, help_en, help_zh;
    bool required, read_only, unique, index, sensitive;
    bool has_min, has_max;
    double min, max;                 /* numbers: value; strings, arrays: length; duration: microseconds */
    struct str pattern;              /* POSIX extended regular expression, anchored */
    struct str format, unit, ref_kind;
    const struct json *def;          /* default or NULL */
    const struct json *values;       /* enum: the array of the document */
    struct field *fields;            /* object: members; array: one element */
    size_t nfields;
    struct str show_if_field;
    const struct json *show_if_in;
    const void *regex;               /* compiled `pattern`; kind_free's */
};

#define STATES_MAX 32
enum comment_rule { COMMENT_NONE, COMMENT_OPTIONAL, COMMENT_REQUIRED };
struct state { struct str name, title_en, title_zh; bool editable, deletable; };
struct transition {
    struct str name, title_en, title_zh, action; /* action: name of a permission */
    uint32_t from;                   /* bit i: from states[i] */
    unsigned to;                     /* index of the state */
    struct str *required;            /* names of fields */
    size_t nrequired;
    enum comment_rule comment;
    bool four_eyes, notify;
};
struct lifecycle {
    struct state *states;
    size_t nstates;
    struct transition *transitions;
    size_t ntransitions;
    unsigned initial;
};
const struct state *lifecycle_state(const struct lifecycle *l, struct str name);       /* NULL: unknown */
const struct transition *lifecycle_transition(const struct lifecycle *l, struct str name);

struct kind {
    struct str kind, plural, module, title_en, title_zh;
    bool numbered, code_required, builtin;
    struct str code_pattern;
    struct field *fields;
    size_t nfields;
    const struct json *doc;          /* the whole document, for the UI */
    struct arena *arena;             /* owns all */
    struct str list_sort;            /* lists.sort or {NULL,0} */
    const void *code_regex;          /* compiled code_pattern */
    void *regexes;                   /* all compiled ones, for kind_free */
    bool has_secret, has_ref;        /* somewhere in the schema */
    bool single, code_lifelong, user; /* user: made at run time */
    bool has_sensitive, has_file;
    struct str org_from;             /* name of a ref field, or {NULL,0} */
    struct str owner, shared, shared_with; /* names of fields, or {NULL,0} */
    const struct lifecycle *lifecycle; /* NULL: none */
};

/* Parse and check a kind document; errors name the place ("fields[3].min"). */
MUST_CHECK int kind_parse(struct str text, struct kind **ret, struct error *e);
void kind_free(struct kind *k);
const struct field *kind_field(const struct kind *k, struct str path); /* "options.port" */
const char *field_type_name(enum field_type t);                        /* "duration" */

/* The name among `names` that was probably meant (at most about a third of its letters differ; ASCII
 * case ignored), or {NULL,0}. */
struct str name_nearest(struct str want, const struct str *names, size_t n);
/* The same among the members of an object. */
const struct field *field_nearest(const struct field *fields, size_t n, struct str want);

/* Visit every value of a checked spec that is a leaf of the schema (all types but object and array),
 * in order of the schema, with its path ("options.port", "roles[2]"). fn may change the value in place;
 * non-zero stops and is returned. */
typedef int kind_walk_fn(void *ctx, const struct field *f, struct str path, struct json *value);
int kind_walk(const struct kind *k, struct json *spec, kind_walk_fn *fn, void *ctx);
/* Check a code against the kind: length, characters, pattern. */
MUST_CHECK int kind_check_code(const struct kind *k, struct str code, struct error *e);

/* Check `spec` (NULL counts as {}) against the kind and give the completed one: defaults filled in,
 * "12" never taken for 12. All faults are collected, up to `max`: *ret_n of them in errs (may be NULL
 * with max 0). 0 or ERR_INVALID (the first fault also in *e). References are not followed here: each is
 * reported to `ref` (may be NULL). */
typedef int kind_ref_fn(void *ctx, const struct field *f, struct str path, struct str target, struct error *e);
MUST_CHECK int kind_check(const struct kind *k, struct arena *a, const struct json *spec, struct json **ret,
                          kind_ref_fn *ref, void *ctx, struct error *errs, size_t max, size_t *ret_n, struct error *e);
/* One value by its field, without a kind (options of a driver …): `where` as given. */
MUST_CHECK int field_check(const struct field *f, struct arena *a, const struct json *v, const char *where,
                           struct json **ret, struct error *e);
/* JSON value -> text of one cell, what field_from_text reads back to the same value. */
void field_to_text(const struct field *f, const struct json *v, struct buf *out);
/* Text of one cell (CSV) -> JSON value by the field's type; "" -> null. */
MUST_CHECK int field_from_text(const struct field *f, struct arena *a, struct str text, struct json **ret, struct error *e);
/* JSON Schema (2020-12 subset of OpenAPI 3.1) of the spec. */
struct json *kind_schema(const struct kind *k, struct arena *a);
