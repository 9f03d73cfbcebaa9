/* module.c - life of the module notice, and what a channel needs before it is stored. */
#include "base/mem.h"
#include "modules/notice/notice.h"

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    notices_dirty(ctx);
}

static bool has(const struct resource *r, const char *name)
{
    return json_str(json_get(r->spec, name), STR("")).n > 0;
}

static int needs(const struct resource *r, const char *name, struct error *e)
{
    char where[40];
    snprintf(where, sizeof where, "spec.%s", name);
    if (has(r, name)) return 0;
    return error_set(e, ERR_INVALID, where, "a channel of this kind needs '%s'", "此类通道需要 '%s'", name);
}

static int validate_channel(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                            const struct resource *r, struct error *e)
{
    struct str body, template = r ? json_str(json_get(r->spec, "template"), STR("")) : STR("");
    struct message m = {.id = STR("x"), .topic = STR("x"), .title = STR("x"), .text = STR("x"), .count = 1};
    if (!r) return 0;
    bool email = str_is(json_str(json_get(r->spec, "type"), STR("")), "email");
    int rc = email ? needs(r, "host", e) : needs(r, "url", e);
    if (!rc && email) rc = needs(r, "from", e);
    if (rc || !template.n) return rc;
    rc = form_webhook(a, template, &m, &body, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "spec.template");
    return rc;
}

static void fill(void *ctx, const struct actor *who, bool zh, int64_t *cursor, struct buf *out)
{
    inbox_news(((struct notices *)ctx)->inbox, who, zh, cursor, out);
}

static int hooks_add(struct notices *x, struct error *e)
{
    static const char *const kinds[] = {"message_channel", "subscription", "org", "user", "group", "role"};
    int rc = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !rc; i++)
        rc = kernel_hooks_add(x->node->kernel, &(struct kind_hooks){.kind = kinds[i],
                                                                    .validate = i == 0 ? validate_channel : NULL,
                                                                    .changed = changed,
                                                                    .ctx = x});
    return rc ? error_set(e, rc, "notice", "cannot watch the subscriptions", "无法监视消息订阅") : 0;
}

static void queue_free(struct notices *x)
{
    for (struct waiting *w = x->first, *next; w; w = next) {
        next = w->next;
        mem_free(w->n);
        mem_free(w);
    }
}

void notices_fini(void *ctx)
{
    struct notices *x = ctx;
    if (!x) return;
    kernel_event_unsubscribe(x->node->kernel, notices_event, x);
    feed_free(x->feed);
    inbox_close(x->inbox);
    rules_free(x->rules);
    queue_free(x);
    lead_fini(&x->lead);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->queue_cond);
    pthread_cond_destroy(&x->due_cond);
    mem_free(x);
}

int notices_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct notices *x = mem_calloc(1, sizeof *x);
    pthread_condattr_t attr;
    if (!x) return error_set(e, ERR_NOMEM, "notice", "out of memory", "内存不足");
    x->node = n;
    x->last = &x->first;
    lead_init(&x->lead, kernel_sql(n->kernel), n->clock, n->rng, "notice-sender");
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->queue_cond, &attr);
    pthread_cond_init(&x->due_cond, &attr);
    pthread_condattr_destroy(&attr);
    struct feed_config fc = {
        .api = n->api, .name = "notice-feed", .kind = "notice", .action = ACT_SELF, .fill = fill, .ctx = x};
    int rc = inbox_open(n->kernel, &x->inbox, e);
    if (!rc) rc = deliver_migrate(kernel_sql(n->kernel), e);
    if (!rc) rc = deliver_recover(kernel_sql(n->kernel), e);
    if (!rc) rc = feed_new(&fc, &x->feed, e);
    if (!rc) rc = hooks_add(x, e);
    if (!rc) rc = kernel_event_subscribe(n->kernel, notices_event, x);
    if (rc) {
        notices_fini(x);
        return rc;
    }
    *ret_ctx = x;
    return 0;
}

int notices_start(void *ctx, struct error *e)
{
    return notices_threads_start(ctx, e);
}

/* Events that come later are refused by the queue. */
void notices_stop(void *ctx)
{
    struct notices *x = ctx;
    notices_threads_stop(x);
    lead_drop(&x->lead);
}
