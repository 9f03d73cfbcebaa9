/* driver.h - Sparkplug B: the host application. */
#pragma once
#include "bornite/driver.h"
extern const struct driver sparkplug_driver;
