/* The address space: browsing, attributes, paths; reading and writing. */
#include "outlets/opcua/testbed.h"

static struct obed *plant(const char *more)
{
    struct obed *b = server(more);
    uint32_t t = obed_point(b, "T1", "", VALUE_DOUBLE);
    obed_point(b, "RUN", "", VALUE_BOOL);
    uint32_t text = obed_point(b, "TXT", "", VALUE_STRING), any = obed_point(b, "ANY", "ns=2;i=77", VALUE_AUTO);
    uint32_t set = obed_point(b, "SET", "", VALUE_INT16);
    for (uint32_t k = t; k <= text; k++) b->points[k].area = "Plant/Smelter";
    b->points[t].device = "PLC1";
    b->points[t].name = "炉温";
    b->points[t].unit = "Cel";
    b->points[t].lo = 0;
    b->points[t].hi = 1500;
    b->points[any].area = "Plant";
    b->points[any].unit = "kPa";
    b->points[set].writable = b->points[text].writable = true;
    obed_set(b);
    return b;
}
static struct ua_browse_result browse(struct client *c, struct ua_nodeid id, uint32_t ref, uint32_t max)
{
    struct ua_browse_description d = {.node_id = id,
                                      .reference_type_id = ua_id(0, ref),
                                      .include_subtypes = true,
                                      .result_mask = UA_BROWSE_RESULT_ALL};
    struct ua_browse_request q = {
        .requested_max_references_per_node = max, .nodes_to_browse = &d, .nodes_to_browse_n = 1};
    struct ua_browse_response *r = CALL(c, browse, &q);
    CHECK(r && r->results_n == 1);
    return r ? r->results[0] : (struct ua_browse_result){.status_code = c->status};
}
static struct ua_nodeid node(const char *key)
{
    return ua_id_str(1, str_of(key));
}

TEST(the_plant_is_a_tree)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_browse_result r = browse(c, ua_id(0, UA_NODE_OBJECTS_FOLDER), UA_NODE_HIERARCHICAL_REFERENCES, 0);
    REQUIRE(r.references_n == 3); /* Server, Plant, Points (SET has no area) */
    CHECK_STR(r.references[0].browse_name.name, "Server");
    CHECK_STR(r.references[1].browse_name.name, "Plant");
    CHECK_INT(r.references[1].type_definition.id.i, UA_NODE_FOLDER_TYPE);
    r = browse(c, node("area:Plant"), UA_NODE_HIERARCHICAL_REFERENCES, 0);
    REQUIRE(r.references_n == 2);
    CHECK_STR(r.references[0].browse_name.name, "Smelter");
    CHECK_INT(r.references[1].node_id.id.i, 77); /* the address, not the code */
    CHECK_STR(r.references[1].browse_name.name, "ANY");
    r = browse(c, node("area:Plant/Smelter"), UA_NODE_HIERARCHICAL_REFERENCES, 0);
    REQUIRE(r.references_n == 3);
    CHECK_STR(r.references[0].node_id.id.s, "device:Plant/Smelter/PLC1");
    CHECK_INT(r.references[1].type_definition.id.i, UA_NODE_TWO_STATE_DISCRETE_TYPE);
    r = browse(c, node("device:Plant/Smelter/PLC1"), UA_NODE_HAS_COMPONENT, 0);
    REQUIRE(r.references_n == 1);
    CHECK_STR(r.references[0].display_name.text, "炉温");
    CHECK_STR(r.references[0].browse_name.name, "T1");
    CHECK_INT(r.references[0].type_definition.id.i, UA_NODE_ANALOG_ITEM_TYPE);
    r = browse(c, point_id("T1"), UA_NODE_HAS_PROPERTY, 0);
    CHECK_INT(r.references_n, 2);
    r = browse(c, ua_id(0, UA_NODE_SERVER), UA_NODE_HAS_NOTIFIER, 0);
    CHECK(r.references_n == 2 && str_is(r.references[0].browse_name.name, "Plant"));
    CHECK_INT(browse(c, node("area:None"), 0, 0).status_code, UA_BAD_NODE_ID_UNKNOWN);
    CHECK_INT(browse(c, point_id("T1"), 58, 0).status_code, UA_BAD_REFERENCE_TYPE_INVALID);
    client_free(c);
    obed_free(b);
}

/* Every reference of namespace 0 leads to a node, and back. */
static void check_base(struct client *c, uint32_t id)
{
    struct ua_browse_description d = {.node_id = ua_id(0, id), .browse_direction = UA_BROWSE_BOTH, .result_mask = 63};
    struct ua_browse_request q = {.nodes_to_browse = &d, .nodes_to_browse_n = 1};
    struct ua_browse_response *r = CALL(c, browse, &q);
    REQUIRE(r && r->results_n == 1);
    CHECK_INT(r->results[0].status_code, 0);
    for (uint32_t k = 0; k < r->results[0].references_n; k++) {
        const struct ua_reference_description *t = &r->results[0].references[k];
        CHECK(t->browse_name.name.n > 0 && t->node_class != 0);
        bool typed = t->node_class == UA_CLASS_OBJECT || t->node_class == UA_CLASS_VARIABLE;
        if (typed && t->type_definition.id.i == 0)
            test_fail(__FILE__, __LINE__, "%u -> %u has no type", id, t->node_id.id.i);
    }
}
TEST(namespace_0_is_sound)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    for (uint32_t i = 0; i < os_nbases; i++) {
        const struct os_base *n = &os_bases[i];
        if (i) CHECK(os_bases[i - 1].id < n->id);
        if (n->ref && !(os_base_find(n->parent) && os_base_find(n->ref)))
            test_fail(__FILE__, __LINE__, "parent of %u", n->id);
        if (n->type && !os_base_find(n->type)) test_fail(__FILE__, __LINE__, "type of %u", n->id);
        if (n->data && !os_base_find(n->data)) test_fail(__FILE__, __LINE__, "data type of %u", n->id);
    }
    for (uint32_t i = 0; i < os_nbases; i += 5) check_base(c, os_bases[i].id);
    /* Each variable below the Server has a value of its data type. */
    for (uint32_t i = 0; i < os_nbases; i++) {
        const struct os_base *n = &os_bases[i];
        bool below = n->parent == 2253 || n->parent == 2256 || n->parent == 2260 || n->parent == 2268 ||
                     n->parent == 11704 || n->parent == 11192;
        if (!below || n->node_class != UA_CLASS_VARIABLE || n->id == 12885) continue;
        struct ua_datavalue v = read_attr(c, ua_id(0, n->id), UA_ATTR_VALUE);
        if (v.status || !(v.has & UA_HAS_VALUE)) test_fail(__FILE__, __LINE__, "%u %s has no value", n->id, n->name);
        if (v.value.array != (n->rank == 1)) test_fail(__FILE__, __LINE__, "%u %s: rank", n->id, n->name);
    }
    client_free(c);
    obed_free(b);
}

TEST(browsing_goes_on_where_it_stopped)
{
    struct obed *b = server("");
    char codes[40][16];
    for (int k = 0; k < 40; k++) {
        snprintf(codes[k], sizeof codes[k], "P%02d", k);
        obed_point(b, codes[k], "", VALUE_DOUBLE);
        b->points[k].area = "A";
    }
    obed_set(b);
    struct client *c = session(b);
    struct ua_browse_result r = browse(c, node("area:A"), UA_NODE_ORGANIZES, 15);
    REQUIRE(r.references_n == 15 && r.continuation_point.n);
    uint32_t seen = 15;
    for (struct str at = r.continuation_point; at.n;) {
        struct ua_browse_next_request q = {.continuation_points = &at, .continuation_points_n = 1};
        struct ua_browse_next_response *n = CALL(c, browse_next, &q);
        REQUIRE(n && n->results_n == 1);
        char want[16];
        snprintf(want, sizeof want, "P%02u", seen);
        CHECK_STR(n->results[0].references[0].browse_name.name, want);
        seen += n->results[0].references_n;
        at = n->results[0].continuation_point;
    }
    CHECK_INT(seen, 40);
    /* A session holds ten; they are given back; a new set makes them void. */
    struct str points[OS_POINTERS];
    for (int k = 0; k < OS_POINTERS; k++)
        points[k] = browse(c, node("area:A"), UA_NODE_ORGANIZES, 1).continuation_point;
    CHECK_INT(browse(c, node("area:A"), UA_NODE_ORGANIZES, 1).status_code, UA_BAD_NO_CONTINUATION_POINTS);
    struct ua_browse_next_request q = {
        .release_continuation_points = true, .continuation_points = points, .continuation_points_n = 9};
    CHECK(CALL(c, browse_next, &q));
    CHECK_INT(browse(c, node("area:A"), UA_NODE_ORGANIZES, 1).status_code, 0);
    obed_set(b);
    q = (struct ua_browse_next_request){.continuation_points = &points[9], .continuation_points_n = 1};
    struct ua_browse_next_response *n = CALL(c, browse_next, &q);
    CHECK(n && n->results[0].status_code == UA_BAD_CONTINUATION_POINT_INVALID);
    client_free(c);
    obed_free(b);
}

TEST(paths_lead_to_nodes)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_relative_path_element e[4] = {
        {.reference_type_id = ua_id(0, 33), .include_subtypes = true, .target_name = {1, STR("Plant")}},
        {.reference_type_id = ua_id(0, 33), .include_subtypes = true, .target_name = {1, STR("Smelter")}},
        {.reference_type_id = ua_id(0, 33), .include_subtypes = true, .target_name = {1, STR("PLC1")}},
        {.reference_type_id = ua_id(0, 33), .include_subtypes = true, .target_name = {2, STR("T1")}}};
    struct ua_browse_path p[2] = {
        {.starting_node = ua_id(0, UA_NODE_OBJECTS_FOLDER), .relative_path = {.elements = e, .elements_n = 4}},
        {.starting_node = ua_id(0, UA_NODE_OBJECTS_FOLDER), .relative_path = {.elements = e + 1, .elements_n = 1}}};
    struct ua_translate_browse_paths_to_node_ids_request q = {.browse_paths = p, .browse_paths_n = 2};
    struct ua_translate_browse_paths_to_node_ids_response *r = CALL(c, translate_browse_paths_to_node_ids, &q);
    REQUIRE(r && r->results_n == 2 && r->results[0].targets_n == 1);
    CHECK_STR(r->results[0].targets[0].target_id.id.s, "T1");
    CHECK_INT(r->results[1].status_code, UA_BAD_NO_MATCH);
    client_free(c);
    obed_free(b);
}

struct tally {
    const struct os_server *s;
    struct ua_name name;
    uint64_t sum;
    unsigned n;
};
static bool count_ref(void *ctx, uint32_t type, bool forward, struct os_node target)
{
    struct tally *t = ctx;
    struct ua_name name = os_browse_name(t->s, &target);
    if (name.ns != t->name.ns || !str_eq(name.name, t->name.name)) return true;
    t->sum += type * 31u + forward + ((uint64_t)target.kind << 40) + ((uint64_t)target.i << 8) + target.prop;
    t->n++;
    return true;
}
/* What is found by name is what looking through all references finds. */
TEST(references_by_name)
{
    struct obed *b = plant("");
    const struct os_server *s = SERVER(b);
    struct os_node nodes[100];
    unsigned n = 0, found = 0;
    nodes[n++] = os_node_base(UA_NODE_OBJECTS_FOLDER);
    nodes[n++] = os_node_base(UA_NODE_SERVER);
    nodes[n++] = os_node_base(UA_NODE_FOLDER_TYPE);
    for (uint32_t i = 0; i < s->space->nfolders; i++) nodes[n++] = os_node_make(OS_FOLDER, i, 0);
    for (uint32_t i = 0; i < s->space->npoints; i++) nodes[n++] = os_node_make(OS_POINT, i, 0);
    for (unsigned at = 0; at < n; at++) {
        for (unsigned k = 0; k < n; k++) {
            struct tally all = {.s = s, .name = os_browse_name(s, &nodes[k])}, named = all;
            os_refs(s, &nodes[at], count_ref, &all);
            os_refs_named(s, &nodes[at], &named.name, count_ref, &named);
            CHECK(all.n == named.n && all.sum == named.sum);
            found += named.n;
        }
    }
    CHECK(found > s->space->npoints);
    obed_free(b);
}

TEST(attributes_and_values)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    CHECK_INT(read_value(c, "T1").status, UA_BAD_WAITING_FOR_INITIAL_DATA);
    obed_sample(b, 0, (struct sample){.time_us = 1700000000123456, .type = SAMPLE_DOUBLE, .v.d = 12.25});
    struct ua_datavalue v = read_value(c, "T1");
    CHECK(v.value.type == UA_DOUBLE && v.value.u.d == 12.25 && v.source_us == 1700000000123456);
    CHECK(v.has & UA_HAS_SERVER_TIME);
    obed_sample(
        b, 0, (struct sample){.type = SAMPLE_DOUBLE, .v.d = 2, .quality = QUALITY_BAD, .flags = REASON_SENSOR_FAILURE});
    CHECK_INT(read_value(c, "T1").status, 0x808c0000); /* BadSensorFailure */
    obed_sample(
        b, 0,
        (struct sample){.type = SAMPLE_DOUBLE, .v.d = 2, .quality = QUALITY_UNCERTAIN, .flags = REASON_LAST_KNOWN});
    CHECK_INT(read_value(c, "T1").status, 0x40900000);
    obed_sample(b, 4, (struct sample){.type = SAMPLE_INT, .v.i = 40000});
    CHECK_INT(read_value(c, "SET").status, UA_BAD_OUT_OF_RANGE); /* no Int16 */
    obed_text(b, 2, "温度 high");
    CHECK_STR(read_value(c, "TXT").value.u.s, "温度 high");
    /* A point without a type takes that of its first value. */
    CHECK_INT(((struct ua_nodeid *)read_attr(c, ua_id(2, 77), UA_ATTR_DATA_TYPE).value.u.items)->i,
              UA_NODE_BASE_DATA_TYPE);
    obed_sample(b, 3, (struct sample){.type = SAMPLE_INT, .v.i = 5});
    CHECK_INT(((struct ua_nodeid *)read_attr(c, ua_id(2, 77), UA_ATTR_DATA_TYPE).value.u.items)->i, UA_INT64);
    CHECK_INT(read_attr(c, point_id("T1"), UA_ATTR_ACCESS_LEVEL).value.u.u8, UA_ACCESS_READ | UA_ACCESS_HISTORY_READ);
    CHECK_INT(read_attr(c, point_id("SET"), UA_ATTR_ACCESS_LEVEL).value.u.u8, 7);
    CHECK_INT(read_attr(c, point_id("T1"), UA_ATTR_EVENT_NOTIFIER).status, UA_BAD_ATTRIBUTE_ID_INVALID);
    CHECK_INT(read_attr(c, node("area:Plant"), UA_ATTR_EVENT_NOTIFIER).value.u.u8, UA_NOTIFIER_EVENTS);
    v = read_attr(c, node("EURange:ns=2;s=T1"), UA_ATTR_VALUE);
    const struct ua_range *range = ua_extension_as(v.value.u.items, UA_T_range);
    CHECK(range && range->low == 0 && range->high == 1500);
    v = read_attr(c, node("EngineeringUnits:ns=2;s=T1"), UA_ATTR_VALUE);
    const struct ua_eu_information *unit = ua_extension_as(v.value.u.items, UA_T_eu_information);
    CHECK(unit && unit->unit_id == 4408652); /* CEL */
    CHECK_STR(unit->display_name.text, "°C");
    CHECK_INT(read_attr(c, node("EURange:ns=2;s=RUN"), UA_ATTR_VALUE).status, UA_BAD_NODE_ID_UNKNOWN);
    CHECK_INT(read_attr(c, point_id("T1"), 99).status, UA_BAD_ATTRIBUTE_ID_INVALID);
    CHECK_INT(read_attr(c, ua_id(7, 1), UA_ATTR_VALUE).status, UA_BAD_NODE_ID_UNKNOWN);
    client_free(c);
    obed_free(b);
}

static struct ua_read_response *read_with(struct client *c, double age, int32_t stamps, const char *range,
                                          const char *encoding)
{
    struct ua_read_value_id n = {.node_id = point_id("TXT"), .attribute_id = UA_ATTR_VALUE};
    if (range) n.index_range = str_of(range);
    if (encoding) n.data_encoding.name = str_of(encoding);
    struct ua_read_request q = {
        .max_age = age, .timestamps_to_return = stamps, .nodes_to_read = &n, .nodes_to_read_n = 1};
    return CALL(c, read, &q);
}
TEST(how_to_read)
{
    struct obed *b = plant(",\"max_nodes\":10");
    struct client *c = session(b);
    obed_text(b, 2, "0123456789");
    CHECK_STR(read_with(c, 0, UA_STAMPS_NEITHER, "2:4", NULL)->results[0].value.u.s, "234");
    CHECK_STR(read_with(c, 0, UA_STAMPS_NEITHER, "7:99", NULL)->results[0].value.u.s, "789");
    CHECK_INT(read_with(c, 0, UA_STAMPS_NEITHER, "10", NULL)->results[0].status, UA_BAD_INDEX_RANGE_NO_DATA);
    CHECK_INT(read_with(c, 0, UA_STAMPS_NEITHER, "4:2", NULL)->results[0].status, UA_BAD_INDEX_RANGE_INVALID);
    CHECK_INT(read_with(c, 0, UA_STAMPS_NEITHER, "x", NULL)->results[0].status, UA_BAD_INDEX_RANGE_INVALID);
    CHECK_INT(read_with(c, 0, UA_STAMPS_NEITHER, NULL, "Default XML")->results[0].status,
              UA_BAD_DATA_ENCODING_UNSUPPORTED);
    CHECK_INT(read_with(c, 0, UA_STAMPS_NEITHER, NULL, NULL)->results[0].has, UA_HAS_VALUE);
    CHECK_INT(read_with(c, 0, UA_STAMPS_SOURCE, NULL, NULL)->results[0].has, UA_HAS_VALUE | UA_HAS_SOURCE_TIME);
    CHECK(read_with(c, -1, UA_STAMPS_BOTH, NULL, NULL) == NULL && c->status == UA_BAD_MAX_AGE_INVALID);
    CHECK(read_with(c, 0, 4, NULL, NULL) == NULL && c->status == UA_BAD_TIMESTAMPS_INVALID);
    struct ua_read_value_id many[11] = {{.attribute_id = 13}};
    struct ua_read_request q = {.nodes_to_read = many, .nodes_to_read_n = 11};
    CHECK(CALL(c, read, &q) == NULL && c->status == UA_BAD_TOO_MANY_OPERATIONS);
    q.nodes_to_read_n = 0;
    CHECK(CALL(c, read, &q) == NULL && c->status == UA_BAD_NOTHING_TO_DO);
    client_free(c);
    obed_free(b);
}

TEST(writing_goes_to_the_host)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    int16_t i = -42;
    double d = 1;
    struct str t = STR("neu");
    CHECK_INT(write_value(c, "SET", UA_INT16, &i), UA_GOOD);
    CHECK(b->write.slot == 4 && b->write.value.type == SAMPLE_INT && b->write.value.v.i == -42);
    CHECK(strncmp(b->write.peer, "127.0.0.1:", 10) == 0 && b->write.user[0] == 0);
    CHECK_INT(write_value(c, "TXT", UA_STRING, &t), UA_GOOD);
    CHECK_Z(b->write.text, "neu");
    CHECK_INT(write_value(c, "SET", UA_DOUBLE, &d), UA_BAD_TYPE_MISMATCH);
    CHECK_INT(write_value(c, "T1", UA_DOUBLE, &d), UA_BAD_NOT_WRITABLE);
    CHECK_INT(write_value(c, "NO", UA_DOUBLE, &d), UA_BAD_NODE_ID_UNKNOWN);
    static const struct {
        enum driver_outcome outcome;
        uint32_t status;
    } rows[] = {{DRIVER_REFUSED, UA_BAD_DEVICE_FAILURE},
                {DRIVER_FAILED, UA_BAD_NO_COMMUNICATION},
                {DRIVER_UNKNOWN, UA_BAD_COMMUNICATION_ERROR},
                {DRIVER_EXPIRED, UA_BAD_TIMEOUT}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        b->write_outcome = rows[k].outcome;
        CHECK_INT(write_value(c, "SET", UA_INT16, &i), rows[k].status);
    }
    struct ua_write_value w = {.node_id = point_id("SET"), .attribute_id = UA_ATTR_DISPLAY_NAME};
    struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
    struct ua_write_response *r = CALL(c, write, &q);
    CHECK(r && r->results[0] == UA_BAD_NOT_WRITABLE);
    w.attribute_id = UA_ATTR_VALUE;
    w.value = (struct ua_datavalue){
        .has = UA_HAS_VALUE | UA_HAS_STATUS, .status = UA_BAD_TIMEOUT, .value = ua_variant_scalar(UA_INT16, &i)};
    r = CALL(c, write, &q);
    CHECK(r && r->results[0] == UA_BAD_WRITE_NOT_SUPPORTED);
    CHECK_INT(obed_status(b).writes, 2);
    client_free(c);
    obed_free(b);
}
TEST(a_write_that_ends_when_nobody_waits)
{
    struct obed *b = plant("");
    int16_t i = 1;
    for (int how = 0; how < 3; how++) {
        struct client *c = session(b);
        struct ua_write_value w = {.node_id = point_id("SET"), .attribute_id = UA_ATTR_VALUE};
        w.value.has = UA_HAS_VALUE;
        w.value.value = ua_variant_scalar(UA_INT16, &i);
        struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
        struct ua_close_session_request close = {.delete_subscriptions = true};
        b->hold_writes = true;
        unsigned before = b->writes;
        client_send(c, UA_T_write_request, &q);
        UNTIL(b, b->writes > before);
        struct obed_write held = b->write;
        if (how == 0) CHECK(CALL(c, close_session, &close)); /* the session is gone, the connection stays */
        if (how <= 1) client_free(c);
        if (how == 1) UNTIL(b, SERVER(b)->nconns == 0);
        if (how == 2) { /* the server is closed meanwhile: it waits for the host */
            b->outlet->close(b->ch, bed_closed, &b->closed);
            b->ch = NULL;
            for (int k = 0; k < 5; k++) bed_step(b);
            CHECK(!b->closed);
        }
        obed_finish_write(b, &held, DRIVER_DONE);
        if (how == 2) client_free(c);
        if (how == 2) UNTIL(b, b->closed);
    }
    obed_free(b);
}

TEST(addresses)
{
    static const struct {
        const char *in, *out; /* NULL: wrong */
    } rows[] = {{"ns=2;s=Tank.Level", "ns=2;s=Tank.Level"},
                {"Tank.Level", "ns=2;s=Tank.Level"},
                {"ns=2;i=12", "ns=2;i=12"},
                {"温度", "ns=2;s=温度"},
                {"ns=2;g=09087e75-8e5e-499b-954f-f2a9603db28a", "ns=2;g=09087e75-8e5e-499b-954f-f2a9603db28a"},
                {"ns=3;s=x", NULL},
                {"i=85", NULL},
                {"ns=2;s=", NULL},
                {"", NULL},
                {"nsu=urn:x;s=y", NULL},
                {"ns=2;i=-1", NULL}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct outlet_point p = {.address = rows[k].in, .code = "C"};
        struct outlet_address a = {0};
        struct error e = {0};
        int rc = opcua_server_outlet.address_check(&p, NULL, &a, &e);
        CHECK_INT(rc == 0, rows[k].out != NULL);
        if (rc == 0) CHECK_Z(a.canonical, rows[k].out);
        if (rc == 0) CHECK_Z(a.key, rows[k].out);
        if (rc) CHECK(e.text[0] && e.text_zh[0]);
    }
    char text[160];
    uint64_t next = 0;
    struct outlet_point p = {.code = "LT.T1", .address = ""};
    CHECK_INT(opcua_server_outlet.address_default(&p, NULL, &next, text, sizeof text, NULL), 0);
    CHECK_Z(text, "ns=2;s=LT.T1");
}
TEST(an_address_that_two_have)
{
    struct obed *b = server("");
    obed_point(b, "A", "ns=2;s=X", VALUE_DOUBLE);
    obed_point(b, "B", "X", VALUE_DOUBLE);
    obed_set(b);
    CHECK_INT(b->state, DRIVER_DEGRADED);
    CHECK(strstr(obed_status(b).reason, "1 points are left out"));
    CHECK_INT(obed_status(b).points, 1);
    b->npoints = 1;
    obed_set(b);
    CHECK_INT(b->state, DRIVER_UP);
    obed_free(b);
}
TEST(running_out_of_memory_leaves_the_old_set)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct error e = {0};
    unsigned failed = 0;
    for (uint64_t n = 1; n < 40; n++) {
        mem_fail_at(n, true);
        int rc = b->outlet->channel_set(b->ch, b->points, b->npoints, &e);
        mem_fail_at(0, false);
        CHECK(rc == 0 || rc == ERR_NOMEM);
        failed += rc != 0;
    }
    CHECK(failed > 3);
    CHECK_INT(browse(c, node("area:Plant/Smelter"), UA_NODE_HIERARCHICAL_REFERENCES, 0).references_n, 3);
    client_free(c);
    obed_free(b);
}
