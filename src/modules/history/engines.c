/* engines.c - see engines.h. Codes of points stand in one array by number, replaced as a whole when points change, and
 * only kept while there are engines. Settings that were tried but not stored use the stored password only with the
 * stored address, so that nobody has it sent elsewhere. */
#include "modules/history/engines.h"
#include <pthread.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "core/event.h"
#include "io/log.h"
#include "store/ts_router.h"

#define QUIET_NS 60000000000ull /* between events of one sort */

struct names {
    char **code; /* by number; NULL: none */
    size_t n, cap;
};
struct engines {
    struct node *node;
    pthread_mutex_t lock;
    struct names names;  /* under lock */
    uint64_t told_ns[4]; /* by event, under lock */
};

static struct ts_store *router_of(const struct node *n)
{
    return ts_is_router(n->history) ? n->history : NULL;
}

/* ------------------------------------------------------------------ codes of points */

static void names_fini(struct names *m)
{
    for (size_t i = 0; i < m->n; i++) mem_free(m->code[i]);
    mem_free(m->code);
    *m = (struct names){0};
}

static int add_name(void *ctx, const struct resource *res)
{
    struct names *m = ctx;
    if (!mem_grow((void **)&m->code, &m->cap, (size_t)res->num + 1, sizeof *m->code)) return ERR_NOMEM;
    while (m->n <= res->num) m->code[m->n++] = NULL;
    char *copy = mem_alloc(res->code.n + 1);
    if (!copy) return ERR_NOMEM;
    str_to_cstr(res->code, copy, res->code.n + 1);
    mem_free(m->code[res->num]);
    m->code[res->num] = copy;
    return 0;
}

static bool name_of(void *ctx, uint32_t point, char *out, size_t cap)
{
    struct engines *g = ctx;
    pthread_mutex_lock(&g->lock);
    bool known = point < g->names.n && g->names.code[point];
    if (known) str_to_cstr(str_of(g->names.code[point]), out, cap);
    pthread_mutex_unlock(&g->lock);
    return known;
}

static void count_engine(void *ctx, const struct ts_router_status *s)
{
    ++*(size_t *)ctx;
}

void engines_names(struct engines *g)
{
    struct names fresh = {0}, old;
    struct error e = {0};
    size_t n = 0;
    if (!router_of(g->node)) return;
    ts_router_each(g->node->history, count_engine, &n);
    int err = n ? resource_each(g->node->kernel, "point", add_name, &fresh, &e) : 0;
    if (err) log_error("history", "the codes of points cannot be read for the engines", "err=%s", error_name(err));
    pthread_mutex_lock(&g->lock);
    old = g->names;
    g->names = fresh;
    pthread_mutex_unlock(&g->lock);
    names_fini(&old);
}

/* ------------------------------------------------------------------ settings */

static const char *text(struct arena *a, const struct json *spec, const char *key)
{
    return arena_strdup(a, json_str(json_get(spec, key), STR("")));
}

/* Texts go into the arena. */
static struct ts_remote_config config_of(struct engines *g, struct arena *a, const struct json *spec)
{
    int64_t timeout = 0;
    struct str t = json_str(json_get(spec, "timeout"), STR(""));
    if (!t.n || duration_parse(t, &timeout, NULL)) timeout = 10 * TIME_US_PER_S;
    return (struct ts_remote_config){.engine = text(a, spec, "engine"),
                                     .url = text(a, spec, "url"),
                                     .database = text(a, spec, "database"),
                                     .user = text(a, spec, "user"),
                                     .password = text(a, spec, "password"),
                                     .ca = text(a, spec, "ca"),
                                     .timeout_ms = (unsigned)(timeout / 1000),
                                     .batch = (size_t)json_i64(json_get(spec, "batch"), 10000),
                                     .name = name_of,
                                     .name_ctx = g,
                                     .strings = g->node->engine};
}

struct loading {
    struct engines *g;
    struct arena a;
    struct ts_router_engine engine[TS_SLOTS - 1];
    struct ts_router_class class[TS_CLASSES];
    size_t nengines, nclasses, left_out;
};

static int load_engine(void *ctx, const struct resource *res)
{
    struct loading *l = ctx;
    if (l->nengines == TS_SLOTS - 1) {
        l->left_out++;
        return 0;
    }
    struct ts_router_engine *e = &l->engine[l->nengines++];
    *e = (struct ts_router_engine){.id = arena_strdup(&l->a, res->id),
                                   .code = arena_strdup(&l->a, res->code),
                                   .stamp = res->rev,
                                   .remote = config_of(l->g, &l->a, res->spec)};
    return e->id && e->code && e->remote.ca ? 0 : ERR_NOMEM;
}

static int load_class(void *ctx, const struct resource *res)
{
    struct loading *l = ctx;
    if (!res->num || res->num >= TS_CLASSES || l->nclasses == TS_CLASSES) return 0;
    struct ts_router_class *c = &l->class[l->nclasses++];
    *c = (struct ts_router_class){.id = (uint8_t)res->num};
    str_to_cstr(json_str(json_get(res->spec, "engine"), STR("")), c->engine, sizeof c->engine);
    str_to_cstr(json_str(json_get(res->spec, "mirror"), STR("")), c->mirror, sizeof c->mirror);
    return 0;
}

void engines_apply(struct engines *g)
{
    struct ts_store *st = router_of(g->node);
    struct error e = {0};
    struct loading *l = st ? mem_calloc(1, sizeof *l) : NULL;
    if (!l) return;
    l->g = g;
    arena_init(&l->a, 1 << 20);
    int err = resource_each(g->node->kernel, "ts_engine", load_engine, l, &e);
    if (!err) err = resource_each(g->node->kernel, "archive_class", load_class, l, &e);
    if (!err) err = ts_router_engines(st, l->engine, l->nengines, &e);
    if (!err) err = ts_router_classes(st, l->class, l->nclasses, &e);
    if (err) log_error("history", "cannot apply the engines", "err=%s detail=\"%s\"", error_name(err), e.text);
    if (l->left_out) log_warn("history", "more engines than a node can have", "left_out=%zu", l->left_out);
    arena_fini(&l->a);
    mem_free(l);
}

/* ------------------------------------------------------------------ events */

static bool told_lately(struct engines *g, enum ts_queue_event ev)
{
    uint64_t now = clock_mono_ns(g->node->clock);
    pthread_mutex_lock(&g->lock);
    bool lately = g->told_ns[ev] && now - g->told_ns[ev] < QUIET_NS;
    if (!lately) g->told_ns[ev] = now ? now : 1;
    pthread_mutex_unlock(&g->lock);
    return lately;
}

/* On a thread of the router, which must not be asked from here. */
static void on_event(void *ctx, const char *id, const char *code, enum ts_queue_event ev, uint64_t n,
                     const struct error *why)
{
    static const struct {
        const char *topic, *en, *zh;
        enum event_severity severity;
    } sort[] = {
        [TS_QUEUE_DOWN] = {"engine.down", "takes no samples; they wait on this node", "不接收数据，样本暂存在本节点",
                           EVENT_WARNING},
        [TS_QUEUE_UP] = {"engine.up", "takes samples again", "恢复接收数据", EVENT_INFO},
        [TS_QUEUE_DROPPED] = {"engine.dropped", "the queue before it is full, samples were dropped",
                              "队列已满，丢弃了样本", EVENT_ERROR},
        [TS_QUEUE_REFUSED] = {"engine.refused", "refuses some samples for good; they were left out",
                              "永久拒绝部分样本，已跳过", EVENT_ERROR},
    };
    struct engines *g = ctx;
    char en[300], zh[300], text_en[500], text_zh[500];
    log_write(sort[ev].severity == EVENT_INFO ? LOG_INFO : LOG_WARN, "history", sort[ev].topic,
              "engine=%s samples=%llu detail=\"%s\"", code, (unsigned long long)n, why ? why->text : "");
    if (told_lately(g, ev)) return;
    snprintf(en, sizeof en, "Engine %s: %s", code, sort[ev].en);
    snprintf(zh, sizeof zh, "引擎 %s：%s", code, sort[ev].zh);
    snprintf(text_en, sizeof text_en, "%s", why ? why->text : "");
    snprintf(text_zh, sizeof text_zh, "%s", why ? why->text_zh : "");
    if (n) {
        size_t a = strlen(text_en), b = strlen(text_zh);
        snprintf(text_en + a, sizeof text_en - a, " (%llu samples)", (unsigned long long)n);
        snprintf(text_zh + b, sizeof text_zh - b, "（%llu 个样本）", (unsigned long long)n);
    }
    struct event e = {.topic = sort[ev].topic,
                      .severity = sort[ev].severity,
                      .title_en = str_of(en),
                      .title_zh = str_of(zh),
                      .text_en = str_of(text_en),
                      .text_zh = str_of(text_zh),
                      .kind = STR("ts_engine"),
                      .id = str_of(id),
                      .link = STR("/storage"),
                      .need = ACT_READ};
    kernel_event(g->node->kernel, &e);
}

/* ------------------------------------------------------------------ metrics */

struct collecting {
    struct buf *out;
    const char *name;
    size_t which;
};

/* Codes of engines hold nothing that a label would have to escape. */
static void collect_one(void *ctx, const struct ts_router_status *s)
{
    const struct collecting *c = ctx;
    const struct ts_queue_status *q = &s->queue;
    const uint64_t value[] = {q->up, q->pending, q->sent, q->failed, q->dropped};
    buf_printf(c->out, "%s{engine=\"%s\"} %llu\n", c->name, s->code, (unsigned long long)value[c->which]);
}

static void collect(void *ctx, struct buf *out)
{
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        {"bornite_engine_up", "gauge", "Whether the engine behind archive classes takes samples."},
        {"bornite_engine_pending_samples", "gauge", "Samples that wait on this node for the engine."},
        {"bornite_engine_sent_total", "counter", "Samples that the engine has taken since the start."},
        {"bornite_engine_refused_total", "counter", "Samples left out because the engine refuses them for good."},
        {"bornite_engine_dropped_total", "counter", "Samples lost because the queue was full."},
    };
    struct engines *g = ctx;
    size_t n = 0;
    ts_router_each(g->node->history, count_engine, &n);
    for (size_t i = 0; n && i < sizeof rows / sizeof *rows; i++) {
        struct collecting c = {out, rows[i].name, i};
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type);
        ts_router_each(g->node->history, collect_one, &c);
    }
}

/* ------------------------------------------------------------------ routes */

static void write_engine(void *ctx, const struct ts_router_status *s)
{
    struct json_writer *w = ctx;
    const struct ts_queue_status *q = &s->queue;
    jw_object(w);
    jw_kz(w, "id", s->id);
    jw_kz(w, "code", s->code);
    jw_kz(w, "engine", s->engine);
    jw_kz(w, "state", q->up ? "up" : "down");
    jw_ki64(w, "pending", (int64_t)q->pending);
    jw_ki64(w, "pending_bytes", (int64_t)q->pending_bytes);
    jw_ki64(w, "sent", (int64_t)q->sent);
    jw_ki64(w, "failed", (int64_t)q->failed);
    jw_ki64(w, "dropped", (int64_t)q->dropped);
    jw_kz(w, "error", q->error.code ? q->error.text : NULL);
    jw_kz(w, "error_zh", q->error.code ? q->error.text_zh : NULL);
    jw_kdouble(w, "lag_s", (double)q->lag_us / 1e6);
    jw_end(w);
}

static int get_status(struct api_call *c, struct error *e)
{
    struct node *n = history_engines(c->module)->node;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    if (router_of(n)) ts_router_each(n->history, write_engine, &w);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

/* A form shows no password: the stored one counts while the address is the stored one. */
static int stored_password(struct api_call *c, const struct json *body, struct json *spec, struct error *e)
{
    struct resource r;
    struct str code = json_str(json_get(body, "code"), STR(""));
    if (!code.n || json_str(json_get(spec, "password"), STR("")).n) return 0;
    int err = api_find(c, "ts_engine", code, ACT_WRITE, &r, e);
    if (err == ERR_NOT_FOUND) return 0; /* a new one */
    if (err) return err;
    bool same = str_eq(json_str(json_get(spec, "url"), STR("")), json_str(json_get(r.spec, "url"), STR("-"))) &&
                str_eq(json_str(json_get(spec, "user"), STR("")), json_str(json_get(r.spec, "user"), STR("")));
    struct json *p = json_get(r.spec, "password");
    if (same && p) json_set(spec, c->a, STR("password"), json_copy(c->a, p));
    return 0;
}

static int try_engine(struct engines *g, struct api_call *c, const struct json *spec, struct ts_remote_info *ret,
                      struct error *e)
{
    struct ts_remote_config cfg = config_of(g, c->a, spec);
    struct ts_store *st = NULL;
    if (!cfg.engine || !cfg.ca) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (cfg.timeout_ms > 20000) cfg.timeout_ms = 20000;
    int err = ts_remote_open(&cfg, &st, e);
    if (err) return err;
    err = ts_remote_test(st, ret, e);
    st->ops->close(st);
    return err;
}

static int post_test(struct api_call *c, struct error *e)
{
    struct engines *g = history_engines(c->module);
    struct json *body, *spec;
    struct ts_remote_info info = {0};
    struct error why = {0};
    int err = api_body_json(c, &body, e);
    if (err) return err;
    spec = json_get(body, "spec");
    if (!spec || spec->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "spec", "the settings of the engine are missing", "缺少引擎设置");
    err = stored_password(c, body, spec, e);
    if (err) return err;
    err = try_engine(g, c, spec, &info, &why);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", err == 0);
    jw_kz(&w, "code", err ? error_name(err) : NULL);
    jw_kz(&w, "where", err && why.where[0] ? why.where : NULL);
    jw_kz(&w, "detail", err ? (c->zh ? why.text_zh : why.text) : "");
    jw_kz(&w, "version", info.version);
    jw_ki64(&w, "ms", info.ms);
    jw_end(&w);
    return 0;
}

static const struct api_route routes[] = {
    API_GET("/api/v1/ts-engines:status", "ts_engine", AUDIT_NONE, get_status,
            .summary_en = "Engines behind archive classes: queue and state",
            .summary_zh = "归档类别外部引擎的状态与队列",
            .answer_schema = "{items:{id:string;code:string;engine:string;state:'up'|'down';pending:integer;"
                             "pending_bytes:integer;sent:integer;failed:integer;dropped:integer;error:string|null;"
                             "error_zh:string|null;lag_s:number}[]}"),
    API_DO("POST", "/api/v1/ts-engines:test", "ts_engine", ACT_WRITE, AUDIT_NONE, post_test, .lane = LANE_TRY,
           .summary_en = "Try settings of an engine that are not stored", .summary_zh = "测试未保存的引擎设置",
           .body_schema = "{code?:string;spec:ts_engine_spec}",
           .answer_schema = "{ok:boolean;code:string|null;where:string|null;detail:string;version:string;ms:integer}"),
};

/* ------------------------------------------------------------------ life */

int engines_new(struct node *n, void *module, struct engines **ret, struct error *e)
{
    struct engines *g = mem_calloc(1, sizeof *g);
    if (!g) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    g->node = n;
    pthread_mutex_init(&g->lock, NULL);
    if (router_of(n)) {
        ts_router_listen(n->history, on_event, g);
        (void)!metric_collector_add(collect, g);
    }
    *ret = g;
    int err = api_routes_add(n->api, routes, sizeof routes / sizeof *routes, module, e);
    if (err) return err;
    return migrate_add(n, e);
}

void engines_stop(struct engines *g)
{
    if (g && router_of(g->node)) ts_router_listen(g->node->history, NULL, NULL);
}

/* The router ends after the modules, and its engines ask for codes: it has to let go of them first. */
void engines_free(struct engines *g)
{
    if (!g) return;
    engines_stop(g);
    metric_collector_remove(collect, g);
    if (router_of(g->node)) ts_router_rest(g->node->history);
    names_fini(&g->names);
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
}
