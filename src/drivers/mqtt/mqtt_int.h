/* mqtt_int.h - the inside of the MQTT driver (client of an external broker).
 *
 * One channel = one broker = one connection (drivers/common/mqtt_client). A device is a set of topics and the form of
 * their payloads; a point is a place in a payload. Who does what:
 *   table.c     option tables, figures, the driver's row
 *   address.c   an address -> topic and place; the options of a device -> format
 *   value.c     a payload by a format -> records; a place in a record -> sample, time, quality
 *   set.c       the desired set: devices, points, sources (which points a topic feeds), filters to be subscribed
 *   conn.c      the connection, subscriptions, the timer; open and close
 *   data.c      a message -> samples -> host; acknowledged when they are on disk; bad and stale values
 *   job.c       writes, reads, tests
 *   browse.c    topics that were seen, with their last payloads
 * Call graph: conn -> data -> value; conn, data -> job; job -> value, browse.
 *
 * Acknowledged means on disk: the PUBACK of a message (QoS 1; PUBREC with 2) waits until the host says that its samples
 * are kept (host->mark, host->kept). What the host does not take is held, and the connection is not read meanwhile.
 * Control   a command is sent once: when the connection is lost before its PUBACK, it is given up (mqtt_client_forget)
 *           and its outcome is UNKNOWN; it is not sent again by the session. */
#pragma once
#include "base/arena.h"
#include "base/json_path.h"
#include "base/mem.h"
#include "drivers/common/convert.h"
#include "drivers/common/mqtt_options.h"
#include "drivers/mqtt/driver.h"

#define NS_MS 1000000ull
#define NS_S 1000000000ull
#define MT_LINGER_MS 30000 /* an idle connection stays for the next question of a person */
#define MT_FILTERS_MAX 100 /* of a device */
#define MT_RECORDS_MAX 10000
#define MT_NO_BIT 255

enum mt_form { FORM_JSON, FORM_CSV, FORM_TEXT, FORM_BINARY, FORM_HEX };
enum mt_unit { UNIT_AUTO, UNIT_S, UNIT_MS, UNIT_US, UNIT_NS, UNIT_TEXT, UNIT_COMPACT };
enum mt_retained { RETAINED_LAST, RETAINED_GOOD, RETAINED_IGNORE };

struct mt_column { /* of a CSV line: by number from 1, or by name */
    unsigned number;
    struct str name;
};
struct mt_format { /* how the payloads of a device are read */
    uint8_t form, unit, retained, order;
    bool header;
    char sep;
    int tz_minutes;
    const struct json_path_query *records, *time, *quality; /* JSON; NULL: none */
    struct mt_column time_column, quality_column;           /* CSV; number 0 and no name: none */
    struct str columns, good, uncertain;
};
struct mt_place { /* an address; texts and query live in the arena it was made with */
    struct str filter; /* "": the topics of the device */
    struct str path;
    const struct json_path_query *query;
    struct mt_column column;
    uint32_t offset, length; /* bytes; length of a text */
    uint8_t bit;
    bool whole; /* all bytes, as a document */
};

struct mt_point {
    uint32_t num, device; /* device: index */
    struct mt_place at;
    struct str address;
    struct value_spec spec;
    struct str write_topic, write_template;
    uint8_t write_qos;
    bool write_retain, wrong;
    double step_s;      /* of the values of an array */
    int64_t confirm_us; /* 0: a command is done by its PUBACK */
    /* running; goes on when the set changes */
    uint8_t told, owe;  /* reason of the bad value that stands; of one that the host has not taken; 0: none */
    struct sample last; /* newest published; time_us 0: none */
    uint64_t text_hash, text_id, heard_ns;
    uint32_t serial; /* of the message that it was last looked for in */
};

struct mt_device {
    uint32_t num, npoints;
    char code[64];
    struct mt_format format;
    struct str *filters;
    size_t nfilters;
    uint8_t qos;
    uint64_t stale_ns;
    struct str state_topic, offline_words; /* where it says that it is gone (its last will) */
    struct error config;
    /* running */
    bool offline, touched; /* it said so; a retained value came meanwhile */
    struct error trouble; /* of the last message that could not be read */
    int64_t last_ok_us, clock_us[16]; /* its clock minus ours, of the last messages */
    unsigned nclock;
};

struct mt_source { /* a topic, or a filter, that feeds points [first, first + n) */
    struct mt_source *next; /* of the same hash; wild ones stand in a list of their own */
    struct str match;
    uint32_t device, first, n; /* n 0: the state of the device */
    size_t filter;             /* by which it is subscribed */
};

enum mt_filter_state { FILTER_NEW, FILTER_ASKED, FILTER_GRANTED, FILTER_REFUSED };
struct mt_filter {
    struct str filter;
    uint8_t qos, state, code;
    uint64_t token;
    size_t at; /* in the SUBSCRIBE of that token */
};

/* A payload on its way to samples; what was parsed of it is kept for the next device. */
struct mt_payload {
    struct str topic, bytes;
    bool retained;
    int64_t now_us;
    struct arena *arena;
    bool parsed;
    const struct json *json;
    struct error error; /* why it is no JSON */
    struct str hex;     /* of a hexadecimal text */
    bool unhexed;
};
struct mt_record {
    const struct json *json, *root;
    struct str *cells;
    size_t ncells;
    struct str *names; /* of the header line */
    size_t nnames;
    struct str bytes;
};
struct mt_value {
    struct sample s; /* type, v, quality, reason; STRING with text, BLOB with blob and media */
    struct str text, blob;
    const char *media;
};

struct mt_held { /* samples of a message that the host has not taken yet */
    struct mt_held *next;
    uint32_t handle;
    size_t n, at;
    struct sample s[];
};
struct mt_ack {
    uint32_t handle;
    uint64_t ticket;
};

enum mt_job_kind { JOB_WRITE, JOB_READ, JOB_TEST, JOB_BROWSE };
enum mt_job_step { STEP_WAIT, STEP_SENT, STEP_CONFIRM };
struct mt_job {
    struct mt_job *next;
    uint8_t kind, step;
    uint64_t token, began_ns, end_ns, send_by_ns;
    union {
        driver_write_done *write;
        driver_read_done *read;
        driver_test_done *test;
        driver_browse_done *browse;
    } done;
    void *arg;
    struct arena arena;
    struct mt_format format; /* of the device */
    struct str *filters;     /* subscribed while it lasts */
    size_t nfilters;
    uint8_t qos;
    /* write */
    struct mt_point point;
    struct sample value;
    struct str text, payload;
    struct mt_value back;
    bool confirmed;
    /* read */
    struct mt_point *points;
    struct error *errors;
    struct driver_reading *readings;
    bool *got;
    size_t npoints, missing;
    struct str *dfilters; /* of the device */
    size_t ndfilters;
    /* browse */
    struct str node;
    size_t skip, max;
};

struct mt_seen { /* a topic and its last payload */
    struct mt_seen *next, *newer, *older;
    int64_t time_us;
    uint64_t messages;
    bool retained;
    size_t whole, kept; /* bytes of the payload, and of it here */
    struct str topic;
    char *payload;
};

struct mt_channel {
    struct driver_channel base; /* first */
    struct mqtt_settings *set;
    struct driver_status st;
    struct mqtt_client *client;
    uint64_t retry_ns, up_ns, wake_ns, linger_ns, stale_ns, refused_ns, judge_ns;
    bool closing, client_closed, timer_open, pumping, again, connect_now, paused, dropped, failed, judge, temporary;
    struct error why, refusal;
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;

    struct arena arena; /* texts of the set */
    struct mt_device *devices;
    size_t ndevices;
    struct mt_point *points; /* by device, then filter */
    uint32_t *by_num;
    size_t npoints;
    struct mt_source *sources, **table, *wild;
    size_t nsources, ntable;
    struct mt_filter *filters;
    size_t nfilters;
    bool any_stale;

    struct arena scratch; /* of a message */
    struct sample *batch;
    size_t nbatch, batch_cap;
    uint32_t serial;
    struct mt_held *held, **held_tail;
    struct mt_ack *acks;
    size_t nacks, acks_cap;
    bool tell_lost, owing;
    size_t tell_at;
    uint64_t token, unmatched, lost_acks;

    struct mt_job *jobs;
    struct mt_seen **seen, *newest, *oldest;
    size_t nseen, seen_bytes;
};

/* address.c */
int mt_format_of(const struct options *device, struct arena *a, struct mt_format *ret, struct error *e);
int mt_filters_of(const struct options *device, struct arena *a, struct str **ret, size_t *ret_n, struct error *e);
int mt_place_of(const struct mt_format *f, const struct str *filters, size_t nfilters, const char *address,
                struct arena *a, struct mt_place *ret, struct error *e);
int mt_point_of(const struct mt_format *f, const struct str *filters, size_t nfilters, const struct driver_point *p,
                struct arena *a, struct mt_point *ret, struct error *e);
bool mt_is_wild(struct str filter);
bool mt_meets(struct str filter, struct str topic); /* a shared subscription by its filter */

/* value.c */
int mt_records(const struct mt_format *f, struct mt_payload *p, struct mt_record **ret, size_t *ret_n, struct error *e);
/* false: the record has no such place. */
bool mt_value_of(const struct mt_format *f, const struct mt_point *p, const struct mt_record *r, struct arena *a,
                 struct mt_value *ret);
/* Time of a record in *ret_us (of arrival where it has none); ret_source: its own. */
void mt_time_of(const struct mt_format *f, const struct mt_record *r, int64_t now_us, int64_t *ret_us,
                bool *ret_source);
/* Puts the quality of the record on a sample. */
bool mt_listed(struct str words, struct str w);
void mt_quality_of(const struct mt_format *f, const struct mt_record *r, struct sample *s);
/* The payload of a command. */
int mt_command(const struct mt_point *p, const struct sample *v, struct str text, int64_t now_us, struct arena *a,
               struct str *ret, struct error *e);

/* set.c */
int mt_set(struct mt_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e);
void mt_set_free(struct mt_channel *ch);
struct mt_point *mt_point_find(const struct mt_channel *ch, uint32_t num);

/* conn.c */
uint64_t mt_now(const struct mt_channel *ch);
int64_t mt_utc(const struct mt_channel *ch);
void mt_pump(struct mt_channel *ch);
void mt_log(struct mt_channel *ch, enum driver_log level, const char *msg, const char *kv);
void mt_state(struct mt_channel *ch);
const struct mt_filter *mt_filter_find(const struct mt_channel *ch, struct str filter);
/* address.c: what is wrong with a device is in *e; the rest stands. */
int mt_device_rules(struct mt_device *d, const struct options *o, struct arena *a, struct error *e);
int mt_device_check(const struct options *o, struct error *e);
int mt_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e);
void mt_close(struct driver_channel *base, driver_closed *closed, void *arg);

/* data.c */
void mt_message(struct mt_channel *ch, const struct mqtt_client_message *m);
bool mt_flush(struct mt_channel *ch); /* held batches, bad values; true: nothing waits */
void mt_ack_due(struct mt_channel *ch);
void mt_tell(struct mt_channel *ch, struct mt_point *p, enum quality_reason why);
void mt_tell_lost(struct mt_channel *ch);
void mt_tell_refused(struct mt_channel *ch, size_t filter);
void mt_stale(struct mt_channel *ch, uint64_t now);
void mt_data_free(struct mt_channel *ch);
bool mt_clock_of(const struct mt_device *d, int64_t *ret_us); /* its clock minus ours; false: not known */

/* job.c */
struct mt_job *mt_job_new(struct mt_channel *ch, enum mt_job_kind kind, void *arg);
void mt_job_push(struct mt_channel *ch, struct mt_job *j);
void mt_job_pump(struct mt_channel *ch, uint64_t now);
uint64_t mt_job_deadline(const struct mt_channel *ch);
void mt_job_message(struct mt_channel *ch, struct mt_payload *p, bool new_topic);
void mt_job_sample(struct mt_channel *ch, const struct mt_point *p, const struct mt_value *v);
void mt_job_published(struct mt_channel *ch, uint64_t token, const struct error *e);
void mt_job_lost(struct mt_channel *ch, const struct error *why);
void mt_write(struct driver_channel *base, const struct driver_write *w);
void mt_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg);
void mt_test(struct driver_channel *base, driver_test_done *done, void *arg);

/* browse.c */
bool mt_seen_message(struct mt_channel *ch, const struct mqtt_client_message *m, int64_t now_us); /* a new topic? */
const struct mt_seen *mt_seen_find(const struct mt_channel *ch, struct str topic);
void mt_seen_free(struct mt_channel *ch);
bool mt_browse_ready(const struct mt_channel *ch, const struct mt_job *j);
void mt_browse_answer(struct mt_channel *ch, struct mt_job *j);
void mt_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg);

extern const struct option mt_channel_options[], mt_device_options[], mt_point_options[];
