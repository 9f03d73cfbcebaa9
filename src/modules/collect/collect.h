/* collect.h - inside of the module collect: its one object, shared by its files. */
#pragma once
#include "core/control.h"
#include "core/module.h"
#include "core/node.h"
#include "modules/collect/plant.h"
#include "modules/collect/run.h"

#define COLLECT_WATCHERS 4
#define CONTROL_ROUTES 8
#define SEARCHES 16
struct search_slot { /* a search that may be continued (api_search.c) */
    struct browse_search *search;
    uint64_t kept_ns, sig;
    char cursor[37], user[37];
};
struct collect {
    struct node *node;
    struct control control; /* what node->control points at */
    const struct control_route *routes[CONTROL_ROUTES];
    unsigned nroutes;
    struct {
        void (*fn)(void *ctx);
        void *ctx;
    } watchers[COLLECT_WATCHERS]; /* under lock; see plant_watch */
    unsigned nwatchers;
    struct run *run;
    pthread_t thread; /* the reconciler */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, stopping, dirty; /* under lock */
    struct plant *plant;           /* under lock: take with collect_plant */
    struct search_slot searches[SEARCHES]; /* under lock */
};

extern const struct module collect_module;
static inline struct collect *collect_of(struct api_call *c)
{
    return c->module;
}
/* The snapshot in force; plant_unref it. */
struct plant *collect_plant(struct collect *c);

MUST_CHECK int collect_kinds_add(struct collect *c,
                                 struct error *e); /* kinds.c: kinds with the drivers' options in them */
/* The options of a channel's or device's spec; `extra`: what only the driver knows of them, or NULL. e->where begins with
 * "spec.options.". */
typedef int options_extra(const struct options *o, struct error *e);
MUST_CHECK int check_options(const struct option *table, options_extra *extra, struct arena *a, const struct json *spec,
                             struct options *ret, struct error *e);
MUST_CHECK int collect_hooks_add(struct collect *c, struct error *e); /* validate.c */
MUST_CHECK int reconcile_start(struct collect *c, struct error *e);   /* reconcile.c */
void reconcile_stop(struct collect *c);
void reconcile_signal(struct collect *c);

void write_time(struct json_writer *w, const char *key, int64_t us); /* api_status.c; 0: null */

struct json_writer;
int control_write(void *ctx, const struct actor *by, const struct control_command *cmd, struct control_result *ret,
                  struct error *e); /* control.c */
int control_route_add(void *ctx, const struct control_route *r);
void control_json(struct json_writer *w, const struct control_command *cmd, const struct control_result *r, bool zh);

struct search_ask { /* a portion of a search */
    struct str running; /* as of run_search */
    const struct driver *driver;
    const struct options *channel;
    const struct driver_device *device;
    struct str node, text, cursor;
    size_t size;
    int64_t nodes, seconds; /* 0: the usual */
    uint64_t sig;           /* of what it is asked for */
};
int search_answer(struct api_call *c, const struct search_ask *ask, struct error *e); /* api_search.c */
void searches_free(struct collect *c);

int fetch_add(struct collect *c, struct error *e); /* fetch.c: the job device.history */

/* Handlers. */
int get_drivers(struct api_call *c, struct error *e); /* api_status.c */
int get_status(struct api_call *c, struct error *e);
int get_diagnostics(struct api_call *c, struct error *e);
int get_tree(struct api_call *c, struct error *e); /* api_areas.c */
int get_areas(struct api_call *c, struct error *e);
int post_write(struct api_call *c, struct error *e); /* api_write.c */
int post_test(struct api_call *c, struct error *e);  /* api_try.c */
int post_test_saved(struct api_call *c, struct error *e);
int post_discover(struct api_call *c, struct error *e);
int post_read(struct api_call *c, struct error *e);
int post_browse(struct api_call *c, struct error *e);
int get_browse(struct api_call *c, struct error *e);
int post_capture(struct api_call *c, struct error *e); /* capture.c */
int get_capture(struct api_call *c, struct error *e);
