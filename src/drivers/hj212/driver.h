/* driver.h - the HJ 212 driver: a platform to which instruments (data acquisition units) connect and report. */
#pragma once
#include "bornite/driver.h"
extern const struct driver hj212_driver;
