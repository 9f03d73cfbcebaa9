/* module.c - life of the module backup: job types, events, metrics. */
#include "base/mem.h"
#include "base/metric.h"
#include "core/module.h"
#include "io/log.h"
#include "modules/backup/backup.h"

#define PLAN_FIELD \
    "{\"name\":\"plan\",\"type\":\"ref\",\"kind\":\"backup_plan\",\"required\":true,\"title\":{\"en\":\"Plan\"," \
    "\"zh\":\"备份计划\"}}"
#define BACKUP_FIELD \
    "{\"name\":\"backup\",\"type\":\"string\",\"max\":36,\"title\":{\"en\":\"Backup (id)\",\"zh\":\"备份（编号）\"}}"

static const struct job_type prototypes[BACKUP_JOBS] = {
    [JOB_FULL] = {.name = "backup.full",
                  .title_en = "Full backup",
                  .title_zh = "全量备份",
                  .run = backup_job_full,
                  .resumable = true,
                  .by_user = true,
                  .params =
                      "[" PLAN_FIELD ",{\"name\":\"fresh\",\"type\":\"boolean\",\"default\":false,\"title\":{\"en\":"
                      "\"Send everything again\",\"zh\":\"重新发送全部内容\"}}]"},
    [JOB_INCREMENTAL] = {.name = "backup.incremental",
                         .title_en = "Incremental backup",
                         .title_zh = "增量备份",
                         .run = backup_job_incremental,
                         .resumable = true,
                         .by_user = true,
                         .params =
                             "[" PLAN_FIELD ",{\"name\":\"fresh\",\"type\":\"boolean\",\"default\":false,\"title\":"
                             "{\"en\":\"Send everything again\",\"zh\":\"重新发送全部内容\"}}]"},
    [JOB_LOGS] = {.name = "backup.logs",
                  .title_en = "Logs to the backup target",
                  .title_zh = "备份历史日志",
                  .run = backup_job_logs,
                  .resumable = true,
                  .by_user = true,
                  .params = "[" PLAN_FIELD "]"},
    [JOB_DRILL] =
        {.name = "backup.drill",
         .title_en = "Restore drill",
         .title_zh = "恢复演练",
         .run = backup_job_drill,
         .resumable = true,
         .by_user = true,
         .params = "[{\"name\":\"plan\",\"type\":\"ref\",\"kind\":\"backup_plan\",\"title\":{\"en\":\"Plan\",\"zh\":"
                   "\"备份计划\"}}," BACKUP_FIELD "]"},
    [JOB_RESTORE] = {.name = "backup.restore",
                     .title_en = "Bring samples back",
                     .title_zh = "恢复样本",
                     .run = backup_job_restore,
                     .resumable = true},
    [JOB_PRUNE] = {.name = "backup.prune",
                   .title_en = "Remove old backups",
                   .title_zh = "清理旧备份",
                   .run = backup_job_prune,
                   .resumable = true,
                   .by_user = true,
                   .params = "[" PLAN_FIELD "]"},
};

int backup_submit(struct backup *b, enum backup_job what, const struct actor *by, const struct json *params,
                  struct str key, struct str title, char ret_id[37], struct error *e)
{
    struct job_spec s = {.type = b->types[what].name, .params = params, .by = by, .key = key, .title = title};
    return job_submit(b->node->jobs, &s, ret_id, e);
}

/* ------------------------------------------------------------------ what is told */

void backup_tell(struct backup *b, const char *what, enum event_severity severity, const struct backup_plan *p,
                 struct str text_en, struct str text_zh)
{
    static const struct {
        const char *what, *en, *zh;
    } titles[] = {
        {"done", "Backup %s is done", "备份 %s 已完成"},
        {"failed", "Backup %s has failed", "备份 %s 失败"},
        {"damaged", "A drill of backup %s has found damage", "备份 %s 的恢复演练发现损坏"},
        {"drilled", "A drill of backup %s has passed", "备份 %s 的恢复演练通过"},
        {"overdue", "Backup %s is overdue", "备份 %s 已逾期"},
    };
    char topic[40], en[300], zh[300];
    snprintf(topic, sizeof topic, "backup.%s", what);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        if (strcmp(titles[i].what, what) != 0) continue;
        const char *at = strstr(titles[i].en, "%s"), *az = strstr(titles[i].zh, "%s");
        snprintf(en, sizeof en, "%.*s%s%s", (int)(at - titles[i].en), titles[i].en, p->code, at + 2);
        snprintf(zh, sizeof zh, "%.*s%s%s", (int)(az - titles[i].zh), titles[i].zh, p->code, az + 2);
    }
    struct event ev = {.topic = topic,
                       .severity = severity,
                       .title_en = str_of(en),
                       .title_zh = str_of(zh),
                       .text_en = text_en,
                       .text_zh = text_zh,
                       .kind = STR("backup_plan"),
                       .id = str_of(p->id),
                       .link = STR("/backups"),
                       .need = ACT_ADMIN};
    kernel_event(b->node->kernel, &ev);
    if (severity >= EVENT_ERROR)
        log_error("backup", what, "plan=%s detail=\"%.*s\"", p->code, STR_ARG(text_en));
    else
        log_info("backup", what, "plan=%s detail=\"%.*s\"", p->code, STR_ARG(text_en));
}

static void render(void *ctx, struct buf *out)
{
    struct backup *b = ctx;
    int64_t now = clock_now_us(b->node->clock);
    buf_z(out, "# HELP bornite_backup_age_seconds Since the last good backup of a plan was begun; -1: there is none.\n"
               "# TYPE bornite_backup_age_seconds gauge\n");
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->ndue; i++)
        buf_printf(out, "bornite_backup_age_seconds{plan=\"%s\"} %lld\n", b->due[i].code,
                   b->due[i].good_us ? (long long)((now - b->due[i].good_us) / 1000000) : -1LL);
    pthread_mutex_unlock(&b->lock);
    buf_printf(
        out,
        "# HELP bornite_backup_done_total Backups that were finished.\n# TYPE bornite_backup_done_total counter\n"
        "bornite_backup_done_total %lld\n"
        "# HELP bornite_backup_failed_total Backups that failed.\n# TYPE bornite_backup_failed_total counter\n"
        "bornite_backup_failed_total %lld\n"
        "# HELP bornite_backup_sent_bytes_total Bytes sent to targets.\n"
        "# TYPE bornite_backup_sent_bytes_total counter\nbornite_backup_sent_bytes_total %lld\n",
        (long long)atomic_load(&b->done_total), (long long)atomic_load(&b->failed_total),
        (long long)atomic_load(&b->sent_total));
}

/* ------------------------------------------------------------------ life */

static void backup_fini(void *ctx)
{
    struct backup *b = ctx;
    if (!b) return;
    metric_collector_remove(render, b);
    lead_fini(&b->lead);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
    mem_free(b);
}

static void locks_init(struct backup *b)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static int add_types(struct backup *b, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < BACKUP_JOBS && !rc; i++) {
        b->types[i] = prototypes[i];
        b->types[i].ctx = b;
        b->types[i].kind = "backup";
        b->types[i].action = ACT_ADMIN;
        b->types[i].concurrency = 2;
        rc = jobs_type_add(b->node->jobs, &b->types[i]);
    }
    return rc ? error_set(e, rc, "backup", "its job types cannot be added", "无法注册备份作业类型") : 0;
}

static int backup_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct backup *b = mem_calloc(1, sizeof *b);
    if (!b) return backup_nomem(e);
    b->node = n;
    locks_init(b);
    lead_init(&b->lead, kernel_sql(n->kernel), n->clock, n->rng, "backup");
    snprintf(b->scratch, sizeof b->scratch, "%s/backup", n->data_path);
    backup_scratch_sweep(b->scratch);
    int rc = backup_tables(kernel_sql(n->kernel), e);
    if (!rc) rc = backup_hooks_add(b, e);
    if (!rc) rc = add_types(b, e);
    if (!rc) rc = metric_collector_add(render, b);
    if (rc)
        backup_fini(b);
    else
        *ret_ctx = b;
    return rc;
}

static int backup_start(void *ctx, struct error *e)
{
    int rc = backup_rows_heal(ctx, e);
    return rc ? rc : planner_start(ctx, e);
}

static void backup_stop(void *ctx)
{
    planner_stop(ctx);
}

extern const struct str modules_backup_kinds[];
const struct module backup_module = {
    .name = "backup",
    .title_en = "Backup",
    .title_zh = "备份",
    .kinds = modules_backup_kinds,
    .routes = backup_routes,
    .nroutes = BACKUP_ROUTES,
    .init = backup_init,
    .start = backup_start,
    .stop = backup_stop,
    .fini = backup_fini,
};
