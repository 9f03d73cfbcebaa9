/* import.h - the columns of a resource table as CSV: shared by import.c and import_export.c. */
#pragma once
#include "core/resource/kernel_int.h"

enum column_what { COLUMN_CODE, COLUMN_NAME, COLUMN_ORG, COLUMN_LABEL, COLUMN_FIELD, COLUMN_IGNORED };
struct column {
    enum column_what what;
    struct str path;       /* field: "options.port"; label: its key */
    const struct field *f; /* field */
    bool nested;
};
struct columns {
    struct column *items;
    size_t n;
};
#define COLUMNS_MAX 600

/* Columns of a header row. ERR_INVALID names the column and the nearest name. */
MUST_CHECK int columns_read(const struct kind *kd, struct arena *a, const struct str *cells, size_t n,
                            struct columns *ret, struct error *e);
/* All leaves of the schema, in its order, as columns after the `fixed` first ones. */
MUST_CHECK int columns_all(const struct kind *kd, struct arena *a, const struct str *labels, size_t nlabels, bool org,
                           struct columns *ret, struct error *e);
/* True when every leaf below the top-level field of `path` has a column. */
bool columns_cover(const struct columns *c, const struct kind *kd, struct str path);
