/* params.h - the parameters of a history request: of the query string of a GET, or the members of a JSON object
 * (POST, a frame of the stream). Texts live in the arena that is handed in. */
#pragma once
#include "base/json.h"
#include "io/http_server.h"

struct params {
    const struct http_request *req; /* NULL: body only */
    const struct json *body;        /* an object; NULL: the query string */
    struct arena *a;
};
/* {NULL,0} when absent. Numbers and booleans as their text, lists of them joined by commas. */
struct str params_text(const struct params *p, const char *name);
MUST_CHECK int params_i64(const struct params *p, const char *name, int64_t def, int64_t lo, int64_t hi, int64_t *ret,
                          struct error *e);
MUST_CHECK int params_double(const struct params *p, const char *name, double def, double lo, double hi, double *ret,
                             struct error *e);
MUST_CHECK int params_bool(const struct params *p, const char *name, bool def, bool *ret, struct error *e);
/* One of `words` (NULL-terminated); its index. Absent: 0. */
MUST_CHECK int params_word(const struct params *p, const char *name, const char *const *words, size_t *ret,
                           struct error *e);
