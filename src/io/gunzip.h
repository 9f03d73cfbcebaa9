/* gunzip.h - a gzip body unpacked at once, bounded by the buffer's maximum. Pure, any thread. */
#pragma once
#include "base/buf.h"
/* Appends to out. ERR_TOO_LARGE past out->max, ERR_INVALID for what is no gzip or cut short, ERR_NOMEM. */
MUST_CHECK int gunzip(struct str in, struct buf *out, struct error *e);
