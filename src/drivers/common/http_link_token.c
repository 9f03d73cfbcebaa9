/* http_link_token.c - access tokens by client credentials (RFC 6749, 4.4): asked for when a call needs one, kept until
 * a tenth of their life is left, forgotten when the server refuses them. While one is asked for the calls wait. */
#include "base/json.h"
#include "drivers/common/http_link_int.h"

#define LIFE_DEFAULT_S 3600

void link_token_forget(struct http_link *l)
{
    if (l->token == TOKEN_THERE) l->token = TOKEN_NONE;
}

static int bad_answer(const char *en, const char *zh, struct error *e)
{
    return error_set(e, ERR_UNAUTHENTICATED, "token_url", "no access token: %s%.0s", "未取得访问令牌：%.0s%s", en, zh);
}

static int keep_token(struct http_link *l, struct str body, struct error *e)
{
    struct json *v = NULL;
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    if (json_parse(&a, body, &v, NULL)) return bad_answer("the answer is no JSON", "应答不是 JSON", e);
    struct str token = json_str(json_get(v, "access_token"), STR_NULL),
               kind = json_str(json_get(v, "token_type"), STR("Bearer"));
    if (!token.n || token.n > 16384 || memchr(token.p, '\n', token.n) || memchr(token.p, '\r', token.n))
        return bad_answer("the answer has no access_token", "应答中没有 access_token", e);
    if (!str_ieq(kind, STR("bearer"))) return bad_answer("its type is not Bearer", "令牌类型不是 Bearer", e);
    buf_init(&b, 20000);
    buf_z(&b, "Authorization: Bearer ");
    buf_str(&b, token);
    mem_free(l->token_header);
    l->token_header = b.err ? NULL : mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    if (!l->token_header) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    double life = json_double(json_get(v, "expires_in"), LIFE_DEFAULT_S);
    if (!(life >= 1 && life < 1e9)) life = LIFE_DEFAULT_S;
    l->token_until_ns = link_now(l) + (uint64_t)(life * 0.9 * 1e9);
    l->token = TOKEN_THERE;
    return 0;
}

static void token_came(void *arg, const struct http_end *end)
{
    struct http_link *l = arg;
    struct error e = {0}, why;
    int rc = end->reply ? http_reply_error(end->reply, &why) : end->error->code;
    l->token = TOKEN_NONE;
    if (end->error) why = *end->error;
    if (rc)
        error_set(&e, rc == ERR_CANCELLED ? rc : ERR_UNAUTHENTICATED, "token_url", "no access token: %.200s%.0s",
                  "未取得访问令牌：%.0s%.200s", why.text, why.text_zh);
    else
        rc = keep_token(l, end->reply->body, &e);
    if (rc) link_fail_waiting(l, &e);
    link_pump(l);
}

bool link_token_ready(struct http_link *l)
{
    const struct http_settings *s = l->s;
    struct error e = {0};
    if (s->auth != AUTH_OAUTH2) return true;
    if (l->token == TOKEN_THERE && link_now(l) < l->token_until_ns) return true;
    if (l->token == TOKEN_ASKED) return false;
    const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", "Accept: application/json",
                                   s->token_auth, NULL};
    const struct http_ask q = {.method = "POST",
                               .url = s->token_url,
                               .headers = headers,
                               .body = str_of(s->token_body),
                               .timeout_ms = s->timeout_ms,
                               .answer_max = 1 << 20};
    l->token = TOKEN_ASKED;
    if (http_multi_ask(l->multi, &q, token_came, l, NULL, &e) == 0) return false;
    l->token = TOKEN_NONE;
    link_fail_waiting(l, &e);
    return false;
}
