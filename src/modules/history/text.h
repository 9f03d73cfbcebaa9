/* text.h - samples as text, fast. Pure but for the store that is asked for strings. */
#pragma once
#include "base/buf.h"
#include "model/tsstore.h"

void write_time_ms(struct buf *b, int64_t time_us);                                /* epoch ms, fraction kept */
void write_value(struct buf *b, const struct sample *s, struct ts_store *strings); /* a JSON value */
void write_number(struct buf *b, double v);                                        /* NAN: null */
void write_small(struct buf *b, unsigned v);                                       /* 0 .. 999 */
/* The same into memory with room for DECIMAL_MAX bytes; the end. Not for strings. */
char *put_time_ms(char *to, int64_t time_us);
char *put_value(char *to, const struct sample *s);
