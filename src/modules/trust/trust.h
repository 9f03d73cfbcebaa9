/* trust.h - the module's own: certificates of peers and of this node.
 *
 *   book.c    what protocols ask (core/trust.h): a snapshot in memory under one lock that is held for a look only
 *   peers.c   a peer's certificate <-> a resource of kind peer_certificate
 *   own.c     making, renewing and installing this node's certificates (kind own_certificate)
 *   keeper.c  the thread: records who is new, makes what is asked for, tells what will end
 *   api.c     routes, hooks, the module's row
 *
 * Bounds    A hostile peer can make a certificate for each try: at most TRUST_NEW_MAX undecided ones are listed, at
 * most TRUST_PENDING wait for the thread, at most TRUST_PER_MINUTE a minute are recorded; the rest is counted. */
#pragma once
#include <pthread.h>
#include "core/event.h"
#include "core/node.h"
#include "core/trust.h"
#include "proto/opcua/ua_security.h"

#define TRUST_NEW_MAX 500
#define TRUST_PENDING 32
#define TRUST_PER_MINUTE 60
#define TRUST_DER_MAX 16384
#define TRUST_PURPOSES 8
#define TRUST_PURPOSE_MAX 32
#define TRUST_DIGEST 32
#define TRUST_DAY_US 86400000000LL

enum trust_state { TRUST_NEW, TRUST_TRUSTED, TRUST_REJECTED };
struct trust_peer {
    char purpose[TRUST_PURPOSE_MAX], id[37];
    uint8_t digest[TRUST_DIGEST];
    enum trust_state state;
    int64_t seen_us, stored_us; /* last seen: now, and as it is stored */
    int64_t until_us;
    int told; /* days before the end that were told last; see keeper.c */
};
struct trust_pending {
    char purpose[TRUST_PURPOSE_MAX];
    uint8_t digest[TRUST_DIGEST];
    uint8_t *der; /* owned */
    size_t n;
};
struct trust_own {
    struct trust_own *next;
    char purpose[TRUST_PURPOSE_MAX], id[37];
    char *cert, *key;    /* NULL: none yet, wanted */
    struct pem *retired; /* handed out before: they live as long as the module */
    int64_t until_us, retry_us;
    int told;
};
struct trust_book {
    struct node *node;
    struct trust functions;
    pthread_mutex_t lock;   /* all below */
    pthread_mutex_t making; /* one own certificate is made at a time */
    pthread_cond_t wake;
    struct trust_peer *peers;
    size_t npeers, peers_cap;
    struct trust_pending pending[TRUST_PENDING];
    size_t npending;
    unsigned minute_n;
    uint64_t minute_ns;
    struct trust_own *own; /* at most TRUST_PURPOSES */
    bool stopping, threaded;
    pthread_t thread;
};

/* book.c */
bool trust_purpose_ok(const char *purpose);
int trust_identity(void *ctx, const char *purpose, const char **ret_cert, const char **ret_key);
int trust_ask(void *ctx, const char *purpose, const void *der, size_t n);
int trust_load(struct trust_book *t, struct error *e);
void trust_peer_changed(void *ctx, struct kernel *k, const struct change *c, size_t n);
void trust_own_changed(void *ctx, struct kernel *k, const struct change *c, size_t n);
void trust_book_free(struct trust_book *t);

/* peers.c */
void trust_digest(const void *der, size_t n, uint8_t ret[TRUST_DIGEST]);
/* Makes it, or finds it when it is there. */
int trust_peer_record(struct trust_book *t, struct arena *a, const struct actor *by, const char *purpose,
                      struct str der, struct resource *ret, struct error *e);
int trust_peer_seen(struct trust_book *t, const char *id, int64_t seen_us);
bool trust_pem(struct str der, struct buf *out);
/* What a certificate says, as members of a spec. */
struct json *trust_facts(struct arena *a, const struct ua_cert *c, bool peer);

/* own.c */
/* A new pair for the purpose, in place of the former one; cert and key empty: made here. */
int trust_own_make(struct trust_book *t, struct arena *a, const struct actor *by, const char *purpose, struct str cert,
                   struct str key, struct resource *ret, struct error *e);

/* keeper.c */
int trust_keeper_start(struct trust_book *t, struct error *e);
void trust_keeper_stop(struct trust_book *t);
void trust_work(struct trust_book *t); /* all there is to do now; the thread's, or a test's */

extern const struct api_route trust_routes[];
extern const size_t trust_nroutes;
