/* file_field.c - fields of type file: their values are attachments of the resource.
 *
 * A value is an attachment that the resource has, or an upload of whoever makes the change, which becomes its
 * attachment in the same transaction. Who keeps attachments is told by kernel_files_set; it is asked while a
 * change is checked (`has`, which reads only) and after it was stored (`take`). What stood in the resource
 * before may stay. Without a keeper nothing is asked. */
#include "core/resource/kernel_int.h"

void kernel_files_set(struct kernel *k, const struct kernel_files *f)
{
    k->files = f;
}

struct holding {
    struct changer *c;
    const struct resource *old, *next;
    struct error *e;
};

struct value {
    struct str id, path;
    char where[ERROR_WHERE_MAX];
};

static bool holds(const struct field *f, const struct json *v)
{
    return f->type == FIELD_FILE && v->type == JSON_STRING && v->s.n;
}

static int is_same(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct value *x = ctx;
    if (!holds(f, v) || !str_eq(v->s, x->id)) return 0;
    snprintf(x->where, sizeof x->where, "spec.%.*s", STR_ARG(path));
    return 1;
}

bool resource_holds_file(const struct resource *r, struct str id, char where[ERROR_WHERE_MAX])
{
    struct value x = {.id = id};
    if (!r->schema || !r->schema->has_file || !kind_walk(r->schema, (struct json *)r->spec, is_same, &x)) return false;
    memcpy(where, x.where, sizeof x.where);
    return true;
}

static int check_one(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct holding *h = ctx;
    const struct kernel_files *files = h->c->k->files;
    char where[ERROR_WHERE_MAX];
    if (!holds(f, v) || (h->old && resource_holds_file(h->old, v->s, where))) return 0;
    int rc = files->has(files->ctx, h->c->tx, h->c->by, h->next->id, v->s, h->e);
    if (rc != ERR_NOT_FOUND) return rc;
    snprintf(where, sizeof where, "spec.%.*s", STR_ARG(path));
    return error_set(h->e, ERR_INVALID, where,
                     "'%.*s' is no attachment of this resource and no upload of yours; send the file to /uploads and "
                     "give the id that it answers",
                     "“%.*s”不是本资源的附件，也不是您的上传；请先将文件发送到 /uploads，再填写其返回的标识",
                     STR_ARG(str_sub(v->s, 0, 60)));
}

static int take_one(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct holding *h = ctx;
    const struct kernel_files *files = h->c->k->files;
    if (!holds(f, v)) return 0;
    ptrdiff_t bracket = str_find(path, '[');
    struct str field = bracket < 0 ? path : str_sub(path, 0, (size_t)bracket);
    return files->take(files->ctx, h->c->tx, h->next, field, v->s, h->e);
}

int files_check(struct changer *c, const struct resource *old, const struct resource *next, struct error *e)
{
    struct holding h = {c, old, next, e};
    return c->k->files && c->kd->has_file ? kind_walk(c->kd, (struct json *)next->spec, check_one, &h) : 0;
}

int files_take(struct changer *c, const struct resource *next, struct error *e)
{
    struct holding h = {c, NULL, next, e};
    bool any = c->k->files && c->kd->has_file && !next->deleted;
    return any ? kind_walk(c->kd, (struct json *)next->spec, take_one, &h) : 0;
}
