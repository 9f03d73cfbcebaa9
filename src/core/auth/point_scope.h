/* point_scope.h - which organisation each point belongs to, by number: for streams and lists that go by
 * points rather than by resources.
 *
 * A table in memory, four bytes a point, read at start and kept by a hook of the kind point (so up to some
 * milliseconds behind a commit). A number that no point has belongs nowhere: only who may everywhere "sees"
 * it. Any thread; a view holds a read lock, so it is short-lived and its thread opens no second one. */
#pragma once
#include "core/resource.h"

struct point_scope;
MUST_CHECK int point_scope_new(struct kernel *k, struct point_scope **ret, struct error *e);
void point_scope_free(struct point_scope *p); /* after kernel_hooks_stop */

struct point_view {
    struct point_scope *of; /* NULL: not open */
    bool all;
    bool *allowed; /* by number of organisation */
    bool no_org;
};
/* What `may` allows. On failure nothing is visible and nothing is open. */
MUST_CHECK int point_view_open(struct point_scope *p, const struct permissions *may, enum api_action act,
                               struct point_view *ret);
/* The same, but a number that no point has is not visible to anybody: for who brings numbers from outside. */
MUST_CHECK int point_view_open_known(struct point_scope *p, const struct permissions *may, enum api_action act,
                                     struct point_view *ret);
bool point_view_has(const struct point_view *v, uint32_t num);
void point_view_close(struct point_view *v);
