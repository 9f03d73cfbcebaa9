/* registry.h - the table of outlets: finding, checking, describing. The table itself (NULL-terminated) stands in app. Pure. */
#pragma once
#include "base/json.h"
#include "bornite/outlet.h"

const struct outlet *outlets_find(const struct outlet *const *table, struct str name); /* NULL: there is none */
/* Required slots and texts are there, names are unique, tables of options sound: once at start. ERR_INTERNAL. */
MUST_CHECK int outlets_check(const struct outlet *const *table, struct error *e);
/* All of them in the form of GET /outlets (docs/api.md). */
void outlets_json(struct json_writer *w, const struct outlet *const *table);
