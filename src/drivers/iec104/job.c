/* job.c - what somebody asked for: commands, test reads, tests of the connection, browsing.
 *
 * A command is carried out at most once:
 *   [select -> confirmed ->] execute -> confirmed -> terminated
 * Several may be under way, but one an object. What ends it early:
 *   refused (P/N, unknown type, cause, address)  REFUSED
 *   selection not confirmed                      FAILED: nothing was carried out
 *   execute not confirmed, or not terminated     UNKNOWN
 *   connection lost                              UNKNOWN after the execute, else FAILED
 * A read takes what the interrogation brought; what it did not bring is asked by a read command, one after the other,
 * until the station leaves one unanswered. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/registry.h"
#include "drivers/iec104/iec104_int.h"

#define READ_ANSWER_MS 3000

static void job_free(struct st_job *j)
{
    if (j == NULL) return;
    mem_free(j->points);
    mem_free(j->errors);
    mem_free(j->readings);
    mem_free(j->raws);
    mem_free(j);
}

static uint32_t ms_since(const struct st_channel *ch, uint64_t from)
{
    return (uint32_t)((st_now(ch) - from) / NS_MS);
}

static int64_t utc(const struct st_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

static struct st_job *new_job(struct st_channel *ch, enum st_job_kind kind, void *arg)
{
    struct st_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    j->kind = (uint8_t)kind;
    j->arg = arg;
    j->began_ns = st_now(ch);
    return j;
}

static void push(struct st_channel *ch, struct st_job *j)
{
    struct st_job **p = &ch->jobs;
    while (*p) p = &(*p)->next;
    *p = j;
    if (ch->conn != CONN_UP) ch->connect_now = true;
    st_pump(ch);
}

static void unlink_job(struct st_channel *ch, struct st_job *j)
{
    for (struct st_job **p = &ch->jobs; *p; p = &(*p)->next) {
        if (*p != j) continue;
        *p = j->next;
        ch->again = true; /* without jobs and points the connection goes */
        return;
    }
}

/* ---- ends; the job is off the list and gone after it ---- */

static void end_write(struct st_channel *ch, struct st_job *j, enum driver_outcome outcome, const struct error *e)
{
    struct driver_write_result r = {.outcome = outcome, .error = e, .ms = ms_since(ch, j->began_ns)};
    for (size_t i = 0; i < ch->npoints && outcome == DRIVER_DONE; i++) {
        struct st_point *p = &ch->points[i];
        if (p->num != j->point || p->config_error) continue;
        if (p->at.klass == CLASS_COMMAND) { /* what was commanded is all that is known of it */
            p->last = j->value;
            p->last.point = p->num;
            p->last.time_us = utc(ch);
            p->last.quality = QUALITY_GOOD;
            p->last.flags = REASON_NONE;
            st_data_tell(ch, &p->last);
        } else if (p->fresh) {
            r.has_readback = true;
            r.readback = p->last;
        }
        break;
    }
    if (outcome == DRIVER_DONE) ch->st.writes++;
    j->done.write(j->arg, &r);
    job_free(j);
    st_data_flush(ch);
}

static void end_read(struct st_channel *ch, struct st_job *j, const struct error *e)
{
    for (; e && j->at < j->npoints; j->at++) {
        struct driver_reading *r = &j->readings[j->at];
        if (r->error) continue;
        j->errors[j->at] = *e;
        r->error = &j->errors[j->at];
        r->ms = ms_since(ch, j->began_ns);
        r->sample.time_us = utc(ch);
        r->sample.quality = QUALITY_BAD;
        r->sample.flags = REASON_COMM_FAILURE;
    }
    j->done.read(j->arg, j->readings, j->npoints);
    job_free(j);
}

static void end_test(struct st_channel *ch, struct st_job *j, const struct error *e)
{
    char en[340] = "", zh[340] = "";
    uint32_t ms = ms_since(ch, j->began_ns);
    if (e == NULL) {
        const char *host = ch->cfg.peer[ch->peer].host;
        unsigned port = ch->cfg.peer[ch->peer].port;
        const char *tls = ch->cfg.tls ? ", TLS" : "";
        snprintf(en, sizeof en, "connected to %s, port %u%s; STARTDT confirmed", host, port, tls);
        snprintf(zh, sizeof zh, "已连接 %s，端口 %u%s；启动传输（STARTDT）已确认", host, port, tls);
    }
    j->done.test(j->arg, e, ms, en, zh);
    job_free(j);
}

static void end_failed(struct st_channel *ch, struct st_job *j, enum driver_outcome outcome, const struct error *e)
{
    struct error why = *e;
    switch (j->kind) {
    case JOB_WRITE: end_write(ch, j, j->sent ? DRIVER_UNKNOWN : outcome, &why); break;
    case JOB_READ: end_read(ch, j, &why); break;
    case JOB_TEST: end_test(ch, j, &why); break;
    default:
        j->done.browse(j->arg, &why, NULL, 0, NULL);
        job_free(j);
        break;
    }
}

/* ---- commands ---- */

static struct iec104_asdu head_of(const struct st_job *j, enum iec104_cause cause)
{
    return (struct iec104_asdu){.type = j->type, .cause = (uint8_t)cause, .ca = j->ca};
}

static bool transmit(struct st_channel *ch, struct st_job *j, enum iec104_cause cause, bool select)
{
    struct iec104_asdu head = head_of(j, cause);
    struct iec104_object o = j->object;
    o.select = select;
    if (j->type->stamp != IEC104_NO_TIME) o.time = st_time(ch);
    return st_send(ch, &head, &o);
}

/* Another command on this object is under way; or too many are. */
static bool blocked(const struct st_channel *ch, const struct st_job *j)
{
    unsigned n = 0;
    for (const struct st_job *o = ch->jobs; o; o = o->next) {
        if (o->kind != JOB_WRITE || o->step == JOB_WAITS) continue;
        if (o != j && o->ca == j->ca && o->object.ioa == j->object.ioa) return true;
        n++;
    }
    return n >= ST_JOBS_IN_FLIGHT;
}

static void expired(struct st_channel *ch, struct st_job *j)
{
    struct error e;
    error_set(&e, ERR_TIMEOUT, "", "the command expired before it could be sent", "命令在发送前已过期");
    if (j->step == JOB_ASKING) transmit(ch, j, IEC104_DEACT, true); /* gives the selection back */
    unlink_job(ch, j);
    end_failed(ch, j, DRIVER_EXPIRED, &e);
}

static bool past(const struct st_job *j, uint64_t now)
{
    return j->kind == JOB_WRITE && j->deadline_ns && j->deadline_ns <= now && !j->sent;
}

static void execute(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    if (!transmit(ch, j, IEC104_ACT, false)) return;
    j->sent = true;
    j->step = JOB_EXECUTED;
    j->answer_ns = now + ch->cfg.answer_ms * NS_MS;
}

/* JOB_ASKING: selected and confirmed, the execute waits for the window. */
static void go_write(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    if (j->step == JOB_ASKING) {
        execute(ch, j, now);
    } else if (j->step == JOB_WAITS && !blocked(ch, j)) {
        if (!j->select) {
            execute(ch, j, now);
        } else if (transmit(ch, j, IEC104_ACT, true)) {
            j->step = JOB_SELECTED;
            j->answer_ns = now + ch->cfg.answer_ms * NS_MS;
        }
    }
}

static void write_overdue(struct st_channel *ch, struct st_job *j)
{
    struct error e;
    double s = ch->cfg.answer_ms / 1000.0;
    ch->st.timeouts++;
    if (j->step == JOB_SELECTED)
        error_set(&e, ERR_TIMEOUT, "", "the selection was not confirmed within %g s; nothing was carried out",
                  "选择命令在 %g 秒内未得到确认；未执行", s);
    else if (j->step == JOB_EXECUTED)
        error_set(&e, ERR_UNKNOWN, "", "the command was not confirmed within %g s; it may have been carried out",
                  "命令在 %g 秒内未得到确认；可能已执行", s);
    else
        error_set(&e, ERR_UNKNOWN, "",
                  "the station confirmed the command but did not tell its end within %g s (option wait_termination)",
                  "站已确认命令，但在 %g 秒内未报告激活终止（选项 wait_termination）", ch->cfg.term_ms / 1000.0);
    unlink_job(ch, j);
    end_failed(ch, j, DRIVER_FAILED, &e);
}

static void write_refused(struct st_channel *ch, struct st_job *j, const struct iec104_asdu *a)
{
    struct error e;
    bool named = a->cause >= IEC104_UNKNOWN_TYPE;
    const char *what = j->step == JOB_SELECTED ? "selection" : "command";
    const char *what_zh = j->step == JOB_SELECTED ? "选择" : "命令";
    error_set(&e, ERR_DEVICE, "", "the station refused the %s%.0s: %s%.0s", "站拒绝了%.0s%s：%.0s%s", what, what_zh,
              named ? iec104_cause_words(a->cause, false) : "negative confirmation",
              named ? iec104_cause_words(a->cause, true) : "否定确认");
    ch->st.errors++;
    unlink_job(ch, j);
    end_write(ch, j, DRIVER_REFUSED, &e);
}

static void write_ends(struct st_channel *ch, struct st_job *j)
{
    unlink_job(ch, j);
    end_write(ch, j, DRIVER_DONE, NULL);
}

static void write_confirmed(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    if (j->step == JOB_SELECTED) {
        j->step = JOB_ASKING;
        j->answer_ns = 0;
        if (past(j, now))
            expired(ch, j);
        else
            execute(ch, j, now);
    } else if (j->step == JOB_EXECUTED && !j->wait_term) {
        write_ends(ch, j);
    } else if (j->step == JOB_EXECUTED) {
        j->step = JOB_CONFIRMED;
        j->answer_ns = now + ch->cfg.term_ms * NS_MS;
    }
}

static struct st_job *find_write(const struct st_channel *ch, const struct iec104_asdu *a, uint32_t ioa)
{
    for (struct st_job *j = ch->jobs; j; j = j->next)
        if (j->kind == JOB_WRITE && (j->step == JOB_SELECTED || j->step == JOB_EXECUTED || j->step == JOB_CONFIRMED) &&
            j->type == a->type && j->ca == a->ca && j->object.ioa == ioa)
            return j;
    return NULL;
}

static void write_answer(struct st_channel *ch, struct st_job *j, const struct iec104_asdu *a)
{
    if (a->cause >= IEC104_UNKNOWN_TYPE || (a->negative && a->cause != IEC104_DEACTCON))
        write_refused(ch, j, a);
    else if (a->cause == IEC104_ACTCON)
        write_confirmed(ch, j, st_now(ch));
    else if (a->cause == IEC104_ACTTERM && j->step >= JOB_EXECUTED)
        write_ends(ch, j);
}

static int prepare(struct st_channel *ch, struct st_job *j, const struct driver_write *w, struct error *e)
{
    const struct st_point *p = NULL;
    for (size_t i = 0; i < ch->npoints && !p; i++)
        if (ch->points[i].num == w->point) p = &ch->points[i];
    if (p == NULL)
        return error_set(e, ERR_NOT_FOUND, "", "point %u is not served by this channel", "测点 %u 不属于此通道",
                         w->point);
    if (p->config_error || p->command.klass != CLASS_COMMAND)
        return error_set(e, ERR_INVALID, "",
                         "the point has no command: its address is no command, and its option 'command' is empty",
                         "该测点没有命令地址：地址不是命令，且选项“command”为空");
    const struct st_device *d = &ch->devices[p->device];
    j->type = iec104_type(p->command.type);
    j->ca = p->command.ca;
    j->point = p->num;
    j->value = w->value;
    bool can_select = j->type->form != IEC104_BITS; /* BSI has no S/E bit */
    j->select = can_select && (p->select < 0 ? d->select : p->select == 1);
    j->wait_term = d->wait_term;
    return st_command_value(p, &w->value, &j->object, e);
}

void st_write(struct driver_channel *base, const struct driver_write *w)
{
    struct st_channel *ch = (struct st_channel *)base;
    struct error e = {0};
    struct st_job *j = new_job(ch, JOB_WRITE, w->arg);
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        w->done(w->arg, &(struct driver_write_result){.outcome = DRIVER_FAILED, .error = &e});
        return;
    }
    j->done.write = w->done;
    j->deadline_ns = w->deadline_ns;
    if (prepare(ch, j, w, &e))
        end_failed(ch, j, DRIVER_REFUSED, &e);
    else
        push(ch, j);
}

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
    r->ms = ms_since(ch, j->began_ns);
    memcpy(j->raws[j->at], b->raw, b->n);
    r->raw = j->raws[j->at];
    r->raw_len = b->n;
    j->at++;
    j->answer_ns = 0;
}

static void reading_failed(struct st_channel *ch, struct st_job *j, const char *en, const char *zh)
{
    struct driver_reading *r = &j->readings[j->at];
    error_set(&j->errors[j->at], ERR_DEVICE, "", "common address %u, object %u: %s%.0s", "公共地址 %u，对象 %u：%.0s%s",
              j->points[j->at].at.ca, j->points[j->at].at.ioa, en, zh);
    r->error = &j->errors[j->at];
    r->ms = ms_since(ch, j->began_ns);
    r->sample.time_us = utc(ch);
    r->sample.quality = QUALITY_BAD;
    r->sample.flags = REASON_NO_DATA;
    j->at++;
    j->answer_ns = 0;
}

static bool ask_one(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    const struct st_address *at = &j->points[j->at].at;
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

static void go_read(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    if (j->step == JOB_WAITS && !all_interrogated(ch, j)) return;
    j->step = JOB_ASKING;
    while (j->at < j->npoints) {
        const struct st_point *p = &j->points[j->at];
        const struct st_object *b = st_object_find(ch, p->at.ca, p->at.ioa);
        if (j->readings[j->at].error)
            j->at++;
        else if (p->at.klass == CLASS_COMMAND)
            reading_failed(ch, j, "a command cannot be read", "命令不可读");
        else if (fits(p, b))
            take_reading(ch, j, b);
        else if (j->no_read || (b && b->fresh))
            reading_failed(ch, j,
                           b && b->fresh ? "the station tells it as another type" : "the station does not tell it",
                           b && b->fresh ? "站以其他类型上送该对象" : "站未上送该对象");
        else if (j->answer_ns || !ask_one(ch, j, now))
            return;
        else
            return;
    }
    unlink_job(ch, j);
    end_read(ch, j, NULL);
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
    struct st_job *j = n <= 1000 ? new_job(ch, JOB_READ, arg) : NULL;
    if (j == NULL || !read_memory(j, n)) {
        job_free(j);
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
        r->sample.time_us = utc(ch);
        r->sample.quality = QUALITY_BAD;
        r->sample.flags = REASON_CONFIG_ERROR;
    }
    push(ch, j);
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
    struct st_address a = {.ca = j->ca, .has_ca = j->ca != j->dev.ca, .family = type->family, .klass = CLASS_OBJECT};
    st_object_get(b, &o);
    a.ioa = o.ioa;
    st_address_format(&a, t->node);
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

static void go_browse(struct st_channel *ch, struct st_job *j)
{
    if (!interrogated(ch, j->ca)) return;
    AUTO_FREE const struct st_object **seen = mem_calloc(ch->nobjects + 1, sizeof *seen);
    size_t n = seen ? seen_objects(ch, j->ca, j->cursor, seen) : 0;
    unlink_job(ch, j);
    tell_objects(ch, j, seen, n);
    job_free(j);
}

void st_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct st_channel *ch = (struct st_channel *)base;
    struct st_job *j = new_job(ch, JOB_BROWSE, arg);
    struct error e;
    uint64_t from = 0;
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    if (node && node[0]) { /* objects have nothing below them */
        job_free(j);
        done(arg, NULL, NULL, 0, NULL);
        return;
    }
    if (cursor && str_to_u64(str_of(cursor), &from)) from = 0;
    j->done.browse = done;
    st_device_init(&j->dev, device, device ? device->options : NULL);
    j->ca = j->dev.ca;
    j->cursor = (uint32_t)from;
    j->max = max ? max : 1;
    push(ch, j);
}

/* ---- test ---- */

void st_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct st_channel *ch = (struct st_channel *)base;
    struct st_job *j = new_job(ch, JOB_TEST, arg);
    struct error e;
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, 0, "", "");
        return;
    }
    j->done.test = done;
    push(ch, j);
}

/* ---- the queue ---- */

static void go_test(struct st_channel *ch, struct st_job *j)
{
    unlink_job(ch, j);
    end_test(ch, j, NULL);
}

static void go(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    switch (j->kind) {
    case JOB_WRITE: go_write(ch, j, now); break;
    case JOB_READ: go_read(ch, j, now); break;
    case JOB_TEST: go_test(ch, j); break;
    default: go_browse(ch, j); break;
    }
}

static void overdue(struct st_channel *ch, struct st_job *j)
{
    if (j->kind == JOB_WRITE) {
        write_overdue(ch, j);
        return;
    }
    ch->st.timeouts++;
    j->no_read = true; /* it does not know the read command */
    j->answer_ns = 0;
}

/* The first job that has something to end, or NULL. */
static struct st_job *ripe(const struct st_channel *ch, uint64_t now)
{
    for (struct st_job *j = ch->jobs; j; j = j->next)
        if (past(j, now) || (j->answer_ns && j->answer_ns <= now && !ch->held)) return j;
    return NULL;
}

/* Callbacks may change the list, so it is walked anew after each that went away. */
void st_job_pump(struct st_channel *ch, uint64_t now)
{
    struct st_job *j, *next;
    while ((j = ripe(ch, now)) != NULL) {
        if (past(j, now))
            expired(ch, j);
        else
            overdue(ch, j);
    }
    for (j = ch->jobs; j && st_started(ch); j = next) {
        next = j->next;
        size_t before = 0, after = 0;
        for (const struct st_job *k = ch->jobs; k; k = k->next) before++;
        go(ch, j, now);
        for (const struct st_job *k = ch->jobs; k; k = k->next) after++;
        if (after != before) next = ch->jobs;
    }
}

uint64_t st_job_deadline(const struct st_channel *ch)
{
    uint64_t first = UINT64_MAX;
    for (const struct st_job *j = ch->jobs; j; j = j->next) {
        if (j->answer_ns && j->answer_ns < first && !ch->held) first = j->answer_ns;
        if (j->kind == JOB_WRITE && !j->sent && j->deadline_ns && j->deadline_ns < first) first = j->deadline_ns;
    }
    return first;
}

void st_job_delayed(struct st_channel *ch, uint64_t ns)
{
    for (struct st_job *j = ch->jobs; j; j = j->next)
        if (j->answer_ns) j->answer_ns += ns;
}

bool st_job_answer(struct st_channel *ch, const struct iec104_asdu *a, const struct iec104_object *o)
{
    struct st_job *j = find_write(ch, a, o->ioa);
    if (j) {
        write_answer(ch, j, a);
        return true;
    }
    if (a->type->id != IEC104_C_RD_NA || (a->cause < IEC104_UNKNOWN_TYPE && !a->negative)) return false;
    for (j = ch->jobs; j; j = j->next) {
        if (j->kind != JOB_READ || !j->answer_ns || j->points[j->at].at.ioa != o->ioa) continue;
        if (a->cause == IEC104_UNKNOWN_TYPE || a->cause == IEC104_UNKNOWN_CAUSE) j->no_read = true;
        reading_failed(ch, j, iec104_cause_words(a->cause, false), iec104_cause_words(a->cause, true));
        return true;
    }
    return false;
}

void st_job_object(struct st_channel *ch, uint16_t ca, uint32_t ioa)
{
    for (struct st_job *j = ch->jobs; j; j = j->next)
        if (j->kind == JOB_READ && j->answer_ns && j->points[j->at].at.ca == ca && j->points[j->at].at.ioa == ioa)
            j->answer_ns = 0; /* the pump finds it */
}

void st_job_lost(struct st_channel *ch, const struct error *e)
{
    struct st_job *list = TAKE(ch->jobs), *j;
    while ((j = list) != NULL) {
        list = j->next;
        end_failed(ch, j, DRIVER_FAILED, e);
    }
}

void st_job_cancel_all(struct st_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    st_job_lost(ch, &e);
}
