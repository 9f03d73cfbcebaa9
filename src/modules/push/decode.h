/* decode.h - what devices send, as a list of values. Pure; views into the JSON document.
 *
 * ThingsBoard's forms (HTTP device API, "telemetry upload"): {"key":value,…} | {"ts":ms,"values":{"key":value,…}} |
 * an array of both. Our own: {"t":time,"values":{"key": value | {"v":value,"q":"good","t":time}}} or an array
 * of these; times are RFC 3339 or milliseconds since 1970. */
#pragma once
#include "base/json.h"

#define PUSH_VALUES_MAX 10000
enum push_form { PUSH_THINGSBOARD, PUSH_OWN };
struct pushed {
    struct str key;
    const struct json *v;
    int64_t time_us;
    bool has_time;
    uint8_t quality;
    struct str unit; /* of the point, if one is made; may be empty */
};
/* ERR_INVALID names the place ("[2].values"); ERR_TOO_LARGE past PUSH_VALUES_MAX. */
MUST_CHECK int push_decode(struct arena *a, enum push_form form, const struct json *body, struct pushed **ret,
                           size_t *ret_n, struct error *e);
