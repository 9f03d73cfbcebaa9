/* table.h - the embedded tables of data/ (CSV with a head line), and the patterns used in them. */
#pragma once
#include "base/arena.h"

#define SIM_CELLS_MAX 20
struct sim_row {
    struct str c[SIM_CELLS_MAX]; /* by position; empty when missing */
};
/* All rows below the head line, in `a`. Errors name the table and line. */
MUST_CHECK int sim_table_read(struct arena *a, const char *name, struct sim_row **ret, size_t *ret_n, struct error *e);
/* The text of a table, head line and all; {NULL,0}: there is none. */
struct str sim_table_text(const char *name);
/* Cell as number; NAN when empty or no number. */
double sim_cell_number(struct str s);

/* "C[0001..0576]_DT" -> C, 1..576 with 4 digits, _DT; "FEED" -> FEED, 0..0 with no digits. */
struct sim_pattern {
    struct str head, tail;
    unsigned from, to, digits;
};
struct sim_pattern sim_pattern_parse(struct str s);
/* The text for number n; "" out of memory. */
struct str sim_pattern_text(struct arena *a, const struct sim_pattern *p, unsigned n);
/* Every '#' of `s` replaced by n. */
struct str sim_numbered(struct arena *a, struct str s, unsigned n);
