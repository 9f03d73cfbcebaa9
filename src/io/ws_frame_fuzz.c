/* ws_frame_fuzz.c - frames from any bytes; the events must not depend on how the bytes were cut. */
#include <assert.h>
#include "base/utf8.h"
#include "io/ws_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static uint64_t mix(uint64_t sum, const struct ws_event *e)
{
    sum = sum * 31 + e->opcode;
    for (size_t i = 0; i < e->data.n; i++) sum = sum * 31 + (unsigned char)e->data.p[i];
    return sum;
}

static uint64_t read_all(const uint8_t *p, size_t n, size_t step, bool masked)
{
    struct ws_reader r;
    struct ws_event e;
    uint64_t sum = 0;
    ws_reader_init(&r, 4096, masked);
    for (size_t at = 0; at < n;) {
        size_t used, k = n - at < step ? n - at : step;
        int got = ws_reader_next(&r, p + at, k, &used, &e);
        if (got < 0) {
            sum ^= (uint64_t)-got << 32;
            break;
        }
        assert(used <= k && (got == 1 || used == k));
        if (got == 1) {
            assert(e.data.n <= 4096);
            assert(e.opcode != WS_TEXT || utf8_valid(e.data));
            sum = mix(sum, &e);
        }
        at += used;
    }
    ws_reader_fini(&r);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    bool masked = p[0] & 1;
    uint64_t a = read_all(p + 1, n - 1, n, masked), b = read_all(p + 1, n - 1, 1, masked);
    assert(a == b);
    return 0;
}
