/* journal_fuzz.c - any bytes as a segment file: opening and reading must end, and what is read must carry
 * its checksum (the journal checks it; here: sizes within the file). Then the journal must go on. */
#include "io/journal.h"
#include "io/sim_fs.h"
#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fs *fs = sim_fs_new();
    struct fs_file *f;
    struct journal *j;
    struct journal_config c = {.fs = fs, .dir = "journal", .segment_max = 4096, .total_max = 1 << 20};
    struct buf b;
    uint32_t weight, v = 7;
    uint64_t seq = 0, mine;
    if (!fs || fs->ops->mkdir(fs, "journal") || fs_open(fs, "journal/0000000000000001.jnl", FS_WRITE | FS_CREATE, &f))
        abort();
    if (size && fs_pwrite(f, data, size, 0)) abort();
    fs_close(f);
    if (journal_open(&c, &j, NULL) == 0) {
        buf_init(&b, 1 << 20);
        while (journal_next(j, &seq, &b, &weight) == 1)
            if (b.n > size) abort();
        if (journal_append(j, &v, sizeof v, 1, &mine) || journal_commit(j)) abort();
        seq = mine - 1;
        if (journal_next(j, &seq, &b, &weight) != 1 || b.n != sizeof v || memcmp(b.p, &v, sizeof v) != 0) abort();
        buf_fini(&b);
        journal_close(j);
    }
    fs_destroy(fs);
    return 0;
}
