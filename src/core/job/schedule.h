/* schedule.h - schedules as the API sees them. */
#pragma once
#include "core/job.h"

/* {"items":[times],"last":{…}|null} of a stored schedule, or of the members of a spec. n <= 100. */
MUST_CHECK int schedule_next(struct jobs *js, struct str id_or_code, size_t n, struct json_writer *w, struct error *e);
MUST_CHECK int schedule_preview(struct jobs *js, const struct json *spec, size_t n, struct json_writer *w,
                                struct error *e);
/* Start its job now, as `by`. */
MUST_CHECK int schedule_run(struct jobs *js, const struct actor *by, struct str id_or_code, char ret_id[37],
                            struct error *e);
/* A schedule of the platform's own, made when there has never been one of that code. */
MUST_CHECK int schedule_default(struct jobs *js, const char *code, const char *name, const char *spec, struct error *e);
