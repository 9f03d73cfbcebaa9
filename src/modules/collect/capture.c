/* capture.c - frames of a channel as a file for Wireshark: recorded on request, whole, for a while (frame_log.h). */
#include "modules/collect/collect.h"
#include "modules/collect/run_int.h"

struct capture_call {
    struct worker *w;
    struct str id;
    unsigned seconds;
    struct capture_view *view;
    struct buf *file;
    bool found;
    int err;
};

static void do_capture(void *arg)
{
    struct capture_call *a = arg;
    struct chan *c = chan_find(a->w, a->id);
    if (!c) return;
    a->found = true;
    a->err = frame_log_record(&c->frames, c->driver->wire_port, c->driver->wire_udp, false, c->host.now_us(c->host.ctx),
                              a->seconds);
    if (a->seconds) c->host.trace = true;
}

static void do_captured(void *arg)
{
    struct capture_call *a = arg;
    struct chan *c = chan_find(a->w, a->id);
    if (!c) return;
    a->found = true;
    frame_log_view(&c->frames, a->view);
    if (a->file) a->err = frame_log_file(&c->frames, c->driver->wire_port, c->driver->wire_udp, false, a->file);
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
        return error_set(e, ERR_UNSUPPORTED, "id",
                         "the frames of this protocol cannot be recorded as a capture; the diagnostics show them",
                         "该协议的报文不能录制为抓包文件；可在诊断中查看");
    return 0;
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
    capture_json(&w, &v);
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
