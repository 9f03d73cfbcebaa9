/* retention.h - archive classes as resources made true in the store: reconciles the table of classes and
 * the class of each point at start and after every change, and lets the store enforce them each minute. */
#pragma once
#include "core/node.h"

struct retention;
MUST_CHECK int retention_new(struct node *n, struct retention **ret, struct error *e);
struct engines;
void retention_engines_set(struct retention *r, struct engines *g); /* before start; told of classes and points */
MUST_CHECK int retention_start(struct retention *r, struct error *e); /* reads classes and points, starts the minute thread */
void retention_stop(struct retention *r);
void retention_free(struct retention *r);
void retention_write(void *module, struct json_writer *w);            /* "classes":[…] of GET /storage */
struct retention *history_retention(void *module);

struct retention_class {
    struct ts_class c;
    char code[128], name[256];
};
/* The table as it holds now; how many. */
size_t retention_classes(void *module, struct retention_class ret[TS_CLASSES]);
/* Ages and sizes of a spec that was not saved; the id stays. ERR_INVALID at "spec.keep" … */
MUST_CHECK int retention_class_read(const struct json *spec, struct ts_class *ret, struct error *e);
