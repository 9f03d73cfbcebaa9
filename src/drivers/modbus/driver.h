/* driver.h - the Modbus driver: Modbus TCP, and RTU frames over TCP (serial device servers). */
#pragma once
#include "bornite/driver.h"
extern const struct driver modbus_driver;
