/* QR codes, read back by their structure: format, unmasking, order of words, Reed-Solomon syndromes. The
 * black-box tests read them with a decoder that we did not write. */
#include "base/qr.h"
#include "base/test.h"

static const unsigned ecc_words[] = {0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26},
                      blocks[] = {0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5};

static unsigned times(unsigned x, unsigned y)
{
    unsigned z = 0;
    for (; y; y >>= 1, x = x << 1 ^ (x >> 7) * 0x11d)
        if (y & 1) z ^= x;
    return z;
}

static bool finder_at(const struct qr *q, int x0, int y0)
{
    static const char *const rows[] = {"#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"};
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 7; x++)
            if (q->dark[y0 + y][x0 + x] != (rows[y][x] == '#')) return false;
    return true;
}

/* 15 bits of format of the first copy, unmasked; its BCH remainder must be 0. */
static int format_of(const struct qr *q)
{
    unsigned bits = 0;
    for (int i = 0; i < 15; i++) {
        int x = i < 8 ? 8 : i == 8 ? 7 : 14 - i, y = i < 6 ? i : i < 8 ? i + 1 : 8;
        bits |= (unsigned)q->dark[y][x] << i;
    }
    bits ^= 0x5412;
    unsigned rest = bits;
    for (int i = 14; i >= 10; i--)
        if (rest >> i & 1) rest ^= 0x537u << (i - 10);
    CHECK_INT(rest, 0);
    return (int)(bits >> 10);
}

static bool masked(int mask, int x, int y)
{
    int v[] = {(x + y) % 2,
               y % 2,
               x % 3,
               (x + y) % 3,
               (x / 3 + y / 2) % 2,
               x * y % 2 + x * y % 3,
               (x * y % 2 + x * y % 3) % 2,
               ((x + y) % 2 + x * y % 3) % 2};
    return v[mask] == 0;
}

static bool reserved(int version, int x, int y)
{
    static const int at[][3] = {{0},     {0},         {6, 18},     {6, 22},     {6, 26},    {6, 30},
                                {6, 34}, {6, 22, 38}, {6, 24, 42}, {6, 26, 46}, {6, 28, 50}};
    int size = 17 + 4 * version, n = version == 1 ? 0 : version < 7 ? 2 : 3;
    if ((x < 9 && y < 9) || (x >= size - 8 && y < 9) || (x < 9 && y >= size - 8) || x == 6 || y == 6) return true;
    if (version >= 7 && ((x >= size - 11 && y < 6) || (y >= size - 11 && x < 6))) return true;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            bool corner = (i == 0 && j == 0) || (i == 0 && j == n - 1) || (i == n - 1 && j == 0);
            int dx = x - at[version][i], dy = y - at[version][j];
            if (!corner && dx >= -2 && dx <= 2 && dy >= -2 && dy <= 2) return true;
        }
    return false;
}

static size_t read_words(const struct qr *q, int version, int mask, unsigned char *words)
{
    size_t bit = 0;
    for (int right = q->size - 1; right >= 1; right -= 2) {
        if (right == 6) right = 5;
        for (int i = 0; i < q->size; i++)
            for (int j = 0; j < 2; j++) {
                int x = right - j, y = (right + 1) & 2 ? i : q->size - 1 - i;
                if (reserved(version, x, y)) continue;
                words[bit / 8] = (unsigned char)(words[bit / 8] << 1 | (q->dark[y][x] ^ masked(mask, x, y)));
                bit++;
            }
    }
    return bit / 8;
}

/* Data words back in order, each block's syndromes checked. */
static size_t unravel(const unsigned char *words, size_t all, int version, unsigned char *data)
{
    size_t nb = blocks[version], ecc = ecc_words[version], len = all / nb - ecc, longer = all % nb, n = 0, at = 0;
    unsigned char block[5][160];
    size_t size[5] = {0};
    for (size_t i = 0; i <= len; i++)
        for (size_t b = 0; b < nb; b++)
            if (i < len || b >= nb - longer) block[b][size[b]++] = words[at++];
    for (size_t i = 0; i < ecc; i++)
        for (size_t b = 0; b < nb; b++) block[b][size[b]++] = words[at++];
    for (size_t b = 0; b < nb; b++) {
        unsigned root = 1;
        for (size_t s = 0; s < ecc; s++, root = times(root, 2)) {
            unsigned sum = 0;
            for (size_t i = 0; i < size[b]; i++) sum = times(sum, root) ^ block[b][i];
            CHECK_INT(sum, 0);
        }
        memcpy(data + n, block[b], size[b] - ecc);
        n += size[b] - ecc;
    }
    return n;
}

static void round_trip(struct str text, int want_version)
{
    static struct qr q;
    unsigned char words[400] = {0}, data[400] = {0};
    REQUIRE(qr_encode(text, &q) == 0);
    int version = (q.size - 17) / 4, format = format_of(&q);
    CHECK_INT(version, want_version);
    CHECK(finder_at(&q, 0, 0) && finder_at(&q, q.size - 7, 0) && finder_at(&q, 0, q.size - 7));
    CHECK_INT(format >> 3, 0); /* level M */
    CHECK(q.dark[q.size - 8][8]);
    size_t all = read_words(&q, version, format & 7, words), n = unravel(words, all, version, data);
    size_t head = version < 10 ? 12 : 20;
    CHECK_INT(data[0] >> 4, 4);
    size_t len = version < 10 ? (data[0] & 15u) << 4 | data[1] >> 4
                              : (data[0] & 15u) << 12 | (size_t)data[1] << 4 | data[2] >> 4;
    CHECK_INT(len, text.n);
    for (size_t i = 0; i < text.n && head / 8 + i + 1 < n; i++) {
        unsigned char c = (unsigned char)(data[head / 8 + i] << 4 | data[head / 8 + i + 1] >> 4);
        if (c != (unsigned char)text.p[i]) test_fail(__FILE__, __LINE__, "byte %zu of %zu differs", i, text.n);
    }
}

TEST(every_version_reads_back)
{
    static const size_t most[] = {0, 14, 26, 42, 62, 84, 106, 122, 152, 180, 213};
    char text[QR_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof(text); i++) text[i] = (char)(i * 37 + 11);
    for (int v = 1; v <= 10; v++) {
        round_trip(str_make(text, most[v]), v);
        if (v < 10) round_trip(str_make(text, most[v] + 1), v + 1);
    }
    struct qr q;
    CHECK_INT(qr_encode(str_make(text, QR_BYTES_MAX + 1), &q), ERR_TOO_LARGE);
    round_trip(STR(""), 1);
}

TEST(svg_draws_the_dark_modules)
{
    static struct qr q;
    struct buf b;
    buf_init(&b, 1 << 20);
    REQUIRE(qr_encode(STR("otpauth://totp/x"), &q) == 0);
    qr_svg(&q, &b);
    CHECK(b.err == 0 && str_starts(buf_view(&b), STR("<svg ")) && str_has(buf_view(&b), STR("viewBox=\"0 0 33 33\"")));
    CHECK(str_has(buf_view(&b), STR("M4 4h7v1h-7z")));
    buf_fini(&b);
}
