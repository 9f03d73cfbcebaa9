/* Any spec, any bytes: the walk ends, stays inside, and does not depend on how the bytes were cut. */
#include <assert.h>
#include <stdlib.h>
#include "proto/frame_spec.h"

struct seen {
    struct frame_state st;
    unsigned frames;
    uint32_t hash;
};

static size_t walk(const struct frame_spec *s, const uint8_t *p, size_t n, struct seen *seen)
{
    size_t at = 0;
    while (at < n) {
        struct frame_found f;
        struct error e;
        int rc = frame_next(s, &seen->st, p + at, n - at, &f, &e);
        if (rc == 0) break;
        assert(f.used > 0 && f.used <= n - at);
        if (rc == 1) {
            assert(f.at + f.n <= f.used && f.n <= s->max);
            seen->frames++;
            for (size_t i = 0; i < f.n; i++) seen->hash = seen->hash * 31 + p[at + f.at + i];
        }
        at += f.used;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char text[64];
    if (n < 12 || n > 2000) return 0;
    struct frame_spec s = {.kind = (enum frame_kind)(p[0] % 5),
                           .max = 1 + p[1] % 60u,
                           .fixed = p[2] % 64,
                           .start = {p[3] % 3, {p[4], p[5]}},
                           .end = {p[6] % 3, {p[7], p[8]}},
                           .length_at = p[9] % 8,
                           .length_size = p[10] % 5,
                           .length_little = p[10] & 64,
                           .restart = p[10] & 128,
                           .length_adjust = (int8_t)p[11]};
    bytes_show(p, n, text, 1 + p[0] % 64u);
    if (frame_spec_check(&s, NULL)) return 0;
    p += 12, n -= 12;
    struct seen whole = {0}, cut = {0};
    walk(&s, p, n, &whole);
    size_t done = 0;
    for (size_t to = 1; to <= n; to++) done += walk(&s, p + done, to - done, &cut);
    if (s.kind != FRAME_IDLE) assert(whole.frames == cut.frames && whole.hash == cut.hash);
    return 0;
}
