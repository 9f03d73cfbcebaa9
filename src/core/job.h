/* job.h - work that takes long, comes later or comes again: queue, schedule, progress, log, cancel, retry.
 *
 * A job type is a row that a part of the platform registers before jobs_start. A job is one run of it,
 * a row of table `job`: queued -> running -> done | failed | cancelled; `waiting` for the jobs it depends
 * on. What ran when the process died is found at the next start: types with `resumable` are queued again
 * with their last checkpoint, others become `failed` with reason "interrupted", and both are said in the
 * log and as event job.interrupted. Exactly one process runs a job (leases of sql.h where several share
 * one database). Worker threads of its own; a type's `concurrency` limits how many of it run at once.
 *
 * Schedules are resources of kind `schedule` (cron of five or six fields with L, W, #; time zone;
 * calendar of working days; job type and parameters; what to do with runs missed while down: skip | once);
 * calendars are resources of kind `calendar`. */
#pragma once
#include "core/resource.h"

struct jobs;
struct job; /* a running one; valid inside run() */
struct job_type {
    const char *name; /* "resource.import" */
    const char *title_en, *title_zh;
    const char *kind;       /* who may start and see it: needs `action` on this kind; "*": anyone, its owner sees it, and run() checks */
    enum api_action action;
    int (*run)(void *ctx, struct job *j, struct error *e); /* 0: done; ERR_CANCELLED after job_cancelled */
    void *ctx;
    unsigned concurrency;   /* 0: 1 */
    unsigned retries;       /* with back-off 10 s, 20 s, 40 s … ≤ 1 h */
    unsigned timeout_s;     /* 0: none; then it is cancelled */
    bool resumable;
    bool by_user;           /* offered in the UI's "run now" and in schedules */
    const char *params;     /* JSON array of kind fields for the form; NULL: none */
};

struct jobs_config {
    struct kernel *kernel;
    unsigned threads; /* 0: 4 */
    const char *node; /* name of this process in `runner` */
    /* Who submitted, with what he may do now; ERR_NOT_FOUND: gone or disabled. NULL: only the system submits. */
    int (*actor)(void *ctx, struct arena *a, struct str user_id, struct actor *ret);
    /* The same by the API token that it was submitted with; ERR_NOT_FOUND also: revoked or expired. NULL: such jobs fail. */
    int (*token_actor)(void *ctx, struct arena *a, struct str user_id, struct str token_id, struct actor *ret);
    void *actor_ctx;
};
MUST_CHECK int jobs_open(const struct jobs_config *cfg, struct jobs **ret, struct error *e); /* tables, kinds */
MUST_CHECK int jobs_type_add(struct jobs *js, const struct job_type *t); /* before jobs_start; t lives on */
MUST_CHECK int jobs_start(struct jobs *js, struct error *e);
void jobs_stop(struct jobs *js); /* asks running ones to end; resumable ones are queued again */
void jobs_close(struct jobs *js);

struct job_spec {
    const char *type;
    const struct json *params; /* object or NULL */
    const struct actor *by;    /* NULL: system; with an API token: it runs with the rights of that */
    struct str title;          /* shown; empty: the type's */
    struct str key;            /* not empty: ERR_EXISTS while one with this key is queued or running */
    struct str org;
    int64_t not_before_us;     /* 0: now */
    const struct str *after;   /* ids of jobs that must be done first; a failed one fails this too */
    size_t nafter;
    int priority;              /* higher first; 0 */
    struct str schedule;       /* id of the schedule that started it, or empty */
    struct str parent;         /* id of the job that started it, or empty */
};
MUST_CHECK int job_submit(struct jobs *js, const struct job_spec *spec, char ret_id[37], struct error *e);
MUST_CHECK int job_cancel(struct jobs *js, const struct actor *by, struct str id, struct error *e);
MUST_CHECK int job_retry(struct jobs *js, const struct actor *by, struct str id, struct error *e);

/* The kernel's own types (system.prune, system.integrity) and their schedules; after jobs_open. */
MUST_CHECK int jobs_system_add(struct jobs *js, struct error *e);
/* Until it has ended (tests, command line); ERR_TIMEOUT. ret_state: "done", "failed", "cancelled". Not from run(). */
MUST_CHECK int job_wait(struct jobs *js, struct str id, unsigned timeout_ms, char ret_state[16], struct error *e);

/* The routes of docs/api.md "Jobs"; after jobs_open, before the server starts. */
struct api;
MUST_CHECK int jobs_routes_add(struct jobs *js, struct api *api, struct error *e);

/* Inside run(). */
const char *job_id(const struct job *j);
const struct json *job_params(const struct job *j);
const struct actor *job_actor(const struct job *j); /* with the permissions that the submitter has now */
struct arena *job_arena(struct job *j);
bool job_cancelled(struct job *j); /* cheap; ask in every loop */
void job_progress(struct job *j, uint64_t done, uint64_t total, const char *what_en, const char *what_zh); /* cheap; written at most twice a second */
void job_log(struct job *j, const char *level /* info warn error */, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
MUST_CHECK int job_checkpoint(struct job *j, const struct json *state, struct error *e); /* durable on return */
const struct json *job_state(const struct job *j); /* of the last checkpoint; NULL: from the beginning */
MUST_CHECK int job_result(struct job *j, const struct json *result, struct error *e); /* shown; at most 1 MiB */
