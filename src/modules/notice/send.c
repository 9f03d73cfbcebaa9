/* send.c - one message through a channel: HTTP by io's client, mail by libcurl. Blocking; pool threads. */
#include <curl/curl.h>
#include "base/time.h"
#include "io/http_client.h"
#include "modules/notice/notice.h"

struct sending {
    struct node *node;
    struct arena *a;
    const struct json *spec;
    const struct message *m;
    const struct json *recipients;
    bool *again;
};

static struct str text_of(const struct sending *s, const char *name)
{
    return json_str(json_get(s->spec, name), STR(""));
}

static unsigned timeout_ms(const struct sending *s)
{
    int64_t us = 0;
    struct str text = text_of(s, "timeout");
    return text.n && duration_parse(text, &us, NULL) == 0 ? (unsigned)(us / 1000) : 10000;
}

/* ---- HTTP ---- */

static int worth_again(int status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static int post(struct sending *s, struct str url, struct str body, const char *const *headers, struct http_answer *ret,
                struct error *e)
{
    struct str ca = text_of(s, "ca_file");
    struct http_call call = {.method = "POST",
                             .url = arena_strdup(s->a, url),
                             .headers = headers,
                             .body = body,
                             .timeout_ms = timeout_ms(s),
                             .answer_max = 1 << 20,
                             .ca_file = ca.n ? arena_strdup(s->a, ca) : NULL,
                             .insecure = json_bool(json_get(s->spec, "tls_insecure"), false),
                             .refuse_local = !json_bool(json_get(s->spec, "allow_private"), false)};
    if (!call.url || !body.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = http_call(s->a, &call, ret, e);
    *s->again = rc != 0 && rc != ERR_FORBIDDEN && rc != ERR_INVALID;
    if (rc) return rc;
    if (ret->status >= 200 && ret->status < 300) return 0;
    *s->again = worth_again(ret->status);
    return error_set(e, ERR_PROTOCOL, "url", "the receiver answers %d %.*s", "接收方应答 %d %.*s", ret->status,
                     STR_ARG(str_sub(ret->body, 0, 120)));
}

static int send_webhook(struct sending *s, struct error *e)
{
    struct str body, secret = text_of(s, "secret"), auth = text_of(s, "authorization");
    const char *headers[6] = {"Content-Type: application/json"};
    struct http_answer answer;
    size_t n = 1;
    int rc = form_webhook(s->a, text_of(s, "template"), s->m, &body, e);
    if (rc) return rc;
    headers[n++] = arena_printf(s->a, "X-Bornite-Delivery: %.*s", STR_ARG(s->m->id));
    if (secret.n) {
        struct str sign = form_signature(s->a, secret, clock_now_us(s->node->clock), body);
        headers[n++] = arena_printf(s->a, "X-Bornite-Signature: %.*s", STR_ARG(sign));
    }
    if (auth.n && str_find(auth, '\n') < 0 && str_find(auth, '\r') < 0)
        headers[n++] = arena_printf(s->a, "Authorization: %.*s", STR_ARG(auth));
    return post(s, text_of(s, "url"), body, headers, &answer, e);
}

static int send_robot(struct sending *s, struct str url, struct str body, struct error *e)
{
    static const char *const headers[] = {"Content-Type: application/json; charset=utf-8", NULL};
    struct http_answer answer;
    int rc = post(s, url, body, headers, &answer, e);
    if (rc) return rc;
    *s->again = true;
    return form_robot_answer(answer.body, e);
}

static int send_wecom(struct sending *s, struct error *e)
{
    return send_robot(s, text_of(s, "url"), form_wecom(s->a, s->m), e);
}
static int send_dingtalk(struct sending *s, struct error *e)
{
    struct str url = form_dingtalk_url(s->a, text_of(s, "url"), text_of(s, "secret"), clock_now_us(s->node->clock));
    return send_robot(s, url, form_dingtalk(s->a, s->m), e);
}
static int send_feishu(struct sending *s, struct error *e)
{
    return send_robot(s, text_of(s, "url"), form_feishu(s->a, s->m, text_of(s, "secret"), clock_now_us(s->node->clock)),
                      e);
}

/* ---- mail ---- */

static size_t feed_mail(char *out, size_t size, size_t n, void *ctx)
{
    struct str *left = ctx;
    size_t take = size * n < left->n ? size * n : left->n;
    memcpy(out, left->p, take);
    *left = str_sub(*left, take, left->n);
    return take;
}

static size_t no_answer(char *p, size_t size, size_t n, void *ctx)
{
    return size * n;
}

static void mail_security(CURL *h, const struct sending *s)
{
    struct str ca = text_of(s, "ca_file");
    bool none = str_is(text_of(s, "security"), "none");
    curl_easy_setopt(h, CURLOPT_USE_SSL, (long)(none ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (ca.n) curl_easy_setopt(h, CURLOPT_CAINFO, arena_strdup(s->a, ca));
    if (!json_bool(json_get(s->spec, "tls_insecure"), false)) return;
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
}

/* A 5xx of the server is final; all else may pass. */
static int mail_fault(CURL *h, CURLcode code, const char *why, bool *again, struct error *e)
{
    long status = 0;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    *again = !(status >= 500 && status < 600);
    const char *text = why[0] ? why : curl_easy_strerror(code);
    return error_set(e, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_PROTOCOL, "host",
                     "the mail server: %s (status %ld)", "邮件服务器：%s（状态 %ld）", text, status);
}

static int mail_with(CURL *h, struct sending *s, const struct mail *mail, struct curl_slist *rcpt, struct error *e)
{
    char why[CURL_ERROR_SIZE] = "", url[400];
    bool tls = str_is(text_of(s, "security"), "tls"), zh = str_is(text_of(s, "language"), "zh");
    struct str user = text_of(s, "username"), body = form_mail(s->a, mail, s->m, zh);
    snprintf(url, sizeof url, "%s://%.*s:%d", tls ? "smtps" : "smtp", STR_ARG(text_of(s, "host")),
             (int)json_i64(json_get(s->spec, "port"), 587));
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)timeout_ms(s));
    curl_easy_setopt(h, CURLOPT_MAIL_FROM, arena_printf(s->a, "<%.*s>", STR_ARG(mail->from)));
    curl_easy_setopt(h, CURLOPT_MAIL_RCPT, rcpt);
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, feed_mail);
    curl_easy_setopt(h, CURLOPT_READDATA, &body);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, no_answer);
    if (user.n) {
        curl_easy_setopt(h, CURLOPT_USERNAME, arena_strdup(s->a, user));
        curl_easy_setopt(h, CURLOPT_PASSWORD, arena_strdup(s->a, text_of(s, "password")));
    }
    mail_security(h, s);
    if (!body.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    CURLcode code = curl_easy_perform(h);
    return code == CURLE_OK ? 0 : mail_fault(h, code, why, s->again, e);
}

static int send_email(struct sending *s, struct error *e)
{
    size_t n = 0, max = json_count(s->recipients);
    struct str *to = arena_calloc(s->a, max + 1, sizeof *to);
    struct curl_slist *rcpt = NULL;
    for
        json_each (it, s->recipients) {
            struct str one = json_str(it, STR(""));
            struct curl_slist *longer =
                one.n ? curl_slist_append(rcpt, arena_printf(s->a, "<%.*s>", STR_ARG(one))) : NULL;
            if (!to || !longer) continue;
            rcpt = longer;
            to[n++] = one;
        }
    struct mail mail = {.from = text_of(s, "from"), .to = to, .nto = n, .host = STR("bornite")};
    CURL *h = n ? curl_easy_init() : NULL;
    int rc = !n  ? error_set(e, ERR_INVALID, "to", "nobody to write to", "没有收件人")
             : h ? mail_with(h, s, &mail, rcpt, e)
                 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (h) curl_easy_cleanup(h);
    curl_slist_free_all(rcpt);
    return rc;
}

int send_message(struct node *n, struct arena *a, const struct resource *channel, const struct message *m,
                 const struct json *recipients, bool *ret_again, struct error *e)
{
    static const struct {
        const char *type;
        int (*send)(struct sending *s, struct error *e);
    } types[] = {{"webhook", send_webhook},
                 {"email", send_email},
                 {"wecom", send_wecom},
                 {"dingtalk", send_dingtalk},
                 {"feishu", send_feishu}};
    struct sending s = {n, a, channel->spec, m, recipients, ret_again};
    *ret_again = false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_is(text_of(&s, "type"), types[i].type)) return types[i].send(&s, e);
    return error_set(e, ERR_UNSUPPORTED, "type", "this program has no such kind of channel", "本程序不支持该通道类型");
}
