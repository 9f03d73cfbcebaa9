/* qr.h - QR codes (ISO/IEC 18004): byte mode, error correction M, versions 1 to 10 (at most 213 bytes). */
#pragma once
#include "base/buf.h"

#define QR_SIZE_MAX 57
#define QR_BYTES_MAX 213
struct qr {
    int size;                                     /* modules a side, without the quiet zone */
    unsigned char dark[QR_SIZE_MAX][QR_SIZE_MAX]; /* [y][x] */
};
MUST_CHECK int qr_encode(struct str text, struct qr *ret); /* ERR_TOO_LARGE */
/* As an SVG document with a quiet zone of four modules, one unit a module. */
void qr_svg(const struct qr *q, struct buf *out);
