/* qr.c - see qr.h. Pure; any thread.
 *
 * Order of work: choose the smallest version, pack the bits, add Reed-Solomon code words block by block,
 * interleave, draw the fixed patterns, run the bits through the matrix in zigzag, choose the mask with the
 * least penalty, write the format. `fixed` marks modules that carry no data. Numbers of blocks and code
 * words are those of table 9 of the standard for level M. */
#include "base/qr.h"
#include <stdlib.h>

enum { VERSIONS = 10, CODEWORDS_MAX = 346, MASKS = 8 };
static const unsigned char ecc_of[VERSIONS + 1] = {0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26};
static const unsigned char blocks_of[VERSIONS + 1] = {0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5};

struct drawing {
    struct qr *q;
    unsigned char fixed[QR_SIZE_MAX][QR_SIZE_MAX];
    int version;
};

/* --- bits and code words --- */

static int alignments(int version)
{
    return version == 1 ? 0 : version / 7 + 2;
}

static int codewords(int version)
{
    int n = alignments(version), bits = (16 * version + 128) * version + 64;
    if (n) bits -= (25 * n - 10) * n - 55;
    if (version >= 7) bits -= 36;
    return bits / 8;
}

static int data_words(int version)
{
    return codewords(version) - ecc_of[version] * blocks_of[version];
}

static int version_for(size_t bytes)
{
    for (int v = 1; v <= VERSIONS; v++)
        if ((int)bytes + (v < 10 ? 2 : 3) <= data_words(v)) return v;
    return 0;
}

struct bits {
    unsigned char *p;
    size_t n;
};

static void put_bits(struct bits *b, unsigned value, int count)
{
    while (count-- > 0) {
        b->p[b->n / 8] |= (unsigned char)((value >> count & 1) << (7 - b->n % 8));
        b->n++;
    }
}

static void pack(struct str text, int version, unsigned char *data)
{
    struct bits b = {data, 0};
    put_bits(&b, 4, 4);
    put_bits(&b, (unsigned)text.n, version < 10 ? 8 : 16);
    for (size_t i = 0; i < text.n; i++) put_bits(&b, (unsigned char)text.p[i], 8);
    put_bits(&b, 0, 4); /* the terminator always fits: data_words has room for the head rounded up */
    for (size_t i = b.n / 8, pad = 0xec; i < (size_t)data_words(version); i++, pad ^= 0xec ^ 0x11)
        data[i] = (unsigned char)pad;
}

/* --- Reed-Solomon over GF(256) mod x^8+x^4+x^3+x^2+1 --- */

static unsigned char multiply(unsigned x, unsigned y)
{
    unsigned z = 0;
    for (int i = 7; i >= 0; i--) {
        z = (z << 1) ^ ((z >> 7) * 0x11d);
        z ^= (y >> i & 1) * x;
    }
    return (unsigned char)z;
}

static void generator(int degree, unsigned char *g)
{
    unsigned char root = 1;
    memset(g, 0, (size_t)degree);
    g[degree - 1] = 1;
    for (int i = 0; i < degree; i++) {
        for (int j = 0; j < degree; j++) g[j] = multiply(g[j], root) ^ (j + 1 < degree ? g[j + 1] : 0);
        root = multiply(root, 2);
    }
}

static void remainder_of(const unsigned char *data, int n, const unsigned char *g, int degree, unsigned char *ret)
{
    memset(ret, 0, (size_t)degree);
    for (int i = 0; i < n; i++) {
        unsigned char factor = data[i] ^ ret[0];
        memmove(ret, ret + 1, (size_t)degree - 1);
        ret[degree - 1] = 0;
        for (int j = 0; j < degree; j++) ret[j] ^= multiply(g[j], factor);
    }
}

/* Data words of all blocks one by one, then the words of correction in the same way. */
static void interleave(int version, const unsigned char *data, unsigned char *out)
{
    int blocks = blocks_of[version], ecc = ecc_of[version], all = codewords(version);
    int shorter = blocks - all % blocks, length = all / blocks - ecc, at = 0;
    unsigned char g[32], rest[5][32];
    int first[5], size[5];
    generator(ecc, g);
    for (int b = 0; b < blocks; b++) {
        first[b] = at;
        size[b] = length + (b >= shorter);
        remainder_of(data + at, size[b], g, ecc, rest[b]);
        at += size[b];
    }
    for (int i = 0, n = 0; i <= length; i++)
        for (int b = 0; b < blocks; b++)
            if (i < size[b]) out[n++] = data[first[b] + i];
    for (int i = 0, n = data_words(version); i < ecc; i++)
        for (int b = 0; b < blocks; b++) out[n++] = rest[b][i];
}

/* --- drawing --- */

static void set(struct drawing *d, int x, int y, bool dark)
{
    if (x < 0 || y < 0 || x >= d->q->size || y >= d->q->size) return;
    d->q->dark[y][x] = dark;
    d->fixed[y][x] = 1;
}

static int ring(int dx, int dy)
{
    return abs(dx) > abs(dy) ? abs(dx) : abs(dy);
}

static void draw_finder(struct drawing *d, int cx, int cy)
{
    for (int dy = -4; dy <= 4; dy++)
        for (int dx = -4; dx <= 4; dx++) set(d, cx + dx, cy + dy, ring(dx, dy) != 2 && ring(dx, dy) != 4);
}

static int alignment_at(int version, int i)
{
    int n = alignments(version), size = 17 + 4 * version;
    int step = (version * 8 + n * 3 + 5) / (n * 4 - 4) * 2;
    return i == 0 ? 6 : size - 7 - (n - 1 - i) * step;
}

static void draw_alignments(struct drawing *d)
{
    int n = alignments(d->version);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if ((i == 0 && j == 0) || (i == 0 && j == n - 1) || (i == n - 1 && j == 0)) continue;
            int cx = alignment_at(d->version, i), cy = alignment_at(d->version, j);
            for (int dy = -2; dy <= 2; dy++)
                for (int dx = -2; dx <= 2; dx++) set(d, cx + dx, cy + dy, ring(dx, dy) != 1);
        }
}

/* Level M (00) and the mask, with BCH(15,5), twice; and the one module that is always dark. */
static void draw_format(struct drawing *d, int mask)
{
    int size = d->q->size;
    unsigned data = (unsigned)mask, rest = data;
    for (int i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
    unsigned bits = (data << 10 | rest) ^ 0x5412;
    for (int i = 0; i < 15; i++) {
        bool dark = bits >> i & 1;
        if (i < 8) {
            set(d, 8, i < 6 ? i : i + 1, dark);
            set(d, size - 1 - i, 8, dark);
        } else {
            set(d, i == 8 ? 7 : 14 - i, 8, dark);
            set(d, 8, size - 15 + i, dark);
        }
    }
    set(d, 8, size - 8, true);
}

static void draw_version(struct drawing *d)
{
    unsigned rest = (unsigned)d->version;
    if (d->version < 7) return;
    for (int i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
    unsigned bits = (unsigned)d->version << 12 | rest;
    for (int i = 0; i < 18; i++) {
        int a = d->q->size - 11 + i % 3, b = i / 3;
        set(d, a, b, bits >> i & 1);
        set(d, b, a, bits >> i & 1);
    }
}

static void draw_fixed(struct drawing *d)
{
    int size = d->q->size;
    for (int i = 0; i < size; i++) {
        set(d, 6, i, i % 2 == 0);
        set(d, i, 6, i % 2 == 0);
    }
    draw_finder(d, 3, 3);
    draw_finder(d, size - 4, 3);
    draw_finder(d, 3, size - 4);
    draw_alignments(d);
    draw_format(d, 0);
    draw_version(d);
}

static void draw_data(struct drawing *d, const unsigned char *words, int n)
{
    int at = 0, size = d->q->size;
    for (int right = size - 1; right >= 1; right -= 2) {
        if (right == 6) right = 5; /* the column of the timing pattern */
        for (int step = 0; step < 2 * size; step++) {
            int x = right - step % 2, y = (right + 1) & 2 ? step / 2 : size - 1 - step / 2;
            if (d->fixed[y][x] || at >= 8 * n) continue;
            d->q->dark[y][x] = words[at / 8] >> (7 - at % 8) & 1;
            at++;
        }
    }
}

/* --- masks --- */

static bool mask_at(int mask, int x, int y)
{
    const int by_mask[MASKS] = {(x + y) % 2,
                                y % 2,
                                x % 3,
                                (x + y) % 3,
                                (x / 3 + y / 2) % 2,
                                x * y % 2 + x * y % 3,
                                (x * y % 2 + x * y % 3) % 2,
                                ((x + y) % 2 + x * y % 3) % 2};
    return by_mask[mask] == 0;
}

static void apply_mask(struct drawing *d, int mask)
{
    for (int y = 0; y < d->q->size; y++)
        for (int x = 0; x < d->q->size; x++)
            if (!d->fixed[y][x] && mask_at(mask, x, y)) d->q->dark[y][x] ^= 1;
}

static bool at(const struct qr *q, int i, int j, bool turned)
{
    return turned ? q->dark[j][i] : q->dark[i][j];
}

/* Rows (or columns): runs of five and more, and what looks like a finder with light beside it. */
static int line_penalty(const struct qr *q, int i, bool turned)
{
    int sum = 0, run = 0;
    unsigned last = 0;
    for (int j = 0; j < q->size; j++) {
        bool dark = at(q, i, j, turned);
        run = j && dark == at(q, i, j - 1, turned) ? run + 1 : 1;
        sum += run == 5 ? 3 : run > 5;
        last = (last << 1 | dark) & 0x7ff;
        if (j >= 10 && (last == 0x5d0 || last == 0x05d)) sum += 40;
    }
    return sum;
}

static int penalty(const struct qr *q)
{
    int sum = 0, dark = 0, all = q->size * q->size;
    for (int i = 0; i < q->size; i++) sum += line_penalty(q, i, false) + line_penalty(q, i, true);
    for (int y = 0; y < q->size; y++)
        for (int x = 0; x < q->size; x++) {
            dark += q->dark[y][x];
            bool c = q->dark[y][x];
            if (x && y && c == q->dark[y - 1][x] && c == q->dark[y][x - 1] && c == q->dark[y - 1][x - 1]) sum += 3;
        }
    return sum + abs(dark * 20 - all * 10) / all * 10;
}

static void choose_mask(struct drawing *d)
{
    int best = 0, least = -1;
    for (int mask = 0; mask < MASKS; mask++) {
        draw_format(d, mask);
        apply_mask(d, mask);
        int now = penalty(d->q);
        if (least < 0 || now < least) best = mask, least = now;
        apply_mask(d, mask); /* back */
    }
    draw_format(d, best);
    apply_mask(d, best);
}

int qr_encode(struct str text, struct qr *ret)
{
    int version = text.n > QR_BYTES_MAX ? 0 : version_for(text.n);
    if (!version) return ERR_TOO_LARGE;
    struct drawing d = {.q = ret, .version = version};
    unsigned char data[CODEWORDS_MAX] = {0}, words[CODEWORDS_MAX] = {0};
    memset(ret, 0, sizeof(*ret));
    ret->size = 17 + 4 * version;
    pack(text, version, data);
    interleave(version, data, words);
    draw_fixed(&d);
    draw_data(&d, words, codewords(version));
    choose_mask(&d);
    return 0;
}

void qr_svg(const struct qr *q, struct buf *out)
{
    int side = q->size + 8;
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">"
               "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/><path fill=\"#000\" d=\"",
               side, side, side, side);
    for (int y = 0; y < q->size; y++)
        for (int x = 0, n; x < q->size; x += n) {
            for (n = 1; x + n < q->size && q->dark[y][x + n] == q->dark[y][x];) n++;
            if (q->dark[y][x]) buf_printf(out, "M%d %dh%dv1h-%dz", x + 4, y + 4, n, n);
        }
    buf_z(out, "\"/></svg>");
}
