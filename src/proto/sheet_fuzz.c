/* sheet_fuzz.c - any bytes as a workbook, and any text as the rows of one (so that the archive's checksums do
 * not stop the fuzzer at the door). */
#include <zip.h>
#include "proto/sheet_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_all(const void *p, size_t n)
{
    struct sheet_limits lim = {.inflated = 4 << 20, .strings = 1 << 20};
    struct workbook *w = NULL;
    struct sheet_row r;
    if (xlsx_open(p, n, &lim, &w, NULL)) return;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < xlsx_sheets(w) && i < 4; i++) {
        AUTO_ARENA a;
        struct str *cells;
        size_t k;
        arena_init(&a, 4 << 20);
        if (sheet_header(w, i, 2, &a, &cells, &k, NULL) || sheet_begin(w, i, NULL)) continue;
        while (sheet_next(w, &r, NULL) == 1)
            for (size_t c = 0; c < r.n; c++) {
                buf_clear(&b);
                cell_text(&r.cells[c], &b);
            }
    }
    buf_fini(&b);
    xlsx_close(w);
}

static void add(zip_t *z, const char *name, const void *p, size_t n)
{
    zip_source_t *s = zip_source_buffer(z, p, n, 0);
    if (s && zip_file_add(z, name, s, 0) < 0) zip_source_free(s);
}

/* The first byte chooses which part the rest of the input is. */
static void packed(const uint8_t *p, size_t n)
{
    static const char rels[] = "<R><Relationship Id='a' Type='/officeDocument' Target='b'/></R>";
    static const char book[] = "<w><sheets><sheet name='s' r:id='a'/></sheets></w>";
    static const char parts[] =
        "<R><Relationship Id='a' Type='/worksheet' Target='s'/><Relationship Id='b' "
        "Type='/sharedStrings' Target='t'/><Relationship Id='c' Type='/styles' Target='y'/></R>";
    static const char sheet[] = "<s><row><c t='s'><v>0</v></c><c s='1'><v>1</v></c></row></s>";
    zip_source_t *out = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_t *z = out ? zip_open_from_source(out, ZIP_TRUNCATE, NULL) : NULL;
    if (!z) return;
    zip_source_keep(out);
    int which = n ? p[0] % 4 : 0;
    const uint8_t *rest = n ? p + 1 : p;
    size_t k = n ? n - 1 : 0;
    add(z, "_rels/.rels", rels, sizeof rels - 1);
    add(z, "b", which == 1 ? (const void *)rest : book, which == 1 ? k : sizeof book - 1);
    add(z, "_rels/b.rels", parts, sizeof parts - 1);
    add(z, "s", which == 0 ? (const void *)rest : sheet, which == 0 ? k : sizeof sheet - 1);
    add(z, "t", which == 2 ? (const void *)rest : "<t/>", which == 2 ? k : 4);
    add(z, "y", which == 3 ? (const void *)rest : "<t/>", which == 3 ? k : 4);
    if (zip_close(z) == 0 && zip_source_open(out) == 0) {
        zip_source_seek(out, 0, SEEK_END);
        size_t size = (size_t)zip_source_tell(out);
        void *all = mem_alloc(size);
        zip_source_seek(out, 0, SEEK_SET);
        if (all && zip_source_read(out, all, size) == (zip_int64_t)size) read_all(all, size);
        mem_free(all);
        zip_source_close(out);
    }
    zip_source_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n > 4 && p[0] == 'P' && p[1] == 'K')
        read_all(p, n);
    else
        packed(p, n);
    return 0;
}
