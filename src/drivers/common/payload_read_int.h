/* payload_read_int.h - shared by payload_read*.c: the compiled rules, and times as texts. */
#pragma once
#include "base/json_path.h"
#include "base/zone.h"
#include "drivers/common/payload_read.h"

enum time_format_kind { TIMES_AUTO, TIMES_RFC3339, TIMES_S, TIMES_MS, TIMES_US, TIMES_NS, TIMES_PATTERN };
struct time_rule {
    enum time_format_kind kind;
    struct str pattern;
    const struct zone *zone; /* of times that tell none */
};
/* ERR_INVALID tells the value and what would be right; v NULL: there is none. */
MUST_CHECK int time_rule_read(const struct time_rule *t, const struct json *v, int64_t *ret_us, struct error *e);
/* ERR_INVALID: a letter behind % that is unknown. */
MUST_CHECK int time_pattern_check(struct str pattern, struct error *e);

/* A path in a row or a column. */
struct cell_at {
    bool set;
    const struct json_path_query *path; /* JSON */
    struct str column;                  /* CSV */
};
struct payload_reader {
    struct arena arena;
    enum payload_doc_form form;
    bool header, keyed;
    const struct json_path_query *rows; /* NULL: the document is the row */
    struct cell_at key, value, time, quality;
    struct str good, uncertain;
    struct time_rule times;
    struct zone zone;
};
struct payload_place {
    struct arena arena;
    struct str key; /* of a keyed reader */
    struct cell_at value, time, quality;
};
