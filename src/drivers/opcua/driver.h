/* driver.h - the OPC UA driver: a client of OPC UA servers. */
#pragma once
#include "bornite/driver.h"
extern const struct driver opcua_driver;
