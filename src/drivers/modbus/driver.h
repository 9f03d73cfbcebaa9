/* driver.h - the Modbus drivers: over networks (TCP, UDP, serial device servers), and on serial ports. */
#pragma once
#include "bornite/driver.h"
extern const struct driver modbus_driver, modbus_serial_driver;
