/* job_read.h - what pages and the API see of jobs, written as JSON. Any thread that may block (SQL). */
#pragma once
#include "core/job.h"

struct job_query {
    const struct actor *by;     /* sees: his own, those whose type he may start there, all as administrator of jobs */
    struct str id, text;        /* this one; part of title, type or login */
    struct str state, type;     /* several, comma; state also cancelling */
    struct str schedule, parent;
    int64_t from_us, to_us;     /* jobs that were there in this time; 0: any */
    int64_t after_change;       /* newer than this number, in its order; -1: newest first */
    size_t offset, limit;
    bool zh, full;              /* full: with params, result and what it waits for */
    bool mine;
};
/* Each job as a value of the array that is open in w; *ret_total (may be NULL) counts all that match.
 * *ret_change (may be NULL): number of the last one written. */
MUST_CHECK int jobs_list(struct jobs *js, const struct job_query *q, struct json_writer *w, int64_t *ret_total,
                         int64_t *ret_change, struct error *e);
/* The same, each handed to fn as text of one JSON object. */
MUST_CHECK int jobs_each(struct jobs *js, const struct job_query *q, void (*fn)(void *ctx, struct str json), void *ctx,
                         int64_t *ret_change, struct error *e);
/* The same as events "job" of a feed. */
MUST_CHECK int jobs_events(struct jobs *js, const struct job_query *q, struct buf *out, int64_t *ret_change,
                           struct error *e);
MUST_CHECK int jobs_log(struct jobs *js, struct str id, int64_t after, size_t limit, struct json_writer *w,
                        struct error *e);
MUST_CHECK int jobs_newest_change(struct jobs *js, int64_t *ret, struct error *e);
void job_types_write(struct jobs *js, const struct actor *by, struct json_writer *w);
/* Parameters against the fields of the type: completed with defaults. */
MUST_CHECK int job_params_check(const struct job_type *t, struct arena *a, const struct json *params, struct json **ret,
                                struct error *e);
const struct job_type *job_type_find(const struct jobs *js, struct str name);
/* Called after every change of any job, on any thread; must only signal. One. */
void jobs_watch(struct jobs *js, void (*fn)(void *ctx), void *ctx);
