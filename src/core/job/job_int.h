/* job_int.h - between the files of src/core/job and core/api/api_job.c. Nothing else includes it.
 *
 * Locks, outermost first: jobs.claim (one claim at a time), job.flush (one writer of a job's lines),
 * jobs.lock (registration, running list, stopping), job.lock (what run() reports). None of the last two
 * is held over SQL. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "core/event.h"
#include "core/job.h"
#include "core/job/job_read.h"

#define JOB_TYPES_MAX 128
#define JOB_PARAMS_MAX (256u << 10)
#define JOB_RESULT_MAX (1u << 20)
#define JOB_ARENA_MAX (256u << 20)
#define JOB_LINES_KEPT 10000 /* newest lines of a job's log */
#define JOB_LINES_HELD 1000  /* lines in memory until the next flush */
#define JOB_LINE_MAX 2000
#define JOB_AFTER_MAX 100
#define JOB_LEASE_S 30
#define JOB_TICK_MS 500
#define JOB_BACKOFF_S 10
#define JOB_BACKOFF_MAX_S 3600

enum job_stop { STOP_NO, STOP_USER, STOP_TIMEOUT, STOP_SHUTDOWN, STOP_LOST };

struct job_line {
    int64_t n, t_us;
    char level[8];
    char *text; /* owned */
};

struct job {
    struct jobs *js;
    struct job *next; /* running list; jobs.lock */
    bool pinned;      /* the ticker looks at it; jobs.lock */
    unsigned tick;    /* last tick that flushed it; the ticker's */
    const struct job_type *type;
    char id[37], user_id[37], login[64], org[37], schedule[37], token[37]; /* token: by which it was submitted, or "" */
    struct str title, params_text, state_text;                             /* in arena */
    unsigned attempt, tries;
    uint64_t started_ns;
    int64_t started_us;
    struct arena arena;
    struct actor actor;
    const struct json *params, *state;
    atomic_int stop; /* enum job_stop */
    pthread_mutex_t flush;
    pthread_mutex_t lock; /* all below */
    uint64_t done, total;
    char what_en[160], what_zh[160];
    bool progressed;
    struct job_line *lines;
    size_t nlines, lines_cap;
    int64_t last_n, held_back;
};

struct schedules;
struct jobs {
    struct jobs_config cfg;
    struct kernel *kernel;
    struct sql *db;
    const struct clock *clock;
    char runner[64];
    const struct job_type *types[JOB_TYPES_MAX]; /* append-only before start */
    size_t ntypes;
    struct job_type *own_types; /* of the kernel; owned */
    pthread_mutex_t claim;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t work_cond, tick_cond, idle_cond;
    bool work, stopping, ticker_stopping;
    struct job *running;
    pthread_t *workers, ticker;
    unsigned nworkers, tick;
    bool ticking;
    uint64_t leased_ns, looked_ns; /* the ticker's */
    struct schedules *schedules;
    void (*watch)(void *ctx); /* under lock */
    void *watch_ctx;
    struct feed *feed; /* of the API; freed on close */
};

int job_nomem(struct error *e);
void jobs_wake(struct jobs *js);
void jobs_changed(struct jobs *js); /* job_read.c: tell the watcher, after a commit */
/* Put off what is due, renew, look for the dead; the ticker's round, also called by tests. */
void jobs_tick(struct jobs *js);
/* Take one job if there is any and run it on this thread; false: there was none. (A worker's step.) */
bool jobs_work_once(struct jobs *js);
/* Jobs of dead runners; at start and in the ticker. */
int jobs_recover(struct jobs *js, struct error *e);

/* job_store.c: rows. All within a writing transaction but job_claimable. */
MUST_CHECK int job_migrate(struct sql *db, struct error *e);
MUST_CHECK int job_bump(struct sql_tx *tx, int64_t *ret, struct error *e); /* next number of `change` */
MUST_CHECK int job_insert(struct jobs *js, struct sql_tx *tx, const struct job_spec *spec, struct str params,
                          const char *id, bool waits, struct error *e);
MUST_CHECK int job_claim(struct jobs *js, struct job **ret, struct error *e); /* *ret NULL: none */
/* The end of an attempt. 0 or ERR_NOT_FOUND: no longer ours. */
struct job_end {
    const char *state; /* "done" "failed" "cancelled" "queued" */
    struct error err;
    int64_t not_before_us;
    bool keep_tries; /* queued again without its fault */
};
MUST_CHECK int job_finish(struct jobs *js, struct job *j, const struct job_end *end, struct error *e);
/* What depends on a job that ended: done sets free, otherwise they fail. */
MUST_CHECK int job_release(struct sql_tx *tx, struct str id, bool done, int64_t now_us, struct error *e);
MUST_CHECK int job_flush(struct job *j, struct error *e); /* progress and lines */
/* A line from outside of run(), as the newest of its log. */
MUST_CHECK int job_line_add(struct sql_tx *tx, struct str id, int64_t now_us, const char *level, struct str text,
                            struct error *e);

/* job_run.c */
struct job *job_new(struct jobs *js);
void job_free(struct job *j);
void job_run(struct jobs *js, struct job *j); /* from claimed to finished */
void job_tell(struct jobs *js, const char *topic, enum event_severity severity, struct str id, struct str title_en,
              struct str title_zh, struct str org, const char *user_id, const char *text_en, const char *text_zh);

/* schedule.c */
MUST_CHECK int schedules_open(struct jobs *js, struct schedules **ret, struct error *e);
void schedules_close(struct schedules *s);
void schedules_tick(struct schedules *s); /* submit what is due now */
