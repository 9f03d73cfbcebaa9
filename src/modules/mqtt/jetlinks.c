/* jetlinks.c - messages of JetLinks' devices: /{product}/{device}/… and, of what is behind a gateway,
 * /{product}/{gateway}/child/{child}/… All are {"messageId","timestamp":ms,"deviceId",…}. */
#include "base/mem.h"
#include "model/sample.h"
#include "modules/mqtt/ingest_take.h"
#include "modules/mqtt/mqtt.h"
#include "modules/mqtt/rpc.h"

/* Whom the message is of: the device of the topic, or the child that it names. `tail`: the levels behind. */
static int sender(struct ingest_message *m, struct push_id *ret, int *tail, struct error *e)
{
    struct str branch = mqtt_topic_level(m->topic, 3);
    *tail = 3;
    *ret = (struct push_id){.id = ""};
    str_to_cstr(str_of(m->device), ret->id, sizeof ret->id);
    if (!str_is(branch, "child") && !str_is(branch, "child-reply")) return 0;
    *tail = 5;
    return push_named(m->m->push, m->a, m->device, mqtt_topic_level(m->topic, 4), NULL, ret, e);
}

static int store(struct ingest_message *m, const char *device, struct str prefix, const struct json *values,
                 struct error *e)
{
    const int64_t *at;
    int64_t ms;
    size_t cap = json_count(values), n = 0;
    struct pushed *v = arena_alloc(m->a, (cap + 1) * sizeof *v);
    if (!v) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = mqtt_time_of(json_get(m->body, "timestamp"), &ms, &at, e);
    if (!rc) rc = mqtt_add_members(m->a, prefix, values, at, QUALITY_GOOD, &v, &n, cap, e);
    return rc ? rc : mqtt_store_values(m, device, PUSH_OWN, v, n, e);
}

int mqtt_jetlinks_report(struct ingest_message *m, struct error *e)
{
    struct push_id who;
    int tail;
    const struct json *values = json_get(m->body, "properties");
    if (!values || values->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "properties", "must be an object of keys and values", "应为键值对象");
    int rc = sender(m, &who, &tail, e);
    return rc ? rc : store(m, who.id, STR(""), values, e);
}

/* "data" of an event: an object, or one value; keys are event.<id>.<member>, or event.<id>. */
int mqtt_jetlinks_event(struct ingest_message *m, struct error *e)
{
    struct push_id who;
    int tail;
    const struct json *data = json_get(m->body, "data");
    if (!data || data->type == JSON_NULL) return error_set(e, ERR_INVALID, "data", "is missing", "缺少 data");
    int rc = sender(m, &who, &tail, e);
    if (rc) return rc;
    struct str event = mqtt_topic_level(m->topic, tail + 1);
    char *key = arena_printf(m->a, "event.%.*s%s", STR_ARG(event), data->type == JSON_OBJECT ? "." : "");
    if (!key) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (data->type == JSON_OBJECT) return store(m, who.id, str_of(key), data, e);
    struct json *one = json_new_object(m->a);
    if (one) json_set(one, m->a, str_of(key), json_copy(m->a, data));
    return one ? store(m, who.id, STR(""), one, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

int mqtt_jetlinks_presence(struct ingest_message *m, struct error *e)
{
    struct push_id who;
    int tail;
    int rc = sender(m, &who, &tail, e);
    struct str word = mqtt_topic_level(m->topic, tail);
    bool there = str_is(word, "online") || str_is(word, "connected");
    struct json *v = rc ? NULL : json_new_bool(m->a, there);
    return rc ? rc : v ? mqtt_store_one(m, who.id, "online", v, e) : ERR_NOMEM;
}

/* To a read, a write, a call. What it tells of properties is kept. */
int mqtt_jetlinks_reply(struct ingest_message *m, struct error *e)
{
    struct push_id who;
    uint64_t id;
    int tail;
    const struct json *values = json_get(m->body, "properties");
    int rc = sender(m, &who, &tail, e);
    if (rc) return rc;
    bool ours = str_to_u64(json_str(json_get(m->body, "messageId"), STR("")), &id) == 0;
    if (ours) mqtt_rpc_reply(m->m->rpc, id, who.id, m->body, e);
    bool ok = json_bool(json_get(m->body, "success"), true);
    return ok && values && values->type == JSON_OBJECT && values->count ? store(m, who.id, STR(""), values, e) : 0;
}
