/* migrate.c - `bornite migrate`: the relational database to another place or the other engine (store/copy.h).
 *
 * The tables of the target are made by this program's own components, which are opened as by serve over a folder
 * that is thrown away. Progress on stderr, the outcome on stdout. Exit: 0 the copy stands and was verified, 1 it
 * does not stand and nothing has changed at the target, 2 wrong arguments. */
#include "app/migrate.h"
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>
#include "app/serve.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/log.h"
#include "store/copy.h"

struct options {
    const char *from, *to;
    bool dry_run;
};

static int usage(const char *what)
{
    fprintf(stderr,
            "bornite migrate: %s\n"
            "  bornite migrate --from URL --to URL [--dry-run]\n"
            "  URL: sqlite:/path/kernel.db or postgresql://user@host/database?schema=bornite\n"
            "  The servers that use the source must be stopped; the target must be empty.\n"
            "  须先停止使用源库的服务；目标库须为空。\n",
            what);
    return 2;
}

static int read_options(int argc, char **argv, struct options *o)
{
    for (int i = 0; i < argc; i++) {
        struct str rest = str_of(argv[i]), name = str_cut(&rest, '=');
        const char **at = str_is(name, "--from") ? &o->from : str_is(name, "--to") ? &o->to : NULL;
        if (str_is(name, "--dry-run") && !rest.p) {
            o->dry_run = true;
            continue;
        }
        if (!at) return usage("unknown argument / 未知参数");
        if (!rest.p && i + 1 == argc) return usage("a value is missing / 缺少值");
        *at = rest.p ? rest.p : argv[++i];
    }
    if (!o->from || !o->to) return usage("--from and --to are needed / 需要 --from 和 --to");
    if (strcmp(o->from, o->to) == 0) return usage("source and target are the same / 源库与目标库相同");
    return 0;
}

struct scratch {
    char dir[300], url[400];
    struct config cfg;
};

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static int make_scratch(struct scratch *s, struct error *e)
{
    const char *base = getenv("TMPDIR");
    snprintf(s->dir, sizeof s->dir, "%.200s/bornite-migrate-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(s->dir)) return error_set(e, ERR_IO, s->dir, "cannot be made", "无法创建");
    snprintf(s->url, sizeof s->url, "sqlite:%s/tables.db", s->dir);
    return config_read(&s->cfg, 0, NULL, e);
}

/* A folder per call: the components of a second call must not find what the first one left. */
static int make_tables(void *ctx, const char *url, struct error *e)
{
    struct scratch *s = ctx;
    char dir[340];
    static int n;
    snprintf(dir, sizeof dir, "%s/%d", s->dir, n++);
    s->cfg.data = dir;
    s->cfg.database = url;
    s->cfg.warm = s->cfg.cold = NULL;
    s->cfg.demo = false;
    return serve_make_tables(&s->cfg, e);
}

static void progress(void *ctx, const char *step, const char *table, int64_t done, int64_t rows)
{
    fprintf(stderr, "%-7s %-28s %12lld / %lld\n", step, table, (long long)done, (long long)rows);
}

static void report(const struct sql_copy *c, const struct options *o)
{
    int64_t rows = 0;
    for (size_t i = 0; i < c->ntables; i++) {
        printf("%-28s %12lld  %s\n", c->table[i].name, (long long)c->table[i].rows, c->table[i].digest);
        rows += c->table[i].rows;
    }
    if (o->dry_run)
        printf("%zu tables, %lld rows can be copied; nothing was changed / 可复制 %zu 个表、%lld 行；未作任何更改\n",
               c->ntables, (long long)rows, c->ntables, (long long)rows);
    else
        printf(
            "done: %zu tables, %lld rows, read again and the same; start the server with --database and the new URL\n"
            "完成：%zu 个表、%lld 行，已重新读取并核对一致；请用新地址（--database）启动服务\n",
            c->ntables, (long long)rows, c->ntables, (long long)rows);
}

static int failed(const struct options *o, int rc, const struct error *e)
{
    fprintf(stderr, "bornite migrate: %s%s%s\n                 %s\n", e->where, e->where[0] ? ": " : "",
            e->text[0] ? e->text : error_title(rc), e->text_zh);
    fprintf(stderr,
            "Nothing was moved: the source and the target are as they were.\n未迁移：源库与目标库均保持原样。\n");
    return 1;
}

int migrate_main(int argc, char **argv)
{
    static struct options o;
    static struct scratch s;
    static struct sql_copy c;
    struct error e = {0};
    int rc = read_options(argc, argv, &o);
    if (rc) return rc;
    log_level_set(NULL, LOG_ERROR);
    hash_seed_set(rng_u64(rng_real()));
    rc = make_scratch(&s, &e);
    c = (struct sql_copy){.from = o.from,
                          .to = o.to,
                          .dry_run = o.dry_run,
                          .make_tables = make_tables,
                          .progress = progress,
                          .ctx = &s,
                          .scratch = s.url};
    if (!rc) rc = sql_copy_run(&c, &e);
    (void)nftw(s.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (rc) return failed(&o, rc, &e);
    report(&c, &o);
    return 0;
}
