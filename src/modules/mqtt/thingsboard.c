/* thingsboard.c - ThingsBoard's gateway: one connection that speaks for the devices behind it, by their names. Devices
 * that it names are made when it is a gateway (push: named.c). And answers of devices to commands. */
#include "base/mem.h"
#include "modules/mqtt/ingest_take.h"
#include "modules/mqtt/mqtt.h"
#include "modules/mqtt/rpc.h"

static int not_an_object(struct error *e)
{
    return error_set(e, ERR_INVALID, "", "must be an object of devices", "应为以设备名为键的对象");
}

static int named(struct ingest_message *m, struct str name, struct push_id *ret, struct error *e)
{
    return push_named(m->m->push, m->a, m->device, name, NULL, ret, e);
}

/* What is wrong with one device does not keep the values of the others. */
typedef int child_fn(struct ingest_message *m, const char *device, const struct json *v, struct error *e);

static int each_child(struct ingest_message *m, child_fn *fn, struct error *e)
{
    struct error first = {0};
    if (m->body->type != JSON_OBJECT) return not_an_object(e);
    for
        json_each (v, m->body) {
            struct push_id child;
            struct error why = {0};
            int rc = named(m, v->key, &child, &why);
            if (!rc) rc = fn(m, child.id, v, &why);
            if (!rc) continue;
            char place[80];
            snprintf(place, sizeof place, "%.*s: ", STR_ARG(str_sub(v->key, 0, 60)));
            error_prefix(&why, place);
            why.code = rc;
            if (!first.code || error_http(rc) >= 500) first = why;
        }
    if (first.code && e) *e = first;
    return first.code;
}

/* {"Device A":[{"ts":ms,"values":{…}},{"key":value}],…} */
static int child_values(struct ingest_message *m, const char *device, const struct json *v, struct error *e)
{
    struct pushed *values;
    size_t n;
    int rc = push_decode(m->a, PUSH_THINGSBOARD, v, &values, &n, e);
    return rc ? rc : mqtt_store_values(m, device, PUSH_THINGSBOARD, values, n, e);
}

int mqtt_gateway_telemetry(struct ingest_message *m, struct error *e)
{
    return each_child(m, child_values, e);
}

static int child_attributes(struct ingest_message *m, const char *device, const struct json *v, struct error *e)
{
    return push_take_attributes(m->m->push, m->a, device, v, e);
}

int mqtt_gateway_attributes(struct ingest_message *m, struct error *e)
{
    return each_child(m, child_attributes, e);
}

int mqtt_store_one(struct ingest_message *m, const char *device, const char *key, const struct json *v, struct error *e)
{
    struct pushed one = {.key = str_of(key), .v = v, .quality = 0};
    return mqtt_store_values(m, device, PUSH_OWN, &one, 1, e);
}

/* {"device":"Device A"}: kept as the value "online" of the device. */
int mqtt_gateway_presence(struct ingest_message *m, struct error *e)
{
    struct push_id child;
    bool there = str_ends(m->topic, STR("/connect"));
    struct str name = json_str(json_get(m->body, "device"), STR(""));
    if (!name.n) return error_set(e, ERR_INVALID, "device", "says which device it is", "须给出设备名");
    int rc = named(m, name, &child, e);
    struct json *v = rc ? NULL : json_new_bool(m->a, there);
    return rc ? rc : v ? mqtt_store_one(m, child.id, "online", v, e) : ERR_NOMEM;
}

/* {"id":1,"device":"A","client":true,"key":"k"} or "keys":["k",…] -> {"id":1,"device":"A","value":…} or "values":{…} */
static struct str keys_of(struct ingest_message *m, const struct json *keys)
{
    struct buf b;
    buf_init(&b, 20000);
    for
        json_each (k, keys) {
            if (b.n) buf_u8(&b, ',');
            buf_str(&b, json_str(k, STR("")));
        }
    struct str text = b.err ? STR("") : arena_str(m->a, buf_view(&b));
    buf_fini(&b);
    return text;
}

static int read_into(struct ingest_message *m, const char *device, struct str keys, struct json **ret, struct error *e)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    int rc = json_bool(json_get(m->body, "client"), false) ? push_read_attributes(m->m->push, device, keys, &w, e)
                                                           : push_read_shared(m->m->push, device, keys, &w, e);
    jw_end(&w);
    struct str text = b.err ? STR_NULL : arena_str(m->a, buf_view(&b));
    buf_fini(&b);
    if (rc) return rc;
    return text.p ? json_parse(m->a, text, ret, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

int mqtt_gateway_ask(struct ingest_message *m, struct error *e)
{
    struct push_id child;
    struct json *found;
    char topic[MQTT_LEVELS_MAX * 2];
    const struct json *one = json_get(m->body, "key"), *many = json_get(m->body, "keys");
    struct str name = json_str(json_get(m->body, "device"), STR(""));
    int rc = named(m, name, &child, e);
    if (!rc && !one == !many) rc = error_set(e, ERR_INVALID, "key", "give key or keys", "请给出 key 或 keys");
    if (!rc) rc = read_into(m, child.id, one ? json_str(one, STR("")) : keys_of(m, many), &found, e);
    if (rc) return rc;
    struct json_writer w = json_writer(&m->answer);
    jw_object(&w);
    jw_ki64(&w, "id", json_i64(json_get(m->body, "id"), 0));
    jw_kstr(&w, "device", name);
    jw_key(&w, one ? STR("value") : STR("values"));
    const struct json *value = one ? json_get_str(found, json_str(one, STR(""))) : found;
    if (value)
        jw_json(&w, value);
    else
        jw_null(&w);
    jw_end(&w);
    m->answer_to = arena_str(m->a, mq_gateway_topic(topic, m->device, "attributes/response"));
    return 0;
}

/* ---- answers to commands ---- */

int mqtt_rpc_response(struct ingest_message *m, struct error *e)
{
    uint64_t id;
    if (str_to_u64(mqtt_topic_level(m->topic, 5), &id))
        return error_set(e, ERR_INVALID, "", "the topic ends with the number of the command", "主题末级应为命令编号");
    mqtt_rpc_reply(m->m->rpc, id, m->device, m->body, e);
    return 0;
}

/* {"device":"A","id":1,"data":{…}} */
int mqtt_gateway_rpc(struct ingest_message *m, struct error *e)
{
    struct push_id child;
    const struct json *data = json_get(m->body, "data");
    int rc = named(m, json_str(json_get(m->body, "device"), STR("")), &child, e);
    if (!rc && !data) rc = error_set(e, ERR_INVALID, "data", "holds the answer", "data 应为应答内容");
    if (!rc) mqtt_rpc_reply(m->m->rpc, (uint64_t)json_i64(json_get(m->body, "id"), 0), child.id, data, e);
    return rc;
}
