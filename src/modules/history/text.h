/* text.h - samples as text, fast. Pure but for the store that is asked for strings. */
#pragma once
#include "base/buf.h"
#include "model/tsstore.h"

void write_time_ms(struct buf *b, int64_t time_us);                                /* epoch ms, fraction kept */
void write_value(struct buf *b, const struct sample *s, struct ts_store *strings); /* a JSON value */
void write_number(struct buf *b, double v);                                        /* NAN: null */
void write_small(struct buf *b, unsigned v);                                       /* digits */
/* The same into memory with room for DECIMAL_MAX bytes; the end. Not for strings. */
char *put_time_ms(char *to, int64_t time_us);
char *put_value(char *to, const struct sample *s);
/* The same texts, quicker for what follows something alike; the struct is zero at first. */
struct text_like {
    unsigned places; /* of the last number */
    int64_t high;    /* of the last time: its text but for the last eight digits */
    char text[16];
    size_t n;
};
char *put_time_like(char *to, int64_t time_us, struct text_like *l);
char *put_value_like(char *to, const struct sample *s, struct text_like *l);
char *put_number_like(char *to, double v, struct text_like *l); /* not finite: null */
