/* gunzip.c - see gunzip.h (RFC 1952 by zlib). Several members one after another are one text. */
#include "io/gunzip.h"
#include <zlib.h>

#define PIECE 65536

/* One step into what room there is; at the maximum into a byte that shows whether there is more. */
static int inflate_step(z_stream *z, struct buf *out)
{
    uint8_t beyond;
    size_t left = out->max - out->n, room = left < PIECE ? left : PIECE;
    uint8_t *to = room ? buf_space(out, room) : &beyond;
    if (!to) return Z_MEM_ERROR;
    z->next_out = to;
    z->avail_out = room ? (uInt)room : 1;
    int rc = inflate(z, Z_NO_FLUSH);
    size_t got = (size_t)(z->next_out - to);
    if (!room && got) out->err = ERR_TOO_LARGE;
    if (room) out->n += got;
    if (rc == Z_OK && !z->avail_in && z->avail_out) return Z_BUF_ERROR; /* cut short */
    return rc;
}

static int inflate_all(z_stream *z, struct buf *out)
{
    int rc = Z_OK;
    while (rc == Z_OK && !out->err) {
        rc = inflate_step(z, out);
        if (rc == Z_STREAM_END && z->avail_in) rc = inflateReset(z);
    }
    return rc;
}

int gunzip(struct str in, struct buf *out, struct error *e)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = inflate_all(&z, out);
    inflateEnd(&z);
    if (out->err == ERR_TOO_LARGE)
        return error_set(e, ERR_TOO_LARGE, "", "the unpacked body is larger than %zu MiB", "解压后超过 %zu MiB",
                         out->max >> 20);
    if (out->err) return error_set(e, out->err, "", "out of memory", "内存不足");
    return rc == Z_STREAM_END ? 0 : error_set(e, ERR_INVALID, "", "the body is no gzip", "内容不是有效的 gzip");
}
