/* sender_int.h - the inside of the raw TCP/UDP sender.
 *
 *   table.c    option tables, addresses, the row
 *   message.c  items -> bytes: texts (outlets/common/payload.h) with a delimiter or a length in front, or the binary image of
 *              all points (proto/field_spec.h), with a check
 *   sender.c   the way out, the queue of what is under way, acknowledgements, closing
 *
 * Text    a batch is one message, or one a value.
 * Binary  all points have places in one frame of fixed length; a change goes into the image, and the image goes out after
 *         each batch and on a period. What comes late (backfill) has no place in it and is let go.
 * Done    a batch is acknowledged: TCP client with `ack`, when that text has come for each of its messages; without, when the
 *         socket has taken all of it and the connection still stands (what a machine loses after that is lost); TCP server
 *         and UDP, at once. */
#pragma once
#include "base/buf.h"
#include "base/mem.h"
#include "drivers/common/poll.h"
#include "drivers/common/wake.h"
#include "io/tls_server.h"
#include "drivers/common/socket_options.h"
#include "io/udp_port.h"
#include "outlets/common/payload.h"
#include "outlets/common/points.h"
#include "outlets/socket/outlet.h"
#include "proto/checksum.h"
#include "proto/field_spec.h"
#include "proto/frame_spec.h"

#define SO_MESSAGE_MAX (4u << 20)
#define SO_DATAGRAM_MAX 60000
#define SO_FRAME_MAX 4096
#define SO_UNDER_WAY 8
#define NS_MS 1000000ull

enum so_mode { SO_TCP_CLIENT, SO_TCP_SERVER, SO_UDP };
enum so_content { SO_TEXT, SO_BINARY };
enum so_framing { SO_DELIMITER, SO_LENGTH, SO_BARE };

struct so_config {
    enum so_mode mode;
    enum so_content content;
    enum so_framing framing;
    char host[256], address[64], interface[64], place[280];
    uint16_t port, local_port;
    unsigned ttl, max_peers;
    struct ip_list allow;
    bool single, greet; /* one message a value; whoever connects gets all values */
    struct frame_mark start, end, ack;
    uint8_t length_size;
    bool length_little;
    int32_t length_adjust;
    uint8_t frame[SO_FRAME_MAX]; /* the empty image */
    size_t frame_n;
    struct checksum_spec sum;
    uint32_t connect_ms, ack_ms, period_ms;
    struct backoff backoff;
    struct socket_tls tls;
};

struct so_slot {
    struct field *field; /* NULL: none, or it clashes */
};
struct so_peer { /* who has connected */
    struct so_peer *next, *prev;
    struct so_sender *ch;
    struct tls_stream *stream;
    bool up, closing;
    int64_t since_us;
    uint64_t items, bytes_out, bytes_in;
};
struct so_batch { /* under way */
    uint64_t ticket;
    unsigned messages; /* whose acknowledgement is awaited */
    size_t items;
    uint64_t until_ns;
    int failed; /* what the host is told at the next turn; 0: nothing yet */
};

enum so_conn { SO_IDLE, SO_OPENING, SO_UP, SO_CLOSING };
struct so_sender {
    struct outlet_channel base; /* first */
    struct so_config cfg;
    struct payload *payload;
    struct outlet_points points;
    struct so_slot *slots;
    uint8_t image[SO_FRAME_MAX];
    struct outlet_status st;
    enum so_conn conn;
    struct tls_stream *stream;
    struct tls_listener *listener;
    struct udp_port *udp;
    struct so_peer *peers;
    unsigned npeers, npeers_up;
    struct so_batch way[SO_UNDER_WAY];
    unsigned nway;
    bool refused, closing, connect_now, proved, image_due, choked; /* choked: bytes of the batch were not taken */
    uint64_t retry_ns, wake_ns, period_ns, up_ns;
    struct buf in, out;  /* what came behind the last acknowledgement; one message */
    struct so_test *tests;
    struct error why;
    unsigned handles;
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;
};
struct so_test {
    struct so_test *next;
    uint64_t began_ns;
    driver_test_done *done;
    void *arg;
};

/* table.c */
/* The payload of texts, too. Also after an error: socket_tls_free(&c->tls), payload_free. */
int so_config_read(struct so_config *c, const struct options *o, struct payload **ret_payload, struct error *e);
/* message.c */
typedef void so_emit(void *ctx, const uint8_t *p, size_t n, size_t items);
/* Texts of the items, one message, more where they would be too large, or one each; returns how many, or an error:
 * ERR_TOO_LARGE (a single value), ERR_NOMEM. */
int message_texts(struct so_sender *ch, const struct outlet_item *items, size_t n, so_emit *emit, void *ctx);
void message_apply(struct so_sender *ch, const struct outlet_item *items, size_t n); /* into the image */
size_t message_image(const struct so_sender *ch, uint8_t *out);                       /* the frame, with its check */
/* sender.c */
int so_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e);
int so_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e);
int so_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow, uint64_t ticket);
void so_test_it(struct outlet_channel *base, driver_test_done *done, void *arg);
void so_status(const struct outlet_channel *base, struct outlet_status *ret);
size_t so_peers(const struct outlet_channel *base, struct outlet_peer *ret, size_t max);
void so_close(struct outlet_channel *base, driver_closed *closed, void *arg);
