/* answer.h - the form of an answer of history: JSON, CSV, Arrow and frames of a WebSocket are implementations of
 * one interface, fed point by point by a query (query.h) and read out piece by piece by whoever sends it.
 *
 * Order of calls, one thread at a time (workers of the HTTP server take turns):
 *   begin, for every point { series, samples* | table, series_end }, end; then or earlier fini.
 * What an implementation writes goes to the end of a->out; the sender takes it from the front whenever it likes,
 * so nothing may rely on bytes that were written before. Errors stick in a->out.err (buf.h); no call has to ask.
 * Views handed in (head, points, names) live as long as the query, which outlives the answer; samples and tables
 * only during the call. Strings of samples are asked of a->strings. */
#pragma once
#include "base/buf.h"
#include "model/tsstore.h"

#define ANSWER_MAX (256u << 20) /* what one query holds, texts and working arrays together */

enum answer_shape {
    ANSWER_SAMPLES,   /* recorded, interpolated, plot: samples of one point after another */
    ANSWER_ALIGNED,   /* one column of times for all points: table(), the same t for each point */
    ANSWER_AGGREGATE, /* windows of every point, one or several functions: table() */
};

struct answer_point {
    uint32_t num;
    struct str id, code, name, unit;
    bool step;
};
struct answer_head {
    enum answer_shape shape;
    int64_t from, to;                 /* microseconds UTC */
    const struct answer_point *point; /* all points of the answer, in order */
    size_t npoints;
    const char *const *fn; /* names of the functions of a table: "average"; aligned: "interpolated" */
    size_t nfn;            /* 0 for samples */
    bool zh;               /* language of the texts for people */
};
/* One point's rows of a table; the number of rows and their times are those of every point of the answer. */
struct answer_table {
    size_t rows;
    const int64_t *t, *end;        /* begin and end of each window; end NULL when aligned */
    const double *const *v;        /* v[function][row]; NAN: no value */
    const uint8_t *const *q;       /* enum quality */
    const uint32_t *const *status; /* OPC UA status codes (aggregate.h); NULL when aligned */
    const int64_t *const *at;      /* at[function]: times of the values, NULL for functions without; NULL: none has */
};

struct answer;
struct answer_ops {
    const char *name;       /* "json": the parameter format= */
    const char *media_type; /* static; also looked for in Accept, up to the ';' */
    uint8_t shapes;         /* bit 1 << shape: which it can */
    size_t size;            /* of the implementation's struct, whose first member is struct answer; zeroed */
    void (*begin)(struct answer *);
    void (*series)(struct answer *, const struct answer_point *p);
    void (*samples)(struct answer *, const struct sample *s, size_t n); /* time order; n >= 1 */
    void (*table)(struct answer *, const struct answer_table *t);
    void (*series_end)(struct answer *, bool truncated); /* truncated: there would have been more */
    void (*end)(struct answer *);
    void (*fini)(struct answer *); /* what the implementation holds, but out; NULL: nothing */
};
struct answer {
    const struct answer_ops *ops;
    struct buf out;
    struct answer_head head;
    struct ts_store *strings;
};
MUST_CHECK int answer_new(const struct answer_ops *ops, const struct answer_head *head, struct ts_store *strings,
                          struct answer **ret);
void answer_free(struct answer *a);

/* The form that is asked for: `format` (may be empty) before `accept`; JSON when neither names one that is known.
 * ERR_INVALID at "format" for one that is unknown or cannot give this shape. The forms are a table in answer.c. */
MUST_CHECK int answer_form(struct str format, struct str accept, enum answer_shape shape, const struct answer_ops **ret,
                           struct error *e);
extern const struct answer_ops answer_json;  /* answer_json.c */
extern const struct answer_ops answer_csv;   /* answer_csv.c */
extern const struct answer_ops answer_arrow; /* answer_arrow.c */
