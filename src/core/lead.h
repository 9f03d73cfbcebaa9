/* lead.h - what must be done once although several processes share one database (job/lead.c).
 *
 * A part of the platform asks before each round of its work whether this process leads it; the answer costs
 * nothing between renewals (SQL otherwise, so: worker threads only). Whoever leads and dies is followed by
 * another within LEAD_S; whoever cannot reach the database stops leading before its lease has run out. On a
 * database of one process the answer is always yes. Any thread. */
#pragma once
#include <pthread.h>
#include "io/clock.h"
#include "store/sql.h"

#define LEAD_S 6
struct lead {
    struct sql *db;
    const struct clock *clock;
    char name[32], owner[64], holder[64]; /* holder: who leads, as far as is known; lock */
    pthread_mutex_t lock;                 /* all below */
    uint64_t asked_ns, held_ns;           /* 0: never */
    bool held;
};
void lead_init(struct lead *l, struct sql *db, const struct clock *clock, const struct rng *rng, const char *name);
bool lead_held(struct lead *l);
void lead_drop(struct lead *l); /* at the end, so that the next need not wait */
void lead_fini(struct lead *l);
