/* registry.h - the table of drivers: finding, checking, describing. The table itself (a NULL-terminated
 * array of drivers) stands in app and is handed to whoever needs it. Pure. */
#pragma once
#include "base/json.h"
#include "bornite/driver.h"

/* NULL when there is none of that name. */
const struct driver *drivers_find(const struct driver *const *table, struct str name);

/* Every required slot and text of every driver is there, names are unique, defaults and limits of the
 * option tables can be read: call once at start. ERR_INTERNAL names the driver and what is wrong. */
MUST_CHECK int drivers_check(const struct driver *const *table, struct error *e);

/* One table of options: rows whole, defaults readable. owner: for the text of ERR_INTERNAL. */
MUST_CHECK int option_table_check(const char *owner, const struct option *table, struct error *e);
/* "key":{"en":…,"zh":…}; NULL: empty. */
void pair_json(struct json_writer *w, const char *key, const char *en, const char *zh);

/* One driver / all of them in the form of GET /drivers (docs/api.md). */
void driver_json(struct json_writer *w, const struct driver *d);
void drivers_json(struct json_writer *w, const struct driver *const *table);

/* "int16" <-> VALUE_INT16; false when there is no such type. */
const char *value_type_name(enum value_type t);
bool value_type_parse(struct str s, enum value_type *ret);
/* Text for people; bytes of the type in a device, 0 for AUTO and STRING. */
const char *value_type_title(enum value_type t, bool zh);
unsigned value_type_bytes(enum value_type t);
