/* host.c - what outlets may ask of the platform (bornite/outlet.h). What may block runs on a pool and comes back to the
 * loop; each such call is a struct call in the line's list until it is completed, once: by its result, or as cancelled
 * when the line closes (then the result is thrown away when it comes). */
#include "core/alarms.h"
#include "core/auth/auth.h"
#include "base/mem.h"
#include "io/log.h"
#include "model/sample.h"
#include "model/ts_scan.h"
#include "modules/forward/run_int.h"

#define COMPONENT "forward"
#define HISTORY_MAX 10000
#define WINDOWS_MAX 10000
#define TEXT_MAX (64u << 10)

enum call_kind { CALL_WRITE, CALL_HISTORY, CALL_WINDOWS, CALL_LOGIN, CALL_ACK };

struct call {
    struct call *prev, *next;
    struct fwd *f;
    enum call_kind kind;
    bool dead;    /* completed already */
    uint32_t num; /* of the point */
    bool step;
    struct f_slot slot;
    uint32_t at; /* its index when it was asked */
    union {
        struct outlet_write write;
        struct outlet_history history;
        struct outlet_windows windows;
        struct {
            outlet_done *done;
            void *arg;
        } login;
    } q;
    char *text, *user, *peer; /* copies; of an acknowledgement: comment, user, id */
    struct error error;       /* of the result; code 0: none */
    struct control_result written;
    struct batch items; /* history */
    struct buf texts;
    bool more;
    struct outlet_window *w;
    size_t nw;
};

/* ---- values ---- */

void fwd_scale(const struct f_slot *s, struct sample *v)
{
    if ((s->scale == 1 && s->offset == 0) || v->type == SAMPLE_STRING || v->type == SAMPLE_BLOB ||
        v->type == SAMPLE_NONE)
        return;
    v->v.d = sample_number(v) * s->scale + s->offset;
    v->type = SAMPLE_DOUBLE;
}

static const struct f_slot *slot_of(const struct fwd *f, uint32_t slot)
{
    return f->line && slot < f->line->n ? &f->line->slots[slot] : NULL;
}

static bool host_current(void *ctx, uint32_t slot, struct sample *ret, char *text, size_t cap, size_t *ret_n)
{
    struct fwd *f = ctx;
    struct node *n = f->run->node;
    const struct f_slot *s = slot_of(f, slot);
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

/* ---- calls ---- */

static void unlink_call(struct call *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else if (c->f->calls == c)
        c->f->calls = c->next;
    if (c->next) c->next->prev = c->prev;
    c->prev = c->next = NULL;
}

static void call_free(struct call *c)
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
    c->q.history.done(c->q.history.arg, e, items, n, c->more);
}

static void complete(struct call *c, const struct error *e)
{
    unlink_call(c);
    c->dead = true;
    switch (c->kind) {
    case CALL_WRITE: complete_write(c, e); break;
    case CALL_HISTORY: complete_history(c, e); break;
    case CALL_WINDOWS: c->q.windows.done(c->q.windows.arg, e, c->w, e ? 0 : c->nw); break;
    case CALL_LOGIN:
    case CALL_ACK: c->q.login.done(c->q.login.arg, e); break;
    }
}

static struct call *call_new(struct fwd *f, enum call_kind kind, uint32_t slot)
{
    struct call *c = mem_calloc(1, sizeof *c);
    if (!c) return NULL;
    batch_init(&c->items);
    buf_init(&c->texts, 16u << 20);
    c->f = f;
    c->kind = kind;
    c->at = slot;
    const struct f_slot *s = slot_of(f, slot);
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
    call_free(c);
    fwd_unref(f);
}

static void go_home(struct call *c)
{
    if (loop_post(c->f->run->loop, came_home, c)) log_error(COMPONENT, "a call came back too late", NULL);
}

/* Out it goes, or it ends at once with what keeps it back. */
static void start(struct call *c, struct pool *pool, void (*work)(void *arg))
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
    call_free(c);
}

void fwd_cancel_calls(struct fwd *f)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the forwarding is being closed", "转发正在关闭");
    while (f->calls) complete(f->calls, &e);
}

/* ---- writes ---- */

struct finding {
    const char *login;
    char id[37];
};

static bool is_him(void *ctx, const struct auth_person *who)
{
    struct finding *f = ctx;
    if (strcmp(who->login, f->login) != 0) return true;
    snprintf(f->id, sizeof f->id, "%s", who->id);
    return false;
}

static int actor_of(struct auth *auth, struct arena *a, const char *login, struct actor *ret)
{
    struct finding f = {.login = login};
    int rc = auth_users_each(auth, is_him, &f);
    if (rc) return rc;
    return f.id[0] ? auth_actor(auth, a, str_of(f.id), ret) : ERR_NOT_FOUND;
}

static void work_write(void *arg)
{
    struct call *c = arg;
    struct fwd *f = c->f;
    struct node *n = f->run->node;
    char origin[200], login[64];
    struct actor by = actor_system;
    struct control_command cmd = {.point = c->num, .value = c->q.write.value};
    AUTO_ARENA a;
    arena_init(&a, 1u << 20);
    snprintf(origin, sizeof origin, "forward:%.80s %.60s", f->code, c->peer ? c->peer : "");
    snprintf(login, sizeof login, "forward:%.50s", f->code);
    memcpy(by.login, login, sizeof login);
    cmd.origin = origin;
    if (c->text) cmd.text = str_make(c->text, c->q.write.text_len);
    int rc = c->user ? actor_of(api_auth(n->api), &a, c->user, &by) : 0;
    if (rc)
        error_set(&c->error, ERR_FORBIDDEN, "", "the user is not there any more", "用户已不存在");
    else
        rc = n->control->write(n->control->ctx, &by, &cmd, &c->written, &c->error);
    go_home(c);
}

static void host_write(void *ctx, const struct outlet_write *w)
{
    struct fwd *f = ctx;
    struct error e;
    struct driver_write_result no = {.outcome = DRIVER_REFUSED, .error = &e};
    const struct f_slot *s = slot_of(f, w->slot);
    if (!s || !f->line->points[w->slot].writable) {
        error_set(&e, ERR_FORBIDDEN, "", "this point may not be written by this forwarding", "此转发不允许写入该测点");
        w->done(w->arg, &no);
        return;
    }
    struct call *c = call_new(f, CALL_WRITE, w->slot);
    if (!c) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        w->done(w->arg, &no);
        return;
    }
    c->q.write = *w;
    if (w->value.type == SAMPLE_STRING) c->text = mem_dup(w->text ? w->text : "", w->text_len + (w->text_len == 0));
    if (w->user && w->user[0]) c->user = mem_strdup(w->user);
    if (w->peer) c->peer = mem_strdup(w->peer);
    struct sample *v = &c->q.write.value;
    if (v->type != SAMPLE_STRING && (s->scale != 1 || s->offset != 0)) {
        v->v.d = (sample_number(v) - s->offset) / s->scale;
        v->type = SAMPLE_DOUBLE;
    }
    if (v->type == SAMPLE_INT) {
        v->v.d = (double)v->v.i;
        v->type = SAMPLE_DOUBLE;
    }
    start(c, f->run->writing, work_write);
}

/* ---- history ---- */

static int add_sample(struct call *c, const struct sample *s)
{
    struct ts_store *st = c->f->run->node->history;
    struct item it = {.s = *s, .at = (uint32_t)c->texts.n};
    size_t n = 0;
    if (c->items.n >= c->q.history.max) {
        c->more = true;
        return 1;
    }
    if (s->type == SAMPLE_STRING) {
        uint8_t *room = buf_space(&c->texts, TEXT_MAX);
        if (!room) {
            c->more = true;
            return 1;
        }
        if (st->ops->string_get(st, s->v.u, (char *)room, TEXT_MAX, &n) == 0) c->texts.n += n;
        it.len = (uint32_t)n;
    }
    if (!mem_grow((void **)&c->items.items, &c->items.cap, c->items.n + 1, sizeof it)) return ERR_NOMEM;
    c->items.items[c->items.n++] = it;
    return 0;
}

static int on_scan(void *ctx, const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = add_sample(ctx, &s[i]);
        if (rc) return rc;
    }
    return 0;
}

/* Newest first: step by step back. */
static int scan_back(struct call *c, struct ts_store *st)
{
    int64_t at = c->q.history.from_us;
    for (;;) {
        struct sample s;
        int rc = st->ops->before(st, c->num, at, &s);
        if (rc == ERR_NOT_FOUND) return 0;
        if (rc) return rc;
        if (s.time_us < c->q.history.to_us) return c->q.history.bounds ? add_sample(c, &s) : 0;
        rc = add_sample(c, &s);
        if (rc) return rc;
        at = s.time_us - 1;
    }
}

static int scan_on(struct call *c, struct ts_store *st, struct error *e)
{
    const struct outlet_history *q = &c->q.history;
    struct sample s;
    int rc = 0;
    if (q->bounds && st->ops->before(st, c->num, q->from_us - 1, &s) == 0) {
        struct sample first;
        bool exact = st->ops->after(st, c->num, q->from_us, &first) == 0 && first.time_us == q->from_us;
        if (!exact) rc = add_sample(c, &s);
    }
    if (!rc) rc = st->ops->scan(st, c->num, q->from_us, q->to_us, on_scan, c, e);
    if (!rc && q->bounds && st->ops->after(st, c->num, q->to_us, &s) == 0) rc = add_sample(c, &s);
    return rc;
}

static void work_history(void *arg)
{
    struct call *c = arg;
    struct ts_store *st = c->f->run->node->history;
    int rc = ERR_UNSUPPORTED;
    if (st) rc = c->q.history.from_us > c->q.history.to_us ? scan_back(c, st) : scan_on(c, st, &c->error);
    if (rc < 0 && !c->error.code) error_set(&c->error, rc, "", "history cannot be read", "无法读取历史数据");
    go_home(c);
}

static void host_history(void *ctx, const struct outlet_history *q)
{
    struct fwd *f = ctx;
    struct error e;
    struct call *c = call_new(f, CALL_HISTORY, q->slot);
    if (!c) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        q->done(q->arg, &e, NULL, 0, false);
        return;
    }
    c->q.history = *q;
    if (c->q.history.max < 1) c->q.history.max = 1;
    if (c->q.history.max > HISTORY_MAX) c->q.history.max = HISTORY_MAX;
    start(c, f->run->asking, work_history);
}

/* ---- windows ---- */

static int on_window(void *ctx, size_t i, const struct ts_summary *s)
{
    struct call *c = ctx;
    const struct outlet_windows *q = &c->q.windows;
    struct outlet_window *w = &c->w[i];
    double a = c->slot.scale, b = c->slot.offset;
    int64_t to = q->from_us + (int64_t)(i + 1) * q->step_us;
    bool swap = a < 0;
    *w = (struct outlet_window){.from_us = q->from_us + (int64_t)i * q->step_us,
                                .to_us = to < q->to_us ? to : q->to_us,
                                .min = a * (swap ? s->max : s->min) + b,
                                .max = a * (swap ? s->min : s->max) + b,
                                .min_us = swap ? s->max_us : s->min_us,
                                .max_us = swap ? s->min_us : s->max_us,
                                .mean = a * s->twa + b,
                                .sum = a * s->sum + b * (double)s->usable,
                                .integral = a * s->integral + b * s->usable_s,
                                .first = a * sample_number(&s->first) + b,
                                .last = a * sample_number(&s->last) + b,
                                .count = s->count,
                                .percent_good = s->percent_good};
    return 0;
}

static void work_windows(void *arg)
{
    struct call *c = arg;
    struct ts_store *st = c->f->run->node->history;
    const struct outlet_windows *q = &c->q.windows;
    AUTO_FREE int64_t *edges = mem_calloc(c->nw + 1, sizeof *edges);
    c->w = mem_calloc(c->nw + 1, sizeof *c->w);
    int rc = edges && c->w && st ? 0 : ERR_NOMEM;
    for (size_t i = 0; !rc && i <= c->nw; i++) {
        int64_t at = q->from_us + (int64_t)i * q->step_us;
        edges[i] = at < q->to_us ? at : q->to_us;
    }
    if (!rc) rc = ts_windows(st, c->num, edges, c->nw, c->step, on_window, c, &c->error);
    if (rc < 0 && !c->error.code) error_set(&c->error, rc, "", "history cannot be read", "无法读取历史数据");
    go_home(c);
}

static void host_windows(void *ctx, const struct outlet_windows *q)
{
    struct fwd *f = ctx;
    struct error e = {0};
    int64_t n = q->step_us > 0 && q->to_us > q->from_us ? (q->to_us - q->from_us - 1) / q->step_us + 1 : 0;
    struct call *c = call_new(f, CALL_WINDOWS, q->slot);
    if (n < 1 || n > WINDOWS_MAX)
        error_set(&e, ERR_INVALID, "", "1 to %d windows at a time", "一次可查询 1 至 %d 个窗口", WINDOWS_MAX);
    else if (!c)
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (e.code) {
        if (c) call_free(c);
        q->done(q->arg, &e, NULL, 0);
        return;
    }
    c->q.windows = *q;
    c->nw = (size_t)n;
    start(c, f->run->asking, work_windows);
}

/* ---- log-ins ---- */

/* A session is made by the check of a password, and ended at once: only whether he may matters here. */
static void work_login(void *arg)
{
    struct call *c = arg;
    struct auth *auth = api_auth(c->f->run->node->api);
    AUTO_ARENA a;
    char secret[AUTH_TOKEN_CHARS + 1];
    struct principal who;
    unsigned wait;
    arena_init(&a, 1u << 20);
    struct auth_try t = {.login = str_of(c->user ? c->user : ""),
                         .password = str_of(c->text ? c->text : ""),
                         .from = {.peer = c->peer ? c->peer : "", .agent = STR("forward")}};
    int rc = auth_login(auth, &a, &t, secret, &who, &wait, &c->error);
    if (rc && !c->error.code) error_set(&c->error, rc, "", "the user or the password is wrong", "用户名或密码错误");
    if (!rc) {
        struct error none;
        if (auth_session_kill(auth, str_of(who.id), &who.actor, &none))
            log_warn(COMPONENT, "a session was not ended", NULL);
        if (who.must_set_password || who.password_expired || who.must_add_factor)
            error_set(&c->error, ERR_FORBIDDEN, "", "the user has to sign in to the platform first",
                      "用户须先登录平台");
        else if (!permitted(who.actor.may, "point", ACT_READ))
            error_set(&c->error, ERR_FORBIDDEN, "", "the user may not read points", "用户没有读取测点的权限");
    }
    go_home(c);
}

static void host_login(void *ctx, const char *user, const char *password, const char *peer, outlet_done *done,
                       void *arg)
{
    struct fwd *f = ctx;
    struct error e;
    struct call *c = call_new(f, CALL_LOGIN, UINT32_MAX);
    if (!c) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e);
        return;
    }
    c->q.login.done = done;
    c->q.login.arg = arg;
    c->user = mem_strdup(user);
    c->text = mem_strdup(password);
    c->peer = mem_strdup(peer);
    start(c, f->run->asking, work_login);
}

/* ---- alarms ---- */

/* ISA-18.2 priorities as OPC UA severities (Part 9, 5.5.2 and Annex: higher is worse). */
static unsigned severity_of(unsigned priority)
{
    static const unsigned severities[] = {500, 900, 700, 500, 200};
    return severities[priority < 5 ? priority : 0];
}

static struct outlet_alarm outlet_alarm_of(const struct fwd *f, const struct alarm_view *v)
{
    size_t slot = f->line ? f_line_slot(f->line, v->num) : SIZE_MAX;
    return (struct outlet_alarm){.id = v->id,
                                 .slot = slot == SIZE_MAX ? UINT32_MAX : (uint32_t)slot,
                                 .rule = v->rule,
                                 .message_en = v->title_en,
                                 .message_zh = v->title_zh,
                                 .severity = severity_of(v->priority),
                                 .active = v->active,
                                 .acknowledged = v->acknowledged,
                                 .active_us = v->active_us,
                                 .changed_us = v->changed_us,
                                 .who = v->who,
                                 .comment = v->comment};
}

/* A copy that outlives the lock of the alarms. */
struct alarm_copy {
    struct alarm_view v;
    char en[400], zh[400], who[64], comment[400];
};
struct alarm_copies {
    struct alarm_copy *at;
    size_t n, cap;
};

static void copy_alarm(struct alarm_copy *to, const struct alarm_view *v)
{
    to->v = *v;
    snprintf(to->en, sizeof to->en, "%s", v->title_en);
    snprintf(to->zh, sizeof to->zh, "%s", v->title_zh);
    snprintf(to->who, sizeof to->who, "%s", v->who);
    snprintf(to->comment, sizeof to->comment, "%s", v->comment);
}

static void point_copy(struct alarm_copy *c)
{
    c->v.title_en = c->en;
    c->v.title_zh = c->zh;
    c->v.who = c->who;
    c->v.comment = c->comment;
}

static void add_alarm(void *arg, const struct alarm_view *v)
{
    struct alarm_copies *l = arg;
    if (mem_grow((void **)&l->at, &l->cap, l->n + 1, sizeof *l->at)) copy_alarm(&l->at[l->n++], v);
}

static void host_alarms(void *ctx, outlet_alarms_done *done, void *arg)
{
    struct fwd *f = ctx;
    const struct alarm_source *src = f->run->node->alarms;
    struct alarm_copies l = {0};
    size_t n = 0;
    if (src) src->each(src->ctx, add_alarm, &l);
    AUTO_FREE struct outlet_alarm *list = mem_calloc(l.n + 1, sizeof *list);
    for (size_t i = 0; list && i < l.n; i++) {
        point_copy(&l.at[i]);
        list[n] = outlet_alarm_of(f, &l.at[i].v);
        if (list[n].slot != UINT32_MAX) n++;
    }
    done(arg, NULL, list, n);
    mem_free(l.at);
}

struct alarm_post {
    struct run *run;
    struct alarm_copy c;
};

static void do_alarm(void *arg)
{
    struct alarm_post *p = arg;
    struct run *r = p->run;
    point_copy(&p->c);
    for (size_t i = 0; i < r->n; i++) {
        struct fwd *f = r->fwds[i];
        struct outlet_alarm a = outlet_alarm_of(f, &p->c.v);
        if (f->outlet->alarm && !f->closing && a.slot != UINT32_MAX) f->outlet->alarm(f->ch, &a);
    }
    mem_free(p);
}

void fwd_run_alarm(void *run, const struct alarm_view *v)
{
    struct run *r = run;
    struct alarm_post *p = mem_alloc(sizeof *p);
    if (!p) return;
    p->run = r;
    copy_alarm(&p->c, v);
    if (loop_post(r->loop, do_alarm, p)) mem_free(p);
}

static void work_ack(void *arg)
{
    struct call *c = arg;
    struct node *n = c->f->run->node;
    struct actor by = actor_system;
    AUTO_ARENA a;
    arena_init(&a, 1u << 20);
    snprintf(by.login, sizeof by.login, "forward:%.50s", c->f->code);
    int rc = c->user ? actor_of(api_auth(n->api), &a, c->user, &by) : 0;
    if (rc)
        error_set(&c->error, ERR_FORBIDDEN, "", "the user is not there any more", "用户已不存在");
    else if (n->alarms)
        rc = n->alarms->ack(n->alarms->ctx, &by, str_of(c->peer ? c->peer : ""), str_of(c->text ? c->text : ""),
                            &c->error);
    go_home(c);
}

static void host_alarm_ack(void *ctx, const char *id, const char *user, const char *comment, outlet_done *done,
                           void *arg)
{
    struct fwd *f = ctx;
    struct error e = {0};
    struct call *c = call_new(f, CALL_ACK, UINT32_MAX);
    if (!c)
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    else if (!f->line || !f->line->writes)
        error_set(&e, ERR_FORBIDDEN, "", "this forwarding allows no changes", "此转发不允许更改");
    if (e.code) {
        if (c) call_free(c);
        done(arg, &e);
        return;
    }
    c->q.login.done = done;
    c->q.login.arg = arg;
    c->peer = mem_strdup(id);
    if (user && user[0]) c->user = mem_strdup(user);
    c->text = mem_strdup(comment ? comment : "");
    start(c, f->run->asking, work_ack);
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
                                   .trust = trust ? host_trust : NULL};
}
