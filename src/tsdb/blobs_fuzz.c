/* Fuzz: a file of blobs that a start finds. First byte even: the bytes as they are; odd: a sound header, then records
 * whose checksums are made to fit, so that what they say is reached: u8 length of the head's rest, ... as in
 * blob_format.c from byte 8 on, then the body. The store opens, gives what it has, is scrubbed and tells its use. */
#include <stdlib.h>
#include <string.h>
#include "base/crc32c.h"
#include "io/sim_fs.h"
#include "tsdb/bits.h"
#include "tsdb/blob_format.h"
#include "tsdb/tsdb.h"

static uint8_t file[1 << 16];

static size_t put_record(const struct blob_info *i, size_t at, const uint8_t *p, size_t n)
{
    uint8_t *r = file + at;
    size_t take = n < 1000 ? n : 1000, type = take > 27 ? p[27] % TS_BLOB_TYPE : 1,
           head = BLOB_HEAD + ((type + 7) & ~7u);
    if (at + head + take + 16 > sizeof file) return 0;
    memset(r, 0, head + take + 16);
    memcpy(r, "BLOB", 4);
    memcpy(r + 8, p, take < head - 8 ? take : head - 8);
    size_t body = take > head - 8 ? take - (head - 8) : 0;
    if (body) memcpy(r + head, p + head - 8, body);
    r[35] = (uint8_t)type;
    put_u32(r + 24, (uint32_t)body);
    if (r[32] == BLOB_PLAIN) put_u32(r + 20, (uint32_t)body);
    put_u32(r + 28, crc32c(0, r + head, body));
    blob_move(i, (int64_t)at, r);
    return head + ((body + 7) & ~(size_t)7);
}

static size_t make_file(const uint8_t *p, size_t n)
{
    struct blob_info i = {.number = 1, .uid = 77};
    size_t at = BLOB_FILE_HEAD;
    blob_head_encode(&i, file);
    while (n > 2) {
        size_t len = (size_t)p[0] << 2 | p[1], rest = n - 2, got;
        if (len > rest) len = rest;
        got = put_record(&i, at, p + 2, len);
        if (!got) break;
        at += got;
        p += 2 + len;
        n -= 2 + len;
    }
    return at;
}

static int use(void *ctx, const struct ts_usage *u)
{
    return 0;
}

static void look(struct ts_store *st, size_t n)
{
    struct ts_scrub s = {0};
    struct error e;
    for (uint64_t at = 0; at < n; at += 8) {
        struct ts_blob b;
        struct buf out;
        buf_init(&out, TS_BLOB_MAX);
        if (st->ops->blob_get(st, UINT64_C(1) << 32 | at / 8, &b, &out, &e) == 0 && (out.n != b.size || !b.type[0]))
            __builtin_trap();
        buf_fini(&out);
    }
    while (!s.done)
        if (st->admin->scrub(st, &s, 500, &e)) __builtin_trap();
    (void)st->admin->usage(st, use, NULL, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct ts_store *st = NULL;
    struct fs_file *f = NULL;
    struct error e;
    if (n < 1 || n > 8000) return 0;
    struct fs *fs = sim_fs_new();
    struct tsdb_config cfg = {.fs = fs, .no_thread = true};
    size_t bytes = p[0] & 1 ? make_file(p + 1, n - 1) : n - 1;
    if (!(p[0] & 1)) memcpy(file, p + 1, n - 1);
    (void)fs->ops->mkdir(fs, "ts");
    (void)fs->ops->mkdir(fs, BLOB_DIR);
    if (fs_open(fs, BLOB_DIR "/00000001", FS_WRITE | FS_CREATE, &f) == 0) {
        (void)!fs_pwrite(f, file, bytes, 0);
        fs_close(f);
    }
    if (tsdb_open(&cfg, &st, &e) == 0) {
        look(st, bytes);
        st->ops->close(st);
    }
    fs_destroy(fs);
    return 0;
}
