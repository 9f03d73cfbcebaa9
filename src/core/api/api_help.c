/* api_help.c - what handlers use: the body as JSON, query parameters, the answer, problems, cookies. */
#include "core/api/api_int.h"
#include "base/limits.h"
#include "core/api/api_security.h"
#include "core/api/problem.h"

static bool json_media(struct str type)
{
    struct str media = str_trim(str_cut(&type, ';'));
    if (str_ieq(media, STR("application/json"))) return true;
    return media.n > 12 && str_ieq(str_sub(media, 0, 12), STR("application/")) && str_ends(media, STR("+json"));
}

int api_body_json(struct api_call *c, struct json **ret, struct error *e)
{
    if (!c->req->body.n) return error_set(e, ERR_INVALID, "", "this request needs a JSON body", "请求需要 JSON 内容");
    struct str type = http_header(c->req, "content-type");
    if (!json_media(type))
        return error_set(e, ERR_MEDIA_TYPE, "", "the body must be application/json, not '%.*s'",
                         "请求内容须为 application/json，而不是“%.*s”", STR_ARG(str_sub(type, 0, 80)));
    return json_parse(c->a, c->req->body, ret, e);
}

struct json_writer api_answer(struct api_call *c)
{
    return json_writer(&c->res->body);
}

int api_query_i64(struct api_call *c, const char *name, int64_t def, int64_t lo, int64_t hi, int64_t *ret,
                  struct error *e)
{
    struct str s = http_query(c->req, name);
    int64_t v = def;
    if (s.n && str_to_i64(s, &v))
        return error_set(e, ERR_INVALID, name, "'%s' is a whole number, not '%.*s'", "“%s”须为整数，而不是“%.*s”", name,
                         STR_ARG(str_sub(s, 0, 60)));
    if (v < lo || v > hi)
        return error_set(e, ERR_INVALID, name, "'%s' is %lld; it must be between %lld and %lld",
                         "“%s”为 %lld，须在 %lld 到 %lld 之间", name, (long long)v, (long long)lo, (long long)hi);
    *ret = v;
    return 0;
}

int api_problem(struct api_call *c, const struct error *e, const struct error *more, size_t nmore)
{
    problem_write(c->res, c->zh, e, more, nmore);
    return 0;
}

void api_cookie_set(struct api_call *c, const char *secret, int64_t max_age_s)
{
    char text[200];
    snprintf(text, sizeof(text), "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s", API_COOKIE,
             secret ? secret : "", (long long)(secret ? max_age_s : 0),
             c->api->cfg.secure_cookies || c->req->tls ? "; Secure" : "");
    http_set_header(c->res, "Set-Cookie", str_of(text));
}
