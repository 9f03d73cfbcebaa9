/* line_map.h - from a series of line protocol to the number of a point.
 *
 * Mappings (kind line_mapping) say which code a field of a series means; a cache per caller and database remembers the
 * answer by the raw bytes of series and field, so that a line that has been seen costs one look into a table and no
 * allocation. Changes of points and mappings take entries out again (hooks). Any thread. */
#pragma once
#include "base/limits.h"
#include "core/node.h"
#include "proto/line_protocol.h"

struct line_map;
MUST_CHECK int line_map_new(struct node *n, struct line_map **ret, struct error *e); /* adds its hooks */
MUST_CHECK int line_map_start(struct line_map *m, struct error *e);                  /* reads the mappings */
void line_map_free(struct line_map *m);

/* Cache of this caller for one database; to be given back. NULL: out of memory. */
struct line_cache;
struct line_cache *line_cache_get(struct line_map *m, const struct api_call *c, struct str database);
void line_cache_put(struct line_cache *k);

#define LINE_UNSEEN UINT32_MAX
/* Many looks under one lock: no other call on the cache in between. *at: where the last one was, 0 at first (series
 * come in the same order again and again). The point's number, 0: none, LINE_UNSEEN: line_resolve is needed. */
void line_cache_lock(struct line_cache *k);
void line_cache_unlock(struct line_cache *k);
uint32_t line_cache_find(struct line_cache *k, struct str series, struct str field, uint32_t *at);

struct line_seen { /* an entry that means no point, and why */
    char code[LIMIT_CODE + 1]; /* that the series means; "" when it has none */
    struct error why;
};
/* Not under the cache's lock. Blocks (SQL). 0 and the number (0 with *ret_seen filled: there is none), or the error of
 * the store. *ret_created: a point was made. */
MUST_CHECK int line_resolve(struct line_cache *k, struct api_call *c, const struct lp_line *l, const struct lp_field *f,
                            uint32_t *ret_num, bool *ret_created, struct line_seen *ret_seen, struct error *e);
int line_fault(struct error *why, enum lp_fault fault); /* as an error; ERR_INVALID */
/* Why the entry of that series means no point, again; false: it is gone. Under the lock. */
bool line_cache_why(struct line_cache *k, uint32_t at, struct line_seen *ret);
