/* mapping_int.h - between the files of the mappings: compiled places, templates, records. */
#pragma once
#include "base/json_path.h"
#include "io/time_form.h"
#include "modules/push/mapping.h"

enum map_form { MAP_JSON, MAP_CSV, MAP_TEXT, MAP_BYTES };
enum map_type { MAP_AUTO, MAP_NUMBER, MAP_STRING, MAP_BOOLEAN };
enum map_who { MAP_CLIENT, MAP_TOPIC, MAP_PATH, MAP_FIXED };

enum bytes_kind { BYTES_UINT, BYTES_INT, BYTES_FLOAT, BYTES_BCD, BYTES_BIT, BYTES_TEXT, BYTES_HEX };
struct bytes_at {
    uint32_t offset;
    uint8_t kind, size, bit; /* size: of a text up to 255 */
    bool little, words, swapped;
};
struct map_place { /* where something stands in a record */
    bool set;
    const struct json_path_query *path; /* JSON */
    struct str column;                  /* CSV */
    struct bytes_at bytes;
};
enum part_kind { PART_TEXT, PART_TOPIC, PART_LEVEL, PART_CLIENT, PART_DEVICE, PART_NAME, PART_INDEX, PART_PLACE };
struct part {
    enum part_kind kind;
    struct str text;
    unsigned level;
    struct map_place place;
};
struct template
{
    struct part *part;
    size_t n;
};
struct map_row {
    struct template key;
    struct map_place value, time, quality;
    struct time_form clock; /* when own_clock */
    bool own_clock;
    struct str *good; /* texts that mean good; none: by the usual words and numbers */
    size_t ngood;
    struct str unit; /* "$…": a place */
    struct map_place unit_at;
    enum map_type as;
    double factor, add;
};
struct mapping {
    struct arena a;
    enum map_form form;
    enum map_who who;
    unsigned level;
    struct template device; /* MAP_PATH, MAP_FIXED */
    const struct json_path_query *each;
    char sep; /* CSV; 0: found out */
    bool header, leaves;
    enum { RAW, AS_HEX, AS_BASE64 } encoding;
    struct map_place time;
    struct time_form clock;
    struct template leaf_key;
    struct map_row *row;
    size_t nrows;
};

/* A record, and what is around it. */
struct record {
    const struct json *doc, *root; /* JSON, CSV (an object of columns), text (a string) */
    struct str bytes;
    size_t index;
};
typedef int record_fn(void *ctx, const struct record *r);
/* Cut a payload into records (map_read.c). Non-zero from fn ends it and is returned. */
MUST_CHECK int map_records(const struct mapping *m, struct arena *a, struct str payload, record_fn *fn, void *ctx,
                           struct error *e);
/* Places (map_place.c). */
MUST_CHECK int map_place_compile(enum map_form form, struct arena *a, struct str text, const char *where,
                                 struct map_place *ret, struct error *e);
/* What stands there, or NULL; around: if not in the record, in the whole document. */
const struct json *map_place_get(const struct mapping *m, const struct map_place *p, struct arena *a,
                                 const struct record *r, bool around);
MUST_CHECK int bytes_at_parse(struct str text, struct bytes_at *ret, struct error *e);
const struct json *bytes_at_get(const struct bytes_at *f, struct arena *a, struct str bytes); /* NULL: too short */
/* A text of CSV or a plain one as a number, boolean or text. */
struct json *map_typed(struct arena *a, struct str text);
