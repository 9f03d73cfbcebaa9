/* export.h - see export.c. */
#pragma once
#include "core/api.h"
int export_csv(struct api_call *c, struct error *e);
