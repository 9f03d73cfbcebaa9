/* search.h - full text of resources: what `q` of a list finds. See search.c. */
#pragma once
#include "core/resource/kernel_int.h"

/* In the transaction that stored `r` (a tombstone leaves the text). fresh: it cannot be there yet. */
MUST_CHECK int search_put(struct changer *c, struct arena *a, const struct resource *r, bool fresh, struct error *e);
/* The text that is looked through, and what the index holds of it. */
void search_fold(struct buf *out, struct str text);
void search_tokens(struct buf *out, const struct kind *kd, struct str folded);
