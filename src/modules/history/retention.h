/* retention.h - archive classes as resources made true in the store: reconciles the table of classes and
 * the class of each point at start and after every change, and lets the store enforce them each minute. */
#pragma once
#include "core/node.h"

struct retention;
MUST_CHECK int retention_new(struct node *n, struct retention **ret, struct error *e);
MUST_CHECK int retention_start(struct retention *r, struct error *e); /* reads classes and points, starts the minute thread */
void retention_stop(struct retention *r);
void retention_free(struct retention *r);
void retention_write(void *module, struct json_writer *w);            /* "classes":[…] of GET /storage */
struct retention *history_retention(void *module);
