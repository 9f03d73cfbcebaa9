/* Files of blobs that were ever written are read: golden/blobs has one that was ended and one that was not, of the
 * first version, with a body of each sort. With BORNITE_GOLDEN=directory in the environment the test writes such a
 * store there instead. Runs in the source directory. */
#include <unistd.h>
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"
#include "model/waveform.h"
#include "tsdb/blobs.h"

#define GOLDEN "src/tsdb/golden/blobs"
#define FIRST 0x6553f100u /* number of the first file: the clock of the store that wrote it */
#define N 2000

/* id - number of the first file, bytes of what was written, and how */
static const struct {
    uint32_t file, at, point;
    const char *type;
    enum blob_codec codec;
} rows[] = {{0, 4, 1, "image/png", BLOB_PLAIN},
            {0, 18, 2, "text/plain", BLOB_ZSTD},
            {0, 30, 3, WAVEFORM_TYPE, BLOB_SHUFFLED},
            {1, 4, 3, "image/png", BLOB_PLAIN}};
#define ROWS (sizeof rows / sizeof *rows)

static void make(const char *type, struct buf *b)
{
    static double v[N];
    struct error e;
    uint32_t z = 7;
    if (strcmp(type, WAVEFORM_TYPE) == 0) {
        for (int i = 0; i < N; i++) v[i] = (i * 37 % 1000 - 500) * 0.25;
        CHECK_INT(waveform_pack(v, N, 1e-3, STR("mm/s"), b, &e), 0);
    } else if (strcmp(type, "text/plain") == 0) {
        for (int i = 0; i < 50; i++) buf_z(b, "matte grade 68 % ");
    } else {
        for (int i = 0; i < 50; i++) buf_u8(b, (uint8_t)((z = z * 1664525u + 1013904223u) >> 24));
    }
}

static int64_t time_of(size_t row)
{
    return (INT64_C(1700000000) + (int64_t)row) * 1000000;
}

static void check_row(struct ts_store *st, size_t i, uint64_t id)
{
    struct ts_blob b = {0};
    struct buf want, got;
    struct error e = {0};
    buf_init(&want, TS_BLOB_MAX);
    buf_init(&got, TS_BLOB_MAX);
    make(rows[i].type, &want);
    CHECK_INT(st->ops->blob_get(st, id, &b, &got, &e), 0);
    CHECK_Z(b.type, rows[i].type);
    CHECK(b.point == rows[i].point && b.time_us == time_of(i));
    CHECK(str_eq(buf_view(&want), buf_view(&got)));
    buf_fini(&want);
    buf_fini(&got);
}

static void write_golden(const char *dir)
{
    struct fs *fs = NULL;
    struct sim_clock clock;
    struct ts_store *st = NULL;
    struct error e = {0};
    sim_clock_init(&clock, (int64_t)FIRST * 1000000);
    REQUIRE(fs_real(dir, false, &fs, &e) == 0);
    struct tsdb_config cfg = {.fs = fs, .clock = &clock.clock, .no_thread = true};
    REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
    for (size_t i = 0; i < ROWS; i++) {
        struct buf b;
        uint64_t id = 0;
        buf_init(&b, TS_BLOB_MAX);
        make(rows[i].type, &b);
        CHECK_INT(st->ops->blob_put(st, rows[i].point, time_of(i), rows[i].type, buf_view(&b), &id, &e), 0);
        printf("%zu: file %u at %u\n", i, (unsigned)(id >> 32) - FIRST, (unsigned)id);
        buf_fini(&b);
        if (i == 2) blobs_end(tsdb_of(st), 0);
    }
    fflush(NULL);
    _exit(0); /* as a process that is killed leaves it */
}

static void copy_one(struct fs *from, struct fs *to, uint32_t number)
{
    char path[BLOB_PATH_MAX];
    void *p = NULL;
    size_t n = 0;
    blob_path(number, path);
    REQUIRE(fs_read_all(from, path, 1 << 20, &p, &n) == 0);
    CHECK_INT(fs_replace(to, path, p, n), 0);
    mem_free(p);
}

static enum blob_codec codec_of(struct fs *fs, size_t row)
{
    char path[BLOB_PATH_MAX];
    uint8_t byte = 255;
    struct fs_file *f = NULL;
    blob_path(FIRST + rows[row].file, path);
    if (fs_open(fs, path, FS_READ, &f) == 0) CHECK_INT(fs_pread(f, &byte, 1, rows[row].at * 8 + 32), 1);
    fs_close(f);
    return byte;
}

TEST(first_version_is_read)
{
    struct fs *from = NULL, *to = sim_fs_new();
    struct ts_store *st = NULL;
    struct ts_stats s;
    struct error e = {0};
    const char *dir = getenv("BORNITE_GOLDEN");
    if (dir) write_golden(dir);
    REQUIRE(fs_real(GOLDEN, false, &from, &e) == 0);
    CHECK_INT(to->ops->mkdir(to, "ts"), 0);
    CHECK_INT(to->ops->mkdir(to, BLOB_DIR), 0);
    for (uint32_t k = 0; k < 2; k++) copy_one(from, to, FIRST + k);
    struct tsdb_config cfg = {.fs = to, .no_thread = true};
    for (int round = 0; round < 2; round++) { /* the second time both have their footers */
        REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
        for (size_t i = 0; i < ROWS; i++) {
            check_row(st, i, (uint64_t)(FIRST + rows[i].file) << 32 | rows[i].at);
            CHECK_INT(codec_of(to, i), rows[i].codec);
        }
        st->ops->stats(st, &s);
        CHECK(s.damaged_blocks == 0 && s.bytes_blobs > 0);
        st->ops->close(st);
    }
    fs_destroy(from);
    fs_destroy(to);
}
