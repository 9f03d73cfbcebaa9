/* fill.h - texts of the user's with ${…}, filled in when a request or a message is made: times (${now}, ${now-1h:s},
 * ${last:%Y-%m-%d}) and the value that is written (${value}, ${json:value}). "$${" stands for "${". Pure. */
#pragma once
#include "base/buf.h"
#include "bornite/driver.h"

struct payload_reader;
/* A value that is written. */
struct fill_value {
    const struct sample *s; /* NULL: the text is only checked */
    struct str text;
};
struct fill {
    int64_t now_us, last_us;
    const struct fill_value *value;    /* NULL: ${value} is unknown */
    const struct payload_reader *zone; /* of patterns; NULL: UTC */
    bool url;                          /* what is put in is percent-encoded */
};
/* ERR_INVALID names what is unknown. out NULL: only checked. */
MUST_CHECK int fill_text(const char *text, const struct fill *t, struct buf *out, struct error *e);
