/* outlet.h - Sparkplug B: an edge node. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet sparkplug_edge_outlet;
