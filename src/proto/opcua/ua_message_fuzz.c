/* Any bytes as a message or as a value of any type: what decodes must encode, decode again to the same bytes, and be
 * shown as JSON. The first byte chooses the type. */
#include <assert.h>
#include "proto/opcua/ua_custom.h"

static void again(struct arena *a, unsigned type, const void *value)
{
    struct buf x, y;
    struct json *j = NULL;
    buf_init(&x, 8 << 20);
    buf_init(&y, 8 << 20);
    ua_encode(&x, type, value);
    void *back = arena_calloc(a, 1, ua_size_of(type));
    struct ua_decoder d = ua_decoder(a, buf_view(&x), NULL);
    if (x.err == 0 && back != NULL && ua_decode(&d, type, back)) {
        ua_encode(&y, type, back);
        assert(y.err == 0 && x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0));
    } else {
        assert(x.err != 0 || back == NULL || d.status != 0);
    }
    if (ua_value_json(a, type, value, NULL, &j) == 0) assert(j != NULL);
    buf_fini(&x);
    buf_fini(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    arena_init(&a, 4 << 20);
    if (n < 1) return 0;
    unsigned type = p[0] % (UA_T_END + 1u);
    struct str bytes = str_make((const char *)p + 1, n - 1);
    if (type == UA_T_END || ua_size_of(type) == 0) {
        void *value = NULL;
        uint32_t handle = 0;
        uint32_t status = ua_message_decode(&a, bytes, NULL, &type, &value, &handle);
        assert((status == 0) == (value != NULL));
        if (status == 0) again(&a, type, value);
        return 0;
    }
    void *value = arena_calloc(&a, 1, ua_size_of(type));
    struct ua_decoder d = ua_decoder(&a, bytes, NULL);
    if (value != NULL && ua_decode(&d, type, value)) again(&a, type, value);
    return 0;
}
