/* api_resource.c - the generic routes of every kind: list, create, get, replace, patch, delete, history,
 * rollback, bulk. One handler each; the kind is the first path parameter. */
#include "core/api/api_int.h"
#include "base/time.h"
#include "base/limits.h"

#define FAULTS_MAX 50 /* of one body */

static const char *kind_of(struct api_call *c)
{
    return exchange_of(c)->kind;
}

/* --- envelopes in --- */

static const char *const writable[] = {"code", "name", "org", "labels", "spec"};
static const char *const read_only[] = {"kind",   "id",         "num",        "state",      "rev",
                                        "origin", "created_by", "created_at", "updated_by", "updated_at"};

static bool among(struct str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(s, list[i])) return true;
    return false;
}

static int check_members(const struct json *body, const char *const *extra, size_t nextra, struct error *e)
{
    if (!body || body->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "", "the body must be a JSON object", "请求内容须为 JSON 对象");
    for
        json_each (m, body) {
            if (among(m->key, writable, 5) || among(m->key, read_only, 10) || among(m->key, extra, nextra)) continue;
            char where[64];
            str_to_cstr(m->key, where, sizeof(where));
            return error_set(e, ERR_INVALID, where,
                             "there is no '%s' here; an envelope has code, name, org, labels and spec (fields of the "
                             "kind stand in spec)",
                             "此处没有“%s”；可用 code、name、org、labels 和 spec（类型字段放在 spec 中）", where);
        }
    return 0;
}

static int text_member(const struct json *body, const char *name, struct str *ret, struct error *e)
{
    const struct json *v = json_get(body, name);
    if (!v) return 0;
    if (v->type == JSON_NULL)
        *ret = STR("");
    else if (v->type == JSON_STRING)
        *ret = v->s.p ? v->s : STR("");
    else
        return error_set(e, ERR_INVALID, name, "'%s' is text", "“%s”须为文本", name);
    return 0;
}

static int object_member(const struct json *body, const char *name, const struct json **ret, struct error *e)
{
    const struct json *v = json_get(body, name);
    if (v && v->type != JSON_OBJECT) return error_set(e, ERR_INVALID, name, "'%s' is an object", "“%s”须为对象", name);
    *ret = v;
    return 0;
}

static int read_input(const struct json *body, struct resource_input *in, struct error *e)
{
    *in = (struct resource_input){0};
    int rc = text_member(body, "code", &in->code, e);
    if (!rc) rc = text_member(body, "name", &in->name, e);
    if (!rc) rc = text_member(body, "org", &in->org, e);
    if (!rc) rc = object_member(body, "labels", &in->labels, e);
    if (!rc) rc = object_member(body, "spec", &in->spec, e);
    return rc;
}

static int body_input(struct api_call *c, struct resource_input *in, struct error *e)
{
    struct api_exchange *x = exchange_of(c);
    struct json *body = NULL;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = check_members(body, NULL, 0, e);
    if (!rc) rc = read_input(body, in, e);
    if (rc) return rc;
    in->faults = x->faults = arena_calloc(c->a, FAULTS_MAX, sizeof(*in->faults));
    in->faults_max = x->faults ? FAULTS_MAX : 0;
    in->ret_faults = &x->nfaults;
    return 0;
}

/* If-Match: "12" or W/"12"; absent or *: -1. */
int api_if_match(struct api_call *c, int64_t *ret, struct error *e)
{
    struct str s = str_trim(http_header(c->req, "if-match"));
    *ret = -1;
    if (!s.n || str_is(s, "*")) return 0;
    if (str_starts(s, STR("W/"))) s = str_sub(s, 2, s.n);
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"') s = str_sub(s, 1, s.n - 2);
    if (str_to_i64(s, ret) || *ret < 0)
        return error_set(e, ERR_INVALID, "If-Match", "If-Match is the revision in quotes, such as \"12\"",
                         "If-Match 须为带引号的版本号，例如 \"12\"");
    return 0;
}

/* --- answers --- */

void api_answer_resource(struct api_call *c, const struct resource *r, bool created)
{
    char etag[32];
    snprintf(etag, sizeof(etag), "\"%lld\"", (long long)r->rev);
    http_set_header(c->res, "ETag", str_of(etag));
    if (created) {
        char *at = arena_printf(c->a, "/api/v1/%.*s/%.*s", STR_ARG(c->param[0]), STR_ARG(r->id));
        if (at) http_set_header(c->res, "Location", str_of(at));
        c->res->status = 201;
    }
    struct json_writer w = api_answer(c);
    resource_write_for(&w, r, &c->actor);
    if (exchange_of(c)->route->row->audit != AUDIT_NONE) {
        api_people_changed(c);
        api_audit_change(c, r);
    }
}

int api_paging(struct api_call *c, int64_t *page, int64_t *size, struct error *e)
{
    int rc = api_query_i64(c, "page", 1, 1, 1000000, page, e);
    return rc ? rc : api_query_i64(c, "size", 50, 1, LIMIT_PAGE, size, e);
}

static int list(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50;
    struct list_page p;
    int rc = api_paging(c, &page, &size, e);
    if (rc) return rc;
    struct list_query q = {
        .kind = kind_of(c),
        .filter = http_query(c->req, "filter"),
        .text = http_query(c->req, "q"),
        .sort = http_query(c->req, "sort"),
        .after = http_query(c->req, "after"),
        .offset = (size_t)((page - 1) * size),
        .limit = (size_t)size,
        .count = true,
        .by = &c->actor,
        .deleted = str_is(http_query(c->req, "deleted"), "1") || str_is(http_query(c->req, "deleted"), "true"),
    };
    if (q.after.p) q.offset = 0;
    rc = resource_list(c->kernel, c->a, &q, &p, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < p.n; i++) resource_write_for(&w, &p.items[i], &c->actor);
    jw_end(&w);
    jw_ki64(&w, "total", p.total);
    if (p.more_than_total) jw_kbool(&w, "total_at_least", true);
    if (!q.after.p) jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    if (p.next.p)
        jw_kstr(&w, "next", p.next);
    else
        jw_kz(&w, "next", NULL);
    jw_end(&w);
    return 0;
}

/* As the caller sees it; the only one of its kind is there from the first time that somebody asks. */
static int find(struct api_call *c, bool deleted, struct resource *ret, struct error *e)
{
    const struct kind *kd = kernel_kind(c->kernel, str_of(kind_of(c)));
    int rc = resource_find(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], deleted, ret, e);
    if (rc != ERR_NOT_FOUND || !kd || !kd->single || !str_is(c->param[1], "default")) return rc;
    if (e) *e = (struct error){0};
    return resource_single(c->kernel, c->a, kind_of(c), ret, e);
}

static int get(struct api_call *c, struct error *e)
{
    struct resource r;
    int rc = find(c, false, &r, e);
    if (!rc) api_answer_resource(c, &r, false);
    return rc;
}

static int create(struct api_call *c, struct error *e)
{
    struct resource_input in;
    struct resource r;
    int rc = body_input(c, &in, e);
    if (!rc) rc = resource_create(c->kernel, c->a, &c->actor, kind_of(c), &in, &r, e);
    if (!rc) api_answer_resource(c, &r, true);
    return rc;
}

static int replace(struct api_call *c, struct error *e)
{
    int64_t rev = -1;
    struct resource_input in;
    struct resource r;
    int rc = body_input(c, &in, e);
    if (!rc) rc = api_if_match(c, &rev, e);
    if (!rc) rc = resource_replace(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], rev, &in, &r, e);
    if (!rc) api_answer_resource(c, &r, false);
    return rc;
}

static int patch(struct api_call *c, struct error *e)
{
    int64_t rev = -1;
    struct resource_input in;
    struct resource r;
    int rc = body_input(c, &in, e);
    if (!rc) rc = api_if_match(c, &rev, e);
    if (!rc) rc = resource_patch(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], rev, &in, &r, e);
    if (!rc) api_answer_resource(c, &r, false);
    return rc;
}

static int remove_one(struct api_call *c, struct error *e)
{
    int64_t rev = -1;
    int rc = api_if_match(c, &rev, e);
    if (!rc) rc = resource_delete(c->kernel, &c->actor, kind_of(c), c->param[1], rev, e);
    if (rc) return rc;
    api_people_changed(c);
    c->res->status = 204;
    return 0;
}

/* --- history --- */

static void write_history(struct api_call *c, struct json_writer *w, const struct resource *r,
                          const struct history_entry *h)
{
    static const char *const ops[] = {
        [CHANGE_CREATE] = "create", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete"};
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_ki64(w, "rev", h->rev);
    jw_kz(w, "at", time_format(h->at_us, at));
    jw_kstr(w, "by", h->by);
    jw_kz(w, "op", ops[h->op]);
    if (h->transition.n) jw_kstr(w, "transition", h->transition);
    if (h->comment.n) jw_kstr(w, "comment", h->comment);
    jw_key(w, STR("diff"));
    resource_diff_write(w, r->schema, r->org, h->diff, &c->actor);
    jw_end(w);
}

static int history(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50;
    struct history_entry *h = NULL;
    size_t n = 0;
    struct resource r;
    int rc = api_paging(c, &page, &size, e);
    if (!rc) rc = find(c, true, &r, e);
    if (!rc)
        rc = resource_history(c->kernel, c->a, kind_of(c), r.id, (size_t)((page - 1) * size), (size_t)size, &h, &n, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) write_history(c, &w, &r, &h[i]);
    jw_end(&w);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return 0;
}

static int at_rev(struct api_call *c, struct error *e)
{
    int64_t rev = 0;
    struct resource r;
    if (str_to_i64(c->param[2], &rev) || rev < 1)
        return error_set(e, ERR_INVALID, "rev", "a revision is a whole number from 1 on", "版本号须为从 1 开始的整数");
    int rc = find(c, true, &r, e);
    if (!rc) rc = resource_at_rev(c->kernel, c->a, kind_of(c), r.id, rev, &r, e);
    if (!rc && !resource_visible(&c->actor, &r)) /* it belonged to others then */
        rc = error_set(e, ERR_NOT_FOUND, "rev", "there is no revision %lld", "没有修订 %lld", (long long)rev);
    if (!rc) api_answer_resource(c, &r, false);
    return rc;
}

static int rollback(struct api_call *c, struct error *e)
{
    int64_t expect = -1;
    struct json *body = NULL;
    struct resource r;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = api_if_match(c, &expect, e);
    if (rc) return rc;
    int64_t to = json_i64(json_get(body, "rev"), 0);
    if (to < 1)
        return error_set(e, ERR_INVALID, "rev", "'rev' is the revision to go back to, from 1 on",
                         "“rev”为要恢复的版本号，从 1 开始");
    rc = resource_rollback(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], to, expect, &r, e);
    if (!rc) api_answer_resource(c, &r, false);
    return rc;
}

/* --- many at once --- */

static const char *const bulk_ops[] = {
    [BULK_CREATE] = "create", [BULK_UPSERT] = "upsert", [BULK_PATCH] = "patch", [BULK_DELETE] = "delete"};
static const char *const bulk_members[] = {"op"};

static int bulk_op(const struct json *v, enum bulk_op *ret, struct error *e)
{
    struct str name = json_str(v, STR_NULL);
    for (int i = 0; i < 4; i++) {
        if (!str_is(name, bulk_ops[i])) continue;
        *ret = (enum bulk_op)i;
        return 0;
    }
    return error_set(e, ERR_INVALID, "op", "'op' is create, upsert, patch or delete",
                     "“op”须为 create、upsert、patch 或 delete");
}

static int bulk_item(const struct json *v, struct bulk_item *ret, struct error *e)
{
    int rc = check_members(v, bulk_members, 1, e);
    if (!rc) rc = bulk_op(json_get(v, "op"), &ret->op, e);
    if (!rc) rc = read_input(v, &ret->in, e);
    if (rc) return rc;
    ret->id_or_code = json_str(json_get(v, "id"), ret->in.code);
    ret->expect_rev = json_i64(json_get(v, "rev"), -1);
    return 0;
}

static int bulk_items(struct api_call *c, const struct json *list_, struct bulk_item **ret, struct error *e)
{
    size_t i = 0;
    if (!list_ || list_->type != JSON_ARRAY)
        return error_set(e, ERR_INVALID, "items", "'items' is a list of changes", "“items”须为更改列表");
    struct bulk_item *items = arena_calloc(c->a, json_count(list_) + 1, sizeof(*items));
    if (!items) return ERR_NOMEM;
    bool may_delete = permitted(c->actor.may, kind_of(c), api_action_for(kind_of(c), ACT_DELETE));
    for
        json_each (v, list_) {
            int rc = bulk_item(v, &items[i], e);
            if (!rc && items[i].op == BULK_DELETE && !may_delete)
                rc = error_set(e, ERR_FORBIDDEN, "op", "%s may not delete %s", "%s 没有删除“%s”的权限", c->actor.login,
                               kind_of(c));
            if (rc) {
                char prefix[40];
                snprintf(prefix, sizeof(prefix), "items[%zu].", i);
                error_prefix(e, prefix);
                return rc;
            }
            i++;
        }
    *ret = items;
    return 0;
}

static int bulk(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct bulk_item *items = NULL;
    struct bulk_report report = {0};
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = bulk_items(c, json_get(body, "items"), &items, e);
    if (rc) return rc;
    bool dry = json_bool(json_get(body, "dry_run"), false), skip = json_bool(json_get(body, "skip_errors"), false);
    size_t n = json_count(json_get(body, "items"));
    rc = resource_bulk(c->kernel, c->a, &c->actor, kind_of(c), items, n, dry, skip, &report, e);
    if (!rc) api_report_answer(c, &report, dry, skip);
    return rc;
}

#define PAGE_PARAMS "page:integer:Page, from 1;size:integer:Rows a page, at most 1000"
#define LIST_PARAMS "filter:string:Filter expression;q:string:Part of code or name;sort:string:Fields, - for descending"
#define BULK_BODY \
    "{dry_run?:boolean;skip_errors?:boolean;items:{op:'create'|'upsert'|'patch'|'delete';id?:string;rev?:integer;" \
    "code?:string;name?:string;org?:string;labels?:{*:string|null};spec?:object}[]}"
#define REV_BODY "{rev:integer}"
#define HISTORY \
    "{items:{rev:integer;at:time;by:string;op:'create'|'update'|'delete';transition?:string;comment?:string;" \
    "diff:{path:string;before?:any;after?:any}[]}[];page:integer;size:integer}"
#define ONE "/api/v1/{plural}/{id}"

static const struct api_route rows[] = {
    API_GET("/api/v1/{plural}", "*", AUDIT_NONE, list, .summary_en = "List", .summary_zh = "列表",
            .params = LIST_PARAMS ";" PAGE_PARAMS
                                  ";after:string:Cursor of the page before;deleted:boolean:What was deleted instead",
            .answer_schema = "list:*"),
    API_DO("POST", "/api/v1/{plural}", "*", ACT_WRITE, AUDIT_CHANGE, create, .summary_en = "Create",
           .summary_zh = "新建", .body_schema = "input:*", .answer_schema = "kind:*"),
    API_DO("POST", "/api/v1/{plural}:bulk", "*", ACT_WRITE, AUDIT_CHANGE, bulk, .summary_en = "Many changes at once",
           .summary_zh = "批量更改", .body_max = LIMIT_BODY_IMPORT, .body_schema = BULK_BODY,
           .answer_schema = "report"),
    API_GET(ONE, "*", AUDIT_NONE, get, .summary_en = "Get one", .summary_zh = "查看", .answer_schema = "kind:*"),
    API_DO("PUT", ONE, "*", ACT_WRITE, AUDIT_CHANGE, replace, .summary_en = "Replace", .summary_zh = "替换",
           .body_schema = "input:*", .answer_schema = "kind:*"),
    API_DO("PATCH", ONE, "*", ACT_WRITE, AUDIT_CHANGE, patch, .summary_en = "Change in part (merge patch)",
           .summary_zh = "部分修改", .body_schema = "input:*", .answer_schema = "kind:*"),
    API_DO("DELETE", ONE, "*", ACT_DELETE, AUDIT_CHANGE, remove_one, .summary_en = "Delete", .summary_zh = "删除"),
    API_GET(ONE "/history", "*", AUDIT_NONE, history, .summary_en = "History", .summary_zh = "历史版本",
            .params = PAGE_PARAMS, .answer_schema = HISTORY),
    API_GET(ONE "/history/{rev}", "*", AUDIT_NONE, at_rev, .summary_en = "At a revision", .summary_zh = "指定版本",
            .answer_schema = "kind:*"),
    API_DO("POST", ONE ":rollback", "*", ACT_WRITE, AUDIT_CHANGE, rollback, .summary_en = "Go back to a revision",
           .summary_zh = "恢复到指定版本", .body_schema = REV_BODY, .answer_schema = "kind:*"),
};
const struct route_table api_resource_routes = {rows, sizeof(rows) / sizeof(rows[0])};
