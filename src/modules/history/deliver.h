/* deliver.h - an answer of any length over HTTP: what is short goes as one body, with errors as problems; what is
 * long is pulled piece by piece as the client reads, and ends with it. */
#pragma once
#include "core/api.h"
#include "modules/history/answer.h"
#include "modules/history/params.h"
#include "modules/history/run.h"

struct delivery {
    void *ctx;
    /* Put some more into *out(ctx): 1 goes on, 0 done, negative with *e. Bounded work a call. 2: goes on, and has
     * worked for a while (the client is looked after; what fails later can only end the connection). */
    int (*step)(void *ctx, struct error *e);
    struct buf *(*out)(void *ctx);
    void (*free)(void *ctx); /* any thread, once */
};
/* Takes the delivery over, also when it fails. */
MUST_CHECK int deliver(struct api_call *c, const struct delivery *d, const char *media_type, struct error *e);
/* The parameters of a request: its query string, or its JSON body. */
MUST_CHECK int deliver_params(struct api_call *c, struct params *ret, struct error *e);
struct run_caller deliver_caller(struct api_call *c);
/* A query of `kind` (run.h) in the form that is asked for. ops NULL: as format= and Accept say. */
MUST_CHECK int deliver_run(struct api_call *c, const char *kind, const struct params *p, const struct answer_ops *ops,
                           struct error *e);
