/* api_map.c - what is needed to make a mapping: the last messages of the topics, a preview of what a mapping would
 * store; and commands to devices. Values that look like passwords are never shown; messages of devices that somebody
 * may not see are left out. */
#include <math.h>
#include "base/encode.h"
#include "base/mem.h"
#include "base/time.h"
#include "base/utf8.h"
#include "model/sample.h"
#include "modules/mqtt/mqtt.h"
#include "modules/mqtt/rpc.h"
#include "modules/mqtt/rpc_log.h"
#include "modules/push/mapping.h"
#include "modules/push/plan.h"

static struct mqtt *mqtt_of(struct api_call *c)
{
    return c->module;
}

static int stopped(struct error *e)
{
    return error_set(e, ERR_UNAVAILABLE, "", "MQTT is stopping", "MQTT 正在停止");
}

/* ---- secrets ---- */

static bool is_secret(struct str key)
{
    static const char *const words[] = {"password",      "passwd", "pwd",     "secret",      "token",
                                        "credential",    "apikey", "api_key", "private_key", "privatekey",
                                        "authorization", "密码",   "口令"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_ihas(key, str_of(words[i]))) return true;
    return false;
}

static void mask(struct json *v)
{
    for (struct json *m = v->child; m; m = m->next) {
        if (m->type == JSON_ARRAY || m->type == JSON_OBJECT)
            mask(m);
        else if (v->type == JSON_OBJECT && is_secret(m->key) && m->type != JSON_NULL)
            *m = (struct json){.type = JSON_STRING, .key = m->key, .s = STR("***"), .next = m->next};
    }
}

/* The text as it may be shown: JSON with masked members, other texts as they are; {NULL,0}: bytes. */
static struct str shown(struct arena *a, struct str payload, bool whole)
{
    AUTO_ARENA scratch;
    struct json *v;
    arena_init(&scratch, 4u << 20);
    if (!utf8_valid(payload) || memchr(payload.p, '\0', payload.n)) return STR_NULL;
    if (!whole || json_parse(&scratch, payload, &v, NULL) || (v->type != JSON_OBJECT && v->type != JSON_ARRAY))
        return whole || !str_ihas(payload, STR("password")) ? payload : STR("***");
    struct str before = json_text(&scratch, v);
    mask(v);
    struct str after = json_text(&scratch, v);
    return str_eq(before, after) ? payload : arena_str(a, after);
}

/* ---- the last messages ---- */

#define TOPICS_MAX 500

struct picking {
    struct mqtt *m;
    struct arena *a;
    struct str topic, q; /* filter of MQTT; part of a topic */
    struct str how;      /* "stored", "passed", "refused", or "" */
    struct mq_who who;   /* who asks: rules may keep topics from him */
    struct seen_topic *at[TOPICS_MAX];
    size_t n, total;
    bool full;
};

static const char *const how_names[] = {[SEEN_STORED] = "stored", [SEEN_PASSED] = "passed", [SEEN_REFUSED] = "refused"};

static struct seen_topic *copied(struct picking *p, const struct seen_topic *t)
{
    struct seen_topic *c = arena_alloc(p->a, sizeof *c);
    if (!c) return NULL;
    *c = *t;
    c->topic = arena_strdup(p->a, str_of(t->topic));
    for (unsigned i = 0; i < t->n && c->topic; i++) {
        c->m[i].payload = arena_strdup(p->a, str_make(t->m[i].payload, t->m[i].n));
        if (!c->m[i].payload) return NULL;
    }
    return c->topic ? c : NULL;
}

static int pick(void *ctx, const struct seen_topic *t)
{
    struct picking *p = ctx;
    struct str topic = str_of(t->topic);
    if (!t->n || (p->topic.n && !mqtt_match(p->topic, topic)) || !str_ihas(topic, p->q)) return 0;
    if (p->how.n && !str_is(p->how, how_names[t->m[0].how])) return 0;
    if (!mqtt_login_gets(p->m, &p->who, topic)) return 0;
    p->total++;
    if (p->n == TOPICS_MAX) return 0;
    struct seen_topic *c = copied(p, t);
    if (!c) return ERR_NOMEM;
    p->at[p->n++] = c;
    return 0;
}

static void pick_on_loop(void *arg)
{
    struct picking *p = arg;
    p->full = recent_each(p->m->recent, pick, p) != 0;
}

static int newest_first(const void *x, const void *y)
{
    const struct seen_topic *a = *(struct seen_topic *const *)x, *b = *(struct seen_topic *const *)y;
    return (a->last_us < b->last_us) - (a->last_us > b->last_us);
}

static bool may_see(struct api_call *c, const struct seen_message *m)
{
    struct push_about d;
    if (!m->device[0]) return true;
    return push_about(mqtt_of(c)->push, m->device, &d) &&
           permitted_at(c->actor.may, "push_device", ACT_READ, str_of(d.org));
}

static void write_payload(struct json_writer *w, struct arena *a, const struct seen_message *m)
{
    struct str raw = str_make(m->payload, m->n), text = shown(a, raw, m->n == m->size);
    jw_key(w, STR("payload"));
    if (text.p || !raw.n)
        jw_str(w, text);
    else
        jw_null(w);
    struct buf b;
    buf_init(&b, 2 * RECENT_PAYLOAD + 1);
    if (!text.p) hex_encode(&b, raw.p, raw.n < 2048 ? raw.n : 2048);
    jw_key(w, STR("payload_hex"));
    if (b.n)
        jw_str(w, buf_view(&b));
    else
        jw_null(w);
    buf_fini(&b);
}

static void write_message(struct json_writer *w, struct arena *a, const struct seen_message *m)
{
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_kz(w, "at", time_format(m->at_us, at));
    jw_kz(w, "outcome", how_names[m->how]);
    jw_kz(w, "from", m->who);
    jw_kz(w, "device", m->device[0] ? m->device : NULL);
    jw_kz(w, "mapping", m->mapping[0] ? m->mapping : NULL);
    jw_ki64(w, "samples", (int64_t)m->samples);
    jw_ki64(w, "size", (int64_t)m->size);
    jw_kbool(w, "cut", m->n < m->size);
    write_payload(w, a, m);
    jw_end(w);
}

static bool write_topic(struct api_call *c, struct json_writer *w, const struct seen_topic *t, bool all)
{
    char at[TIME_TEXT_MAX];
    unsigned first = 0;
    while (first < t->n && !may_see(c, &t->m[first])) first++;
    if (first == t->n) return false;
    jw_object(w);
    jw_kz(w, "topic", t->topic);
    jw_kz(w, "last", time_format(t->last_us, at));
    jw_kz(w, "outcome", how_names[t->m[first].how]);
    jw_ki64(w, "passed", (int64_t)t->passed);
    jw_ki64(w, "refused", (int64_t)t->refused);
    jw_kz(w, "reason", t->why_us && t->m[first].how != SEEN_STORED ? (c->zh ? t->why_zh : t->why) : "");
    jw_kz(w, "problem", t->why_us ? (c->zh ? t->why_zh : t->why) : "");
    jw_kz(w, "problem_at", t->why_us ? time_format(t->why_us, at) : NULL);
    jw_key(w, STR("messages"));
    jw_array(w);
    for (unsigned i = first; i < t->n && (all || i == first); i++)
        if (may_see(c, &t->m[i])) write_message(w, c->a, &t->m[i]);
    jw_end(w);
    jw_end(w);
    return true;
}

int mqtt_get_recent(struct api_call *c, struct error *e)
{
    int64_t size;
    struct picking *p = arena_calloc(c->a, 1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    *p = (struct picking){.m = mqtt_of(c),
                          .a = c->a,
                          .topic = http_query(c->req, "topic"),
                          .q = http_query(c->req, "q"),
                          .how = http_query(c->req, "outcome"),
                          .who = {.role = MQ_USER}};
    str_to_cstr(str_of(c->actor.user_id), p->who.id, sizeof p->who.id);
    str_to_cstr(str_of(c->actor.login), p->who.name, sizeof p->who.name);
    int rc = api_query_i64(c, "size", 50, 1, 200, &size, e);
    if (!rc && p->topic.n && !mqtt_filter_ok(p->topic))
        rc = error_set(e, ERR_INVALID, "topic", "is no topic or topic filter", "不是有效的主题或主题过滤器");
    if (rc) return rc;
    if (!p->m->net || loop_call(p->m->loop, pick_on_loop, p)) return stopped(e);
    if (p->n) qsort(p->at, p->n, sizeof *p->at, newest_first);
    struct json_writer w = api_answer(c);
    int64_t n = 0;
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < p->n && n < size; i++) n += write_topic(c, &w, p->at[i], p->topic.n > 0);
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)p->total);
    jw_end(&w);
    return 0;
}

/* ---- preview ---- */

struct preview {
    struct api_call *c;
    struct json_writer *w;
    struct mapping_result got;
    struct mapping *m;
    struct str last; /* device that was looked for last */
    struct push_id who;
    bool known;
};

static void write_index(struct json_writer *w, const char *key, size_t i)
{
    jw_key(w, str_of(key));
    if (i == MAPPING_WHOLE)
        jw_null(w);
    else
        jw_i64(w, (int64_t)i);
}

static void find_device(struct preview *p, struct str name)
{
    struct push_about d;
    struct push *push = mqtt_of(p->c)->push;
    if (p->last.p && str_eq(p->last, name)) return;
    p->last = name;
    p->known = push_find_code(push, name, &p->who) && push_about(push, p->who.id, &d) &&
               permitted_at(p->c->actor.may, "push_device", ACT_READ, str_of(d.org));
}

static void write_target(struct preview *p, const struct mapped *v)
{
    static const char *const places[] = {"none", "mapped", "made", "new"};
    struct push_plan plan = {.place = PUSH_PLACE_NONE};
    if (p->known && push_plan_key(mqtt_of(p->c)->push, p->c->a, p->who.id, v->v.key, &plan, NULL))
        plan.place = PUSH_PLACE_NONE;
    jw_kz(p->w, "point", plan.place ? plan.code : NULL);
    jw_kz(p->w, "place", p->known ? places[plan.place] : "device");
    jw_kz(p->w, "problem", plan.why.code ? (p->c->zh ? plan.why.text_zh : plan.why.text) : "");
}

static void write_value(struct preview *p, const struct mapped *v)
{
    char at[TIME_TEXT_MAX];
    struct json_writer *w = p->w;
    find_device(p, v->device);
    jw_object(w);
    write_index(w, "row", v->row);
    write_index(w, "record", v->record);
    jw_kstr(w, "device", v->device);
    jw_kbool(w, "known", p->known);
    jw_kstr(w, "key", v->v.key);
    jw_key(w, STR("value"));
    jw_json(w, v->v.v);
    jw_kz(w, "t", v->v.has_time ? time_format(v->v.time_us, at) : NULL);
    jw_kz(w, "q", quality_name(v->v.quality));
    jw_kstr(w, "unit", v->v.unit.p ? v->v.unit : STR(""));
    write_target(p, v);
    jw_end(w);
}

static void write_fault(struct preview *p, size_t row, size_t record, bool missing, const struct error *why)
{
    jw_object(p->w);
    write_index(p->w, "row", row);
    write_index(p->w, "record", record);
    jw_kz(p->w, "where", why->where);
    jw_kz(p->w, "detail", p->c->zh ? why->text_zh : why->text);
    jw_kbool(p->w, "missing", missing);
    jw_end(p->w);
}

/* "rows[3].value" -> 3 */
static size_t row_of(const char *where)
{
    unsigned row;
    const char *at = strstr(where, "rows[");
    return at && sscanf(at, "rows[%u]", &row) == 1 ? row : MAPPING_WHOLE;
}

static int read_payload(struct api_call *c, const struct json *body, struct str *ret, struct error *e)
{
    const struct json *hex = json_get(body, "payload_hex");
    struct buf b;
    *ret = json_str(json_get(body, "payload"), STR(""));
    if (!hex || hex->type != JSON_STRING) return 0;
    buf_init(&b, hex->s.n);
    int rc = hex_decode(&b, hex->s);
    if (!rc) *ret = arena_str(c->a, buf_view(&b));
    buf_fini(&b);
    return rc ? error_set(e, rc, "payload_hex", "is no hexadecimal text", "不是十六进制文本") : 0;
}

/* What is wrong with the spec itself stands among the faults, so that the page shows it where it belongs. */
static int run(struct preview *p, const struct json *spec, const struct mapping_input *in, struct error *why)
{
    struct json *whole;
    size_t n = 0;
    int rc = kind_check(kernel_kind(p->c->kernel, STR("payload_mapping")), p->c->a, spec, &whole, NULL, NULL, NULL, 0,
                        &n, why);
    if (!rc) rc = mapping_compile(whole, &p->m, why);
    return rc ? rc : mapping_apply(p->m, p->c->a, in, &p->got, why);
}

int mqtt_post_preview(struct api_call *c, struct error *e)
{
    struct json *body;
    struct preview p = {.c = c};
    struct error why = {0};
    struct mapping_input in = {.topic = STR_NULL};
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = read_payload(c, body, &in.payload, e);
    if (rc) return rc;
    in.topic = json_str(json_get(body, "topic"), STR(""));
    in.client = json_str(json_get(body, "client"), STR(""));
    rc = run(&p, json_get(body, "spec"), &in, &why);
    struct json_writer w = api_answer(c);
    p.w = &w;
    jw_object(&w);
    jw_ki64(&w, "records", (int64_t)p.got.records);
    jw_key(&w, STR("values"));
    jw_array(&w);
    for (size_t i = 0; i < p.got.n && i < 1000; i++) write_value(&p, &p.got.v[i]);
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)p.got.n);
    jw_key(&w, STR("faults"));
    jw_array(&w);
    if (rc) write_fault(&p, row_of(why.where), MAPPING_WHOLE, false, &why);
    for (size_t i = 0; i < p.got.nfaults; i++)
        write_fault(&p, p.got.fault[i].row, p.got.fault[i].record, p.got.fault[i].missing, &p.got.fault[i].why);
    jw_end(&w);
    jw_end(&w);
    mapping_free(p.m);
    return 0;
}

/* ---- commands ---- */

int mqtt_post_rpc(struct api_call *c, struct error *e)
{
    struct json *body;
    struct resource r;
    struct rpc_answer answer;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = api_find(c, "push_device", c->param[0], ACT_CONTROL, &r, e);
    if (rc) return rc;
    struct str method = json_str(json_get(body, "method"), STR(""));
    int64_t timeout = json_i64(json_get(body, "timeout_ms"), 5000);
    if (!method.n || method.n > 100)
        return error_set(e, ERR_INVALID, "method", "has 1 to 100 bytes", "长度为 1 至 100 字节");
    if (timeout < 100 || timeout > 60000)
        return error_set(e, ERR_INVALID, "timeout_ms", "must be between 100 and 60000", "必须在 100 与 60000 之间");
    struct rpc_request q = {.device = arena_strdup(c->a, r.id),
                            .what = RPC_CALL,
                            .method = method,
                            .params = json_get(body, "params"),
                            .timeout_ms = (unsigned)timeout,
                            .by = str_of(c->actor.login)};
    mqtt_rpc(mqtt_of(c)->rpc, c->a, &q, &answer);
    struct str detail =
        str_of(arena_printf(c->a, "{\"method\":%s,\"outcome\":\"%s\"}", json_text(c->a, json_new_str(c->a, method)).p,
                            rpc_outcome_names[answer.outcome]));
    api_audit_note(c, r.id, detail);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "outcome", rpc_outcome_names[answer.outcome]);
    jw_kz(&w, "detail", answer.error.code ? (c->zh ? answer.error.text_zh : answer.error.text) : "");
    jw_key(&w, STR("reply"));
    if (answer.reply)
        jw_json(&w, answer.reply);
    else
        jw_null(&w);
    jw_ki64(&w, "ms", answer.ms);
    jw_end(&w);
    return 0;
}

int mqtt_get_commands(struct api_call *c, struct error *e)
{
    struct resource r;
    int rc = api_find(c, "push_device", c->param[0], ACT_READ, &r, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    mqtt_rpc_history(mqtt_of(c)->rpc, arena_strdup(c->a, r.id), c->zh, &w);
    jw_end(&w);
    return 0;
}
