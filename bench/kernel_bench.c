/* kernel_bench.c - lists of many resources: how long a page takes, by sort, filter, text and organisation.
 *
 * usage: bench_kernel [rows] [url]     (1000000; sqlite: in a fresh directory below TMPDIR; what a run before
 *                                       left in `url` is used again)
 * Times are of resource_list with the total: processor time, best and worst of five calls, and the one before them
 * that warms up and asks for the indices that are made when asked for. */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/mem.h"
#include "core/auth/auth_perm.h"
#include "core/resource.h"
#include "core/resource/kernel_int.h"

#define ORGS 100
#define SCOPE 30
#define BATCH 10000
#define IMPORTED 100000

static const char kind_part[] =
    "{\"kind\":\"part\",\"plural\":\"parts\",\"title\":{\"en\":\"Part\",\"zh\":\"备件\"},\"code\":{\"required\":true},"
    "\"fields\":[{\"name\":\"line\",\"type\":\"string\",\"index\":true},{\"name\":\"maker\",\"type\":\"string\"},"
    "{\"name\":\"weight\",\"type\":\"number\"},{\"name\":\"note\",\"type\":\"string\"}],"
    "\"lists\":{\"columns\":[\"code\",\"name\",\"line\",\"note\"],\"sort\":\"code\"}}";

static const char *const things[] = {"球磨机", "浮选槽", "给料泵", "皮带机", "阳极炉", "电解槽", "浓密机", "鼓风机"};
static const char *const places[] = {"一车间", "二车间", "熔炼", "精炼", "选矿", "制酸"};

static const char kind_spot[] =
    "{\"kind\":\"spot\",\"plural\":\"spots\",\"numbered\":true,\"title\":{\"en\":\"Point\",\"zh\":\"测点\"},"
    "\"code\":{\"required\":true},\"fields\":[{\"name\":\"address\",\"type\":\"string\"},"
    "{\"name\":\"scale\",\"type\":\"number\",\"default\":1},{\"name\":\"offset\",\"type\":\"number\",\"default\":0},"
    "{\"name\":\"unit\",\"type\":\"string\"},{\"name\":\"lo\",\"type\":\"number\"},{\"name\":\"hi\",\"type\":"
    "\"number\"},"
    "{\"name\":\"period\",\"type\":\"duration\",\"default\":\"1s\"},"
    "{\"name\":\"area\",\"type\":\"string\",\"index\":true}],"
    "\"lists\":{\"columns\":[\"code\",\"name\",\"unit\",\"area\"],\"sort\":\"code\"}}";

static struct str orgs[ORGS];
static char org_text[ORGS][37];

static double now_ms(void)
{
    return (double)clock_mono_ns(clock_real()) / 1e6;
}

static double cpu_ms(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static void must(int rc, const struct error *e, const char *what)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s: %s %s\n", what, e->where, e->text);
    exit(1);
}

static struct json *parsed(struct arena *a, const char *text)
{
    struct json *v = NULL;
    struct error e = {0};
    must(text ? json_parse(a, str_of(text), &v, &e) : ERR_NOMEM, &e, "json");
    return v;
}

static long number(const char *text)
{
    int64_t n = 0;
    if (str_to_i64(str_of(text), &n) || n < 1) fprintf(stderr, "'%s' is no number of rows\n", text), exit(1);
    return (long)n;
}

static void item(struct arena *a, long i, struct bulk_item *it)
{
    it->op = BULK_CREATE;
    it->expect_rev = -1;
    it->in.code = str_of(arena_printf(a, "P%07ld", i * 7919 % 10000000));
    it->in.name =
        str_of(arena_printf(a, "%s%s%s %ld", places[i % 6], i % 500000 == 77 ? "锆英砂" : "", things[i % 8], i));
    it->in.org = orgs[i % ORGS];
    it->in.labels = parsed(a, arena_printf(a, "{\"area\":\"A%ld\"}", i % 500));
    it->in.spec =
        parsed(a, arena_printf(a, "{\"line\":\"L%ld\",\"maker\":\"M%ld\",\"weight\":%ld,\"note\":\"%s\"}", i % 200,
                               i % 5000, i % 1000, i % 100000 == 5 ? "spare zirconia liner" : "std"));
}

static void fill(struct kernel *k, long rows)
{
    double t = now_ms(), cpu = cpu_ms();
    for (long from = 0; from < rows; from += BATCH) {
        AUTO_ARENA a;
        struct error e = {0};
        struct bulk_report report;
        size_t n = rows - from < BATCH ? (size_t)(rows - from) : BATCH;
        arena_init(&a, 1 << 30);
        struct bulk_item *items = arena_calloc(&a, n, sizeof *items);
        if (!items) exit(1);
        for (size_t i = 0; i < n; i++) item(&a, from + (long)i, &items[i]);
        must(resource_bulk(k, &a, &actor_system, "part", items, n, false, false, &report, &e), &e, "bulk");
        if (report.failed) fprintf(stderr, "%zu failed: %s\n", report.failed, report.items[0].err.text), exit(1);
    }
    t = now_ms() - t;
    cpu = cpu_ms() - cpu;
    printf("%ld resources made in %.1f s, %.1f s of processor: %.0f a second\n", rows, t / 1000, cpu / 1000,
           (double)rows / t * 1000);
    fflush(stdout);
}

/* One table of points, as it is imported: all in one transaction. */
static void import(struct kernel *k, long rows)
{
    AUTO_ARENA a;
    struct buf csv;
    struct bulk_report report;
    struct error e = {0};
    arena_init(&a, 1 << 30);
    buf_init(&csv, 1 << 30);
    buf_z(&csv, "code,name,unit,lo,hi,area\n");
    for (long i = 0; i < rows; i++)
        buf_printf(&csv, "BIG%ld,%s%s %ld,t/h,0,%ld,A%ld\n", i, places[i % 6], things[i % 8], i, i % 1000 + 1, i % 100);
    double t = now_ms(), cpu = cpu_ms();
    must(resource_import_csv(k, &a, &actor_system, "spot", buf_view(&csv), false, false, &report, &e), &e, "import");
    t = now_ms() - t;
    cpu = cpu_ms() - cpu;
    printf("%zu points imported from a table in %.1f s, %.1f s of processor\n", report.created, t / 1000, cpu / 1000);
    fflush(stdout);
    buf_fini(&csv);
}

/* A database that a run before has filled. */
static bool filled(struct kernel *k)
{
    AUTO_ARENA a;
    struct list_page page;
    struct error e = {0};
    arena_init(&a, 1 << 20);
    struct list_query q = {.kind = "part", .count = true, .limit = 1};
    must(resource_list(k, &a, &q, &page, &e), &e, "list");
    return page.total > 0;
}

static struct permissions *some_orgs(void)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct perm_rows rows = {.arena = &a, .words = (ORGS + 63) / 64};
    uint64_t *bits = arena_calloc(&a, rows.words, sizeof *bits);
    struct permissions *p = NULL;
    if (!bits) exit(1);
    for (int i = 0; i < SCOPE; i++) bits[i * 3 / 64] |= 1ull << (i * 3 % 64);
    int rc = perm_rows_add(&rows, parsed(&a, "[{\"kinds\":[\"part\"],\"actions\":[\"read\"]}]"), bits);
    if (!rc) rc = perm_compile(&rows, orgs, ORGS, &p);
    if (rc) exit(1);
    return p;
}

static double thread_ms(void)
{
    struct rusage r;
    getrusage(RUSAGE_THREAD, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

struct took {
    double ms, cpu; /* cpu: of this thread, which does all of it */
};

static struct took once(struct kernel *k, const struct list_query *q, struct list_page *page, struct arena *a)
{
    struct error e = {0};
    arena_reset(a);
    double t = now_ms(), cpu = thread_ms();
    must(resource_list(k, a, q, page, &e), &e, "list");
    return (struct took){now_ms() - t, thread_ms() - cpu};
}

static void measure(struct kernel *k, const char *name, struct list_query q)
{
    AUTO_ARENA a;
    struct list_page page;
    struct took best = {1e9, 1e9};
    double worst = 0;
    arena_init(&a, 64 << 20);
    q.kind = "part";
    q.count = true;
    q.limit = 50;
    double first = once(k, &q, &page, &a).ms;
    lists_settle(k);
    for (int i = 0; i < 5; i++) {
        struct took t = once(k, &q, &page, &a);
        best.ms = t.ms < best.ms ? t.ms : best.ms;
        best.cpu = t.cpu < best.cpu ? t.cpu : best.cpu;
        worst = t.ms > worst ? t.ms : worst;
    }
    printf("%-34s %8.1f %8.1f %8.1f %8.1f   %5zu of %s%lld\n", name, best.cpu, best.ms, worst, first, page.n,
           page.more_than_total ? ">" : "", (long long)page.total);
    fflush(stdout);
}

static void pages(struct kernel *k, const struct actor *by, long rows)
{
    AUTO_ARENA a;
    struct list_page page;
    arena_init(&a, 64 << 20);
    struct list_query q = {.kind = "part", .limit = 50, .offset = (size_t)rows / 2, .by = by};
    q.offset = by ? q.offset / 4 : q.offset;
    once(k, &q, &page, &a);
    struct str after = page.next;
#define Q(...) ((struct list_query){.by = by, __VA_ARGS__})
    measure(k, "first page", Q());
    measure(k, "page behind a cursor in the middle", Q(.after = after));
    measure(k, "page by number in the middle", Q(.offset = q.offset));
    measure(k, "page by number at the end", Q(.offset = (size_t)(by ? rows * SCOPE / ORGS : rows) - 30));
    measure(k, "sort by name", Q(.sort = STR("name")));
    measure(k, "newest change first", Q(.sort = STR("-updated_at")));
    measure(k, "filter, indexed field", Q(.filter = STR("line = 'L7'")));
    measure(k, "filter, field without index", Q(.filter = STR("maker = 'M77'")));
    measure(k, "filter, label", Q(.filter = STR("labels.area = 'A33'")));
    measure(k, "text, rare (2 rows)", Q(.text = STR("锆英砂")));
    measure(k, "text, rare Latin (10 rows)", Q(.text = STR("zirconia")));
    measure(k, "text, code", Q(.text = STR("P0012345")));
    measure(k, "text, two characters, common", Q(.text = STR("球磨")));
    measure(k, "text, one character, common", Q(.text = STR("泵")));
    measure(k, "text, pinyin letters", Q(.text = STR("qmj")));
    measure(k, "text, common, with filter", Q(.text = STR("浮选"), .filter = STR("line = 'L7'")));
}

int main(int argc, char **argv)
{
    long rows = argc > 1 ? number(argv[1]) : 1000000;
    char folder[] = "/tmp/bornite-bench-XXXXXX", url[200];
    struct sql *db;
    struct kernel *k;
    struct error e = {0};
    if (!mkdtemp(folder)) return 1;
    snprintf(url, sizeof url, "sqlite:%s/kernel.db", folder);
    must(sql_open(argc > 2 ? argv[2] : url, &db, &e), &e, "open");
    must(kernel_open(db, clock_real(), rng_real(), &k, &e), &e, "kernel");
    must(kernel_kind_add(k, str_of(kind_part), &e), &e, "kind");
    for (int i = 0; i < ORGS; i++) {
        snprintf(org_text[i], sizeof org_text[i], "0190a000-0000-7000-8000-%012d", i);
        orgs[i] = str_of(org_text[i]);
    }
    must(kernel_kind_add(k, str_of(kind_spot), &e), &e, "kind");
    if (!filled(k)) {
        import(k, IMPORTED);
        fill(k, rows);
    }
    struct permissions *may = some_orgs();
    struct actor user = {.login = "user", .may = may};
    printf("%-34s %8s %8s %8s %8s   (ms)\n", "everything", "cpu", "best", "worst", "first");
    pages(k, NULL, rows);
    printf("\nof %d organisations of %d\n", SCOPE, ORGS);
    pages(k, &user, rows);
    mem_free(may);
    kernel_close(k);
    sql_close(db);
    snprintf(url, sizeof url, "%s/kernel.db", folder);
    unlink(url);
    snprintf(url, sizeof url, "%s/kernel.db-lock", folder);
    unlink(url);
    rmdir(folder);
    return 0;
}
