/* mqtt.h - the module's own. One loop thread owns the broker and all connections; one thread makes things durable (the
 * committer); a few work for messages that want SQL; hooks and API handlers reach the loop by posting. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "core/auth/auth.h"
#include "core/auth/auth_backoff.h"
#include "core/node.h"
#include "core/control.h"
#include "modules/mqtt/broker.h"
#include "modules/mqtt/recent.h"
#include "modules/push/ingest.h"

#define MQTT_NAME "mqtt"
struct mqtt;
struct conn;

/* ---- ingest.c: publishes of devices -> samples, durable in batches ---- */
struct ingest;
int mqtt_ingest_open(struct mqtt *m, struct ingest **ret, struct error *e);
void mqtt_ingest_close(struct ingest *in); /* waits for what is on its way; the loop must still run */
/* It may not publish there: shown among the recent. */
void mqtt_ingest_denied(void *ctx, struct mq_link *l, const struct mqtt_packet *p);
int mqtt_ingest_publish(void *ctx, struct mq_link *l, const struct mqtt_packet *p);
void mqtt_ingest_later(void *ctx, struct mq_link *l, uint8_t type, uint16_t id, uint8_t code);
uint64_t mqtt_ingest_keep(void *ctx, const struct mq_keep *k);
/* Once a turn of the loop: hand over what has gathered; true: not yet, again in a millisecond. */
bool mqtt_ingest_submit(struct ingest *in);
bool mqtt_ingest_full(const struct ingest *in);
struct mqtt_ingest_stats {
    uint64_t batches, messages, samples, kept, failed, slow, rejected;
};
void mqtt_ingest_stats(struct ingest *in, struct mqtt_ingest_stats *ret);

/* ---- store.c: sessions and retained messages in mqtt.db ---- */
struct store;
struct store_ops; /* a list of changes, gathered on the loop, run by the committer */
int mqtt_store_open(const char *data_path, struct store **ret, bool *ret_fresh, struct error *e);
void mqtt_store_close(struct store *st);
int mqtt_store_load(struct store *st, struct mq_broker *b, struct error *e);
struct store_ops *mqtt_store_ops_new(void);
void mqtt_store_ops_free(struct store_ops *o);
uint64_t mqtt_store_ops_add(struct store_ops *o, struct mq_broker *b, const struct mq_keep *k, int64_t now_us);
size_t mqtt_store_ops_count(const struct store_ops *o);
size_t mqtt_store_ops_bytes(const struct store_ops *o);
int mqtt_store_ops_run(struct store *st, struct store_ops *o, struct error *e); /* durable; empties o */

/* ---- login.c ---- */
uint8_t mqtt_login_check(void *ctx, struct mq_link *l, const struct mqtt_packet *p, struct mq_who *ret);
bool mqtt_login_may(void *ctx, const struct mq_who *who, bool publish, struct str topic);
bool mqtt_login_gets(void *ctx, const struct mq_who *who, struct str topic); /* rules that deny subscribing */
bool mqtt_login_device(struct mqtt *m, struct str code, struct mq_who *ret); /* by certificate */
void mqtt_login_sweep(struct mqtt *m, struct mq_link *links);                /* ends those who may no more */

/* ---- net.c: the loop ---- */
struct net;
int mqtt_net_open(struct mqtt *m, struct error *e);
void mqtt_net_close(struct mqtt *m);
void mqtt_net_settled(struct mq_link *l); /* an acknowledgement came back: goes on, or is freed */
void mqtt_net_go_on(struct mq_link *l);   /* after mq_resume */
void mqtt_net_wake(void *ctx, struct mq_link *l);
void mqtt_net_release(struct mqtt *m); /* a batch is done: who was held back may send again */
/* WebSocket: a connection without a socket of its own. */
struct conn *mqtt_net_ws_open(struct mqtt *m, void *pipe, const char *peer, bool secure);
void mqtt_net_ws_input(struct conn *c, const uint8_t *p, size_t n);
void mqtt_net_ws_drained(struct conn *c, size_t n);
void mqtt_net_ws_gone(struct conn *c);

/* ---- ws.c: on the web server's loop ---- */
extern const struct http_stream_ops mqtt_ws_ops;
void mqtt_ws_pipe_send(void *pipe, struct buf *out); /* takes the bytes of out */
void mqtt_ws_pipe_unref(void *pipe);

/* ---- tls.c ---- */
typedef struct ssl_ctx_st SSL_CTX;
struct tls_link;
enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };
int mqtt_tls_context(struct str cert_pem, struct str key_pem, struct str ca_pem, enum tls_client client, SSL_CTX **ret,
                     struct error *e);
void mqtt_tls_context_free(SSL_CTX *ctx);
struct tls_link *mqtt_tls_new(SSL_CTX *ctx);
void mqtt_tls_free(struct tls_link *t);
/* Bytes of the wire in, plain bytes to fn. negative: broken; 1: the peer has closed. */
int mqtt_tls_input(struct tls_link *t, const void *p, size_t n, void (*fn)(void *ctx, const uint8_t *p, size_t n),
                   void *ctx);
int mqtt_tls_output(struct tls_link *t, struct buf *plain,
                    struct buf *wire); /* takes all of plain, or what the handshake lets */
void mqtt_tls_goodbye(struct tls_link *t, struct buf *wire);
bool mqtt_tls_ready(const struct tls_link *t);
bool mqtt_tls_name(struct tls_link *t, char *out, size_t cap); /* CN of a client certificate that was checked */

/* ---- listeners.c ---- */
struct listener_config {
    char id[37], code[129], address[64];
    unsigned port;
    bool enabled;
    SSL_CTX *tls; /* NULL: plain */
    char fault[320], fault_zh[320];
};
int mqtt_listeners_hooks(struct mqtt *m, struct error *e);
int mqtt_listeners_load(struct mqtt *m, struct error *e);
void mqtt_net_listeners_set(struct mqtt *m, struct listener_config *list, size_t n); /* takes the list; any thread */
struct listener_view {
    const struct listener_config *cfg;
    unsigned port; /* where it listens; 0: it does not */
    bool tls;
    size_t connections;
    uint64_t accepted, refused;
};
void mqtt_net_listeners_each(struct mqtt *m, void (*fn)(void *ctx, const struct listener_view *v),
                             void *ctx); /* loop */

/* ---- api.c ---- */
extern const struct api_route mqtt_routes[];
#define MQTT_ROUTES 8

/* ---- api_map.c ---- */
int mqtt_get_recent(struct api_call *c, struct error *e);
int mqtt_post_preview(struct api_call *c, struct error *e);
int mqtt_post_rpc(struct api_call *c, struct error *e);
int mqtt_get_commands(struct api_call *c, struct error *e);

/* ---- shared.c ---- */
void mqtt_shared_changed(void *ctx, const char *device, struct str changed);

struct mqtt {
    struct node *node;
    struct push *push;
    struct auth *auth;
    struct loop *loop;
    struct mq_broker *broker;
    struct ingest *ingest;
    struct store *store;
    struct net *net;
    struct recent *recent; /* the loop's */
    struct acl *acl;       /* the loop's */
    struct rpc *rpc;
    struct control_route route;
    struct backoff backoff;
    uint64_t push_seen; /* push_changes at the last sweep */
    atomic_uint_fast64_t login_failed;
    bool fresh; /* the first start with this data directory */
};
static inline void mqtt_now(struct mqtt *m)
{
    mq_time(m->broker, clock_mono_ns(m->node->clock), clock_now_us(m->node->clock));
}
