/* base.c - the nodes of namespace 0, and the values of the Server object.
 *
 * base_table.h is sorted by id. What a variable of it holds stands in `values` below; one without a row has no value.
 */
#include "outlets/opcua/server_int.h"

#define B(id, class, parent, ref, type, data, rank, flags, name, inverse) \
    {id, parent, ref, type, data, class, flags, rank, name, inverse},
const struct os_base os_bases[] = {
#include "outlets/opcua/base_table.h"
};
#undef B
const uint32_t os_nbases = sizeof os_bases / sizeof os_bases[0];

/* References beside those to the parent: from, type, to. */
const uint16_t os_edges[][3] = {
#define B(id, class, parent, ref, type, data, rank, flags, name, inverse)
#define E(from, type, to) {from, type, to},
#include "outlets/opcua/base_table.h"
#undef B
#undef E
    {2996, 35, 78},    {2996, 35, 80},    {2996, 35, 83},    {2996, 35, 11508}, {2996, 35, 11510}, {2997, 35, 2342},
    {2997, 35, 2343},  {2997, 35, 2344},  {2997, 35, 2346},  {2997, 35, 2347},  {2997, 35, 2348},  {2997, 35, 2349},
    {2997, 35, 2350},  {2997, 35, 2352},  {2997, 35, 2357},  {2997, 35, 2358},  {2997, 35, 2359},  {2997, 35, 2360},
    {2997, 35, 2362},  {11201, 35, 2342}, {11201, 35, 2343}, {11201, 35, 2344}, {11201, 35, 2346}, {11201, 35, 2347},
    {11201, 35, 2348}, {11201, 35, 2349}, {11201, 35, 2350}, {11201, 35, 2352}, {11201, 35, 2357}, {11201, 35, 2358},
    {11201, 35, 2359}, {11201, 35, 2360}, {11201, 35, 2362}, {2253, 41, 2915},  {2253, 41, 2787},  {2253, 41, 2788},
};
const size_t os_nedges = sizeof os_edges / sizeof os_edges[0];

const struct os_base *os_base_find(uint32_t id)
{
    uint32_t lo = 0, hi = os_nbases;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (os_bases[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < os_nbases && os_bases[lo].id == id ? &os_bases[lo] : NULL;
}
struct os_node os_node_base(uint32_t id)
{
    const struct os_base *b = os_base_find(id);
    return b ? os_node_make(OS_BASE, (uint32_t)(b - os_bases), 0) : (struct os_node){0};
}
uint32_t os_node_base_id(const struct os_node *n)
{
    return n->kind == OS_BASE ? os_bases[n->i].id : 0;
}

bool os_base_is(uint32_t id, uint32_t above)
{
    for (unsigned depth = 0; depth < 32; depth++) {
        if (id == above) return true;
        const struct os_base *b = os_base_find(id);
        if (b == NULL || b->ref != UA_NODE_HAS_SUBTYPE) return false;
        id = b->parent;
    }
    return false;
}

/* ---- values ---- */

typedef bool fill(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret);

static bool put_u32(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    (void)s, (void)a;
    *ret = ua_variant_scalar(UA_UINT32, &arg);
    return true;
}
static bool put_u16(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    uint16_t v = (uint16_t)arg;
    (void)s, (void)a;
    *ret = ua_variant_scalar(UA_UINT16, &v);
    return true;
}
static bool put_i32(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    int32_t v = (int32_t)arg;
    (void)s, (void)a;
    *ret = ua_variant_scalar(UA_INT32, &v);
    return true;
}
static bool put_byte(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    uint8_t v = (uint8_t)arg;
    (void)s, (void)a;
    *ret = ua_variant_scalar(UA_BYTE, &v);
    return true;
}
static bool put_bool(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    bool v = arg != 0;
    (void)s, (void)a;
    *ret = ua_variant_scalar(UA_BOOLEAN, &v);
    return true;
}
static bool put_history(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    return put_bool(s, arg && s->cfg.history, a, ret);
}
static bool put_double(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    double v = arg;
    (void)s, (void)a;
    *ret = ua_variant_scalar(UA_DOUBLE, &v);
    return true;
}
static bool put_limit(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    return put_u32(s, arg == 0 ? s->cfg.max_nodes : arg, a, ret);
}
static bool put_option(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    const uint32_t options[] = {s->cfg.max_sessions, s->cfg.max_subs, s->cfg.max_items};
    return put_u32(s, options[arg], a, ret);
}
static bool put_time(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    int64_t v = arg ? os_utc(s) : s->started_us;
    (void)a;
    *ret = ua_variant_scalar(UA_DATETIME, &v);
    return true;
}
static bool put_strings(struct arena *a, const struct str *list, uint32_t n, struct ua_variant *ret)
{
    struct str *v = arena_calloc(a, n ? n : 1, sizeof *v);
    if (v == NULL) return false;
    memcpy(v, list, n * sizeof *v);
    *ret = ua_variant_array(UA_STRING, v, n);
    return true;
}
static bool put_servers(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    (void)arg;
    return put_strings(a, (struct str[]){str_of(s->cfg.uri)}, 1, ret);
}
static bool put_namespaces(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    struct str list[] = {STR("http://opcfoundation.org/UA/"), str_of(s->cfg.uri), str_of(s->cfg.ns_uri)};
    (void)arg;
    return put_strings(a, list, 3, ret);
}
static bool put_profiles(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    (void)s, (void)arg;
    return put_strings(a, (struct str[]){STR("http://opcfoundation.org/UA-Profile/Server/StandardUA2017")}, 1, ret);
}
static bool put_locales(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    (void)s, (void)arg;
    return put_strings(a, (struct str[]){STR("en"), STR("zh")}, 2, ret);
}

/* Numbers of the members of BuildInfo. */
enum { BUILD_ALL, BUILD_PRODUCT_URI, BUILD_MANUFACTURER, BUILD_PRODUCT, BUILD_VERSION, BUILD_NUMBER };
static const struct str build_texts[] = {
    [BUILD_PRODUCT_URI] = {"urn:bornite", 11},
    [BUILD_MANUFACTURER] = {"Bornite", 7},
    [BUILD_PRODUCT] = {"Bornite", 7},
    [BUILD_VERSION] = {"1", 1},
    [BUILD_NUMBER] = {"1", 1},
};
static struct ua_build_info build_info(const struct os_server *s)
{
    return (struct ua_build_info){.product_uri = build_texts[BUILD_PRODUCT_URI],
                                  .manufacturer_name = build_texts[BUILD_MANUFACTURER],
                                  .product_name = build_texts[BUILD_PRODUCT],
                                  .software_version = build_texts[BUILD_VERSION],
                                  .build_number = build_texts[BUILD_NUMBER],
                                  .build_date = s->started_us};
}
static bool put_structure(struct arena *a, unsigned type, const void *value, size_t n, struct ua_variant *ret)
{
    void *copy = arena_alloc(a, n);
    struct ua_extension *x = arena_calloc(a, 1, sizeof *x);
    if (copy == NULL || x == NULL) return false;
    memcpy(copy, value, n);
    *x = ua_extension_of(type, copy);
    *ret = ua_variant_scalar(UA_EXTENSION, x);
    return true;
}
static bool put_build(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    struct ua_build_info b = build_info(s);
    if (arg == BUILD_ALL) return put_structure(a, UA_T_build_info, &b, sizeof b, ret);
    *ret = ua_variant_scalar(UA_STRING, &build_texts[arg]);
    return true;
}
static bool put_status(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    struct ua_server_status_data_type v = {.start_time = s->started_us,
                                           .current_time = os_utc(s),
                                           .state = s->closing ? UA_SERVER_SHUTDOWN : UA_SERVER_RUNNING,
                                           .build_info = build_info(s)};
    (void)arg;
    return put_structure(a, UA_T_server_status_data_type, &v, sizeof v, ret);
}
static bool put_text(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    struct ua_text *t = arena_calloc(a, 1, sizeof *t);
    (void)s, (void)arg;
    if (t) *ret = ua_variant_scalar(UA_TEXT, t);
    return t != NULL;
}
static bool put_no_extensions(struct os_server *s, uint32_t arg, struct arena *a, struct ua_variant *ret)
{
    void *none = arena_alloc(a, 1);
    (void)s, (void)arg;
    if (none) *ret = ua_variant_array(UA_EXTENSION, none, 0);
    return none != NULL;
}

/* Arguments of the methods that are served: method, name, data type, rank, text. */
static const struct {
    uint16_t id; /* of the InputArguments or OutputArguments */
    const char *name;
    uint16_t type;
    int8_t rank;
} arguments[] = {
    {3876, "SubscriptionId", 288, -1}, {12913, "SubscriptionId", 288, -1}, {12913, "MonitoredItemId", 288, -1},
    {9112, "EventId", 15, -1},         {9112, "Comment", 21, -1},          {9030, "EventId", 15, -1},
    {9030, "Comment", 21, -1},         {9114, "EventId", 15, -1},          {9114, "Comment", 21, -1},
    {11493, "SubscriptionId", 7, -1},  {11494, "ServerHandles", 7, 1},     {11494, "ClientHandles", 7, 1},
};
#define ARGUMENTS (sizeof arguments / sizeof arguments[0])
static bool put_arguments(struct os_server *s, uint32_t id, struct arena *a, struct ua_variant *ret)
{
    struct ua_extension *x = arena_calloc(a, ARGUMENTS, sizeof *x);
    struct ua_argument *v = arena_calloc(a, ARGUMENTS, sizeof *v);
    uint32_t n = 0;
    (void)s;
    if (x == NULL || v == NULL) return false;
    for (size_t i = 0; i < ARGUMENTS; i++) {
        if (arguments[i].id != id) continue;
        v[n] = (struct ua_argument){.name = str_of(arguments[i].name),
                                    .data_type = ua_id(0, arguments[i].type),
                                    .value_rank = arguments[i].rank};
        if (v[n].value_rank == 1)
            v[n].array_dimensions = arena_calloc(a, 1, sizeof(uint32_t)), v[n].array_dimensions_n = 1;
        x[n] = ua_extension_of(UA_T_argument, &v[n]);
        n++;
    }
    *ret = ua_variant_array(UA_EXTENSION, x, n);
    return true;
}

static const struct {
    uint16_t id;
    fill *fn;
    uint32_t arg;
} values[] = {
    {2254, put_servers, 0},
    {2255, put_namespaces, 0},
    {2256, put_status, 0},
    {2257, put_time, 0},
    {2258, put_time, 1},
    {2259, put_i32, UA_SERVER_RUNNING},
    {2260, put_build, BUILD_ALL},
    {2261, put_build, BUILD_PRODUCT},
    {2262, put_build, BUILD_PRODUCT_URI},
    {2263, put_build, BUILD_MANUFACTURER},
    {2264, put_build, BUILD_VERSION},
    {2265, put_build, BUILD_NUMBER},
    {2266, put_time, 0},
    {2267, put_byte, 255},
    {2269, put_profiles, 0},
    {2271, put_locales, 0},
    {2272, put_double, 0},
    {2294, put_bool, 0},
    {2735, put_u16, OS_POINTERS},
    {2736, put_u16, 0},
    {2737, put_u16, 0},
    {2992, put_u32, 0},
    {2993, put_text, 0},
    {2994, put_bool, 0},
    {3704, put_no_extensions, 0},
    {3709, put_i32, 0},
    {3876, put_arguments, 3876},
    {9030, put_arguments, 9030},
    {9112, put_arguments, 9112},
    {9114, put_arguments, 9114},
    {11193, put_history, 1},
    {11196, put_bool, 0},
    {11197, put_bool, 0},
    {11198, put_bool, 0},
    {11199, put_bool, 0},
    {11200, put_bool, 0},
    {11242, put_bool, 0},
    {11273, put_u32, OS_HISTORY_PAGE},
    {11274, put_u32, 0},
    {11275, put_bool, 0},
    {11281, put_bool, 0},
    {11282, put_bool, 0},
    {11283, put_bool, 0},
    {11493, put_arguments, 11493},
    {11494, put_arguments, 11494},
    {11502, put_bool, 0},
    {11702, put_u32, 65536},
    {11703, put_u32, 1 << 20},
    {12911, put_u32, 1 << 20},
    {11705, put_limit, 0},
    {11707, put_limit, 0},
    {11709, put_limit, 100},
    {11710, put_limit, 0},
    {11711, put_limit, 0},
    {11712, put_limit, 0},
    {11713, put_limit, 0},
    {11714, put_limit, 0},
    {12165, put_limit, 100},
    {12166, put_limit, 0},
    {12167, put_limit, 0},
    {12168, put_limit, 0},
    {12913, put_arguments, 12913},
    {24095, put_option, 0},
    {24096, put_option, 1},
    {24097, put_option, 2},
    {24104, put_option, 2},
};
uint32_t os_base_value(struct os_server *s, uint32_t id, struct arena *a, struct ua_variant *ret)
{
    *ret = (struct ua_variant){0};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i].id == id) return values[i].fn(s, values[i].arg, a, ret) ? 0 : UA_BAD_OUT_OF_MEMORY;
    return 0;
}
