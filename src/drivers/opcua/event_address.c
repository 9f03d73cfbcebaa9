/* event_address.c - addresses of events and of alarms. Pure.
 *
 *   event:<NodeId of a notifier> [field=<BrowsePath>] [type=<NodeId of an event type>] [severity=<1..1000>]
 *   alarm:<NodeId of a condition> [field=<name or BrowsePath>] [notifier=<NodeId>] [type=<NodeId>]
 *
 * A word begins at " field=", " type=", " severity=", " notifier=" and reaches to the next of them, so that node ids
 * and names may hold blanks. A BrowsePath is names with '/' between, each with its namespace where it is not 0
 * (2:Batch);
 * '&' before a character takes it as it is. `type` of an alarm: the type that has the field, where it is none of the
 * standard's. */
#include <stdio.h>
#include "drivers/opcua/events_int.h"

#define ACKABLE UA_NODE_ACKNOWLEDGEABLE_CONDITION_TYPE
#define ALARM UA_NODE_ALARM_CONDITION_TYPE
#define CONDITION UA_NODE_CONDITION_TYPE
#define BASE UA_NODE_BASE_EVENT_TYPE
#define PATH_MAX_NAMES 8

const struct oc_field oc_fields[] = {
    {"active", ALARM, "ActiveState/Id", VALUE_BOOL, FIELD_STATE, false, "active", "激活"},
    {"acked", ACKABLE, "AckedState/Id", VALUE_BOOL, FIELD_ACKED, true, "acknowledged", "已确认"},
    {"confirmed", ACKABLE, "ConfirmedState/Id", VALUE_BOOL, FIELD_CONFIRMED, true, "confirmed", "已证实"},
    {"enabled", CONDITION, "EnabledState/Id", VALUE_BOOL, FIELD_PLAIN, true, "enabled", "已启用"},
    {"severity", BASE, "Severity", VALUE_UINT16, FIELD_PLAIN, false, "severity, 1 to 1000", "严重程度（1–1000）"},
    {"message", BASE, "Message", VALUE_STRING, FIELD_PLAIN, false, "message", "消息"},
    {"comment", CONDITION, "Comment", VALUE_STRING, FIELD_PLAIN, true, "comment", "备注"},
    {"retain", CONDITION, "Retain", VALUE_BOOL, FIELD_PLAIN, false, "of interest", "需要关注"},
    {"suppressed", ALARM, "SuppressedState/Id", VALUE_BOOL, FIELD_STATE, false, "suppressed", "已抑制"},
    {"shelved", ALARM, "ShelvingState/CurrentState/Id", VALUE_BOOL, FIELD_SHELVED, false, "shelved", "已搁置"},
    {"out_of_service", ALARM, "OutOfServiceState/Id", VALUE_BOOL, FIELD_STATE, false, "out of service", "停用"},
    {"limit", UA_NODE_EXCLUSIVE_LIMIT_ALARM_TYPE, "LimitState/CurrentState", VALUE_STRING, FIELD_STATE, false,
     "which limit", "越限状态"},
    {"source", BASE, "SourceName", VALUE_STRING, FIELD_PLAIN, false, "source", "来源"},
    {"quality", CONDITION, "Quality", VALUE_STRING, FIELD_PLAIN, false, "quality of the value it is about",
     "所依据数值的质量"},
    {"branches", CONDITION, "BranchId", VALUE_UINT32, FIELD_BRANCHES, false, "former states that still wait",
     "仍待处理的历史状态数"},
    {0},
};
const struct oc_field oc_base_fields[] = {
    {"Message", BASE, "Message", VALUE_STRING, FIELD_PLAIN, false, "message", "消息"},
    {"Severity", BASE, "Severity", VALUE_UINT16, FIELD_PLAIN, false, "severity, 1 to 1000", "严重程度（1–1000）"},
    {"SourceName", BASE, "SourceName", VALUE_STRING, FIELD_PLAIN, false, "source", "来源"},
    {"SourceNode", BASE, "SourceNode", VALUE_STRING, FIELD_PLAIN, false, "node of the source", "来源节点"},
    {"EventType", BASE, "EventType", VALUE_STRING, FIELD_PLAIN, false, "type of the event", "事件类型"},
    {"Time", BASE, "Time", VALUE_STRING, FIELD_PLAIN, false, "when it happened", "发生时间"},
    {"ReceiveTime", BASE, "ReceiveTime", VALUE_STRING, FIELD_PLAIN, false, "when the server received it",
     "服务器接收时间"},
    {0},
};

/* ---- words ---- */

enum { WORD_NODE, WORD_FIELD, WORD_TYPE, WORD_SEVERITY, WORD_NOTIFIER, WORDS };
static const char *const words[WORDS] = {"", "field=", "type=", "severity=", "notifier="};

/* Which word begins here, after a blank; 0: none. */
static int word_at(struct str s, size_t i)
{
    for (int w = 1; w < WORDS && s.p[i] == ' '; w++)
        if (str_starts(str_sub(s, i + 1, s.n), str_of(words[w]))) return w;
    return 0;
}

static int cut_words(struct str s, struct str ret[WORDS], struct error *e)
{
    size_t from = 0;
    int now = WORD_NODE;
    for (size_t i = 0; i <= s.n; i++) {
        int w = i < s.n ? word_at(s, i) : 0;
        if (w == 0 && i < s.n) continue;
        ret[now] = str_trim(str_sub(s, from, i - from));
        if (i == s.n) break;
        if (ret[w].p) return error_set(e, ERR_INVALID, "address", "'%s' stands there twice", "“%s”重复出现", words[w]);
        now = w;
        from = i + 1 + strlen(words[w]);
    }
    return 0;
}

/* ---- fields ---- */

static const struct oc_field *field_by(const struct oc_field *list, struct str name)
{
    for (; list->name; list++)
        if (str_ieq(name, str_of(list->name))) return list;
    return NULL;
}

/* One name up to an unescaped '/', with its '&' taken away. */
static struct str next_name(struct arena *a, struct str *rest)
{
    char *out = arena_alloc(a, rest->n + 1);
    size_t n = 0, i = 0;
    if (out == NULL) return STR_NULL;
    for (; i < rest->n && rest->p[i] != '/'; i++) {
        if (rest->p[i] == '&' && i + 1 < rest->n) i++;
        out[n++] = rest->p[i];
    }
    *rest = i < rest->n ? str_sub(*rest, i + 1, rest->n) : STR_NULL;
    return str_make(out, n);
}

static int parse_path(struct arena *a, struct str text, struct oc_event *ev, struct error *e)
{
    struct str rest = text;
    ev->path = arena_calloc(a, PATH_MAX_NAMES, sizeof *ev->path);
    while (rest.p && ev->path) {
        struct str name = next_name(a, &rest);
        if (name.n == 0 || str_trim(name).n != name.n || ev->path_n == PATH_MAX_NAMES ||
            ua_name_parse(name, &ev->path[ev->path_n++], NULL))
            return error_set(e, ERR_INVALID, "address",
                             "the field '%.*s' is no path of at most %d names, such as ActiveState/Id or 2:Batch",
                             "字段“%.*s”不是由至多 %d 个名称组成的路径，例如 ActiveState/Id、2:Batch", STR_ARG(text),
                             PATH_MAX_NAMES);
    }
    return ev->path ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* The standard's type that has this path; 0: none of those known. */
static uint32_t type_of_path(struct str path)
{
    for (const struct oc_field *f = oc_fields; f->name; f++)
        if (str_is(path, f->path)) return f->type;
    for (const struct oc_field *f = oc_base_fields; f->name; f++)
        if (str_is(path, f->path)) return f->type;
    return 0;
}

static void put_name(struct buf *out, const struct ua_name *n)
{
    if (n->ns || str_find(n->name, ':') >= 0) buf_printf(out, "%u:", n->ns);
    for (size_t i = 0; i < n->name.n; i++) {
        if (n->name.p[i] == '/' || n->name.p[i] == '&' || n->name.p[i] == '=') buf_z(out, "&");
        buf_add(out, n->name.p + i, 1);
    }
}

static void put_path(struct buf *out, const struct oc_event *ev)
{
    for (uint32_t i = 0; i < ev->path_n; i++) {
        if (i) buf_z(out, "/");
        put_name(out, &ev->path[i]);
    }
}

static int take_field(struct arena *a, struct str text, struct oc_event *ev, struct error *e)
{
    if (text.p && text.n == 0)
        return error_set(e, ERR_INVALID, "address", "the field is empty, such as field=%s", "字段为空，例如 field=%s",
                         ev->alarm ? "acked" : "Severity");
    if (text.p == NULL) text = ev->alarm ? STR("active") : STR("Message");
    ev->field = field_by(oc_base_fields, text);
    if (ev->alarm && field_by(oc_fields, text)) ev->field = field_by(oc_fields, text);
    if (ev->field) text = str_of(ev->field->path);
    uint32_t type = type_of_path(text);
    if (type || !ev->typed) ev->path_type.id.id = ua_id(0, type ? type : ev->alarm ? CONDITION : BASE);
    if (!type && ev->typed) ev->path_type = ev->type;
    int rc = parse_path(a, text, ev, e);
    if (rc) return rc;
    struct buf key;
    buf_init(&key, 16384);
    ua_expanded_text(&key, &ev->path_type.id);
    buf_z(&key, " ");
    put_path(&key, ev);
    ev->key = arena_str(a, buf_view(&key));
    buf_fini(&key);
    return ev->key.p ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ---- the whole ---- */

bool oc_is_event(struct str address)
{
    return str_starts(address, STR("event:")) || str_starts(address, STR("alarm:"));
}

static int take_node(struct arena *a, struct str text, struct oc_node *ret, struct error *e)
{
    int rc = ua_nodeid_parse(a, text, &ret->id, e);
    if (rc && e) str_to_cstr(STR("address"), e->where, sizeof e->where);
    if (rc == 0 && ret->id.server)
        rc = error_set(e, ERR_INVALID, "address", "svr= names another server: make a channel for that one",
                       "svr= 指向另一台服务器：请为它单独建立通道");
    return rc;
}

static int take_severity(struct str text, struct oc_event *ev, struct error *e)
{
    uint64_t n = 0;
    if (text.p && (ev->alarm || str_to_u64(text, &n) || n < 1 || n > 1000))
        return error_set(e, ERR_INVALID, "address", "severity= is of events, 1 to 1000, such as severity=500",
                         "severity= 只用于事件，取值 1–1000，例如 severity=500");
    ev->severity = (uint16_t)n;
    return 0;
}

static int take_nodes(struct arena *a, struct str w[WORDS], struct oc_event *ev, struct error *e)
{
    int rc = take_node(a, w[WORD_NODE], ev->alarm ? &ev->condition : &ev->notifier, e);
    ev->typed = w[WORD_TYPE].p != NULL;
    if (!rc && ev->typed) rc = take_node(a, w[WORD_TYPE], &ev->type, e);
    if (rc) return rc;
    if (!ev->alarm && w[WORD_NOTIFIER].p)
        return error_set(e, ERR_INVALID, "address", "notifier= is of alarms: of events it is the node itself",
                         "notifier= 只用于报警；事件的通知者就是所写的节点");
    if (ev->alarm) ev->notifier.id.id = ua_id(0, UA_NODE_SERVER);
    return w[WORD_NOTIFIER].p ? take_node(a, w[WORD_NOTIFIER], &ev->notifier, e) : 0;
}

int oc_event_parse(struct arena *a, struct str text, struct oc_event **ret, struct error *e)
{
    struct str w[WORDS] = {{0}};
    struct oc_event *ev = arena_calloc(a, 1, sizeof *ev);
    if (ev == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ev->alarm = str_starts(text, STR("alarm:"));
    int rc = cut_words(arena_str(a, str_trim(str_sub(text, 6, text.n))), w, e);
    if (!rc) rc = take_nodes(a, w, ev, e);
    if (!rc) rc = take_severity(w[WORD_SEVERITY], ev, e);
    if (!rc) rc = take_field(a, w[WORD_FIELD], ev, e);
    if (!rc) *ret = ev;
    return rc;
}

static bool is_default_field(const struct oc_event *ev)
{
    return ev->field == (ev->alarm ? &oc_fields[0] : &oc_base_fields[0]);
}

void oc_event_text(struct buf *out, const struct oc_event *ev)
{
    struct ua_nodeid server = ua_id(0, UA_NODE_SERVER);
    buf_z(out, ev->alarm ? "alarm:" : "event:");
    ua_expanded_text(out, ev->alarm ? &ev->condition.id : &ev->notifier.id);
    if (!is_default_field(ev)) buf_z(out, " field=");
    if (!is_default_field(ev) && ev->field) buf_z(out, ev->field->name);
    if (!ev->field) put_path(out, ev);
    if (ev->typed) buf_z(out, " type=");
    if (ev->typed) ua_expanded_text(out, &ev->type.id);
    if (ev->severity) buf_printf(out, " severity=%u", ev->severity);
    if (!ev->alarm || (!ev->notifier.id.uri.p && ua_nodeid_eq(&ev->notifier.id.id, &server))) return;
    buf_z(out, " notifier=");
    ua_expanded_text(out, &ev->notifier.id);
}

enum value_type oc_event_value_type(const struct oc_event *ev)
{
    return ev->field ? (enum value_type)ev->field->value_type : VALUE_STRING;
}
