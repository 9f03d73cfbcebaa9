/* inbox.h - the notices of the platform: each stored once, seen by whom it concerns, with what each has read.
 *
 * A notice for one user is seen by him alone; any other by whoever may now do `need` on its kind at its
 * organisation. Kept: the newest INBOX_MAX, for INBOX_DAYS. All in memory (loaded at start) and in tables
 * `notice` and `notice_read`. One lock; SQL is done without it. */
#pragma once
#include "core/event.h"
#include "core/node.h"

#define INBOX_MAX 10000
#define INBOX_DAYS 90

struct notice { /* one allocation */
    char id[37], user_id[37], org[37], kind[48];
    int64_t at_us, version;
    enum event_severity severity;
    enum api_action need;
    struct str topic, title_en, title_zh, text_en, text_zh, ref, link;
};
struct notice *notice_of(struct node *n, const struct event *ev); /* NULL: out of memory; mem_free */
bool notice_visible(const struct notice *n, const struct permissions *may, const char *user_id);
const char *severity_name(enum event_severity s);
int severity_parse(struct str s); /* -1 */

struct inbox;
MUST_CHECK int inbox_open(struct kernel *k, struct inbox **ret, struct error *e); /* migrates, loads */
void inbox_close(struct inbox *b);
/* Rows within the caller's transaction, then, after its commit, memory (which owns them then). */
MUST_CHECK int inbox_store(struct sql_tx *tx, struct notice *const *n, size_t count, struct error *e);
void inbox_add(struct inbox *b, struct notice **n, size_t count);
MUST_CHECK int inbox_prune(struct inbox *b, struct error *e);

struct inbox_query {
    const struct actor *who;
    bool unread, zh;
    size_t offset, limit;
};
/* Items newest first into an open array. */
MUST_CHECK int inbox_list(struct inbox *b, const struct inbox_query *q, struct json_writer *w, size_t *ret_total,
                          size_t *ret_unread, struct error *e);
/* ids NULL: all that he sees now. */
MUST_CHECK int inbox_read(struct inbox *b, const struct actor *who, const struct json *ids, size_t *ret_unread, struct error *e);
/* For the stream: what is new after *cursor as `notice`, and `unread`. */
void inbox_news(struct inbox *b, const struct actor *who, bool zh, int64_t *cursor, struct buf *out);
