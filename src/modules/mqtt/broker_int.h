/* broker_int.h - between the files of the broker. */
#pragma once
#include "modules/mqtt/broker.h"
#include "base/mem.h"

struct mq_message { /* counted; topic, props, payload follow */
    unsigned refs;
    uint8_t qos;
    bool retain;
    uint32_t topic_n, props_n, payload_n;
    uint64_t expires_ns; /* 0: never */
    uint64_t from;       /* number of the session that sent it */
    char bytes[];
};
struct str mq_msg_topic(const struct mq_message *m);
struct str mq_msg_props(const struct mq_message *m);
struct str mq_msg_payload(const struct mq_message *m);
struct mq_message *mq_msg_new(struct str topic, struct str props, struct str payload);
struct mq_message *mq_msg_ref(struct mq_message *m);
void mq_msg_unref(struct mq_message *m);
bool mq_msg_expired(const struct mq_broker *b, const struct mq_message *m);

#define SUB_IDS 8
struct out_entry { /* a message on its way to a session */
    struct mq_message *m;
    uint64_t row, handle; /* of the store; handle 0: not kept */
    uint32_t ids[SUB_IDS];
    uint16_t id;
    uint8_t qos, state, nids; /* state 1: PUBREC has come, PUBREL was sent */
    bool retain, dup;
};

/* ---- subscriptions (mq_trie.c) ---- */
struct mq_sub {
    struct mq_session *s;
    struct trie_node *node;
    struct sub_group *group; /* NULL: not shared */
    struct mq_sub *next_in_node, *next_in_session;
    uint32_t number; /* subscription id; 0: none */
    uint8_t qos, retain_handling;
    bool no_local, as_published;
    char filter[]; /* as inside, terminated */
};
struct sub_group {
    char *name;
    struct mq_sub *members; /* a ring's start moves on */
    struct sub_group *next;
};
struct trie_node {
    struct trie_node *parent, *chain;
    uint64_t hash;
    struct mq_sub *subs;
    struct sub_group *groups;
    unsigned children;
    uint16_t n;
    char level[];
};
struct trie {
    struct trie_node **slots, *root;
    size_t nslots, nodes, subs;
};
int mq_trie_init(struct trie *t);
void mq_trie_fini(struct trie *t);
/* filter without the $share part. */
int mq_trie_add(struct trie *t, struct str filter, struct str group, struct mq_sub *sub);
void mq_trie_remove(struct trie *t, struct mq_sub *sub);
typedef void trie_fn(void *ctx, struct mq_sub *sub);
/* Each subscription that is met; of a group: the one that `pick` prefers. */
void mq_trie_match(struct trie *t, struct str topic, trie_fn *fn, void *ctx);

/* ---- retained (mq_retain.c) ---- */
struct retained {
    struct mq_message **slots;      /* open addressing by topic */
    size_t nslots, n, bytes, swept; /* swept: the slot that was looked at last for its time */
};
void mq_retained_fini(struct retained *r);
struct mq_message *mq_retained_get(const struct retained *r, struct str topic);
int mq_retained_put(struct retained *r, struct mq_message *m); /* takes a reference; replaces */
bool mq_retained_drop(struct retained *r, struct str topic);

/* ---- what is retained, to new subscriptions (mq_catch.c) ---- */
void mq_catch(struct mq_link *l, const struct mqtt_item *items, size_t n, uint32_t number);

/* ---- sessions ---- */
struct mq_session {
    struct mq_broker *b;
    struct mq_session *chain;
    uint64_t hash, number;
    struct mq_link *link;
    struct mq_who who;
    struct mq_sub *subs;
    struct out_entry *flight; /* sent, not acknowledged */
    struct out_entry *queue;  /* ring */
    uint16_t *got;            /* QoS 2 ids taken and not released, while they are few */
    uint64_t *got_map;        /* when they are many: a bit each; NULL: they stand in `got` */
    struct mq_message *will;
    bool will_kept;                /* it stands in the store */
    uint64_t gone_ns, will_due_ns; /* will_due: 0 none waits */
    uint64_t next_row, dropped, hit_serial;
    size_t queue_at, nqueue, queue_cap, queue_bytes, flight_cap, got_cap;
    uint32_t hit, expiry_s, will_delay_s, nsubs;
    uint16_t nflight, ngot, next_id;
    uint16_t key_n, owner_n; /* of key: "<owner>\n<client id>" */
    char key[];
};
struct hit { /* a session that a message goes to */
    struct mq_session *s;
    uint8_t qos, nids;
    bool as_published;
    uint32_t ids[SUB_IDS];
};
struct mq_broker {
    struct mq_limits lim;
    const struct mq_ops *ops;
    void *ctx;
    uint64_t now_ns, serial, numbers;
    uint64_t looks; /* at retained messages, in this second */
    int64_t now_us;
    struct trie trie;
    struct retained retained;
    struct mq_session **slots; /* by key */
    size_t nslots, nsessions, nlinks;
    struct mq_link *links;
    struct hit *hits;
    size_t nhits, hits_cap;
    struct mq_message *routed; /* while hits gather */
    bool kept;                 /* something was handed to `keep` */
    bool withholds;            /* ops->gives is asked */
    struct mq_stats stats;
};

struct mq_session *mq_session_get(struct mq_broker *b, struct str key);
struct mq_session *mq_session_new(struct mq_broker *b, const struct mq_who *who, struct str client_id);
void mq_session_free(struct mq_session *s); /* nothing is told to the store */
struct str mq_session_key(const struct mq_session *s);
void mq_session_make_room(struct mq_broker *b); /* one whose client has been away goes, if there is any */
void mq_session_keep(struct mq_session *s);
bool mq_session_persists(const struct mq_session *s);
/* Subscriptions: 0 granted QoS, or a reason. */
struct mq_sub *mq_session_sub(struct mq_session *s, struct str filter);
int mq_session_subscribe(struct mq_session *s, const struct mqtt_item *i, uint32_t number, bool *ret_new);
bool mq_session_unsubscribe(struct mq_session *s, struct str filter);
/* QoS 2 ids that were taken and are not released. */
bool mq_got_has(const struct mq_session *s, uint16_t id);
bool mq_got_add(struct mq_session *s, uint16_t id); /* it is not there; false: no memory */
bool mq_got_drop(struct mq_session *s, uint16_t id);

/* ---- a session's way out (mq_out.c) ---- */
void mq_out_put(struct mq_session *s, struct mq_message *m, const struct hit *h, bool retain);
void mq_out_pump(struct mq_session *s);
void mq_out_resend(struct mq_session *s); /* after a reconnect */
void mq_out_ack(struct mq_link *l, const struct mqtt_packet *p);
void mq_out_free(struct mq_session *s);
void mq_link_wake(struct mq_link *l);

/* ---- messages through the broker (broker.c) ---- */
void mq_broker_route(struct mq_broker *b, struct mq_message *m);
void mq_broker_retain(struct mq_broker *b, struct mq_message *m);
void mq_broker_keep(struct mq_broker *b, struct mq_keep *k, uint64_t *ret_handle);
void mq_session_will(struct mq_session *s, bool at_once);
void mq_will_set(struct mq_session *s, struct mq_message *m, uint32_t delay_s); /* takes m; NULL: none any more */
bool mq_may_get(struct mq_session *s, const struct mq_message *m);
void mq_session_recheck(struct mq_session *s);
void mq_session_drop(struct mq_session *s); /* ends it: will, store, memory */
struct str mq_me_inside(const struct mq_who *w, struct str topic, char *out, size_t cap); /* {NULL,0}: too long */
bool mq_is_own(const struct mq_who *w, struct str topic); /* of those that each device has for itself */
struct str mq_me_outside(const struct mq_who *w, struct str topic, char *out, size_t cap);
