/* run.c - see run.h: opening, stepping from point to point, ending. */
#include "base/mem.h"
#include "modules/history/run_int.h"

#define RUN_ARENA (16u << 20)

static const struct run_kind *kind_of(const char *name)
{
    const struct run_kind *const tables[] = {run_sample_kinds, run_table_kinds};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct run_kind *k = tables[i]; k->name; k++)
            if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

static int open_query(struct run *r, const struct run_caller *by, const struct params *p, struct error *e)
{
    int err = query_points(by, &r->a, p, ACT_READ, &r->q, e);
    if (!err) err = query_range(by, p, &r->q, e);
    if (!err) err = r->kind->open(r, p, e);
    if (err) return err;
    r->head = (struct answer_head){.shape = r->kind->shape,
                                   .from = r->q.from,
                                   .to = r->q.to,
                                   .point = r->q.point,
                                   .npoints = r->q.npoints,
                                   .fn = r->fn,
                                   .nfn = r->kind->shape == ANSWER_SAMPLES ? 0 : r->plan.nfn,
                                   .zh = by->zh};
    return 0;
}

int run_open(const struct run_caller *by, const char *kind, const struct params *p, struct run **ret, struct error *e)
{
    const struct run_kind *k = kind_of(kind);
    if (!k)
        return error_set(e, ERR_INVALID, "kind",
                         "'%s' is not known; write recorded, interpolated, plot, aligned or aggregate",
                         "'%s' 无效；可选 recorded、interpolated、plot、aligned、aggregate", kind);
    struct run *r = mem_calloc(1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    r->kind = k;
    r->node = by->node;
    arena_init(&r->a, RUN_ARENA);
    int err = open_query(r, by, p, e);
    if (err)
        run_free(r);
    else
        *ret = r;
    return err;
}

const struct answer_head *run_head(const struct run *r)
{
    return &r->head;
}

uint64_t run_samples(const struct run *r)
{
    return r->given;
}

static int too_much(struct error *e)
{
    return error_set(e, ERR_TOO_LARGE, "",
                     "the query would hold more than 256 MiB; ask for less: fewer samples or points",
                     "查询将占用超过 256 MiB；请缩小范围、减少样本或测点");
}

int run_step(struct run *r, struct answer *to, struct error *e)
{
    const struct answer_point *p = &r->q.point[r->at];
    if (r->at == r->q.npoints) return 0;
    if (!r->open) {
        r->row = 0;
        r->truncated = false;
        to->ops->series(to, p);
    }
    int err = r->kind->some(r, to, e);
    r->open = true;
    if (!err) {
        to->ops->series_end(to, r->truncated);
        r->open = false;
        r->at++;
    }
    if (err < 0) return err;
    if (to->out.err)
        return to->out.err == ERR_TOO_LARGE ? too_much(e) : error_set(e, to->out.err, "", "out of memory", "内存不足");
    return r->at < r->q.npoints;
}

void run_free(struct run *r)
{
    if (!r) return;
    if (r->have_cols) columns_fini(&r->cols);
    mem_free(r->edges);
    arena_fini(&r->a);
    mem_free(r);
}
