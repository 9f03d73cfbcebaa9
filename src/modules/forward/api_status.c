/* api_status.c - GET /outlets, /forwards:status, /forwards/{id}/diagnostics. */
#include "base/mem.h"
#include "base/time.h"
#include "modules/forward/forward.h"
#include "outlets/common/registry.h"

#define HOUR_US 3600000000.0

int forward_get_outlets(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    outlets_json(&w, forward_of(c)->node->outlets);
    jw_end(&w);
    return 0;
}

static void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char t[TIME_TEXT_MAX];
    jw_kz(w, key, us ? time_format(us, t) : NULL);
}

static const char *state_name(unsigned s)
{
    static const char *const names[] = {"off", "connecting", "up", "degraded", "down"};
    return s < sizeof names / sizeof *names ? names[s] : "off";
}

/* What the buffer holds, how far it reaches back, and for how long there is room at the present rate. */
static void write_buffer(struct api_call *c, struct json_writer *w, const struct f_line *l, const struct fwd_view *v)
{
    const struct pump_stats *p = &v->pump;
    double keep_h = (double)l->keep_us / HOUR_US;
    double room_h = v->bytes_per_s > 0 ? (double)l->max_bytes / v->bytes_per_s / 3600 : NAN;
    jw_key(w, STR("buffer"));
    jw_object(w);
    jw_ki64(w, "records", (int64_t)p->records);
    jw_ki64(w, "bytes", (int64_t)p->bytes);
    write_time(w, "oldest", p->oldest_us);
    jw_ki64(w, "backlog", (int64_t)p->backlog);
    jw_kdouble(w, "backfill_per_s", v->backfill_per_s);
    jw_ki64(w, "sent", (int64_t)p->sent);
    jw_ki64(w, "refused", (int64_t)p->refused);
    jw_ki64(w, "lost", (int64_t)p->lost);
    jw_kdouble(w, "hours", keep_h);
    jw_kdouble(w, "room_hours", room_h);
    jw_kz(w, "fault", !p->disk_fault ? "" : c->zh ? "缓存无法写入磁盘，数据未经缓存直接发送" : p->fault);
    jw_end(w);
}

static void write_figures(struct json_writer *w, const struct fwd_view *v)
{
    const struct outlet_status *s = &v->status;
    write_time(w, "since", s->since_us);
    write_time(w, "last_ok", s->last_ok_us);
    jw_ki64(w, "connections", s->connections);
    jw_ki64(w, "subscriptions", s->subscriptions);
    jw_kdouble(w, "rtt_ms", s->rtt_us / 1000.0);
    jw_ki64(w, "requests", (int64_t)s->requests);
    jw_ki64(w, "errors", (int64_t)s->errors);
    jw_ki64(w, "timeouts", (int64_t)s->timeouts);
    jw_ki64(w, "reconnects", (int64_t)s->reconnects);
    jw_ki64(w, "items", (int64_t)s->items);
    jw_kdouble(w, "items_per_s", v->items_per_s);
    jw_ki64(w, "writes", (int64_t)s->writes);
    jw_ki64(w, "bytes_in", (int64_t)s->bytes_in);
    jw_ki64(w, "bytes_out", (int64_t)s->bytes_out);
    jw_key(w, STR("history"));
    jw_array(w);
    for (unsigned i = 0; i < v->nhistory; i++) jw_str(w, str_of(state_name(v->history[i])));
    jw_end(w);
}

/* Members of one forwarding's status into the open object. */
static void write_forward(struct api_call *c, struct json_writer *w, const struct f_line *l)
{
    struct fwd_view v = {0};
    bool runs = fwd_run_view(forward_of(c)->run, l->id, &v);
    const char *reason = "";
    if (l->problem.code)
        reason = c->zh ? l->problem.text_zh : l->problem.text;
    else if (!l->enabled)
        reason = c->zh ? "已停用" : "disabled";
    else if (runs)
        reason = c->zh ? v.status.reason_zh : v.status.reason;
    jw_kstr(w, "id", l->id);
    jw_kstr(w, "code", l->code);
    jw_kstr(w, "name", l->name);
    jw_kz(w, "outlet", l->outlet ? l->outlet->name : NULL);
    jw_kz(w, "state", runs ? state_name(v.status.state) : l->problem.code ? "down" : "off");
    jw_kz(w, "reason", reason);
    jw_ki64(w, "points", (int64_t)l->n);
    jw_ki64(w, "faults", (int64_t)l->nfaults);
    write_figures(w, &v);
    if (f_line_buffered(l)) {
        write_buffer(c, w, l, &v);
    } else {
        jw_key(w, STR("buffer"));
        jw_null(w);
    }
}

int forward_get_status(struct api_call *c, struct error *e)
{
    struct f_line **lines;
    size_t n = forward_lines(forward_of(c), &lines);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        if (permitted_at(c->actor.may, "forward", ACT_READ, lines[i]->org)) {
            jw_object(&w);
            write_forward(c, &w, lines[i]);
            jw_end(&w);
        }
        f_line_unref(lines[i]);
    }
    jw_end(&w);
    jw_end(&w);
    mem_free(lines);
    return 0;
}

static void write_peers(struct api_call *c, struct json_writer *w, const struct f_line *l)
{
    AUTO_FREE struct outlet_peer *p = mem_calloc(FWD_PEERS, sizeof *p);
    size_t n = p ? fwd_run_peers(forward_of(c)->run, l->id, p, FWD_PEERS) : 0;
    jw_key(w, STR("peers"));
    jw_array(w);
    for (size_t i = 0; i < n && i < FWD_PEERS; i++) {
        jw_object(w);
        jw_kz(w, "address", p[i].address);
        jw_kz(w, "who", p[i].who);
        write_time(w, "since", p[i].since_us);
        jw_ki64(w, "subscriptions", p[i].subscriptions);
        jw_ki64(w, "items", (int64_t)p[i].items);
        jw_ki64(w, "bytes_in", (int64_t)p[i].bytes_in);
        jw_ki64(w, "bytes_out", (int64_t)p[i].bytes_out);
        jw_end(w);
    }
    jw_end(w);
}

static void write_frames(struct api_call *c, struct json_writer *w, const struct f_line *l)
{
    struct capture_view v;
    struct error none;
    AUTO_FREE struct frame_copy *f = mem_calloc(FRAMES_KEPT, sizeof *f);
    size_t n = f ? fwd_run_frames(forward_of(c)->run, l->id, f, FRAMES_KEPT) : 0;
    jw_key(w, STR("frames"));
    jw_array(w);
    for (size_t i = 0; i < n; i++) frame_json(w, &f[i], c->zh, l->outlet ? l->outlet->describe : NULL);
    jw_end(w);
    jw_kbool(w, "can_capture", l->outlet && l->outlet->wire_port);
    jw_key(w, STR("capture"));
    if (fwd_run_recorded(forward_of(c)->run, l->id, &v, NULL, &none) || !v.until_us)
        jw_null(w);
    else
        capture_json(w, &v);
}

int forward_get_diagnostics(struct api_call *c, struct error *e)
{
    struct resource r;
    int rc = api_find(c, "forward", c->param[0], ACT_READ, &r, e);
    if (rc) return rc;
    struct f_line *l = forward_line(forward_of(c), r.id);
    if (!l)
        return error_set(e, ERR_UNAVAILABLE, "id", "the forwarding is not in force yet, try again in a moment",
                         "转发尚未生效，请稍后再试");
    struct json_writer w = api_answer(c);
    jw_object(&w);
    write_forward(c, &w, l);
    write_peers(c, &w, l);
    write_frames(c, &w, l);
    jw_end(&w);
    f_line_unref(l);
    return 0;
}
