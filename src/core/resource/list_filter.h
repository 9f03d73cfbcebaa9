/* list_filter.h - the filter and sort languages of lists -> SQL with parameters. Grammar: README.md. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "core/permission.h"
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

struct actor;
#define FILTER_TEXT_MAX 16384
#define FILTER_PARAMS_MAX 500
struct filter {
    struct arena *a;
    const struct kind *kd;
    const struct kind *(*kind_of)(void *ctx, struct str name); /* targets of references; NULL answer: unknown */
    void *ctx;
    int64_t now_us; /* for '*-8h' */
    const struct permissions *may; /* NULL: everything; else fields that he may not see are unknown to him */
    const struct actor *by;        /* whose `may` it is, for what belongs to somebody (owner.c); NULL: nobody's */
    /* Told of each comparison that an index could serve and has none: an expression over `r`. May be NULL. */
    void (*wish)(void *ctx, struct str expression);
    void *wish_ctx;
    bool dead; /* of tombstones, whose codes are not unique */
    struct buf sql; /* what has been compiled; parameters $1… in order of params */
    struct filter_param *params;
    size_t nparams;
};
MUST_CHECK int filter_init(struct filter *f, struct arena *a, const struct kind *kd, struct error *e);
void filter_fini(struct filter *f);
/* Append the condition, in parentheses, over table alias r. ERR_INVALID names the place in the text. */
MUST_CHECK int filter_compile(struct filter *f, struct str text, struct error *e);
#define SORT_KEYS 6 /* 4 of the user's, code, organisation or id */
struct sort_key {
    const char *sql;
    bool down, nullable;
    enum filter_type type;
};
/* What a sort means, ended by code and organisation (which together are unique, and stand in the indices) or id, so
 * that the order is total. */
MUST_CHECK int filter_sort(struct filter *f, struct str sort, struct sort_key keys[SORT_KEYS], size_t *ret_n, struct error *e);
/* Append "alias.org in (…)" for the organisations in which he may read resources of that kind; nothing when
 * everywhere. `walk`: not by an index on org. */
void filter_scope(struct filter *f, struct str kind, const char *alias, bool walk);
/* owner.c: " and (…)" over the alias for what belongs to somebody; nothing when he sees all. */
void owner_where(struct buf *out, const struct kind *kd, const char *alias, const struct actor *by);
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
