/* book.h - the alarms that are not normal or are shelved, as people see them: names, times, who acknowledged.
 * In memory under one lock; written to table `alarm` by store.c, read by the routes and the stream. */
#pragma once
#include <pthread.h>
#include "base/json.h"
#include "core/permission.h"
#include "modules/alarms/engine.h"

struct point_info { /* one allocation; counted under the book's lock */
    unsigned refs;
    uint32_t num;
    char id[37], org[37];
    struct str code, name, area, unit;
};
struct alarm_item {
    uint32_t num;
    uint8_t cond, state, priority;
    double value, limit;
    int64_t raised_us, cleared_us, acked_us, shelved_until_us; /* 0: not */
    char acked_by[64], shelved_by[64];
    char comment[400], reason[400]; /* of the acknowledgement; of the shelving */
    int64_t version;                  /* of the book, when it last changed */
    uint64_t seq;                     /* last step that it took */
    struct point_info *info;
};
struct book;
int book_new(struct book **ret);
void book_free(struct book *b);

/* Names of a point; replaces. NULL code: forgets it (items keep theirs). */
int book_point(struct book *b, uint32_t num, struct str id, struct str org, struct str code, struct str name,
               struct str area, struct str unit);
bool book_point_org(struct book *b, uint32_t num, char ret[37]); /* false: not watched */
void book_point_forget(struct book *b, uint32_t num);
void book_point_limits(struct book *b, const struct alarm_conf *c); /* open alarms show them at once */

int book_put(struct book *b, const struct alarm_item *it); /* at start, from the store; info from book_point */
/* Takes a step; *ret: the alarm after it (info counted: book_item_done). false: it is gone now (ret is as it was last). */
bool book_take(struct book *b, const struct alarm_step *s, struct alarm_item *ret);
void book_sweep(struct book *b, int64_t version); /* what has not changed since is closed */
bool book_get(struct book *b, uint32_t num, int cond, struct alarm_item *ret); /* info counted */
void book_each(struct book *b, void (*fn)(void *ctx, const struct alarm_item *it), void *ctx); /* open, not shelved; under the lock */
void book_item_done(struct book *b, struct alarm_item *it);

enum book_state { BOOK_OPEN /* all but shelved */, BOOK_ACTIVE, BOOK_UNACKED, BOOK_SHELVED, BOOK_ALL };
struct book_query {
    const struct permissions *may; /* to read; NULL: all */
    enum book_state state;
    int priority; /* 0: any */
    struct str area, q;
    size_t offset, limit;
};
struct book_counts {
    size_t active, unacked, shelved, by_priority[5]; /* [1..4]: active or not acknowledged */
};
/* Items by acknowledgement, priority, newest; written as JSON objects into an open array. */
void book_list(struct book *b, const struct book_query *q, struct json_writer *w, size_t *ret_total,
               struct book_counts *ret_counts);
int64_t book_version(struct book *b);
/* Stream: what changed after *version as `alarm` events (at most max, then or when too old: one `reset`), and `counts`. */
void book_news(struct book *b, const struct permissions *may, int64_t *version, size_t max, struct buf *out);
void book_item_write(struct json_writer *w, const struct alarm_item *it);
