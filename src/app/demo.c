/* demo.c - see demo.h. Goes the way a user's import goes: CSV of each kind through the kernel, checked by
 * the same rules; a fault in the demo's own data stops the start with its row. */
#include "app/demo.h"
#include "base/mem.h"
#include "io/log.h"
#include "sim/resources.h"

static int has_channels(struct node *n, bool *ret, struct error *e)
{
    AUTO_ARENA a;
    struct list_page page;
    struct list_query q = {.kind = "channel", .limit = 1};
    arena_init(&a, 1 << 20);
    int err = resource_list(n->kernel, &a, &q, &page, e);
    if (!err) *ret = page.n > 0;
    return err;
}

static int import_kind(struct node *n, struct sim_plan *plan, const char *kind, const char *host, long port,
                       struct error *e)
{
    AUTO_ARENA a;
    struct buf csv;
    struct bulk_report report = {0};
    arena_init(&a, 256u << 20);
    buf_init(&csv, 64u << 20);
    int err = sim_write_resources_csv(plan, kind, host, (unsigned)port, &csv);
    err = err ? error_set(e, err, kind, "the demo data do not fit", "演示数据过大")
              : resource_import_csv(n->kernel, &a, &actor_system, kind, buf_view(&csv), false, false, &report, e);
    if (!err && report.failed) { /* all or nothing: the first bad row stops the start */
        if (e && report.nitems) *e = report.items[0].err;
        err = ERR_INVALID;
    }
    if (!err) log_info("demo", "set up", "kind=%s created=%zu", kind, report.created);
    buf_fini(&csv);
    return err;
}

int demo_set_up(struct node *n, const char *host, long port, struct error *e)
{
    static const char *const kinds[] = {"org", "area", "channel", "device", "point"};
    struct sim_plan *plan;
    bool have = false;
    int err = has_channels(n, &have, e);
    if (err || have) return err;
    err = sim_plan_load(&plan, e);
    if (err) return err;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !err; i++)
        err = import_kind(n, plan, kinds[i], host, port, e);
    sim_plan_free(plan);
    return err;
}
