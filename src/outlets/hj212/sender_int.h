/* sender_int.h - the inside of the HJ 212 outlet (instrument side, HJ 212-2017 and HJ/T 212-2005).
 *
 * One channel = one connection to one platform = one MN. Frames, answers and repeats are proto/hj212_link.h.
 *   table.c    option tables, status, the row
 *   point.c    addresses, data flags, numbers as text
 *   set.c      the desired set; which flow makes a total of which pollutant
 *   report.c   the data of one or several periods: asked from the host's history, point by point; as CP
 *   period.c   what is reported by itself: real-time data, the periods that ended and are not acknowledged yet
 *   ask.c      what the platform asks: time, data of the past; which function carries out which command
 *   settings.c what the platform sets: intervals, password, time-outs; kept over restarts
 *   control.c  what the platform commands (3011 …) and asks of the instruments: mapped points
 *   conn.c     connecting, losing, the timer, opening and closing
 *
 * Periods  minute, hour and day data are owed from the end of their period until the platform acknowledges them (9014);
 *          the newest go first. History is the buffer: what is owed is a start time, its data are built when it is
 * sent. After a start the period that ended last is owed once more; anything older the platform recalls. Totals   Cou
 * of a flow is what flowed (m³); of a concentration its mass (kg), the sum of mean x flow x time over parts of the
 * period; nothing for all else. An average weighted by flow takes the same parts. */
#pragma once
#include "base/buf.h"
#include "base/mem.h"
#include "base/time.h"
#include "drivers/common/poll.h"
#include "io/tls_stream.h"
#include "outlets/hj212/outlet.h"
#include "proto/hj212_link.h"

#define NS_MS 1000000ull
#define HS_CODE_MAX 24
#define HS_OWED_MAX 1100    /* periods of a kind: more than 7 days of ten minutes */
#define HS_UNDER_WAY 4      /* uploads of periods that await their answer */
#define HS_CHUNK 24         /* periods that are built at once for a recall */
#define HS_RECALL_MAX 10000 /* periods of one recall */
#define HS_FLAG_ROWS 500    /* samples that are looked at for the flag of a bad period */
#define HS_QUEUE (128u << 10)
#define HS_CLOCK_WARN_US (2 * TIME_US_PER_S)

/* w01018, a21026-ZsRtd, SB1-RS; cmd/3011/w01018, set/w01018/i13004 and 3018/w01018 (control.c): never reported */
enum hs_kind { HS_VALUE, HS_CONVERTED, HS_STATE, HS_CONTROL };
enum hs_total { HS_TOTAL_AUTO, HS_TOTAL_NONE, HS_TOTAL_VOLUME, HS_TOTAL_MASS };

struct hs_point {
    uint32_t num, slot;
    char code[HS_CODE_MAX];
    uint8_t kind, total, medium; /* enum hs_kind, enum hs_total; medium: 'w', 'a' or 0 */
    bool flow, by_flow;          /* it is a flow; the average is weighted by one */
    int8_t decimals;             /* -1: up to three */
    bool writable, text;         /* HS_CONTROL */
    uint16_t cn;                 /* HS_CONTROL: of the command; 3021 for parameters */
    char info[HS_CODE_MAX];      /* of a parameter */
    double factor;               /* of the total: to m³, to kg */
    bool clash;
};

/* Of one point in one period. */
struct hs_value {
    double avg, min, max, total, last, good; /* NAN: none; good: percent */
    char flag;                               /* 0: not known yet */
};

struct hs_channel;
/* The data of n periods from `from` on. Filled point by point; `done` is called once, from the loop. */
struct hs_report {
    struct hs_channel *ch;
    unsigned cn;
    int64_t from_us, period_us, part_us;
    unsigned n, parts;
    bool busy, asking; /* asking: a query is under way */
    uint32_t generation;
    size_t at, flag_at; /* the next point; the next value whose flag is looked up */
    struct hs_value *v; /* [point][period], points as in ch->order */
    double *flow[2];    /* means of water and air by part; NULL: not known */
    void (*done)(struct hs_report *r, const struct error *e);
};

struct hs_owed {
    int64_t start_us, period_us;
    uint64_t retry_ns, token;
    uint8_t state; /* enum hs_step */
    bool if_any;   /* not worth telling when there is nothing */
};
enum hs_step { HS_WAITS, HS_BUILDING, HS_SENT };
enum hs_series_kind { HS_MINUTE, HS_HOUR, HS_DAY, HS_RUN, HS_SERIES }; /* HS_RUN: daily running time, 2041 */
struct hs_series {
    unsigned cn;
    bool on;
    int64_t period_us;
    int64_t next_us;      /* start of the first period that is not owed yet */
    struct hs_owed *owed; /* oldest first */
    size_t nowed, cap;
};

/* A request of the platform that takes time. */
struct hs_recall {
    bool active;
    char qn[HJ212_QN_MAX + 1], mn[HJ212_MN_MAX + 1], pw[HJ212_PW_MAX + 1];
    int flag;
    unsigned cn, sent;
    uint64_t conn; /* of the connection that asked */
    int64_t next_us, to_us, period_us;
};

struct hs_config {
    char host[256], mn[HJ212_MN_MAX + 1], pw[HJ212_PW_MAX + 1];
    uint16_t port;
    unsigned st;
    int version, tz_minutes;
    bool answer, announce, time_request;
    uint32_t timeout_ms, connect_ms;
    unsigned tries;
    int64_t rtd_us, settle_us;
    double valid_percent;
    struct backoff backoff;
};
enum hs_conn { HS_IDLE, HS_CONNECTING, HS_UP, HS_CLOSING };

struct hs_test {
    struct hs_test *next;
    uint64_t began_ns;
    driver_test_done *done;
    void *arg;
};

struct hs_channel {
    struct outlet_channel base; /* first */
    struct hs_config cfg;
    struct outlet_status st;
    enum hs_conn conn;
    struct tls_stream *stream;
    struct hj212_link link;
    uint64_t conns; /* made so far */
    uint64_t retry_ns, up_ns, rx_ns, wake_ns;
    int64_t up_us, began_us, time_request_us; /* the latter: when the time is asked for next */
    unsigned carried[HJ212_OPEN_MAX];         /* values of an upload, by token */
    uint64_t bytes_in, bytes_out;             /* of this connection */
    struct error why;
    uv_timer_t timer;
    bool timer_open, closing, pumping, connect_now, announced, reports, silent, doomed;
    driver_closed *closed;
    void *closed_arg;
    struct hs_test *tests;

    struct hs_point *points;
    size_t npoints;
    uint32_t *order; /* of points that are reported: by code, values before converted ones; flows of all first */
    size_t norder, nstates, ncontrols, nclash;
    uint32_t generation;
    struct error clash;

    struct hs_series series[HS_SERIES];
    int64_t rtd_next_us;
    struct hs_report upload, answer; /* what is built: for uploading, for a recall */
    struct hs_series *building;
    int64_t building_us;
    struct hs_recall recall;
    uint32_t configured[5]; /* checksums of what the platform may set (settings.c) */
    uint64_t dropped;
    bool clock_warned;
    int64_t clock_ahead_us; /* the platform's clock minus ours */
};

/* point.c */
int hs_point_resolve(const struct outlet_point *p, struct hs_point *ret, struct outlet_address *addr, struct error *e);
/* table.c: what no table of options can check */
int hs_check_channel(const struct options *o, int *ret_minutes, struct error *e);
bool hs_code_ok(struct str s);
char hs_flag(const struct sample *s);
bool hs_number(const struct sample *s, double *ret);
void hs_put_number(struct buf *b, double x, int decimals);

/* set.c */
int hs_set(struct hs_channel *ch, const struct outlet_point *points, size_t n, struct error *e);
void hs_set_free(struct hs_channel *ch);

/* report.c */
/* Begin; `done` comes later. ERR_NOMEM. Idle reports only. */
int hs_report_begin(struct hs_report *r, unsigned cn, int64_t from_us, int64_t period_us, unsigned n);
void hs_report_end(struct hs_report *r); /* give the memory back */
bool hs_report_any(const struct hs_report *r, unsigned period);
/* DataTime and the items of one period; returns how many values. */
unsigned hs_report_cp(const struct hs_report *r, unsigned period, struct buf *cp);
/* What is now: real-time data (2011), running states (2021). */
unsigned hs_present_cp(const struct hs_channel *ch, unsigned cn, int64_t time_us, struct buf *cp);

/* period.c */
void hs_period_begin(struct hs_channel *ch);
void hs_period_connected(struct hs_channel *ch);                  /* what waits may go at once */
void hs_period_minutes(struct hs_channel *ch, int64_t period_us); /* another interval of minute data */
void hs_period_pump(struct hs_channel *ch, uint64_t now_ns);
int64_t hs_period_next_us(const struct hs_channel *ch); /* UTC */
uint64_t hs_period_next_ns(const struct hs_channel *ch);
void hs_period_ended(struct hs_channel *ch, const struct hj212_ended *e);
void hs_period_built(struct hs_report *r, const struct error *e);
void hs_period_free(struct hs_channel *ch);
size_t hs_period_owed(const struct hs_channel *ch);
bool hs_has_points(const struct hs_channel *ch, unsigned cn);
int64_t hs_floor(const struct hs_channel *ch, int64_t us, int64_t period_us);
void hs_report_now(struct hs_channel *ch, unsigned cn); /* an upload of what is now */

/* settings.c: ExeRtn, 0: later. Read at the opening. */
int hs_set_timeouts(struct hs_channel *ch, const struct hj212_message *m);
int hs_set_rtd(struct hs_channel *ch, const struct hj212_message *m);
int hs_set_minutes(struct hs_channel *ch, const struct hj212_message *m);
int hs_set_password(struct hs_channel *ch, const struct hj212_message *m);
void hs_set_reporting(struct hs_channel *ch, bool on); /* of real-time data */
void hs_settings_load(struct hs_channel *ch);

/* control.c */
int hs_control_parse(struct str s, struct hs_point *ret); /* 1: one of its addresses; 0: none; ERR_INVALID */
void hs_control_text(const struct hs_point *p, char *out, size_t cap);
/* QnRtn of a command of 3011 to 3021: 1 when a point is behind it, else 2. */
int hs_control_ready(struct hs_channel *ch, const struct hj212_message *m);
int hs_control_run(struct hs_channel *ch, const struct hj212_message *m); /* ExeRtn, 0: later */

/* A request whose result comes later; NULL: out of memory. */
struct hs_pending {
    struct hs_channel *ch;
    uint64_t conn;
    char qn[HJ212_QN_MAX + 1], mn[HJ212_MN_MAX + 1], pw[HJ212_PW_MAX + 1];
    char value[60]; /* of a setting */
    int setting, flag;
    unsigned cn;
};
struct hs_pending *hs_pending_new(struct hs_channel *ch, const struct hj212_message *m);
void hs_pending_end(struct hs_pending *p, int exertn); /* sends 9012 where the connection is the same; frees */

enum { HS_READY = 1, HS_REFUSED = 2, HS_WRONG_PW = 3, HS_WRONG_MN = 4, HS_WRONG_CN = 8 };       /* QnRtn */
/* ExeRtn */
enum {
    HS_LATER = 0, HS_DONE = 1, HS_FAILED = 2, HS_CONDITIONS = 3, HS_SILENT = 4, HS_BUSY = 5, HS_FAULTY = 6, HS_NOTHING = 100
};

/* ask.c */
void hs_send_data(struct hs_channel *ch, unsigned cn, struct str qn, struct str cp);
int hs_ask(void *ctx, const struct hj212_message *m, uint64_t token);
void hs_recall_built(struct hs_report *r, const struct error *e);
void hs_recall_pump(struct hs_channel *ch);

/* conn.c */
uint64_t hs_now(const struct hs_channel *ch);
int64_t hs_utc(const struct hs_channel *ch);
void hs_log(const struct hs_channel *ch, enum driver_log level, const char *msg, const char *kv);
void hs_pump(struct hs_channel *ch);
void hs_soon(struct hs_channel *ch);
struct hj212_call hs_call(const struct hs_channel *ch, unsigned cn, struct str cp);
void hs_maybe_free(struct hs_channel *ch);
int hs_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e);
void hs_close(struct outlet_channel *base, driver_closed *closed, void *arg);
void hs_test(struct outlet_channel *base, driver_test_done *done, void *arg);
