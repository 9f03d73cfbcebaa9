/* resource_write.c - the envelope and differences as JSON, as somebody may see them: secrets leave as null (the
 * schema says where they are), sensitive values as "***" without the right to see them; fields, and names of
 * other resources, that he may not read are left out. code, name and organisation are always there. */
#include "core/resource/kernel_int.h"
#include "base/time.h"

/* What the reader may not see. */
struct view {
    const struct permissions *may; /* NULL: all but secrets */
    char kind[KIND_NAME_MAX];
    struct str org;
    bool sensitive, all_fields; /* may see */
};

static struct view view_of(const struct kind *kd, struct str org, const struct actor *by)
{
    struct view v = {.may = by ? by->may : NULL, .org = org, .sensitive = true, .all_fields = true};
    if (!v.may || !kd) return v;
    str_to_cstr(kd->kind, v.kind, sizeof v.kind);
    v.sensitive = !kd->has_sensitive || permitted_at(v.may, v.kind, ACT_SENSITIVE, org);
    v.all_fields = permitted_all_fields(v.may, v.kind, ACT_READ);
    return v;
}

static bool seen(const struct view *v, struct str field)
{
    return v->all_fields || permitted_field(v->may, v->kind, ACT_READ, v->org, field);
}

static void write_value(struct json_writer *w, const struct view *view, const struct field *f, const struct json *v);

static const struct field *member(const struct field *fields, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(fields[i].name, name)) return &fields[i];
    return NULL;
}

static void write_members(struct json_writer *w, const struct view *view, const struct field *fields, size_t n,
                          const struct json *v, bool top)
{
    jw_object(w);
    for
        json_each (m, v) {
            const struct field *f = member(fields, n, m->key);
            if (top && !seen(view, m->key)) continue;
            jw_key(w, m->key);
            if (f)
                write_value(w, view, f, m);
            else
                jw_json(w, m);
        }
    jw_end(w);
}

static void write_value(struct json_writer *w, const struct view *view, const struct field *f, const struct json *v)
{
    if (f->type == FIELD_SECRET) {
        jw_null(w);
    } else if (f->sensitive && !view->sensitive && v->type != JSON_NULL) {
        jw_str(w, STR(MASK));
    } else if (f->type == FIELD_OBJECT && v->type == JSON_OBJECT) {
        write_members(w, view, f->fields, f->nfields, v, false);
    } else if (f->type == FIELD_ARRAY && v->type == JSON_ARRAY) {
        jw_array(w);
        for
            json_each (it, v) write_value(w, view, f->fields, it);
        jw_end(w);
    } else {
        jw_json(w, v);
    }
}

static void write_spec(struct json_writer *w, const struct kind *kd, const struct json *spec, const struct view *view)
{
    if (!spec || spec->type != JSON_OBJECT)
        jw_null(w);
    else if (kd && (kd->has_secret || !view->sensitive || !view->all_fields))
        write_members(w, view, kd->fields, kd->nfields, spec, true);
    else if (kd)
        jw_json(w, spec);
    else { /* a kind that nobody knows now: nothing says what is secret */
        jw_object(w);
        jw_end(w);
    }
}

void spec_write(struct json_writer *w, const struct kind *kd, const struct json *spec)
{
    struct view all = view_of(kd, STR(""), NULL);
    write_spec(w, kd, spec, &all);
}

/* ------------------------------------------------------------------ names of what it refers to */

static void write_link(struct json_writer *w, const struct json *link)
{
    jw_object(w);
    jw_kstr(w, "id", json_str(json_get(link, "id"), STR("")));
    jw_kstr(w, "code", json_str(json_get(link, "code"), STR("")));
    jw_kstr(w, "name", json_str(json_get(link, "name"), STR("")));
    jw_end(w);
}

/* The organisation of the target tells whether he may know its name. */
static bool link_seen(const struct view *view, const struct field *f, const struct json *link)
{
    char kind[KIND_NAME_MAX];
    while (f && f->type == FIELD_ARRAY) f = f->fields;
    if (!view->may || !f) return !view->may;
    str_to_cstr(f->ref_kind, kind, sizeof kind);
    return permitted_at(view->may, kind, ACT_READ, json_str(json_get(link, "org"), STR("")));
}

static void write_refs(struct json_writer *w, const struct kind *kd, const struct json *refs, const struct view *view)
{
    jw_object(w);
    for
        json_each (m, refs) {
            struct str path = m->key, top = str_cut(&path, '.');
            const struct field *f = kd ? kind_field(kd, m->key) : NULL;
            if (!seen(view, top)) continue;
            if (m->type != JSON_ARRAY && !link_seen(view, f, m)) continue;
            jw_key(w, m->key);
            if (m->type == JSON_ARRAY)
                jw_array(w);
            else
                write_link(w, m);
            for (const struct json *it = m->type == JSON_ARRAY ? m->child : NULL; it; it = it->next)
                if (link_seen(view, f, it)) write_link(w, it);
            if (m->type == JSON_ARRAY) jw_end(w);
        }
    jw_end(w);
}

static void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[TIME_TEXT_MAX];
    jw_kz(w, key, time_format(us, text));
}

void resource_write_for(struct json_writer *w, const struct resource *r, const struct actor *by)
{
    struct view view = view_of(r->schema, r->org, by);
    jw_object(w);
    jw_kstr(w, "kind", r->kind);
    jw_kstr(w, "id", r->id);
    if (r->num) jw_ki64(w, "num", r->num);
    jw_kstr(w, "code", r->code);
    jw_kstr(w, "name", r->name);
    jw_kstr(w, "org", r->org);
    if (r->org_ref) {
        jw_key(w, STR("org_ref"));
        write_link(w, r->org_ref);
    }
    jw_key(w, STR("labels"));
    if (seen(&view, STR("labels")))
        jw_json(w, r->labels);
    else
        jw_raw(w, STR("{}"));
    jw_key(w, STR("spec"));
    write_spec(w, r->schema, r->spec, &view);
    if (r->refs) {
        jw_key(w, STR("refs"));
        write_refs(w, r->schema, r->refs, &view);
    }
    jw_kstr(w, "state", r->state);
    jw_ki64(w, "rev", r->rev);
    jw_kstr(w, "origin", r->origin);
    jw_kstr(w, "created_by", r->created_by);
    write_time(w, "created_at", r->created_us);
    jw_kstr(w, "updated_by", r->updated_by);
    write_time(w, "updated_at", r->updated_us);
    if (r->deleted) jw_kbool(w, "deleted", true);
    jw_end(w);
}

void resource_write(struct json_writer *w, const struct resource *r)
{
    resource_write_for(w, r, NULL);
}

/* ------------------------------------------------------------------ differences */

/* "spec.options.pay": is a field on that way, or below it, sensitive? */
static bool any_sensitive(const struct field *f)
{
    if (f->sensitive) return true;
    for (size_t i = 0; i < f->nfields; i++)
        if (any_sensitive(&f->fields[i])) return true;
    return false;
}

static bool sensitive_path(const struct kind *kd, struct str path)
{
    const struct field *fields = kd->fields, *f = NULL;
    size_t n = kd->nfields;
    while (path.p) {
        f = member(fields, n, str_cut(&path, '.'));
        if (!f) return false;
        if (f->sensitive) return true;
        fields = f->fields;
        n = f->type == FIELD_OBJECT ? f->nfields : 0;
    }
    return f && any_sensitive(f);
}

static void write_side(struct json_writer *w, const char *name, const struct json *v, bool mask)
{
    jw_key(w, str_of(name));
    if (mask && v && v->type != JSON_NULL)
        jw_str(w, STR(MASK));
    else if (v)
        jw_json(w, v);
    else
        jw_null(w);
}

void resource_diff_write(struct json_writer *w, const struct kind *kd, struct str org, const struct json *diff,
                         const struct actor *by)
{
    struct view view = view_of(kd, org, by);
    jw_array(w);
    for
        json_each (d, diff) {
            struct str path = json_str(json_get(d, "path"), STR("")), rest = path, head = str_cut(&rest, '.');
            bool spec = str_is(head, "spec");
            struct str left = rest, top = spec ? str_cut(&left, '.') : head;
            if (!seen(&view, top)) continue;
            bool mask = spec && !view.sensitive && sensitive_path(kd, rest);
            jw_object(w);
            jw_kstr(w, "path", path);
            write_side(w, "before", json_get(d, "before"), mask);
            write_side(w, "after", json_get(d, "after"), mask);
            jw_end(w);
        }
    jw_end(w);
}
