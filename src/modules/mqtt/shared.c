/* shared.c - shared attributes that have changed are told to the device: at v1/devices/me/attributes, or through its
 * gateway at v1/gateway/attributes as {"device":"A","data":{…}}. Any thread; what persists waits for the device. */
#include "base/mem.h"
#include "modules/mqtt/mqtt.h"

struct telling {
    struct mqtt *m;
    struct push_about d;
    struct str changed;
    char bytes[];
};

static void tell(void *arg)
{
    struct telling *t = arg;
    char topic[MQTT_LEVELS_MAX * 2];
    struct buf b;
    mqtt_now(t->m);
    buf_init(&b, t->changed.n + 1024);
    if (t->d.parent[0]) {
        struct json_writer w = json_writer(&b);
        jw_object(&w);
        jw_kz(&w, "device", t->d.alias[0] ? t->d.alias : t->d.who.code);
        jw_key(&w, STR("data"));
        jw_raw(&w, t->changed);
        jw_end(&w);
    } else {
        buf_str(&b, t->changed);
    }
    struct str to = t->d.parent[0] ? mq_gateway_topic(topic, t->d.parent, "attributes")
                                   : mq_me_topic(topic, t->d.who.id, "attributes");
    if (!b.err) (void)mq_publish(t->m->broker, to, buf_view(&b), 1, false);
    buf_fini(&b);
    mem_free(t);
}

void mqtt_shared_changed(void *ctx, const char *device, struct str changed)
{
    struct mqtt *m = ctx;
    struct telling *t = mem_alloc(sizeof *t + changed.n);
    if (!t) return;
    t->m = m;
    t->changed = str_make(t->bytes, changed.n);
    memcpy(t->bytes, changed.p, changed.n);
    if (!push_about(m->push, device, &t->d) || loop_post(m->loop, tell, t)) mem_free(t);
}
