/* driver.h - raw TCP and UDP: instruments with protocols of their own, described by rows of options. */
#pragma once
#include "bornite/driver.h"
extern const struct driver socket_driver;
