/* Fuzz: payloads of bundles, blocks of the first version and time columns, over a small time column. First byte:
 * which. */
#include "tsdb/block.h"

static int64_t times[64];

static void decode(struct in *body, const struct block_head *h, struct codec *c)
{
    static struct sample out[SEG_BLOCK_MAX];
    if (block_decode(body, h, times, 64, out, c)) return;
    for (size_t i = 1; i < h->count; i++)
        if (out[i].time_us <= out[i - 1].time_us) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct codec *c;
    if (!c) {
        c = codec_new(SEG_BLOCK_MAX);
        for (int i = 0; i < 64; i++) times[i] = i * 1000;
    }
    if (n < 1) return 0;
    struct in in = in_make(p + 1, n - 1), body;
    struct block_head h;
    struct bundle_in x;
    if (p[0] % 3 == 0) (void)times_decode(&in, &c->times[0], c);
    if (p[0] % 3 == 1 && block_head_decode(&in, &h) == 0) decode(&in, &h, c);
    if (p[0] % 3 == 2 && bundle_open(&in, &x) == 0)
        while (bundle_next(&x, &h, &body) == 1) decode(&body, &h, c);
    return 0;
}
