/* samples_binary.h - POST /samples with rows of 24 bytes instead of JSON (form: docs/api.md). */
#pragma once
#include "core/api.h"
#define SAMPLES_MEDIA "application/vnd.bornite.samples"
bool samples_are_binary(const struct http_request *q);
int samples_post_binary(struct api_call *c, struct error *e);
