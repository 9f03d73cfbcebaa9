/* condition.c - the state of conditions (OPC 10000-9), as their events and what was read of them tell it.
 *
 * Trunk      the present state; its fields are the values of points.
 * Branches   former states that still wait for somebody. `acked` and `confirmed` are of the trunk and of all branches:
 *            true when nobody has to do anything any more. `branches` counts them. One is gone when its event says that
 *            it is of no interest any more, or when a refresh does not tell it.
 * Disabled   what the condition says of its state means nothing then: those fields are out of service.
 * Refresh    tells the conditions that are of interest. Of the others it is known just that: settle.c reads them. */
#include "drivers/opcua/events_int.h"

/* ---- fields ---- */

static const struct ua_variant *field(const struct oc_told *t, uint32_t i)
{
    return i < t->n ? &t->fields[i] : NULL;
}

/* A bad status in the place of a value: the server could not tell the field. (Quality is a status itself.) */
bool oc_field_there(const struct oc_told *t, uint32_t i)
{
    const struct ua_variant *v = field(t, i);
    if (v == NULL || v->type == UA_NULL) return false;
    return v->type != UA_STATUS || v->array || !ua_bad(*(const uint32_t *)ua_variant_item(v, 0));
}

bool oc_field_bool(const struct oc_told *t, uint32_t i, bool otherwise)
{
    const struct ua_variant *v = field(t, i);
    return v && v->type == UA_BOOLEAN && !v->array ? v->u.b : otherwise;
}

int64_t oc_field_time(const struct oc_told *t, int64_t otherwise)
{
    const struct ua_variant *v = field(t, BASE_TIME);
    bool told = v && v->type == UA_DATETIME && !v->array && v->u.i64 > 0 && v->u.i64 != UA_TIME_MAX;
    return told ? v->u.i64 : otherwise;
}

const struct ua_nodeid *oc_field_id(const struct oc_told *t, uint32_t i)
{
    const struct ua_variant *v = field(t, i);
    return v && v->type == UA_NODEID && !v->array ? ua_variant_item(v, 0) : NULL;
}

struct str oc_field_bytes(const struct oc_told *t, uint32_t i)
{
    const struct ua_variant *v = field(t, i);
    return v && v->type == UA_BYTESTRING && !v->array ? *(const struct str *)ua_variant_item(v, 0) : STR_NULL;
}

static uint32_t field_status(const struct oc_told *t, uint32_t i)
{
    const struct ua_variant *v = field(t, i);
    return v && v->type == UA_STATUS && !v->array ? *(const uint32_t *)ua_variant_item(v, 0) : 0;
}

/* ---- branches ---- */

static bool keep_bytes(struct str *to, struct str from)
{
    char *copy = from.n ? mem_dup(from.p, from.n) : NULL;
    if (from.n && !copy) return false;
    mem_free((char *)to->p);
    *to = str_make(copy, copy ? from.n : 0);
    return true;
}

static struct oc_branch *branch_find(struct oc_condition *c, struct str id)
{
    for (size_t i = 0; i < c->nbranches; i++)
        if (str_eq(c->branches[i].id, id)) return &c->branches[i];
    return NULL;
}

static struct oc_branch *branch_new(struct oc_condition *c, struct str id)
{
    void *items = c->branches;
    if (c->nbranches >= OC_BRANCHES_MAX || !mem_grow(&items, &c->branches_cap, c->nbranches + 1, sizeof *c->branches))
        return NULL;
    c->branches = items;
    struct oc_branch *b = &c->branches[c->nbranches];
    *b = (struct oc_branch){0};
    if (!keep_bytes(&b->id, id)) return NULL;
    c->nbranches++;
    return b;
}

static void branch_gone(struct oc_condition *c, struct oc_branch *b)
{
    mem_free((char *)b->id.p);
    mem_free((char *)b->event.p);
    *b = c->branches[--c->nbranches];
}

static void take_branch(struct oc_condition *c, const struct ua_nodeid *id, const struct oc_told *t)
{
    struct buf text;
    buf_init(&text, 8192);
    ua_nodeid_text(&text, id);
    bool retain = oc_field_bool(t, BASE_RETAIN, true);
    struct oc_branch *b = branch_find(c, buf_view(&text));
    if (b == NULL && retain) b = branch_new(c, buf_view(&text));
    buf_fini(&text);
    if (b && !retain) {
        branch_gone(c, b);
    } else if (b) {
        b->fresh = true;
        b->acked = oc_field_bool(t, BASE_ACKED, true);
        b->confirmed = oc_field_bool(t, BASE_CONFIRMED, true);
        (void)!keep_bytes(&b->event, oc_field_bytes(t, BASE_EVENT_ID));
    }
}

/* ---- points ---- */

static bool all_acked(const struct oc_condition *c)
{
    bool all = c->acked;
    for (size_t i = 0; i < c->nbranches; i++) all = all && c->branches[i].acked;
    return all;
}

static bool all_confirmed(const struct oc_condition *c)
{
    bool all = c->confirmed;
    for (size_t i = 0; i < c->nbranches; i++) all = all && c->branches[i].confirmed;
    return all;
}

/* Unshelved is a state of the standard; whatever else is one in which the alarm is put aside. */
static struct ua_variant shelved_of(const struct ua_variant *v)
{
    struct ua_nodeid unshelved = ua_id(0, OC_SHELVED_UNSHELVED);
    if (v == NULL || v->type != UA_NODEID || v->array) return (struct ua_variant){0};
    const struct ua_nodeid *id = ua_variant_item(v, 0);
    bool shelved = !ua_nodeid_null(id) && !ua_nodeid_eq(id, &unshelved);
    return ua_variant_scalar(UA_BOOLEAN, &shelved);
}

static struct ua_variant value_of(const struct oc_condition *c, const struct oc_event *e, const struct oc_told *t,
                                  uint32_t i)
{
    const struct ua_variant *v = oc_field_there(t, i) ? field(t, i) : NULL;
    uint32_t n = (uint32_t)c->nbranches;
    bool b;
    switch (e->field ? e->field->role : FIELD_PLAIN) {
    case FIELD_ACKED: b = all_acked(c); return v ? ua_variant_scalar(UA_BOOLEAN, &b) : (struct ua_variant){0};
    case FIELD_CONFIRMED: b = all_confirmed(c); return v ? ua_variant_scalar(UA_BOOLEAN, &b) : (struct ua_variant){0};
    case FIELD_SHELVED: return shelved_of(v);
    case FIELD_BRANCHES: return ua_variant_scalar(UA_UINT32, &n);
    default: return v ? *v : (struct ua_variant){0};
    }
}

static bool is_state(const struct oc_event *e)
{
    return e->field && e->field->role != FIELD_PLAIN && e->field->role != FIELD_BRANCHES;
}

/* The time of the event; but a state that has changed since, though its event bears no later time, is of now: servers
 * acknowledge without a new Time, and a branch bears the time of long ago. */
static int64_t time_of(const struct oc_channel *ch, const struct oc_point *p, const struct oc_told *t, bool trunk)
{
    int64_t now = oc_utc(ch), at = oc_field_time(t, now);
    if (p->last.time_us == 0 || (trunk && (p->first || at > p->last.time_us))) return at;
    return now > p->last.time_us ? now : p->last.time_us + 1;
}

static void tell_link(struct oc_channel *ch, const struct oc_condition *c, struct oc_link *l, const struct oc_told *t,
                      bool trunk)
{
    struct oc_point *p = &ch->points[l->point];
    struct ua_datavalue dv = {.has = UA_HAS_VALUE | UA_HAS_SOURCE_TIME | UA_HAS_STATUS,
                              .source_us = time_of(ch, p, t, trunk),
                              .server_us = UA_TIME_NONE,
                              .value = value_of(c, p->event, t, l->select[t->which])};
    if (is_state(p->event)) dv.status = c->enabled ? field_status(t, BASE_QUALITY) : OC_STATUS_OUT_OF_SERVICE;
    if (p->event->field && strcmp(p->event->field->path, "Quality") == 0) dv.value = t->fields[BASE_QUALITY];
    oc_take(ch, p, &dv, t->read ? VALUE_READ : VALUE_NOTIFIED);
    p->first = false;
}

/* Only those whose value a branch changes. */
static bool of_branches(const struct oc_event *e)
{
    unsigned role = e->field ? e->field->role : FIELD_PLAIN;
    return role == FIELD_ACKED || role == FIELD_CONFIRMED || role == FIELD_BRANCHES;
}

void oc_condition_take(struct oc_channel *ch, struct oc_condition *c, const struct oc_told *t)
{
    const struct ua_nodeid *branch = oc_field_id(t, BASE_BRANCH_ID);
    bool trunk = branch == NULL || ua_nodeid_null(branch);
    c->met = true;
    if (trunk) {
        c->enabled = oc_field_bool(t, BASE_ENABLED, true);
        c->acked = oc_field_bool(t, BASE_ACKED, true);
        c->confirmed = oc_field_bool(t, BASE_CONFIRMED, true);
        c->retain = oc_field_bool(t, BASE_RETAIN, false);
        (void)!keep_bytes(&c->event, oc_field_bytes(t, BASE_EVENT_ID));
        c->settle = SETTLE_DONE;
    } else {
        take_branch(c, branch, t);
    }
    for (struct oc_link *l = oc_link_at(ch->events, c->first); l; l = oc_link_at(ch->events, l->next))
        if (trunk || of_branches(ch->points[l->point].event)) tell_link(ch, c, l, t, trunk);
}

/* ---- refreshing ---- */

void oc_condition_refreshing(struct oc_channel *ch, const struct oc_notifier *n)
{
    for (struct oc_condition *c = ch->events->conditions; c; c = c->next) {
        if (c->notifier != n) continue;
        c->settle = SETTLE_WAIT;
        for (size_t i = 0; i < c->nbranches; i++) c->branches[i].fresh = false;
        for (struct oc_link *l = oc_link_at(ch->events, c->first); l; l = oc_link_at(ch->events, l->next))
            ch->points[l->point].first = true;
    }
}

void oc_condition_refreshed(struct oc_channel *ch, const struct oc_notifier *n)
{
    for (struct oc_condition *c = ch->events->conditions; c; c = c->next) {
        if (c->notifier != n) continue;
        oc_condition_forget_branches(c, false);
        if (c->settle == SETTLE_WAIT) c->settle = SETTLE_READ;
    }
    ch->again = true;
}
