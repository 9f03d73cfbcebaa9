/* ingest_take.c - what messages of devices bring: values and attributes, on a worker. */
#include "base/mem.h"
#include "modules/mqtt/ingest_take.h"
#include "modules/mqtt/mqtt.h"

int mqtt_store_values(struct ingest_message *m, const char *device, enum push_form form, struct pushed *v, size_t n,
                      struct error *e)
{
    struct push_outcome o = {0};
    int rc = push_take_values(m->m->push, m->a, device, form, v, n, &o, e);
    m->stored += o.stored;
    return rc;
}

int mqtt_take_values(struct ingest_message *m, struct error *e)
{
    struct pushed *v;
    size_t n;
    int rc = m->row->decode ? m->row->decode(m->a, m->topic, m->body, &v, &n, e)
                            : push_decode(m->a, m->row->form, m->body, &v, &n, e);
    return rc ? rc : mqtt_store_values(m, m->device, m->row->form, v, n, e);
}

int mqtt_take_attributes(struct ingest_message *m, struct error *e)
{
    return push_take_attributes(m->m->push, m->a, m->device, m->body, e);
}

/* {"clientKeys":"a,b","sharedKeys":"c"}; neither: all of both. */
int mqtt_ask_attributes(struct ingest_message *m, struct error *e)
{
    const struct json *client = json_get(m->body, "clientKeys"), *shared = json_get(m->body, "sharedKeys");
    struct json_writer w = json_writer(&m->answer);
    char rest[200], topic[MQTT_LEVELS_MAX * 2];
    int rc = 0;
    jw_object(&w);
    if (client || !shared) {
        jw_key(&w, STR("client"));
        jw_object(&w);
        rc = push_read_attributes(m->m->push, m->device, json_str(client, STR("")), &w, e);
        jw_end(&w);
    }
    if (!rc && (shared || !client)) {
        jw_key(&w, STR("shared"));
        jw_object(&w);
        rc = push_read_shared(m->m->push, m->device, json_str(shared, STR("")), &w, e);
        jw_end(&w);
    }
    jw_end(&w);
    snprintf(rest, sizeof rest, "attributes/response/%.*s", STR_ARG(str_sub(mqtt_topic_level(m->topic, 5), 0, 100)));
    m->answer_to = arena_str(m->a, mq_me_topic(topic, m->device, rest));
    return rc ? rc : m->answer_to.p ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}
