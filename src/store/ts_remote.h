/* ts_remote.h - other time-series databases behind model/tsstore.h: InfluxDB 1.x, VictoriaMetrics, TDengine, Apache
 * IoTDB, ClickHouse, over HTTP. One implementation (ts_remote.c) over a small table each (ts_dialect.h).
 *
 * A sample is addressed by (point number, time); the point's code goes along as a tag for people. Strings travel as
 * text: ids are those of the store named in the configuration. Writing is idempotent: a sample written again replaces
 * itself, so that a request whose outcome is unknown is simply sent again (VictoriaMetrics keeps equal ones once at
 * reading). What an engine cannot hold stands in struct ts_remote_traits and in README.md.
 *
 * Threads: any, also appends. Blocking (network), each request within the configured time. Errors: ERR_UNAVAILABLE,
 * ERR_TIMEOUT, ERR_UNAUTHENTICATED, ERR_FORBIDDEN may pass or be put right: send again; ERR_INVALID, ERR_TOO_LARGE: the
 * engine will never take this batch as it is. The password stands in no error and no log. */
#pragma once
#include "model/tsstore.h"

#define TS_REMOTE_NAME_MAX 160
/* Code of a point, cut to `cap`; false: not known (any more). Called by the threads that append. */
typedef bool ts_name_fn(void *ctx, uint32_t point, char *out, size_t cap);

struct ts_remote_config {
    const char *engine;        /* influxdb victoriametrics tdengine iotdb clickhouse */
    const char *url;           /* http(s)://host[:port][/path], without user and password */
    const char *database;      /* [A-Za-z][A-Za-z0-9_]*; VictoriaMetrics: the label db */
    const char *user, *password; /* NULL or "": none; a password without user is a token */
    const char *ca;            /* CA file; NULL or "": the system's */
    unsigned timeout_ms;       /* 0: 10 s */
    size_t batch;              /* samples a request; 0: 10000 */
    ts_name_fn *name;          /* NULL: no codes */
    void *name_ctx;
    struct ts_store *strings;  /* borrowed; string_put and string_get */
};
/* Nothing is sent yet. ERR_INVALID names the field that is wrong, ERR_NOMEM. All texts are copied. */
MUST_CHECK int ts_remote_open(const struct ts_remote_config *cfg, struct ts_store **ret, struct error *e);

/* Make the database when it is missing, and ask who answers. */
struct ts_remote_info {
    char version[64];
    unsigned ms;
};
MUST_CHECK int ts_remote_test(struct ts_store *st, struct ts_remote_info *ret, struct error *e);

/* Requests under way, and all later ones, end within a second. */
void ts_remote_cancel(struct ts_store *st);

struct ts_remote_traits {
    const char *engine, *title;
    int64_t unit_us;           /* times are cut to whole multiples */
    int64_t visible_us;        /* what was acknowledged may be read only after this time */
    bool strings;              /* else a text becomes "no value" (quality is kept) */
    bool exact;                /* else numbers come back within 1e-11 of their size (of that of the largest number nearby
                                * when it is more than 10^6 times as large), integers beyond 2^53 rounded */
    bool removes;
};
void ts_remote_traits(const struct ts_store *st, struct ts_remote_traits *ret);
/* The sample as this engine gives it back. */
struct sample ts_remote_fit(const struct ts_store *st, const struct sample *s);
/* Does `got`, which came back, stand for `want`, which was written? */
bool ts_remote_same(const struct ts_store *st, const struct sample *want, const struct sample *got);
