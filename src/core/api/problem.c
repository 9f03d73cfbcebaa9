/* problem.c - see problem.h.
 *
 * {"type":"about:blank","title":…,"status":…,"code":…,"detail":…,"where":…,"errors":[{"where","detail"}]}
 * `where` and `errors` only when there is something to say. Texts in the language asked for; an error
 * without a text of its own shows the title of its code. */
#include "core/api/problem.h"
#include "base/json.h"

static const char *text_of(const struct error *e, bool zh)
{
    if (zh && e->text_zh[0]) return e->text_zh;
    if (e->text[0]) return e->text;
    return zh ? error_title_zh(e->code) : error_title(e->code);
}

static void write_errors(struct json_writer *w, bool zh, const struct error *more, size_t n)
{
    jw_key(w, STR("errors"));
    jw_array(w);
    for (size_t i = 0; i < n; i++) {
        jw_object(w);
        jw_kz(w, "where", more[i].where);
        jw_kz(w, "detail", text_of(&more[i], zh));
        jw_end(w);
    }
    jw_end(w);
}

void problem_write(struct http_response *r, bool zh, const struct error *e, const struct error *more, size_t nmore)
{
    problem_write_as(r, zh, error_name(e->code), e, more, nmore);
}

void problem_write_as(struct http_response *r, bool zh, const char *code, const struct error *e,
                      const struct error *more, size_t nmore)
{
    r->status = error_http(e->code);
    r->content_type = "application/problem+json; charset=utf-8";
    buf_clear(&r->body);
    struct json_writer w = json_writer(&r->body);
    jw_object(&w);
    jw_kz(&w, "type", "about:blank");
    jw_kz(&w, "title", zh ? error_title_zh(e->code) : error_title(e->code));
    jw_ki64(&w, "status", r->status);
    jw_kz(&w, "code", code);
    jw_kz(&w, "detail", text_of(e, zh));
    if (e->where[0]) jw_kz(&w, "where", e->where);
    if (nmore) write_errors(&w, zh, more, nmore);
    jw_end(&w);
}

bool problem_zh(const struct http_request *q)
{
    struct str s = str_sub(http_header(q, "accept-language"), 0, 2);
    return str_ieq(s, STR("zh"));
}
