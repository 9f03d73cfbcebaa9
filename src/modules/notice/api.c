/* api.c - routes of messages. Notices are everybody's own (ACT_SELF); deliveries belong to their channel. */
#include <time.h>
#include "base/time.h"
#include "core/module.h"
#include "modules/notice/notice.h"

static struct notices *notices_of(struct api_call *c)
{
    return c->module;
}

static int paging(struct api_call *c, int64_t *page, int64_t *size, struct error *e)
{
    int rc = api_query_i64(c, "page", 1, 1, 1000000, page, e);
    return rc ? rc : api_query_i64(c, "size", 50, 1, 1000, size, e);
}

static int get_notices(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50;
    size_t total = 0, unread = 0;
    int rc = paging(c, &page, &size, e);
    if (rc) return rc;
    struct inbox_query q = {.who = &c->actor,
                            .unread = str_is(http_query(c->req, "unread"), "1"),
                            .zh = c->zh,
                            .offset = (size_t)((page - 1) * size),
                            .limit = (size_t)size};
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = inbox_list(notices_of(c)->inbox, &q, &w, &total, &unread, e);
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)total);
    jw_ki64(&w, "unread", (int64_t)unread);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return rc;
}

static int post_read(struct api_call *c, struct error *e)
{
    struct json *body;
    size_t unread = 0;
    int rc = api_body_json(c, &body, e);
    if (rc) return rc;
    const struct json *ids = json_get(body, "ids");
    bool all = json_bool(json_get(body, "all"), false);
    if (all == (ids != NULL) || (ids && (ids->type != JSON_ARRAY || ids->count > 10000)))
        return error_set(e, ERR_INVALID, "ids", "give 'ids' (a list of at most 10,000) or 'all': true",
                         "请给出 ids（最多 10000 个的列表）或 \"all\": true");
    rc = inbox_read(notices_of(c)->inbox, &c->actor, all ? NULL : ids, &unread, e);
    if (rc) return rc;
    feed_wake(notices_of(c)->feed);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "unread", (int64_t)unread);
    jw_end(&w);
    return 0;
}

static int get_deliveries(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50, total = 0;
    struct str state = http_query(c->req, "state");
    bool known = !state.n;
    int rc = paging(c, &page, &size, e);
    for (size_t i = 0; deliver_states[i]; i++) known |= str_is(state, deliver_states[i]);
    if (!rc && !known)
        rc = error_set(e, ERR_INVALID, "state", "is none of collecting, queued, sent, failed",
                       "不是 collecting、queued、sent、failed 之一");
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = deliver_list(c->kernel, c->actor.may, http_query(c->req, "channel"), state, (size_t)((page - 1) * size),
                      (size_t)size, &w, &total, e);
    jw_end(&w);
    jw_ki64(&w, "total", total);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return rc;
}

static int post_retry(struct api_call *c, struct error *e)
{
    int rc = deliver_again(notices_of(c), c->actor.may, c->param[0], e);
    if (!rc) c->res->status = 204;
    return rc;
}

/* ---- trying a channel ---- */

static int recipients_of(struct api_call *c, const struct resource *channel, struct json **ret, struct error *e)
{
    struct json *body = NULL;
    int rc = c->req->body.n ? api_body_json(c, &body, e) : 0;
    if (rc) return rc;
    struct str to = json_str(json_get(body, "to"), STR(""));
    *ret = json_new_array(c->a);
    if (to.n)
        json_push(*ret, json_new_str(c->a, to));
    else
        for
            json_each (it, json_get(channel->spec, "to")) json_push(*ret, json_copy(c->a, it));
    return *ret ? 0 : ERR_NOMEM;
}

static int post_test(struct api_call *c, struct error *e)
{
    struct notices *x = notices_of(c);
    struct resource channel;
    struct error why = {0};
    struct json *to;
    char id[37];
    bool again;
    int rc = resource_get(c->kernel, c->a, "message_channel", c->param[0], &channel, e);
    if (!rc && !permitted_at(c->actor.may, "message_channel", ACT_READ, channel.org)) rc = ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND) return error_set(e, rc, "id", "there is no such channel", "没有该通道");
    if (!rc && !permitted_at(c->actor.may, "message_channel", ACT_WRITE, channel.org))
        rc = error_set(e, ERR_FORBIDDEN, "id", "you may not send on this channel", "无权通过该通道发送");
    if (!rc) rc = recipients_of(c, &channel, &to, e);
    if (rc) return rc;
    uuid7(x->node->clock, x->node->rng, id);
    bool en = str_is(json_str(json_get(channel.spec, "language"), STR("zh")), "en");
    struct message m = {.id = str_of(id),
                        .topic = STR("notice.test"),
                        .title = en ? STR("Test message") : STR("测试消息"),
                        .text =
                            en ? STR("If you read this, the channel works.") : STR("收到本消息，说明通道工作正常。"),
                        .link = STR(""),
                        .kind = STR("message_channel"),
                        .ref = channel.code,
                        .at_us = clock_now_us(x->node->clock),
                        .count = 1};
    uint64_t from = clock_mono_ns(x->node->clock);
    rc = send_message(x->node, c->a, &channel, &m, to, &again, &why);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", rc == 0);
    jw_kz(&w, "detail", rc ? (c->zh ? why.text_zh : why.text) : "");
    jw_ki64(&w, "ms", (int64_t)((clock_mono_ns(x->node->clock) - from) / 1000000));
    jw_end(&w);
    return 0;
}

static void stream_open(struct http_stream *s, struct http_request *q)
{
    struct api_call *c = q->route_ctx;
    feed_open(notices_of(c)->feed, s, q);
}
static const struct http_stream_ops stream_ops = {.open = stream_open, .close = feed_close};

#define SEVERITY "severity:'info'|'warning'|'error'|'critical'"
#define PAGE "total:integer;page:integer;size:integer"
static const struct api_route routes[] = {
    {.method = "GET",
     .path = "/api/v1/notices",
     .kind = "notice",
     .action = ACT_SELF,
     .audit = AUDIT_NONE,
     .handler = get_notices,
     .summary_en = "One's messages, newest first",
     .summary_zh = "本人消息（新的在前）",
     .params = "unread:string:1 for those not read;page:integer:Page;size:integer:Rows a page",
     .answer_schema = "{items:{id:string;at:time;topic:string;" SEVERITY
                      ";title:string;text:string;link:string;read:boolean}[];unread:integer;" PAGE "}"},
    {.method = "POST",
     .path = "/api/v1/notices:read",
     .kind = "notice",
     .action = ACT_SELF,
     .audit = AUDIT_NONE,
     .handler = post_read,
     .summary_en = "Mark messages as read",
     .summary_zh = "标记消息为已读",
     .body_schema = "{ids?:string[];all?:boolean}",
     .answer_schema = "{unread:integer}"},
    {.method = "GET",
     .path = "/api/v1/notices/stream",
     .kind = "notice",
     .action = ACT_SELF,
     .audit = AUDIT_NONE,
     .stream = &stream_ops,
     .summary_en = "New messages and the number of unread ones (server-sent events)",
     .summary_zh = "新消息与未读数的实时事件流",
     .answer_schema = "sse"},
    API_GET("/api/v1/deliveries", "message_channel", AUDIT_NONE, get_deliveries,
            .summary_en = "What was sent through channels", .summary_zh = "通道投递记录",
            .params = "channel:string:Code or id;state:string:collecting, queued, sent or failed;page:integer:Page;"
                      "size:integer:Rows a page",
            .answer_schema = "{items:{id:string;channel:string;channel_code:string;topic:string;" SEVERITY
                             ";title:string;count:integer;at:time;state:'collecting'|'queued'|'sent'|'failed';"
                             "tries:integer;next_at:time;sent_at:time|null;error:string}[];" PAGE "}"),
    API_DO("POST", "/api/v1/deliveries/{id}:retry", "message_channel", ACT_WRITE, AUDIT_CHANGE, post_retry,
           .summary_en = "Send it again", .summary_zh = "重新发送"),
    API_DO("POST", "/api/v1/message-channels/{id}:test", "message_channel", ACT_WRITE, AUDIT_CHANGE, post_test,
           .lane = LANE_TRY, .summary_en = "Send a test message through a channel",
           .summary_zh = "通过通道发送测试消息", .body_schema = "{to?:string}",
           .answer_schema = "{ok:boolean;detail:string;ms:integer}"),
};

extern const struct str modules_notice_kinds[];
const struct module notice_module = {
    .name = "notice",
    .title_en = "Messages",
    .title_zh = "消息",
    .kinds = modules_notice_kinds,
    .routes = routes,
    .nroutes = sizeof routes / sizeof *routes,
    .init = notices_init,
    .start = notices_start,
    .stop = notices_stop,
    .fini = notices_fini,
};
