/* manifest_fuzz.c - what comes from a target: a manifest, a log's document, lines of lists; anything may stand there.
 */
#include "modules/backup/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    struct json *v;
    struct manifest m;
    struct entry f;
    struct error e;
    arena_init(&a, 8u << 20);
    if (json_parse(&a, str_make((const char *)p, n), &v, &e)) return 0;
    if (manifest_parse(v, &m, "fuzz", &e) == 0 && (strlen(m.id) != 36 || !m.list)) __builtin_trap();
    if (entry_read(v, &f, &e)) return 0;
    /* A name becomes a path. */
    if (!f.name.n || f.name.p[0] == '/' || str_has(f.name, STR("..")) || f.bytes < 0) __builtin_trap();
    return 0;
}
