/* browse.c - groups -> edge nodes -> their metrics and devices -> metrics, of what has told its birth. A device that is
 * configured begins at its own place. On a fresh connection births are awaited for a moment; a node that has told none
 * is asked for it. A cursor is the number of the next item. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/sparkplug/sparkplug_int.h"

#define SETTLE_NS (3 * NS_S)
#define VALUE_MAX 120

struct page {
    struct arena *a;
    struct sh_job *job;
    struct driver_browse_item *items;
    size_t n, at; /* n of max; at: passed so far */
    bool more;
};

/* Room for the next item, NULL: not on this page. */
static struct driver_browse_item *slot(struct page *g)
{
    if (g->at++ < g->job->cursor) return NULL;
    if (g->n >= g->job->max) {
        g->more = true;
        return NULL;
    }
    return &g->items[g->n++];
}

static void folder(struct page *g, const char *node, struct str name, const char *description)
{
    struct driver_browse_item *i = slot(g);
    if (i)
        *i = (struct driver_browse_item){
            .node = node, .name = arena_strdup(g->a, name), .description = description, .children = true};
}

static const char *value_text(struct page *g, const struct sh_metric *m)
{
    struct spb_metric v = spb_metric_of(str_make((const char *)m->raw, m->raw_n));
    struct buf b;
    if (m->raw_n == 0 || v.null) return NULL;
    buf_init(&b, 4096);
    struct json_writer w = json_writer(&b);
    spb_json(&w, m->datatype, &v.value);
    struct str s = buf_view(&b);
    if (s.n >= 2 && s.p[0] == '"' && v.value.field == SPB_V_STRING) s = v.value.s;
    size_t n = s.n < VALUE_MAX ? s.n : VALUE_MAX;
    while (n < s.n && n && ((uint8_t)s.p[n] & 0xc0) == 0x80) n--; /* at the edge of a character */
    const char *text = b.err ? NULL : arena_strdup(g->a, str_sub(s, 0, n));
    buf_fini(&b);
    return text;
}

static void metric(struct page *g, const struct sh_metric *m)
{
    const struct sh_node *n = m->dev->node;
    struct sh_target t = {.group = sh_group(n),
                          .node = sh_name(n),
                          .device = str_make(m->dev->name, m->dev->n),
                          .metric = str_make(m->name, m->n)};
    struct driver_browse_item *i = slot(g);
    struct buf b;
    if (i == NULL) return;
    buf_init(&b, 4096);
    sh_target_format(&t, &g->job->conf, &b);
    const char *address = arena_strdup(g->a, buf_view(&b));
    bool scalar = spb_type(m->datatype)->form < SPB_BYTES;
    buf_fini(&b);
    *i = (struct driver_browse_item){.node = "",
                                     .name = arena_strdup(g->a, t.metric),
                                     .description = spb_type(m->datatype)->name,
                                     .address = address,
                                     .type = sh_natural(m->datatype),
                                     .value = value_text(g, m),
                                     .unit = m->unit,
                                     .writable = scalar && !m->read_only && !str_is(t.metric, SPB_BDSEQ)};
}

static void list_groups(struct sh_channel *ch, struct page *g)
{
    for (const struct sh_node *n = ch->nodes; n; n = n->next) {
        const struct sh_node *first = ch->nodes;
        while (first != n && !(first->seen && str_eq(sh_group(first), sh_group(n)))) first = first->next;
        if (n->seen && first == n) folder(g, arena_strdup(g->a, sh_group(n)), sh_group(n), NULL);
    }
}

static const char *alive_text(bool alive)
{
    return alive ? "online" : "offline";
}

static void list_nodes(struct sh_channel *ch, struct page *g, struct str group)
{
    for (const struct sh_node *n = ch->nodes; n; n = n->next)
        if (n->seen && str_eq(sh_group(n), group))
            folder(g, arena_strdup(g->a, str_of(n->text)), sh_name(n), alive_text(n->flow.alive));
}

static int by_order(const void *pa, const void *pb)
{
    const struct sh_metric *a = *(const struct sh_metric *const *)pa, *b = *(const struct sh_metric *const *)pb;
    return (a->order > b->order) - (a->order < b->order);
}

/* As the birth names them. */
static void list_device(struct page *g, const struct sh_device *d)
{
    const struct sh_metric **all = arena_alloc(g->a, (d->nmetrics + 1) * sizeof *all);
    size_t n = 0;
    for (const struct sh_metric *m = d->metrics; all && m; m = m->next)
        if (m->born) all[n++] = m;
    if (n) qsort(all, n, sizeof *all, by_order);
    for (size_t i = 0; i < n; i++) metric(g, all[i]);
}

static void list_devices(struct page *g, const struct sh_node *n)
{
    for (const struct sh_device *d = n->devices->next; d; d = d->next) {
        if (!d->alive && !d->last_ok_us) continue;
        char *node = arena_printf(g->a, "%s/%s", n->text, d->name);
        folder(g, node ? node : "", str_make(d->name, d->n), alive_text(d->alive));
    }
}

/* The place in a node's text; what is missing stays empty. */
static void place_of(const struct sh_job *j, struct sh_target *t)
{
    struct str s = str_of(j->node);
    *t = (struct sh_target){
        .group = str_of(j->conf.group), .node = str_of(j->conf.node), .device = str_of(j->conf.device)};
    if (t->group.n == 0) t->node = t->device = STR("");
    if (t->node.n == 0) t->device = STR("");
    if (s.n == 0) return;
    t->group = str_cut(&s, '/');
    t->node = s.p ? str_cut(&s, '/') : STR("");
    t->device = s.p ? s : STR("");
}

static void end(struct sh_channel *ch, struct sh_job *j, const struct sh_target *t)
{
    AUTO_ARENA a;
    char next[24];
    arena_init(&a, 64u << 20);
    struct page g = {.a = &a, .job = j, .items = arena_calloc(&a, j->max + 1, sizeof *g.items)};
    struct sh_node *n = t->node.n ? sh_node_find(ch, t->group, t->node) : NULL;
    struct sh_device *d = n ? sh_device_find(n, t->device) : NULL;
    struct error e = {0};
    if (g.items == NULL) error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (t->node.n && (d == NULL || !(d->alive || d->last_ok_us)))
        error_set(&e, ERR_NOT_FOUND, "", "%.*s/%.*s%s%.*s has not told its birth", "%.*s/%.*s%s%.*s 未发布上线消息",
                  STR_ARG(t->group), STR_ARG(t->node), t->device.n ? "/" : "", STR_ARG(t->device));
    else if (d) {
        list_device(&g, d);
        if (t->device.n == 0) list_devices(&g, n);
    } else if (t->group.n) {
        list_nodes(ch, &g, t->group);
    } else {
        list_groups(ch, &g);
    }
    snprintf(next, sizeof next, "%llu", (unsigned long long)(j->cursor + g.n));
    sh_job_unlink(ch, j);
    j->done.browse(j->arg, e.code ? &e : NULL, g.items, e.code ? 0 : g.n, g.more && !e.code ? next : NULL);
    sh_job_free(j);
}

static bool ready(struct sh_channel *ch, struct sh_job *j, const struct sh_target *t, uint64_t now)
{
    struct sh_node *n = t->node.n ? sh_node_get(ch, t->group, t->node, false) : NULL;
    struct sh_device *d = n ? sh_device_find(n, t->device) : NULL;
    if (j->give_up_ns == 0)
        j->give_up_ns = t->node.n ? now + ch->cfg.write_ns
                                  : ch->up_ns + (SETTLE_NS < ch->cfg.write_ns ? SETTLE_NS : ch->cfg.write_ns);
    if (now >= j->give_up_ns || (d && d->alive && !j->asked)) return true;
    if (n && !j->asked && ch->cfg.rebirth && !n->flow.alive && now >= n->flow.rebirth_at_ns) {
        sh_ask_rebirth(ch, n);
        spb_flow_rebirth_sent(&n->flow, now);
        j->asked = true;
    }
    return false;
}

bool sh_browse_go(struct sh_channel *ch, struct sh_job *j, uint64_t now)
{
    struct sh_target t;
    if (ch->conn != SH_UP) return false;
    place_of(j, &t);
    if (!ready(ch, j, &t, now)) return false;
    end(ch, j, &t);
    return true;
}

void sh_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct sh_channel *ch = (struct sh_channel *)base;
    struct sh_job *j = ch->closing ? NULL : sh_job_new(ch, SH_BROWSE, arg);
    uint64_t from = 0;
    struct error e;
    if (cursor && str_to_u64(str_of(cursor), &from))
        error_set(&e, ERR_INVALID, "cursor", "'%s' is none of this list's", "“%s”不是本列表的游标", cursor);
    else if (j == NULL || (j->node = mem_strdup(node ? node : "")) == NULL)
        error_set(&e, ch->closing ? ERR_CANCELLED : ERR_NOMEM, "", "not now", "现在不行");
    else {
        sh_conf_init(&j->conf, device, device ? device->options : NULL);
        j->done.browse = done;
        j->cursor = from;
        j->max = max < 1000 ? max : 1000;
        sh_job_push(ch, j);
        return;
    }
    if (j) sh_job_free(j);
    done(arg, &e, NULL, 0, NULL);
}
