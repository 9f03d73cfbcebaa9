/* mq_retain.c - retained messages by topic: open addressing, deletion by shifting back. */
#include "modules/mqtt/broker_int.h"

static size_t home(const struct retained *r, struct str topic)
{
    return (size_t)str_hash(topic, hash_seed()) & (r->nslots - 1);
}

static size_t weight(const struct mq_message *m)
{
    return sizeof *m + m->topic_n + m->props_n + m->payload_n;
}

void mq_retained_fini(struct retained *r)
{
    for (size_t i = 0; i < r->nslots; i++)
        if (r->slots[i]) mq_msg_unref(r->slots[i]);
    mem_free(r->slots);
    memset(r, 0, sizeof *r);
}

static size_t slot_of(const struct retained *r, struct str topic)
{
    size_t i = home(r, topic);
    while (r->slots[i] && !str_eq(mq_msg_topic(r->slots[i]), topic)) i = (i + 1) & (r->nslots - 1);
    return i;
}

struct mq_message *mq_retained_get(const struct retained *r, struct str topic)
{
    return r->nslots ? r->slots[slot_of(r, topic)] : NULL;
}

static int grow(struct retained *r)
{
    struct retained fresh = {.nslots = r->nslots ? r->nslots * 2 : 64};
    fresh.slots = mem_calloc(fresh.nslots, sizeof *fresh.slots);
    if (!fresh.slots) return ERR_NOMEM;
    for (size_t i = 0; i < r->nslots; i++)
        if (r->slots[i]) fresh.slots[slot_of(&fresh, mq_msg_topic(r->slots[i]))] = r->slots[i];
    mem_free(r->slots);
    r->slots = fresh.slots;
    r->nslots = fresh.nslots;
    return 0;
}

int mq_retained_put(struct retained *r, struct mq_message *m)
{
    if (2 * (r->n + 1) > r->nslots && grow(r)) return ERR_NOMEM;
    struct mq_message **at = &r->slots[slot_of(r, mq_msg_topic(m))];
    if (*at) {
        r->bytes -= weight(*at);
        mq_msg_unref(*at);
        r->n--;
    }
    *at = mq_msg_ref(m);
    r->n++;
    r->bytes += weight(m);
    return 0;
}

bool mq_retained_drop(struct retained *r, struct str topic)
{
    if (!r->nslots) return false;
    size_t mask = r->nslots - 1, i = slot_of(r, topic);
    if (!r->slots[i]) return false;
    r->bytes -= weight(r->slots[i]);
    r->n--;
    mq_msg_unref(r->slots[i]);
    r->slots[i] = NULL;
    for (size_t k = (i + 1) & mask; r->slots[k]; k = (k + 1) & mask) {
        size_t h = home(r, mq_msg_topic(r->slots[k]));
        if (((k - h) & mask) < ((k - i) & mask)) continue; /* stands where it may */
        r->slots[i] = r->slots[k];
        r->slots[k] = NULL;
        i = k;
    }
    return true;
}
