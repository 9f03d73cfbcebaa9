/* Any text as the address of an event or of an alarm; what parses must print and parse again to the same. */
#include <assert.h>
#include "drivers/opcua/events_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    struct oc_event *x = NULL, *y = NULL;
    struct buf b, c;
    arena_init(&a, 4 << 20);
    buf_init(&b, 1 << 20);
    buf_init(&c, 1 << 20);
    buf_z(&b, n && p[0] & 1 ? "alarm:" : "event:");
    if (n) buf_add(&b, p + 1, n - 1);
    struct str text = arena_str(&a, buf_view(&b));
    buf_clear(&b);
    if (oc_event_parse(&a, text, &x, NULL) == 0) {
        oc_event_text(&b, x);
        assert(b.err == 0 && oc_event_parse(&a, arena_str(&a, buf_view(&b)), &y, NULL) == 0);
        oc_event_text(&c, y);
        assert(str_eq(buf_view(&b), buf_view(&c)) && str_eq(x->key, y->key) && x->path_n == y->path_n);
    }
    buf_fini(&b);
    buf_fini(&c);
    return 0;
}
