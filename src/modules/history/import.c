/* import.c - see import.h. */
#include "modules/history/import.h"
#include "base/mem.h"
#include "base/time.h"
#include "core/file/files.h"
#include "io/log.h"

#define MARK_NS 1000000000ull

int import_mark(struct import_run *r, uint64_t at, uint64_t line, uint64_t bytes, struct error *e)
{
    struct job *j = r->rows.job;
    uint64_t now = clock_mono_ns(r->clock);
    r->rows.flushed = false;
    job_progress(j, bytes, r->size, "bytes", "字节");
    if (job_cancelled(j)) return ERR_CANCELLED;
    if (r->rows.dry_run || now - r->marked_ns < MARK_NS) return 0;
    int err = importer_flush(&r->rows, e); /* the rest of the row, too */
    if (err) return err;
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    r->marked_ns = now;
    r->rows.flushed = false;
    struct json *state = importer_report(&r->rows, &a);
    if (!state) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    json_set(state, &a, STR("at"), json_new_i64(&a, (int64_t)at));
    json_set(state, &a, STR("line"), json_new_i64(&a, (int64_t)line));
    return job_checkpoint(j, state, e);
}

static void resume(struct import_run *r)
{
    const struct json *state = job_state(r->rows.job);
    if (!state || r->rows.dry_run) return;
    r->from_at = (uint64_t)json_i64(json_get(state, "at"), 0);
    r->from_line = (uint64_t)json_i64(json_get(state, "line"), 0);
    importer_restore(&r->rows, state);
    job_log(r->rows.job, "info", "goes on after %llu rows", (unsigned long long)r->rows.counts.rows);
}

/* "csv" or "parquet": as said, else by the first bytes. */
static int format_of(struct import_run *r, bool *ret_parquet, struct error *e)
{
    char magic[4] = {0};
    size_t n = 0;
    struct str said = json_str(json_get(job_params(r->rows.job), "format"), STR(""));
    *ret_parquet = str_is(said, "parquet");
    if (*ret_parquet || str_is(said, "csv")) return 0;
    if (said.n)
        return error_set(e, ERR_INVALID, "format", "'%.*s' is not known; write csv or parquet",
                         "'%.*s' 无效；请写 csv 或 parquet", STR_ARG(said));
    int err = object_get(r->objects, r->key, 0, magic, sizeof magic, &n, e);
    *ret_parquet = n == 4 && memcmp(magic, "PAR1", 4) == 0;
    return err;
}

static int read_all(struct import_run *r, struct error *e)
{
    bool parquet;
    int err = format_of(r, &parquet, e);
    if (err) return err;
    err = parquet ? import_parquet(r, e) : import_csv(r, e);
    if (err == ERR_CANCELLED) return err;
    const struct import_counts *c = &r->rows.counts;
    job_log(r->rows.job, err ? "error" : "info",
            "%llu rows, %llu samples, %llu bad rows, %llu samples of unknown points", (unsigned long long)c->rows,
            (unsigned long long)c->samples, (unsigned long long)c->bad, (unsigned long long)c->unknown);
    return err;
}

static int run_import(void *ctx, struct job *j, struct error *e)
{
    struct node *n = ctx;
    struct file_upload u;
    struct import_run *r = mem_calloc(1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    struct arena *a = job_arena(j);
    int err = importer_init(&r->rows, n, j, e);
    if (!err)
        err = file_upload_find(n->kernel, a, job_actor(j), json_str(json_get(job_params(j), "upload"), STR("")), &u, e);
    if (!err) {
        r->objects = n->objects;
        r->key = arena_strdup(a, u.object);
        r->size = u.size;
        r->clock = n->clock;
        r->marked_ns = clock_mono_ns(n->clock);
        resume(r);
        err = r->key ? read_all(r, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    struct json *report = err ? NULL : importer_report(&r->rows, a);
    if (!err) err = report ? job_result(j, report, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    importer_fini(&r->rows);
    mem_free(r);
    return err;
}

#define FIELD(name, type, en, zh, more) \
    "{\"name\":\"" name "\",\"type\":\"" type "\"" more ",\"title\":{\"en\":\"" en "\",\"zh\":\"" zh "\"}}"
static const char
    params
        [] =
            "[" FIELD("upload", "string", "Upload", "上传文件",
                      ",\"required\":true") "," FIELD("format", "enum", "Format", "格式",
                                                      ",\"values\":[{\"value\":\"csv\",\"title\":{\"en\":\"CSV\","
                                                      "\"zh\":\"CSV\"}},{\"value\":\"parquet\",\"title\":{\"en\":"
                                                      "\"Parquet\",\"zh\":\"Parquet\"}}]") "," FIELD("mapping", "json", "Columns", "列对应", "") "," FIELD("form",
                                                                                                                                                           "enum",
                                                                                                                                                           "Form",
                                                                                                                                                           "表格形式",
                                                                                                                                                           ",\"values\":[{\"value\":\"long\",\"title\":{\"en\":\"A row a sample\",\"zh\":\"每行一个样本\"}},{\"value\":\"wide\","
                                                                                                                                                           "\"title\":{\"en\":\"A column a point\",\"zh\":\"每列一个测点\"}}]") "," FIELD("time_format", "string", "Form of times", "时间格式", "") "," FIELD("time_zone", "string", "Time zone", "时区", "") "," FIELD("encoding",
                                                                                                                                                                                                                                                                                                                                                                        "string",
                                                                                                                                                                                                                                                                                                                                                                        "Encoding",
                                                                                                                                                                                                                                                                                                                                                                        "编码",
                                                                                                                                                                                                                                                                                                                                                                        "") "," FIELD("separator",
                                                                                                                                                                                                                                                                                                                                                                                      "string",
                                                                                                                                                                                                                                                                                                                                                                                      "Separator", "分隔符", "") "," FIELD("header",
                                                                                                                                                                                                                                                                                                                                                                                                                           "boolean",
                                                                                                                                                                                                                                                                                                                                                                                                                           "First row has titles",
                                                                                                                                                                                                                                                                                                                                                                                                                           "首行为标题",
                                                                                                                                                                                                                                                                                                                                                                                                                           ",\"default\":true") "," FIELD("unknown",
                                                                                                                                                                                                                                                                                                                                                                                                                                                          "enum",
                                                                                                                                                                                                                                                                                                                                                                                                                                                          "Unknown points",
                                                                                                                                                                                                                                                                                                                                                                                                                                                          "未知测点",
                                                                                                                                                                                                                                                                                                                                                                                                                                                          ",\"default\":\"skip\",\"values\":[{\"value\":\"skip\",\"title\":{\"en\":\"Leave out\",\"zh\":\"跳过\"}},{\"value\":"
                                                                                                                                                                                                                                                                                                                                                                                                                                                          "\"create\",\"title\":{\"en\":\"Create\",\"zh\":\"新建\"}}]") "," FIELD("dry_run", "boolean", "Only try", "仅试运行", ",\"default\":false") "]";

int import_add(struct node *n, struct error *e)
{
    static struct job_type type = {.name = "history.import",
                                   .title_en = "Import history",
                                   .title_zh = "导入历史数据",
                                   .kind = "point",
                                   .action = ACT_WRITE,
                                   .run = run_import,
                                   .concurrency = 2,
                                   .resumable = true,
                                   .by_user = true,
                                   .params = params};
    if (!n->jobs) return 0;
    type.ctx = n;
    int err = jobs_type_add(n->jobs, &type);
    return err ? error_set(e, err, "history", "cannot add the job %s", "无法注册作业 %s", type.name) : 0;
}
