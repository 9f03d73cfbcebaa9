/* alarm.c - alarms of the points to the alarm topic, as they change; those in force with each connection, since what
 * changed while there was none is not kept. */
#include <stdio.h>
#include "base/time.h"
#include "outlets/mqtt/publisher_int.h"

static void write_alarm(const struct mp_channel *ch, const struct outlet_alarm *a, struct buf *out)
{
    char z[TIME_TEXT_MAX];
    struct json_writer w = json_writer(out);
    jw_object(&w);
    jw_kz(&w, "id", a->id);
    jw_kz(&w, "code", ch->copies[a->slot].code);
    jw_kz(&w, "name", ch->copies[a->slot].name);
    jw_kz(&w, "rule", a->rule);
    jw_kz(&w, "message", a->message_en);
    jw_kz(&w, "message_zh", a->message_zh);
    jw_ki64(&w, "severity", a->severity);
    jw_kbool(&w, "active", a->active);
    jw_kbool(&w, "acknowledged", a->acknowledged);
    jw_kz(&w, "since", time_format(a->active_us / 1000 * 1000, z));
    jw_kz(&w, "time", time_format(a->changed_us / 1000 * 1000, z));
    if (a->who && a->who[0]) jw_kz(&w, "who", a->who);
    if (a->comment && a->comment[0]) jw_kz(&w, "comment", a->comment);
    jw_end(&w);
}

void mp_alarm(struct outlet_channel *base, const struct outlet_alarm *a)
{
    struct mp_channel *ch = (struct mp_channel *)base;
    char topic[MP_TOPIC_MAX];
    struct buf b;
    struct error e;
    if (ch->alarm_topic[0] == 0 || ch->closing || a->slot >= ch->npoints || !mqtt_client_up(ch->client)) return;
    if (payload_text(ch->alarm_topic, &ch->copies[a->slot], ch->base.host->node_name, topic, sizeof topic, &e)) return;
    buf_init(&b, 65536);
    write_alarm(ch, a, &b);
    struct mqtt_client_message m = {
        .topic = str_of(topic), .payload = buf_view(&b), .qos = ch->qos, .retain = ch->retain};
    if (mqtt_client_publish(ch->client, &m, MP_TOKEN_REPLY, &e)) {
        ch->st.errors++;
        mp_log(ch, DRIVER_LOG_WARN, "an alarm cannot be published", e.text);
    }
    buf_fini(&b);
}

static void on_alarms(void *arg, const struct error *e, const struct outlet_alarm *a, size_t n)
{
    struct mp_channel *ch = arg;
    ch->questions--;
    for (size_t i = 0; i < n && !e; i++) mp_alarm(&ch->base, &a[i]);
    mp_maybe_free(ch);
}

void mp_alarms_in_force(struct mp_channel *ch)
{
    const struct outlet_host *h = ch->base.host;
    if (ch->alarm_topic[0] == 0 || ch->temporary || h->alarms == NULL) return;
    ch->questions++;
    h->alarms(h->ctx, on_alarms, ch);
}
