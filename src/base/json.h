/* json.h - JSON (RFC 8259): arena DOM, SAX, writer.
 *
 * Input must be UTF-8 (checked: no overlong forms, no surrogates); a BOM is refused. Depth is limited,
 * duplicate keys are an error, numbers that are integers within int64 stay integers. Parsing is
 * iterative and bounded by the arena. Errors name line, column and what was expected. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    struct str key;            /* when a member of an object */
    union {
        bool b;
        int64_t i;
        double d;
        struct str s;
        size_t count;          /* children of an array or object */
    };
    struct json *child, *last; /* first, last child, in the order of the text */
    struct json *next;
};

#define JSON_DEPTH_MAX 32       /* of a text that is parsed */
#define JSON_WRITE_DEPTH_MAX 64 /* of a text that is written: a parsed one inside envelopes */
/* Parse a whole text. Values live in `a` (strings without escapes point into `text`, which must live as
 * long). ERR_INVALID | ERR_TOO_LARGE (arena at its maximum) | ERR_NOMEM. */
MUST_CHECK int json_parse(struct arena *a, struct str text, struct json **ret, struct error *e);

/* Reading. All take NULL and the wrong type and answer NULL / the default. */
struct json *json_get(const struct json *obj, const char *key);
struct json *json_get_str(const struct json *obj, struct str key);
struct json *json_at(const struct json *arr, size_t i);
struct json *json_path(const struct json *v, const char *path); /* "a.b.0.c" */
struct str json_str(const struct json *v, struct str def);
int64_t json_i64(const struct json *v, int64_t def);  /* a double with no fraction counts */
double json_double(const struct json *v, double def); /* an int counts */
bool json_bool(const struct json *v, bool def);
size_t json_count(const struct json *v);
#define json_each(it, parent) (const struct json *it = (parent) ? (parent)->child : NULL; it; it = it->next)
bool json_equal(const struct json *a, const struct json *b); /* objects regardless of order; 1 == 1.0 */

/* Building, in an arena; NULL in gives NULL out, so check the last. Strings are not copied. */
struct json *json_new_object(struct arena *a);
struct json *json_new_array(struct arena *a);
struct json *json_new_str(struct arena *a, struct str s);
struct json *json_new_i64(struct arena *a, int64_t i);
struct json *json_new_double(struct arena *a, double d);
struct json *json_new_bool(struct arena *a, bool b);
struct json *json_new_null(struct arena *a);
struct json *json_set(struct json *obj, struct arena *a, struct str key, struct json *v); /* replaces; returns v */
bool json_remove(struct json *obj, struct str key);
struct json *json_push(struct json *arr, struct json *v);                                 /* returns v */
struct json *json_copy(struct arena *a, const struct json *v);                            /* deep, strings too */
/* RFC 7396 merge patch of `patch` onto `target` (may be NULL); result in `a`, shares unchanged parts. */
struct json *json_merge_patch(struct arena *a, const struct json *target, const struct json *patch);

/* Writing into a buffer, compact. The writer puts commas and escapes; misuse (a value without key in an
 * object) is an assertion. Errors stick in the buffer; too deep is ERR_TOO_LARGE there. */
struct json_writer {
    struct buf *out;
    uint8_t depth;
    uint8_t state[JSON_WRITE_DEPTH_MAX + 1];
};
struct json_writer json_writer(struct buf *out);
void jw_object(struct json_writer *w);
void jw_array(struct json_writer *w);
void jw_end(struct json_writer *w);                   /* the open object or array */
void jw_key(struct json_writer *w, struct str key);
void jw_str(struct json_writer *w, struct str s);     /* invalid UTF-8 becomes U+FFFD */
void jw_i64(struct json_writer *w, int64_t i);
void jw_u64(struct json_writer *w, uint64_t u);
void jw_double(struct json_writer *w, double d);
void jw_bool(struct json_writer *w, bool b);
void jw_null(struct json_writer *w);
void jw_raw(struct json_writer *w, struct str json);  /* one value, already JSON */
void jw_json(struct json_writer *w, const struct json *v);
/* Shorthands: key and value. */
void jw_kstr(struct json_writer *w, const char *key, struct str s);
void jw_kz(struct json_writer *w, const char *key, const char *z); /* NULL: null */
void jw_ki64(struct json_writer *w, const char *key, int64_t i);
void jw_kdouble(struct json_writer *w, const char *key, double d);
void jw_kbool(struct json_writer *w, const char *key, bool b);
void json_write(struct buf *out, const struct json *v); /* jw_json of a whole document */
struct str json_text(struct arena *a, const struct json *v); /* the same into an arena; {NULL,0} on failure */

/* SAX: events in document order without building anything. A handler that returns non-zero stops the
 * parse, which returns that value. */
struct json_sax {
    int (*value)(void *ctx, const struct json *scalar, struct str key); /* NULL, BOOL, INT, DOUBLE, STRING */
    int (*open)(void *ctx, enum json_type type, struct str key);        /* ARRAY or OBJECT */
    int (*close)(void *ctx, enum json_type type);
};
MUST_CHECK int json_sax(struct arena *scratch, struct str text, const struct json_sax *h, void *ctx, struct error *e);
