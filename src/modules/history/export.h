/* export.h - GET /history/export: CSV, one row a time stamp and point, streamed as the reader takes it. */
#pragma once
#include "core/api.h"
int export_csv(struct api_call *c, struct error *e);
