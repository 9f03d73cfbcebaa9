/* fs_object_test.c - files over a store of objects: commit by rename, the cache and its bound, faults of the store. */
#include <pthread.h>
#include "base/mem.h"
#include "base/test.h"
#include "base/str.h"
#include "store/block_cache.h"
#include "store/fs_object.h"
#include "store/object_int.h"

/* A store before the directory that counts, fails and cuts. */
struct broken {
    struct object_store base;
    struct object_store *real;
    int fail_get, fail_finish, fail_stat; /* the error that comes, 0: none */
    int short_by;                         /* objects seem to end so many bytes earlier */
};
struct broken_put {
    struct object_put base;
    struct broken *b;
    struct object_put *real;
};

static void b_close(struct object_store *s)
{
    object_store_close(((struct broken *)s)->real);
}
static int b_begin(struct object_store *s, const char *key, struct object_put **ret, struct error *e)
{
    struct broken_put *p = mem_calloc(1, sizeof *p);
    p->base.ops = s->ops;
    p->b = (struct broken *)s;
    int rc = object_put_begin(p->b->real, key, &p->real, e);
    if (rc)
        mem_free(p);
    else
        *ret = &p->base;
    return rc;
}
static int b_write(struct object_put *p, const void *bytes, size_t n, struct error *e)
{
    return object_put_write(((struct broken_put *)p)->real, bytes, n, e);
}
static void b_abort(struct object_put *p)
{
    object_put_abort(((struct broken_put *)p)->real);
    mem_free(p);
}
static int b_finish(struct object_put *p, struct object_info *ret, struct error *e)
{
    struct broken_put *q = (struct broken_put *)p;
    int rc = q->b->fail_finish;
    if (rc) {
        b_abort(p);
        return error_set(e, rc, "store", "broken by the test", NULL);
    }
    rc = object_put_finish(q->real, ret, e);
    mem_free(q);
    return rc;
}
static int b_get(struct object_store *s, const char *key, uint64_t at, void *p, size_t cap, size_t *ret_n,
                 struct error *e)
{
    struct broken *b = (struct broken *)s;
    struct object_info i;
    if (b->fail_get) return error_set(e, b->fail_get, "store", "broken by the test", NULL);
    int rc = object_stat(b->real, key, &i, e);
    uint64_t end = i.size - (uint64_t)b->short_by;
    if (!rc && at + cap > end) cap = at < end ? (size_t)(end - at) : 0;
    *ret_n = 0;
    return rc || !cap ? rc : object_get(b->real, key, at, p, cap, ret_n, e);
}
static int b_stat(struct object_store *s, const char *key, struct object_info *ret, struct error *e)
{
    struct broken *b = (struct broken *)s;
    return b->fail_stat ? b->fail_stat : object_stat(b->real, key, ret, e);
}
static int b_remove(struct object_store *s, const char *key, struct error *e)
{
    return object_delete(((struct broken *)s)->real, key, e);
}
static int b_each(struct object_store *s, const char *prefix,
                  int (*fn)(void *, const char *, const struct object_info *), void *ctx, struct error *e)
{
    return object_each(((struct broken *)s)->real, prefix, fn, ctx, e);
}
static int b_check(struct object_store *s, struct error *e)
{
    return object_store_check(((struct broken *)s)->real, e);
}
static const struct object_ops broken_ops = {b_close, b_begin, b_write,  b_finish, b_abort,
                                             b_get,   b_stat,  b_remove, b_each,   b_check};

static struct broken b;
static struct fs *fs;
static char spool[4300];

static bool opened(size_t cache)
{
    char url[4300];
    struct error e = {0};
    snprintf(url, sizeof url, "dir:%s/objects", test_tmpdir());
    snprintf(spool, sizeof spool, "%s/spool", test_tmpdir());
    b = (struct broken){.base.ops = &broken_ops};
    if (object_store_open(url, NULL, &b.real, &e)) return false;
    struct fs_object_config cfg = {.store = &b.base, .prefix = "cold", .spool = spool, .cache_bytes = cache};
    return fs_object(&cfg, &fs, &e) == 0;
}
static void closed(void)
{
    fs_destroy(fs);
    object_store_close(&b.base);
}

static uint8_t byte_at(uint64_t seed, uint64_t i)
{
    return (uint8_t)((i + seed) * 2654435761u >> 13);
}

static int write_new(const char *path, uint64_t seed, size_t n)
{
    struct fs_file *f;
    uint8_t piece[1000];
    int rc = fs_open(fs, path, FS_WRITE | FS_CREATE | FS_TRUNC, &f);
    if (rc) return rc;
    for (size_t at = 0; at < n && !rc; at += sizeof piece) {
        size_t k = n - at < sizeof piece ? n - at : sizeof piece;
        for (size_t i = 0; i < k; i++) piece[i] = byte_at(seed, at + i);
        rc = fs_pwrite(f, piece, k, (int64_t)at);
    }
    if (!rc) rc = fs_sync(f);
    fs_close(f);
    return rc;
}
static int commit(const char *path, uint64_t seed, size_t n)
{
    char tmp[200];
    snprintf(tmp, sizeof tmp, "%s.new", path);
    int rc = write_new(tmp, seed, n);
    return rc ? rc : fs->ops->rename(fs, tmp, path);
}

static int64_t read_check(struct fs_file *f, uint64_t seed, int64_t at, size_t n)
{
    uint8_t *p = mem_alloc(n);
    int64_t got = fs_pread(f, p, n, at);
    for (int64_t i = 0; i < got; i++)
        if (p[i] != byte_at(seed, (uint64_t)(at + i))) {
            got = -1000;
            break;
        }
    mem_free(p);
    return got;
}

struct names {
    char text[400];
};
static void take(void *ctx, const char *name, bool dir, int64_t size)
{
    struct names *n = ctx;
    size_t at = strlen(n->text);
    snprintf(n->text + at, sizeof n->text - at, "%s%s:%lld ", name, dir ? "/" : "", (long long)size);
}
static const char *listed(const char *path)
{
    static struct names n;
    n.text[0] = 0;
    CHECK_INT(fs->ops->list(fs, path, take, &n), 0);
    return n.text;
}

TEST(a_rename_is_the_commit)
{
    struct fs_file *f;
    struct object_info i;
    REQUIRE(opened(0));
    CHECK_INT(write_new("ts/seg-1.new", 7, 1000), 0);
    CHECK_INT(object_stat(b.real, "cold/ts/seg-1.new", &i, NULL), ERR_NOT_FOUND);
    CHECK_Z(listed("ts"), "seg-1.new:1000 ");
    CHECK_INT(fs_open(fs, "ts/seg-1", FS_READ, &f), ERR_NOT_FOUND);
    CHECK_INT(fs->ops->rename(fs, "ts/seg-1.new", "ts/seg-1"), 0);
    CHECK_INT(object_stat(b.real, "cold/ts/seg-1", &i, NULL), 0);
    CHECK_INT(i.size, 1000);
    CHECK_Z(listed("ts"), "seg-1:1000 ");
    CHECK_Z(listed(""), "ts/:0 ");
    REQUIRE(fs_open(fs, "ts/seg-1", FS_READ, &f) == 0);
    CHECK_INT(fs_size(f), 1000);
    CHECK_INT(read_check(f, 7, 0, 1000), 1000);
    CHECK_INT(read_check(f, 7, 990, 1000), 10);
    CHECK_INT(fs_pread(f, spool, 5, 1000), 0);
    CHECK_INT(fs_pwrite(f, "x", 1, 0), ERR_UNSUPPORTED);
    fs_close(f);
    CHECK_INT(fs_open(fs, "ts/seg-1", FS_WRITE | FS_CREATE | FS_EXCL, &f), ERR_EXISTS);
    CHECK_INT(fs_open(fs, "ts/../x", FS_READ, &f), ERR_INVALID);
    CHECK_INT(fs->ops->remove(fs, "ts/seg-1"), 0);
    CHECK_INT(fs_open(fs, "ts/seg-1", FS_READ, &f), ERR_NOT_FOUND);
    closed();
}

TEST(what_was_not_renamed_is_gone_after_a_restart)
{
    struct fs_object_config cfg = {.store = &b.base, .prefix = "cold", .spool = spool};
    struct fs_file *f;
    REQUIRE(opened(0));
    CHECK_INT(commit("ts/a", 1, 10), 0);
    CHECK_INT(write_new("ts/b.new", 2, 10), 0);
    fs_destroy(fs);
    REQUIRE(fs_object(&cfg, &fs, NULL) == 0);
    CHECK_Z(listed("ts"), "a:10 ");
    CHECK_INT(fs_open(fs, "ts/b.new", FS_READ, &f), ERR_NOT_FOUND);
    closed();
}

TEST(an_object_gets_another_name)
{
    struct fs_file *f;
    REQUIRE(opened(0));
    CHECK_INT(commit("ts/seg", 3, 3 << 20), 0);
    CHECK_INT(fs->ops->rename(fs, "ts/seg", "ts/bad-seg"), 0);
    CHECK_INT(fs_open(fs, "ts/seg", FS_READ, &f), ERR_NOT_FOUND);
    REQUIRE(fs_open(fs, "ts/bad-seg", FS_READ, &f) == 0);
    CHECK_INT(read_check(f, 3, 0, 3 << 20), 3 << 20);
    fs_close(f);
    CHECK_INT(fs->ops->rename(fs, "ts/none", "ts/other"), ERR_NOT_FOUND);
    closed();
}

/* The bound holds, what is used stays, and a file that was replaced is read anew. */
TEST(the_cache_is_bounded_and_never_stale)
{
    struct fs_object_stats st;
    struct fs_file *f;
    const size_t size = 10 * BLOCK_BYTES + 17;
    REQUIRE(opened(4 * BLOCK_BYTES));
    CHECK_INT(commit("ts/a", 5, size), 0);
    REQUIRE(fs_open(fs, "ts/a", FS_READ, &f) == 0);
    CHECK_INT(read_check(f, 5, 0, size), size);
    fs_object_stats(fs, &st);
    CHECK_INT(st.fetches, 11);
    CHECK_INT(st.fetched_bytes, size);
    CHECK_INT(read_check(f, 5, 7 * BLOCK_BYTES, 3 * BLOCK_BYTES + 17), 3 * BLOCK_BYTES + 17);
    fs_object_stats(fs, &st);
    CHECK_INT(st.fetches, 11);
    CHECK_INT(st.hits, 4);
    CHECK_INT(read_check(f, 5, 0, 1), 1); /* the first went */
    CHECK_INT(read_check(f, 5, 8 * BLOCK_BYTES, 1), 1);
    fs_object_stats(fs, &st);
    CHECK_INT(st.fetches, 12);
    fs_close(f);
    CHECK_INT(commit("ts/a", 6, size), 0);
    REQUIRE(fs_open(fs, "ts/a", FS_READ, &f) == 0);
    CHECK_INT(read_check(f, 6, 8 * BLOCK_BYTES, 100), 100);
    fs_close(f);
    closed();
}

TEST(failures_are_told_and_pass)
{
    static const struct {
        int from, to;
    } map[] = {{ERR_TIMEOUT, ERR_UNAVAILABLE},
               {ERR_UNAVAILABLE, ERR_UNAVAILABLE},
               {ERR_DEVICE, ERR_IO},
               {ERR_NOT_FOUND, ERR_NOT_FOUND},
               {ERR_DISK_FULL, ERR_DISK_FULL}};
    struct fs_file *f;
    REQUIRE(opened(0));
    CHECK_INT(commit("ts/a", 1, 1000), 0);
    REQUIRE(fs_open(fs, "ts/a", FS_READ, &f) == 0);
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        b.fail_get = map[i].from;
        CHECK_INT(read_check(f, 1, 0, 10), map[i].to);
    }
    b.fail_get = 0;
    b.short_by = 1;
    CHECK_INT(read_check(f, 1, 0, 10), ERR_CORRUPT);
    b.short_by = 0;
    CHECK_INT(read_check(f, 1, 0, 1000), 1000);
    fs_close(f);
    b.fail_stat = ERR_TIMEOUT;
    CHECK_INT(fs_open(fs, "ts/a", FS_READ, &f), ERR_UNAVAILABLE);
    b.fail_stat = 0;
    b.fail_finish = ERR_UNAVAILABLE; /* an upload that fails leaves the spooled file: try again */
    CHECK_INT(write_new("ts/b.new", 2, 5000), 0);
    CHECK_INT(fs->ops->rename(fs, "ts/b.new", "ts/b"), ERR_UNAVAILABLE);
    CHECK(strstr(listed("ts"), "b.new:5000 "));
    b.fail_finish = 0;
    CHECK_INT(fs->ops->rename(fs, "ts/b.new", "ts/b"), 0);
    CHECK(strstr(listed("ts"), "b:5000 ") && !strstr(listed("ts"), "new"));
    closed();
}

/* Readers that want the same blocks at once: each is fetched once, nobody gets anything else. */
static struct fs_file *shared;
static void *reader(void *arg)
{
    intptr_t bad = 0;
    for (int i = 0; i < 400; i++) {
        int64_t at = (int64_t)((i * 7919 + (intptr_t)arg * 104729) % (6 * (int)BLOCK_BYTES));
        if (read_check(shared, 9, at, 3000) != 3000) bad++;
    }
    return (void *)bad;
}
TEST(many_readers)
{
    pthread_t t[6];
    REQUIRE(opened(4 * BLOCK_BYTES));
    CHECK_INT(commit("ts/a", 9, 7 * BLOCK_BYTES), 0);
    REQUIRE(fs_open(fs, "ts/a", FS_READ, &shared) == 0);
    for (intptr_t i = 0; i < 6; i++) REQUIRE(pthread_create(&t[i], NULL, reader, (void *)i) == 0);
    for (int i = 0; i < 6; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        CHECK_INT((intptr_t)bad, 0);
    }
    fs_close(shared);
    closed();
}

TEST(out_of_memory_is_an_error)
{
    struct fs *other;
    struct fs_object_config cfg = {.store = &b.base, .prefix = "cold", .spool = spool};
    struct error e = {0};
    REQUIRE(opened(0));
    for (uint64_t n = 1; n < 6; n++) {
        mem_fail_at(n, false);
        int rc = fs_object(&cfg, &other, &e);
        mem_fail_at(0, false);
        CHECK_INT(rc, ERR_NOMEM);
    }
    closed();
}
