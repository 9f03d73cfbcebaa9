/* job.c - what somebody asked for: a write, a test read, a test of the connection. One job at a time, its
 * requests one after the other, ahead of polls; writes ahead of the rest.
 *
 * A write is sent once. What the answer (or its absence) means for it stands in outcome_of(). */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/registry.h"
#include "drivers/modbus/modbus_int.h"

static void job_free(struct mb_job *j)
{
    if (j == NULL) return;
    mem_free(j->points);
    mem_free(j->errors);
    mem_free(j->readings);
    mem_free(j->bytes);
    mem_free(j);
}

static uint32_t ms_since(const struct mb_channel *ch, uint64_t from)
{
    return (uint32_t)((mb_now(ch) - from) / NS_MS);
}

static void push(struct mb_channel *ch, struct mb_job *j)
{
    struct mb_job **p = &ch->jobs;
    while (*p && (j->kind != JOB_WRITE || (*p)->kind == JOB_WRITE)) p = &(*p)->next;
    j->next = *p;
    *p = j;
    j->began_ns = mb_now(ch);
    if (ch->conn != CONN_UP) ch->connect_now = true;
    mb_wake_at(ch, j->began_ns);
}

/* ---- ends ---- */

static void end_write(struct mb_channel *ch, struct mb_job *j, struct driver_write_result r)
{
    r.ms = ms_since(ch, j->began_ns);
    if (r.outcome == DRIVER_DONE) ch->st.writes++;
    j->done.write(j->arg, &r);
}

static void end_read(struct mb_channel *ch, struct mb_job *j, const struct error *e)
{
    for (; e && j->at < j->npoints; j->at++) {
        struct driver_reading *r = &j->readings[j->at];
        j->errors[j->at] = *e;
        r->error = &j->errors[j->at];
        sample_bad(&r->sample, ch->base.host->now_us(ch->base.host->ctx), REASON_COMM_FAILURE);
    }
    j->done.read(j->arg, j->readings, j->npoints);
}

static void end_test(struct mb_channel *ch, struct mb_job *j, const struct error *e)
{
    char en[320] = "", zh[320] = "";
    uint32_t ms = ms_since(ch, j->began_ns);
    if (e == NULL) {
        bool serial = ch->cfg.link == &mb_link_serial;
        snprintf(en, sizeof en, serial ? "opened %s" : "connected to %s", ch->cfg.place);
        snprintf(zh, sizeof zh, serial ? "已打开 %s" : "已连接 %s", ch->cfg.place);
    }
    j->done.test(j->arg, e, ms, en, zh);
}

/* The job must be off the list. e: it was not carried out, for this reason. */
static void end_failed(struct mb_channel *ch, struct mb_job *j, enum driver_outcome outcome, const struct error *e)
{
    struct error why = *e;
    if (j->kind == JOB_WRITE)
        end_write(ch, j, (struct driver_write_result){.outcome = j->sent ? DRIVER_UNKNOWN : outcome, .error = &why});
    else if (j->kind == JOB_READ)
        end_read(ch, j, &why);
    else
        end_test(ch, j, &why);
    job_free(j);
}

/* Take the current job off; its call, if any, is forgotten. */
static struct mb_job *take_current(struct mb_channel *ch)
{
    struct mb_job *j = TAKE(ch->job);
    if (j && j->waiting) call_forget(ch, j);
    return j;
}

static void write_ends(struct mb_channel *ch, enum driver_outcome outcome, const struct error *e,
                       const struct sample *back, struct str text)
{
    struct mb_job *j = take_current(ch);
    struct driver_write_result r = {
        .outcome = outcome, .error = e, .has_readback = back != NULL, .text = text.p, .text_len = text.n};
    if (back) r.readback = *back;
    end_write(ch, j, r);
    job_free(j);
}

/* ---- write ---- */

static enum driver_outcome outcome_of(int rc, const struct modbus_response *r)
{
    if (rc != ERR_DEVICE) return DRIVER_UNKNOWN; /* time-out, lost, or an answer that makes no sense */
    switch (r->exception) {
    case MODBUS_EX_ACKNOWLEDGE: /* taken on, not finished */
    case MODBUS_EX_GATEWAY_TARGET: /* passed on, no answer from behind */ return DRIVER_UNKNOWN;
    default: return DRIVER_REFUSED;
    }
}

enum { STEP_WRITE, STEP_READ_FIRST, STEP_WRITE_MERGED, STEP_READ_BACK };

static void read_back_done(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                           const struct error *e)
{
    struct mb_job *j = c->owner;
    struct sample s = {.point = j->pt.num, .time_us = ch->base.host->now_us(ch->base.host->ctx)};
    char text[MB_TEXT_MAX];
    size_t n = 0;
    j->waiting = false;
    if (rc) { /* written, but what stands there now could not be read */
        write_ends(ch, DRIVER_DONE, NULL, NULL, STR_NULL);
        return;
    }
    mb_point_decode(&j->pt, r->data, 0, &s, text, &n);
    write_ends(ch, DRIVER_DONE, NULL, &s, str_make(text, n));
}

static bool mask_unknown(const struct mb_call *c, int rc, const struct modbus_response *r)
{
    return c->q.function == MODBUS_MASK_WRITE && rc == ERR_DEVICE && r->exception == MODBUS_EX_ILLEGAL_FUNCTION;
}

static void write_done(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                       const struct error *e)
{
    struct mb_job *j = c->owner;
    j->waiting = false;
    if (mask_unknown(c, rc, r)) {
        if (ch->stations[c->unit]) ch->stations[c->unit]->no_mask = true;
        j->sent = false;
        j->dev.mask_write = false;
        j->step = STEP_READ_FIRST;
    } else if (rc) {
        write_ends(ch, outcome_of(rc, r), e, NULL, STR_NULL);
    } else {
        j->step = STEP_READ_BACK;
    }
}

static void read_first_done(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                            const struct error *e)
{
    struct mb_job *j = c->owner;
    j->waiting = false;
    if (rc) {
        write_ends(ch, rc == ERR_DEVICE ? DRIVER_REFUSED : DRIVER_FAILED, e, NULL, STR_NULL);
        return;
    }
    uint16_t word = (uint16_t)((modbus_register(r->data, 0) & j->and_mask) | j->or_mask);
    j->raw[0] = (uint8_t)(word >> 8);
    j->raw[1] = (uint8_t)word;
    j->step = STEP_WRITE_MERGED;
}

static bool uses_mask(const struct mb_channel *ch, const struct mb_job *j)
{
    const struct mb_station *s = ch->stations[j->pt.unit];
    return j->dev.mask_write && !(s && s->no_mask);
}

static struct modbus_request coil_request(const struct mb_job *j)
{
    struct modbus_request q = {.function = MODBUS_WRITE_COIL, .address = j->pt.offset, .count = 1, .value = j->raw[0]};
    if (!j->dev.write_multiple) return q;
    q.function = MODBUS_WRITE_COILS;
    q.data = j->raw;
    q.data_n = 1;
    return q;
}

static struct modbus_request write_request(const struct mb_job *j)
{
    struct modbus_request q = {.function = MODBUS_WRITE_REGISTERS,
                               .address = j->pt.offset,
                               .count = j->pt.count,
                               .data = j->raw,
                               .data_n = 2 * (size_t)j->pt.count};
    if (j->pt.area == MODBUS_COIL) return coil_request(j);
    if (j->step == STEP_WRITE && j->and_mask != 0)
        return (struct modbus_request){
            .function = MODBUS_MASK_WRITE, .address = j->pt.offset, .and_mask = j->and_mask, .or_mask = j->or_mask};
    if (j->pt.count == 1 && !j->dev.write_multiple)
        return (struct modbus_request){
            .function = MODBUS_WRITE_REGISTER, .address = j->pt.offset, .value = modbus_register(j->raw, 0)};
    return q;
}

static struct mb_to job_to(const struct mb_channel *ch, const struct mb_job *j, uint8_t unit, bool again)
{
    return (struct mb_to){unit, again ? (uint8_t)ch->cfg.retries : 0, j->dev.timeout_ms};
}

static void send_write(struct mb_channel *ch, struct mb_job *j)
{
    struct modbus_request q;
    if (j->step == STEP_WRITE && j->and_mask != 0 && !uses_mask(ch, j)) j->step = STEP_READ_FIRST;
    j->waiting = true;
    if (j->step == STEP_READ_FIRST || j->step == STEP_READ_BACK) {
        q = mb_point_read(&j->pt);
        call_start(ch, job_to(ch, j, j->pt.unit, true), &q,
                   j->step == STEP_READ_FIRST ? read_first_done : read_back_done, j, 0);
        return;
    }
    q = write_request(j);
    j->sent = true;
    call_start(ch, job_to(ch, j, j->pt.unit, false), &q, write_done, j, 0);
}

static int prepare_write(struct mb_channel *ch, struct mb_job *j, const struct driver_write *w, struct error *e)
{
    struct mb_group *g;
    const struct mb_point *p = mb_find_point(ch, w->point, &g);
    uint16_t mask;
    if (p == NULL)
        return error_set(e, ERR_NOT_FOUND, "", "point %u is not served by this channel", "测点 %u 不属于此通道",
                         w->point);
    j->pt = *p;
    j->dev = ch->devices[g->device];
    if (!mb_point_writable(p))
        return error_set(e, ERR_INVALID, "", "inputs cannot be written; only coils (0) and holding registers (4)",
                         "输入区不可写；仅线圈（0）和保持寄存器（4）可写");
    if (p->count > MODBUS_WRITE_REGISTERS_MAX)
        return error_set(e, ERR_INVALID, "", "at most %d registers can be written at once", "一次最多写 %d 个寄存器",
                         MODBUS_WRITE_REGISTERS_MAX);
    if (g->broadcast && (p->bit >= 0 || value_type_bytes((enum value_type)p->value.type) == 1) && !j->dev.mask_write &&
        p->area == MODBUS_HOLDING)
        return error_set(e, ERR_INVALID, "", "a part of a register can be broadcast only by mask write (function 22)",
                         "广播写寄存器的一部分只能用屏蔽写（功能码 22）");
    int rc = mb_point_encode(p, &w->value, w->text, w->text_len, j->raw, &mask, e);
    if (mask != 0xffff) {
        j->and_mask = (uint16_t)~mask;
        j->or_mask = modbus_register(j->raw, 0) & mask;
    }
    return rc;
}

void mb_write(struct driver_channel *base, const struct driver_write *w)
{
    struct mb_channel *ch = (struct mb_channel *)base;
    struct error e = {0};
    struct mb_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        w->done(w->arg, &(struct driver_write_result){.outcome = DRIVER_FAILED, .error = &e});
        return;
    }
    j->kind = JOB_WRITE;
    j->done.write = w->done;
    j->arg = w->arg;
    j->deadline_ns = w->deadline_ns;
    j->began_ns = mb_now(ch);
    if (prepare_write(ch, j, w, &e)) {
        end_failed(ch, j, DRIVER_REFUSED, &e);
        return;
    }
    push(ch, j);
}

/* ---- test read ---- */

static void read_done(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                      const struct error *e)
{
    struct mb_job *j = c->owner;
    struct driver_reading *out = &j->readings[j->at];
    uint8_t *raw = j->bytes + j->at * 2 * MB_TEXT_MAX;
    char *text = (char *)raw + MB_TEXT_MAX;
    size_t n = 0;
    j->waiting = false;
    out->ms = ms_since(ch, j->asked_ns);
    out->sample.time_us = ch->base.host->now_us(ch->base.host->ctx);
    if (rc) {
        j->errors[j->at] = *e;
        out->error = &j->errors[j->at];
        sample_bad(&out->sample, out->sample.time_us, rc == ERR_DEVICE ? REASON_DEVICE_EXCEPTION : REASON_COMM_FAILURE);
    } else {
        out->raw_len = r->data_n < MB_TEXT_MAX ? r->data_n : MB_TEXT_MAX;
        memcpy(raw, r->data, out->raw_len);
        out->raw = raw;
        mb_point_decode(&j->points[j->at], r->data, 0, &out->sample, text, &n);
        if (out->sample.type == SAMPLE_STRING) out->text = text, out->text_len = n;
    }
    j->at++;
}

static void send_read(struct mb_channel *ch, struct mb_job *j)
{
    while (j->at < j->npoints && j->readings[j->at].error) j->at++;
    if (j->at >= j->npoints) {
        j = take_current(ch);
        end_read(ch, j, NULL);
        job_free(j);
        return;
    }
    struct modbus_request q = mb_point_read(&j->points[j->at]);
    j->waiting = true;
    j->asked_ns = mb_now(ch);
    call_start(ch, job_to(ch, j, j->points[j->at].unit, true), &q, read_done, j, 0);
}

static bool read_memory(struct mb_job *j, size_t n)
{
    j->npoints = n;
    j->points = mem_calloc(n + 1, sizeof *j->points);
    j->errors = mem_calloc(n + 1, sizeof *j->errors);
    j->readings = mem_calloc(n + 1, sizeof *j->readings);
    j->bytes = mem_calloc(n + 1, (size_t)2 * MB_TEXT_MAX);
    return j->points && j->errors && j->readings && j->bytes;
}

static void read_resolve(struct mb_channel *ch, struct mb_job *j, const struct driver_device *device,
                         const struct driver_point *points)
{
    mb_device_init(&j->dev, device, device ? device->options : NULL);
    for (size_t i = 0; i < j->npoints; i++) {
        struct driver_reading *r = &j->readings[i];
        r->sample = (struct sample){.point = points[i].num};
        int rc = mb_point_resolve(&points[i], &j->dev, &j->points[i], NULL, &j->errors[i]);
        if (rc == 0 && ch->cfg.broadcast && j->points[i].unit == 0)
            rc = error_set(&j->errors[i], ERR_INVALID, "address", "unit 0 is all stations: it can be written, not read",
                           "站号 0 为广播地址，只能写，不能读");
        if (rc == 0) continue;
        r->error = &j->errors[i];
        sample_bad(&r->sample, ch->base.host->now_us(ch->base.host->ctx), REASON_CONFIG_ERROR);
    }
}

void mb_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct mb_channel *ch = (struct mb_channel *)base;
    struct mb_job *j = mem_calloc(1, sizeof *j);
    if (j) j->kind = JOB_READ;
    if (j == NULL || n > 1000 || !read_memory(j, n)) {
        job_free(j);
        done(arg, NULL, 0);
        return;
    }
    j->done.read = done;
    j->arg = arg;
    read_resolve(ch, j, device, points);
    push(ch, j);
}

/* ---- test of the connection ---- */

static void test_done(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                      const struct error *e)
{
    struct mb_job *j = c->owner;
    j->waiting = false;
    j = take_current(ch);
    end_test(ch, j, rc && rc != ERR_DEVICE ? e : NULL); /* a refusal is an answer */
    job_free(j);
}

static void send_test(struct mb_channel *ch, struct mb_job *j)
{
    const struct mb_group *g = NULL;
    for (size_t i = 0; i < ch->ngroups && g == NULL; i++)
        if (!ch->groups[i]->broadcast) g = ch->groups[i];
    if (g == NULL) {
        j = take_current(ch);
        end_test(ch, j, NULL);
        job_free(j);
        return;
    }
    struct modbus_request q = mb_point_read(&g->points[0]);
    struct mb_to to = {g->station->unit, 0, ch->devices[g->device].timeout_ms};
    j->waiting = true;
    call_start(ch, to, &q, test_done, j, 0);
}

void mb_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct mb_channel *ch = (struct mb_channel *)base;
    struct error e;
    struct mb_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, 0, "", "");
        return;
    }
    j->kind = JOB_TEST;
    j->done.test = done;
    j->arg = arg;
    push(ch, j);
}

/* ---- the queue ---- */

static void expired(struct mb_channel *ch, struct mb_job *j)
{
    struct error e;
    error_set(&e, ERR_TIMEOUT, "", "the command expired before it could be sent", "命令在发送前已过期");
    end_failed(ch, j, DRIVER_EXPIRED, &e);
}

static bool past(const struct mb_job *j, uint64_t now)
{
    return j->deadline_ns && j->deadline_ns <= now && !j->sent;
}

void job_expire(struct mb_channel *ch, uint64_t now)
{
    if (ch->job && past(ch->job, now)) expired(ch, take_current(ch));
    for (struct mb_job **p = &ch->jobs; *p;) {
        struct mb_job *j = *p;
        if (!past(j, now)) {
            p = &j->next;
            continue;
        }
        *p = j->next;
        expired(ch, j);
        p = &ch->jobs; /* the callback may have changed the list */
    }
}

uint64_t job_next_deadline(const struct mb_channel *ch)
{
    uint64_t first = UINT64_MAX;
    if (ch->job && ch->job->deadline_ns && !ch->job->sent) first = ch->job->deadline_ns;
    for (const struct mb_job *j = ch->jobs; j; j = j->next)
        if (j->deadline_ns && j->deadline_ns < first) first = j->deadline_ns;
    return first;
}

static bool job_send(struct mb_channel *ch)
{
    static void (*const send[])(struct mb_channel *, struct mb_job *) = {
        [JOB_WRITE] = send_write, [JOB_READ] = send_read, [JOB_TEST] = send_test};
    if (ch->job == NULL && ch->jobs) {
        ch->job = ch->jobs;
        ch->jobs = ch->job->next;
    }
    if (ch->job == NULL || ch->job->waiting) return false;
    send[ch->job->kind](ch, ch->job);
    return true;
}

/* Connected: send what the jobs have to send. */
void job_start(struct mb_channel *ch, uint64_t now)
{
    while (ch->conn == CONN_UP && call_free(ch) && now >= ch->send_ns && job_send(ch)) continue;
}

static void end_all(struct mb_channel *ch, enum driver_outcome outcome, const struct error *e)
{
    struct mb_job *list = TAKE(ch->jobs), *j = take_current(ch);
    if (j) end_failed(ch, j, outcome, e);
    while ((j = list) != NULL) {
        list = j->next;
        end_failed(ch, j, outcome, e);
    }
}

void job_connect_failed(struct mb_channel *ch, const struct error *e)
{
    end_all(ch, DRIVER_FAILED, e);
}

void job_cancel_all(struct mb_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    end_all(ch, DRIVER_FAILED, &e);
}
