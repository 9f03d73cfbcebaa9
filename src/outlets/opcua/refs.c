/* refs.c - the references of a node, in an order that stays the same while the set does: a Browse that goes on later
 * counts how many it has told. */
#include "outlets/opcua/server_int.h"

struct walk {
    const struct os_server *s;
    os_each_ref *each;
    void *ctx;
    bool stop;
};

static void tell(struct walk *w, uint32_t type, bool forward, struct os_node target)
{
    if (!w->stop && target.kind != OS_NONE) w->stop = !w->each(w->ctx, type, forward, target);
}
static void tell_base(struct walk *w, uint32_t type, bool forward, uint32_t id)
{
    if (!w->stop && id) tell(w, type, forward, os_node_base(id));
}

/* ---- namespace 0 ---- */

static void objects_folder(struct walk *w)
{
    const struct os_space *p = w->s->space;
    for (uint32_t f = p->first_folder; f != OS_UNBOUND && !w->stop; f = p->folders[f].next_folder)
        tell(w, UA_NODE_ORGANIZES, true, os_node_make(OS_FOLDER, f, 0));
}
/* Who gives events to the Server. Further down folders are notifiers too, but a second hierarchical reference to each
 * would show every folder twice in browsers. */
static void server_notifiers(struct walk *w)
{
    const struct os_space *p = w->s->space;
    for (uint32_t f = p->first_folder; f != OS_UNBOUND && !w->stop; f = p->folders[f].next_folder)
        tell(w, UA_NODE_HAS_NOTIFIER, true, os_node_make(OS_FOLDER, f, 0));
}
static void base_children(struct walk *w, uint32_t id)
{
    for (uint32_t i = 0; i < os_nbases && !w->stop; i++)
        if (os_bases[i].parent == id && os_bases[i].ref) tell(w, os_bases[i].ref, true, os_node_make(OS_BASE, i, 0));
}
static void base_edges(struct walk *w, uint32_t id)
{
    for (size_t i = 0; i < os_nedges && !w->stop; i++) {
        if (os_edges[i][0] == id) tell_base(w, os_edges[i][1], true, os_edges[i][2]);
        if (os_edges[i][2] == id) tell_base(w, os_edges[i][1], false, os_edges[i][0]);
    }
}
static void base_refs(struct walk *w, const struct os_node *n)
{
    const struct os_base *b = &os_bases[n->i];
    if (b->ref) tell_base(w, b->ref, false, b->parent);
    tell_base(w, UA_NODE_HAS_TYPE_DEFINITION, true, b->type);
    if (b->flags & BASE_MANDATORY) tell_base(w, UA_NODE_HAS_MODELLING_RULE, true, 78);
    if (b->flags & BASE_OPTIONAL) tell_base(w, UA_NODE_HAS_MODELLING_RULE, true, 80);
    base_children(w, b->id);
    base_edges(w, b->id);
    if (b->id == UA_NODE_OBJECTS_FOLDER) objects_folder(w);
    if (b->id == UA_NODE_SERVER) server_notifiers(w);
}

/* ---- the plant ---- */

static uint32_t child_ref(const struct os_space *p, uint32_t folder)
{
    return p->folders[folder].device ? UA_NODE_HAS_COMPONENT : UA_NODE_ORGANIZES;
}
static void folder_refs(struct walk *w, const struct os_node *n)
{
    const struct os_space *p = w->s->space;
    const struct os_folder *f = &p->folders[n->i];
    struct os_node up = os_node_make(OS_FOLDER, f->parent, 0);
    if (f->parent == OS_UNBOUND) up = os_node_base(UA_NODE_OBJECTS_FOLDER);
    tell(w, UA_NODE_ORGANIZES, false, up);
    if (f->parent == OS_UNBOUND) tell_base(w, UA_NODE_HAS_NOTIFIER, false, UA_NODE_SERVER);
    tell_base(w, UA_NODE_HAS_TYPE_DEFINITION, true, f->device ? UA_NODE_BASE_OBJECT_TYPE : UA_NODE_FOLDER_TYPE);
    for (uint32_t c = f->first_folder; c != OS_UNBOUND && !w->stop; c = p->folders[c].next_folder)
        tell(w, UA_NODE_ORGANIZES, true, os_node_make(OS_FOLDER, c, 0));
    for (uint32_t c = f->first_point; c != OS_UNBOUND && !w->stop; c = p->points[c].next)
        tell(w, child_ref(p, n->i), true, os_node_make(OS_POINT, c, 0));
}
static void point_refs(struct walk *w, const struct os_node *n)
{
    const struct os_space *p = w->s->space;
    const struct os_point *q = &p->points[n->i];
    tell(w, child_ref(p, q->folder), false, os_node_make(OS_FOLDER, q->folder, 0));
    tell_base(w, UA_NODE_HAS_TYPE_DEFINITION, true, os_type_definition(w->s, n));
    for (unsigned k = 0; k < PROP_COUNT; k++)
        if (os_has_prop(q, k)) tell(w, UA_NODE_HAS_PROPERTY, true, os_node_make(OS_PROP, n->i, k));
}
static void prop_refs(struct walk *w, const struct os_node *n)
{
    tell(w, UA_NODE_HAS_PROPERTY, false, os_node_make(OS_POINT, n->i, 0));
    tell_base(w, UA_NODE_HAS_TYPE_DEFINITION, true, UA_NODE_PROPERTY_TYPE);
}

/* ---- by name ---- */

/* Children of a folder, OS_UNBOUND: of the Objects folder. All of one type of reference, but points and folders. */
static void named_children(struct walk *w, uint32_t parent, const struct ua_name *name, uint32_t ref)
{
    const struct os_space *p = w->s->space;
    bool folders = name->ns == 1;
    uint32_t at = (uint32_t)os_name_hash(parent, name->name) & p->name_mask, k;
    for (; (k = p->by_name[at]) != 0; at = (at + 1) & p->name_mask) {
        uint32_t i = (k & ~OS_IS_FOLDER) - 1;
        if (folders != ((k & OS_IS_FOLDER) != 0)) continue;
        if ((folders ? p->folders[i].parent : p->points[i].folder) != parent) continue;
        if (!str_eq(folders ? p->folders[i].name : p->points[i].code, name->name)) continue;
        tell(w, ref, true, os_node_make(folders ? OS_FOLDER : OS_POINT, i, 0));
    }
}
void os_refs_named(const struct os_server *s, const struct os_node *n, const struct ua_name *name, os_each_ref *each,
                   void *ctx)
{
    struct walk w = {.s = s, .each = each, .ctx = ctx};
    uint32_t base = os_node_base_id(n);
    if (n->kind == OS_FOLDER && name->ns == OS_NS_POINTS) {
        named_children(&w, n->i, name, child_ref(s->space, n->i));
    } else if (n->kind == OS_FOLDER && name->ns == 1) {
        uint32_t up = s->space->folders[n->i].parent;
        if (up != OS_UNBOUND) tell(&w, UA_NODE_ORGANIZES, false, os_node_make(OS_FOLDER, up, 0));
        named_children(&w, n->i, name, UA_NODE_ORGANIZES);
    } else if ((base == UA_NODE_OBJECTS_FOLDER || base == UA_NODE_SERVER) && name->ns == 1) {
        named_children(&w, OS_UNBOUND, name, base == UA_NODE_SERVER ? UA_NODE_HAS_NOTIFIER : UA_NODE_ORGANIZES);
    } else {
        os_refs(s, n, each, ctx);
    }
}

void os_refs(const struct os_server *s, const struct os_node *n, os_each_ref *each, void *ctx)
{
    static void (*const kinds[])(struct walk * w, const struct os_node *n) = {
        [OS_BASE] = base_refs, [OS_FOLDER] = folder_refs, [OS_POINT] = point_refs, [OS_PROP] = prop_refs};
    struct walk w = {.s = s, .each = each, .ctx = ctx};
    if (n->kind != OS_NONE) kinds[n->kind](&w, n);
}
