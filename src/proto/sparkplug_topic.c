/* sparkplug_topic.c - topics and STATE messages. See sparkplug.h. */
#include "base/utf8.h"
#include "proto/sparkplug.h"

static const struct {
    const char *name, *en, *zh;
} messages[SPB_MESSAGE_COUNT] = {
#define X(name, en, zh) {#name, en, zh},
    SPB_MESSAGES(X)
#undef X
};

const char *spb_message_name(enum spb_message m)
{
    return messages[m].name;
}

const char *spb_message_words(enum spb_message m, bool zh)
{
    return zh ? messages[m].zh : messages[m].en;
}

bool spb_id_ok(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if ((uint8_t)id.p[i] < 0x20 || strchr("/+#\x7f", id.p[i])) return false;
    return id.n > 0 && utf8_valid(id);
}

static int state_topic(struct str host, bool old, struct spb_topic *ret)
{
    if (!spb_id_ok(host)) return ERR_INVALID;
    *ret = (struct spb_topic){.type = SPB_STATE, .host = host, .old = old};
    return 0;
}

static bool of_device(enum spb_message m)
{
    return m == SPB_DBIRTH || m == SPB_DDEATH || m == SPB_DDATA || m == SPB_DCMD;
}

static bool message_of(struct str name, enum spb_message *ret)
{
    for (unsigned m = 0; m < SPB_STATE; m++) {
        *ret = (enum spb_message)m;
        if (str_is(name, messages[m].name)) return true;
    }
    return false;
}

int spb_topic_parse(struct str topic, struct spb_topic *ret)
{
    struct spb_topic t = {0};
    struct str rest = topic, first = str_cut(&rest, '/');
    if (rest.p == NULL) return ERR_INVALID;
    if (str_is(first, "STATE")) return state_topic(rest, true, ret);
    if (!str_is(first, SPB_NAMESPACE)) return ERR_INVALID;
    t.group = str_cut(&rest, '/');
    if (str_is(t.group, "STATE") && rest.p && str_find(rest, '/') < 0) return state_topic(rest, false, ret);
    if (rest.p == NULL || !message_of(str_cut(&rest, '/'), &t.type) || rest.p == NULL) return ERR_INVALID;
    t.node = str_cut(&rest, '/');
    t.device = rest;
    if (!spb_id_ok(t.group) || !spb_id_ok(t.node) || (t.device.p != NULL) != of_device(t.type)) return ERR_INVALID;
    if (t.device.p && !spb_id_ok(t.device)) return ERR_INVALID;
    *ret = t;
    return 0;
}

void spb_topic_write(struct buf *out, const struct spb_topic *t)
{
    if (!t->old) buf_z(out, SPB_NAMESPACE "/");
    if (t->type == SPB_STATE) {
        buf_z(out, "STATE/");
        buf_str(out, t->host);
        return;
    }
    buf_printf(out, "%.*s/%s/%.*s", STR_ARG(t->group), messages[t->type].name, STR_ARG(t->node));
    if (of_device(t->type)) buf_printf(out, "/%.*s", STR_ARG(t->device));
}

int spb_state_parse(struct str payload, bool *ret_online, int64_t *ret_ms)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 4096);
    *ret_ms = 0;
    if (str_is(payload, "ONLINE") || str_is(payload, "OFFLINE")) return *ret_online = payload.n == 6, 0;
    if (payload.n > 1024 || json_parse(&a, payload, &v, NULL)) return ERR_INVALID;
    const struct json *online = json_get(v, "online");
    if (online == NULL || online->type != JSON_BOOL) return ERR_INVALID;
    *ret_online = online->b;
    *ret_ms = json_i64(json_get(v, "timestamp"), 0);
    return 0;
}

void spb_state_write(struct buf *out, bool online, int64_t ms)
{
    buf_printf(out, "{\"online\":%s,\"timestamp\":%lld}", online ? "true" : "false", (long long)ms);
}
