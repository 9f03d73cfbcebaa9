/* sample.h - helpers over bornite/sample.h. Pure. */
#pragma once
#include <stdbool.h>
#include "base/str.h"
#include "bornite/sample.h"

const char *quality_name(uint8_t quality);                /* "good" "uncertain" "bad" */
const char *reason_name(uint16_t flags);                  /* "comm_failure" ...; "" for NONE */
const char *reason_text(uint16_t flags, bool zh);
/* Numeric value of a sample; NAN for NONE and STRING. */
double sample_number(const struct sample *s);
bool sample_same_value(const struct sample *a, const struct sample *b); /* type, value; NaN == NaN */
