/* group.c - redundancy groups (IEC 60870-5-104, edition 2, clause 10): several connections of one controlling system,
 * of which one at a time has data transfer.
 *
 * STARTDT on one stops the others: what they have in frames may still be acknowledged, all else is given back to the
 * host, which offers it again, to the one that has started. Nothing comes twice as far as acknowledgements tell: of a
 * batch that is given back although a part of it was acknowledged, that part is remembered (by key) and left out the
 * next time. */
#include <stdlib.h>
#include "outlets/iec104/station_int.h"

/* ---- the option ---- */

static int wrong(struct error *e, struct str part)
{
    return error_set(
        e, ERR_INVALID, "redundancy",
        "'%.*s' is no redundancy group: write a name, a colon and addresses, groups apart by semicolons, for "
        "example A: 10.0.0.7, 10.0.1.7; B: 10.2.0.0/16; or * for all connections",
        "“%.*s”不是冗余组：请写“名称: 地址, 地址”，各组以分号分隔，例如 A: 10.0.0.7, 10.0.1.7; B: "
        "10.2.0.0/16；* 表示全部连接为一组",
        (int)(part.n < 60 ? part.n : 60), part.p ? part.p : "");
}

static int parse_group(struct str part, struct sv_group *ret, struct error *e)
{
    struct str members = part, name = str_trim(str_cut(&members, ':'));
    char text[1000];
    struct error why;
    *ret = (struct sv_group){0};
    if (str_is(part, "*")) {
        snprintf(ret->name, sizeof ret->name, "*");
        return 0;
    }
    if (!name.n || !str_to_cstr(name, ret->name, sizeof ret->name)) return wrong(e, part);
    if (!str_to_cstr(str_trim(members), text, sizeof text) || !text[0]) return wrong(e, part);
    if (ip_list_parse(text, &ret->members, &why))
        return error_set(e, ERR_INVALID, "redundancy", "%.30s: %s%.0s", "%.30s：%.0s%s", ret->name, why.text,
                         why.text_zh);
    return 0;
}

int sv_groups_parse(const char *text, struct sv_group *ret, unsigned *ret_n, struct error *e)
{
    struct str rest = str_trim(str_of(text));
    struct sv_group one;
    unsigned n = 0;
    while (rest.n) {
        struct str part = str_trim(str_cut(&rest, ';'));
        if (!part.n) continue;
        int rc = parse_group(part, &one, e);
        if (rc) return rc;
        if (n == SV_GROUPS)
            return error_set(e, ERR_INVALID, "redundancy", "at most %d redundancy groups", "最多 %d 个冗余组",
                             SV_GROUPS);
        if (ret) ret[n] = one;
        n++;
    }
    if (ret_n) *ret_n = n;
    return 0;
}

void sv_groups_free(struct sv_config *c)
{
    for (unsigned i = 0; i < c->ngroups; i++)
        for (int k = 0; k < 2; k++) mem_free(TAKE(c->groups[i].told[k]));
    c->ngroups = 0;
}

/* ---- who belongs to it, who has data transfer ---- */

void sv_group_join(struct sv_conn *c, const char *host)
{
    struct sv_config *cfg = &c->ch->cfg;
    for (unsigned i = 0; i < cfg->ngroups && !c->group; i++)
        if (cfg->groups[i].members.n == 0 || ip_list_has(&cfg->groups[i].members, host)) c->group = &cfg->groups[i];
}

void sv_group_started(struct sv_conn *c)
{
    char kv[240];
    if (!c->group) return;
    for (struct sv_conn *o = c->ch->conns; o; o = o->next) {
        if (o == c || o->group != c->group || !sv_conn_started(o)) continue;
        snprintf(kv, sizeof kv, "group=%s from=%s to=%s", c->group->name, o->peer, c->peer);
        sv_log(c->ch, DRIVER_LOG_INFO, "data transfer goes over to another connection", kv);
        iec104_link_park(&o->station.link);
        sv_conn_note(o);
    }
}

/* ---- what was acknowledged of batches that come again ---- */

uint64_t sv_event_key(const struct outlet_item *item)
{
    struct {
        int64_t time_us;
        uint64_t value;
        uint32_t point, quality;
    } k = {item->sample.time_us, item->sample.v.u, item->sample.point, item->sample.quality};
    return str_hash(str_make((const char *)&k, sizeof k), 104);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool sv_group_told(const struct sv_conn *c, uint64_t key)
{
    const struct sv_group *g = c->group;
    for (int k = 0; g && k < 2; k++)
        if (g->ntold[k] && bsearch(&key, g->told[k], g->ntold[k], sizeof key, by_key)) return true;
    return false;
}

/* Room for n more keys in the young generation; the old one goes when there is none. */
static bool room_for(struct sv_group *g, size_t n)
{
    if (g->told[0] && g->ntold[0] + n <= SV_TOLD) return true;
    uint64_t *old = g->told[1];
    g->told[1] = g->told[0];
    g->ntold[1] = g->ntold[0];
    g->told[0] = old ? old : mem_alloc(SV_TOLD * sizeof *old);
    g->ntold[0] = 0;
    return g->told[0] != NULL;
}

void sv_group_keep(struct sv_conn *c, const struct sv_mark *m, uint64_t until)
{
    struct sv_group *g = c->group;
    if (!g || !m->keys || until <= m->from) return;
    size_t n = (size_t)(until - m->from);
    if (n > SV_TOLD || !room_for(g, n)) return; /* they come twice, then */
    memcpy(g->told[0] + g->ntold[0], m->keys, n * sizeof *m->keys);
    g->ntold[0] += n;
    qsort(g->told[0], g->ntold[0], sizeof *m->keys, by_key);
}
