/* pinyin.c - see pinyin.h. The table is made from Unihan by pinyin_table.py. */
#include "base/pinyin.h"
#include "base/pinyin_table.h"
#include "base/utf8.h"

#define FIRST 0x4e00
#define OTHERS (sizeof pinyin_other / sizeof *pinyin_other)
#define RUN_MAX 64

char pinyin_letter(uint32_t cp)
{
    if (cp < FIRST || cp - FIRST >= sizeof pinyin_first - 1) return 0;
    char c = pinyin_first[cp - FIRST];
    return (char)(c == '.' ? 0 : c);
}

const char *pinyin_others(uint32_t cp)
{
    size_t lo = 0, hi = OTHERS;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (pinyin_other[mid].cp == cp) return pinyin_other[mid].letters;
        if (pinyin_other[mid].cp < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return "";
}

struct run {
    char ways[PINYIN_WAYS][RUN_MAX];
    size_t nways, n; /* n: characters so far */
};

/* One more character: each way goes on with the customary letter; further letters branch while there is room. */
static void extend(struct run *r, uint32_t cp, char letter)
{
    size_t had = r->nways;
    for (size_t w = 0; w < had; w++) r->ways[w][r->n] = letter;
    for (const char *o = pinyin_others(cp); *o; o++) {
        for (size_t w = 0; w < had && r->nways < PINYIN_WAYS; w++) {
            memcpy(r->ways[r->nways], r->ways[w], r->n);
            r->ways[r->nways++][r->n] = *o;
        }
    }
    r->n++;
}

static void finish(struct run *r, struct buf *out)
{
    for (size_t w = 0; w < r->nways && r->n > 1; w++) {
        buf_u8(out, ' ');
        buf_add(out, r->ways[w], r->n);
    }
    r->n = 0;
    r->nways = 1;
}

void pinyin_words(struct buf *out, struct str text)
{
    struct run r = {.nways = 1};
    for (size_t at = 0; at < text.n;) {
        uint32_t cp = utf8_next(text, &at);
        char letter = pinyin_letter(cp);
        if (!letter || r.n == RUN_MAX) finish(&r, out);
        if (letter) extend(&r, cp, letter);
    }
    finish(&r, out);
}
