/* ingest_table.c - see ingest_table.h. Forms of ThingsBoard, JetLinks and Neuron as their documents give them. */
#include "modules/mqtt/ingest_table.h"
#include "base/time.h"
#include "model/sample.h"
#include "proto/mqtt.h"

struct str mqtt_topic_level(struct str topic, int level)
{
    struct str part = STR_NULL;
    for (int i = 0; i <= level; i++) {
        if (!topic.p) return STR_NULL;
        part = str_cut(&topic, '/');
    }
    return part;
}

/* Members of an object become values; `prefix` stands in front of their keys. */
int mqtt_add_members(struct arena *a, struct str prefix, const struct json *o, const int64_t *ms, uint8_t quality,
                     struct pushed **ret, size_t *n, size_t cap, struct error *e)
{
    for
        json_each (m, o) {
            struct str key = m->key;
            if (*n == cap) return error_set(e, ERR_TOO_LARGE, "", "too many values", "值过多");
            if (prefix.n) key = str_of(arena_printf(a, "%.*s%.*s", STR_ARG(prefix), STR_ARG(m->key)));
            if (!key.n || key.n > 200)
                return error_set(e, ERR_INVALID, "key", "a key has 1 to 200 bytes", "键长度为 1 至 200 字节");
            (*ret)[(*n)++] = (struct pushed){
                .key = key, .v = m, .time_us = ms ? *ms * 1000 : 0, .has_time = ms != NULL, .quality = quality};
        }
    return 0;
}

int mqtt_time_of(const struct json *v, int64_t *ret, const int64_t **given, struct error *e)
{
    *given = NULL;
    if (!v || v->type == JSON_NULL) return 0;
    *ret = json_i64(v, INT64_MIN);
    if (*ret < TIME_MIN_US / 1000 || *ret > TIME_MAX_US / 1000)
        return error_set(e, ERR_INVALID, "timestamp", "must be milliseconds since 1970", "应为 1970 年以来的毫秒数");
    *given = ret;
    return 0;
}

/* One member: an error of a tag is a value of bad quality, with the number of the error. */
static int neuron_tags(struct arena *a, struct str prefix, const struct json *tags, const int64_t *at,
                       struct pushed **ret, size_t *n, struct error *e)
{
    for
        json_each (t, tags) {
            struct str name = json_str(json_get(t, "name"), STR(""));
            const struct json *v = json_get(t, "value"), *fault = json_get(t, "error");
            if (!name.n || (!v && !fault))
                return error_set(e, ERR_INVALID, "tags", "a tag has a name and a value or an error",
                                 "点位须有 name，以及 value 或 error");
            (*ret)[(*n)++] = (struct pushed){.key = str_of(arena_printf(a, "%.*s%.*s", STR_ARG(prefix), STR_ARG(name))),
                                             .v = v ? v : fault,
                                             .time_us = at ? *at * 1000 : 0,
                                             .has_time = at != NULL,
                                             .quality = v ? QUALITY_GOOD : QUALITY_BAD};
        }
    return 0;
}

/* {"node":"…","group":"…","timestamp":ms,"values":{…},"errors":{…}} or with "tags":[{"name","value"|"error"}] */
static int decode_neuron(struct arena *a, struct str topic, const struct json *body, struct pushed **ret, size_t *ret_n,
                         struct error *e)
{
    struct str node = json_str(json_get(body, "node"), STR("")), group = json_str(json_get(body, "group"), STR(""));
    const struct json *values = json_get(body, "values"), *errors = json_get(body, "errors"),
                      *tags = json_get(body, "tags");
    const int64_t *at;
    int64_t ms;
    if (!(values && values->type == JSON_OBJECT) && !(tags && tags->type == JSON_ARRAY))
        return error_set(e, ERR_INVALID, "values", "must be an object of tags and values", "应为点位与值的对象");
    char *prefix =
        arena_printf(a, "%.*s%s%.*s%s", STR_ARG(node), node.n ? "." : "", STR_ARG(group), group.n ? "." : "");
    size_t cap = json_count(values) + json_count(errors) + json_count(tags);
    *ret_n = 0;
    *ret = arena_alloc(a, (cap + 1) * sizeof **ret);
    if (!*ret || !prefix) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = mqtt_time_of(json_get(body, "timestamp"), &ms, &at, e);
    if (!rc) rc = mqtt_add_members(a, str_of(prefix), values, at, QUALITY_GOOD, ret, ret_n, cap, e);
    if (!rc && errors && errors->type == JSON_OBJECT)
        rc = mqtt_add_members(a, str_of(prefix), errors, at, QUALITY_BAD, ret, ret_n, cap, e);
    return rc ? rc : neuron_tags(a, str_of(prefix), tags, at, ret, ret_n, e);
}

#define VALUES(filter_, form_, level_, fast_, en, zh) \
    { \
        filter_, mqtt_take_values, form_, level_, fast_, NULL, en, zh \
    }
#define TB(filter_, take_, en, zh) \
    { \
        filter_, take_, PUSH_THINGSBOARD, -1, false, NULL, en, zh \
    }
#define JL(filter_, take_, en, zh) \
    { \
        filter_, take_, PUSH_OWN, 2, false, NULL, en, zh \
    }
const struct ingest_row mqtt_ingest_rows[] = {
    VALUES("v1/devices/me/telemetry", PUSH_THINGSBOARD, -1, true, "ThingsBoard telemetry", "ThingsBoard 遥测"),
    VALUES("v2/t", PUSH_THINGSBOARD, -1, true, "ThingsBoard telemetry, short", "ThingsBoard 遥测（短主题）"),
    VALUES("v2/t/j", PUSH_THINGSBOARD, -1, true, "ThingsBoard telemetry, short", "ThingsBoard 遥测（短主题）"),
    VALUES("bornite/+", PUSH_OWN, 1, true, "values with quality and time", "带质量与时间的值"),
    TB("v1/devices/me/attributes", mqtt_take_attributes, "ThingsBoard attributes", "ThingsBoard 属性"),
    TB("v2/a", mqtt_take_attributes, "ThingsBoard attributes, short", "ThingsBoard 属性（短主题）"),
    TB("v1/devices/me/attributes/request/+", mqtt_ask_attributes, "ThingsBoard attribute request",
       "ThingsBoard 属性请求"),
    TB("v1/devices/me/rpc/response/+", mqtt_rpc_response, "ThingsBoard: answer to a command", "ThingsBoard 命令应答"),
    TB("v1/gateway/telemetry", mqtt_gateway_telemetry, "ThingsBoard gateway: telemetry", "ThingsBoard 网关遥测"),
    TB("v1/gateway/attributes", mqtt_gateway_attributes, "ThingsBoard gateway: attributes", "ThingsBoard 网关属性"),
    TB("v1/gateway/attributes/request", mqtt_gateway_ask, "ThingsBoard gateway: attribute request",
       "ThingsBoard 网关属性请求"),
    TB("v1/gateway/connect", mqtt_gateway_presence, "ThingsBoard gateway: a device is there",
       "ThingsBoard 网关：子设备上线"),
    TB("v1/gateway/disconnect", mqtt_gateway_presence, "ThingsBoard gateway: a device is gone",
       "ThingsBoard 网关：子设备下线"),
    TB("v1/gateway/rpc", mqtt_gateway_rpc, "ThingsBoard gateway: answer to a command", "ThingsBoard 网关命令应答"),
    JL("/+/+/properties/report", mqtt_jetlinks_report, "JetLinks properties", "JetLinks 属性上报"),
    JL("/+/+/properties/read/reply", mqtt_jetlinks_reply, "JetLinks: properties that were asked for",
       "JetLinks 读属性回复"),
    JL("/+/+/properties/write/reply", mqtt_jetlinks_reply, "JetLinks: answer to a write", "JetLinks 写属性回复"),
    JL("/+/+/function/invoke/reply", mqtt_jetlinks_reply, "JetLinks: answer to a call", "JetLinks 功能调用回复"),
    JL("/+/+/event/+", mqtt_jetlinks_event, "JetLinks event", "JetLinks 事件上报"),
    JL("/+/+/online", mqtt_jetlinks_presence, "JetLinks: online", "JetLinks 上线"),
    JL("/+/+/offline", mqtt_jetlinks_presence, "JetLinks: offline", "JetLinks 下线"),
    JL("/+/+/child/+/properties/report", mqtt_jetlinks_report, "JetLinks properties of a child",
       "JetLinks 子设备属性上报"),
    JL("/+/+/child/+/properties/read/reply", mqtt_jetlinks_reply, "JetLinks: properties of a child",
       "JetLinks 子设备读属性回复"),
    JL("/+/+/child/+/properties/write/reply", mqtt_jetlinks_reply, "JetLinks: a child's answer",
       "JetLinks 子设备写属性回复"),
    JL("/+/+/child/+/function/invoke/reply", mqtt_jetlinks_reply, "JetLinks: a child's answer",
       "JetLinks 子设备功能调用回复"),
    JL("/+/+/child-reply/+/properties/read/reply", mqtt_jetlinks_reply, "JetLinks: properties of a child",
       "JetLinks 子设备读属性回复"),
    JL("/+/+/child-reply/+/properties/write/reply", mqtt_jetlinks_reply, "JetLinks: a child's answer",
       "JetLinks 子设备写属性回复"),
    JL("/+/+/child-reply/+/function/invoke/reply", mqtt_jetlinks_reply, "JetLinks: a child's answer",
       "JetLinks 子设备功能调用回复"),
    JL("/+/+/child/+/event/+", mqtt_jetlinks_event, "JetLinks event of a child", "JetLinks 子设备事件上报"),
    JL("/+/+/child/+/online", mqtt_jetlinks_presence, "JetLinks: a child is online", "JetLinks 子设备上线"),
    JL("/+/+/child/+/connected", mqtt_jetlinks_presence, "JetLinks: a child is online", "JetLinks 子设备上线"),
    JL("/+/+/child/+/offline", mqtt_jetlinks_presence, "JetLinks: a child is offline", "JetLinks 子设备下线"),
    JL("/+/+/child/+/disconnect", mqtt_jetlinks_presence, "JetLinks: a child is offline", "JetLinks 子设备下线"),
    JL("/+/+/child/+/disconnected", mqtt_jetlinks_presence, "JetLinks: a child is offline", "JetLinks 子设备下线"),
    {"/neuron/+", mqtt_take_values, PUSH_OWN, -1, false, decode_neuron, "Neuron upload", "Neuron 上报"},
};
const size_t mqtt_ingest_nrows = sizeof mqtt_ingest_rows / sizeof *mqtt_ingest_rows;

const struct ingest_row *mqtt_ingest_row_of(struct str topic)
{
    static const char firsts[] = "vb/"; /* with which the filters begin */
    if (!topic.n || !memchr(firsts, topic.p[0], 3)) return NULL;
    for (size_t i = 0; i < mqtt_ingest_nrows; i++)
        if (mqtt_match(str_of(mqtt_ingest_rows[i].filter), topic)) return &mqtt_ingest_rows[i];
    return NULL;
}
