/* store.h - open alarms and the journal in the relational store. Blocking; the writer's thread, start, handlers. */
#pragma once
#include "core/resource.h"
#include "modules/alarms/book.h"

int store_migrate(struct sql *db, struct error *e);
int store_load(struct sql *db, int (*fn)(void *ctx, const struct alarm_item *it), void *ctx, struct error *e);

struct journal_entry {
    struct alarm_step step;
    struct point_info *info; /* counted; may be NULL */
};
/* All entries and the state of the alarms they are about, in one transaction. */
int store_write(struct kernel *k, struct book *b, const struct journal_entry *j, size_t n, struct error *e);
/* Journal older than keep_days, and beyond the newest keep_rows. */
int store_prune(struct kernel *k, int keep_days, int64_t keep_rows, struct error *e);

struct journal_query {
    const struct permissions *may;
    int64_t from_us, to_us;
    struct str point; /* code or id; empty: all */
    size_t offset, limit;
};
int store_journal(struct kernel *k, struct arena *a, const struct journal_query *q, struct json_writer *w,
                  int64_t *ret_total, struct error *e);
