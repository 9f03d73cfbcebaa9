/* http_request.c - looking into a request: headers, query parameters, cookies. Pure but for the arena. */
#include "base/encode.h"
#include "io/http_server.h"

struct str http_header(const struct http_request *q, const char *name)
{
    struct str want = str_of(name);
    for (size_t i = 0; i < q->nheaders; i++)
        if (str_ieq(q->headers[i].name, want)) return q->headers[i].value;
    return STR_NULL;
}

struct str http_query(const struct http_request *q, const char *name)
{
    struct str rest = q->query;
    while (rest.p) {
        struct str value = str_cut(&rest, '&'), key = str_cut(&value, '='), decoded;
        if (percent_decode(q->arena, key, true, &decoded) != 0 || !str_is(decoded, name)) continue;
        if (!value.p) return STR("");
        return percent_decode(q->arena, value, true, &decoded) == 0 ? decoded : STR_NULL;
    }
    return STR_NULL;
}

static struct str cookie_in(struct str line, const char *name)
{
    while (line.p) {
        struct str value = str_cut(&line, ';'), key = str_trim(str_cut(&value, '='));
        if (!value.p || !str_is(key, name)) continue;
        value = str_trim(value);
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"') value = str_sub(value, 1, value.n - 2);
        return value;
    }
    return STR_NULL;
}

struct str http_cookie(const struct http_request *q, const char *name)
{
    for (size_t i = 0; i < q->nheaders; i++) {
        if (!str_eq(q->headers[i].name, STR("cookie"))) continue;
        struct str found = cookie_in(q->headers[i].value, name);
        if (found.p) return found;
    }
    return STR_NULL;
}
