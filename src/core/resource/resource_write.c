/* resource_write.c - the envelope as JSON. Secrets leave as null: the schema says where they are. */
#include "core/resource/kernel_int.h"
#include "base/time.h"

static void write_value(struct json_writer *w, const struct field *f, const struct json *v);

static const struct field *member(const struct field *fields, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(fields[i].name, name)) return &fields[i];
    return NULL;
}

static void write_members(struct json_writer *w, const struct field *fields, size_t n, const struct json *v)
{
    jw_object(w);
    for
        json_each (m, v) {
            const struct field *f = member(fields, n, m->key);
            jw_key(w, m->key);
            if (f)
                write_value(w, f, m);
            else
                jw_json(w, m);
        }
    jw_end(w);
}

static void write_value(struct json_writer *w, const struct field *f, const struct json *v)
{
    if (f->type == FIELD_SECRET) {
        jw_null(w);
    } else if (f->type == FIELD_OBJECT && v->type == JSON_OBJECT) {
        write_members(w, f->fields, f->nfields, v);
    } else if (f->type == FIELD_ARRAY && v->type == JSON_ARRAY) {
        jw_array(w);
        for
            json_each (it, v) write_value(w, f->fields, it);
        jw_end(w);
    } else {
        jw_json(w, v);
    }
}

void spec_write(struct json_writer *w, const struct kind *kd, const struct json *spec)
{
    if (!spec || spec->type != JSON_OBJECT)
        jw_null(w);
    else if (kd && kd->has_secret)
        write_members(w, kd->fields, kd->nfields, spec);
    else if (kd)
        jw_json(w, spec);
    else { /* a kind that nobody knows now: nothing says what is secret */
        jw_object(w);
        jw_end(w);
    }
}

static void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[TIME_TEXT_MAX];
    jw_kz(w, key, time_format(us, text));
}

void resource_write(struct json_writer *w, const struct resource *r)
{
    jw_object(w);
    jw_kstr(w, "kind", r->kind);
    jw_kstr(w, "id", r->id);
    if (r->num) jw_ki64(w, "num", r->num);
    jw_kstr(w, "code", r->code);
    jw_kstr(w, "name", r->name);
    jw_kstr(w, "org", r->org);
    jw_key(w, STR("labels"));
    jw_json(w, r->labels);
    jw_key(w, STR("spec"));
    spec_write(w, r->schema, r->spec);
    if (r->refs) {
        jw_key(w, STR("refs"));
        jw_json(w, r->refs);
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
