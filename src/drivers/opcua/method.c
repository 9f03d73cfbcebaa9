/* method.c - a method of the server, called by a write to its point ("method <object> <method>").
 *
 *   TranslateBrowsePaths (InputArguments) -> Read it -> Call -> outcome by the status; the first output argument, or
 * else what was written, becomes the value of the point.
 *
 * No argument: whatever is written calls it. One: the value. Several: a text, a JSON array in their order or an object
 * by their names. Numbers, texts, enumerations, arrays of those and structures (as JSON) are converted by the
 * argument's type. Like a write it is sent once: lost after sending is unknown. */
#include "drivers/opcua/opcua_int.h"

static void refuse(struct oc_channel *ch, struct oc_job *j, const struct error *e)
{
    oc_write_end(ch, j, DRIVER_REFUSED, e, NULL);
}

/* ---- the outcome ---- */

static const char *argument_name(const struct oc_job *j, uint32_t i)
{
    return i < j->narguments && j->arguments[i].name.n ? arena_strdup((struct arena *)&j->arena, j->arguments[i].name)
                                                       : "";
}

static int result_error(const struct oc_job *j, const struct ua_call_method_result *r, struct error *e)
{
    for (uint32_t i = 0; i < r->input_argument_results_n; i++) {
        struct error why = {0};
        if (ua_status_error(r->input_argument_results[i], "the server", &why) == 0) continue;
        const char *name = argument_name(j, i);
        return error_set(e, ERR_DEVICE, "", "argument %u (%s): %s%.0s", "参数 %u（%s）：%.0s%s", i + 1, name, why.text,
                         why.text_zh);
    }
    return ua_status_error(r->status_code, "the server", e);
}

static void done(struct oc_channel *ch, struct oc_job *j, const struct ua_call_method_result *r)
{
    struct ua_datavalue dv = {.source_us = UA_TIME_NONE, .server_us = UA_TIME_NONE};
    struct oc_point *p = oc_point_find(ch, j->point.num);
    struct oc_value back;
    if (r->output_arguments_n)
        dv.value = r->output_arguments[0];
    else if (j->ninputs)
        dv.value = j->inputs[0];
    else
        dv.value = (struct ua_variant){.type = UA_BOOLEAN, .n = 1, .u.b = true};
    oc_value_of(ch, &j->point, &dv, &j->arena, &back);
    if (p && p->method) oc_take(ch, p, &dv, VALUE_READ);
    oc_flush(ch);
    oc_write_end(ch, j, DRIVER_DONE, NULL, &back);
}

static void on_called(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_call_response *r = value;
    struct oc_job *j = arg;
    struct error why = {0};
    if (r == NULL) {
        oc_write_end(ch, j, refused ? DRIVER_REFUSED : DRIVER_UNKNOWN, e, NULL);
    } else if (r->results_n != 1) {
        error_set(&why, ERR_PROTOCOL, "", "the server's answer has no result", "服务器的应答没有结果");
        oc_write_end(ch, j, DRIVER_UNKNOWN, &why, NULL);
    } else if (result_error(j, &r->results[0], &why)) {
        refuse(ch, j, &why);
    } else {
        done(ch, j, &r->results[0]);
    }
}

/* ---- arguments ---- */

/* The built-in type of an argument; a structure: UA_EXTENSION and *ret_def. ERR_AGAIN: its type is asked for. */
static int type_of(struct oc_channel *ch, struct oc_job *j, const struct ua_argument *a, unsigned *ret,
                   const struct ua_structure_definition **ret_def)
{
    bool missed = false;
    const struct ua_catalogue *c = oc_types(ch, &missed);
    *ret_def = NULL;
    *ret = ua_type_of_data_type(&a->data_type);
    if (*ret == 0 && c) *ret_def = oc_types_of(ch, &a->data_type);
    c = oc_types(ch, &missed);
    if (*ret == 0 && c && !*ret_def) *ret = c->builtin(c->ctx, &a->data_type);
    if (*ret_def) *ret = UA_EXTENSION;
    oc_types(ch, NULL);
    return oc_types_busy(ch) && !j->typed ? ERR_AGAIN : 0;
}

static int convert(struct oc_channel *ch, struct oc_job *j, const struct ua_argument *a, const struct json *v,
                   struct ua_variant *ret, struct error *e)
{
    unsigned type = 0;
    const struct ua_structure_definition *def = NULL;
    int rc = type_of(ch, j, a, &type, &def);
    struct ua_extension *x = def && !rc ? arena_calloc(&j->arena, 1, sizeof *x) : NULL;
    if (rc) return rc;
    if (x) {
        rc = ua_json_structure(&j->arena, v, def, oc_types(ch, NULL), x, e);
        if (rc == 0) *ret = ua_variant_scalar(UA_EXTENSION, x);
        return rc;
    }
    if (type == 0 || type == UA_VARIANT)
        return error_set(e, ERR_UNSUPPORTED, "", "its type is not one that can be written", "参数类型不支持写入");
    return ua_json_variant(&j->arena, v, type, ret, e);
}

static struct json *value_json(struct oc_job *j)
{
    struct json *v = NULL;
    switch (j->value.type) {
    case SAMPLE_STRING: return json_parse(&j->arena, j->text, &v, NULL) == 0 ? v : json_new_str(&j->arena, j->text);
    case SAMPLE_BOOL: return json_new_bool(&j->arena, j->value.v.i != 0);
    case SAMPLE_INT: return json_new_i64(&j->arena, j->value.v.i);
    default:
        return j->value.v.d == floor(j->value.v.d) && fabs(j->value.v.d) < 9e15
                   ? json_new_i64(&j->arena, (int64_t)j->value.v.d)
                   : json_new_double(&j->arena, j->value.v.d);
    }
}

/* What is written to argument i of n. */
static const struct json *part(const struct oc_job *j, const struct json *all, uint32_t i)
{
    if (j->narguments == 1 && !(all->type == JSON_OBJECT && json_get_str(all, j->arguments[0].name))) return all;
    return all->type == JSON_OBJECT ? json_get_str(all, j->arguments[i].name) : json_at(all, i);
}

static int check_shape(const struct oc_job *j, const struct json *all, struct error *e)
{
    uint32_t n = j->narguments;
    if (n < 2 || all->type == JSON_OBJECT || (all->type == JSON_ARRAY && json_count(all) == n)) return 0;
    return error_set(e, ERR_INVALID, "", "the method has %u arguments: write them as a JSON array, [1, \"a\"]",
                     "该方法有 %u 个参数：请以 JSON 数组写入，例如 [1, \"a\"]", n);
}

static int convert_all(struct oc_channel *ch, struct oc_job *j, struct error *e)
{
    struct json *all = value_json(j);
    j->inputs = arena_calloc(&j->arena, j->narguments + 1, sizeof *j->inputs);
    if (!all || !j->inputs) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = check_shape(j, all, e);
    for (uint32_t i = 0; i < j->narguments && rc == 0; i++) {
        const struct json *v = part(j, all, i);
        struct json text = {.type = JSON_STRING, .s = j->text};
        const struct ua_argument *a = &j->arguments[i];
        bool plain =
            j->narguments == 1 && j->value.type == SAMPLE_STRING && ua_type_of_data_type(&a->data_type) == UA_STRING;
        if (plain) v = &text;
        rc = v ? convert(ch, j, a, v, &j->inputs[i], e) : error_set(e, ERR_INVALID, "", "it is missing", "缺少该参数");
        if (rc && rc != ERR_AGAIN) {
            struct error why = e ? *e : (struct error){0};
            error_set(e, rc, "", "argument %u (%s): %s%.0s", "参数 %u（%s）：%.0s%s", i + 1, argument_name(j, i),
                      why.text, why.text_zh);
        }
    }
    j->ninputs = j->narguments;
    return rc;
}

/* ---- the call ---- */

static void call(struct oc_channel *ch, struct oc_job *j)
{
    struct error e = {0};
    struct ua_call_method_request m = {0};
    int rc = convert_all(ch, j, &e);
    if (rc == ERR_AGAIN && oc_job_wait_types(ch, j)) return;
    if (rc == 0) rc = oc_node_id(ch, &j->point.node, &m.object_id, &e);
    if (rc == 0) rc = oc_node_id(ch, &j->point.call, &m.method_id, &e);
    if (rc) {
        refuse(ch, j, &e);
        return;
    }
    if (j->deadline_ns && oc_now(ch) >= j->deadline_ns) {
        error_set(&e, ERR_TIMEOUT, "", "the deadline passed before the method was called", "调用前已超过期限");
        oc_write_end(ch, j, DRIVER_EXPIRED, &e, NULL);
        return;
    }
    m.input_arguments = j->inputs, m.input_arguments_n = j->ninputs;
    struct ua_call_request q = {.methods_to_call = &m, .methods_to_call_n = 1};
    oc_call(ch, UA_T_call_request, &q, ch->cfg.answer_ms, on_called, j);
}

static void on_arguments(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    struct oc_job *j = arg;
    const struct ua_variant *v = r && r->results_n == 1 ? &r->results[0].value : NULL;
    if (r == NULL) {
        oc_write_end(ch, j, refused ? DRIVER_REFUSED : DRIVER_FAILED, e, NULL);
        return;
    }
    uint32_t n = v && v->type == UA_EXTENSION && v->array ? v->n : 0;
    j->arguments = arena_calloc(&j->arena, n + 1, sizeof *j->arguments);
    for (uint32_t i = 0; i < n && j->arguments; i++) {
        const struct ua_argument *a = ua_extension_as(ua_variant_item(v, i), UA_T_argument);
        if (a == NULL || ua_copy(&j->arena, UA_T_argument, a, &j->arguments[i])) break;
        j->narguments = i + 1;
    }
    if (j->arguments && j->narguments == n) {
        call(ch, j);
        return;
    }
    struct error why;
    error_set(&why, ERR_PROTOCOL, "", "the server does not tell the arguments of the method", "服务器未给出方法的参数");
    refuse(ch, j, &why);
}

static void on_path(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_translate_browse_paths_to_node_ids_response *r = value;
    struct oc_job *j = arg;
    if (r == NULL) {
        oc_write_end(ch, j, refused ? DRIVER_REFUSED : DRIVER_FAILED, e, NULL);
        return;
    }
    const struct ua_browse_path_result *p = r->results_n == 1 ? &r->results[0] : NULL;
    struct error why = {0};
    if (p && p->status_code != UA_BAD_NO_MATCH && ua_status_error(p->status_code, "the server", &why)) {
        refuse(ch, j, &why);
    } else if (!p || ua_bad(p->status_code) || p->targets_n == 0) { /* it takes none */
        call(ch, j);
    } else {
        struct ua_read_value_id node = {.node_id = p->targets[0].target_id.id, .attribute_id = UA_ATTR_VALUE};
        struct ua_read_request q = {
            .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = &node, .nodes_to_read_n = 1};
        oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_arguments, j);
    }
}

void oc_method_go(struct oc_channel *ch, struct oc_job *j)
{
    struct ua_relative_path_element name = {.reference_type_id = ua_id(0, UA_NODE_HAS_PROPERTY),
                                            .include_subtypes = true,
                                            .target_name = {.name = STR("InputArguments")}};
    struct ua_browse_path path = {.relative_path = {.elements = &name, .elements_n = 1}};
    struct error e = {0};
    j->narguments = j->ninputs = 0;
    if (oc_node_id(ch, &j->point.call, &path.starting_node, &e)) {
        refuse(ch, j, &e);
        return;
    }
    struct ua_translate_browse_paths_to_node_ids_request q = {.browse_paths = &path, .browse_paths_n = 1};
    oc_call(ch, UA_T_translate_browse_paths_to_node_ids_request, &q, ch->cfg.answer_ms, on_path, j);
}
