/* kind_near.c - "did you mean": the nearest of some names by edit distance (insert, delete, replace,
 * swap of neighbours; optimal string alignment), ASCII case ignored. */
#include "model/kind_int.h"

#define NEAR_MAX 48

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static size_t distance(struct str a, struct str b)
{
    size_t rows[3][NEAR_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.n; j++) before[j] = 0, last[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t cost = lower(a.p[i - 1]) != lower(b.p[j - 1]);
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) && lower(a.p[i - 2]) == lower(b.p[j - 1]) &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *t = before;
        before = last;
        last = now;
        now = t;
    }
    return last[b.n];
}

static size_t nearness(struct str want, struct str name)
{
    if (!want.n || !name.n || want.n > NEAR_MAX || name.n > NEAR_MAX) return SIZE_MAX;
    size_t d = distance(want, name), longest = want.n > name.n ? want.n : name.n;
    if (d <= (longest + 2) / 3) return d;
    return want.n >= 3 && (str_starts(name, want) || str_starts(want, name)) ? longest : SIZE_MAX;
}

struct str name_nearest(struct str want, const struct str *names, size_t n)
{
    struct str best = STR_NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t d = nearness(want, names[i]);
        if (d < least) least = d, best = names[i];
    }
    return best;
}

const struct field *field_nearest(const struct field *fields, size_t n, struct str want)
{
    const struct field *best = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t d = nearness(want, fields[i].name);
        if (d < least) least = d, best = &fields[i];
    }
    return best;
}
