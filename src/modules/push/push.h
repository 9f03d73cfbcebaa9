/* push.h - the module's own. Devices live in memory, found by the digest of their token; one lock, held for
 * looks and counts only. Points are made under `making`, so that two messages do not make one twice. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "core/auth/auth_backoff.h"
#include "core/node.h"
#include "modules/push/ingest.h"

#define PUSH_DIGEST 32
#define PUSH_TOKEN_MAX 48
#define PUSH_EARLIEST_US 946684800000000LL     /* the year 2000 */
#define PUSH_AHEAD_US (3600 * TIME_US_PER_S)   /* clocks that are wrong by more are not believed */
#define PUSH_BUFFERED_US (300 * TIME_US_PER_S) /* older: came from a buffer */

struct push_key { /* what is known of a key of a device, and what it sent last */
    char *key;
    size_t key_n;
    uint64_t serial; /* of the last message that had it (fast.c) */
    uint32_t num;    /* point; 0: none */
    unsigned epoch;  /* push.epoch when it was looked for; 0: look */
    bool text;       /* the point keeps texts as they are */
    char code[129];  /* of the point */
    char value[120], problem[160], problem_zh[160];
    int64_t time_us; /* of the last sample */
    uint64_t count;
};
struct push_device {
    uint8_t digest[PUSH_DIGEST];
    bool has_token, enabled, create, server_clock;
    char id[37], org[37], code[129], point_code[130];
    char *point_spec;                                                     /* JSON, owned */
    char parent[37], alias[201], method[101], provision[64], mapping[37]; /* parent, mapping: ids */
    bool gateway;
    uint8_t commands; /* enum push_commands */
    size_t max_children;
    double rate, tokens;
    uint64_t filled_ns;
    size_t max_keys;
    struct push_key *keys;
    size_t nkeys, keys_cap, hint; /* hint: the key that is expected next (fast.c) */
    int64_t seen_us;
    uint64_t messages, samples, rejected, unknown;
    uint64_t refused; /* messages that were not understood, and why the last one was not */
    int64_t refused_us;
    char problem[160], problem_zh[160];
};
struct push_maps { /* under its own lock: looked at for each message of a topic that has no form of its own */
    pthread_mutex_t lock;
    struct push_map **at; /* by order, then code */
    size_t n, cap;
    atomic_size_t topics; /* enabled ones that read a topic */
};
struct push {
    struct node *node;
    pthread_mutex_t lock, making;
    struct push_device **devices; /* in no order */
    size_t n, cap;
    uint32_t *slots; /* by digest: index + 1, open addressing */
    size_t nslots;
    unsigned epoch; /* from 1; goes up when a point was deleted */
    uint64_t serial, changes;
    struct backoff backoff;
    struct push_maps maps; /* mappings.c */
    struct push_watcher watcher;
};

/* devices.c */
int push_migrate(struct sql *db, struct error *e);
int push_load(struct push *p, struct error *e);
int push_hooks_add(struct push *p, struct error *e);
void push_devices_free(struct push *p);
struct push_device *push_by_id(struct push *p, struct str id);       /* under the lock */
struct push_device *push_by_token(struct push *p, struct str token); /* under the lock; NULL: none */
int push_put(struct push *p, const struct resource *r); /* under the lock: what its hook will do a moment later */
/* A new token for the device, the old one is void at once. */
int push_token_make(struct push *p, struct str id, const char *by, char ret[PUSH_TOKEN_MAX], struct error *e);

/* take.c */
bool push_rate_take(struct push_device *d, uint64_t now_ns, unsigned *wait_s); /* under the lock */
void push_count(size_t samples, size_t unknown);
void push_count_limited(void);
/* The code of a point by a device's rule; {NULL,0}: too long. */
struct str push_point_code(struct arena *a, struct str device, struct str rule, struct str key);
int push_take(struct push *p, struct arena *a, struct str token, enum push_form form, const struct json *body,
              struct push_outcome *ret, struct error *e);
int push_attributes(struct push *p, struct arena *a, struct str token, const struct json *body,
                    struct push_outcome *ret, struct error *e);
/* ERR_UNAUTHENTICATED, or ERR_LIMIT with seconds to wait. */
int push_refuse(struct push *p, const char *peer, unsigned *ret_wait_s, struct error *e);
int push_write_latest(struct push *p, struct str id, bool zh, struct json_writer *w, struct error *e);

/* forms.c */
MUST_CHECK int push_decode_csv(struct arena *a, struct str text, struct pushed **ret, size_t *ret_n, struct error *e);
/* precision: of the time stamps; "": ns. */
MUST_CHECK int push_decode_line(struct arena *a, struct str text, struct str precision, struct pushed **ret,
                                size_t *ret_n, struct error *e);

/* mappings.c */
void push_maps_init(struct push *p);
void push_maps_free(struct push *p);
int push_maps_load(struct push *p, struct error *e);
int push_maps_hooks(struct push *p, struct error *e);

/* shared.c: null takes an attribute away. */
MUST_CHECK int push_shared_set(struct push *p, struct arena *a, const char *id, const struct json *changes,
                               const char *by, struct error *e);
MUST_CHECK int push_shared_list(struct push *p, const char *id, struct json_writer *w, struct error *e);

/* provision.c */
int push_provision(struct push *p, struct arena *a, const struct json *body, char ret_token[PUSH_TOKEN_MAX],
                   struct error *e);
