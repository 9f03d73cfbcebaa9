/* spare.c - servers that stand in for one another (non-transparent redundancy, OPC 10000-4, 6.6.2): which has the
 * values.
 *
 * The channel is connected to one of the endpoints. The others are spares: each a channel of its own without points,
 * which keeps a session ready (warm) and reads ServiceLevel every few seconds, as the channel itself does. The channel
 * goes to another server when its own is lost, when its own level falls below HEALTHY and another's is higher, and once
 * at the beginning to the highest. It changes places with the spare, which watches the former one from then on.
 *
 * A spare sees the parent's host through functions of its own: it publishes nothing and tells nothing but its log. */
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

#define HEALTHY 200 /* 200 to 255: the server is in order */
#define UNKNOWN (-1)

struct oc_spare {
    struct oc_channel *parent;
    struct driver_host host;
    struct oc_channel *ch;
    int level;          /* UNKNOWN: not reached */
    bool asking, heard; /* heard: it was asked since its place was taken */
    uint64_t next_ns;
};

/* ---- the host of a spare ---- */

static const struct driver_host *above(void *ctx)
{
    return ((struct oc_spare *)ctx)->parent->base.host;
}
static int publish_nothing(void *ctx, const struct sample *s, size_t n)
{
    return 0;
}
static int intern_nothing(void *ctx, const char *p, size_t n, uint64_t *ret_id)
{
    return ERR_UNSUPPORTED;
}
static int64_t host_now(void *ctx)
{
    return above(ctx)->now_us(above(ctx)->ctx);
}
static uint64_t host_mono(void *ctx)
{
    return above(ctx)->mono_ns(above(ctx)->ctx);
}
static uint64_t host_random(void *ctx)
{
    return above(ctx)->random(above(ctx)->ctx);
}
static void host_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    struct oc_spare *s = ctx;
    char text[560];
    snprintf(text, sizeof text, "spare=%s:%u %s", s->ch ? s->ch->cfg.at.host : "", s->ch ? s->ch->cfg.at.port : 0,
             kv ? kv : "");
    above(ctx)->log(above(ctx)->ctx, level > DRIVER_LOG_INFO ? DRIVER_LOG_INFO : DRIVER_LOG_DEBUG, msg, text);
}
static int host_identity(void *ctx, const char *purpose, const char **cert, const char **key)
{
    return above(ctx)->identity(above(ctx)->ctx, purpose, cert, key);
}
static int host_trust(void *ctx, const char *purpose, const void *der, size_t n)
{
    return above(ctx)->trust(above(ctx)->ctx, purpose, der, n);
}

/* ---- life ---- */

int oc_spares_open(struct oc_channel *ch, const struct options *o, struct error *e)
{
    const struct driver_host *h = ch->base.host;
    for (size_t i = 0; i < ch->cfg.nothers; i++) {
        struct oc_spare *s = mem_calloc(1, sizeof *s);
        if (!s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        s->parent = ch;
        s->level = UNKNOWN;
        s->host = (struct driver_host){.loop = h->loop,
                                       .ctx = s,
                                       .name = h->name,
                                       .publish = publish_nothing,
                                       .intern = intern_nothing,
                                       .now_us = host_now,
                                       .mono_ns = host_mono,
                                       .random = host_random,
                                       .log = host_log,
                                       .identity = h->identity ? host_identity : NULL,
                                       .trust = h->trust ? host_trust : NULL};
        int rc = oc_open_at(&s->host, o, &ch->cfg.others[i], &s->ch, e);
        if (rc) {
            mem_free(s);
            return rc;
        }
        ch->spares[ch->nspares++] = s;
    }
    return 0;
}

static void on_closed(void *arg)
{
    struct oc_spare *s = arg;
    struct oc_channel *ch = s->parent;
    mem_free(s);
    ch->nspares--;
    oc_maybe_free(ch);
}

void oc_spares_close(struct oc_channel *ch)
{
    for (size_t i = 0, n = ch->nspares; i < n; i++) oc_close(&ch->spares[i]->ch->base, on_closed, ch->spares[i]);
}

/* ---- levels ---- */

static struct driver_point level_point(void)
{
    return (struct driver_point){.num = 1, .address = "i=2267", .period_ms = 1000, .scale = 1, .lo = NAN, .hi = NAN};
}

static int level_of(const struct driver_reading *r)
{
    if (r->error || r->sample.quality == QUALITY_BAD) return UNKNOWN;
    double d = r->sample.type == SAMPLE_DOUBLE ? r->sample.v.d
               : r->sample.type == SAMPLE_NONE ? -1
                                               : (double)r->sample.v.i;
    return d >= 0 && d <= 255 ? (int)d : UNKNOWN;
}

static void on_spare_level(void *arg, const struct driver_reading *r, size_t n)
{
    struct oc_spare *s = arg;
    s->asking = false;
    s->heard = true;
    s->level = n == 1 ? level_of(r) : UNKNOWN;
    oc_pump(s->parent);
}

/* A server without ServiceLevel is in order as long as it answers. */
static void on_own_level(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    int64_t level = 255;
    ch->level_asked = false;
    if (r && r->results_n == 1 && !ua_bad(r->results[0].status)) ua_variant_i64(&r->results[0].value, 0, &level);
    if (r || refused) ch->level = (int)level;
    ch->again = true;
}

static void ask_own(struct oc_channel *ch, uint64_t now)
{
    struct ua_read_value_id node = {.node_id = ua_id(0, UA_NODE_SERVER_SERVICE_LEVEL), .attribute_id = UA_ATTR_VALUE};
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = &node, .nodes_to_read_n = 1};
    ch->level_next_ns = now + ch->cfg.watch_ms * NS_MS;
    ch->level_asked = true;
    oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_own_level, NULL);
}

static void ask_spare(struct oc_spare *s, uint64_t now)
{
    struct driver_point p = level_point();
    s->next_ns = now + s->parent->cfg.watch_ms * NS_MS;
    s->asking = true;
    oc_read(&s->ch->base, NULL, &p, 1, on_spare_level, s);
}

/* ---- changing places ---- */

static struct oc_spare *best_of(const struct oc_channel *ch)
{
    struct oc_spare *best = NULL;
    for (size_t i = 0; i < ch->nspares; i++)
        if (ch->spares[i]->level > (best ? best->level : 0)) best = ch->spares[i];
    return best;
}

static void change_places(struct oc_channel *ch, struct oc_spare *s, const char *why)
{
    struct oc_place mine = ch->cfg.at, his = s->ch->cfg.at;
    char kv[700];
    snprintf(kv, sizeof kv, "from=%s:%u level=%d to=%s:%u level=%d why=\"%s\"", mine.host, mine.port, ch->level,
             his.host, his.port, s->level, why);
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "another server takes over", kv);
    int level = ch->level;
    ch->level = s->level;
    ch->level_next_ns = 0;
    s->level = level;
    s->heard = false;
    s->next_ns = 0;
    oc_redirect(s->ch, &mine);
    oc_redirect(ch, &his);
}

static bool all_heard(const struct oc_channel *ch)
{
    for (size_t i = 0; i < ch->nspares; i++)
        if (!ch->spares[i]->heard) return false;
    return ch->level != UNKNOWN;
}

static void choose(struct oc_channel *ch, uint64_t now)
{
    struct oc_spare *best = best_of(ch);
    bool first = !ch->settled && all_heard(ch);
    if (first) ch->settled = true;
    if (best && ch->conn == CONN_IDLE && ch->retry_ns > now && ch->why.code) change_places(ch, best, "not connected");
    if (!best || ch->conn != CONN_UP || ch->level == UNKNOWN || best->level <= ch->level) return;
    if (first || ch->level < HEALTHY) change_places(ch, best, first ? "highest at the beginning" : "level");
}

void oc_spare_pump(struct oc_channel *ch, uint64_t now)
{
    if (!ch->nspares || !ch->npoints) return;
    for (size_t i = 0; i < ch->nspares; i++)
        if (!ch->spares[i]->asking && now >= ch->spares[i]->next_ns) ask_spare(ch->spares[i], now);
    if (ch->conn == CONN_UP && !ch->level_asked && now >= ch->level_next_ns) ask_own(ch, now);
    choose(ch, now);
}

uint64_t oc_spare_deadline(const struct oc_channel *ch)
{
    uint64_t at = UINT64_MAX;
    if (!ch->nspares || !ch->npoints) return at;
    for (size_t i = 0; i < ch->nspares; i++)
        if (!ch->spares[i]->asking && ch->spares[i]->next_ns < at) at = ch->spares[i]->next_ns;
    if (ch->conn == CONN_UP && !ch->level_asked && ch->level_next_ns < at) at = ch->level_next_ns;
    return at;
}

/* Our server is lost: to a spare that is there, else to the next in turn. */
void oc_spare_lost(struct oc_channel *ch)
{
    if (!ch->nspares || ch->closing) return;
    struct oc_spare *s = best_of(ch);
    ch->level = UNKNOWN;
    ch->level_asked = false;
    if (s) {
        change_places(ch, s, "lost");
        return;
    }
    struct oc_place mine = ch->cfg.at;
    uint64_t retry = ch->retry_ns;
    s = ch->spares[ch->turn++ % ch->nspares];
    struct oc_place his = s->ch->cfg.at;
    s->heard = false;
    s->next_ns = 0;
    oc_redirect(s->ch, &mine);
    oc_redirect(ch, &his);
    ch->connect_now = false; /* nobody is known to be there: no hurry */
    ch->retry_ns = retry;
}
