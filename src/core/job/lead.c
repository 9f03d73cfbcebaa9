/* lead.c - see core/lead.h: a lease of sql.h that is renewed every second. */
#include "core/lead.h"
#include <stdio.h>
#include <unistd.h>

#define RENEW_NS 1000000000ull
#define SURE_NS ((LEAD_S - 2) * 1000000000ull) /* longer than that without a renewal: another may lead */

void lead_init(struct lead *l, struct sql *db, const struct clock *clock, const struct rng *rng, const char *name)
{
    *l = (struct lead){.db = db, .clock = clock};
    pthread_mutex_init(&l->lock, NULL);
    char host[40] = "";
    if (gethostname(host, sizeof host - 1)) host[0] = '\0';
    snprintf(l->name, sizeof l->name, "%s", name);
    snprintf(l->owner, sizeof l->owner, "%s-%016llx", host, (unsigned long long)rng_u64(rng));
}

static void ask(struct lead *l, uint64_t now)
{
    struct error e = {0};
    l->asked_ns = now;
    int rc = sql_lease(l->db, l->name, l->owner, LEAD_S, l->holder, &e);
    if (rc < 0) return; /* as before, until it has run out */
    l->held = rc == 1;
    if (l->held) l->held_ns = now;
}

bool lead_held(struct lead *l)
{
    if (!sql_shared(l->db)) return true;
    pthread_mutex_lock(&l->lock);
    uint64_t now = clock_mono_ns(l->clock);
    if (!l->asked_ns || now - l->asked_ns >= RENEW_NS) ask(l, now);
    if (l->held && clock_mono_ns(l->clock) - l->held_ns > SURE_NS) l->held = false;
    bool held = l->held;
    pthread_mutex_unlock(&l->lock);
    return held;
}

void lead_drop(struct lead *l)
{
    pthread_mutex_lock(&l->lock);
    if (l->held) sql_lease_drop(l->db, l->name, l->owner);
    l->held = false;
    pthread_mutex_unlock(&l->lock);
}

void lead_fini(struct lead *l)
{
    pthread_mutex_destroy(&l->lock);
}
