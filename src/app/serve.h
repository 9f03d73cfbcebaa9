/* serve.h - `bornite serve`: the whole platform in one process. */
#pragma once
#include "app/config.h"
int serve_main(const struct config *c);
/* Makes the tables of all components in the database of `c`, and nothing else that stays: opens what serve opens
 * and closes it again. For `bornite migrate`; c->data is a folder to throw away. */
MUST_CHECK int serve_make_tables(const struct config *c, struct error *e);
