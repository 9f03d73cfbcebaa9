/* summary.h - see summary.c. */
#pragma once
#include "core/api.h"
int summary_answer(struct api_call *c, struct error *e);
