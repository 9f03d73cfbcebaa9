/* driver.h - the MQTT driver: values out of the messages of an external broker. */
#pragma once
#include "bornite/driver.h"
extern const struct driver mqtt_client_driver;
