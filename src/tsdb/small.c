/* small.c - see small.h.
 *   0   8  magic
 *   8   4  version 1
 *   12  4  0
 *   16     rows, as whoever owns the file says
 *   end-4  CRC32C of all before */
#include "tsdb/small.h"
#include "base/crc32c.h"
#include "base/mem.h"

#define VERSION 1

void small_begin(struct buf *b, const char magic[8])
{
    buf_clear(b);
    buf_add(b, magic, 8);
    buf_u32le(b, VERSION);
    buf_u32le(b, 0);
}

int small_save(struct fs *fs, const char *path, struct buf *b)
{
    if (!b->err) buf_u32le(b, crc32c(0, b->p, b->n));
    return b->err ? b->err : fs_replace(fs, path, b->p, b->n);
}

int small_check(const void *p, size_t n, const char magic[8], struct in *ret)
{
    const uint8_t *u = p;
    if (n < SMALL_HEAD + 4 || memcmp(u, magic, 8) != 0) return ERR_CORRUPT;
    if (load_u32(u + n - 4) != crc32c(0, u, n - 4)) return ERR_CORRUPT;
    if (load_u32(u + 8) != VERSION) return ERR_UNSUPPORTED;
    *ret = in_make(u + SMALL_HEAD, n - SMALL_HEAD - 4);
    return 0;
}

int small_load(struct fs *fs, const char *path, const char magic[8], void **ret_block, struct in *ret)
{
    size_t n = 0;
    void *p = NULL;
    int rc = fs_read_all(fs, path, SMALL_MAX, &p, &n);
    if (rc) return rc;
    rc = small_check(p, n, magic, ret);
    if (rc)
        mem_free(p);
    else
        *ret_block = p;
    return rc;
}
