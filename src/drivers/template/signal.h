/* signal.h - the "protocol" of this driver: what an address means and what value it has when. Pure, as a
 * codec in src/proto is for a real protocol; the session (template.c) only moves values around. */
#pragma once
#include "base/error.h"
#include "base/str.h"

enum signal_shape { SIGNAL_SINE, SIGNAL_SQUARE, SIGNAL_SAW, SIGNAL_MEMORY };
struct signal {
    enum signal_shape shape;
    double period_s, amplitude, centre; /* MEMORY: centre is the first value */
};

/* "sine:60:10:50" (seconds, amplitude, centre; later ones may be left out: 60, 1, 0), "square:…",
 * "saw:…", "memory:12.5" (holds what is written). ERR_INVALID with a right example. */
MUST_CHECK int signal_parse(struct str s, struct signal *ret, struct error *e);
double signal_value(const struct signal *s, int64_t time_us);
