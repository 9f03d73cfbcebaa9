/* job.c - what somebody asked for: writes, test reads, tests of the connection; browsing is browse.c. A job waits in
 * the list until the session stands, then it belongs to the request that is on its way. Each ends exactly once. */
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

struct oc_job *oc_job_new(struct oc_channel *ch, enum oc_job_kind kind, void *arg)
{
    struct oc_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    j->kind = (uint8_t)kind;
    j->arg = arg;
    j->began_ns = oc_now(ch);
    arena_init(&j->arena, 64u << 20);
    return j;
}

void oc_job_free(struct oc_job *j)
{
    if (j == NULL) return;
    arena_fini(&j->arena);
    mem_free(j);
}

uint32_t oc_ms_since(const struct oc_channel *ch, uint64_t from)
{
    return (uint32_t)((oc_now(ch) - from) / NS_MS);
}

void oc_job_push(struct oc_channel *ch, struct oc_job *j)
{
    struct oc_job **p = &ch->jobs;
    while (*p) p = &(*p)->next;
    *p = j;
    ch->njobs++;
    if (ch->conn != CONN_UP) ch->connect_now = true;
    oc_pump(ch);
}

/* It is over: the connection stays for a while. */
void oc_job_gone(struct oc_channel *ch, struct oc_job *j)
{
    oc_job_free(j);
    ch->njobs--;
    ch->linger_ns = oc_now(ch) + OC_LINGER_MS * NS_MS;
    ch->again = true;
}

/* Once more from the beginning when types are known that were not. */
bool oc_job_wait_types(struct oc_channel *ch, struct oc_job *j)
{
    if (j->typed || !oc_types_busy(ch)) return false;
    j->typed = true;
    j->at = 0;
    j->next = ch->typed;
    ch->typed = j;
    ch->again = true;
    return true;
}

/* ---- writes ---------------------------------------------------------------------------------------------------- */

void oc_write_end(struct oc_channel *ch, struct oc_job *j, enum driver_outcome outcome, const struct error *e,
                  const struct oc_value *back)
{
    struct driver_write_result r = {.outcome = outcome, .error = e, .ms = oc_ms_since(ch, j->began_ns)};
    if (outcome == DRIVER_DONE) ch->st.writes++;
    if (back && back->s.type != SAMPLE_BLOB) {
        r.has_readback = true;
        r.readback = back->s;
        r.text = back->text.p ? back->text.p : "", r.text_len = back->text.n;
    }
    j->done.write(j->arg, &r);
    oc_job_gone(ch, j);
}

static void on_readback(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    struct oc_job *j = arg;
    struct oc_value v;
    (void)e, (void)refused;
    bool any = r && r->results_n == 1;
    if (any) oc_value_of(ch, &j->point, &r->results[0], &j->arena, &v);
    oc_write_end(ch, j, DRIVER_DONE, NULL, any ? &v : NULL);
}

static void read_node(struct oc_channel *ch, struct oc_job *j, const struct ua_nodeid *id, bool type, oc_answer *done)
{
    struct ua_read_value_id nodes[2] = {
        {.node_id = *id, .attribute_id = UA_ATTR_VALUE, .index_range = j->point.node.range},
        {.node_id = *id, .attribute_id = UA_ATTR_DATA_TYPE},
    };
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_BOTH, .nodes_to_read = nodes, .nodes_to_read_n = type ? 2 : 1};
    oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, done, j);
}

static void on_written(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_write_response *r = value;
    struct oc_job *j = arg;
    struct ua_nodeid id;
    struct error why = {0};
    if (r == NULL) {
        oc_write_end(ch, j, refused ? DRIVER_REFUSED : DRIVER_UNKNOWN, e, NULL);
    } else if (r->results_n != 1 || ua_status_error(r->results[0], "the server", &why)) {
        if (why.code == 0)
            error_set(&why, ERR_PROTOCOL, "", "the server's answer has no result", "服务器的应答没有结果");
        oc_write_end(ch, j, DRIVER_REFUSED, &why, NULL);
    } else if (oc_node_id(ch, &j->point.node, &id, &why)) {
        oc_write_end(ch, j, DRIVER_DONE, NULL, NULL);
    } else {
        read_node(ch, j, &id, false, on_readback);
    }
}

/* A structure as JSON. ERR_AGAIN: its definition is asked for. */
static int structure_of(struct oc_channel *ch, struct oc_job *j, const struct ua_nodeid *data_type,
                        struct ua_variant *ret, struct error *e)
{
    struct json *json;
    unsigned known = ua_type_of_data_type(data_type);
    const struct ua_structure_definition *def = known ? NULL : oc_types_of(ch, data_type);
    struct ua_extension *x = arena_calloc(&j->arena, 1, sizeof *x);
    if (j->value.type != SAMPLE_STRING || json_parse(&j->arena, j->text, &json, NULL))
        return error_set(e, ERR_INVALID, "", "the node is a structure: write it as JSON, {\"member\": value}",
                         "该节点是结构体：请以 JSON 写入，例如 {\"成员\": 值}");
    if (oc_types_busy(ch) && !j->typed) return ERR_AGAIN;
    if (known) return ua_json_variant(&j->arena, json, known, ret, e);
    if (!def || !x)
        return error_set(e, ERR_UNSUPPORTED, "", "the server does not tell how the structure is made up",
                         "服务器未给出该结构体的定义");
    int rc = ua_json_structure(&j->arena, json, def, oc_types(ch, NULL), x, e);
    if (rc == 0) *ret = ua_variant_scalar(UA_EXTENSION, x);
    return rc;
}

static int variant_of(struct oc_channel *ch, struct oc_job *j, const struct ua_nodeid *data_type, unsigned type,
                      bool array, struct ua_variant *ret, struct error *e)
{
    if (j->point.path)
        return error_set(e, ERR_UNSUPPORTED, "", "a member of a structure cannot be written alone: write the structure",
                         "结构体的成员不能单独写入：请写入整个结构体");
    if (type == UA_EXTENSION && !array && data_type) return structure_of(ch, j, data_type, ret, e);
    return oc_variant_of(&j->point, &j->value, j->text, type, array, &j->arena, ret, e);
}

static void write_as(struct oc_channel *ch, struct oc_job *j, const struct ua_nodeid *id,
                     const struct ua_nodeid *data_type, unsigned type, bool array)
{
    struct error e = {0};
    struct ua_variant v;
    if (j->deadline_ns && oc_now(ch) >= j->deadline_ns) {
        error_set(&e, ERR_TIMEOUT, "", "the deadline passed before the value was sent", "发送前已超过期限");
        oc_write_end(ch, j, DRIVER_EXPIRED, &e, NULL);
        return;
    }
    int rc = variant_of(ch, j, data_type, type, array, &v, &e);
    if (rc == ERR_AGAIN && oc_job_wait_types(ch, j)) return;
    if (rc) {
        oc_write_end(ch, j, DRIVER_REFUSED, &e, NULL);
        return;
    }
    struct ua_write_value w = {
        .node_id = *id,
        .attribute_id = UA_ATTR_VALUE,
        .index_range = j->point.node.range,
        .value = {.has = UA_HAS_VALUE, .value = v, .source_us = UA_TIME_NONE, .server_us = UA_TIME_NONE}};
    struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
    oc_call(ch, UA_T_write_request, &q, ch->cfg.answer_ms, on_written, j);
}

static void on_type(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    struct oc_job *j = arg;
    struct ua_nodeid id;
    struct error why = {0};
    if (r == NULL || r->results_n != 2) {
        error_set(&why, ERR_PROTOCOL, "", "the server's answer lacks results", "服务器的应答缺少结果");
        oc_write_end(ch, j, r || refused ? DRIVER_REFUSED : DRIVER_FAILED, r ? &why : e, NULL);
        return;
    }
    const struct ua_variant *v = &r->results[0].value;
    const struct ua_nodeid *t = r->results[1].value.type == UA_NODEID ? ua_variant_item(&r->results[1].value, 0) : NULL;
    unsigned type = v->type;
    if (type == UA_NULL && t && t->ns == 0 && t->kind == UA_ID_NUMBER && t->i < UA_EXTENSION) type = t->i;
    if (type == UA_NULL && t && t->ns != 0 && oc_types_of(ch, t)) type = UA_EXTENSION;
    if (type == UA_NULL && ua_status_error(r->results[0].status, "the server", &why))
        oc_write_end(ch, j, DRIVER_REFUSED, &why, NULL);
    else if (oc_node_id(ch, &j->point.node, &id, &why))
        oc_write_end(ch, j, DRIVER_REFUSED, &why, NULL);
    else
        write_as(ch, j, &id, t, type, v->array);
}

static void go_write(struct oc_channel *ch, struct oc_job *j)
{
    struct ua_nodeid id;
    struct error e = {0};
    if (j->point.event)
        oc_event_write(ch, j);
    else if (j->point.method)
        oc_method_go(ch, j);
    else if (oc_node_id(ch, &j->point.node, &id, &e))
        oc_write_end(ch, j, DRIVER_REFUSED, &e, NULL);
    else if (j->point.ua_type && j->point.ua_type != UA_EXTENSION)
        write_as(ch, j, &id, NULL, j->point.ua_type, j->point.ua_array);
    else
        read_node(ch, j, &id, true, on_type);
}

/* The job has a copy of its own: the set may change while it waits. */
static int prepare(struct oc_channel *ch, struct oc_job *j, const struct driver_write *w, struct error *e)
{
    const struct oc_point *p = oc_point_find(ch, w->point);
    if (p == NULL || p->config_error)
        return error_set(e, ERR_NOT_FOUND, "", "point %u is not served by this channel", "测点 %u 不属于此通道",
                         w->point);
    j->point = *p;
    j->value = w->value;
    j->text = arena_str(&j->arena, str_make(w->text, w->text_len));
    struct driver_point again = {.num = p->num, .address = arena_strdup(&j->arena, p->address)};
    struct oc_point nodes;
    if (p->node.range.p) j->point.node.range = arena_str(&j->arena, p->node.range);
    struct str range = j->point.node.range;
    int rc = oc_point_resolve(&again, &j->arena, &nodes, NULL, e);
    if (rc) return rc;
    j->point.address = nodes.address;
    j->point.node = nodes.node, j->point.call = nodes.call;
    j->point.event = nodes.event;
    j->point.comment = arena_str(&j->arena, p->comment);
    j->point.node.range = range;
    return 0;
}

static void no_memory(struct error *e)
{
    error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

void oc_write(struct driver_channel *base, const struct driver_write *w)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    struct error e = {0};
    struct oc_job *j = oc_job_new(ch, JOB_WRITE, w->arg);
    if (j == NULL) {
        no_memory(&e);
        w->done(w->arg, &(struct driver_write_result){.outcome = DRIVER_FAILED, .error = &e});
        return;
    }
    j->done.write = w->done;
    j->deadline_ns = w->deadline_ns;
    if (prepare(ch, j, w, &e)) {
        w->done(w->arg, &(struct driver_write_result){.outcome = DRIVER_REFUSED, .error = &e});
        oc_job_free(j);
        return;
    }
    oc_job_push(ch, j);
}

/* ---- test reads ------------------------------------------------------------------------------------------------ */

void oc_read_bad(struct oc_channel *ch, struct oc_job *j, size_t i, const struct error *e, enum quality_reason why)
{
    struct driver_reading *r = &j->readings[i];
    if (r->error) return;
    j->errors[i] = *e;
    r->error = &j->errors[i];
    r->ms = oc_ms_since(ch, j->began_ns);
    if (r->sample.time_us == 0) r->sample.time_us = oc_utc(ch);
    r->sample.quality = QUALITY_BAD;
    r->sample.flags = (uint16_t)why;
}

static void end_read(struct oc_channel *ch, struct oc_job *j, const struct error *e)
{
    for (size_t i = j->at; e && i < j->npoints; i++) oc_read_bad(ch, j, i, e, REASON_COMM_FAILURE);
    j->done.read(j->arg, j->readings, j->npoints);
    oc_job_gone(ch, j);
}

static void take_reading(struct oc_channel *ch, struct oc_job *j, size_t i, const struct ua_datavalue *v)
{
    struct driver_reading *r = &j->readings[i];
    struct oc_value value;
    struct error e = {0};
    if (r->error) return;
    oc_value_of(ch, &j->points[i], v, &j->arena, &value);
    r->sample = value.s;
    r->ms = oc_ms_since(ch, j->began_ns);
    struct str text = arena_str(&j->arena, value.text), blob = arena_str(&j->arena, value.blob);
    r->text = text.p, r->text_len = text.n;
    r->raw = (const uint8_t *)blob.p, r->raw_len = blob.n;
    if (ua_status_error(v->status, "the server", &e)) oc_read_bad(ch, j, i, &e, value.s.flags & SAMPLE_REASON_MASK);
}

static void on_read(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    struct oc_job *j = arg;
    (void)refused;
    if (r == NULL || r->results_n != j->asked) {
        struct error none;
        error_set(&none, ERR_PROTOCOL, "", "the server's answer lacks results", "服务器的应答缺少结果");
        end_read(ch, j, r ? &none : e);
        return;
    }
    for (size_t i = 0; i < j->asked; i++) take_reading(ch, j, j->at + i, &r->results[i]);
    j->at += j->asked;
    oc_read_go(ch, j);
}

void oc_read_go(struct oc_channel *ch, struct oc_job *j)
{
    size_t n = j->npoints - j->at < ch->max_read ? j->npoints - j->at : ch->max_read;
    struct ua_read_value_id *nodes = n ? arena_calloc(&j->arena, n, sizeof *nodes) : NULL;
    struct error e = {0};
    if (oc_event_resolve(ch, j)) return;
    if (n == 0 && oc_job_wait_types(ch, j)) return;
    if (nodes == NULL) {
        no_memory(&e);
        end_read(ch, j, n ? &e : NULL);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct oc_point *p = &j->points[j->at + i];
        nodes[i].attribute_id = UA_ATTR_VALUE;
        nodes[i].index_range = p->node.range;
        if (p->method) {
            error_set(&e, ERR_UNSUPPORTED, "address", "a method is called by writing; it has no value to read",
                      "方法通过写入调用，没有可读的值");
            oc_read_bad(ch, j, j->at + i, &e, REASON_NO_DATA);
        } else if (oc_node_id(ch, &p->node, &nodes[i].node_id, &e)) {
            oc_read_bad(ch, j, j->at + i, &e, REASON_CONFIG_ERROR);
        }
    }
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_BOTH, .nodes_to_read = nodes, .nodes_to_read_n = (uint32_t)n};
    j->asked = n;
    oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_read, j);
}

static bool read_memory(struct oc_job *j, size_t n)
{
    j->npoints = n;
    j->points = arena_calloc(&j->arena, n + 1, sizeof *j->points);
    j->errors = arena_calloc(&j->arena, n + 1, sizeof *j->errors);
    j->readings = arena_calloc(&j->arena, n + 1, sizeof *j->readings);
    return j->points && j->errors && j->readings;
}

void oc_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    struct oc_job *j = n <= 1000 ? oc_job_new(ch, JOB_READ, arg) : NULL;
    (void)device;
    if (j == NULL || !read_memory(j, n)) {
        oc_job_free(j);
        done(arg, NULL, 0);
        return;
    }
    j->done.read = done;
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        j->readings[i].sample = (struct sample){.point = points[i].num};
        if (oc_point_resolve(&points[i], &j->arena, &j->points[i], NULL, &e))
            oc_read_bad(ch, j, i, &e, REASON_CONFIG_ERROR);
    }
    oc_job_push(ch, j);
}

/* ---- test ------------------------------------------------------------------------------------------------------ */

static void end_test(struct oc_channel *ch, struct oc_job *j, const struct error *e, const char *en, const char *zh)
{
    j->done.test(j->arg, e, oc_ms_since(ch, j->began_ns), en, zh);
    oc_job_gone(ch, j);
}

static const char *const server_states[][2] = {
    {"running", "运行"},           {"failed", "故障"}, {"not configured", "未配置"},        {"suspended", "挂起"},
    {"shutting down", "正在关闭"}, {"test", "测试"},   {"communication fault", "通信故障"}, {"unknown", "未知"},
};

static void on_status(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    char en[600], zh[600], product[160] = "";
    (void)refused;
    if (r == NULL) {
        end_test(ch, arg, e, "", "");
        return;
    }
    const struct ua_variant *v = r->results_n ? &r->results[0].value : NULL;
    const struct ua_extension *x = v && v->type == UA_EXTENSION && !v->array ? ua_variant_item(v, 0) : NULL;
    const struct ua_server_status_data_type *s = x ? ua_extension_as(x, UA_T_server_status_data_type) : NULL;
    unsigned state = s && s->state >= 0 && s->state < 8 ? (unsigned)s->state : 7;
    if (s)
        snprintf(product, sizeof product, "%.*s %.*s, ", STR_ARG(str_sub(s->build_info.product_name, 0, 80)),
                 STR_ARG(str_sub(s->build_info.software_version, 0, 40)));
    snprintf(en, sizeof en, "%s:%u: %s%s; security %s %s; offered: %.*s", ch->cfg.at.host, ch->cfg.at.port, product,
             server_states[state][0], ch->policy->name, ua_mode_name(ch->mode), STR_ARG(ch->offers));
    snprintf(zh, sizeof zh, "%s:%u：%s%s；安全策略 %s %s；服务器支持：%.*s", ch->cfg.at.host, ch->cfg.at.port, product,
             server_states[state][1], ch->policy->name, ua_mode_name(ch->mode), STR_ARG(ch->offers));
    end_test(ch, arg, NULL, en, zh);
}

static void go_test(struct oc_channel *ch, struct oc_job *j)
{
    struct ua_read_value_id node = {.node_id = ua_id(0, UA_NODE_SERVER_SERVER_STATUS), .attribute_id = UA_ATTR_VALUE};
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = &node, .nodes_to_read_n = 1};
    oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_status, j);
}

void oc_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    struct oc_job *j = oc_job_new(ch, JOB_TEST, arg);
    struct error e;
    if (j == NULL) {
        no_memory(&e);
        done(arg, &e, 0, "", "");
        return;
    }
    j->done.test = done;
    oc_job_push(ch, j);
}

/* ---- the list -------------------------------------------------------------------------------------------------- */

void oc_job_fail(struct oc_channel *ch, struct oc_job *j, enum driver_outcome outcome, const struct error *e)
{
    switch (j->kind) {
    case JOB_WRITE: oc_write_end(ch, j, outcome, e, NULL); break;
    case JOB_READ: end_read(ch, j, e); break;
    case JOB_TEST: end_test(ch, j, e, "", ""); break;
    case JOB_PAST: oc_past_end(ch, j, e, NULL); break;
    case JOB_DISCOVER: oc_discover_end(ch, j, e); break;
    default:
        j->done.browse(j->arg, e, NULL, 0, NULL);
        oc_job_gone(ch, j);
        break;
    }
}

void oc_job_fail_all(struct oc_channel *ch, const struct error *e)
{
    struct oc_job *j;
    oc_job_typed(ch);
    struct oc_job *list = TAKE(ch->jobs);
    struct error why = *e;
    while ((j = list) != NULL) {
        list = j->next;
        oc_job_fail(ch, j, DRIVER_FAILED, &why);
    }
}

static void expire(struct oc_channel *ch, uint64_t now)
{
    struct error e;
    for (struct oc_job **p = &ch->jobs; *p;) {
        struct oc_job *j = *p;
        if (j->kind != JOB_WRITE || !j->deadline_ns || j->deadline_ns > now) {
            p = &j->next;
            continue;
        }
        *p = j->next;
        error_set(&e, ERR_TIMEOUT, "", "the deadline passed before the value was sent", "发送前已超过期限");
        oc_write_end(ch, j, DRIVER_EXPIRED, &e, NULL);
        p = &ch->jobs; /* the callback may have changed the list */
    }
}

void oc_job_typed(struct oc_channel *ch)
{
    struct oc_job *j;
    while ((j = ch->typed) != NULL) {
        ch->typed = j->next;
        j->next = ch->jobs;
        ch->jobs = j;
    }
}

void oc_job_pump(struct oc_channel *ch, uint64_t now)
{
    static void (*const go[])(struct oc_channel *, struct oc_job *) = {go_write,     oc_read_go, go_test,
                                                                       oc_browse_go, oc_past_go, oc_discover_go};
    expire(ch, now);
    while (ch->jobs && ch->conn == CONN_UP) {
        struct oc_job *j = ch->jobs;
        ch->jobs = j->next;
        go[j->kind](ch, j);
    }
}

uint64_t oc_job_deadline(const struct oc_channel *ch)
{
    uint64_t first = UINT64_MAX;
    for (const struct oc_job *j = ch->jobs; j; j = j->next)
        if (j->kind == JOB_WRITE && j->deadline_ns && j->deadline_ns < first) first = j->deadline_ns;
    return first;
}
