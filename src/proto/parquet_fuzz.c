/* parquet_fuzz.c - any bytes as a Parquet file: all reads stay inside, the rows end, texts are readable. */
#include <stdlib.h>
#include "base/mem.h"
#include "proto/parquet.h"

struct bytes {
    const uint8_t *p;
    size_t n;
};

static int read_bytes(void *ctx, uint64_t at, void *p, size_t n, struct error *e)
{
    const struct bytes *b = ctx;
    if (at > b->n || n > b->n - at) abort();
    memcpy(p, b->p + at, n);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes b = {p, n};
    struct parquet_source src = {read_bytes, &b, n};
    struct parquet *f;
    unsigned sum = 0;
    if (parquet_open(&src, &f, NULL)) return 0;
    struct parquet_value *row = mem_calloc(parquet_columns(f), sizeof *row);
    for (size_t rows = 0; row && rows < 20000 && parquet_next(f, row, NULL) == 1; rows++)
        for (size_t i = 0; i < parquet_columns(f); i++)
            for (size_t k = 0; row[i].type == PARQUET_TEXT && k < row[i].text.n; k++) sum += (uint8_t)row[i].text.p[k];
    mem_free(row);
    parquet_close(f);
    return sum == 12345 ? 0 : 0;
}
