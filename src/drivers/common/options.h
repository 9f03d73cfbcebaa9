/* options.h - option tables (bornite/driver.h): the form that the UI draws, and the check of what a user
 * gave. Pure; memory from the caller's arena. */
#pragma once
#include "base/json.h"
#include "bornite/driver.h"

/* The table as an array of fields in the form of kind documents (model/kind.h). NULL table: []. */
void options_json(struct json_writer *w, const struct option *table);

/* Check `obj` (NULL counts as {}) against the table and give the typed bag, defaults filled in. All
 * faults are collected, up to `max`, in errs (may be NULL with max 0), *ret_n of them; e->where is the
 * option's name. Members outside the table are faults that name the nearest option. Texts are copied
 * into the arena. 0, ERR_INVALID (the first fault also in *e) or ERR_NOMEM. */
MUST_CHECK int options_check(const struct option *table, struct arena *a, const struct json *obj, struct options *ret,
                             struct error *errs, size_t max, size_t *ret_n, struct error *e);

/* Is the option shown (show_if holds) given the values? */
bool options_shown(const struct options *o, const struct option *row);
