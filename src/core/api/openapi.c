/* openapi.c - OpenAPI 3.1 from the route tables and the kinds, in a stable order.
 *
 * Generic routes ("/api/v1/{plural}…") are written once per kind, so that generated types are those of
 * the kind; a module's own row for the same path and method takes their place. Schema words in the rows:
 * "kind:point", "list:point", "input:point" (also with "*": the kind in the path), "ref:KindDoc", "report", "csv",
 * "text", "sse", "bytes"; in braces it is JSON Schema or a shape (api_shape.h). `x-permission` and `x-audit` tell what
 * the router checks. */
#include "core/api/api_int.h"
#include "base/mem.h"
#include "core/api/api_shape.h"

struct op {
    const struct api_route *row;
    const struct kind *kind; /* of a generic row */
    const char *path;
    struct json *body, *answer; /* of a shape */
};

static const char *const method_lower[] = {"get", "post", "put", "patch", "delete"};

static int method_rank(const char *method)
{
    for (int i = 0; i < ROUTE_METHODS; i++)
        if (strcmp(router_method((size_t)i), method) == 0) return i;
    return ROUTE_METHODS;
}

static int by_path(const void *a, const void *b)
{
    const struct op *x = a, *y = b;
    int c = strcmp(x->path, y->path);
    if (!c) c = method_rank(x->row->method) - method_rank(y->row->method);
    return c ? c : (x->kind != NULL) - (y->kind != NULL);
}

static bool api_kind(const struct kind *k)
{
    return json_bool(json_get(k->doc, "api"), true);
}

static size_t count_ops(struct api *api)
{
    size_t kinds = 0, n = 0;
    while (kernel_kind_at(api->kernel, kinds)) kinds++;
    for (size_t i = 0; i < router_count(api->router); i++)
        n += strcmp(router_at(api->router, i)->row->kind, "*") == 0 ? kinds : 1;
    return n;
}

static const char *path_of_kind(struct arena *a, const char *path, const struct kind *k)
{
    struct str rest = str_of(path), before = str_cut(&rest, '{');
    str_cut(&rest, '}');
    return arena_printf(a, "%.*s%.*s%.*s", STR_ARG(before), STR_ARG(k->plural), STR_ARG(rest));
}

/* Kinds may come and go meanwhile: no more than was counted. */
static int list_ops(struct api *api, struct arena *a, struct op **ret, size_t *ret_n)
{
    size_t n = 0, max = count_ops(api);
    struct op *ops = arena_calloc(a, max + 1, sizeof(*ops));
    if (!ops) return ERR_NOMEM;
    for (size_t i = 0; i < router_count(api->router); i++) {
        const struct api_route *row = router_at(api->router, i)->row;
        const struct kind *k;
        if (n == max) break;
        if (strcmp(row->kind, "*") != 0) {
            ops[n++] = (struct op){.row = row, .path = row->path};
            continue;
        }
        for (size_t j = 0; n < max && (k = kernel_kind_at(api->kernel, j)); j++) {
            if (!api_kind(k)) continue;
            ops[n] = (struct op){.row = row, .kind = k, .path = path_of_kind(a, row->path, k)};
            if (!ops[n++].path) return ERR_NOMEM;
        }
    }
    qsort(ops, n, sizeof(*ops), by_path);
    *ret = ops;
    *ret_n = n;
    return 0;
}

/* --- one operation --- */

static void write_ref(struct json_writer *w, const char *section, const char *name, const char *suffix)
{
    char ref[160];
    snprintf(ref, sizeof(ref), "#/components/%s/%s%s", section, name, suffix);
    jw_object(w);
    jw_kz(w, "$ref", ref);
    jw_end(w);
}

/* The kind named behind the colon, "*" meaning that of the path. */
static void kind_name(const struct op *op, const char *word, char out[PERM_KIND_MAX])
{
    const char *colon = strchr(word, ':');
    struct str name = str_of(colon + 1);
    if (str_is(name, "*") && op->kind) name = op->kind->kind;
    str_to_cstr(name, out, PERM_KIND_MAX);
}

/* In braces or of several parts, and not JSON Schema. */
static bool is_shape(const char *word)
{
    return word && ((word[0] == '{' && word[1] != '"' && word[1] != '}') || strchr(word, '|'));
}

static int read_shape(struct arena *a, const struct op *op, const char *word, struct json **ret, struct error *e)
{
    const char *fault = NULL;
    if (!is_shape(word)) return 0;
    *ret = api_shape(a, word, &fault);
    if (*ret) return 0;
    return fault ? error_set(e, ERR_INTERNAL, "", "the shape of %s %s is wrong at '%s'",
                             "%s %s 的数据结构描述有误：“%s”", op->row->method, op->path, fault)
                 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int read_shapes(struct arena *a, struct op *ops, size_t n, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = read_shape(a, &ops[i], ops[i].row->body_schema, &ops[i].body, e);
        if (!rc) rc = read_shape(a, &ops[i], ops[i].row->answer_schema, &ops[i].answer, e);
    }
    return rc;
}

static void write_schema(struct json_writer *w, const struct op *op, const char *word, const struct json *shape)
{
    char name[PERM_KIND_MAX];
    if (!word)
        jw_raw(w, STR("{}"));
    else if (shape)
        jw_json(w, shape);
    else if (word[0] == '{')
        jw_raw(w, str_of(word));
    else if (strcmp(word, "report") == 0)
        write_ref(w, "schemas", "Report", "");
    else if (!strchr(word, ':'))
        jw_raw(w, STR("{\"type\":\"string\"}"));
    else {
        kind_name(op, word, name);
        bool patch = strcmp(op->row->method, "PATCH") == 0;
        if (strncmp(word, "kind:", 5) == 0 || strncmp(word, "ref:", 4) == 0)
            write_ref(w, "schemas", name, "");
        else if (strncmp(word, "list:", 5) == 0)
            write_ref(w, "schemas", name, "_list");
        else
            write_ref(w, "schemas", name, patch ? "_patch" : "_input");
    }
}

static const char *media_of(const char *word)
{
    static const struct {
        const char *word, *media;
    } table[] = {{"csv", "text/csv"},
                 {"text", "text/plain"},
                 {"sse", "text/event-stream"},
                 {"bytes", "application/octet-stream"}};
    for (size_t i = 0; word && i < sizeof table / sizeof *table; i++)
        if (strcmp(word, table[i].word) == 0) return table[i].media;
    return "application/json";
}

static void write_content(struct json_writer *w, const struct op *op, const char *word, const struct json *shape)
{
    jw_key(w, STR("content"));
    jw_object(w);
    jw_key(w, str_of(media_of(word)));
    jw_object(w);
    jw_key(w, STR("schema"));
    write_schema(w, op, word, shape);
    jw_end(w);
    jw_end(w);
}

/* Types of the rows that JSON Schema does not know are texts with a hint. */
static void write_param_schema(struct json_writer *w, struct str type)
{
    static const char *const plain[] = {"string", "integer", "number", "boolean"};
    jw_object(w);
    for (size_t i = 0; i < 4; i++) {
        if (!str_is(type, plain[i])) continue;
        jw_kstr(w, "type", type);
        jw_end(w);
        return;
    }
    jw_kz(w, "type", "string");
    if (str_is(type, "time"))
        jw_kz(w, "description", "RFC 3339, epoch milliseconds, or words such as *-8h");
    else
        jw_kstr(w, "format", type);
    jw_end(w);
}

static void write_param(struct json_writer *w, struct str name, const char *in, struct str type, struct str help)
{
    jw_object(w);
    jw_kstr(w, "name", name);
    jw_kz(w, "in", in);
    if (strcmp(in, "path") == 0) jw_kbool(w, "required", true);
    if (help.n) jw_kstr(w, "description", help);
    jw_key(w, STR("schema"));
    write_param_schema(w, type);
    jw_end(w);
}

static void write_params(struct json_writer *w, const struct op *op)
{
    struct str path = str_of(op->path), query = str_of(op->row->params);
    jw_key(w, STR("parameters"));
    jw_array(w);
    while (str_cut(&path, '{'), path.p) {
        struct str name = str_cut(&path, '}');
        write_param(w, name, "path", str_is(name, "rev") ? STR("integer") : STR("string"),
                    str_is(name, "id") ? STR("Id or code") : STR_NULL);
    }
    while (query.n) {
        struct str rest = str_cut(&query, ';'), name = str_cut(&rest, ':'), type = str_cut(&rest, ':');
        if (name.n) write_param(w, name, "query", type.n ? type : STR("string"), rest);
    }
    if (strcmp(op->row->method, "PUT") == 0 || strcmp(op->row->method, "PATCH") == 0)
        write_param(w, STR("If-Match"), "header", STR("string"),
                    STR("Revision in quotes; 412 when it is not the stored one"));
    if (strcmp(op->row->method, "POST") == 0 && op->row->audit == AUDIT_CHANGE)
        write_param(w, STR("Idempotency-Key"), "header", STR("string"),
                    STR("The same key gets the first answer again for 24 h"));
    jw_end(w);
}

static bool creates(const struct op *op)
{
    return op->kind && strcmp(op->row->method, "POST") == 0 && strcmp(op->row->path, "/api/v1/{plural}") == 0;
}

static const char *status_of(const struct op *op)
{
    if (op->row->websocket) return "101";
    if (creates(op)) return "201";
    if (op->row->answer_schema || strcmp(op->row->method, "GET") == 0) return "200";
    return strcmp(op->row->method, "DELETE") == 0 ? "204" : "2XX";
}

static void write_answers(struct json_writer *w, const struct op *op)
{
    const char *status = status_of(op);
    jw_key(w, STR("responses"));
    jw_object(w);
    jw_key(w, str_of(status));
    jw_object(w);
    jw_kz(w, "description", op->row->websocket ? "switched to WebSocket" : "done");
    if (strcmp(status, "204") != 0 && strcmp(status, "101") != 0)
        write_content(w, op, op->row->answer_schema, op->answer);
    jw_end(w);
    jw_key(w, STR("default"));
    write_ref(w, "responses", "Problem", "");
    jw_end(w);
}

static void write_permission(struct json_writer *w, const struct op *op)
{
    char kind[PERM_KIND_MAX];
    str_to_cstr(op->kind ? op->kind->kind : str_of(op->row->kind), kind, sizeof(kind));
    enum api_action act = api_action_for(kind, op->row->action);
    jw_key(w, STR("x-permission"));
    jw_object(w);
    if (act != ACT_LOGIN && act != ACT_SELF) jw_kz(w, "kind", kind);
    jw_kz(w, "action", act == ACT_LOGIN ? "anyone" : act == ACT_SELF ? "signed-in" : perm_action_name(act));
    if (act < ACT_LOGIN && perm_platform(str_of(kind))) jw_kbool(w, "platform", true);
    jw_end(w);
    jw_kz(w, "x-audit", audit_class_name(op->row->audit));
    if (act == ACT_LOGIN) {
        jw_key(w, STR("security"));
        jw_raw(w, STR("[]"));
    }
}

static void write_operation_id(struct json_writer *w, const struct op *op)
{
    struct buf id;
    buf_init(&id, 256);
    buf_z(&id, method_lower[method_rank(op->row->method)]);
    const char *p = strncmp(op->path, "/api/v1", 7) == 0 ? op->path + 7 : op->path;
    for (bool gap = true; *p; p++) {
        bool word = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (word && gap) buf_u8(&id, '_');
        if (word) buf_u8(&id, (uint8_t)*p);
        gap = !word;
    }
    jw_kstr(w, "operationId", buf_view(&id));
    buf_fini(&id);
}

static void write_op(struct json_writer *w, const struct op *op)
{
    jw_key(w, str_of(method_lower[method_rank(op->row->method)]));
    jw_object(w);
    write_operation_id(w, op);
    jw_key(w, STR("tags"));
    jw_array(w);
    jw_str(w, op->kind ? op->kind->kind : str_of(op->row->kind));
    jw_end(w);
    jw_kz(w, "summary", op->row->summary_en);
    jw_kz(w, "x-summary-zh", op->row->summary_zh);
    write_permission(w, op);
    write_params(w, op);
    if (op->row->body_schema) {
        jw_key(w, STR("requestBody"));
        jw_object(w);
        jw_kbool(w, "required", true);
        write_content(w, op, op->row->body_schema, op->body);
        jw_end(w);
    }
    write_answers(w, op);
    jw_end(w);
}

static void write_paths(struct json_writer *w, const struct op *ops, size_t n)
{
    jw_key(w, STR("paths"));
    jw_object(w);
    for (size_t i = 0; i < n;) {
        const char *path = ops[i].path;
        jw_key(w, str_of(path));
        jw_object(w);
        for (const char *last = ""; i < n && strcmp(ops[i].path, path) == 0; i++) {
            if (strcmp(ops[i].row->method, last) != 0)
                write_op(w, &ops[i]); /* else: generic, replaced by the row before */
            last = ops[i].row->method;
        }
        jw_end(w);
    }
    jw_end(w);
}

/* --- components --- */

#define ENVELOPE_IN "code?:string;name?:string;org?:string;labels?:{*:string|null};"
#define ENVELOPE_OUT \
    "kind:string;id:string;num?:integer;code:string;name:string;org:string;labels:{*:string};" \
    "org_ref?:Link;refs?:{*:Link|Link[]};state:string;rev:integer;origin:string;created_by:string;" \
    "created_at:time;updated_by:string;updated_at:time;deleted?:boolean;"
#define LIST "{items:%s[];total:integer;page?:integer;size:integer;next:string|null}"

#define FIELD \
    "type:FieldType;title?:Text;help?:Text;required?:boolean;read_only?:boolean;unique?:boolean;index?:boolean;" \
    "default?:any;example?:any;min?:number|string;max?:number|string;pattern?:string;format?:string;unit?:string;" \
    "unit_field?:string;kind?:string;values?:{value:string;title?:Text}[];fields?:Field[];items?:FieldItem;" \
    "max_items?:integer;show_if?:{field:string;in:any[]};sensitive?:boolean;accept?:string;"

/* What many routes and the forms of the UI speak of. Resource: an envelope of any kind. */
static const struct {
    const char *name, *shape;
} shared[] = {
    {"Fault", "{where:string;detail:string}"},
    {"Problem", "{type:string;title:string;status:integer;code:string;detail:string;where?:string;errors?:Fault[]}"},
    {"Report", "{dry_run:boolean;applied:boolean;created:integer;updated:integer;unchanged:integer;deleted:integer;"
               "failed:integer;rows:ReportRow[]}"},
    {"ReportRow", "{line:integer;status:'created'|'updated'|'unchanged'|'deleted'|'failed';code:string;"
                  "errors?:Fault[]}"},
    {"Link", "{id:string;code:string;name:string}"},
    {"Text", "{en:string;zh:string}"},
    {"FieldType", "'string'|'integer'|'number'|'boolean'|'enum'|'ref'|'duration'|'time'|'secret'|'object'|'array'|"
                  "'json'|'point'|'file'"},
    {"Field", "{name:string;" FIELD "}"},
    {"FieldItem", "{" FIELD "}"}, /* what a list holds */
    {"KindDoc",
     "{kind:string;plural:string;module?:string;title:Text;titles?:Text;help?:Text;icon?:string;"
     "numbered?:boolean;code?:{required?:boolean;pattern?:string;lifelong?:boolean};fields:Field[];"
     "lists?:{columns?:string[];sort?:string};form?:{groups?:{title?:Text;fields:string[]}[]};"
     "share?:string;api?:boolean;user?:boolean;single?:boolean;org_from?:string;owner?:string;shared?:string;"
     "shared_with?:string;lifecycle?:Lifecycle}"},
    {"Lifecycle", "{initial?:string;states:LifecycleState[];transitions?:LifecycleTransition[]}"},
    {"LifecycleState", "{state:string;title?:Text;color?:string;edit?:boolean;delete?:boolean}"},
    {"LifecycleTransition", "{name:string;title?:Text;from:string[];to:string;action?:string;requires?:string[];"
                            "comment?:'none'|'optional'|'required';four_eyes?:boolean;notify?:boolean}"},
    {"Resource", "{" ENVELOPE_OUT "spec:object}"},
    {"ResourceInput", "{" ENVELOPE_IN "spec?:object}"},
};

static int write_component(struct json_writer *w, struct arena *a, const char *name, const char *suffix,
                           const char *shape)
{
    char key[PERM_KIND_MAX + 16];
    const char *fault;
    struct json *schema = shape ? api_shape(a, shape, &fault) : NULL;
    if (!schema) return ERR_NOMEM;
    snprintf(key, sizeof(key), "%s%s", name, suffix);
    jw_key(w, str_of(key));
    jw_json(w, schema);
    return 0;
}

static int write_kind(struct json_writer *w, struct arena *a, const struct kind *k)
{
    char name[PERM_KIND_MAX], key[PERM_KIND_MAX + 16];
    str_to_cstr(k->kind, name, sizeof(name));
    struct json *spec = kind_schema(k, a);
    if (!spec) return ERR_NOMEM;
    int rc = write_component(w, a, name, "", arena_printf(a, "{" ENVELOPE_OUT "spec:%s_spec}", name));
    if (!rc) rc = write_component(w, a, name, "_input", arena_printf(a, "{" ENVELOPE_IN "spec?:%s_spec}", name));
    if (!rc) rc = write_component(w, a, name, "_list", arena_printf(a, LIST, name));
    if (!rc) rc = write_component(w, a, name, "_patch", "{" ENVELOPE_IN "spec?:object}");
    snprintf(key, sizeof(key), "%s_spec", name);
    jw_key(w, str_of(key));
    jw_json(w, spec);
    return rc;
}

static int write_components(struct json_writer *w, struct api *api, struct arena *a)
{
    const struct kind *k;
    int rc = 0;
    jw_key(w, STR("components"));
    jw_object(w);
    jw_key(w, STR("schemas"));
    jw_object(w);
    for (size_t i = 0; !rc && i < sizeof(shared) / sizeof(shared[0]); i++)
        rc = write_component(w, a, shared[i].name, "", shared[i].shape);
    for (size_t i = 0; !rc && (k = kernel_kind_at(api->kernel, i)); i++)
        if (api_kind(k)) rc = write_kind(w, a, k);
    jw_end(w);
    jw_key(w, STR("responses"));
    jw_raw(w, STR("{\"Problem\":{\"description\":\"what went wrong, and what would be right\",\"content\":{"
                  "\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}}"));
    jw_key(w, STR("securitySchemes"));
    jw_raw(w, STR("{\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"bornite_session\"},"
                  "\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
    jw_end(w);
    return rc;
}

int openapi_write(struct api *api, struct arena *a, struct buf *out, struct error *e)
{
    struct op *ops = NULL;
    size_t n = 0;
    int rc = list_ops(api, a, &ops, &n);
    if (!rc) rc = read_shapes(a, ops, n, e);
    if (rc) return rc;
    struct json_writer w = json_writer(out);
    jw_object(&w);
    jw_kz(&w, "openapi", "3.1.0");
    jw_key(&w, STR("info"));
    jw_object(&w);
    jw_kz(&w, "title", "Bornite");
    jw_kz(&w, "version", api->cfg.version ? api->cfg.version : "dev");
    jw_end(&w);
    jw_key(&w, STR("security"));
    jw_raw(&w, STR("[{\"session\":[]},{\"token\":[]}]"));
    write_paths(&w, ops, n);
    rc = write_components(&w, api, a);
    jw_end(&w);
    return rc;
}
