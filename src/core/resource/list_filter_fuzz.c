/* list_filter_fuzz.c - a filter (and after a 0 byte a sort) compiled and prepared by SQLite: whatever is
 * accepted must be good SQL with all parameters in place. */
#include "core/resource/kernel_fixture.h"
#include "core/resource/list_filter.h"

void test_register(struct test_case *t) {}
void test_fail(const char *file, int line, const char *fmt, ...)
{
    __builtin_trap();
}
const char *test_tmpdir(void)
{
    return "/tmp";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fixture f;
    if (!f.k && !fixture_open(&f, NULL)) __builtin_trap();
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    struct str all = str_make((const char *)data, size), filter = str_cut(&all, 0);
    struct list_query q = {.kind = "tag", .filter = filter, .sort = all.p ? all : STR(""), .limit = 1};
    struct list_page p;
    struct error e = {0};
    int rc = resource_list(f.k, &a, &q, &p, &e);
    if (rc && rc != ERR_INVALID && rc != ERR_TOO_LARGE) {
        fprintf(stderr, "%d %s\n", rc, e.text);
        __builtin_trap();
    }
    return 0;
}
