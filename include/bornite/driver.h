/* bornite/driver.h - the SDK for southbound drivers: a protocol in, samples out, writes back.
 *
 * A driver is one `const struct driver`: data (names, option tables, help) and a dozen functions. The host
 * (module collect) makes one channel object per configured channel, on a libuv loop that the channel
 * shares with many others. Compiles with nothing but this folder and uv.h; `struct error` is that of
 * base/error.h (a driver in the tree includes it; here it is only passed on).
 *
 * Threads   Every function below except the `_check`s and `describe` (pure, any thread) is called on
 *           the channel's loop thread, and every host function is to be called there too. So a driver
 *           never locks. Nothing may block: no DNS, no file, no sleep; I/O through uv handles only.
 * Time      host->now_us is UTC for samples, host->mono_ns for durations; timers are uv timers.
 * Desired   A channel is told the whole set of devices and points and works on it until it is closed:
 * state     it connects by itself, reconnects by itself (back-off 1 -> 60 s with jitter), and publishes
 *           a bad value with a reason for each point that it cannot read, once per loss, then goes on
 *           trying. A channel without points and without a pending call holds no connection.
 * Control   A write is sent at most once unless the driver knows that it was not carried out. Lost after
 *           sending means DRIVER_UNKNOWN, never a guess.
 * Once      Each asynchronous call completes exactly once, also when the channel is closed meanwhile
 *           (then before `closed`); it may complete before the function that started it returns. */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>
#include "bornite/sample.h"

#ifdef __cplusplus
extern "C" {
#endif

struct error; /* base/error.h */

/* ---- options: what a user sets on a channel, a device or a point --------------------------------- */

enum option_type {
    OPTION_STRING,   /* value.s; min, max: bytes */
    OPTION_INTEGER,  /* value.i */
    OPTION_NUMBER,   /* value.d */
    OPTION_BOOLEAN,  /* value.i 0 or 1 */
    OPTION_ENUM,     /* value.s: one of choices; value.i: its index */
    OPTION_DURATION, /* value.i: microseconds; in texts "500ms" "10s" "5m" "1h" "1d" */
    OPTION_SECRET,   /* value.s; never given out again */
};

struct option_choice {
    const char *value, *en, *zh; /* a table ends with value NULL */
};

/* One row of a table; a table ends with name NULL. The form in the UI, the check of the input, the
 * documentation and the defaults all come from this row. */
struct option {
    const char *name;
    enum option_type type;
    const char *en, *zh;           /* title */
    const char *help_en, *help_zh; /* a sentence, or NULL */
    const char *def;               /* default as text ("502", "1s", "true"), NULL: none */
    const char *min, *max;         /* inclusive, as text, NULL: none */
    const struct option_choice *choices; /* ENUM */
    const char *unit;              /* UCUM code for numbers, or NULL */
    const char *show_if;           /* "framing=rtu|rtu_tcp": shown and required only then; NULL: always */
    bool required;
};

struct option_value {
    bool set; /* given by the user or by a default */
    int64_t i;
    double d;
    const char *s; /* never NULL for a set STRING, ENUM, SECRET */
};

/* A checked bag: values[k] belongs to table[k]. {NULL, NULL} counts as all unset. */
struct options {
    const struct option *table;
    const struct option_value *values;
};

static inline const struct option_value *opt_find(const struct options *o, const char *name)
{
    if (o == NULL || o->table == NULL || o->values == NULL) return NULL;
    for (size_t k = 0; o->table[k].name != NULL; k++)
        if (strcmp(o->table[k].name, name) == 0) return o->values[k].set ? &o->values[k] : NULL;
    return NULL;
}
static inline int64_t opt_i64(const struct options *o, const char *name, int64_t def)
{
    const struct option_value *v = opt_find(o, name);
    return v ? v->i : def;
}
static inline double opt_double(const struct options *o, const char *name, double def)
{
    const struct option_value *v = opt_find(o, name);
    return v ? v->d : def;
}
static inline bool opt_bool(const struct options *o, const char *name, bool def)
{
    const struct option_value *v = opt_find(o, name);
    return v ? v->i != 0 : def;
}
static inline const char *opt_str(const struct options *o, const char *name, const char *def)
{
    const struct option_value *v = opt_find(o, name);
    return v && v->s ? v->s : def;
}
/* A duration, in the unit asked for. */
static inline int64_t opt_us(const struct options *o, const char *name, int64_t def_us) { return opt_i64(o, name, def_us); }
static inline int64_t opt_ms(const struct options *o, const char *name, int64_t def_ms)
{
    const struct option_value *v = opt_find(o, name);
    return v ? v->i / 1000 : def_ms;
}
/* Index in the table's choices. */
static inline int opt_enum(const struct options *o, const char *name, int def) { return (int)opt_i64(o, name, def); }

/* ---- points -------------------------------------------------------------------------------------- */

/* Type of the value in the device.
 *    name     text       bytes  English                     Chinese */
#define VALUE_TYPES(X)                                                                             \
    X(AUTO,    "auto",    0, "by the address",               "由地址决定")                         \
    X(BOOL,    "bool",    1, "bit",                          "位")                                 \
    X(INT8,    "int8",    1, "8-bit integer",                "8 位整数")                           \
    X(UINT8,   "uint8",   1, "8-bit unsigned integer",       "8 位无符号整数")                     \
    X(INT16,   "int16",   2, "16-bit integer",               "16 位整数")                          \
    X(UINT16,  "uint16",  2, "16-bit unsigned integer",      "16 位无符号整数")                    \
    X(INT32,   "int32",   4, "32-bit integer",               "32 位整数")                          \
    X(UINT32,  "uint32",  4, "32-bit unsigned integer",      "32 位无符号整数")                    \
    X(INT64,   "int64",   8, "64-bit integer",               "64 位整数")                          \
    X(UINT64,  "uint64",  8, "64-bit unsigned integer",      "64 位无符号整数")                    \
    X(FLOAT,   "float",   4, "32-bit float (IEEE 754)",      "32 位浮点数（IEEE 754）")            \
    X(DOUBLE,  "double",  8, "64-bit float (IEEE 754)",      "64 位浮点数（IEEE 754）")            \
    X(BCD16,   "bcd16",   2, "4-digit BCD",                  "4 位 BCD 码")                        \
    X(BCD32,   "bcd32",   4, "8-digit BCD",                  "8 位 BCD 码")                        \
    X(STRING,  "string",  0, "text",                         "字符串")
enum value_type {
#define X(name, text, bytes, en, zh) VALUE_##name,
    VALUE_TYPES(X)
#undef X
    VALUE_TYPE_COUNT
};

struct driver_device {
    uint32_t num;                  /* dense id of the device resource, >= 1; 0 in a test read */
    const char *code;              /* for logs and reasons */
    const struct options *options; /* device table; NULL: defaults */
};

/* Engineering value = raw * scale + offset; outside [lo, hi] it is uncertain with OUT_OF_RANGE. */
struct driver_point {
    uint32_t num;                  /* dense id, >= 1 and unique in the set; any in a test read */
    uint32_t device;               /* index into the devices of the same call */
    enum value_type type;
    const char *address;           /* as the user wrote it */
    const struct options *options; /* point table; NULL: defaults */
    uint32_t period_ms;            /* > 0 */
    double scale, offset;          /* 1, 0 when not wanted */
    double lo, hi;                 /* NAN: no limit */
};

/* What a driver finds in an address. */
struct driver_address {
    char canonical[96];            /* the same address in the driver's preferred form */
    enum value_type type;          /* never AUTO */
    bool writable;
};

/* ---- what comes back ------------------------------------------------------------------------------ */

enum driver_state {
    DRIVER_OFF,        /* nothing to do: no points, or closed */
    DRIVER_CONNECTING, /* first try, or trying again */
    DRIVER_UP,         /* connected, everything answers */
    DRIVER_DEGRADED,   /* connected, a part does not answer (a station, a block) */
    DRIVER_DOWN,       /* not connected; waiting for the next try */
};

#define DRIVER_REASON_MAX 200
struct driver_status {
    enum driver_state state;
    int64_t since_us;                        /* UTC of the last change of state */
    int64_t last_ok_us;                      /* UTC of the last good answer, 0: never */
    char reason[DRIVER_REASON_MAX], reason_zh[DRIVER_REASON_MAX]; /* "" when UP */
    uint32_t rtt_us;                         /* smoothed (1/8) */
    uint32_t points, connections;
    uint64_t requests, errors, timeouts, reconnects; /* errors: exceptions and broken answers */
    uint64_t polls, late;                    /* poll cycles done; begun late by more than a period */
    uint64_t samples, held;                  /* published; batches that had to wait for the sink */
    uint64_t writes, bytes_in, bytes_out;
};
struct driver_device_status {
    uint32_t num;
    enum driver_state state;
    char reason[DRIVER_REASON_MAX], reason_zh[DRIVER_REASON_MAX];
    uint32_t points, bad;
    int64_t last_ok_us;
};

/* A frame on the wire, for diagnostics; kept raw and put into words by driver->describe when asked. */
enum driver_dir { DRIVER_TX, DRIVER_RX };
struct driver_frame {
    int64_t time_us;
    enum driver_dir dir;
    uint8_t format;            /* the driver's own: which framing `describe` should assume */
    uint16_t link;             /* which of the channel's connections, 0: the only one */
    const uint8_t *bytes;
    size_t n;                  /* may be cut by the host */
    const struct error *error; /* NULL: a good frame; else what was wrong with it */
};

enum driver_outcome {
    DRIVER_DONE,    /* the device confirmed it */
    DRIVER_REFUSED, /* the device or the driver said no; nothing was changed */
    DRIVER_FAILED,  /* not carried out: never sent */
    DRIVER_UNKNOWN, /* sent, no answer: may or may not have been carried out */
    DRIVER_EXPIRED, /* the deadline passed before it was sent; nothing was changed */
};
struct driver_write_result {
    enum driver_outcome outcome;
    const struct error *error;      /* why, NULL for DONE; dies with the callback */
    bool has_readback;
    struct sample readback;         /* read after the write (SAMPLE_STRING: see text) */
    const char *text;               /* read-back of a string */
    size_t text_len;
    uint32_t ms;
};
typedef void driver_write_done(void *arg, const struct driver_write_result *r);

struct driver_write {
    uint32_t point;                 /* a point of the channel's set */
    struct sample value;            /* in engineering units; type DOUBLE, INT, BOOL, or STRING with text */
    const char *text;
    size_t text_len;
    uint64_t deadline_ns;           /* host->mono_ns after which it must not be sent any more; 0: none */
    driver_write_done *done;
    void *arg;
};

struct driver_reading {
    struct sample sample;           /* quality and reason inside; point = the num given */
    const char *text;               /* SAMPLE_STRING */
    size_t text_len;
    const uint8_t *raw;             /* the bytes of the value as they came */
    size_t raw_len;
    const struct error *error;      /* why the quality is bad, or NULL */
    uint32_t ms;
};
/* Readings stand in the order of the points asked; all memory dies with the callback. */
typedef void driver_read_done(void *arg, const struct driver_reading *r, size_t n);
/* e NULL: connected (and an answer came where the protocol has a harmless request). */
typedef void driver_test_done(void *arg, const struct error *e, uint32_t ms, const char *detail_en, const char *detail_zh);
/* What stands below a node of a device: a folder, a variable, a topic, a code that has been seen. */
struct driver_browse_item {
    const char *node;               /* to browse below it */
    const char *name, *description; /* description "" or NULL: none */
    const char *address;            /* of a point; NULL: a mere folder */
    enum value_type type;           /* AUTO when not known */
    const char *value;              /* as text, when it was read; or NULL */
    const char *unit;               /* as the device tells it, or NULL */
    bool children, writable;
    double lo, hi;                  /* range of the value as the device tells it; both 0: it does not */
};
/* Memory dies with the callback. next: pass it on for more, NULL: all told. */
typedef void driver_browse_done(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                                const char *next);
/* What a device keeps of the past of one point (a historian, a logger), from <= time < to, oldest first. */
struct driver_history {
    const struct driver_point *point;
    int64_t from_us, to_us;         /* UTC */
    const char *aggregate;          /* "average" …: the device computes one value for each interval; NULL: what was recorded */
    int64_t interval_us;            /* of the aggregate */
    const char *cursor;             /* `next` of the page before; NULL: the first page */
    size_t max;                     /* values of a page, at most; the device may give fewer */
};
/* Quality and time inside the samples. Memory dies with the callback. next: there is more, NULL: all told. */
typedef void driver_history_done(void *arg, const struct error *e, const struct driver_reading *r, size_t n, const char *next);
/* What answers at the place that the options of a channel name, before there is a channel: servers and their endpoints. */
struct driver_found {
    const char *name, *description; /* description "" or NULL: none */
    const char *options;            /* JSON object: options of a channel that lead there */
};
/* Memory dies with the callback. */
typedef void driver_discover_done(void *arg, const struct error *e, const struct driver_found *items, size_t n);
typedef void driver_closed(void *arg);

/* ---- the host's side ------------------------------------------------------------------------------ */

enum driver_log { DRIVER_LOG_DEBUG, DRIVER_LOG_INFO, DRIVER_LOG_WARN, DRIVER_LOG_ERROR };

/* Lives at least as long as the channel; all functions only on the loop's thread, none blocks. */
struct driver_host {
    uv_loop_t *loop;
    void *ctx;
    const char *name;               /* the channel's code, for logs */
    bool trace;                     /* frame() wants every frame, not only the failed ones; may change any time */
    /* Take a batch (copied): one poll, one time stamp, one call. 0, or ERR_AGAIN when the path is full:
     * nothing was taken; the driver keeps the batch, stops polling and offers it again. */
    int (*publish)(void *ctx, const struct sample *s, size_t n);
    /* Id for a text (at most 64 KiB); call only when the text changed. 0 or a negative error. */
    int (*intern)(void *ctx, const char *p, size_t n, uint64_t *ret_id);
    int64_t (*now_us)(void *ctx);
    uint64_t (*mono_ns)(void *ctx);
    uint64_t (*random)(void *ctx);  /* for jitter */
    /* msg is a constant sentence, kv "key=value ..." or NULL; the host adds the channel. */
    void (*log)(void *ctx, enum driver_log level, const char *msg, const char *kv);
    void (*frame)(void *ctx, const struct driver_frame *f);           /* copied; may be NULL */
    void (*state)(void *ctx, enum driver_state s, const struct error *why); /* after each change; may be NULL */
    /* Keep a waveform, a picture, a document (at most 16 MiB; `type`: its media type) that will be the value of a sample
     * of this point and time (SAMPLE_BLOB). 0 or a negative error. May be NULL: then none are kept. */
    int (*blob)(void *ctx, uint32_t point, int64_t time_us, const char *type, const void *p, size_t n, uint64_t *ret_id);
    /* For protocols that acknowledge: is what was published on disk? mark gives a ticket for all that was published so
     * far; kept(ticket), asked every few milliseconds: 1 it is, 0 not yet, negative: some may be lost, so do not
     * acknowledge it. NULL: taken by publish is all that can be known. */
    uint64_t (*mark)(void *ctx);
    int (*kept)(void *ctx, uint64_t ticket);
    /* This node's own certificate for a purpose ("opcua"): made on first use and kept over restarts; PEM, alive as long as
     * the channel. 0 or an error; ERR_AGAIN: it is being made, ask again in a moment. May be NULL. */
    int (*identity)(void *ctx, const char *purpose, const char **ret_cert_pem, const char **ret_key_pem);
    /* Is a peer's certificate (DER) trusted for the purpose? 1: an administrator said so; 0: not yet, it is listed now for
     * him to decide; ERR_FORBIDDEN: he said no. Never blocks; what a chain proves is the caller's to check. May be NULL. */
    int (*trust)(void *ctx, const char *purpose, const void *der, size_t n);
};

/* First member of a driver's own channel object. */
struct driver_channel {
    const struct driver *driver;
    const struct driver_host *host;
};

/* ---- the driver ----------------------------------------------------------------------------------- */

struct driver {
    const char *name;               /* "modbus_tcp": stored in channels, never changes */
    const char *en, *zh;            /* title */
    const char *help_en, *help_zh;
    const struct option *channel_options, *device_options, *point_options; /* NULL: none */
    const char *address_en, *address_zh; /* how an address is written, a few lines */
    const char *const *examples;    /* addresses, NULL-terminated */
    bool on_change;                 /* values come when they change, and the driver itself tells what is stale by its quality:
                                     * an old value is none that is late */

    /* Pure, any thread. Is the address (with p->type and p->options) right? `device` are the options of
     * its device (may be NULL). ret may be NULL. The text says what is wrong and gives a right example. */
    int (*address_check)(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e);
    /* Pure, any thread. What the tables cannot say of the options of a channel, of a device: a URL that cannot be read, a
     * pattern, two options that exclude each other. Asked before they are stored; e->where is the option's name. NULL: the
     * tables say all. */
    int (*channel_check)(const struct options *channel, struct error *e);
    int (*device_check)(const struct options *device, struct error *e);
    /* Make a channel. The options are copied where needed; nothing is connected yet. 0 or an error. */
    int (*channel_open)(const struct driver_host *host, const struct options *channel, struct driver_channel **ret,
                        struct error *e);
    /* The whole desired set; replaces the former one. Idempotent: what did not change goes on without
     * a gap and without a new connection. Arrays and texts belong to the caller and die after the call
     * (options too). A point that cannot be served is published once as bad, CONFIG_ERROR. Only
     * ERR_NOMEM fails the call; the old set then stays. */
    int (*channel_set)(struct driver_channel *ch, const struct driver_device *devices, size_t ndevices,
                       const struct driver_point *points, size_t npoints, struct error *e);
    /* Asynchronous; *w is copied (text too). Not connected counts as FAILED after one try to connect. */
    void (*write)(struct driver_channel *ch, const struct driver_write *w);
    /* Read these points once, now, whether they are in the set or not; nothing is published. Connects
     * when needed. Arguments are copied. At most 1000 points; more, or out of memory: done with n = 0. */
    void (*read)(struct driver_channel *ch, const struct driver_device *device, const struct driver_point *points,
                 size_t npoints, driver_read_done *done, void *arg);
    /* Connect (at once, whatever the back-off says; an existing connection counts) and tell how it went. */
    void (*test)(struct driver_channel *ch, driver_test_done *done, void *arg);
    /* A copy of the figures. */
    void (*status)(const struct driver_channel *ch, struct driver_status *ret);
    /* Figures of up to `max` devices of the set, in its order; returns how many. */
    size_t (*devices)(const struct driver_channel *ch, struct driver_device_status *ret, size_t max);
    /* Stop: pending calls complete (CANCELLED, or UNKNOWN for a write on its way), handles close, then
     * `closed` is called once from the loop (never inside this call) and the channel is gone. Publishes
     * nothing more. */
    void (*close)(struct driver_channel *ch, driver_closed *closed, void *arg);
    /* Pure, any thread. A frame in words, terminated, cut to cap. */
    void (*describe)(const struct driver_frame *f, char *en, char *zh, size_t cap);
    /* What the device offers below `node` ("" at the top), from `cursor` (NULL: the beginning), at most `max` items.
     * Connects when needed; arguments are copied. `device` as in `read`. NULL: the protocol tells nothing. */
    void (*browse)(struct driver_channel *ch, const struct driver_device *device, const char *node, const char *cursor,
                   size_t max, driver_browse_done *done, void *arg);
    /* A page of what the device keeps of a point's past; nothing is published. Connects when needed; *h is copied.
     * history_aggregates: names that h->aggregate may have, NULL-terminated. NULL: the protocol has no history. */
    void (*history)(struct driver_channel *ch, const struct driver_history *h, driver_history_done *done, void *arg);
    const char *const *history_aggregates;
    /* Ask who is there; no session is needed for it. NULL: the protocol has no discovery. */
    void (*discover)(struct driver_channel *ch, driver_discover_done *done, void *arg);
    /* For captures: the port by which Wireshark knows the protocol, and whether it is UDP. Several connections of a
     * channel are told apart by driver_frame.link. 0: frames are no network bytes (no capture). */
    uint16_t wire_port;
    bool wire_udp;
};

#ifdef __cplusplus
}
#endif
