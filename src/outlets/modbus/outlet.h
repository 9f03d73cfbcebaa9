/* outlet.h - Modbus server, northbound. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet modbus_server_outlet;
