/* user_kind_int.h - between the user_kind*.c files. */
#pragma once
#include "core/resource/kernel_int.h"

/* user_kind_convert.c: a value of field `from` as one of field `to`. *ret NULL: nothing is left of it, and
 * nothing was there to lose (an empty list); CONVERT_LOST: there is no way without loss. */
enum convert { CONVERT_SAME, CONVERT_CHANGED, CONVERT_LOST, CONVERT_FAILED /* out of memory, database */ };
enum convert field_convert(struct changer *c, struct arena *a, const struct field *from, const struct field *to,
                           const struct json *v, struct json **ret, struct error *e);

/* user_kind_move.c: the data of a kind as another version of the kind wants it. */
struct move {
    const struct kind *from, *to; /* from NULL: there is none yet */
    const struct json *renames;   /* {"old": "new"} or NULL */
    bool apply, drop;             /* drop: lose what cannot be kept */
};
/* Writes nothing without apply. With apply everything that is not the database's fault has been found by a
 * run without it before. */
MUST_CHECK int kind_move(struct changer *c, struct arena *a, const struct move *m, struct kind_plan *ret,
                         struct error *e);

/* A change of a user kind, from its check to its being carried out. */
struct kind_pending {
    struct kind *kd; /* owned; NULL: the kind goes */
    const struct json *renames;
    bool drop;
};
