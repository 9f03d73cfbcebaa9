/* push.c - the sender "http_push": each batch is the body of one request (outlets/common/payload.h), sent over a link
 * with credentials and limits (drivers/common/http_link.h).
 *
 * What an answer means: 2xx, the receiver has it; 413, it never will (too large; what was joined is divided by the
 * host); other 4xx, it never will, but 401, 403, 404, 405, 407 (the configuration is wrong, the data are not), 408, 425
 * and 429, which like 5xx, a redirect and no answer at all mean: again later, after Retry-After or a back-off from 1 to
 * 10 s.
 *
 * Repeats: a batch that is sent again has the same Idempotency-Key, the hash of its body.
 *
 * Threads: all on the channel's loop. Nothing is kept of a batch but its request. */
#include <openssl/sha.h>
#include <stdio.h>
#include <zlib.h>
#include "base/encode.h"
#include "base/mem.h"
#include "drivers/common/http_link.h"
#include "drivers/common/poll.h"
#include "outlets/common/payload.h"
#include "outlets/common/points.h"
#include "outlets/http/outlet.h"

#define BODY_MAX (32u << 20)
#define NS_MS 1000000u
#define BACKOFF_MAX_MS 10000 /* what has gathered for hours should not wait for a minute */

struct push {
    struct outlet_channel base; /* first */
    struct http_link *link;
    struct payload *payload;
    struct outlet_points points;
    struct outlet_status st;
    char *path;
    const char *method;
    bool gzip, key;
    unsigned parallel, inflight;
    bool refused; /* send said ERR_AGAIN: ready is owed */
    struct backoff backoff;
    uint64_t retry_ns; /* not before */
    uv_timer_t timer;
    bool closing;
    unsigned open;
    driver_closed *closed;
    void *closed_arg;
};

struct batch {
    struct push *ch;
    uint64_t ticket;
    size_t n;
};

static uint64_t now_ns(const struct push *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ---- states ---- */

static void set_state(struct push *ch, enum driver_state s, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    snprintf(ch->st.reason, sizeof ch->st.reason, "%.*s", (int)sizeof ch->st.reason - 1, why ? why->text : "");
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (ch->st.state == s) return;
    ch->st.state = s;
    ch->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, s, why);
}

static bool may_send(const struct push *ch)
{
    return ch->inflight < ch->parallel && now_ns(ch) >= ch->retry_ns && http_link_paused_ms(ch->link) == 0;
}

static void on_timer(uv_timer_t *t);

/* Tell the host when there is room, as soon as there is. */
static void settle(struct push *ch)
{
    if (ch->closing || !ch->refused || ch->inflight >= ch->parallel) return;
    if (may_send(ch)) {
        ch->refused = false;
        ch->base.host->ready(ch->base.host->ctx);
        return;
    }
    uint64_t now = now_ns(ch);
    int64_t pause = http_link_paused_ms(ch->link),
            wait = ch->retry_ns > now ? (int64_t)((ch->retry_ns - now) / NS_MS + 1) : 1;
    uv_update_time(ch->base.host->loop);
    uv_timer_start(&ch->timer, on_timer, (uint64_t)(pause > wait ? pause : wait), 0);
}

static void on_timer(uv_timer_t *t)
{
    settle(t->data);
}

/* ---- the end of a batch ---- */

static bool try_again(int status)
{
    static const int again[] = {401, 403, 404, 405, 407, 408, 425, 429};
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        if (status == again[i]) return true;
    return status < 400 || status >= 500;
}

/* 0, or *e with the code that tells the host what to do with the batch. */
static int verdict(const struct http_end *end, struct error *e)
{
    if (end->error) {
        *e = *end->error;
        if (e->code == ERR_INVALID || e->code == ERR_TOO_LARGE)
            e->code = ERR_PROTOCOL; /* not what the batch is to blame for */
        return e->code;
    }
    int status = end->reply->status;
    if (!http_reply_error(end->reply, e)) return 0;
    e->code = try_again(status) ? (status >= 500   ? ERR_UNAVAILABLE
                                   : status == 401 ? ERR_UNAUTHENTICATED
                                                   : ERR_PROTOCOL)
              : status == 413   ? ERR_TOO_LARGE
                                : ERR_INVALID;
    return e->code;
}

static void count(struct push *ch, const struct http_end *end)
{
    uint32_t us = end->ms * 1000;
    ch->st.requests += end->sent;
    ch->st.bytes_in += end->bytes_in;
    ch->st.bytes_out += end->bytes_out;
    if (end->reply) ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + us / 8 : us;
    if (end->error && end->error->code == ERR_TIMEOUT) ch->st.timeouts++;
}

static void delivered(struct push *ch, size_t n)
{
    const struct outlet_host *h = ch->base.host;
    ch->st.items += n;
    ch->st.last_ok_us = h->now_us(h->ctx);
    backoff_reset(&ch->backoff);
    ch->retry_ns = 0;
    set_state(ch, DRIVER_UP, NULL);
}

static void refused(struct push *ch, const struct error *e)
{
    const struct outlet_host *h = ch->base.host;
    bool batch = e->code == ERR_INVALID || e->code == ERR_TOO_LARGE;
    ch->st.errors++;
    set_state(ch, batch ? DRIVER_DEGRADED : DRIVER_DOWN, e);
    if (batch || ch->retry_ns > now_ns(ch)) return; /* those that were under way beside it count as one */
    uint64_t own = now_ns(ch) + (uint64_t)backoff_next_ms(&ch->backoff, h->random(h->ctx)) * NS_MS;
    ch->retry_ns = http_link_paused_ms(ch->link) ? 0 : own; /* it has said when */
}

static void came(void *arg, const struct http_end *end)
{
    struct batch *b = arg;
    struct push *ch = b->ch;
    const struct outlet_host *h = ch->base.host;
    struct error e = {0};
    uint64_t ticket = b->ticket;
    size_t n = b->n;
    mem_free(b);
    ch->inflight--;
    count(ch, end);
    int rc = verdict(end, &e);
    if (!rc)
        delivered(ch, n);
    else if (rc != ERR_CANCELLED)
        refused(ch, &e);
    h->sent(h->ctx, ticket, rc ? &e : NULL);
    settle(ch);
}

/* ---- a batch ---- */

static int compress_body(const struct buf *in, struct buf *out)
{
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return ERR_NOMEM;
    size_t room = deflateBound(&z, in->n);
    uint8_t *p = buf_space(out, room);
    z.next_in = in->p;
    z.avail_in = (uInt)in->n;
    z.next_out = p;
    z.avail_out = (uInt)room;
    int rc = p && deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : ERR_NOMEM;
    if (!rc) out->n += room - z.avail_out;
    deflateEnd(&z);
    return rc;
}

static void hash_header(const struct buf *body, char *out, size_t cap)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct buf hex;
    buf_init(&hex, 2 * sizeof digest);
    SHA256(body->p ? body->p : (const uint8_t *)"", body->n, digest);
    hex_encode(&hex, digest, 16);
    snprintf(out, cap, "Idempotency-Key: %.*s", STR_ARG(buf_view(&hex)));
    buf_fini(&hex);
}

static int ask(struct push *ch, struct batch *b, const struct buf *plain, const struct buf *packed)
{
    char type[120], key[80];
    struct error e = {0};
    snprintf(type, sizeof type, "Content-Type: %s", payload_media_type(ch->payload));
    hash_header(plain, key, sizeof key);
    const char *headers[4] = {type};
    size_t n = 1;
    if (ch->gzip) headers[n++] = "Content-Encoding: gzip";
    if (ch->key) headers[n++] = key;
    const struct buf *body = ch->gzip ? packed : plain;
    const struct http_link_call call = {.method = ch->method,
                                        .target = ch->path,
                                        .headers = headers,
                                        .body = {body->p ? (const char *)body->p : "", body->n}};
    return http_link_ask(ch->link, &call, came, b, NULL, &e);
}

/* The body could not be made or asked for: the host is told in the way of an answer. */
static int send_batch(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
                      uint64_t ticket)
{
    struct push *ch = (struct push *)base;
    struct buf plain, packed;
    struct batch *b = may_send(ch) ? mem_calloc(1, sizeof *b) : NULL;
    if (!b) {
        ch->refused = true;
        settle(ch);
        return ERR_AGAIN;
    }
    *b = (struct batch){ch, ticket, n};
    buf_init(&plain, BODY_MAX);
    buf_init(&packed, BODY_MAX);
    int rc = payload_write(ch->payload, ch->points.at, items, n, &plain);
    if (!rc && ch->gzip) rc = compress_body(&plain, &packed);
    if (!rc) rc = ask(ch, b, &plain, &packed);
    buf_fini(&plain);
    buf_fini(&packed);
    if (!rc) {
        ch->inflight++;
        return 0;
    }
    mem_free(b);
    struct error e = {0};
    if (rc == ERR_TOO_LARGE) { /* of its own making: it would be so each time */
        error_set(&e, rc, "template", "the text of a batch is larger than %u bytes; shorten the template",
                  "一批数据的文本超过 %u 字节；请缩短模板", BODY_MAX);
        set_state(ch, DRIVER_DEGRADED, &e);
        base->host->sent(base->host->ctx, ticket, &e);
        return 0;
    }
    ch->refused = true;
    ch->retry_ns = now_ns(ch) + 1000 * (uint64_t)NS_MS;
    settle(ch);
    return ERR_AGAIN;
}

/* ---- set, test, status ---- */

static int set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct push *ch = (struct push *)base;
    struct outlet_points copy;
    if (outlet_points_copy(points, n, &copy)) return no_memory(e);
    outlet_points_fini(&ch->points);
    ch->points = copy;
    ch->st.points = (uint32_t)n;
    if (!n) set_state(ch, DRIVER_OFF, NULL);
    if (n && ch->st.state == DRIVER_OFF) set_state(ch, DRIVER_CONNECTING, NULL);
    return 0;
}

struct trying {
    struct push *ch;
    driver_test_done *done;
    void *arg;
};

/* The address is asked without data: many receivers know only POST and say 404 or 405 to that. */
static void tried(void *arg, const struct http_end *end)
{
    struct trying *t = arg;
    struct error e = {0};
    char en[200] = "", zh[200] = "";
    count(t->ch, end);
    if (end->error) e = *end->error;
    int rc = end->error ? e.code : http_reply_error(end->reply, &e);
    if (end->reply && end->reply->status != 401 && end->reply->status != 403 && end->reply->status < 500) rc = 0;
    if (end->reply) {
        snprintf(en, sizeof en, "HTTP %d from %.150s (nothing was sent)", end->reply->status,
                 http_link_url(t->ch->link));
        snprintf(zh, sizeof zh, "%.150s 应答 HTTP %d（未发送数据）", http_link_url(t->ch->link), end->reply->status);
    }
    t->done(t->arg, rc ? &e : NULL, end->ms, en, zh);
    mem_free(t);
}

static void test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct push *ch = (struct push *)base;
    struct error e = {0};
    const struct http_link_call call = {.method = "HEAD", .target = ch->path, .urgent = true};
    struct trying *t = mem_calloc(1, sizeof *t);
    if (t) *t = (struct trying){ch, done, arg};
    int rc = t ? http_link_ask(ch->link, &call, tried, t, NULL, &e) : no_memory(&e);
    if (!rc) return;
    mem_free(t);
    done(arg, &e, 0, "", "");
}

static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct push *ch = (const struct push *)base;
    *ret = ch->st;
    ret->connections = ch->inflight;
}

/* ---- addresses: any text, for ${address} ---- */

/* ---- life ---- */

static int channel_check(const struct options *o, struct error *e)
{
    struct payload *p = NULL;
    if (strpbrk(opt_str(o, "path", ""), " \t\r\n#"))
        return error_set(e, ERR_INVALID, "path", "the path holds a blank or '#'; write %%20, %%23",
                         "路径含有空格或“#”；请写作 %%20、%%23");
    int rc = payload_new(o, &p, e);
    if (rc) return rc;
    payload_free(p);
    return http_options_check(o, e);
}

static int open_parts(struct push *ch, const struct options *o, struct error *e)
{
    const struct outlet_host *h = ch->base.host;
    const struct http_link_host lh = {h->loop, h->ctx, h->now_us, h->mono_ns, h->frame, &h->trace};
    static const char *const methods[] = {"POST", "PUT"};
    ch->method = methods[opt_enum(o, "method", 0) == 1];
    ch->gzip = opt_bool(o, "gzip", false);
    ch->key = opt_bool(o, "idempotency_key", true);
    ch->parallel = (unsigned)opt_i64(o, "parallel", 4);
    ch->path = mem_strdup(opt_str(o, "path", ""));
    int rc = ch->path ? channel_check(o, e) : no_memory(e);
    if (!rc) rc = payload_new(o, &ch->payload, e);
    return rc ? rc : http_link_new(&lh, o, &ch->link, e);
}

static void push_free(struct push *ch)
{
    payload_free(ch->payload);
    outlet_points_fini(&ch->points);
    mem_free(ch->path);
    mem_free(ch);
}

static int open_channel(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret,
                        struct error *e)
{
    struct push *ch = mem_calloc(1, sizeof *ch);
    if (!ch) return no_memory(e);
    ch->base = (struct outlet_channel){&http_push_outlet, host};
    ch->backoff = (struct backoff){1000, BACKOFF_MAX_MS, 0};
    int rc = open_parts(ch, o, e);
    if (rc) {
        push_free(ch);
        return rc;
    }
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->open = 2;
    *ret = &ch->base;
    return 0;
}

static void part_closed(void *arg)
{
    struct push *ch = arg;
    if (--ch->open) return;
    driver_closed *closed = ch->closed;
    void *closed_arg = ch->closed_arg;
    push_free(ch);
    closed(closed_arg);
}

static void timer_closed(uv_handle_t *h)
{
    part_closed(h->data);
}

static void close_channel(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct push *ch = (struct push *)base;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    http_link_close(ch->link, part_closed, ch);
    uv_close((uv_handle_t *)&ch->timer, timer_closed);
}

static const struct option_choice methods_of[] = {{"POST", "POST", "POST"}, {"PUT", "PUT", "PUT"}, {0}};
static const struct option channel_options[] = {
    HTTP_OPTION_URL,
    {.name = "method", .type = OPTION_ENUM, .en = "Method", .zh = "请求方法", .def = "POST", .choices = methods_of},
    {.name = "path",
     .type = OPTION_STRING,
     .en = "Path",
     .zh = "路径",
     .max = "2000",
     .help_en = "Appended to the address, with a query if there is one.",
     .help_zh = "接在地址之后，可含查询。"},
    HTTP_OPTION_AUTH,
    HTTP_OPTION_HEADERS,
    PAYLOAD_OPTIONS,
    {.name = "gzip", .type = OPTION_BOOLEAN, .en = "Compress (gzip)", .zh = "压缩（gzip）", .def = "false"},
    {.name = "idempotency_key",
     .type = OPTION_BOOLEAN,
     .en = "Send an idempotency key",
     .zh = "发送幂等键",
     .def = "true",
     .help_en = "The header Idempotency-Key: the same when a batch is sent again.",
     .help_zh = "请求头 Idempotency-Key：同一批重发时不变。"},
    HTTP_OPTION_TLS,
    HTTP_OPTION_PROXY,
    HTTP_OPTION_LIMITS,
    {0},
};
static const char *const examples[] = {"LT.GRD.T1", "boiler/temperature", NULL};

const struct outlet http_push_outlet = {
    .name = "http_push",
    .en = "HTTP push",
    .zh = "HTTP 推送",
    .help_en = "Sends batches of samples to an HTTP address: JSON, line protocol, CSV or a template of your own. What "
               "was not accepted is kept and "
               "sent again.",
    .help_zh = "把样本按批发送到 HTTP 地址：JSON、行协议、CSV 或自定义模板。未被接受的数据会保留并重发。",
    .channel_options = channel_options,
    .sender = true,
    .buffered = true,
    .batch_max = 10000,
    .address_en = "Any text; templates use it as ${address}. Without one: the code.",
    .address_zh = "任意文本，模板中以 ${address} 引用；留空为测点编码。",
    .examples = examples,
    .address_check = outlet_text_check,
    .address_default = outlet_text_default,
    .channel_check = channel_check,
    .channel_open = open_channel,
    .channel_set = set,
    .send = send_batch,
    .test = test,
    .status = status,
    .close = close_channel,
    .describe = http_link_describe,
};
