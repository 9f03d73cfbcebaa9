/* xml_tree_fuzz.c - any bytes as XML, any bytes as a path; what a path selects is a text, and leaves can be read again.
 */
#include "base/json_path.h"
#include "proto/xml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json *root;
    struct str path, all = str_make((const char *)data, size), rest = all, first = str_cut(&rest, '\n'), text;
    const struct json_path_query *q;
    struct xml_leaf leaf[50];
    arena_init(&a, 8 << 20);
    bool good = !xml_path(first, size & 1 ? XML_ROWS : XML_VALUE, &a, &path, NULL);
    if (good && json_path_compile(path, &a, &q, NULL) == ERR_INVALID && path.n < 3000) __builtin_trap();
    if (xml_tree(rest.p ? rest : all, &a, &root, NULL) == 0) {
        for (size_t i = 0, n = xml_leaves(root, &a, leaf, 50); i < n; i++)
            if (xml_path(leaf[i].path, XML_VALUE, &a, &text, NULL) == 0 && json_path_compile(text, &a, &q, NULL) == 0)
                (void)json_path_first(q, root);
    }
    arena_fini(&a);
    return 0;
}
