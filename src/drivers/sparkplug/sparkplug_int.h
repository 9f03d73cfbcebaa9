/* sparkplug_int.h - the inside of the Sparkplug B driver (host application).
 *
 * One channel = one connection to a broker = one host application. Edge nodes tell by themselves; points are found by
 * group, edge node, device and name of the metric.
 *   table.c     option tables, addresses' help, status, the driver's row
 *   address.c   an address -> struct sh_target; a metric -> a sample; a value -> a metric of a command
 *   tree.c      edge nodes, devices, metrics: what has been seen or is wanted
 *   set.c       the desired set: points and what they hang on
 *   conn.c      connecting, STATE, subscriptions, losing, the timer, closing
 *   message.c   messages: births, deaths, data, in their order (proto/sparkplug_flow.h)
 *   data.c      values to samples: times, batches, what is told after a loss
 *   job.c       what was asked for: commands and their read-back, test reads, tests of the connection
 *   browse.c    groups, edge nodes, devices, metrics
 * Heart: sh_pump() does what can be done now and sets the one timer; after every event, at any time.
 *
 * Metric  one name of a device (or of a node itself, device ""). Its last message is kept as it came, so that a point
 *         that is added, a test read and browsing show it. Members of templates are metrics "template/member".
 * Life    a node is alive from its NBIRTH on, a device from its DBIRTH on. What is wanted and not alive after a while
 * is told bad; a rebirth is asked for at intervals that grow. */
#pragma once
#include "base/mem.h"
#include "base/str.h"
#include "drivers/common/mqtt_options.h"
#include "drivers/sparkplug/driver.h"
#include "proto/sparkplug_flow.h"

#define NS_MS 1000000ull
#define NS_S 1000000000ull
#define SH_NODES_MAX 4096     /* seen; those of points come on top */
#define SH_METRICS_MAX 200000 /* likewise, of the channel */
#define SH_DEVICES_MAX 20000  /* likewise */
#define SH_PUBLISH 1000       /* samples of one publish */
#define SH_RAW_MAX (256 * 1024)
#define SH_RAW_STRANGERS (64u << 20) /* all that is kept; what points want comes on top */
#define SH_TEXT_MAX 65000
#define SH_CLOCK_KEEP 16
#define SH_CLOCK_WARN_US 2000000
#define SH_ONLINE "$online"

struct sh_target { /* where a metric is; views into what was parsed */
    struct str group, node, device, metric;
    bool online; /* SH_ONLINE */
};

struct sh_metric {
    struct sh_metric *next_name, *next_alias, *next; /* chains of the tables; of the device */
    struct sh_device *dev;
    struct sh_metric *parent; /* of a member: its template */
    uint64_t hash, alias, came_ns; /* came_ns: when the last value came; 0: none on this connection */
    int64_t time_us;
    uint32_t datatype, first; /* first: point index + 1 */
    bool has_alias, born, member, read_only;
    uint32_t order; /* its place in the birth */
    char *unit;
    uint8_t *raw; /* its last message (spb_metric.body) */
    uint32_t raw_n, raw_cap;
    uint32_t n;
    char name[];
};
struct sh_device {
    struct sh_device *next;
    struct sh_node *node;
    bool alive, wanted, told; /* told: its points were told that it is gone */
    int64_t last_ok_us;
    struct sh_metric *metrics, **tail;
    uint32_t nmetrics;
    size_t n;
    char name[]; /* "": the node itself */
};
struct sh_node {
    struct sh_node *next_hash, *next;
    struct spb_flow flow;
    struct sh_device *devices; /* the first one is the node itself */
    struct sh_metric **by_name, **by_alias;
    size_t size, nmetrics; /* of the tables, a power of two */
    bool wanted, seen;
    uint64_t grace_ns; /* until then a birth may come; 0: it is over */
    int64_t clock[SH_CLOCK_KEEP];
    unsigned nclock;
    bool clock_warned;
    struct error trouble; /* why it is not alive */
    size_t group_n, node_n;
    char text[]; /* group/node */
};

struct sh_point {
    uint32_t num, device, next; /* device: index; next: index + 1 of the next point of the metric */
    struct sh_metric *metric;   /* NULL: wrong */
    uint8_t value_type;         /* enum value_type */
    bool config_error, online;
    int32_t element; /* of an array; -1: all */
    double step_s;   /* between the elements of an array */
    double scale, offset, lo, hi;
    struct sample last;
    uint64_t text_hash, text_id;
};
struct sh_conf { /* a configured device */
    uint32_t num;
    char code[64];
    char group[256], node[256], device[256];
    bool source_time, names; /* names: commands carry the name too */
    uint32_t points, bad_config;
    int64_t last_ok_us;
    struct error config;
};

enum sh_job_kind { SH_WRITE, SH_READ, SH_TEST, SH_BROWSE };
struct sh_job {
    struct sh_job *next;
    uint8_t kind;
    bool sent, asked; /* write: it went out; else: rebirths were asked for */
    bool refused;     /* write: the socket did not take it */
    uint64_t token, began_ns, deadline_ns, give_up_ns;
    union {
        driver_write_done *write;
        driver_read_done *read;
        driver_test_done *test;
        driver_browse_done *browse;
    } done;
    void *arg;
    /* write */
    uint32_t point;
    struct sample value;
    char *text;
    size_t text_len;
    struct sh_metric *metric;
    struct spb_scalar want;
    bool birth_answers; /* a rebirth: the birth is the answer */
    /* read */
    struct sh_point *points;
    char **addresses;
    size_t npoints;
    struct sh_conf conf;
    /* browse */
    char *node;
    uint64_t cursor;
    size_t max;
};

enum sh_conn { SH_IDLE, SH_CONNECTING, SH_SUBSCRIBING, SH_UP };
enum { SH_STATE_NONE, SH_STATE_V3, SH_STATE_BOTH };

struct sh_config {
    struct mqtt_settings *mqtt;
    char host_id[256];
    char *groups; /* "a,b"; "": all */
    uint8_t state;
    bool rebirth;
    uint64_t reorder_ns, rebirth_ns, write_ns, grace_ns;
};

struct sh_value { /* what a metric is for a point */
    struct sample s;
    struct str text, blob;
    const char *media;
};

struct sh_channel {
    struct driver_channel base; /* first */
    struct sh_config cfg;
    struct driver_status st;
    enum sh_conn conn;
    struct mqtt_client *client;
    uint64_t retry_ns, up_ns, wake_ns, used_ns, token;
    int64_t state_ms; /* the time in STATE, of the will too */
    bool closing, timer_open, client_open, pumping, again, connect_now,
        trial;        /* trial: nothing is configured: no STATE */
    bool dirty;       /* a node came, went, or has another clock: the state is to be looked at */
    struct error why; /* why it is not up */
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;

    struct sh_conf *confs;
    size_t nconfs;
    struct sh_point *points;
    size_t npoints;

    struct sh_node *nodes, **hash;
    size_t hash_size, nnodes, ndevices, nmetrics, raw_bytes;
    bool limit_told;

    struct arena scratch; /* one value */
    struct sample *batch;
    size_t nbatch, batch_at, batch_cap;
    bool held;

    struct sh_job *jobs;
};

/* address.c */
/* conf NULL: only absolute addresses. Views into text and conf. */
int sh_target_parse(struct str text, const struct sh_conf *conf, struct sh_target *ret, struct error *e);
void sh_target_format(const struct sh_target *t, const struct sh_conf *conf, struct buf *out);
void sh_conf_init(struct sh_conf *c, const struct driver_device *d, const struct options *o);
/* Everything of the point but where it hangs. */
int sh_point_init(const struct driver_point *p, const struct sh_conf *conf, struct sh_point *ret, struct sh_target *at,
                  struct error *e);
/* Type, value, quality and reason; not the time. Texts and blobs are in the arena or the message. */
void sh_value_of(const struct sh_point *p, uint32_t datatype, const struct spb_metric *m, struct arena *a,
                 struct sh_value *ret);
/* The value in the form of the metric's type. */
int sh_scalar_of(const struct sh_point *p, uint32_t datatype, const struct sample *s, struct str text,
                 struct spb_scalar *ret, struct error *e);
bool sh_same(const struct spb_scalar *a, const struct spb_scalar *b);
enum value_type sh_natural(uint32_t datatype);

/* tree.c */
struct sh_node *sh_node_find(const struct sh_channel *ch, struct str group, struct str node);
struct sh_node *sh_node_get(struct sh_channel *ch, struct str group, struct str node, bool wanted); /* NULL: no room */
struct sh_device *sh_device_find(const struct sh_node *n, struct str name);
struct sh_device *sh_device_get(struct sh_node *n, struct str name);
struct sh_metric *sh_metric_find(const struct sh_device *d, struct str name);
struct sh_metric *sh_metric_get(struct sh_channel *ch, struct sh_device *d, struct str name, bool wanted);
struct sh_metric *sh_metric_by_alias(const struct sh_node *n, uint64_t alias);
void sh_metric_alias(struct sh_metric *m, bool has, uint64_t alias);
void sh_metric_keep(struct sh_channel *ch, struct sh_metric *m, const struct spb_metric *v,
                    int64_t time_us); /* its raw form */
void sh_tree_free(struct sh_channel *ch);
static inline struct str sh_group(const struct sh_node *n)
{
    return str_make(n->text, n->group_n);
}
static inline struct str sh_name(const struct sh_node *n)
{
    return str_make(n->text + n->group_n + 1, n->node_n);
}

/* set.c */
int sh_set(struct sh_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e);
void sh_set_free(struct sh_channel *ch);

/* conn.c */
uint64_t sh_now(const struct sh_channel *ch);
int64_t sh_utc(const struct sh_channel *ch);
void sh_refresh_state(struct sh_channel *ch);
void sh_pump(struct sh_channel *ch);
void sh_plan(struct sh_channel *ch, uint64_t ns);
/* QoS 0. 0 or an error; the token comes back in sh_job_published. */
int sh_publish(struct sh_channel *ch, const struct spb_topic *t, struct str payload, uint64_t token, struct error *e);
void sh_ask_rebirth(struct sh_channel *ch, struct sh_node *n);
int sh_channel_check(const struct options *o, struct error *e);
int sh_device_check(const struct options *o, struct error *e); /* address.c */
int sh_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e);
void sh_close(struct driver_channel *base, driver_closed *closed, void *arg);

/* message.c */
void sh_message(struct sh_channel *ch, struct str topic, struct str payload, bool retained);
void sh_node_pump(struct sh_channel *ch, struct sh_node *n); /* what is held, rebirths, what is told late */
void sh_nodes_connected(struct sh_channel *ch);
void sh_nodes_lost(struct sh_channel *ch);
int64_t sh_clock_behind(const struct sh_node *n); /* microseconds; 0 when not known */

/* data.c */
bool sh_flush(struct sh_channel *ch); /* false: the sink is full */
void sh_tell(struct sh_channel *ch, struct sh_metric *m, const struct spb_metric *v, int64_t time_us, bool birth);
void sh_tell_bad(struct sh_channel *ch, struct sh_metric *m, enum quality_reason why);
void sh_tell_device(struct sh_channel *ch, struct sh_device *d, enum quality_reason why);
void sh_tell_online(struct sh_channel *ch, struct sh_device *d);
void sh_tell_lost(struct sh_channel *ch);
void sh_show(struct sh_channel *ch, size_t point); /* a point that was added */

/* job.c */
struct sh_job *sh_job_new(struct sh_channel *ch, enum sh_job_kind kind, void *arg);
void sh_job_push(struct sh_channel *ch, struct sh_job *j);
void sh_job_unlink(struct sh_channel *ch, struct sh_job *j);
void sh_job_free(struct sh_job *j);
uint32_t sh_ms_since(const struct sh_channel *ch, uint64_t from);
uint64_t sh_job_deadline(const struct sh_channel *ch);
void sh_job_pump(struct sh_channel *ch, uint64_t now);
void sh_job_value(struct sh_channel *ch, struct sh_metric *m, const struct spb_metric *v); /* a value came */
void sh_job_birth(struct sh_channel *ch, struct sh_node *n);
void sh_job_published(struct sh_channel *ch, uint64_t token, const struct error *e);
void sh_job_failed(struct sh_channel *ch, const struct error *e); /* no connection */
void sh_job_cancel_all(struct sh_channel *ch);
void sh_write(struct driver_channel *base, const struct driver_write *w);
void sh_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg);
void sh_test(struct driver_channel *base, driver_test_done *done, void *arg);

/* browse.c */
void sh_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg);
bool sh_browse_go(struct sh_channel *ch, struct sh_job *j, uint64_t now); /* true: it has ended */
