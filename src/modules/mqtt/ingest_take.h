/* ingest_take.h - between the files that take messages on a worker. */
#pragma once
#include "modules/mqtt/ingest_table.h"

/* Values of a device, durable on return; counts them in the message. */
MUST_CHECK int mqtt_store_values(struct ingest_message *m, const char *device, enum push_form form, struct pushed *v,
                                 size_t n, struct error *e);
/* One value of a device, now. */
MUST_CHECK int mqtt_store_one(struct ingest_message *m, const char *device, const char *key, const struct json *v,
                              struct error *e);
