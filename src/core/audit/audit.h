/* audit.h - the record of who did what, from where, with what result: a table that is only added to,
 * each record chained to the one before by SHA-256.
 *
 * Every 1,000 records or hour a checkpoint is signed (Ed25519), and the two ends of the log with every batch, so
 * that nothing can be changed, put in or taken away, at the end neither, without the key (audit_chain.c). What is
 * older than has to be kept goes up to a checkpoint, which is the new beginning. One thread writes, all
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

/* As audit_new; the pair of keys that signs is sealed by `secrets` (may be NULL). */
struct secrets;
struct audit_config {
    struct sql *db;
    const struct clock *clock;
    const struct rng *rng;
    struct secrets *secrets;
};
MUST_CHECK int audit_open(const struct audit_config *cfg, struct audit **ret, struct error *e);
/* Records older than that go, as far as a checkpoint reaches; at least AUDIT_DAYS_MIN. Until it is called all stay. */
#define AUDIT_DAYS_MIN 180
void audit_keep(struct audit *a, int days);

struct audit_query {
    int64_t from_us, to_us; /* [from, to) */
    size_t offset, limit;   /* limit 0: all */
    struct str q;           /* part of login, resource, action, address or detail; ASCII case ignored */
    struct str login, kind, cls, outcome; /* exactly; empty: any */
};
/* {"items":[…],"total","page","size"} is written by the caller; this writes the items (newest first). */
MUST_CHECK int audit_list(struct audit *a, const struct audit_query *q, struct json_writer *w, int64_t *ret_total,
                          struct error *e);
/* One after the other, newest first: AUDIT_CELLS texts each, in the order of audit_cell_names. */
#define AUDIT_CELLS 11
extern const char *const audit_cell_names[AUDIT_CELLS];
MUST_CHECK int audit_each(struct audit *a, const struct audit_query *q, int (*fn)(void *ctx, const struct str *cells),
                          void *ctx, struct error *e);
/* The newest checkpoints as JSON objects. */
MUST_CHECK int audit_checkpoints(struct audit *a, size_t limit, struct json_writer *w, struct error *e);

/* Recomputes the chain, its checkpoints and its signed ends. */
struct audit_report {
    bool ok;
    int64_t records, checkpoints, first, signed_until, signed_at_us, first_bad; /* first_bad: -1 none, 0 the ends */
    char public_key[65];                              /* keep it elsewhere, to compare */
    char why_en[160], why_zh[160];
    bool own_key; /* the key is the one that the secrets hold, not just the one beside the log */
};
MUST_CHECK int audit_verify_all(struct audit *a, struct audit_report *ret, struct error *e);
/* The same of a database that no program has open, or has; secrets NULL: with the public key stored there. */
MUST_CHECK int audit_verify_db(struct sql *db, struct secrets *secrets, struct audit_report *ret, struct error *e);
/* 0 with the number of records, or ERR_CORRUPT with the first bad number in *ret_seq. */
MUST_CHECK int audit_verify(struct audit *a, int64_t *ret_seq, struct error *e);
