/* ts_dialect.h - what differs between the remote time-series engines: between ts_remote.c, ts_call.c and one file each
 * (ts_influx.c, ts_victoria.c, ts_tdengine.c, ts_iotdb.c, ts_clickhouse.c).
 *
 * A dialect is pure: it turns rows and questions into requests and answers into rows; it sends nothing. Decoders read
 * what a peer sent: bounded by the bytes given and an arena of a multiple of them, every one has a fuzz target.
 *
 * How a sample stands in an engine with columns or fields: t type (enum sample_type, or TS_TYPE_BITS), q quality, f
 * flags with the reason, d value of a double, i of an integer, a bool or the bits of a double that text cannot carry
 * (NaN, infinities, -0), s of a string. What t does not name is ignored, so that a rewrite with another type holds. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "store/ts_remote.h"

#define TS_TYPE_BITS 5
#define TS_BODY_MAX (32u << 20)   /* of a request */
#define TS_ANSWER_MAX (32u << 20) /* beyond it a shorter range is asked for */
#define TS_RANGE_MAX (4u << 20)   /* the same of engines without limits, whose answers are as long as they will */
#define TS_PAGE 10000             /* rows of one answer */
#define TS_WHY_MAX 200

struct ts_row {
    struct sample s;  /* time within the unit of the engine; a string's id is not set */
    struct str text;  /* of a string */
};
typedef int ts_row_fn(void *ctx, const struct ts_row *row); /* non-zero ends it */

struct ts_target {
    const char *database;
    ts_name_fn *name; /* may be NULL */
    void *name_ctx;
    int64_t unit_us;
};
struct ts_request {
    const char *method; /* "POST" */
    const char *type;   /* of the body; NULL: none */
    char path[600];     /* with the query, begins with '/' */
    struct buf body;    /* of at most TS_BODY_MAX; init and fini by the caller */
};
/* Rows [from, to) of a point in µs; the oldest `limit` in rising order, or (last) the newest in falling. */
struct ts_span {
    uint32_t point;
    int64_t from, to;
    uint32_t limit;
    bool last;
};

struct ts_dialect {
    const char *name, *title;
    const char *token;     /* scheme of Authorization for a token */
    int64_t unit_us, visible_us;
    bool strings, exact;
    bool limits;           /* honours span.limit; else ranges are made short enough by trial */
    /* Statement `step` of what makes the database. ERR_NOT_FOUND: no more. */
    int (*setup)(const struct ts_target *t, size_t step, struct ts_request *q);
    /* Which version answers; NULL: not told. `told` reads the answer, may set t->unit_us. */
    int (*version)(const struct ts_target *t, struct ts_request *q);
    void (*told)(struct ts_target *t, struct str body, char *out, size_t cap);
    /* Rows sorted by point and time, each (point, time) once; takes 1..n of them, *ret_n says how many. `stamp` grows
     * with every row ever written. */
    int (*write)(const struct ts_target *t, const struct ts_row *rows, size_t n, uint64_t stamp, struct ts_request *q,
                 size_t *ret_n);
    int (*read)(const struct ts_target *t, const struct ts_span *s, struct ts_request *q);
    /* The answer of read. 0, 1 (the engine cut it short), what fn gave, ERR_PROTOCOL. */
    int (*rows)(const struct ts_target *t, uint32_t point, struct str body, ts_row_fn *fn, void *ctx);
    /* Of any answer: 0; ERR_NOT_FOUND: database or point is not there; the codes of ts_remote.h; why: the engine's
     * words, may be "". */
    int (*verdict)(int status, struct str body, char *why, size_t cap);
    /* NULL: cannot. */
    int (*remove)(const struct ts_target *t, uint32_t point, int64_t from, int64_t to, uint64_t stamp,
                  struct ts_request *q);
    /* Rows of a plot (tsstore.h), read by `rows`. NULL: by scan. */
    int (*plot)(const struct ts_target *t, const struct ts_span *s, uint32_t pixels, struct ts_request *q);
};
extern const struct ts_dialect ts_influxdb, ts_victoriametrics, ts_tdengine, ts_iotdb, ts_clickhouse;
extern const struct ts_dialect *const ts_dialects[]; /* NULL-terminated */

/* ---- shared by dialects (ts_fields.c) ---- */
struct ts_fields {
    int64_t t, q, f, i;
    double d;
    bool has_d, has_i;
    struct str s; /* p NULL: none */
};
void ts_fields_of(const struct ts_row *row, struct ts_fields *ret);
/* ERR_PROTOCOL: no such type, or its value is missing. */
MUST_CHECK int ts_fields_row(const struct ts_fields *f, uint32_t point, int64_t time_us, struct ts_row *ret);
/* The cells t, q, f, d, i, s of a row of JSON. */
void ts_fields_json(const struct json *const cell[6], struct ts_fields *ret);
/* Code of a point as the target knows it; "" when it does not. */
const char *ts_code(const struct ts_target *t, uint32_t point, char out[TS_REMOTE_NAME_MAX]);
/* How many rows from the first on are of its point. */
size_t ts_same_point(const struct ts_row *rows, size_t n);
int64_t ts_floor(int64_t us, int64_t unit);
int64_t ts_ceil(int64_t us, int64_t unit);
/* By HTTP status alone: 2xx 0, 401, 403, 404, 413, 400 and 422 ERR_INVALID, all others ERR_UNAVAILABLE. */
int ts_verdict_http(int status);
/* A piece of the answer as `why`: one line, no control characters. */
void ts_why(struct str text, char *why, size_t cap);
/* The text of member `key` of a JSON object, or all of the body when it is none. */
void ts_why_json(struct str body, const char *key, char *why, size_t cap);
