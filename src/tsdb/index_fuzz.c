/* Fuzz: index entries, directory, footer, header, frames, compressed payloads. First byte: which. */
#include "base/mem.h"
#include "tsdb/seg_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static ZSTD_DCtx *d;
    struct index_page *pages = NULL;
    struct index_entry e;
    struct seg_foot foot;
    struct seg_info info;
    uint8_t *raw = NULL;
    size_t count;
    if (!d) d = ZSTD_createDCtx();
    if (n < 1) return 0;
    struct in in = in_make(p + 1, n - 1), payload;
    if (p[0] % 5 == 0)
        while (in_left(&in) && index_entry_decode(&in, p[0], &e)) {
        }
    if (p[0] % 5 == 1 && index_dir_decode(&in, 1 << 20, &pages, &count) == 0) mem_free(pages);
    if (p[0] % 5 == 2) (void)seg_foot_decode(p + 1, n - 1, &foot);
    if (p[0] % 5 == 2) (void)seg_head_decode(p + 1, n - 1, &info);
    if (p[0] % 5 == 3) (void)frame_check(p + 1, n - 1, 1, 2, &payload);
    if (p[0] % 5 == 4 && unzip(&in, 1 << 20, d, &raw, &count) == 0) mem_free(raw);
    return 0;
}
