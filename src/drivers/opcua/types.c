/* types.c - structures and enumerations that the server defines: a catalogue for the decoder (proto/opcua/ua_custom.h),
 * filled as types are met. What is not known yet is asked for in rounds: Browse upwards (from an encoding to its data
 * type, from a data type to its parent), then the DataTypeDefinition of the data types; the types of their members
 * follow in the next round. Until a round ends, values of the type wait (refresh.c), and so do jobs.
 *
 * Older servers without DataTypeDefinition: their structures are shown as unknown ones. Bounds: OC_TYPES_MAX entries,
 * an arena of 16 MiB; what is beyond stays unknown. Forgotten with the session's namespaces. */
#include "drivers/opcua/opcua_int.h"

#define OC_TYPES_MAX 4000
#define SLOTS 8192 /* twice as many, a power of two */
#define ROUND 50
#define PARENTS_MAX 32

enum state { TYPE_WANTED, TYPE_ASKED, TYPE_KNOWN, TYPE_NONE };
struct type {
    struct ua_nodeid id, parent; /* parent of an encoding: its data type */
    bool encoding, has_parent;
    uint8_t state;
    const struct ua_structure_definition *def;
};
struct oc_types {
    struct oc_channel *ch;
    struct arena arena;
    struct ua_catalogue catalogue;
    struct type *list;
    size_t n, cap, wanted;
    uint16_t slots[SLOTS]; /* index + 1 */
    bool asking;
    bool *missed;
};
struct round {
    uint32_t n;
    uint16_t at[ROUND];
};

/* ---- entries ---- */

static size_t slot_of(const struct oc_types *t, const struct ua_nodeid *id, bool encoding)
{
    size_t at = (size_t)ua_nodeid_hash(id, encoding) & (SLOTS - 1);
    for (; t->slots[at]; at = (at + 1) & (SLOTS - 1)) {
        const struct type *x = &t->list[t->slots[at] - 1];
        if (x->encoding == encoding && ua_nodeid_eq(&x->id, id)) break;
    }
    return at;
}

static struct type *find(struct oc_types *t, const struct ua_nodeid *id, bool encoding)
{
    size_t i = t->slots[slot_of(t, id, encoding)];
    return i ? &t->list[i - 1] : NULL;
}

static struct type *want(struct oc_types *t, const struct ua_nodeid *id, bool encoding)
{
    struct type *x = find(t, id, encoding);
    struct ua_nodeid copy;
    if (x || t->n == OC_TYPES_MAX || !mem_grow((void **)&t->list, &t->cap, t->n + 1, sizeof *x) ||
        ua_copy(&t->arena, UA_NODEID, id, &copy))
        return x;
    size_t slot = slot_of(t, id, encoding);
    x = &t->list[t->n++];
    *x = (struct type){.id = copy, .encoding = encoding};
    t->slots[slot] = (uint16_t)t->n;
    t->wanted++;
    return x;
}

/* Standard types that need no asking. */
static bool is_base(const struct ua_nodeid *id)
{
    return id->ns == 0 && id->kind == UA_ID_NUMBER && id->i <= UA_NODE_ENUMERATION;
}

static const struct type *look(struct oc_types *t, const struct ua_nodeid *id, bool encoding)
{
    const struct type *x = want(t, id, encoding);
    if (x && x->state <= TYPE_ASKED && t->missed) *t->missed = true;
    return x && x->state == TYPE_KNOWN ? x : NULL;
}

/* ---- the catalogue ---- */

static const struct ua_structure_definition *structure(void *ctx, const struct ua_nodeid *id, bool encoding)
{
    struct oc_types *t = ctx;
    const struct type *x = !encoding && is_base(id) ? NULL : look(t, id, encoding);
    if (x && encoding) x = x->has_parent ? look(t, &x->parent, false) : NULL;
    return x ? x->def : NULL;
}

static unsigned builtin(void *ctx, const struct ua_nodeid *data_type)
{
    struct oc_types *t = ctx;
    const struct ua_nodeid *id = data_type;
    for (int i = 0; i < PARENTS_MAX; i++) {
        if (is_base(id) && id->i == UA_NODE_ENUMERATION) return UA_INT32;
        if (is_base(id) && id->i > UA_VARIANT) return UA_VARIANT; /* Number, Integer: any of them */
        if (is_base(id)) return id->i == UA_NODE_STRUCTURE ? 0 : id->i;
        unsigned known = ua_type_of_data_type(id);
        if (known && known < UA_BUILTIN_COUNT) return known;
        const struct type *x = look(t, id, false);
        if (!x || !x->has_parent || x->def) return 0;
        id = &x->parent;
    }
    return 0;
}

static struct oc_types *types_of(struct oc_channel *ch)
{
    struct oc_types *t = ch->types ? ch->types : mem_calloc(1, sizeof *t);
    if (!t || ch->types) return t;
    t->ch = ch;
    arena_init(&t->arena, 16u << 20);
    t->catalogue = (struct ua_catalogue){structure, builtin, t};
    return ch->types = t;
}

const struct ua_catalogue *oc_types(struct oc_channel *ch, bool *ret_missed)
{
    struct oc_types *t = types_of(ch);
    if (t) t->missed = ret_missed;
    return t ? &t->catalogue : NULL;
}

const struct ua_structure_definition *oc_types_of(struct oc_channel *ch, const struct ua_nodeid *data_type)
{
    struct oc_types *t = types_of(ch);
    bool missed;
    if (!t) return NULL;
    t->missed = &missed;
    const struct ua_structure_definition *def = structure(t, data_type, false);
    for (uint32_t i = 0; def && i < def->fields_n; i++) { /* so that its members are asked for, too */
        const struct ua_structure_definition *own;
        ua_field_type(&t->catalogue, def, &def->fields[i], &own);
    }
    t->missed = NULL;
    return def;
}

bool oc_types_busy(const struct oc_channel *ch)
{
    return ch->types && (ch->types->wanted || ch->types->asking);
}

void oc_types_forget(struct oc_channel *ch)
{
    struct oc_types *t = TAKE(ch->types);
    if (!t) return;
    arena_fini(&t->arena);
    mem_free(t->list);
    mem_free(t);
}

/* ---- rounds ---- */

static void end_round(struct oc_channel *ch, struct round *r)
{
    mem_free(r);
    ch->types->asking = false;
    ch->again = true;
    if (!oc_types_busy(ch)) oc_job_typed(ch);
}

/* Lost: to be asked again. Refused: the server cannot tell. */
static void give_up(struct oc_channel *ch, struct round *r, bool refused)
{
    struct oc_types *t = ch->types;
    for (uint32_t i = 0; i < r->n; i++) t->list[r->at[i]].state = refused ? TYPE_NONE : TYPE_WANTED;
    if (!refused) t->wanted += r->n;
    end_round(ch, r);
}

static void take_members(struct oc_types *t, const struct ua_structure_definition *d)
{
    for (uint32_t i = 0; i < d->fields_n; i++)
        if (ua_type_of_data_type(&d->fields[i].data_type) == 0 && !is_base(&d->fields[i].data_type))
            want(t, &d->fields[i].data_type, false);
}

static void take_definition(struct oc_types *t, uint16_t at, const struct ua_datavalue *v)
{
    const struct ua_extension *x =
        v->value.type == UA_EXTENSION && !v->value.array ? ua_variant_item(&v->value, 0) : NULL;
    const struct ua_structure_definition *d = x ? ua_extension_as(x, UA_T_structure_definition) : NULL;
    struct ua_structure_definition *copy = d ? arena_calloc(&t->arena, 1, sizeof *copy) : NULL;
    bool kept = copy && ua_copy(&t->arena, UA_T_structure_definition, d, copy) == 0;
    t->list[at].def = kept ? copy : NULL;
    t->list[at].state = kept || t->list[at].has_parent ? TYPE_KNOWN : TYPE_NONE;
    if (kept)
        take_members(t, copy);
    else if (t->list[at].has_parent && !is_base(&t->list[at].parent)) /* a simple type: as its parent */
        want(t, &t->list[at].parent, false);
}

static void on_definitions(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *a = value;
    struct round *r = arg;
    uint32_t k = 0;
    (void)e;
    if (!ch->types) { /* forgotten meanwhile */
        mem_free(r);
        return;
    }
    for (uint32_t i = 0; a && i < r->n; i++) {
        static const struct ua_datavalue none;
        if (ch->types->list[r->at[i]].encoding) continue;
        take_definition(ch->types, r->at[i], k < a->results_n ? &a->results[k] : &none);
        k++;
    }
    if (a)
        end_round(ch, r);
    else
        give_up(ch, r, refused);
}

static void ask_definitions(struct oc_channel *ch, struct round *r)
{
    struct ua_read_value_id nodes[ROUND];
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct type *x = &ch->types->list[r->at[i]];
        if (!x->encoding)
            nodes[n++] = (struct ua_read_value_id){.node_id = x->id, .attribute_id = UA_ATTR_DATA_TYPE_DEFINITION};
    }
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = nodes, .nodes_to_read_n = n};
    if (n)
        oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_definitions, r);
    else
        end_round(ch, r);
}

static void take_parent(struct oc_types *t, uint16_t at, const struct ua_browse_result *b)
{
    bool any = b && b->references_n > 0 && !ua_bad(b->status_code);
    struct ua_nodeid parent;
    if (any && ua_copy(&t->arena, UA_NODEID, &b->references[0].node_id.id, &parent) == 0) {
        t->list[at].parent = parent;
        t->list[at].has_parent = true;
    }
    if (!t->list[at].encoding) return;
    t->list[at].state = t->list[at].has_parent ? TYPE_KNOWN : TYPE_NONE;
    if (t->list[at].has_parent) want(t, &t->list[at].parent, false);
}

static void on_parents(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_browse_response *a = value;
    struct round *r = arg;
    (void)e;
    if (!ch->types) {
        mem_free(r);
        return;
    }
    for (uint32_t i = 0; a && i < r->n; i++) take_parent(ch->types, r->at[i], i < a->results_n ? &a->results[i] : NULL);
    if (a)
        ask_definitions(ch, r);
    else
        give_up(ch, r, refused);
}

static void ask_parents(struct oc_channel *ch, struct round *r)
{
    struct ua_browse_description d[ROUND];
    for (uint32_t i = 0; i < r->n; i++) {
        const struct type *x = &ch->types->list[r->at[i]];
        d[i] = (struct ua_browse_description){.node_id = x->id,
                                              .browse_direction = UA_BROWSE_INVERSE,
                                              .reference_type_id =
                                                  ua_id(0, x->encoding ? UA_NODE_HAS_ENCODING : UA_NODE_HAS_SUBTYPE),
                                              .include_subtypes = true,
                                              .result_mask = UA_BROWSE_RESULT_ALL};
    }
    struct ua_browse_request q = {.view = {.timestamp = UA_TIME_NONE}, .nodes_to_browse = d, .nodes_to_browse_n = r->n};
    oc_call(ch, UA_T_browse_request, &q, ch->cfg.answer_ms, on_parents, r);
}

void oc_types_pump(struct oc_channel *ch)
{
    struct oc_types *t = ch->types;
    if (!t || t->asking || !t->wanted) return;
    struct round *r = mem_calloc(1, sizeof *r);
    uint32_t most = ch->max_browse < ROUND ? ch->max_browse : ROUND;
    for (size_t i = 0; r && i < t->n && r->n < most; i++) {
        if (t->list[i].state != TYPE_WANTED) continue;
        t->list[i].state = TYPE_ASKED;
        r->at[r->n++] = (uint16_t)i;
    }
    if (!r || !r->n) {
        mem_free(r);
        return;
    }
    t->wanted -= r->n;
    t->asking = true;
    ask_parents(ch, r);
}
