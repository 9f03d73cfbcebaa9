/* time_form.h - the times of a table that somebody else wrote: in forms that are told or found out, in a zone. Pure but
 * for the zone's rules, which are read when the form is made. */
#pragma once
#include "base/zone.h"

struct time_form {
    int64_t unit_us_num, unit_us_den; /* numbers: times this, divided by that; 0: by their size (s, ms, us or ns) */
    char pattern[64];                 /* "%d.%m.%Y %H:%M:%S"; "": ISO 8601 and its neighbours */
    struct zone zone;                 /* for texts without an offset */
};
/* format: "" or "auto", "s" "ms" "us" "ns" (since 1970), or a pattern of %Y %y %m %d %H %I %p %M %S %f %z %%. zone: "",
 * "+08:00", "Asia/Shanghai". ERR_INVALID at "time_format", "time_zone". */
MUST_CHECK int time_form_init(struct time_form *f, struct str format, struct str zone, struct error *e);
void time_form_fini(struct time_form *f);
/* false: no time in this form. */
bool time_form_text(const struct time_form *f, struct str s, int64_t *ret_us);
bool time_form_int(const struct time_form *f, int64_t v, int64_t *ret_us);
bool time_form_double(const struct time_form *f, double v, int64_t *ret_us);
