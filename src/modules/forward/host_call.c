/* host_call.c - calls of outlets that may block: their lives. See host_int.h. */
#include "modules/forward/host_int.h"

static void unlink_call(struct call *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else if (c->f->calls == c)
        c->f->calls = c->next;
    if (c->next) c->next->prev = c->prev;
    c->prev = c->next = NULL;
}

void fwd_call_free(struct call *c)
{
    batch_fini(&c->items);
    buf_fini(&c->texts);
    mem_free(c->w);
    mem_free(c->text);
    mem_free(c->user);
    mem_free(c->peer);
    mem_free(c);
}

static void complete_write(struct call *c, const struct error *e)
{
    const struct control_result *r = &c->written;
    struct driver_write_result out = {.outcome = DRIVER_REFUSED, .error = e};
    if (!e) {
        out.outcome = r->outcome;
        out.error = r->error.code ? &r->error : NULL;
        out.has_readback = r->has_readback;
        out.readback = r->readback;
        out.text = r->text;
        out.text_len = strlen(r->text);
        out.ms = r->ms;
        fwd_scale(&c->slot, &out.readback);
    } else if (e->code == ERR_CANCELLED) {
        out.outcome = DRIVER_UNKNOWN;
    }
    c->q.write.done(c->q.write.arg, &out);
}

static void complete_history(struct call *c, const struct error *e)
{
    size_t n = e ? 0 : c->items.n;
    AUTO_FREE struct outlet_item *items = mem_calloc(n + 1, sizeof *items);
    if (!items) n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct item *it = &c->items.items[i];
        items[i] = (struct outlet_item){
            .slot = c->at, .sample = it->s, .text = (const char *)c->texts.p + it->at, .text_len = it->len};
        fwd_scale(&c->slot, &items[i].sample);
    }
    c->q.history.done(c->q.history.arg, e, items, n, !e && c->more);
}

static void complete(struct call *c, const struct error *e)
{
    unlink_call(c);
    c->dead = true;
    switch (c->kind) {
    case CALL_WRITE: complete_write(c, e); break;
    case CALL_HISTORY: complete_history(c, e); break;
    case CALL_WINDOWS: c->q.windows.done(c->q.windows.arg, e, e ? NULL : c->w, e ? 0 : c->nw); break;
    case CALL_LOGIN:
    case CALL_ACK:
    case CALL_KEEP:
        if (c->q.login.done) c->q.login.done(c->q.login.arg, e);
        break;
    }
}

struct call *fwd_call_new(struct fwd *f, enum call_kind kind, uint32_t slot)
{
    struct call *c = mem_calloc(1, sizeof *c);
    if (!c) return NULL;
    batch_init(&c->items);
    buf_init(&c->texts, 16u << 20);
    c->f = f;
    c->kind = kind;
    c->at = slot;
    const struct f_slot *s = fwd_slot_of(f, slot);
    if (s) {
        c->slot = *s;
        c->num = f->line->points[slot].num;
        c->step = f->line->points[slot].step;
    }
    return c;
}

static void came_home(void *arg)
{
    struct call *c = arg;
    struct fwd *f = c->f;
    if (!c->dead) complete(c, c->error.code ? &c->error : NULL);
    fwd_call_free(c);
    fwd_unref(f);
}

void fwd_call_home(struct call *c)
{
    if (loop_post(c->f->run->loop, came_home, c)) log_error(COMPONENT, "a call came back too late", NULL);
}

void fwd_call_start(struct call *c, struct pool *pool, void (*work)(void *arg))
{
    struct fwd *f = c->f;
    struct error e = {0};
    c->next = f->calls;
    if (c->next) c->next->prev = c;
    f->calls = c;
    if (f->closing)
        error_set(&e, ERR_CANCELLED, "", "the forwarding is being closed", "转发正在关闭");
    else if (c->kind < CALL_LOGIN && !c->num)
        error_set(&e, ERR_NOT_FOUND, "", "there is no such point here any more", "该测点已不在此转发中");
    else if (pool_submit(pool, work, c))
        error_set(&e, ERR_LIMIT, "", "too many requests are waiting", "等待的请求过多");
    if (!e.code) {
        f->refs++;
        return;
    }
    complete(c, &e);
    fwd_call_free(c);
}

void fwd_cancel_calls(struct fwd *f)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the forwarding is being closed", "转发正在关闭");
    while (f->calls) complete(f->calls, &e);
}
