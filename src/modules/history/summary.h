/* summary.h - see summary.c; summary_many.c: of what a filter finds, and of all together. */
#pragma once
#include "core/api.h"
#include "model/tsstore.h"
#include "modules/history/params.h"

int summary_answer(struct api_call *c, struct error *e);
/* With "filter" or "overall". */
MUST_CHECK int summary_many(struct api_call *c, const struct params *p, struct error *e);

/* "key":text and so on; `key` brings what stands before the value. */
void summary_text(struct buf *b, const char *key, struct str s);
void summary_time(struct buf *b, const char *key, int64_t us, bool there);
void summary_number(struct buf *b, const char *key, double v);
void summary_count(struct buf *b, const char *key, uint64_t v);
/* {"point","code","name","unit","step","rows":[ */
struct answer_point;
void summary_head(struct buf *b, const struct answer_point *p);
/* {"from","to", and the figures}; strings: for values that are texts. */
void summary_write(struct buf *b, int64_t from, int64_t to, const struct ts_summary *s, struct ts_store *strings);
