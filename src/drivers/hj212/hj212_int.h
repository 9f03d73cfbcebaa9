/* hj212_int.h - the inside of the HJ 212 driver.
 *
 * One channel = one listening port. Instruments connect to it; which device a message is of stands in its MN, so that
 * one connection may carry several devices (a gateway), and a device may come back on another connection while the old
 * one still looks alive. Who does what:
 *   table.c     option tables, the driver's row, figures
 *   point.c     addresses; a field of a message -> sample
 *   set.c       desired set -> devices and points; what goes on from the running set
 *   conn.c      listening, connections, bytes, the timer; open and close
 *   data.c      a message of a device -> samples -> host; its acknowledgement once they are on disk; bad values
 *   chore.c     what a device is asked by itself when it comes: clock, intervals, data of the gap
 *   call.c      write, read, test
 *   browse.c    what has been seen of each MN, known or not
 * Call graph: conn -> (proto link) -> data -> chore; conn -> call, chore.
 *
 * Acknowledged means on disk: 9014 goes out when the host says that the samples are kept (host->mark, host->kept). What
 * the host does not take is held, and its connection is not read meanwhile.
 * Memory  all of the channel's. Connections and what waits for them die with the connection. */
#pragma once
#include "base/mem.h"
#include "drivers/hj212/driver.h"
#include "proto/hj212_link.h"

#define NS_MS 1000000ull
#define NS_S 1000000000ull
#define HJ_NAME_MAX 40
#define HJ_ACKS_MAX 256    /* unanswered uploads of a connection, then it is not read */
#define HJ_UNKNOWN_MAX 64  /* MNs that nobody configured */
#define HJ_SEEN_MAX 1000   /* fields remembered of a device */
#define HJ_STRANGE_MAX 200 /* of an MN that nobody configured */
#define HJ_ITEM_MAX 24     /* fields of an item that are looked at for its flag */

enum hj_kind { HJ_DATA, HJ_SET, HJ_COMMAND, HJ_RECALL, HJ_CLOCK };

struct hj_address {
    enum hj_kind kind;
    unsigned cn;            /* DATA, SET: by which it comes, 0: never; COMMAND, RECALL: which is sent */
    char name[HJ_NAME_MAX]; /* DATA, SET: field; */
    char pol[HJ_NAME_MAX];  /* SET, COMMAND: PolId, or "" */
    const struct hj_setting *setting;
};

struct hj_setting { /* set/... */
    const char *name;
    unsigned set, get; /* commands; get 0: cannot be asked for */
    enum value_type type;
    bool repeat; /* may be sent again when no answer came */
    double lo, hi;
};

struct hj_point {
    uint32_t num, device; /* device: index */
    struct hj_address a;
    enum value_type type;
    double scale, offset, lo, hi;
    bool wrong;         /* CONFIG_ERROR */
    uint8_t owe;        /* reason of a bad value that must be told, 0: none */
    uint8_t told;       /* reason of the bad value that stands, 0: none */
    struct sample last; /* newest that was published; time_us 0: none */
    uint64_t text_id;
    bool text_known;
    char text[64];
};

struct hj_stream { /* data of one CN of a device */
    unsigned cn;
    int64_t last_us;     /* newest DataTime */
    int64_t interval_us; /* expected: the longer of the last two steps */
    int64_t step_us;     /* the last step; 0: none yet */
    uint64_t seen_ns;    /* when */
    bool learned;
};
#define HJ_STREAMS 8

enum hj_chore {
    CHORE_CLOCK = 1,
    CHORE_RTD = 2,
    CHORE_MINUTE = 4,
    CHORE_RECALL_MINUTE = 8,
    CHORE_RECALL_HOUR = 16,
};

struct hj_conn;
struct hj_device {
    uint32_t num;
    char code[64], mn[HJ212_MN_MAX + 1], pw[HJ212_PW_MAX + 1], pw_next[HJ212_PW_MAX + 1];
    unsigned st; /* 0: as it says itself */
    int version; /* -1: as it says itself */
    uint32_t timeout_ms;
    unsigned retries;
    bool set_clock, recall;
    int64_t recall_max_us, rtd_us, minute_us;
    struct error config;
    uint32_t first, n; /* its points */
    /* running; goes on when the set changes */
    struct hj_conn *conn;
    unsigned heard_st;
    int heard_version;
    int64_t up_us, last_ok_us, clock_us; /* clock_us: its clock minus ours */
    bool clock_known, ever;
    struct error trouble;
    struct hj_stream streams[HJ_STREAMS];
    unsigned chores;
    enum hj_chore chore;
    uint64_t chore_token, chores_ns, clock_due_ns; /* chores_ns: when they began last */
    uint64_t retell_ns;                            /* tell again what was told at the start, 0: no */
};

struct hj_ack {
    struct hj_ack *next;
    uint64_t ticket;
    int flag;
    unsigned cn;
    char qn[HJ212_QN_MAX + 1], mn[HJ212_MN_MAX + 1], pw[HJ212_PW_MAX + 1];
};
struct hj_held { /* a batch that the host has not taken yet */
    struct hj_held *next;
    struct hj_ack *ack; /* NULL: none wanted */
    size_t n;
    struct sample s[];
};

struct hj_conn {
    uv_tcp_t tcp;
    struct hj_channel *ch;
    struct hj_conn *next;
    struct hj212_link link;
    char peer[64];
    uint16_t number;
    uint64_t opened_ns, rx_ns;
    uint64_t rubbish_from; /* link.rubbish at the last good frame */
    bool known;            /* a configured MN spoke here */
    bool reading, closing, doomed, in_link;
    struct hj_held *held, **held_tail;
    struct hj_ack *acks, **acks_tail;
    unsigned nacks, nheld;
};

enum hj_job_kind { JOB_WRITE, JOB_READ_BACK };
struct hj_job { /* a write on its way */
    struct hj_job *next;
    enum hj_job_kind kind;
    struct hj_conn *conn;
    uint64_t token, began_ns;
    uint32_t point, device_num;
    struct hj_address a;
    struct sample value;
    bool has_back;
    struct sample back;
    char back_text[64];
    char pw[HJ212_PW_MAX + 1];
    driver_write_done *done;
    void *arg;
};
struct hj_test { /* waits for the listener */
    struct hj_test *next;
    driver_test_done *done;
    void *arg;
    uint64_t began_ns;
};

struct hj_seen_field {
    unsigned cn;
    char name[HJ_NAME_MAX], value[48], flag[4];
    int64_t time_us;
};
struct hj_seen { /* what was heard of an MN */
    struct hj_seen *next;
    char mn[HJ212_MN_MAX + 1], peer[64];
    bool known;
    unsigned st;
    uint64_t messages;
    int64_t last_us;
    struct hj_seen_field *fields;
    size_t n, cap;
};

struct hj_config {
    char bind[64];
    uint16_t port;
    unsigned max_connections;
    uint64_t idle_ns;
    int tz_minutes;
};

struct hj_channel {
    struct driver_channel base; /* first */
    struct hj_config cfg;
    struct driver_status st;
    struct hj_device **devices;
    size_t ndevices;
    struct hj_point *points; /* by device, then kind, CN, name */
    size_t npoints;
    bool owing; /* some point owes a bad value */
    struct hj_conn *conns;
    unsigned nconns;
    uint16_t next_number;
    struct hj_job *jobs;
    struct hj_seen *seen;
    unsigned nunknown;
    uint64_t refused, lost_acks, turned_away;
    uv_tcp_t listener;
    bool listening, listener_open, listener_closing, wanted;
    uint64_t retry_ns, stale_ns;
    unsigned tries;
    struct error why; /* why it does not listen */
    uv_timer_t timer;
    bool timer_open, closing;
    driver_closed *closed;
    void *closed_arg;
    struct hj212_field *fields; /* scratch: of the message being taken */
    size_t nfields, fields_cap;
    struct sample *batch;
    size_t batch_cap;
};

/* table.c */
void hj_state(struct hj_channel *ch);

/* point.c */
int hj_address_parse(const char *text, struct hj_address *ret, struct error *e);
enum value_type hj_address_type(const struct hj_address *a);
void hj_address_format(const struct hj_address *a, char *out, size_t cap);
bool hj_address_writable(const struct hj_address *a);
/* Set type, v, quality and reason of *s from the text of a field and its data flag (empty: none). */
void hj_value(const struct hj_channel *ch, struct hj_point *p, struct str value, struct str flag, struct sample *s);
int hj_point_check(const struct driver_point *p, struct hj_address *ret, enum value_type *ret_type, struct error *e);

/* set.c */
int hj_set(struct hj_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e);
void hj_set_free(struct hj_channel *ch);
struct hj_device *hj_device_by_mn(struct hj_channel *ch, struct str mn);
struct hj_device *hj_device_by_num(struct hj_channel *ch, uint32_t num);
struct hj_point *hj_point_by_num(struct hj_channel *ch, uint32_t num);
/* First point of a device that has this CN and name, and how many follow it. NULL: none. */
struct hj_point *hj_points_of(struct hj_channel *ch, const struct hj_device *d, unsigned cn, struct str name,
                              size_t *ret_n);
bool hj_has_points(struct hj_channel *ch, const struct hj_device *d, unsigned cn);

/* conn.c */
uint64_t hj_now(const struct hj_channel *ch);
int64_t hj_utc(const struct hj_channel *ch);
void hj_wake(struct hj_channel *ch, uint64_t ns); /* no later than */
void hj_listen(struct hj_channel *ch);
void hj_conn_drop(struct hj_conn *c, const struct error *why);
void hj_conn_flow(struct hj_conn *c); /* read or not */
void hj_log(struct hj_channel *ch, enum driver_log level, const char *msg, const char *kv);
int hj_channel_check(const struct options *o, struct error *e);
int hj_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e);
void hj_close(struct driver_channel *base, driver_closed *closed, void *arg);

/* data.c */
int hj_message(struct hj_conn *c, const struct hj212_message *m, uint64_t token);
void hj_offer(struct hj_conn *c); /* held batches and acknowledgements that are due */
void hj_owe(struct hj_channel *ch, struct hj_device *d, unsigned cn, enum quality_reason why); /* cn 0: all */
void hj_pay(struct hj_channel *ch);                                                            /* tell what is owed */
void hj_stale(struct hj_channel *ch, uint64_t now);
void hj_device_lost(struct hj_channel *ch, struct hj_conn *c, const struct error *why);
void hj_conn_forget(struct hj_conn *c); /* what waits for it */
int64_t hj_stream_interval(const struct hj_device *d, unsigned cn);

/* chore.c */
void hj_chores_begin(struct hj_channel *ch, struct hj_device *d, bool takes_over);
void hj_chores_next(struct hj_channel *ch, struct hj_device *d);
bool hj_chore_ended(struct hj_channel *ch, struct hj_conn *c, const struct hj212_ended *e);
uint64_t hj_request(struct hj_channel *ch, struct hj_device *d, unsigned cn, const char *cp, unsigned tries);

/* call.c */
void hj_write(struct driver_channel *base, const struct driver_write *w);
void hj_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg);
void hj_test(struct driver_channel *base, driver_test_done *done, void *arg);
void hj_job_ended(struct hj_channel *ch, struct hj_conn *c, const struct hj212_ended *e);
void hj_job_data(struct hj_channel *ch, struct hj_conn *c, uint64_t token, const struct sample *s,
                 const struct hj_point *p);

/* browse.c */
void hj_seen_message(struct hj_channel *ch, const struct hj_conn *c, const struct hj212_message *m, bool known,
                     int64_t time_us);
struct hj_seen *hj_seen_find(struct hj_channel *ch, struct str mn);
const struct hj_seen_field *hj_seen_value(struct hj_channel *ch, struct str mn, unsigned cn, struct str name);
void hj_seen_free(struct hj_channel *ch);
void hj_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg);
