/* tables.c - see tables.h. */
#include "app/tables.h"
#include "drivers/iec104/driver.h"
#include "drivers/hj212/driver.h"
#include "drivers/http/driver.h"
#include "drivers/modbus/driver.h"
#include "drivers/mqtt/driver.h"
#include "drivers/opcua/driver.h"
#include "drivers/socket/driver.h"
#include "outlets/socket/outlet.h"
#include "outlets/modbus/outlet.h"
#include "outlets/opcua/outlet.h"
#include "drivers/sparkplug/driver.h"
#include "drivers/websocket/driver.h"
#include "outlets/hj212/outlet.h"
#include "outlets/http/outlet.h"
#include "outlets/websocket/outlet.h"
#include "outlets/iec104/outlet.h"
#include "outlets/mqtt/outlet.h"
#include "outlets/sparkplug/outlet.h"

extern const struct module trust_module, history_module, collect_module, live_module, alarms_module, notice_module,
    push_module, backup_module, mqtt_module, forward_module;

const struct driver *const app_drivers[] = {
    &modbus_driver,      &modbus_serial_driver, &iec104_driver,      &hj212_driver,     &opcua_driver, &socket_driver,
    &mqtt_client_driver, &sparkplug_driver,     &http_client_driver, &websocket_driver, NULL};

const struct outlet *const app_outlets[] = {&modbus_server_outlet,
                                            &iec104_server_outlet,
                                            &hj212_sender_outlet,
                                            &mqtt_publisher_outlet,
                                            &opcua_server_outlet,
                                            &socket_outlet,
                                            &http_push_outlet,
                                            &websocket_server_outlet,
                                            &websocket_push_outlet,
                                            &sparkplug_edge_outlet,
                                            NULL};

/* A module whose hooks watch another's kinds stands behind it. */
const struct module *const app_modules[] = {&trust_module,  &collect_module, &history_module, &live_module,
                                            &notice_module, &alarms_module,  &push_module,    &backup_module,
                                            &mqtt_module,   &forward_module};
const size_t app_nmodules = sizeof app_modules / sizeof app_modules[0];
