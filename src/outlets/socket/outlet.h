/* outlet.h - texts and binary frames of points over raw TCP (client, server) and UDP. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet socket_outlet;
