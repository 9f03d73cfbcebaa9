/* backup.h - the module backup inside: plans, the table of backups, jobs. manifest.h and target.h say how a backup
 * lies in its target.
 *
 * Threads: jobs run on the job threads, one at a time for a target (backup_claim); the planner is a thread of its own
 * that starts what is due (planner.c) and only asks. Everything but the fields marked "lock" is fixed after init. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "core/event.h"
#include "core/job.h"
#include "core/lead.h"
#include "core/node.h"
#include "model/ts_admin.h"
#include "modules/backup/manifest.h"

enum backup_job { JOB_FULL, JOB_INCREMENTAL, JOB_LOGS, JOB_DRILL, JOB_RESTORE, JOB_PRUNE, BACKUP_JOBS };

struct backup_due { /* planner.c: the newest backup of a plan */
    char plan[37], code[129];
    int64_t good_us;
};
#define LOGS_KEPT (8ull << 30) /* bytes of finished logs that the engine keeps for plans that want them */
#define PLANS_MAX 64
#define BUSY_MAX 16

struct backup {
    struct node *node;
    struct job_type types[BACKUP_JOBS];
    struct lead lead;
    char scratch[4300]; /* folder for what is on its way; emptied at the start */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    bool stopping, dirty;
    uint64_t busy[BUSY_MAX]; /* hashes of the targets in use */
    struct backup_due due[PLANS_MAX];
    size_t ndue;
    _Atomic int64_t done_total, failed_total, sent_total;
};

/* ---- plan.c: a plan as its resource says */
struct backup_plan {
    char id[37], code[129];
    struct str name, target, secret, full, incremental, drill, zone; /* in the arena */
    bool enabled, logs, part[PARTS];
    int64_t keep_full, logs_every_us, changed_us;
    double rate_mb;
};
MUST_CHECK int backup_plan_read(const struct resource *r, struct arena *a, struct backup_plan *ret);
MUST_CHECK int backup_plan_get(struct backup *b, struct arena *a, struct str id_or_code, struct backup_plan *ret,
                               struct error *e);
MUST_CHECK int backup_hooks_add(struct backup *b, struct error *e);
/* The target of a plan for a job; whoever else uses it is waited for. */
MUST_CHECK int backup_target_open(struct backup *b, const struct backup_plan *p, struct job *j, struct target **ret,
                                  struct error *e);
void backup_target_close(struct backup *b, const struct backup_plan *p, struct target *t);
/* A folder <scratch>/<job id> for a job, and its end with all that is in it. */
MUST_CHECK int backup_scratch_open(struct backup *b, struct job *j, struct fs **ret, char path[4400], struct error *e);
void backup_scratch_close(struct fs *fs, const char *path);
void backup_scratch_sweep(const char *path); /* removes it */

/* ---- table.c: what is known of backups */
struct backup_row {
    struct str id, plan, plan_code, mode, base, state, job, error, parts, report, drill_en, drill_zh;
    int64_t at_us, ended_us, until_us, bytes, new_bytes, files, samples, verified_us, drill_us;
    bool drill_ok;
};
MUST_CHECK int backup_tables(struct sql *db, struct error *e);
MUST_CHECK int backup_row_begin(struct backup *b, const struct backup_row *r, struct error *e);
MUST_CHECK int backup_row_done(struct backup *b, const struct manifest *m, struct str job, struct str report,
                               struct error *e); /* also makes it */
void backup_row_failed(struct backup *b, const char *id, const char *state, const struct error *why);
MUST_CHECK int backup_row_drill(struct backup *b, const char *id, bool ok, const struct error *detail,
                                struct str report, struct error *e);
/* What seems to run although its job has ended (its process was killed). */
MUST_CHECK int backup_rows_heal(struct backup *b, struct error *e);
MUST_CHECK int backup_row_delete(struct backup *b, const char *id, struct error *e);
/* Rows of a plan whose backups the target no longer has. */
MUST_CHECK int backup_rows_keep(struct backup *b, const char *plan, const struct manifest *m, size_t n,
                                struct error *e);
MUST_CHECK int backup_row_get(struct backup *b, struct arena *a, struct str id, struct backup_row *ret,
                              struct error *e);
MUST_CHECK int backup_rows(struct backup *b, struct arena *a, struct str plan, int64_t offset, int64_t limit,
                           struct backup_row **ret, size_t *ret_n, int64_t *ret_total, struct error *e);
/* When `what` of a plan was begun last: a mode, "good" (a done one), "drill"; 0: never. */
MUST_CHECK int backup_last(struct backup *b, const char *plan, const char *what, int64_t *ret, struct error *e);
/* The last drill of a plan found damage and there was no full backup since. */
MUST_CHECK int backup_is_suspect(struct backup *b, const char *plan, bool *ret, struct error *e);
/* Logs: the last one of a plan that its target has. */
MUST_CHECK int backup_position(struct backup *b, const char *plan, uint64_t *ret_log, int64_t *ret_at, struct error *e);
MUST_CHECK int backup_position_set(struct backup *b, const char *plan, uint64_t log, struct error *e);

/* ---- jobs */
int backup_job_full(void *ctx, struct job *j, struct error *e);
int backup_job_incremental(void *ctx, struct job *j, struct error *e);
int backup_job_logs(void *ctx, struct job *j, struct error *e);
int backup_job_drill(void *ctx, struct job *j, struct error *e);
int backup_job_restore(void *ctx, struct job *j, struct error *e);
int backup_job_prune(void *ctx, struct job *j, struct error *e);
/* prune.c; `t` has been learnt or not, keep_full from the plan. */
struct prune_result {
    uint64_t backups, logs, chunks, bytes;
};
MUST_CHECK int backup_prune(struct backup *b, struct target *t, const struct backup_plan *p, struct prune_result *ret,
                            struct error *e);
/* take.c: files of a backup that were fetched into a folder and opened. */
struct taken {
    struct manifest m;
    struct fs *scratch;
    struct ts_store *history; /* NULL: not opened */
    char path[4400];
};
/* Which files: the history that can have samples of [from, to), and with `all` every part (files are only checked).
 * bad: called for each file that is missing or damaged; returns 0 to go on. NULL: the first one ends it. */
struct take {
    struct job *j;
    struct target *t;
    struct str backup;
    int64_t from_us, to_us;
    bool all;
    int (*bad)(void *ctx, const struct entry *f, const struct error *why);
    void *ctx;
    uint64_t files, bytes; /* fetched */
};
MUST_CHECK int backup_take(struct backup *b, struct take *x, struct taken *ret, struct error *e);
MUST_CHECK int backup_take_open(struct backup *b, struct taken *k, struct error *e); /* the history in it */
void backup_taken_end(struct taken *k);

/* Submit a job about a plan or a backup; key keeps two of the same apart. */
MUST_CHECK int backup_submit(struct backup *b, enum backup_job what, const struct actor *by, const struct json *params,
                             struct str key, struct str title, char ret_id[37], struct error *e);
/* The event backup.<what> and a line of the log. */
void backup_tell(struct backup *b, const char *what, enum event_severity severity, const struct backup_plan *p,
                 struct str text_en, struct str text_zh);

/* ---- planner.c */
MUST_CHECK int planner_start(struct backup *b, struct error *e);
void planner_stop(struct backup *b);
void backup_wake(struct backup *b); /* plans or backups have changed */

/* ---- api.c, module.c */
#define BACKUP_ROUTES 7
extern const struct api_route backup_routes[BACKUP_ROUTES];
int backup_nomem(struct error *e);
