/* delete.h - see delete.c. */
#pragma once
#include "core/api.h"
int delete_samples(struct api_call *c, struct error *e);
