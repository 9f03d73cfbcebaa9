/* copy_int.h - between copy.c (the order), copy_table.c (catalogue, rows, digests) and copy_place.c (where the copy
 * is made and how it gets its name). */
#pragma once
#include "store/copy.h"

#define COPY_COLUMNS 64
struct copy_column {
    char name[64];
    char type; /* i d s b */
};
struct copy_shape {
    char name[64];
    struct copy_column column[COPY_COLUMNS];
    size_t ncolumns;
};
struct copy_shapes {
    struct copy_shape table[SQL_COPY_TABLES];
    size_t n;
};

bool table_is_derived(const char *table); /* made again from others: not copied */

/* copy_table.c */
MUST_CHECK int shapes_read(struct sql *db, struct copy_shapes *ret, struct error *e); /* by name */
const struct copy_shape *shape_find(const struct copy_shapes *s, const char *name);
bool shape_same(const struct copy_shape *a, const struct copy_shape *b);
/* Rows and digest of a table; `to` not NULL: copies them there. */
struct copy_run {
    const struct sql_copy *cfg;
    const char *step;
};
MUST_CHECK int table_walk(const struct copy_run *r, struct sql *from, struct sql *to, const struct copy_shape *t,
                          struct sql_copy_table *ret, struct error *e);
MUST_CHECK int table_clear(struct sql *db, const char *name, struct error *e);
MUST_CHECK int one_i64(struct sql *db, const char *text, int64_t *ret, struct error *e);

/* copy_place.c */
struct copy_place {
    const char *url;         /* the target's */
    char part[4400];         /* URL of where it is made */
    struct sql *held;        /* the target itself, empty, held alone; NULL: there is nothing yet */
    struct sql *db;          /* the part, held alone */
};
bool place_may_be(const char *url); /* false: certainly nothing there; opening it would make an empty one */
MUST_CHECK int place_check(const char *url, bool *ret_there, struct error *e); /* ERR_EXISTS: not empty */
MUST_CHECK int place_open(struct copy_place *p, struct error *e);              /* leftovers are thrown away */
MUST_CHECK int place_reopen(struct copy_place *p, struct error *e);            /* after others made tables in it */
void place_release(struct copy_place *p);                                      /* so that others can open the part */
MUST_CHECK int place_publish(struct copy_place *p, struct error *e);
void place_close(struct copy_place *p); /* without a name: it stays as a leftover */
