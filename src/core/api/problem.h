/* problem.h - errors as application/problem+json (RFC 9457). Pure: fills a response. */
#pragma once
#include "base/error.h"
#include "io/http_server.h"

/* Replaces status, type and body of `r`; headers stay. `more`: further faults of the same request. */
void problem_write(struct http_response *r, bool zh, const struct error *e, const struct error *more, size_t nmore);
/* Is Chinese asked for? Accept-Language begins with "zh". */
bool problem_zh(const struct http_request *q);
/* The same under another name of the code ("second_factor"), for what the UI acts upon. */
void problem_write_as(struct http_response *r, bool zh, const char *code, const struct error *e,
                      const struct error *more, size_t nmore);
