/* backup_cli.c - `bornite backup list`, `bornite backup verify`, `bornite restore`: what can be done with the target of
 * backups when there is no server, perhaps no machine either.
 *
 * A restore is made beside its place, in "<DIR>.part", every byte hashed on the way, and gets its name as the last
 * step: whoever kills it finds the whole directory or none. With --until the logs that were archived since the backup
 * are replayed up to that moment (the wall clock at which a record was written). The relational database and the files
 * are those of the backup itself. Jobs of backups that ran while the copy was taken are ended in it, so that a restored
 * server does not go on with them. Progress on stderr, the outcome on stdout. Exit: 0 done, 1 not done (and nothing
 * stands at DIR), 2 wrong arguments. */
#include "app/backup_cli.h"
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include "app/objects.h"
#include "app/serve.h"
#include "base/mem.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/log.h"
#include "modules/backup/hashset.h"
#include "modules/backup/pack.h"
#include "store/copy.h"
#include "tsdb/tsdb.h"

struct options {
    const char *from, *backup, *until, *data, *secret_file, *database;
};
static const struct {
    const char *name;
    size_t at;
} option_names[] = {
    {"--from", offsetof(struct options, from)},
    {"--backup", offsetof(struct options, backup)},
    {"--until", offsetof(struct options, until)},
    {"--data", offsetof(struct options, data)},
    {"--secret-file", offsetof(struct options, secret_file)},
    {"--database", offsetof(struct options, database)},
};

static int usage(const char *what)
{
    fprintf(
        stderr,
        "bornite: %s\n"
        "  bornite backup list --from URL [--secret-file FILE]\n"
        "  bornite backup verify --from URL [--backup ID] [--secret-file FILE]\n"
        "  bornite restore --from URL [--backup ID] [--until TIME] --data DIR [--database URL] [--secret-file FILE]\n"
        "  URL: dir:/path or s3+https://host[:port]/bucket[/prefix]?region=… as in the backup plan; the key of an S3\n"
        "  store from --secret-file or BORNITE_BACKUP_SECRET. TIME: 2026-01-31T08:00:00Z. DIR must not exist or be "
        "empty.\n"
        "  URL 与备份计划相同；S3 密钥取自 --secret-file 或 BORNITE_BACKUP_SECRET；DIR 须不存在或为空。\n",
        what);
    return 2;
}

static int read_options(int argc, char **argv, struct options *o)
{
    for (int i = 0; i < argc; i++) {
        struct str rest = str_of(argv[i]), name = str_cut(&rest, '=');
        const char **at = NULL;
        for (size_t k = 0; k < sizeof option_names / sizeof *option_names; k++)
            if (str_is(name, option_names[k].name)) at = (const char **)(void *)((char *)o + option_names[k].at);
        if (!at) return usage("unknown argument / 未知参数");
        if (!rest.p && i + 1 == argc) return usage("a value is missing / 缺少值");
        *at = rest.p ? rest.p : argv[++i];
    }
    return o->from ? 0 : usage("--from is needed / 需要 --from");
}

static int failed(const char *command, int rc, const struct error *e)
{
    fprintf(stderr, "bornite %s: %s%s%s\n  %s\n", command, e->where, e->where[0] ? ": " : "",
            e->text[0] ? e->text : error_title(rc), e->text[0] ? e->text_zh : error_title_zh(rc));
    return 1;
}

static int open_target(const struct options *o, struct target **ret, struct error *e)
{
    char secret[APP_SECRET_MAX];
    int found = app_object_secret("BORNITE_BACKUP_SECRET", o->secret_file, secret, e);
    if (found < 0) return found;
    struct target_config c = {.url = o->from, .secret = found ? secret : NULL, .only_read = true};
    int rc = target_open(&c, ret, e);
    explicit_bzero(secret, sizeof secret);
    return rc;
}

/* ------------------------------------------------------------------ list */

static int list(struct target *t, struct error *e)
{
    AUTO_ARENA a;
    struct manifest *all;
    struct log_entry *logs;
    size_t n, bad, nlogs;
    char at[TIME_TEXT_MAX], until[TIME_TEXT_MAX];
    arena_init(&a, 2048u << 20);
    int rc = manifest_all(t, &a, &all, &n, &bad, e);
    if (!rc) rc = logfile_all(t, &a, &logs, &nlogs, e);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++)
        printf("%s  %-11s  %-27s  %-16s  %8llu files  %14llu bytes  %12llu samples to %s\n", all[i].id, all[i].mode,
               time_format(all[i].at_us, at), all[i].plan_code, (unsigned long long)all[i].files,
               (unsigned long long)all[i].bytes, (unsigned long long)all[i].samples,
               all[i].until_us ? time_format(all[i].until_us, until) : "-");
    printf("%zu backups / 个备份", n);
    if (nlogs) printf("; %zu logs to / 个日志，至 %s", nlogs, time_format(logs[nlogs - 1].last_us, at));
    printf("\n");
    if (bad) return error_set(e, ERR_CORRUPT, "manifest", "%zu manifests are damaged", "%zu 个清单已损坏", bad);
    return 0;
}

/* ------------------------------------------------------------------ verify */

struct verify {
    struct target *t;
    struct fetch f;
    struct hashset seen;
    const char *backup;
    uint64_t files, bytes, bad;
};

static int verify_file(void *ctx, const struct entry *f, struct error *e)
{
    struct verify *v = ctx;
    struct error why = {0};
    int rc = hashset_add(&v->seen, f->sha256);
    if (rc < 0) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (!rc) return 0; /* as part of another backup */
    rc = fetch_file(&v->f, f, NULL, NULL, &why);
    v->files++;
    v->bytes += (uint64_t)f->bytes;
    if (!rc) return 0;
    if (rc != ERR_CORRUPT && rc != ERR_NOT_FOUND) {
        *e = why;
        return rc;
    }
    v->bad++;
    printf("BAD %s %.*s %.*s: %s\n", v->backup, STR_ARG(f->part), STR_ARG(f->name), why.text);
    return 0;
}

static int skip_line(void *ctx, struct arena *a, const struct json *line, struct error *e)
{
    return 0;
}

/* A list that is damaged makes its backup bad and is told; others are looked at nevertheless. */
static int verify_one(struct verify *v, const struct manifest *m, struct error *e)
{
    struct error why = {0};
    v->backup = m->id;
    int rc = manifest_files(v->t, m, verify_file, v, &why);
    if (!rc) rc = lines_each(v->t, m->points, skip_line, NULL, &why);
    if (rc != ERR_CORRUPT && rc != ERR_NOT_FOUND) {
        if (rc) *e = why;
        return rc;
    }
    v->bad++;
    printf("BAD %s %s: %s\n", m->id, why.where, why.text);
    return 0;
}

static int verify_logs(struct verify *v, struct arena *a, struct error *e)
{
    struct log_entry *logs;
    size_t n;
    int rc = logfile_all(v->t, a, &logs, &n, e);
    v->backup = "log";
    for (size_t i = 0; i < n && !rc; i++) rc = verify_file(v, &logs[i].file, e);
    return rc;
}

static int verify(struct target *t, const struct options *o, struct error *e)
{
    AUTO_ARENA a;
    struct verify v = {.t = t};
    struct manifest *all, one;
    size_t n = 1, bad = 0;
    arena_init(&a, 2048u << 20);
    int rc = fetch_begin(&v.f, t, e);
    all = &one;
    if (!rc && o->backup)
        rc = manifest_read(t, &a, str_of(o->backup), &one, e);
    else if (!rc)
        rc = manifest_all(t, &a, &all, &n, &bad, e);
    for (size_t i = 0; i < n && !rc; i++) {
        fprintf(stderr, "%s  %llu files, %llu bytes\n", all[i].id, (unsigned long long)v.files,
                (unsigned long long)v.bytes);
        rc = verify_one(&v, &all[i], e);
    }
    if (!rc && !o->backup) rc = verify_logs(&v, &a, e);
    fetch_end(&v.f);
    hashset_fini(&v.seen);
    if (rc) return rc;
    v.bad += bad;
    printf("%zu backups, %llu files, %llu bytes: %s / %s\n", n, (unsigned long long)v.files,
           (unsigned long long)v.bytes, v.bad ? "DAMAGED" : "all as they were written",
           v.bad ? "有损坏" : "全部与写入时一致");
    return v.bad ? error_set(e, ERR_CORRUPT, "", "%llu are bad", "%llu 个损坏", (unsigned long long)v.bad) : 0;
}

int backup_main(int argc, char **argv)
{
    static struct options o;
    struct error e = {0};
    struct target *t;
    if (argc < 1) return usage("list or verify? / list 或 verify？");
    bool lists = strcmp(argv[0], "list") == 0;
    if (!lists && strcmp(argv[0], "verify") != 0) return usage("list or verify? / list 或 verify？");
    int rc = read_options(argc - 1, argv + 1, &o);
    if (rc) return rc;
    log_level_set(NULL, LOG_ERROR);
    hash_seed_set(rng_u64(rng_real()));
    rc = open_target(&o, &t, &e);
    if (!rc) {
        rc = lists ? list(t, &e) : verify(t, &o, &e);
        target_close(t);
    }
    return rc ? failed("backup", rc, &e) : 0;
}

/* ------------------------------------------------------------------ restore: files */

struct restore {
    const struct options *o;
    struct target *t;
    struct manifest m;
    struct arena arena;
    struct fs *fs;
    struct fetch f;
    char part[4300];
    int64_t until_us; /* INT64_MAX: the backup as it is */
    uint64_t files, bytes, logs;
    int64_t logs_to_us; /* the newest log that was replayed ends here */
    struct error *e;
};

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static void sweep(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int restore_file(void *ctx, const struct entry *f, struct error *e)
{
    struct restore *r = ctx;
    char path[600];
    restored_path(f, path);
    int rc = fetch_file(&r->f, f, r->fs, path, e);
    r->files++;
    r->bytes += (uint64_t)f->bytes;
    if (!rc) fprintf(stderr, "%12llu bytes  %s\n", (unsigned long long)r->bytes, path);
    return rc;
}

/* DIR may be there when it is empty; "<DIR>.part" of an interrupted restore is thrown away. */
static int make_place(struct restore *r)
{
    const char *dir = r->o->data;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    if (rmdir(dir) && errno != ENOENT)
        return error_set(r->e, errno == ENOTEMPTY || errno == EEXIST ? ERR_EXISTS : error_from_errno(errno), dir,
                         "is not an empty directory; nothing was changed there", "不是空目录；未作任何更改");
    snprintf(r->part, sizeof r->part, "%.*s.part", (int)n, dir);
    sweep(r->part);
    return fs_real(r->part, false, &r->fs, r->e);
}

/* ------------------------------------------------------------------ restore: logs */

static int gap(struct restore *r, const struct log_entry *l)
{
    char t[TIME_TEXT_MAX];
    return error_set(r->e, ERR_NOT_FOUND, "until",
                     "logs before %s are missing: this backup can be restored to a point in time only before that; "
                     "take a newer one (--backup)",
                     "%s 之前的日志缺失：该备份只能恢复到此前的时刻；请使用更新的备份（--backup）",
                     time_format(l->first_us, t));
}

/* Those that were written after the backup and begin before the time, without a gap. */
static int fetch_logs(struct restore *r)
{
    struct log_entry *logs;
    size_t n;
    uint64_t last = r->m.log;
    int rc = logfile_all(r->t, &r->arena, &logs, &n, r->e);
    for (size_t i = 0; i < n && !rc; i++) {
        const struct log_entry *l = &logs[i];
        char path[100];
        if (l->number <= r->m.log) continue;
        if (l->first_us > r->until_us) break;
        if (!l->after || l->after > last) return gap(r, l);
        const char *name = strrchr(l->file.name.p, '/');
        size_t len = name ? l->file.name.n - (size_t)(name + 1 - l->file.name.p) : 0;
        snprintf(path, sizeof path, "ts/%.*s", (int)(len < 80 ? len : 80), name ? name + 1 : "");
        rc = fetch_file(&r->f, &l->file, r->fs, path, r->e);
        last = l->number;
        r->logs++;
        r->logs_to_us = l->last_us;
    }
    return rc;
}

static int replay(struct restore *r)
{
    struct ts_store *st;
    struct ts_stats s;
    struct tsdb_config c = {
        .fs = r->fs, .replay_until_us = r->until_us == INT64_MAX ? 0 : r->until_us, .no_thread = true};
    int rc = tsdb_open(&c, &st, r->e);
    if (rc) return rc;
    rc = tsdb_seal(st, r->e); /* from now on there are no logs of after that time */
    st->ops->stats(st, &s);
    if (!rc && s.damaged_blocks)
        rc = error_set(r->e, ERR_CORRUPT, "history", "%llu broken places were met", "发现 %llu 处损坏",
                       (unsigned long long)s.damaged_blocks);
    st->ops->close(st);
    return rc;
}

/* ------------------------------------------------------------------ restore: database */

static int run_sql(const char *url, const char *text, struct error *e)
{
    struct sql *db;
    struct sql_tx *tx;
    int rc = sql_open(url, &db, e);
    if (rc) return rc;
    rc = sql_begin(db, true, &tx, e);
    if (!rc) {
        rc = sql_exec(tx, e, text, "");
        if (rc)
            sql_rollback(tx);
        else
            rc = sql_commit(tx, e);
    }
    sql_close(db);
    return rc;
}

static int end_jobs(const char *url, struct error *e)
{
    int rc = run_sql(
        url, "update job set state = 'cancelled', ended_us = created_us where type like 'backup.%' and ended_us = 0",
        e);
    return rc ? rc : run_sql(url, "update backup set state = 'cancelled' where state = 'running'", e);
}

struct making {
    struct config cfg;
    const char *part;
};

static int make_tables(void *ctx, const char *url, struct error *e)
{
    struct making *k = ctx;
    char dir[4400];
    static int n;
    snprintf(dir, sizeof dir, "%s/making-%d", k->part, n++);
    k->cfg.data = dir;
    k->cfg.database = url;
    k->cfg.warm = k->cfg.cold = NULL;
    k->cfg.objects = NULL;
    k->cfg.demo = false;
    int rc = serve_make_tables(&k->cfg, e);
    sweep(dir);
    return rc;
}

static void progress(void *ctx, const char *step, const char *table, int64_t done, int64_t rows)
{
    fprintf(stderr, "%-7s %-28s %12lld / %lld\n", step, table, (long long)done, (long long)rows);
}

/* What was a PostgreSQL database came as tables without indices: made into one, here or where --database says. */
static int rebuild(struct restore *r, const char *to)
{
    static struct making k;
    static struct sql_copy c;
    char from[4500], old[4400], scratch[4500], name[4400];
    k.part = r->part;
    snprintf(name, sizeof name, "%s/kernel.db", r->part);
    snprintf(old, sizeof old, "%s/dump.db", r->part);
    snprintf(from, sizeof from, "sqlite:%s", old);
    snprintf(scratch, sizeof scratch, "sqlite:%s/tables.db", r->part);
    if (rename(name, old)) return error_set(r->e, error_from_errno(errno), name, "cannot be renamed", "无法重命名");
    c = (struct sql_copy){
        .from = from, .to = to, .make_tables = make_tables, .progress = progress, .ctx = &k, .scratch = scratch};
    int rc = config_read(&k.cfg, 0, NULL, r->e);
    if (!rc) rc = sql_copy_run(&c, r->e);
    unlink(old);
    snprintf(old, sizeof old, "%s/dump.db-lock", r->part);
    unlink(old);
    return rc;
}

static int restore_database(struct restore *r)
{
    char url[4500];
    snprintf(url, sizeof url, "sqlite:%s/kernel.db", r->part);
    if (!r->m.part[PART_DATABASE]) return 0;
    const char *to = r->o->database ? r->o->database : url;
    bool dump = strcmp(r->m.engine, "sqlite") != 0;
    if (!dump && r->o->database)
        return error_set(r->e, ERR_INVALID, "database",
                         "this backup is of a SQLite database: restore it, then use bornite migrate",
                         "该备份来自 SQLite 数据库：请先恢复，再使用 bornite migrate");
    int rc = dump ? rebuild(r, to) : 0;
    return rc ? rc : end_jobs(to, r->e);
}

/* ------------------------------------------------------------------ restore: the order */

static int publish(struct restore *r)
{
    size_t n = strlen(r->part) - strlen(".part");
    char dir[4300];
    snprintf(dir, sizeof dir, "%.*s", (int)n, r->part);
    fs_destroy(r->fs);
    r->fs = NULL;
    int fd = rename(r->part, dir) ? -1 : 0;
    return fd ? error_set(r->e, error_from_errno(errno), dir, "cannot be put in its place: %s", "无法放到位：%s",
                          strerror(errno))
              : 0;
}

static void tell(struct restore *r)
{
    char at[TIME_TEXT_MAX], until[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
    time_format(r->m.at_us, at);
    printf("done: backup %s of %s, %llu files, %llu bytes, each hashed\n", r->m.id, at, (unsigned long long)r->files,
           (unsigned long long)r->bytes);
    printf("完成：备份 %s（%s），%llu 个文件，%llu 字节，均已校验\n", r->m.id, at, (unsigned long long)r->files,
           (unsigned long long)r->bytes);
    if (r->until_us != INT64_MAX) {
        bool all = r->logs_to_us >= r->until_us;
        time_format(r->until_us, until);
        printf("history: as of %s (%llu logs replayed)%s%s\n", until, (unsigned long long)r->logs,
               all ? "" : "; the newest log ends at ",
               all       ? ""
               : r->logs ? time_format(r->logs_to_us, to)
                         : at);
        printf("历史数据：截至 %s（重放 %llu 个日志）\n", until, (unsigned long long)r->logs);
    }
    printf("database and files: as of the backup, %s\n数据库与文件：为备份时刻 %s 的状态\n", at, at);
    printf("Put secret.key (or the passphrase) of the old server into %s: without it sealed fields cannot be read.\n"
           "请将原服务器的 secret.key（或口令）放入 %s，否则无法读取加密字段。\n",
           r->o->data, r->o->data);
    printf("Its backup plans go to the same target as before: do not run it beside the old server with plans enabled.\n"
           "其备份计划仍指向原目标：请勿与启用计划的原服务器同时运行。\n"
           "next: bornite serve --data %s%s%s\n",
           r->o->data, r->o->database ? " --database " : "", r->o->database ? r->o->database : "");
}

static int steps(struct restore *r)
{
    int64_t upto = r->until_us;
    int rc = open_target(r->o, &r->t, r->e);
    if (!rc) rc = manifest_pick(r->t, &r->arena, str_of(r->o->backup ? r->o->backup : ""), upto, &r->m, r->e);
    if (!rc && r->m.at_us > upto)
        rc = error_set(r->e, ERR_INVALID, "until", "this backup is newer than that time; name an older one",
                       "该备份晚于所给时刻；请指定更早的备份");
    if (!rc) rc = make_place(r);
    if (!rc) rc = fetch_begin(&r->f, r->t, r->e);
    if (!rc) rc = manifest_files(r->t, &r->m, restore_file, r, r->e);
    if (!rc && upto != INT64_MAX && r->m.part[PART_HISTORY]) rc = fetch_logs(r);
    if (!rc && r->m.part[PART_HISTORY]) rc = replay(r);
    if (!rc) rc = restore_database(r);
    return rc ? rc : publish(r);
}

int restore_main(int argc, char **argv)
{
    static struct options o;
    static struct restore r;
    struct error e = {0};
    int rc = read_options(argc, argv, &o);
    if (rc) return rc;
    if (!o.data) return usage("--data is needed / 需要 --data");
    log_level_set(NULL, LOG_ERROR);
    hash_seed_set(rng_u64(rng_real()));
    r = (struct restore){.o = &o, .until_us = INT64_MAX, .e = &e};
    arena_init(&r.arena, 2048u << 20);
    if (o.until && (rc = time_parse(str_of(o.until), &r.until_us, &e))) return failed("restore", rc, &e);
    rc = steps(&r);
    fetch_end(&r.f);
    fs_destroy(r.fs);
    if (rc && r.part[0]) sweep(r.part);
    target_close(r.t);
    if (!rc) tell(&r);
    arena_fini(&r.arena);
    return rc ? failed("restore", rc, &e) : 0;
}
