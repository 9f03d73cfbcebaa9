/* user_kind.h - what the routes of user kinds need of the engine, beside resource.h. */
#pragma once
#include "core/resource.h"

/* Deletes all resources of the kind and the kind itself, in one transaction. `confirm` must be its code.
 * ERR_REFERENCED when resources of other kinds refer to them. */
MUST_CHECK int user_kind_drop(struct kernel *k, const struct actor *by, struct str id_or_code, struct str confirm,
                              int64_t *ret_resources, struct error *e);
