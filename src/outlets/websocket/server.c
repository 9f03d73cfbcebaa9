/* server.c - "websocket_server": others connect with a token and are told every change, in the form that the options
 * say (outlets/common/payload.h), beginning with the current values.
 *
 * Words     a peer may send JSON texts:
 *             {"subscribe":["LT.*","FT101"]}          what it wants from now on (also ?points=LT.*,FT101 in the
 * address); answered with the current values of those. "*" and "?" are wild
 *             {"write":{"code":"FT101","value":3},"id":7}   → {"id":7,"outcome":"done"} or with "error" and "error_zh"
 *           anything else is answered {"error":…}.
 * Slow      a peer that does not take what waits for it (4 MiB) is let go with 1008: a gap must not go unseen.
 * Threads   all on the channel's loop. A write knows its peer by a number, since the peer may go while it runs. */
#include <stdio.h>
#include "base/json.h"
#include "base/mem.h"
#include "drivers/common/words.h"
#include "drivers/common/ws_settings.h"
#include "outlets/common/payload.h"
#include "outlets/common/points.h"
#include "outlets/websocket/outlet.h"

#define CHUNK 500 /* items of a message of current values */
#define TEXT_MAX 65536
#define BODY_MAX (16u << 20)
#define PATTERNS_MAX 1000
#define RETRY_MS 5000
#define WRITES_MAX 100 /* of a peer at a time */

struct server;
struct peer {
    struct server *ch;
    struct peer *next;
    struct ws *w;
    bool up, all; /* all: no filter */
    uint64_t number;
    unsigned writes;
    int64_t since_us;
    uint64_t items;
    struct arena arena; /* patterns */
    struct str *patterns;
    size_t npatterns;
    bool *wants;    /* by slot; NULL: all */
    uint32_t count; /* slots that it wants */
};
struct server {
    struct outlet_channel base; /* first */
    struct ws_settings cfg;
    struct payload *payload;
    struct outlet_points points;
    struct outlet_status st;
    struct ws_server *server; /* NULL: not listening */
    struct peer *peers;
    uint64_t numbers;
    bool snapshot, closing, timer_open;
    uv_timer_t timer;
    unsigned open; /* parts that are not closed */
    driver_closed *closed;
    void *closed_arg;
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void part_gone(struct server *s)
{
    if (--s->open || !s->closing) return;
    driver_closed *closed = s->closed;
    void *arg = s->closed_arg;
    payload_free(s->payload);
    outlet_points_fini(&s->points);
    ws_settings_fini(&s->cfg);
    mem_free(s);
    closed(arg);
}

/* ---- states ---- */

static void set_state(struct server *s, enum driver_state to, const struct error *why)
{
    const struct outlet_host *h = s->base.host;
    str_to_cstr(str_of(why ? why->text : ""), s->st.reason, sizeof s->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), s->st.reason_zh, sizeof s->st.reason_zh);
    if (s->st.state == to) return;
    s->st.state = to;
    s->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, to, why);
}

static void trace(struct server *s, const struct peer *p, enum driver_dir dir, struct str text, const struct error *e)
{
    const struct outlet_host *h = s->base.host;
    const struct driver_frame f = {.time_us = h->now_us(h->ctx),
                                   .dir = dir,
                                   .link = (uint16_t)p->number,
                                   .bytes = (const uint8_t *)text.p,
                                   .n = text.n,
                                   .error = e};
    if (h->frame && (h->trace || e)) h->frame(h->ctx, &f);
}

/* ---- peers ---- */

static void peer_gone(void *arg)
{
    struct peer *p = arg;
    struct server *s = p->ch;
    arena_fini(&p->arena);
    mem_free(p->wants);
    mem_free(p);
    part_gone(s);
}

static void drop(struct peer *p, unsigned code, const char *reason)
{
    struct server *s = p->ch;
    struct peer **at = &s->peers;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    struct ws_stats st = ws_stats(p->w);
    s->st.bytes_in += st.bytes_in;
    s->st.bytes_out += st.bytes_out;
    ws_conn_close(p->w, code, reason, peer_gone, p);
}

/* False: it was let go. */
static bool say(struct peer *p, struct str text)
{
    int rc = ws_send(p->w, true, text.p ? text.p : "", text.n);
    if (!rc) trace(p->ch, p, DRIVER_TX, text, NULL);
    if (!rc || rc == ERR_CLOSED) return true; /* lost will tell */
    p->ch->st.errors++;
    drop(p, 1008, "too slow");
    return false;
}

static bool wild(struct str pattern, struct str s)
{
    size_t i = 0, k = 0, star = SIZE_MAX, mark = 0;
    while (k < s.n) {
        if (i < pattern.n && pattern.p[i] == '*') {
            star = i++;
            mark = k;
        } else if (i < pattern.n && (pattern.p[i] == '?' || pattern.p[i] == s.p[k])) {
            i++;
            k++;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            k = ++mark;
        } else
            return false;
    }
    while (i < pattern.n && pattern.p[i] == '*') i++;
    return i == pattern.n;
}

static bool wanted(const struct peer *p, const char *code)
{
    for (size_t i = 0; i < p->npatterns; i++)
        if (wild(p->patterns[i], str_of(code))) return true;
    return false;
}

/* Its slots, after a change of its wishes or of the set. */
static bool resolve(struct peer *p)
{
    struct server *s = p->ch;
    mem_free(p->wants);
    p->wants = NULL;
    p->count = (uint32_t)s->points.n;
    if (p->all) return true;
    p->wants = mem_calloc(s->points.n + 1, sizeof *p->wants);
    p->count = 0;
    for (size_t i = 0; p->wants && i < s->points.n; i++) p->count += p->wants[i] = wanted(p, s->points.at[i].code);
    return p->wants != NULL;
}

/* ---- values ---- */

/* The items that p wants, as one message. False: it was let go. */
static bool tell(struct peer *p, const struct outlet_item *items, size_t n)
{
    struct server *s = p->ch;
    struct buf b;
    buf_init(&b, BODY_MAX);
    bool stays = true;
    if (payload_write(s->payload, s->points.at, items, n, &b) == 0)
        stays = say(p, buf_view(&b));
    else
        s->st.errors++;
    if (stays) p->items += n;
    s->st.items += n;
    buf_fini(&b);
    return stays;
}

static bool tell_current(struct peer *p)
{
    const struct outlet_host *h = p->ch->base.host;
    AUTO_FREE char *text = mem_alloc(TEXT_MAX);
    AUTO_ARENA a;
    arena_init(&a, 256u << 20);
    struct outlet_item *items = arena_calloc(&a, CHUNK, sizeof *items);
    size_t n = 0, len = 0;
    bool stays = true;
    for (uint32_t i = 0; text && items && stays && i < p->ch->points.n; i++) {
        if (p->wants && !p->wants[i]) continue;
        items[n] = (struct outlet_item){.slot = i, .text = ""};
        if (!h->current(h->ctx, i, &items[n].sample, text, TEXT_MAX, &len)) continue;
        if (items[n].sample.type == SAMPLE_STRING) {
            items[n].text = arena_strdup(&a, str_make(text, len));
            items[n].text_len = items[n].text ? len : 0;
        }
        if (++n == CHUNK) stays = tell(p, items, n), n = 0;
    }
    return n && stays ? tell(p, items, n) : stays;
}

/* Those of the items that p wants. */
static void tell_some(struct peer *p, const struct outlet_item *items, size_t n)
{
    AUTO_FREE struct outlet_item *some = mem_alloc(n * sizeof *some);
    size_t k = 0;
    for (size_t i = 0; some && i < n; i++)
        if (p->wants[items[i].slot]) some[k++] = items[i];
    if (k) tell(p, some, k);
}

static void changed(struct outlet_channel *base, const struct outlet_item *items, size_t n)
{
    struct server *s = (struct server *)base;
    struct buf b;
    bool made = false;
    buf_init(&b, BODY_MAX);
    for (struct peer *p = s->peers, *next; p; p = next) {
        next = p->next;
        if (!p->up || !p->count) continue;
        if (p->wants) {
            tell_some(p, items, n);
            continue;
        }
        if (!made && payload_write(s->payload, s->points.at, items, n, &b)) break;
        made = true; /* the same text for all that want everything */
        p->items += n;
        s->st.items += n;
        say(p, buf_view(&b));
    }
    buf_fini(&b);
}

/* ---- words of peers ---- */

static bool complain(struct peer *p, const struct json *id, const struct error *e)
{
    struct buf b;
    buf_init(&b, 8192);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    if (id) {
        jw_key(&w, STR("id"));
        jw_json(&w, id);
    }
    jw_kz(&w, "error", e->text);
    jw_kz(&w, "error_zh", e->text_zh);
    jw_end(&w);
    bool stays = say(p, buf_view(&b));
    buf_fini(&b);
    return stays;
}

static int add_pattern(struct peer *p, struct str text)
{
    struct str copy = arena_str(&p->arena, str_trim(text));
    if (!copy.n) return 0;
    if (p->npatterns == PATTERNS_MAX) return ERR_LIMIT;
    if (str_is(copy, "*")) p->all = true;
    p->patterns[p->npatterns++] = copy;
    return 0;
}

static bool begin_patterns(struct peer *p)
{
    arena_reset(&p->arena);
    p->patterns = arena_calloc(&p->arena, PATTERNS_MAX, sizeof *p->patterns);
    p->npatterns = 0;
    p->all = false;
    return p->patterns != NULL;
}

static bool subscribe(struct peer *p, const struct json *what)
{
    struct error e = {0};
    bool fits = begin_patterns(p);
    if (what->type == JSON_STRING) fits = fits && add_pattern(p, what->s) == 0;
    for (const struct json *c = what->type == JSON_ARRAY ? what->child : NULL; c && fits; c = c->next)
        fits = add_pattern(p, json_str(c, STR(""))) == 0;
    fits = fits && resolve(p);
    if (fits) return !p->ch->snapshot || tell_current(p);
    error_set(&e, ERR_LIMIT, "", "at most %d patterns", "最多 %d 个通配", PATTERNS_MAX);
    return complain(p, NULL, &e);
}

struct writing {
    struct server *ch;
    uint64_t peer;
    char id[80]; /* as JSON */
    char text[1];
};

static struct peer *find_peer(struct server *s, uint64_t number)
{
    struct peer *p = s->peers;
    while (p && p->number != number) p = p->next;
    return p;
}

static void written(void *arg, const struct driver_write_result *r)
{
    static const char *const words[] = {[DRIVER_DONE] = "done",
                                        [DRIVER_REFUSED] = "refused",
                                        [DRIVER_FAILED] = "failed",
                                        [DRIVER_UNKNOWN] = "unknown",
                                        [DRIVER_EXPIRED] = "expired"};
    struct writing *x = arg;
    struct peer *p = find_peer(x->ch, x->peer);
    struct buf b;
    buf_init(&b, 8192);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_key(&w, STR("id"));
    jw_raw(&w, str_of(x->id));
    jw_kz(&w, "outcome", words[r->outcome]);
    if (r->error) {
        jw_kz(&w, "error", r->error->text);
        jw_kz(&w, "error_zh", r->error->text_zh);
    }
    jw_end(&w);
    if (p) p->writes--;
    if (p && p->up && !x->ch->closing) say(p, buf_view(&b));
    buf_fini(&b);
    mem_free(x);
}

static const struct outlet_point *find_point(const struct server *s, struct str code, uint32_t *ret_slot)
{
    for (size_t i = 0; i < s->points.n; i++)
        if (str_is(code, s->points.at[i].code)) {
            *ret_slot = (uint32_t)i;
            return &s->points.at[i];
        }
    return NULL;
}

static bool sample_of(const struct json *v, struct sample *ret)
{
    if (!v) return false;
    *ret = (struct sample){0};
    if (v->type == JSON_DOUBLE) ret->type = SAMPLE_DOUBLE, ret->v.d = v->d;
    if (v->type == JSON_INT) ret->type = SAMPLE_INT, ret->v.i = v->i;
    if (v->type == JSON_BOOL) ret->type = SAMPLE_BOOL, ret->v.i = v->b;
    if (v->type == JSON_STRING) ret->type = SAMPLE_STRING;
    return ret->type != SAMPLE_NONE;
}

/* 0: the host has it; negative: *e */
static int begin_write(struct peer *p, const struct json *what, const struct json *id, struct error *e)
{
    struct server *s = p->ch;
    const struct outlet_host *h = s->base.host;
    struct sample v;
    uint32_t slot = 0;
    char peer[96];
    struct str code = json_str(json_get(what, "code"), STR(""));
    const struct json *value = json_get(what, "value");
    const struct outlet_point *pt = find_point(s, code, &slot);
    if (!pt)
        return error_set(e, ERR_NOT_FOUND, "", "there is no point '%.*s' here", "此处没有测点“%.*s”",
                         STR_ARG(str_sub(code, 0, 80)));
    if (!pt->writable) return error_set(e, ERR_FORBIDDEN, "", "%s cannot be written", "%s 不可写", pt->code);
    if (!sample_of(value, &v))
        return error_set(e, ERR_INVALID, "", "'value' must be a number, true, false or a text",
                         "value 应为数字、true、false 或文本");
    if (p->writes >= WRITES_MAX)
        return error_set(e, ERR_LIMIT, "", "%d writes are under way", "已有 %d 个写入在进行", WRITES_MAX);
    struct str text = value->type == JSON_STRING ? value->s : STR("");
    struct writing *x = mem_calloc(1, sizeof *x + text.n);
    if (!x) return no_memory(e);
    *x = (struct writing){.ch = s, .peer = p->number};
    struct buf b;
    buf_init(&b, sizeof x->id - 1);
    if (id) json_write(&b, id);
    snprintf(x->id, sizeof x->id, "%s", id && !b.err ? buf_cstr(&b) : "null");
    buf_fini(&b);
    snprintf(peer, sizeof peer, "%.80s:%u", ws_host(p->w), ws_port(p->w));
    p->writes++;
    s->st.writes++;
    h->write(
        h->ctx,
        &(struct outlet_write){
            .slot = slot, .value = v, .text = text.p, .text_len = text.n, .peer = peer, .done = written, .arg = x});
    return 0;
}

static void on_message(void *ctx, bool is_text, struct str data)
{
    struct peer *p = ctx;
    struct json *v = NULL;
    struct error e = {0};
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    int rc = json_parse(&a, data, &v, NULL);
    const struct json *wish = json_get(v, "subscribe"), *order = json_get(v, "write"), *id = json_get(v, "id");
    p->ch->st.requests++;
    if (!rc && wish && (wish->type == JSON_STRING || wish->type == JSON_ARRAY)) {
        trace(p->ch, p, DRIVER_RX, data, NULL);
        subscribe(p, wish);
        return;
    }
    if (!rc && order)
        rc = begin_write(p, order, id, &e);
    else
        rc = error_set(&e, ERR_INVALID, "",
                       "{\"subscribe\":[\"CODE*\"]} or {\"write\":{\"code\":…,\"value\":…},\"id\":…} is expected",
                       "应为 {\"subscribe\":[\"编码*\"]} 或 {\"write\":{\"code\":…,\"value\":…},\"id\":…}");
    trace(p->ch, p, DRIVER_RX, data, rc ? &e : NULL);
    p->ch->st.errors += rc != 0;
    if (rc) complain(p, id, &e);
}

/* ---- coming and going ---- */

static void on_opened(void *ctx, struct ws *w)
{
    struct peer *p = ctx;
    p->up = true;
    p->ch->st.last_ok_us = p->since_us = p->ch->base.host->now_us(p->ch->base.host->ctx);
    if (resolve(p) && p->ch->snapshot) tell_current(p);
}

static void on_lost(void *ctx, const struct error *why)
{
    drop(ctx, 1000, "");
}

static int on_request(void *ctx, const struct ws_request *q, void **ret)
{
    struct server *s = ctx;
    char kv[100];
    if (!ws_token_right(&s->cfg, q)) {
        snprintf(kv, sizeof kv, "peer=%.60s:%u", q->host, q->port);
        s->base.host->log(s->base.host->ctx, DRIVER_LOG_WARN, "somebody connects with a wrong token", kv);
        s->st.errors++;
        return 401;
    }
    struct peer *p = mem_calloc(1, sizeof *p);
    if (!p) return 503;
    *p = (struct peer){.ch = s, .next = s->peers, .w = q->w, .number = ++s->numbers, .all = true};
    arena_init(&p->arena, 1 << 20);
    struct str rest = ws_request_query(q, "points");
    if (rest.n && begin_patterns(p))
        while (rest.p)
            if (add_pattern(p, str_cut(&rest, ','))) break;
    s->peers = p;
    s->open++;
    *ret = p;
    return 0;
}

static const struct ws_server_ops ops = {{on_opened, on_message, on_lost}, on_request};

static void listen_now(struct server *s);

static void on_timer(uv_timer_t *t)
{
    listen_now(t->data);
}

static void listen_now(struct server *s)
{
    struct error e = {0};
    char kv[60];
    const struct outlet_host *h = s->base.host;
    const struct ws_server_config c = ws_settings_server(&s->cfg);
    if (s->server || s->closing || !s->points.n) return;
    if (ws_server_open(h->loop, &c, &ops, s, &s->server, &e)) {
        s->server = NULL;
        set_state(s, DRIVER_DOWN, &e);
        uv_timer_start(&s->timer, on_timer, RETRY_MS, 0);
        return;
    }
    s->open++;
    snprintf(kv, sizeof kv, "port=%u", ws_server_port(s->server));
    h->log(h->ctx, DRIVER_LOG_INFO, "listening for WebSockets", kv);
    set_state(s, DRIVER_UP, NULL);
}

static void server_gone(void *arg)
{
    part_gone(arg);
}

static void stop_listening(struct server *s)
{
    while (s->peers) drop(s->peers, 1001, "");
    if (s->server) ws_server_close(TAKE(s->server), server_gone, s);
}

/* ---- the outlet's functions ---- */

static int set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct server *s = (struct server *)base;
    struct outlet_points copy;
    if (outlet_points_copy(points, n, &copy)) return no_memory(e);
    outlet_points_fini(&s->points);
    s->points = copy;
    s->st.points = (uint32_t)n;
    for (struct peer *p = s->peers, *next; p; p = next) {
        next = p->next;
        if (!resolve(p)) drop(p, 1011, "out of memory");
    }
    if (!n) stop_listening(s);
    if (!n) set_state(s, DRIVER_OFF, NULL);
    listen_now(s);
    return 0;
}

static void test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct server *s = (struct server *)base;
    char en[80], zh[80];
    struct error e = {0};
    if (!s->server) {
        error_set(&e, ERR_UNAVAILABLE, "", "not listening: %s%.0s", "未在监听：%.0s%s",
                  s->st.reason[0] ? s->st.reason : "there are no points",
                  s->st.reason_zh[0] ? s->st.reason_zh : "没有测点");
        done(arg, &e, 0, "", "");
        return;
    }
    snprintf(en, sizeof en, "listening on port %u", ws_server_port(s->server));
    snprintf(zh, sizeof zh, "正在监听端口 %u", ws_server_port(s->server));
    done(arg, NULL, 0, en, zh);
}

static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct server *s = (const struct server *)base;
    *ret = s->st;
    for (const struct peer *p = s->peers; p; p = p->next) {
        struct ws_stats st = ws_stats(p->w);
        ret->connections += p->up;
        ret->subscriptions += p->up ? p->count : 0;
        ret->bytes_in += st.bytes_in;
        ret->bytes_out += st.bytes_out;
    }
}

static size_t peers(const struct outlet_channel *base, struct outlet_peer *ret, size_t max)
{
    const struct server *s = (const struct server *)base;
    size_t n = 0;
    for (const struct peer *p = s->peers; p && n < max; p = p->next) {
        if (!p->up) continue;
        struct ws_stats st = ws_stats(p->w);
        ret[n] = (struct outlet_peer){.since_us = p->since_us,
                                      .subscriptions = p->count,
                                      .items = p->items,
                                      .bytes_in = st.bytes_in,
                                      .bytes_out = st.bytes_out};
        snprintf(ret[n].address, sizeof ret[n].address, "%.54s:%u", ws_host(p->w), ws_port(p->w));
        n++;
    }
    return n;
}

static int open_parts(struct server *s, const struct options *o, struct error *e)
{
    int rc = payload_new(o, &s->payload, e);
    if (!rc) rc = ws_settings_init(&s->cfg, o, true, e);
    if (rc) payload_free(TAKE(s->payload));
    return rc;
}

static int channel_check(const struct options *o, struct error *e)
{
    struct server s = {0};
    int rc = open_parts(&s, o, e);
    if (rc) return rc;
    payload_free(s.payload);
    ws_settings_fini(&s.cfg);
    return 0;
}

static int open_channel(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret,
                        struct error *e)
{
    struct server *s = mem_calloc(1, sizeof *s);
    if (!s) return no_memory(e);
    s->base = (struct outlet_channel){&websocket_server_outlet, host};
    s->snapshot = opt_bool(o, "snapshot", true);
    int rc = open_parts(s, o, e);
    if (rc) {
        mem_free(s);
        return rc;
    }
    uv_timer_init(host->loop, &s->timer);
    s->timer.data = s;
    s->open = 1;
    *ret = &s->base;
    return 0;
}

static void timer_gone(uv_handle_t *h)
{
    part_gone(h->data);
}

static void close_channel(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct server *s = (struct server *)base;
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    stop_listening(s);
    uv_close((uv_handle_t *)&s->timer, timer_gone);
}

static const struct option channel_options[] = {
    WS_SERVER_OPTIONS(NULL, "8091"),
    WS_COMMON_OPTIONS,
    {.name = "snapshot",
     .type = OPTION_BOOLEAN,
     .en = "Current values at the beginning",
     .zh = "连接后先发当前值",
     .def = "true"},
    PAYLOAD_OPTIONS,
    TLS_OPTION_OWN(NULL, "With a key: wss. Without: ws, readable by anybody in between.",
                   "配置证书和私钥则为 wss，否则为 ws，传输中可被窃听。"),
    {0},
};

const struct outlet websocket_server_outlet = {
    .name = "websocket_server",
    .en = "WebSocket server",
    .zh = "WebSocket 服务端",
    .help_en = "Others connect with a token and are told every change; they may say which points, and write.",
    .help_zh = "对端凭令牌连接并接收每次变化；可指定测点，也可写入。",
    .channel_options = channel_options,
    .server = true,
    .channel_check = channel_check,
    .channel_open = open_channel,
    .channel_set = set,
    .changed = changed,
    .test = test,
    .status = status,
    .peers = peers,
    .close = close_channel,
    .describe = ws_frame_words,
};
