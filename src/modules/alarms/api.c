/* api.c - routes of the alarms: lists, people's actions, the stream. Whoever may not read alarms of a point's
 * organisation finds them not to be there. Actions are answered when they are durable. */
#include "base/mem.h"
#include "base/time.h"
#include "core/module.h"
#include "modules/alarms/alarms.h"

#define SHELVE_MAX_US (30LL * 86400 * TIME_US_PER_S)
#define ACK_MAX 20000
#define COMMENT_MAX 399

static struct alarms *alarms_of(struct api_call *c)
{
    return c->module;
}

/* "12-hh" */
static bool parse_id(struct str id, uint32_t *num, int *cond)
{
    int64_t n;
    struct str rest = id, first = str_cut(&rest, '-');
    *cond = alarm_condition_parse(rest);
    if (str_to_i64(first, &n) || n < 1 || n > UINT32_MAX || *cond < 0) return false;
    *num = (uint32_t)n;
    return true;
}

static int not_there(struct str id, struct error *e)
{
    return error_set(e, ERR_NOT_FOUND, "id", "there is no alarm '%.*s'", "没有报警 '%.*s'",
                     STR_ARG(str_sub(id, 0, 60)));
}

int alarms_check(struct alarms *a, const struct actor *by, struct str id, uint32_t *num, int *cond, struct error *e)
{
    struct alarm_item it;
    char org[37];
    if (!parse_id(id, num, cond)) return not_there(id, e);
    if (book_get(a->book, *num, *cond, &it)) {
        memcpy(org, it.info ? it.info->org : "", it.info ? sizeof org : 1);
        book_item_done(a->book, &it);
    } else if (!book_point_org(a->book, *num, org)) {
        return not_there(id, e);
    }
    if (!permitted_at(by->may, "alarm", ACT_READ, str_of(org))) return not_there(id, e);
    if (!permitted_at(by->may, "alarm", ACT_WRITE, str_of(org)))
        return error_set(e, ERR_FORBIDDEN, "id", "%s may not acknowledge or shelve alarms of this organisation",
                         "%s 无权确认或搁置该组织的报警", by->login);
    if (!a->leading)
        return error_set(e, ERR_UNAVAILABLE, "",
                         "another server of this database watches the alarms now (%s); do it there, or try again",
                         "报警现由同一数据库的另一台服务器处理（%s）；请在该服务器上操作，或稍后重试", a->lead.holder);
    return 0;
}

static int check(struct api_call *c, struct str id, uint32_t *num, int *cond, struct error *e)
{
    return alarms_check(alarms_of(c), &c->actor, id, num, cond, e);
}

static struct alarm_words *words_new(struct api_call *c, struct str text)
{
    struct alarm_words *w = mem_calloc(1, sizeof *w);
    if (!w) return NULL;
    memcpy(w->login, c->actor.login, sizeof w->login);
    str_to_cstr(text, w->text, sizeof w->text);
    return w;
}

static int text_of(const struct json *body, const char *name, bool required, struct str *ret, struct error *e)
{
    const struct json *v = json_get(body, name);
    *ret = str_trim(json_str(v, STR("")));
    if (v && v->type != JSON_STRING && v->type != JSON_NULL)
        return error_set(e, ERR_INVALID, name, "'%s' must be a text", "'%s' 应为文本", name);
    if (required && !ret->n)
        return error_set(e, ERR_INVALID, name, "'%s' is missing: say why", "缺少 '%s'：请说明原因", name);
    if (ret->n > COMMENT_MAX)
        return error_set(e, ERR_INVALID, name, "'%s' is longer than %d bytes", "'%s' 超过 %d 字节", name, COMMENT_MAX);
    return 0;
}

/* An empty body is an empty object. */
static int body_of(struct api_call *c, struct json **ret, struct error *e)
{
    if (c->req->body.n) return api_body_json(c, ret, e);
    *ret = json_new_object(c->a);
    return *ret ? 0 : ERR_NOMEM;
}

static void note(struct api_call *c, struct str id, const char *key, struct str text)
{
    struct buf b;
    buf_init(&b, 4096);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kstr(&w, key, text);
    jw_end(&w);
    api_audit_note(c, id, arena_str(c->a, buf_view(&b)));
    buf_fini(&b);
}

static int answer_item(struct api_call *c, uint32_t num, int cond)
{
    struct alarms *a = alarms_of(c);
    struct alarm_item it;
    struct json_writer w = api_answer(c);
    if (book_get(a->book, num, cond, &it)) {
        book_item_write(&w, &it);
        book_item_done(a->book, &it);
        return 0;
    }
    char id[24];
    snprintf(id, sizeof id, "%u-%s", num, alarm_condition_name(cond));
    jw_object(&w);
    jw_kz(&w, "id", id);
    jw_ki64(&w, "point", num);
    jw_kz(&w, "condition", alarm_condition_name(cond));
    jw_kz(&w, "state", "normal");
    jw_end(&w);
    return 0;
}

/* ---- lists ---- */

static int query_of(struct api_call *c, struct book_query *q, int64_t *page, int64_t *size, struct error *e)
{
    static const char *const states[] = {"open", "active", "unacked", "shelved", "all"};
    struct str state = http_query(c->req, "state");
    int64_t priority = 0;
    *q = (struct book_query){.may = c->actor.may, .area = http_query(c->req, "area"), .q = http_query(c->req, "q")};
    int known = state.n ? -1 : BOOK_OPEN;
    for (int i = 0; i < 5 && state.n; i++)
        if (str_is(state, states[i])) known = i;
    if (known < 0)
        return error_set(e, ERR_INVALID, "state", "'%.*s' is none of open, active, unacked, shelved, all",
                         "'%.*s' 不是 open、active、unacked、shelved、all 之一", STR_ARG(str_sub(state, 0, 40)));
    q->state = (enum book_state)known;
    int rc = api_query_i64(c, "priority", 0, 0, 4, &priority, e);
    if (!rc) rc = api_query_i64(c, "page", 1, 1, 1000000, page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, 1000, size, e);
    q->priority = (int)priority;
    q->offset = (size_t)((*page - 1) * *size);
    q->limit = (size_t)*size;
    return rc;
}

static void write_counts(struct api_call *c, struct json_writer *w, const struct book_counts *n)
{
    struct engine_stats st;
    engine_stats(alarms_of(c)->engine, &st);
    jw_key(w, STR("counts"));
    jw_object(w);
    jw_ki64(w, "active", (int64_t)n->active);
    jw_ki64(w, "unacked", (int64_t)n->unacked);
    jw_ki64(w, "shelved", (int64_t)n->shelved);
    jw_key(w, STR("by_priority"));
    jw_object(w);
    for (int p = 1; p <= 4; p++) {
        char key[2] = {(char)('0' + p), 0};
        jw_ki64(w, key, (int64_t)n->by_priority[p]);
    }
    jw_end(w);
    jw_ki64(w, "dropped", (int64_t)st.dropped);
    jw_end(w);
}

static int get_alarms(struct api_call *c, struct error *e)
{
    struct book_query q;
    struct book_counts counts;
    int64_t page = 1, size = 50;
    size_t total;
    int rc = query_of(c, &q, &page, &size, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    book_list(alarms_of(c)->book, &q, &w, &total, &counts);
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)total);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    write_counts(c, &w, &counts);
    jw_end(&w);
    return 0;
}

static int time_query(struct api_call *c, const char *name, int64_t def, int64_t *ret, struct error *e)
{
    struct str s = http_query(c->req, name);
    *ret = def;
    int rc = s.n ? time_parse_words(s, clock_now_us(kernel_clock(c->kernel)), 0, ret, e) : 0;
    if (rc) error_prefix(e, name);
    return rc;
}

static int get_history(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50, total = 0, now = clock_now_us(kernel_clock(c->kernel));
    struct journal_query q = {.may = c->actor.may, .point = http_query(c->req, "point")};
    int rc = time_query(c, "from", now - 7LL * 86400 * TIME_US_PER_S, &q.from_us, e);
    if (!rc) rc = time_query(c, "to", now + TIME_US_PER_S, &q.to_us, e);
    if (!rc) rc = api_query_i64(c, "page", 1, 1, 1000000, &page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, 1000, &size, e);
    if (rc) return rc;
    q.offset = (size_t)((page - 1) * size);
    q.limit = (size_t)size;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = store_journal(c->kernel, c->a, &q, &w, &total, e);
    jw_end(&w);
    jw_ki64(&w, "total", total);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return rc;
}

/* ---- actions ---- */

static int post_ack(struct api_call *c, struct error *e)
{
    struct json *body;
    struct str comment;
    uint32_t num;
    int cond;
    uint64_t seq = 0;
    int rc = body_of(c, &body, e);
    if (!rc) rc = text_of(body, "comment", false, &comment, e);
    if (!rc) rc = check(c, c->param[0], &num, &cond, e);
    if (rc) return rc;
    note(c, c->param[0], "comment", comment);
    rc = alarms_ack(alarms_of(c), c->actor.login, num, cond, comment, &seq, e);
    if (rc == ERR_CONFLICT)
        return error_set(e, ERR_EXISTS, "id", "this alarm needs no acknowledgement (any more)",
                         "该报警无需确认（或已确认）");
    if (!rc) rc = alarms_written(alarms_of(c), seq, e);
    return rc ? rc : answer_item(c, num, cond);
}

static int ack_listed(struct api_call *c, const struct json *ids, struct str comment, size_t *acked, size_t *skipped,
                      uint64_t *seq, struct error *e)
{
    for
        json_each (it, ids) {
            struct error why = {0};
            uint32_t num;
            int cond;
            int rc = check(c, json_str(it, STR("")), &num, &cond, &why);
            if (!rc) rc = alarms_ack(alarms_of(c), c->actor.login, num, cond, comment, seq, &why);
            if (rc == ERR_AGAIN || rc == ERR_NOMEM) {
                if (e) *e = why;
                return rc;
            }
            *(rc ? skipped : acked) += 1;
        }
    return 0;
}

static int post_ack_many(struct api_call *c, struct error *e)
{
    struct json *body;
    struct str comment;
    size_t acked = 0, skipped = 0;
    uint64_t seq = 0;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = text_of(body, "comment", false, &comment, e);
    if (rc) return rc;
    const struct json *ids = json_get(body, "ids");
    if (!ids || ids->type != JSON_ARRAY || !ids->count || ids->count > ACK_MAX)
        return error_set(e, ERR_INVALID, "ids", "must be a list of 1 to %d alarms", "应为 1 到 %d 个报警的列表",
                         ACK_MAX);
    rc = ack_listed(c, ids, comment, &acked, &skipped, &seq, e);
    if (!rc && acked) rc = alarms_written(alarms_of(c), seq, e);
    if (rc) return rc;
    api_audit_note(c, STR(""), arena_str(c->a, str_of(arena_printf(c->a, "{\"acked\":%zu}", acked))));
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "acked", (int64_t)acked);
    jw_ki64(&w, "skipped", (int64_t)skipped);
    jw_end(&w);
    return 0;
}

static int shelf(struct api_call *c, int64_t until_us, struct str reason, struct error *e)
{
    uint32_t num;
    int cond;
    uint64_t seq = 0;
    int rc = check(c, c->param[0], &num, &cond, e);
    if (rc) return rc;
    struct alarm_words *w = words_new(c, reason);
    if (w) w->until_us = until_us;
    note(c, c->param[0], "reason", reason);
    rc = w ? engine_shelve(alarms_of(c)->engine, num, cond, w, &seq) : ERR_NOMEM;
    if (rc) mem_free(w);
    if (rc == ERR_NOT_FOUND) return not_there(c->param[0], e);
    if (rc == ERR_CONFLICT) return error_set(e, ERR_EXISTS, "id", "this alarm is not shelved", "该报警未被搁置");
    if (rc) return error_set(e, rc, "", "too much is happening to take it now; try again", "当前报警过多，请稍后重试");
    rc = alarms_written(alarms_of(c), seq, e);
    return rc ? rc : answer_item(c, num, cond);
}

static int post_shelve(struct api_call *c, struct error *e)
{
    struct json *body;
    struct str reason;
    int64_t until, now = clock_now_us(kernel_clock(c->kernel));
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = text_of(body, "reason", true, &reason, e);
    if (rc) return rc;
    const struct json *v = json_get(body, "until");
    if (v && v->type == JSON_INT)
        until = v->i * 1000;
    else if (time_parse(json_str(v, STR("")), &until, NULL))
        return error_set(e, ERR_INVALID, "until", "'until' is a time, RFC 3339 or milliseconds since 1970",
                         "'until' 应为时间（RFC 3339 或 1970 年以来的毫秒数）");
    if (until <= now || until > now + SHELVE_MAX_US)
        return error_set(e, ERR_INVALID, "until", "an alarm is shelved until a time within the next 30 days",
                         "搁置的结束时间须在今后 30 天之内");
    return shelf(c, until, reason, e);
}

static int post_unshelve(struct api_call *c, struct error *e)
{
    return shelf(c, 0, STR(""), e);
}

static void stream_open(struct http_stream *s, struct http_request *q)
{
    feed_open(alarms_of(q->route_ctx)->feed, s, q);
}
static const struct http_stream_ops stream_ops = {.open = stream_open, .close = feed_close};

#define STATE "state:'active_unacked'|'active_acked'|'cleared_unacked'|'normal'"
#define CONDITION "condition:'hh'|'h'|'l'|'ll'|'bad'|'stale'"
#define ITEM \
    "{id:string;point:integer;code?:string;name?:string;area?:string;org?:string;" CONDITION \
    ";priority?:integer;" STATE \
    ";value?:number|null;limit?:number|null;unit?:string;raised_at?:time|null;cleared_at?:time|null;" \
    "acked_by?:string|null;acked_at?:time|null;comment?:string|null;shelved_until?:time|null;" \
    "shelved_by?:string|null;shelve_reason?:string|null}"
#define COUNTS "counts:{active:integer;unacked:integer;shelved:integer;by_priority:{*:integer};dropped:integer}"
#define JOURNAL \
    "{items:{id:string;at:time;point:integer;code:string;name:string;org:string;" CONDITION \
    ";event:'raised'|'cleared'|'acked'|'removed'|'shelved'|'unshelved'|'caught_up';" STATE \
    ";priority:integer;value:number|null;limit:number|null;by:string;comment:string}[];total:integer;page:integer;" \
    "size:integer}"

static const struct api_route routes[] = {
    API_GET("/api/v1/alarms", "alarm", AUDIT_NONE, get_alarms, .summary_en = "Alarms that are not normal",
            .summary_zh = "当前报警",
            .params =
                "state:string:open, active, unacked, shelved or all;priority:integer:1 to 4;area:string:Path of the "
                "area;q:string:Part of code or name;page:integer:Page;size:integer:Rows a page",
            .answer_schema = "{items:" ITEM "[];total:integer;page:integer;size:integer;" COUNTS "}"),
    API_GET("/api/v1/alarms/history", "alarm", AUDIT_NONE, get_history, .summary_en = "Journal of the alarms",
            .summary_zh = "报警历史记录",
            .params = "from:time:Start;to:time:End;point:string:Code or id;page:integer:Page;size:integer:Rows a page",
            .answer_schema = JOURNAL),
    API_DO("POST", "/api/v1/alarms:ack", "alarm", ACT_WRITE, AUDIT_CHANGE, post_ack_many,
           .summary_en = "Acknowledge many alarms", .summary_zh = "批量确认报警",
           .body_schema = "{ids:string[];comment?:string}", .answer_schema = "{acked:integer;skipped:integer}"),
    API_DO("POST", "/api/v1/alarms/{id}:ack", "alarm", ACT_WRITE, AUDIT_CHANGE, post_ack,
           .summary_en = "Acknowledge an alarm", .summary_zh = "确认报警", .body_schema = "{comment?:string}",
           .answer_schema = ITEM),
    API_DO("POST", "/api/v1/alarms/{id}:shelve", "alarm", ACT_WRITE, AUDIT_CHANGE, post_shelve,
           .summary_en = "Shelve an alarm until a time", .summary_zh = "搁置报警至指定时间",
           .body_schema = "{until:time|integer;reason:string}", .answer_schema = ITEM),
    API_DO("POST", "/api/v1/alarms/{id}:unshelve", "alarm", ACT_WRITE, AUDIT_CHANGE, post_unshelve,
           .summary_en = "End the shelving of an alarm", .summary_zh = "取消搁置报警", .answer_schema = ITEM),
    {.method = "GET",
     .path = "/api/v1/alarms/stream",
     .kind = "alarm",
     .action = ACT_READ,
     .audit = AUDIT_NONE,
     .stream = &stream_ops,
     .summary_en = "Alarms and counts as they change (server-sent events)",
     .summary_zh = "报警与计数的实时事件流",
     .answer_schema = "sse"},
};

extern const struct str modules_alarms_kinds[];
const struct module alarms_module = {
    .name = "alarms",
    .title_en = "Alarms",
    .title_zh = "报警",
    .kinds = modules_alarms_kinds,
    .routes = routes,
    .nroutes = sizeof routes / sizeof *routes,
    .init = alarms_init,
    .start = alarms_start,
    .stop = alarms_stop,
    .fini = alarms_fini,
};
