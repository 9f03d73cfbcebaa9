/* list_filter.h - the filter and sort languages of lists -> SQL with parameters. Grammar: README.md. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "model/kind.h"
#include "store/sql.h"

enum filter_type { FILTER_TEXT, FILTER_INT, FILTER_DOUBLE };
struct filter_param {
    enum filter_type type;
    union {
        struct str s;
        int64_t i;
        double d;
    };
};

#define FILTER_TEXT_MAX 16384
#define FILTER_PARAMS_MAX 500
struct filter {
    struct arena *a;
    const struct kind *kd;
    const struct kind *(*kind_of)(void *ctx, struct str name); /* targets of references; NULL answer: unknown */
    void *ctx;
    int64_t now_us; /* for '*-8h' */
    struct buf sql; /* what has been compiled; parameters $1… in order of params */
    struct filter_param *params;
    size_t nparams;
};
MUST_CHECK int filter_init(struct filter *f, struct arena *a, const struct kind *kd, struct error *e);
void filter_fini(struct filter *f);
/* Append the condition, in parentheses, over table alias r. ERR_INVALID names the place in the text. */
MUST_CHECK int filter_compile(struct filter *f, struct str text, struct error *e);
/* Append "expr [desc] nulls last, …, r.code, r.id". */
MUST_CHECK int filter_sort(struct filter *f, struct str sort, struct error *e);
MUST_CHECK int filter_param_add(struct filter *f, struct filter_param p, struct error *e); /* writes "$n" */
void filter_bind(const struct filter *f, struct sql_stmt *s);
void filter_bind_one(struct sql_stmt *s, int i, const struct filter_param *p);
/* '%text%' with the wildcards of like escaped by a backslash, ASCII lower case is SQL's. */
struct str like_pattern(struct arena *a, struct str text);

/* The SQL expression by which a spec field is compared, sorted and indexed, over alias.spec;
 * alias "" in the definition of an index, which may not name its table. */
void field_expression(struct buf *out, const char *alias, struct str path, const struct field *f);
/* The parameter that compares with it, from a checked JSON value. */
MUST_CHECK int field_param(const struct field *f, struct arena *a, const struct json *v, struct filter_param *ret,
                           struct error *e);
