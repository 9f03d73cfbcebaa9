/* serial_int.h - between serial.c (the port on a loop) and serial_line.c (what the line is set to). */
#pragma once
#include "io/serial.h"

/* ERR_INVALID names the option that the port cannot do. */
int serial_apply(int fd, const struct serial_config *c, struct error *e);
