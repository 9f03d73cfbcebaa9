/* api_lifecycle.c - generic routes of every kind beside plain reading and writing: transitions of the life
 * cycle, the bin, who refers to a resource, copies. */
#include "core/api/api_int.h"
#include "base/limits.h"

static const char *kind_of(struct api_call *c)
{
    return exchange_of(c)->kind;
}

static int text_of(const struct json *body, const char *name, struct str *ret, struct error *e)
{
    const struct json *v = json_get(body, name);
    if (v && v->type != JSON_STRING && v->type != JSON_NULL)
        return error_set(e, ERR_INVALID, name, "'%s' is text", "“%s”须为文本", name);
    *ret = json_str(v, STR(""));
    return 0;
}

/* --- transitions --- */

static void write_title(struct json_writer *w, struct str en, struct str zh)
{
    jw_key(w, STR("title"));
    jw_object(w);
    jw_kstr(w, "en", en);
    jw_kstr(w, "zh", zh);
    jw_end(w);
}

static void write_offer(struct api_call *c, struct json_writer *w, const struct lifecycle *l,
                        const struct transition_offer *o)
{
    static const char *const comments[] = {
        [COMMENT_NONE] = "none", [COMMENT_OPTIONAL] = "optional", [COMMENT_REQUIRED] = "required"};
    const struct transition *t = o->t;
    jw_object(w);
    jw_kstr(w, "name", t->name);
    write_title(w, t->title_en, t->title_zh);
    jw_kstr(w, "to", l->states[t->to].name);
    jw_kbool(w, "allowed", o->allowed);
    if (!o->allowed) jw_kz(w, "why_not", c->zh && o->why_not.text_zh[0] ? o->why_not.text_zh : o->why_not.text);
    jw_kz(w, "comment", comments[t->comment]);
    jw_key(w, STR("requires"));
    jw_array(w);
    for (size_t i = 0; i < t->nrequired; i++) jw_str(w, t->required[i]);
    jw_end(w);
    jw_kbool(w, "four_eyes", t->four_eyes);
    jw_end(w);
}

static int transitions(struct api_call *c, struct error *e)
{
    struct resource r;
    struct transition_offer *o = NULL;
    size_t n = 0;
    int rc = resource_find(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], false, &r, e);
    if (!rc) rc = resource_transitions(c->kernel, c->a, &c->actor, kind_of(c), r.id, &o, &n, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kstr(&w, "state", r.state);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) write_offer(c, &w, r.schema->lifecycle, &o[i]);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

/* The route lets in whoever may read; each transition asks for its own right. */
static int transition(struct api_call *c, struct error *e)
{
    int64_t rev = -1;
    struct json *body = NULL;
    struct str name, comment;
    struct resource r;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = api_if_match(c, &rev, e);
    if (!rc) rc = text_of(body, "transition", &name, e);
    if (!rc) rc = text_of(body, "comment", &comment, e);
    if (!rc && !name.n) rc = error_set(e, ERR_INVALID, "transition", "say which transition", "请指明流转名称");
    if (!rc) rc = resource_transition(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], name, comment, rev, &r, e);
    if (rc) return rc;
    api_answer_resource(c, &r, false);
    char *detail = arena_printf(c->a, "{\"rev\":%lld,\"transition\":\"%.*s\",\"state\":\"%.*s\"}", (long long)r.rev,
                                STR_ARG(name), STR_ARG(r.state));
    api_audit_note(c, r.code.n ? r.code : r.id, str_of(detail));
    return 0;
}

/* --- bin, copy, references --- */

static int restore(struct api_call *c, struct error *e)
{
    int64_t rev = -1;
    struct resource r;
    int rc = api_if_match(c, &rev, e);
    if (!rc) rc = resource_restore(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], rev, &r, e);
    if (!rc) api_answer_resource(c, &r, false);
    return rc;
}

static int copy(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct str code = STR(""), name = STR("");
    struct resource r;
    int rc = c->req->body.n ? api_body_json(c, &body, e) : 0;
    if (!rc) rc = text_of(body, "code", &code, e);
    if (!rc) rc = text_of(body, "name", &name, e);
    if (!rc) rc = resource_copy(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], code, name, &r, e);
    if (!rc) api_answer_resource(c, &r, true);
    return rc;
}

static int where_used(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50, total = 0;
    struct where_used *u = NULL;
    size_t n = 0;
    int rc = api_paging(c, &page, &size, e);
    if (!rc)
        rc = resource_where_used(c->kernel, c->a, &c->actor, kind_of(c), c->param[1], (size_t)((page - 1) * size),
                                 (size_t)size, &u, &n, &total, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kstr(&w, "kind", u[i].kind);
        jw_kstr(&w, "id", u[i].id);
        jw_kstr(&w, "code", u[i].code);
        jw_kstr(&w, "name", u[i].name);
        jw_kstr(&w, "path", u[i].path);
        jw_end(&w);
    }
    jw_end(&w);
    jw_ki64(&w, "total", total);
    jw_end(&w);
    return 0;
}

#define ONE "/api/v1/{plural}/{id}"
#define OFFERS \
    "{state:string;items:{name:string;title:Text;to:string;allowed:boolean;why_not?:string;" \
    "comment:'none'|'optional'|'required';requires:string[];four_eyes:boolean}[]}"
#define USES "{items:{kind:string;id:string;code:string;name:string;path:string}[];total:integer}"

static const struct api_route rows[] = {
    API_GET(ONE "/transitions", "*", AUDIT_NONE, transitions, .summary_en = "What may be done to it now",
            .summary_zh = "当前可用的流转", .answer_schema = OFFERS),
    API_DO("POST", ONE ":transition", "*", ACT_READ, AUDIT_CHANGE, transition,
           .summary_en = "Submit, approve, publish, retire …: a transition of its life cycle",
           .summary_zh = "提交、审批、发布、停用等生命周期流转", .body_schema = "{transition:string;comment?:string}",
           .answer_schema = "kind:*"),
    API_DO("POST", ONE ":restore", "*", ACT_WRITE, AUDIT_CHANGE, restore, .summary_en = "Bring back what was deleted",
           .summary_zh = "恢复已删除的资源", .answer_schema = "kind:*"),
    API_DO("POST", ONE ":copy", "*", ACT_WRITE, AUDIT_CHANGE, copy, .summary_en = "Copy", .summary_zh = "复制",
           .body_schema = "{code?:string;name?:string}", .answer_schema = "kind:*"),
    API_GET(ONE "/where-used", "*", AUDIT_NONE, where_used, .summary_en = "Who refers to it",
            .summary_zh = "被引用情况", .params = "page:integer:Page, from 1;size:integer:Rows a page, at most 1000",
            .answer_schema = USES),
};
const struct route_table api_lifecycle_routes = {rows, sizeof(rows) / sizeof(rows[0])};
