/* control.c - core/control.h: control of equipment. Not data: each command has an id, an expiry, checks, a read-back
 * and an audit record; it is never buffered, never repeated, and an outcome that is not known is reported as unknown.
 */
#include "base/json.h"
#include "core/control.h"
#include "model/sample.h"
#include "modules/collect/collect.h"

#define EXPIRES_DEFAULT_MS 5000
#define EXPIRES_MAX_MS 60000
#define ANSWER_MS 15000 /* beyond the expiry, for the device's own time-outs and the read-back */

static const char *const outcome_names[] = {"done", "refused", "failed", "unknown", "expired"};

struct command {
    struct collect *c;
    const struct actor *by;
    const struct control_command *cmd;
    const struct p_point *pt;   /* as it runs */
    struct p_point rules;       /* as it is stored now: a range that was narrowed holds at once */
    const struct p_channel *ch; /* or */
    const struct control_route *route;
};

int control_route_add(void *ctx, const struct control_route *r)
{
    struct collect *c = ctx;
    if (c->nroutes == CONTROL_ROUTES) return ERR_LIMIT;
    c->routes[c->nroutes++] = r;
    return 0;
}

/* The module that says it is its point. */
static int find_route(struct command *k, struct error *e)
{
    for (unsigned i = 0; i < k->c->nroutes; i++) {
        const struct control_route *r = k->c->routes[i];
        int err = r->find(r->ctx, k->cmd->point, e);
        if (err == ERR_NOT_FOUND) continue;
        k->route = r;
        return err;
    }
    return error_set(e, ERR_UNAVAILABLE, "id", "nothing is behind the point that takes values; it has no device",
                     "测点没有可写入的设备");
}

static int find_rules(struct command *k, struct arena *a, struct error *e)
{
    struct resource r;
    int err = resource_by_num(k->c->node->kernel, a, "point", k->cmd->point, &r, e);
    if (!err && !permitted_at(k->by->may, "point", ACT_READ, r.org))
        err = error_set(e, ERR_NOT_FOUND, "point", "there is no such point", "没有该测点");
    if (!err && !permitted_at(k->by->may, "point", ACT_CONTROL, r.org))
        err = error_set(e, ERR_FORBIDDEN, "point", "%s may not write to equipment here", "%s 没有在此写设备的权限",
                        k->by->login);
    return err ? err : plant_point_spec(r.spec, a, &k->rules, e);
}

static int find_target(struct command *k, const struct plant *p, struct error *e)
{
    k->pt = p ? plant_point(p, k->cmd->point) : NULL;
    if (!k->pt)
        return error_set(e, ERR_UNAVAILABLE, "id", "the point is not running yet, try again in a moment",
                         "测点尚未生效，请稍后再试");
    if (!k->rules.writable || !k->pt->writable)
        return error_set(e, ERR_FORBIDDEN, "id", "the point '%.*s' may not be written; its 'writable' is off",
                         "测点 '%.*s' 不允许写入；其“允许写入”未启用", STR_ARG(k->pt->code));
    if (k->pt->device == UINT32_MAX) return find_route(k, e);
    const struct p_device *d = &p->devices[k->pt->device];
    if (d->channel == UINT32_MAX || !d->enabled || !p->channels[d->channel].enabled)
        return error_set(e, ERR_UNAVAILABLE, "id", "the point's device or channel is not in use",
                         "测点所属设备或通道未启用");
    k->ch = &p->channels[d->channel];
    return 0;
}

static int check_range(const struct p_point *pt, double v, struct error *e)
{
    double lo = isnan(pt->write_lo) ? pt->lo : pt->write_lo, hi = isnan(pt->write_hi) ? pt->hi : pt->write_hi;
    if (v < lo)
        return error_set(e, ERR_INVALID, "value", "%g is below the lowest value that may be written, %g",
                         "%g 低于允许写入的最小值 %g", v, lo);
    if (v > hi)
        return error_set(e, ERR_INVALID, "value", "%g is above the highest value that may be written, %g",
                         "%g 高于允许写入的最大值 %g", v, hi);
    return 0;
}

static int check_value(const struct command *k, struct error *e)
{
    const struct control_command *cmd = k->cmd;
    bool text = k->pt->type == VALUE_STRING;
    if (text != (cmd->value.type == SAMPLE_STRING))
        return error_set(e, ERR_INVALID, "value", "must be a %s", text ? "必须是文本 (%s)" : "必须是数字或布尔值 (%s)",
                         text ? "text" : "number or boolean");
    if (cmd->expires_ms && (cmd->expires_ms < 100 || cmd->expires_ms > EXPIRES_MAX_MS))
        return error_set(e, ERR_INVALID, "expires_ms", "must be between 100 and %d", "必须在 100 与 %d 之间",
                         EXPIRES_MAX_MS);
    if (cmd->reason.n > 500) return error_set(e, ERR_INVALID, "reason", "is longer than 500 bytes", "超过 500 字节");
    double v = sample_number(&cmd->value);
    if (!text && !isfinite(v)) return error_set(e, ERR_INVALID, "value", "must be a finite number", "必须是有限数值");
    return text ? 0 : check_range(&k->rules, v, e);
}

static void write_number(struct json_writer *w, const char *key, bool have, const struct sample *s, struct str text)
{
    if (have && s->type == SAMPLE_STRING && text.p)
        jw_kstr(w, key, text);
    else if (have && s->type == SAMPLE_INT)
        jw_ki64(w, key, s->v.i);
    else
        jw_kdouble(w, key, have ? sample_number(s) : NAN);
}

void control_json(struct json_writer *w, const struct control_command *cmd, const struct control_result *r, bool zh)
{
    jw_object(w);
    jw_kz(w, "command", r->id);
    jw_kz(w, "outcome", outcome_names[r->outcome]);
    jw_kz(w, "detail", r->error.code ? (zh ? r->error.text_zh : r->error.text) : "");
    write_number(w, "value", true, &cmd->value, cmd->text);
    write_number(w, "before", r->has_before, &r->before, STR_NULL);
    write_number(w, "readback", r->has_readback, &r->readback, str_of(r->text));
    jw_kstr(w, "reason", cmd->reason);
    if (cmd->origin) jw_kz(w, "origin", cmd->origin);
    jw_ki64(w, "ms", r->ms);
    jw_end(w);
}

static void record(const struct command *k, const struct control_result *r)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    struct json_writer w = json_writer(&b);
    control_json(&w, k->cmd, r, false);
    api_audit(k->c->node->api, k->by, AUDIT_CONTROL, "write", "point", k->pt->code, outcome_names[r->outcome],
              buf_view(&b));
    buf_fini(&b);
}

static void to_device(struct command *k, int64_t expires_ms, struct control_result *ret)
{
    const struct control_command *cmd = k->cmd;
    struct driver_write w = {.point = cmd->point, .value = cmd->value, .text = cmd->text.p, .text_len = cmd->text.n};
    struct call_result r;
    w.value.point = cmd->point;
    w.deadline_ns = clock_mono_ns(k->c->node->clock) + (uint64_t)expires_ms * 1000000;
    run_write(k->c->run, k->ch->id, &w, (unsigned)expires_ms + ANSWER_MS, &r);
    ret->outcome = r.outcome;
    ret->error = r.error;
    ret->has_readback = r.has_readback;
    ret->readback = r.readback;
    memcpy(ret->text, r.text, sizeof ret->text);
    ret->ms = r.ms;
}

static void carry_out(struct command *k, struct control_result *ret)
{
    struct node *n = k->c->node;
    struct control_command cmd = *k->cmd;
    if (!cmd.expires_ms) cmd.expires_ms = EXPIRES_DEFAULT_MS;
    uuid7(n->clock, n->rng, ret->id);
    ret->has_before = bus_current(n->bus, cmd.point, &ret->before);
    if (k->route)
        k->route->write(k->route->ctx, &cmd, ret);
    else
        to_device(k, cmd.expires_ms, ret);
    record(k, ret);
}

int control_write(void *ctx, const struct actor *by, const struct control_command *cmd, struct control_result *ret,
                  struct error *e)
{
    AUTO_ARENA a;
    struct command k = {.c = ctx, .by = by, .cmd = cmd};
    arena_init(&a, 1u << 20);
    *ret = (struct control_result){0};
    int err = find_rules(&k, &a, e);
    if (err) return err;
    struct plant *p = collect_plant(k.c);
    err = find_target(&k, p, e);
    if (!err) err = check_value(&k, e);
    if (!err) carry_out(&k, ret);
    plant_unref(p);
    return err;
}
