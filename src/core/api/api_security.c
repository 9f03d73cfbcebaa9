/* api_security.c - see api_security.h.
 *
 * A cross-site page can send a form or an image request with nothing but standard headers; X-Bornite
 * would need CORS, which we never grant. A WebSocket handshake has no such protection, so that its
 * Origin must name the host that it is sent to. SameSite=Strict stands before both. */
#include "core/api/api_security.h"
#include "base/encode.h"

#define CSP_PAGE \
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; " \
    "worker-src 'self' blob:; img-src 'self' blob: data:; media-src 'self' blob: data:; font-src 'self' data:; " \
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
#define CSP_API "default-src 'none'; frame-ancestors 'none'"

/* X-Content-Type-Options: nosniff stands on every answer of the server already. */
static void common(struct http_response *r)
{
    http_set_header(r, "X-Frame-Options", STR("DENY"));
    http_set_header(r, "Referrer-Policy", STR("same-origin"));
}

void security_headers_api(struct http_response *r)
{
    common(r);
    http_set_header(r, "Content-Security-Policy", STR(CSP_API));
    http_set_header(r, "Cache-Control", STR("no-store"));
}

void security_headers_page(struct http_response *r)
{
    common(r);
    http_set_header(r, "Content-Security-Policy", STR(CSP_PAGE));
}

bool security_changes(struct str m)
{
    return !str_is(m, "GET") && !str_is(m, "HEAD") && !str_is(m, "OPTIONS");
}

static struct str origin_host(struct str origin)
{
    if (str_starts(origin, STR("https://"))) return str_sub(origin, 8, origin.n);
    if (str_starts(origin, STR("http://"))) return str_sub(origin, 7, origin.n);
    return STR_NULL;
}

bool security_same_site(const struct http_request *q, bool websocket)
{
    if (websocket) {
        struct str host = http_header(q, "host"), origin = origin_host(http_header(q, "origin"));
        return host.n && origin.n && str_ieq(host, origin);
    }
    return !security_changes(q->method) || str_is(http_header(q, "x-bornite"), "1");
}

struct str security_bearer(const struct http_request *q)
{
    struct str h = http_header(q, "authorization");
    if (h.n < 7 || !str_ieq(str_sub(h, 0, 7), STR("bearer "))) return STR_NULL;
    return str_trim(str_sub(h, 7, h.n));
}

/* Basic: whatever user, the token as password; the token alone as user is taken, too. */
static struct str basic_token(const struct http_request *q, struct str coded)
{
    struct buf b;
    buf_init(&b, 400);
    struct str rest = STR_NULL;
    if (base64_decode(&b, coded, false) == 0) rest = arena_str(q->arena, buf_view(&b));
    buf_fini(&b);
    struct str user = str_cut(&rest, ':');
    return rest.n ? rest : user;
}

struct str security_any_token(const struct http_request *q)
{
    struct str h = http_header(q, "authorization"), scheme = str_cut(&h, ' ');
    if (str_ieq(scheme, STR("bearer")) || str_ieq(scheme, STR("token"))) return str_trim(h);
    if (str_ieq(scheme, STR("basic"))) return basic_token(q, str_trim(h));
    return scheme.n ? STR("") : http_query(q, "p");
}
