/* event_set.c - from the desired set of points to notifiers, conditions, links and filters. What runs already goes on:
 * notifiers and conditions are found again by the text of their node; a filter is replaced only when a field is wanted
 * that it has not. */
#include "drivers/opcua/events_int.h"

#define SMALL (1u << 20)
#define SELECTS_MAX 500 /* fields of one item */

/* ---- filters ---- */

/* In the order of enum oc_base. */
static const struct {
    uint32_t type;
    const char *path;
} base_fields[BASE_CONDITIONS] = {
    [BASE_EVENT_ID] = {UA_NODE_BASE_EVENT_TYPE, "EventId"},
    [BASE_EVENT_TYPE] = {UA_NODE_BASE_EVENT_TYPE, "EventType"},
    [BASE_TIME] = {UA_NODE_BASE_EVENT_TYPE, "Time"},
    [BASE_SEVERITY] = {UA_NODE_BASE_EVENT_TYPE, "Severity"},
    [BASE_CONDITION_ID] = {UA_NODE_CONDITION_TYPE, ""}, /* the NodeId of the condition itself */
    [BASE_BRANCH_ID] = {UA_NODE_CONDITION_TYPE, "BranchId"},
    [BASE_RETAIN] = {UA_NODE_CONDITION_TYPE, "Retain"},
    [BASE_ENABLED] = {UA_NODE_CONDITION_TYPE, "EnabledState/Id"},
    [BASE_ACKED] = {UA_NODE_ACKNOWLEDGEABLE_CONDITION_TYPE, "AckedState/Id"},
    [BASE_CONFIRMED] = {UA_NODE_ACKNOWLEDGEABLE_CONDITION_TYPE, "ConfirmedState/Id"},
    [BASE_QUALITY] = {UA_NODE_CONDITION_TYPE, "Quality"},
};

struct oc_select *oc_select_at(const struct oc_filter *f, uint32_t i)
{
    return f && i < f->n ? &f->selects[i] : NULL;
}

uint32_t oc_select_find(const struct oc_filter *f, struct str key)
{
    for (uint32_t i = 0; f && i < f->n; i++)
        if (str_eq(f->selects[i].key, key)) return i;
    return OC_SELECT_NONE;
}

void oc_filter_free(struct oc_filter *f)
{
    if (f == NULL) return;
    arena_fini(&f->a);
    mem_free(f);
}

static bool copy_node(struct arena *a, const struct oc_node *from, struct oc_node *to)
{
    return ua_copy(a, UA_EXPANDED, &from->id, &to->id) == 0;
}

static bool add_base(struct oc_filter *f, uint32_t i)
{
    struct oc_select *s = &f->selects[f->n++];
    struct str rest = str_of(base_fields[i].path);
    s->type.id.id = ua_id(0, base_fields[i].type);
    const char *key = arena_printf(&f->a, "i=%u %s", base_fields[i].type, base_fields[i].path);
    s->key = str_of(key);
    s->path = arena_calloc(&f->a, 4, sizeof *s->path);
    while (rest.n && s->path) s->path[s->path_n++].name = str_cut(&rest, '/');
    return key && s->path;
}

static bool add_select(struct oc_filter *f, const struct oc_select *from)
{
    struct oc_select *s = &f->selects[f->n++];
    s->key = arena_str(&f->a, from->key);
    s->path = arena_calloc(&f->a, from->path_n + 1, sizeof *s->path);
    if (!s->key.p || !s->path || !copy_node(&f->a, &from->type, &s->type)) return false;
    for (uint32_t i = 0; i < from->path_n; i++)
        if (ua_copy(&f->a, UA_NAME, &from->path[i], &s->path[i])) return false;
    s->path_n = from->path_n;
    return true;
}

static struct oc_filter *filter_new(bool conditions, uint32_t room)
{
    struct oc_filter *f = mem_calloc(1, sizeof *f);
    uint32_t n = conditions ? BASE_CONDITIONS : BASE_EVENTS;
    if (f == NULL) return NULL;
    arena_init(&f->a, 16u << 20);
    f->conditions = conditions;
    f->selects = arena_calloc(&f->a, n + (room < SELECTS_MAX ? room : SELECTS_MAX), sizeof *f->selects);
    bool ok = f->selects != NULL;
    for (uint32_t i = 0; i < n && ok; i++) ok = add_base(f, i);
    if (ok) return f;
    oc_filter_free(f);
    return NULL;
}

/* ---- finding and making ---- */

static struct str node_text(struct arena *a, const struct oc_node *n)
{
    struct buf b;
    buf_init(&b, 8192);
    ua_expanded_text(&b, &n->id);
    struct str s = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static struct oc_notifier *notifier_of(struct oc_events *ev, const struct oc_node *node, struct arena *tmp)
{
    struct str text = node_text(tmp, node);
    struct oc_notifier *n = ev->notifiers;
    while (n && !str_eq(n->text, text)) n = n->next;
    if (n || !text.p) return n;
    n = mem_calloc(1, sizeof *n);
    if (n == NULL) return NULL;
    arena_init(&n->a, SMALL);
    n->text = arena_str(&n->a, text);
    if (!n->text.p || !copy_node(&n->a, node, &n->node)) {
        arena_fini(&n->a);
        mem_free(n);
        return NULL;
    }
    n->next = ev->notifiers;
    return ev->notifiers = n;
}

/* By text, among thousands: the hash of the text finds it. */
struct finder {
    struct oc_condition **slots;
    size_t cap;
};

static struct oc_condition **slot_of(const struct finder *f, struct str text)
{
    size_t i = str_hash(text, hash_seed()) & (f->cap - 1);
    while (f->slots[i] && !str_eq(f->slots[i]->text, text)) i = (i + 1) & (f->cap - 1);
    return &f->slots[i];
}

static bool finder_make(struct finder *f, const struct oc_events *ev, size_t room)
{
    size_t n = room;
    for (const struct oc_condition *c = ev->conditions; c; c = c->next) n++;
    for (f->cap = 64; f->cap < 2 * n + 2; f->cap *= 2) continue;
    f->slots = mem_calloc(f->cap, sizeof *f->slots);
    for (struct oc_condition *c = ev->conditions; c && f->slots; c = c->next) *slot_of(f, c->text) = c;
    return f->slots != NULL;
}

static struct oc_condition *condition_of(struct oc_events *ev, struct finder *f, const struct oc_event *e,
                                         struct arena *tmp)
{
    struct str text = node_text(tmp, &e->condition);
    struct oc_condition **slot = text.p ? slot_of(f, text) : NULL;
    if (slot == NULL || *slot) return slot ? *slot : NULL;
    struct oc_condition *c = mem_calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    arena_init(&c->a, SMALL);
    c->text = arena_str(&c->a, text);
    if (!c->text.p || !copy_node(&c->a, &e->condition, &c->node)) {
        arena_fini(&c->a);
        mem_free(c);
        return NULL;
    }
    c->next = ev->conditions;
    ev->conditions = c;
    return *slot = c;
}

static struct oc_kinds *kinds_of(struct oc_events *ev, const struct oc_node *type, struct arena *tmp)
{
    struct str text = node_text(tmp, type);
    struct oc_kinds *k = ev->kinds;
    while (k && !str_eq(k->text, text)) k = k->next;
    if (k || !text.p) return k;
    k = mem_calloc(1, sizeof *k);
    if (k == NULL) return NULL;
    arena_init(&k->a, 16u << 20);
    k->text = arena_str(&k->a, text);
    if (!k->text.p || !copy_node(&k->a, type, &k->type)) {
        arena_fini(&k->a);
        mem_free(k);
        return NULL;
    }
    k->next = ev->kinds;
    return ev->kinds = k;
}

/* ---- freeing ---- */

void oc_condition_forget_branches(struct oc_condition *c, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->nbranches; i++) {
        if (!all && c->branches[i].fresh) {
            c->branches[kept++] = c->branches[i];
            continue;
        }
        mem_free((char *)c->branches[i].id.p);
        mem_free((char *)c->branches[i].event.p);
    }
    c->nbranches = kept;
}

static void condition_free(struct oc_condition *c)
{
    oc_condition_forget_branches(c, true);
    mem_free(c->branches);
    mem_free((char *)c->event.p);
    arena_fini(&c->a);
    mem_free(c);
}

static void notifier_free(struct oc_notifier *n)
{
    oc_filter_free(n->now.filter);
    oc_filter_free(n->old.filter);
    arena_fini(&n->a);
    mem_free(n);
}

static void kinds_free(struct oc_kinds *k)
{
    mem_free(k->ids);
    arena_fini(&k->a);
    mem_free(k);
}

void oc_events_free(struct oc_channel *ch)
{
    struct oc_events *ev = TAKE(ch->events);
    if (ev == NULL) return;
    for (struct oc_notifier *n = ev->notifiers, *next; n; n = next) next = n->next, notifier_free(n);
    for (struct oc_condition *c = ev->conditions, *next; c; c = next) next = c->next, condition_free(c);
    for (struct oc_kinds *k = ev->kinds, *next; k; k = next) next = k->next, kinds_free(k);
    mem_free(ev->links);
    mem_free(ev);
}

/* ---- the set ---- */

static bool link_point(struct oc_channel *ch, struct oc_events *ev, struct finder *f, uint32_t point, struct arena *tmp)
{
    struct oc_point *p = &ch->points[point];
    const struct oc_event *e = p->event;
    struct oc_link *l = &ev->links[ev->nlinks];
    struct oc_notifier *n = notifier_of(ev, &e->notifier, tmp);
    struct oc_condition *c = e->alarm ? condition_of(ev, f, e, tmp) : NULL;
    struct oc_kinds *k = e->typed && !e->alarm ? kinds_of(ev, &e->type, tmp) : NULL;
    unsigned klass = oc_point_class(ch, p);
    if (!n || (e->alarm && !c) || (e->typed && !e->alarm && !k)) return false;
    uint32_t *first = c ? &c->first : &n->first;
    *l = (struct oc_link){.point = point, .next = *first, .kinds = k, .raw_us = INT64_MIN};
    *first = (uint32_t)++ev->nlinks;
    if (!n->used || klass < n->klass) n->klass = (uint8_t)klass;
    n->used = true;
    if (c == NULL) return true;
    if (c->notifier != n && c->used) return true; /* the first that names one decides */
    c->notifier = n;
    c->used = true;
    n->conditions++;
    return true;
}

static void begin(struct oc_events *ev)
{
    for (struct oc_notifier *n = ev->notifiers; n; n = n->next) n->used = false, n->first = n->conditions = 0;
    for (struct oc_condition *c = ev->conditions; c; c = c->next) c->used = false, c->first = 0;
    ev->nlinks = 0;
}

static bool link_all(struct oc_channel *ch, struct oc_events *ev, size_t want)
{
    AUTO_ARENA tmp;
    struct finder f = {0};
    arena_init(&tmp, 64u << 20);
    begin(ev);
    struct oc_link *links = mem_calloc(want + 1, sizeof *links);
    if (links) mem_free(ev->links), ev->links = links;
    bool ok = links && finder_make(&f, ev, want);
    for (uint32_t i = 0; i < ch->npoints && ok; i++)
        if (ch->points[i].event && !ch->points[i].config_error) ok = link_point(ch, ev, &f, i, &tmp);
    mem_free(f.slots);
    return ok;
}

/* Conditions that no point is of any more. Notifiers go in events.c, since they have items. */
static void sweep(struct oc_events *ev)
{
    for (struct oc_condition **p = &ev->conditions; *p;) {
        struct oc_condition *c = *p;
        if (c->used) {
            p = &c->next;
            continue;
        }
        *p = c->next;
        condition_free(c);
    }
}

struct oc_link *oc_link_at(const struct oc_events *ev, uint32_t link_1)
{
    return link_1 ? &ev->links[link_1 - 1] : NULL;
}

/* The fields that points of this notifier want and `f` has not, put into it; false: no memory. */
static bool want_link(struct oc_channel *ch, struct oc_filter *f, const struct oc_link *l)
{
    const struct oc_event *e = ch->points[l->point].event;
    struct oc_select s = {.key = e->key, .type = e->path_type, .path = e->path, .path_n = e->path_n};
    if (f->n >= SELECTS_MAX) return true; /* events.c tells those that are not among them */
    return oc_select_find(f, e->key) != OC_SELECT_NONE || add_select(f, &s);
}

static bool each_link(struct oc_channel *ch, const struct oc_notifier *n,
                      bool (*fn)(struct oc_channel *, struct oc_filter *, const struct oc_link *), struct oc_filter *f)
{
    struct oc_events *ev = ch->events;
    bool ok = true;
    for (struct oc_link *l = oc_link_at(ev, n->first); l && ok; l = oc_link_at(ev, l->next)) ok = fn(ch, f, l);
    for (struct oc_condition *c = ev->conditions; c && ok && n->conditions; c = c->next)
        for (struct oc_link *l = oc_link_at(ev, c->first); l && ok && c->notifier == n; l = oc_link_at(ev, l->next))
            ok = fn(ch, f, l);
    return ok;
}

static bool has_link(struct oc_channel *ch, struct oc_filter *f, const struct oc_link *l)
{
    return oc_select_find(f, ch->points[l->point].event->key) != OC_SELECT_NONE;
}

/* What all points of events agree on may be left to the server; of conditions everything is wanted. */
static void where_of(struct oc_channel *ch, const struct oc_notifier *n, struct oc_filter *f)
{
    const struct oc_link *l = oc_link_at(ch->events, n->first);
    const struct oc_event *first = l ? ch->points[l->point].event : NULL;
    if (n->conditions || !first) return;
    f->severity = first->severity;
    f->typed = first->typed;
    for (; l; l = oc_link_at(ch->events, l->next)) {
        const struct oc_event *e = ch->points[l->point].event;
        if (e->severity < f->severity) f->severity = e->severity;
        f->typed = f->typed && l->kinds && l->kinds == oc_link_at(ch->events, n->first)->kinds;
    }
    if (f->typed && !copy_node(&f->a, &first->type, &f->type)) f->typed = false;
    f->where = f->severity > 1 || f->typed;
}

static bool same_where(const struct oc_filter *a, const struct oc_filter *b)
{
    if (a->where != b->where || a->severity != b->severity || a->typed != b->typed) return false;
    return !a->typed || ua_equal(UA_EXPANDED, &a->type.id, &b->type.id);
}

/* The filter in force still does, or a new one takes its place. */
static bool filter_for(struct oc_channel *ch, struct oc_notifier *n)
{
    struct oc_filter *have = n->now.filter;
    struct oc_filter *f = filter_new(n->conditions > 0, (uint32_t)ch->events->nlinks);
    if (f == NULL || !each_link(ch, n, want_link, f)) {
        oc_filter_free(f);
        return false;
    }
    where_of(ch, n, f);
    bool enough = have && (have->conditions || !f->conditions) && each_link(ch, n, has_link, have) &&
                  same_where(have, f) && n->now.klass == n->klass;
    if (enough) {
        oc_filter_free(f);
        return true;
    }
    oc_item_retire(ch, n);
    oc_filter_free(n->now.filter);
    n->now = (struct oc_item_of){.filter = f, .klass = n->klass};
    return true;
}

static void map_link(const struct oc_channel *ch, const struct oc_notifier *n, struct oc_link *l)
{
    const struct str key = ch->points[l->point].event->key;
    l->select[0] = oc_select_find(n->now.filter, key);
    l->select[1] = oc_select_find(n->old.filter, key);
}

static bool filters(struct oc_channel *ch, struct oc_events *ev)
{
    for (struct oc_notifier *n = ev->notifiers; n; n = n->next)
        if (n->used && !filter_for(ch, n)) return false;
    for (struct oc_notifier *n = ev->notifiers; n; n = n->next)
        for (struct oc_link *l = oc_link_at(ev, n->first); l; l = oc_link_at(ev, l->next)) map_link(ch, n, l);
    for (struct oc_condition *c = ev->conditions; c; c = c->next)
        for (struct oc_link *l = oc_link_at(ev, c->first); l; l = oc_link_at(ev, l->next)) map_link(ch, c->notifier, l);
    return true;
}

/* Points that are new want what is known of their conditions. */
static void news(struct oc_channel *ch, struct oc_events *ev)
{
    for (struct oc_condition *c = ev->conditions; c; c = c->next) {
        bool fresh = !c->bound;
        for (struct oc_link *l = oc_link_at(ev, c->first); l; l = oc_link_at(ev, l->next)) {
            struct oc_point *p = &ch->points[l->point];
            fresh = fresh || p->last.time_us == 0 || p->marked;
            if (p->last.time_us == 0) p->first = true;
        }
        if (fresh) oc_refresh_conditions(ch, c->notifier->klass);
    }
}

void oc_events_set(struct oc_channel *ch)
{
    size_t want = 0;
    for (size_t i = 0; i < ch->npoints; i++) want += ch->points[i].event && !ch->points[i].config_error;
    if (want == 0 && ch->events == NULL) return;
    if (ch->events == NULL) ch->events = mem_calloc(1, sizeof *ch->events);
    struct oc_events *ev = ch->events;
    ch->events_dirty = ev == NULL || !link_all(ch, ev, want);
    if (ch->events_dirty) {
        if (ev) begin(ev);
        return;
    }
    sweep(ev);
    ch->events_dirty = !filters(ch, ev);
    oc_events_bind(ch, ev);
    news(ch, ev);
}

/* ---- the namespaces of a session ---- */

struct oc_condition *oc_condition_find(const struct oc_events *ev, const struct ua_nodeid *id)
{
    struct oc_condition *c = ev->table[ua_nodeid_hash(id, hash_seed()) % OC_BUCKETS];
    while (c && !ua_nodeid_eq(&c->id, id)) c = c->same;
    return c;
}

struct oc_condition *oc_condition_next(const struct oc_condition *c)
{
    struct oc_condition *next = c->same;
    while (next && !ua_nodeid_eq(&next->id, &c->id)) next = next->same;
    return next;
}

void oc_events_bind(struct oc_channel *ch, struct oc_events *ev)
{
    memset(ev->table, 0, sizeof ev->table);
    for (struct oc_condition *c = ev->conditions; c; c = c->next) {
        c->bound = ch->conn == CONN_UP && oc_node_id(ch, &c->node, &c->id, NULL) == 0;
        for (struct oc_link *l = oc_link_at(ev, c->first); l && !c->bound; l = oc_link_at(ev, l->next))
            if (ch->conn == CONN_UP) oc_tell_config(ch, &ch->points[l->point]); /* there is no such namespace */
        if (!c->bound) continue;
        struct oc_condition **slot = &ev->table[ua_nodeid_hash(&c->id, hash_seed()) % OC_BUCKETS];
        c->same = *slot;
        *slot = c;
    }
}
