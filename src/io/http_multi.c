/* http_multi.c - libcurl's multi interface on a libuv loop (http_multi.h).
 *
 * libcurl names the sockets to watch (uv_poll) and the next time to be called (uv_timer); each event is handed to
 * curl_multi_socket_action, and after that, outside of libcurl, the calls that ended are taken from it. Poll handles
 * belong to the client and are counted, since they outlive what closed them until the loop's next turn. */
#include "io/http_multi.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <sys/socket.h>
#include "base/mem.h"
#include "io/tls_int.h"

#define HEADERS_ROOM (64u << 10)
#define HEADERS_MAX 200

struct http_multi {
    uv_loop_t *loop;
    CURLM *curl; /* NULL: closed */
    uv_timer_t timer;
    unsigned handles; /* that are not closed yet */
    struct http_flight *flights;
    char *ca, *cert, *key, *proxy, *proxy_user, *proxy_password;
    bool insecure, closing, used; /* used: connections may stand idle */
    unsigned connections_max;
    uint32_t connect_ms;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct http_flight {
    struct http_multi *m;
    struct http_flight *prev, *next;
    CURL *h;
    struct curl_slist *headers;
    char *url, *method, *body;
    size_t body_n;
    unsigned redirects;
    bool sent, head_too_large, metadata;
    uint64_t began_ns, deadline_ns;
    uint64_t bytes_in, bytes_out; /* of the redirects before */
    struct arena arena;
    struct http_header header[HEADERS_MAX];
    size_t nheaders;
    struct buf answer;
    http_done *done;
    void *arg;
    char why[CURL_ERROR_SIZE];
};

struct watch {
    uv_poll_t poll;
    struct http_multi *m;
    curl_socket_t fd;
};

/* ---- errors ---- */

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* Without the query: keys may stand there. */
static struct str shown(const char *url)
{
    struct str s = str_of(url);
    return str_sub(str_cut(&s, '?'), 0, 120);
}

static const struct {
    CURLcode code;
    int err;
} codes[] = {
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT},
    {CURLE_URL_MALFORMAT, ERR_INVALID},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID},
    {CURLE_OUT_OF_MEMORY, ERR_NOMEM},
    {CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL},
    {CURLE_GOT_NOTHING, ERR_CLOSED},
    {CURLE_PARTIAL_FILE, ERR_CLOSED},
    {CURLE_RECV_ERROR, ERR_CLOSED},
    {CURLE_SEND_ERROR, ERR_CLOSED},
    {CURLE_BAD_CONTENT_ENCODING, ERR_PROTOCOL},
    {CURLE_HTTP2, ERR_PROTOCOL},
    {CURLE_HTTP2_STREAM, ERR_PROTOCOL},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID},
};

static int certificate_fault(const struct http_flight *f, const char *why, struct error *e)
{
    struct str url = shown(f->url);
    return error_set(e, ERR_UNAVAILABLE, "tls_ca",
                     "%.*s: the server's certificate is not trusted (%s); enter the certificate of its authority",
                     "%.*s：服务器证书不受信任（%s）；请填写其 CA 证书", STR_ARG(url), why);
}

static int fault(const struct http_flight *f, CURLcode code, struct error *e)
{
    struct str url = shown(f->url);
    const char *why = f->why[0] ? f->why : curl_easy_strerror(code);
    int err = ERR_UNAVAILABLE;
    if (f->answer.err == ERR_TOO_LARGE)
        return error_set(e, ERR_TOO_LARGE, "", "%.*s: the answer is larger than %zu bytes", "%.*s：应答超过 %zu 字节",
                         STR_ARG(url), f->answer.max);
    if (f->metadata)
        return error_set(e, ERR_FORBIDDEN, "url", "%.*s leads to the metadata service of a cloud, which is never asked",
                         "%.*s 指向云主机的元数据服务，不允许访问", STR_ARG(url));
    if (f->head_too_large)
        return error_set(e, ERR_TOO_LARGE, "", "%.*s: the headers of the answer are larger than 64 KiB",
                         "%.*s：应答头超过 64 KiB", STR_ARG(url));
    if (code == CURLE_PEER_FAILED_VERIFICATION) return certificate_fault(f, why, e);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code) err = codes[i].err;
    return error_set(e, err, "", "%.*s: %s", "%.*s：%s", STR_ARG(url), why);
}

/* ---- what comes back ---- */

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct http_flight *f = ctx;
    buf_add(&f->answer, p, size * n);
    return f->answer.err ? 0 : size * n;
}

static void forget_answer(struct http_flight *f)
{
    arena_reset(&f->arena);
    buf_clear(&f->answer);
    f->nheaders = 0;
}

static bool keep_header(struct http_flight *f, struct str name, struct str value)
{
    if (f->nheaders == HEADERS_MAX) return false;
    char *n = arena_strdup(&f->arena, name), *v = arena_strdup(&f->arena, value);
    if (!n || !v) return false;
    for (char *c = n; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c |= 32;
    f->header[f->nheaders++] = (struct http_header){str_make(n, name.n), str_make(v, value.n)};
    return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct http_flight *f = ctx;
    struct str line = str_make(p, size * n);
    if (str_starts(line, STR("HTTP/"))) forget_answer(f);
    struct str name = str_trim(str_cut(&line, ':'));
    if (!line.p) return size * n;
    f->head_too_large = !keep_header(f, name, str_trim(line));
    return f->head_too_large ? 0 : size * n;
}

struct str http_reply_header(const struct http_reply *r, const char *name)
{
    for (size_t i = 0; i < r->nheaders; i++)
        if (str_is(r->headers[i].name, name)) return r->headers[i].value;
    return STR_NULL;
}

/* ---- a call ---- */

/* Where clouds hand out the credentials of their machines: no device lives there. Looked at when the connection is
 * made, so that neither a name nor a spelling of the address gets around it. */
static bool is_metadata(const struct sockaddr *sa)
{
    static const uint8_t v4[] = {169, 254, 169, 254}, mapped[12] = {[10] = 0xff, [11] = 0xff},
                         v6[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
    if (sa->sa_family == AF_INET) return memcmp(&((const struct sockaddr_in *)sa)->sin_addr, v4, sizeof v4) == 0;
    if (sa->sa_family != AF_INET6) return false;
    const uint8_t *a = ((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr;
    return memcmp(a, v6, sizeof v6) == 0 ||
           (memcmp(a, mapped, sizeof mapped) == 0 && memcmp(a + 12, v4, sizeof v4) == 0);
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct http_flight *f = ctx;
    f->metadata = is_metadata(&a->addr);
    return f->metadata ? CURL_SOCKET_BAD : socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static CURLcode on_ssl(CURL *h, void *ctx, void *arg)
{
    const struct http_multi *m = arg;
    struct error e;
    int rc = m->ca && !m->insecure ? tls_pem_authorities(ctx, m->ca, false, &e) : 0;
    if (!rc && m->cert) rc = tls_pem_own(ctx, m->cert, m->key, &e);
    return rc ? CURLE_SSL_CERTPROBLEM : CURLE_OK;
}

static void set_tls(const struct http_multi *m, CURL *h)
{
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_SSL_CTX_FUNCTION, on_ssl);
    curl_easy_setopt(h, CURLOPT_SSL_CTX_DATA, (void *)(uintptr_t)m);
    if (m->ca) {
        curl_easy_setopt(h, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    }
    if (!m->insecure) return;
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
}

static bool wants_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static void set_request(struct http_flight *f)
{
    bool body = f->body || wants_body(f->method), head = strcmp(f->method, "HEAD") == 0;
    curl_easy_setopt(f->h, CURLOPT_URL, f->url);
    curl_easy_setopt(f->h, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(f->h, CURLOPT_NOBODY, head ? 1L : 0L);
    if (body) {
        curl_easy_setopt(f->h, CURLOPT_POSTFIELDS, f->body ? f->body : "");
        curl_easy_setopt(f->h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body_n);
    }
    curl_easy_setopt(f->h, CURLOPT_CUSTOMREQUEST, head || (!body && strcmp(f->method, "GET") == 0) ? NULL : f->method);
}

static void set_proxy(const struct http_multi *m, CURL *h)
{
    curl_easy_setopt(h, CURLOPT_PROXY, m->proxy ? m->proxy : ""); /* never that of the environment */
    if (!m->proxy) return;
    curl_easy_setopt(h, CURLOPT_NOPROXY, "");
    curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (!m->proxy_user) return;
    curl_easy_setopt(h, CURLOPT_PROXYUSERNAME, m->proxy_user);
    curl_easy_setopt(h, CURLOPT_PROXYPASSWORD, m->proxy_password ? m->proxy_password : "");
}

static void set_options(struct http_flight *f, const struct http_ask *q)
{
    CURL *h = f->h;
    curl_easy_setopt(h, CURLOPT_PRIVATE, f);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, f->why);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a resolver that is at work */
    set_proxy(f->m, h);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, f);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)f->m->connect_ms);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(q->timeout_ms ? q->timeout_ms : 10000));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, f->headers);
    if (q->once) curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
    set_tls(f->m, h);
    set_request(f);
}

static void flight_free(struct http_flight *f)
{
    if (f->h) curl_easy_cleanup(f->h);
    curl_slist_free_all(f->headers);
    buf_fini(&f->answer);
    arena_fini(&f->arena);
    mem_free(f->url);
    mem_free(f->method);
    mem_free(f->body);
    mem_free(f);
}

static bool copy_ask(struct http_flight *f, const struct http_ask *q)
{
    f->url = mem_strdup(q->url);
    f->method = mem_strdup(q->method ? q->method : "GET");
    f->body = q->body.p ? mem_dup(q->body.p, q->body.n ? q->body.n : 1) : NULL;
    f->body_n = q->body.n;
    f->headers = curl_slist_append(NULL, "Expect:");
    f->h = curl_easy_init();
    bool ok = f->headers != NULL, typed = false;
    for (size_t i = 0; ok && q->headers && q->headers[i]; i++) {
        ok = curl_slist_append(f->headers, q->headers[i]) != NULL;
        typed |= str_ieq(str_sub(str_of(q->headers[i]), 0, 13), STR("content-type:"));
    }
    if (ok && !typed) ok = curl_slist_append(f->headers, "Content-Type:") != NULL; /* not the one of forms */
    return ok && f->url && f->method && f->h && (f->body || !q->body.p);
}

static void unlink_flight(struct http_flight *f)
{
    struct http_multi *m = f->m;
    if (f->prev)
        f->prev->next = f->next;
    else
        m->flights = f->next;
    if (f->next) f->next->prev = f->prev;
    curl_multi_remove_handle(m->curl, f->h);
}

static void link_flight(struct http_flight *f)
{
    struct http_multi *m = f->m;
    f->next = m->flights;
    if (f->next) f->next->prev = f;
    m->flights = f;
}

int http_multi_ask(struct http_multi *m, const struct http_ask *q, http_done *done, void *arg, struct http_flight **ret,
                   struct error *e)
{
    if (m->closing) return error_set(e, ERR_CLOSED, "", "closed", "已关闭");
    struct http_flight *f = mem_calloc(1, sizeof *f);
    if (!f) return no_memory(e);
    f->m = m;
    f->done = done;
    f->arg = arg;
    f->redirects = q->redirects;
    f->began_ns = uv_hrtime();
    f->deadline_ns = f->began_ns + (uint64_t)(q->timeout_ms ? q->timeout_ms : 10000) * 1000000;
    arena_init(&f->arena, HEADERS_ROOM);
    buf_init(&f->answer, q->answer_max ? q->answer_max : 16u << 20);
    bool ok = copy_ask(f, q);
    if (ok) set_options(f, q);
    if (!ok || curl_multi_add_handle(m->curl, f->h)) {
        flight_free(f);
        return no_memory(e);
    }
    link_flight(f);
    m->used = true;
    if (ret) *ret = f;
    return 0;
}

void http_multi_cancel(struct http_flight *f)
{
    unlink_flight(f);
    flight_free(f);
}

/* ---- ends ---- */

static void count_bytes(struct http_flight *f)
{
    curl_off_t down = 0, up = 0;
    long head = 0, request = 0;
    curl_easy_getinfo(f->h, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(f->h, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(f->h, CURLINFO_HEADER_SIZE, &head);
    curl_easy_getinfo(f->h, CURLINFO_REQUEST_SIZE, &request);
    f->bytes_in += (uint64_t)down + (uint64_t)head;
    f->bytes_out += (uint64_t)up + (uint64_t)request;
    f->sent |= request > 0;
}

/* Out of all lists; the owner is told. */
static void finish(struct http_flight *f, int status, const struct error *e)
{
    const struct http_reply r = {status, f->header, f->nheaders, buf_view(&f->answer)};
    const struct http_end end = {.reply = e ? NULL : &r,
                                 .error = e,
                                 .sent = f->sent,
                                 .ms = (uint32_t)((uv_hrtime() - f->began_ns) / 1000000),
                                 .bytes_in = f->bytes_in,
                                 .bytes_out = f->bytes_out};
    f->done(f->arg, &end);
    flight_free(f);
}

static int redirect_fault(const struct http_flight *f, const char *to, struct error *e)
{
    struct str from = shown(f->url), at = shown(to);
    return error_set(e, ERR_FORBIDDEN, "url",
                     "%.*s redirects to %.*s: only addresses of the same host are followed; if that is right, enter it "
                     "as the address",
                     "%.*s 重定向到 %.*s：只跟随同一主机的地址；若确认无误，请直接填写该地址", STR_ARG(from),
                     STR_ARG(at));
}

static bool redirects(const struct http_flight *f, long status)
{
    bool plain = strcmp(f->method, "GET") == 0 || strcmp(f->method, "HEAD") == 0;
    return status == 307 || status == 308 || (plain && (status == 301 || status == 302 || status == 303));
}

/* 1: another request is on its way; 0: the answer stands; negative: *e */
static int follow(struct http_flight *f, long status, struct error *e)
{
    char *to = NULL;
    if (!redirects(f, status) || curl_easy_getinfo(f->h, CURLINFO_REDIRECT_URL, &to) || !to) return 0;
    if (!http_url_same_host(f->url, to)) return redirect_fault(f, to, e);
    struct str url = shown(f->url);
    if (!f->redirects)
        return error_set(e, ERR_FORBIDDEN, "url", "%.*s: too many redirects", "%.*s：重定向次数过多", STR_ARG(url));
    char *copy = mem_strdup(to);
    uint64_t now = uv_hrtime();
    if (!copy) return no_memory(e);
    if (now >= f->deadline_ns) {
        mem_free(copy);
        return error_set(e, ERR_TIMEOUT, "", "%.*s: timed out after redirects", "%.*s：重定向后超时", STR_ARG(url));
    }
    curl_multi_remove_handle(f->m->curl, f->h);
    mem_free(f->url);
    f->url = copy;
    f->redirects--;
    forget_answer(f);
    curl_easy_setopt(f->h, CURLOPT_TIMEOUT_MS, (long)((f->deadline_ns - now) / 1000000 + 1));
    set_request(f);
    return curl_multi_add_handle(f->m->curl, f->h) ? no_memory(e) : 1;
}

static void ended(struct http_flight *f, CURLcode code)
{
    struct error e = {0};
    long status = 0;
    count_bytes(f);
    curl_easy_getinfo(f->h, CURLINFO_RESPONSE_CODE, &status);
    int rc = code ? fault(f, code, &e) : follow(f, status, &e);
    if (rc == 1) return;
    unlink_flight(f);
    finish(f, (int)status, rc ? &e : NULL);
}

static void take_ended(struct http_multi *m)
{
    int left;
    CURLMsg *msg;
    while (m->curl && (msg = curl_multi_info_read(m->curl, &left)) != NULL) {
        struct http_flight *f = NULL;
        CURLcode code = msg->data.result;
        if (msg->msg == CURLMSG_DONE && !curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &f)) ended(f, code);
    }
}

/* ---- the loop ---- */

static void multi_free(struct http_multi *m)
{
    char *texts[] = {m->ca, m->cert, m->key, m->proxy, m->proxy_user, m->proxy_password};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) mem_free(texts[i]);
    mem_free(m);
}

static void handle_gone(struct http_multi *m)
{
    if (--m->handles || m->curl) return;
    void (*closed)(void *arg) = m->closed;
    void *arg = m->closed_arg;
    multi_free(m);
    if (closed) closed(arg);
}

static void watch_closed(uv_handle_t *h)
{
    struct watch *w = h->data;
    struct http_multi *m = w->m;
    mem_free(w);
    handle_gone(m);
}

static void timer_closed(uv_handle_t *h)
{
    handle_gone(h->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct watch *w = p->data;
    struct http_multi *m = w->m;
    int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(m->curl, w->fd, flags, &running);
    take_ended(m);
}

static void on_timer(uv_timer_t *t)
{
    struct http_multi *m = t->data;
    int running;
    curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(m);
}

static int on_timeout(CURLM *curl, long ms, void *ctx)
{
    struct http_multi *m = ctx;
    if (ms < 0) return uv_timer_stop(&m->timer);
    uv_update_time(m->loop);
    return uv_timer_start(&m->timer, on_timer, (uint64_t)ms, 0);
}

static struct watch *watch_new(struct http_multi *m, curl_socket_t fd)
{
    struct watch *w = mem_calloc(1, sizeof *w);
    if (!w) return NULL;
    w->m = m;
    w->fd = fd;
    w->poll.data = w;
    if (uv_poll_init_socket(m->loop, &w->poll, fd)) {
        mem_free(w);
        return NULL;
    }
    m->handles++;
    curl_multi_assign(m->curl, fd, w);
    return w;
}

static int on_socket(CURL *h, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_multi *m = ctx;
    struct watch *w = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (!w) return 0;
        uv_poll_stop(&w->poll);
        curl_multi_assign(m->curl, fd, NULL);
        uv_close((uv_handle_t *)&w->poll, watch_closed);
        return 0;
    }
    if (!w) w = watch_new(m, fd);
    if (!w) return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_poll) ? -1 : 0;
}

/* ---- making, closing ---- */

static void curl_once(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool given(const char *z)
{
    return z && z[0];
}

static int check_tls(const struct http_multi_config *c, struct error *e)
{
    const struct tls_client_config t = {
        c->insecure ? NULL : c->ca_pem, c->cert_pem, c->key_pem, !c->insecure, NULL, NULL};
    struct tls_client *client = NULL;
    if (!given(c->ca_pem) && !given(c->cert_pem) && !given(c->key_pem)) return 0;
    int rc = tls_client_new(&t, &client, e);
    tls_client_free(rc ? NULL : client);
    return rc;
}

static bool copy(const char *z, char **ret)
{
    *ret = given(z) ? mem_strdup(z) : NULL;
    return *ret || !given(z);
}

static CURLM *new_curl(struct http_multi *m)
{
    CURLM *c = curl_multi_init();
    if (!c) return NULL;
    curl_multi_setopt(c, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(c, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(c, CURLMOPT_TIMERDATA, m);
    curl_multi_setopt(c, CURLMOPT_MAX_HOST_CONNECTIONS, (long)m->connections_max);
    return c;
}

static bool set_up(struct http_multi *m, const struct http_multi_config *c)
{
    m->insecure = c->insecure;
    m->connections_max = c->connections_max ? c->connections_max : 8;
    m->connect_ms = c->connect_ms ? c->connect_ms : 10000;
    m->curl = new_curl(m);
    return copy(c->ca_pem, &m->ca) && copy(c->cert_pem, &m->cert) && copy(c->key_pem, &m->key) &&
           copy(c->proxy, &m->proxy) && copy(c->proxy_user, &m->proxy_user) &&
           copy(c->proxy_password, &m->proxy_password) && m->curl;
}

void http_multi_drop_idle(struct http_multi *m)
{
    CURLM *fresh = m->used && !m->flights && !m->closing ? new_curl(m) : NULL;
    if (!fresh) return;
    CURLM *old = m->curl;
    m->curl = fresh;
    m->used = false;
    uv_timer_stop(&m->timer);
    curl_multi_cleanup(old); /* closes what stood idle */
}

int http_multi_new(uv_loop_t *loop, const struct http_multi_config *c, struct http_multi **ret, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_once);
    int rc = check_tls(c, e);
    if (rc) return rc;
    struct http_multi *m = mem_calloc(1, sizeof *m);
    if (!m) return no_memory(e);
    m->loop = loop;
    if (!set_up(m, c)) {
        if (m->curl) curl_multi_cleanup(m->curl);
        multi_free(m);
        return no_memory(e);
    }
    uv_timer_init(loop, &m->timer);
    m->timer.data = m;
    m->handles = 1;
    *ret = m;
    return 0;
}

void http_multi_close(struct http_multi *m, void (*closed)(void *arg), void *arg)
{
    struct error e = {0};
    if (!m) {
        closed(arg);
        return;
    }
    m->closed = closed;
    m->closed_arg = arg;
    m->closing = true;
    error_set(&e, ERR_CANCELLED, "", "cancelled", "已取消");
    while (m->flights) {
        struct http_flight *f = m->flights;
        count_bytes(f);
        unlink_flight(f);
        finish(f, 0, &e);
    }
    CURLM *curl = m->curl;
    curl_multi_cleanup(curl);
    m->curl = NULL;
    uv_close((uv_handle_t *)&m->timer, timer_closed);
}
