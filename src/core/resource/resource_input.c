/* resource_input.c - what the input of a change means: the content that a create, a replace or a merge patch
 * asks for, before it is checked.
 *
 * What the sender cannot see stays as it is: secrets that come back as null or not at all, sensitive values
 * that come back masked, fields that he may not read and so does not send; fields that only the system
 * writes stay too when a user sends something else. */
#include "core/resource/kernel_int.h"

static struct json *member_at(const struct json *v, struct str part, bool is_index)
{
    if (!is_index) return json_get_str(v, part);
    int64_t i;
    return str_to_i64(part, &i) ? NULL : json_at(v, (size_t)i);
}

/* The object that holds the last member of `path` ("a.b[2].c"), and that member's name. */
static struct json *holder_of(struct json *v, struct str path, struct str *ret_leaf)
{
    bool index = false;
    for (;;) {
        size_t n = 0;
        while (n < path.n && path.p[n] != '.' && path.p[n] != '[' && path.p[n] != ']') n++;
        struct str part = str_sub(path, 0, n), rest = str_sub(path, n, path.n);
        if (index && rest.n) rest = str_sub(rest, 1, rest.n); /* ']' */
        if (!rest.n) {
            *ret_leaf = part;
            return index || !v || v->type != JSON_OBJECT ? NULL : v;
        }
        v = member_at(v, part, index);
        index = rest.p[0] == '[';
        path = str_sub(rest, 1, rest.n);
        if (!v) return NULL;
    }
}

struct keeping {
    struct arena *a;
    struct json *next;
    const struct kind *kd;
    bool masked; /* values that he sees as MASK only */
};

static int keep_hidden(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct keeping *k = ctx;
    struct str leaf;
    bool mask = k->masked && f->sensitive;
    if (f->type != FIELD_SECRET && !mask) return 0;
    struct json *holder = holder_of(k->next, path, &leaf);
    if (!holder) return 0;
    const struct json *now = json_get_str(holder, leaf);
    if (mask ? !str_is(json_str(now, STR_NULL), MASK) : now && now->type != JSON_NULL) return 0;
    struct str key = arena_str(k->a, leaf);
    struct json *copy = json_copy(k->a, v);
    return key.p && copy && json_set(holder, k->a, key, copy) ? 0 : ERR_NOMEM;
}

static int keep_member(struct arena *a, const struct resource *old, struct json *spec, struct str name, struct error *e)
{
    const struct json *v = old ? json_get_str(old->spec, name) : NULL;
    if (!v)
        (void)json_remove(spec, name);
    else
        CATCH_NOMEM(json_set(spec, a, name, json_copy(a, v)), e);
    return 0;
}

/* Fields that he never sees: a replace must not take away what he cannot send. */
static bool unseen(const struct changer *c, const struct resource *old, const struct field *f)
{
    return old && !permitted_field(c->by->may, c->kind, ACT_READ, old->org, f->name);
}

/* A whole member that he saw masked, and sends back as he saw it. */
static bool masked_whole(const struct keeping *k, const struct field *f)
{
    return k->masked && f->sensitive && str_is(json_str(json_get_str(k->next, f->name), STR_NULL), MASK);
}

static int keep_fields(struct changer *c, struct arena *a, const struct resource *old, const struct keeping *k,
                       struct error *e)
{
    bool user = c->by->may != NULL, all = permitted_all_fields(c->by->may, c->kind, ACT_READ);
    int rc = 0;
    for (size_t i = 0; user && !rc && i < c->kd->nfields; i++) {
        const struct field *f = &c->kd->fields[i];
        bool gone = !json_get_str(k->next, f->name);
        if (f->read_only || (!all && gone && unseen(c, old, f)) || masked_whole(k, f))
            rc = keep_member(a, old, k->next, f->name, e);
    }
    return rc;
}

static bool keeps_nothing(const struct changer *c)
{
    bool user = c->by->may != NULL, locked = false;
    for (size_t i = 0; user && i < c->kd->nfields; i++) locked = locked || c->kd->fields[i].read_only;
    return !c->kd->has_secret && !locked &&
           (!user || (!c->kd->has_sensitive && permitted_all_fields(c->by->may, c->kind, ACT_READ)));
}

int input_keep(struct changer *c, struct arena *a, const struct resource *old, struct resource *next, struct error *e)
{
    if (keeps_nothing(c) || next->spec->type != JSON_OBJECT) return 0;
    struct json *spec = json_copy(a, next->spec);
    CATCH_NOMEM(spec, e);
    next->spec = spec;
    struct keeping k = {a, spec, c->kd, false};
    k.masked = old && c->kd->has_sensitive && !permitted_at(c->by->may, c->kind, ACT_SENSITIVE, old->org);
    if (old && (c->kd->has_secret || k.masked) && kind_walk(c->kd, (struct json *)old->spec, keep_hidden, &k))
        return kernel_nomem(e);
    return keep_fields(c, a, old, &k, e);
}

int input_create(struct changer *c, struct arena *a, const struct resource_input *in, struct resource *next,
                 struct error *e)
{
    char *id = arena_alloc(a, 37);
    CATCH_NOMEM(id, e);
    uuid7(c->k->clock, c->k->rng, id);
    *next = (struct resource){.kind = c->kd->kind,
                              .id = str_of(id),
                              .schema = c->kd,
                              .org = in->org.p ? in->org : STR(""),
                              .state = state_of(c->kd, STR("")),
                              .origin = STR(""),
                              .labels = in->labels ? in->labels : json_new_object(a),
                              .spec = in->spec ? in->spec : json_new_object(a)};
    next->code = in->code.n ? in->code : c->kd->single ? STR("default") : STR("");
    next->name = in->name.n ? in->name : next->code; /* both may follow from a code rule */
    if (!next->labels || !next->spec) return kernel_nomem(e);
    return 0;
}

int input_replace(struct arena *a, const struct resource *old, const struct resource_input *in, struct resource *next,
                  struct error *e)
{
    *next = *old;
    if (in->code.n) next->code = in->code;
    next->name = in->name.n ? in->name : next->code;
    if (in->org.p) next->org = in->org;
    next->labels = in->labels ? in->labels : json_new_object(a);
    next->spec = in->spec ? in->spec : json_new_object(a);
    return next->labels && next->spec ? 0 : kernel_nomem(e);
}

int input_patch(struct arena *a, const struct resource *old, const struct resource_input *in, struct resource *next,
                struct error *e)
{
    *next = *old;
    if (in->code.p) next->code = in->code;
    if (in->name.p) next->name = in->name.n ? in->name : next->code;
    if (in->org.p) next->org = in->org;
    if (in->labels) next->labels = json_merge_patch(a, old->labels, in->labels);
    if (in->spec) next->spec = json_merge_patch(a, old->spec, in->spec);
    return next->labels && next->spec ? 0 : kernel_nomem(e);
}
