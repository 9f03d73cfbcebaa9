/* Fuzz: the lists that a start reads (moved, deleted, damage, clock, the archive's), signed, so that their rows are
 * reached; then a store with one of them opens and answers. First byte: which. */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "io/sim_fs.h"
#include "tsdb/small.h"
#include "tsdb/tsdb.h"

static const struct {
    const char *path, *magic;
} files[] = {{"ts/moved", "BNTSMOV1"},
             {"ts/deleted", "BNTSDEL1"},
             {"ts/damage", "BNTSDMG1"},
             {"ts/clock", "BNTSCLK1"},
             {"ts/archive/keep", "BNTSKEP1"}};

static int ignore(void *ctx, const struct sample *s, size_t n)
{
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct in in;
    struct buf b;
    struct ts_store *st = NULL;
    struct error e;
    if (n < 1) return 0;
    size_t which = p[0] % (sizeof files / sizeof *files);
    (void)small_check(p + 1, n - 1, files[which].magic, &in);
    struct fs *fs = sim_fs_new();
    struct tsdb_config cfg = {.fs = fs, .no_thread = true};
    (void)fs->ops->mkdir(fs, "ts");
    (void)fs->ops->mkdir(fs, "ts/archive");
    buf_init(&b, 1 << 24);
    small_begin(&b, files[which].magic);
    buf_add(&b, p + 1, n - 1);
    (void)small_save(fs, files[which].path, &b);
    buf_fini(&b);
    if (tsdb_open(&cfg, &st, &e) == 0) {
        struct sample s = {.time_us = 5, .point = 1, .type = SAMPLE_INT};
        (void)st->ops->append(st, &s, 1, &e);
        (void)st->ops->scan(st, 1, INT64_MIN, INT64_MAX, ignore, NULL, &e);
        (void)st->ops->enforce(st, &e);
        st->ops->close(st);
    }
    fs_destroy(fs);
    return 0;
}
