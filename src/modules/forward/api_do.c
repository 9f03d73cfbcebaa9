/* api_do.c - POST /forwards:test, /forwards/{id}:test, :discard, :capture; GET /forwards/{id}/capture. */
#include "base/json.h"
#include "modules/forward/forward.h"

#define TEST_MS 15000

static int answer_test(struct api_call *c, const struct run_test *r)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", r->ok);
    jw_ki64(&w, "ms", r->ms);
    jw_kz(&w, "code", r->ok ? NULL : error_name(r->error.code));
    jw_kz(&w, "detail", c->zh ? r->error.text_zh : r->error.text);
    jw_end(&w);
    return 0;
}

int forward_post_test(struct api_call *c, struct error *e)
{
    struct json *body;
    struct f_line *l;
    struct run_test r;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = forward_line_of_spec(forward_of(c), json_get(body, "spec"), &l, e);
    if (rc) return rc;
    fwd_run_test(forward_of(c)->run, STR_NULL, l, TEST_MS, &r);
    f_line_unref(l);
    return answer_test(c, &r);
}

int forward_post_test_saved(struct api_call *c, struct error *e)
{
    struct resource res;
    struct f_line *l;
    struct run_test r;
    struct fwd_view v;
    int rc = api_find(c, "forward", c->param[0], ACT_WRITE, &res, e);
    if (!rc) rc = forward_line_of_spec(forward_of(c), res.spec, &l, e);
    if (rc) return rc;
    bool runs = fwd_run_view(forward_of(c)->run, res.id, &v);
    fwd_run_test(forward_of(c)->run, runs ? res.id : STR_NULL, l, TEST_MS, &r);
    f_line_unref(l);
    return answer_test(c, &r);
}

static int not_running(struct error *e)
{
    return error_set(e, ERR_UNAVAILABLE, "id", "the forwarding is not running", "转发未运行");
}

int forward_post_discard(struct api_call *c, struct error *e)
{
    struct json *body;
    struct resource r;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = api_find(c, "forward", c->param[0], ACT_WRITE, &r, e);
    if (rc) return rc;
    if (!json_bool(json_get(body, "confirm"), false))
        return error_set(e, ERR_PRECONDITION, "confirm", "what is dropped is gone: send \"confirm\": true",
                         "丢弃后无法恢复：请发送 \"confirm\": true");
    struct fwd_view v = {0};
    if (!fwd_run_view(forward_of(c)->run, r.id, &v) || !fwd_run_discard(forward_of(c)->run, r.id))
        return not_running(e);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "records", (int64_t)v.pump.backlog);
    jw_end(&w);
    return 0;
}

/* ---- recordings ---- */

static int find(struct api_call *c, enum api_action act, struct resource *ret, struct error *e)
{
    int rc = api_find(c, "forward", c->param[0], act, ret, e);
    if (rc) return rc;
    struct f_line *l = forward_line(forward_of(c), ret->id);
    bool wire = l && l->outlet && l->outlet->wire_port;
    f_line_unref(l);
    if (!l) return not_running(e);
    if (!wire)
        return error_set(e, ERR_UNSUPPORTED, "id",
                         "the frames of this protocol cannot be recorded as a capture; the diagnostics show them",
                         "该协议的报文不能录制为抓包文件；可在诊断中查看");
    return 0;
}

int forward_post_capture(struct api_call *c, struct error *e)
{
    struct json *body;
    struct resource r;
    struct capture_view v;
    int rc = api_body_json(c, &body, e);
    if (rc) return rc;
    int64_t seconds = json_i64(json_get(body, "seconds"), -1);
    if (seconds < 0 || seconds > CAPTURE_SECONDS)
        return error_set(e, ERR_INVALID, "seconds", "must be 0 (stop) to %d", "必须为 0（停止）到 %d", CAPTURE_SECONDS);
    rc = find(c, ACT_WRITE, &r, e);
    if (!rc) rc = fwd_run_record(forward_of(c)->run, r.id, (unsigned)seconds, e);
    if (!rc) rc = fwd_run_recorded(forward_of(c)->run, r.id, &v, NULL, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    capture_json(&w, &v);
    return 0;
}

int forward_get_capture(struct api_call *c, struct error *e)
{
    struct resource r;
    struct capture_view v;
    int rc = find(c, ACT_READ, &r, e);
    if (!rc) rc = fwd_run_recorded(forward_of(c)->run, r.id, &v, &c->res->body, e);
    if (rc) return rc;
    c->res->content_type = "application/vnd.tcpdump.pcap";
    http_set_header(c->res, "Content-Disposition", STR("attachment; filename=\"capture.pcap\""));
    return 0;
}
