/* driver.h - the WebSocket driver: messages of devices, as their client or as the server that they connect to. */
#pragma once
#include "bornite/driver.h"

extern const struct driver websocket_driver;
