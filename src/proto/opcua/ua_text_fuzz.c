/* Any text as a node id, a name, a range, a certificate; what parses must print and parse again. */
#include <assert.h>
#include "proto/opcua/ua_security.h"
#include "proto/opcua/ua_status.h"
#include "proto/opcua/ua_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    struct str s = str_make((const char *)p, n);
    struct ua_expanded x, y;
    struct ua_name name;
    struct ua_cert *c = NULL;
    struct buf b;
    arena_init(&a, 4 << 20);
    buf_init(&b, 1 << 20);
    if (ua_nodeid_parse(&a, s, &x, NULL) == 0) {
        ua_expanded_text(&b, &x);
        assert(b.err == 0 && ua_nodeid_parse(&a, buf_view(&b), &y, NULL) == 0);
        assert(ua_nodeid_eq(&x.id, &y.id) && str_eq(x.uri, y.uri) && x.server == y.server);
    }
    if (ua_name_parse(s, &name, NULL) == 0) assert(name.name.n > 0);
    if (ua_range_check(s, NULL) == 0) assert(n > 0);
    ua_status_find(s, 1);
    if (ua_cert_parse(s, &c, NULL) == 0) {
        struct ua_cert_check k = {.trusted = &c, .trusted_n = 1};
        uint32_t faults = 0, status = ua_cert_verify(c, &k, &faults);
        assert((status == 0) == (faults == 0));
    }
    ua_cert_free(c);
    buf_fini(&b);
    return 0;
}
