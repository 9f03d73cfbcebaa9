/* http_link_frame.c - calls as frames: requests and answers written as HTTP/1.1 in plain text, whatever was spoken,
 * with
 * *** where a secret stood; errors of answers in words. */
#include "base/utf8.h"
#include "drivers/common/http_link_int.h"

#define FRAME_BODY 16384

static bool wanted(const struct http_link *l, bool failed)
{
    return l->host.frame && (failed || *l->host.trace);
}

static void tell(struct http_link *l, const struct http_ticket *t, enum driver_dir dir, const struct buf *b,
                 const struct error *e)
{
    const struct driver_frame f = {.time_us = l->host.now_us(l->host.ctx),
                                   .dir = dir,
                                   .link = (uint16_t)t->place,
                                   .bytes = b->p,
                                   .n = b->n,
                                   .error = e};
    l->host.frame(l->host.ctx, &f);
}

/* "/path?query" of an address, the host apart. */
static struct str target_of(const char *url, struct str *ret_host)
{
    struct str s = str_of(url);
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    *ret_host = host ? str_make(host + 3, path ? (size_t)(path - host - 3) : strlen(host + 3)) : STR("");
    return path ? str_sub(s, (size_t)(path - url), s.n) : STR("/");
}

static void head_line(struct buf *b, const char *line)
{
    struct str rest = str_of(line), name = str_cut(&rest, ':');
    bool secret = str_ieq(name, STR("authorization")) || str_ieq(name, STR("cookie"));
    buf_str(b, name);
    buf_z(b, secret ? ": ***" : ":");
    if (!secret) buf_str(b, rest);
    buf_z(b, "\r\n");
}

void link_frame_out(struct http_link *l, const struct http_ticket *t)
{
    struct buf b;
    struct str host, target = target_of(t->url, &host);
    const char *query = l->s->auth_query_shown;
    if (!wanted(l, false)) return;
    buf_init(&b, 64 << 10);
    buf_printf(&b, "%s %.*s%s%s HTTP/1.1\r\nHost: %.*s\r\n", t->method, STR_ARG(target),
               !query                       ? ""
               : str_find(target, '?') >= 0 ? "&"
                                            : "?",
               query ? query : "", STR_ARG(host));
    for (size_t i = 0; t->headers && t->headers[i]; i++) head_line(&b, t->headers[i]);
    if (l->s->auth == AUTH_HEADER) {
        struct str rest = str_of(l->s->auth_header);
        buf_str(&b, str_cut(&rest, ':'));
        buf_z(&b, ": ***\r\n");
    } else if (l->s->auth_header || l->s->auth == AUTH_OAUTH2)
        buf_z(&b, "Authorization: ***\r\n");
    if (t->body) buf_printf(&b, "Content-Length: %zu\r\n", t->body_n);
    buf_z(&b, "\r\n");
    if (t->body) buf_str(&b, str_sub(str_make(t->body, t->body_n), 0, FRAME_BODY));
    tell(l, t, DRIVER_TX, &b, NULL);
    buf_fini(&b);
}

static void add_reply(struct buf *b, const struct http_reply *r)
{
    static const char *const left_out[] = {"set-cookie", "transfer-encoding", "content-encoding", "content-length"};
    buf_printf(b, "HTTP/1.1 %d\r\n", r->status);
    for (size_t i = 0; i < r->nheaders; i++) {
        bool out = false;
        for (size_t k = 0; k < sizeof left_out / sizeof *left_out; k++) out |= str_is(r->headers[i].name, left_out[k]);
        if (!out) buf_printf(b, "%.*s: %.*s\r\n", STR_ARG(r->headers[i].name), STR_ARG(r->headers[i].value));
    }
    buf_printf(b, "content-length: %zu\r\n\r\n", r->body.n);
    buf_str(b, str_sub(r->body, 0, FRAME_BODY));
}

void link_frame_in(struct http_link *l, const struct http_ticket *t, const struct http_end *end)
{
    struct error why;
    struct buf b;
    bool failed = !end->reply || http_reply_error(end->reply, &why);
    if (!wanted(l, failed) || (end->error && end->error->code == ERR_CANCELLED)) return;
    buf_init(&b, 128 << 10);
    if (end->reply) add_reply(&b, end->reply);
    tell(l, t, DRIVER_RX, &b, end->error ? end->error : failed ? &why : NULL);
    buf_fini(&b);
}

/* ---- in words ---- */

static struct str first_line(const struct driver_frame *f)
{
    struct str s = str_make((const char *)f->bytes, f->n);
    return str_trim(str_cut(&s, '\n'));
}

static struct str body_of(const struct driver_frame *f)
{
    const uint8_t *at = f->n ? memmem(f->bytes, f->n, "\r\n\r\n", 4) : NULL;
    if (!at) return STR("");
    struct str s = str_make((const char *)at + 4, f->n - (size_t)(at + 4 - f->bytes));
    s.n = utf8_floor(s, s.n < 160 ? s.n : 160);
    return utf8_valid(s) ? s : STR("…");
}

void http_link_describe(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    struct str line = first_line(f), body = body_of(f);
    struct str version = STR(" HTTP/1.1");
    if (f->dir == DRIVER_TX) {
        if (str_ends(line, version)) line.n -= version.n;
        snprintf(en, cap, "request %.*s%s%.*s", STR_ARG(line), body.n ? ": " : "", STR_ARG(body));
        snprintf(zh, cap, "请求 %.*s%s%.*s", STR_ARG(line), body.n ? "：" : "", STR_ARG(body));
        return;
    }
    if (!f->n) {
        snprintf(en, cap, "no answer");
        snprintf(zh, cap, "无应答");
        return;
    }
    line = str_starts(line, STR("HTTP/1.1 ")) ? str_sub(line, 9, line.n) : line;
    snprintf(en, cap, "answer %.*s%s%.*s", STR_ARG(line), body.n ? ": " : "", STR_ARG(body));
    snprintf(zh, cap, "应答 %.*s%s%.*s", STR_ARG(line), body.n ? "：" : "", STR_ARG(body));
}

/* ---- statuses ---- */

static const struct status_row {
    int from, to, code;
    const char *en, *zh;
} statuses[] = {
    {401, 401, ERR_UNAUTHENTICATED, "the server wants other credentials; check the authentication",
     "服务器不接受凭据；请检查认证设置"},
    {403, 403, ERR_FORBIDDEN, "the server does not permit this", "服务器不允许此操作"},
    {404, 404, ERR_NOT_FOUND, "there is nothing at this address; check the path", "该地址不存在；请检查路径"},
    {410, 410, ERR_NOT_FOUND, "there is nothing at this address any more", "该地址已不存在"},
    {407, 407, ERR_UNAUTHENTICATED, "the proxy wants other credentials; check its user name and password",
     "代理不接受凭据；请检查代理用户名和密码"},
    {408, 408, ERR_LIMIT, "the server waited too long for the request", "服务器等待请求超时"},
    {429, 429, ERR_LIMIT, "too many requests; set a lower rate", "请求过多；请降低速率"},
    {400, 499, ERR_INVALID, "the server refuses the request", "服务器拒绝该请求"},
    {500, 599, ERR_UNAVAILABLE, "the server failed", "服务器故障"},
    {300, 399, ERR_PROTOCOL, "a redirect that is not followed", "未跟随的重定向"},
    {0, 999, ERR_PROTOCOL, "an unexpected answer", "意外的应答"},
};

int http_reply_error(const struct http_reply *r, struct error *e)
{
    const struct status_row *row = statuses;
    if (r->status >= 200 && r->status < 300) return 0;
    while (r->status < row->from || r->status > row->to) row++;
    struct str body = str_trim(r->body);
    body.n = utf8_floor(body, body.n < 100 ? body.n : 100);
    if (!utf8_valid(body)) body = STR("");
    return error_set(e, row->code, "", "HTTP %d: %s%.0s%s%.*s", "HTTP %d：%.0s%s%s%.*s", r->status, row->en, row->zh,
                     body.n ? " — " : "", STR_ARG(body));
}
