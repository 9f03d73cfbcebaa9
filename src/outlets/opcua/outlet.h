/* outlet.h - the OPC UA server: points as variables of an address space, for whoever asks or subscribes. */
#pragma once
#include "bornite/outlet.h"

extern const struct outlet opcua_server_outlet;
