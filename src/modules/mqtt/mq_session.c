/* mq_session.c - the table of sessions and what belongs to one: subscriptions, received ids. Also messages, which are
 * counted since many sessions may wait for the same one. */
#include "modules/mqtt/broker_int.h"

#define LOOKED_AT 256 /* places of the table, for a session that may go */

/* ---- messages ---- */

struct str mq_msg_topic(const struct mq_message *m)
{
    return str_make(m->bytes, m->topic_n);
}
struct str mq_msg_props(const struct mq_message *m)
{
    return str_make(m->bytes + m->topic_n, m->props_n);
}
struct str mq_msg_payload(const struct mq_message *m)
{
    return str_make(m->bytes + m->topic_n + m->props_n, m->payload_n);
}

struct mq_message *mq_msg_new(struct str topic, struct str props, struct str payload)
{
    struct mq_message *m = mem_alloc(sizeof *m + topic.n + props.n + payload.n);
    if (!m) return NULL;
    *m = (struct mq_message){
        .refs = 1, .topic_n = (uint32_t)topic.n, .props_n = (uint32_t)props.n, .payload_n = (uint32_t)payload.n};
    char *to = m->bytes;
    if (topic.n) memcpy(to, topic.p, topic.n);
    if (props.n) memcpy(to + topic.n, props.p, props.n);
    if (payload.n) memcpy(to + topic.n + props.n, payload.p, payload.n);
    return m;
}

struct mq_message *mq_msg_ref(struct mq_message *m)
{
    m->refs++;
    return m;
}

void mq_msg_unref(struct mq_message *m)
{
    if (m && --m->refs == 0) mem_free(m);
}

bool mq_msg_expired(const struct mq_broker *b, const struct mq_message *m)
{
    return m->expires_ns && m->expires_ns <= b->now_ns;
}

/* ---- the table ---- */

struct str mq_session_key(const struct mq_session *s)
{
    return str_make(s->key, s->key_n);
}

bool mq_session_persists(const struct mq_session *s)
{
    return s->expiry_s > 0;
}

struct mq_session *mq_session_get(struct mq_broker *b, struct str key)
{
    uint64_t h = str_hash(key, hash_seed());
    for (struct mq_session *s = b->nslots ? b->slots[h & (b->nslots - 1)] : NULL; s; s = s->chain)
        if (s->hash == h && str_eq(mq_session_key(s), key)) return s;
    return NULL;
}

static int grow(struct mq_broker *b)
{
    size_t want = b->nslots ? b->nslots * 2 : 64;
    struct mq_session **fresh = mem_calloc(want, sizeof *fresh);
    if (!fresh) return ERR_NOMEM;
    for (size_t i = 0; i < b->nslots; i++)
        for (struct mq_session *s = b->slots[i], *next; s; s = next) {
            next = s->chain;
            s->chain = fresh[s->hash & (want - 1)];
            fresh[s->hash & (want - 1)] = s;
        }
    mem_free(b->slots);
    b->slots = fresh;
    b->nslots = want;
    return 0;
}

struct mq_session *mq_session_new(struct mq_broker *b, const struct mq_who *who, struct str client_id)
{
    size_t owner = strlen(who->id), n = owner + 1 + client_id.n;
    if (b->nsessions >= b->nslots && grow(b) && !b->nslots) return NULL;
    struct mq_session *s = mem_calloc(1, sizeof *s + n + 1);
    if (!s) return NULL;
    s->b = b;
    s->who = *who;
    s->number = ++b->numbers;
    s->key_n = (uint16_t)n;
    s->owner_n = (uint16_t)owner;
    memcpy(s->key, who->id, owner);
    s->key[owner] = '\n';
    if (client_id.n) memcpy(s->key + owner + 1, client_id.p, client_id.n);
    s->hash = str_hash(mq_session_key(s), hash_seed());
    s->chain = b->slots[s->hash & (b->nslots - 1)];
    b->slots[s->hash & (b->nslots - 1)] = s;
    b->nsessions++;
    return s;
}

static void sub_free(struct mq_session *s, struct mq_sub *sub)
{
    mq_trie_remove(&s->b->trie, sub);
    s->nsubs--;
    mem_free(sub);
}

void mq_session_free(struct mq_session *s)
{
    struct mq_broker *b = s->b;
    struct mq_session **at = &b->slots[s->hash & (b->nslots - 1)];
    while (*at != s) at = &(*at)->chain;
    *at = s->chain;
    b->nsessions--;
    for (struct mq_sub *sub = s->subs, *next; sub; sub = next) {
        next = sub->next_in_session;
        sub_free(s, sub);
    }
    mq_out_free(s);
    mq_msg_unref(s->will);
    mem_free(s->got);
    mem_free(s->got_map);
    mem_free(s);
}

void mq_session_keep(struct mq_session *s)
{
    if (mq_session_persists(s)) mq_broker_keep(s->b, &(struct mq_keep){.op = MQ_KEEP_SESSION, .session = s}, NULL);
}

void mq_session_drop(struct mq_session *s)
{
    mq_session_will(s, true);
    if (mq_session_persists(s)) mq_broker_keep(s->b, &(struct mq_keep){.op = MQ_DROP_SESSION, .session = s}, NULL);
    mq_session_free(s);
}

/* Clients that come under another id each time would fill the table for a week. Of those in a part of it the one that
 * was away longest goes: the whole would take too long. */
void mq_session_make_room(struct mq_broker *b)
{
    struct mq_session *oldest = NULL;
    for (size_t i = 0; i < b->nslots && i < LOOKED_AT; i++)
        for (struct mq_session *s = b->slots[(b->numbers * 0x9e3779b97f4a7c15u + i) & (b->nslots - 1)]; s; s = s->chain)
            if (!s->link && (!oldest || s->gone_ns < oldest->gone_ns)) oldest = s;
    if (!oldest) return;
    b->stats.dropped += oldest->nqueue + oldest->nflight;
    mq_session_drop(oldest);
}

/* ---- ids that were taken ---- */

#define GOT_FEW 64 /* more of them stand in a map */

bool mq_got_has(const struct mq_session *s, uint16_t id)
{
    if (s->got_map) return s->got_map[id / 64] >> (id % 64) & 1;
    for (unsigned i = 0; i < s->ngot; i++)
        if (s->got[i] == id) return true;
    return false;
}

static bool map_got(struct mq_session *s)
{
    s->got_map = mem_calloc(65536 / 64, sizeof *s->got_map);
    for (unsigned i = 0; s->got_map && i < s->ngot; i++) s->got_map[s->got[i] / 64] |= 1ull << (s->got[i] % 64);
    return s->got_map != NULL;
}

bool mq_got_add(struct mq_session *s, uint16_t id)
{
    if (!s->got_map && s->ngot >= GOT_FEW && !map_got(s)) return false;
    if (!s->got_map) {
        if (!mem_grow((void **)&s->got, &s->got_cap, s->ngot + 1u, sizeof *s->got)) return false;
        s->got[s->ngot] = id;
    } else {
        s->got_map[id / 64] |= 1ull << (id % 64);
    }
    s->ngot++;
    return true;
}

static void unmap_got(struct mq_session *s)
{
    mem_free(s->got_map);
    s->got_map = NULL;
}

bool mq_got_drop(struct mq_session *s, uint16_t id)
{
    unsigned i = 0;
    if (!mq_got_has(s, id)) return false;
    s->ngot--;
    if (s->got_map) {
        s->got_map[id / 64] &= ~(1ull << (id % 64));
        if (!s->ngot) unmap_got(s);
        return true;
    }
    while (s->got[i] != id) i++;
    s->got[i] = s->got[s->ngot];
    return true;
}

/* ---- subscriptions ---- */

struct mq_sub *mq_session_sub(struct mq_session *s, struct str filter)
{
    for (struct mq_sub *sub = s->subs; sub; sub = sub->next_in_session)
        if (str_is(filter, sub->filter)) return sub;
    return NULL;
}

static void set_options(struct mq_sub *sub, const struct mqtt_item *i, uint32_t number)
{
    sub->qos = i->qos;
    sub->retain_handling = i->retain_handling;
    sub->no_local = i->no_local;
    sub->as_published = i->as_published;
    sub->number = number;
}

static void keep_sub(struct mq_session *s, const struct mq_sub *sub)
{
    uint32_t options = sub->qos | sub->no_local << 2 | sub->as_published << 3 | (uint32_t)sub->retain_handling << 4;
    if (mq_session_persists(s))
        mq_broker_keep(s->b,
                       &(struct mq_keep){.op = MQ_KEEP_SUB,
                                         .session = s,
                                         .filter = str_of(sub->filter),
                                         .options = options,
                                         .number = sub->number},
                       NULL);
}

/* The filter as inside. */
int mq_session_subscribe(struct mq_session *s, const struct mqtt_item *i, uint32_t number, bool *ret_new)
{
    struct str group = STR(""), filter = i->filter;
    struct mq_sub *sub = mq_session_sub(s, i->filter);
    *ret_new = !sub;
    if (!sub) {
        if (s->nsubs >= s->b->lim.subscriptions) return -MQTT_QUOTA;
        sub = mem_calloc(1, sizeof *sub + i->filter.n + 1);
        if (!sub) return -MQTT_UNSPECIFIED;
        memcpy(sub->filter, i->filter.p, i->filter.n);
        sub->s = s;
        (void)mqtt_share(i->filter, &group, &filter);
        if (mq_trie_add(&s->b->trie, filter, group, sub)) {
            mem_free(sub);
            return -MQTT_UNSPECIFIED;
        }
        sub->next_in_session = s->subs;
        s->subs = sub;
        s->nsubs++;
    }
    set_options(sub, i, number);
    keep_sub(s, sub);
    return i->qos;
}

bool mq_session_unsubscribe(struct mq_session *s, struct str filter)
{
    struct mq_sub **at = &s->subs;
    while (*at && !str_is(filter, (*at)->filter)) at = &(*at)->next_in_session;
    struct mq_sub *sub = *at;
    if (!sub) return false;
    *at = sub->next_in_session;
    if (mq_session_persists(s))
        mq_broker_keep(s->b, &(struct mq_keep){.op = MQ_DROP_SUB, .session = s, .filter = filter}, NULL);
    sub_free(s, sub);
    return true;
}
