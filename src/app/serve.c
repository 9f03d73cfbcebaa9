/* serve.c - `bornite serve`: opens everything from the bottom up, waits for a signal, closes from the top
 * down. Each step of the start stands as a row in one table with its undoing, so that a start that fails
 * half-way takes back just what was done. */
#include "app/serve.h"
#include <signal.h>
#include <unistd.h>
#include "app/demo.h"
#include "app/keys.h"
#include "app/objects.h"
#include "app/places.h"
#include "app/tables.h"
#include "base/mem.h"
#include "core/auth/auth.h"
#include "core/file/files.h"
#include "core/job.h"
#include "core/system.h"
#include "drivers/common/registry.h"
#include "outlets/common/registry.h"
#include "io/log.h"
#include "store/ts_router.h"
#include "tsdb/tsdb.h"

#define MODULES_MAX 64

struct server {
    const struct config *cfg;
    struct node node;
    struct sql *sql;
    struct secrets *secrets;
    struct http_server *http;
    struct files *files;
    struct app_places places;
    struct node_place place[TS_PLACES];
    void *module_ctx[MODULES_MAX];
    struct system_routes *info;
};

static int open_data(struct server *s, struct error *e)
{
    int err = fs_real(s->cfg->data, true, &s->node.data, e);
    if (err) return err;
    struct error why = {0};
    if (config_save(s->cfg, s->node.data, &why))
        log_warn("app", "the settings are not written down", "err=%s", why.text);
    return 0;
}
static void close_data(struct server *s)
{
    fs_destroy(s->node.data);
}

static int open_sql(struct server *s, struct error *e)
{
    char url[4200];
    snprintf(url, sizeof url, "sqlite:%s/kernel.db", s->cfg->data);
    return sql_open(s->cfg->database ? s->cfg->database : url, &s->sql, e);
}
static void close_sql(struct server *s)
{
    sql_close(s->sql);
}

static int open_secrets(struct server *s, struct error *e)
{
    return app_secrets_open(s->cfg, s->sql, &s->secrets, e);
}
static void close_secrets(struct server *s)
{
    secrets_close(s->secrets);
}

static int open_kernel(struct server *s, struct error *e)
{
    int err = kernel_open(s->sql, s->node.clock, s->node.rng, &s->node.kernel, e);
    if (!err) kernel_secrets_set(s->node.kernel, s->secrets);
    return err;
}
static void close_kernel(struct server *s)
{
    kernel_close(s->node.kernel);
}

/* A backup that was fetched into other files. */
static int open_restored(struct fs *fs, int64_t until_us, struct ts_store **ret, struct error *e)
{
    struct tsdb_config tc = {.fs = fs, .replay_until_us = until_us, .no_thread = true};
    return tsdb_open(&tc, ret, e);
}

static int open_places(struct server *s, struct error *e)
{
    return app_places_open(s->cfg, &s->places, e);
}
static void close_places(struct server *s)
{
    app_places_close(&s->places);
}

static void tell_places(struct server *s)
{
    s->place[TS_HOT] = (struct node_place){.at = s->cfg->data, .fs = s->node.data};
    s->place[TS_WARM] = (struct node_place){.at = s->cfg->warm, .fs = s->places.fs[TS_WARM]};
    s->place[TS_COLD] = (struct node_place){
        .at = s->cfg->cold ? s->places.cold_at : NULL, .fs = s->places.fs[TS_COLD], .objects = s->places.store};
    s->node.places = s->place;
}

static int open_history(struct server *s, struct error *e)
{
    tell_places(s);
    struct tsdb_config tc = {.fs = s->node.data, .clock = s->node.clock};
    for (size_t i = 0; i < TS_PLACES; i++) tc.places[i] = s->places.fs[i];
    int err = tsdb_open(&tc, &s->node.engine, e);
    s->node.history_open = open_restored;
    return err;
}
static void close_history(struct server *s)
{
    s->node.engine->ops->close(s->node.engine);
}

/* Other engines of archive classes stand behind it. */
static int open_router(struct server *s, struct error *e)
{
    struct ts_router_config rc = {.engine = s->node.engine,
                                  .fs = s->node.data,
                                  .clock = s->node.clock,
                                  .queue_max = (uint64_t)s->cfg->journal_mb << 20};
    return ts_router_open(&rc, &s->node.history, e);
}
static void close_router(struct server *s)
{
    s->node.history->ops->close(s->node.history);
}

static int open_bus(struct server *s, struct error *e)
{
    struct bus_config bc = {.shards = (unsigned)s->cfg->shards,
                            .clock = s->node.clock,
                            .store = s->node.history,
                            .fs = s->node.data,
                            .journal_max = (uint64_t)s->cfg->journal_mb << 20,
                            .commit_ms = (unsigned)s->cfg->commit_ms};
    return bus_start(&bc, &s->node.bus, e);
}
static void close_bus(struct server *s)
{
    bus_stop(s->node.bus);
}

static int open_api(struct server *s, struct error *e)
{
    struct api_config ac = {.kernel = s->node.kernel,
                            .asset = app_asset,
                            .version = BORNITE_VERSION,
                            .secure_cookies = s->cfg->tls_cert != NULL};
    int err = app_assets_init(e);
    if (!err && !(ac.spool_dir = app_spool(s->cfg, e))) err = ERR_IO;
    return err ? err : api_new(&ac, &s->node.api, e);
}
static void close_api(struct server *s)
{
    api_free(s->node.api);
}

#ifdef NDEBUG
#define BUILD "release"
#else
#define BUILD "debug"
#endif
static int open_info(struct server *s, struct error *e)
{
    char url[4200];
    snprintf(url, sizeof url, "sqlite:%s/kernel.db", s->cfg->data);
    struct system_info si = {.database = s->cfg->database ? s->cfg->database : url,
                             .data_path = s->cfg->data,
                             .build = BUILD,
                             .roles = "all",
                             .data = s->node.data};
    return system_info_add(s->node.api, &si, &s->info, e);
}
static void close_info(struct server *s)
{
    system_info_free(s->info);
}

static int job_actor_now(void *api, struct arena *a, struct str user_id, struct actor *ret)
{
    return auth_actor(api_auth(api), a, user_id, ret);
}

static int job_token_actor_now(void *api, struct arena *a, struct str user_id, struct str token_id, struct actor *ret)
{
    return auth_token_actor(api_auth(api), a, user_id, token_id, ret);
}

/* Hooks of the jobs may still run when a start ends before the modules, which stop them otherwise. */
static void close_jobs(struct server *s)
{
    kernel_hooks_stop(s->node.kernel);
    jobs_close(s->node.jobs);
}
static int open_jobs(struct server *s, struct error *e)
{
    struct jobs_config jc = {
        .kernel = s->node.kernel, .actor = job_actor_now, .token_actor = job_token_actor_now, .actor_ctx = s->node.api};
    int err = jobs_open(&jc, &s->node.jobs, e);
    if (err) return err;
    err = jobs_system_add(s->node.jobs, e);
    if (!err) err = jobs_routes_add(s->node.jobs, s->node.api, e);
    if (!err) err = secrets_routes_add(s->node.jobs, s->node.kernel, s->node.api, e);
    if (err) close_jobs(s);
    return err;
}

static int open_objects(struct server *s, struct error *e)
{
    return app_objects_open(s->cfg, &s->node.objects, e);
}
static void close_objects(struct server *s)
{
    object_store_close(s->node.objects);
}

static int open_files(struct server *s, struct error *e)
{
    struct files_config fc = {s->node.kernel, s->node.api, s->node.jobs, s->node.objects};
    return files_open(&fc, &s->files, e);
}
static void close_files(struct server *s)
{
    files_close(s->files);
}
static int start_files(struct server *s, struct error *e)
{
    return files_start(s->files, e);
}

static int init_modules(struct server *s, struct error *e)
{
    return modules_init(&s->node, app_modules, app_nmodules, s->module_ctx, e);
}
static void fini_modules(struct server *s)
{
    kernel_hooks_stop(s->node.kernel); /* modules' hooks end with them; a start that failed has not done it yet */
    modules_fini(app_modules, app_nmodules, s->module_ctx);
}

/* All built-in kinds are known now. */
static int load_user_kinds(struct server *s, struct error *e)
{
    return user_kinds_load(s->node.kernel, e);
}

/* All kinds are there: what lists look through is made for rows that have none yet. */
static int build_search(struct server *s, struct error *e)
{
    return kernel_search_build(s->node.kernel, e);
}

static int set_up_demo(struct server *s, struct error *e)
{
    return s->cfg->demo ? demo_set_up(&s->node, s->cfg->sim_host, s->cfg->sim_port, e) : 0;
}
static void nothing(struct server *s) {}

static int start_modules(struct server *s, struct error *e)
{
    return modules_start(app_modules, app_nmodules, s->module_ctx, e);
}
static void stop_modules(struct server *s)
{
    modules_stop(app_modules, app_nmodules, s->module_ctx);
}

static int start_jobs(struct server *s, struct error *e)
{
    return jobs_start(s->node.jobs, e);
}
static void stop_jobs(struct server *s)
{
    jobs_stop(s->node.jobs);
}

static int open_http(struct server *s, struct error *e)
{
    struct http_config hc = {.bind = s->cfg->listen,
                             .port = (unsigned)s->cfg->port,
                             .cert_pem = s->cfg->tls_cert,
                             .key_pem = s->cfg->tls_key,
                             .workers = (unsigned)s->cfg->workers,
                             .clock = s->node.clock,
                             .route = api_route,
                             .finished = api_finished,
                             .ctx = s->node.api};
    int err = http_server_start(&hc, &s->http, e);
    if (!err) api_server_set(s->node.api, s->http);
    return err;
}
static void close_http(struct server *s)
{
    api_server_stop(s->node.api);
}

static const struct step {
    const char *name;
    int (*open)(struct server *s, struct error *e);
    void (*close)(struct server *s);
} steps[] = {
    {"data", open_data, close_data},
    {"relational store", open_sql, close_sql},
    {"secrets", open_secrets, close_secrets},
    {"kernel", open_kernel, close_kernel},
    {"places of history", open_places, close_places},
    {"history", open_history, close_history},
    {"engines", open_router, close_router},
    {"sample path", open_bus, close_bus},
    {"api", open_api, close_api},
    {"system", open_info, close_info},
    {"jobs", open_jobs, close_jobs},
    {"objects", open_objects, close_objects},
    {"files", open_files, close_files},
    {"modules", init_modules, fini_modules},
    {"own kinds", load_user_kinds, nothing},
    {"search", build_search, nothing},
    {"demo", set_up_demo, nothing},
    {"start", start_modules, stop_modules},
    {"job threads", start_jobs, stop_jobs},
    {"cleaning of files", start_files, nothing},
    {"http", open_http, close_http},
};
#define STEPS (sizeof steps / sizeof *steps)

static void close_from(struct server *s, size_t n)
{
    while (n-- > 0) steps[n].close(s);
}

static const char *shown_host(const struct config *c)
{
    return strcmp(c->listen, "0.0.0.0") == 0 || strcmp(c->listen, "::") == 0 ? "127.0.0.1" : c->listen;
}

/* The only output on stdout: scripts read it. */
static void say_link(struct server *s)
{
    char link[65];
    char base[300];
    snprintf(base, sizeof base, "%s://%s:%u", s->cfg->tls_cert ? "https" : "http", shown_host(s->cfg),
             http_server_port(s->http));
    if (api_first_link(s->node.api, link, NULL) == 0)
        printf("bornite: %s/setup#%s\n  (this link signs you in once / 此链接可一次性登录)\n", base, link);
    else
        printf("bornite: %s/\n", base);
    fflush(stdout);
}

static void wait_for_signal(void)
{
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    while (sigwait(&set, &got) != 0) continue;
    log_info("app", "stopping", "signal=%d", got);
}

/* Before any thread exists, so that all inherit it. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void init(struct server *s, const struct config *c)
{
    *s = (struct server){.cfg = c};
    s->node = (struct node){.drivers = app_drivers,
                            .outlets = app_outlets,
                            .clock = clock_real(),
                            .rng = rng_real(),
                            .data_path = c->data,
                            .listen = c->listen};
}

/* Everything that makes tables has run once "modules" is open. */
int serve_make_tables(const struct config *c, struct error *e)
{
    static struct server s;
    size_t n = 0;
    int err = 0;
    init(&s, c);
    while (!err && n < STEPS && strcmp(steps[n].name, "demo") != 0)
        if ((err = steps[n].open(&s, e)) == 0) n++;
    close_from(&s, n);
    return err;
}

int serve_main(const struct config *c)
{
    static struct server s;
    struct error e = {0};
    enum log_level level;
    init(&s, c);
    if (log_level_parse(c->log, &level)) log_level_set(NULL, level);
    hash_seed_set(rng_u64(rng_real()));
    block_signals();
    int err = drivers_check(app_drivers, &e);
    if (!err) err = outlets_check(app_outlets, &e);
    for (size_t i = 0; i < STEPS && !err; i++) {
        err = steps[i].open(&s, &e);
        if (!err) continue;
        fprintf(stderr, "bornite: cannot start (%s)%s%s: %s\n         %s\n", steps[i].name, e.where[0] ? ": " : "",
                e.where, e.text[0] ? e.text : error_title(err), e.text_zh);
        close_from(&s, i);
        return 1;
    }
    if (err) {
        fprintf(stderr, "bornite: %s: %s\n", e.where, e.text);
        return 1;
    }
    log_info("app", "ready", "data=%s port=%u", c->data, http_server_port(s.http));
    say_link(&s);
    wait_for_signal();
    close_from(&s, STEPS);
    return 0;
}
