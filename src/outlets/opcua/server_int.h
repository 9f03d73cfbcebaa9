/* server_int.h - the inside of the OPC UA server.
 *
 * One channel = one listening endpoint = one address space; clients connect, open sessions, subscribe.
 *   table.c     option tables, addresses, status, peers, the outlet's row
 *   server.c    configuration, our certificate, listening, the one timer, closing
 *   conn.c      a connection: bytes, limits, slow readers, its secure channel
 *   call.c      a request to its handler, answers, faults, work that ends later (jobs)
 *   discover.c  endpoints and servers
 *   session.c   sessions: creating, activating, users, closing, time-outs
 *   space.c     the plant as nodes: folders, points, their properties; finding nodes
 *   base.c      the nodes of namespace 0 (base_table.h) and the values of the Server object
 *   refs.c      the references of a node
 *   attr.c      the attributes of a node
 *   value.c     a sample as DataValue and back; units; parts of values
 *   browse.c    Browse, BrowseNext, TranslateBrowsePaths, RegisterNodes
 *   read.c      Read, Write
 *   sub.c       subscriptions and publishing
 *   item.c      monitored items, their filters and queues
 *   history.c   HistoryRead
 *   event.c     alarms as events, their fields and filters
 *   method.c    Call
 *
 * Nodes       are not kept one by one: struct os_node names one (a row of the base table, a folder, a point, a property
 * of a point); all about it is worked out when it is asked for. Memory      of a request lives in server.arena, emptied
 * before each event; what has to wait for the host has a job with an arena of its own. Everything that a client may
 * make the server keep has a maximum among the options. Who is who  jobs know connection and session by number and look
 * them up again: both may be gone when the host answers.
 */
#pragma once
#include <stdio.h>
#include "base/mem.h"
#include "outlets/opcua/outlet.h"
#include "proto/opcua/ua_channel.h"
#include "proto/opcua/ua_ids.h"
#include "proto/opcua/ua_status.h"

#define NS_MS 1000000ull
#define OS_PORT 4840
#define OS_NS_POINTS 2
#define OS_TRANSPORT "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
#define OS_CERTS 64    /* that may be trusted */
#define OS_POINTERS 10 /* continuation points of a session */
#define OS_NONCE 32
#define OS_HISTORY_PAGE 10000
#define OS_HISTORY_TOTAL 100000 /* values of one answer */
#define OS_SENT_MAX 32          /* messages of a subscription kept for Republish */
#define OS_UNBOUND UINT32_MAX

/* Status codes that only a server gives. */
#define UA_BAD_TIMESTAMPS_INVALID 0x802B0000u
#define UA_BAD_REQUEST_CANCELLED 0x802C0000u
#define UA_BAD_VIEW_ID_UNKNOWN 0x806B0000u
#define UA_BAD_BROWSE_DIRECTION_INVALID 0x804D0000u
#define UA_BAD_REFERENCE_TYPE_INVALID 0x804C0000u
#define UA_BAD_NO_MATCH 0x806F0000u
#define UA_BAD_BROWSE_NAME_INVALID 0x80600000u
#define UA_BAD_MAX_AGE_INVALID 0x80700000u
#define UA_BAD_WRITE_NOT_SUPPORTED 0x80730000u
#define UA_BAD_HISTORY_INVALID 0x80710000u
#define UA_BAD_HISTORY_UNSUPPORTED 0x80720000u
#define UA_BAD_ARGUMENTS_MISSING 0x80760000u
#define UA_BAD_TOO_MANY_ARGUMENTS 0x80E50000u
#define UA_BAD_INVALID_ARGUMENT 0x80AB0000u
#define UA_BAD_INVALID_TIMESTAMP_ARGUMENT 0x80BD0000u
#define UA_BAD_MONITORED_ITEM_FILTER_INVALID 0x80430000u
#define UA_BAD_MONITORED_ITEM_FILTER_UNSUPPORTED 0x80440000u
#define UA_BAD_TOO_MANY_MONITORED_ITEMS 0x80DB0000u
#define UA_BAD_DEADBAND_FILTER_INVALID 0x808E0000u
#define UA_BAD_FILTER_OPERATOR_INVALID 0x80C10000u
#define UA_BAD_FILTER_OPERATOR_UNSUPPORTED 0x80C20000u
#define UA_BAD_FILTER_OPERAND_COUNT 0x80C30000u
#define UA_BAD_FILTER_OPERAND_INVALID 0x80490000u
#define UA_BAD_EVENT_ID_UNKNOWN 0x809A0000u
#define UA_BAD_BRANCH_ALREADY_ACKED 0x80CF0000u
#define UA_BAD_EVENT_FILTER_INVALID 0x80470000u
#define UA_BAD_AGGREGATE_LIST_MISMATCH 0x80D40000u
#define UA_BAD_AGGREGATE_NOT_SUPPORTED 0x80D50000u
#define UA_BAD_AGGREGATE_INPUTS 0x80D60000u
#define UA_BAD_AGGREGATE_CONFIGURATION 0x80DA0000u
#define UA_BAD_BOUND_NOT_FOUND 0x80D70000u
#define UA_BAD_NO_DATA 0x809B0000u
#define UA_BAD_DEVICE_FAILURE 0x808B0000u
#define UA_BAD_REFRESH_IN_PROGRESS 0x80970000u
#define UA_BAD_IDENTITY_CHANGE_NOT_SUPPORTED 0x80C60000u
#define UA_GOOD_NO_DATA 0x00A50000u
#define UA_GOOD_TRANSFERRED 0x002D0000u

struct os_server;
struct os_conn;
struct os_session;
struct os_sub;

/* ---- nodes --------------------------------------------------------------------------------------------------------
 */

enum os_kind { OS_NONE, OS_BASE, OS_FOLDER, OS_POINT, OS_PROP };
enum os_prop { PROP_EU_RANGE, PROP_UNITS, PROP_TRUE, PROP_FALSE, PROP_COUNT };
struct os_node {
    uint8_t kind, prop;
    uint32_t i; /* row of the base table, folder, slot of the point */
};
#define BASE_ABSTRACT 1
#define BASE_SYMMETRIC 2
#define BASE_MANDATORY 4
#define BASE_OPTIONAL 8
struct os_base {
    uint16_t id, parent, ref, type, data;
    uint8_t node_class, flags;
    int8_t rank;
    const char *name, *inverse;
};
struct os_folder {
    struct str key, name; /* key: of its NodeId, "area:A/B" or "device:A/CODE" */
    uint32_t parent;      /* index, OS_UNBOUND: the Objects folder */
    bool device;
    uint32_t first_folder, last_folder, next_folder, first_point, last_point;
};
struct os_point {
    struct ua_nodeid id;
    struct str code, name, unit;
    uint32_t folder, next; /* next of the folder */
    double lo, hi;
    uint8_t type; /* enum ua_type, UA_NULL: not known yet */
    bool writable, step;
};
#define OS_IS_FOLDER 0x80000000u
/* The set; replaced as a whole. */
struct os_space {
    struct arena a;
    struct os_point *points;
    struct os_folder *folders;
    uint32_t npoints, nfolders, cfolders;
    uint32_t first_folder, last_folder; /* below Objects */
    uint32_t *by_id, *by_key;           /* open addressing: index + 1 */
    uint32_t *by_name; /* of points and folders by what they hang at and their names; folders: OS_IS_FOLDER */
    uint32_t id_mask, key_mask, name_mask;
    uint32_t left_out; /* points whose address another one has */
    uint32_t version;
};

/* ---- the server -----------------------------------------------------------------------------------------------------
 */

enum os_users { USERS_ANONYMOUS = 1, USERS_NAME = 2, USERS_CERTIFICATE = 4 };
struct os_config {
    char address[64], host[256], name[200], uri[300], ns_uri[300];
    uint16_t port;
    uint8_t modes[UA_POLICY_COUNT];           /* 1 << enum ua_mode */
    unsigned users;                           /* enum os_users */
    bool trust_any, history, alarms, own_uri; /* own_uri: not the certificate's */
    struct ua_cert *trusted[OS_CERTS], *trusted_users[OS_CERTS];
    size_t ntrusted, ntrusted_users;
    uint32_t max_conns, max_sessions, max_subs, max_items, max_queue, max_nodes, max_publish, max_message;
    uint64_t max_out, max_notes;
    uint32_t session_max_ms, publishing_min_ms;
};

/* Our certificate with its key; a renewed one is for new connections, the old one lives as long as its last one. */
struct os_own {
    struct ua_cert *cert;
    struct ua_key *key;
    uint64_t hash; /* of the text that it came from */
    uint32_t refs;
};

struct os_conn {
    struct os_conn *next;
    struct os_server *s;
    uv_tcp_t tcp;
    uv_write_t write;
    struct ua_channel *ua;
    struct os_own *own;
    uint32_t id; /* of the secure channel too */
    char peer[64];
    int64_t since_us;
    uint64_t stalled_ns, tick_ns, idle_ns; /* stalled: when the write under way began, 0: none */
    uint64_t bytes_in, bytes_out;
    struct buf writing, rx; /* under way; for frames */
    bool closing, reading, dead;
};

struct os_publish { /* a request that waits for something to tell */
    uint32_t request_id, handle;
    uint64_t deadline_ns;
    uint32_t *results; /* of its acknowledgements; owned */
    uint32_t nresults;
};
struct os_pointer { /* continuation of a Browse */
    uint64_t id;
    struct os_node node;
    uint32_t ref, mask, class_mask, space;
    int32_t direction;
    bool subtypes;
    uint32_t at, max;
};
struct os_session {
    struct os_session *next;
    uint32_t num, conn; /* conn: id of the connection, 0: none now */
    uint8_t token[OS_NONCE], nonce[OS_NONCE];
    uint8_t cert[20];                   /* thumbprint of the client's */
    bool has_cert, activated, busy, zh; /* busy: a login is under way */
    const struct ua_policy *policy;
    enum ua_mode mode;
    uint64_t last_ns, origin; /* origin: hash of application and address, for those without a certificate */
    uint32_t timeout_ms, nsubs;
    char name[64], user[128], who[128], peer[64];
    struct os_publish *publish; /* ring of max_publish */
    uint32_t publish_at, publish_n;
    struct os_pointer pointers[OS_POINTERS];
    uint64_t items, pointer_ids;
};

/* ---- requests
 * --------------------------------------------------------------------------------------------------------- */

struct os_call {
    struct os_server *s;
    struct os_conn *conn;
    struct os_session *session; /* NULL where none is needed */
    uint32_t request_id, handle;
    struct arena *a;
};
/* 0: answered, or will be; else the status of a fault. */
typedef uint32_t os_handler(struct os_call *c, const void *request);

/* What waits for the host. */
struct os_job {
    struct os_job *next;
    struct os_server *s;
    uint32_t conn, session, request_id, handle, pending;
    struct arena a;
    char peer[64], user[128];
    void (*done)(struct os_job *j, struct os_call *c); /* c: where to answer; NULL: nobody waits any more */
    void *data;
};

/* ---- subscriptions
 * ------------------------------------------------------------------------------------------------------ */

struct os_note { /* a value or an event that waits */
    struct sample s;
    uint8_t *bytes; /* owned; of a text, or with raw: a DataValue or a list of event fields as on the wire */
    uint32_t n;
    bool raw, overflow;
};
struct os_filter; /* of events */
struct os_item {
    struct os_item *next, *prev;            /* of the subscription */
    struct os_item *next_slot, **prev_slot; /* of the point, of the events, of what is polled */
    struct os_item *next_ready, **prev_ready, *next_held, **prev_held; /* prev: NULL where it is in no list */
    struct os_sub *sub;
    struct os_filter *filter; /* events */
    struct os_node node;
    uint32_t id, client_handle, attribute, queue_size;
    uint8_t mode, stamps, trigger, deadband;
    bool discard_oldest, has_last, polled;
    double deadband_value, sampling_ms;
    uint64_t next_ns;    /* the next sample may be taken then */
    struct sample last;  /* the last one taken */
    uint64_t last_hash;  /* of its text, or of a polled value */
    struct os_note held; /* came too early */
    struct os_note *queue;
    uint32_t head, n, cap;
    struct str range; /* owned; NULL: all */
};
struct os_sent {
    uint32_t sequence;
    int64_t time_us;
    uint16_t type; /* enum ua_structure_type of what it holds */
    uint8_t *bytes;
    uint32_t n;
};
struct os_sub {
    struct os_sub *next;
    struct os_session *session; /* NULL: its session is gone, it may be taken over */
    uint32_t id, interval_ms, lifetime, keepalive, max_notes, sequence;
    uint32_t life_left, keep_left;
    uint8_t priority;
    bool enabled, late, told;
    uint64_t due_ns;
    struct os_item *items, *ready, **ready_end, *held, *polled;
    uint32_t nitems;
    struct os_sent sent[OS_SENT_MAX];
    uint32_t nsent;
    char user[128]; /* whose it is */
    uint64_t origin;
    uint8_t cert[20];
    bool refreshing;
};

struct os_server {
    struct outlet_channel base;
    struct os_config cfg;
    struct outlet_status st;
    uv_tcp_t listener;
    uv_timer_t timer;
    uv_work_t work;
    uint64_t wake_ns, retry_ns, asked_ns; /* asked_ns: the host, for our certificate */
    struct os_own *own, *making;
    uint32_t retry_ms;
    unsigned handles; /* that are open */
    bool listening, listener_open, working, hosts_own, closing, finished, pumping;
    uint16_t port; /* where it listens */
    int64_t started_us;
    struct arena arena;
    struct os_space *space;
    struct os_conn *conns;
    struct os_session *sessions;
    struct os_sub *subs;
    struct os_job *jobs;
    struct os_item **items; /* by the low bits of their ids */
    uint32_t nitems, citems, free_item, item_generation;
    struct os_item **by_slot; /* first item of each point */
    struct os_item *event_items;
    uint32_t nconns, nsessions, nsubs, conn_ids, session_ids, sub_ids, job_count;
    uint64_t notes, sent_bytes; /* queued in all items; kept for Republish */
    uint64_t event_seed;
    uint8_t read_buffer[65536];
    char text[65536]; /* of a current value */
    driver_closed *closed;
    void *closed_arg;
    struct os_refused { /* certificates that were refused lately, for the log */
        uint8_t print[20];
    } refused[8];
    unsigned refused_at;
};

/* server.c */
uint64_t os_now(const struct os_server *s);
int64_t os_utc(const struct os_server *s);
int os_random(void *ctx, void *p, size_t n);
void os_plain(char *text); /* what a peer says about itself, for logs and pages */
void os_log(const struct os_server *s, enum driver_log level, const char *msg, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int os_channel_check(const struct options *o, struct error *e);
int os_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e);
void os_close(struct outlet_channel *base, driver_closed *closed, void *arg);
void os_pump(struct os_server *s);              /* what is due; sets the timer */
void os_wake(struct os_server *s, uint64_t ns); /* os_pump at that time */
void os_refresh_state(struct os_server *s);
void os_finish(struct os_server *s);    /* when closing: free it when nothing is under way */
void os_own_check(struct os_server *s); /* has our certificate been renewed? */
void os_own_unref(struct os_own *o);    /* NULL too */
uint32_t os_trusts(struct os_server *s, const struct ua_cert *peer);
bool os_trusts_user(struct os_server *s, const struct ua_cert *user);

/* conn.c */
void os_accept(struct os_server *s);
void os_conn_flush(struct os_conn *c);
void os_conn_end(struct os_conn *c); /* close the socket after what is written */
struct os_conn *os_conn_find(struct os_server *s, uint32_t id);
uint64_t os_conn_tick(struct os_conn *c, uint64_t now);
void os_conn_make_room(struct os_server *s);  /* the oldest that nobody signed in on goes */
size_t os_conn_room(const struct os_conn *c); /* bytes of a message that the client takes, at most 16 MiB */
bool os_conn_full(const struct os_conn *c);   /* does not take what it is sent: nothing more for now */

/* call.c */
void os_call_take(struct os_conn *c, const struct ua_event *ev);
void os_answer(struct os_call *c, unsigned type, void *response); /* its header is filled in */
void os_fault(struct os_call *c, uint32_t status);
struct os_job *os_job_new(struct os_call *c, void (*done)(struct os_job *j, struct os_call *c));
void os_job_release(struct os_job *j); /* one thing less is pending; at none it is done and freed */

/* discover.c */
os_handler os_get_endpoints, os_find_servers;
const struct ua_policy *os_secret_policy(const struct os_server *s); /* where the endpoint has no security */
uint32_t os_endpoints(struct os_call *c, struct str url, struct ua_endpoint_description **ret);

/* session.c */
os_handler os_create_session, os_activate_session, os_close_session, os_cancel;
struct os_session *os_session_find(struct os_server *s, const struct ua_nodeid *token);
struct os_session *os_session_at(struct os_server *s, uint32_t num);
void os_session_end(struct os_server *s, struct os_session *x, bool subs);
void os_sessions_lost(struct os_conn *c); /* the connection is gone */
uint64_t os_sessions_tick(struct os_server *s, uint64_t now);
void os_locale(struct os_session *x, const struct str *locales, uint32_t n);

/* base.c */
extern const struct os_base os_bases[];
extern const uint32_t os_nbases;
const struct os_base *os_base_find(uint32_t id); /* NULL: not shown */
bool os_base_is(uint32_t id, uint32_t above);    /* is it, or is it a subtype of it */
uint32_t os_base_value(struct os_server *s, uint32_t id, struct arena *a, struct ua_variant *ret);
extern const uint16_t os_edges[][3];
extern const size_t os_nedges;

/* space.c */
int os_space_set(struct os_server *s, const struct outlet_point *points, size_t n, struct error *e);
void os_space_free(struct os_space *p);
struct os_node os_node_find(const struct os_server *s, const struct ua_nodeid *id); /* kind OS_NONE: unknown */
static inline struct os_node os_node_make(enum os_kind kind, uint32_t i, unsigned prop)
{
    return (struct os_node){(uint8_t)kind, (uint8_t)prop, i};
}
struct os_node os_node_base(uint32_t id);
uint32_t os_node_base_id(const struct os_node *n); /* 0: none of namespace 0 */
struct ua_nodeid os_space_id(const struct os_space *p, const struct os_node *n, struct arena *a);
struct ua_nodeid os_node_id(const struct os_server *s, const struct os_node *n, struct arena *a);
bool os_has_prop(const struct os_point *p, unsigned prop);
uint64_t os_name_hash(uint32_t parent, struct str name);
bool os_inside(const struct os_server *s, uint32_t slot, const struct os_node *folder); /* Server holds all */
uint32_t os_slot_of(const struct os_space *p, const struct ua_nodeid *id);              /* OS_UNBOUND: none */
int os_address(struct str text, struct arena *a, struct ua_nodeid *ret, struct error *e);
uint8_t os_wire_type(enum value_type t);
uint8_t os_type_of_sample(const struct sample *s);

/* refs.c */
typedef bool os_each_ref(void *ctx, uint32_t type, bool forward, struct os_node target); /* false: enough */
void os_refs(const struct os_server *s, const struct os_node *n, os_each_ref *each, void *ctx);
/* Those whose targets may have that browse name; of the children of a folder only those that have it. */
void os_refs_named(const struct os_server *s, const struct os_node *n, const struct ua_name *name, os_each_ref *each,
                   void *ctx);

/* attr.c */
enum ua_node_class os_class(const struct os_node *n);
struct ua_name os_browse_name(const struct os_server *s, const struct os_node *n);
struct ua_text os_display_name(const struct os_server *s, const struct os_session *x, const struct os_node *n);
uint32_t os_type_definition(const struct os_server *s, const struct os_node *n); /* 0: none */
/* The status of an attribute is ret->status. */
void os_attribute(struct os_server *s, const struct os_session *x, const struct os_node *n, uint32_t attribute,
                  struct arena *a, struct ua_datavalue *ret);

/* value.c */
void os_value(const struct os_point *p, const struct sample *x, const char *text, size_t n, struct ua_datavalue *ret);
void os_stamp(struct ua_datavalue *v, int32_t stamps, int64_t now_us);
uint32_t os_sample_of(const struct os_point *p, const struct ua_variant *v, struct sample *ret, struct str *ret_text);
bool os_unit(struct str ucum, struct arena *a, struct ua_eu_information *ret);
uint32_t os_cut(struct arena *a, struct str range, struct ua_variant *v); /* the part of an index range */

/* browse.c, read.c, history.c, method.c */
os_handler os_browse, os_browse_next, os_translate, os_register, os_unregister;
os_handler os_read, os_write;
os_handler os_history_read;
os_handler os_call_methods;

/* sub.c */
os_handler os_create_sub, os_modify_sub, os_set_publishing, os_publish, os_republish, os_delete_subs, os_transfer_subs;
uint64_t os_subs_tick(struct os_server *s, uint64_t now);
void os_subs_orphan(struct os_server *s, struct os_session *x, bool delete);
void os_publish_fail(struct os_server *s, struct os_session *x, uint32_t status);
uint32_t os_publish_cancel(struct os_server *s, struct os_session *x, uint32_t handle); /* how many there were */
struct os_sub *os_sub_of(struct os_server *s, const struct os_session *x, uint32_t id);
void os_sub_ready(struct os_item *i);   /* it has something to tell */
void os_sub_unready(struct os_item *i); /* not any more, or not now */
void os_subs_free(struct os_server *s);

/* item.c */
os_handler os_create_items, os_modify_items, os_set_monitoring, os_delete_items;
void os_item_free(struct os_server *s, struct os_item *i);
void os_items_changed(struct os_server *s, const struct outlet_item *items, size_t n);
void os_items_due(struct os_server *s, struct os_sub *sub, uint64_t now); /* held and polled ones */
void os_items_resend(struct os_server *s, struct os_sub *sub);
void os_items_moved(struct os_server *s, struct os_space *old);
void os_item_push(struct os_server *s, struct os_item *i, struct os_note *n); /* takes the note's bytes */
void os_item_pop(struct os_server *s, struct os_item *i, struct buf *out); /* the oldest note, as in a notification */
struct os_item *os_item_find(struct os_server *s, const struct os_sub *sub, uint32_t id);

/* event.c */
uint32_t os_filter_new(const struct ua_event_filter *f, struct arena *a, struct os_filter **ret,
                       struct ua_extension *ret_result);
void os_filter_free(struct os_filter *f);
void os_event_alarm(struct os_server *s, const struct outlet_alarm *al, struct os_sub *only, struct os_item *item);
void os_event_model(struct os_server *s); /* the set changed */
void os_event_refresh(struct os_server *s, struct os_sub *only, struct os_item *item, bool end);
bool os_event_id_is(const struct os_server *s, struct str event_id, struct str alarm);

extern const struct option os_channel_options[], os_point_options[];
