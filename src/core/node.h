/* node.h - what a module may reach: handed to module init; all pointers live until after fini. */
#pragma once
#include "core/api.h"
#include "core/bus.h"
#include "io/fs.h"
#include "model/tsstore.h"
struct driver;
struct outlet;
struct control;
struct alarm_source;
struct collect;
struct trust;
struct jobs;
struct object_store;
/* Where history lies: the data directory, and what the settings `warm` and `cold` name (model/ts_admin.h, TS_PLACES). */
struct node_place {
    const char *at;                     /* path, or URL without what is secret; NULL: not set */
    struct fs *fs;
    struct object_store *objects;       /* behind fs (store/fs_object.h); NULL: a directory */
};
struct node {
    const struct driver *const *drivers; /* southbound drivers, NULL-terminated (app/tables.c) */
    const struct outlet *const *outlets; /* northbound, NULL-terminated (app/tables.c) */
    struct collect *collect;             /* the module: for modules/collect/plant.h */
    const struct alarm_source *alarms;   /* core/alarms.h; set by module alarms in its init */
    const struct control *control;       /* writing to equipment; set by module collect in its init */
    const struct trust *trust;           /* certificates (core/trust.h); set by module trust in its init */
    const struct clock *clock;
    const struct rng *rng;
    struct kernel *kernel;
    struct api *api;
    struct bus *bus;
    struct ts_store *history;           /* where samples go and come from: the embedded engine, or a router before it */
    struct ts_store *engine;            /* the embedded engine itself: admin, backup */
    /* Open a store of the embedded engine in other files (a backup that was fetched), records of its logs written after
     * until_us left out (INT64_MAX: none). fs is borrowed. */
    int (*history_open)(struct fs *fs, int64_t until_us, struct ts_store **ret, struct error *e);
    const struct node_place *places;    /* TS_PLACES of them */
    struct fs *data;                    /* the data directory */
    const char *data_path;              /* its path */
    struct jobs *jobs;                  /* core/job.h */
    const char *listen;                 /* address of the web server */
    struct object_store *objects;       /* store/object.h: attachments, exports, models */
};
