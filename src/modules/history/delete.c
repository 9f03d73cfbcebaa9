/* delete.c - POST /history:delete: takes samples of points out of history for good. Asks permission `delete` of each
 * point and a reason; all points are looked at before anything is removed; the audit record holds the range, the
 * reason and how many samples went of each point. What fails half way is told with what is done already. */
#include "modules/history/delete.h"
#include "base/time.h"
#include "modules/history/deliver.h"
#include "modules/history/history.h"
#include "modules/history/query.h"

#define REASON_MAX 500

struct removal {
    struct query q;
    struct str reason;
    uint64_t total;
    uint64_t *count; /* of each point */
    size_t done;
};

static int count_all(struct node *n, struct removal *r, struct error *e)
{
    for (size_t i = 0; i < r->q.npoints; i++) {
        struct ts_summary s = {0};
        const struct answer_point *p = &r->q.point[i];
        int err = n->history->ops->summary(n->history, p->num, r->q.from, r->q.to, p->step, &s, e);
        if (err) return err;
        r->count[i] = s.count;
        r->total += s.count;
    }
    return 0;
}

static void note(struct api_call *c, const struct removal *r)
{
    struct buf b;
    char t[TIME_TEXT_MAX];
    buf_init(&b, 1 << 20);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kz(&w, "from", time_format(r->q.from, t));
    jw_kz(&w, "to", time_format(r->q.to, t));
    jw_kstr(&w, "reason", r->reason);
    jw_key(&w, STR("points"));
    jw_array(&w);
    for (size_t i = 0; i < r->q.npoints; i++) {
        jw_object(&w);
        jw_kstr(&w, "code", r->q.point[i].code);
        jw_ki64(&w, "samples", (int64_t)r->count[i]);
        jw_kbool(&w, "removed", i < r->done);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    struct str detail = b.err ? STR_NULL : arena_str(c->a, buf_view(&b));
    api_audit_note(c, r->q.npoints == 1 ? r->q.point[0].code : STR_NULL, detail);
    buf_fini(&b);
}

static int remove_all(struct api_call *c, struct node *n, struct removal *r, struct error *e)
{
    int err = 0;
    for (; r->done < r->q.npoints && !err; r->done += err == 0)
        err = n->history->ops->remove(n->history, r->q.point[r->done].num, r->q.from, r->q.to, e);
    note(c, r);
    if (!err || !r->done) return err;
    return error_set(e, err, "points", "removing from %.*s failed; the %zu points before it are done",
                     "从 %.*s 删除失败；其前 %zu 个测点已删除", STR_ARG(r->q.point[r->done].code), r->done);
}

static int read_removal(struct api_call *c, struct removal *r, struct error *e)
{
    struct params p;
    struct run_caller by = deliver_caller(c);
    int err = deliver_params(c, &p, e);
    if (err) return err;
    r->reason = str_trim(params_text(&p, "reason"));
    if (!r->reason.n || r->reason.n > REASON_MAX)
        return error_set(e, ERR_INVALID, "reason", "say why, in at most %d bytes: it stands in the audit log",
                         "请写明原因（不超过 %d 字节），将记入审计日志", REASON_MAX);
    if (!params_text(&p, "from").n || !params_text(&p, "to").n)
        return error_set(e, ERR_INVALID, params_text(&p, "from").n ? "to" : "from", "give both ends of the range",
                         "必须给出时间范围的起点和终点");
    err = query_points(&by, c->a, &p, ACT_DELETE, &r->q, e);
    return err ? err : query_range(&by, &p, &r->q, e);
}

int delete_samples(struct api_call *c, struct error *e)
{
    struct node *n = history_node(c->module);
    struct removal r = {.total = 0};
    int err = read_removal(c, &r, e);
    if (err) return err;
    if (!n->history->ops->remove)
        return error_set(e, ERR_UNSUPPORTED, "", "the engine behind history (%s) cannot remove single samples",
                         "历史存储引擎（%s）不支持删除样本", n->history->ops->name);
    r.count = arena_calloc(c->a, r.q.npoints, sizeof *r.count);
    if (!r.count) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    err = count_all(n, &r, e);
    if (!err) err = remove_all(c, n, &r, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "points", (int64_t)r.q.npoints);
    jw_ki64(&w, "removed", (int64_t)r.total);
    jw_end(&w);
    return 0;
}
