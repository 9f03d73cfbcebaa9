/* list_filter_int.h - between list_filter.c and list_filter_field.c. */
#pragma once
#include "core/resource/list_filter.h"

struct filter_param text_param(struct str s);
/* A time as the text that a FIELD_TIME expression gives: RFC 3339 without the Z. */
MUST_CHECK int time_param(struct arena *a, int64_t us, struct filter_param *ret, struct error *e);
