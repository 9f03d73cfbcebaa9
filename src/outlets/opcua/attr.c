/* attr.c - the attributes of a node: a table of functions by attribute, each for the node classes that have it. */
#include "outlets/opcua/server_int.h"

struct ask {
    struct os_server *s;
    const struct os_session *x; /* may be NULL */
    const struct os_node *n;
    struct arena *a;
    enum ua_node_class c;
};
/* Status of the attribute; the value goes into ret->value. */
typedef uint32_t get(const struct ask *q, struct ua_datavalue *ret);

static const struct {
    const char *name, *zh;
    uint16_t data;
} props[PROP_COUNT] = {
    [PROP_EU_RANGE] = {"EURange", "量程", 884},
    [PROP_UNITS] = {"EngineeringUnits", "工程单位", 887},
    [PROP_TRUE] = {"TrueState", "为真时", UA_TEXT},
    [PROP_FALSE] = {"FalseState", "为假时", UA_TEXT},
};

static const struct os_point *point_of(const struct os_server *s, const struct os_node *n)
{
    return &s->space->points[n->i];
}
static const struct os_folder *folder_at(const struct os_server *s, const struct os_node *n)
{
    return &s->space->folders[n->i];
}
static bool chinese(const struct os_session *x)
{
    return x && x->zh;
}

enum ua_node_class os_class(const struct os_node *n)
{
    static const uint8_t classes[] = {0, 0, UA_CLASS_OBJECT, UA_CLASS_VARIABLE, UA_CLASS_VARIABLE};
    return (enum ua_node_class)(n->kind == OS_BASE ? os_bases[n->i].node_class : classes[n->kind]);
}
struct ua_name os_browse_name(const struct os_server *s, const struct os_node *n)
{
    if (n->kind == OS_BASE) return (struct ua_name){0, str_of(os_bases[n->i].name)};
    if (n->kind == OS_PROP) return (struct ua_name){0, str_of(props[n->prop].name)};
    if (n->kind == OS_FOLDER) return (struct ua_name){1, folder_at(s, n)->name};
    return (struct ua_name){OS_NS_POINTS, point_of(s, n)->code};
}
struct ua_text os_display_name(const struct os_server *s, const struct os_session *x, const struct os_node *n)
{
    if (n->kind == OS_PROP && chinese(x)) return (struct ua_text){STR("zh"), str_of(props[n->prop].zh)};
    if (n->kind == OS_POINT) return (struct ua_text){STR_NULL, point_of(s, n)->name};
    return (struct ua_text){STR_NULL, os_browse_name(s, n).name};
}
uint32_t os_type_definition(const struct os_server *s, const struct os_node *n)
{
    if (n->kind == OS_BASE) return os_bases[n->i].type;
    if (n->kind == OS_PROP) return UA_NODE_PROPERTY_TYPE;
    if (n->kind == OS_FOLDER) return folder_at(s, n)->device ? UA_NODE_BASE_OBJECT_TYPE : UA_NODE_FOLDER_TYPE;
    const struct os_point *p = point_of(s, n);
    if (os_has_prop(p, PROP_TRUE)) return UA_NODE_TWO_STATE_DISCRETE_TYPE;
    if (os_has_prop(p, PROP_EU_RANGE)) return UA_NODE_ANALOG_ITEM_TYPE;
    return os_has_prop(p, PROP_UNITS) ? UA_NODE_ANALOG_UNIT_TYPE : UA_NODE_BASE_DATA_VARIABLE_TYPE;
}

/* ---- one function an attribute ---- */

static uint32_t put(struct ua_datavalue *ret, unsigned type, const void *v)
{
    ret->value = ua_variant_scalar(type, v);
    return 0;
}
/* What does not fit into a variant itself is pointed to: into the arena. */
static uint32_t put_copy(const struct ask *q, struct ua_datavalue *ret, unsigned type, const void *v)
{
    size_t n = ua_size_of(type);
    void *copy = arena_alloc(q->a, n);
    if (copy == NULL) return UA_BAD_OUT_OF_MEMORY;
    memcpy(copy, v, n);
    return put(ret, type, copy);
}
static uint32_t put_bool(struct ua_datavalue *ret, bool v)
{
    return put(ret, UA_BOOLEAN, &v);
}
static uint32_t put_byte(struct ua_datavalue *ret, unsigned v)
{
    uint8_t b = (uint8_t)v;
    return put(ret, UA_BYTE, &b);
}

static uint32_t node_id(const struct ask *q, struct ua_datavalue *ret)
{
    struct ua_nodeid id = os_node_id(q->s, q->n, q->a);
    return put_copy(q, ret, UA_NODEID, &id);
}
static uint32_t node_class(const struct ask *q, struct ua_datavalue *ret)
{
    int32_t c = (int32_t)q->c;
    return put(ret, UA_INT32, &c);
}
static uint32_t browse_name(const struct ask *q, struct ua_datavalue *ret)
{
    struct ua_name name = os_browse_name(q->s, q->n);
    return put_copy(q, ret, UA_NAME, &name);
}
static uint32_t display_name(const struct ask *q, struct ua_datavalue *ret)
{
    struct ua_text t = os_display_name(q->s, q->x, q->n);
    return put_copy(q, ret, UA_TEXT, &t);
}
static uint32_t description(const struct ask *q, struct ua_datavalue *ret)
{
    struct ua_text t = {0};
    if (q->n->kind == OS_POINT) t.text = point_of(q->s, q->n)->name;
    return put_copy(q, ret, UA_TEXT, &t);
}
static uint32_t write_mask(const struct ask *q, struct ua_datavalue *ret)
{
    uint32_t none = 0;
    (void)q;
    return put(ret, UA_UINT32, &none);
}
static uint32_t is_abstract(const struct ask *q, struct ua_datavalue *ret)
{
    return put_bool(ret, os_bases[q->n->i].flags & BASE_ABSTRACT);
}
static uint32_t symmetric(const struct ask *q, struct ua_datavalue *ret)
{
    return put_bool(ret, os_bases[q->n->i].flags & BASE_SYMMETRIC);
}
static uint32_t inverse_name(const struct ask *q, struct ua_datavalue *ret)
{
    const char *name = os_bases[q->n->i].inverse;
    struct ua_text t = {STR_NULL, name ? str_of(name) : STR_NULL};
    if (name == NULL) return UA_BAD_ATTRIBUTE_ID_INVALID;
    return put_copy(q, ret, UA_TEXT, &t);
}
static uint32_t no_loops(const struct ask *q, struct ua_datavalue *ret)
{
    (void)q;
    return put_bool(ret, false);
}
static uint32_t event_notifier(const struct ask *q, struct ua_datavalue *ret)
{
    bool events = q->s->cfg.alarms && (q->n->kind == OS_FOLDER || os_node_base_id(q->n) == UA_NODE_SERVER);
    return put_byte(ret, events ? UA_NOTIFIER_EVENTS : 0);
}

static uint32_t prop_value(const struct ask *q, struct ua_datavalue *ret)
{
    static const char *const states[2][2] = {{"True", "False"}, {"是", "否"}};
    const struct os_point *p = point_of(q->s, q->n);
    struct ua_range range = {p->lo, p->hi};
    struct ua_eu_information unit;
    if (q->n->prop == PROP_TRUE || q->n->prop == PROP_FALSE) {
        bool zh = chinese(q->x);
        struct ua_text t = {zh ? STR("zh") : STR("en"), str_of(states[zh][q->n->prop == PROP_FALSE])};
        return put_copy(q, ret, UA_TEXT, &t);
    }
    bool r = q->n->prop == PROP_EU_RANGE;
    os_unit(p->unit, q->a, &unit);
    void *v = arena_alloc(q->a, sizeof unit + sizeof range);
    if (v == NULL) return UA_BAD_OUT_OF_MEMORY;
    memcpy(v, r ? (void *)&range : (void *)&unit, r ? sizeof range : sizeof unit);
    struct ua_extension x = ua_extension_of(r ? UA_T_range : UA_T_eu_information, v);
    return put_copy(q, ret, UA_EXTENSION, &x);
}
static uint32_t point_value(const struct ask *q, struct ua_datavalue *ret)
{
    const struct outlet_host *h = q->s->base.host;
    struct os_point *p = &q->s->space->points[q->n->i];
    struct sample x = {0};
    size_t n = 0;
    if (!h->current(h->ctx, q->n->i, &x, q->s->text, sizeof q->s->text, &n)) return UA_BAD_WAITING_FOR_INITIAL_DATA;
    if (p->type == UA_NULL) p->type = os_type_of_sample(&x);
    struct str text = x.type == SAMPLE_STRING ? arena_str(q->a, str_make(q->s->text, n)) : STR_NULL;
    os_value(p, &x, text.p, text.n, ret);
    return ret->status;
}
static uint32_t value(const struct ask *q, struct ua_datavalue *ret)
{
    if (q->n->kind == OS_POINT) return point_value(q, ret);
    if (q->n->kind == OS_PROP) return prop_value(q, ret);
    if (q->c != UA_CLASS_VARIABLE) return UA_BAD_ATTRIBUTE_ID_INVALID;
    ret->source_us = os_utc(q->s);
    return os_base_value(q->s, os_bases[q->n->i].id, q->a, &ret->value);
}
static uint32_t data_type(const struct ask *q, struct ua_datavalue *ret)
{
    uint32_t t = UA_NODE_BASE_DATA_TYPE;
    if (q->n->kind == OS_BASE) t = os_bases[q->n->i].data;
    if (q->n->kind == OS_PROP) t = props[q->n->prop].data;
    if (q->n->kind == OS_POINT && point_of(q->s, q->n)->type) t = point_of(q->s, q->n)->type;
    struct ua_nodeid id = ua_id(0, t);
    return put_copy(q, ret, UA_NODEID, &id);
}
static uint32_t value_rank(const struct ask *q, struct ua_datavalue *ret)
{
    int32_t rank = q->n->kind == OS_BASE ? os_bases[q->n->i].rank : -1;
    return put(ret, UA_INT32, &rank);
}
static uint32_t array_dimensions(const struct ask *q, struct ua_datavalue *ret)
{
    bool array = q->n->kind == OS_BASE && os_bases[q->n->i].rank == 1;
    uint32_t *dims = arena_calloc(q->a, 1, sizeof *dims);
    if (dims == NULL) return UA_BAD_OUT_OF_MEMORY;
    ret->value = ua_variant_array(UA_UINT32, dims, array);
    return 0;
}
static uint32_t access_level(const struct ask *q, struct ua_datavalue *ret)
{
    unsigned level = UA_ACCESS_READ;
    if (q->n->kind == OS_POINT && point_of(q->s, q->n)->writable) level |= UA_ACCESS_WRITE;
    if (q->n->kind == OS_POINT && q->s->cfg.history) level |= UA_ACCESS_HISTORY_READ;
    return put_byte(ret, level);
}
static uint32_t access_level_ex(const struct ask *q, struct ua_datavalue *ret)
{
    uint32_t rc = access_level(q, ret), level = ret->value.u.u8;
    return rc ? rc : put(ret, UA_UINT32, &level);
}
static uint32_t min_sampling(const struct ask *q, struct ua_datavalue *ret)
{
    double ms = q->n->kind == OS_POINT ? 0 : 1000; /* points: told when they change */
    return put(ret, UA_DOUBLE, &ms);
}
static uint32_t historizing(const struct ask *q, struct ua_datavalue *ret)
{
    return put_bool(ret, q->n->kind == OS_POINT && q->s->cfg.history);
}
static uint32_t executable(const struct ask *q, struct ua_datavalue *ret)
{
    (void)q;
    return put_bool(ret, true);
}

#define ALL 0xff
#define TYPES (UA_CLASS_OBJECT_TYPE | UA_CLASS_VARIABLE_TYPE | UA_CLASS_DATA_TYPE | UA_CLASS_REFERENCE_TYPE)
#define VALUES (UA_CLASS_VARIABLE | UA_CLASS_VARIABLE_TYPE)
static const struct {
    get *fn;
    uint8_t classes;
} attributes[UA_ATTR_ACCESS_LEVEL_EX + 1] = {
    [UA_ATTR_NODE_ID] = {node_id, ALL},
    [UA_ATTR_NODE_CLASS] = {node_class, ALL},
    [UA_ATTR_BROWSE_NAME] = {browse_name, ALL},
    [UA_ATTR_DISPLAY_NAME] = {display_name, ALL},
    [UA_ATTR_DESCRIPTION] = {description, ALL},
    [UA_ATTR_WRITE_MASK] = {write_mask, ALL},
    [UA_ATTR_USER_WRITE_MASK] = {write_mask, ALL},
    [UA_ATTR_IS_ABSTRACT] = {is_abstract, TYPES},
    [UA_ATTR_SYMMETRIC] = {symmetric, UA_CLASS_REFERENCE_TYPE},
    [UA_ATTR_INVERSE_NAME] = {inverse_name, UA_CLASS_REFERENCE_TYPE},
    [UA_ATTR_CONTAINS_NO_LOOPS] = {no_loops, UA_CLASS_VIEW},
    [UA_ATTR_EVENT_NOTIFIER] = {event_notifier, UA_CLASS_OBJECT},
    [UA_ATTR_VALUE] = {value, VALUES},
    [UA_ATTR_DATA_TYPE] = {data_type, VALUES},
    [UA_ATTR_VALUE_RANK] = {value_rank, VALUES},
    [UA_ATTR_ARRAY_DIMENSIONS] = {array_dimensions, VALUES},
    [UA_ATTR_ACCESS_LEVEL] = {access_level, UA_CLASS_VARIABLE},
    [UA_ATTR_USER_ACCESS_LEVEL] = {access_level, UA_CLASS_VARIABLE},
    [UA_ATTR_MIN_SAMPLING] = {min_sampling, UA_CLASS_VARIABLE},
    [UA_ATTR_HISTORIZING] = {historizing, UA_CLASS_VARIABLE},
    [UA_ATTR_EXECUTABLE] = {executable, UA_CLASS_METHOD},
    [UA_ATTR_USER_EXECUTABLE] = {executable, UA_CLASS_METHOD},
    [UA_ATTR_ACCESS_LEVEL_EX] = {access_level_ex, UA_CLASS_VARIABLE},
};

void os_attribute(struct os_server *s, const struct os_session *x, const struct os_node *n, uint32_t attribute,
                  struct arena *a, struct ua_datavalue *ret)
{
    struct ask q = {s, x, n, a, os_class(n)};
    *ret = (struct ua_datavalue){.source_us = UA_TIME_NONE, .server_us = UA_TIME_NONE};
    bool has =
        attribute <= UA_ATTR_ACCESS_LEVEL_EX && attributes[attribute].fn && (attributes[attribute].classes & q.c);
    ret->status = n->kind == OS_NONE ? UA_BAD_NODE_ID_UNKNOWN
                  : !has             ? UA_BAD_ATTRIBUTE_ID_INVALID
                                     : attributes[attribute].fn(&q, ret);
    if (ret->value.type != UA_NULL || ret->value.array) ret->has |= UA_HAS_VALUE;
}
