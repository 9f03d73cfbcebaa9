/* outside.c - the alarms for other parts of the platform: core/alarms.h. */
#include <math.h>
#include "base/mem.h"
#include "modules/alarms/alarms.h"

static struct alarm_view view_of(const struct alarm_item *it, char en[400], char zh[400])
{
    struct alarm_view v = {.num = it->num,
                           .rule = alarm_condition_name(it->cond),
                           .title_en = en,
                           .title_zh = zh,
                           .priority = it->priority,
                           .active = alarm_active(it->state),
                           .acknowledged = !alarm_unacked(it->state),
                           .active_us = it->raised_us,
                           .changed_us = it->raised_us,
                           .who = it->acked_by,
                           .comment = it->comment};
    alarms_titles(it, true, en, zh);
    if (it->cleared_us > v.changed_us) v.changed_us = it->cleared_us;
    if (it->acked_us > v.changed_us) v.changed_us = it->acked_us;
    snprintf(v.id, sizeof v.id, "%u-%s", it->num, v.rule);
    return v;
}

struct telling {
    alarm_fn *fn;
    void *arg;
};

static void tell(void *ctx, const struct alarm_item *it)
{
    struct telling *t = ctx;
    char en[400], zh[400];
    struct alarm_view v = view_of(it, en, zh);
    t->fn(t->arg, &v);
}

static void outside_each(void *ctx, alarm_fn *fn, void *arg)
{
    struct telling t = {fn, arg};
    book_each(((struct alarms *)ctx)->book, tell, &t);
}

static int outside_watch(void *ctx, alarm_fn *fn, void *arg)
{
    struct alarms *a = ctx;
    if (a->nwatchers == ALARM_WATCHERS) return ERR_LIMIT;
    a->watchers[a->nwatchers].fn = fn;
    a->watchers[a->nwatchers++].arg = arg;
    return 0;
}

void alarms_tell(struct alarms *a, const struct alarm_item *it)
{
    for (unsigned i = 0; i < a->nwatchers && !it->shelved_until_us; i++)
        tell(&(struct telling){a->watchers[i].fn, a->watchers[i].arg}, it);
}

int alarms_ack(struct alarms *a, const char *login, uint32_t num, int cond, struct str comment, uint64_t *seq,
               struct error *e)
{
    struct alarm_words *w = mem_calloc(1, sizeof *w);
    if (w) {
        snprintf(w->login, sizeof w->login, "%s", login);
        str_to_cstr(comment, w->text, sizeof w->text);
    }
    int rc = w ? engine_ack(a->engine, num, cond, w, seq) : ERR_NOMEM;
    if (rc) mem_free(w);
    if (rc == ERR_AGAIN)
        return error_set(e, rc, "", "too much is happening to take it now; try again", "当前报警过多，请稍后重试");
    return rc == ERR_NOT_FOUND ? ERR_CONFLICT : rc; /* it has ended meanwhile */
}

static int outside_ack(void *ctx, const struct actor *by, struct str id, struct str comment, struct error *e)
{
    struct alarms *a = ctx;
    uint32_t num;
    int cond;
    uint64_t seq = 0;
    int rc = alarms_check(a, by, id, &num, &cond, e);
    if (!rc) rc = alarms_ack(a, by->login, num, cond, comment, &seq, e);
    if (rc == ERR_CONFLICT)
        return error_set(e, ERR_EXISTS, "id", "this alarm needs no acknowledgement (any more)",
                         "该报警无需确认（或已确认）");
    return rc ? rc : alarms_written(a, seq, e);
}

void alarms_outside_init(struct alarms *a)
{
    a->source = (struct alarm_source){outside_each, outside_watch, outside_ack, a};
    a->node->alarms = &a->source;
}
