/* read.c - test reads and browsing. Both take what an interrogation brought; what it did not bring is asked by a read
 * command, one after the other, until the station leaves one unanswered. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/iec104/iec104_int.h"

#define READ_ANSWER_MS 3000

/* ---- interrogations that a read or browsing needs ---- */

static bool interrogated(struct st_channel *ch, uint16_t ca)
{
    struct st_station *s = st_station_add(ch, ca);
    if (s == NULL) return true;
    if (s->proc[PROC_GENERAL].done && s->proc[PROC_GENERAL].step == STEP_IDLE) return true;
    st_proc_want(ch, s, PROC_GENERAL);
    return false;
}

/* ---- test reads ---- */

static void take_reading(struct st_channel *ch, struct st_job *j, const struct st_object *b)
{
    struct driver_reading *r = &j->readings[j->at];
    struct iec104_object o;
    st_object_get(b, &o);
    st_point_value(&j->points[j->at], iec104_type(b->type), &o, &r->sample);
    r->sample.time_us = b->time_us;
    r->ms = st_ms_since(ch, j->began_ns);
    memcpy(j->raws[j->at], b->raw, b->n);
    r->raw = j->raws[j->at];
    r->raw_len = b->n;
    j->at++;
    j->answer_ns = 0;
}

void st_read_failed(struct st_channel *ch, struct st_job *j, const char *en, const char *zh)
{
    struct driver_reading *r = &j->readings[j->at];
    error_set(&j->errors[j->at], ERR_DEVICE, "", "common address %u, object %u: %s%.0s", "公共地址 %u，对象 %u：%.0s%s",
              j->points[j->at].at.ca, j->points[j->at].at.ioa, en, zh);
    r->error = &j->errors[j->at];
    r->ms = st_ms_since(ch, j->began_ns);
    r->sample.time_us = st_utc(ch);
    r->sample.quality = QUALITY_BAD;
    r->sample.flags = REASON_NO_DATA;
    j->at++;
    j->answer_ns = 0;
}

static bool ask_one(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    const struct iec104_address *at = &j->points[j->at].at;
    struct iec104_asdu head = {.type = iec104_type(IEC104_C_RD_NA), .cause = IEC104_REQUEST, .ca = at->ca};
    if (!st_send(ch, &head, &(struct iec104_object){.ioa = at->ioa})) return false;
    uint32_t ms = ch->cfg.answer_ms < READ_ANSWER_MS ? ch->cfg.answer_ms : READ_ANSWER_MS;
    j->answer_ns = now + ms * NS_MS;
    return true;
}

static bool fits(const struct st_point *p, const struct st_object *b)
{
    return b && b->fresh && (p->at.family == 0 || p->at.family == iec104_type(b->type)->family);
}

static bool all_interrogated(struct st_channel *ch, const struct st_job *j)
{
    bool all = true;
    for (size_t i = 0; i < j->npoints; i++)
        if (!j->readings[i].error && !interrogated(ch, j->points[i].at.ca)) all = false;
    return all;
}

void st_read_go(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    if (j->step == JOB_WAITS && !all_interrogated(ch, j)) return;
    j->step = JOB_ASKING;
    while (j->at < j->npoints) {
        const struct st_point *p = &j->points[j->at];
        const struct st_object *b = st_object_find(ch, p->at.ca, p->at.ioa);
        if (j->readings[j->at].error)
            j->at++;
        else if (p->at.klass == IEC104_IS_COMMAND)
            st_read_failed(ch, j, "a command cannot be read", "命令不可读");
        else if (fits(p, b))
            take_reading(ch, j, b);
        else if (j->no_read || (b && b->fresh))
            st_read_failed(ch, j,
                           b && b->fresh ? "the station tells it as another type" : "the station does not tell it",
                           b && b->fresh ? "站以其他类型上送该对象" : "站未上送该对象");
        else if (j->answer_ns || !ask_one(ch, j, now))
            return;
        else
            return;
    }
    st_job_unlink(ch, j);
    st_job_end_read(ch, j, NULL);
}

static bool read_memory(struct st_job *j, size_t n)
{
    j->npoints = n;
    j->points = mem_calloc(n + 1, sizeof *j->points);
    j->errors = mem_calloc(n + 1, sizeof *j->errors);
    j->readings = mem_calloc(n + 1, sizeof *j->readings);
    j->raws = mem_calloc(n + 1, sizeof *j->raws);
    return j->points && j->errors && j->readings && j->raws;
}

void st_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct st_channel *ch = (struct st_channel *)base;
    struct st_job *j = n <= 1000 ? st_job_new(ch, JOB_READ, arg) : NULL;
    if (j == NULL || !read_memory(j, n)) {
        st_job_free(j);
        done(arg, NULL, 0);
        return;
    }
    j->done.read = done;
    st_device_init(&j->dev, device, device ? device->options : NULL);
    for (size_t i = 0; i < n; i++) {
        struct driver_reading *r = &j->readings[i];
        r->sample = (struct sample){.point = points[i].num};
        if (st_point_resolve(&points[i], &j->dev, &j->points[i], NULL, &j->errors[i]) == 0) continue;
        r->error = &j->errors[i];
        r->sample.time_us = st_utc(ch);
        r->sample.quality = QUALITY_BAD;
        r->sample.flags = REASON_CONFIG_ERROR;
    }
    st_job_push(ch, j);
}

/* ---- browsing ---- */

struct browse_text {
    char node[96], name[64], value[64];
};

static int by_key(const void *pa, const void *pb)
{
    const struct st_object *a = *(const struct st_object *const *)pa, *b = *(const struct st_object *const *)pb;
    return (a->key > b->key) - (a->key < b->key);
}

static size_t seen_objects(const struct st_channel *ch, uint16_t ca, uint32_t from, const struct st_object **ret)
{
    size_t n = 0;
    for (size_t i = 0; i < ch->objects_size; i++) {
        const struct st_object *b = &ch->objects[i];
        if (b->key && b->fresh && (b->key - 1) >> 24 == ca && ((b->key - 1) & IEC104_IOA_MAX) >= from) ret[n++] = b;
    }
    if (n) qsort(ret, n, sizeof *ret, by_key);
    return n;
}

static void browse_item(const struct st_job *j, const struct st_object *b, struct browse_text *t,
                        struct driver_browse_item *ret)
{
    const struct iec104_type *type = iec104_type(b->type);
    struct iec104_object o;
    struct iec104_address a = {
        .ca = j->ca, .has_ca = j->ca != j->dev.ca, .family = type->family, .klass = IEC104_IS_VALUE};
    st_object_get(b, &o);
    a.ioa = o.ioa;
    iec104_address_format(&a, t->node);
    snprintf(t->name, sizeof t->name, "%u", o.ioa);
    iec104_value_words(type, &o, false, t->value, sizeof t->value);
    *ret = (struct driver_browse_item){.node = t->node,
                                       .name = t->name,
                                       .description = type->en,
                                       .address = t->node,
                                       .type = st_natural_type(type->family),
                                       .value = t->value};
}

static void tell_objects(struct st_channel *ch, struct st_job *j, const struct st_object **seen, size_t n)
{
    size_t show = n < j->max ? n : j->max;
    AUTO_FREE struct driver_browse_item *items = mem_calloc(show + 1, sizeof *items);
    AUTO_FREE struct browse_text *texts = mem_calloc(show + 1, sizeof *texts);
    char next[16] = "";
    struct error e;
    if (!items || !texts) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        j->done.browse(j->arg, &e, NULL, 0, NULL);
        return;
    }
    for (size_t i = 0; i < show; i++) browse_item(j, seen[i], &texts[i], &items[i]);
    if (n > show) snprintf(next, sizeof next, "%u", (unsigned)((seen[show]->key - 1) & IEC104_IOA_MAX));
    j->done.browse(j->arg, NULL, items, show, next[0] ? next : NULL);
}

void st_browse_go(struct st_channel *ch, struct st_job *j)
{
    if (!interrogated(ch, j->ca)) return;
    AUTO_FREE const struct st_object **seen = mem_calloc(ch->nobjects + 1, sizeof *seen);
    size_t n = seen ? seen_objects(ch, j->ca, j->cursor, seen) : 0;
    st_job_unlink(ch, j);
    tell_objects(ch, j, seen, n);
    st_job_free(j);
}

void st_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct st_channel *ch = (struct st_channel *)base;
    struct st_job *j = st_job_new(ch, JOB_BROWSE, arg);
    struct error e;
    uint64_t from = 0;
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    if (node && node[0]) { /* objects have nothing below them */
        st_job_free(j);
        done(arg, NULL, NULL, 0, NULL);
        return;
    }
    if (cursor && str_to_u64(str_of(cursor), &from)) from = 0;
    j->done.browse = done;
    st_device_init(&j->dev, device, device ? device->options : NULL);
    j->ca = j->dev.ca;
    j->cursor = (uint32_t)from;
    j->max = max ? max : 1;
    st_job_push(ch, j);
}
