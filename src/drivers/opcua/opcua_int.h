/* opcua_int.h - the inside of the OPC UA driver (client).
 *
 * One channel = one server = one connection = one session; its values come by subscriptions.
 *   table.c     option tables, status, the driver's row
 *   address.c   an address -> a node; a DataValue -> a sample; a value of ours -> a Variant
 *   set.c       the desired set; difference to the running one
 *   conn.c      connecting, bytes, requests and their answers, losing, reconnecting, the timer, closing
 *   open.c      options -> configuration
 *   trust.c     our certificate; may the server's be trusted
 *   session.c   endpoints, session, identity, namespaces
 *   resume.c    what outlives a loss: the session, the subscriptions
 *   spare.c     servers that stand in for one another
 *   sub.c       subscriptions, monitored items, publishing
 *   value.c     values of the server -> samples, batches, words of our own
 *   refresh.c   values read beside the subscriptions
 *   backfill.c  what the server's history has of a gap
 *   types.c     structures that the server defines
 *   job.c       writes, reads, tests
 *   method.c    methods, called by writes
 *   browse.c    browsing
 *   event_*.c, events.c, condition.c, settle.c    events and alarms (events_int.h)
 *   discover.c  servers and endpoints, for somebody who asks
 *   past.c      a page of a node's history, for somebody who asks
 * Heart: oc_pump() does what can be done now and sets the one timer; after every event, at any time.
 *
 * Request     oc_call() sends one; its `oc_answer` is called exactly once: with the answer, or with an error when the
 *             server refuses, the time runs out, the connection is lost or the channel is closed.
 * Handle      client handle of a monitored item: index into channel.handles, which tells the point. A handle is given
 *             anew only when its subscription is no more, so that a late notification never meets another point.
 * Batch       the samples of one notification. When the sink is full, reading stops until it takes them; a
 *             notification is acknowledged after that. */
#pragma once
#include "base/json.h"
#include "base/json_path.h"
#include "base/mem.h"
#include "drivers/common/poll.h"
#include "drivers/opcua/driver.h"
#include "io/tls_stream.h"
#include "proto/opcua/ua_channel.h"
#include "proto/opcua/ua_custom.h"
#include "proto/opcua/ua_custom_int.h"
#include "proto/opcua/ua_identity.h"
#include "proto/opcua/ua_ids.h"
#include "proto/opcua/ua_status.h"
#include "proto/opcua/ua_trust.h"

#define NS_MS 1000000ull
#define OC_PORT 4840
#define OC_CLASSES 10      /* publishing intervals */
#define OC_ITEMS_MAX 1000  /* of one CreateMonitoredItems */
#define OC_BATCH 512       /* samples of a batch that tells a loss */
#define OC_PUBLISH_MAX 2048
#define OC_MISSING_MAX 64 /* messages that are asked for again at a time */
#define OC_LINGER_MS 15000 /* an idle connection stays for the next question of a person */
#define OC_RETRY_ITEMS_MS 60000
#define OC_TEXT_MAX 65536
#define OC_TRACE_MAX (1u << 20)
#define OC_NAMESPACES_MAX 1000

struct oc_channel;
struct oc_spare;
struct oc_event;
struct oc_events;
/* value: the answer, of the type that belongs to the request; NULL: e tells why there is none. refused: the
 * server said no (channel.status), or it was never sent; else it may have been carried out. Memory dies with the call.
 */
typedef void oc_answer(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused);

struct oc_request {
    struct oc_request *next;
    uint32_t id;
    unsigned type; /* of the answer */
    uint64_t sent_ns, deadline_ns;
    oc_answer *done;
    void *arg;
};

/* An address: where. Texts live in the arena of the set or of the job. */
struct oc_node {
    struct ua_expanded id;
    struct str range; /* index range; NULL: the whole value */
};
enum oc_item { ITEM_NONE, ITEM_ASKED, ITEM_LIVE, ITEM_FAILED };
struct oc_point {
    uint32_t num, device;
    struct str address;
    struct oc_node node;
    bool method; /* it is called by writes, never read: node is its object, call the method itself */
    struct oc_node call;
    const struct oc_event *event; /* it is told by events (events_int.h); node is nothing then */
    struct str comment;           /* goes with an acknowledgement */
    uint32_t period_ms, sampling_ms, queue;
    uint8_t deadband; /* enum ua_deadband */
    uint8_t value_type, klass;
    bool server_time, config_error;
    struct str member; /* JSONPath into a structure; empty: all of it */
    const struct json_path_query *path;
    double deadband_value, step_s, scale, offset, lo, hi;
    /* running */
    uint8_t item;    /* enum oc_item */
    uint8_t ua_type; /* of the last value, UA_NULL: not known */
    bool ua_array;
    uint32_t handle, item_id;
    struct sample last;
    uint64_t text_hash, text_id; /* of the last text that was interned */
    bool marked;       /* `last` is our own word of a loss */
    bool first;        /* nothing has come of this item yet */
    bool refresh;      /* to be read */
    bool gap_asked;    /* backfill.c has it */
    int64_t source_us; /* newest time that the server gave */
    int64_t gap_from, gap_to; /* between these some may be missing; gap_to 0: none */
};
struct oc_device {
    uint32_t num, points, bad_config;
    int64_t last_ok_us;
    struct error config;
};
struct oc_sub {
    uint32_t id, interval_ms, keepalive_ms, lifetime_ms, next_sequence;
    bool creating, items_busy, deleting;
    uint64_t last_ns;
    uint32_t *drop; /* item ids to be deleted */
    size_t ndrop, drop_cap;
};

enum oc_job_kind { JOB_WRITE, JOB_READ, JOB_TEST, JOB_BROWSE, JOB_PAST, JOB_DISCOVER };
struct oc_job {
    struct oc_job *next;
    uint8_t kind, step;
    bool typed; /* it has waited for types */
    uint64_t began_ns, deadline_ns;
    union {
        driver_write_done *write;
        driver_read_done *read;
        driver_test_done *test;
        driver_browse_done *browse;
        driver_history_done *past;
        driver_discover_done *discover;
    } done;
    void *arg;
    struct arena arena; /* lives as long as the job */
    /* write */
    struct oc_point point;
    struct sample value;
    struct str text;
    struct ua_variant variant;
    struct ua_argument *arguments; /* of a method */
    struct ua_variant *inputs;
    uint32_t narguments, ninputs;
    /* read */
    struct oc_point *points;
    struct error *errors;
    struct driver_reading *readings;
    size_t npoints, at, asked;
    /* browse */
    struct oc_node node;
    size_t from, max;
    struct ua_reference_description *refs;
    size_t nrefs;
    /* past */
    struct oc_past *past;
    /* discover */
    struct driver_found *found;
    size_t nfound;
    struct str own_uri; /* of the server that answers */
    struct oc_property { /* unit or range of an item of the page */
        struct ua_nodeid id;
        size_t item;
    } *properties;
    size_t nproperties;
};

enum oc_conn { CONN_IDLE, CONN_CONNECTING, CONN_OPENING, CONN_UP, CONN_CLOSING };
enum oc_user { USER_ANONYMOUS, USER_NAME, USER_CERT };
enum oc_resume { RESUME_NOTHING, RESUME_SESSION, RESUME_SUBS };
enum oc_trust { TRUST_PINNED, TRUST_ANY, TRUST_LIST };

#define OC_SPARES 4
struct oc_place {
    char host[256], url[512];
    uint16_t port;
};
struct oc_config {
    struct oc_place at, others[OC_SPARES]; /* where we are; the others when the channel was made */
    size_t nothers;
    uint32_t watch_ms;
    int security; /* index of security_choices */
    enum oc_user user;
    char user_name[256], password[512], thumbprint[100];
    enum oc_trust trust;
    bool plain_password;
    bool backfill;
    uint32_t token_ms, session_ms, connect_ms, answer_ms, publishing_ms;
    struct ua_cert *cert, *user_cert; /* ours: of the options, or this node's (trust.c) */
    struct ua_key *key, *user_key;
    const char *identity; /* the host's text that cert was read from; NULL: none */
    struct backoff backoff;
};

struct oc_channel {
    struct driver_channel base; /* first */
    struct oc_config cfg;
    struct driver_status st;
    enum oc_conn conn;
    struct tls_stream *stream;
    struct ua_channel *ua;
    struct arena arena; /* of one event */
    struct buf rx;      /* bytes since the last whole chunk, for the trace */
    uint64_t retry_ns, up_ns, wake_ns, linger_ns, held_ns;
    bool closing, timer_open, pumping, again, connect_now, stream_open;
    struct error why;
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;
    struct oc_request *requests;
    uint32_t status; /* of the last request that was refused */

    /* session.c */
    bool discovered;      /* the endpoint below is that of this connection */
    struct arena session; /* what is kept of the server, until the connection is lost */
    struct ua_endpoint_description *endpoint;
    struct ua_cert *server;
    struct str offers; /* endpoints in words */
    const struct ua_policy *policy;
    enum ua_mode mode;
    uint8_t nonce[32];
    struct ua_nodeid token;
    struct str *namespaces;
    uint32_t namespaces_n, max_read, max_items, max_browse;
    bool session_open;     /* CreateSession was answered */
    uint32_t session_ms;   /* its timeout, as the server revised it */
    uint64_t last_call_ns; /* when the server was last asked anything */
    struct str server_nonce, server_chain; /* of the session */
    enum oc_resume resume;
    unsigned resume_fails;
    uint64_t session_until_ns, resume_until_ns;
    struct oc_types *types; /* types.c */
    bool refresh, refreshing; /* refresh.c: some wait; some are asked for */
    bool gaps;                /* backfill.c: some points have a gap */
    struct oc_backfill *filling;

    struct arena set; /* addresses of points */
    struct oc_device *devices;
    size_t ndevices;
    struct oc_point *points; /* by num */
    size_t npoints;
    uint32_t *handles; /* point index + 1; 0: gone; HANDLE_FREE and the next one that may be given anew */
    size_t nhandles, handles_cap;
    uint32_t free_handle;
    struct oc_sub subs[OC_CLASSES];
    unsigned publishing, publishing_max; /* publish requests at the server */
    uint64_t publish_after_ns;
    struct ua_subscription_acknowledgement *acks;
    size_t nacks, acks_cap;
    bool unmade;      /* points may be without an item: look for them */
    uint32_t refused; /* points whose items the server refused */
    uint64_t retry_items_ns;
    struct error refusal;

    struct sample *batch;
    size_t nbatch, batch_cap;
    bool held, tell_lost;
    size_t tell_at;

    struct oc_spare *spares[OC_SPARES]; /* spare.c */
    size_t nspares, turn;
    int level; /* ServiceLevel of our server, -1: not known */
    bool level_asked, settled;
    uint64_t level_next_ns;

    struct oc_events *events; /* event_set.c; NULL: none are wanted */
    bool events_dirty;        /* they are to be set up again */

    struct oc_job *jobs; /* that wait for the session */
    struct oc_job *typed; /* that wait for types, then join the others again */
    size_t njobs;        /* these and those on their way */
};

/* address.c */
int oc_point_resolve(const struct driver_point *p, struct arena *a, struct oc_point *ret, struct driver_address *addr,
                     struct error *e);
/* The node with its namespace by number; ERR_NOT_FOUND: the server has no such namespace. */
int oc_node_id(const struct oc_channel *ch, const struct oc_node *n, struct ua_nodeid *ret, struct error *e);
/* Type, value, quality, reason and time of *s. A text is left in *text (in `a`) and SAMPLE_STRING set; bytes in *blob
 * with *type, and SAMPLE_BLOB. */
struct oc_value {
    struct sample s;
    struct str text, blob;
    const char *media;
    bool missed; /* its type is not known yet, but asked for */
};
void oc_value_of(struct oc_channel *ch, const struct oc_point *p, const struct ua_datavalue *v, struct arena *a,
                 struct oc_value *ret);
int oc_variant_of(const struct oc_point *p, const struct sample *v, struct str text, unsigned type, bool array,
                  struct arena *a, struct ua_variant *ret, struct error *e);
enum value_type oc_value_type(unsigned ua_type);
unsigned oc_class_of(uint32_t ms);
extern const uint32_t oc_intervals[OC_CLASSES];

/* set.c */
int oc_set(struct oc_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e);
void oc_set_free(struct oc_channel *ch);
struct oc_point *oc_point_find(const struct oc_channel *ch, uint32_t num);

/* conn.c */
uint64_t oc_now(const struct oc_channel *ch);
int64_t oc_utc(const struct oc_channel *ch);
int oc_random(void *ctx, void *p, size_t n);
void oc_state(struct oc_channel *ch, enum driver_state s, const struct error *why);
void oc_refresh_state(struct oc_channel *ch);
void oc_pump(struct oc_channel *ch);
void oc_lose(struct oc_channel *ch, const struct error *why);
void oc_reopen(struct oc_channel *ch); /* close the socket in order and connect anew at once */
/* timeout_ms 0: none. The header is filled in. */
void oc_call(struct oc_channel *ch, unsigned type, void *request, uint32_t timeout_ms, oc_answer *done, void *arg);
void oc_close(struct driver_channel *base, driver_closed *closed, void *arg);
bool oc_wanted(const struct oc_channel *ch);
void oc_redirect(struct oc_channel *ch, const struct oc_place *to); /* leave in order, go there at once */
void oc_maybe_free(struct oc_channel *ch);

/* spare.c */
int oc_spares_open(struct oc_channel *ch, const struct options *o, struct error *e);
void oc_spares_close(struct oc_channel *ch);
void oc_spare_pump(struct oc_channel *ch, uint64_t now);
uint64_t oc_spare_deadline(const struct oc_channel *ch);
void oc_spare_lost(struct oc_channel *ch);

/* open.c */
int oc_channel_check(const struct options *o, struct error *e);
int oc_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e);
/* The same at another place, as a spare. */
int oc_open_at(const struct driver_host *host, const struct options *o, const struct oc_place *at, struct oc_channel **ret,
               struct error *e);
void oc_config_free(struct oc_config *c);

/* trust.c */
/* ch->cfg.cert and key are there; ERR_AGAIN: ask again soon. */
int oc_identity(struct oc_channel *ch, struct error *e);
int oc_trust_server(struct oc_channel *ch, struct error *e); /* ch->server */

/* session.c */
const struct ua_policy *oc_wire_policy(const struct oc_channel *ch, enum ua_mode *mode, const struct ua_cert **peer);
void oc_session_begin(struct oc_channel *ch);
void oc_session_forget(struct oc_channel *ch);
void oc_session_ready(struct oc_channel *ch); /* activated: what remains until UP */
void oc_session_end(struct oc_channel *ch); /* CloseSession, unanswered */
void oc_session_keep(struct oc_channel *ch);

/* sub.c */
void oc_sub_pump(struct oc_channel *ch, uint64_t now);
void oc_sub_forget(struct oc_channel *ch);
void oc_sub_reset(struct oc_channel *ch, unsigned c); /* it is no more: it and its items are made anew */
unsigned oc_point_class(const struct oc_channel *ch, const struct oc_point *p);
void oc_acknowledge(struct oc_channel *ch, uint32_t sub, uint32_t sequence);
void oc_republish(struct oc_channel *ch, const struct oc_sub *s, uint32_t sequence);
uint64_t oc_sub_deadline(const struct oc_channel *ch);
void oc_item_drop(struct oc_channel *ch, const struct oc_point *p);

/* value.c */
enum oc_how { VALUE_NOTIFIED, VALUE_READ /* just now */, VALUE_PAST /* out of the server's history */ };
void oc_take(struct oc_channel *ch, struct oc_point *p, const struct ua_datavalue *dv, enum oc_how how);
bool oc_flush(struct oc_channel *ch); /* false: the sink is full */
bool oc_tell_config(struct oc_channel *ch, struct oc_point *p); /* false: it was told before */
void oc_tell_lost(struct oc_channel *ch);
void oc_tell_last(struct oc_channel *ch, struct oc_point *p, bool uncertain); /* once more, with the present time */

/* Events and alarms: event_set.c, events.c, event_write.c */
struct ua_event_notification_list;
void oc_events_set(struct oc_channel *ch); /* the points have changed */
void oc_events_free(struct oc_channel *ch);
void oc_events_pump(struct oc_channel *ch, uint64_t now);
uint64_t oc_events_deadline(const struct oc_channel *ch);
bool oc_events_need(const struct oc_channel *ch, unsigned klass); /* a subscription, for items to be made */
void oc_events_take(struct oc_channel *ch, const struct ua_event_notification_list *list);
void oc_events_reset(struct oc_channel *ch, unsigned klass); /* the subscription is no more */
void oc_events_forget(struct oc_channel *ch);
const struct error *oc_events_trouble(const struct oc_channel *ch);
void oc_event_write(struct oc_channel *ch, struct oc_job *j);
bool oc_event_resolve(struct oc_channel *ch, struct oc_job *j);

/* event_browse.c */
bool oc_is_condition(const struct ua_reference_description *r);
void oc_describe_condition(struct oc_job *j, const char *node, struct driver_browse_item *ret);
void oc_describe_notifier(struct oc_job *j, const struct ua_datavalue *v, struct driver_browse_item *ret);
bool oc_describe_events(struct oc_job *j, const struct ua_datavalue *v, const char *node, struct driver_browse_item *ret);
void oc_event_browse(struct oc_channel *ch, struct oc_job *j);

/* resume.c */
bool oc_resume_keep(struct oc_channel *ch, enum oc_conn was); /* after a loss; false: nothing is worth keeping */
void oc_resume_transfer(struct oc_channel *ch);
void oc_resume_done(struct oc_channel *ch, const char *how);

/* refresh.c */
void oc_refresh_pump(struct oc_channel *ch);

/* backfill.c */
void oc_backfill_pump(struct oc_channel *ch);
void oc_backfill_free(struct oc_channel *ch);

/* types.c */
const struct ua_catalogue *oc_types(struct oc_channel *ch, bool *ret_missed); /* *ret_missed: set when one was not known */
void oc_types_pump(struct oc_channel *ch);
bool oc_types_busy(const struct oc_channel *ch);
void oc_types_forget(struct oc_channel *ch);
/* The definition of a structure; NULL: there is none, or not yet (oc_types_busy). */
const struct ua_structure_definition *oc_types_of(struct oc_channel *ch, const struct ua_nodeid *data_type);

/* job.c */
struct oc_job *oc_job_new(struct oc_channel *ch, enum oc_job_kind kind, void *arg);
void oc_job_free(struct oc_job *j);
void oc_job_gone(struct oc_channel *ch, struct oc_job *j); /* it was told its end: free it */
void oc_job_push(struct oc_channel *ch, struct oc_job *j);
void oc_job_pump(struct oc_channel *ch, uint64_t now);
void oc_job_typed(struct oc_channel *ch); /* the types are known: those that waited for them go on */
uint64_t oc_job_deadline(const struct oc_channel *ch);
void oc_job_fail(struct oc_channel *ch, struct oc_job *j, enum driver_outcome outcome, const struct error *e);
void oc_job_fail_all(struct oc_channel *ch, const struct error *e);
void oc_read_bad(struct oc_channel *ch, struct oc_job *j, size_t i, const struct error *e, enum quality_reason why);
void oc_read_go(struct oc_channel *ch, struct oc_job *j);
uint32_t oc_ms_since(const struct oc_channel *ch, uint64_t from);
void oc_write(struct driver_channel *base, const struct driver_write *w);
void oc_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg);
void oc_test(struct driver_channel *base, driver_test_done *done, void *arg);

/* The end of a write; back: what was read after it, or NULL. */
void oc_write_end(struct oc_channel *ch, struct oc_job *j, enum driver_outcome outcome, const struct error *e,
                  const struct oc_value *back);
bool oc_job_wait_types(struct oc_channel *ch, struct oc_job *j); /* false: it has waited already, or need not */

/* method.c */
void oc_method_go(struct oc_channel *ch, struct oc_job *j);

/* browse.c */
void oc_browse_go(struct oc_channel *ch, struct oc_job *j);
void oc_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg);

/* discover.c */
void oc_discover(struct driver_channel *base, driver_discover_done *done, void *arg);
void oc_discover_go(struct oc_channel *ch, struct oc_job *j);
void oc_discover_end(struct oc_channel *ch, struct oc_job *j, const struct error *e);
/* Before there is a session: jobs of this kind begin. */
bool oc_discover_begin(struct oc_channel *ch);
/* The choice of option "security" that names policy and mode, NULL: none. */
const char *oc_security_name(const struct ua_policy *p, enum ua_mode mode);
extern const struct option_choice oc_security_choices[];

/* past.c */
extern const char *const oc_aggregates[];
void oc_past(struct driver_channel *base, const struct driver_history *h, driver_history_done *done, void *arg);
void oc_past_go(struct oc_channel *ch, struct oc_job *j);
void oc_past_end(struct oc_channel *ch, struct oc_job *j, const struct error *e, const char *next);

extern const struct option oc_channel_options[], oc_point_options[];
