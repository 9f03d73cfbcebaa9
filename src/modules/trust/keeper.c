/* keeper.c - the module's thread: makes what protocols have asked for, records certificates that nobody knew, keeps
 * "last seen" to the day, and tells 30, 14, 7 and 1 days before a certificate ends, and when it has. */
#include "base/mem.h"
#include "base/time.h"
#include "io/log.h"
#include "modules/trust/trust.h"

#define LOOK_S 3600         /* for certificates that will end */
#define RETRY_US 60000000LL /* when one could not be made */

/* ---- what is asked for ---- */

static bool next_wanted(struct trust_book *t, char purpose[TRUST_PURPOSE_MAX])
{
    bool any = false;
    int64_t now = clock_now_us(t->node->clock);
    pthread_mutex_lock(&t->lock);
    for (struct trust_own *o = t->own; o && !any; o = o->next) {
        if (o->cert || now < o->retry_us) continue;
        any = true;
        o->retry_us = now + RETRY_US;
        memcpy(purpose, o->purpose, TRUST_PURPOSE_MAX);
    }
    pthread_mutex_unlock(&t->lock);
    return any;
}

/* It may have been made meanwhile, here or by another process. */
static int make_own(struct trust_book *t, const char *purpose, struct error *e)
{
    AUTO_ARENA a;
    struct resource r;
    arena_init(&a, 8 << 20);
    pthread_mutex_lock(&t->making);
    int rc = resource_get(t->node->kernel, &a, "own_certificate", str_of(purpose), &r, e);
    bool made = rc == ERR_NOT_FOUND;
    if (made) rc = trust_own_make(t, &a, &actor_system, purpose, STR_NULL, STR_NULL, &r, e);
    pthread_mutex_unlock(&t->making);
    if (rc) return rc;
    struct change c = {.op = CHANGE_UPDATE, .kind = STR("own_certificate"), .id = r.id, .code = r.code};
    trust_own_changed(t, t->node->kernel, &c, 1); /* now, not when the hook comes */
    if (made) log_info("trust", "a certificate of this node was made", "purpose=%s", purpose);
    return 0;
}

static void make_all(struct trust_book *t)
{
    char purpose[TRUST_PURPOSE_MAX];
    struct error e = {0};
    while (next_wanted(t, purpose))
        if (make_own(t, purpose, &e))
            log_error("trust", "a certificate of this node cannot be made", "purpose=%s err=\"%s\"", purpose, e.text);
}

/* ---- who is new ---- */

static void tell_new(struct trust_book *t, const struct resource *r)
{
    char en[300], zh[300];
    struct str subject = str_sub(json_str(json_get(r->spec, "subject"), STR("")), 0, 120);
    snprintf(en, sizeof en, "A certificate waits for a decision: %.*s", STR_ARG(subject));
    snprintf(zh, sizeof zh, "有证书等待确认：%.*s", STR_ARG(subject));
    struct event ev = {.topic = "certificate.unknown",
                       .severity = EVENT_WARNING,
                       .title_en = str_of(en),
                       .title_zh = str_of(zh),
                       .kind = STR("peer_certificate"),
                       .id = r->id,
                       .link = STR("/peer-certificates"),
                       .need = ACT_APPROVE};
    kernel_event(t->node->kernel, &ev);
}

static void record(struct trust_book *t, const struct trust_pending *p)
{
    AUTO_ARENA a;
    struct resource r;
    struct error e = {0};
    arena_init(&a, 8 << 20);
    int rc = trust_peer_record(t, &a, &actor_system, p->purpose, str_make((const char *)p->der, p->n), &r, &e);
    if (rc) {
        log_warn("trust", "a certificate of a peer cannot be recorded", "purpose=%s err=\"%s\"", p->purpose, e.text);
        return;
    }
    struct change c = {.op = CHANGE_CREATE, .kind = STR("peer_certificate"), .id = r.id, .code = r.code};
    trust_peer_changed(t, t->node->kernel, &c, 1);
    tell_new(t, &r);
}

static void record_all(struct trust_book *t)
{
    for (;;) {
        pthread_mutex_lock(&t->lock);
        struct trust_pending p = {0};
        bool any = t->npending > 0;
        if (any) p = t->pending[0];
        pthread_mutex_unlock(&t->lock);
        if (!any) return;
        record(t, &p);
        pthread_mutex_lock(&t->lock); /* it stayed in the list so that nobody put it there again */
        memmove(t->pending, t->pending + 1, --t->npending * sizeof t->pending[0]);
        pthread_mutex_unlock(&t->lock);
        mem_free(p.der);
    }
}

static void keep_seen(struct trust_book *t)
{
    for (;;) {
        struct trust_peer p = {0};
        pthread_mutex_lock(&t->lock);
        for (size_t i = 0; i < t->npeers && !p.id[0]; i++) {
            if (t->peers[i].seen_us - t->peers[i].stored_us < TRUST_DAY_US) continue;
            t->peers[i].stored_us = t->peers[i].seen_us;
            p = t->peers[i];
        }
        pthread_mutex_unlock(&t->lock);
        if (!p.id[0]) return;
        if (trust_peer_seen(t, p.id, p.seen_us)) return; /* tomorrow again */
    }
}

/* ---- what will end ---- */

/* Of 30, 14, 7, 1 the smallest that the days left are not above; 0: it has ended; -1: time enough. */
static int step_of(int64_t until_us, int64_t now)
{
    static const int steps[] = {1, 7, 14, 30};
    if (until_us <= 0) return -1;
    if (until_us <= now) return 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (until_us - now <= steps[i] * TRUST_DAY_US) return steps[i];
    return -1;
}

struct ending {
    char id[37], purpose[TRUST_PURPOSE_MAX];
    bool own;
    int step;
    int64_t until_us;
};

static void tell_ending(struct trust_book *t, const struct ending *x)
{
    char en[300], zh[300], until[TIME_TEXT_MAX];
    time_format(x->until_us, until);
    snprintf(en, sizeof en, "%s certificate (%s) %s on %.10s", x->own ? "This node's" : "A peer's", x->purpose,
             x->step ? "ends" : "has ended", until);
    snprintf(zh, sizeof zh, "%s证书（%s）%s于 %.10s 到期", x->own ? "本机" : "对端", x->purpose, x->step ? "将" : "已",
             until);
    struct event ev = {.topic = "certificate.expiring",
                       .severity = x->step ? EVENT_WARNING : EVENT_ERROR,
                       .title_en = str_of(en),
                       .title_zh = str_of(zh),
                       .text_en = x->own ? STR("Renew it and have the peers trust the new one.")
                                         : STR("Renew it at the peer."),
                       .text_zh = x->own ? STR("请续期，并让对端信任新证书。") : STR("请在对端更新证书。"),
                       .kind = x->own ? STR("own_certificate") : STR("peer_certificate"),
                       .id = str_of(x->id),
                       .link = x->own ? STR("/own-certificates") : STR("/peer-certificates"),
                       .need = x->own ? ACT_ADMIN : ACT_APPROVE};
    kernel_event(t->node->kernel, &ev);
}

/* A step that was told, or a later one, is not told again until the certificate is another one. */
static bool is_news(int step, int *told)
{
    if (step < 0 || (*told >= 0 && step >= *told)) return false;
    *told = step;
    return true;
}

static bool next_ending(struct trust_book *t, struct ending *ret)
{
    int64_t now = clock_now_us(t->node->clock);
    bool any = false;
    pthread_mutex_lock(&t->lock);
    for (struct trust_own *o = t->own; o && !any; o = o->next) {
        if (!o->cert || !is_news(step_of(o->until_us, now), &o->told)) continue;
        *ret = (struct ending){.own = true, .step = o->told, .until_us = o->until_us};
        memcpy(ret->id, o->id, sizeof ret->id);
        memcpy(ret->purpose, o->purpose, sizeof ret->purpose);
        any = true;
    }
    for (size_t i = 0; i < t->npeers && !any; i++) {
        struct trust_peer *p = &t->peers[i];
        if (p->state != TRUST_TRUSTED || !is_news(step_of(p->until_us, now), &p->told)) continue;
        *ret = (struct ending){.step = p->told, .until_us = p->until_us};
        memcpy(ret->id, p->id, sizeof ret->id);
        memcpy(ret->purpose, p->purpose, sizeof ret->purpose);
        any = true;
    }
    pthread_mutex_unlock(&t->lock);
    return any;
}

/* ---- the thread ---- */

void trust_work(struct trust_book *t)
{
    struct ending x;
    make_all(t);
    record_all(t);
    keep_seen(t);
    while (next_ending(t, &x)) tell_ending(t, &x);
}

static bool something_to_do(const struct trust_book *t)
{
    bool any = t->npending > 0;
    for (const struct trust_own *o = t->own; o && !any; o = o->next)
        any = !o->cert && clock_now_us(t->node->clock) >= o->retry_us;
    return any;
}

static void *run(void *ctx)
{
    struct trust_book *t = ctx;
    struct timespec until;
    pthread_setname_np(pthread_self(), "trust");
    pthread_mutex_lock(&t->lock);
    while (!t->stopping) {
        pthread_mutex_unlock(&t->lock);
        trust_work(t);
        pthread_mutex_lock(&t->lock);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_S;
        if (!t->stopping && !something_to_do(t)) pthread_cond_timedwait(&t->wake, &t->lock, &until);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

int trust_keeper_start(struct trust_book *t, struct error *e)
{
    if (pthread_create(&t->thread, NULL, run, t))
        return error_set(e, ERR_LIMIT, "trust", "cannot start the thread", "无法启动线程");
    t->threaded = true;
    return 0;
}

void trust_keeper_stop(struct trust_book *t)
{
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    if (t->threaded) pthread_join(t->thread, NULL);
    t->threaded = false;
}
