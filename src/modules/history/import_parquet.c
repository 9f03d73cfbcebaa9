/* import_parquet.c - rows of a Parquet file (proto/parquet.h) for the import. Times without a zone are those of the
 * zone that the import names. Positions count rows. */
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/import.h"
#include "proto/parquet.h"

struct table {
    struct import_run *run;
    struct parquet *file;
    struct parquet_value *value;
    struct cell *cell;
    size_t n;
};

static int read_object(void *ctx, uint64_t at, void *p, size_t n, struct error *e)
{
    struct import_run *r = ctx;
    for (size_t done = 0, got; done < n; done += got) {
        int err = object_get(r->objects, r->key, at + done, (char *)p + done, n - done, &got, e);
        if (err) return err;
        if (!got) return error_set(e, ERR_IO, "", "the file is shorter than it was", "文件长度与上传时不符");
    }
    return 0;
}

static struct cell cell_of(const struct table *t, size_t column)
{
    static const uint8_t types[] = {
        [PARQUET_NULL] = CELL_EMPTY,    [PARQUET_BOOL] = CELL_BOOL, [PARQUET_INT] = CELL_INT,
        [PARQUET_DOUBLE] = CELL_DOUBLE, [PARQUET_TEXT] = CELL_TEXT, [PARQUET_TIME] = CELL_TIME};
    const struct parquet_value *v = &t->value[column];
    struct cell c = {.type = (enum cell_type)types[v->type], .text = v->text, .i = v->i, .d = v->d};
    if (c.type == CELL_TIME && parquet_local(t->file, column)) {
        int64_t s = c.i / TIME_US_PER_S - (c.i % TIME_US_PER_S < 0);
        c.i += (zone_utc(&t->run->rows.time.zone, s) - s) * TIME_US_PER_S;
    }
    return c;
}

static int titles(struct table *t, struct error *e)
{
    struct str *title = arena_calloc(&t->run->rows.arena, t->n, sizeof *title);
    if (!title) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < t->n; i++) title[i] = parquet_column(t->file, i);
    return importer_columns(&t->run->rows, title, t->n, e);
}

/* How far into the file so many rows are, about. */
static uint64_t bytes_of(const struct table *t, uint64_t row)
{
    return (uint64_t)((double)t->run->size * (double)row / (double)parquet_rows(t->file));
}

static int rows(struct table *t, struct error *e)
{
    uint64_t row = t->run->from_at;
    int rc = row ? parquet_skip(t->file, row, e) : 0;
    if (rc) return rc;
    while ((rc = parquet_next(t->file, t->value, e)) == 1) {
        for (size_t i = 0; i < t->n; i++) t->cell[i] = cell_of(t, i);
        rc = importer_row(&t->run->rows, ++row, t->cell, t->n, e);
        if (!rc && row % 65536 == 0 && job_cancelled(t->run->rows.job)) rc = ERR_CANCELLED;
        if (!rc && t->run->rows.flushed) rc = import_mark(t->run, row, 0, bytes_of(t, row), e);
        if (rc) return rc;
    }
    return rc ? rc : importer_flush(&t->run->rows, e);
}

int import_parquet(struct import_run *r, struct error *e)
{
    struct parquet_source src = {read_object, r, r->size};
    struct table t = {.run = r};
    int err = parquet_open(&src, &t.file, e);
    if (err) return err;
    t.n = parquet_columns(t.file);
    t.value = mem_calloc(t.n, sizeof *t.value);
    t.cell = mem_calloc(t.n, sizeof *t.cell);
    err = t.value && t.cell ? titles(&t, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (!err) err = rows(&t, e);
    mem_free(t.value);
    mem_free(t.cell);
    parquet_close(t.file);
    return err;
}
