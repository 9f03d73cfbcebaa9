/* sink.h - where samples go. A driver session or any other source publishes through this and never
 * sees a store. The functions belong to the source's own thread; they never block. */
#pragma once
#include <stddef.h>
#include "base/str.h"
#include "bornite/sample.h"

struct sink {
    /* Take a batch (copied). All samples of one poll should be one batch with one time stamp.
     * 0, or ERR_AGAIN when the path is full: nothing was taken, the source keeps the batch and
     * offers it again, or drops it and counts. */
    int (*publish)(void *ctx, const struct sample *s, size_t n);
    /* Id of a string, the same for the same bytes, durable before any sample that names it.
     * At most 64 KiB; ERR_TOO_LARGE, ERR_NOMEM, ERR_IO. May touch the disk for a new string. */
    int (*intern)(void *ctx, struct str s, uint64_t *ret_id);
    void *ctx;
};
