/* payload.h - samples as the text that an HTTP body, an MQTT message, a WebSocket or a socket carries: one table of forms,
 * shared by the outlets that send texts. Pure.
 *
 *   json      [{"code":"LT.GRD.T1","time":"2026-01-01T00:00:00.000Z","ts":1767225600000,"value":1.5,"quality":"good"}, …]
 *   keys      {"ts":1767225600000,"values":{"LT.GRD.T1":1.5}} one for each time stamp (ThingsBoard), in an array
 *   lines     InfluxDB line protocol: measurement,point=CODE value=1.5 NANOSECONDS
 *   csv       code,time,value,quality with a header line
 *   template  text of the user's with ${code} ${name} ${address} ${value} ${quality} ${time} (RFC 3339) ${ts} (ms)
 *             ${unit} ${area} ${device}, once per item; ${json:value} quotes for JSON. What joins and encloses the items
 *             is in the options too. Unknown names are refused when the forwarding is saved.
 * What is bad has value null (json, keys), is left out (lines) or empty (csv, template). */
#pragma once
#include "base/buf.h"
#include "bornite/outlet.h"

enum payload_form { PAYLOAD_JSON, PAYLOAD_KEYS, PAYLOAD_LINES, PAYLOAD_CSV, PAYLOAD_TEMPLATE, PAYLOAD_FORMS };

/* Rows for an outlet's channel table: `form` (enum), `template`, `template_join`, `template_head`, `template_tail`,
 * `measurement`. Use PAYLOAD_OPTIONS inside the table. */
extern const struct option_choice payload_forms[];
#define PAYLOAD_OPTIONS \
    {"form", OPTION_ENUM, "Form of the data", "数据格式", NULL, NULL, "json", NULL, NULL, payload_forms, NULL, NULL, false}, \
    {"template", OPTION_STRING, "Template of one value", "单个值的模板", \
     "Names in ${…}: code, name, address, value, quality, time, ts, unit, area, device; ${json:value} quotes for JSON.", \
     "可用 ${…}：code、name、address、value、quality、time、ts、unit、area、device；${json:value} 按 JSON 加引号。", \
     "{\"code\":${json:code},\"ts\":${ts},\"value\":${json:value}}", NULL, "8000", NULL, NULL, "form=template", true}, \
    {"template_head", OPTION_STRING, "Before all values", "全部值之前", NULL, NULL, "[", NULL, "2000", NULL, NULL, "form=template", false}, \
    {"template_join", OPTION_STRING, "Between values", "值之间", NULL, NULL, ",", NULL, "200", NULL, NULL, "form=template", false}, \
    {"template_tail", OPTION_STRING, "After all values", "全部值之后", NULL, NULL, "]", NULL, "2000", NULL, NULL, "form=template", false}, \
    {"measurement", OPTION_STRING, "Measurement", "measurement 名称", NULL, NULL, "points", "1", "200", NULL, NULL, "form=lines", false}

struct payload; /* compiled; immutable */
/* ERR_INVALID names the option in e->where. Options are copied. */
MUST_CHECK int payload_new(const struct options *channel, struct payload **ret, struct error *e);
void payload_free(struct payload *p); /* NULL too */
const char *payload_media_type(const struct payload *p);
/* Append the items. points: those of the set, by slot. Non-finite values count as bad. ERR_TOO_LARGE when out is full. */
MUST_CHECK int payload_write(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items,
                             size_t n, struct buf *out);
/* A text with ${…} once for a point (topics, paths): code, name, address, unit, area, device, node. Unknown: ERR_INVALID. */
MUST_CHECK int payload_text(const char *text, const struct outlet_point *p, const char *node_name, char *ret, size_t cap, struct error *e);
