/* api.c - routes: how the broker does, who is connected, sending somebody away; the WebSocket. What stands on the loop
 * is asked there (loop_call) and copied. */
#include "base/mem.h"
#include "base/time.h"
#include "modules/mqtt/mqtt.h"

static struct mqtt *mqtt_of(struct api_call *c)
{
    return c->module;
}

/* ---- status ---- */

struct status {
    struct mqtt *m;
    struct json_writer *w;
    bool zh;
};

static void write_listener(void *ctx, const struct listener_view *v)
{
    struct status *s = ctx;
    jw_object(s->w);
    jw_kz(s->w, "id", v->cfg->id);
    jw_kz(s->w, "code", v->cfg->code);
    jw_kbool(s->w, "enabled", v->cfg->enabled);
    jw_kz(s->w, "address", v->cfg->address);
    jw_ki64(s->w, "port", v->port);
    jw_kbool(s->w, "tls", v->tls);
    jw_ki64(s->w, "connections", (int64_t)v->connections);
    jw_ki64(s->w, "accepted", (int64_t)v->accepted);
    jw_ki64(s->w, "refused", (int64_t)v->refused);
    jw_kz(s->w, "problem", s->zh ? v->cfg->fault_zh : v->cfg->fault);
    jw_end(s->w);
}

static void write_counts(struct json_writer *w, const struct mq_stats *b, const struct mqtt_ingest_stats *i)
{
    jw_ki64(w, "connections", (int64_t)b->links);
    jw_ki64(w, "sessions", (int64_t)b->sessions);
    jw_ki64(w, "subscriptions", (int64_t)b->subscriptions);
    jw_ki64(w, "retained", (int64_t)b->retained);
    jw_ki64(w, "retained_bytes", (int64_t)b->retained_bytes);
    jw_ki64(w, "received", (int64_t)b->received);
    jw_ki64(w, "sent", (int64_t)b->sent);
    jw_ki64(w, "dropped", (int64_t)b->dropped);
    jw_ki64(w, "denied", (int64_t)b->denied);
    jw_ki64(w, "refused", (int64_t)b->refused);
    jw_ki64(w, "expired", (int64_t)b->expired);
    jw_ki64(w, "ingested", (int64_t)i->messages);
    jw_ki64(w, "ingested_slowly", (int64_t)i->slow);
    jw_ki64(w, "samples", (int64_t)i->samples);
    jw_ki64(w, "commits", (int64_t)i->batches);
    jw_ki64(w, "commits_failed", (int64_t)i->failed);
}

static void write_status(void *arg)
{
    struct status *s = arg;
    struct mq_stats b;
    struct mqtt_ingest_stats i;
    mq_stats(s->m->broker, &b);
    mqtt_ingest_stats(s->m->ingest, &i);
    jw_object(s->w);
    jw_key(s->w, STR("listeners"));
    jw_array(s->w);
    mqtt_net_listeners_each(s->m, write_listener, s);
    jw_end(s->w);
    write_counts(s->w, &b, &i);
    jw_ki64(s->w, "login_failed", (int64_t)atomic_load(&s->m->login_failed));
    jw_end(s->w);
}

static int stopped(struct error *e)
{
    return error_set(e, ERR_UNAVAILABLE, "", "MQTT is stopping", "MQTT 正在停止");
}

static int get_status(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    struct status s = {mqtt_of(c), &w, c->zh};
    return s.m->net && loop_call(s.m->loop, write_status, &s) == 0 ? 0 : stopped(e);
}

/* ---- clients ---- */

struct clients {
    struct mqtt *m;
    struct json_writer *w;
    struct str like;   /* part of client id, device, address */
    const char *state; /* "connected", "away" or "" */
    int64_t from, to, n;
    bool zh;
};

static bool wanted(const struct clients *c, const struct mq_session_view *v)
{
    if (c->state[0] && (c->state[0] == 'c') != (v->link != NULL)) return false;
    return !c->like.n || str_ihas(v->client_id, c->like) || str_ihas(str_of(v->who->name), c->like) ||
           (v->link && str_has(str_of(v->link->peer), c->like));
}

static int write_filter(void *ctx, struct str filter, uint8_t qos)
{
    struct json_writer *w = ctx;
    jw_object(w);
    jw_kstr(w, "filter", filter);
    jw_ki64(w, "qos", qos);
    jw_end(w);
    return 0;
}

static void write_link(struct json_writer *w, const struct mq_link *l)
{
    static const char *const versions[] = {[MQTT_3_1] = "3.1", [MQTT_3_1_1] = "3.1.1", [MQTT_5] = "5.0"};
    char at[TIME_TEXT_MAX];
    jw_kz(w, "address", l ? l->peer : NULL);
    jw_kz(w, "protocol", l && l->version ? versions[l->version] : NULL);
    jw_kbool(w, "tls", l && l->secure);
    jw_kz(w, "since", l ? time_format(l->opened_us, at) : NULL);
    jw_ki64(w, "keep_alive", l ? l->keep_alive : 0);
    jw_ki64(w, "received", l ? (int64_t)l->n_in : 0);
    jw_ki64(w, "sent", l ? (int64_t)l->n_out : 0);
}

static int write_client(void *ctx, const struct mq_session_view *v)
{
    static const char *const roles[] = {"", "device", "user"};
    struct clients *c = ctx;
    char id[24], at[TIME_TEXT_MAX];
    if (!wanted(c, v)) return 0;
    c->n++;
    if (c->n <= c->from || c->n > c->to) return 0;
    snprintf(id, sizeof id, "%llu", (unsigned long long)v->number);
    jw_object(c->w);
    jw_kz(c->w, "id", id);
    jw_kstr(c->w, "client_id", v->client_id);
    jw_kz(c->w, "role", roles[v->who->role]);
    jw_kz(c->w, "name", v->who->name);
    jw_kz(c->w, "owner", v->who->id);
    jw_kbool(c->w, "connected", v->link != NULL);
    write_link(c->w, v->link);
    jw_kz(c->w, "away_since", v->gone_us ? time_format(v->gone_us, at) : NULL);
    jw_ki64(c->w, "session_expiry_s", v->expiry_s);
    jw_ki64(c->w, "queued", (int64_t)v->queued);
    jw_ki64(c->w, "in_flight", (int64_t)v->inflight);
    jw_ki64(c->w, "dropped", (int64_t)v->dropped);
    jw_key(c->w, STR("subscriptions"));
    jw_array(c->w);
    struct mq_session *s = mq_session_find(c->m->broker, v->key);
    if (s) (void)mq_subs_each(s, write_filter, c->w);
    jw_end(c->w);
    jw_end(c->w);
    return 0;
}

static void write_clients(void *arg)
{
    struct clients *c = arg;
    (void)mq_sessions_each(c->m->broker, write_client, c);
}

static int get_clients(struct api_call *c, struct error *e)
{
    int64_t page, size;
    struct str state = http_query(c->req, "state");
    int rc = api_query_i64(c, "page", 1, 1, 1000000, &page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, 1000, &size, e);
    if (!rc && state.n && !str_is(state, "connected") && !str_is(state, "away"))
        rc = error_set(e, ERR_INVALID, "state", "must be connected or away", "须为 connected 或 away");
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    struct clients list = {.m = mqtt_of(c),
                           .w = &w,
                           .like = http_query(c->req, "q"),
                           .state = str_is(state, "connected") ? "connected"
                                    : state.n                  ? "away"
                                                               : "",
                           .from = (page - 1) * size,
                           .to = page * size,
                           .zh = c->zh};
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    if (!list.m->net || loop_call(list.m->loop, write_clients, &list)) return stopped(e);
    jw_end(&w);
    jw_ki64(&w, "total", list.n);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return 0;
}

struct ending {
    struct mqtt *m;
    uint64_t number;
    char key[2048];
    bool found;
};

static int find_number(void *ctx, const struct mq_session_view *v)
{
    struct ending *x = ctx;
    if (v->number != x->number) return 0;
    x->found = str_to_cstr(v->key, x->key, sizeof x->key);
    return 1;
}

static void end_session(void *arg)
{
    struct ending *x = arg;
    (void)mq_sessions_each(x->m->broker, find_number, x);
    struct mq_session *s = x->found ? mq_session_find(x->m->broker, str_of(x->key)) : NULL;
    if (s) mq_session_end(s, MQTT_ADMINISTRATIVE);
}

static int post_disconnect(struct api_call *c, struct error *e)
{
    struct ending x = {.m = mqtt_of(c)};
    bool number = str_to_u64(c->param[0], &x.number) == 0;
    if (number && (!x.m->net || loop_call(x.m->loop, end_session, &x))) return stopped(e);
    if (!x.found)
        return error_set(e, ERR_NOT_FOUND, "id", "there is no such client; GET /api/v1/mqtt/clients lists them",
                         "没有该客户端，可通过 GET /api/v1/mqtt/clients 查询");
    c->res->status = 204;
    return 0;
}

#define LISTENER \
    "{id:string;code:string;enabled:boolean;address:string;port:integer;tls:boolean;connections:integer;" \
    "accepted:integer;refused:integer;problem:string}"
#define STATUS \
    "{listeners:" LISTENER "[];connections:integer;sessions:integer;subscriptions:integer;retained:integer;" \
    "retained_bytes:integer;received:integer;sent:integer;dropped:integer;denied:integer;refused:integer;" \
    "expired:integer;ingested:integer;ingested_slowly:integer;samples:integer;commits:integer;" \
    "commits_failed:integer;login_failed:integer}"
#define CLIENT \
    "{id:string;client_id:string;role:'device'|'user';name:string;owner:string;connected:boolean;" \
    "address:string|null;protocol:string|null;tls:boolean;since:time|null;keep_alive:integer;received:integer;" \
    "sent:integer;away_since:time|null;session_expiry_s:integer;queued:integer;in_flight:integer;dropped:integer;" \
    "subscriptions:{filter:string;qos:integer}[]}"
#define SEEN \
    "{topic:string;last:time;outcome:'stored'|'passed'|'refused';passed:integer;refused:integer;reason:string;" \
    "problem:string;problem_at:time|null;messages:{at:time;outcome:'stored'|'passed'|'refused';from:string;" \
    "device:string|null;mapping:string|null;samples:integer;size:integer;cut:boolean;payload:string|null;" \
    "payload_hex:string|null}[]}"
#define PREVIEW \
    "{records:integer;values:{row:integer|null;record:integer|null;device:string;known:boolean;key:string;value:any;" \
    "t:time|null;q:'good'|'uncertain'|'bad';unit:string;point:string|null;" \
    "place:'none'|'mapped'|'made'|'new'|'device';problem:string}[];total:integer;" \
    "faults:{row:integer|null;record:integer|null;where:string;detail:string;missing:boolean}[]}"
const struct api_route mqtt_routes[] = {
    API_GET("/api/v1/mqtt/status", "mqtt", AUDIT_NONE, get_status, .summary_en = "How the MQTT broker does",
            .summary_zh = "MQTT 服务状态", .answer_schema = STATUS),
    API_GET("/api/v1/mqtt/clients", "mqtt", AUDIT_NONE, get_clients, .summary_en = "Sessions of MQTT clients",
            .summary_zh = "MQTT 客户端会话",
            .params = "q:string:Part of client id, device or address;state:string:connected or away;page:integer:Page;"
                      "size:integer:Rows",
            .answer_schema = "{items:" CLIENT "[];total:integer;page:integer;size:integer}"),
    API_DO("POST", "/api/v1/mqtt/clients/{id}:disconnect", "mqtt", ACT_ADMIN, AUDIT_CHANGE, post_disconnect,
           .summary_en = "Disconnect a client, or drop the session of one that is away",
           .summary_zh = "断开客户端，或删除离线会话"),
    API_GET("/api/v1/mqtt/recent", "mqtt", AUDIT_NONE, mqtt_get_recent,
            .summary_en = "The last messages of topics, and what nobody reads",
            .summary_zh = "各主题最近的消息与未解析的消息",
            .params = "topic:string:Topic or filter: then all that is kept of it;q:string:Part of the topic;"
                      "outcome:string:stored, passed or refused;size:integer:Topics",
            .answer_schema = "{items:" SEEN "[];total:integer}"),
    API_DO("POST", "/api/v1/mqtt/mappings:preview", "payload_mapping", ACT_WRITE, AUDIT_NONE, mqtt_post_preview,
           .summary_en = "What a mapping would store of a message", .summary_zh = "预览映射对一条消息的解析结果",
           .body_schema = "{spec:object;topic?:string;payload?:string;payload_hex?:string;client?:string}",
           .answer_schema = PREVIEW),
    API_DO("POST", "/api/v1/push-devices/{id}:rpc", "push_device", ACT_CONTROL, AUDIT_CONTROL, mqtt_post_rpc,
           .lane = LANE_CONTROL, .summary_en = "Send a command to a device by MQTT and wait for its answer",
           .summary_zh = "通过 MQTT 向设备下发命令并等待应答",
           .body_schema = "{method:string;params?:any;timeout_ms?:integer}",
           .answer_schema =
               "{outcome:'done'|'refused'|'failed'|'unknown'|'expired';detail:string;reply:any;ms:integer}"),
    API_GET("/api/v1/push-devices/{id}/commands", "push_device", AUDIT_NONE, mqtt_get_commands,
            .summary_en = "The last commands to a device, newest first, of this run; the audit log has all",
            .summary_zh = "最近下发给设备的命令（本次运行期间，最新在前；审计日志有全部记录）",
            .answer_schema = "{items:{at:time;by:string|null;method:string;params:string|null;"
                             "outcome:'done'|'refused'|'failed'|'unknown'|'expired';detail:string;reply:string|null;"
                             "cut:boolean;ms:integer}[]}"),
    {.method = "GET",
     .path = "/mqtt",
     .kind = "mqtt",
     .action = ACT_LOGIN,
     .audit = AUDIT_NONE,
     .websocket = true,
     .stream = &mqtt_ws_ops,
     .summary_en = "MQTT over WebSocket (subprotocol mqtt); who it is says its CONNECT",
     .summary_zh = "MQTT over WebSocket（子协议 mqtt），身份由 CONNECT 报文给出"},
};
_Static_assert(sizeof mqtt_routes / sizeof *mqtt_routes == MQTT_ROUTES, "module.c tells how many");
