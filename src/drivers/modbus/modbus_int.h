/* modbus_int.h - the inside of the Modbus driver.
 *
 * One channel = one link (a TCP connection, a UDP socket, a serial port) = one state machine on its loop. Who does
 * what: table.c     option tables, the driver's row point.c     an address and options -> struct mb_point; bytes <->
 * value of a point set.c       desired set -> groups, blocks, stations; the difference to the running set conn.c
 * connecting, losing the connection, reconnecting, closing; the heart link.c      the links: bytes out and in over TCP,
 * UDP and serial ports call.c      requests in flight: sending, matching answers, time-outs, retries poll.c      groups
 * that are due, their blocks, batches, stations that do not answer job.c       write, test read, connection test: one
 * at a time, ahead of polls Call graph: conn -> call -> poll, job; all of them ask for more work by channel_pump().
 *
 * Group   points of one device, one station (unit) and one period: polled together, one time stamp, one
 *         batch. Its blocks are the requests, made of neighbouring points.
 * Station a unit behind the connection. One that does not answer is probed rarely by a single request,
 *         so that it does not hold up its neighbours.
 * Memory  all of the channel's; no allocation while polling. */
#pragma once
#include "base/mem.h"
#include "drivers/common/convert.h"
#include "drivers/common/poll.h"
#include "drivers/modbus/driver.h"
#include "io/serial.h"
#include "proto/modbus.h"

#define MB_IN_FLIGHT_MAX 16
#define MB_RX 2080 /* four whole frames of the longest kind */
#define MB_TEXT_MAX 250
#define NS_MS 1000000u

struct mb_point {
    uint32_t num;
    uint16_t offset, count; /* registers or bits on the wire */
    uint8_t unit, area;
    int8_t bit;         /* in a register; -1: none */
    uint8_t text;       /* enum modbus_text */
    uint8_t length;     /* of a text */
    uint8_t plain;      /* whole registers and a number: the common case */
    uint16_t text_slot; /* into the group's texts */
    struct value_spec value;
};

struct mb_text { /* last text of a string point and its id */
    uint64_t id;
    uint16_t n;
    bool known;
    char p[MB_TEXT_MAX];
};

struct mb_block {
    uint16_t offset, count;
    uint32_t first, n; /* of the group's points */
    uint8_t area;
};

struct mb_device {
    uint32_t num;
    uint8_t unit, order;
    int8_t area; /* for bare numbers; -1: none */
    bool zero_based, mask_write, write_multiple;
    uint32_t timeout_ms; /* 0: the channel's */
    char code[64];
    uint32_t points, bad_config;
    int64_t last_ok_us;
    struct error trouble; /* last failure since last_ok; code 0: none */
    struct error config;  /* why the first of bad_config is wrong */
};

struct mb_station {
    uint8_t unit;
    bool dead, probing, no_mask; /* no_mask: function 22 was refused as unknown */
    uint64_t probe_ns, last_ok_ns;
    struct backoff backoff;
};

enum mb_group_state { GROUP_IDLE, GROUP_ACTIVE, GROUP_HELD };
struct mb_group {
    struct poll_slot slot; /* first: the heap hands it back */
    enum mb_group_state state;
    uint32_t device;
    struct mb_station *station;
    struct mb_point *points;
    struct sample *samples; /* one a point: the batch; keeps last values */
    size_t n;
    struct mb_text *texts;
    size_t ntexts;
    struct mb_block *blocks;
    size_t nblocks, blocks_cap, next_block;
    unsigned pending;      /* blocks in flight */
    bool probing, trouble; /* trouble: a block of the last poll failed */
    bool broadcast;        /* to all stations: only written, never asked */
    bool lost, lost_next;  /* bad values are out; are to follow the batch that is held */
    int64_t time_us;
    uint64_t began_ns;
    struct mb_group *next; /* in the list of active ones */
};

struct mb_channel;
struct mb_call;

struct mb_to {           /* whom a request goes to */
    uint8_t unit, tries; /* tries: repeats that are allowed */
    uint32_t timeout_ms; /* 0: the channel's */
};

/* rc 0: r holds the answer; ERR_DEVICE: r->exception; else ERR_TIMEOUT, ERR_PROTOCOL, ERR_CLOSED. */
typedef void mb_done(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                     const struct error *e);
struct mb_call {
    bool busy, resend;   /* resend: waits for its next try */
    bool half;           /* its answer began and broke off */
    bool broadcast;      /* no answer will come: the deadline is the turnaround delay */
    uint8_t unit, tries; /* tries left */
    uint32_t timeout_ms;
    uint16_t transaction;
    struct modbus_request q;
    uint64_t sent_ns, deadline_ns;
    mb_done *done;
    void *owner; /* group or job; NULL: nobody wants the answer any more */
    uint32_t index;
    uint8_t pdu[MODBUS_PDU_MAX];
    size_t pdu_n;
};

enum mb_job_kind { JOB_WRITE, JOB_READ, JOB_TEST };
struct mb_job {
    struct mb_job *next;
    enum mb_job_kind kind;
    uint64_t began_ns, deadline_ns;
    bool waiting; /* its request is in flight */
    bool sent;    /* write: bytes that may change something have gone out */
    unsigned step;
    struct mb_point pt; /* write */
    struct mb_device dev;
    struct sample value;
    uint8_t raw[MODBUS_PDU_MAX];
    size_t raw_n;
    uint16_t and_mask, or_mask;
    union {
        driver_write_done *write;
        driver_read_done *read;
        driver_test_done *test;
    } done;
    void *arg;
    struct mb_point *points; /* read */
    struct error *errors;
    struct driver_reading *readings;
    uint8_t *bytes; /* MB_TEXT_MAX raw and MB_TEXT_MAX text a point */
    size_t npoints, at;
    uint64_t asked_ns;
};

/* A way to the stations; all from the loop. open: conn is CONNECTING; ends in mb_come_up or mb_lose, at once or later.
 */
struct mb_link {
    bool resolves; /* open gets an address */
    void (*open)(struct mb_channel *ch, const struct sockaddr *addr);
    void (*send)(struct mb_channel *ch, const uint8_t *p, size_t n);
    void (*close)(struct mb_channel *ch); /* ends in mb_link_closed, later */
};
extern const struct mb_link mb_link_tcp, mb_link_udp, mb_link_serial;

enum mb_conn { CONN_IDLE, CONN_RESOLVING, CONN_CONNECTING, CONN_UP, CONN_CLOSING };

struct mb_config {
    const struct mb_link *link;
    char host[256], place[264]; /* place: for people, "10.0.0.7:502", "/dev/ttyUSB0" */
    uint16_t port;
    struct serial_config serial;
    enum modbus_framing framing;
    bool broadcast; /* unit 0 is all stations, nobody answers */
    bool echo;      /* the adapter hears its own sending */
    uint32_t timeout_ms, connect_ms, interval_ms, turnaround_ms;
    unsigned retries, in_flight, max_gap, max_registers, max_bits;
    struct backoff backoff, station_backoff;
};

struct mb_channel {
    struct driver_channel base; /* first */
    struct mb_config cfg;
    struct driver_status st;
    struct mb_device *devices;
    size_t ndevices;
    struct mb_group **groups;
    size_t ngroups;
    struct mb_station *stations[256];
    struct sample *bad; /* points configured wrong, by number */
    size_t nbad;
    bool bad_held; /* not told yet */
    struct poll_queue queue;
    struct mb_group *active, **active_tail;
    size_t held; /* groups waiting for the sink */
    struct mb_call calls[MB_IN_FLIGHT_MAX];
    unsigned busy;
    uint16_t transaction;
    uint64_t send_ns;          /* not before: pause between requests, quiet time after a time-out */
    bool quiet;                /* not TCP framing, after a time-out: what comes is dropped */
    uint64_t gap_ns;           /* serial: when silence will have ended what began to come; 0: nothing did */
    bool echo, learn_echo;     /* our own bytes come back; may be found out from this request */
    size_t sent_n;             /* bytes of the last request whose echo may come */
    unsigned silent;           /* time-outs in a row, of any station */
    unsigned broken;           /* bad frames in a row */
    struct mb_job *jobs, *job; /* waiting; the current one */
    enum mb_conn conn;
    uint64_t retry_ns, up_ns, connect_deadline_ns, wake_ns;
    bool closing, timer_open, resolving, pumping, lost_told, connect_now, reconnect_at_once;
    struct error why; /* why it is not up */
    bool link_open;
    union {
        uv_tcp_t tcp;
        uv_udp_t udp;
        struct serial *serial;
    } link;
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;
    size_t rx_n;
    uint8_t rx[MB_RX];
    uint8_t sent[MODBUS_FRAME_MAX];
};

/* point.c */
int mb_point_resolve(const struct driver_point *p, const struct mb_device *d, struct mb_point *ret,
                     struct driver_address *addr, struct error *e);
void mb_device_init(struct mb_device *d, const struct driver_device *dd, const struct options *o);
bool mb_point_writable(const struct mb_point *p);
/* From the block's data: `at` is the point's place in it (registers or bits). Texts go to text[MB_TEXT_MAX]. */
void mb_point_decode(const struct mb_point *p, const uint8_t *data, unsigned at, struct sample *s, char *text,
                     size_t *text_n);
int mb_point_encode(const struct mb_point *p, const struct sample *v, const char *text, size_t text_n, uint8_t *raw,
                    uint16_t *mask, struct error *e);
struct modbus_request mb_point_read(const struct mb_point *p);

/* set.c */
int mb_set(struct mb_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e);
void mb_set_free(struct mb_channel *ch);
int mb_block_split(struct mb_group *g, size_t block); /* in two; ERR_NOMEM */
struct mb_point *mb_find_point(struct mb_channel *ch, uint32_t num, struct mb_group **ret_group);

/* conn.c */
uint64_t mb_now(const struct mb_channel *ch);
void mb_wake_at(struct mb_channel *ch, uint64_t ns);
void mb_state(struct mb_channel *ch, enum driver_state s, const struct error *why);
void channel_pump(struct mb_channel *ch);
void mb_lose(struct mb_channel *ch, const struct error *why, bool at_once);
void mb_lose_uv(struct mb_channel *ch, int status, bool at_once);
bool mb_proved(const struct mb_channel *ch); /* was the link of use since it was made? */
void mb_come_up(struct mb_channel *ch);
void mb_link_closed(struct mb_channel *ch);
void mb_received(struct mb_channel *ch, size_t n); /* bytes were added to rx */
bool mb_wanted(const struct mb_channel *ch);
void mb_trace(struct mb_channel *ch, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e);

/* call.c */
bool call_free(const struct mb_channel *ch);
void call_start(struct mb_channel *ch, struct mb_to to, const struct modbus_request *q, mb_done *done, void *owner,
                uint32_t index);
void call_receive(struct mb_channel *ch);
void call_silence(struct mb_channel *ch); /* the line fell silent: what is in rx will not get whole */
void call_fail_all(struct mb_channel *ch, int rc, const struct error *e);
void call_timeouts(struct mb_channel *ch, uint64_t now);
uint64_t call_next_deadline(const struct mb_channel *ch);
void call_forget(struct mb_channel *ch, const void *owner);

/* poll.c */
void poll_due(struct mb_channel *ch, uint64_t now);
bool poll_send(struct mb_channel *ch, uint64_t now);            /* one request; false: nothing to send */
void poll_lost(struct mb_channel *ch, const struct error *why); /* connection gone for good */
void poll_abort_all(struct mb_channel *ch);                     /* connection gone, for a moment: begin again */
void poll_hold_retry(struct mb_channel *ch);
void poll_publish(struct mb_channel *ch, struct mb_group *g);
void station_ok(struct mb_channel *ch, struct mb_station *s, uint64_t now);
void station_fail(struct mb_channel *ch, struct mb_station *s, const struct error *e);
void mb_refresh_state(struct mb_channel *ch);

/* job.c */
void job_start(struct mb_channel *ch, uint64_t now); /* next job, next request of the current one */
void job_expire(struct mb_channel *ch, uint64_t now);
uint64_t job_next_deadline(const struct mb_channel *ch);
void job_connect_failed(struct mb_channel *ch, const struct error *e);
void job_cancel_all(struct mb_channel *ch);
void mb_write(struct driver_channel *base, const struct driver_write *w);
void mb_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg);
void mb_test(struct driver_channel *base, driver_test_done *done, void *arg);

/* conn.c, the driver's functions */
int mb_open(const struct driver_host *host, const struct driver *driver, const struct mb_config *c,
            struct driver_channel **ret, struct error *e);
void mb_close(struct driver_channel *base, driver_closed *closed, void *arg);
