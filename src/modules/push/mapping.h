/* mapping.h - public: payloads of any shape -> values of devices, by rules that a person makes from a sample (kind
 * payload_mapping). Compiled once, then immutable; applying is pure: any thread.
 *
 * A payload has a form: JSON, CSV, a plain text or number, or bytes. It is cut into records: a JSON document is one
 * record, or `each` names many in it; each line of CSV is one; a text and a frame of bytes are one. Rows say what is
 * taken of a record: where the value stands, under which key, when, how good. Or every leaf is taken.
 *
 * A place is written after the form:
 *   JSON   JSONPath (base/json_path.h)                     "$.data.temp", "$.values[*]"; "" is the record itself
 *   CSV    the name of a column, or its number from 1      "flow", "3"
 *   text   nothing: the text is the value
 *   bytes  OFFSET:TYPE, OFFSET.BIT:bit                     "0:i16", "4:f32sw", "2.3:bit", "8:text6"
 *          u8 i8 u16 i16 u24 i24 u32 i32 u64 i64 f32 f64 bcd2 bcd4 text<n> hex<n>, big-endian; with le: little-endian,
 *          sw: words swapped, sb: bytes of each word swapped
 * Times, qualities, names and units are looked for in the record, then in the whole document.
 *
 * Texts with holes (keys, names of devices): {topic} {topic.2} {client} {device} {name} {index}, and {PLACE} of the
 * form:
 * {$.tag}, {column}, {0:u8}. {name}: the member or number of what the value's path has found. */
#pragma once
#include "modules/push/decode.h"

struct mapping;
struct mapping_input {
    struct str topic, payload; /* topic: "" when there is none */
    struct str client;         /* code of the device that is connected; "": it is none */
};
#define MAPPING_WHOLE SIZE_MAX
struct mapped {
    size_t row, record; /* row MAPPING_WHOLE: of "every leaf" */
    struct str device;
    struct pushed v; /* v.unit too */
};
struct mapping_fault {
    size_t row, record; /* MAPPING_WHOLE: of the whole */
    bool missing;       /* just not there: devices leave out what has not changed */
    struct error why;
};
#define MAPPING_FAULTS_MAX 100
struct mapping_result {
    struct mapped *v; /* at most PUSH_VALUES_MAX */
    size_t n, records;
    struct mapping_fault *fault; /* the first MAPPING_FAULTS_MAX */
    size_t nfaults;
};
/* Errors name the field ("rows[2].value"). */
MUST_CHECK int mapping_compile(const struct json *spec, struct mapping **ret, struct error *e);
void mapping_free(struct mapping *m);
/* ERR_INVALID: the payload has not this form at all; ERR_TOO_LARGE. What is wrong with single rows stands in *ret,
 * whose texts live in the arena or in the payload. */
MUST_CHECK int mapping_apply(const struct mapping *m, struct arena *a, const struct mapping_input *in,
                             struct mapping_result *ret, struct error *e);
