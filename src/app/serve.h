/* serve.h - `bornite serve`: the whole platform in one process. */
#pragma once
#include "app/config.h"
int serve_main(const struct config *c);
