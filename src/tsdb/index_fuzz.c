/* Fuzz: index pages of both versions, directory, footer, header, frames, compressed payloads. First byte: which. */
#include "base/mem.h"
#include "tsdb/seg_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct codec *c;
    struct index_page *pages = NULL;
    struct index_entry e, *entries = NULL;
    struct seg_foot foot;
    struct seg_info info;
    uint8_t *raw = NULL;
    size_t count;
    if (!c) c = codec_new(PAGE_ENTRIES);
    if (n < 1) return 0;
    struct in in = in_make(p + 1, n - 1), payload;
    if (p[0] % 7 == 0)
        while (in_left(&in) && index_entry_decode(&in, &e)) {
        }
    if (p[0] % 7 == 1 && index_dir_decode(&in, 1 << 20, &pages, &count) == 0) mem_free(pages);
    if (p[0] % 7 == 2) (void)seg_foot_decode(p + 1, n - 1, &foot);
    if (p[0] % 7 == 2) (void)seg_head_decode(p + 1, n - 1, &info);
    if (p[0] % 7 == 3) (void)frame_check(p + 1, n - 1, 1, 2, &payload);
    if (p[0] % 7 == 4 && unzip(&in, 1 << 20, c->d, &raw, &count) == 0) mem_free(raw);
    if (p[0] % 7 == 5 && seg_page_decode(&in, c, &entries, &count) == 0) mem_free(entries);
    if (p[0] % 7 == 6 && seg_page_decode_rows(&in, c, &entries, &count) == 0) mem_free(entries);
    return 0;
}
