/* calc.h - see calc.c. */
#pragma once
#include "core/api.h"
int calc_answer(struct api_call *c, struct error *e);
