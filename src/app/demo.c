/* demo.c - see demo.h. Goes the way a user's import goes: CSV of each kind through the kernel, checked by
 * the same rules; a fault in the demo's own data stops the start with its row. First the Modbus servers, then what
 * speaks other protocols and what is forwarded, which meets itself on ports of this machine. */
#include "app/demo.h"
#include "base/mem.h"
#include "core/auth/auth.h"
#include "io/log.h"
#include "sim/resources.h"

#define ACCOUNT "demo-gateway" /* of data/more_user.csv: may publish and subscribe by MQTT, nothing else */

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

static void tell_bad_row(const struct bulk_report *report, struct error *e)
{
    for (size_t i = 0; e && i < report->nitems; i++) {
        if (report->items[i].status != BULK_FAILED) continue;
        *e = report->items[i].err;
        log_error("demo", "a row does not fit", "line=%zu code=%.*s where=%s", report->items[i].line,
                  STR_ARG(report->items[i].code), e->where);
        return;
    }
}

/* All or nothing: the first bad row stops the start. */
static int import_text(struct node *n, const char *kind, struct buf *csv, struct error *e)
{
    AUTO_ARENA a;
    struct bulk_report report = {0};
    arena_init(&a, 256u << 20);
    int err = csv->err
                  ? error_set(e, csv->err, kind, "the demo data do not fit", "演示数据过大")
                  : resource_import_csv(n->kernel, &a, &actor_system, kind, buf_view(csv), false, false, &report, e);
    if (!err && report.failed) {
        tell_bad_row(&report, e);
        err = ERR_INVALID;
    }
    if (!err) log_info("demo", "set up", "kind=%s created=%zu", kind, report.created);
    return err;
}

static int import_plan(struct node *n, const char *host, long port, struct error *e)
{
    static const char *const kinds[] = {"org", "area", "channel", "device", "point"};
    struct sim_plan *plan;
    int err = sim_plan_load(&plan, e);
    if (err) return err;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !err; i++) {
        struct buf csv;
        buf_init(&csv, 64u << 20);
        err = sim_write_resources_csv(plan, kinds[i], host, (unsigned)port, &csv);
        if (!err || csv.err) err = import_text(n, kinds[i], &csv, e);
        buf_fini(&csv);
    }
    sim_plan_free(plan);
    return err;
}

static int make_token(struct node *n, char secret[AUTH_TOKEN_CHARS + 4], struct error *e)
{
    AUTO_ARENA a;
    char id[37];
    struct principal by = {.actor = actor_system};
    arena_init(&a, 1 << 20);
    struct json *roles = json_new_array(&a);
    struct token_request q = {.by = &by, .name = STR("demo"), .user = STR(ACCOUNT), .roles = roles};
    bool ok = json_push(roles, json_new_str(&a, STR(ACCOUNT))) != NULL;
    int err = ok ? auth_reload(api_auth(n->api), e) : ERR_NOMEM; /* hooks tell it later: the account is new */
    return err ? err : auth_token_create(api_auth(n->api), &a, &q, id, secret, e);
}

static int import_more(struct node *n, const char *host, long port, struct error *e)
{
    char secret[AUTH_TOKEN_CHARS + 4] = "";
    struct sim_places at = {.host = host, .secret = secret, .port_base = (unsigned)port};
    int err = 0;
    const char *kind;
    for (size_t i = 0; !err && (kind = sim_more_kind(i)); i++) {
        struct buf csv;
        buf_init(&csv, 4u << 20);
        err = sim_write_more_csv(kind, &at, &csv);
        if (!err || csv.err) err = import_text(n, kind, &csv, e);
        if (!err && strcmp(kind, "user") == 0) err = make_token(n, secret, e);
        buf_fini(&csv);
    }
    explicit_bzero(secret, sizeof secret);
    return err;
}

int demo_set_up(struct node *n, const char *host, long port, struct error *e)
{
    bool have = false;
    int err = has_channels(n, &have, e);
    if (!err && !have) err = import_plan(n, host, port, e);
    if (!err && !have) err = import_more(n, host, port, e);
    return err;
}
