/* pinyin.h - the first letters under which a Chinese text is looked up: 球磨机 -> "qmj". Pure. */
#pragma once
#include "base/buf.h"

/* First letter of the customary reading, 'a' … 'z'; 0 for what has none. */
char pinyin_letter(uint32_t cp);
/* Letters of its other common readings: 重 (z) also "c". "" for most. */
const char *pinyin_others(uint32_t cp);

/* For each run of Chinese characters in `text` one word of its first letters, and more where a character is read
 * in several ways (at most PINYIN_WAYS a run), each with a blank before it. Runs of one character are left out. */
#define PINYIN_WAYS 8
void pinyin_words(struct buf *out, struct str text);
