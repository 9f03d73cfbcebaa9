/* list_int.h - between resource_list.c, list_total.c (how many), list_index.c (indices made when asked for) and
 * search.c (text). */
#pragma once
#include "core/resource/kernel_int.h"
#include "core/resource/list_filter.h"

struct lists; /* what lists of a kernel keep between calls */
struct lists *lists_of(struct kernel *k); /* NULL: out of memory */

/* ------------------------------------------------------------------ list_total.c */

/* How many live resources of the kind he may read; exact, in the transaction's view. */
MUST_CHECK int total_live(struct kernel *k, struct sql_tx *tx, const struct kind *kd, const struct permissions *may,
                          int64_t *ret, struct error *e);

/* ------------------------------------------------------------------ list_index.c */

#define INDEX_ROWS 20000 /* kinds with fewer are quick without */
/* Make an index over `expression` (of alias r) in the background unless there is one; never waits. */
/* Has one been made? */
bool index_made(struct sql_tx *tx, const struct kind *kd, struct str expression);
void index_wish(struct kernel *k, const struct kind *kd, struct str expression);

/* ------------------------------------------------------------------ search.c */

#define SEARCH_FEW 2000
#define SEARCH_LOOK 15000 /* texts that are looked at to count */
struct search_plan {
    struct str pattern; /* of like, over the folded text */
    struct str tokens;  /* what the index is asked for; empty: too short for it */
    bool alone;         /* what the index finds is of this kind for certain */
    int64_t hits;       /* at most SEARCH_LOOK + 1 */
};
MUST_CHECK int search_plan(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct str q,
                           struct search_plan *ret, struct error *e);
/* " from … where … and" with the resource as alias r, by the index of texts; `some`: of the first SEARCH_LOOK. */
MUST_CHECK int search_from(struct kernel *k, struct filter *f, const struct search_plan *p, bool some, struct error *e);
/* " from … where …" of the texts alone, of the first SEARCH_LOOK: to count them. */
MUST_CHECK int search_texts(struct kernel *k, struct filter *f, const struct search_plan *p, struct error *e);
/* " and …" over alias r: each row is looked at. */
MUST_CHECK int search_where(struct filter *f, const struct search_plan *p, struct error *e);
