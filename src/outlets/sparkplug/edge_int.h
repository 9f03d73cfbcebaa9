/* edge_int.h - the inside of the Sparkplug B edge node (sender, buffered).
 *
 * One channel = one connection to a broker = one edge node; devices are those of the addresses.
 *   table.c    option tables, addresses, figures, the outlet's row
 *   set.c      the points: metrics and devices, types
 *   conn.c     connecting, subscriptions, primary host, the way out, closing
 *   message.c  births, deaths, data as payloads
 *   send.c     batches, and how they are known to have arrived
 *   command.c  commands that come in
 *
 * Life    each connection is a life of its own (bdSeq); its NDEATH is the will. Births go out when the subscriptions
 * are granted and, where one is named, the primary host is online; what is offered before is put off (ERR_AGAIN). Queue
 * messages are numbered when they are made and go out in that order; the queue keeps what the socket does not take yet.
 * Arrival Sparkplug's data are QoS 0: nothing answers them. Behind each batch goes a fence, an UNSUBSCRIBE of a filter
 * that nobody has: a broker handles the packets of a connection in their order, so its UNSUBACK says that it has had
 *         all data before it. Only then a batch is `sent`. A connection that is lost before leaves the batch in the
 *         journal, and it is offered again; hosts take the repeats. */
#pragma once
#include "base/mem.h"
#include "base/str.h"
#include "drivers/common/mqtt_options.h"
#include "outlets/sparkplug/outlet.h"
#include "proto/sparkplug_edge.h"

#define NS_MS 1000000ull
#define NS_S 1000000000ull
#define SE_BATCHES 8 /* under way */
#define SE_PAYLOAD_MAX (16u << 20)
#define SE_DATA_BYTES (32u << 10)  /* a data message is ended at about so much */
#define SE_QUEUE_BYTES (32u << 20) /* births come on top */
#define SE_TEXT_MAX 65536

enum { SE_LAYOUT_DEVICE, SE_LAYOUT_FLAT };

struct se_metric {
    char *name, *title, *unit;
    uint64_t alias;   /* the point's number (and the how manieth of it), so that it means the same after a change */
    uint32_t device;  /* index */
    uint32_t next;    /* index + 1, of the same device */
    uint8_t datatype; /* of the last birth */
    uint8_t want;     /* enum value_type */
    bool writable;
    bool poor; /* the last value that went out was not good */
    double lo, hi;
};
struct se_device {
    char *name;     /* the first one is the node itself, "" */
    bool told;      /* its birth went out in this life */
    uint32_t first; /* metric, index + 1 */
};
struct se_out { /* a message on its way, or a fence */
    struct se_out *next;
    uint64_t fence; /* token; 0: a message */
    uint32_t items;
    size_t topic_n, n;
    bool last; /* after it the connection ends */
    char bytes[];
};
struct se_batch {
    uint64_t ticket, fence;
    uint32_t items;
};
struct se_test {
    struct se_test *next;
    driver_test_done *done;
    void *arg;
    uint64_t began_ns;
};

enum se_conn { SE_IDLE, SE_CONNECTING, SE_SUBSCRIBING, SE_WAITING, SE_BORN, SE_LEAVING };

struct se_channel {
    struct outlet_channel base; /* first */
    struct mqtt_settings *mqtt;
    char group[256], node[256], primary[256];
    bool aliases, opc_quality;
    struct outlet_status st;
    enum se_conn conn;
    struct mqtt_client *client;
    struct spb_edge edge;
    uint64_t retry_ns, up_ns, wake_ns, used_ns, birth_ns, token;
    bool closing, timer_open, client_open, pumping, again, connect_now, trial, refused, rebirth;
    bool primary_known, primary_online;
    int64_t primary_ms; /* time of the last STATE */
    struct error why;
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;

    struct se_metric *metrics;
    size_t nmetrics;
    struct se_device *devices;
    size_t ndevices;

    struct se_out *queue, **tail;
    size_t queued;
    struct se_batch batches[SE_BATCHES];
    unsigned nbatches;
    struct se_test *tests;
    unsigned writes; /* at the host */
    struct buf payload;
    char *text; /* SE_TEXT_MAX */
};

/* table.c */
struct se_address {
    struct str device, metric;
};
int se_address_parse(struct str text, struct se_address *ret, struct error *e);

/* set.c */
int se_set(struct se_channel *ch, const struct outlet_point *points, size_t n, bool *ret_changed, struct error *e);
void se_set_free(struct se_channel *ch);
uint8_t se_type_of(const struct se_metric *m, const struct sample *s); /* the type that the metric needs for it */

/* conn.c */
uint64_t se_now(const struct se_channel *ch);
int64_t se_utc(const struct se_channel *ch);
void se_pump(struct se_channel *ch);
int se_channel_check(const struct options *o, struct error *e);
int se_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e);
void se_close(struct outlet_channel *base, driver_closed *closed, void *arg);
void se_test(struct outlet_channel *base, driver_test_done *done, void *arg);
/* Into the queue; the payload is taken from ch->payload and ended with its number. ERR_NOMEM, ERR_TOO_LARGE. */
int se_post(struct se_channel *ch, enum spb_message type, uint32_t device, uint32_t items);
int se_fence(struct se_channel *ch, uint64_t *ret_token);
void se_fail(struct se_channel *ch, const struct error *why); /* the connection is given up */
void se_maybe_free(struct se_channel *ch);                    /* when closing, after the last of what was pending */

/* message.c */
int se_births(struct se_channel *ch);                        /* NBIRTH, DBIRTHs */
int se_device_death(struct se_channel *ch, uint32_t device); /* DDEATH, if it was told */
void se_data_begin(struct se_channel *ch);
void se_data_add(struct se_channel *ch, uint32_t slot, const struct sample *s, struct str text, bool historical);
/* The current value once more. */
void se_tell(struct se_channel *ch, uint32_t slot, const struct sample *s, struct str text);

/* send.c */
int se_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
            uint64_t ticket);
void se_fenced(struct se_channel *ch, uint64_t token);
void se_batches_lost(struct se_channel *ch, const struct error *e);

/* command.c */
void se_command(struct se_channel *ch, const struct spb_topic *t, struct str payload);
