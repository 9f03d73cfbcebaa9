/* ingest_table.h - which topics bring values of devices, and how their payloads are read: one row each. To take another
 * form, add a row and its decoder. Decoders are pure and run on a worker thread. */
#pragma once
#include "modules/push/decode.h"

enum ingest_kind { INGEST_VALUES, INGEST_ATTRIBUTES, INGEST_ASK_ATTRIBUTES };
struct ingest_row {
    const char *filter;
    enum ingest_kind kind;
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
struct str mqtt_topic_level(struct str topic, int level);
