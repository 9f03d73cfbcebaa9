/* api_security.h - what browsers are told and asked: headers, cookies, cross-site requests. Pure. */
#pragma once
#include "io/http_server.h"

#define API_COOKIE "bornite_session"
void security_headers_api(struct http_response *r);
void security_headers_page(struct http_response *r);
bool security_changes(struct str method); /* not GET, HEAD, OPTIONS */
/* Of a request with a cookie: X-Bornite: 1 on changes; Origin = Host on WebSockets. */
bool security_same_site(const struct http_request *q, bool websocket);
struct str security_bearer(const struct http_request *q); /* {NULL,0}: none */
/* The API token in any of the forms that clients of other products send: Bearer, Token, the password of Basic, the
 * query parameter p. {NULL,0}: none. */
struct str security_any_token(const struct http_request *q);
