/* api_write.c - POST /points/{id}:write: control of equipment. Not data: each command has an id, an
 * expiry, checks, a confirmation, a read-back and an audit record; it is never buffered, never repeated,
 * and an outcome that is not known is reported as unknown. */
#include "base/mem.h"
#include "model/sample.h"
#include "modules/collect/collect.h"

#define EXPIRES_DEFAULT_MS 5000
#define EXPIRES_MAX_MS 60000
#define ANSWER_MS 15000 /* beyond the expiry, for the device's own time-outs and the read-back */

static const char *const outcome_names[] = {"done", "refused", "failed", "unknown", "expired"};

struct command {
    char id[37];
    const struct p_point *pt; /* as it runs */
    struct p_point rules;     /* as it is stored now: a range that was narrowed holds at once */
    const struct p_channel *ch;
    struct driver_write w;
    struct sample before;
    bool has_before;
    struct str reason;
    int64_t expires_ms;
};

static int find_target(struct api_call *c, const struct plant *p, struct command *cmd, struct error *e)
{
    struct resource r;
    int err = api_find(c, "point", c->param[0], ACT_CONTROL, &r, e);
    if (err) return err;
    cmd->pt = p ? plant_point(p, r.num) : NULL;
    if (!cmd->pt)
        return error_set(e, ERR_UNAVAILABLE, "id", "the point is not running yet, try again in a moment",
                         "测点尚未生效，请稍后再试");
    err = plant_point_spec(r.spec, c->a, &cmd->rules, e);
    if (err) return err;
    if (!cmd->rules.writable || !cmd->pt->writable)
        return error_set(e, ERR_FORBIDDEN, "id", "the point '%.*s' may not be written; its 'writable' is off",
                         "测点 '%.*s' 不允许写入；其“允许写入”未启用", STR_ARG(cmd->pt->code));
    const struct p_device *d = cmd->pt->device == UINT32_MAX ? NULL : &p->devices[cmd->pt->device];
    if (!d || d->channel == UINT32_MAX || !d->enabled || !p->channels[d->channel].enabled)
        return error_set(e, ERR_UNAVAILABLE, "id", "the point's device or channel is not in use",
                         "测点所属设备或通道未启用");
    cmd->ch = &p->channels[d->channel];
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

static int wrong_type(bool text, struct error *e)
{
    return error_set(e, ERR_INVALID, "value", "must be a %s", text ? "必须是文本 (%s)" : "必须是数字或布尔值 (%s)",
                     text ? "text" : "number or boolean");
}

static int read_value(const struct json *v, struct command *cmd, struct error *e)
{
    bool text = cmd->pt->type == VALUE_STRING;
    if (!v || text != (v->type == JSON_STRING)) return wrong_type(text, e);
    cmd->w.value.point = cmd->pt->num;
    if (text) {
        cmd->w.value.type = SAMPLE_STRING;
        cmd->w.text = v->s.p;
        cmd->w.text_len = v->s.n;
        return 0;
    }
    if (v->type == JSON_BOOL) {
        cmd->w.value.type = SAMPLE_BOOL;
        cmd->w.value.v.i = v->b;
        return check_range(&cmd->rules, v->b, e);
    }
    if (v->type != JSON_INT && v->type != JSON_DOUBLE) return wrong_type(text, e);
    cmd->w.value.type = SAMPLE_DOUBLE;
    cmd->w.value.v.d = json_double(v, 0);
    return check_range(&cmd->rules, cmd->w.value.v.d, e);
}

static int read_command(struct api_call *c, const struct json *body, struct command *cmd, struct error *e)
{
    int err = read_value(json_get(body, "value"), cmd, e);
    if (err) return err;
    cmd->reason = str_trim(json_str(json_get(body, "reason"), STR("")));
    cmd->expires_ms = json_i64(json_get(body, "expires_ms"), EXPIRES_DEFAULT_MS);
    if (cmd->expires_ms < 100 || cmd->expires_ms > EXPIRES_MAX_MS)
        return error_set(e, ERR_INVALID, "expires_ms", "must be between 100 and %d", "必须在 100 与 %d 之间",
                         EXPIRES_MAX_MS);
    if (cmd->reason.n > 500) return error_set(e, ERR_INVALID, "reason", "is longer than 500 bytes", "超过 500 字节");
    if (!json_bool(json_get(body, "confirm"), false))
        return error_set(e, ERR_PRECONDITION, "confirm",
                         "a write to equipment must be confirmed: send \"confirm\": true",
                         "写设备必须确认：请发送 \"confirm\": true");
    return 0;
}

static void write_number(struct json_writer *w, const char *key, bool have, const struct sample *s, struct str text)
{
    if (have && s->type == SAMPLE_STRING && text.p)
        jw_kstr(w, key, text);
    else
        jw_kdouble(w, key, have ? sample_number(s) : NAN);
}

static void write_outcome(struct json_writer *w, struct api_call *c, const struct command *cmd,
                          const struct call_result *r)
{
    jw_object(w);
    jw_kz(w, "command", cmd->id);
    jw_kz(w, "outcome", outcome_names[r->outcome]);
    jw_kz(w, "detail", r->error.code ? (c->zh ? r->error.text_zh : r->error.text) : "");
    write_number(w, "value", true, &cmd->w.value, str_make(cmd->w.text, cmd->w.text_len));
    write_number(w, "before", cmd->has_before, &cmd->before, STR_NULL);
    write_number(w, "readback", r->has_readback, &r->readback, str_of(r->text));
    jw_kstr(w, "reason", cmd->reason);
    jw_ki64(w, "ms", r->ms);
    jw_end(w);
}

static void record(struct api_call *c, const struct command *cmd, const struct call_result *r)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    struct json_writer w = json_writer(&b);
    write_outcome(&w, c, cmd, r);
    api_audit(c->api, &c->actor, AUDIT_CONTROL, "write", "point", cmd->pt->code, outcome_names[r->outcome],
              buf_view(&b));
    buf_fini(&b);
}

static int run_command(struct api_call *c, const struct plant *p, const struct json *body, struct error *e)
{
    struct collect *col = collect_of(c);
    struct command cmd = {0};
    struct call_result r;
    int err = find_target(c, p, &cmd, e);
    if (!err) err = read_command(c, body, &cmd, e);
    if (err) return err;
    uuid7(col->node->clock, col->node->rng, cmd.id);
    cmd.has_before = bus_current(col->node->bus, cmd.pt->num, &cmd.before);
    cmd.w.point = cmd.pt->num;
    cmd.w.deadline_ns = clock_mono_ns(col->node->clock) + (uint64_t)cmd.expires_ms * 1000000;
    run_write(col->run, cmd.ch->id, &cmd.w, (unsigned)cmd.expires_ms + ANSWER_MS, &r);
    record(c, &cmd, &r);
    struct json_writer w = api_answer(c);
    write_outcome(&w, c, &cmd, &r);
    return 0;
}

int post_write(struct api_call *c, struct error *e)
{
    struct json *body;
    int err = api_body_json(c, &body, e);
    if (err) return err;
    struct plant *p = collect_plant(collect_of(c));
    err = run_command(c, p, body, e);
    plant_unref(p);
    return err;
}
