/* ts_text.h - values that are no numbers, as people read them: a text itself, a blob as "blob:TYPE:SIZE" ("blob:gone"
 * when its bytes have expired). May block on the disk. */
#pragma once
#include <stdbool.h>
#include "model/tsstore.h"

#define TS_BLOB_TEXT_MAX (TS_BLOB_TYPE + 32)

static inline bool sample_is_text(const struct sample *s)
{
    return s->type == SAMPLE_STRING || s->type == SAMPLE_BLOB;
}
/* Not terminated. ERR_NOT_FOUND also for what is no text; ERR_TOO_LARGE (*ret_n tells the size). */
int ts_text(struct ts_store *st, const struct sample *s, char *out, size_t cap, size_t *ret_n);
/* What the blob of this sample is, and its bytes where they are wanted. ERR_NOT_FOUND: expired, or the id stands for
 * another sample's (a store that lost its newest files). */
int ts_blob_of(struct ts_store *st, const struct sample *s, struct ts_blob *ret, struct buf *bytes, struct error *e);
