/* socket_int.h - the inside of the raw TCP/UDP driver.
 *
 * A channel is one way in: a TCP client (one link), a TCP listener (a link a connection), a UDP socket (a link a peer). Bytes
 * of a link become frames (proto/frame_spec.h), checked (proto/checksum.h), then belong to devices, and points take their
 * values out of them (proto/field_spec.h). Who does what:
 *   table.c   option tables, the driver's row, addresses
 *   config.c  options -> struct sk_config, struct sk_device, struct sk_point
 *   set.c     the desired set, and the way to it from the running one
 *   link.c    connecting, listening, connections that come and go, bytes out
 *   frame.c   bytes -> frames -> devices -> samples; back-pressure
 *   job.c     write, test read, connection test
 *   browse.c  the last frames and what could be read from them
 *   channel.c open, the timer, states, closing
 *
 * Which device a frame belongs to: `any` every frame is everybody's (points choose by conditions); `address` by the peer;
 * `field` by a field of each frame; `first` by a field of the connection's first frame that has it.
 * A test read adds a device of its own (`job` set) to the list while it runs, so that it logs in, asks and is matched as
 * all others. Memory: no allocation a frame but JSON's arena, which is reset. */
#pragma once
#include "base/buf.h"
#include "base/mem.h"
#include "drivers/common/convert.h"
#include "drivers/common/poll.h"
#include "drivers/common/socket_options.h"
#include "drivers/common/wake.h"
#include "drivers/socket/driver.h"
#include "io/tls_server.h"
#include "io/udp_port.h"
#include "proto/byte_template.h"
#include "proto/checksum.h"
#include "proto/field_spec.h"
#include "proto/frame_spec.h"

#define SK_SEEN 8
#define SK_SEEN_BYTES 4096
#define SK_TEXT_MAX 4096 /* of a value */
#define NS_MS 1000000ull

enum sk_mode { SK_TCP_CLIENT, SK_TCP_SERVER, SK_UDP_CLIENT, SK_UDP_SERVER };
enum sk_identify { SK_ANY, SK_ADDRESS, SK_FIELD, SK_FIRST };
enum sk_time { SK_TIME_UNIX, SK_TIME_ISO, SK_TIME_DIGITS };

struct sk_config {
    enum sk_mode mode;
    char host[256], address[64], group[64], interface[64], place[280];
    uint16_t port, local_port;
    struct ip_list allow;
    unsigned max_links;
    struct frame_spec frame;
    uint32_t gap_ms, connect_ms;
    struct checksum_spec sum;
    enum sk_identify identify;
    struct field *identity;
    char separator[8];
    struct backoff backoff;
    struct socket_tls tls;
};

struct sk_seen { /* a frame that came */
    int64_t time_us;
    size_t n; /* kept; the frame may have been longer */
    char peer[72];
    uint8_t bytes[SK_SEEN_BYTES];
};
struct sk_ring {
    struct sk_seen *at[SK_SEEN]; /* allocated when needed */
    unsigned next;
};

struct sk_link;
struct sk_read;
struct sk_device {
    struct sk_device *next;
    uint32_t num;
    char code[64], peer[72], id[128];
    struct byte_template *login, *request, *ack; /* NULL: none */
    struct condition *select;                    /* NULL: all frames */
    struct field *time;                          /* NULL: the time of arrival */
    enum sk_time time_format;
    int64_t utc_offset_us;
    uint32_t period_ms, timeout_ms, silence_ms, write_ms;
    size_t first, npoints;  /* of the channel's points */
    struct sk_link *link;   /* where it was heard last; NULL: it is not there */
    bool logged_in;
    uint64_t request_ns, answer_ns, heard_ns; /* next request; until when its answer should be here, 0: none is awaited */
    uint64_t seq;
    bool lost, lost_due;    /* its points were told bad; are to be */
    int64_t last_ok_us;
    struct error trouble;   /* code 0: none */
    struct error config;    /* a wrong option or address */
    uint32_t bad_config;
    struct sk_ring seen;
    struct sk_read *job;    /* of a test read; not in the set */
};

struct sk_point {
    uint32_t num;
    struct driver_point p; /* type, scale, offset, range; texts are not kept */
    struct field *field;
    struct condition *select;
    struct byte_template *write;
    struct condition *confirm, *refused;
    enum value_type type;
    bool wrong, told; /* configured wrong; and that was told */
    struct sample last;
    struct buf text; /* last text and its id */
    uint64_t text_id;
    bool text_known;
    uint64_t key; /* of address and options: the same point keeps its value */
};

struct sk_link {
    struct sk_link *next, *prev;
    struct sk_channel *ch;
    struct tls_stream *stream; /* NULL: UDP */
    char host[64];
    uint16_t port, number;     /* number: driver_frame.link */
    bool up, closing, said_hello;
    struct sk_device *device;  /* once known (ADDRESS, FIRST; a guess for FIELD) */
    struct frame_state frame;
    uint64_t heard_ns, idle_ns; /* idle_ns: when silence ends a frame (IDLE); 0: nothing waits */
    struct buf rx;
};

struct sk_write {
    struct sk_write *next;
    uint32_t point, device;
    uint64_t began_ns, deadline_ns, until_ns;
    bool sent;
    struct sample value;
    char *text;
    size_t text_n;
    driver_write_done *done;
    void *arg;
};
struct sk_read {
    struct sk_read *next;
    struct sk_device *device;
    struct sk_point *points;
    struct driver_reading *readings;
    struct error *errors;
    struct arena a;
    size_t n, left;
    uint64_t began_ns, until_ns;
    driver_read_done *done;
    void *arg;
};
struct sk_test {
    struct sk_test *next;
    uint64_t began_ns;
    driver_test_done *done;
    void *arg;
};

enum sk_conn { SK_IDLE, SK_OPENING, SK_UP, SK_CLOSING };
struct sk_channel {
    struct driver_channel base; /* first */
    struct sk_config cfg;
    struct driver_status st;
    struct sk_device *devices; /* in the order of the set; those of test reads at the end */
    struct sk_point *points;
    size_t npoints;
    struct sample *batch;
    size_t batch_n;  /* > 0: waits for the sink */
    bool batch_held;
    enum sk_conn conn; /* the client's link, the listener, the socket */
    struct tls_listener *listener;
    struct udp_port *udp;
    struct sk_link *links;
    unsigned nlinks, link_number;
    struct sk_ring strangers; /* frames of nobody */
    struct sk_write *writes;
    struct sk_read *reads;
    struct sk_test *tests;
    uint64_t retry_ns, wake_ns, up_ns;
    bool closing, connect_now, proved; /* proved: a frame came since it was opened */
    unsigned handles; /* that are still open */
    struct error why;
    uv_timer_t timer;
    struct arena a; /* of one frame */
    driver_closed *closed;
    void *closed_arg;
};

/* config.c */
int sk_channel_check(const struct options *o, struct error *e);
int sk_device_check(const struct options *o, struct error *e);
int sk_config_read(struct sk_config *c, const struct options *o, struct error *e);
void sk_config_free(struct sk_config *c);
/* ERR_INVALID: where names the option; what was right is kept. */
int sk_device_read(struct sk_device *d, const struct driver_device *dd, const struct options *o, struct error *e);
void sk_device_free(struct sk_device *d); /* NULL too */
int sk_point_read(struct sk_point *k, const struct driver_point *p, struct error *e);
void sk_point_fini(struct sk_point *k);
bool sk_separator(struct str text, char *ret, size_t cap);

/* set.c */
int sk_set(struct sk_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points, size_t np,
           struct error *e);
void sk_set_free(struct sk_channel *ch);
/* The device of the set that these options tell (test reads and browsing have no number); NULL: none. */
struct sk_device *sk_twin(struct sk_channel *ch, const struct options *device);
struct sk_point *sk_find_point(struct sk_channel *ch, uint32_t num, struct sk_device **ret_device);

/* channel.c */
uint64_t sk_now(const struct sk_channel *ch);
int64_t sk_utc(const struct sk_channel *ch);
void sk_wake_at(struct sk_channel *ch, uint64_t ns);
void sk_pump(struct sk_channel *ch);
void sk_state(struct sk_channel *ch, enum driver_state s, const struct error *why);
void sk_refresh(struct sk_channel *ch); /* the state after a change of links or troubles */
void sk_trace(struct sk_channel *ch, const struct sk_link *l, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e);
void sk_handle_closed(void *arg); /* of a channel: one handle less */
bool sk_wanted(const struct sk_channel *ch);
bool sk_server(const struct sk_channel *ch);
void sk_device_lost(struct sk_channel *ch, struct sk_device *d, const struct error *why);

/* link.c */
void link_open_way(struct sk_channel *ch);
void link_close_way(struct sk_channel *ch); /* and all links */
void link_drop(struct sk_link *l, const struct error *why);
void link_sweep(struct sk_channel *ch);
/* Devices that can be told before anything was heard; fresh: the link has just come up. */
void link_attach(struct sk_link *l, bool fresh);
int link_send(struct sk_link *l, const uint8_t *p, size_t n);
int link_send_template(struct sk_link *l, struct sk_device *d, const struct byte_template *t, const struct template_values *v,
                       struct error *e);
void link_reading(struct sk_channel *ch, bool on);
void link_greet(struct sk_link *l, struct sk_device *d); /* the device's login text, once a link */

/* frame.c */
void frame_bytes(struct sk_link *l, const uint8_t *p, size_t n);
void frame_datagram(struct sk_link *l, const uint8_t *p, size_t n);
void frame_silence(struct sk_link *l);       /* the gap of IDLE is over */
void frame_go_on(struct sk_channel *ch);     /* the sink has room again: what waits in links */
bool frame_publish(struct sk_channel *ch);   /* the batch; false: it is held */
/* One point out of one frame; 0, ERR_NOT_FOUND (the frame does not carry it), ERR_INVALID (bad, with the reason). */
int frame_value(struct sk_point *k, struct field_frame *fr, struct arena *a, struct sample *s, struct str *ret_text, struct error *e);
struct field_frame frame_view(struct sk_channel *ch, const uint8_t *p, size_t n);
bool frame_matches(struct sk_channel *ch, const struct sk_link *l, const struct sk_device *d, struct field_frame *fr);
int frame_time(const struct sk_device *d, struct field_frame *fr, int64_t *ret_us, struct error *e);

/* job.c */
void job_write(struct driver_channel *base, const struct driver_write *w);
void job_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points, size_t n,
              driver_read_done *done, void *arg);
void job_test(struct driver_channel *base, driver_test_done *done, void *arg);
void job_pump(struct sk_channel *ch, uint64_t now, uint64_t *wake);
void job_frame(struct sk_channel *ch, struct sk_device *d, struct field_frame *fr); /* a device's frame came */
void job_opened(struct sk_channel *ch);
void job_failed(struct sk_channel *ch, const struct error *e); /* the way in could not be opened */
void job_link_lost(struct sk_channel *ch, const struct sk_device *d);
void sk_job_cancel_all(struct sk_channel *ch);

/* browse.c */
void sk_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor, size_t max,
               driver_browse_done *done, void *arg);
void ring_add(struct sk_ring *r, int64_t time_us, const struct sk_link *l, const uint8_t *p, size_t n);
void ring_free(struct sk_ring *r);

/* channel.c, the driver's functions */
int sk_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e);
int sk_channel_set(struct driver_channel *base, const struct driver_device *devices, size_t nd, const struct driver_point *points,
                   size_t np, struct error *e);
void sk_close(struct driver_channel *base, driver_closed *closed, void *arg);
void sk_status(const struct driver_channel *base, struct driver_status *ret);
size_t sk_devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max);
