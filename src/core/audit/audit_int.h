/* audit_int.h - between audit.c (writing), audit_chain.c (what is chained and signed) and audit_verify.c. */
#pragma once
#include <openssl/evp.h>
#include "core/audit/audit.h"

#define AUDIT_HEX 64
#define SIGNATURE 64
enum { F_CLASS, F_USER, F_LOGIN, F_PEER, F_ACTION, F_KIND, F_RESOURCE, F_OUTCOME, F_DETAIL, NFIELDS };

struct audit_row {
    int64_t seq, at_us, status;
    struct str field[NFIELDS];
};
/* hash: of the record before, in hex ("" before the first); becomes the hash of this one. */
void audit_link(char hash[AUDIT_HEX + 1], const struct audit_row *r);

/* A checkpoint: signed, and chained to the one before. */
struct audit_mark {
    int64_t seq, at_us; /* of the record that it stands behind */
    char hash[AUDIT_HEX + 1], prev[AUDIT_HEX + 1];
    uint8_t sig[SIGNATURE];
};
void audit_mark_digest(const struct audit_mark *m, char out[AUDIT_HEX + 1]);

/* Both ends of what there is: signed anew with every batch. */
struct audit_head {
    int64_t begin, seq, marks; /* begin: the last record that was pruned, 0: none */
    char begin_hash[AUDIT_HEX + 1], hash[AUDIT_HEX + 1], mark[AUDIT_HEX + 1]; /* mark: digest of the newest */
    uint8_t sig[SIGNATURE];
};

struct audit_key {
    EVP_PKEY *key; /* NULL: only the public half is known */
    uint8_t public_[32];
};
MUST_CHECK int audit_key_public(const uint8_t public_[32], struct audit_key *ret);
MUST_CHECK int audit_key_private(const uint8_t private_[32], struct audit_key *ret);
void audit_key_free(struct audit_key *k);

MUST_CHECK int audit_mark_sign(const struct audit_key *k, struct audit_mark *m);
bool audit_mark_good(const struct audit_key *k, const struct audit_mark *m);
MUST_CHECK int audit_head_sign(const struct audit_key *k, struct audit_head *h);
bool audit_head_good(const struct audit_key *k, const struct audit_head *h);

/* Going along a chain: begin with the head, then each record and checkpoint in order of seq (a checkpoint after
 * its record), then end. The first that does not fit is remembered in bad, with what is wrong. */
struct audit_walk {
    const struct audit_key *key;
    struct audit_head head;
    int64_t seq, marks, bad; /* bad -1: none so far */
    char hash[AUDIT_HEX + 1], mark[AUDIT_HEX + 1];
    const char *en, *zh;
};
void audit_walk_begin(struct audit_walk *w, const struct audit_key *key, const struct audit_head *head);
bool audit_walk_row(struct audit_walk *w, const struct audit_row *r, struct str hash);
bool audit_walk_mark(struct audit_walk *w, const struct audit_mark *m);
bool audit_walk_end(struct audit_walk *w);

struct sql *audit_sql(struct audit *a);
const struct audit_key *audit_key(struct audit *a); /* NULL: it does not open */

/* audit_store.c: the tables */
#define AUDIT_COLUMNS "seq, at_us, class, user_id, login, peer, action, kind, resource, outcome, status, detail, hash"
void audit_row_read(struct sql_stmt *s, struct audit_row *ret);
MUST_CHECK int audit_migrate(struct sql *db, struct error *e);
/* 1: there is one. */
MUST_CHECK int audit_head_read(struct sql_tx *tx, struct audit_head *ret, struct error *e);
MUST_CHECK int audit_head_write(struct sql_tx *tx, const struct audit_head *h, struct error *e);
MUST_CHECK int audit_mark_write(struct sql_tx *tx, const struct audit_mark *m, struct error *e);
void audit_mark_read(struct sql_stmt *s, struct audit_mark *ret); /* seq, at_us, hash, prev, signature */
MUST_CHECK int audit_key_stored(struct sql_tx *tx, struct audit_key *ret, struct error *e); /* the public half */
/* The pair of keys; made, with the first head, when there is none. */
MUST_CHECK int audit_key_open(struct sql *db, struct secrets *s, const struct rng *rng, struct audit_key *ret,
                              struct error *e);
