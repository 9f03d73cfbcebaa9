/* station.c - what is asked of each common address: clock, general interrogation, counters; after each connect and by
 * period. One procedure of a station at a time: sent, confirmed, terminated (the clock: confirmed). */
#include <stdio.h>
#include "drivers/iec104/iec104_int.h"

#define RETRY_NS (60 * 1000 * NS_MS) /* after one that failed, where no period is set */

static const struct {
    uint8_t type, qualifier;
    bool terminates;
    const char *en, *zh;
} procs[PROC_COUNT] = {
    [PROC_CLOCK] = {IEC104_C_CS_NA, 0, false, "clock synchronization", "对时"},
    [PROC_GENERAL] = {IEC104_C_IC_NA, 20, true, "general interrogation", "总召唤"},
    [PROC_COUNTER] = {IEC104_C_CI_NA, 5, true, "counter interrogation", "累计量召唤"},
};

static bool at_start(const struct st_channel *ch, enum st_procedure p)
{
    return p == PROC_GENERAL || (p == PROC_CLOCK ? ch->cfg.clock : ch->cfg.counters);
}

void st_proc_connected(struct st_channel *ch)
{
    for (size_t i = 0; i < ch->nstations; i++) {
        struct st_station *s = &ch->stations[i];
        s->trouble.code = 0;
        for (int p = 0; p < PROC_COUNT; p++) s->proc[p] = (struct st_proc){0};
    }
}

static bool busy(const struct st_station *s)
{
    for (int p = 0; p < PROC_COUNT; p++)
        if (s->proc[p].step >= STEP_SENT) return true;
    return false;
}

static void schedule(struct st_channel *ch, struct st_proc *r, enum st_procedure p, bool well, uint64_t now)
{
    uint64_t period = ch->cfg.period_ns[p];
    r->step = STEP_IDLE;
    r->done = true;
    r->due_ns = period ? now + period : 0;
    if (!well && (period == 0 || period > RETRY_NS)) r->due_ns = now + RETRY_NS;
}

/* The group after g, or 0: none. Group 0 is the whole station. */
static uint8_t next_group(const struct st_station *s, uint8_t g)
{
    if (s->groups & 1 || s->groups == 0) return 0;
    for (g++; g <= 16; g++)
        if (s->groups >> g & 1) return g;
    return 0;
}

static uint8_t qualifier_of(const struct st_station *s, enum st_procedure p)
{
    return (uint8_t)(procs[p].qualifier + (p == PROC_GENERAL ? s->group : 0));
}

static void finish(struct st_channel *ch, struct st_station *s, enum st_procedure p, uint64_t now)
{
    schedule(ch, &s->proc[p], p, true, now);
    s->trouble.code = 0;
    if (p != PROC_CLOCK) ch->st.polls++;
    if (p == PROC_CLOCK) s->nclock = 0; /* measured anew */
    if (p == PROC_GENERAL) st_data_tell_missing(ch, s->ca);
    st_refresh_state(ch);
}

static void fail(struct st_channel *ch, struct st_station *s, enum st_procedure p, const char *en, const char *zh)
{
    const struct driver_host *h = ch->base.host;
    uint16_t ca = s->ca;
    schedule(ch, &s->proc[p], p, false, st_now(ch));
    error_set(&s->trouble, ERR_DEVICE, "", "common address %u: %s%.0s %s%.0s", "公共地址 %u：%.0s%s%.0s%s", ca,
              procs[p].en, procs[p].zh, en, zh);
    h->log(h->ctx, DRIVER_LOG_WARN, "a procedure of the station failed", s->trouble.text);
    if (p == PROC_GENERAL) st_data_tell_missing(ch, ca);
    st_refresh_state(ch);
}

/* ---- going ---- */

static bool send_proc(struct st_channel *ch, struct st_station *s, enum st_procedure p, uint64_t now)
{
    struct iec104_asdu head = {.type = iec104_type(procs[p].type), .cause = IEC104_ACT, .ca = s->ca};
    struct iec104_object o = {.i = qualifier_of(s, p)};
    if (p == PROC_CLOCK) o.time = st_time(ch);
    if (!st_send(ch, &head, &o)) return false;
    s->proc[p].step = STEP_SENT;
    s->proc[p].sent_ns = now;
    s->proc[p].deadline_ns = now + ch->cfg.answer_ms * NS_MS;
    return true;
}

static void want(struct st_station *s, enum st_procedure p)
{
    s->proc[p].step = STEP_WANTED;
    if (p == PROC_GENERAL) s->group = next_group(s, 0);
}

void st_proc_want(struct st_channel *ch, struct st_station *s, enum st_procedure p)
{
    if (s->proc[p].step == STEP_IDLE) want(s, p);
}

static void wish(struct st_channel *ch, struct st_station *s, uint64_t now)
{
    for (int p = 0; p < PROC_COUNT; p++) {
        struct st_proc *r = &s->proc[p];
        if (r->step != STEP_IDLE || !s->wanted) continue;
        if (!r->done ? at_start(ch, (enum st_procedure)p) : r->due_ns && now >= r->due_ns)
            want(s, (enum st_procedure)p);
    }
}

static void overdue(struct st_channel *ch, struct st_station *s, uint64_t now)
{
    for (int p = 0; p < PROC_COUNT; p++) {
        struct st_proc *r = &s->proc[p];
        if (r->step < STEP_SENT || now < r->deadline_ns) continue;
        ch->st.timeouts++;
        if (r->step == STEP_SENT)
            fail(ch, s, (enum st_procedure)p, "was not confirmed", "未得到确认");
        else
            fail(ch, s, (enum st_procedure)p, "did not end", "没有结束");
    }
}

void st_proc_pump(struct st_channel *ch, uint64_t now)
{
    for (size_t i = 0; i < ch->nstations && st_started(ch); i++) {
        struct st_station *s = &ch->stations[i];
        overdue(ch, s, now);
        wish(ch, s, now);
        for (int p = 0; p < PROC_COUNT && !busy(s); p++)
            if (s->proc[p].step == STEP_WANTED && !send_proc(ch, s, (enum st_procedure)p, now)) return;
    }
}

uint64_t st_proc_deadline(const struct st_channel *ch)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < ch->nstations && st_started(ch); i++) {
        for (int p = 0; p < PROC_COUNT; p++) {
            const struct st_proc *r = &ch->stations[i].proc[p];
            uint64_t at = r->step >= STEP_SENT ? r->deadline_ns : r->step == STEP_IDLE && r->due_ns ? r->due_ns : first;
            if (at < first) first = at;
        }
    }
    return first;
}

/* ---- coming ---- */

static void confirmed(struct st_channel *ch, struct st_station *s, enum st_procedure p, uint64_t now)
{
    struct st_proc *r = &s->proc[p];
    uint32_t us = (uint32_t)((now - r->sent_ns) / 1000);
    ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + us / 8 : us;
    s->last_ok_us = ch->st.last_ok_us = ch->base.host->now_us(ch->base.host->ctx);
    if (!procs[p].terminates) {
        finish(ch, s, p, now);
        return;
    }
    r->step = STEP_CONFIRMED;
    r->deadline_ns = now + ch->cfg.term_ms * NS_MS;
}

static void refused(struct st_channel *ch, struct st_station *s, enum st_procedure p, const struct iec104_asdu *a)
{
    char en[80], zh[80];
    bool named = a->cause >= IEC104_UNKNOWN_TYPE;
    snprintf(en, sizeof en, "was refused%s%s", named ? ": " : "", named ? iec104_cause_words(a->cause, false) : "");
    snprintf(zh, sizeof zh, "被拒绝%s%s", named ? "：" : "", named ? iec104_cause_words(a->cause, true) : "");
    ch->st.errors++;
    fail(ch, s, p, en, zh);
}

static void terminated(struct st_channel *ch, struct st_station *s, enum st_procedure p, uint64_t now)
{
    uint8_t next = p == PROC_GENERAL && s->group ? next_group(s, s->group) : 0;
    if (next == 0) {
        finish(ch, s, p, now);
        return;
    }
    s->group = next;
    s->proc[p].step = STEP_WANTED;
}

bool st_proc_answer(struct st_channel *ch, const struct iec104_asdu *a, const struct iec104_object *o)
{
    struct st_station *s = st_station_find(ch, a->ca);
    int p = 0;
    while (p < PROC_COUNT && procs[p].type != a->type->id) p++;
    if (p == PROC_COUNT) return false;
    if (s == NULL || s->proc[p].step < STEP_SENT || (p != PROC_CLOCK && o->i != qualifier_of(s, (enum st_procedure)p)))
        return true;
    uint64_t now = st_now(ch);
    if (a->negative || a->cause >= IEC104_UNKNOWN_TYPE)
        refused(ch, s, (enum st_procedure)p, a);
    else if (a->cause == IEC104_ACTCON && s->proc[p].step == STEP_SENT)
        confirmed(ch, s, (enum st_procedure)p, now);
    else if (a->cause == IEC104_ACTTERM)
        terminated(ch, s, (enum st_procedure)p, now);
    return true;
}

void st_proc_delayed(struct st_channel *ch, uint64_t ns)
{
    for (size_t i = 0; i < ch->nstations; i++)
        for (int p = 0; p < PROC_COUNT; p++)
            if (ch->stations[i].proc[p].step >= STEP_SENT) ch->stations[i].proc[p].deadline_ns += ns;
}
