/* mq_catch.c - what is retained goes to new subscriptions. All filters of a packet are looked for in one walk over the
 * retained messages, through a tree of their own: a thousand filters cost little more than one. A walk ends when its
 * reader cannot take more. Walks are counted: a link that makes the loop walk too much in one second rests until the
 * next (mq_tick), so that nobody else waits for it. */
#include "modules/mqtt/broker_int.h"

#define LOOKS 8000000u /* places of the table that are looked at in one second */
#define LOST_MAX 1000u /* messages that a reader could not take, then the walk ends */

struct catching {
    struct mq_link *l;
    struct mq_message *m;
    uint32_t number;
};

static void send_one(struct mq_link *l, struct mq_message *m, uint8_t qos, uint32_t number)
{
    struct hit h = {.s = l->s, .qos = qos, .nids = number != 0, .ids = {number}};
    if (!mq_msg_expired(l->b, m) && mq_may_get(l->s, m)) mq_out_put(l->s, m, &h, true);
}

static void on_caught(void *ctx, struct mq_sub *sub)
{
    const struct catching *c = ctx;
    send_one(c->l, c->m, sub->qos, c->number);
}

static void walk(struct mq_link *l, struct trie *t, uint32_t number)
{
    struct mq_broker *b = l->b;
    uint64_t lost = l->s->dropped;
    for (size_t k = 0; k < b->retained.nslots && l->s->dropped - lost < LOST_MAX; k++) {
        struct catching c = {l, b->retained.slots[k], number};
        if (c.m) mq_trie_match(t, mq_msg_topic(c.m), on_caught, &c);
    }
    b->looks += b->retained.nslots;
    l->resting = l->resting || b->looks > LOOKS;
}

static bool is_wild(struct str filter)
{
    return memchr(filter.p, '+', filter.n) || memchr(filter.p, '#', filter.n);
}

/* One filter: at once, when it is a topic; else into the tree. */
static void take_filter(struct mq_link *l, struct trie *t, const struct mqtt_item *i, struct mq_sub *sub,
                        uint32_t number)
{
    char inside[1024];
    struct str filter = mq_me_inside(&l->who, i->filter, inside, sizeof inside);
    struct mq_message *m;
    *sub = (struct mq_sub){.s = l->s, .qos = i->qos};
    if (is_wild(filter))
        (void)mq_trie_add(t, filter, STR(""), sub);
    else if ((m = mq_retained_get(&l->b->retained, filter)))
        send_one(l, m, i->qos, number);
}

void mq_catch(struct mq_link *l, const struct mqtt_item *items, size_t n, uint32_t number)
{
    struct trie t = {0};
    struct mq_sub *subs = n && l->b->retained.n ? mem_calloc(n, sizeof *subs) : NULL;
    if (!subs) return;
    if (mq_trie_init(&t) == 0) {
        for (size_t i = 0; i < n; i++) take_filter(l, &t, &items[i], &subs[i], number);
        if (t.subs) walk(l, &t, number);
    }
    mq_trie_fini(&t);
    mem_free(subs);
}
