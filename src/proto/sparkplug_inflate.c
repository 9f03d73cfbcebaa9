/* sparkplug_inflate.c - payloads that came compressed: uuid "SPBV1.0_COMPRESSED", the payload proper in `body`, the way
 * in a metric "algorithm" (DEFLATE, which is also meant when there is none, or GZIP), as Tahu's libraries do. zlib
 * tells the two apart by itself. */
#include <zlib.h>
#include "proto/sparkplug.h"

bool spb_compressed(const struct spb_payload *p)
{
    return p->body.p && str_is(p->uuid, "SPBV1.0_COMPRESSED");
}

static int inflate_all(z_stream *z, struct buf *out)
{
    int rc = Z_OK;
    while (rc == Z_OK) {
        uint8_t *to = buf_space(out, 4096);
        if (to == NULL) return out->err;
        z->next_out = to;
        z->avail_out = 4096;
        rc = inflate(z, Z_NO_FLUSH);
        out->n += 4096 - z->avail_out;
        if (rc == Z_OK && z->avail_in == 0 && z->avail_out > 0) break; /* it ends too early */
    }
    return rc == Z_STREAM_END ? 0 : ERR_PROTOCOL;
}

int spb_inflate(const struct spb_payload *p, struct buf *out, struct error *e)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p->body.p, .avail_in = (uInt)p->body.n};
    if (p->body.n > UINT32_MAX / 2 || inflateInit2(&z, 15 + 32) != Z_OK)
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = inflate_all(&z, out);
    inflateEnd(&z);
    if (rc == ERR_TOO_LARGE)
        return error_set(e, rc, "", "the compressed payload is more than %zu bytes long",
                         "压缩的有效载荷解压后超过 %zu 字节", out->max);
    return rc ? error_set(e, rc, "", "the compressed payload is broken", "压缩的有效载荷损坏") : 0;
}
