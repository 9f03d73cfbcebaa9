/* kind_int.h - between the kind_*.c files. */
#pragma once
#include "model/kind.h"

#define KIND_DEPTH_MAX 8

/* Formats of strings: table in kind_format.c. */
bool format_known(struct str format);
/* true when `s` has the format; else *ret_example names what would be right. */
bool format_check(struct str format, struct str s, const char **ret_example);

const void *regex_new(struct kind *k, struct str pattern); /* NULL: not an expression, or out of memory */
bool regex_match(const void *regex, struct str s);
void regex_drop_all(struct kind *k);

/* Is f shown, given the object it stands in? (its show_if; true without one) */
bool field_shown(const struct field *f, const struct field *siblings, size_t n, const struct json *obj);

bool kind_name_ok(struct str s, bool dash); /* [a-z][a-z0-9_]{0,62}, with '-' when dash */

int kind_nomem(struct error *e);
/* {"en": …, "zh": …}; a missing one is the other. */
int kind_texts(const struct json *v, struct str *en, struct str *zh, struct error *e);
/* kind_lifecycle.c: `where` begins inside "lifecycle"; the second once all fields are known. */
int lifecycle_parse(struct kind *k, const struct json *v, struct error *e);
int lifecycle_complete(const struct kind *k, struct error *e);
