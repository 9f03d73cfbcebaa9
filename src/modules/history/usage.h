/* usage.h - what every point uses on disk: a picture of a moment, with the names of the points. Immutable and counted:
 * whoever asks holds a reference while he writes his page. */
#pragma once
#include <stdatomic.h>
#include "core/node.h"
#include "model/ts_admin.h"

struct usage_name { /* sorted by num */
    uint32_t num;
    struct str code, name;
};
struct usage {
    _Atomic unsigned refs;
    int64_t at_us;
    struct ts_usage *row; /* sorted by point, class, place */
    size_t n, cap;
    struct usage_name *name;
    size_t nnames, names_cap;
    struct arena arena;
};
/* Walks the whole index of the store: may take minutes. *stop ends it with ERR_CANCELLED. ERR_UNSUPPORTED. */
MUST_CHECK int usage_gather(struct node *n, const atomic_bool *stop, struct usage **ret, struct error *e);
struct usage *usage_ref(struct usage *u); /* NULL allowed */
void usage_unref(struct usage *u);
const struct usage_name *usage_name(const struct usage *u, uint32_t point); /* NULL: no such point (any more) */
/* Compressed bytes a sample of a point; NAN: nothing of it is on disk. */
double usage_bytes_per_sample(const struct usage *u, uint32_t point);

/* One line of a page. */
enum usage_by { USAGE_POINT, USAGE_CLASS, USAGE_PLACE };
struct usage_item {
    uint32_t key;         /* point, class or place */
    uint16_t classes;     /* bits */
    uint8_t places;       /* bits */
    uint8_t main_class;   /* the one with most bytes */
    uint64_t bytes, samples, main_bytes;
    int64_t oldest_us, newest_us;
};
/* Adds up; mem_alloc'd. */
MUST_CHECK int usage_items(const struct usage *u, enum usage_by by, struct usage_item **ret, size_t *ret_n);
