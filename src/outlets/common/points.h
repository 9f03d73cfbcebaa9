/* points.h - an outlet's own copy of the points of its set: the texts of outlet_point, which die with channel_set. Pure. */
#pragma once
#include "base/arena.h"
#include "bornite/outlet.h"

struct outlet_points {
    struct outlet_point *at; /* options are not copied: NULL */
    size_t n;
    struct arena arena;
};
MUST_CHECK int outlet_points_copy(const struct outlet_point *points, size_t n, struct outlet_points *ret); /* ERR_NOMEM */
void outlet_points_fini(struct outlet_points *p);                                                          /* zeroed, too */
/* address_check and address_default of outlets for which an address is any text (templates use it), the code without one. */
int outlet_text_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret, struct error *e);
int outlet_text_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret, size_t cap,
                        struct error *e);
