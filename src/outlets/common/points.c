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

int outlet_text_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                      struct error *e)
{
    if (strlen(p->address) >= sizeof ret->canonical)
        return error_set(e, ERR_INVALID, "address", "at most %zu bytes", "最多 %zu 字节", sizeof ret->canonical - 1);
    if (!ret) return 0;
    *ret = (struct outlet_address){.type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type};
    str_to_cstr(str_of(p->address), ret->canonical, sizeof ret->canonical);
    return 0;
}

int outlet_text_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret,
                        size_t cap, struct error *e)
{
    str_to_cstr(str_of(p->code), ret, cap);
    return 0;
}
