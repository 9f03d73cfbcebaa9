/* api_search.c - searching what a device offers: POST /channels:browse with "q", GET /channels/{id}/browse?q=.
 *
 * Shelf   searches that may be continued, each under a random cursor, for five minutes; the oldest makes room. A
 *         cursor is good for the user, the channel, the node and the text that it was given for, and once: a search
 *         that goes on is off the shelf meanwhile. */
#include <stdio.h>
#include "base/mem.h"
#include "modules/collect/collect.h"

#define SECONDS_DEFAULT 10
#define SECONDS_MAX 20
#define NODES_DEFAULT 5000
#define NODES_MAX 50000
#define SLACK_MS 20000 /* for what is on its way when the time is over */
#define KEPT_NS (300ull * 1000000000)

static void forget(struct search_slot *s)
{
    browse_search_free(s->search);
    *s = (struct search_slot){0};
}

void searches_free(struct collect *c)
{
    for (size_t i = 0; i < SEARCHES; i++) forget(&c->searches[i]);
}

/* The slot for a new one: free, or the one that was used longest ago. */
static struct search_slot *room(struct collect *c, uint64_t now)
{
    struct search_slot *best = &c->searches[0];
    for (size_t i = 0; i < SEARCHES; i++) {
        struct search_slot *s = &c->searches[i];
        if (s->search && now - s->kept_ns > KEPT_NS) forget(s);
        if (best->search && (!s->search || s->kept_ns < best->kept_ns)) best = s;
    }
    return best;
}

static void put(struct collect *c, const struct api_call *call, uint64_t sig, const char *cursor,
                struct browse_search *search)
{
    uint64_t now = clock_mono_ns(c->node->clock);
    pthread_mutex_lock(&c->lock);
    struct search_slot *s = room(c, now);
    forget(s);
    *s = (struct search_slot){.search = search, .kept_ns = now, .sig = sig};
    snprintf(s->cursor, sizeof s->cursor, "%s", cursor);
    snprintf(s->user, sizeof s->user, "%s", call->actor.user_id);
    pthread_mutex_unlock(&c->lock);
}

static struct browse_search *take(struct collect *c, const struct api_call *call, uint64_t sig, struct str cursor)
{
    struct browse_search *found = NULL;
    uint64_t now = clock_mono_ns(c->node->clock);
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < SEARCHES && !found; i++) {
        struct search_slot *s = &c->searches[i];
        if (!s->search || !str_is(cursor, s->cursor) || strcmp(s->user, call->actor.user_id) != 0 || s->sig != sig)
            continue;
        if (now - s->kept_ns <= KEPT_NS) found = TAKE(s->search);
        forget(s);
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

static int within(int64_t v, const char *name, int64_t hi, struct error *e)
{
    if (v >= 1 && v <= hi) return 0;
    return error_set(e, ERR_INVALID, name, "must be 1 to %lld", "必须为 1 到 %lld", (long long)hi);
}

static int start(struct api_call *c, const struct search_ask *ask, struct browse_search **ret, struct error *e)
{
    struct str text = str_trim(ask->text);
    if (text.n == 0 || text.n > 200)
        return error_set(e, ERR_INVALID, "q", "must be a text of 1 to 200 bytes", "必须是 1 到 200 字节的文本");
    if (ask->cursor.n) {
        *ret = take(collect_of(c), c, ask->sig, ask->cursor);
        return *ret ? 0
                    : error_set(e, ERR_NOT_FOUND, "cursor", "this search cannot be continued any more; search anew",
                                "该搜索无法继续，请重新搜索");
    }
    *ret = browse_search_new(ask->node, text, ask->device);
    return *ret ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void answer(struct api_call *c, const struct search_ask *ask, struct browse_search *s)
{
    struct collect *co = collect_of(c);
    char cursor[37];
    struct json_writer w = api_answer(c);
    uuid7(co->node->clock, co->node->rng, cursor);
    browse_search_answer(s, cursor, &w);
    if (browse_search_more(s))
        put(co, c, ask->sig, cursor, s);
    else
        browse_search_free(s);
}

int search_answer(struct api_call *c, const struct search_ask *ask, struct error *e)
{
    struct browse_search *s = NULL;
    int64_t seconds = ask->seconds ? ask->seconds : SECONDS_DEFAULT, nodes = ask->nodes ? ask->nodes : NODES_DEFAULT;
    int err = within(seconds, "seconds", SECONDS_MAX, e);
    if (!err) err = within(nodes, "nodes", NODES_MAX, e);
    if (!err) err = start(c, ask, &s, e);
    if (err) return err;
    struct browse_bounds b = {.items = ask->size, .nodes = (size_t)nodes, .ns = (uint64_t)seconds * 1000000000};
    unsigned wait_ms = (unsigned)seconds * 1000 + SLACK_MS;
    err = run_search(collect_of(c)->run, ask->running, ask->driver, ask->channel, &s, &b, wait_ms, e);
    if (!err) answer(c, ask, s);
    return err;
}
