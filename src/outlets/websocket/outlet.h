/* outlet.h - samples over WebSocket, northbound: a server that tells changes to who subscribes, and a sender of batches. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet websocket_server_outlet, websocket_push_outlet;
