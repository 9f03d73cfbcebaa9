/* driver.h - the HTTP driver: REST APIs asked in periods, values written by requests. */
#pragma once
#include "bornite/driver.h"

extern const struct driver http_client_driver;
