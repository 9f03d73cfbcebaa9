/* line_protocol.h - InfluxDB line protocol, read in place: no copy, no allocation, one pass.
 *
 *   line      measurement [,tag=value ...] SP field=value [,field=value ...] [SP time stamp] LF | CR LF
 *   escapes   \, \= \(blank) in names and tag values; \" and \\ in quoted texts; any other \ stands for itself
 *   values    1.5 -3e4 (float)   12i (integer)   12u (unsigned)   t T true True TRUE f F … (boolean)   "text"
 *   # starts a comment line, empty lines are left out, a quoted text may hold line breaks
 *   time      an integer in the unit of the request; it may be missing
 *
 * A line that breaks the rules is one fault with its number and the reader goes on behind it. Everything given out is
 * a view into the text. Pure, one thread at a time. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"

#define LP_FIELDS_MAX 1024
#define LP_TEXT_MAX 65536

/*    name          English                                              Chinese */
#define LP_FAULTS(X)                                                                                             \
    X(NONE,         "",                                                  "")                                     \
    X(NO_NAME,      "the measurement is missing",                        "缺少测量名")                           \
    X(NO_FIELDS,    "there are no fields",                               "没有字段")                             \
    X(BAD_TAG,      "a tag is not key=value",                            "标签不是 key=value 形式")              \
    X(BAD_FIELD,    "a field is not key=value",                          "字段不是 key=value 形式")              \
    X(BAD_NUMBER,   "a value is no number, boolean or quoted text",      "值不是数字、布尔或带引号的文本")       \
    X(RANGE,        "an integer is out of the range of 64 bits",         "整数超出 64 位范围")                   \
    X(OPEN_QUOTE,   "a quoted text does not end",                        "带引号的文本没有结束")                 \
    X(LONG_TEXT,    "a text is longer than 64 KiB",                      "文本超过 64 KiB")                      \
    X(BAD_TIME,     "the time stamp is no integer",                      "时间戳不是整数")                       \
    X(TIME_RANGE,   "the time stamp lies outside the years 1 to 9999; is the precision right?", "时间戳超出范围（公元 1 至 9999 年）；precision 是否正确？") \
    X(MANY_FIELDS,  "more than 1024 fields in one line",                 "一行超过 1024 个字段")
enum lp_fault {
#define X(name, en, zh) LP_##name,
    LP_FAULTS(X)
#undef X
};
const char *lp_fault_text(enum lp_fault f, bool zh);

enum lp_type { LP_FLOAT, LP_INT, LP_UINT, LP_BOOL, LP_STRING };
struct lp_field {
    struct str key; /* raw: lp_unescape */
    enum lp_type type;
    union {
        double d;
        int64_t i;
        uint64_t u;
        bool b;
        struct str s; /* between the quotes, raw: lp_unescape_text */
    };
};
struct lp_line {
    struct str series;      /* measurement and tags as they stand */
    struct str measurement; /* raw */
    struct str tags;        /* raw, behind the first comma; {NULL,0}: none */
    const struct lp_field *field;
    size_t nfields;
    int64_t time_us;        /* when has_time */
    bool has_time;
    size_t number;          /* of the line, from 1 */
    enum lp_fault fault;
};
struct lp {
    const char *p, *end;
    size_t line;            /* number of the line at p */
    int64_t mul, div;       /* time stamp -> microseconds */
    struct lp_field field[LP_FIELDS_MAX];
};

/* "ns" "n" "us" "u" "µ" "ms" "s" "m" "h"; "": ns. ERR_INVALID. */
MUST_CHECK int lp_init(struct lp *r, struct str text, struct str precision);
/* 1: a line, 0: the end, -1: a line that is left out (number and fault are set). */
int lp_next(struct lp *r, struct lp_line *ret);
/* Tags are not looked at by lp_next: a series that was seen before is known by its bytes. LP_NONE or LP_BAD_TAG. */
enum lp_fault lp_tags_check(struct str tags);
/* Tags one by one: cuts *tags. false: no more. */
bool lp_tag_next(struct str *tags, struct str *ret_key, struct str *ret_value);
/* Without escapes; appended to out. */
void lp_unescape(struct buf *out, struct str raw);
void lp_unescape_text(struct buf *out, struct str raw);
