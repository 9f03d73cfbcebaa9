/* fetch.c - the job "device.history": what devices keep of the past (a historian behind OPC UA, a logger) is read page
 * by page and goes to our history on the usual way, as back-filled samples with the times of their source. Point by
 * point in order of their codes; the checkpoint is the last code that is done. A page that fails is asked for again
 * from the last time that came. */
#include <unistd.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "core/job.h"
#include "modules/collect/collect.h"

#define PAGE 5000
#define PAGE_MS 90000
#define TRIES 3
#define WAIT_US 20000
#define KEPT_TRIES 1500 /* 30 s */
#define PART 1000       /* samples published at once */

struct fetch {
    struct collect *c;
    struct job *j;
    struct bus_source *source;
    struct sink sink;
    struct driver_history ask; /* point and cursor apart */
    char aggregate[32];
    struct str filter, after;
    uint32_t *nums;
    struct str *codes;
    size_t n, nums_cap, codes_cap;
    uint64_t samples, without, failed, forbidden;
};

/* ---- what is asked for ---- */

static int read_params(struct fetch *f, struct error *e)
{
    const struct json *p = job_params(f->j);
    int64_t now = clock_now_us(f->c->node->clock);
    struct str aggregate = json_str(json_get(p, "aggregate"), STR("raw"));
    f->filter = json_str(json_get(p, "filter"), STR(""));
    int err = time_parse_words(json_str(json_get(p, "from"), STR("*-1d")), now, 0, &f->ask.from_us, e);
    if (err) error_prefix(e, "from");
    if (!err && (err = time_parse_words(json_str(json_get(p, "to"), STR("*")), now, 0, &f->ask.to_us, e)))
        error_prefix(e, "to");
    if (!err && f->ask.from_us >= f->ask.to_us)
        err = error_set(e, ERR_INVALID, "to", "must be later than 'from'", "必须晚于开始时间");
    if (err || str_is(aggregate, "raw")) return err;
    str_to_cstr(aggregate, f->aggregate, sizeof f->aggregate);
    f->ask.aggregate = f->aggregate;
    err = duration_parse(json_str(json_get(p, "interval"), STR("1m")), &f->ask.interval_us, e);
    if (err) error_prefix(e, "interval");
    return err;
}

static int add_point(struct fetch *f, const struct resource *r)
{
    if (!permitted_at(job_actor(f->j)->may, "point", ACT_WRITE, r->org)) {
        f->forbidden++;
        return 0;
    }
    if (!mem_grow((void **)&f->nums, &f->nums_cap, f->n + 1, sizeof *f->nums) ||
        !mem_grow((void **)&f->codes, &f->codes_cap, f->n + 1, sizeof *f->codes))
        return ERR_NOMEM;
    f->nums[f->n] = r->num;
    f->codes[f->n] = arena_str(job_arena(f->j), r->code);
    return f->codes[f->n++].p ? 0 : ERR_NOMEM;
}

static int list_points(struct fetch *f, struct error *e)
{
    struct list_page page = {.next = STR("")};
    int err = 0;
    while (!err && page.next.p && !job_cancelled(f->j)) {
        AUTO_ARENA a;
        arena_init(&a, 64u << 20);
        char cursor[512];
        str_to_cstr(page.next, cursor, sizeof cursor);
        struct list_query q = {.kind = "point",
                               .filter = f->filter,
                               .sort = STR("code"),
                               .limit = LIMIT_PAGE,
                               .after = str_of(cursor),
                               .by = job_actor(f->j)};
        err = resource_list(f->c->node->kernel, &a, &q, &page, e);
        for (size_t i = 0; !err && i < page.n; i++) err = add_point(f, &page.items[i]);
        if (page.next.p) page.next = arena_str(job_arena(f->j), page.next);
    }
    return err == ERR_NOMEM ? error_set(e, err, "", "out of memory", "内存不足") : err;
}

/* ---- a point ---- */

static int publish(struct fetch *f, const struct sample *s, size_t n)
{
    while (n) {
        size_t part = n < PART ? n : PART;
        int rc = f->sink.publish(f->sink.ctx, s, part);
        if (rc && rc != ERR_AGAIN) return rc;
        if (rc) usleep(WAIT_US);
        if (job_cancelled(f->j)) return ERR_CANCELLED;
        if (rc) continue;
        s += part, n -= part;
        f->samples += part;
    }
    return 0;
}

/* One page to the bus. *cursor is replaced; the next page without one begins at h->from_us. */
static int fetch_page(struct fetch *f, struct str channel, struct driver_history *h, char **cursor, struct error *e)
{
    struct history_page page = {0};
    h->cursor = *cursor;
    int err = run_history(f->c->run, channel, h, PAGE_MS, &page, e);
    mem_free(TAKE(*cursor));
    h->cursor = NULL;
    if (err) return err;
    if (page.n) h->from_us = page.samples[page.n - 1].time_us; /* if it comes again, it is the same sample */
    err = publish(f, page.samples, page.n);
    *cursor = TAKE(page.next);
    history_page_free(&page);
    return err;
}

static bool worth_a_retry(const struct fetch *f, int err)
{
    return err && err != ERR_CANCELLED && err != ERR_INVALID && err != ERR_UNSUPPORTED && !job_cancelled(f->j);
}

static int fetch_pages(struct fetch *f, struct str channel, const struct driver_point *p, struct error *e)
{
    struct driver_history h = f->ask;
    char *cursor = NULL;
    unsigned failures = 0;
    int err;
    h.point = p;
    h.max = PAGE;
    do {
        err = fetch_page(f, channel, &h, &cursor, e);
        failures = err ? failures + 1 : 0;
        if (err && (failures > TRIES || !worth_a_retry(f, err))) break;
        if (err) usleep(100 * WAIT_US);
    } while (err || cursor);
    mem_free(cursor);
    return err;
}

static int fetch_point(struct fetch *f, size_t i, struct error *e)
{
    struct plant *p = collect_plant(f->c);
    const struct p_point *pt = p ? plant_point(p, f->nums[i]) : NULL;
    const struct p_device *d = pt && pt->device != UINT32_MAX ? &p->devices[pt->device] : NULL;
    const struct p_channel *ch = d && d->channel != UINT32_MAX ? &p->channels[d->channel] : NULL;
    struct error why = {0};
    int err = 0;
    if (!ch || !ch->driver || !ch->driver->history) {
        f->without++;
    } else {
        struct driver_point dp = plant_driver_point(p, pt);
        err = fetch_pages(f, ch->id, &dp, &why);
    }
    plant_unref(p);
    if (err == ERR_CANCELLED) return error_set(e, err, "", "cancelled", "已取消");
    if (err) {
        f->failed++;
        job_log(f->j, "error", "%.*s: %s / %s", STR_ARG(f->codes[i]), why.text, why.text_zh);
    }
    return 0;
}

/* ---- the job ---- */

static int wait_kept(struct fetch *f, struct error *e)
{
    uint64_t ticket = bus_source_mark(f->source);
    for (int i = 0; i < KEPT_TRIES; i++) {
        int kept = bus_source_kept(f->source, ticket);
        if (kept == 1) return 0;
        if (kept < 0) break;
        usleep(WAIT_US);
    }
    return error_set(e, ERR_IO, "", "some values were not stored; see the state of the storage",
                     "部分数据未能保存；请查看存储状态");
}

static int checkpoint(struct fetch *f, size_t i, struct error *e)
{
    struct arena *a = job_arena(f->j);
    struct json *state = json_new_object(a);
    if (!state) return 0;
    json_set(state, a, STR("after"), json_new_str(a, f->codes[i]));
    return job_checkpoint(f->j, state, e);
}

static int report(struct fetch *f, struct error *e)
{
    struct arena *a = job_arena(f->j);
    struct json *r = json_new_object(a);
    if (!r) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    json_set(r, a, STR("points"), json_new_i64(a, (int64_t)f->n));
    json_set(r, a, STR("samples"), json_new_i64(a, (int64_t)f->samples));
    json_set(r, a, STR("without_history"), json_new_i64(a, (int64_t)f->without));
    json_set(r, a, STR("failed"), json_new_i64(a, (int64_t)f->failed));
    json_set(r, a, STR("forbidden"), json_new_i64(a, (int64_t)f->forbidden));
    return job_result(f->j, r, e);
}

static int fetch_all(struct fetch *f, struct error *e)
{
    f->after = json_str(json_get(job_state(f->j), "after"), STR(""));
    int err = read_params(f, e);
    if (!err) err = list_points(f, e);
    for (size_t i = 0; !err && i < f->n; i++) {
        if (str_cmp(f->codes[i], f->after) <= 0) continue;
        job_progress(f->j, i, f->n, "points", "测点");
        err = fetch_point(f, i, e);
        if (!err) err = checkpoint(f, i, e);
    }
    if (!err) err = wait_kept(f, e);
    if (!err) err = report(f, e);
    if (!err && f->n && f->failed == f->n)
        err = error_set(e, ERR_UNAVAILABLE, "", "none of the points could be read; the log of the job says why",
                        "所有测点均读取失败，原因见作业日志");
    return err;
}

static int run_fetch(void *ctx, struct job *j, struct error *e)
{
    struct fetch f = {.c = ctx, .j = j};
    if (!f.c->run) return error_set(e, ERR_UNAVAILABLE, "", "collecting is not running", "采集未运行");
    int err = bus_source_open(f.c->node->bus, "history-fetch", &f.source);
    if (err) return error_set(e, err, "", "there are too many sources of samples", "样本来源过多");
    f.sink = bus_source_sink(f.source);
    err = fetch_all(&f, e);
    bus_source_close(f.source);
    mem_free(f.nums);
    mem_free(f.codes);
    return err;
}

#define FIELD(name, type, en, zh, more) \
    "{\"name\":\"" name "\",\"type\":\"" type "\",\"title\":{\"en\":\"" en "\",\"zh\":\"" zh "\"}" more "}"
#define VALUE(name, en, zh) "{\"value\":\"" name "\",\"title\":{\"en\":\"" en "\",\"zh\":\"" zh "\"}}"

static const char
    params[] =
        "[" FIELD("filter", "string", "Which points", "哪些测点",
                  ",\"required\":true,\"help\":{\"en\":\"A filter, such as device='UA1' or code='T-101'\",\"zh\":"
                  "\"过滤条件，例如 device='UA1' 或 code='T-101'\"}") "," FIELD("from", "string", "From", "开始时间",
                                                                                ",\"default\":\"*-1d\",\"help\":{"
                                                                                "\"en\":\"2026-01-31T08:00:00+08:00, "
                                                                                "or *-7d: seven days ago\",\"zh\":"
                                                                                "\"例如 2026-01-31T08:00:00+08:00，或 "
                                                                                "*-7d 表示七天前\"}") "," FIELD("to",
                                                                                                                "strin"
                                                                                                                "g",
                                                                                                                "To",
                                                                                                                "结束时"
                                                                                                                "间",
                                                                                                                ",\"def"
                                                                                                                "ault\""
                                                                                                                ":\"*"
                                                                                                                "\"") "," FIELD("aggregate",
                                                                                                                                "enum",
                                                                                                                                "Values",
                                                                                                                                "取值方式",
                                                                                                                                ",\"default\":\"raw\",\"values\":[" VALUE("raw", "As recorded", "原始值") "," VALUE("average", "Average", "平均值") "," VALUE("time_average", "Time-weighted average", "时间加权平均") "," VALUE("minimum", "Minimum",
                                                                                                                                                                                                                                                                                                                                 "最小值") "," VALUE("maximum", "Maximum", "最大值") "," VALUE("count", "Count", "个数") "," VALUE("total", "Total", "累计") "," VALUE("start", "First", "首值") "," VALUE("end",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "Last",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "末值") "," VALUE("delta", "Difference", "差值") "," VALUE("standard_deviation",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "Standard deviation", "标准差") "]") "," FIELD("interval", "duration", "Interval", "间隔", ",\"default\":\"1m\"") "]";

int fetch_add(struct collect *c, struct error *e)
{
    static struct job_type type = {.name = "device.history",
                                   .title_en = "Fetch history from devices",
                                   .title_zh = "从设备读取历史数据",
                                   .kind = "point",
                                   .action = ACT_WRITE,
                                   .run = run_fetch,
                                   .concurrency = 2,
                                   .resumable = true,
                                   .by_user = true,
                                   .params = params};
    if (!c->node->jobs) return 0;
    type.ctx = c;
    int err = jobs_type_add(c->node->jobs, &type);
    return err ? error_set(e, err, "collect", "cannot add the job %s", "无法注册作业 %s", type.name) : 0;
}
