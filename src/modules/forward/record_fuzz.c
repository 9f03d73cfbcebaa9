/* record_fuzz.c - any bytes as a record: read whole or not at all, and what is read is written back the same. */
#include "base/error.h"
#include "modules/forward/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct batch b;
    struct buf out;
    batch_init(&b);
    buf_init(&out, 16u << 20);
    if (record_read(str_make((const char *)p, n), &b) == 0) {
        record_write(&b, &out);
        if (out.n != n) __builtin_trap();
    } else if (b.n) {
        __builtin_trap();
    }
    buf_fini(&out);
    batch_fini(&b);
    return 0;
}
