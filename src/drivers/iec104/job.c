/* job.c - what somebody asked for: the queue of commands (command.c), test reads and browsing (read.c), tests of the
 * connection; how they end. Callbacks may change the queue, so it is walked anew after each that went away. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/iec104/iec104_int.h"

void st_job_free(struct st_job *j)
{
    if (j == NULL) return;
    mem_free(j->points);
    mem_free(j->errors);
    mem_free(j->readings);
    mem_free(j->raws);
    mem_free(j);
}

uint32_t st_ms_since(const struct st_channel *ch, uint64_t from)
{
    return (uint32_t)((st_now(ch) - from) / NS_MS);
}

int64_t st_utc(const struct st_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

struct st_job *st_job_new(struct st_channel *ch, enum st_job_kind kind, void *arg)
{
    struct st_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    j->kind = (uint8_t)kind;
    j->arg = arg;
    j->began_ns = st_now(ch);
    return j;
}

void st_job_push(struct st_channel *ch, struct st_job *j)
{
    struct st_job **p = &ch->jobs;
    while (*p) p = &(*p)->next;
    *p = j;
    if (ch->conn != CONN_UP) ch->connect_now = true;
    st_pump(ch);
}

void st_job_unlink(struct st_channel *ch, struct st_job *j)
{
    for (struct st_job **p = &ch->jobs; *p; p = &(*p)->next) {
        if (*p != j) continue;
        *p = j->next;
        ch->again = true; /* without jobs and points the connection goes */
        return;
    }
}

/* ---- ends; the job is off the list and gone after it ---- */

void st_job_end_write(struct st_channel *ch, struct st_job *j, enum driver_outcome outcome, const struct error *e)
{
    struct driver_write_result r = {.outcome = outcome, .error = e, .ms = st_ms_since(ch, j->began_ns)};
    for (size_t i = 0; i < ch->npoints && outcome == DRIVER_DONE; i++) {
        struct st_point *p = &ch->points[i];
        if (p->num != j->point || p->config_error) continue;
        if (p->at.klass == IEC104_IS_COMMAND) { /* what was commanded is all that is known of it */
            p->last = j->value;
            p->last.point = p->num;
            p->last.time_us = st_utc(ch);
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
    st_job_free(j);
    st_data_flush(ch);
}

void st_job_end_read(struct st_channel *ch, struct st_job *j, const struct error *e)
{
    for (; e && j->at < j->npoints; j->at++) {
        struct driver_reading *r = &j->readings[j->at];
        if (r->error) continue;
        j->errors[j->at] = *e;
        r->error = &j->errors[j->at];
        r->ms = st_ms_since(ch, j->began_ns);
        r->sample.time_us = st_utc(ch);
        r->sample.quality = QUALITY_BAD;
        r->sample.flags = REASON_COMM_FAILURE;
    }
    j->done.read(j->arg, j->readings, j->npoints);
    st_job_free(j);
}

static void end_test(struct st_channel *ch, struct st_job *j, const struct error *e)
{
    char en[340] = "", zh[340] = "";
    uint32_t ms = st_ms_since(ch, j->began_ns);
    if (e == NULL) {
        const char *host = ch->cfg.peer[ch->peer].host;
        unsigned port = ch->cfg.peer[ch->peer].port;
        const char *tls = ch->cfg.tls ? ", TLS" : "";
        snprintf(en, sizeof en, "connected to %s, port %u%s; STARTDT confirmed", host, port, tls);
        snprintf(zh, sizeof zh, "已连接 %s，端口 %u%s；启动传输（STARTDT）已确认", host, port, tls);
    }
    j->done.test(j->arg, e, ms, en, zh);
    st_job_free(j);
}

void st_job_end_failed(struct st_channel *ch, struct st_job *j, enum driver_outcome outcome, const struct error *e)
{
    struct error why = *e;
    switch (j->kind) {
    case JOB_WRITE: st_job_end_write(ch, j, j->sent ? DRIVER_UNKNOWN : outcome, &why); break;
    case JOB_READ: st_job_end_read(ch, j, &why); break;
    case JOB_TEST: end_test(ch, j, &why); break;
    default:
        j->done.browse(j->arg, &why, NULL, 0, NULL);
        st_job_free(j);
        break;
    }
}

/* ---- test ---- */

void st_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct st_channel *ch = (struct st_channel *)base;
    struct st_job *j = st_job_new(ch, JOB_TEST, arg);
    struct error e;
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, 0, "", "");
        return;
    }
    j->done.test = done;
    st_job_push(ch, j);
}

/* ---- the queue ---- */

static void go_test(struct st_channel *ch, struct st_job *j)
{
    st_job_unlink(ch, j);
    end_test(ch, j, NULL);
}

static void go(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    switch (j->kind) {
    case JOB_WRITE: st_command_go(ch, j, now); break;
    case JOB_READ: st_read_go(ch, j, now); break;
    case JOB_TEST: go_test(ch, j); break;
    default: st_browse_go(ch, j); break;
    }
}

static void overdue(struct st_channel *ch, struct st_job *j)
{
    if (j->kind == JOB_WRITE) {
        st_command_overdue(ch, j);
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
        if (st_command_past(j, now) || (j->answer_ns && j->answer_ns <= now && !ch->held)) return j;
    return NULL;
}

/* Callbacks may change the list, so it is walked anew after each that went away. */
void st_job_pump(struct st_channel *ch, uint64_t now)
{
    struct st_job *j, *next;
    while ((j = ripe(ch, now)) != NULL) {
        if (st_command_past(j, now))
            st_command_expired(ch, j);
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
    struct st_job *j = st_command_find(ch, a, o->ioa);
    if (j) {
        st_command_answer(ch, j, a);
        return true;
    }
    if (a->type->id != IEC104_C_RD_NA || (a->cause < IEC104_UNKNOWN_TYPE && !a->negative)) return false;
    for (j = ch->jobs; j; j = j->next) {
        if (j->kind != JOB_READ || !j->answer_ns || j->points[j->at].at.ioa != o->ioa) continue;
        if (a->cause == IEC104_UNKNOWN_TYPE || a->cause == IEC104_UNKNOWN_CAUSE) j->no_read = true;
        st_read_failed(ch, j, iec104_cause_words(a->cause, false), iec104_cause_words(a->cause, true));
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
        st_job_end_failed(ch, j, DRIVER_FAILED, e);
    }
}

void st_job_cancel_all(struct st_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    st_job_lost(ch, &e);
}
