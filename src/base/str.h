/* str.h - text as a view: pointer and length, not terminated, not owned. Any thread, pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/error.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_NULL ((struct str){NULL, 0})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

static inline struct str str_of(const char *z) { return (struct str){z, z ? strlen(z) : 0}; }
static inline struct str str_make(const char *p, size_t n) { return (struct str){p, n}; }
static inline bool str_eq(struct str a, struct str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_is(struct str a, const char *z) { return str_eq(a, str_of(z)); }
int str_cmp(struct str a, struct str b);              /* bytes; shorter first */
bool str_ieq(struct str a, struct str b);             /* ASCII case ignored */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_has(struct str s, struct str needle);        /* bytes */
bool str_ihas(struct str s, struct str needle);       /* ASCII case ignored */
struct str str_trim(struct str s);                    /* ASCII blanks off both ends */
struct str str_sub(struct str s, size_t from, size_t len); /* clamped */
/* Cut *s at the first `sep`: returns what stands before it and leaves the rest in *s; when there is no
 * `sep`, returns all and leaves {NULL,0}. Loop: while (s.p) { part = str_cut(&s, ','); ... } */
struct str str_cut(struct str *s, char sep);
ptrdiff_t str_find(struct str s, char c);             /* index or -1 */

/* Whole-string conversions, no blanks, no locale. 0 or ERR_INVALID; *ret untouched on failure. */
MUST_CHECK int str_to_i64(struct str s, int64_t *ret);
MUST_CHECK int str_to_u64(struct str s, uint64_t *ret);
MUST_CHECK int str_to_double(struct str s, double *ret); /* decimal forms only; no hex, inf, nan */
/* Copy to a fixed array, always terminated; returns false when it was cut. */
bool str_to_cstr(struct str s, char *out, size_t cap);

uint64_t str_hash(struct str s, uint64_t seed); /* keyed (SipHash-1-3): safe for keys that peers choose */
uint64_t hash_seed(void);                       /* this process's random seed (set once by hash_seed_set) */
void hash_seed_set(uint64_t seed);
