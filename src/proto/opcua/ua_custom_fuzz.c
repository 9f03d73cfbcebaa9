/* A definition and a body, both any bytes: [length of the definition][definition][body]. Every type that is none of the
 * standard's is that definition again. What can be shown as JSON can be encoded from it, or says why not. */
#include <assert.h>
#include "proto/opcua/ua_custom.h"

static const struct ua_structure_definition *same(void *ctx, const struct ua_nodeid *id, bool encoding)
{
    (void)encoding;
    return id->i % 2 ? ctx : NULL;
}
static unsigned simple(void *ctx, const struct ua_nodeid *id)
{
    (void)ctx;
    return id->i % 26;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    struct ua_structure_definition def;
    struct error e = {0};
    arena_init(&a, 2 << 20);
    if (n < 1 || p[0] > n - 1) return 0;
    struct ua_decoder d = ua_decoder(&a, str_make((const char *)p + 1, p[0]), NULL);
    if (!ua_decode(&d, UA_T_structure_definition, &def)) return 0;
    const struct ua_catalogue c = {same, simple, &def};
    struct ua_extension again, x = {.type = ua_id(2, 1), .body_kind = UA_BODY_BYTES};
    x.body = str_make((const char *)p + 1 + p[0], n - 1 - p[0]);
    struct json *j = NULL;
    if (ua_value_json(&a, UA_EXTENSION, &x, &c, &j) != 0) return 0;
    assert(j != NULL);
    if (ua_json_structure(&a, j, &def, &c, &again, &e) != 0) assert(e.code != 0);
    return 0;
}
