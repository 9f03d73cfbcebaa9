/* recover.h - the segments that are valid at the start. */
#pragma once
#include "tsdb/engine.h"

struct seg_set {
    struct seg **segs;
    size_t n, cap;
    uint64_t covered;  /* logs up to this number are in segments */
    uint64_t last_seq; /* greatest seen in any name */
};
/* Open what the names stand for, remove what a newer segment replaces, set aside what is broken. */
int segs_load(struct tsdb *db, struct seg_info *names, size_t n, struct seg_set *ret, struct error *e);
void seg_set_fini(struct seg_set *s);
