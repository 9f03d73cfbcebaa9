/* json_path_fuzz.c - a path, a line end, a document: compiled or refused, asked; and every path that the leaves tell
 * leads back to its leaf. */
#include "base/json_path.h"

static int any(void *ctx, const struct json *node)
{
    size_t *n = ctx;
    if (!node) __builtin_trap();
    ++*n;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str rest = str_make((const char *)p, n), path = str_cut(&rest, '\n');
    const struct json_path_query *q = NULL;
    struct json *doc = NULL;
    struct json_path_leaf leaf[32];
    struct error e;
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    bool good = json_path_compile(path, &a, &q, &e) == 0;
    if (json_parse(&a, rest.p ? rest : STR("null"), &doc, &e)) return 0;
    size_t nodes = 0, leaves = json_path_leaves(doc, &a, leaf, 32);
    if (good) (void)json_path_all(q, doc, any, &nodes);
    for (size_t i = 0; i < leaves; i++) {
        if (leaf[i].path.n > 300) continue; /* more than 32 segments are refused */
        if (json_path_compile(leaf[i].path, &a, &q, &e) || json_path_first(q, doc) != leaf[i].value) __builtin_trap();
    }
    return 0;
}
