/* snappy.h - blocks of Snappy (google/snappy format_description.txt), as Parquet and Prometheus use them. Pure. */
#pragma once
#include "base/buf.h"

/* Length that a block says it has when unpacked; ERR_PROTOCOL. */
MUST_CHECK int snappy_length(struct str packed, size_t *ret);
/* Unpacks into out, which has room for exactly snappy_length bytes; ERR_PROTOCOL for anything that does not give them. */
MUST_CHECK int snappy_unpack(struct str packed, uint8_t *out, size_t n);
/* A block of text, appended to out; errors stick there. */
void snappy_pack(struct str text, struct buf *out);
