/* tree.c - edge nodes, their devices, their metrics: what was seen and what points want. Nodes stand in a hash table of
 * the channel, metrics in two of their node: by device and name, by alias. Nothing is taken out before the channel
 * ends: a metric that a birth does not name any more is just not born. What others send is bounded, what points want is
 * not. */
#include "drivers/sparkplug/sparkplug_int.h"

/* ---- nodes ---- */

static uint64_t node_hash(struct str group, struct str node)
{
    return str_hash(node, str_hash(group, hash_seed()));
}

struct sh_node *sh_node_find(const struct sh_channel *ch, struct str group, struct str node)
{
    if (ch->hash_size == 0) return NULL;
    struct sh_node *n = ch->hash[node_hash(group, node) & (ch->hash_size - 1)];
    while (n && !(str_eq(sh_group(n), group) && str_eq(sh_name(n), node))) n = n->next_hash;
    return n;
}

static bool grow_nodes(struct sh_channel *ch)
{
    size_t size = ch->hash_size ? ch->hash_size * 2 : 64;
    if (ch->nnodes < ch->hash_size) return true;
    struct sh_node **t = mem_calloc(size, sizeof *t);
    if (t == NULL) return false;
    for (struct sh_node *n = ch->nodes; n; n = n->next) {
        struct sh_node **at = &t[node_hash(sh_group(n), sh_name(n)) & (size - 1)];
        n->next_hash = *at;
        *at = n;
    }
    mem_free(ch->hash);
    ch->hash = t;
    ch->hash_size = size;
    return true;
}

static struct sh_node *node_new(struct sh_channel *ch, struct str group, struct str node)
{
    struct sh_node *n = mem_calloc(1, sizeof *n + group.n + node.n + 2), **tail = &ch->nodes;
    if (n == NULL) return NULL;
    memcpy(n->text, group.p, group.n);
    n->text[group.n] = '/';
    memcpy(n->text + group.n + 1, node.p, node.n);
    n->group_n = group.n;
    n->node_n = node.n;
    n->flow.reorder_ns = ch->cfg.reorder_ns;
    n->flow.rebirth_ns = ch->cfg.rebirth_ns;
    if (sh_device_get(n, STR("")) == NULL) {
        mem_free(n);
        return NULL;
    }
    while (*tail) tail = &(*tail)->next;
    *tail = n;
    struct sh_node **at = &ch->hash[node_hash(group, node) & (ch->hash_size - 1)];
    n->next_hash = *at;
    *at = n;
    ch->nnodes++;
    return n;
}

static void *no_room(struct sh_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    ch->st.errors++;
    if (!ch->limit_told)
        h->log(h->ctx, DRIVER_LOG_WARN, "too many edge nodes or metrics: further ones are left out", NULL);
    ch->limit_told = true;
    return NULL;
}

struct sh_node *sh_node_get(struct sh_channel *ch, struct str group, struct str node, bool wanted)
{
    struct sh_node *n = sh_node_find(ch, group, node);
    if (n) return n;
    if (!wanted && ch->nnodes >= SH_NODES_MAX) return no_room(ch);
    return grow_nodes(ch) ? node_new(ch, group, node) : NULL;
}

/* ---- devices ---- */

struct sh_device *sh_device_find(const struct sh_node *n, struct str name)
{
    struct sh_device *d = n->devices;
    while (d && !str_eq(str_make(d->name, d->n), name)) d = d->next;
    return d;
}

struct sh_device *sh_device_get(struct sh_node *n, struct str name)
{
    struct sh_device *d = sh_device_find(n, name), **tail = &n->devices;
    if (d) return d;
    d = mem_calloc(1, sizeof *d + name.n + 1);
    if (d == NULL) return NULL;
    if (name.n) memcpy(d->name, name.p, name.n);
    d->n = name.n;
    d->node = n;
    d->tail = &d->metrics;
    while (*tail) tail = &(*tail)->next;
    *tail = d;
    return d;
}

/* ---- metrics ---- */

static uint64_t metric_hash(const struct sh_device *d, struct str name)
{
    return str_hash(name, (uint64_t)(uintptr_t)d ^ hash_seed());
}

struct sh_metric *sh_metric_find(const struct sh_device *d, struct str name)
{
    const struct sh_node *n = d->node;
    uint64_t h = metric_hash(d, name);
    struct sh_metric *m = n->size ? n->by_name[h & (n->size - 1)] : NULL;
    while (m && !(m->hash == h && m->dev == d && str_eq(str_make(m->name, m->n), name))) m = m->next_name;
    return m;
}

static size_t alias_slot(const struct sh_node *n, uint64_t alias)
{
    return (size_t)(alias * 0x9e3779b97f4a7c15ull >> 20) & (n->size - 1);
}

struct sh_metric *sh_metric_by_alias(const struct sh_node *n, uint64_t alias)
{
    struct sh_metric *m = n->size ? n->by_alias[alias_slot(n, alias)] : NULL;
    while (m && m->alias != alias) m = m->next_alias;
    return m;
}

static void link_name(struct sh_node *n, struct sh_metric *m)
{
    struct sh_metric **at = &n->by_name[m->hash & (n->size - 1)];
    m->next_name = *at;
    *at = m;
}

static void link_alias(struct sh_node *n, struct sh_metric *m)
{
    struct sh_metric **at = &n->by_alias[alias_slot(n, m->alias)];
    m->next_alias = *at;
    *at = m;
}

static void unlink_alias(struct sh_metric *m)
{
    struct sh_metric **at = &m->dev->node->by_alias[alias_slot(m->dev->node, m->alias)];
    while (*at && *at != m) at = &(*at)->next_alias;
    if (*at) *at = m->next_alias;
    m->has_alias = false;
}

/* An alias belongs to one metric of the node: the last birth counts. */
void sh_metric_alias(struct sh_metric *m, bool has, uint64_t alias)
{
    struct sh_node *n = m->dev->node;
    if (m->has_alias == has && (!has || m->alias == alias)) return;
    if (m->has_alias) unlink_alias(m);
    if (!has) return;
    struct sh_metric *other = sh_metric_by_alias(n, alias);
    if (other) unlink_alias(other);
    m->has_alias = true;
    m->alias = alias;
    link_alias(n, m);
}

static bool grow_metrics(struct sh_node *n)
{
    size_t size = n->size ? n->size * 2 : 32;
    if (n->nmetrics < n->size) return true;
    struct sh_metric **names = mem_calloc(size, sizeof *names), **aliases = mem_calloc(size, sizeof *aliases);
    if (names == NULL || aliases == NULL) {
        mem_free(names);
        mem_free(aliases);
        return false;
    }
    mem_free(n->by_name);
    mem_free(n->by_alias);
    n->by_name = names, n->by_alias = aliases, n->size = size;
    for (struct sh_device *d = n->devices; d; d = d->next)
        for (struct sh_metric *m = d->metrics; m; m = m->next) {
            link_name(n, m);
            if (m->has_alias) link_alias(n, m);
        }
    return true;
}

struct sh_metric *sh_metric_get(struct sh_channel *ch, struct sh_device *d, struct str name, bool wanted)
{
    struct sh_metric *m = sh_metric_find(d, name);
    if (m) return m;
    if (!wanted && ch->nmetrics >= SH_METRICS_MAX) return no_room(ch);
    if (name.n > UINT16_MAX || !grow_metrics(d->node)) return NULL;
    m = mem_calloc(1, sizeof *m + name.n + 1);
    if (m == NULL) return NULL;
    if (name.n) memcpy(m->name, name.p, name.n);
    m->n = (uint32_t)name.n;
    m->dev = d;
    m->hash = metric_hash(d, name);
    link_name(d->node, m);
    *d->tail = m;
    d->tail = &m->next;
    d->nmetrics++;
    d->node->nmetrics++;
    ch->nmetrics++;
    return m;
}

/* The memory grows in steps, so that values of about the same length take none. */
static bool room_for(struct sh_channel *ch, struct sh_metric *m, size_t n)
{
    size_t cap = (n + 31) & ~(size_t)15;
    if (n <= m->raw_cap) return true;
    if (n > SH_RAW_MAX || (m->first == 0 && ch->raw_bytes + cap - m->raw_cap > SH_RAW_STRANGERS)) return false;
    uint8_t *p = mem_realloc(m->raw, cap);
    if (p == NULL) return false;
    ch->raw_bytes += cap - m->raw_cap;
    m->raw = p;
    m->raw_cap = (uint32_t)cap;
    return true;
}

void sh_metric_keep(struct sh_channel *ch, struct sh_metric *m, const struct spb_metric *v, int64_t time_us)
{
    m->time_us = time_us;
    m->raw_n = room_for(ch, m, v->body.n) ? (uint32_t)v->body.n : 0;
    if (m->raw_n) memcpy(m->raw, v->body.p, m->raw_n);
}

/* ---- the end ---- */

static void device_free(struct sh_device *d)
{
    while (d->metrics) {
        struct sh_metric *m = d->metrics;
        d->metrics = m->next;
        mem_free(m->unit);
        mem_free(m->raw);
        mem_free(m);
    }
    mem_free(d);
}

void sh_tree_free(struct sh_channel *ch)
{
    while (ch->nodes) {
        struct sh_node *n = ch->nodes;
        ch->nodes = n->next;
        while (n->devices) {
            struct sh_device *d = n->devices;
            n->devices = d->next;
            device_free(d);
        }
        spb_flow_fini(&n->flow);
        mem_free(n->by_name);
        mem_free(n->by_alias);
        mem_free(n);
    }
    mem_free(ch->hash);
    ch->hash = NULL;
    ch->hash_size = 0;
}
