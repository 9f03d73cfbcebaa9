/* batch.c - batches of the journal as messages: made when they are taken, sent as the window opens, counted when they
 * are acknowledged. The token of a publication is the number of its batch. */
#include <stdio.h>
#include "outlets/mqtt/publisher_int.h"

#define BATCH_BYTES_MAX (64u << 20)

/* ---- making messages ---- */

static bool add_message(struct mp_channel *ch, struct mp_batch *b, const char *topic, const struct buf *payload)
{
    struct str text = buf_view(payload);
    if (!mem_grow((void **)&b->messages, &b->cap, b->n + 1, sizeof *b->messages)) return false;
    if (ch->group == GROUP_VALUE && text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_sub(text, 1, text.n - 2); /* one object, no list */
    struct str copy = text.n ? arena_str(&b->arena, text) : STR("");
    struct str name = arena_str(&b->arena, str_of(topic));
    if (!copy.p || !name.p) return false;
    b->messages[b->n++] = (struct mp_message){name, copy};
    return true;
}

static void skip(struct mp_channel *ch, struct mp_batch *b, const struct outlet_item *it, size_t n, const char *why)
{
    char kv[200];
    b->skipped += n;
    ch->st.errors += n;
    snprintf(kv, sizeof kv, "point=%.100s err=\"%s\"", ch->points[it->slot].p->code, why);
    mp_log(ch, DRIVER_LOG_WARN, "a value cannot be published", kv);
}

/* Items of one topic, as few messages as message_max lets them be. */
static int write_items(struct mp_channel *ch, struct mp_batch *b, const struct outlet_item *items, size_t n)
{
    struct buf out;
    buf_init(&out, ch->message_max);
    int rc = payload_write(ch->payload, ch->copies, items, n, &out);
    if (rc == 0 && !add_message(ch, b, ch->points[items[0].slot].topic, &out)) rc = ERR_NOMEM;
    buf_fini(&out);
    if (rc != ERR_TOO_LARGE) return rc;
    if (n == 1) {
        skip(ch, b, items, 1, "longer than option 'message_max'");
        return 0;
    }
    rc = write_items(ch, b, items, n / 2);
    return rc ? rc : write_items(ch, b, items + n / 2, n - n / 2);
}

static int by_value(struct mp_channel *ch, struct mp_batch *b, const struct outlet_item *items, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) rc = write_items(ch, b, &items[i], 1);
    return rc;
}

/* In the order in which the topics first come; within a topic in the order of the items. */
static int by_topic(struct mp_channel *ch, struct mp_batch *b, const struct outlet_item *items, size_t n)
{
    AUTO_FREE struct outlet_item *same = mem_alloc(n * sizeof *same);
    AUTO_FREE bool *taken = mem_calloc(n, sizeof *taken);
    int rc = same && taken ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t k = 0;
        if (taken[i]) continue;
        const char *topic = ch->points[items[i].slot].topic;
        for (size_t j = i; j < n; j++) {
            const char *other = ch->points[items[j].slot].topic;
            if (taken[j] || (other != topic && strcmp(other, topic) != 0)) continue;
            taken[j] = true;
            same[k++] = items[j];
        }
        rc = write_items(ch, b, same, k);
    }
    return rc;
}

static void batch_free(struct mp_batch *b)
{
    if (b == NULL) return;
    arena_fini(&b->arena);
    mem_free(b->messages);
    mem_free(b);
}

static int make(struct mp_channel *ch, const struct outlet_item *items, size_t n, struct mp_batch *b)
{
    AUTO_FREE struct outlet_item *good = mem_alloc((n + 1) * sizeof *good);
    size_t k = 0;
    if (good == NULL) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (items[i].slot >= ch->npoints) continue;
        if (ch->points[items[i].slot].topic)
            good[k++] = items[i];
        else
            b->skipped++;
    }
    b->items = n;
    if (k == 0) return 0;
    return ch->group == GROUP_VALUE ? by_value(ch, b, good, k) : by_topic(ch, b, good, k);
}

/* ---- taking and sending ---- */

static struct mp_batch *take(struct mp_channel *ch, struct mp_batch *b)
{
    struct mp_batch **p = &ch->batches;
    while (*p != b) p = &(*p)->next;
    *p = b->next;
    if (ch->batches_tail == &b->next) ch->batches_tail = p;
    ch->nbatches--;
    return b;
}

/* What the receiver refuses for now is offered again after a pause that grows. */
static void refused(struct mp_channel *ch, const struct error *e)
{
    if (e->code == ERR_INVALID || e->code == ERR_TOO_LARGE) return;
    ch->pause_ms = ch->pause_ms ? ch->pause_ms * 2 : 1000;
    if (ch->pause_ms > 60000) ch->pause_ms = 60000;
    ch->pause_ns = mp_now(ch) + ch->pause_ms * NS_MS;
}

static void finish(struct mp_channel *ch, struct mp_batch *b)
{
    const struct outlet_host *h = ch->base.host;
    take(ch, b);
    if (b->error.code) {
        ch->st.errors++;
        ch->refusal = b->error;
        refused(ch, &b->error);
    } else {
        ch->st.items += b->items - b->skipped;
        ch->st.last_ok_us = mp_utc(ch);
        ch->refusal.code = 0;
        ch->pause_ms = 0;
    }
    ch->judge = ch->again = true;
    h->sent(h->ctx, b->ticket, b->error.code ? &b->error : NULL);
    batch_free(b);
}

/* Messages of one batch, as far as the window lets them; false: it is full. */
static bool publish(struct mp_channel *ch, struct mp_batch *b)
{
    while (b->published < b->n && !b->error.code) {
        const struct mp_message *x = &b->messages[b->published];
        struct mqtt_client_message m = {.topic = x->topic, .payload = x->payload, .qos = ch->qos, .retain = ch->retain};
        struct error e = {0};
        if (ch->set->c.version == MQTT_5) m.content_type = str_of(payload_media_type(ch->payload));
        int rc = mqtt_client_publish(ch->client, &m, b->id, &e);
        if (rc == ERR_AGAIN || rc == ERR_CLOSED) return false;
        if (rc == ERR_NOMEM) return false;
        if (rc) {
            b->error = e;
            if (rc == ERR_UNSUPPORTED) b->error.code = ERR_UNAVAILABLE; /* an option can be changed: keep the values */
            return true;
        }
        b->published++;
        ch->st.requests++;
    }
    return true;
}

/* Never tells the end of a batch from inside: that comes with the acknowledgements, or in the next turn. */
int mp_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
            uint64_t ticket)
{
    struct mp_channel *ch = (struct mp_channel *)base;
    (void)flow; /* both go the same way; the receiver's key is point and time */
    if (ch->closing) return ERR_AGAIN;
    ch->wants_ready = true;
    if (!mqtt_client_up(ch->client) || ch->nbatches >= ch->window || mp_now(ch) < ch->pause_ns) return ERR_AGAIN;
    struct mp_batch *b = mem_calloc(1, sizeof *b);
    if (b) arena_init(&b->arena, BATCH_BYTES_MAX);
    if (b == NULL || make(ch, items, n, b)) {
        batch_free(b);
        ch->pause_ns = mp_now(ch) + NS_S; /* of memory */
        mp_soon(ch);
        return ERR_AGAIN;
    }
    ch->wants_ready = false;
    b->ticket = ticket;
    b->id = ++ch->batch_id;
    *ch->batches_tail = b;
    ch->batches_tail = &b->next;
    ch->nbatches++;
    if (ch->batches == b) publish(ch, b);
    if (b->published == b->n || b->error.code) mp_soon(ch);
    return 0;
}

static bool is_over(const struct mp_batch *b)
{
    return b->done == b->published && (b->published == b->n || b->error.code);
}

void mp_batch_pump(struct mp_channel *ch)
{
    bool open = mqtt_client_up(ch->client);
    for (struct mp_batch *b = ch->batches; b && open; b = b->next) open = publish(ch, b);
    for (struct mp_batch *b = ch->batches; b && !ch->closing;) {
        bool over = is_over(b);
        if (over) finish(ch, b);
        b = over ? ch->batches : b->next; /* the host may have done anything */
    }
}

void mp_batch_published(struct mp_channel *ch, uint64_t token, const struct error *e)
{
    struct mp_batch *b = ch->batches;
    while (b && b->id != token) b = b->next;
    if (b == NULL || (e && (e->code == ERR_CLOSED || e->code == ERR_CANCELLED))) return; /* mp_batch_fail follows */
    b->done++;
    if (e && !b->error.code) b->error = *e;
    if (!is_over(b)) return;
    finish(ch, b);
    mp_pump(ch);
}

void mp_batch_fail(struct mp_channel *ch, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    while (ch->batches) {
        struct mp_batch *b = take(ch, ch->batches);
        h->sent(h->ctx, b->ticket, why);
        batch_free(b);
    }
}

void mp_batch_ready(struct mp_channel *ch, uint64_t now)
{
    const struct outlet_host *h = ch->base.host;
    if (!ch->wants_ready || ch->nbatches >= ch->window || now < ch->pause_ns || !mqtt_client_up(ch->client)) return;
    ch->wants_ready = false;
    h->ready(h->ctx);
}
