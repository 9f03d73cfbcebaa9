/* object_test.c - the store in a directory: whole or not at all, keys, ranges, walking. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/test.h"
#include "base/str.h"
#include "store/object.h"

static struct object_store *s;
static struct error e;

static bool opened(void)
{
    char url[4300];
    snprintf(url, sizeof url, "dir:%s/objects", test_tmpdir());
    e = (struct error){0};
    return object_store_open(url, NULL, &s, &e) == 0;
}

static int put(const char *key, const char *text)
{
    struct object_put *p;
    struct object_info i;
    int rc = object_put_begin(s, key, &p, &e);
    if (rc) return rc;
    for (const char *at = text; *at && !rc; at++) rc = object_put_write(p, at, 1, &e);
    if (!rc) rc = object_put_finish(p, &i, &e);
    if (!rc) CHECK_INT(i.size, strlen(text));
    if (!rc && strcmp(text, "abc") == 0)
        CHECK_Z(i.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    return rc;
}

static int count(void *ctx, const char *key, const struct object_info *i)
{
    (*(int *)ctx)++;
    CHECK(strncmp(key, "a/", 2) == 0 && i->size > 0);
    return 0;
}

TEST(put_get_delete)
{
    char buf[10];
    size_t n;
    struct object_info i;
    int seen = 0;
    REQUIRE(opened());
    CHECK_INT(object_store_test(s, &e), 0);
    CHECK_INT(put("a/b/c", "abc"), 0);
    CHECK_INT(put("a/d", "longer"), 0);
    CHECK_INT(put("z", "x"), 0);
    CHECK_INT(object_get(s, "a/d", 4, buf, sizeof buf, &n, &e), 0);
    CHECK_STR(str_make(buf, n), "er");
    CHECK_INT(object_get(s, "a/d", 99, buf, sizeof buf, &n, &e), 0);
    CHECK_INT(n, 0);
    CHECK_INT(object_stat(s, "a/b/c", &i, &e), 0);
    CHECK_INT(i.size, 3);
    CHECK_INT(object_each(s, "a/", count, &seen, &e), 0);
    CHECK_INT(seen, 2);
    CHECK_INT(object_delete(s, "a/d", &e), 0);
    CHECK_INT(object_delete(s, "a/d", &e), 0);
    CHECK_INT(object_stat(s, "a/d", &i, &e), ERR_NOT_FOUND);
    object_store_close(s);
}

TEST(keys_do_not_leave_the_store)
{
    static const char *const bad[] = {"", "/a", "a/../b", "a//b", "a/", "a b", "中", "..", "a\\b"};
    struct object_info i;
    REQUIRE(opened());
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) CHECK_INT(object_stat(s, bad[k], &i, &e), ERR_INVALID);
    object_store_close(s);
    CHECK_INT(object_store_open("ftp://x", NULL, &s, &e), ERR_INVALID);
    CHECK_INT(object_store_open("dir:/nowhere/at/all", NULL, &s, &e), ERR_NOT_FOUND);
}

TEST(what_is_not_finished_is_not_there)
{
    struct object_put *p;
    struct object_info i;
    struct stat st;
    char left[4300];
    REQUIRE(opened());
    REQUIRE(object_put_begin(s, "k", &p, &e) == 0);
    CHECK_INT(object_put_write(p, "abc", 3, &e), 0);
    CHECK_INT(object_stat(s, "k", &i, &e), ERR_NOT_FOUND);
    object_put_abort(p);
    CHECK_INT(object_stat(s, "k", &i, &e), ERR_NOT_FOUND);
    object_store_close(s);
    snprintf(left, sizeof left, "%s/objects/tmp/half", test_tmpdir());
    close(open(left, O_CREAT | O_WRONLY, 0600));
    REQUIRE(opened()); /* somebody else may be writing it */
    CHECK(stat(left, &st) == 0);
    object_store_close(s);
    struct timespec old[2] = {{.tv_sec = st.st_mtim.tv_sec - 3700}, {.tv_sec = st.st_mtim.tv_sec - 3700}};
    CHECK_INT(utimensat(AT_FDCWD, left, old, 0), 0);
    REQUIRE(opened()); /* a crash had left it */
    CHECK(stat(left, &st) != 0);
    object_store_close(s);
}
