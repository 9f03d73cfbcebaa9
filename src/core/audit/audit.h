/* audit.h - the record of who did what, from where, with what result: a table that is only added to,
 * each record chained to the one before by SHA-256.
 *
 * hash(n) = SHA-256(hash(n-1) in hex | fields of n, each preceded by its length). One thread writes, all
 * that wait in one transaction. audit_add with wait returns after the record is durable; without wait (on
 * a loop) it is queued, and counted when the queue is full. While the log cannot be written audit_ok is
 * false and the router refuses changes (collection goes on). */
#pragma once
#include <pthread.h>
#include "core/api.h"

struct audit;
struct audit_record {
    enum api_audit cls;
    const char *user_id, *login, *peer, *action, *kind, *outcome;
    struct str resource, detail;
    int status; /* HTTP, 0: none */
};
MUST_CHECK int audit_new(struct sql *db, const struct clock *clock, struct audit **ret, struct error *e);
void audit_free(struct audit *a); /* writes what is queued, joins */
int audit_add(struct audit *a, const struct audit_record *r, bool wait);
bool audit_ok(struct audit *a);
const char *audit_class_name(enum api_audit cls);

struct audit_query {
    int64_t from_us, to_us; /* [from, to) */
    size_t offset, limit;
};
/* {"items":[…],"total","page","size"} is written by the caller; this writes the items (newest first). */
MUST_CHECK int audit_list(struct audit *a, const struct audit_query *q, struct json_writer *w, int64_t *ret_total,
                          struct error *e);
/* Recomputes the chain: 0 with the number of records, or ERR_CORRUPT with the first bad number in *ret_seq. */
MUST_CHECK int audit_verify(struct audit *a, int64_t *ret_seq, struct error *e);
