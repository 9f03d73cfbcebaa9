/* set.c - the points as metrics of the node and its devices. A set that differs is told by new births. */
#include <stdlib.h>
#include "outlets/sparkplug/edge_int.h"

/* The type that a kind of value wants where the mapping says nothing. */
static uint8_t natural(const struct sample *s)
{
    switch (s->type) {
    case SAMPLE_INT: return SPB_T_Int64;
    case SAMPLE_BOOL: return SPB_T_Boolean;
    case SAMPLE_STRING: return SPB_T_String;
    default: return SPB_T_Double;
    }
}

static uint8_t mapped(unsigned want)
{
    static const uint8_t types[VALUE_TYPE_COUNT] = {
        [VALUE_BOOL] = SPB_T_Boolean,  [VALUE_INT8] = SPB_T_Int8,     [VALUE_UINT8] = SPB_T_UInt8,
        [VALUE_INT16] = SPB_T_Int16,   [VALUE_UINT16] = SPB_T_UInt16, [VALUE_INT32] = SPB_T_Int32,
        [VALUE_UINT32] = SPB_T_UInt32, [VALUE_INT64] = SPB_T_Int64,   [VALUE_UINT64] = SPB_T_UInt64,
        [VALUE_FLOAT] = SPB_T_Float,   [VALUE_DOUBLE] = SPB_T_Double, [VALUE_STRING] = SPB_T_String,
        [VALUE_BCD16] = SPB_T_UInt16,  [VALUE_BCD32] = SPB_T_UInt32};
    return types[want < VALUE_TYPE_COUNT ? want : 0];
}

uint8_t se_type_of(const struct se_metric *m, const struct sample *s)
{
    uint8_t type = mapped(m->want), now = m->datatype;
    if (type) return type;
    if (s == NULL || s->type == SAMPLE_NONE || s->type == SAMPLE_BLOB) return now ? now : SPB_T_Double;
    type = natural(s);
    if (now == SPB_T_String) return now; /* it holds them all */
    if (now == SPB_T_Double && type != SPB_T_String) return now;
    if (now == SPB_T_Int64 && type == SPB_T_Boolean) return now;
    return type;
}

/* ---- building ---- */

struct build {
    struct se_metric *metrics;
    struct se_device *devices;
    size_t n, ndevices;
};

static void build_free(struct build *b)
{
    for (size_t i = 0; b->metrics && i < b->n; i++) {
        mem_free(b->metrics[i].name);
        mem_free(b->metrics[i].title);
        mem_free(b->metrics[i].unit);
    }
    for (size_t i = 0; b->devices && i < b->ndevices; i++) mem_free(b->devices[i].name);
    mem_free(b->metrics);
    mem_free(b->devices);
}

static char *copy(struct str s)
{
    char *p = mem_alloc(s.n + 1);
    if (p) str_to_cstr(s, p, s.n + 1);
    return p;
}

/* Its index; UINT32_MAX: out of memory. Points come in order of their devices mostly, so the last is looked at first.
 */
static uint32_t device_of(struct build *b, struct str name)
{
    for (size_t i = b->ndevices; i-- > 0;)
        if (str_is(name, b->devices[i].name)) return (uint32_t)i;
    struct se_device *d = mem_realloc(b->devices, (b->ndevices + 1) * sizeof *d);
    if (d == NULL) return UINT32_MAX;
    b->devices = d;
    d[b->ndevices] = (struct se_device){.name = copy(name)};
    return d[b->ndevices].name ? (uint32_t)b->ndevices++ : UINT32_MAX;
}

static int build_metric(struct build *b, const struct outlet_point *p, struct se_metric *m)
{
    struct se_address a;
    if (se_address_parse(str_of(p->address), &a, NULL)) a = (struct se_address){STR(""), str_of(p->code)};
    m->device = device_of(b, a.device);
    m->name = copy(a.metric);
    m->title = copy(str_of(p->name ? p->name : ""));
    m->unit = copy(str_of(p->unit ? p->unit : ""));
    m->want = (uint8_t)p->type;
    m->writable = p->writable;
    m->alias = p->num;
    m->lo = p->lo;
    m->hi = p->hi;
    return m->name && m->title && m->unit && m->device != UINT32_MAX ? 0 : ERR_NOMEM;
}

static int by_alias(const void *pa, const void *pb)
{
    const struct se_metric *a = *(struct se_metric *const *)pa, *b = *(struct se_metric *const *)pb;
    if (a->alias != b->alias) return a->alias < b->alias ? -1 : 1;
    return (a > b) - (a < b);
}

/* A point that is told twice has two aliases; metrics of a device in a chain, in their order. */
static int link_all(struct build *b)
{
    AUTO_FREE struct se_metric **order = mem_calloc(b->n + 1, sizeof *order);
    if (order == NULL) return ERR_NOMEM;
    for (size_t i = 0; i < b->n; i++) order[i] = &b->metrics[i];
    if (b->n) qsort(order, b->n, sizeof(struct se_metric *), by_alias);
    for (size_t i = 1; i < b->n; i++)
        if ((uint32_t)order[i - 1]->alias == order[i]->alias) order[i]->alias = order[i - 1]->alias + (1ull << 32);
    for (size_t i = b->n; i-- > 0;) {
        struct se_device *d = &b->devices[b->metrics[i].device];
        b->metrics[i].next = d->first;
        d->first = (uint32_t)i + 1;
    }
    return 0;
}

static int build(struct build *b, const struct outlet_point *points, size_t n)
{
    b->metrics = mem_calloc(n + 1, sizeof *b->metrics);
    if (b->metrics == NULL || device_of(b, STR("")) == UINT32_MAX) return ERR_NOMEM;
    for (; b->n < n; b->n++)
        if (build_metric(b, &points[b->n], &b->metrics[b->n])) {
            b->n++;
            return ERR_NOMEM;
        }
    return link_all(b);
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool same(const struct se_channel *ch, const struct build *b)
{
    if (ch->nmetrics != b->n || ch->ndevices != b->ndevices) return false;
    for (size_t i = 0; i < b->n; i++) {
        const struct se_metric *x = &ch->metrics[i], *y = &b->metrics[i];
        if (strcmp(x->name, y->name) || strcmp(x->title, y->title) || strcmp(x->unit, y->unit) || x->want != y->want ||
            x->alias != y->alias || !same_number(x->lo, y->lo) || !same_number(x->hi, y->hi) ||
            strcmp(ch->devices[x->device].name, b->devices[y->device].name) || x->writable != y->writable)
            return false;
    }
    return true;
}

static void tell_removed(struct se_channel *ch, const struct build *b)
{
    for (size_t i = 1; i < ch->ndevices; i++) {
        bool stays = false;
        for (size_t k = 1; k < b->ndevices && !stays; k++) stays = strcmp(ch->devices[i].name, b->devices[k].name) == 0;
        if (!stays && se_device_death(ch, (uint32_t)i)) ch->st.errors++;
    }
}

int se_set(struct se_channel *ch, const struct outlet_point *points, size_t n, bool *ret_changed, struct error *e)
{
    struct build b = {0};
    if (build(&b, points, n)) {
        build_free(&b);
        return error_set(e, ERR_NOMEM, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", n);
    }
    *ret_changed = !same(ch, &b);
    if (!*ret_changed) {
        build_free(&b);
        return 0;
    }
    if (ch->conn == SE_BORN) tell_removed(ch, &b);
    struct build old = {ch->metrics, ch->devices, ch->nmetrics, ch->ndevices};
    ch->metrics = b.metrics, ch->nmetrics = b.n;
    ch->devices = b.devices, ch->ndevices = b.ndevices;
    ch->st.points = (uint32_t)n;
    build_free(&old);
    return 0;
}

void se_set_free(struct se_channel *ch)
{
    struct build old = {ch->metrics, ch->devices, ch->nmetrics, ch->ndevices};
    build_free(&old);
}
