/* audit_store.c - the tables of the audit log: records, checkpoints, the signed head, the pair of keys. */
#include <openssl/crypto.h>
#include "base/encode.h"
#include "core/audit/audit_int.h"
#include "core/secret.h"

static const struct sql_migration migrations[] = {
    {1, "create table audit(seq bigint primary key, at_us bigint not null, class text not null, user_id text not null,"
        " login text not null, peer text not null, action text not null, kind text not null, resource text not null,"
        " outcome text not null, status bigint not null, detail text not null, hash text not null);"
        "create index audit_at on audit(at_us);"},
    {2,
     "create table audit_checkpoint(seq int primary key, at_us int not null, hash text not null, prev text not null,"
     " signature text not null) strict;"
     "create table audit_head(id int primary key, begin_seq int not null, begin_hash text not null, seq int not null,"
     " hash text not null, marks int not null, mark text not null, signature text not null) strict;"
     "create table audit_key(id int primary key, public text not null, sealed text not null) strict;"},
};

int audit_migrate(struct sql *db, struct error *e)
{
    return sql_migrate(db, "audit", migrations, sizeof(migrations) / sizeof(migrations[0]), e);
}

void audit_row_read(struct sql_stmt *s, struct audit_row *ret)
{
    static const int column[NFIELDS] = {2, 3, 4, 5, 6, 7, 8, 9, 11};
    *ret = (struct audit_row){.seq = sql_i64(s, 0), .at_us = sql_i64(s, 1), .status = sql_i64(s, 10)};
    for (int i = 0; i < NFIELDS; i++) ret->field[i] = sql_str(s, column[i]);
}

static struct str hex_text(struct buf *b, const uint8_t *p, size_t n)
{
    buf_clear(b);
    hex_encode(b, p, n);
    return buf_view(b);
}

/* Exactly n bytes, or none (which no signature fits). */
static void hex_bytes(struct str text, uint8_t *out, size_t n)
{
    struct buf b;
    buf_init(&b, 256);
    memset(out, 0, n);
    if (!hex_decode(&b, text) && b.n == n) memcpy(out, b.p, n);
    buf_fini(&b);
}

int audit_head_read(struct sql_tx *tx, struct audit_head *ret, struct error *e)
{
    struct sql_stmt *s;
    *ret = (struct audit_head){.begin = 0};
    int rc = sql_prepare(
        tx, "select begin_seq, begin_hash, seq, hash, marks, mark, signature from audit_head where id = 1", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    if (rc == 1) {
        ret->begin = sql_i64(s, 0);
        str_to_cstr(sql_str(s, 1), ret->begin_hash, sizeof(ret->begin_hash));
        ret->seq = sql_i64(s, 2);
        str_to_cstr(sql_str(s, 3), ret->hash, sizeof(ret->hash));
        ret->marks = sql_i64(s, 4);
        str_to_cstr(sql_str(s, 5), ret->mark, sizeof(ret->mark));
        hex_bytes(sql_str(s, 6), ret->sig, SIGNATURE);
    }
    sql_done(s);
    return rc;
}

int audit_head_write(struct sql_tx *tx, const struct audit_head *h, struct error *e)
{
    struct buf b;
    buf_init(&b, 4 * SIGNATURE);
    int rc = sql_exec(tx, e,
                      "insert into audit_head(id, begin_seq, begin_hash, seq, hash, marks, mark, signature)"
                      " values(1, $1, $2, $3, $4, $5, $6, $7) on conflict(id) do update set begin_seq ="
                      " excluded.begin_seq, begin_hash = excluded.begin_hash, seq = excluded.seq, hash = excluded.hash,"
                      " marks = excluded.marks, mark = excluded.mark, signature = excluded.signature",
                      "isisiss", h->begin, str_of(h->begin_hash), h->seq, str_of(h->hash), h->marks, str_of(h->mark),
                      hex_text(&b, h->sig, SIGNATURE));
    buf_fini(&b);
    return rc;
}

int audit_mark_write(struct sql_tx *tx, const struct audit_mark *m, struct error *e)
{
    struct buf b;
    buf_init(&b, 4 * SIGNATURE);
    int rc =
        sql_exec(tx, e, "insert into audit_checkpoint(seq, at_us, hash, prev, signature) values($1, $2, $3, $4, $5)",
                 "iisss", m->seq, m->at_us, str_of(m->hash), str_of(m->prev), hex_text(&b, m->sig, SIGNATURE));
    buf_fini(&b);
    return rc;
}

void audit_mark_read(struct sql_stmt *s, struct audit_mark *ret)
{
    *ret = (struct audit_mark){.seq = sql_i64(s, 0), .at_us = sql_i64(s, 1)};
    str_to_cstr(sql_str(s, 2), ret->hash, sizeof(ret->hash));
    str_to_cstr(sql_str(s, 3), ret->prev, sizeof(ret->prev));
    hex_bytes(sql_str(s, 4), ret->sig, SIGNATURE);
}

/* ------------------------------------------------------------------ keys */

static int first_head(struct sql_tx *tx, const struct audit_key *k, struct error *e)
{
    struct audit_head h = {.begin = 0};
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select seq, hash from audit order by seq desc limit 1", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    if (rc == 1) {
        h.seq = sql_i64(s, 0);
        str_to_cstr(sql_str(s, 1), h.hash, sizeof(h.hash));
    }
    sql_done(s);
    if (rc >= 0) rc = audit_head_sign(k, &h);
    return rc ? rc : audit_head_write(tx, &h, e);
}

static int make(struct sql_tx *tx, struct secrets *secrets, const struct rng *rng, struct audit_key *ret,
                struct error *e)
{
    AUTO_ARENA a;
    uint8_t private_[32];
    struct buf b, pub;
    struct str sealed = STR_NULL;
    arena_init(&a, 1 << 16);
    buf_init(&b, 256);
    buf_init(&pub, 256);
    (void)buf_space(&b, 128);
    rng->bytes(rng->ctx, private_, sizeof(private_));
    int rc = audit_key_private(private_, ret);
    if (!rc) rc = secret_seal(secrets, &a, STR("audit key"), hex_text(&b, private_, 32), &sealed, e);
    if (!rc)
        rc = sql_exec(tx, e, "insert into audit_key(id, public, sealed) values(1, $1, $2)", "ss",
                      hex_text(&pub, ret->public_, 32), sealed);
    if (!rc) rc = first_head(tx, ret, e);
    OPENSSL_cleanse(private_, sizeof(private_));
    if (b.p) OPENSSL_cleanse(b.p, b.cap);
    buf_fini(&b);
    buf_fini(&pub);
    return rc;
}

static int open_key(struct sql_stmt *s, struct secrets *secrets, struct audit_key *ret, struct error *e)
{
    AUTO_ARENA a;
    uint8_t private_[32], public_[32];
    struct str plain = STR_NULL;
    arena_init(&a, 1 << 16);
    int rc = secret_unseal(secrets, &a, STR("audit key"), sql_str(s, 1), &plain, e);
    if (rc) return rc;
    hex_bytes(plain, private_, 32);
    hex_bytes(sql_str(s, 0), public_, 32);
    rc = audit_key_private(private_, ret);
    OPENSSL_cleanse(private_, sizeof(private_));
    if (!rc && memcmp(public_, ret->public_, 32) != 0) rc = ERR_CORRUPT;
    return rc ? error_set(e, ERR_CORRUPT, "audit_key", "the audit log's pair of keys does not belong together",
                          "审计日志的密钥对不匹配")
              : 0;
}

static int open_or_make(struct sql_tx *tx, struct secrets *secrets, const struct rng *rng, struct audit_key *ret,
                        struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select public, sealed from audit_key where id = 1", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    int found = rc;
    if (found == 1) rc = open_key(s, secrets, ret, e);
    sql_done(s);
    return found == 0 ? make(tx, secrets, rng, ret, e) : rc;
}

int audit_key_open(struct sql *db, struct secrets *secrets, const struct rng *rng, struct audit_key *ret,
                   struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    rc = open_or_make(tx, secrets, rng, ret, e);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    return rc;
}

/* What can be verified without the master key. */
int audit_key_stored(struct sql_tx *tx, struct audit_key *ret, struct error *e)
{
    struct sql_stmt *s;
    uint8_t public_[32];
    int rc = sql_prepare(tx, "select public from audit_key where id = 1", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    if (rc == 1) hex_bytes(sql_str(s, 0), public_, 32);
    sql_done(s);
    if (rc < 0) return rc;
    if (!rc) return error_set(e, ERR_NOT_FOUND, "audit_key", "the log has no key yet", "日志尚无密钥");
    return audit_key_public(public_, ret);
}
