/* unit.h - units of measure by UCUM code (ucum.org, case sensitive), and the plant's spellings of them.
 *
 * A unit is a factor to coherent SI units, a zero offset (temperatures) and exponents of dimensions.
 * Deviations from UCUM: mol and rad are dimensions of their own; {normal} marks a volume under normal
 * conditions and is a dimension too, so that Nm3 is not taken for m3; Cel inside a product is an interval.
 * Pure; any thread. */
#pragma once
#include <stdbool.h>
#include "base/str.h"

enum unit_dim {
    UNIT_LENGTH,
    UNIT_MASS,
    UNIT_TIME,
    UNIT_CURRENT,
    UNIT_TEMPERATURE,
    UNIT_AMOUNT,
    UNIT_LUMINOUS,
    UNIT_ANGLE,
    UNIT_NORMAL,
    UNIT_DIMS
};
struct unit {
    double factor, offset; /* SI = value * factor + offset */
    int8_t dim[UNIT_DIMS];
};
struct unit_alias {
    const char *alias, *ucum;
};
extern const struct unit_alias unit_aliases[]; /* ends with {NULL, NULL} */

struct str unit_ucum(struct str text); /* the UCUM code of an alias, else the text itself */
/* ERR_INVALID: the text names the position. Empty text and "1" are the unit one. */
MUST_CHECK int unit_parse(struct str text, struct unit *ret, struct error *e);
bool unit_is_known(struct str text);
const char *unit_dim_name(const struct unit *u, bool zh); /* "volume flow"; "" when it has no name */
/* ERR_INVALID: unknown unit, or the dimensions differ (the text names both). */
MUST_CHECK int unit_convert(struct str from, struct str to, double value, double *ret, struct error *e);
