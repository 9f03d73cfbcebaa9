/* What node-opcua's client and server said to each other (src/proto/golden/ua_*, made by tests/golden/ua_record.mjs),
 * read by our client and our server: each channel is given the nonce that the recorded one drew, and its private key.
 */
#include "base/encode.h"
#include "proto/opcua/ua_channel_int.h"
#include "proto/opcua/ua_custom.h"
#include "proto/opcua/ua_test.h"

#define FILE_MAX (1 << 20)
static struct str load(struct arena *a, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "src/proto/golden/ua_%s", name);
    FILE *f = fopen(path, "rb");
    char *p = arena_alloc(a, FILE_MAX);
    size_t n = f && p ? fread(p, 1, FILE_MAX, f) : 0;
    if (n == 0) test_fail(__FILE__, __LINE__, "%s cannot be read", path);
    if (f != NULL) fclose(f);
    return str_make(p, n);
}

struct talk {
    struct arena a;
    const struct ua_policy *policy;
    struct str client, server; /* bytes of each side */
    struct ua_key *client_key, *server_key;
    struct ua_cert *client_cert, *server_cert;
    struct str client_nonce, server_nonce;
    struct ua_open_secure_channel_response *opened;
    enum ua_mode mode;
};
static const struct {
    const char *file;
    enum ua_policy_id policy;
} talks[] = {{"none", UA_POLICY_NONE},
             {"basic256sha256", UA_POLICY_BASIC256SHA256},
             {"aes128", UA_POLICY_AES128_SHA256_RSAOAEP},
             {"aes256", UA_POLICY_AES256_SHA256_RSAPSS}};
#define TALKS (sizeof talks / sizeof *talks)

/* The first chunk of a type. */
static struct str chunk_of(struct str bytes, enum ua_chunk_type type)
{
    struct ua_chunk_head h;
    while (ua_chunk_head((const uint8_t *)bytes.p, bytes.n, &h) == 1 && h.size <= bytes.n) {
        if (h.type == type) return str_sub(bytes, 0, h.size);
        bytes = str_sub(bytes, h.size, bytes.n);
    }
    return STR_NULL;
}
/* The structure in an OPN chunk, opened by the receiver's key. */
static void *open_chunk(struct talk *t, struct str chunk, const struct ua_key *key, struct ua_cert **sender)
{
    struct ua_asym_head h;
    struct buf plain;
    unsigned type;
    uint32_t handle;
    void *value = NULL;
    if (!ua_asym_head(chunk, &h) || ua_policy_find(h.policy) != t->policy) return NULL;
    if (t->policy->id != UA_POLICY_NONE && ua_cert_parse(h.cert, sender, NULL) != 0) return NULL;
    buf_init(&plain, 1 << 20);
    bool ok = ua_asym_open(t->policy, key, *sender, chunk, &h, &plain);
    struct str body = ok ? arena_str(&t->a, str_sub(buf_view(&plain), UA_SEQUENCE, plain.n)) : STR_NULL;
    buf_fini(&plain);
    return ok && ua_message_decode(&t->a, body, NULL, &type, &value, &handle) == 0 ? value : NULL;
}
static bool talk_init(struct talk *t, size_t i)
{
    char name[64];
    *t = (struct talk){.policy = ua_policy_at(talks[i].policy)};
    arena_init(&t->a, 64 << 20);
    snprintf(name, sizeof name, "%s.client", talks[i].file);
    t->client = load(&t->a, name);
    snprintf(name, sizeof name, "%s.server", talks[i].file);
    t->server = load(&t->a, name);
    if (ua_key_parse(load(&t->a, "client_key.pem"), STR_NULL, &t->client_key, NULL) != 0) return false;
    if (ua_key_parse(load(&t->a, "server_key.pem"), STR_NULL, &t->server_key, NULL) != 0) return false;
    struct ua_open_secure_channel_request *q =
        open_chunk(t, chunk_of(t->client, UA_CHUNK_OPN), t->server_key, &t->client_cert);
    t->opened = open_chunk(t, chunk_of(t->server, UA_CHUNK_OPN), t->client_key, &t->server_cert);
    if (q == NULL || t->opened == NULL) return false;
    t->client_nonce = q->client_nonce;
    t->server_nonce = t->opened->server_nonce;
    t->mode = (enum ua_mode)q->security_mode;
    return true;
}
static void talk_fini(struct talk *t)
{
    ua_key_free(t->client_key);
    ua_key_free(t->server_key);
    ua_cert_free(t->client_cert);
    ua_cert_free(t->server_cert);
    arena_fini(&t->a);
}

static int fixed(void *ctx, void *p, size_t n)
{
    const struct str *nonce = ctx;
    if (nonce->n != n) return ERR_INVALID;
    memcpy(p, nonce->p, n);
    return 0;
}
static uint32_t accept_peer(void *ctx, const struct ua_cert *c)
{
    (void)ctx;
    return ua_cert_info(c)->uri[0] ? 0 : UA_BAD_CERTIFICATE_URI_INVALID;
}
/* All messages of one side, as events. */
static size_t replay(struct talk *t, bool server, struct ua_event *ret, size_t max)
{
    struct ua_channel_config c = {
        .server = server,
        .random = {fixed, server ? &t->server_nonce : &t->client_nonce},
        .cert = server ? t->server_cert : t->client_cert,
        .key = server ? t->server_key : t->client_key,
        .peer = t->server_cert,
        .policy = t->policy,
        .mode = t->mode,
        .endpoint_url = STR("opc.tcp://127.0.0.1"),
        .channel_id = t->opened->security_token.channel_id,
        .check_peer = accept_peer,
    };
    struct ua_channel *ch = NULL;
    struct ua_event ev;
    size_t n = 0;
    c.modes[t->policy->id] = (uint8_t)(1 << t->mode);
    if (ua_channel_new(&c, &ch, NULL) != 0) return 0;
    ua_channel_start(ch, 1);
    struct str bytes = server ? t->client : t->server;
    if (ua_channel_in(ch, bytes.p, bytes.n) != 0) test_fail(__FILE__, __LINE__, "in");
    while (ua_channel_next(ch, 2, &t->a, &ev) == 1) {
        if (ev.kind == UA_EVENT_ERROR)
            test_fail(__FILE__, __LINE__, "%s, %s: %s %.*s", t->policy->name, server ? "server" : "client",
                      ua_status_name(ev.status), STR_ARG(ev.text));
        if (ev.kind == UA_EVENT_MESSAGE && ev.status != 0)
            test_fail(__FILE__, __LINE__, "%s of %s", ua_status_name(ev.status), ua_type_name(ev.type));
        if (ev.kind == UA_EVENT_MESSAGE && n < max) ret[n++] = ev;
    }
    ua_channel_free(ch);
    return n;
}
static const struct ua_event *find(const struct ua_event *ev, size_t n, unsigned type, size_t nth)
{
    for (size_t i = 0; i < n; i++)
        if (ev[i].type == type && nth-- == 0) return &ev[i];
    return NULL;
}
#define FIND(ctype, nth) \
    ({ \
        const struct ua_event *e_ = find(ev, n, UA_T_##ctype, nth); \
        e_ ? (struct ua_##ctype *)e_->value : NULL; \
    })

/* What encodes again to what was sent was understood to the last bit. Answers with times are left out: theirs have
 * digits below a microsecond. */
static void same_bytes(const struct ua_event *ev, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf b;
        if (ev[i].type == UA_T_read_response || ev[i].type == UA_T_publish_response) continue;
        buf_init(&b, 1 << 20);
        ua_message_encode(&b, ev[i].type, ev[i].value);
        if (b.err || !str_eq(buf_view(&b), ev[i].raw))
            test_fail(__FILE__, __LINE__, "%s: %zu bytes, not %zu", ua_type_name(ev[i].type), b.n, ev[i].raw.n);
        buf_fini(&b);
    }
}

static const char *const values[] = {"true",
                                     "-5",
                                     "200",
                                     "-300",
                                     "60000",
                                     "-70000",
                                     "4000000000",
                                     "-2",
                                     "\"9223372036854775809\"",
                                     "1.5",
                                     "-2.25",
                                     "\"\xE6\xB0\xB4\"",
                                     "\"2026-11-23T05:00:00.500Z\"",
                                     "\"09087e75-8e5e-499b-954f-f2a9603db28a\"",
                                     "\"AQID\"",
                                     "\"ns=1;s=Double\"",
                                     "{\"code\":2156658688,\"name\":\"BadSensorFailure\"}",
                                     "\"1:q\"",
                                     "\"level\""};
static void check_values(struct talk *t, const struct ua_read_response *r)
{
    bool written = t->policy->id != UA_POLICY_NONE; /* the talk before wrote 3.75 */
    REQUIRE(r != NULL && r->results_n == sizeof values / sizeof *values);
    for (size_t i = 0; i < r->results_n; i++) {
        struct json *j = NULL;
        REQUIRE(ua_variant_json(&t->a, &r->results[i].value, NULL, &j) == 0);
        CHECK_STR(json_text(&t->a, j), written && i == 10 ? "3.75" : values[i]);
    }
}
static void check_arrays(const struct ua_read_response *r)
{
    double d = 0;
    REQUIRE(r != NULL && r->results_n == 3);
    CHECK(r->results[0].value.n == 200 && ua_variant_double(&r->results[0].value, 199, &d) && d == 99.5);
    const struct ua_variant *m = &r->results[1].value;
    CHECK(m->n == 6 && m->dims_n == 2 && m->dims[0] == 2 && m->dims[1] == 3);
    CHECK_INT(r->results[2].status, UA_BAD_NODE_ID_UNKNOWN);
}
static void check_structures(const struct ua_read_response *r)
{
    REQUIRE(r != NULL && r->results_n == 2 && r->results[0].value.type == UA_EXTENSION &&
            r->results[1].value.type == UA_EXTENSION);
    struct ua_server_status_data_type *s = ua_extension_as(r->results[0].value.u.items, UA_T_server_status_data_type);
    struct ua_structure_definition *d = ua_extension_as(r->results[1].value.u.items, UA_T_structure_definition);
    REQUIRE(s != NULL && d != NULL);
    CHECK_STR(s->build_info.product_name, "NodeOPCUA-Server");
    CHECK(s->state == UA_SERVER_RUNNING && s->start_time > 1700000000000000LL);
    REQUIRE(d->fields_n == 4);
    CHECK_STR(d->fields[1].name, "UnitId");
    CHECK(d->fields[1].data_type.i == UA_INT32 && d->fields[1].value_rank == -1);
}
static void check_notifications(const struct ua_event *ev, size_t n)
{
    bool value = false, event = false;
    for (size_t i = 0; i < n; i++) {
        if (ev[i].type != UA_T_publish_response) continue;
        const struct ua_notification_message *m = &((struct ua_publish_response *)ev[i].value)->notification_message;
        for (uint32_t k = 0; k < m->notification_data_n; k++) {
            struct ua_data_change_notification *c =
                ua_extension_as(&m->notification_data[k], UA_T_data_change_notification);
            struct ua_event_notification_list *l =
                ua_extension_as(&m->notification_data[k], UA_T_event_notification_list);
            double d = 0;
            if (c != NULL && c->monitored_items_n == 1)
                value |= ua_variant_double(&c->monitored_items[0].value.value, 0, &d) && d == 3.75;
            if (l != NULL && l->events_n == 1 && l->events[0].event_fields_n == 4)
                event |= ua_variant_double(&l->events[0].event_fields[2], 0, &d) && d == 700;
        }
    }
    CHECK(value);
    CHECK(event);
}

TEST(our_client_reads_what_their_server_said)
{
    for (size_t i = 0; i < TALKS; i++) {
        struct talk t;
        struct ua_event ev[64];
        double d = 0;
        REQUIRE(talk_init(&t, i));
        size_t n = replay(&t, false, ev, 64);
        CHECK_INT(n, 24);
        same_bytes(ev, n);
        struct ua_create_session_response *s = FIND(create_session_response, 0);
        struct ua_browse_response *b = FIND(browse_response, 0);
        REQUIRE(s != NULL && b != NULL && b->results_n == 1);
        CHECK_INT(s->server_endpoints_n, 7);
        CHECK_INT(b->results[0].references_n, 23);
        check_values(&t, FIND(read_response, 0));
        check_arrays(FIND(read_response, 1));
        check_structures(FIND(read_response, 2));
        struct ua_translate_browse_paths_to_node_ids_response *p = FIND(translate_browse_paths_to_node_ids_response, 0);
        CHECK(p != NULL && p->results_n == 1 && p->results[0].targets_n == 1);
        struct ua_call_response *c = FIND(call_response, 0);
        CHECK(c != NULL && ua_variant_double(&c->results[0].output_arguments[0], 0, &d) && d == 42);
        check_notifications(ev, n);
        talk_fini(&t);
    }
}

TEST(our_server_reads_what_their_client_said)
{
    for (size_t i = 0; i < TALKS; i++) {
        struct talk t;
        struct ua_event ev[64], back[64];
        REQUIRE(talk_init(&t, i));
        size_t n = replay(&t, true, ev, 64), answers = replay(&t, false, back, 64);
        CHECK_INT(n, 24);
        same_bytes(ev, n);
        struct ua_create_session_request *s = FIND(create_session_request, 0);
        struct ua_activate_session_request *act = FIND(activate_session_request, 0);
        struct ua_create_monitored_items_request *m = FIND(create_monitored_items_request, 0),
                                                 *e = FIND(create_monitored_items_request, 1);
        REQUIRE(s != NULL && act != NULL && m != NULL && e != NULL);
        struct ua_data_change_filter *f =
            ua_extension_as(&m->items_to_create[0].requested_parameters.filter, UA_T_data_change_filter);
        REQUIRE(f != NULL);
        CHECK(f->trigger == UA_TRIGGER_STATUS_VALUE && f->deadband_type == UA_DEADBAND_ABSOLUTE &&
              f->deadband_value == 0.1);
        struct ua_event_filter *ef =
            ua_extension_as(&e->items_to_create[0].requested_parameters.filter, UA_T_event_filter);
        REQUIRE(ef != NULL && ef->select_clauses_n == 4 && ef->where_clause.elements_n == 1);
        CHECK_INT(ef->where_clause.elements[0].filter_operator, UA_OP_OF_TYPE);
        const struct ua_event *cr = find(back, answers, UA_T_create_session_response, 0);
        struct ua_create_session_response *created = cr->value;
        struct ua_user_name_identity_token *user =
            ua_extension_as(&act->user_identity_token, UA_T_user_name_identity_token);
        if (t.policy->id != UA_POLICY_NONE) { /* signatures of both sides, and the password */
            struct str password;
            CHECK_INT(ua_session_verify(t.policy, t.server_cert, s->client_certificate, s->client_nonce,
                                        &created->server_signature),
                      0);
            CHECK_INT(ua_session_verify(t.policy, t.client_cert, created->server_certificate, created->server_nonce,
                                        &act->client_signature),
                      0);
            REQUIRE(user != NULL);
            CHECK_STR(user->user_name, "joe");
            CHECK_INT(ua_secret_decrypt(t.policy, t.server_key, created->server_nonce, user->password,
                                        user->encryption_algorithm, &t.a, &password),
                      0);
            CHECK_STR(password, "secret");
        } else {
            CHECK(ua_extension_as(&act->user_identity_token, UA_T_anonymous_identity_token) != NULL);
        }
        talk_fini(&t);
    }
}

/* The tables against node-opcua's classes: golden/ua_structures.txt. */
TEST(every_structure_is_encoded_as_by_node_opcua)
{
    struct arena a;
    unsigned known = 0;
    arena_init(&a, 64 << 20);
    struct str text = load(&a, "structures.txt");
    while (text.n > 0) {
        struct str line = str_cut(&text, '\n'), name = str_cut(&line, ' ');
        uint64_t binary = 0;
        struct buf bytes, again;
        REQUIRE(str_to_u64(str_cut(&line, ' '), &binary) == 0);
        struct ua_nodeid id = ua_id(0, (uint32_t)binary);
        unsigned type = ua_type_of_binary(&id);
        if (type == 0 || !str_is(name, ua_type_name(type)))
            test_fail(__FILE__, __LINE__, "%.*s has another number", STR_ARG(name));
        buf_init(&bytes, 1 << 16);
        buf_init(&again, 1 << 16);
        void *value = type ? arena_calloc(&a, 1, ua_size_of(type)) : NULL;
        REQUIRE(value != NULL && hex_decode(&bytes, line) == 0);
        struct ua_decoder d = ua_decoder(&a, buf_view(&bytes), NULL);
        bool ok = ua_decode(&d, type, value) && rd_left(&d.rd) == 0;
        ua_encode(&again, type, value);
        if (!ok || !str_eq(buf_view(&bytes), buf_view(&again))) test_fail(__FILE__, __LINE__, "%.*s", STR_ARG(name));
        buf_fini(&bytes);
        buf_fini(&again);
        known++;
    }
    CHECK_INT(known, UA_T_END - UA_T_FIRST - 1);
    arena_fini(&a);
}

/* ---- structures of a companion specification: golden/ua_custom.txt ------------------------------------------------
 */

struct shelf { /* the definitions of the file */
    struct ua_nodeid type[16], encoding[16];
    struct ua_structure_definition *def[16];
    size_t n;
};
static const struct ua_structure_definition *shelf_find(void *ctx, const struct ua_nodeid *id, bool encoding)
{
    const struct shelf *s = ctx;
    for (size_t i = 0; i < s->n; i++)
        if (ua_nodeid_eq(encoding ? &s->encoding[i] : &s->type[i], id)) return s->def[i];
    return NULL;
}
static unsigned shelf_simple(void *ctx, const struct ua_nodeid *id)
{
    (void)ctx;
    if (id->ns != 3) return 0;
    return id->i == 3009 ? UA_INT32 : id->i == 3031 ? UA_STRING : 0; /* LocationTypeEnumeration, CodeTypeDataType */
}
static void *from_hex(struct arena *a, unsigned type, struct str hex)
{
    struct buf b;
    void *v = arena_calloc(a, 1, ua_size_of(type));
    buf_init(&b, 1 << 20);
    bool ok = hex_decode(&b, hex) == 0;
    struct ua_decoder d = ua_decoder(a, arena_str(a, buf_view(&b)), NULL);
    buf_fini(&b);
    return ok && v != NULL && ua_decode(&d, type, v) && rd_left(&d.rd) == 0 ? v : NULL;
}
static struct ua_nodeid nodeid_of(struct arena *a, struct str text)
{
    struct ua_expanded x = {0};
    if (ua_nodeid_parse(a, text, &x, NULL) != 0) test_fail(__FILE__, __LINE__, "%.*s", STR_ARG(text));
    return x.id;
}
static void check_custom(struct arena *a, struct shelf *shelf, struct str hex, const char *want)
{
    const struct ua_catalogue c = {shelf_find, shelf_simple, shelf};
    struct ua_variant *v = from_hex(a, UA_VARIANT, hex);
    struct json *j = NULL;
    struct ua_extension again = {0};
    struct error e = {0};
    REQUIRE(v != NULL && v->type == UA_EXTENSION && ua_variant_json(a, v, &c, &j) == 0);
    CHECK_STR(json_text(a, j), want);
    const struct ua_extension *x = v->u.items; /* and back to the same bytes */
    const struct ua_structure_definition *def = shelf_find(shelf, &x->type, true);
    REQUIRE(def != NULL);
    if (ua_json_structure(a, j, def, &c, &again, &e) != 0)
        test_fail(__FILE__, __LINE__, "%s: %s %s", want, e.where, e.text);
    CHECK(str_eq(again.body, x->body) && ua_nodeid_eq(&again.type, &x->type));
}
TEST(structures_of_a_companion_specification_by_their_definitions)
{
    static const char *const want[] = {
        "{\"Duration\":1500,\"Cycles\":3,\"DataAvailable\":true}",
        "{\"Duration\":0,\"Cycles\":0,\"DataAvailable\":false,\"LocationType\":1}",
        "{\"String\":\"E200-1\"}",
        "{\"ByteString\":\"AQI=\"}",
        "{\"Epc\":{\"PC\":0,\"UId\":\"4g==\",\"XPC_W1\":0,\"XPC_W2\":0}}",
        "{\"Antenna\":2,\"Strength\":-40,\"Timestamp\":\"2026-11-23T05:00:00Z\",\"CurrentPowerLevel\":30}",
        "{\"CodeType\":\"EPC\",\"ScanData\":{\"String\":\"tag\"},\"Timestamp\":\"2026-11-23T05:00:00Z\",\"Sighting\":"
        "[{\"Antenna\":1,\"Strength\":-50,\"Timestamp\":\"2026-11-23T05:00:00Z\",\"CurrentPowerLevel\":27}]}",
    };
    struct arena a;
    struct shelf shelf = {0};
    size_t values_n = 0;
    arena_init(&a, 16 << 20);
    struct str text = load(&a, "custom.txt");
    while (text.n > 0) {
        struct str line = str_cut(&text, '\n'), kind = str_cut(&line, ' ');
        if (str_is(kind, "def") && shelf.n < 16) {
            shelf.type[shelf.n] = nodeid_of(&a, str_cut(&line, ' '));
            shelf.encoding[shelf.n] = nodeid_of(&a, str_cut(&line, ' '));
            shelf.def[shelf.n] = from_hex(&a, UA_T_structure_definition, line);
            REQUIRE(shelf.def[shelf.n] != NULL);
            shelf.n++;
        } else if (str_is(kind, "value") && values_n < sizeof want / sizeof *want) {
            check_custom(&a, &shelf, str_cut(&line, ' '), want[values_n++]);
        }
    }
    CHECK_INT(values_n, sizeof want / sizeof *want);
    arena_fini(&a);
}
