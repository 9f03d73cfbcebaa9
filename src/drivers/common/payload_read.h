/* payload_read.h - a document that came from a device (an HTTP answer, an MQTT or WebSocket message) into values of points
 * with their times and qualities, by paths. Shared by the drivers that get texts. Pure, any thread, but payload_reader_new
 * (a named time zone is a small file that it reads).
 *
 *   json    rows: a JSONPath that selects the rows; without it the document is the one row. A point's address is a
 *           JSONPath in the row: "temperature", "$.data[0].v", "tags[?@.name=='flow'].v".
 *   csv     every line behind the header is a row. An address is the name of a column, or its number from 1. An empty cell
 *           is no value.
 *   text    the document is the value; the address is "value".
 *   xml     as json, with paths of elements and attributes (proto/xml_tree.h): data/sensor[@id='T1']/value, @unit; in a row
 *           they begin at the row's element.
 *   key     with `key` (path or column of the name in a row) an address is the name of a point as it stands there, and
 *           `value` the path or column of its value: [{"tag":"FT101","v":1.5,"t":1767225600}, …].
 * Times and qualities stand in the row, too: `time`, `quality` (a point may have its own). Without a time the last row
 * that has the point counts, and the sample gets the time of arrival. */
#pragma once
#include "base/json.h"
#include "bornite/driver.h"

enum payload_doc_form { PAYLOAD_DOC_JSON, PAYLOAD_DOC_CSV, PAYLOAD_DOC_TEXT, PAYLOAD_DOC_XML };

/* Rows for a channel's or a device's table, and for the points' table. */
extern const struct option_choice payload_doc_forms[], payload_time_formats[];
#define PAYLOAD_READ_OPTIONS \
    {.name = "payload", .type = OPTION_ENUM, .en = "Form of the documents", .zh = "报文格式", .def = "json", .choices = payload_doc_forms}, \
    {.name = "header", .type = OPTION_BOOLEAN, .en = "First line names the columns", .zh = "首行为列名", .def = "true", .show_if = "payload=csv"}, \
    {.name = "rows", .type = OPTION_STRING, .en = "Rows", .zh = "行路径", .max = "1000", .show_if = "payload=json|xml", \
     .help_en = "Path of the rows when a document holds several samples of a point: $.data[*] (JSONPath), //sensor (XML). Empty: the document is one row.", \
     .help_zh = "一份报文含同一测点的多个样本时，各行的路径：$.data[*]（JSONPath）、//sensor（XML）；留空则整份报文为一行。"}, \
    {.name = "key", .type = OPTION_STRING, .en = "Name of the point in a row", .zh = "行内测点名", .max = "1000", \
     .show_if = "payload=json|csv|xml", \
     .help_en = "When each row is a value of one point: where its name stands (path or column). Addresses are these names then.", \
     .help_zh = "每行是一个测点的值时，测点名所在的路径或列；此时地址即为该名称。"}, \
    {.name = "value", .type = OPTION_STRING, .en = "Value in a row", .zh = "行内数值", .max = "1000", .show_if = "payload=json|csv|xml", \
     .help_en = "With a name in the row: path or column of the value.", .help_zh = "行内有测点名时，数值所在的路径或列。"}, \
    {.name = "time", .type = OPTION_STRING, .en = "Time in a row", .zh = "行内时间", .max = "1000", .show_if = "payload=json|csv|xml", \
     .help_en = "Path or column. Empty: the time of arrival.", .help_zh = "路径或列；留空则用到达时间。"}, \
    {.name = "time_format", .type = OPTION_ENUM, .en = "Form of times", .zh = "时间格式", .def = "auto", .choices = payload_time_formats, \
     .show_if = "payload=json|csv|xml"}, \
    {.name = "time_pattern", .type = OPTION_STRING, .en = "Pattern of times", .zh = "时间样式", .max = "100", \
     .show_if = "time_format=pattern", .required = true, \
     .help_en = "%Y %y %m %d %b %H %I %p %M %S %f (fraction) %z (offset) %j %%, other characters as they stand: %d.%m.%Y %H:%M:%S", \
     .help_zh = "%Y %y %m %d %b %H %I %p %M %S %f（小数秒）%z（时区偏移）%j %%，其他字符照写：%d.%m.%Y %H:%M:%S"}, \
    {.name = "time_zone", .type = OPTION_STRING, .en = "Time zone of times without one", .zh = "无时区时间的时区", .def = "UTC", .max = "60", \
     .show_if = "payload=json|csv|xml", .help_en = "UTC, +08:00, Asia/Shanghai", .help_zh = "UTC、+08:00、Asia/Shanghai"}, \
    {.name = "quality", .type = OPTION_STRING, .en = "Quality in a row", .zh = "行内质量", .max = "1000", .show_if = "payload=json|csv|xml", \
     .help_en = "Path or column. Empty: what comes is good.", .help_zh = "路径或列；留空则均为良好。"}, \
    {.name = "quality_good", .type = OPTION_STRING, .en = "Good qualities", .zh = "良好的取值", .max = "500", .def = "good,ok,true,1,192", \
     .show_if = "payload=json|csv|xml", .help_en = "Comma-separated; case does not matter.", .help_zh = "逗号分隔，不分大小写。"}, \
    {.name = "quality_uncertain", .type = OPTION_STRING, .en = "Uncertain qualities", .zh = "可疑的取值", .max = "500", \
     .def = "uncertain,64", .show_if = "payload=json|csv|xml", .help_en = "All others are bad.", .help_zh = "其余均为坏值。"}
#define PAYLOAD_READ_POINT_OPTIONS \
    {.name = "time", .type = OPTION_STRING, .en = "Own time", .zh = "专用时间路径", .max = "1000", \
     .help_en = "Path or column in the row. Empty: that of the row.", .help_zh = "行内路径或列；留空则用该行的时间。"}, \
    {.name = "quality", .type = OPTION_STRING, .en = "Own quality", .zh = "专用质量路径", .max = "1000"}

struct payload_reader; /* the rules of a device, compiled; immutable */
struct payload_place;  /* where a point stands, compiled; immutable; must not outlive its reader */
/* ERR_INVALID names the option in e->where. Options are copied. */
MUST_CHECK int payload_reader_new(const struct options *o, struct payload_reader **ret, struct error *e);
void payload_reader_free(struct payload_reader *r); /* NULL too */
/* East of UTC at that time, by the option time_zone. */
int64_t payload_zone_offset_us(const struct payload_reader *r, int64_t time_us);
/* Without reading a file; for address_check and the check of options when they are saved (a zone by name is taken as it is). */
MUST_CHECK int payload_address_check(const struct options *o, const char *address, const struct options *point, struct error *e);
MUST_CHECK int payload_place_new(const struct payload_reader *r, const char *address, const struct options *point,
                                 struct payload_place **ret, struct error *e);
void payload_place_free(struct payload_place *p); /* NULL too */

/* A document. Lives in the arena; `text` must live as long. ERR_INVALID names line and column, ERR_TOO_LARGE. */
struct payload_doc;
MUST_CHECK int payload_doc_parse(const struct payload_reader *r, struct str text, struct arena *a, struct payload_doc **ret, struct error *e);
size_t payload_doc_rows(const struct payload_doc *d);
const struct json *payload_doc_json(const struct payload_doc *d); /* NULL when it is no JSON */

struct payload_value {
    const struct json *value;  /* CSV and text: JSON_STRING; dies with the call */
    size_t row;                /* from 0 */
    bool has_time;             /* the row tells it */
    int64_t time_us;
    enum quality quality;      /* as the row tells it */
    const struct error *error; /* the time could not be read (has_time is false then): publish it as bad; else NULL */
};
/* All values of the point in the order of the rows; one without a time comes last. Non-zero from fn ends it and is returned.
 * ERR_NOT_FOUND: no row has it. */
typedef int payload_value_fn(void *ctx, const struct payload_value *v);
int payload_doc_read(const struct payload_doc *d, const struct payload_place *p, payload_value_fn *fn, void *ctx);

/* A value as a sample: type, v, quality and reason of *s are set (point and time are not). `t`: AUTO counts as DOUBLE; BOOL
 * takes true, false, numbers, "on", "off", "true", "false"; numbers take texts with a number, and booleans; STRING takes
 * everything, *ret_text is its text then (objects and arrays as JSON, in the arena) and s->v.u is left 0 for the caller to
 * intern. What does not fit is bad NOT_A_NUMBER, null is bad NO_DATA. Scale, offset, range of p apply to numbers. */
void payload_sample(const struct json *v, enum value_type t, const struct driver_point *p, struct arena *a, struct sample *s,
                    struct str *ret_text);

/* The way back: what is to stand in the device's message for a value in engineering units. ERR_INVALID. */
MUST_CHECK int payload_raw_value(enum value_type t, const struct driver_point *p, const struct sample *v, struct sample *ret, struct error *e);

/* Names that can be used as addresses, for browsing: the leaves of the first row (JSON), columns (CSV), keys. */
struct payload_name {
    struct str address;
    const struct json *value;  /* of the first row that has it */
};
size_t payload_doc_names(const struct payload_doc *d, struct arena *a, struct payload_name *ret, size_t max);
