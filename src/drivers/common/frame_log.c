/* frame_log.c - see frame_log.h. A recording is written as a capture file from its first frame on, so that nothing is
 * converted later. */
#include "drivers/common/frame_log.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/time.h"
#include "proto/pcap.h"

struct capture {
    struct pcap pcap;
    struct buf file;
    struct capture_view view;
};

static void capture_free(struct capture *k)
{
    if (!k) return;
    buf_fini(&k->file);
    mem_free(k);
}

void frame_log_fini(struct frame_log *l)
{
    capture_free(l->capture);
    mem_free(l->kept);
    *l = (struct frame_log){0};
}

static void record(struct capture *k, const struct driver_frame *f)
{
    if (f->time_us >= k->view.until_us) return;
    if (k->file.n + f->n + 100 > CAPTURE_BYTES) {
        k->view.left_out++;
        return;
    }
    pcap_frame(&k->pcap, f->time_us, f->dir == DRIVER_TX, f->link, f->bytes, f->n, &k->file);
    k->view.frames++;
    k->view.bytes = k->file.n;
}

void frame_log_add(struct frame_log *l, const struct driver_frame *f)
{
    if (l->capture) record(l->capture, f);
    if (!l->kept && !(l->kept = mem_calloc(FRAMES_KEPT, sizeof *l->kept))) return;
    struct frame_copy *to = &l->kept[l->at];
    l->at = (l->at + 1) % FRAMES_KEPT;
    if (l->n < FRAMES_KEPT) l->n++;
    *to = (struct frame_copy){
        .time_us = f->time_us, .dir = (uint8_t)f->dir, .format = f->format, .link = f->link, .ok = !f->error};
    to->n = (uint16_t)(f->n < FRAME_BYTES ? f->n : FRAME_BYTES);
    if (to->n) memcpy(to->bytes, f->bytes, to->n);
    if (f->error) {
        snprintf(to->why, sizeof to->why, "%.150s", f->error->text);
        str_to_cstr(str_of(f->error->text_zh), to->why_zh, sizeof to->why_zh);
    }
}

bool frame_log_tick(struct frame_log *l)
{
    if (l->trace_ticks) l->trace_ticks--;
    return l->trace_ticks > 0;
}

void frame_log_watched(struct frame_log *l)
{
    if (l->trace_ticks < 60 / FRAME_TICK_S) l->trace_ticks = 60 / FRAME_TICK_S;
}

size_t frame_log_copy(const struct frame_log *l, struct frame_copy *ret, size_t max)
{
    size_t n = l->n < max ? l->n : max;
    for (size_t i = 0; i < n; i++) ret[i] = l->kept[(l->at + FRAMES_KEPT - l->n + i) % FRAMES_KEPT];
    return n;
}

int frame_log_record(struct frame_log *l, uint16_t port, bool udp, bool serves, int64_t now_us, unsigned seconds)
{
    if (!seconds) {
        if (l->capture && l->capture->view.until_us > now_us) l->capture->view.until_us = now_us;
        return 0;
    }
    struct capture *k = mem_calloc(1, sizeof *k);
    if (!k) return ERR_NOMEM;
    buf_init(&k->file, CAPTURE_BYTES);
    pcap_begin(&k->pcap, port, udp, &k->file);
    k->pcap.serves = serves;
    k->view.since_us = now_us;
    k->view.until_us = now_us + (int64_t)seconds * 1000000;
    capture_free(l->capture);
    l->capture = k;
    l->trace_ticks = seconds / FRAME_TICK_S + 2;
    return 0;
}

void frame_log_view(const struct frame_log *l, struct capture_view *ret)
{
    *ret = l->capture ? l->capture->view : (struct capture_view){0};
}

int frame_log_file(const struct frame_log *l, uint16_t port, bool udp, bool serves, struct buf *file)
{
    struct pcap p;
    if (l->capture) {
        buf_str(file, buf_view(&l->capture->file));
        return file->err;
    }
    pcap_begin(&p, port, udp, file);
    p.serves = serves;
    for (size_t i = 0; i < l->n; i++) {
        const struct frame_copy *f = &l->kept[(l->at + FRAMES_KEPT - l->n + i) % FRAMES_KEPT];
        pcap_frame(&p, f->time_us, f->dir == DRIVER_TX, f->link, f->bytes, f->n, file);
    }
    return file->err;
}

static void time_json(struct json_writer *w, const char *key, int64_t us)
{
    char t[TIME_TEXT_MAX];
    jw_kz(w, key, us ? time_format(us, t) : NULL);
}

void frame_json(struct json_writer *w, const struct frame_copy *f, bool zh,
                void (*describe)(const struct driver_frame *f, char *en, char *zh, size_t cap))
{
    char en[400] = "", cn[400] = "";
    struct buf hex;
    struct driver_frame df = {.time_us = f->time_us, .dir = f->dir, .format = f->format, .bytes = f->bytes, .n = f->n};
    buf_init(&hex, 2 * FRAME_BYTES + 1);
    hex_encode(&hex, f->bytes, f->n);
    if (describe) describe(&df, en, cn, sizeof en);
    jw_object(w);
    time_json(w, "t", f->time_us);
    jw_kz(w, "dir", f->dir == DRIVER_TX ? "tx" : "rx");
    jw_kstr(w, "hex", buf_view(&hex));
    jw_key(w, STR("words"));
    jw_object(w);
    jw_kz(w, "en", en);
    jw_kz(w, "zh", cn);
    jw_end(w);
    jw_kbool(w, "ok", f->ok);
    jw_kz(w, "error", f->ok ? NULL : zh ? f->why_zh : f->why);
    jw_end(w);
    buf_fini(&hex);
}

void capture_json(struct json_writer *w, const struct capture_view *v)
{
    jw_object(w);
    time_json(w, "since", v->since_us);
    time_json(w, "until", v->until_us);
    jw_ki64(w, "frames", (int64_t)v->frames);
    jw_ki64(w, "left_out", (int64_t)v->left_out);
    jw_ki64(w, "bytes", (int64_t)v->bytes);
    jw_end(w);
}
