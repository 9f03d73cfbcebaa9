/* outlet.h - the MQTT outlet: values published to an external broker. */
#pragma once
#include "bornite/outlet.h"
extern const struct outlet mqtt_publisher_outlet;
