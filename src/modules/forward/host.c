/* host.c - the platform as outlets see it (bornite/outlet.h): values, clock, log, frames, states. What may block stands
 * in host_call.c and the files that use it. */
#include "modules/forward/host_int.h"

/* ---- values ---- */

void fwd_scale(const struct f_slot *s, struct sample *v)
{
    if ((s->scale == 1 && s->offset == 0) || v->type == SAMPLE_STRING || v->type == SAMPLE_BLOB ||
        v->type == SAMPLE_NONE)
        return;
    v->v.d = sample_number(v) * s->scale + s->offset;
    v->type = SAMPLE_DOUBLE;
}

const struct f_slot *fwd_slot_of(const struct fwd *f, uint32_t slot)
{
    return f->line && slot < f->line->n ? &f->line->slots[slot] : NULL;
}

static bool host_current(void *ctx, uint32_t slot, struct sample *ret, char *text, size_t cap, size_t *ret_n)
{
    struct fwd *f = ctx;
    struct node *n = f->run->node;
    const struct f_slot *s = fwd_slot_of(f, slot);
    size_t len = 0;
    *ret = (struct sample){.quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    if (ret_n) *ret_n = 0;
    if (!s || !bus_current(n->bus, f->line->points[slot].num, ret)) return false;
    if (ret->type == SAMPLE_STRING && text && cap && n->history) {
        if (n->history->ops->string_get(n->history, ret->v.u, text, cap, &len)) len = 0;
        if (ret_n) *ret_n = len;
    }
    fwd_scale(s, ret);
    return true;
}

/* ---- small ones ---- */

static int64_t host_now(void *ctx)
{
    return clock_now_us(((struct fwd *)ctx)->run->node->clock);
}
static uint64_t host_mono(void *ctx)
{
    return clock_mono_ns(((struct fwd *)ctx)->run->node->clock);
}
static uint64_t host_random(void *ctx)
{
    return rng_u64(((struct fwd *)ctx)->run->node->rng);
}

static void host_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    log_write((enum log_level)level, COMPONENT, msg, "forward=%s %s", ((struct fwd *)ctx)->code, kv ? kv : "");
}

static void host_frame(void *ctx, const struct driver_frame *f)
{
    frame_log_add(&((struct fwd *)ctx)->frames, f);
}

static void host_state(void *ctx, enum driver_state s, const struct error *why)
{
    struct fwd *f = ctx;
    static const char *const names[] = {"off", "connecting", "up", "degraded", "down"};
    log_write(s == DRIVER_DOWN || s == DRIVER_DEGRADED ? LOG_WARN : LOG_INFO, COMPONENT, "forwarding state",
              "forward=%s state=%s why=\"%s\"", f->code, names[s], why ? why->text : "");
    if (f->pump && !f->closing) pump_up(f->pump, s == DRIVER_UP || s == DRIVER_DEGRADED);
}

static void host_sent(void *ctx, uint64_t ticket, const struct error *e)
{
    struct fwd *f = ctx;
    for (size_t i = 0; i < FLIGHTS; i++) {
        if (!ticket || f->flights[i].ticket != ticket) continue;
        struct pump_batch *b = f->flights[i].b;
        f->flights[i] = (struct flight){0};
        pump_done(f->pump, b, e ? e->code : 0);
        return;
    }
}

static void host_ready(void *ctx)
{
    struct fwd *f = ctx;
    if (f->pump && !f->closing) pump_ready(f->pump);
}

static int host_identity(void *ctx, const char *purpose, const char **ret_cert, const char **ret_key)
{
    const struct trust *t = ((struct fwd *)ctx)->run->node->trust;
    return t->identity(t->ctx, purpose, ret_cert, ret_key);
}
static int host_trust(void *ctx, const char *purpose, const void *der, size_t n)
{
    const struct trust *t = ((struct fwd *)ctx)->run->node->trust;
    return t->trust(t->ctx, purpose, der, n);
}

void fwd_host(struct fwd *f, struct run *r, const char *code)
{
    bool trust = r->node->trust != NULL;
    f->run = r;
    snprintf(f->code, sizeof f->code, "%s", code);
    f->host = (struct outlet_host){.loop = loop_uv(r->loop),
                                   .ctx = f,
                                   .name = f->code,
                                   .node_name = "Bornite",
                                   .now_us = host_now,
                                   .mono_ns = host_mono,
                                   .random = host_random,
                                   .log = host_log,
                                   .frame = host_frame,
                                   .state = host_state,
                                   .current = host_current,
                                   .sent = host_sent,
                                   .ready = host_ready,
                                   .write = host_write,
                                   .history = host_history,
                                   .windows = host_windows,
                                   .alarms = host_alarms,
                                   .alarm_ack = host_alarm_ack,
                                   .login = host_login,
                                   .identity = trust ? host_identity : NULL,
                                   .trust = trust ? host_trust : NULL,
                                   .keep = host_keep,
                                   .kept = host_kept};
}
