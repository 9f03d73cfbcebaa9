/* host_alarm.c - alarms for outlets: the open ones, what happens to them, acknowledging. */
#include "core/alarms.h"
#include "modules/forward/host_int.h"

/* ISA-18.2 priorities as OPC UA severities (Part 9, 5.5.2 and Annex: higher is worse). */
static unsigned severity_of(unsigned priority)
{
    static const unsigned severities[] = {500, 900, 700, 500, 200};
    return severities[priority < 5 ? priority : 0];
}

static struct outlet_alarm outlet_alarm_of(const struct fwd *f, const struct alarm_view *v)
{
    size_t slot = f->line ? f_line_slot(f->line, v->num) : SIZE_MAX;
    return (struct outlet_alarm){.id = v->id,
                                 .slot = slot == SIZE_MAX ? UINT32_MAX : (uint32_t)slot,
                                 .rule = v->rule,
                                 .message_en = v->title_en,
                                 .message_zh = v->title_zh,
                                 .severity = severity_of(v->priority),
                                 .active = v->active,
                                 .acknowledged = v->acknowledged,
                                 .active_us = v->active_us,
                                 .changed_us = v->changed_us,
                                 .who = v->who,
                                 .comment = v->comment};
}

/* A copy that outlives the lock of the alarms. */
struct alarm_copy {
    struct alarm_view v;
    char en[400], zh[400], who[64], comment[400];
};
struct alarm_copies {
    struct alarm_copy *at;
    size_t n, cap;
};

static void copy_alarm(struct alarm_copy *to, const struct alarm_view *v)
{
    to->v = *v;
    snprintf(to->en, sizeof to->en, "%s", v->title_en);
    snprintf(to->zh, sizeof to->zh, "%s", v->title_zh);
    snprintf(to->who, sizeof to->who, "%s", v->who);
    snprintf(to->comment, sizeof to->comment, "%s", v->comment);
}

static void point_copy(struct alarm_copy *c)
{
    c->v.title_en = c->en;
    c->v.title_zh = c->zh;
    c->v.who = c->who;
    c->v.comment = c->comment;
}

static void add_alarm(void *arg, const struct alarm_view *v)
{
    struct alarm_copies *l = arg;
    if (mem_grow((void **)&l->at, &l->cap, l->n + 1, sizeof *l->at)) copy_alarm(&l->at[l->n++], v);
}

void host_alarms(void *ctx, outlet_alarms_done *done, void *arg)
{
    struct fwd *f = ctx;
    const struct alarm_source *src = f->run->node->alarms;
    struct alarm_copies l = {0};
    size_t n = 0;
    if (src) src->each(src->ctx, add_alarm, &l);
    AUTO_FREE struct outlet_alarm *list = mem_calloc(l.n + 1, sizeof *list);
    for (size_t i = 0; list && i < l.n; i++) {
        point_copy(&l.at[i]);
        list[n] = outlet_alarm_of(f, &l.at[i].v);
        if (list[n].slot != UINT32_MAX) n++;
    }
    done(arg, NULL, list, n);
    mem_free(l.at);
}

struct alarm_post {
    struct run *run;
    struct alarm_copy c;
};

static void do_alarm(void *arg)
{
    struct alarm_post *p = arg;
    struct run *r = p->run;
    point_copy(&p->c);
    for (size_t i = 0; i < r->n; i++) {
        struct fwd *f = r->fwds[i];
        struct outlet_alarm a = outlet_alarm_of(f, &p->c.v);
        if (f->outlet->alarm && !f->closing && a.slot != UINT32_MAX) f->outlet->alarm(f->ch, &a);
    }
    mem_free(p);
}

void fwd_run_alarm(void *run, const struct alarm_view *v)
{
    struct run *r = run;
    struct alarm_post *p = mem_alloc(sizeof *p);
    if (!p) return;
    p->run = r;
    copy_alarm(&p->c, v);
    if (loop_post(r->loop, do_alarm, p)) mem_free(p);
}

static void work_ack(void *arg)
{
    struct call *c = arg;
    struct node *n = c->f->run->node;
    struct actor by;
    AUTO_ARENA a;
    arena_init(&a, 1u << 20);
    if (!fwd_call_actor(c, &a, &by) && n->alarms)
        (void)!n->alarms->ack(n->alarms->ctx, &by, str_of(c->peer ? c->peer : ""), str_of(c->text ? c->text : ""),
                              &c->error);
    fwd_call_home(c);
}

void host_alarm_ack(void *ctx, const char *id, const char *user, const char *comment, outlet_done *done, void *arg)
{
    struct fwd *f = ctx;
    struct error e = {0};
    struct call *c = fwd_call_new(f, CALL_ACK, UINT32_MAX);
    if (!c)
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    else if (!f->line || !f->line->writes)
        error_set(&e, ERR_FORBIDDEN, "", "this forwarding allows no changes", "此转发不允许更改");
    if (e.code) {
        if (c) fwd_call_free(c);
        done(arg, &e);
        return;
    }
    c->q.login.done = done;
    c->q.login.arg = arg;
    c->peer = mem_strdup(id);
    if (user && user[0]) c->user = mem_strdup(user);
    c->text = mem_strdup(comment ? comment : "");
    fwd_call_start(c, f->run->asking, work_ack);
}
