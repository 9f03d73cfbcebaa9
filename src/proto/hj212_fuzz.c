/* Streams, segments, CP, parts, words: whatever comes, no fault; and what was parsed is written back as it was. */
#include <assert.h>
#include "proto/hj212.h"

static void fields(struct str cp)
{
    struct hj212_cp it = hj212_cp_begin(cp);
    struct hj212_field f;
    size_t n = 0;
    while (hj212_cp_next(&it, &f)) {
        char text[64];
        n += f.name.n + f.value.n;
        hj212_text(f.value, text, sizeof text);
        assert(f.name.n > 0);
    }
    assert(n <= cp.n);
}

static void message(struct str segment, struct hj212_parts *parts, struct buf *whole)
{
    struct hj212_message m;
    struct buf out;
    if (hj212_message_parse(segment, &m, NULL)) return;
    fields(m.cp);
    if (m.pnum && hj212_parts_add(parts, &m, whole, NULL) == 1) fields(buf_view(whole));
    buf_init(&out, 1 << 20);
    if (hj212_message_put_split(&out, &m, 200) > 0) {
        struct hj212_frame f;
        assert(hj212_frame_next(out.p, out.n, &f, NULL) == 1);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct hj212_parts parts = {0};
    struct buf whole;
    char en[300], zh[300];
    buf_init(&whole, 1 << 20);
    hj212_words(p, n, en, zh, sizeof en);
    message(str_make((const char *)p, n), &parts, &whole);
    for (size_t at = 0; at < n;) {
        struct hj212_frame f;
        int rc = hj212_frame_next(p + at, n - at, &f, NULL);
        if (rc == 0) break;
        assert(f.used > 0 && f.used <= n - at);
        if (f.segment.n) message(f.segment, &parts, &whole);
        at += f.used;
    }
    hj212_parts_drop(&parts);
    buf_fini(&whole);
    return 0;
}
