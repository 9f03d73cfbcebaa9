/* template.h - the signal driver: test signals without a device, and the template for new drivers. */
#pragma once
#include "bornite/driver.h"
extern const struct driver signal_driver;
