/* api_write.c - POST /points/{id}:write: the API's door to core/control.h; it alone asks for a confirmation. */
#include "core/control.h"
#include "modules/collect/collect.h"

static int read_value(const struct json *v, struct control_command *cmd, struct error *e)
{
    if (v && v->type == JSON_STRING) {
        cmd->value.type = SAMPLE_STRING;
        cmd->text = v->s;
        return 0;
    }
    if (v && v->type == JSON_BOOL) {
        cmd->value.type = SAMPLE_BOOL;
        cmd->value.v.i = v->b;
        return 0;
    }
    if (!v || (v->type != JSON_INT && v->type != JSON_DOUBLE))
        return error_set(e, ERR_INVALID, "value", "must be a number, a boolean or a text", "必须是数字、布尔值或文本");
    cmd->value.type = v->type == JSON_INT ? SAMPLE_INT : SAMPLE_DOUBLE; /* whole past 2^53 too */
    if (v->type == JSON_INT)
        cmd->value.v.i = json_i64(v, 0);
    else
        cmd->value.v.d = json_double(v, 0);
    return 0;
}

static int read_command(const struct json *body, struct control_command *cmd, struct error *e)
{
    int err = read_value(json_get(body, "value"), cmd, e);
    if (err) return err;
    cmd->reason = str_trim(json_str(json_get(body, "reason"), STR("")));
    cmd->expires_ms = json_i64(json_get(body, "expires_ms"), 5000);
    if (cmd->expires_ms < 100) cmd->expires_ms = -1; /* refused with the limits */
    if (!json_bool(json_get(body, "confirm"), false))
        return error_set(e, ERR_PRECONDITION, "confirm",
                         "a write to equipment must be confirmed: send \"confirm\": true",
                         "写设备必须确认：请发送 \"confirm\": true");
    return 0;
}

int post_write(struct api_call *c, struct error *e)
{
    struct json *body;
    struct resource r;
    struct control_result result;
    struct control_command cmd = {0};
    int err = api_body_json(c, &body, e);
    if (!err) err = api_find(c, "point", c->param[0], ACT_CONTROL, &r, e);
    if (!err) err = read_command(body, &cmd, e);
    if (err) return err;
    cmd.point = r.num;
    err = control_write(collect_of(c), &c->actor, &cmd, &result, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    control_json(&w, &cmd, &result, c->zh);
    return 0;
}
