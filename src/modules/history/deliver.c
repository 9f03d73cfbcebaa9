/* deliver.c - see deliver.h. */
#include "modules/history/deliver.h"
#include "base/limits.h"
#include "base/mem.h"
#include "modules/history/history.h"

#define PIECE (256u << 10) /* a body up to about this goes in one */
#define PULL_MOST (256u << 10)

struct pulling {
    struct delivery d;
    size_t sent; /* of what stands in its buffer */
    bool more;
};

static void pulling_free(void *ctx)
{
    struct pulling *p = ctx;
    p->d.free(p->d.ctx);
    mem_free(p);
}

static int pull(void *ctx, struct buf *out)
{
    struct pulling *p = ctx;
    struct buf *b = p->d.out(p->d.ctx);
    while (p->sent == b->n && p->more) {
        buf_clear(b);
        p->sent = 0;
        int err = p->d.step(p->d.ctx, NULL);
        if (err < 0) return err;
        p->more = err > 0;
        if (err == 2 && b->n == 0) return 2;
    }
    size_t n = b->n - p->sent < PULL_MOST ? b->n - p->sent : PULL_MOST;
    buf_add(out, b->p + p->sent, n);
    p->sent += n;
    return p->more || p->sent < b->n;
}

static int start_pulling(struct api_call *c, const struct delivery *d, struct error *e)
{
    struct pulling *p = mem_calloc(1, sizeof *p);
    if (!p) {
        d->free(d->ctx);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    *p = (struct pulling){.d = *d, .more = true};
    c->res->pull = pull;
    c->res->pull_free = pulling_free;
    c->res->pull_ctx = p;
    return 0;
}

int deliver(struct api_call *c, const struct delivery *d, const char *media_type, struct error *e)
{
    struct buf *b = d->out(d->ctx);
    int err;
    c->res->content_type = media_type;
    do err = d->step(d->ctx, e);
    while (err == 1 && b->n < PIECE);
    if (err > 0) return start_pulling(c, d, e);
    if (!err && b->err)
        err = error_set(e, b->err, "", "the answer is too large; ask for less", "结果过大，请缩小查询范围");
    if (!err) {
        struct buf empty = c->res->body;
        c->res->body = *b;
        *b = empty;
    } else {
        c->res->content_type = NULL;
    }
    d->free(d->ctx);
    return err;
}

int deliver_params(struct api_call *c, struct params *ret, struct error *e)
{
    struct json *body = NULL;
    *ret = (struct params){.req = c->req, .a = c->a};
    if (!str_is(c->req->method, "POST")) return 0;
    int err = api_body_json(c, &body, e);
    if (err) return err;
    if (body->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "", "the body must be a JSON object", "请求体必须是 JSON 对象");
    ret->body = body;
    return 0;
}

struct run_caller deliver_caller(struct api_call *c)
{
    bool post = str_is(c->req->method, "POST");
    return (struct run_caller){.node = history_node(c->module),
                               .actor = &c->actor,
                               .zh = c->zh,
                               .max_points = post ? LIMIT_QUERY_POINTS_POST : LIMIT_QUERY_POINTS};
}

/* ------------------------------------------------------------------ a run and its answer */

struct running {
    struct run *run;
    struct answer *answer;
    bool begun;
};

static int running_step(void *ctx, struct error *e)
{
    struct running *r = ctx;
    if (!r->begun) r->answer->ops->begin(r->answer);
    r->begun = true;
    int err = run_step(r->run, r->answer, e);
    if (!err) r->answer->ops->end(r->answer);
    return err;
}

static struct buf *running_out(void *ctx)
{
    return &((struct running *)ctx)->answer->out;
}

static void running_free(void *ctx)
{
    struct running *r = ctx;
    answer_free(r->answer);
    run_free(r->run);
    mem_free(r);
}

int deliver_run(struct api_call *c, const char *kind, const struct params *p, const struct answer_ops *ops,
                struct error *e)
{
    struct run_caller by = deliver_caller(c);
    struct running *r = mem_calloc(1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = run_open(&by, kind, p, &r->run, e);
    if (!err && !ops)
        err = answer_form(params_text(p, "format"), http_header(c->req, "accept"), run_head(r->run)->shape, &ops, e);
    if (!err && answer_new(ops, run_head(r->run), by.node->history, &r->answer))
        err = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (err) {
        running_free(r);
        return err;
    }
    return deliver(c, &(struct delivery){r, running_step, running_out, running_free}, ops->media_type, e);
}
