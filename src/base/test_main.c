/* test_main.c - the runner of base/test.h, linked to every *_test.c.
 *
 * Tests run in the order of their file. A temporary folder is made when a test asks for one (below
 * $TMPDIR or /tmp) and removed after it. Exit status 1: a check failed, or no test ran. Checks may
 * be made from other threads. */
#include "base/test.h"
#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static struct test_case *first, **tail = &first;
static struct test_case *running;
static atomic_int failures; /* of the running test */
static char tmpdir[256];

void test_register(struct test_case *t)
{
    *tail = t;
    tail = &t->next;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    flockfile(stdout);
    printf("%s:%d: %s: ", file_name(file), line, running ? running->name : "?");
    vprintf(fmt, ap);
    printf("\n");
    fflush(stdout);
    funlockfile(stdout);
    va_end(ap);
    atomic_fetch_add(&failures, 1);
}

const char *test_tmpdir(void)
{
    if (tmpdir[0]) return tmpdir;
    const char *base = getenv("TMPDIR");
    snprintf(tmpdir, sizeof(tmpdir), "%s/bornite-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(tmpdir)) {
        perror(tmpdir);
        exit(1);
    }
    return tmpdir;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static void remove_tmpdir(void)
{
    if (!tmpdir[0]) return;
    if (nftw(tmpdir, remove_entry, 16, FTW_DEPTH | FTW_PHYS)) perror(tmpdir);
    tmpdir[0] = '\0';
}

static bool run_one(struct test_case *t)
{
    running = t;
    atomic_store(&failures, 0);
    t->fn();
    remove_tmpdir();
    running = NULL;
    return atomic_load(&failures) == 0;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    for (struct test_case *t = first; t; t = t->next) {
        if (argc > 1 && !strstr(t->name, argv[1])) continue;
        if (run_one(t))
            passed++;
        else
            failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed || passed == 0 ? 1 : 0;
}
