/* http_client.c - blocking HTTP calls over libcurl, for worker threads.
 *
 * One handle a call: nothing is shared between threads; a http_keep only stores idle handles, whose connections the
 * next call takes over. Only http and https, also after redirects (at
 * most 5). The address filter looks at the address that is really connected to, so that neither DNS nor
 * a redirect nor an odd spelling of an address gets around it. */
#include "io/http_client.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

struct answer {
    struct buf body;
    bool refused, too_large;
    char address[INET6_ADDRSTRLEN];
};

static void curl_once(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct answer *a = ctx;
    buf_add(&a->body, p, size * n);
    if (a->body.err == ERR_TOO_LARGE) a->too_large = true;
    return a->body.err ? 0 : size * n;
}

struct net {
    uint8_t bytes[16];
    unsigned bits;
};

static bool in_nets(const uint8_t *addr, const struct net *nets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned whole = nets[i].bits / 8, rest = nets[i].bits % 8;
        if (memcmp(addr, nets[i].bytes, whole) != 0) continue;
        if (rest == 0 || (addr[whole] ^ nets[i].bytes[whole]) >> (8 - rest) == 0) return true;
    }
    return false;
}

/* IANA special-purpose registries: what is not meant to be reached on behalf of someone else. */
static bool local_v4(const uint8_t *addr)
{
    static const struct net nets[] = {
        {{0}, 8},          {{10}, 8},        {{100, 64}, 10}, {{127}, 8}, {{169, 254}, 16}, {{172, 16}, 12},
        {{192, 0, 0}, 24}, {{192, 168}, 16}, {{198, 18}, 15}, {{224}, 4}, {{240}, 4},
    };
    return in_nets(addr, nets, sizeof nets / sizeof *nets);
}

static bool local_v6(const uint8_t *addr)
{
    static const struct net nets[] = {
        {{0}, 127},         /* :: and ::1 */
        {{0xfc}, 7},        /* unique local */
        {{0xfe, 0x80}, 10}, /* link-local */
        {{0xfe, 0xc0}, 10}, /* site-local, old */
        {{0xff}, 8},        /* multicast */
    };
    static const struct net v4_inside[] = {
        {{[10] = 0xff, [11] = 0xff}, 96}, /* mapped */
        {{0}, 96},                        /* compatible, old */
        {{0x00, 0x64, 0xff, 0x9b}, 96},   /* NAT64 */
    };
    if (in_nets(addr, nets, sizeof nets / sizeof *nets)) return true;
    if (in_nets(addr, v4_inside, sizeof v4_inside / sizeof *v4_inside)) return local_v4(addr + 12);
    return addr[0] == 0x20 && addr[1] == 0x02 && local_v4(addr + 2); /* 6to4 */
}

static bool is_local(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) return local_v4((const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr);
    if (sa->sa_family == AF_INET6) return local_v6(((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr);
    return true;
}

static curl_socket_t open_checked(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct answer *ans = ctx;
    if (is_local(&a->addr)) {
        const void *addr = a->family == AF_INET6 ? (const void *)&((struct sockaddr_in6 *)&a->addr)->sin6_addr
                                                 : (const void *)&((struct sockaddr_in *)&a->addr)->sin_addr;
        ans->refused = true;
        if (!inet_ntop(a->family, addr, ans->address, sizeof ans->address)) ans->address[0] = '\0';
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static int on_progress(void *ctx, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total, curl_off_t ul)
{
    const _Atomic bool *cancel = ctx;
    return *cancel;
}

static struct curl_slist *header_list(const struct http_call *c)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; c->headers && c->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(list, c->headers[i]);
        if (longer) list = longer;
    }
    return list;
}

static void set_method(CURL *h, const struct http_call *c)
{
    const char *method = c->method ? c->method : "GET";
    if (c->body.n) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body.p);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
    }
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    else if (c->body.n || strcmp(method, "GET") != 0)
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
}

static void set_options(CURL *h, const struct http_call *c, struct answer *a, char *why)
{
    curl_easy_setopt(h, CURLOPT_URL, c->url);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(h, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(c->timeout_ms ? c->timeout_ms : 10000));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->ca_file) curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
    if (c->insecure) {
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (c->refuse_local) {
        curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_checked);
        curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, a);
        curl_easy_setopt(h, CURLOPT_PROXY, ""); /* a proxy would connect in our place */
    }
    if (c->cancel) {
        curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(h, CURLOPT_XFERINFODATA, (void *)(uintptr_t)c->cancel);
        curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    }
    set_method(h, c);
}

static int fault(const struct http_call *c, const struct answer *a, CURLcode code, const char *why, struct error *e)
{
    if (a->refused)
        return error_set(e, ERR_FORBIDDEN, "url",
                         "%s leads to %s, a local or private address, which is not permitted here",
                         "%s 指向本地或内网地址 %s，此处不允许", c->url, a->address);
    if (a->too_large)
        return error_set(e, ERR_TOO_LARGE, "url", "the answer of %s is larger than %zu bytes", "%s 的应答超过 %zu 字节",
                         c->url, a->body.max);
    int err = code == CURLE_OPERATION_TIMEDOUT                                    ? ERR_TIMEOUT
              : code == CURLE_ABORTED_BY_CALLBACK                                 ? ERR_CANCELLED
              : code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ? ERR_INVALID
              : code == CURLE_OUT_OF_MEMORY                                       ? ERR_NOMEM
                                                                                  : ERR_UNAVAILABLE;
    return error_set(e, err, "url", "%s: %s", "%s：%s", c->url, why[0] ? why : curl_easy_strerror(code));
}

static int take_answer(CURL *h, struct arena *arena, struct answer *a, struct http_answer *ret, struct error *e)
{
    long status = 0;
    const char *type = NULL;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h, CURLINFO_CONTENT_TYPE, &type);
    struct str body = a->body.n ? arena_str(arena, buf_view(&a->body)) : STR("");
    struct str content_type = type ? arena_str(arena, str_of(type)) : STR("");
    if (!body.p || !content_type.p) return error_set(e, ERR_NOMEM, "url", "no room for the answer", "应答内存不足");
    *ret = (struct http_answer){(int)status, body, content_type};
    return 0;
}

/* ------------------------------------------------------------------ connections that stay */

#define IDLE_MAX 16
struct http_keep {
    pthread_mutex_t lock;
    CURL *idle[IDLE_MAX]; /* under lock */
    size_t n;
};

struct http_keep *http_keep_new(void)
{
    struct http_keep *k = mem_calloc(1, sizeof *k);
    if (k) pthread_mutex_init(&k->lock, NULL);
    return k;
}

void http_keep_free(struct http_keep *k)
{
    if (!k) return;
    while (k->n) curl_easy_cleanup(k->idle[--k->n]);
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
}

static CURL *handle_take(struct http_keep *k)
{
    CURL *h = NULL;
    if (!k) return curl_easy_init();
    pthread_mutex_lock(&k->lock);
    if (k->n) h = k->idle[--k->n];
    pthread_mutex_unlock(&k->lock);
    return h ? h : curl_easy_init();
}

static void handle_give(struct http_keep *k, CURL *h)
{
    bool kept = false;
    if (k && h) {
        curl_easy_reset(h);
        pthread_mutex_lock(&k->lock);
        kept = k->n < IDLE_MAX;
        if (kept) k->idle[k->n++] = h;
        pthread_mutex_unlock(&k->lock);
    }
    if (!kept) curl_easy_cleanup(h);
}

int http_call(struct arena *arena, const struct http_call *c, struct http_answer *ret, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_once);
    char why[CURL_ERROR_SIZE] = "";
    struct answer a = {0};
    CURL *h = handle_take(c->keep);
    struct curl_slist *headers = header_list(c);
    if (!h || !headers) {
        curl_slist_free_all(headers);
        handle_give(c->keep, h);
        return error_set(e, ERR_NOMEM, "url", "no memory for the call", "调用内存不足");
    }
    buf_init(&a.body, c->answer_max ? c->answer_max : 16u << 20);
    set_options(h, c, &a, why);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(h);
    int err = code == CURLE_OK ? take_answer(h, arena, &a, ret, e) : fault(c, &a, code, why, e);
    buf_fini(&a.body);
    curl_slist_free_all(headers);
    handle_give(c->keep, h);
    return err;
}
