/* bornite/outlet.h - the SDK for northbound: points out, by a protocol, to whoever wants them.
 *
 * An outlet is one `const struct outlet`: data (names, option tables, help) and a dozen functions; the texts, options and
 * states are those of the driver SDK. The host (module forward) makes one channel object per configured forwarding, on a
 * libuv loop that it shares with others. Two sorts, and one outlet may be both:
 *   server   others come and ask or subscribe: it answers from host->current and tells changes
 *   sender   it goes to a receiver and hands over samples; what the receiver has not acknowledged is kept on disk
 *
 * Threads   every function but the _checks, address_default and describe (pure, any thread) is called on the channel's
 *           loop thread, and every host function is to be called there too. Nothing may block.
 * Samples   come as items: slot (index into the points of the last outlet_set), sample, text. The host has applied what
 *           the mapping says: scale and offset, deadband, shortest interval, heartbeat. Times are those of the source.
 * Buffer    with `buffered` every item is in a journal on disk before it is offered by `send`; a batch ends with exactly
 *           one host->sent(ticket). Not acknowledged means offered again: at least once, in order within LIVE and within
 *           BACKFILL; after an outage the newest go first (LIVE) and the older ones beside them (BACKFILL). Receivers
 *           take repeats: (point, time) is the key.
 *           Without `buffered` items are offered by `changed`, live only: take them or let them go.
 * Control   a write that comes in goes to host->write, never around it: rights, ranges, confirmation of the mapping and
 *           audit are the host's. Each call completes exactly once; lost means DRIVER_UNKNOWN.
 * Desired   the channel is told the whole set of points (outlet_set) and works on it until it is closed; it connects,
 * state     listens and comes back by itself (back-off 1 -> 60 s with jitter). */
#pragma once
#include "bornite/driver.h"

#ifdef __cplusplus
extern "C" {
#endif

struct outlet_point {
    uint32_t num;                  /* dense id of the point */
    const char *address;           /* as mapped, or the outlet's default for it; "" when the outlet has no addresses */
    enum value_type type;          /* wanted on the wire; AUTO: the outlet's choice */
    const struct options *options; /* point table; NULL: defaults */
    bool writable;                 /* the mapping and the point both allow writing */
    bool step;                     /* discrete: holds until the next value */
    double lo, hi;                 /* range on the wire (after scale and offset); NAN: none */
    const char *code, *name, *unit; /* unit: UCUM, "" none */
    const char *area, *device;     /* path of the area, code of the device; "" none */
};

struct outlet_item {
    uint32_t slot;                 /* index into the points of the set */
    struct sample sample;          /* value as it goes on the wire */
    const char *text;              /* SAMPLE_STRING: the text (may hold NULs) */
    size_t text_len;
};
enum outlet_flow { OUTLET_LIVE, OUTLET_BACKFILL };
#define OUTLET_BATCH 1000
#define OUTLET_BATCH_MAX 10000

/* What an outlet finds in an address. Two points of a channel may not share one: `key` is what must differ. */
struct outlet_address {
    char canonical[160];
    char key[160];                 /* registers that overlap are for outlet_set to find; "" : may be shared */
    enum value_type type;          /* never AUTO */
};

struct outlet_status {
    enum driver_state state;
    int64_t since_us, last_ok_us;  /* UTC of the last change; of the last thing that went well, 0: never */
    char reason[DRIVER_REASON_MAX], reason_zh[DRIVER_REASON_MAX];
    uint32_t rtt_us, points, connections, subscriptions;
    uint64_t requests, errors, timeouts, reconnects;
    uint64_t items;                /* handed over and acknowledged (sender), told or read (server) */
    uint64_t writes, bytes_in, bytes_out;
};
/* Who is connected, for the page of the forwarding. */
struct outlet_peer {
    char address[64], who[64];     /* who: user, client id or ""; */
    int64_t since_us;
    uint32_t subscriptions;        /* points or monitored items it watches */
    uint64_t items, bytes_in, bytes_out;
};

struct outlet_write {
    uint32_t slot;
    struct sample value;           /* as on the wire: the host undoes scale and offset; STRING with text */
    const char *text;
    size_t text_len;
    const char *peer;              /* "10.0.0.7:51022", for the audit */
    const char *user;              /* whom host->login let in; NULL or "": nobody, the rights of the forwarding count */
    driver_write_done *done;       /* readback in wire units */
    void *arg;
};

/* Stored samples of one point, oldest first, [from, to); at most max (1..10000). more: there are others after the last. */
typedef void outlet_history_done(void *arg, const struct error *e, const struct outlet_item *items, size_t n, bool more);
struct outlet_history {
    uint32_t slot;
    int64_t from_us, to_us;        /* from > to: newest first, [to, from] */
    size_t max;
    bool bounds;                   /* also the value in force at from, and the first one at or after to */
    outlet_history_done *done;
    void *arg;
};
/* Windows [from + i*step, from + (i+1)*step) of one point, up to to. */
struct outlet_window {
    int64_t from_us, to_us;
    double min, max, mean, sum, first, last, integral; /* mean: time-weighted; NAN: nothing usable */
    int64_t min_us, max_us;
    uint64_t count;
    double percent_good;
};
typedef void outlet_windows_done(void *arg, const struct error *e, const struct outlet_window *w, size_t n);
struct outlet_windows {
    uint32_t slot;
    int64_t from_us, to_us, step_us; /* at most 10000 windows */
    outlet_windows_done *done;
    void *arg;
};

/* An alarm in force or its change. */
struct outlet_alarm {
    const char *id;                /* of the alarm, the same through its life */
    uint32_t slot;                 /* its point; UINT32_MAX: not in the set (then it is not told) */
    const char *rule, *message_en, *message_zh;
    unsigned severity;             /* 1..1000 */
    bool active, acknowledged;
    int64_t active_us, changed_us;
    const char *who, *comment;     /* of the acknowledgement; "" */
};
typedef void outlet_alarms_done(void *arg, const struct error *e, const struct outlet_alarm *a, size_t n);
/* A call that only ends well or not. */
typedef void outlet_done(void *arg, const struct error *e);

/* Lives at least as long as the channel; only on the loop's thread; nothing blocks. Calls with `done` complete once, later,
 * on the same thread; after `close` was called they complete with ERR_CANCELLED before `closed` may be called, so a channel
 * that closes only has to wait for its own handles. */
struct outlet_host {
    uv_loop_t *loop;
    void *ctx;
    const char *name;               /* the forwarding's code */
    bool trace;                     /* frame() wants every frame, not only the failed ones */
    const char *node_name;          /* of this platform, for ids and application names */
    int64_t (*now_us)(void *ctx);
    uint64_t (*mono_ns)(void *ctx);
    uint64_t (*random)(void *ctx);
    void (*log)(void *ctx, enum driver_log level, const char *msg, const char *kv);
    void (*frame)(void *ctx, const struct driver_frame *f);
    void (*state)(void *ctx, enum driver_state s, const struct error *why);
    /* Current value of a point of the set, as on the wire; text: cap bytes, cut. false: none yet (sample: bad, time 0). */
    bool (*current)(void *ctx, uint32_t slot, struct sample *ret, char *text, size_t cap, size_t *ret_n);
    /* The batch of that ticket: e NULL: the receiver has it. Else it is offered again later; ERR_INVALID and
     * ERR_TOO_LARGE: the receiver will never take it: it is counted as refused, logged, and let go. */
    void (*sent)(void *ctx, uint64_t ticket, const struct error *e);
    /* After `send` said ERR_AGAIN: there is room again. */
    void (*ready)(void *ctx);
    void (*write)(void *ctx, const struct outlet_write *w);
    void (*history)(void *ctx, const struct outlet_history *q);
    void (*windows)(void *ctx, const struct outlet_windows *q);
    /* Add or correct samples: not offered (history is written by its owners). Alarms of the set in force; acknowledging. */
    void (*alarms)(void *ctx, outlet_alarms_done *done, void *arg);
    void (*alarm_ack)(void *ctx, const char *id, const char *user, const char *comment, outlet_done *done, void *arg);
    /* A user of the platform, by password. e NULL: he may read the points. */
    void (*login)(void *ctx, const char *user, const char *password, const char *peer, outlet_done *done, void *arg);
    /* Certificates of this node and of peers; as in the driver SDK. May be NULL. */
    int (*identity)(void *ctx, const char *purpose, const char **ret_cert_pem, const char **ret_key_pem);
    int (*trust)(void *ctx, const char *purpose, const void *der, size_t n);
    /* A small text of the outlet's own under a name, over restarts and changes of the options: settings that a peer has made.
     * keep: NULL forgets it; `done` (may be NULL) when that is on disk, or why it is not; the last of a name wins. At most
     * 32 names of 1 to 40 letters, digits and '_', 1000 bytes each. kept: what `keep` was given last, at once; also while the
     * channel is being opened. false: none, or it is longer than cap - 1. Both may be NULL: nothing is kept then. */
    void (*keep)(void *ctx, const char *name, const char *value, outlet_done *done, void *arg);
    bool (*kept)(void *ctx, const char *name, char *ret, size_t cap);
};

/* First member of an outlet's own channel object. */
struct outlet_channel {
    const struct outlet *outlet;
    const struct outlet_host *host;
};

struct outlet {
    const char *name;               /* "modbus_server": stored, never changes */
    const char *en, *zh;            /* title */
    const char *help_en, *help_zh;
    const struct option *channel_options, *point_options; /* NULL: none */
    bool server, sender;            /* at least one */
    bool buffered;                  /* samples go through the journal and `send` */
    unsigned batch_max;             /* items of a batch that `send` takes, up to OUTLET_BATCH_MAX; 0: OUTLET_BATCH */
    bool needs_address;             /* each mapping names its address: address_default is NULL then */
    const char *address_en, *address_zh; /* how an address is written, a few lines; NULL: there are none */
    const char *const *examples;    /* addresses, NULL-terminated; NULL: none */

    /* Pure, any thread. Is the address right for this point with these options? NULL when there are no addresses. */
    int (*address_check)(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret, struct error *e);
    /* Pure, any thread. The address of a point without one. `at`: 0, 1, 2 … in order of codes; *next is 0 at first and the
     * outlet's own (a register counter). 0, or an error when the room is used up. With needs_address it is used only for
     * the suggestion of a mapping (POST …:assign). NULL: no addresses. */
    int (*address_default)(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret, size_t cap, struct error *e);
    /* Pure, any thread. What the table cannot say of the options: a URL that cannot be read, a template, two options that
     * exclude each other. Asked before they are stored; e->where is the option's name. NULL: the table says all. */
    int (*channel_check)(const struct options *channel, struct error *e);
    /* Pure, any thread. Of `buffered` ones: does anybody acknowledge, with these options? If not, nothing is journalled: items
     * are offered by `send` as they come, and what it does not take soon is gone. NULL: yes. */
    bool (*channel_acknowledges)(const struct options *channel);
    /* The options are copied where needed; nothing is opened yet. */
    int (*channel_open)(const struct outlet_host *host, const struct options *channel, struct outlet_channel **ret, struct error *e);
    /* The whole desired set; replaces the former one: slots are indices into it. Idempotent; what did not change goes on
     * without a gap. Everything is the caller's and dies after the call (copy what is kept). Points that clash are left
     * out and told in the status. Only ERR_NOMEM fails the call. */
    int (*channel_set)(struct outlet_channel *ch, const struct outlet_point *points, size_t n, struct error *e);
    /* A batch (at most batch_max items, 256 KiB of text), oldest first; copied where needed. 0: taken, host->sent will tell;
     * ERR_AGAIN: not now (not connected, or enough is under way): host->ready when it may come again; it is tried every
     * second in any case, whatever state the outlet told. Buffered ones. */
    int (*send)(struct outlet_channel *ch, const struct outlet_item *items, size_t n, enum outlet_flow flow, uint64_t ticket);
    /* Live changes, for servers and for what needs no buffer; NULL: not wanted. */
    void (*changed)(struct outlet_channel *ch, const struct outlet_item *items, size_t n);
    /* An alarm of a point of the set began, ended or was acknowledged; NULL: not wanted. */
    void (*alarm)(struct outlet_channel *ch, const struct outlet_alarm *a);
    /* Server: is it listening, and where; sender: connect and tell how it went. */
    void (*test)(struct outlet_channel *ch, driver_test_done *done, void *arg);
    void (*status)(const struct outlet_channel *ch, struct outlet_status *ret);
    size_t (*peers)(const struct outlet_channel *ch, struct outlet_peer *ret, size_t max); /* returns how many; NULL: none */
    /* Stop: pending calls complete, handles close, then `closed` once from the loop (never inside this call). */
    void (*close)(struct outlet_channel *ch, driver_closed *closed, void *arg);
    /* Pure, any thread. A frame in words. */
    void (*describe)(const struct driver_frame *f, char *en, char *zh, size_t cap);
    uint16_t wire_port;             /* as in struct driver */
    bool wire_udp;
};

#ifdef __cplusplus
}
#endif
