/* tables.h - every registration table of the program: what is in, is a row here. */
#pragma once
#include "bornite/outlet.h"
#include "core/module.h"

extern const struct driver *const app_drivers[]; /* NULL-terminated */
extern const struct outlet *const app_outlets[]; /* NULL-terminated */
extern const struct module *const app_modules[];
extern const size_t app_nmodules;
/* The web UI as embedded: NULL when there is no such path. */
const struct http_static *app_asset(struct str path);
MUST_CHECK int app_assets_init(struct error *e); /* once, before the server starts */
