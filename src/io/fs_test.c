/* Both file layers against the same contract, and what only the simulated one can do. */
#include "base/test.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/fs.h"
#include "io/sim_fs.h"

struct listing {
    char names[256];
    int64_t bytes;
};

static void list_one(void *ctx, const char *name, bool dir, int64_t size)
{
    struct listing *l = ctx;
    size_t n = strlen(l->names);
    snprintf(l->names + n, sizeof l->names - n, "%s%s ", name, dir ? "/" : "");
    l->bytes += size;
}

static void check_contract(struct fs *fs)
{
    struct fs_file *f;
    char got[16] = "";
    CHECK_INT(fs_open(fs, "none", FS_READ, &f), ERR_NOT_FOUND);
    CHECK_INT(fs->ops->mkdir(fs, "d"), 0);
    CHECK_INT(fs->ops->mkdir(fs, "d"), 0);
    REQUIRE(fs_open(fs, "d/a", FS_READ | FS_WRITE | FS_CREATE | FS_EXCL, &f) == 0);
    CHECK_INT(fs_pwrite(f, "hello", 5, 0), 0);
    CHECK_INT(fs_pwrite(f, "J", 1, 7), 0);
    CHECK_INT(fs_sync(f), 0);
    CHECK_INT(fs_size(f), 8);
    CHECK_INT(fs_pread(f, got, 16, 3), 5);
    CHECK(memcmp(got, "lo\0\0J", 5) == 0);
    CHECK_INT(fs_pread(f, got, 16, 8), 0);
    CHECK_INT(fs->ops->truncate(f, 4), 0);
    CHECK_INT(fs_size(f), 4);
    struct fs_file *g;
    CHECK_INT(fs_open(fs, "d/a", FS_READ | FS_WRITE | FS_CREATE | FS_EXCL, &g), ERR_EXISTS);
    CHECK_INT(fs->ops->rename(fs, "d/a", "d/b"), 0);
    CHECK_INT(fs_pread(f, got, 4, 0), 4);
    fs_close(f);
    CHECK_INT(fs_open(fs, "d/a", FS_READ, &f), ERR_NOT_FOUND);
    CHECK_INT(fs->ops->sync_dir(fs, "d"), 0);
    CHECK(fs->ops->remove(fs, "d") != 0);
    struct listing l = {0};
    CHECK_INT(fs->ops->list(fs, "d", list_one, &l), 0);
    CHECK_Z(l.names, "b ");
    CHECK_INT(l.bytes, 4);
    CHECK_INT(fs->ops->remove(fs, "d/b"), 0);
    CHECK_INT(fs->ops->remove(fs, "d"), 0);
    CHECK_INT(fs->ops->sync_dir(fs, ""), 0);
    int64_t free_bytes = 0, total = 0;
    CHECK_INT(fs->ops->space(fs, &free_bytes, &total), 0);
    CHECK(free_bytes > 0 && total >= free_bytes);
}

static void check_util(struct fs *fs)
{
    void *p = NULL;
    size_t n = 0;
    CHECK_INT(fs_replace(fs, "small", "one", 3), 0);
    CHECK_INT(fs_replace(fs, "small", "three", 5), 0);
    CHECK_INT(fs_read_all(fs, "small", 4, &p, &n), ERR_TOO_LARGE);
    REQUIRE(fs_read_all(fs, "small", 5, &p, &n) == 0);
    CHECK(n == 5 && memcmp(p, "three", 5) == 0);
    mem_free(p);
    CHECK_INT(fs_read_all(fs, "none", 5, &p, &n), ERR_NOT_FOUND);
}

TEST(real_keeps_the_contract)
{
    char root[512];
    snprintf(root, sizeof root, "%s/deep/er", test_tmpdir());
    struct fs *fs = NULL, *other = NULL;
    struct error e = {0};
    REQUIRE(fs_real(root, true, &fs, &e) == 0);
    CHECK_INT(fs_real(root, true, &other, &e), ERR_EXISTS);
    CHECK(strstr(e.text, "in use by process"));
    check_contract(fs);
    check_util(fs);
    fs_destroy(fs);
    REQUIRE(fs_real(root, true, &fs, &e) == 0); /* the lock went with its holder */
    fs_destroy(fs);
}

TEST(sim_keeps_the_contract)
{
    struct fs *fs = sim_fs_new();
    check_contract(fs);
    check_util(fs);
    fs_destroy(fs);
}

static bool file_is(struct fs *fs, const char *path, const char *want)
{
    void *p = NULL;
    size_t n = 0;
    if (fs_read_all(fs, path, 1 << 20, &p, &n)) return want == NULL;
    bool same = want && n == strlen(want) && memcmp(p, want, n) == 0;
    mem_free(p);
    return same;
}

/* How many of 200 cuts leave `path` with this content (NULL: absent). */
static int cuts_with(struct fs *fs, const char *path, const char *want)
{
    int n = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fs *cut = sim_fs_power_cut(fs, seed);
        n += file_is(cut, path, want);
        fs_destroy(cut);
    }
    return n;
}

TEST(names_are_durable_only_after_sync_dir)
{
    struct fs *fs = sim_fs_new();
    struct fs_file *f;
    REQUIRE(fs_open(fs, "a", FS_WRITE | FS_CREATE, &f) == 0);
    CHECK_INT(fs_pwrite(f, "x", 1, 0), 0);
    CHECK_INT(fs_sync(f), 0);
    int with = cuts_with(fs, "a", "x");
    CHECK(with > 20 && with < 180);
    CHECK_INT(with + cuts_with(fs, "a", NULL), 200);
    CHECK_INT(fs->ops->sync_dir(fs, ""), 0);
    CHECK_INT(cuts_with(fs, "a", "x"), 200);
    CHECK_INT(fs->ops->rename(fs, "a", "b"), 0); /* old or new name, never none or both */
    CHECK_INT(cuts_with(fs, "a", "x") + cuts_with(fs, "b", "x"), 200);
    CHECK(cuts_with(fs, "b", "x") > 20);
    CHECK_INT(fs->ops->remove(fs, "b"), 0);
    CHECK_INT(fs->ops->sync_dir(fs, ""), 0);
    CHECK_INT(cuts_with(fs, "b", NULL), 200);
    fs_close(f);
    fs_destroy(fs);
}

TEST(content_is_durable_only_after_sync)
{
    struct fs *fs = sim_fs_new();
    struct fs_file *f;
    char big[1025];
    memset(big, 'n', 1024);
    big[1024] = 0;
    REQUIRE(fs_replace(fs, "a", "oooo", 4) == 0);
    REQUIRE(fs_open(fs, "a", FS_WRITE, &f) == 0);
    CHECK_INT(fs_pwrite(f, big, 1024, 0), 0);
    int old = cuts_with(fs, "a", "oooo"), new = cuts_with(fs, "a", big);
    CHECK(old > 20 && new > 20 && old + new < 199); /* and some torn */
    CHECK_INT(fs_sync(f), 0);
    CHECK_INT(cuts_with(fs, "a", big), 200);
    fs_close(f);
    fs_destroy(fs);
}

TEST(replace_is_atomic_at_every_cut)
{
    for (uint64_t n = 0; n < 8; n++)
        for (uint64_t seed = 0; seed < 50; seed++) {
            struct fs *fs = sim_fs_new();
            CHECK_INT(fs_replace(fs, "a", "old", 3), 0);
            sim_fs_power_off_after(fs, n);
            bool done = fs_replace(fs, "a", "brandnew", 8) == 0;
            struct fs *cut = sim_fs_power_cut(fs, seed);
            CHECK(file_is(cut, "a", "brandnew") || (!done && file_is(cut, "a", "old")));
            fs_destroy(cut);
            fs_destroy(fs);
        }
}

TEST(calls_fail_when_told)
{
    struct fs *fs = sim_fs_new();
    struct fs_file *f;
    REQUIRE(fs_open(fs, "a", FS_WRITE | FS_CREATE, &f) == 0);
    sim_fs_fail(fs, SIM_FS_PWRITE, 2, ERR_IO, false);
    CHECK_INT(fs_pwrite(f, "x", 1, 0), 0);
    CHECK_INT(fs_pwrite(f, "x", 1, 0), ERR_IO);
    CHECK_INT(fs_pwrite(f, "x", 1, 0), 0);
    sim_fs_fail(fs, SIM_FS_SYNC, 1, ERR_IO, true);
    CHECK_INT(fs_sync(f), ERR_IO);
    CHECK_INT(fs_sync(f), ERR_IO);
    sim_fs_fail(fs, SIM_FS_SYNC, 0, 0, false);
    CHECK_INT(fs_sync(f), 0);
    sim_fs_fail(fs, SIM_FS_ANY, 1, ERR_NOMEM, false);
    CHECK_INT(fs->ops->mkdir(fs, "d"), ERR_NOMEM);
    CHECK_INT(sim_fs_count(fs, SIM_FS_SYNC), 3);
    fs_close(f);
    fs_destroy(fs);
}

TEST(disk_can_be_full)
{
    struct fs *fs = sim_fs_new();
    struct fs_file *f;
    sim_fs_capacity(fs, 10);
    REQUIRE(fs_open(fs, "a", FS_WRITE | FS_CREATE, &f) == 0);
    CHECK_INT(fs_pwrite(f, "12345678", 8, 0), 0);
    CHECK_INT(fs_pwrite(f, "12345678", 8, 8), ERR_DISK_FULL);
    CHECK_INT(fs_size(f), 10); /* a part was written */
    CHECK_INT(fs->ops->truncate(f, 8), 0);
    CHECK_INT(fs_pwrite(f, "12", 2, 8), 0);
    sim_fs_capacity(fs, 100);
    CHECK_INT(fs_pwrite(f, "12345678", 8, 10), 0);
    fs_close(f);
    fs_destroy(fs);
}

TEST(damage_shows)
{
    struct fs *fs = sim_fs_new();
    CHECK_INT(fs_replace(fs, "a", "abc", 3), 0);
    CHECK_INT(sim_fs_poke(fs, "a", 1, "X", 1), 0);
    CHECK(file_is(fs, "a", "aXc"));
    CHECK_INT(sim_fs_poke(fs, "a", 3, "X", 1), ERR_INVALID);
    struct fs *copy = sim_fs_clone(fs);
    CHECK_INT(sim_fs_chop(fs, "a", 1), 0);
    CHECK(file_is(fs, "a", "a"));
    CHECK(file_is(copy, "a", "aXc"));
    fs_destroy(copy);
    fs_destroy(fs);
}
