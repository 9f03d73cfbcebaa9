/* api_kind.c - what code rules and user kinds can do besides being resources: preview and check of codes,
 * the plan of a change of a kind, dropping a kind with all its resources. */
#include "core/api/api_int.h"
#include "core/auth/auth_perm.h"
#include "core/resource/code_rule.h"
#include "core/resource/user_kind.h"

/* --- code rules --- */

#define PREVIEW_MAX 100

static int preview(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct str codes[PREVIEW_MAX];
    int rc = c->req->body.n ? api_body_json(c, &body, e) : 0;
    if (rc) return rc;
    int64_t n = json_i64(json_get(body, "count"), 5);
    if (n < 1 || n > PREVIEW_MAX) return error_set(e, ERR_INVALID, "count", "is 1 to %d", "须为 1 至 %d", PREVIEW_MAX);
    rc = code_rule_preview(c->kernel, c->a, &c->actor, c->param[0], json_str(json_get(body, "org"), STR("")), (size_t)n,
                           codes, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("codes"));
    jw_array(&w);
    for (int64_t i = 0; i < n; i++)
        if (codes[i].n) jw_str(&w, codes[i]);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

static int check(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct error why = {0};
    bool ok = false;
    int rc = api_body_json(c, &body, e);
    struct str code = json_str(json_get(body, "code"), STR(""));
    if (!rc && !code.n) rc = error_set(e, ERR_INVALID, "code", "say which code", "请填写编码");
    if (!rc) rc = code_rule_test(c->kernel, c->a, &c->actor, c->param[0], code, &ok, &why, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", ok);
    jw_kz(&w, "why", ok ? "" : c->zh && why.text_zh[0] ? why.text_zh : why.text);
    jw_end(&w);
    return 0;
}

/* --- user kinds --- */

static void write_change(struct json_writer *w, const struct kind_change *k, bool examples)
{
    jw_object(w);
    jw_kstr(w, "path", k->path);
    jw_key(w, STR("what"));
    jw_object(w);
    jw_kstr(w, "en", k->what_en);
    jw_kstr(w, "zh", k->what_zh);
    jw_end(w);
    jw_ki64(w, "affected", k->affected);
    jw_ki64(w, "lost", k->lost);
    jw_kbool(w, "blocks", k->blocks);
    jw_key(w, STR("examples"));
    if (examples)
        jw_json(w, k->examples);
    else
        jw_raw(w, STR("[]"));
    jw_end(w);
}

/* Examples show values of resources: only to whoever may read all of the kind. */
static bool sees_examples(struct api_call *c, struct str document)
{
    struct json *doc = NULL;
    char kind[PERM_KIND_MAX];
    if (json_parse(c->a, document, &doc, NULL)) return false;
    if (!str_to_cstr(json_str(json_get(doc, "kind"), STR("")), kind, sizeof(kind))) return false;
    return permitted_scope(c->actor.may, kind, ACT_READ).all;
}

static int plan(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct kind_plan p;
    int rc = api_body_json(c, &body, e);
    if (rc) return rc;
    const struct json *doc = json_get(body, "document");
    if (!doc) return error_set(e, ERR_INVALID, "document", "the kind document is missing", "缺少类型定义");
    struct str text = doc->type == JSON_STRING ? doc->s : json_text(c->a, doc);
    if (!text.p) return ERR_NOMEM;
    rc = user_kind_plan(c->kernel, c->a, text, json_get(body, "renames"), &p, e);
    if (rc) return rc;
    bool examples = sees_examples(c, text);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "rows", p.rows);
    jw_kbool(&w, "loses", p.loses);
    jw_kbool(&w, "blocks", p.blocks);
    jw_key(&w, STR("changes"));
    jw_array(&w);
    for (size_t i = 0; i < p.n; i++) write_change(&w, &p.changes[i], examples);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

static int drop(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    int64_t dropped = 0;
    int rc = api_body_json(c, &body, e);
    if (!rc)
        rc = user_kind_drop(c->kernel, &c->actor, c->param[0], json_str(json_get(body, "confirm"), STR("")), &dropped,
                            e);
    if (rc) return rc;
    char *detail = arena_printf(c->a, "{\"resources\":%lld}", (long long)dropped);
    api_audit_note(c, c->param[0], str_of(detail));
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "resources", dropped);
    jw_end(&w);
    return 0;
}

#define PLAN \
    "{rows:integer;loses:boolean;blocks:boolean;changes:{path:string;what:Text;affected:integer;lost:integer;" \
    "blocks:boolean;examples:{code:string;before?:any;after?:any}[]}[]}"

static const struct api_route rows[] = {
    API_DO("POST", "/api/v1/code-rules/{id}:preview", "code_rule", ACT_READ, AUDIT_NONE, preview,
           .summary_en = "The codes that would come next; nothing is used up",
           .summary_zh = "预览接下来的编码（不占用）", .body_schema = "{count?:integer;org?:string}",
           .answer_schema = "{codes:string[]}"),
    API_DO("POST", "/api/v1/code-rules/{id}:check", "code_rule", ACT_READ, AUDIT_NONE, check,
           .summary_en = "Does a code follow the rule", .summary_zh = "校验编码是否符合规则",
           .body_schema = "{code:string}", .answer_schema = "{ok:boolean;why:string}"),
    API_DO("POST", "/api/v1/user-kinds:plan", "user_kind", ACT_WRITE, AUDIT_NONE, plan,
           .summary_en = "What a change of a kind would do to the stored data", .summary_zh = "类型修改的数据迁移计划",
           .body_schema = "{document:any;renames?:{*:string}}", .answer_schema = PLAN),
    API_DO("POST", "/api/v1/user-kinds/{id}:drop", "user_kind", ACT_DELETE, AUDIT_CHANGE, drop,
           .summary_en = "Remove a kind and delete all its resources", .summary_zh = "删除类型及其全部资源",
           .body_schema = "{confirm:string}", .answer_schema = "{resources:integer}"),
};
const struct route_table api_kind_routes = {rows, sizeof(rows) / sizeof(rows[0])};
