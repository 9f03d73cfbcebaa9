/* seg_page.h - a page of the index: entries of many blocks, column by column. Pure; the bytes are in seg_page.c.
 *
 * Every figure of a summary that comes out is right to 2 parts in 10^10 of itself (of the sum of the amounts, where
 * they cancel); counts, times, samples and sums of decimals are exact. */
#pragma once
#include "base/buf.h"
#include "tsdb/seg_format.h"

#define PAGE_ENTRIES 256 /* in a page, at most */

/* 1..PAGE_ENTRIES entries in order of point and time, into b; c->max >= PAGE_ENTRIES. */
void seg_page_encode(struct buf *b, const struct index_entry *e, size_t n, struct codec *c);
/* *ret from mem_alloc. ERR_CORRUPT, ERR_NOMEM. */
int seg_page_decode(struct in *in, struct codec *c, struct index_entry **ret, size_t *ret_n);
/* The same of a page of the first version: row by row, zstd around it. */
int seg_page_decode_rows(struct in *in, struct codec *c, struct index_entry **ret, size_t *ret_n);
