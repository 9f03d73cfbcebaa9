/* plan.c - a plan as its resource says, what must hold of it, its target, folders for what is on its way. */
#include <errno.h>
#include <ftw.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/time.h"
#include "core/job/plan.h"
#include "modules/backup/backup.h"

int backup_nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ------------------------------------------------------------------ reading */

static struct str text_of(const struct json *spec, const char *field, struct arena *a)
{
    return arena_str(a, json_str(json_get(spec, field), STR("")));
}

int backup_plan_read(const struct resource *r, struct arena *a, struct backup_plan *ret)
{
    const struct json *what = json_get(r->spec, "what");
    *ret = (struct backup_plan){.name = arena_str(a, r->name.n ? r->name : r->code),
                                .target = text_of(r->spec, "target", a),
                                .secret = text_of(r->spec, "secret", a),
                                .full = text_of(r->spec, "full", a),
                                .incremental = text_of(r->spec, "incremental", a),
                                .drill = text_of(r->spec, "drill", a),
                                .zone = text_of(r->spec, "time_zone", a),
                                .enabled = json_bool(json_get(r->spec, "enabled"), true),
                                .logs = json_bool(json_get(r->spec, "logs"), false),
                                .keep_full = json_i64(json_get(r->spec, "keep_full"), 4),
                                .rate_mb = json_double(json_get(r->spec, "rate_mb"), 0),
                                .changed_us = r->updated_us};
    str_to_cstr(r->id, ret->id, sizeof ret->id);
    str_to_cstr(r->code, ret->code, sizeof ret->code);
    if (duration_parse(json_str(json_get(r->spec, "logs_every"), STR("5m")), &ret->logs_every_us, NULL))
        ret->logs_every_us = 300 * TIME_US_PER_S;
    for (int i = 0; i < PARTS; i++) ret->part[i] = json_count(what) == 0;
    for (const struct json *w = what ? what->child : NULL; w; w = w->next)
        for (int i = 0; i < PARTS; i++)
            if (str_is(json_str(w, STR("")), part_name((enum backup_part)i))) ret->part[i] = true;
    return ret->target.p ? 0 : ERR_NOMEM;
}

int backup_plan_get(struct backup *b, struct arena *a, struct str id_or_code, struct backup_plan *ret, struct error *e)
{
    struct resource r;
    int rc = resource_get(b->node->kernel, a, "backup_plan", id_or_code, &r, e);
    if (rc) return rc;
    return backup_plan_read(&r, a, ret) ? backup_nomem(e) : 0;
}

/* ------------------------------------------------------------------ what must hold */

static int check_cron(const struct json *spec, const char *field, struct arena *a, struct error *e)
{
    struct str cron = json_str(json_get(spec, field), STR(""));
    struct json *s = json_new_object(a);
    struct plan p;
    char where[40];
    if (!cron.n) return 0;
    json_set(s, a, STR("cron"), json_new_str(a, cron));
    json_set(s, a, STR("time_zone"), json_new_str(a, json_str(json_get(spec, "time_zone"), STR("UTC"))));
    int rc = plan_read(s, NULL, a, &p, e);
    if (!rc) plan_fini(&p);
    snprintf(where, sizeof where, "spec.%s", field);
    if (rc && e && strstr(e->where, "cron")) str_to_cstr(str_of(where), e->where, sizeof e->where);
    return rc;
}

static int check_target(const struct json *spec, struct error *e)
{
    struct str t = json_str(json_get(spec, "target"), STR(""));
    if (str_starts(t, STR("dir:/")) || str_starts(t, STR("s3+https://")) || str_starts(t, STR("s3+http://"))) return 0;
    return error_set(
        e, ERR_INVALID, "spec.target", "'%.*s' is no target; write dir:/full/path or s3+https://host/bucket?region=…",
        "“%.*s”不是备份目标；请写 dir:/完整路径 或 s3+https://主机/存储桶?region=…", STR_ARG(str_sub(t, 0, 100)));
}

static int check_plan(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                      const struct resource *new_, struct error *e)
{
    static const char *const crons[] = {"full", "incremental", "drill"};
    if (new_ && new_->org.n)
        return error_set(e, ERR_INVALID, "org", "a backup is of the whole platform; leave 'org' empty",
                         "备份针对整个平台；请将“org”留空");
    int rc = new_ ? check_target(new_->spec, e) : 0;
    for (size_t i = 0; i < 3 && new_ && !rc; i++) rc = check_cron(new_->spec, crons[i], a, e);
    return rc;
}

void backup_wake(struct backup *b)
{
    pthread_mutex_lock(&b->lock);
    b->dirty = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    backup_wake(ctx);
}

int backup_hooks_add(struct backup *b, struct error *e)
{
    struct kind_hooks h = {.kind = "backup_plan", .validate = check_plan, .changed = changed, .ctx = b};
    int rc = kernel_hooks_add(b->node->kernel, &h);
    return rc ? error_set(e, rc, "backup", "cannot watch the kind backup_plan", "无法监视类型 backup_plan") : 0;
}

/* ------------------------------------------------------------------ the target, one job at a time */

static bool job_ended(void *ctx)
{
    return job_cancelled(ctx);
}

static uint64_t target_number(const struct backup_plan *p)
{
    uint64_t h = str_hash(p->target, 0x6261636b7570u);
    return h ? h : 1;
}

static bool claim(struct backup *b, uint64_t target)
{
    bool taken = false;
    size_t room = BUSY_MAX;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < BUSY_MAX; i++) {
        taken = taken || b->busy[i] == target;
        if (!b->busy[i]) room = i;
    }
    if (!taken && room < BUSY_MAX) b->busy[room] = target;
    pthread_mutex_unlock(&b->lock);
    return !taken && room < BUSY_MAX;
}

static void release(struct backup *b, uint64_t target)
{
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < BUSY_MAX; i++)
        if (b->busy[i] == target) b->busy[i] = 0;
    pthread_mutex_unlock(&b->lock);
}

static int wait_for(struct backup *b, uint64_t target, struct job *j, struct error *e)
{
    bool said = false;
    while (!claim(b, target)) {
        if (job_cancelled(j)) return ERR_CANCELLED;
        if (!said) job_log(j, "info", "another job uses this target; waiting for it");
        said = true;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return 0;
}

int backup_target_open(struct backup *b, const struct backup_plan *p, struct job *j, struct target **ret,
                       struct error *e)
{
    char url[1100], secret[1100];
    uint64_t number = target_number(p);
    struct target_config c = {.url = url,
                              .secret = p->secret.n ? secret : NULL,
                              .bytes_per_s = (uint64_t)(p->rate_mb * 1e6),
                              .cancelled = job_ended,
                              .ctx = j};
    str_to_cstr(p->target, url, sizeof url);
    str_to_cstr(p->secret, secret, sizeof secret);
    int rc = wait_for(b, number, j, e);
    if (rc) return rc;
    rc = target_open(&c, ret, e);
    explicit_bzero(secret, sizeof secret);
    if (rc) release(b, number);
    return rc;
}

void backup_target_close(struct backup *b, const struct backup_plan *p, struct target *t)
{
    if (!t) return;
    target_close(t);
    release(b, target_number(p));
}

/* ------------------------------------------------------------------ scratch */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path) && errno != ENOENT ? -1 : 0;
}

void backup_scratch_sweep(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

int backup_scratch_open(struct backup *b, struct job *j, struct fs **ret, char path[4400], struct error *e)
{
    snprintf(path, 4400, "%s/%s", b->scratch, job_id(j));
    backup_scratch_sweep(path);
    return fs_real(path, false, ret, e);
}

void backup_scratch_close(struct fs *fs, const char *path)
{
    fs_destroy(fs);
    backup_scratch_sweep(path);
}
