/* recent.c - see recent.h. When a bound is reached the topic that was silent longest goes. A topic that sends often
 * keeps a message every COPY_US only. */
#include "modules/mqtt/recent.h"
#include "base/mem.h"
#include "base/utf8.h"

#define SLOTS 4096
#define COPY_US 200000

struct recent {
    struct seen_topic *slots[SLOTS];
    size_t n, bytes;
};

struct recent *recent_new(void)
{
    return mem_calloc(1, sizeof(struct recent));
}

static void drop_message(struct recent *r, struct seen_message *m)
{
    r->bytes -= m->n;
    mem_free(m->payload);
    *m = (struct seen_message){.at_us = 0};
}

static void topic_free(struct recent *r, struct seen_topic *t)
{
    for (unsigned i = 0; i < t->n; i++) drop_message(r, &t->m[i]);
    mem_free(t->topic);
    mem_free(t);
}

static void forget(struct recent *r, struct seen_topic *t)
{
    struct seen_topic **at = &r->slots[t->hash & (SLOTS - 1)];
    while (*at != t) at = &(*at)->chain;
    *at = t->chain;
    r->n--;
    topic_free(r, t);
}

void recent_free(struct recent *r)
{
    if (!r) return;
    for (size_t i = 0; i < SLOTS; i++)
        while (r->slots[i]) forget(r, r->slots[i]);
    mem_free(r);
}

static struct seen_topic *oldest(struct recent *r, const struct seen_topic *but)
{
    struct seen_topic *best = NULL;
    for (size_t i = 0; i < SLOTS; i++)
        for (struct seen_topic *t = r->slots[i]; t; t = t->chain)
            if (t != but && (!best || t->last_us < best->last_us)) best = t;
    return best;
}

static bool of_each(struct str topic)
{
    return str_starts(topic, STR("v1/devices/me/")) || str_starts(topic, STR("v1/gateway/")) ||
           str_starts(topic, STR("v2/"));
}

static struct seen_topic *find(struct recent *r, const struct seen *s, uint64_t hash, const char *device)
{
    for (struct seen_topic *t = r->slots[hash & (SLOTS - 1)]; t; t = t->chain)
        if (t->hash == hash && str_is(s->topic, t->topic) && strcmp(t->device, device) == 0) return t;
    return NULL;
}

static struct seen_topic *make(struct recent *r, const struct seen *s, uint64_t hash, const char *device,
                               int64_t now_us)
{
    if (r->n >= RECENT_TOPICS) forget(r, oldest(r, NULL));
    struct seen_topic *t = mem_calloc(1, sizeof *t);
    char *topic = t ? mem_alloc(s->topic.n + 1) : NULL;
    if (!topic) {
        mem_free(t);
        return NULL;
    }
    memcpy(topic, s->topic.p, s->topic.n);
    topic[s->topic.n] = '\0';
    t->topic = topic;
    t->hash = hash;
    t->first_us = now_us;
    str_to_cstr(str_of(device), t->device, sizeof t->device);
    t->chain = r->slots[hash & (SLOTS - 1)];
    r->slots[hash & (SLOTS - 1)] = t;
    r->n++;
    return t;
}

static void push_front(struct recent *r, struct seen_topic *t)
{
    if (t->n == RECENT_EACH) drop_message(r, &t->m[--t->n]);
    memmove(&t->m[1], &t->m[0], t->n * sizeof *t->m);
    t->n++;
}

static void copy(struct recent *r, struct seen_topic *t, const struct seen *s, int64_t now_us)
{
    size_t n = s->payload.n < RECENT_PAYLOAD ? s->payload.n : RECENT_PAYLOAD;
    for (struct seen_topic *old; r->bytes + n > RECENT_BYTES && (old = oldest(r, t));) forget(r, old);
    char *bytes = mem_alloc(n + 1);
    if (!bytes) return;
    if (n) memcpy(bytes, s->payload.p, n);
    push_front(r, t);
    t->m[0] = (struct seen_message){
        .at_us = now_us, .how = s->how, .size = s->payload.n, .n = n, .samples = s->samples, .payload = bytes};
    str_to_cstr(str_of(s->device), t->m[0].device, sizeof t->m[0].device);
    str_to_cstr(str_of(s->who), t->m[0].who, sizeof t->m[0].who);
    str_to_cstr(str_of(s->mapping), t->m[0].mapping, sizeof t->m[0].mapping);
    r->bytes += n;
}

static void set_reason(char out[200], const char *where, const char *between, const char *text)
{
    char all[ERROR_TEXT_MAX + ERROR_WHERE_MAX + 8];
    snprintf(all, sizeof all, "%s%s%s", where, where[0] ? between : "", text);
    str_to_cstr(str_sub(str_of(all), 0, utf8_floor(str_of(all), 199)), out, 200);
}

void recent_note(struct recent *r, const struct seen *s, int64_t now_us)
{
    const char *device = of_each(s->topic) ? s->device : "";
    uint64_t hash = str_hash(s->topic, hash_seed()) ^ (device[0] ? str_hash(str_of(device), hash_seed()) : 0);
    struct seen_topic *t = find(r, s, hash, device);
    if (!t && !(t = make(r, s, hash, device, now_us))) return;
    bool changed = !t->n || t->m[0].how != s->how;
    t->last_us = now_us;
    t->passed += s->counted && s->how == SEEN_PASSED;
    t->refused += s->counted && s->how == SEEN_REFUSED;
    if (s->why) {
        t->why_us = now_us;
        set_reason(t->why, s->why->where, ": ", s->why->text);
        set_reason(t->why_zh, s->why->where, "：", s->why->text_zh);
    }
    if (changed || now_us - t->m[0].at_us >= COPY_US) copy(r, t, s, now_us);
}

int recent_each(const struct recent *r, int (*fn)(void *ctx, const struct seen_topic *t), void *ctx)
{
    int rc = 0;
    for (size_t i = 0; i < SLOTS && !rc; i++)
        for (const struct seen_topic *t = r->slots[i]; t && !rc; t = t->chain) rc = fn(ctx, t);
    return rc;
}
