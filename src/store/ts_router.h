/* ts_router.h - the time-series store that the platform sees: sends each sample to the engine of its point's archive class
 * (the embedded one, or a remote one behind a durable queue, and a mirror), and reads a point from wherever its samples lie.
 *
 * Acknowledged = durable here: in the embedded engine, or in the local queue before a remote one. A point whose class
 * changes, or whose class changes its engine, keeps its old samples where they are; reading merges all places that may
 * hold some, the present one wins, until job history.migrate has moved them. What waits in a queue is merged in too (the
 * newest of it, ts_queue.h).
 *
 * Blobs (SAMPLE_BLOB) are kept in the embedded engine alone, bytes and samples, whatever the class of their point says;
 * they are not mirrored and do not move with the class. Reading merges them in.
 *
 * File "router.map" (replaced whole), numbers little-endian: u32 magic 'BNR1' (0x31524e42), u32 version 1, 15 x 37 bytes
 * ids of the engines in slots 1..15 (NUL-terminated, "" free), 16 x 3 bytes: slot, mirror, copy of class 0..15 (255 none),
 * u32 count, count x u8 class of points 0.., count x u16 places of points (bit k: slot k may hold samples, bit 0 the
 * embedded engine), u32 crc32c of all before. Queues: "router-<id>/".
 *
 * Threads: as model/tsstore.h; appends from several threads are put one after another. The functions below: any thread. */
#pragma once
#include "store/ts_queue.h"
#include "store/ts_remote.h"

#define TS_SLOTS 16 /* 0: the embedded engine */
#define TS_NO_SLOT 255

typedef void ts_router_fn(void *ctx, const char *engine_id, const char *code, enum ts_queue_event ev, uint64_t n,
                          const struct error *why);
struct ts_router_config {
    struct ts_store *engine;   /* borrowed, outlives the router */
    struct fs *fs;             /* borrowed */
    const struct clock *clock; /* NULL: the machine's */
    uint64_t queue_max;        /* bytes a queue; 0: 4 GiB */
    unsigned retry_ms;         /* ts_queue.h */
    /* Tests: how a remote store is opened; NULL: ts_remote_open. */
    int (*open)(const struct ts_remote_config *cfg, struct ts_store **ret, struct error *e);
};
/* Knows engines and classes of the last run at once; remote engines are only queued for until ts_router_engines. */
MUST_CHECK int ts_router_open(const struct ts_router_config *cfg, struct ts_store **ret, struct error *e);
bool ts_is_router(const struct ts_store *st);
/* Who hears of engines that go and come; NULL: nobody any more (after return fn does not run). */
void ts_router_listen(struct ts_store *st, ts_router_fn *fn, void *ctx);

/* All engines there are; those that are missing lose their queue. An engine whose stamp is known is left as it is. One that
 * cannot be opened (its settings are wrong) only queues, and its status tells why. */
struct ts_router_engine {
    const char *id, *code;
    int64_t stamp;             /* changes with the settings */
    struct ts_remote_config remote;
};
MUST_CHECK int ts_router_engines(struct ts_store *st, const struct ts_router_engine *e, size_t n, struct error *err);
/* Before what the engines' settings point to (name_ctx) goes away: no engine is asked any more; all is queued. */
void ts_router_rest(struct ts_store *st);
/* Where the points of a class live: ids of engines, "" the embedded one, or none for the mirror. */
struct ts_router_class {
    uint8_t id;
    char engine[37], mirror[37];
};
MUST_CHECK int ts_router_classes(struct ts_store *st, const struct ts_router_class *c, size_t n, struct error *e);

struct ts_router_status {
    const char *id, *code, *engine; /* valid inside fn */
    struct ts_queue_status queue;
    bool configured;
};
void ts_router_each(struct ts_store *st, void (*fn)(void *ctx, const struct ts_router_status *s), void *ctx);

/* ---- for moving a class ---- */
/* Slot of an engine by id, "" the embedded one; ERR_NOT_FOUND. */
MUST_CHECK int ts_router_slot(struct ts_store *st, const char *id, uint8_t *ret);
/* Write what comes for the class there as well from now on; TS_NO_SLOT: no more. Kept over restarts. */
MUST_CHECK int ts_router_copy_to(struct ts_store *st, uint8_t class_id, uint8_t slot, struct error *e);
/* The store of a slot alone; NULL: not there. To be let go. */
struct ts_handle *ts_router_place(struct ts_store *st, uint8_t slot);
/* Write into one place, past the queue. */
MUST_CHECK int ts_router_write(struct ts_store *st, uint8_t slot, const struct sample *s, size_t n, struct error *e);
/* All that was appended before has reached the place; ERR_TIMEOUT. */
MUST_CHECK int ts_router_settle(struct ts_store *st, uint8_t slot, unsigned ms);
/* From now on the class lives there, and the samples of these points lie there alone (but for blobs). */
MUST_CHECK int ts_router_switch(struct ts_store *st, uint8_t class_id, uint8_t slot, const uint32_t *points, size_t n,
                                struct error *e);
/* Places that may hold samples of a point: bit k is slot k. */
uint16_t ts_router_places(struct ts_store *st, uint32_t point);
