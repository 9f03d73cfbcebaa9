/* points.c - see points.h. */
#include "outlets/common/points.h"

static bool keep(struct arena *a, const char **text)
{
    *text = arena_strdup(a, str_of(*text ? *text : ""));
    return *text != NULL;
}

int outlet_points_copy(const struct outlet_point *points, size_t n, struct outlet_points *ret)
{
    struct outlet_points c = {.n = n};
    arena_init(&c.arena, 1u << 30);
    c.at = arena_calloc(&c.arena, n + 1, sizeof *c.at);
    bool ok = c.at != NULL;
    for (size_t i = 0; i < n && ok; i++) {
        struct outlet_point *p = &c.at[i];
        *p = points[i];
        p->options = NULL;
        ok = keep(&c.arena, &p->address) && keep(&c.arena, &p->code) && keep(&c.arena, &p->name) &&
             keep(&c.arena, &p->unit) && keep(&c.arena, &p->area) && keep(&c.arena, &p->device);
    }
    if (ok)
        *ret = c;
    else
        arena_fini(&c.arena);
    return ok ? 0 : ERR_NOMEM;
}

void outlet_points_fini(struct outlet_points *p)
{
    if (p->at) arena_fini(&p->arena);
    *p = (struct outlet_points){0};
}
