/* Fuzz: log header, records and the search for the next good record. The checksum of the first record is
 * set right, so that what stands behind it is reached. */
#include <stdlib.h>
#include <string.h>
#include "base/crc32c.h"
#include "tsdb/bits.h"
#include "tsdb/wal_record.h"

static void sign(uint8_t *rec, size_t n)
{
    uint8_t seed[8];
    if (n < WAL_REC_HEAD) return;
    put_u64(seed, 1);
    put_u32(rec, 0x4c415742u);
    put_u32(rec + 4, (uint32_t)(n - WAL_REC_HEAD));
    uint32_t crc = crc32c(crc32c(0, seed, 8), rec, 20);
    put_u32(rec + 20, crc32c(crc, rec + WAL_REC_HEAD, n - WAL_REC_HEAD));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint64_t number;
    struct wal_record r;
    (void)wal_head_decode(p, n, &number);
    (void)wal_record_find(p, n, 0, 1, 0);
    uint8_t *copy = malloc(n + 1);
    if (!copy) return 0;
    memcpy(copy, p, n);
    sign(copy, n);
    if (wal_record_parse(copy, n, 1, &r) && r.samples <= 65536) {
        struct sample *s = malloc(r.samples * sizeof *s + 1);
        if (s) (void)wal_record_decode(&r, s);
        free(s);
    }
    free(copy);
    return 0;
}
