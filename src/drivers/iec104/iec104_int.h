/* iec104_int.h - the inside of the IEC 60870-5-104 driver (controlling station).
 *
 * One channel = one connection (TCP or TLS, to the first or the second host) = one link (proto/iec104_link.h). What
 * the station sends is taken as it comes; points are found by common address and object address.
 *   table.c     option tables, addresses' help, status, the driver's row
 *   address.c   an address and options -> struct st_point; an object -> a sample; a value -> a command's object
 *   set.c       the desired set: points, the index of objects, stations; difference to the running set
 *   conn.c      connecting, bytes, losing, reconnecting, the timer, closing
 *   data.c      ASDUs that come: values, quality, time; batches; what is told after a loss
 *   station.c   interrogations, counters and clock of each common address
 *   job.c       what was asked for and waits; how it ends; tests of the connection
 *   command.c   commands and set-points
 *   read.c      test reads, browsing
 * Heart: st_pump() does what can be done now and sets the one timer; after every event, at any time.
 *
 * Object  one (common address, object address) that was seen or is wanted: its last element raw, and the points that
 *         show it. Objects that no point wants are kept up to ST_OBJECTS_MAX for browsing.
 * Station a common address with a point or a job: interrogated after each connect and by period.
 * Batch   the samples of one ASDU, published at once. When the sink is full, reading stops until it takes them. */
#pragma once
#include "base/mem.h"
#include "base/str.h"
#include "drivers/common/poll.h"
#include "drivers/iec104/driver.h"
#include "io/tls_stream.h"
#include "io/zone_load.h"
#include "proto/iec104_address.h"
#include "proto/iec104_link.h"
#include "proto/iec104_zone.h"

#define NS_MS 1000000ull
#define ST_OBJECTS_MAX 65536 /* kept for browsing, above those of points */
#define ST_BATCH 512         /* samples of a batch that tells a loss */
#define ST_RX (16384 + IEC104_APDU_MAX)
#define ST_JOBS_IN_FLIGHT 8
#define ST_CLOCK_WARN_US 2000000
#define ST_CLOCK_KEEP 16

struct st_point {
    uint32_t num;
    uint32_t device;                   /* index */
    uint32_t object;                   /* index + 1 into the channel's objects; 0: a command, or wrong */
    uint32_t next;                     /* index + 1 of the next point of the same object */
    struct iec104_address at, command; /* command.klass IEC104_IS_VALUE: not writable */
    uint8_t value_type;                /* enum value_type */
    uint8_t qualifier;
    int8_t select;                                   /* 1, 0; -1: as the device says */
    bool stamped, config_error, told_missing, fresh; /* fresh: a value came on this connection */
    double scale, offset, lo, hi;
    struct sample last;
};
struct st_object {
    uint64_t key; /* ca << 24 | ioa, + 1; 0: free */
    int64_t time_us;
    uint32_t first; /* point index + 1 */
    uint8_t type, cause, n;
    bool fresh; /* seen on this connection */
    uint8_t raw[IEC104_ELEMENT_MAX];
};
struct st_device {
    uint32_t num;
    char code[64];
    uint16_t ca;
    struct iec104_rules rules;
    uint8_t group; /* of interrogations; 0: the whole station */
    bool select, wait_term, source_time;
    uint32_t points, bad_config;
    int64_t last_ok_us;
    struct error config, trouble;
};

enum st_procedure { PROC_CLOCK, PROC_GENERAL, PROC_COUNTER, PROC_COUNT };
enum st_step { STEP_IDLE, STEP_WANTED, STEP_SENT, STEP_CONFIRMED };
struct st_proc {
    uint8_t step; /* enum st_step */
    bool done;    /* once on this connection, well or refused */
    uint64_t due_ns, deadline_ns, sent_ns;
};
struct st_station {
    uint16_t ca;
    bool wanted;     /* by the set; else by a job only */
    uint32_t groups; /* bit g: group g is interrogated; bit 0: the whole station, then no other counts */
    uint8_t group;   /* the one that is under way */
    struct st_proc proc[PROC_COUNT];
    struct error trouble;
    int64_t last_ok_us;
    /* the station's clock: arrival minus source time of the last spontaneous values; their smallest is the best guess
     */
    int64_t clock[ST_CLOCK_KEEP];
    unsigned nclock;
    bool clock_warned;
};

enum st_job_kind { JOB_WRITE, JOB_READ, JOB_TEST, JOB_BROWSE };
enum st_job_step { JOB_WAITS, JOB_SELECTED, JOB_EXECUTED, JOB_CONFIRMED, JOB_ASKING };
struct st_job {
    struct st_job *next;
    uint8_t kind, step;                        /* the enums above */
    bool sent;                                 /* write: the execute has gone out */
    uint64_t began_ns, deadline_ns, answer_ns; /* answer_ns: when an answer is overdue; 0: none awaited */
    uint16_t ca;
    union {
        driver_write_done *write;
        driver_read_done *read;
        driver_test_done *test;
        driver_browse_done *browse;
    } done;
    void *arg;
    /* write */
    const struct iec104_type *type;
    struct iec104_object object;
    bool select, wait_term;
    uint32_t point;
    struct sample value;
    /* read */
    struct st_point *points;
    struct error *errors;
    struct driver_reading *readings;
    uint8_t (*raws)[IEC104_ELEMENT_MAX];
    size_t npoints, at;
    bool no_read; /* the station does not answer C_RD */
    struct st_device dev;
    /* browse */
    uint32_t cursor;
    size_t max;
};

enum st_conn { CONN_IDLE, CONN_CONNECTING, CONN_UP, CONN_CLOSING };

struct st_config {
    struct {
        char host[256];
        uint16_t port;
    } peer[2];
    unsigned npeers;
    uint8_t originator;
    struct iec104_link_config link;
    uint32_t connect_ms, answer_ms, term_ms;
    uint64_t period_ns[PROC_COUNT]; /* 0: only at the start (clock: never) */
    bool counters, clock;
    struct iec104_zone zone;
    struct backoff backoff;
    struct tls_client *tls;
};

struct st_channel {
    struct driver_channel base; /* first */
    struct st_config cfg;
    struct driver_status st;
    enum st_conn conn;
    struct tls_stream *stream;
    struct iec104_link link;
    unsigned peer; /* which host is tried or connected */
    uint64_t retry_ns, up_ns, wake_ns, used_ns;
    bool closing, timer_open, pumping, again, connect_now, switched;
    struct error why; /* why it is not up */
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;

    struct st_device *devices;
    size_t ndevices;
    struct st_point *points;
    size_t npoints;
    struct st_object *objects; /* open addressing, size a power of two */
    size_t objects_size, nobjects;
    struct st_station *stations;
    size_t nstations;

    struct sample *batch;
    size_t nbatch, batch_cap;
    bool held; /* the batch waits for the sink, since held_ns */
    uint64_t held_ns;
    bool tell_lost; /* points are being told that the connection is gone, from tell_at on */
    size_t tell_at;
    unsigned broken; /* ASDUs in a row that could not be read */

    struct st_job *jobs;
    size_t rx_n;
    uint8_t rx[ST_RX];
};

/* address.c */
void st_device_init(struct st_device *d, const struct driver_device *dd, const struct options *o);
int st_point_resolve(const struct driver_point *p, const struct st_device *d, struct st_point *ret,
                     struct driver_address *addr, struct error *e);
/* Type, value, quality and reason of *s; not its time. */
void st_point_value(const struct st_point *p, const struct iec104_type *t, const struct iec104_object *o,
                    struct sample *s);
int st_command_value(const struct st_point *p, const struct sample *v, struct iec104_object *o, struct error *e);
enum value_type st_natural_type(unsigned family);

/* set.c */
int st_set(struct st_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e);
void st_set_free(struct st_channel *ch);
struct st_object *st_object_find(const struct st_channel *ch, uint16_t ca, uint32_t ioa);
struct st_object *st_object_add(struct st_channel *ch, uint16_t ca, uint32_t ioa); /* NULL: enough, or no memory */
struct st_station *st_station_find(const struct st_channel *ch, uint16_t ca);
struct st_station *st_station_add(struct st_channel *ch, uint16_t ca);

/* conn.c */
uint64_t st_now(const struct st_channel *ch);
void st_state(struct st_channel *ch, enum driver_state s, const struct error *why);
void st_refresh_state(struct st_channel *ch);
void st_pump(struct st_channel *ch);
void st_lose(struct st_channel *ch, const struct error *why);
bool st_started(const struct st_channel *ch);
/* One object, if the window is open; false: later. */
bool st_send(struct st_channel *ch, const struct iec104_asdu *head, const struct iec104_object *o);
void st_trace(struct st_channel *ch, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e);
int st_channel_check(const struct options *o, struct error *e);
int st_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e);
void st_close(struct driver_channel *base, driver_closed *closed, void *arg);

/* data.c */
void st_data_take(struct st_channel *ch, const uint8_t *asdu, size_t n, const uint8_t *frame, size_t frame_n);
bool st_data_flush(struct st_channel *ch);                        /* false: the sink is full */
void st_data_tell(struct st_channel *ch, const struct sample *s); /* into the batch */
void st_data_tell_lost(struct st_channel *ch);
void st_data_tell_missing(struct st_channel *ch, uint16_t ca);
void st_data_show(struct st_channel *ch, size_t point); /* a point that was added: what is known of its object */
void st_object_get(const struct st_object *b, struct iec104_object *ret);
struct iec104_time st_time(const struct st_channel *ch);
/* Microseconds by which the station's clock is behind ours; 0 when not known. */
int64_t st_clock_behind(const struct st_station *s);

/* station.c */
void st_proc_connected(struct st_channel *ch);
void st_proc_want(struct st_channel *ch, struct st_station *s, enum st_procedure p);
void st_proc_pump(struct st_channel *ch, uint64_t now);
uint64_t st_proc_deadline(const struct st_channel *ch);
void st_proc_delayed(struct st_channel *ch, uint64_t ns);
/* An answer to an interrogation or a clock command; true: it was one of ours. */
bool st_proc_answer(struct st_channel *ch, const struct iec104_asdu *a, const struct iec104_object *o);

/* job.c */
struct st_job *st_job_new(struct st_channel *ch, enum st_job_kind kind, void *arg); /* NULL: no memory */
void st_job_push(struct st_channel *ch, struct st_job *j);
void st_job_unlink(struct st_channel *ch, struct st_job *j);
void st_job_free(struct st_job *j);
/* These tell how it ended and free it; it must be off the list. */
void st_job_end_write(struct st_channel *ch, struct st_job *j, enum driver_outcome outcome, const struct error *e);
void st_job_end_read(struct st_channel *ch, struct st_job *j, const struct error *e);
void st_job_end_failed(struct st_channel *ch, struct st_job *j, enum driver_outcome outcome, const struct error *e);
uint32_t st_ms_since(const struct st_channel *ch, uint64_t from);
int64_t st_utc(const struct st_channel *ch);
void st_job_pump(struct st_channel *ch, uint64_t now);
uint64_t st_job_deadline(const struct st_channel *ch);
bool st_job_answer(struct st_channel *ch, const struct iec104_asdu *a, const struct iec104_object *o);
void st_job_object(struct st_channel *ch, uint16_t ca, uint32_t ioa); /* a value came */
void st_job_delayed(struct st_channel *ch, uint64_t ns); /* nothing was read for so long: answers are awaited longer */
void st_job_lost(struct st_channel *ch, const struct error *e);
void st_job_cancel_all(struct st_channel *ch);
void st_test(struct driver_channel *base, driver_test_done *done, void *arg);

/* command.c */
void st_command_go(struct st_channel *ch, struct st_job *j, uint64_t now);
bool st_command_past(const struct st_job *j, uint64_t now); /* its deadline, before anything was sent */
void st_command_expired(struct st_channel *ch, struct st_job *j);
void st_command_overdue(struct st_channel *ch, struct st_job *j);
struct st_job *st_command_find(const struct st_channel *ch, const struct iec104_asdu *a, uint32_t ioa);
void st_command_answer(struct st_channel *ch, struct st_job *j, const struct iec104_asdu *a);
void st_write(struct driver_channel *base, const struct driver_write *w);

/* read.c */
void st_read_go(struct st_channel *ch, struct st_job *j, uint64_t now);
void st_read_failed(struct st_channel *ch, struct st_job *j, const char *en, const char *zh);
void st_browse_go(struct st_channel *ch, struct st_job *j);
void st_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg);
void st_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg);
