/* audit_verify.c - going through the stored log; see audit_chain.c for what has to fit. Reads only. */
#include "base/encode.h"
#include "core/audit/audit_int.h"

struct source {
    struct sql_stmt *rows, *marks;
    bool mark_there;
    struct audit_mark mark;
};

static int next_mark(struct source *s, struct error *e)
{
    int rc = sql_step(s->marks, e);
    s->mark_there = rc == 1;
    if (rc == 1) audit_mark_read(s->marks, &s->mark);
    return rc < 0 ? rc : 0;
}

/* Checkpoints up to where the walk is. */
static int marks_here(struct source *s, struct audit_walk *w, int64_t upto, struct error *e)
{
    int rc = 0;
    while (!rc && s->mark_there && s->mark.seq <= upto) {
        audit_walk_mark(w, &s->mark);
        rc = next_mark(s, e);
    }
    return rc;
}

static int walk(struct source *s, struct audit_walk *w, struct audit_report *r, struct error *e)
{
    int rc = next_mark(s, e);
    if (!rc) rc = marks_here(s, w, w->head.begin, e);
    while (!rc && (rc = sql_step(s->rows, e)) == 1) {
        struct audit_row row;
        audit_row_read(s->rows, &row);
        audit_walk_row(w, &row, sql_str(s->rows, 12));
        r->records++;
        if (row.seq <= w->head.seq) r->signed_at_us = row.at_us;
        rc = w->bad >= 0 ? 0 : marks_here(s, w, w->seq, e);
    }
    if (!rc && w->bad < 0) rc = marks_here(s, w, INT64_MAX, e);
    return rc;
}

static void judge(const struct audit_walk *w, struct audit_report *r)
{
    r->ok = w->bad < 0;
    r->first = w->head.begin + 1;
    r->first_bad = w->bad;
    r->checkpoints = w->marks;
    r->signed_until = w->head.seq;
    snprintf(r->why_en, sizeof(r->why_en), "%s", r->ok ? "" : w->en);
    snprintf(r->why_zh, sizeof(r->why_zh), "%s", r->ok ? "" : w->zh);
}

static int verify(struct sql_tx *tx, const struct audit_key *key, struct audit_report *r, struct error *e)
{
    struct source s = {.rows = NULL};
    struct audit_head head;
    struct audit_walk w;
    int rc = audit_head_read(tx, &head, e);
    if (rc < 0) return rc;
    audit_walk_begin(&w, key, &head); /* a head that is not there has no good signature */
    rc = sql_prepare(tx, "select " AUDIT_COLUMNS " from audit order by seq", &s.rows, e);
    if (!rc)
        rc =
            sql_prepare(tx, "select seq, at_us, hash, prev, signature from audit_checkpoint order by seq", &s.marks, e);
    if (!rc) rc = walk(&s, &w, r, e);
    sql_done(s.rows);
    sql_done(s.marks);
    if (rc < 0) return rc;
    audit_walk_end(&w);
    judge(&w, r);
    return 0;
}

static int run(struct sql *db, const struct audit_key *own, struct audit_report *ret, struct error *e)
{
    struct sql_tx *tx;
    struct audit_key stored = {.key = NULL};
    struct buf b;
    *ret = (struct audit_report){.own_key = own != NULL};
    int rc = sql_begin(db, false, &tx, e);
    if (rc) return rc;
    if (!own) rc = audit_key_stored(tx, &stored, e);
    const struct audit_key *key = own ? own : &stored;
    if (!rc) rc = verify(tx, key, ret, e);
    sql_rollback(tx);
    buf_init(&b, sizeof(ret->public_key));
    hex_encode(&b, key->public_, sizeof(key->public_));
    str_to_cstr(buf_view(&b), ret->public_key, sizeof(ret->public_key));
    buf_fini(&b);
    audit_key_free(&stored);
    return rc;
}

int audit_verify_all(struct audit *a, struct audit_report *ret, struct error *e)
{
    return run(audit_sql(a), audit_key(a), ret, e);
}

int audit_verify_db(struct sql *db, struct secrets *secrets, struct audit_report *ret, struct error *e)
{
    struct audit_key own = {.key = NULL};
    int rc = audit_migrate(db, e);
    if (!rc && secrets) rc = audit_key_open(db, secrets, rng_real(), &own, e);
    if (!rc) rc = run(db, secrets ? &own : NULL, ret, e);
    audit_key_free(&own);
    return rc;
}

int audit_verify(struct audit *a, int64_t *ret_seq, struct error *e)
{
    struct audit_report r;
    int rc = audit_verify_all(a, &r, e);
    if (rc) return rc;
    *ret_seq = r.ok ? r.records : r.first_bad;
    if (r.ok) return 0;
    return error_set(e, ERR_CORRUPT, "", "audit record %lld: %s%.0s", "审计记录 %lld：%.0s%s", (long long)r.first_bad,
                     r.why_en, r.why_zh);
}
