/* capture.c - frames of a channel as a file for Wireshark: recorded on request, whole, for a while.
 *
 * The recording belongs to the channel and is written by the worker's thread as a capture file from the first frame on,
 * so that nothing is converted later. It lives until the next one, or until the channel goes. */
#include "modules/collect/collect.h"
#include "modules/collect/run_int.h"
#include "proto/pcap.h"

#define SECOND_US 1000000

struct capture {
    struct pcap pcap;
    struct buf file;
    struct capture_view view;
};

void capture_free(struct capture *k)
{
    if (!k) return;
    buf_fini(&k->file);
    mem_free(k);
}

void capture_frame(struct chan *c, const struct driver_frame *f)
{
    struct capture *k = c->capture;
    if (f->time_us >= k->view.until_us) return;
    if (k->file.n + f->n + 100 > CAPTURE_BYTES) {
        k->view.left_out++;
        return;
    }
    pcap_frame(&k->pcap, f->time_us, f->dir == DRIVER_TX, f->link, f->bytes, f->n, &k->file);
    k->view.frames++;
    k->view.bytes = k->file.n;
}

struct capture_call {
    struct worker *w;
    struct str id;
    unsigned seconds;
    struct capture_view *view;
    struct buf *file;
    bool found;
    int err;
};

static int begin(struct chan *c, unsigned seconds)
{
    struct capture *k = mem_calloc(1, sizeof *k);
    if (!k) return ERR_NOMEM;
    buf_init(&k->file, CAPTURE_BYTES);
    pcap_begin(&k->pcap, c->driver->wire_port, c->driver->wire_udp, &k->file);
    k->view.since_us = c->host.now_us(c->host.ctx);
    k->view.until_us = k->view.since_us + (int64_t)seconds * SECOND_US;
    capture_free(c->capture);
    c->capture = k;
    c->host.trace = true;
    c->trace_ticks = seconds / 5 + 2;
    return 0;
}

static void do_capture(void *arg)
{
    struct capture_call *a = arg;
    struct chan *c = chan_find(a->w, a->id);
    if (!c) return;
    a->found = true;
    if (a->seconds)
        a->err = begin(c, a->seconds);
    else if (c->capture && c->capture->view.until_us > c->host.now_us(c->host.ctx))
        c->capture->view.until_us = c->host.now_us(c->host.ctx);
}

/* The last frames as the diagnostics keep them: their beginnings. */
static void kept_frames(struct chan *c, struct buf *file)
{
    struct pcap p;
    pcap_begin(&p, c->driver->wire_port, c->driver->wire_udp, file);
    for (size_t i = 0; i < c->nframes; i++) {
        const struct frame_copy *f = &c->frames[(c->frame_at + CHAN_FRAMES - c->nframes + i) % CHAN_FRAMES];
        pcap_frame(&p, f->time_us, f->dir == DRIVER_TX, f->link, f->bytes, f->n, file);
    }
}

static void do_captured(void *arg)
{
    struct capture_call *a = arg;
    struct chan *c = chan_find(a->w, a->id);
    if (!c) return;
    a->found = true;
    if (c->capture) *a->view = c->capture->view;
    if (!a->file) return;
    if (c->capture)
        buf_str(a->file, buf_view(&c->capture->file));
    else
        kept_frames(c, a->file);
    a->err = a->file->err;
}

static int call(struct run *r, struct capture_call *a, void (*fn)(void *), struct error *e)
{
    for (unsigned i = 0; i < r->nworkers && !a->found; i++) {
        a->w = &r->workers[i];
        if (loop_call(a->w->loop, fn, a)) break;
    }
    if (!a->found) return error_set(e, ERR_UNAVAILABLE, "id", "the channel is not running", "通道未运行");
    return a->err ? error_set(e, a->err, "", "out of memory", "内存不足") : 0;
}

int run_capture(struct run *r, struct str id, unsigned seconds, struct error *e)
{
    struct capture_call a = {.id = id, .seconds = seconds};
    return call(r, &a, do_capture, e);
}

int run_captured(struct run *r, struct str id, struct capture_view *ret, struct buf *file, struct error *e)
{
    struct capture_call a = {.id = id, .view = ret, .file = file};
    *ret = (struct capture_view){0};
    return call(r, &a, do_captured, e);
}

/* ---- handlers ---- */

static int find(struct api_call *c, enum api_action act, struct plant **ret_p, const struct p_channel **ret,
                struct error *e)
{
    *ret_p = collect_plant(collect_of(c));
    *ret = *ret_p ? plant_channel(*ret_p, c->param[0]) : NULL;
    if (!*ret || !permitted_at(c->actor.may, "channel", act, (*ret)->org))
        return error_set(e, ERR_NOT_FOUND, "id", "there is no channel '%.*s'", "没有通道 '%.*s'", STR_ARG(c->param[0]));
    if (!(*ret)->driver || !(*ret)->driver->wire_port)
        return error_set(e, ERR_UNSUPPORTED, "id", "this protocol has no frames on a network", "该协议没有网络报文");
    return 0;
}

void write_capture(struct json_writer *w, const struct capture_view *v)
{
    jw_object(w);
    write_time(w, "since", v->since_us);
    write_time(w, "until", v->until_us);
    jw_ki64(w, "frames", (int64_t)v->frames);
    jw_ki64(w, "left_out", (int64_t)v->left_out);
    jw_ki64(w, "bytes", (int64_t)v->bytes);
    jw_end(w);
}

int post_capture(struct api_call *c, struct error *e)
{
    struct json *body;
    struct plant *p = NULL;
    const struct p_channel *ch;
    struct capture_view v;
    int err = api_body_json(c, &body, e);
    if (err) return err;
    int64_t seconds = json_i64(json_get(body, "seconds"), -1);
    if (seconds < 0 || seconds > CAPTURE_SECONDS)
        return error_set(e, ERR_INVALID, "seconds", "must be 0 (stop) to %d", "必须为 0（停止）到 %d", CAPTURE_SECONDS);
    err = find(c, ACT_WRITE, &p, &ch, e);
    if (!err) err = run_capture(collect_of(c)->run, ch->id, (unsigned)seconds, e);
    if (!err) err = run_captured(collect_of(c)->run, ch->id, &v, NULL, e);
    plant_unref(p);
    if (err) return err;
    struct json_writer w = api_answer(c);
    write_capture(&w, &v);
    return 0;
}

int get_capture(struct api_call *c, struct error *e)
{
    struct plant *p = NULL;
    const struct p_channel *ch;
    struct capture_view v;
    int err = find(c, ACT_READ, &p, &ch, e);
    if (!err) err = run_captured(collect_of(c)->run, ch->id, &v, &c->res->body, e);
    if (!err) {
        c->res->content_type = "application/vnd.tcpdump.pcap";
        http_set_header(c->res, "Content-Disposition", STR("attachment; filename=\"capture.pcap\""));
    }
    plant_unref(p);
    return err;
}
