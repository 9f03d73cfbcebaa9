/* frame_log.h - the frames of a running channel: the last ones for diagnostics, and a recording for Wireshark on request.
 * One log a channel, on its loop's thread; southbound and northbound alike. */
#pragma once
#include "base/buf.h"
#include "base/json.h"
#include "bornite/driver.h"

#define FRAMES_KEPT 40
#define FRAME_BYTES 264              /* of each, kept for diagnostics */
#define CAPTURE_BYTES (16u << 20)
#define CAPTURE_SECONDS 600

struct frame_copy {
    int64_t time_us;
    uint8_t dir, format;
    bool ok;
    uint16_t link;
    uint16_t n;                      /* bytes kept */
    uint8_t bytes[FRAME_BYTES];
    char why[160], why_zh[160];
};
struct capture_view {
    int64_t since_us, until_us;      /* 0: never asked for */
    uint64_t frames, left_out;       /* left_out: for want of room */
    size_t bytes;
};
struct capture;
struct frame_log {
    struct frame_copy *kept;         /* made on first use */
    size_t n, at;
    struct capture *capture;
    unsigned trace_ticks;            /* of FRAME_TICK_S, for which every frame is wanted */
};
#define FRAME_TICK_S 5

void frame_log_fini(struct frame_log *l);
void frame_log_add(struct frame_log *l, const struct driver_frame *f);
/* Every five seconds; false: nobody wants every frame any more. */
bool frame_log_tick(struct frame_log *l);
void frame_log_watched(struct frame_log *l); /* somebody looks: every frame for a minute */
size_t frame_log_copy(const struct frame_log *l, struct frame_copy *ret, size_t max); /* oldest first */
/* Keep every frame, whole, for so many seconds (0: stop), at most CAPTURE_BYTES; a new recording replaces the last one.
 * serves: the peers call us. */
MUST_CHECK int frame_log_record(struct frame_log *l, uint16_t port, bool udp, bool serves, int64_t now_us,
                                unsigned seconds);
void frame_log_view(const struct frame_log *l, struct capture_view *ret);
/* A capture file (proto/pcap.h) of what was recorded, or, when nothing was, of the last frames, cut as they are. */
MUST_CHECK int frame_log_file(const struct frame_log *l, uint16_t port, bool udp, bool serves, struct buf *file);

/* For the API: {t,dir,hex,words:{en,zh},ok,error}; {since,until,frames,left_out,bytes}. */
void frame_json(struct json_writer *w, const struct frame_copy *f, bool zh,
                void (*describe)(const struct driver_frame *f, char *en, char *zh, size_t cap));
void capture_json(struct json_writer *w, const struct capture_view *v);
