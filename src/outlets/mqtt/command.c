/* command.c - commands that come by the broker: to the host, which checks rights and ranges; the outcome goes to the
 * reply topic (of the request, MQTT 5.0, before the configured one).
 *
 * A command is acknowledged before it is carried out, so that it is carried out at most once. Retained ones are
 * ignored: nobody knows how old they are. Payload: a value (12.5, true, "text"), or an object with the value where the
 * option command_path says; its member "id" comes back in the reply. */
#include <stdio.h>
#include "base/time.h"
#include "outlets/mqtt/publisher_int.h"

static void reply(struct mp_channel *ch, const struct mp_command *c, const struct driver_write_result *r)
{
    static const char *const words[] = {[DRIVER_DONE] = "done",
                                        [DRIVER_REFUSED] = "refused",
                                        [DRIVER_FAILED] = "failed",
                                        [DRIVER_UNKNOWN] = "unknown",
                                        [DRIVER_EXPIRED] = "expired"};
    struct buf b;
    struct error e;
    char z[TIME_TEXT_MAX];
    if (c->reply[0] == 0) return;
    buf_init(&b, 65536);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kz(&w, "code", c->code);
    if (c->id[0]) jw_kz(&w, "id", c->id);
    jw_kz(&w, "outcome", words[r->outcome]);
    if (r->error) jw_kz(&w, "error", r->error->text), jw_kz(&w, "error_zh", r->error->text_zh);
    if (r->has_readback && r->readback.type == SAMPLE_STRING) jw_kstr(&w, "value", str_make(r->text, r->text_len));
    if (r->has_readback && r->readback.type == SAMPLE_DOUBLE) jw_kdouble(&w, "value", r->readback.v.d);
    if (r->has_readback && r->readback.type == SAMPLE_INT) jw_ki64(&w, "value", r->readback.v.i);
    if (r->has_readback && r->readback.type == SAMPLE_BOOL) jw_kbool(&w, "value", r->readback.v.i);
    jw_kz(&w, "time", time_format(mp_utc(ch) / 1000 * 1000, z));
    jw_end(&w);
    struct mqtt_client_message m = {.topic = str_of(c->reply),
                                    .payload = buf_view(&b),
                                    .qos = 1,
                                    .correlation = str_make(c->correlation, c->correlation_n)};
    if (mqtt_client_publish(ch->client, &m, MP_TOKEN_REPLY, &e)) mp_log(ch, DRIVER_LOG_WARN, "a reply is lost", e.text);
    buf_fini(&b);
}

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct mp_command *c = arg;
    struct mp_channel *ch = c->ch;
    ch->commands_under_way--;
    ch->st.writes += r->outcome == DRIVER_DONE;
    if (!ch->closing) reply(ch, c, r);
    mem_free(c);
    mp_maybe_free(ch);
}

static void refuse(struct mp_channel *ch, const struct mp_command *c, int code, const char *en, const char *zh)
{
    struct error e;
    error_set(&e, code, "value", "%s", "%s", en);
    str_to_cstr(str_of(zh), e.text_zh, sizeof e.text_zh);
    ch->st.errors++;
    reply(ch, c, &(struct driver_write_result){.outcome = DRIVER_REFUSED, .error = &e});
}

static bool scalar(const struct json *v, struct sample *ret, struct str *text)
{
    if (v == NULL) return false;
    switch (v->type) {
    case JSON_BOOL: *ret = (struct sample){.type = SAMPLE_BOOL, .v.i = v->b}; return true;
    case JSON_INT: *ret = (struct sample){.type = SAMPLE_INT, .v.i = v->i}; return true;
    case JSON_DOUBLE: *ret = (struct sample){.type = SAMPLE_DOUBLE, .v.d = v->d}; return true;
    case JSON_STRING:
        *ret = (struct sample){.type = SAMPLE_STRING};
        *text = v->s;
        return true;
    default: return false;
    }
}

static bool value_of(struct mp_channel *ch, struct arena *a, struct str payload, struct mp_command *c,
                     struct sample *ret, struct str *text)
{
    struct json *root = NULL;
    struct error e;
    if (json_parse(a, payload, &root, &e)) {
        *ret = (struct sample){.type = SAMPLE_STRING}; /* no JSON: a text */
        *text = str_trim(payload);
        return text->n > 0;
    }
    if (root->type != JSON_OBJECT && root->type != JSON_ARRAY) return scalar(root, ret, text);
    const struct json *id = json_get(root, "id");
    struct str z = id && id->type != JSON_STRING ? json_text(a, id) : json_str(id, STR_NULL);
    if (id) str_to_cstr(z, c->id, sizeof c->id);
    return scalar(json_path_first(ch->command_query, root), ret, text);
}

static void fill_reply(const struct mp_point *p, const struct mqtt_client_message *m, struct mp_command *c)
{
    str_to_cstr(str_of(p->reply), c->reply, sizeof c->reply);
    if (m->response_topic.n && m->response_topic.n < sizeof c->reply && mqtt_topic_ok(m->response_topic))
        str_to_cstr(m->response_topic, c->reply, sizeof c->reply);
    if (m->correlation.n <= sizeof c->correlation && m->correlation.n) {
        memcpy(c->correlation, m->correlation.p, m->correlation.n);
        c->correlation_n = m->correlation.n;
    }
}

static void carry_out(struct mp_channel *ch, const struct mp_point *p, struct mp_command *c,
                      const struct mqtt_client_message *m)
{
    const struct outlet_host *h = ch->base.host;
    struct outlet_write w = {
        .slot = (uint32_t)(p - ch->points), .peer = ch->set->c.host, .user = "", .done = on_written, .arg = c};
    struct str text = STR_NULL;
    AUTO_ARENA a;
    arena_init(&a, 4u << 20);
    fill_reply(p, m, c);
    if (!value_of(ch, &a, m->payload, c, &w.value, &text)) {
        refuse(ch, c, ERR_INVALID, "the command has no value; check option 'command_path'",
               "命令中没有值；请检查选项“command_path”");
    } else if (!p->p->writable) {
        refuse(ch, c, ERR_FORBIDDEN, "the point must not be written from outside", "该测点不允许从外部写入");
    } else if (ch->commands_under_way >= MP_COMMANDS_MAX) {
        refuse(ch, c, ERR_LIMIT, "too many commands at once", "同时进行的命令过多");
    } else {
        w.text = text.p ? text.p : "", w.text_len = text.n;
        w.value.point = p->p->num;
        w.value.time_us = mp_utc(ch);
        ch->commands_under_way++;
        h->write(h->ctx, &w);
        return;
    }
    mem_free(c);
}

void mp_command(struct mp_channel *ch, const struct mqtt_client_message *m)
{
    const struct mp_point *p = mp_by_command(ch, m->topic);
    if (m->handle) mqtt_client_ack(ch->client, m->handle, 0);
    if (p == NULL || m->retain) return;
    struct mp_command *c = mem_calloc(1, sizeof *c);
    if (c == NULL) return;
    c->ch = ch;
    str_to_cstr(str_of(p->p->code), c->code, sizeof c->code);
    carry_out(ch, p, c, m);
}
