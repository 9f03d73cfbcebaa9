/* ledger.h - which records of a journal have reached the receiver, when they may do so out of order: the newest go
 * first (live), what an outage left behind goes beside them (backlog). Pure.
 *
 * Records have numbers from 1. All up to `acked` are done. Above it stand spans, sorted and disjoint: pending or under
 * way (TAKEN), or DONE before their turn. What no span covers, up to `last`, is backlog. Neighbouring DONE spans are
 * one, so the table stays about as long as what is under way. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

struct span {
    uint64_t from, to; /* inclusive */
    bool done;
};
struct ledger {
    uint64_t acked, last;
    struct span *spans;
    size_t n, cap;
};

void ledger_init(struct ledger *l, uint64_t acked, uint64_t last);
void ledger_fini(struct ledger *l);
/* A new record, or a stretch of the backlog, is somebody's now. Above `last`: `last` grows with it. ERR_NOMEM. */
MUST_CHECK int ledger_take(struct ledger *l, uint64_t from, uint64_t to);
/* What was taken has arrived. */
void ledger_done(struct ledger *l, uint64_t from, uint64_t to);
/* What was taken is backlog again. */
void ledger_back(struct ledger *l, uint64_t from, uint64_t to);
/* A record that nobody takes now: backlog. */
void ledger_leave(struct ledger *l, uint64_t seq);
/* The oldest stretch of backlog; false: there is none. */
bool ledger_backlog(const struct ledger *l, uint64_t *ret_from, uint64_t *ret_to);
uint64_t ledger_waiting(const struct ledger *l); /* records not done */
