/* outlet.h - samples pushed to an HTTP address, northbound. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet http_push_outlet;
