/* http_link.c - the calls of a link (http_link.h): those that wait in a list, those that fly each with a place.
 * link_pump sends as many as places, rate, pause and token allow, and sets the one timer to when more may be sent. */
#include "drivers/common/http_link_int.h"

uint64_t link_now(const struct http_link *l)
{
    return l->host.mono_ns(l->host.ctx);
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void on_timer(uv_timer_t *t)
{
    link_pump(t->data);
}

static void wake(struct http_link *l, uint64_t ms)
{
    if (l->closing) return;
    uv_update_time(l->host.loop);
    uv_timer_start(&l->timer, on_timer, ms, 0);
}

/* ---- a call ---- */

static void ticket_free(struct http_ticket *t)
{
    for (size_t i = 0; t->headers && t->headers[i]; i++) mem_free(t->headers[i]);
    mem_free(t->headers);
    mem_free(t->url);
    mem_free(t->method);
    mem_free(t->body);
    mem_free(t);
}

static void end_ticket(struct http_ticket *t, const struct http_end *end)
{
    t->done(t->arg, end);
    ticket_free(t);
}

static void fail_ticket(struct http_ticket *t, const struct error *e)
{
    const struct http_end end = {.error = e};
    end_ticket(t, &end);
}

static struct http_ticket *take_first(struct http_link *l)
{
    struct http_ticket *t = l->first;
    l->first = t->next;
    if (!l->first) l->last = NULL;
    t->next = NULL;
    l->waiting--;
    return t;
}

/* Urgent ones stand in front of the others, in their own order. */
static void put_waiting(struct http_link *l, struct http_ticket *t)
{
    struct http_ticket **at = !t->urgent && l->last ? &l->last->next : &l->first;
    while (t->urgent && *at && (*at)->urgent) at = &(*at)->next;
    t->next = *at;
    *at = t;
    if (!t->next) l->last = t;
    l->waiting++;
}

void link_fail_waiting(struct http_link *l, const struct error *e)
{
    for (unsigned n = l->waiting; n && l->first; n--) fail_ticket(take_first(l), e);
}

/* ---- making one ---- */

static bool same_name(const char *a, const char *b)
{
    struct str x = str_of(a), y = str_of(b);
    return str_ieq(str_trim(str_cut(&x, ':')), str_trim(str_cut(&y, ':')));
}

static bool among(const char *line, const char *const *lines)
{
    for (size_t i = 0; lines && lines[i]; i++)
        if (same_name(line, lines[i])) return true;
    return false;
}

static bool copy_headers(struct http_link *l, struct http_ticket *t, const char *const *more)
{
    const struct http_settings *s = l->s;
    size_t n = 0, k = 0;
    while (more && more[k]) k++;
    t->headers = mem_calloc(s->nheaders + k + 1, sizeof *t->headers);
    if (!t->headers) return false;
    for (size_t i = 0; i < s->nheaders; i++)
        if (!among(s->headers[i], more) && !(t->headers[n++] = mem_strdup(s->headers[i]))) return false;
    for (size_t i = 0; i < k; i++)
        if (!(t->headers[n++] = mem_strdup(more[i]))) return false;
    return true;
}

static int url_of(const struct http_link *l, const char *target, char *out, size_t cap, struct error *e)
{
    bool absolute = strncmp(target, "http://", 7) == 0 || strncmp(target, "https://", 8) == 0;
    int n = absolute                                             ? snprintf(out, cap, "%s", target)
            : target[0] == '/' || target[0] == '?' || !target[0] ? snprintf(out, cap, "%s%s", l->s->url, target)
                                                                 : snprintf(out, cap, "%s/%s", l->s->url, target);
    if ((size_t)n >= cap)
        return error_set(e, ERR_INVALID, "path", "the address of the request is longer than %zu bytes",
                         "请求地址超过 %zu 字节", cap - 1);
    int rc = http_url_check(out, e);
    if (rc) return rc;
    if (!http_url_same_host(l->s->url, out))
        return error_set(e, ERR_FORBIDDEN, "path", "'%.100s' is on another host than %s; keys are not sent there",
                         "“%.100s”与 %s 不是同一主机，不会向其发送密钥", target, l->s->url);
    return 0;
}

static int make_ticket(struct http_link *l, const struct http_link_call *c, struct http_ticket **ret, struct error *e)
{
    char url[LINK_URL_MAX];
    int rc = url_of(l, c->target, url, sizeof url, e);
    if (rc) return rc;
    struct http_ticket *t = mem_calloc(1, sizeof *t);
    if (!t) return no_memory(e);
    t->l = l;
    t->url = mem_strdup(url);
    t->method = mem_strdup(c->method ? c->method : "GET");
    t->body = c->body.p ? mem_dup(c->body.p, c->body.n + !c->body.n) : NULL;
    t->body_n = c->body.n;
    t->once = c->once;
    t->urgent = c->urgent;
    t->deadline_ns = c->deadline_ns;
    t->timeout_ms = c->timeout_ms ? c->timeout_ms : l->s->timeout_ms;
    if (!t->url || !t->method || (c->body.p && !t->body) || !copy_headers(l, t, c->headers)) {
        ticket_free(t);
        return no_memory(e);
    }
    *ret = t;
    return 0;
}

int http_link_ask(struct http_link *l, const struct http_link_call *c, http_done *done, void *arg,
                  struct http_ticket **ret, struct error *e)
{
    struct http_ticket *t = NULL;
    if (l->closing) return error_set(e, ERR_CLOSED, "", "closed", "已关闭");
    if (l->waiting >= LINK_WAITING_MAX)
        return error_set(e, ERR_LIMIT, "", "%d requests wait already; the server is too slow for the periods",
                         "已有 %d 个请求在等待；服务器跟不上采集周期", LINK_WAITING_MAX);
    int rc = make_ticket(l, c, &t, e);
    if (rc) return rc;
    t->done = done;
    t->arg = arg;
    put_waiting(l, t);
    if (ret) *ret = t;
    wake(l, 0);
    return 0;
}

static void unlink_waiting(struct http_link *l, struct http_ticket *t)
{
    struct http_ticket *before = NULL;
    for (struct http_ticket *x = l->first; x != t; x = x->next) before = x;
    if (before)
        before->next = t->next;
    else
        l->first = t->next;
    if (l->last == t) l->last = before;
    l->waiting--;
}

void http_link_cancel(struct http_ticket *t)
{
    struct http_link *l = t->l;
    if (t->flight) {
        http_multi_cancel(t->flight);
        l->flying[t->place] = NULL;
        l->inflight--;
    } else
        unlink_waiting(l, t);
    ticket_free(t);
    wake(l, 0);
}

/* ---- on its way ---- */

static void pause_for(struct http_link *l, const struct http_reply *r)
{
    if (r->status != 429 && r->status != 503) return;
    int64_t s = http_retry_after_s(http_reply_header(r, "retry-after"), l->host.now_us(l->host.ctx));
    if (s <= 0) return;
    uint64_t until = link_now(l) + (uint64_t)(s < LINK_PAUSE_MAX_S ? s : LINK_PAUSE_MAX_S) * 1000000000u;
    if (until > l->pause_ns) l->pause_ns = until;
}

static void came(void *arg, const struct http_end *end)
{
    struct http_ticket *t = arg;
    struct http_link *l = t->l;
    l->flying[t->place] = NULL;
    l->inflight--;
    t->flight = NULL;
    link_frame_in(l, t, end);
    if (end->reply) pause_for(l, end->reply);
    if (end->reply && end->reply->status == 401 && l->s->auth == AUTH_OAUTH2 && !t->again && !l->closing) {
        link_token_forget(l);
        t->again = t->urgent = true;
        put_waiting(l, t);
    } else
        end_ticket(t, end);
    link_pump(l);
}

static const char *with_key(const struct http_link *l, const struct http_ticket *t, char *out, size_t cap)
{
    const char *query = l->s->auth_query;
    if (!query) return t->url;
    int n = snprintf(out, cap, "%s%c%s", t->url, strchr(t->url, '?') ? '&' : '?', query);
    return (size_t)n < cap ? out : NULL;
}

/* The headers of the ticket and that of the authentication; the caller frees the array. */
static const char **headers_of(const struct http_link *l, const struct http_ticket *t)
{
    size_t n = 0;
    const char *auth = l->s->auth == AUTH_OAUTH2 ? l->token_header : l->s->auth_header;
    while (t->headers[n]) n++;
    const char **all = mem_calloc(n + 2, sizeof *all);
    if (!all) return NULL;
    for (size_t i = 0; i < n; i++) all[i] = t->headers[i];
    all[n] = auth;
    return all;
}

static void send_ticket(struct http_link *l, struct http_ticket *t)
{
    struct error e = {0};
    char url[LINK_URL_MAX + 16384];
    AUTO_FREE const char **headers = headers_of(l, t);
    struct http_ask q = {.method = t->method,
                         .url = with_key(l, t, url, sizeof url),
                         .headers = headers,
                         .body = {t->body, t->body_n},
                         .timeout_ms = t->timeout_ms,
                         .answer_max = l->s->answer_max,
                         .redirects = LINK_REDIRECTS,
                         .once = t->once};
    while (l->flying[t->place]) t->place++;
    int rc = headers && q.url ? http_multi_ask(l->multi, &q, came, t, &t->flight, &e) : no_memory(&e);
    if (rc) {
        fail_ticket(t, &e);
        return;
    }
    l->flying[t->place] = t;
    l->inflight++;
    link_frame_out(l, t);
}

static struct http_ticket *expired(struct http_link *l, uint64_t now)
{
    for (struct http_ticket *t = l->first; t; t = t->next)
        if (t->deadline_ns && now > t->deadline_ns) return t;
    return NULL;
}

static void expire(struct http_link *l)
{
    struct error e = {0};
    struct http_ticket *t;
    error_set(&e, ERR_TIMEOUT, "", "it was not sent in time; nothing was changed", "未在期限内发出，未作任何更改");
    while ((t = expired(l, link_now(l))) != NULL) {
        unlink_waiting(l, t);
        fail_ticket(t, &e);
    }
}

static uint64_t not_before(const struct http_link *l)
{
    return l->pause_ns > l->next_ns ? l->pause_ns : l->next_ns;
}

static void plan(struct http_link *l, uint64_t now)
{
    uint64_t at = UINT64_MAX;
    if (l->first && l->inflight < l->s->parallel && l->token != TOKEN_ASKED) at = not_before(l);
    for (struct http_ticket *t = l->first; t; t = t->next)
        if (t->deadline_ns && t->deadline_ns + 1 < at) at = t->deadline_ns + 1;
    if (at == UINT64_MAX)
        uv_timer_stop(&l->timer);
    else
        wake(l, at > now ? (at - now + 999999) / 1000000 : 0);
}

void link_pump(struct http_link *l)
{
    if (l->closing || l->pumping) return;
    l->pumping = true;
    expire(l);
    while (!l->closing && l->first && l->inflight < l->s->parallel) {
        uint64_t now = link_now(l);
        if (now < not_before(l) || !link_token_ready(l) || !l->first) break;
        struct http_ticket *t = take_first(l);
        t->place = 0;
        l->next_ns = now + l->s->gap_ns;
        send_ticket(l, t);
    }
    l->pumping = false;
    if (!l->closing) plan(l, link_now(l));
}

void http_link_drop_idle(struct http_link *l)
{
    if (!l->closing && !l->waiting && !l->inflight) http_multi_drop_idle(l->multi);
}

unsigned http_link_waiting(const struct http_link *l)
{
    return l->waiting + l->inflight;
}

int64_t http_link_paused_ms(const struct http_link *l)
{
    uint64_t now = link_now(l);
    return l->pause_ns > now ? (int64_t)((l->pause_ns - now + 999999) / 1000000) : 0;
}

const char *http_link_url(const struct http_link *l)
{
    return l->s->url;
}

/* ---- life ---- */

int http_link_new(const struct http_link_host *host, const struct options *o, struct http_link **ret, struct error *e)
{
    struct http_link *l = mem_calloc(1, sizeof *l);
    if (!l) return no_memory(e);
    l->host = *host;
    int rc = http_settings_new(o, &l->s, e);
    if (!rc) rc = http_multi_new(host->loop, &l->s->multi, &l->multi, e);
    if (rc && e && strcmp(e->where, "ca") == 0) snprintf(e->where, sizeof e->where, "tls_ca");
    if (rc && e && strcmp(e->where, "certificate") == 0) snprintf(e->where, sizeof e->where, "tls_certificate");
    if (rc && e && strcmp(e->where, "key") == 0) snprintf(e->where, sizeof e->where, "tls_key");
    if (rc) {
        http_settings_free(l->s);
        mem_free(l);
        return rc;
    }
    uv_timer_init(host->loop, &l->timer);
    l->timer.data = l;
    l->open = 2;
    *ret = l;
    return 0;
}

static void part_closed(void *arg)
{
    struct http_link *l = arg;
    if (--l->open) return;
    void (*closed)(void *arg) = l->closed;
    void *closed_arg = l->closed_arg;
    http_settings_free(l->s);
    mem_free(l->token_header);
    mem_free(l);
    closed(closed_arg);
}

static void timer_closed(uv_handle_t *h)
{
    part_closed(h->data);
}

void http_link_close(struct http_link *l, void (*closed)(void *arg), void *arg)
{
    struct error e = {0};
    if (!l) {
        closed(arg);
        return;
    }
    l->closing = true;
    l->closed = closed;
    l->closed_arg = arg;
    error_set(&e, ERR_CANCELLED, "", "cancelled", "已取消");
    http_multi_close(l->multi, part_closed, l);
    link_fail_waiting(l, &e);
    uv_close((uv_handle_t *)&l->timer, timer_closed);
}
