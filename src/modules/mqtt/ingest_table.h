/* ingest_table.h - which topics bring values of devices, and how their payloads are read: one row each. To take another
 * form, add a row and its decoder. Decoders are pure and run on a worker thread. */
#pragma once
#include "base/buf.h"
#include "modules/push/ingest.h"

/* A message on a worker. */
struct ingest_row;
struct ingest_message {
    struct mqtt *m;
    struct arena *a;
    const struct ingest_row *row;
    struct str topic, payload;
    const struct json *body; /* the payload, unless the row is raw */
    const char *device;      /* id of the one that is connected, or whom the topic names */
    size_t stored;           /* samples */
    struct str answer_to;    /* topic as inside, when the answer is to be sent */
    struct buf answer;
};
typedef int ingest_fn(struct ingest_message *m, struct error *e);
ingest_fn mqtt_take_values, mqtt_take_attributes, mqtt_ask_attributes;                              /* ingest_take.c */
ingest_fn mqtt_gateway_telemetry, mqtt_gateway_attributes, mqtt_gateway_ask, mqtt_gateway_presence; /* thingsboard.c */
ingest_fn mqtt_gateway_rpc, mqtt_rpc_response;
ingest_fn mqtt_jetlinks_report, mqtt_jetlinks_event, mqtt_jetlinks_presence, mqtt_jetlinks_reply; /* jetlinks.c */

struct ingest_row {
    const char *filter;
    ingest_fn *take;
    enum push_form form;
    int level; /* of the topic that names the device, from 0; -1: it is the one that is connected */
    bool fast; /* the form is one of push_decode's: the short way is tried first */
    /* NULL: push_decode in that form. Texts of *ret live as long as the body or the arena. */
    int (*decode)(struct arena *a, struct str topic, const struct json *body, struct pushed **ret, size_t *ret_n,
                  struct error *e);
    const char *title_en, *title_zh;
};
extern const struct ingest_row mqtt_ingest_rows[];
extern const size_t mqtt_ingest_nrows;
const struct ingest_row *mqtt_ingest_row_of(struct str topic); /* NULL: none */
/* Members of an object become values; `prefix` stands in front of their keys. */
int mqtt_add_members(struct arena *a, struct str prefix, const struct json *o, const int64_t *ms, uint8_t quality,
                     struct pushed **ret, size_t *n, size_t cap, struct error *e);
/* A time in milliseconds, which may be missing: then *given is NULL. */
int mqtt_time_of(const struct json *v, int64_t *ret, const int64_t **given, struct error *e);
struct str mqtt_topic_level(struct str topic, int level);
