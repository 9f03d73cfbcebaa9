/* set.c - the desired set and what is asked of it.
 *
 * The new set is made beside the old one and takes its place when it is whole. Connections stay; interrogations that
 * are under way go on by address. Of two points with one address the first stays, the others are left out and told. */
#include <stdlib.h>
#include "outlets/iec104/station_int.h"

struct built {
    struct sv_point *points;
    uint32_t *order, *commands;
    uint16_t *cas;
    size_t n, norder, ncommands, ncas, nclash;
    struct error clash;
};

static void built_free(struct built *b)
{
    mem_free(b->points);
    mem_free(b->order);
    mem_free(b->commands);
    mem_free(b->cas);
}

/* ---- keys ---- */

static uint64_t value_key(const struct sv_point *p)
{
    return (uint64_t)p->ca << 24 | p->ioa;
}
static uint64_t command_key(const struct sv_point *p)
{
    return (uint64_t)p->command_ca << 24 | p->command_ioa;
}

static int by_value(const void *a, const void *b, void *points)
{
    const struct sv_point *p = points;
    uint64_t x = value_key(&p[*(const uint32_t *)a]), y = value_key(&p[*(const uint32_t *)b]);
    return x != y ? (x < y ? -1 : 1) : *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}
static int by_command(const void *a, const void *b, void *points)
{
    const struct sv_point *p = points;
    uint64_t x = command_key(&p[*(const uint32_t *)a]), y = command_key(&p[*(const uint32_t *)b]);
    return x != y ? (x < y ? -1 : 1) : *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

/* First in `order` whose key is at least `key`. */
static size_t lower(const uint32_t *order, size_t n, const struct sv_point *points,
                    uint64_t (*key_of)(const struct sv_point *), uint64_t key)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (key_of(&points[order[mid]]) < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- building ---- */

static void clash(struct built *b, const struct outlet_point *points, uint32_t first, uint32_t second)
{
    b->points[second].clash = true;
    b->nclash++;
    if (b->clash.code) return;
    error_set(&b->clash, ERR_EXISTS, "address", "%.80s and %.80s have the same address %.60s; the second is left out",
              "%.80s 与 %.80s 的地址相同（%.60s），后者未转发", points[first].code, points[second].code,
              points[second].address);
}

static size_t drop_equal(struct built *b, const struct outlet_point *points, uint32_t *order, size_t n,
                         uint64_t (*key_of)(const struct sv_point *))
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (b->points[order[i]].clash) continue;
        if (kept && key_of(&b->points[order[kept - 1]]) == key_of(&b->points[order[i]]))
            clash(b, points, order[kept - 1], order[i]);
        else
            order[kept++] = order[i];
    }
    return kept;
}

static void resolve(struct built *b, const struct sv_rules *rules, const struct outlet_point *points, size_t n)
{
    struct error e = {0};
    for (size_t i = 0; i < n; i++) {
        if (sv_point_resolve(&points[i], rules, &b->points[i], NULL, &e) == 0) continue;
        b->points[i] = (struct sv_point){.num = points[i].num, .clash = true};
        b->nclash++;
        if (b->clash.code) continue;
        error_set(&b->clash, ERR_INVALID, "address", "%.80s: %s%.0s", "%.80s：%.0s%s", points[i].code, e.text,
                  e.text_zh);
    }
}

static bool has_ca(const struct built *b, uint16_t ca)
{
    for (size_t i = 0; i < b->ncas; i++)
        if (b->cas[i] == ca) return true;
    return false;
}

static void index_points(struct built *b, const struct outlet_point *points)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (b->points[i].type && !b->points[i].clash) b->order[b->norder++] = i;
    qsort_r(b->order, b->norder, sizeof *b->order, by_value, b->points);
    b->norder = drop_equal(b, points, b->order, b->norder, value_key);
    for (uint32_t i = 0; i < b->n; i++)
        if (b->points[i].command && !b->points[i].clash) b->commands[b->ncommands++] = i;
    qsort_r(b->commands, b->ncommands, sizeof *b->commands, by_command, b->points);
    b->ncommands = drop_equal(b, points, b->commands, b->ncommands, command_key);
    size_t kept = 0; /* a point whose command clashed is told no more, either */
    for (size_t i = 0; i < b->norder; i++)
        if (!b->points[b->order[i]].clash) b->order[kept++] = b->order[i];
    b->norder = kept;
    for (size_t i = 0; i < b->n; i++) {
        const struct sv_point *p = &b->points[i];
        if (p->clash) continue;
        if (p->type && !has_ca(b, p->ca)) b->cas[b->ncas++] = p->ca;
        if (p->command && !has_ca(b, p->command_ca)) b->cas[b->ncas++] = p->command_ca;
    }
}

/* Counters that were frozen stay so. */
static void keep_frozen(struct built *b, const struct sv_channel *ch)
{
    for (size_t i = 0; i < b->n; i++) {
        struct sv_point *p = &b->points[i];
        if (p->type != IEC104_M_IT_NA || p->clash) continue;
        size_t k = lower(ch->order, ch->norder, ch->points, value_key, value_key(p));
        if (k == ch->norder || value_key(&ch->points[ch->order[k]]) != value_key(p)) continue;
        const struct sv_point *old = &ch->points[ch->order[k]];
        if (old->num != p->num || old->type != p->type) continue;
        p->frozen = old->frozen;
        p->sequence = old->sequence;
        p->frozen_value = old->frozen_value;
        p->frozen_quality = old->frozen_quality;
    }
}

/* The points of a connection that missed some are not those of before: all are told. */
static void renew_missed(struct sv_channel *ch)
{
    for (struct sv_conn *c = ch->conns; c; c = c->next) {
        if (c->missed == NULL) continue;
        mem_free(TAKE(c->missed));
        c->nmissed = 0;
        c->missed = mem_calloc(ch->npoints + 1, sizeof *c->missed);
        for (size_t i = 0; c->missed && i < ch->npoints; i++) c->missed[i] = true;
        if (c->missed) c->nmissed = ch->npoints;
    }
}

static void take_over(struct sv_channel *ch, struct built *b)
{
    sv_set_free(ch);
    ch->points = b->points;
    ch->npoints = b->n;
    ch->order = b->order;
    ch->norder = b->norder;
    ch->commands = b->commands;
    ch->ncommands = b->ncommands;
    ch->cas = b->cas;
    ch->ncas = b->ncas;
    ch->nclash = b->nclash;
    ch->clash = b->clash;
    ch->st.points = (uint32_t)b->n;
    for (struct sv_conn *c = ch->conns; c; c = c->next) {
        c->station.cfg.cas = ch->cas;
        c->station.cfg.ncas = ch->ncas;
    }
    renew_missed(ch);
}

int sv_set(struct sv_channel *ch, const struct outlet_point *points, size_t n, struct error *e)
{
    struct built b = {.n = n};
    b.points = mem_calloc(n + 1, sizeof *b.points);
    b.order = mem_calloc(n + 1, sizeof *b.order);
    b.commands = mem_calloc(n + 1, sizeof *b.commands);
    b.cas = mem_calloc(2 * n + 1, sizeof *b.cas);
    if (!b.points || !b.order || !b.commands || !b.cas) {
        built_free(&b);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    resolve(&b, &ch->cfg.rules, points, n);
    index_points(&b, points);
    keep_frozen(&b, ch);
    take_over(ch, &b);
    if (ch->nclash) sv_log(ch, DRIVER_LOG_WARN, "points are left out", ch->clash.text);
    return 0;
}

void sv_set_free(struct sv_channel *ch)
{
    struct built b = {.points = ch->points, .order = ch->order, .commands = ch->commands, .cas = ch->cas};
    built_free(&b);
    ch->points = NULL;
    ch->order = ch->commands = NULL;
    ch->cas = NULL;
    ch->npoints = ch->norder = ch->ncommands = ch->ncas = 0;
}

/* ---- asked for ---- */

struct sv_point *sv_find_command(const struct sv_channel *ch, uint16_t ca, uint32_t ioa)
{
    uint64_t key = (uint64_t)ca << 24 | ioa;
    size_t k = lower(ch->commands, ch->ncommands, ch->points, command_key, key);
    if (k == ch->ncommands || command_key(&ch->points[ch->commands[k]]) != key) return NULL;
    return &ch->points[ch->commands[k]];
}

static bool present(const struct sv_channel *ch, uint32_t slot, struct iec104_item *ret)
{
    const struct outlet_host *h = ch->base.host;
    const struct sv_point *p = &ch->points[slot];
    struct sample s = {.quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    char text[1];
    size_t n;
    if (!h->current(h->ctx, slot, &s, text, sizeof text, &n)) s.type = SAMPLE_NONE;
    *ret = (struct iec104_item){.ca = p->ca, .type = p->type};
    if (!sv_object(p, &s, &ret->o)) ret->o = (struct iec104_object){.ioa = p->ioa, .quality = IEC104_IV};
    if (p->type != IEC104_M_IT_NA || !p->frozen) return true;
    ret->o.i = p->frozen_value;
    ret->o.quality = p->frozen_quality;
    return true;
}

static bool of_group(const struct sv_point *p, bool counters, unsigned group)
{
    return (p->type == IEC104_M_IT_NA) == counters && (group == 0 || p->group == group);
}

/* *cursor: the address after the one told last, so that a new set does not matter. */
bool sv_next(void *ctx, uint16_t ca, bool counters, unsigned group, uint64_t *cursor, struct iec104_item *ret)
{
    const struct sv_channel *ch = ((struct sv_conn *)ctx)->ch;
    size_t k = lower(ch->order, ch->norder, ch->points, value_key, ((uint64_t)ca << 24) + *cursor);
    for (; k < ch->norder && ch->points[ch->order[k]].ca == ca; k++) {
        const struct sv_point *p = &ch->points[ch->order[k]];
        if (!of_group(p, counters, group)) continue;
        *cursor = p->ioa + 1ull;
        return present(ch, ch->order[k], ret);
    }
    *cursor = IEC104_IOA_MAX + 1ull;
    return false;
}

static bool is_measured(const struct sv_point *p)
{
    return p->type == IEC104_M_ME_NA || p->type == IEC104_M_ME_NB || p->type == IEC104_M_ME_NC;
}

bool sv_next_measured(const struct sv_channel *ch, uint64_t *key, struct iec104_item *ret)
{
    size_t k = lower(ch->order, ch->norder, ch->points, value_key, *key);
    while (k < ch->norder && !is_measured(&ch->points[ch->order[k]])) k++;
    if (k == ch->norder) return false;
    *key = value_key(&ch->points[ch->order[k]]) + 1;
    return present(ch, ch->order[k], ret);
}

bool sv_read(void *ctx, uint16_t ca, uint32_t ioa, struct iec104_item *ret)
{
    const struct sv_channel *ch = ((struct sv_conn *)ctx)->ch;
    uint64_t key = (uint64_t)ca << 24 | ioa;
    size_t k = lower(ch->order, ch->norder, ch->points, value_key, key);
    if (k == ch->norder || value_key(&ch->points[ch->order[k]]) != key) return false;
    return present(ch, ch->order[k], ret);
}

/* Freezing keeps the present values for the interrogations to come; resetting what a plant has counted is refused. */
int sv_freeze(void *ctx, uint16_t ca, unsigned group, unsigned how)
{
    struct sv_channel *ch = ((struct sv_conn *)ctx)->ch;
    if (how != 1) return ERR_FORBIDDEN;
    for (size_t k = 0; k < ch->norder; k++) {
        struct sv_point *p = &ch->points[ch->order[k]];
        struct iec104_item it;
        if ((ca != IEC104_BROADCAST && p->ca != ca) || !of_group(p, true, group)) continue;
        p->frozen = false;
        if (!present(ch, ch->order[k], &it)) continue;
        p->frozen = true;
        p->frozen_value = it.o.i;
        p->frozen_quality = it.o.quality;
        p->sequence = (p->sequence + 1) & 0x1f;
    }
    return 0;
}
