/* file_attach.c - attachments of resources: who may read the resource reads them, who may change it changes
 * them; whoever may not even read it is told that there is nothing. */
#include "base/time.h"
#include "core/file/file_int.h"

#define PAGE_LOOK 5000 /* attachments looked at for one page of all */

static const char select_some[] =
    "select id, object, name, size, sha256, type, user_id, at_us, kind, resource, field from "
    "attachment where ";

static void read_row(struct sql_stmt *s, struct arena *a, struct file_row *r)
{
    *r = (struct file_row){.id = arena_str(a, sql_str(s, 0)),
                           .object = arena_str(a, sql_str(s, 1)),
                           .name = arena_str(a, sql_str(s, 2)),
                           .size = sql_i64(s, 3),
                           .sha256 = arena_str(a, sql_str(s, 4)),
                           .type = arena_str(a, sql_str(s, 5)),
                           .by = arena_str(a, sql_str(s, 6)),
                           .at_us = sql_i64(s, 7),
                           .kind = arena_str(a, sql_str(s, 8)),
                           .resource = arena_str(a, sql_str(s, 9)),
                           .field = arena_str(a, sql_str(s, 10))};
}

/* At most *n rows; *n tells how many. */
static int read_rows(struct api_call *c, const char *where, struct str arg, struct file_row *out, size_t *n,
                     struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    size_t cap = *n;
    char *text = arena_printf(c->a, "%s%s", select_some, where);
    if (!text) return ERR_NOMEM;
    *n = 0;
    int rc = sql_begin(kernel_sql(c->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, text, &s, e);
    if (!rc && arg.p) sql_bind_str(s, 1, arg);
    while (!rc && *n < cap && (rc = sql_step(s, e)) == 1) {
        read_row(s, c->a, &out[(*n)++]);
        rc = 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

int file_forbidden(const struct api_call *c, const char *kind, struct error *e)
{
    return error_set(e, ERR_FORBIDDEN, "", "%s may not change this %s", "%s 没有修改该“%s”的权限", c->actor.login,
                     kind);
}

/* The resource as he sees it, and whether he may change it. */
static int owner(struct api_call *c, const char *kind, struct str id, bool change, struct resource *ret,
                 struct error *e)
{
    int rc = resource_find(c->kernel, c->a, &c->actor, kind, id, false, ret, e);
    if (rc || !change) return rc;
    bool may = permitted_at(c->actor.may, kind, api_action_for(kind, ACT_WRITE), ret->org);
    return may ? 0 : file_forbidden(c, kind, e);
}

static int one(struct api_call *c, struct str id, bool change, struct file_row *ret, struct error *e)
{
    size_t n = 1;
    struct resource r;
    char kind[KIND_NAME];
    int rc = read_rows(c, "id = $1", id, ret, &n, e);
    if (!rc && n) {
        str_to_cstr(ret->kind, kind, sizeof kind);
        rc = owner(c, kind, ret->resource, change, &r, e);
    }
    if (!rc && n) return 0;
    if (rc && rc != ERR_NOT_FOUND) return rc;
    return error_set(e, ERR_NOT_FOUND, "", "there is no attachment '%.*s'", "没有附件“%.*s”",
                     STR_ARG(str_sub(id, 0, 60)));
}

static void write_one(struct json_writer *w, const struct file_row *r, bool with_owner)
{
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_kstr(w, "id", r->id);
    jw_kstr(w, "name", r->name);
    jw_kstr(w, "type", r->type);
    jw_ki64(w, "size", r->size);
    jw_kstr(w, "sha256", r->sha256);
    jw_kstr(w, "by", r->by);
    jw_kz(w, "at", time_format(r->at_us, at));
    if (r->field.n)
        jw_kstr(w, "field", r->field);
    else
        jw_kz(w, "field", NULL);
    if (with_owner) jw_kstr(w, "kind", r->kind);
    if (with_owner) jw_kstr(w, "resource", r->resource);
    jw_end(w);
}

/* ------------------------------------------------------------------ adding */

static int move_in(struct api_call *c, const struct file_row *u, const struct file_row *r, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(c->kernel), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "delete from file_upload where id = $1", "s", u->id);
    if (!rc && sql_changes(tx) != 1)
        rc = error_set(e, ERR_NOT_FOUND, "upload", "the upload has been used already", "该上传已被使用");
    if (!rc)
        rc = sql_exec(
            tx, e,
            "insert into attachment(id, object, name, size, sha256, type, user_id, at_us, kind, resource, field) "
            "values($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",
            "sssisssisss", r->id, r->object, r->name, r->size, r->sha256, r->type, r->by, r->at_us, r->kind,
            r->resource, r->field);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

/* ------------------------------------------------------------------ fields that hold files (kernel_files) */

static int find_text(struct sql_tx *tx, const char *text, struct str id, struct str want, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, e);
    bool found = rc == 1 && (!want.p || str_eq(sql_str(s, 0), want));
    sql_done(s);
    return rc < 0 ? rc : found ? 0 : ERR_NOT_FOUND;
}

int file_has(void *ctx, struct sql_tx *tx, const struct actor *by, struct str resource, struct str file,
             struct error *e)
{
    int rc = find_text(tx, "select resource from attachment where id = $1", file, resource, e);
    if (rc != ERR_NOT_FOUND) return rc;
    struct str user = by->may ? str_of(by->user_id) : STR_NULL;
    return find_text(tx, "select user_id from file_upload where id = $1", file, user, e);
}

int file_take(void *ctx, struct sql_tx *tx, const struct resource *r, struct str field, struct str file,
              struct error *e)
{
    const struct files *f = ctx;
    int rc = sql_exec(tx, e,
                      "insert into attachment(id, object, name, size, sha256, type, user_id, at_us, kind, resource, "
                      "field) select id, object, name, size, sha256, type, user_id, $2, $3, $4, $5 from file_upload "
                      "where id = $1",
                      "sisss", file, clock_now_us(kernel_clock(f->cfg.kernel)), r->kind, r->id, field);
    return rc ? rc : sql_exec(tx, e, "delete from file_upload where id = $1", "s", file);
}

static int check_field(struct api_call *c, const char *kind, struct str *field, struct error *e)
{
    if (!field->n) return 0;
    if (str_starts(*field, STR("spec."))) *field = str_sub(*field, 5, field->n);
    const struct field *f = kind_field(kernel_kind(c->kernel, str_of(kind)), *field);
    while (f && f->type == FIELD_ARRAY) f = f->fields;
    if (f && f->type == FIELD_FILE) return 0;
    return error_set(e, ERR_INVALID, "field", "'%.*s' is no field for files", "“%.*s”不是文件字段",
                     STR_ARG(str_sub(*field, 0, 60)));
}

/* {"a": {"b": value}} for "a.b"; a list gets the value behind those that it has. */
static struct json *patch_of(struct api_call *c, const struct resource *r, const struct field *f, struct str path,
                             struct str id)
{
    struct json *value = json_new_str(c->a, id), *out = json_new_object(c->a), *at = out;
    const struct json *now = r->spec;
    if (!value || !out) return NULL;
    for (struct str rest = path; rest.n;) {
        struct str name = str_cut(&rest, '.');
        now = json_get_str(now, name);
        struct json *in = rest.n ? json_new_object(c->a) : value;
        if (!rest.n && f->type == FIELD_ARRAY) {
            in = now && now->type == JSON_ARRAY ? json_copy(c->a, now) : json_new_array(c->a);
            if (!in || !json_push(in, value)) return NULL;
        }
        if (!in || !json_set(at, c->a, name, in)) return NULL;
        at = in;
    }
    return out;
}

/* The change of the field takes the upload along. */
static int attach_field(struct api_call *c, const struct resource *r, struct str field, const struct file_row *u,
                        struct file_row *ret, struct error *e)
{
    const struct field *f = kind_field(r->schema, field);
    struct resource_input in = {.spec = patch_of(c, r, f, field, u->id)};
    struct resource next;
    size_t n = 1;
    char kind[KIND_NAME];
    if (!in.spec) return ERR_NOMEM;
    str_to_cstr(r->kind, kind, sizeof kind);
    int rc =
        resource_patch(c->kernel, c->a, &c->actor, kind, r->id, f->type == FIELD_ARRAY ? r->rev : -1, &in, &next, e);
    if (!rc) rc = read_rows(c, "id = $1", u->id, ret, &n, e);
    if (rc || n) return rc;
    return error_set(e, ERR_INVALID, "field", "the field '%.*s' is written by the platform only",
                     "字段“%.*s”只由平台写入", STR_ARG(field));
}

int file_attach(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct resource owner_;
    struct file_row u;
    const char *kind = exchange_of(c)->kind;
    int rc = api_body_json(c, &body, e);
    struct str field = json_str(json_get(body, "field"), STR(""));
    if (!rc) rc = owner(c, kind, c->param[1], true, &owner_, e);
    if (!rc) rc = check_field(c, kind, &field, e);
    if (!rc) rc = upload_find(c->module, c->a, &c->actor, json_str(json_get(body, "upload"), STR("")), &u, e);
    if (rc) return rc;
    struct file_row r = u;
    r.kind = str_of(kind);
    r.resource = owner_.id;
    r.field = field;
    r.at_us = clock_now_us(kernel_clock(c->kernel));
    rc = field.n ? attach_field(c, &owner_, field, &u, &r, e) : move_in(c, &u, &r, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    c->res->status = 201;
    write_one(&w, &r, false);
    api_audit_note(c, owner_.id, str_of(arena_printf(c->a, "{\"attachment\":\"%.*s\"}", STR_ARG(r.id))));
    return 0;
}

int file_attachments(struct api_call *c, struct error *e)
{
    struct resource r;
    size_t n = LIMIT_PAGE;
    struct file_row *rows = arena_alloc(c->a, n * sizeof *rows);
    if (!rows) return ERR_NOMEM;
    int rc = owner(c, exchange_of(c)->kind, c->param[1], false, &r, e);
    if (!rc) rc = read_rows(c, "resource = $1 order by at_us, id", r.id, rows, &n, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) write_one(&w, &rows[i], false);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

/* The newest first, as far as he may see what they belong to. */
int file_all(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50;
    size_t n = PAGE_LOOK;
    int rc = api_query_i64(c, "page", 1, 1, 1000, &page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, LIMIT_PAGE, &size, e);
    struct file_row *rows = arena_alloc(c->a, n * sizeof *rows);
    if (!rc && !rows) rc = ERR_NOMEM;
    if (!rc) rc = read_rows(c, "id <> '' order by at_us desc, id", STR_NULL, rows, &n, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    int64_t seen = 0;
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        char kind[KIND_NAME];
        struct resource r;
        struct error err = {0};
        str_to_cstr(rows[i].kind, kind, sizeof kind);
        if (!permitted(c->actor.may, kind, ACT_READ) || owner(c, kind, rows[i].resource, false, &r, &err)) continue;
        if (seen >= (page - 1) * size && seen < page * size) write_one(&w, &rows[i], true);
        seen++;
    }
    jw_end(&w);
    jw_ki64(&w, "total", seen);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return 0;
}

/* ------------------------------------------------------------------ content */

#define SEND_PIECE (512u * 1024) /* one request to a store elsewhere */

struct sending {
    struct object_store *objects;
    uint64_t at, end;
    char key[128];
};

static int send_piece(void *ctx, struct buf *out)
{
    struct sending *s = ctx;
    size_t want = s->end - s->at < SEND_PIECE ? (size_t)(s->end - s->at) : SEND_PIECE, n = 0;
    uint8_t *room = buf_space(out, want);
    if (!room) return ERR_NOMEM;
    int rc = want ? object_get(s->objects, s->key, s->at, room, want, &n, NULL) : 0;
    if (rc) return rc;
    if (want && !n) return ERR_CORRUPT;
    out->n += n;
    s->at += n;
    return s->at < s->end;
}

/* "bytes=0-99", "bytes=100-", "bytes=-5": 1 and the range; 0: none that counts; ERR_RANGE. */
static int range_of(struct str h, uint64_t size, uint64_t *from, uint64_t *end, struct error *e)
{
    uint64_t a = 0, b = size ? size - 1 : 0;
    if (!str_starts(h, STR("bytes=")) || str_find(h, ',') >= 0) return 0;
    struct str rest = str_sub(h, 6, h.n), first = str_trim(str_cut(&rest, '-'));
    if (!rest.p || (first.n && str_to_u64(first, &a)) || (str_trim(rest).n && str_to_u64(str_trim(rest), &b))) return 0;
    if (!first.n) {
        if (!str_trim(rest).n) return 0;
        a = b < size ? size - b : 0;
        b = size ? size - 1 : 0;
    }
    if (b >= size) b = size ? size - 1 : 0;
    if (a >= size || a > b)
        return error_set(e, ERR_RANGE, "Range", "the file has %llu bytes", "文件只有 %llu 字节",
                         (unsigned long long)size);
    *from = a;
    *end = b + 1;
    return 1;
}

/* Asked before the answer begins: then it can still tell what is wrong. */
static int stored_whole(struct files *f, const struct file_row *r, struct error *e)
{
    char key[128];
    struct object_info info = {0};
    str_to_cstr(r->object, key, sizeof key);
    int rc = object_stat(f->cfg.objects, key, &info, e);
    if (rc && rc != ERR_NOT_FOUND) return rc;
    if (!rc && info.size == (uint64_t)r->size) return 0;
    return error_set(e, ERR_CORRUPT, "", "the store holds %llu bytes of this file of %lld: restore it from a backup",
                     "对象存储中该文件为 %llu 字节，应为 %lld 字节：请从备份恢复", (unsigned long long)info.size,
                     (long long)r->size);
}

int file_attachment(struct api_call *c, struct error *e)
{
    struct files *f = c->module;
    struct file_row r;
    int rc = one(c, c->param[0], false, &r, e);
    if (rc) return rc;
    uint64_t size = (uint64_t)r.size, from = 0, end = size;
    int ranged = range_of(http_header(c->req, "range"), size, &from, &end, e);
    if (ranged < 0) {
        http_set_header(c->res, "Content-Range", str_of(arena_printf(c->a, "bytes */%llu", (unsigned long long)size)));
        return ranged;
    }
    rc = stored_whole(f, &r, e);
    if (rc) return rc;
    struct sending *s = mem_alloc(sizeof *s);
    if (!s) return ERR_NOMEM;
    *s = (struct sending){.objects = f->cfg.objects, .at = from, .end = end};
    str_to_cstr(r.object, s->key, sizeof s->key);
    c->res->pull = send_piece;
    c->res->pull_free = mem_free;
    c->res->pull_ctx = s;
    bool show = file_inline(r.type);
    if (ranged) {
        c->res->status = 206;
        http_set_header(c->res, "Content-Range",
                        str_of(arena_printf(c->a, "bytes %llu-%llu/%llu", (unsigned long long)from,
                                            (unsigned long long)end - 1, (unsigned long long)size)));
    }
    http_set_header(c->res, "Accept-Ranges", STR("bytes"));
    http_set_header(c->res, "ETag", str_of(arena_printf(c->a, "\"%.*s\"", STR_ARG(str_sub(r.sha256, 0, 32)))));
    http_set_header(c->res, "Content-Security-Policy", STR("default-src 'none'; sandbox"));
    http_set_header(c->res, "Content-Disposition", str_of(file_disposition(c->a, r.name, show)));
    static const char *const types[] = {"image/png",
                                        "image/jpeg",
                                        "image/gif",
                                        "image/webp",
                                        "image/bmp",
                                        "application/pdf",
                                        "text/plain; charset=utf-8"};
    c->res->content_type = "application/octet-stream"; /* what a browser could run is never named */
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_is(r.type, types[i])) c->res->content_type = types[i];
    return 0;
}

static int still_shown(struct api_call *c, struct sql_tx *tx, const struct file_row *r, struct error *e)
{
    char kind[KIND_NAME], where[ERROR_WHERE_MAX];
    struct resource owner_;
    str_to_cstr(r->kind, kind, sizeof kind);
    int rc = resource_find_in(c->kernel, tx, c->a, kind, r->resource, &owner_, e);
    if (rc || !resource_holds_file(&owner_, r->id, where)) return rc;
    return error_set(e, ERR_REFERENCED, where, "the field '%s' holds this file; empty the field first",
                     "字段“%s”正在使用此文件；请先清空该字段", where + strlen("spec."));
}

int file_detach(struct api_call *c, struct error *e)
{
    struct files *f = c->module;
    struct file_row r;
    struct sql_tx *tx;
    char key[128];
    int rc = one(c, c->param[0], true, &r, e);
    if (!rc) rc = sql_begin(kernel_sql(c->kernel), true, &tx, e);
    if (rc) return rc;
    rc = still_shown(c, tx, &r, e);
    if (!rc) rc = sql_exec(tx, e, "delete from attachment where id = $1", "s", r.id);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    if (rc) return rc;
    str_to_cstr(r.object, key, sizeof key);
    c->res->status = 204;
    struct error late = {0};
    if (object_delete(f->cfg.objects, key, &late)) return 0; /* cleaning finds it */
    return 0;
}

int file_objects_test(struct api_call *c, struct error *e)
{
    struct error why = {0};
    struct files *f = c->module;
    uint64_t since = clock_mono_ns(kernel_clock(c->kernel));
    int rc = object_store_test(f->cfg.objects, &why);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", rc == 0);
    jw_kz(&w, "detail", c->zh && why.text_zh[0] ? why.text_zh : why.text);
    jw_ki64(&w, "ms", (int64_t)((clock_mono_ns(kernel_clock(c->kernel)) - since) / 1000000));
    jw_end(&w);
    return 0;
}
