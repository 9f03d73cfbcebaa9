/* Fuzz: block and time column payloads. First byte even: a block over a small time column; odd: times. */
#include "tsdb/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct codec *c;
    static struct sample out[SEG_BLOCK_MAX];
    static int64_t times[64];
    if (!c) {
        c = codec_new(SEG_BLOCK_MAX);
        for (int i = 0; i < 64; i++) times[i] = i * 1000;
    }
    if (n < 1) return 0;
    struct in in = in_make(p + 1, n - 1);
    struct block_head h;
    if (p[0] & 1) {
        (void)times_decode(&in, &c->times[0], c);
        return 0;
    }
    if (block_head_decode(&in, &h) == 0 && block_decode(&in, &h, times, 64, out, c) == 0)
        for (size_t i = 1; i < h.count; i++)
            if (out[i].time_us <= out[i - 1].time_us) __builtin_trap();
    return 0;
}
