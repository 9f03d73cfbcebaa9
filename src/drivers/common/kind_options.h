/* kind_options.h - option tables inside a kind document: the member "options" becomes an object whose fields are those of
 * all tables, so that CSV columns, the API's schema, secrets and unknown-member checks know them. What a driver requires and
 * which range it allows is checked against its own table. A name that stands in several tables is one field: enums take all
 * their values, different types become "json"; a secret must be one everywhere (ERR_INTERNAL names it). Pure. */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "bornite/driver.h"

MUST_CHECK int kind_with_options(struct str document, const struct option *const *tables, size_t n, struct arena *a,
                                 struct str *ret, struct error *e);
