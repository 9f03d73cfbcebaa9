/* event_write.c - what is written to an alarm calls its methods: Acknowledge, Confirm, Enable, Disable, AddComment
 * (OPC 10000-9, 5.5 and 5.7), by the EventId that was heard last. Acknowledging and confirming goes for the present
 * state and for all branches that wait for it. Test reads of alarms find the nodes of their fields and read those.
 *
 * One Call holds all; when the answer does not come the outcome is unknown. */
#include <stdio.h>
#include "drivers/opcua/events_int.h"

enum action { ACT_ACKNOWLEDGE, ACT_CONFIRM, ACT_ENABLE, ACT_DISABLE, ACT_COMMENT, ACT_NONE };
static const uint32_t methods[] = {
    [ACT_ACKNOWLEDGE] = UA_NODE_ACKNOWLEDGEABLE_CONDITION_TYPE_ACKNOWLEDGE,
    [ACT_CONFIRM] = UA_NODE_ACKNOWLEDGEABLE_CONDITION_TYPE_CONFIRM,
    [ACT_ENABLE] = UA_NODE_CONDITION_TYPE_ENABLE,
    [ACT_DISABLE] = UA_NODE_CONDITION_TYPE_DISABLE,
    [ACT_COMMENT] = UA_NODE_CONDITION_TYPE_ADD_COMMENT,
};
static const struct {
    uint32_t status;
    const char *en, *zh;
} reasons[] = {
    {0x80CF0000u, "it is acknowledged already", "该报警已被确认"},
    {0x80D00000u, "it is confirmed already", "该报警已被证实"},
    {0x809A0000u, "the alarm has changed meanwhile; look at it again, then write once more",
     "报警状态已变化，请重新查看后再写入"},
    {0x80BB0000u, "this event cannot be acknowledged", "该事件不可确认"},
    {0x80980000u, "it is disabled already", "该报警已处于禁用状态"},
    {0x80CC0000u, "it is enabled already", "该报警已处于启用状态"},
    {0x80990000u, "it is disabled: enable it first", "该报警已禁用，请先启用"},
    {UA_BAD_METHOD_INVALID, "the server does not offer this for the alarm", "服务器对该报警不提供此操作"},
    {UA_BAD_NODE_ID_UNKNOWN, "the server has no such alarm", "服务器中没有该报警"},
    {UA_BAD_NODE_ID_INVALID, "the server has no such alarm, or does not offer this for it",
     "服务器中没有该报警，或不提供此操作"},
    {UA_BAD_USER_ACCESS_DENIED, "the user of this channel may not do that at the server",
     "该通道的登录用户在服务器上没有此权限"},
};

static void refuse(struct oc_channel *ch, struct oc_job *j, const struct error *e)
{
    oc_write_end(ch, j, DRIVER_REFUSED, e, NULL);
}

/* ---- what is meant ---- */

static bool is_true(const struct oc_job *j)
{
    switch (j->value.type) {
    case SAMPLE_STRING: return !str_ieq(j->text, STR("false")) && !str_is(j->text, "0") && j->text.n > 0;
    case SAMPLE_DOUBLE: return j->value.v.d != 0;
    default: return j->value.v.i != 0;
    }
}

static enum action action_of(const struct oc_job *j, struct error *e)
{
    const struct oc_event *ev = j->point.event;
    const char *name = ev->alarm && ev->field && ev->field->writable ? ev->field->name : "";
    bool yes = is_true(j);
    if (strcmp(name, "enabled") == 0) return yes ? ACT_ENABLE : ACT_DISABLE;
    if (strcmp(name, "comment") == 0) return ACT_COMMENT;
    if (name[0] && yes) return strcmp(name, "acked") == 0 ? ACT_ACKNOWLEDGE : ACT_CONFIRM;
    if (name[0])
        error_set(e, ERR_INVALID, "", "it cannot be taken back: write true to acknowledge or confirm",
                  "确认或证实不能撤销：请写入 true");
    else
        error_set(
            e, ERR_UNSUPPORTED, "",
            "this is told by events only; written can be the fields acked, confirmed, enabled and comment of alarms",
            "该字段只由事件给出；可写的是报警的 acked、confirmed、enabled 和 comment 字段");
    return ACT_NONE;
}

/* What is said with it: a text that was written, else the option. */
static struct str comment_of(const struct oc_job *j, enum action act)
{
    bool word = str_ieq(j->text, STR("true")) || str_is(j->text, "1");
    if (j->value.type == SAMPLE_STRING && (act == ACT_COMMENT || !word)) return j->text;
    return j->point.comment;
}

/* ---- the calls ---- */

static int add_call(struct oc_job *j, struct ua_call_request *q, const struct ua_nodeid *object, enum action act,
                    struct str event)
{
    struct ua_call_method_request *m = &q->methods_to_call[q->methods_to_call_n];
    struct ua_variant *in = arena_calloc(&j->arena, 2, sizeof *in);
    struct str *id = arena_calloc(&j->arena, 1, sizeof *id);
    struct ua_text *text = arena_calloc(&j->arena, 1, sizeof *text);
    *m = (struct ua_call_method_request){.method_id = ua_id(0, methods[act])};
    if (!in || !id || !text || ua_copy(&j->arena, UA_NODEID, object, &m->object_id)) return ERR_NOMEM;
    if (event.n) {
        *id = arena_str(&j->arena, event);
        text->text = comment_of(j, act);
        if (text->text.n == 0) text->text = STR_NULL; /* the comment that stands stays */
        in[0] = ua_variant_scalar(UA_BYTESTRING, id);
        in[1] = ua_variant_scalar(UA_TEXT, text);
        m->input_arguments = in, m->input_arguments_n = 2;
    }
    q->methods_to_call_n++;
    return 0;
}

static bool done_with(const struct oc_branch *b, enum action act)
{
    return act == ACT_ACKNOWLEDGE ? b->acked : b->confirmed;
}

static int add_calls(struct oc_job *j, struct ua_call_request *q, const struct oc_condition *c, enum action act,
                     struct error *e)
{
    bool branches = act == ACT_ACKNOWLEDGE || act == ACT_CONFIRM, trunk = true;
    size_t n = 0;
    q->methods_to_call = arena_calloc(&j->arena, c->nbranches + 1, sizeof *q->methods_to_call);
    if (q->methods_to_call == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < c->nbranches && branches; i++) n += !done_with(&c->branches[i], act);
    if (branches && n) trunk = act == ACT_ACKNOWLEDGE ? !c->acked : !c->confirmed;
    if (act == ACT_ENABLE || act == ACT_DISABLE) return add_call(j, q, &c->id, act, STR_NULL);
    if (trunk && c->event.n == 0)
        return error_set(e, ERR_PRECONDITION, "",
                         "the server has told no event of this alarm yet: there is nothing to act on",
                         "服务器尚未给出该报警的事件，没有可操作的对象");
    int rc = trunk ? add_call(j, q, &c->id, act, c->event) : 0;
    for (size_t i = 0; i < c->nbranches && branches && !rc; i++)
        if (!done_with(&c->branches[i], act)) rc = add_call(j, q, &c->id, act, c->branches[i].event);
    return rc;
}

static void reason(struct error *e, uint32_t status, uint32_t done, uint32_t all)
{
    struct error plain = {0};
    char part[80] = "", part_zh[80] = "";
    if (done) snprintf(part, sizeof part, "done for %u of %u states; ", done, all);
    if (done) snprintf(part_zh, sizeof part_zh, "%u 个状态中已完成 %u 个；", all, done);
    if (ua_status_error(status, "the server", &plain) == 0) plain.code = ERR_PROTOCOL;
    const char *en = plain.text, *zh = plain.text_zh;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) en = reasons[i].en, zh = reasons[i].zh;
    error_set(e, plain.code, "", "%s%.0s%s%.0s (%s)", "%.0s%s%.0s%s（%s）", part, part_zh, en, zh,
              ua_status_name(status));
}

static void on_called(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_call_response *r = value;
    struct oc_job *j = arg;
    struct error why = {0};
    uint32_t bad = 0, good = 0;
    if (r == NULL) {
        oc_write_end(ch, j, refused ? DRIVER_REFUSED : DRIVER_UNKNOWN, e, NULL);
        return;
    }
    for (uint32_t i = 0; i < r->results_n; i++) {
        if (!ua_bad(r->results[i].status_code))
            good++;
        else if (!bad)
            bad = r->results[i].status_code;
    }
    if (bad == 0 && good == j->ninputs) {
        oc_write_end(ch, j, DRIVER_DONE, NULL, NULL);
        return;
    }
    reason(&why, bad ? bad : UA_BAD_UNEXPECTED_ERROR, good, j->ninputs);
    if (ch->events) oc_refresh_conditions(ch, oc_point_class(ch, &j->point));
    if (bad)
        refuse(ch, j, &why);
    else
        oc_write_end(ch, j, DRIVER_UNKNOWN, &why, NULL);
}

static struct oc_condition *condition_of(struct oc_channel *ch, const struct oc_job *j, struct error *e)
{
    struct ua_nodeid id;
    if (oc_node_id(ch, &j->point.event->condition, &id, e)) return NULL;
    struct oc_condition *c = ch->events ? oc_condition_find(ch->events, &id) : NULL;
    if (c && c->settle == SETTLE_DONE) return c;
    error_set(e, ERR_AGAIN, "", "the state of the alarm is being asked for; try again in a moment",
              "正在查询报警状态，请稍后重试");
    return NULL;
}

void oc_event_write(struct oc_channel *ch, struct oc_job *j)
{
    struct error e = {0};
    struct ua_call_request q = {0};
    enum action act = action_of(j, &e);
    if (act == ACT_NONE) {
        refuse(ch, j, &e);
        return;
    }
    const struct oc_condition *c = condition_of(ch, j, &e);
    if (c == NULL) {
        oc_write_end(ch, j, DRIVER_FAILED, &e, NULL);
        return;
    }
    if (add_calls(j, &q, c, act, &e)) {
        refuse(ch, j, &e);
        return;
    }
    if (j->deadline_ns && oc_now(ch) >= j->deadline_ns) {
        error_set(&e, ERR_TIMEOUT, "", "the deadline passed before it was sent", "发送前已超过期限");
        oc_write_end(ch, j, DRIVER_EXPIRED, &e, NULL);
        return;
    }
    j->ninputs = q.methods_to_call_n;
    oc_call(ch, UA_T_call_request, &q, ch->cfg.answer_ms, on_called, j);
}

/* ---- test reads ---- */

static void cannot_read(struct oc_channel *ch, struct oc_job *j, size_t i)
{
    struct error e;
    error_set(&e, ERR_UNSUPPORTED, "address", "events come when something happens; there is no value to read",
              "事件在发生时上送，没有可读的值");
    oc_read_bad(ch, j, i, &e, REASON_NO_DATA);
}

static bool readable(const struct oc_event *ev)
{
    return ev->alarm && !(ev->field && ev->field->role == FIELD_BRANCHES);
}

static void on_fields(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_translate_browse_paths_to_node_ids_response *r = value;
    struct oc_job *j = arg;
    uint32_t k = 0;
    (void)refused;
    for (size_t i = 0; i < j->npoints; i++) {
        struct oc_point *p = &j->points[i];
        struct error why = {0};
        if (!p->event) continue;
        const struct ua_browse_path_result *one = r && k < r->results_n ? &r->results[k] : NULL;
        k++;
        p->event = NULL;
        if (one && !ua_bad(one->status_code) && one->targets_n &&
            ua_copy(&j->arena, UA_NODEID, &one->targets[0].target_id.id, &p->node.id.id) == 0)
            continue;
        error_set(&why, ERR_NOT_FOUND, "address",
                  "the server does not show this alarm or field as a node: its value comes with its events",
                  "服务器未以节点形式提供该报警或字段，其值随事件给出");
        oc_read_bad(ch, j, i, r ? &why : e, REASON_NO_DATA);
    }
    oc_read_go(ch, j);
}

/* The nodes of the fields; true: it is asked for, and the job goes on then. */
bool oc_event_resolve(struct oc_channel *ch, struct oc_job *j)
{
    struct ua_browse_path *paths = arena_calloc(&j->arena, j->npoints + 1, sizeof *paths);
    uint32_t n = 0;
    for (size_t i = 0; i < j->npoints && paths; i++) {
        struct oc_point *p = &j->points[i];
        struct ua_nodeid id = {0};
        struct error e = {0};
        if (p->event && !readable(p->event)) {
            p->event = NULL;
            cannot_read(ch, j, i);
        } else if (p->event && oc_node_id(ch, &p->event->condition, &id, &e)) {
            p->event = NULL;
            oc_read_bad(ch, j, i, &e, REASON_CONFIG_ERROR);
        }
        if (!p->event) continue;
        const struct oc_event *ev = p->event;
        paths[n].starting_node = id;
        struct ua_relative_path *rel = &paths[n++].relative_path;
        rel->elements = arena_calloc(&j->arena, ev->path_n + 1, sizeof *rel->elements);
        for (uint32_t k = 0; k < ev->path_n && rel->elements; k++)
            rel->elements[rel->elements_n++] =
                (struct ua_relative_path_element){.reference_type_id = ua_id(0, UA_NODE_AGGREGATES),
                                                  .include_subtypes = true,
                                                  .target_name = ev->path[k]};
    }
    if (n == 0) return false;
    struct ua_translate_browse_paths_to_node_ids_request q = {.browse_paths = paths, .browse_paths_n = n};
    oc_call(ch, UA_T_translate_browse_paths_to_node_ids_request, &q, ch->cfg.answer_ms, on_fields, j);
    return true;
}
