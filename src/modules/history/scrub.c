/* scrub.c - the job history.scrub: reads every block of the store and compares its checksum, slice by slice, no faster
 * than it is told, so that queries and collection keep the disk. What it finds is damage as any other (storage.h). */
#include <time.h>
#include "base/metric.h"
#include "base/time.h"
#include "core/job.h"
#include "core/job/schedule.h"
#include "modules/history/storage.h"

#define SLICE (4u << 20)

METRIC(m_bytes, METRIC_COUNTER, "bornite_history_scrubbed_bytes_total", "Bytes read to check them.");
METRIC(m_damaged, METRIC_COUNTER, "bornite_history_scrub_damaged_total", "Broken places that a check met.");

/* Until so much may have been read; short naps, so that it can be cancelled. */
static void keep_pace(struct job *j, uint64_t start_ns, const struct clock *c, uint64_t bytes, int64_t mb_per_s)
{
    uint64_t due = start_ns + (uint64_t)((double)bytes / (1048576.0 * (double)mb_per_s) * 1e9), now;
    while (mb_per_s > 0 && (now = clock_mono_ns(c)) < due && !job_cancelled(j)) {
        uint64_t nap = due - now < 100000000 ? due - now : 100000000;
        nanosleep(&(struct timespec){.tv_nsec = (long)nap}, NULL);
    }
}

static int scrub_result(struct job *j, const struct ts_scrub *s, double seconds, struct error *e)
{
    struct arena *a = job_arena(j);
    struct json *r = json_new_object(a);
    bool ok = r && json_set(r, a, STR("ok"), json_new_bool(a, s->damaged == 0)) &&
              json_set(r, a, STR("bytes"), json_new_i64(a, (int64_t)s->bytes)) &&
              json_set(r, a, STR("blocks"), json_new_i64(a, (int64_t)s->blocks)) &&
              json_set(r, a, STR("damaged"), json_new_i64(a, (int64_t)s->damaged)) &&
              json_set(r, a, STR("seconds"), json_new_double(a, seconds));
    return ok ? job_result(j, r, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static struct scrubber {
    struct node *node;
    struct storage *storage;
} scrubber;

static int scrub(void *ctx, struct job *j, struct error *e)
{
    struct scrubber *own = ctx;
    struct node *n = own->node;
    struct ts_store *st = n->engine;
    struct ts_scrub s = {0};
    struct ts_stats stats = {0};
    if (!st->admin || !st->admin->scrub)
        return error_set(e, ERR_UNSUPPORTED, "", "this store checks itself", "该存储引擎自行校验");
    int64_t pace = json_i64(json_get(job_params(j), "mb_per_s"), 50);
    uint64_t start = clock_mono_ns(n->clock);
    st->ops->stats(st, &stats);
    while (!s.done) {
        uint64_t bytes = s.bytes, damaged = s.damaged;
        if (job_cancelled(j)) return ERR_CANCELLED;
        int err = st->admin->scrub(st, &s, SLICE, e);
        if (err) return err;
        metric_add(&m_bytes, (int64_t)(s.bytes - bytes));
        metric_add(&m_damaged, (int64_t)(s.damaged - damaged));
        if (s.damaged != damaged) {
            job_log(j, "error", "%llu broken places so far", (unsigned long long)s.damaged);
            storage_wake(own->storage);
        }
        uint64_t total = stats.bytes_blocks > s.bytes ? stats.bytes_blocks : s.bytes;
        job_progress(j, s.bytes, total, "bytes", "字节");
        if (!s.done) keep_pace(j, start, n->clock, s.bytes, pace);
    }
    job_log(j, "info", "%llu blocks, %llu bytes, %llu damaged", (unsigned long long)s.blocks,
            (unsigned long long)s.bytes, (unsigned long long)s.damaged);
    return scrub_result(j, &s, (double)(clock_mono_ns(n->clock) - start) / 1e9, e);
}

int scrub_add(struct node *n, struct storage *s, struct error *e)
{
    static struct job_type type = {
        .name = "history.scrub",
        .title_en = "Check stored history",
        .title_zh = "校验历史数据",
        .kind = "archive_class",
        .action = ACT_WRITE,
        .run = scrub,
        .by_user = true,
        .params = "[{\"name\":\"mb_per_s\",\"type\":\"integer\",\"default\":50,\"min\":1,\"max\":100000,\"title\":{"
                  "\"en\":\"Read at most (MB/s)\",\"zh\":\"读取速度上限（MB/s）\"}}]"};
    if (!n->jobs) return 0;
    scrubber = (struct scrubber){n, s};
    type.ctx = &scrubber;
    int err = jobs_type_add(n->jobs, &type);
    if (err) return error_set(e, err, "history", "cannot add the job %s", "无法注册作业 %s", type.name);
    return schedule_default(n->jobs, "history-scrub", "校验历史数据 / Check stored history",
                            "{\"cron\":\"20 2 * * sat\",\"job_type\":\"history.scrub\"}", e);
}
