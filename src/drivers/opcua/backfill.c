/* backfill.c - what the server's history has of a gap: between the last value before an interruption and the first one
 * after it (value.c notes it), or where a queue at the server ran over. Raw values with the times of their source, read
 * in pages of a few nodes each, published as back-filled; those of the two ends are there already. A node without
 * history is left alone. One request at a time: live values go first. */
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

#define NODES 10
#define VALUES 1000
#define TIMEOUT_MS 60000

struct oc_backfill {
    struct arena arena; /* of the round */
    uint32_t n;
    uint32_t nums[NODES];
    int64_t from[NODES], to[NODES];
    struct ua_history_read_value_id nodes[NODES]; /* continuation points in them */
    bool more[NODES];
    int64_t start, end;
    bool asked;
    uint64_t points, samples, refused; /* of all rounds of this time */
    size_t next;                       /* point to look at first in the next round */
    char why[160];
};

/* ---- a round ---- */

static void ask(struct oc_channel *ch);

static void end_round(struct oc_channel *ch)
{
    struct oc_backfill *b = ch->filling;
    for (uint32_t i = 0; i < b->n; i++) {
        struct oc_point *p = oc_point_find(ch, b->nums[i]);
        if (p) p->gap_asked = false;
    }
    b->n = 0;
    b->asked = false;
    arena_reset(&b->arena);
    ch->again = true;
}

static void end_all(struct oc_channel *ch)
{
    struct oc_backfill *b = TAKE(ch->filling);
    char kv[300];
    snprintf(kv, sizeof kv, "points=%llu samples=%llu without_history=%llu%s%s%s", (unsigned long long)b->points,
             (unsigned long long)b->samples, (unsigned long long)b->refused, b->why[0] ? " why=\"" : "", b->why,
             b->why[0] ? "\"" : "");
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_INFO, "gaps filled from the server's history", kv);
    arena_fini(&b->arena);
    mem_free(b);
}

/* Lost under way: the gaps stand as they were. */
static void put_back(struct oc_channel *ch)
{
    struct oc_backfill *b = ch->filling;
    for (uint32_t i = 0; i < b->n; i++) {
        struct oc_point *p = oc_point_find(ch, b->nums[i]);
        if (!p) continue;
        if (!p->gap_to || b->from[i] < p->gap_from) p->gap_from = b->from[i];
        if (b->to[i] > p->gap_to) p->gap_to = b->to[i];
        ch->gaps = true;
    }
    end_round(ch);
}

static void take_data(struct oc_channel *ch, uint32_t i, const struct ua_history_data *d)
{
    struct oc_backfill *b = ch->filling;
    struct oc_point *p = oc_point_find(ch, b->nums[i]);
    for (uint32_t k = 0; p && d && k < d->data_values_n; k++) {
        const struct ua_datavalue *v = &d->data_values[k];
        int64_t t = p->server_time || v->source_us == UA_TIME_NONE ? v->server_us : v->source_us;
        if (t <= b->from[i] || t >= b->to[i]) continue;
        oc_take(ch, p, v, VALUE_PAST);
        b->samples++;
    }
}

static void take_result(struct oc_channel *ch, uint32_t i, const struct ua_history_read_result *r)
{
    struct oc_backfill *b = ch->filling;
    b->more[i] = false;
    if (ua_bad(r->status_code)) {
        b->refused++;
        snprintf(b->why, sizeof b->why, "%s", ua_status_name(r->status_code));
        return;
    }
    const struct ua_history_data *d = ua_extension_as(&r->history_data, UA_T_history_data);
    take_data(ch, i, d);
    b->nodes[i].continuation_point = arena_str(&b->arena, r->continuation_point);
    b->more[i] =
        b->nodes[i].continuation_point.n > 0 && d && d->data_values_n > 0; /* who says nothing is not asked on */
    if (!b->nodes[i].continuation_point.p && r->continuation_point.n)
        snprintf(b->why, sizeof b->why, "too many continuation points");
}

static void on_history(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_history_read_response *r = value;
    struct oc_backfill *b = ch->filling;
    uint32_t k = 0;
    bool any = false;
    (void)arg;
    if (b == NULL) return;
    if (r == NULL) {
        if (refused) b->refused += b->n, snprintf(b->why, sizeof b->why, "%.150s", e->text);
        if (refused)
            end_round(ch);
        else
            put_back(ch);
        return;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        if (!b->more[i]) continue;
        if (k < r->results_n)
            take_result(ch, i, &r->results[k++]);
        else
            b->more[i] = false;
        any |= b->more[i];
    }
    oc_flush(ch);
    if (any)
        ask(ch);
    else
        end_round(ch);
}

static void ask(struct oc_channel *ch)
{
    struct oc_backfill *b = ch->filling;
    struct ua_history_read_value_id nodes[NODES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++)
        if (b->more[i]) nodes[n++] = b->nodes[i];
    struct ua_read_raw_modified_details d = {.start_time = b->start, .end_time = b->end, .num_values_per_node = VALUES};
    struct ua_history_read_request q = {.history_read_details = ua_extension_of(UA_T_read_raw_modified_details, &d),
                                        .timestamps_to_return = UA_STAMPS_BOTH,
                                        .nodes_to_read = nodes,
                                        .nodes_to_read_n = n};
    oc_call(ch, UA_T_history_read_request, &q, TIMEOUT_MS, on_history, NULL);
}

/* ---- which points ---- */

static void add(struct oc_channel *ch, struct oc_backfill *b, struct oc_point *p)
{
    uint32_t i = b->n;
    struct ua_history_read_value_id *q = &b->nodes[i];
    *q = (struct ua_history_read_value_id){0};
    struct ua_nodeid id;
    bool ok = oc_node_id(ch, &p->node, &id, NULL) == 0 && ua_copy(&b->arena, UA_NODEID, &id, &q->node_id) == 0;
    if (p->node.range.p) q->index_range = arena_str(&b->arena, p->node.range);
    b->nums[i] = p->num;
    b->from[i] = p->gap_from, b->to[i] = p->gap_to;
    b->more[i] = true;
    if (i == 0 || p->gap_from < b->start) b->start = p->gap_from;
    if (i == 0 || p->gap_to > b->end) b->end = p->gap_to;
    p->gap_to = 0;
    if (!ok) return;
    p->gap_asked = true;
    b->n++;
    b->points++;
}

static void gather(struct oc_channel *ch, struct oc_backfill *b)
{
    size_t k = 0;
    for (; k < ch->npoints && b->n < NODES; k++) {
        struct oc_point *p = &ch->points[(b->next + k) % ch->npoints];
        if (p->gap_to && !p->gap_asked && p->item == ITEM_LIVE) add(ch, b, p);
    }
    b->next += k;
    ch->gaps = k < ch->npoints; /* there may be more */
}

void oc_backfill_pump(struct oc_channel *ch)
{
    if (ch->filling && ch->filling->asked) return;
    if (!ch->gaps && !ch->filling) return;
    struct oc_backfill *b = ch->filling ? ch->filling : mem_calloc(1, sizeof *b);
    if (!b) return;
    if (!ch->filling) arena_init(&b->arena, 4u << 20);
    ch->filling = b;
    if (ch->gaps) gather(ch, b);
    if (b->n == 0) {
        end_all(ch);
        return;
    }
    b->asked = true;
    ask(ch);
}

void oc_backfill_free(struct oc_channel *ch)
{
    struct oc_backfill *b = TAKE(ch->filling);
    if (b) arena_fini(&b->arena);
    mem_free(b);
}
