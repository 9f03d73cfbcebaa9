/* openapi.c - OpenAPI 3.1 from the route tables and the kinds, in a stable order.
 *
 * Generic routes ("/api/v1/{plural}…") are written once per kind, so that generated types are those of
 * the kind; a module's own row for the same path and method takes their place. Schema words in the rows:
 * "kind:point", "list:point", "input:point" (also with "*": the kind in the path), "report", "csv",
 * "text", "sse"; anything else is JSON Schema. `x-permission` and `x-audit` tell what the router checks. */
#include "core/api_int.h"
#include "base/mem.h"

struct op {
    const struct api_route *row;
    const struct kind *kind; /* of a generic row */
    const char *path;
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

static int list_ops(struct api *api, struct arena *a, struct op **ret, size_t *ret_n)
{
    size_t n = 0;
    struct op *ops = arena_calloc(a, count_ops(api) + 1, sizeof(*ops));
    if (!ops) return ERR_NOMEM;
    for (size_t i = 0; i < router_count(api->router); i++) {
        const struct api_route *row = router_at(api->router, i)->row;
        const struct kind *k;
        if (strcmp(row->kind, "*") != 0) {
            ops[n++] = (struct op){row, NULL, row->path};
            continue;
        }
        for (size_t j = 0; (k = kernel_kind_at(api->kernel, j)); j++) {
            if (!api_kind(k)) continue;
            ops[n] = (struct op){row, k, path_of_kind(a, row->path, k)};
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

static void write_schema(struct json_writer *w, const struct op *op, const char *word)
{
    char name[PERM_KIND_MAX];
    if (!word)
        jw_raw(w, STR("{}"));
    else if (word[0] == '{')
        jw_raw(w, str_of(word));
    else if (strcmp(word, "report") == 0)
        write_ref(w, "schemas", "Report", "");
    else if (!strchr(word, ':'))
        jw_raw(w, STR("{\"type\":\"string\"}"));
    else {
        kind_name(op, word, name);
        bool patch = strcmp(op->row->method, "PATCH") == 0;
        if (strncmp(word, "kind:", 5) == 0)
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
    } table[] = {{"csv", "text/csv"}, {"text", "text/plain"}, {"sse", "text/event-stream"}};
    for (size_t i = 0; word && i < 3; i++)
        if (strcmp(word, table[i].word) == 0) return table[i].media;
    return "application/json";
}

static void write_content(struct json_writer *w, const struct op *op, const char *word)
{
    jw_key(w, STR("content"));
    jw_object(w);
    jw_key(w, str_of(media_of(word)));
    jw_object(w);
    jw_key(w, STR("schema"));
    write_schema(w, op, word);
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
    if (strcmp(status, "204") != 0 && strcmp(status, "101") != 0) write_content(w, op, op->row->answer_schema);
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
        write_content(w, op, op->row->body_schema);
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

#define ENVELOPE_IN \
    "\"code\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},\"org\":{\"type\":\"string\"}," \
    "\"labels\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"
#define ENVELOPE_OUT \
    "\"kind\":{\"type\":\"string\"},\"id\":{\"type\":\"string\"},\"num\":{\"type\":[\"integer\",\"null\"]}," \
    "\"state\":{\"type\":\"string\"},\"rev\":{\"type\":\"integer\"},\"origin\":{\"type\":\"string\"}," \
    "\"created_by\":{\"type\":\"string\"},\"created_at\":{\"type\":\"string\",\"format\":\"date-time\"}," \
    "\"updated_by\":{\"type\":\"string\"},\"updated_at\":{\"type\":\"string\",\"format\":\"date-time\"}"
#define PROBLEM \
    "{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"code\",\"detail\"],\"properties\":{" \
    "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"}," \
    "\"code\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"},\"where\":{\"type\":\"string\"}," \
    "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"where\":{\"type\":\"string\"}," \
    "\"detail\":{\"type\":\"string\"}}}}}}"
#define REPORT \
    "{\"type\":\"object\",\"properties\":{\"dry_run\":{\"type\":\"boolean\"},\"applied\":{\"type\":\"boolean\"}," \
    "\"created\":{\"type\":\"integer\"},\"updated\":{\"type\":\"integer\"},\"unchanged\":{\"type\":\"integer\"}," \
    "\"deleted\":{\"type\":\"integer\"},\"failed\":{\"type\":\"integer\"},\"rows\":{\"type\":\"array\",\"items\":{" \
    "\"type\":\"object\",\"properties\":{\"line\":{\"type\":\"integer\"},\"status\":{\"type\":\"string\"}," \
    "\"code\":{\"type\":\"string\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{" \
    "\"where\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}}}}}}}}}"
static void write_component(struct json_writer *w, const char *name, const char *suffix, struct str schema)
{
    char key[PERM_KIND_MAX + 16];
    snprintf(key, sizeof(key), "%s%s", name, suffix);
    jw_key(w, str_of(key));
    jw_raw(w, schema);
}

static int write_kind(struct json_writer *w, struct arena *a, const struct kind *k)
{
    char name[PERM_KIND_MAX];
    str_to_cstr(k->kind, name, sizeof(name));
    struct str spec = json_text(a, kind_schema(k, a));
    if (!spec.p) return ERR_NOMEM;
    char *out = arena_printf(
        a,
        "{\"type\":\"object\",\"required\":[\"kind\",\"id\",\"code\",\"name\",\"org\",\"labels\",\"spec\",\"state\","
        "\"rev\","
        "\"origin\",\"created_by\",\"created_at\",\"updated_by\",\"updated_at\"],\"properties\":{" ENVELOPE_OUT
        "," ENVELOPE_IN ",\"spec\":%.*s}}",
        STR_ARG(spec));
    char *in = arena_printf(a, "{\"type\":\"object\",\"properties\":{" ENVELOPE_IN ",\"spec\":%.*s}}", STR_ARG(spec));
    char *list = arena_printf(
        a,
        "{\"type\":\"object\",\"required\":[\"items\",\"total\",\"size\",\"next\"],\"properties\":{\"items\":{\"type\":"
        "\"array\","
        "\"items\":{\"$ref\":\"#/components/schemas/%s\"}},\"total\":{\"type\":\"integer\"},\"page\":{\"type\":"
        "\"integer\"},\"size\":{\"type\":\"integer\"},\"next\":{\"type\":[\"string\",\"null\"]}}}",
        name);
    if (!out || !in || !list) return ERR_NOMEM;
    write_component(w, name, "", str_of(out));
    write_component(w, name, "_input", str_of(in));
    write_component(w, name, "_list", str_of(list));
    write_component(w, name, "_patch",
                    STR("{\"type\":\"object\",\"properties\":{" ENVELOPE_IN ",\"spec\":{\"type\":\"object\"}}}"));
    return 0;
}

static int write_components(struct json_writer *w, struct api *api, struct arena *a)
{
    const struct kind *k;
    int rc = 0;
    jw_key(w, STR("components"));
    jw_object(w);
    jw_key(w, STR("schemas"));
    jw_object(w);
    write_component(w, "Problem", "", STR(PROBLEM));
    write_component(w, "Report", "", STR(REPORT));
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
