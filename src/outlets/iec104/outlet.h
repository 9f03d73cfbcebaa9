/* outlet.h - the IEC 60870-5-104 outlet: a controlled station. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet iec104_server_outlet;
