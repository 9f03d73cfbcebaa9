/* record_fuzz.c - any bytes as a record: read whole or not at all, and what is read is the same after writing it. */
#include <string.h>
#include "base/error.h"
#include "modules/forward/record.h"

static void must(bool ok)
{
    if (!ok) __builtin_trap();
}

static bool same(const struct batch *a, const struct batch *b)
{
    bool yes = a->n == b->n && a->made_us == b->made_us && a->text.n == b->text.n;
    for (size_t i = 0; yes && i < a->n; i++) {
        const struct item *x = &a->items[i], *y = &b->items[i];
        yes = memcmp(&x->s, &y->s, sizeof x->s) == 0 && x->at == y->at && x->len == y->len;
    }
    return yes && (!a->text.n || memcmp(a->text.p, b->text.p, a->text.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct batch b, again;
    struct buf out;
    batch_init(&b);
    batch_init(&again);
    buf_init(&out, 16u << 20);
    if (record_read(str_make((const char *)p, n), &b) == 0) {
        record_write(&b, &out);
        must(!out.err && record_read(buf_view(&out), &again) == 0);
        must(same(&b, &again));
    } else {
        must(b.n == 0 && b.text.n == 0);
    }
    buf_fini(&out);
    batch_fini(&again);
    batch_fini(&b);
    return 0;
}
