/* outlet.h - the HJ 212 outlet: a data acquisition instrument that reports to a platform. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet hj212_sender_outlet;
