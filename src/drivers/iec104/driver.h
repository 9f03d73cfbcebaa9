/* driver.h - the IEC 60870-5-104 driver: the controlling station. */
#pragma once
#include "bornite/driver.h"
extern const struct driver iec104_driver;
