/* grafana.c - a data source for Grafana's JSON plug-ins (simpod-json-datasource, and the older SimpleJson) at
 * /api/v1/grafana, with an API token as Bearer, Basic or Token.
 *
 * A target is the code of a point, several as {A,B} or (A|B) (so Grafana writes a variable of many values), or a
 * function over one: average(A). Series come as plot values of maxDataPoints pixels; with a function, in the text or
 * as `fn` of the payload, as windows of intervalMs. Ad hoc filters: `quality` = good, usable or all. Tables hold what
 * was recorded. What one may not read is not there. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/aggregate.h"
#include "modules/history/answer_grafana.h"
#include "modules/history/deliver.h"
#include "modules/history/doors.h"
#include "modules/history/history.h"

#define TARGETS_MAX 50
#define FOUND_MAX 500

/* ---- what there is ---- */

static int get_root(struct api_call *c, struct error *e)
{
    c->res->content_type = "text/plain; charset=utf-8";
    buf_z(&c->res->body, "bornite\n");
    return 0;
}

/* Bodies may be missing: then everything. */
static struct str wanted(struct api_call *c, const struct json *body)
{
    struct str text = json_str(json_get(body, "target"), STR_NULL);
    if (!text.n) text = json_str(json_path(body, "payload.target"), STR_NULL);
    if (!text.n) text = json_str(json_get(body, "metric"), STR_NULL);
    return text.n ? text : STR_NULL;
}

static int find_points(struct api_call *c, struct list_page *ret, struct error *e)
{
    struct json *body = NULL;
    int err = c->req->body.n ? api_body_json(c, &body, e) : 0;
    struct list_query q = {
        .kind = "point", .text = err ? STR_NULL : wanted(c, body), .limit = FOUND_MAX, .by = &c->actor};
    return err ? err : resource_list(c->kernel, c->a, &q, ret, e);
}

static int post_search(struct api_call *c, struct error *e)
{
    struct list_page page;
    int err = find_points(c, &page, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_array(&w);
    for (size_t i = 0; i < page.n; i++) jw_str(&w, page.items[i].code);
    jw_end(&w);
    return 0;
}

static int post_variable(struct api_call *c, struct error *e)
{
    struct list_page page;
    int err = find_points(c, &page, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_array(&w);
    for (size_t i = 0; i < page.n; i++) {
        jw_object(&w);
        jw_kstr(&w, "__text", page.items[i].code);
        jw_kstr(&w, "__value", page.items[i].code);
        jw_end(&w);
    }
    jw_end(&w);
    return 0;
}

static void option(struct json_writer *w, const char *label, const char *value)
{
    jw_object(w);
    jw_kz(w, "label", label);
    jw_kz(w, "value", value);
    jw_end(w);
}

/* What the editor of a query offers beside the point. */
static void write_payloads(struct json_writer *w, bool zh)
{
    jw_key(w, STR("payloads"));
    jw_array(w);
    jw_object(w);
    jw_kz(w, "label", zh ? "函数" : "Function");
    jw_kz(w, "name", "fn");
    jw_kz(w, "type", "select");
    jw_key(w, STR("options"));
    jw_array(w);
    option(w, zh ? "绘图（不聚合）" : "plot (no function)", "");
    for (size_t i = 0; agg_fn_at(i); i++) option(w, zh ? agg_fn_at(i)->zh : agg_fn_at(i)->en, agg_fn_at(i)->name);
    jw_end(w);
    jw_end(w);
    jw_end(w);
}

static int post_metrics(struct api_call *c, struct error *e)
{
    struct list_page page;
    int err = find_points(c, &page, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_array(&w);
    for (size_t i = 0; i < page.n; i++) {
        char label[LIMIT_CODE + LIMIT_NAME + 8];
        snprintf(label, sizeof label, "%.*s %.*s", STR_ARG(page.items[i].code), STR_ARG(page.items[i].name));
        jw_object(&w);
        jw_kz(&w, "label", label);
        jw_kstr(&w, "value", page.items[i].code);
        write_payloads(&w, c->zh);
        jw_end(&w);
    }
    jw_end(&w);
    return 0;
}

static int post_tag_keys(struct api_call *c, struct error *e)
{
    buf_z(&c->res->body, "[{\"type\":\"string\",\"text\":\"quality\"}]");
    return 0;
}

static int post_tag_values(struct api_call *c, struct error *e)
{
    struct json *body;
    int err = api_body_json(c, &body, e);
    if (err) return err;
    bool quality = str_is(json_str(json_get(body, "key"), STR("")), "quality");
    buf_z(&c->res->body, quality ? "[{\"text\":\"good\"},{\"text\":\"usable\"},{\"text\":\"all\"}]" : "[]");
    return 0;
}

/* ---- queries ---- */

struct target {
    struct json *params;
    const char *kind;
    bool table;
};
struct asking { /* targets one after another into one array */
    struct api_call *c;
    struct target target[TARGETS_MAX];
    size_t n, at;
    bool begun;
    struct run **run; /* opened all at first, so that a fault is a problem */
    struct answer *answer;
    struct buf out;
};

/* "average(A)" -> fn and A; {A,B} and (A|B) -> A,B */
static struct str points_of(struct arena *a, struct str text, struct str *fn)
{
    text = str_trim(text);
    ptrdiff_t open = str_find(text, '(');
    if (open > 0 && text.p[text.n - 1] == ')') {
        *fn = str_sub(text, 0, (size_t)open);
        text = str_sub(text, (size_t)open + 1, text.n - (size_t)open - 2);
    }
    if (text.n > 1 && (*text.p == '{' || *text.p == '(')) text = str_sub(text, 1, text.n - 2);
    char *list = arena_strdup(a, text);
    for (char *p = list; p && *p; p++)
        if (*p == '|') *p = ',';
    return str_of(list);
}

static int64_t at_least_one(const struct json *v, int64_t def)
{
    int64_t n = json_i64(v, def);
    return n < 1 ? def : n;
}

static void set_text(struct api_call *c, struct json *o, const char *key, struct str v)
{
    json_set(o, c->a, str_of(key), json_new_str(c->a, v));
}

static void set_number(struct api_call *c, struct json *o, const char *key, int64_t v)
{
    json_set(o, c->a, str_of(key), json_new_i64(c->a, v));
}

static void add_filters(struct api_call *c, const struct json *body, struct json *o)
{
    for
        json_each (f, json_get(body, "adhocFilters"))
            if (str_is(json_str(json_get(f, "key"), STR("")), "quality"))
                set_text(c, o, "quality", json_str(json_get(f, "value"), STR("all")));
}

static int read_target(struct api_call *c, const struct json *body, const struct json *t, struct target *ret,
                       struct error *e)
{
    const struct json *payload = json_get(t, "payload") ? json_get(t, "payload") : json_get(t, "data");
    struct str fn = json_str(json_get(payload, "fn"), STR(""));
    struct str points = points_of(c->a, json_str(json_get(t, "target"), STR("")), &fn);
    struct json *o = json_new_object(c->a);
    if (!o || !points.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ret->params = o;
    ret->table = str_is(json_str(json_get(t, "type"), STR("")), "table");
    ret->kind = fn.n ? "aggregate" : ret->table ? "recorded" : "plot";
    set_text(c, o, "points", points);
    set_text(c, o, "from", json_str(json_path(body, "range.from"), STR("*-1h")));
    set_text(c, o, "to", json_str(json_path(body, "range.to"), STR("*")));
    int64_t most = at_least_one(json_get(body, "maxDataPoints"), 1000);
    if (fn.n) {
        set_text(c, o, "fn", fn);
        set_number(c, o, "interval", at_least_one(json_get(body, "intervalMs"), 60000));
    } else if (ret->table) {
        set_number(c, o, "limit", most < LIMIT_QUERY_SAMPLES ? most : LIMIT_QUERY_SAMPLES);
    } else {
        set_number(c, o, "px", most < 10000 ? most : 10000);
    }
    if (!fn.n && ret->table) add_filters(c, body, o);
    return 0;
}

static int open_target(struct asking *x, const struct json *body, const struct json *t, struct error *e)
{
    if (json_bool(json_get(t, "hide"), false) || !json_str(json_get(t, "target"), STR("")).n) return 0;
    if (x->n == TARGETS_MAX)
        return error_set(e, ERR_LIMIT, "targets", "at most %d targets in one query", "一次查询最多 %d 个目标",
                         TARGETS_MAX);
    int err = read_target(x->c, body, t, &x->target[x->n], e);
    struct params p = {.body = x->target[x->n].params, .a = x->c->a};
    struct run_caller by = deliver_caller(x->c);
    if (!err) err = run_open(&by, x->target[x->n].kind, &p, &x->run[x->n], e);
    if (!err) x->n++;
    return err;
}

static int next_answer(struct asking *x, struct error *e)
{
    struct ts_store *st = history_node(x->c->module)->history;
    int err = answer_new(&answer_grafana, run_head(x->run[x->at]), st, &x->answer);
    if (err) return error_set(e, err, "", "out of memory", "内存不足");
    answer_grafana_form(x->answer, x->target[x->at].table, x->at == 0);
    x->answer->ops->begin(x->answer);
    return 0;
}

static int asking_step(void *ctx, struct error *e)
{
    struct asking *x = ctx;
    if (!x->begun) buf_u8(&x->out, '[');
    x->begun = true;
    if (x->at == x->n) {
        buf_u8(&x->out, ']');
        return 0;
    }
    int err = x->answer ? 0 : next_answer(x, e);
    if (!err) err = run_step(x->run[x->at], x->answer, e);
    if (err < 0) return err;
    if (err == 0) x->answer->ops->end(x->answer);
    buf_str(&x->out, buf_view(&x->answer->out));
    if (x->answer->out.err && !x->out.err) x->out.err = x->answer->out.err;
    buf_clear(&x->answer->out);
    if (err == 0) {
        answer_free(x->answer);
        x->answer = NULL;
        x->at++;
    }
    return x->out.err ? x->out.err : 1;
}

static struct buf *asking_out(void *ctx)
{
    return &((struct asking *)ctx)->out;
}

static void asking_free(void *ctx)
{
    struct asking *x = ctx;
    answer_free(x->answer);
    for (size_t i = 0; i < TARGETS_MAX && x->run; i++) run_free(x->run[i]);
    mem_free(x->run);
    buf_fini(&x->out);
    mem_free(x);
}

static int post_query(struct api_call *c, struct error *e)
{
    struct json *body;
    int err = api_body_json(c, &body, e);
    if (err) return err;
    struct asking *x = mem_calloc(1, sizeof *x);
    if (!x) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    x->c = c;
    buf_init(&x->out, ANSWER_MAX);
    x->run = mem_calloc(TARGETS_MAX, sizeof(*x->run));
    if (!x->run) err = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for
        json_each (t, json_get(body, "targets"))
            if (!err) err = open_target(x, body, t, e);
    if (err) {
        asking_free(x);
        return err;
    }
    struct delivery d = {x, asking_step, asking_out, asking_free};
    return deliver(c, &d, answer_grafana.media_type, e);
}

#define POST(path_, handler_, en_, zh_, ...) \
    API_DO("POST", "/api/v1/grafana" path_, "point", ACT_READ, AUDIT_NONE, handler_, .any_token = true, \
           .summary_en = (en_), .summary_zh = (zh_), __VA_ARGS__)

static const struct api_route rows[] = {
    API_GET("/api/v1/grafana/", "point", AUDIT_NONE, get_root, .any_token = true,
            .summary_en = "Grafana's JSON data source: is it there", .summary_zh = "Grafana JSON 数据源：连接测试",
            .answer_schema = "text"),
    API_GET("/api/v1/grafana", "point", AUDIT_NONE, get_root, .any_token = true,
            .summary_en = "Grafana's JSON data source: is it there", .summary_zh = "Grafana JSON 数据源：连接测试",
            .answer_schema = "text"),
    POST("/search", post_search, "Grafana: codes of points", "Grafana：测点编码", .body_schema = "{target?:string}",
         .answer_schema = "string[]"),
    POST("/metrics", post_metrics, "Grafana: points with what can be asked of them", "Grafana：测点及可选函数",
         .body_schema = "{metric?:string}", .answer_schema = "{label:string;value:string;payloads:object[]}[]"),
    POST("/variable", post_variable, "Grafana: points as values of a variable", "Grafana：变量取值",
         .body_schema = "{payload?:object}", .answer_schema = "object[]"),
    POST("/query", post_query, "Grafana: series and tables", "Grafana：时间序列与表格",
         .body_schema =
             "{targets:object[];range?:object;intervalMs?:number;maxDataPoints?:number;adhocFilters?:object[]}",
         .answer_schema = "object[]"),
    POST("/tag-keys", post_tag_keys, "Grafana: keys of ad hoc filters", "Grafana：临时筛选键",
         .answer_schema = "{type:string;text:string}[]"),
    POST("/tag-values", post_tag_values, "Grafana: values of an ad hoc filter", "Grafana：临时筛选值",
         .body_schema = "{key:string}", .answer_schema = "{text:string}[]"),
};
const struct door_routes grafana_routes = {rows, sizeof rows / sizeof *rows};
