/* text_fuzz.c - CSV rows, times, durations and UTF-8 from any bytes. */
#include "base/csv.h"
#include "base/time.h"
#include "base/utf8.h"
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    arena_init(&a, 4 << 20);
    struct str s = {(const char *)p, n}, *cells;
    struct csv c;
    size_t count;
    int64_t us, again;
    char out[TIME_TEXT_MAX];
    csv_init(&c, s);
    while (csv_next(&c, &a, &cells, &count, NULL) == 1) {
    }
    if (time_parse(s, &us, NULL) == 0 && (time_parse(str_of(time_format(us, out)), &again, NULL) || again != us))
        __builtin_trap();
    if (time_parse_words(s, 1700000000000000, 480, &us, NULL) == 0 && duration_parse(s, &again, NULL) == 0) return 0;
    if (utf8_check(s) > n || utf8_len(s) > n) __builtin_trap();
    return 0;
}
