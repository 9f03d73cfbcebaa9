/* sparkplug.h - Eclipse Sparkplug B 3.0.0 (spBv1.0) as pure functions: topics, STATE messages, payloads, both
 * directions.
 *
 *   topics   spBv1.0/GROUP/TYPE/NODE[/DEVICE]   TYPE: NBIRTH NDEATH NDATA NCMD, of a device DBIRTH DDEATH DDATA DCMD
 *            spBv1.0/STATE/HOST                 (3.0: {"online":true,"timestamp":ms})    STATE/HOST (before: ONLINE,
 * OFFLINE) payload  org.eclipse.tahu.protobuf.Payload (sparkplug_b.proto): Payload   1 timestamp ms  2 metric*  3 seq
 * 4 uuid  5 body Metric    1 name  2 alias  3 timestamp  4 datatype  5 is_historical  6 is_transient  7 is_null  8
 * metadata 9 properties  then one of 10 int 11 long 12 float 13 double 14 boolean 15 string 16 bytes 17 dataset 18
 * template PropertySet  1 key*  2 PropertyValue*  (1 type  2 is_null  3 int 4 long 5 float 6 double 7 boolean 8 string
 *               9 set  10 list of sets)
 *     DataSet   1 number of columns  2 column*  3 type*  4 row*  (1 element*: 1 int 2 long 3 float 4 double 5 boolean
 *               6 string)
 *     Template  1 version  2 metric*  3 parameter*  (1 name 2 type, 3 int … 8 string)  4 ref  5 is_definition
 *   integers up to 32 bits stand in int_value as two's complement, longer ones in long_value; some peers put UInt32
 * into long_value: both are taken. Arrays (3.0): bytes_value, the elements little-endian; booleans: u32 count, then
 * bits from the highest on; texts: each ended by a NUL. What is parsed are views into the bytes given, which
 * spb_payload_parse has checked whole (depth, lengths, types of wire), so that reading on cannot fail. No state, no
 * memory (but a scratch of spb_state_parse). Any thread. */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

#define SPB_NAMESPACE "spBv1.0"
#define SPB_DEPTH_MAX 8 /* templates in templates, sets in sets */
#define SPB_BDSEQ "bdSeq"
#define SPB_REBIRTH "Node Control/Rebirth"

/* ---- topics ---- */

#define SPB_MESSAGES(X) \
    X(NBIRTH, "birth of an edge node", "边缘节点上线") \
    X(NDEATH, "death of an edge node", "边缘节点下线") \
    X(DBIRTH, "birth of a device", "设备上线") \
    X(DDEATH, "death of a device", "设备下线") \
    X(NDATA, "data of an edge node", "边缘节点数据") \
    X(DDATA, "data of a device", "设备数据") \
    X(NCMD, "command to an edge node", "边缘节点命令") \
    X(DCMD, "command to a device", "设备命令") \
    X(STATE, "state of a host application", "主机应用状态")
enum spb_message {
#define X(name, en, zh) SPB_##name,
    SPB_MESSAGES(X)
#undef X
        SPB_MESSAGE_COUNT
};
const char *spb_message_name(enum spb_message m);
const char *spb_message_words(enum spb_message m, bool zh);

struct spb_topic {
    enum spb_message type;
    struct str group, node, device; /* device: empty for messages of a node */
    struct str host;                /* STATE only */
    bool old;                       /* STATE before 3.0 */
};
int spb_topic_parse(struct str topic, struct spb_topic *ret); /* 0 or ERR_INVALID */
void spb_topic_write(struct buf *out, const struct spb_topic *t);
/* May it be a group, a node, a device, a host? UTF-8, 1 byte or more, no '/', '+', '#', no control characters. */
bool spb_id_ok(struct str id);

/* STATE: 3.0 or before; *ret_ms is 0 when there is no time. ERR_INVALID. */
int spb_state_parse(struct str payload, bool *ret_online, int64_t *ret_ms);
void spb_state_write(struct buf *out, bool online, int64_t ms);

/* ---- data types ---- */

enum spb_form { /* what a value is, whatever its width */
                SPB_NOTHING,
                SPB_SIGNED,
                SPB_UNSIGNED,
                SPB_REAL,
                SPB_BOOL,
                SPB_TIME, /* ms since 1970, UTC */
                SPB_STRING,
                SPB_BYTES,
                SPB_DATASET,
                SPB_TEMPLATE,
                SPB_PROPERTIES,
                SPB_ARRAY,
};
/*    name, number, form, bits, element */
#define SPB_TYPES(X) \
    X(Unknown, 0, NOTHING, 0, 0) \
    X(Int8, 1, SIGNED, 8, 0) \
    X(Int16, 2, SIGNED, 16, 0) \
    X(Int32, 3, SIGNED, 32, 0) \
    X(Int64, 4, SIGNED, 64, 0) \
    X(UInt8, 5, UNSIGNED, 8, 0) \
    X(UInt16, 6, UNSIGNED, 16, 0) \
    X(UInt32, 7, UNSIGNED, 32, 0) \
    X(UInt64, 8, UNSIGNED, 64, 0) \
    X(Float, 9, REAL, 32, 0) \
    X(Double, 10, REAL, 64, 0) \
    X(Boolean, 11, BOOL, 1, 0) \
    X(String, 12, STRING, 0, 0) \
    X(DateTime, 13, TIME, 64, 0) \
    X(Text, 14, STRING, 0, 0) \
    X(UUID, 15, STRING, 0, 0) \
    X(DataSet, 16, DATASET, 0, 0) \
    X(Bytes, 17, BYTES, 0, 0) \
    X(File, 18, BYTES, 0, 0) \
    X(Template, 19, TEMPLATE, 0, 0) \
    X(PropertySet, 20, PROPERTIES, 0, 0) \
    X(PropertySetList, 21, PROPERTIES, 0, 0) \
    X(Int8Array, 22, ARRAY, 8, 1) \
    X(Int16Array, 23, ARRAY, 16, 2) \
    X(Int32Array, 24, ARRAY, 32, 3) \
    X(Int64Array, 25, ARRAY, 64, 4) \
    X(UInt8Array, 26, ARRAY, 8, 5) \
    X(UInt16Array, 27, ARRAY, 16, 6) \
    X(UInt32Array, 28, ARRAY, 32, 7) \
    X(UInt64Array, 29, ARRAY, 64, 8) \
    X(FloatArray, 30, ARRAY, 32, 9) \
    X(DoubleArray, 31, ARRAY, 64, 10) \
    X(BooleanArray, 32, ARRAY, 1, 11) \
    X(StringArray, 33, ARRAY, 0, 12) \
    X(DateTimeArray, 34, ARRAY, 64, 13)
enum spb_datatype {
#define X(name, number, form, bits, element) SPB_T_##name = (number),
    SPB_TYPES(X)
#undef X
        SPB_TYPE_COUNT
};
struct spb_type {
    const char *name;
    uint8_t id, form, bits, element; /* element: of an array */
};
const struct spb_type *spb_type(uint32_t id); /* Unknown for numbers outside the list */

/* A value in the form of its type. */
struct spb_scalar {
    uint8_t form; /* NOTHING (null), SIGNED (i), UNSIGNED (u), REAL (d), BOOL (u), TIME (i), STRING, BYTES (s) */
    uint8_t bits;
    int64_t i;
    uint64_t u;
    double d;
    struct str s;
};
double spb_double(const struct spb_scalar *v); /* NAN for texts, bytes, nothing */

/* ---- reading ---- */

enum spb_field { /* which member of `value` it is */
                 SPB_V_NONE,
                 SPB_V_INT,
                 SPB_V_LONG,
                 SPB_V_FLOAT,
                 SPB_V_DOUBLE,
                 SPB_V_BOOL,
                 SPB_V_STRING,
                 SPB_V_BYTES,
                 SPB_V_DATASET,
                 SPB_V_TEMPLATE,
                 SPB_V_SET,
                 SPB_V_SETS,
};
struct spb_value {
    uint8_t field; /* enum spb_field */
    uint64_t u;    /* INT, LONG, BOOL */
    double d;      /* FLOAT, DOUBLE */
    struct str s;  /* the rest */
};
struct spb_metric {
    bool has_name, has_alias, has_timestamp, has_datatype, historical, transient, null;
    uint32_t datatype;
    uint64_t alias, timestamp;
    struct str name, metadata, properties; /* encoded, p NULL: none */
    struct spb_value value;
    struct str body; /* read only: the message as it stands */
};
struct spb_payload {
    bool has_timestamp, has_seq;
    uint64_t timestamp, seq;
    struct str uuid, body; /* p NULL: none */
    struct str metrics;    /* for spb_metric_next */
    uint32_t count;        /* of metrics */
};
MUST_CHECK int spb_payload_parse(struct str bytes, struct spb_payload *ret, struct error *e);
/* The next one of a payload's `metrics` or a template's `rest`, which is cut. false: no more. */
bool spb_metric_next(struct str *metrics, struct spb_metric *ret);
struct spb_metric spb_metric_of(struct str body); /* of bytes that spb_metric_next told */

struct spb_property {
    struct str key;
    uint32_t type;
    bool null;
    struct spb_value value;
};
struct spb_properties {
    struct str keys, values;
};
static inline struct spb_properties spb_properties(struct str set)
{
    return (struct spb_properties){set, set};
}
bool spb_property_next(struct spb_properties *it, struct spb_property *ret);
bool spb_set_next(struct str *sets, struct str *ret_set); /* of a list of sets */
bool spb_property_find(struct str set, const char *key, struct spb_property *ret);

struct spb_template {
    struct str version, ref; /* p NULL: none */
    bool definition;
    struct str metrics, parameters; /* spb_metric_next; spb_parameter_next */
};
struct spb_template spb_template(struct str bytes);
bool spb_parameter_next(struct str *parameters, struct spb_property *ret); /* key: the name */

struct spb_dataset {
    uint64_t ncolumns;
    struct str columns, types, rows; /* for the functions below */
    size_t at;                       /* columns told */
};
struct spb_dataset spb_dataset(struct str bytes);
bool spb_column_next(struct spb_dataset *d, struct str *ret_name, uint32_t *ret_type); /* types may be short: Unknown */
bool spb_row_next(struct str *rows, struct str *ret_row);
bool spb_element_next(struct str *row, struct spb_value *ret);

/* The value as its type says (0: by the member that is set). ERR_INVALID: it does not fit the type, or it is no scalar.
 */
MUST_CHECK int spb_scalar(uint32_t type, const struct spb_value *v, struct spb_scalar *ret);

/* Elements of an array. ERR_INVALID: no array, or its length is wrong. */
struct spb_array {
    const struct spb_type *element;
    struct str rest;
    size_t n, at;
};
MUST_CHECK int spb_array_open(uint32_t type, struct str bytes, struct spb_array *ret);
bool spb_array_next(struct spb_array *a, struct spb_scalar *ret);

/* Any value as JSON: numbers, texts, times as RFC 3339, bytes as base64, arrays; {"columns","types","rows"} of a data
 * set; {"ref","version","parameters":{},"metrics":{}} of a template; objects of property sets. */
void spb_json(struct json_writer *w, uint32_t type, const struct spb_value *v);

/* A payload in a payload (sparkplug_inflate.c): the bytes of the inner one are appended to out, whose maximum bounds
 * them. ERR_TOO_LARGE, ERR_PROTOCOL, ERR_NOMEM. */
bool spb_compressed(const struct spb_payload *p);
MUST_CHECK int spb_inflate(const struct spb_payload *p, struct buf *out, struct error *e);

/* ---- writing ---- */

struct spb_value spb_value_of(uint32_t type, const struct spb_scalar *v); /* the member that the type wants */
void spb_put_timestamp(struct buf *out, uint64_t ms);                     /* a payload is: timestamp, metrics, seq */
void spb_put_metric(struct buf *out, const struct spb_metric *m);
void spb_put_seq(struct buf *out, uint64_t seq);
/* Ends a template whose metrics stand in `out` (spb_put_metric): an instance of the definition `ref`. */
void spb_put_template(struct buf *out, struct str ref);
void spb_put_properties(struct buf *out, const struct spb_property *p, size_t n); /* the body of a set */
void spb_put_array(struct buf *out, uint32_t type, const struct spb_scalar *v, size_t n);

/* ---- quality: of property "Quality" (0, 192, 500, and what OPC DA says beyond them) and of samples ---- */

#define SPB_QUALITY "Quality"
uint8_t spb_quality_class(uint64_t code, uint8_t *ret_reason);        /* enum quality; enum quality_reason */
uint32_t spb_quality_code(uint8_t quality, uint8_t reason, bool opc); /* opc false: just 0, 192, 500 */

/* ---- in words ---- */
void spb_words(struct buf *out, struct str topic, struct str payload, bool zh); /* nothing for other topics */
/* A whole MQTT packet: a Sparkplug message, or as mqtt_describe tells it. */
void spb_describe(struct buf *out, uint8_t version, const uint8_t *packet, size_t n, bool zh);
