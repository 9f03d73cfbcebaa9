/* command.c - commands and set-points. Each is carried out at most once:
 *   [select -> confirmed ->] execute -> confirmed -> terminated
 * Several may be under way, but one an object. What ends it early:
 *   refused (P/N, unknown type, cause, address)  REFUSED
 *   selection not confirmed                      FAILED: nothing was carried out
 *   execute not confirmed, or not terminated     UNKNOWN
 *   connection lost                              UNKNOWN after the execute, else FAILED */
#include <stdio.h>
#include "drivers/iec104/iec104_int.h"

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

void st_command_expired(struct st_channel *ch, struct st_job *j)
{
    struct error e;
    error_set(&e, ERR_TIMEOUT, "", "the command expired before it could be sent", "命令在发送前已过期");
    if (j->step == JOB_ASKING) transmit(ch, j, IEC104_DEACT, true); /* gives the selection back */
    st_job_unlink(ch, j);
    st_job_end_failed(ch, j, DRIVER_EXPIRED, &e);
}

bool st_command_past(const struct st_job *j, uint64_t now)
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
void st_command_go(struct st_channel *ch, struct st_job *j, uint64_t now)
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

void st_command_overdue(struct st_channel *ch, struct st_job *j)
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
    st_job_unlink(ch, j);
    st_job_end_failed(ch, j, DRIVER_FAILED, &e);
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
    st_job_unlink(ch, j);
    st_job_end_write(ch, j, DRIVER_REFUSED, &e);
}

static void write_ends(struct st_channel *ch, struct st_job *j)
{
    st_job_unlink(ch, j);
    st_job_end_write(ch, j, DRIVER_DONE, NULL);
}

static void write_confirmed(struct st_channel *ch, struct st_job *j, uint64_t now)
{
    if (j->step == JOB_SELECTED) {
        j->step = JOB_ASKING;
        j->answer_ns = 0;
        if (st_command_past(j, now))
            st_command_expired(ch, j);
        else
            execute(ch, j, now);
    } else if (j->step == JOB_EXECUTED && !j->wait_term) {
        write_ends(ch, j);
    } else if (j->step == JOB_EXECUTED) {
        j->step = JOB_CONFIRMED;
        j->answer_ns = now + ch->cfg.term_ms * NS_MS;
    }
}

struct st_job *st_command_find(const struct st_channel *ch, const struct iec104_asdu *a, uint32_t ioa)
{
    for (struct st_job *j = ch->jobs; j; j = j->next)
        if (j->kind == JOB_WRITE && (j->step == JOB_SELECTED || j->step == JOB_EXECUTED || j->step == JOB_CONFIRMED) &&
            j->type == a->type && j->ca == a->ca && j->object.ioa == ioa)
            return j;
    return NULL;
}

void st_command_answer(struct st_channel *ch, struct st_job *j, const struct iec104_asdu *a)
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
    if (p->config_error || p->command.klass != IEC104_IS_COMMAND)
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
    struct st_job *j = st_job_new(ch, JOB_WRITE, w->arg);
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        w->done(w->arg, &(struct driver_write_result){.outcome = DRIVER_FAILED, .error = &e});
        return;
    }
    j->done.write = w->done;
    j->deadline_ns = w->deadline_ns;
    if (prepare(ch, j, w, &e))
        st_job_end_failed(ch, j, DRIVER_REFUSED, &e);
    else
        st_job_push(ch, j);
}
