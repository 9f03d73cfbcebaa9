/* plan.h - the configured forwardings as memory, made from the resources and the plant.
 *
 * One `struct f_line` a forwarding, immutable and counted by itself, so that one that did not change stays while others are
 * made anew. Its slots are what the outlet is told: mapped points and those that the filter takes, within the forwarding's
 * organisation, sorted by code; each with an address that nobody else in the line has. What cannot be served stands among
 * the problems with its reason. Blocking (SQL): the reconciler and handlers. */
#pragma once
#include <stdatomic.h>
#include "bornite/outlet.h"
#include "core/node.h"
#include "modules/collect/plant.h"
#include "modules/forward/gate.h"

#define PLAN_PROBLEMS 200

struct f_slot {
    double scale, offset;
    struct gate_rule rule;
};
struct f_problem {
    struct str code;                /* of the point */
    struct error error;
};
struct f_line {
    _Atomic unsigned refs;
    struct arena arena;
    struct str id, code, name, org;
    bool enabled, writes;
    const struct outlet *outlet;    /* NULL: see problem */
    struct options options;
    struct error problem;           /* why it cannot run; code 0: none */
    uint64_t options_sig, set_sig;
    int64_t keep_us;
    uint64_t max_bytes;
    unsigned gather_ms;
    struct outlet_point *points;
    struct f_slot *slots;
    struct options *point_options;
    size_t n, cap;
    uint32_t *by_num;               /* indices of slots sorted by number */
    struct f_problem *problems;     /* the first PLAN_PROBLEMS */
    size_t nproblems, nfaults;      /* nfaults: all */
};
struct f_line *f_line_ref(struct f_line *l);
void f_line_unref(struct f_line *l); /* NULL too */
/* What the outlet has not handed over is kept on disk. */
static inline bool f_line_buffered(const struct f_line *l)
{
    const struct outlet *o = l->outlet;
    return o && o->buffered && (!o->channel_acknowledges || o->channel_acknowledges(&l->options));
}
/* Slot of a point by number, SIZE_MAX: none. */
size_t f_line_slot(const struct f_line *l, uint32_t num);

struct plan {
    struct f_line **lines;
    size_t n, cap;
};
MUST_CHECK int plan_load(struct node *n, const struct plant *p, struct plan *ret, struct error *e);
void plan_free(struct plan *p);

/* One forwarding as it would be: of a spec that is not stored. */
MUST_CHECK int plan_line_of_spec(struct node *n, const struct json *spec, struct f_line **ret, struct error *e);
/* The options of a mapping, checked against its outlet. */
MUST_CHECK int plan_point_options(const struct outlet *o, struct arena *a, const struct json *spec, struct options *ret, struct error *e);
