/* ts_router_int.h - between ts_router.c (life, routing, writing), ts_route_map.c (the file) and ts_route_read.c. */
#pragma once
#include <pthread.h>
#include "base/buf.h"
#include "store/ts_router.h"

#define ROUTER_MAP "router.map"
#define ROUTER_POINTS_MAX 16000000u

struct route {
    uint8_t slot, mirror, copy; /* TS_NO_SLOT: none (not slot) */
};
/* Of a queue, for its events; lives as long as the queue. */
struct router_label {
    struct ts_router *router;
    char id[37];
    char code[128]; /* under `listening` */
};
struct router_slot {
    char id[37], code[128]; /* id "": free */
    const char *engine;     /* its sort: a literal of ts_dialect.h; NULL: not known yet */
    int64_t stamp;
    struct ts_queue *queue;
    struct router_label *label;
    struct ts_handle *store; /* NULL: not configured, or wrongly */
    struct error fault;      /* why it could not be opened */
};
struct ts_router {
    struct ts_store base;
    struct ts_router_config cfg;
    struct ts_handle embedded;  /* never let go of */
    pthread_rwlock_t lock;      /* slots, routes, points */
    pthread_mutex_t writing;    /* appends */
    pthread_mutex_t listening;  /* fn */
    ts_router_fn *fn;
    void *fn_ctx;
    struct router_slot slot[TS_SLOTS];
    struct route route[TS_CLASSES];
    uint8_t *class_of;
    uint16_t *places;
    size_t npoints, ccap, pcap;
    bool unsure;                /* the map was damaged: any place may hold samples of points that it knew */
    bool plain;                 /* all points are in the embedded engine */
    struct sample *sorted;      /* of an append, under writing */
    size_t sorted_cap;
};

/* With the lock held. */
static inline uint16_t router_places(const struct ts_router *r, uint32_t point)
{
    return point < r->npoints ? r->places[point] : r->unsure ? UINT16_MAX : 1;
}

/* ts_route_map.c: with the lock held. */
void router_map_encode(const struct ts_router *r, struct buf *out);
/* ERR_CORRUPT, ERR_NOMEM: nothing was changed. */
MUST_CHECK int router_map_decode(struct ts_router *r, struct str text);
bool router_points_grow(struct ts_router *r, size_t n);

/* ts_route_read.c: the reading operations. */
int route_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx, struct error *e);
int route_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret);
int route_after(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret);
int route_summary(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step, struct ts_summary *ret,
                  struct error *e);
int route_windows(struct ts_store *st, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *fn,
                  void *ctx, struct error *e);
int route_summaries(struct ts_store *st, const uint32_t *points, const bool *step, size_t n, int64_t from, int64_t to,
                    ts_window_fn *fn, void *ctx, struct error *e);
int route_plot(struct ts_store *st, uint32_t point, int64_t from, int64_t to, uint32_t pixels, ts_scan_fn *fn, void *ctx,
               struct error *e);
