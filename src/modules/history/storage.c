/* storage.c - the routes of the storage page: see storage.h and docs/api.md. */
#include "modules/history/storage.h"
#include <math.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/growth.h"
#include "modules/history/history.h"
#include "modules/history/retention.h"

#define NO_SUCH_THING(e) \
    error_set(e, ERR_UNSUPPORTED, "", "the store of this node does not offer that", "本节点的存储引擎不提供此功能")

/* ---- GET /storage ---- */

static void write_engine(struct json_writer *w, const struct ts_stats *s)
{
    char t[TIME_TEXT_MAX];
    jw_key(w, STR("engine"));
    jw_object(w);
    jw_ki64(w, "samples_appended", (int64_t)s->samples_appended);
    jw_ki64(w, "samples_head", (int64_t)s->samples_head);
    jw_ki64(w, "bytes_wal", (int64_t)s->bytes_wal);
    jw_ki64(w, "bytes_blocks", (int64_t)s->bytes_blocks);
    jw_ki64(w, "blocks", (int64_t)s->blocks);
    jw_ki64(w, "segments", (int64_t)s->segments);
    jw_ki64(w, "out_of_order", (int64_t)s->out_of_order);
    jw_ki64(w, "rewritten", (int64_t)s->rewritten);
    jw_ki64(w, "damaged_blocks", (int64_t)s->damaged_blocks);
    jw_ki64(w, "recovered_samples", (int64_t)s->recovered_samples);
    jw_kz(w, "oldest", s->oldest_us ? time_format(s->oldest_us, t) : NULL);
    jw_kz(w, "newest", s->newest_us ? time_format(s->newest_us, t) : NULL);
    jw_kbool(w, "read_only", s->read_only);
    jw_kz(w, "read_only_why", s->read_only ? s->read_only_why : NULL);
    jw_end(w);
}

static void write_path(struct json_writer *w, const struct bus_stats *b)
{
    jw_key(w, STR("path"));
    jw_object(w);
    jw_ki64(w, "received", (int64_t)b->received);
    jw_ki64(w, "refused", (int64_t)b->refused);
    jw_ki64(w, "filtered", (int64_t)b->filtered);
    jw_ki64(w, "door", (int64_t)b->door);
    jw_ki64(w, "passed", (int64_t)b->passed);
    jw_ki64(w, "stored", (int64_t)b->stored);
    jw_ki64(w, "dropped", (int64_t)b->journal_dropped);
    jw_ki64(w, "journal_bytes", (int64_t)b->journal_bytes);
    jw_ki64(w, "journal_records", (int64_t)b->journal_records);
    jw_ki64(w, "lag_ms", (int64_t)(b->lag_us / 1000));
    jw_end(w);
}

static int get_storage(struct api_call *c, struct error *e)
{
    struct node *n = history_node(c->module);
    struct ts_stats ts = {0};
    struct bus_stats bus;
    struct place_seen seen[TS_PLACES];
    int64_t free_bytes = 0, total = 0;
    n->engine->ops->stats(n->engine, &ts);
    bus_stats(n->bus, &bus);
    (void)!n->data->ops->space(n->data, &free_bytes, &total);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    write_engine(&w, &ts);
    write_path(&w, &bus);
    jw_ki64(&w, "disk_free", free_bytes);
    jw_ki64(&w, "disk_total", total);
    storage_places(history_storage(c->module), seen);
    places_write(n, seen, &w);
    retention_write(c->module, &w);
    jw_end(&w);
    return 0;
}

/* ---- GET /storage/usage ---- */

struct usage_page {
    struct api_call *call;
    const struct usage *u;
    enum usage_by by;
    struct retention_class cls[TS_CLASSES];
    size_t ncls;
    struct str q;
    char keybuf[16];
};

static const struct retention_class *class_of(const struct usage_page *p, uint32_t id)
{
    for (size_t i = 0; i < p->ncls; i++)
        if (p->cls[i].c.id == id) return &p->cls[i];
    return NULL;
}

static void names_of(struct usage_page *p, const struct usage_item *it, struct str *key, struct str *name)
{
    const struct retention_class *c = class_of(p, it->key);
    const struct usage_name *n = p->by == USAGE_POINT ? usage_name(p->u, it->key) : NULL;
    snprintf(p->keybuf, sizeof p->keybuf, "#%u", it->key);
    *key = str_of(p->keybuf); /* a point or class that is gone */
    *name = STR("");
    if (p->by == USAGE_PLACE) *key = str_of(ts_place_name((enum ts_place)it->key));
    if (p->by == USAGE_CLASS && it->key == 0) *key = STR("-");
    if (p->by == USAGE_CLASS && c) *key = str_of(c->code), *name = str_of(c->name);
    if (n) *key = n->code, *name = n->name;
}

static bool is_wanted(struct usage_page *p, const struct usage_item *it)
{
    struct str key, name;
    if (p->by == USAGE_CLASS && !it->samples && !class_of(p, it->key)) return false;
    if (p->by == USAGE_POINT && !api_may_point(p->call, ACT_READ, it->key)) return false;
    if (!p->q.n) return true;
    names_of(p, it, &key, &name);
    return str_ihas(key, p->q) || str_ihas(name, p->q);
}

static double per_sample(const struct usage_item *it)
{
    return it->samples ? (double)it->bytes / (double)it->samples : 0;
}

#define ORDER(name, less_than) \
    static int by_##name(const void *a, const void *b) \
    { \
        const struct usage_item *x = a, *y = b; \
        int d = (less_than(y) < less_than(x)) - (less_than(x) < less_than(y)); \
        return d ? d : (x->key > y->key) - (x->key < y->key); \
    }
#define BYTES(i) (i)->bytes
#define SAMPLES(i) (i)->samples
#define OLDEST(i) (i)->oldest_us
#define NEWEST(i) (i)->newest_us
#define KEY(i) (i)->key
ORDER(bytes, BYTES)
ORDER(samples, SAMPLES)
ORDER(oldest, OLDEST)
ORDER(newest, NEWEST)
ORDER(per_sample, per_sample)
ORDER(key, KEY)

struct order {
    const char *name;
    int (*cmp)(const void *, const void *);
};
static const struct order orders[] = {
    {"bytes", by_bytes},   {"samples", by_samples}, {"bytes_per_sample", by_per_sample},
    {"oldest", by_oldest}, {"newest", by_newest},   {"number", by_key}};

static int sort_items(struct str sort, struct usage_item *it, size_t n, bool *ret_down, struct error *e)
{
    if (!sort.n) sort = STR("-bytes");
    *ret_down = sort.p[0] == '-';
    struct str name = str_sub(sort, *ret_down, sort.n);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (!str_is(name, orders[i].name)) continue;
        if (n) qsort(it, n, sizeof *it, orders[i].cmp);
        return 0;
    }
    return error_set(
        e, ERR_INVALID, "sort",
        "'%.*s' is not known; bytes, samples, bytes_per_sample, oldest, newest or number, with - backwards",
        "'%.*s' 无效；可用 bytes、samples、bytes_per_sample、oldest、newest、number，前加 - 为降序", STR_ARG(sort));
}

static void write_item(struct json_writer *w, struct usage_page *p, const struct usage_item *it)
{
    char t[TIME_TEXT_MAX], places[32] = "";
    struct str key, name;
    const struct retention_class *c = class_of(p, it->main_class);
    names_of(p, it, &key, &name);
    for (int i = 0, n = 0; i < TS_PLACES; i++)
        if (it->places >> i & 1)
            n += snprintf(places + n, sizeof places - (size_t)n, "%s%s", n ? "," : "", ts_place_name((enum ts_place)i));
    jw_object(w);
    jw_kstr(w, "key", key);
    jw_kstr(w, "name", name);
    jw_kz(w, "class", it->samples && c ? c->code : "");
    jw_kz(w, "place", places);
    jw_ki64(w, "samples", (int64_t)it->samples);
    jw_ki64(w, "bytes", (int64_t)it->bytes);
    jw_kdouble(w, "bytes_per_sample", per_sample(it));
    jw_kz(w, "oldest", it->samples ? time_format(it->oldest_us, t) : NULL);
    jw_kz(w, "newest", it->samples ? time_format(it->newest_us, t) : NULL);
    jw_end(w);
}

static void write_page(struct api_call *c, struct usage_page *p, const struct usage_item *it, size_t n, bool down,
                       int64_t page, int64_t size)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = (size_t)((page - 1) * size); i < n && i < (size_t)(page * size); i++)
        write_item(&w, p, &it[down ? n - 1 - i : i]);
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)n);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
}

static int read_by(struct str text, enum usage_by *ret, struct error *e)
{
    static const char *const names[] = {[USAGE_POINT] = "point", [USAGE_CLASS] = "class", [USAGE_PLACE] = "place"};
    *ret = USAGE_POINT;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!text.n || str_is(text, names[i])) return *ret = (enum usage_by)i, 0;
    return error_set(e, ERR_INVALID, "by", "'%.*s' is not known; write point, class or place",
                     "'%.*s' 无效；请写 point、class 或 place", STR_ARG(text));
}

static int answer_usage(struct api_call *c, const struct storage_state *now, struct usage_page *p, struct error *e)
{
    char t[TIME_TEXT_MAX];
    int64_t page = 1, size = 50;
    bool down = true;
    struct usage_item *it = NULL;
    size_t n = 0, kept = 0;
    int err = api_query_i64(c, "page", 1, 1, 1000000, &page, e);
    if (!err) err = api_query_i64(c, "size", 50, 1, LIMIT_PAGE, &size, e);
    if (!err) err = usage_items(p->u, p->by, &it, &n);
    for (size_t i = 0; i < n; i++)
        if (is_wanted(p, &it[i])) it[kept++] = it[i];
    if (!err) err = sort_items(http_query(c->req, "sort"), it, kept, &down, e);
    if (!err) {
        write_page(c, p, it, kept, down, page, size);
        struct json_writer w = {.out = &c->res->body, .depth = 0}; /* the object is still open */
        buf_printf(w.out, ",\"at\":\"%s\",\"refreshing\":%s}", time_format(now->usage->at_us, t),
                   now->refreshing ? "true" : "false");
    }
    mem_free(it);
    return err;
}

static int get_usage(struct api_call *c, struct error *e)
{
    struct storage_state now;
    struct usage_page *p = arena_calloc(c->a, 1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = read_by(http_query(c->req, "by"), &p->by, e);
    if (err) return err;
    storage_look(history_storage(c->module), str_is(http_query(c->req, "refresh"), "1"), 5000, &now);
    p->call = c;
    p->u = now.usage;
    p->q = http_query(c->req, "q");
    p->ncls = retention_classes(c->module, p->cls);
    if (now.usage)
        err = answer_usage(c, &now, p, e);
    else if (now.err)
        err = error_set(e, now.err, "", "%s", "%s", c->zh ? now.why_zh : now.why);
    else
        err = error_set(e, ERR_AGAIN, "", "the store is being walked through; ask again in a few seconds",
                        "正在统计存储占用，请几秒后重试");
    usage_unref(now.usage);
    return err;
}

/* ---- GET /storage/growth, /storage/damage ---- */

static void write_forecast(struct json_writer *w, struct node *n, const struct growth_day *d, size_t count)
{
    char t[TIME_TEXT_MAX];
    int64_t free_bytes = 0, total = 0;
    double per_day;
    (void)!n->data->ops->space(n->data, &free_bytes, &total);
    bool grows = growth_fit(d, count, &per_day);
    if (grows)
        jw_kdouble(w, "per_day_bytes", per_day);
    else
        jw_kz(w, "per_day_bytes", NULL);
    double days = grows ? (double)free_bytes / per_day : INFINITY;
    int64_t now = clock_now_us(n->clock);
    jw_kz(w, "full_at", days < 36500 ? time_format(now + (int64_t)(days * 86400e6), t) : NULL);
    jw_ki64(w, "disk_free", free_bytes);
    jw_ki64(w, "disk_total", total);
}

static int get_growth(struct api_call *c, struct error *e)
{
    struct node *n = history_node(c->module);
    struct growth_day *d = NULL;
    size_t count = 0;
    int64_t days;
    int err = api_query_i64(c, "days", 90, 1, 3660, &days, e);
    if (!err) err = growth_read(n, c->a, days > GROWTH_FIT_DAYS ? days : GROWTH_FIT_DAYS, &d, &count, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < count; i++) {
        char t[TIME_TEXT_MAX];
        if (d[count - 1].day - d[i].day >= days) continue;
        time_format(d[i].day * 86400 * TIME_US_PER_S, t);
        jw_object(&w);
        jw_kstr(&w, "day", str_make(t, 10));
        jw_ki64(&w, "bytes", d[i].bytes);
        jw_ki64(&w, "samples", d[i].samples);
        jw_end(&w);
    }
    jw_end(&w);
    write_forecast(&w, n, d, count);
    jw_end(&w);
    return 0;
}

struct damage_page {
    struct api_call *call;
    struct json_writer w;
};

static int write_damage(void *ctx, const struct ts_damage *d)
{
    struct damage_page *p = ctx;
    struct resource r;
    char t[TIME_TEXT_MAX];
    if (d->point && !api_may_point(p->call, ACT_READ, d->point)) return 0;
    bool named = d->point && resource_by_num(p->call->kernel, p->call->a, "point", d->point, &r, NULL) == 0;
    jw_object(&p->w);
    jw_kz(&p->w, "found_at", time_format(d->found_us, t));
    jw_kz(&p->w, "file", d->file);
    jw_ki64(&p->w, "offset", (int64_t)d->offset);
    jw_ki64(&p->w, "bytes", (int64_t)d->bytes);
    jw_ki64(&p->w, "point", d->point);
    jw_kstr(&p->w, "code", named ? r.code : STR(""));
    jw_kz(&p->w, "from", d->to_us > d->from_us ? time_format(d->from_us, t) : NULL);
    jw_kz(&p->w, "to", d->to_us > d->from_us ? time_format(d->to_us, t) : NULL);
    jw_ki64(&p->w, "samples", (int64_t)d->samples);
    jw_end(&p->w);
    return 0;
}

static int get_damage(struct api_call *c, struct error *e)
{
    struct node *n = history_node(c->module);
    const struct ts_admin_ops *admin = n->engine->admin;
    if (!admin || !admin->damage) return NO_SUCH_THING(e);
    struct damage_page p = {c, api_answer(c)};
    jw_object(&p.w);
    jw_key(&p.w, STR("items"));
    jw_array(&p.w);
    int err = admin->damage(n->engine, write_damage, &p);
    jw_end(&p.w);
    jw_end(&p.w);
    return err < 0 ? error_set(e, err, "", "the damage cannot be listed", "无法列出损坏位置") : 0;
}

/* ---- POST /archive-classes:preview ---- */

static void write_preview(struct api_call *c, const struct ts_preview *v)
{
    char t[TIME_TEXT_MAX];
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("delete"));
    jw_object(&w);
    jw_ki64(&w, "bytes", (int64_t)v->bytes);
    jw_ki64(&w, "samples", (int64_t)v->samples);
    jw_kz(&w, "before", v->before_us == INT64_MIN ? NULL : time_format(v->before_us, t));
    jw_end(&w);
    jw_key(&w, STR("move"));
    jw_object(&w);
    jw_ki64(&w, "warm", (int64_t)v->move_bytes[TS_WARM]);
    jw_ki64(&w, "cold", (int64_t)v->move_bytes[TS_COLD]);
    jw_end(&w);
    jw_end(&w);
}

static int post_preview(struct api_call *c, struct error *e)
{
    struct node *n = history_node(c->module);
    const struct ts_admin_ops *admin = n->engine->admin;
    struct retention_class cls[TS_CLASSES];
    struct ts_class table[TS_CLASSES], *mine = NULL;
    struct ts_preview ret[TS_CLASSES] = {{0}};
    struct json *body = NULL;
    if (!admin || !admin->preview) return NO_SUCH_THING(e);
    int err = api_body_json(c, &body, e);
    if (err) return err;
    struct str code = json_str(json_get(body, "code"), STR(""));
    size_t count = retention_classes(c->module, cls);
    for (size_t i = 0; i < count; i++) {
        table[i] = cls[i].c;
        if (str_is(code, cls[i].code)) mine = &table[i];
    }
    if (code.n && !mine)
        return error_set(e, ERR_NOT_FOUND, "code", "there is no archive class '%.*s'", "没有归档类别 '%.*s'",
                         STR_ARG(code));
    if (mine && (err = retention_class_read(json_get(body, "spec"), mine, e))) return err;
    if (mine) err = admin->preview(n->engine, table, count, ret, e);
    if (err) return err;
    struct ts_preview none = {.before_us = INT64_MIN}; /* a new class has no samples yet */
    write_preview(c, mine ? &ret[mine->id] : &none);
    return 0;
}

#define STORAGE \
    "{engine:{samples_appended:integer;samples_head:integer;bytes_wal:integer;bytes_blocks:integer;blocks:integer;" \
    "segments:integer;out_of_order:integer;rewritten:integer;damaged_blocks:integer;recovered_samples:integer;" \
    "oldest:time|null;newest:time|null;read_only:boolean;read_only_why:string|null};" \
    "path:{received:integer;refused:integer;filtered:integer;door:integer;passed:integer;stored:integer;" \
    "dropped:integer;journal_bytes:integer;journal_records:integer;lag_ms:integer};disk_free:integer;" \
    "disk_total:integer;places:{name:string;at:string|null;state:'ok'|'away'|'none';why:string|null;why_zh:string|" \
    "null;" \
    "bytes:integer;files:integer;samples:integer;away_files:integer;free:integer|null;total:integer|null;" \
    "seen_at:time|null;traffic:{cache_hits:integer;fetches:integer;fetched_bytes:integer;uploads:integer;" \
    "uploaded_bytes:integer;failures:integer}|null}[];places_at:time|null;" \
    "classes:{code:string;name:string;max_age_s:integer;max_bytes:integer;bytes:integer;samples:integer;" \
    "oldest:time|null}[]}"
static const struct api_route routes[] = {
    API_GET("/api/v1/storage", "archive_class", AUDIT_NONE, get_storage, .summary_en = "What the store holds",
            .summary_zh = "存储概况", .answer_schema = STORAGE),
    API_GET("/api/v1/storage/usage", "archive_class", AUDIT_NONE, get_usage, .summary_en = "What uses the disk",
            .summary_zh = "磁盘占用明细",
            .params = "by:string:point, class or place;q:string:Part of code or name;sort:string:-bytes;"
                      "page:integer:Page;size:integer:Rows;refresh:string:1 to gather it anew",
            .answer_schema = "{items:{key:string;name:string;class:string;place:string;samples:integer;bytes:integer;"
                             "bytes_per_sample:number;oldest:time|null;newest:time|null}[];total:integer;page:integer;"
                             "size:integer;at:time;refreshing:boolean}"),
    API_GET("/api/v1/storage/growth", "archive_class", AUDIT_NONE, get_growth, .summary_en = "How the store grows",
            .summary_zh = "存储增长", .params = "days:integer:Days back, default 90",
            .answer_schema = "{items:{day:string;bytes:integer;samples:integer}[];per_day_bytes:number|null;"
                             "full_at:time|null;disk_free:integer;disk_total:integer}"),
    API_GET("/api/v1/storage/damage", "archive_class", AUDIT_NONE, get_damage,
            .summary_en = "Broken places of the store", .summary_zh = "存储损坏位置",
            .answer_schema = "{items:{found_at:time;file:string;offset:integer;bytes:integer;point:integer;"
                             "code:string;from:time|null;to:time|null;samples:integer}[]}"),
    API_DO("POST", "/api/v1/archive-classes:preview", "archive_class", ACT_READ, AUDIT_NONE, post_preview,
           .summary_en = "What a class would delete and move", .summary_zh = "归档类别预览：将删除和迁移的数据",
           .body_schema = "{code?:string;spec:object}",
           .answer_schema =
               "{delete:{bytes:integer;samples:integer;before:time|null};move:{warm:integer;cold:integer}}"),
};

int storage_routes(struct node *n, void *module, struct error *e)
{
    return api_routes_add(n->api, routes, sizeof routes / sizeof *routes, module, e);
}
