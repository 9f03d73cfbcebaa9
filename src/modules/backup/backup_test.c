/* backup_test.c - the pieces below the jobs: chunks and their hashes, lists cut anywhere, manifests, packing and
 * fetching, reuse, the overlay. The jobs are tested from outside (tests/backup.test.mjs). */
#include <fcntl.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"
#include "modules/backup/hashset.h"
#include "modules/backup/overlay.h"
#include "modules/backup/pack.h"
#include "modules/backup/reuse.h"

static struct error e;
static char root[4200];

static struct target *opened(bool (*cancelled)(void *), void *ctx)
{
    char url[4300];
    struct target *t = NULL;
    e = (struct error){0};
    snprintf(root, sizeof root, "%s/target", test_tmpdir());
    snprintf(url, sizeof url, "dir:%s", root);
    struct target_config c = {.url = url, .cancelled = cancelled, .ctx = ctx};
    int rc = target_open(&c, &t, &e);
    if (rc) test_fail(__FILE__, __LINE__, "target: %s", e.text);
    return t;
}

static void chunk_file(const char *hash, char out[4400])
{
    snprintf(out, 4400, "%s/bornite-backup/chunks/%.2s/%s", root, hash, hash);
}

TEST(chunks_are_sent_once_and_checked_when_read)
{
    char hash[TARGET_HASH], path[4400];
    char *room = mem_alloc(TARGET_CHUNK);
    bool fresh;
    size_t n;
    struct target *t = opened(NULL, NULL);
    REQUIRE(t && room);
    CHECK_INT(target_put(t, "abc", 3, hash, &fresh, &e), 0);
    CHECK_Z(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(fresh);
    CHECK_INT(target_put(t, "abc", 3, hash, &fresh, &e), 0);
    CHECK(!fresh);
    CHECK_INT(target_sent(t), 3);
    target_close(t);
    REQUIRE((t = opened(NULL, NULL)));
    CHECK(!target_has(t, str_of(hash)));
    CHECK_INT(target_learn(t, &e), 0);
    CHECK(target_has(t, str_of(hash)));
    CHECK_INT(target_get(t, str_of(hash), room, &n, &e), 0);
    CHECK_STR(str_make(room, n), "abc");
    chunk_file(hash, path);
    int fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, "X", 1, 1), 1);
    close(fd);
    CHECK_INT(target_get(t, str_of(hash), room, &n, &e), ERR_CORRUPT);
    CHECK(strstr(e.where, hash));
    CHECK_INT(truncate(path, 1), 0);
    CHECK_INT(target_get(t, str_of(hash), room, &n, &e), ERR_CORRUPT);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(target_get(t, str_of(hash), room, &n, &e), ERR_NOT_FOUND);
    CHECK_INT(target_get(t, STR("no hash"), room, &n, &e), ERR_CORRUPT);
    target_close(t);
    mem_free(room);
}

TEST(a_set_of_many_hashes)
{
    struct hashset s = {0};
    char hash[TARGET_HASH];
    for (int i = 0; i < 5000; i++) {
        hash_of(&i, sizeof i, hash);
        CHECK_INT(hashset_add(&s, str_of(hash)), 1);
    }
    for (int i = 0; i < 6000; i++) {
        hash_of(&i, sizeof i, hash);
        if (hashset_has(&s, str_of(hash)) != (i < 5000)) test_fail(__FILE__, __LINE__, "hash %d", i);
    }
    hash_of(&(int){7}, sizeof(int), hash);
    CHECK_INT(hashset_add(&s, str_of(hash)), 0);
    CHECK_INT(hashset_add(&s, STR("abc")), ERR_INVALID);
    hashset_fini(&s);
}

struct seen {
    int lines;
    int64_t sum;
    struct entry last;
    char name[64];
};
static int count_line(void *ctx, struct arena *a, const struct json *line, struct error *err)
{
    struct seen *s = ctx;
    s->lines++;
    s->sum += json_i64(json_get(line, "i"), 0);
    return 0;
}

/* Chunks end within lines: what is read is what was written. */
TEST(lists_are_cut_anywhere)
{
    struct lines l;
    struct seen s = {0};
    AUTO_ARENA a;
    arena_init(&a, 64u << 20);
    struct target *t = opened(NULL, NULL);
    REQUIRE(t && lines_begin(&l, t, &a, &e) == 0);
    char *line = mem_alloc(3000);
    for (int i = 0; i < 4000; i++) {
        int n = snprintf(line, 3000, "{\"i\":%d,\"pad\":\"%0*d\"}", i, 1000 + i % 1700, 0);
        REQUIRE(lines_add(&l, str_make(line, (size_t)n), &e) == 0);
        if (i == 100) CHECK_INT(lines_flush(&l, &e), 0);
    }
    CHECK_INT(lines_end(&l, &e), 0);
    CHECK(l.chunks->count >= 2);
    CHECK_INT(lines_each(t, l.chunks, count_line, &s, &e), 0);
    CHECK_INT(s.lines, 4000);
    CHECK_INT(s.sum, 4000 * 3999 / 2);
    mem_free(line);
    target_close(t);
}

struct text {
    const char *p;
    size_t n, step; /* gives at most `step` bytes at once */
};
static int64_t read_text(void *ctx, void *p, size_t n, int64_t at)
{
    struct text *x = ctx;
    if ((size_t)at >= x->n) return 0;
    if (n > x->n - (size_t)at) n = x->n - (size_t)at;
    if (n > x->step) n = x->step;
    memcpy(p, x->p + at, n);
    return (int64_t)n;
}

static int pack_text(struct target *t, struct arena *a, struct text *x, int64_t bytes, size_t chunk, struct entry *f)
{
    struct pack_source s = {.read = read_text, .ctx = x, .bytes = bytes, .chunk = chunk};
    *f = (struct entry){.part = STR("history"), .name = STR("ts/seg-1"), .id = STR("x")};
    return pack_file(t, a, &s, f, &e);
}

TEST(what_was_packed_is_fetched_or_the_file_is_named)
{
    struct text x = {"the quick brown fox jumps over the lazy dog", 43, 5};
    struct entry f;
    struct fetch g;
    char path[4400], hash[TARGET_HASH];
    void *back = NULL;
    size_t n;
    AUTO_ARENA a;
    arena_init(&a, 64u << 20);
    struct fs *fs = sim_fs_new();
    struct target *t = opened(NULL, NULL);
    REQUIRE(t && fs);
    CHECK_INT(pack_text(t, &a, &x, 43, 10, &f), 0);
    hash_of(x.p, x.n, hash);
    CHECK_STR(f.sha256, hash);
    CHECK_INT(f.chunks->count, 5);
    REQUIRE(fetch_begin(&g, t, &e) == 0);
    CHECK_INT(fetch_file(&g, &f, fs, "ts/seg-1", &e), 0);
    CHECK_INT(fs_read_all(fs, "ts/seg-1", 100, &back, &n), 0);
    CHECK(n == 43 && memcmp(back, x.p, 43) == 0);
    mem_free(back);
    CHECK_INT(fetch_file(&g, &f, NULL, NULL, &e), 0);
    struct entry g1 = f; /* chunks that are whole, but of another file */
    g1.sha256 = json_str(f.chunks->child, STR(""));
    CHECK_INT(fetch_file(&g, &g1, fs, "ts/other", &e), ERR_CORRUPT);
    CHECK_Z(e.where, "ts/seg-1");
    struct fs_file *h;
    CHECK_INT(fs_open(fs, "ts/other", FS_READ, &h), ERR_NOT_FOUND);
    char third[TARGET_HASH];
    str_to_cstr(json_str(json_at(f.chunks, 2), STR("")), third, sizeof third);
    chunk_file(third, path);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(fetch_file(&g, &f, NULL, NULL, &e), ERR_NOT_FOUND);
    CHECK_Z(e.where, "ts/seg-1");
    CHECK(strstr(e.text, third));
    sim_fs_fail(fs, SIM_FS_SYNC, 1, ERR_IO, false);
    CHECK_INT(pack_text(t, &a, &x, 43, 0, &f), 0);
    CHECK_INT(fetch_file(&g, &f, fs, "ts/new", &e), ERR_IO);
    CHECK_INT(pack_text(t, &a, &x, 44, 10, &f), ERR_CORRUPT); /* shorter than it said */
    CHECK_INT(pack_text(t, &a, &x, -1, 10, &f), 0);
    CHECK_INT(f.bytes, 43);
    CHECK_STR(f.sha256, hash);
    CHECK_INT(pack_text(t, &a, &x, 0, 10, &f), 0);
    CHECK_STR(f.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_INT(fetch_file(&g, &f, fs, "empty", &e), 0);
    fetch_end(&g);
    target_close(t);
    fs_destroy(fs);
}

static struct str line_of(struct arena *a, const struct entry *f)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    struct json_writer w = json_writer(&b);
    entry_write(&w, f);
    struct str s = arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

TEST(names_that_lead_out_of_the_folder_are_refused)
{
    static const char *const bad[] = {"/etc/passwd", "../x", "a/../b", "a//b", ""};
    struct entry f;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *chunks = json_new_array(&a), *v;
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        bool good = i == sizeof bad / sizeof *bad;
        struct entry x = {.part = STR("history"),
                          .name = str_of(good ? "ts/seg" : bad[i]),
                          .sha256 = STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                          .chunks = chunks};
        REQUIRE(json_parse(&a, line_of(&a, &x), &v, &e) == 0);
        CHECK_INT(entry_read(v, &f, &e), good ? 0 : ERR_CORRUPT);
    }
}

static void fill_manifest(struct manifest *m, struct arena *a, char digit, int64_t at)
{
    *m = (struct manifest){.at_us = at, .files = 3, .log = 7, .list = json_new_array(a), .points = json_new_array(a)};
    memset(m->id, digit, 36);
    snprintf(m->mode, sizeof m->mode, "full");
    m->part[PART_DATABASE] = true;
    m->part_bytes[PART_DATABASE] = 99;
}

TEST(manifests_are_there_as_a_whole_or_not)
{
    struct manifest m, *all;
    size_t n, bad;
    char path[4400];
    AUTO_ARENA a;
    arena_init(&a, 8u << 20);
    struct target *t = opened(NULL, NULL);
    REQUIRE(t);
    CHECK_INT(manifest_pick(t, &a, STR(""), INT64_MAX, &m, &e), ERR_NOT_FOUND);
    for (char c = 'a'; c <= 'c'; c++) {
        fill_manifest(&m, &a, c, 'z' - c); /* the last one is the oldest */
        CHECK_INT(manifest_write(t, &m, &e), 0);
    }
    CHECK_INT(manifest_all(t, &a, &all, &n, &bad, &e), 0);
    REQUIRE(n == 3 && bad == 0);
    CHECK(all[0].id[0] == 'c' && all[2].id[0] == 'a');
    CHECK(all[0].part[PART_DATABASE] && !all[0].part[PART_HISTORY] && all[0].part_bytes[PART_DATABASE] == 99);
    CHECK(all[0].log == 7 && all[0].files == 3);
    CHECK_INT(manifest_pick(t, &a, STR(""), 'z' - 'b', &m, &e), 0);
    CHECK(m.id[0] == 'b');
    CHECK_INT(manifest_pick(t, &a, str_of(all[2].id), 0, &m, &e), 0);
    CHECK(m.id[0] == 'a');
    CHECK_INT(manifest_read(t, &a, STR("x"), &m, &e), ERR_INVALID);
    snprintf(path, sizeof path, "%s/bornite-backup/backups/%s/manifest.json", root, all[1].id);
    CHECK_INT(truncate(path, 20), 0);
    CHECK_INT(manifest_all(t, &a, &all, &n, &bad, &e), 0);
    CHECK(n == 2 && bad == 1);
    CHECK_INT(manifest_delete(t, all[0].id, &e), 0);
    CHECK_INT(manifest_all(t, &a, &all, &n, &bad, &e), 0);
    CHECK_INT(n, 1);
    target_close(t);
}

TEST(files_are_taken_over_while_their_chunks_are_there)
{
    struct text x = {"0123456789", 10, 100};
    struct entry f, g;
    struct lines l;
    struct reuse *r;
    int64_t bytes = 0;
    char path[4400], hash[TARGET_HASH];
    AUTO_ARENA a;
    arena_init(&a, 8u << 20);
    struct target *t = opened(NULL, NULL);
    REQUIRE(t && reuse_new(&r) == 0 && lines_begin(&l, t, &a, &e) == 0);
    CHECK_INT(pack_text(t, &a, &x, 10, 0, &f), 0);
    CHECK_INT(lines_add(&l, line_of(&a, &f), &e), 0);
    CHECK_INT(lines_end(&l, &e), 0);
    CHECK_INT(reuse_add(r, t, l.chunks, &e), 0);
    CHECK(reuse_find(r, t, &f, &bytes).p);
    CHECK_INT(bytes, 10);
    g = f;
    g.id = STR("other");
    CHECK(!reuse_find(r, t, &g, &bytes).p);
    g = f;
    g.part = STR("files");
    CHECK(!reuse_find(r, t, &g, &bytes).p);
    str_to_cstr(json_str(f.chunks->child, STR("")), hash, sizeof hash);
    target_close(t);
    chunk_file(hash, path);
    CHECK_INT(unlink(path), 0);
    REQUIRE((t = opened(NULL, NULL)) && target_learn(t, &e) == 0);
    CHECK(!reuse_find(r, t, &f, &bytes).p);
    reuse_free(r);
    target_close(t);
}

static bool always(void *ctx)
{
    return true;
}
TEST(what_is_cancelled_leaves_no_chunk)
{
    char hash[TARGET_HASH];
    struct target *t = opened(always, NULL);
    REQUIRE(t);
    CHECK_INT(target_put(t, "abc", 3, hash, NULL, &e), ERR_CANCELLED);
    CHECK(!target_has(t, str_of(hash)));
    target_close(t);
}

/* ------------------------------------------------------------------ overlay */

static const char *const sources[] = {"alpha", "beta", "gamma"};
static int64_t read_source(void *ctx, size_t i, void *p, size_t n, int64_t at)
{
    size_t len = strlen(sources[i]);
    if ((size_t)at >= len) return 0;
    if (n > len - (size_t)at) n = len - (size_t)at;
    if (n > 2) n = 2;
    memcpy(p, sources[i] + at, n);
    return (int64_t)n;
}

static const char *content(struct fs *fs, const char *path)
{
    static char text[64];
    struct fs_file *f;
    int rc = fs_open(fs, path, FS_READ, &f);
    if (rc) return error_name(rc);
    int64_t n = fs_pread(f, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    CHECK_INT(fs_size(f), n);
    fs_close(f);
    return text;
}

static void collect(void *ctx, const char *name, bool dir, int64_t size)
{
    char *out = ctx;
    size_t n = strlen(out);
    snprintf(out + n, 200 - n, "%s%s:%d ", name, dir ? "/" : "", (int)size);
}

TEST(an_overlay_never_touches_what_is_below)
{
    static const struct overlay_file files[] = {{"ts/a", 5}, {"ts/b", 4}, {"ts/c", 5}};
    struct fs *scratch = sim_fs_new(), *fs;
    struct fs_file *f;
    char list[200] = "";
    REQUIRE(scratch);
    struct overlay_config c = {.files = files, .nfiles = 3, .read = read_source, .scratch = scratch};
    REQUIRE(overlay_fs(&c, &fs) == 0);
    CHECK_Z(content(fs, "ts/a"), "alpha");
    CHECK_Z(content(fs, "ts/none"), "not_found");
    REQUIRE(fs_open(fs, "ts/a", FS_READ | FS_WRITE, &f) == 0); /* a copy is written to */
    CHECK_INT(fs_pwrite(f, "ABC", 3, 4), 0);
    fs_close(f);
    CHECK_Z(content(fs, "ts/a"), "alphABC");
    CHECK_INT(fs->ops->rename(fs, "ts/b", "ts/bad-b"), 0);
    CHECK_Z(content(fs, "ts/bad-b"), "beta");
    CHECK_Z(content(fs, "ts/b"), "not_found");
    CHECK_INT(fs->ops->remove(fs, "ts/c"), 0);
    CHECK_Z(content(fs, "ts/c"), "not_found");
    REQUIRE(fs_open(fs, "ts/new", FS_WRITE | FS_CREATE | FS_EXCL, &f) == 0);
    CHECK_INT(fs_pwrite(f, "n", 1, 0), 0);
    fs_close(f);
    CHECK_INT(fs->ops->rename(fs, "ts/new", "ts/bad-b"), 0); /* over one of below */
    CHECK_Z(content(fs, "ts/bad-b"), "n");
    CHECK_INT(fs->ops->list(fs, "ts", collect, list), 0);
    CHECK(strstr(list, "a:7 ") && strstr(list, "bad-b:1 ") && !strstr(list, "c:") && !strstr(list, "new"));
    CHECK_INT(fs_open(fs, "ts/bad-b", FS_WRITE | FS_CREATE | FS_EXCL, &f), ERR_EXISTS);
    fs_destroy(fs);
    fs_destroy(scratch);
}
