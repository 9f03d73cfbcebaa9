/* auth_backoff.h - how long to wait after failed log-ins, per login and per peer, and token buckets.
 * Bounded tables with replacement of the least recently used; times are monotonic. Locks inside. */
#pragma once
#include <pthread.h>
#include "base/str.h"

#define BACKOFF_FREE 5       /* failures without a delay */
#define BACKOFF_MAX_S 300    /* longest delay */
#define BACKOFF_FORGET_S 900 /* without a failure for so long: forgotten */
#define BACKOFF_SLOTS 4096

struct backoff_slot {
    uint64_t key, last_ns, until_ns;
    unsigned failures;
};
struct backoff {
    pthread_mutex_t lock;
    struct backoff_slot slots[BACKOFF_SLOTS];
};
void backoff_init(struct backoff *b);
void backoff_fini(struct backoff *b);
/* Seconds to wait, 0: go on. `scope` keeps logins and peers apart. */
unsigned backoff_wait(struct backoff *b, const char *scope, struct str key, uint64_t now_ns);
void backoff_failed(struct backoff *b, const char *scope, struct str key, uint64_t now_ns);
void backoff_clear(struct backoff *b, const char *scope, struct str key);

/* Token buckets: `rate` a minute, burst of the same size. true: taken. */
struct bucket_slot {
    uint64_t key, last_ns;
    double tokens;
};
#define BUCKET_SLOTS 8192
struct buckets {
    pthread_mutex_t lock;
    struct bucket_slot slots[BUCKET_SLOTS];
};
void buckets_init(struct buckets *b);
void buckets_fini(struct buckets *b);
bool bucket_take(struct buckets *b, uint64_t route, struct str peer, unsigned rate, uint64_t now_ns);
