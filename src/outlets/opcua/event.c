/* event.c - alarms as events of AlarmConditionType (OPC 10000-9), their fields, and filters of events (OPC
 * 10000-4, 7.22.3).
 *
 * Source     the variable of the alarm's point; its notifiers are the folders above it and the Server object.
 * Condition  ns=1;s=alarm:ID, the object that methods name; it is not in the address space, as the standard allows.
 * EventId    16 bytes: when the alarm changed, and a keyed hash of time and alarm: Acknowledge can tell whether it is
 * one of ours without keeping any. Filters    are compiled when an item is made: select clauses to rows of `fields`,
 * the where clause to a copy of it that has been checked. Operators without a row in `operators` are told to be
 * unsupported. */
#include <math.h>
#include "outlets/opcua/server_int.h"

#define SELECT_MAX 256
#define WHERE_MAX 64
#define OPERANDS_MAX 32
#define FILTER_BYTES (64u << 10)

struct event {
    struct os_server *s;
    const struct os_session *x;
    const struct outlet_alarm *al; /* NULL: of a refresh */
    uint32_t type;
    int64_t time_us;
    struct arena *a;
};
typedef bool field_fn(const struct event *ev, struct ua_variant *ret);

/* ---- fields ---- */

static bool chinese(const struct event *ev)
{
    return ev->x && ev->x->zh;
}
static void *keep(const struct event *ev, const void *p, size_t n)
{
    void *copy = arena_alloc(ev->a, n);
    if (copy) memcpy(copy, p, n);
    return copy;
}
static bool put(const struct event *ev, struct ua_variant *ret, unsigned type, const void *v)
{
    void *copy = keep(ev, v, ua_size_of(type));
    if (copy) *ret = ua_variant_scalar(type, copy);
    return copy != NULL;
}
static bool put_id(const struct event *ev, struct ua_variant *ret, uint32_t i)
{
    struct ua_nodeid id = ua_id(0, i);
    return put(ev, ret, UA_NODEID, &id);
}
static bool put_text(const struct event *ev, struct ua_variant *ret, const char *en, const char *zh)
{
    struct ua_text t = {chinese(ev) ? STR("zh") : STR("en"), str_of(chinese(ev) ? zh : en)};
    return put(ev, ret, UA_TEXT, &t);
}
static bool put_bool(const struct event *ev, struct ua_variant *ret, bool v)
{
    return put(ev, ret, UA_BOOLEAN, &v);
}

static uint64_t id_hash(const struct os_server *s, int64_t time_us, struct str alarm)
{
    return str_hash(alarm, hash_seed() ^ s->event_seed ^ (uint64_t)time_us * 0x9e3779b97f4a7c15u);
}
static bool event_id(const struct event *ev, struct ua_variant *ret)
{
    uint64_t id[2] = {(uint64_t)ev->time_us, 0};
    id[1] = id_hash(ev->s, ev->time_us, ev->al ? str_of(ev->al->id) : STR(""));
    struct str bytes = arena_str(ev->a, str_make((const char *)id, sizeof id));
    return bytes.p && put(ev, ret, UA_BYTESTRING, &bytes);
}
bool os_event_id_is(const struct os_server *s, struct str bytes, struct str alarm)
{
    uint64_t id[2];
    if (bytes.n != sizeof id) return false;
    memcpy(id, bytes.p, sizeof id);
    return id_hash(s, (int64_t)id[0], alarm) == id[1];
}
static bool event_type(const struct event *ev, struct ua_variant *ret)
{
    return put_id(ev, ret, ev->type);
}
static bool source_node(const struct event *ev, struct ua_variant *ret)
{
    if (ev->al == NULL) return put_id(ev, ret, UA_NODE_SERVER);
    return put(ev, ret, UA_NODEID, &ev->s->space->points[ev->al->slot].id);
}
static bool source_name(const struct event *ev, struct ua_variant *ret)
{
    struct str name = ev->al ? ev->s->space->points[ev->al->slot].code : STR("Server");
    return put(ev, ret, UA_STRING, &name);
}
static bool event_time(const struct event *ev, struct ua_variant *ret)
{
    return put(ev, ret, UA_DATETIME, &ev->time_us);
}
static bool receive_time(const struct event *ev, struct ua_variant *ret)
{
    int64_t now = os_utc(ev->s);
    return put(ev, ret, UA_DATETIME, &now);
}
static bool message(const struct event *ev, struct ua_variant *ret)
{
    if (ev->type == UA_NODE_BASE_MODEL_CHANGE_EVENT_TYPE)
        return put_text(ev, ret, "the address space has changed", "地址空间已变更");
    if (ev->al == NULL) return put_text(ev, ret, "condition refresh", "报警刷新");
    return put_text(ev, ret, ev->al->message_en, ev->al->message_zh);
}
static bool severity(const struct event *ev, struct ua_variant *ret)
{
    uint16_t v = (uint16_t)(ev->al ? ev->al->severity < 1      ? 1
                                     : ev->al->severity > 1000 ? 1000
                                                               : ev->al->severity
                                   : 100);
    return put(ev, ret, UA_UINT16, &v);
}
/* From here on of conditions: nothing in other events. */
static bool condition_id(const struct event *ev, struct ua_variant *ret)
{
    if (ev->al == NULL) return false;
    struct ua_nodeid id = ua_id_str(1, str_of(arena_printf(ev->a, "alarm:%s", ev->al->id)));
    return put(ev, ret, UA_NODEID, &id);
}
static bool condition_class(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_id(ev, ret, 11163); /* ProcessConditionClassType */
}
static bool condition_class_name(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_text(ev, ret, "Process", "过程");
}
static bool condition_name(const struct event *ev, struct ua_variant *ret)
{
    struct str name = str_of(ev->al && ev->al->rule ? ev->al->rule : "");
    return ev->al && put(ev, ret, UA_STRING, &name);
}
static bool branch_id(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_id(ev, ret, 0);
}
static bool retain(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_bool(ev, ret, ev->al->active || !ev->al->acknowledged);
}
static bool enabled(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_text(ev, ret, "Enabled", "启用");
}
static bool enabled_id(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_bool(ev, ret, true);
}
static bool quality(const struct event *ev, struct ua_variant *ret)
{
    uint32_t good = UA_GOOD;
    return ev->al && put(ev, ret, UA_STATUS, &good);
}
static bool last_severity(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && severity(ev, ret);
}
static bool comment(const struct event *ev, struct ua_variant *ret)
{
    const char *t = ev->al && ev->al->comment ? ev->al->comment : "";
    return ev->al && put_text(ev, ret, t, t);
}
static bool client_user(const struct event *ev, struct ua_variant *ret)
{
    struct str who = str_of(ev->al && ev->al->who ? ev->al->who : "");
    return ev->al && put(ev, ret, UA_STRING, &who);
}
static bool acked(const struct event *ev, struct ua_variant *ret)
{
    if (ev->al == NULL) return false;
    return ev->al->acknowledged ? put_text(ev, ret, "Acknowledged", "已确认")
                                : put_text(ev, ret, "Unacknowledged", "未确认");
}
static bool acked_id(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_bool(ev, ret, ev->al->acknowledged);
}
static bool active(const struct event *ev, struct ua_variant *ret)
{
    if (ev->al == NULL) return false;
    return ev->al->active ? put_text(ev, ret, "Active", "激活") : put_text(ev, ret, "Inactive", "未激活");
}
static bool active_id(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_bool(ev, ret, ev->al->active);
}
static bool active_time(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && ev->al->active_us && put(ev, ret, UA_DATETIME, &ev->al->active_us);
}
static bool suppressed(const struct event *ev, struct ua_variant *ret)
{
    return ev->al && put_bool(ev, ret, false);
}

static const struct {
    const char *path; /* "" and the NodeId: ConditionId */
    field_fn *fn;
} fields[] = {
    {"EventId", event_id},
    {"EventType", event_type},
    {"SourceNode", source_node},
    {"SourceName", source_name},
    {"Time", event_time},
    {"ReceiveTime", receive_time},
    {"Message", message},
    {"Severity", severity},
    {"ConditionClassId", condition_class},
    {"ConditionClassName", condition_class_name},
    {"ConditionName", condition_name},
    {"BranchId", branch_id},
    {"Retain", retain},
    {"EnabledState", enabled},
    {"EnabledState/Id", enabled_id},
    {"EnabledState/EffectiveDisplayName", active},
    {"Quality", quality},
    {"LastSeverity", last_severity},
    {"Comment", comment},
    {"ClientUserId", client_user},
    {"AckedState", acked},
    {"AckedState/Id", acked_id},
    {"ActiveState", active},
    {"ActiveState/Id", active_id},
    {"ActiveState/TransitionTime", active_time},
    {"InputNode", source_node},
    {"SuppressedOrShelved", suppressed},
    {"", condition_id},
};
#define FIELDS (sizeof fields / sizeof fields[0])

/* ---- filters ---- */

struct os_filter {
    struct arena a;
    field_fn **select;
    uint32_t nselect;
    struct ua_content_filter where; /* copied, every operand known */
};

static field_fn *field_of(const struct ua_simple_attribute_operand *o)
{
    char path[200];
    size_t n = 0;
    path[0] = 0;
    for (uint32_t k = 0; k < o->browse_path_n; k++) {
        struct str name = o->browse_path[k].name;
        if (n + name.n + 2 > sizeof path) return NULL;
        n += (size_t)snprintf(path + n, sizeof path - n, "%s%.*s", k ? "/" : "", STR_ARG(name));
    }
    bool condition = o->attribute_id == UA_ATTR_NODE_ID && n == 0;
    if (!condition && (o->attribute_id != UA_ATTR_VALUE || n == 0)) return NULL;
    for (size_t k = 0; k < FIELDS; k++)
        if (strcmp(fields[k].path, path) == 0) return fields[k].fn;
    return NULL;
}
/* A field that the type declares but no event here has is null; a type or attribute that cannot be is an error. */
static uint32_t check_select(const struct ua_simple_attribute_operand *o)
{
    const struct os_base *t = os_base_find(o->type_definition_id.i);
    if (!ua_nodeid_null(&o->type_definition_id) &&
        (o->type_definition_id.ns || o->type_definition_id.kind != UA_ID_NUMBER || t == NULL ||
         !os_base_is(t->id, UA_NODE_BASE_EVENT_TYPE)))
        return o->type_definition_id.ns ? 0 : UA_BAD_NODE_ID_UNKNOWN;
    if (o->attribute_id != UA_ATTR_VALUE && o->attribute_id != UA_ATTR_NODE_ID) return UA_BAD_ATTRIBUTE_ID_INVALID;
    return o->index_range.n ? UA_BAD_INDEX_RANGE_INVALID : 0;
}

/* Three values, as the standard has them: an operand that is null makes a comparison null, and null is not true. */
enum truth { NO, YES, NULLED };
struct eval {
    const struct event *ev;
    const struct ua_content_filter *f;
    unsigned depth;
};
typedef enum truth operator_fn(struct eval *e, const struct ua_content_filter_element *el);
static enum truth element(struct eval *e, uint32_t k);

static bool operand(struct eval *e, const struct ua_extension *x, struct ua_variant *ret)
{
    const struct ua_literal_operand *literal = ua_extension_as(x, UA_T_literal_operand);
    const struct ua_simple_attribute_operand *simple = ua_extension_as(x, UA_T_simple_attribute_operand);
    const struct ua_element_operand *other = ua_extension_as(x, UA_T_element_operand);
    *ret = (struct ua_variant){0};
    if (literal) *ret = literal->value;
    if (simple) {
        field_fn *fn = field_of(simple);
        if (fn && !fn(e->ev, ret)) *ret = (struct ua_variant){0};
    }
    if (other) {
        enum truth t = element(e, other->index);
        bool v = t == YES;
        if (t != NULLED) *ret = ua_variant_scalar(UA_BOOLEAN, &v);
    }
    return ret->type != UA_NULL;
}
/* -1, 0, 1; false: they cannot be compared. */
static bool compare(const struct ua_variant *a, const struct ua_variant *b, int *ret)
{
    double x, y;
    if (a->array || b->array) return false;
    if (ua_variant_double(a, 0, &x) && ua_variant_double(b, 0, &y)) {
        *ret = x < y ? -1 : x > y;
        return !isnan(x) && !isnan(y);
    }
    if (a->type == UA_DATETIME && b->type == UA_DATETIME) {
        *ret = a->u.i64 < b->u.i64 ? -1 : a->u.i64 > b->u.i64;
        return true;
    }
    if (a->type == UA_TEXT || b->type == UA_TEXT) { /* as texts */
        struct str s = a->type == UA_TEXT ? ((const struct ua_text *)ua_variant_item(a, 0))->text : a->u.s;
        struct str t = b->type == UA_TEXT ? ((const struct ua_text *)ua_variant_item(b, 0))->text : b->u.s;
        if ((a->type != UA_TEXT && a->type != UA_STRING) || (b->type != UA_TEXT && b->type != UA_STRING)) return false;
        *ret = str_cmp(s, t);
        return true;
    }
    if (a->type != b->type) return false;
    if (a->type == UA_STRING || a->type == UA_BYTESTRING) {
        *ret = str_cmp(a->u.s, b->u.s);
        return true;
    }
    *ret = ua_equal(a->type, ua_variant_item(a, 0), ua_variant_item(b, 0)) ? 0 : 1;
    return true;
}
static enum truth compared(struct eval *e, const struct ua_content_filter_element *el, bool less, bool equal,
                           bool greater)
{
    struct ua_variant a, b;
    int c;
    if (!operand(e, &el->filter_operands[0], &a) || !operand(e, &el->filter_operands[1], &b)) return NULLED;
    if (!compare(&a, &b, &c)) return NO;
    return (c < 0 ? less : c > 0 ? greater : equal) ? YES : NO;
}
static enum truth op_equals(struct eval *e, const struct ua_content_filter_element *el)
{
    return compared(e, el, false, true, false);
}
static enum truth op_greater(struct eval *e, const struct ua_content_filter_element *el)
{
    return compared(e, el, false, false, true);
}
static enum truth op_less(struct eval *e, const struct ua_content_filter_element *el)
{
    return compared(e, el, true, false, false);
}
static enum truth op_greater_equal(struct eval *e, const struct ua_content_filter_element *el)
{
    return compared(e, el, false, true, true);
}
static enum truth op_less_equal(struct eval *e, const struct ua_content_filter_element *el)
{
    return compared(e, el, true, true, false);
}
static enum truth op_is_null(struct eval *e, const struct ua_content_filter_element *el)
{
    struct ua_variant v;
    return operand(e, &el->filter_operands[0], &v) ? NO : YES;
}
static enum truth truth_of(struct eval *e, const struct ua_extension *x)
{
    struct ua_variant v;
    if (!operand(e, x, &v)) return NULLED;
    return v.type == UA_BOOLEAN && !v.array && v.u.b ? YES : NO;
}
static enum truth op_not(struct eval *e, const struct ua_content_filter_element *el)
{
    enum truth t = truth_of(e, &el->filter_operands[0]);
    return t == NULLED ? NULLED : t == YES ? NO : YES;
}
static enum truth op_and(struct eval *e, const struct ua_content_filter_element *el)
{
    enum truth a = truth_of(e, &el->filter_operands[0]);
    if (a == NO) return NO;
    enum truth b = truth_of(e, &el->filter_operands[1]);
    return b == NO ? NO : a == YES && b == YES ? YES : NULLED;
}
static enum truth op_or(struct eval *e, const struct ua_content_filter_element *el)
{
    enum truth a = truth_of(e, &el->filter_operands[0]);
    if (a == YES) return YES;
    enum truth b = truth_of(e, &el->filter_operands[1]);
    return b == YES ? YES : a == NO && b == NO ? NO : NULLED;
}
static enum truth op_between(struct eval *e, const struct ua_content_filter_element *el)
{
    struct ua_variant v, lo, hi;
    int c, d;
    bool all = operand(e, &el->filter_operands[0], &v) && operand(e, &el->filter_operands[1], &lo) &&
               operand(e, &el->filter_operands[2], &hi);
    if (!all) return NULLED;
    return compare(&v, &lo, &c) && compare(&v, &hi, &d) && c >= 0 && d <= 0 ? YES : NO;
}
static enum truth op_in_list(struct eval *e, const struct ua_content_filter_element *el)
{
    struct ua_variant v, other;
    int c;
    if (!operand(e, &el->filter_operands[0], &v)) return NULLED;
    for (uint32_t k = 1; k < el->filter_operands_n; k++)
        if (operand(e, &el->filter_operands[k], &other) && compare(&v, &other, &c) && c == 0) return YES;
    return NO;
}
static enum truth op_of_type(struct eval *e, const struct ua_content_filter_element *el)
{
    struct ua_variant v;
    if (!operand(e, &el->filter_operands[0], &v) || v.type != UA_NODEID || v.array) return NO;
    const struct ua_nodeid *id = ua_variant_item(&v, 0);
    return id->ns == 0 && id->kind == UA_ID_NUMBER && os_base_is(e->ev->type, id->i) ? YES : NO;
}

static const struct {
    operator_fn *fn;
    uint8_t operands; /* at least; exactly unless `more` */
    bool more;
} operators[] = {
    [UA_OP_EQUALS] = {op_equals, 2, false},
    [UA_OP_IS_NULL] = {op_is_null, 1, false},
    [UA_OP_GREATER] = {op_greater, 2, false},
    [UA_OP_LESS] = {op_less, 2, false},
    [UA_OP_GREATER_EQUAL] = {op_greater_equal, 2, false},
    [UA_OP_LESS_EQUAL] = {op_less_equal, 2, false},
    [UA_OP_NOT] = {op_not, 1, false},
    [UA_OP_BETWEEN] = {op_between, 3, false},
    [UA_OP_IN_LIST] = {op_in_list, 2, true},
    [UA_OP_AND] = {op_and, 2, false},
    [UA_OP_OR] = {op_or, 2, false},
    [UA_OP_OF_TYPE] = {op_of_type, 1, false},
};
#define OPERATORS (sizeof operators / sizeof operators[0])

static enum truth element(struct eval *e, uint32_t k)
{
    const struct ua_content_filter_element *el = &e->f->elements[k]; /* element operands only look ahead: it ends */
    return operators[el->filter_operator].fn(e, el);
}

static uint32_t check_operand(const struct ua_extension *x, uint32_t at, uint32_t n)
{
    const struct ua_element_operand *other = ua_extension_as(x, UA_T_element_operand);
    const struct ua_simple_attribute_operand *simple = ua_extension_as(x, UA_T_simple_attribute_operand);
    if (other) return other->index > at && other->index < n ? 0 : UA_BAD_FILTER_OPERAND_INVALID;
    if (simple) return check_select(simple) ? UA_BAD_FILTER_OPERAND_INVALID : 0;
    return ua_extension_as(x, UA_T_literal_operand) ? 0 : UA_BAD_FILTER_OPERAND_INVALID;
}
static uint32_t check_element(const struct ua_content_filter_element *el, uint32_t at, uint32_t n, struct arena *a,
                              struct ua_content_filter_element_result *ret)
{
    uint32_t op = (uint32_t)el->filter_operator, have = el->filter_operands_n;
    if (el->filter_operator < 0 || op > UA_OP_BIT_OR) return UA_BAD_FILTER_OPERATOR_INVALID;
    if (op >= OPERATORS || operators[op].fn == NULL) return UA_BAD_FILTER_OPERATOR_UNSUPPORTED;
    if (have < operators[op].operands || (have > operators[op].operands && !operators[op].more) || have > OPERANDS_MAX)
        return UA_BAD_FILTER_OPERAND_COUNT;
    ret->operand_status_codes = arena_calloc(a, have, sizeof(uint32_t));
    if (ret->operand_status_codes == NULL) return UA_BAD_OUT_OF_MEMORY;
    ret->operand_status_codes_n = have;
    uint32_t status = 0;
    for (uint32_t k = 0; k < have; k++) {
        ret->operand_status_codes[k] = check_operand(&el->filter_operands[k], at, n);
        if (ret->operand_status_codes[k]) status = UA_BAD_FILTER_OPERAND_INVALID;
    }
    return status;
}

/* One element may be named by many others: the work of an event is bounded by asking for a tree of at most WHERE_MAX
 * elements, each named once. */
static bool is_tree(const struct ua_content_filter *f)
{
    uint8_t named[WHERE_MAX] = {0};
    for (uint32_t k = 0; k < f->elements_n; k++)
        for (uint32_t o = 0; o < f->elements[k].filter_operands_n; o++) {
            const struct ua_element_operand *e =
                ua_extension_as(&f->elements[k].filter_operands[o], UA_T_element_operand);
            if (e && e->index < WHERE_MAX && named[e->index]++) return false;
        }
    return true;
}
static uint32_t check_where(const struct ua_content_filter *f, struct arena *a, struct ua_content_filter_result *ret)
{
    uint32_t status = 0;
    if (f->elements_n == 0) return 0;
    if (f->elements_n > WHERE_MAX) return UA_BAD_EVENT_FILTER_INVALID;
    ret->element_results = arena_calloc(a, f->elements_n, sizeof *ret->element_results);
    if (ret->element_results == NULL) return UA_BAD_OUT_OF_MEMORY;
    ret->element_results_n = f->elements_n;
    for (uint32_t k = 0; k < f->elements_n; k++) {
        struct ua_content_filter_element_result *r = &ret->element_results[k];
        r->status_code = check_element(&f->elements[k], k, f->elements_n, a, r);
        if (r->status_code) status = UA_BAD_EVENT_FILTER_INVALID;
    }
    return status == 0 && !is_tree(f) ? UA_BAD_EVENT_FILTER_INVALID : status;
}
static struct os_filter *compile(const struct ua_event_filter *f)
{
    struct os_filter *r = mem_calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    arena_init(&r->a, FILTER_BYTES + sizeof(field_fn *) * SELECT_MAX);
    r->nselect = f->select_clauses_n;
    r->select = arena_calloc(&r->a, r->nselect, sizeof(field_fn *));
    bool ok = r->select && ua_copy(&r->a, UA_T_content_filter, &f->where_clause, &r->where) == 0;
    if (!ok) {
        os_filter_free(r);
        return NULL;
    }
    for (uint32_t k = 0; k < r->nselect; k++) {
        r->select[k] = check_select(&f->select_clauses[k]) ? NULL : field_of(&f->select_clauses[k]);
    }
    return r;
}
uint32_t os_filter_new(const struct ua_event_filter *f, struct arena *a, struct os_filter **ret,
                       struct ua_extension *ret_result)
{
    struct ua_event_filter_result *r = arena_calloc(a, 1, sizeof *r);
    bool faults = false;
    if (f->select_clauses_n == 0 || f->select_clauses_n > SELECT_MAX) return UA_BAD_EVENT_FILTER_INVALID;
    if (r) r->select_clause_results = arena_calloc(a, f->select_clauses_n, sizeof(uint32_t));
    if (r == NULL || r->select_clause_results == NULL) return UA_BAD_OUT_OF_MEMORY;
    r->select_clause_results_n = f->select_clauses_n;
    for (uint32_t k = 0; k < f->select_clauses_n; k++)
        faults |= (r->select_clause_results[k] = check_select(&f->select_clauses[k])) != 0;
    uint32_t status = check_where(&f->where_clause, a, &r->where_clause_result);
    if (faults || status) *ret_result = ua_extension_of(UA_T_event_filter_result, r);
    if (status) return status;
    *ret = compile(f);
    return *ret ? 0 : UA_BAD_OUT_OF_MEMORY;
}
void os_filter_free(struct os_filter *f)
{
    if (f == NULL) return;
    arena_fini(&f->a);
    mem_free(f);
}

/* ---- telling ---- */

static void tell_item(struct os_item *i, struct event *ev)
{
    struct os_filter *f = i->filter;
    struct eval e = {.ev = ev, .f = &f->where};
    struct buf b;
    if (i->mode == UA_MONITOR_DISABLED) return;
    ev->x = i->sub->session;
    bool refresh = ev->type == UA_NODE_REFRESH_START_EVENT_TYPE || ev->type == UA_NODE_REFRESH_END_EVENT_TYPE;
    if (f->where.elements_n && !refresh && element(&e, 0) != YES) return; /* a refresh is told to everybody */
    buf_init(&b, 256 << 10);
    buf_u32le(&b, f->nselect);
    for (uint32_t k = 0; k < f->nselect; k++) {
        struct ua_variant v = {0};
        if (f->select[k] && !f->select[k](ev, &v)) v = (struct ua_variant){0};
        ua_encode(&b, UA_VARIANT, &v);
    }
    struct os_note n = {.raw = true, .n = (uint32_t)b.n};
    n.bytes = b.err ? NULL : mem_dup(b.p, b.n);
    buf_fini(&b);
    if (n.bytes) os_item_push(ev->s, i, &n);
}
static void tell(struct os_server *s, const struct outlet_alarm *al, uint32_t type, struct os_sub *only,
                 struct os_item *item)
{
    struct event ev = {.s = s, .al = al, .type = type, .time_us = al && al->changed_us ? al->changed_us : os_utc(s)};
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    ev.a = &a;
    for (struct os_item *i = s->event_items; i; i = i->next_slot) {
        if ((only && i->sub != only) || (item && i != item) || i->node.kind == OS_NONE) continue;
        if (al && !os_inside(s, al->slot, &i->node)) continue;
        if (type == UA_NODE_BASE_MODEL_CHANGE_EVENT_TYPE && os_node_base_id(&i->node) != UA_NODE_SERVER) continue;
        arena_reset(&a);
        tell_item(i, &ev);
    }
}
void os_event_alarm(struct os_server *s, const struct outlet_alarm *al, struct os_sub *only, struct os_item *item)
{
    tell(s, al, UA_NODE_ALARM_CONDITION_TYPE, only, item);
}
void os_event_model(struct os_server *s)
{
    tell(s, NULL, UA_NODE_BASE_MODEL_CHANGE_EVENT_TYPE, NULL, NULL);
}
void os_event_refresh(struct os_server *s, struct os_sub *only, struct os_item *item, bool end)
{
    tell(s, NULL, end ? UA_NODE_REFRESH_END_EVENT_TYPE : UA_NODE_REFRESH_START_EVENT_TYPE, only, item);
}
