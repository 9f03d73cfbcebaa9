/* run.h - a query of history at work: opened from parameters, stepped until it is done, feeding an answer.
 *
 * A run owns everything that it needs (its arena, the texts of its points), so that it may outlive the request
 * that opened it; it borrows the node. One thread at a time. Each step reads a bounded stretch: whoever steps
 * can stop between two steps (the client has gone) and free the run. */
#pragma once
#include "core/node.h"
#include "modules/history/answer.h"
#include "modules/history/params.h"

struct run;
/* Who asks. For a request: api_call; for a stream: the principal behind its ticket. */
struct run_caller {
    struct node *node;
    const struct actor *actor; /* only during run_open */
    bool zh;
    size_t max_points; /* LIMIT_QUERY_POINTS, LIMIT_QUERY_POINTS_POST */
};
/* kind: "recorded", "interpolated", "plot", "aligned", "aggregate"; anything else is ERR_INVALID at "kind".
 * Everything is checked here: errors name the parameter. */
MUST_CHECK int run_open(const struct run_caller *by, const char *kind, const struct params *p, struct run **ret,
                        struct error *e);
const struct answer_head *run_head(const struct run *r); /* for answer_new; lives as long as the run */
/* 1: goes on, 0: done, negative: failed (the answer is worth nothing then). */
MUST_CHECK int run_step(struct run *r, struct answer *to, struct error *e);
uint64_t run_samples(const struct run *r); /* so far: samples, or rows x functions */
void run_free(struct run *r);
