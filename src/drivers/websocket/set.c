/* set.c - the desired set: built anew, then exchanged; points that stay the same keep what was told of them. The
 * connection goes on whatever the set is. */
#include "drivers/websocket/ws_driver_int.h"

static void point_fini(struct wd_point *p)
{
    payload_place_free(p->place);
    mem_free(p->address);
    mem_free(p->message);
}

void wd_devices_free(struct wd_device *d, size_t n)
{
    for (size_t i = 0; d && i < n; i++) {
        for (size_t k = 0; k < d[i].npoints; k++) point_fini(&d[i].points[k]);
        mem_free(d[i].points);
        wd_rules_free(d[i].rules);
    }
    mem_free(d);
}

struct wd_point *wd_find(struct wd_channel *ch, uint32_t num, struct wd_device **ret)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        for (size_t k = 0; k < ch->devices[i].npoints; k++)
            if (ch->devices[i].points[k].num == num) {
                *ret = &ch->devices[i];
                return &ch->devices[i].points[k];
            }
    return NULL;
}

static void keep_state(struct wd_channel *ch, struct wd_point *p)
{
    struct wd_device *d = NULL;
    const struct wd_point *was = wd_find(ch, p->num, &d);
    if (!was || was->type != p->type || strcmp(was->address, p->address) != 0) return;
    p->told_bad = was->told_bad;
    p->text_known = was->text_known;
    p->text_hash = was->text_hash;
    p->text_id = was->text_id;
}

static int new_point(struct wd_channel *ch, struct wd_device *d, const struct driver_point *dp)
{
    struct wd_point *p = &d->points[d->npoints++];
    struct error e = {0};
    *p = (struct wd_point){.num = dp->num, .spec = *dp, .type = dp->type == VALUE_AUTO ? VALUE_DOUBLE : dp->type};
    p->spec.address = NULL;
    p->spec.options = NULL;
    p->address = mem_strdup(dp->address);
    p->message = mem_strdup(opt_str(dp->options, "write_message", ""));
    if (!p->address || !p->message) return ERR_NOMEM;
    int rc = d->rules ? payload_place_new(d->rules->reader, dp->address, dp->options, &p->place, &e) : ERR_INVALID;
    if (rc == ERR_NOMEM) return rc;
    if (rc && !d->bad_config++ && !d->config.code) d->config = e;
    keep_state(ch, p);
    return 0;
}

static int new_device(struct wd_channel *ch, struct wd_device *d, const struct driver_device *dd)
{
    d->num = dd->num;
    for (size_t k = 0; k < ch->ndevices; k++) {
        if (ch->devices[k].num != d->num) continue;
        d->heard_ns = ch->devices[k].heard_ns;
        d->last_ok_us = ch->devices[k].last_ok_us;
        d->lost = ch->devices[k].lost;
    }
    return wd_rules_new(dd->options, true, &d->rules, &d->config) == ERR_NOMEM ? ERR_NOMEM : 0;
}

static int build(struct wd_channel *ch, struct wd_device *d, const struct driver_device *devices, size_t nd,
                 const struct driver_point *points, size_t np)
{
    AUTO_FREE size_t *count = mem_calloc(nd + 1, sizeof *count);
    int rc = count ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < np && !rc; i++)
        if (points[i].device < nd) count[points[i].device]++;
    for (size_t i = 0; i < nd && !rc; i++) {
        rc = new_device(ch, &d[i], &devices[i]);
        if (!rc && !(d[i].points = mem_calloc(count[i] + 1, sizeof(struct wd_point)))) rc = ERR_NOMEM;
    }
    for (size_t i = 0; i < np && !rc; i++)
        if (points[i].device < nd) rc = new_point(ch, &d[points[i].device], &points[i]);
    return rc;
}

int wd_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
           const struct driver_point *points, size_t np, struct error *e)
{
    struct wd_channel *ch = (struct wd_channel *)base;
    struct wd_device *d = mem_calloc(nd + 1, sizeof *d);
    int rc = d ? build(ch, d, devices, nd, points, np) : ERR_NOMEM;
    if (rc) {
        wd_devices_free(d, nd);
        return error_set(e, ERR_NOMEM, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    wd_devices_free(ch->devices, ch->ndevices);
    ch->devices = d;
    ch->ndevices = nd;
    ch->st.points = (uint32_t)np;
    wd_tell_config(ch);
    for (size_t i = 0; i < nd; i++)
        if (d[i].lost) wd_tell_bad(ch, &d[i], REASON_NOT_CONNECTED); /* points that are new */
    wd_pump(ch);
    return 0;
}
