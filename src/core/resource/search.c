/* search.c - full text of resources: substrings of code, name, labels and of the text fields in `lists.columns`,
 * in Chinese from one character on, by the first letters of its pinyin, Latin case and full width ignored.
 *
 * search_doc holds one folded text a live resource, its parts on lines of their own, last the words of pinyin
 * letters. search_text (SQLite: a contentless FTS5 table by search_doc.num; PostgreSQL: the column tokens with a
 * GIN index) holds the tokens of it: each with three letters that stand for the kind, then
 *   of Latin letters and digits  each run of three, and the last two
 *   of Chinese characters        each one and each pair
 * Everything that contains q has all tokens of q; what has them is then compared with the text itself, so that
 * an answer is exact. Where the tokens find many, rows are looked at in the order of the list instead, which
 * comes upon a page of them soon. Secret and sensitive values are not in the text.
 *
 * A change makes its texts in its own transaction, an import of many rows too: that costs a few microseconds a
 * row. search_state tells for which kinds, and how, all texts have been made: after a new version of the program or
 * of a kind they are made again at the start (kernel_search_build), in the order of the index of codes. */
#include "core/resource/search.h"
#include "base/pinyin.h"
#include "base/utf8.h"
#include "core/resource/list_int.h"

#define TEXT_MAX 4096
#define TOKENS_MAX 65536
#define BATCH 500
#define BATCHES 10 /* a transaction */
#define FORMAT 1

static const struct sql_migration lite[] = {
    {1, "create table search_doc(num integer primary key, id text not null, text text not null) strict;"
        "create unique index search_doc_id on search_doc(id);"
        "create virtual table search_text using fts5(tokens, content='', columnsize=0, detail=none, tokenize='ascii');"
        "create table search_state(kind text primary key, version text not null) strict;"},
    /* What a transaction adds is sorted in memory and written at once: less to merge. */
    {2, "insert into search_text(search_text, rank) values('hashsize', 16777216);"},
};
static const struct sql_migration postgres[] = {
    {1, "create table search_doc(num int primary key, id text not null, text text not null, tokens text[] not null)"
        " strict;"
        "create unique index search_doc_id on search_doc(id);"
        "create index search_doc_tokens on search_doc using gin(tokens);"
        "create table search_state(kind text primary key, version text not null) strict;"},
    {2, "select 2;"}, /* both engines stand at the same number, so that a node can move between them */
};

int search_migrate(struct sql *db, struct error *e)
{
    bool lite_ = sql_dialect(db) == SQL_SQLITE;
    return sql_migrate(db, "search", lite_ ? lite : postgres,
                       lite_ ? sizeof lite / sizeof *lite : sizeof postgres / sizeof *postgres, e);
}

/* ------------------------------------------------------------------ text */

static uint32_t fold(uint32_t c)
{
    if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0; /* full width */
    if (c < ' ' || c == 0x3000 || c == 0x7f) return ' ';
    if (c >= 'A' && c <= 'Z') return c + 32;
    if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 32;
    if ((c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) return c + 32;
    return c >= 0x400 && c <= 0x40f ? c + 80 : c;
}

void search_fold(struct buf *out, struct str text)
{
    char bytes[4];
    for (size_t at = 0; at < text.n;) buf_add(out, bytes, utf8_encode(fold(utf8_next(text, &at)), bytes));
}

static void line(struct buf *out, struct str text)
{
    if (!text.n) return;
    search_fold(out, str_sub(text, 0, utf8_floor(text, text.n < 1024 ? text.n : 1024)));
    buf_u8(out, '\n');
}

static const struct field *column_field(const struct kind *kd, const struct json *column)
{
    struct str path = json_str(column, STR(""));
    if (str_starts(path, STR("spec."))) path = str_sub(path, 5, path.n);
    const struct field *f = path.n ? kind_field(kd, path) : NULL;
    return f && f->type == FIELD_STRING && !f->sensitive && !str_has(path, STR(".")) ? f : NULL;
}

static void columns(struct buf *out, const struct kind *kd, const struct json *spec)
{
    for
        json_each (column, json_get(json_get(kd->doc, "lists"), "columns")) {
            const struct field *f = column_field(kd, column);
            if (f) line(out, json_str(json_get_str(spec, f->name), STR("")));
        }
}

static struct str text_of(struct arena *a, const struct kind *kd, const struct resource *r)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    line(&b, r->code);
    if (!str_eq(r->code, r->name)) line(&b, r->name);
    for
        json_each (m, r->labels) line(&b, json_str(m, STR("")));
    columns(&b, kd, r->spec);
    struct str body = buf_view(&b);
    if (body.n > TEXT_MAX) b.n = utf8_floor(body, TEXT_MAX);
    struct str folded = arena_str(a, buf_view(&b)); /* what follows may move the bytes */
    if (folded.p) pinyin_words(&b, folded);
    struct str all = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return all;
}

/* ------------------------------------------------------------------ tokens */

enum class { NEITHER, LATIN, CHINESE };

static enum class class_of(uint32_t c) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return LATIN;
    if ((c >= 0xc0 && c <= 0x24f) || (c >= 0x370 && c <= 0x52f)) return LATIN;
    bool cjk = (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x3041 && c <= 0x30fa) ||
               (c >= 0xac00 && c <= 0xd7a3) || (c >= 0x20000 && c <= 0x3ffff);
    return cjk ? CHINESE : NEITHER;
}

struct cutter {
    struct buf *out;
    char kind[4];
    bool query;       /* of a query: nothing that a longer text would not have */
    const char *p[3]; /* where the last three characters began, oldest first */
    size_t n;         /* characters of the run */
};

static void token(struct cutter *c, const char *from, const char *to)
{
    if (c->out->n) buf_u8(c->out, ' ');
    buf_z(c->out, c->kind);
    buf_add(c->out, from, (size_t)(to - from));
}

static void run_end(struct cutter *c, enum class k, const char *end)
{
    if (k == LATIN && c->n >= 2 && !c->query) token(c, c->p[c->n >= 3 ? 1 : 0], end);
    c->n = 0;
}

static void character(struct cutter *c, enum class k, const char *from, const char *end)
{
    if (c->n >= 3) {
        c->p[0] = c->p[1];
        c->p[1] = c->p[2];
    }
    c->p[c->n < 3 ? c->n : 2] = from;
    c->n++;
    if (k == LATIN && c->n >= 3) token(c, c->p[0], end);
    if (k == CHINESE) token(c, from, end);
    if (k == CHINESE && c->n >= 2) token(c, c->p[c->n >= 3 ? 1 : 0], end);
}

static void tag_of(const struct kind *kd, char out[4])
{
    uint64_t h = str_hash(kd->kind, 5);
    for (int i = 0; i < 3; i++, h /= 26) out[i] = (char)('a' + h % 26);
    out[3] = 0;
}

static void cut(struct buf *out, const struct kind *kd, struct str text, bool query)
{
    struct cutter c = {.out = out, .query = query};
    enum class was = NEITHER;
    tag_of(kd, c.kind);
    for (size_t at = 0; at < text.n;) {
        const char *from = text.p + at;
        enum class k = class_of(utf8_next(text, &at));
        if (k != was) run_end(&c, was, from);
        if (k != NEITHER) character(&c, k, from, text.p + at);
        was = k;
    }
    run_end(&c, was, text.p + text.n);
}

void search_tokens(struct buf *out, const struct kind *kd, struct str folded)
{
    cut(out, kd, folded, false);
}

static struct str tokens_of(struct arena *a, const struct kind *kd, struct str folded, bool query)
{
    struct buf b;
    buf_init(&b, TOKENS_MAX);
    cut(&b, kd, folded, query);
    struct str s = b.err ? STR_NULL : b.n ? arena_str(a, buf_view(&b)) : STR("");
    buf_fini(&b);
    return s;
}

/* ------------------------------------------------------------------ keeping it */

/* The number of a new text: counted in the transaction, read once. */
static int next_num(struct sql_tx *tx, int64_t *num, struct error *e)
{
    struct sql_stmt *s;
    if (*num) {
        ++*num;
        return 0;
    }
    int rc = sql_prepare(tx, "select coalesce(max(num), 0) + 1 from search_doc", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    if (rc == 1) *num = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

/* 1: there is a text. */
static int find(struct sql_tx *tx, struct arena *a, struct str id, int64_t *num, struct str *text, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select num, text from search_doc where id = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, e);
    if (rc == 1) {
        *num = sql_i64(s, 0);
        *text = arena_str(a, sql_str(s, 1));
    }
    sql_done(s);
    return rc == 1 && !text->p ? kernel_nomem(e) : rc;
}

static int take_out(struct sql_tx *tx, struct arena *a, bool lite_, const struct kind *kd, int64_t num, struct str text,
                    struct error *e)
{
    struct str tokens = tokens_of(a, kd, text, false);
    CATCH_NOMEM(tokens.p, e);
    int rc = lite_ ? sql_exec(tx, e, "insert into search_text(search_text, rowid, tokens) values('delete', $1, $2)",
                              "is", num, tokens)
                   : 0;
    return rc ? rc : sql_exec(tx, e, "delete from search_doc where num = $1", "i", num);
}

static int put_in(struct sql_tx *tx, struct arena *a, bool lite_, const struct kind *kd, struct str id, struct str text,
                  int64_t *last, struct error *e)
{
    struct str tokens = tokens_of(a, kd, text, false);
    CATCH_NOMEM(tokens.p, e);
    int rc = next_num(tx, last, e);
    if (!rc && !lite_)
        return sql_exec(tx, e,
                        "insert into search_doc(num, id, text, tokens) values($1, $2, $3, string_to_array($4, ' '))",
                        "isss", *last, id, text, tokens);
    if (!rc) rc = sql_exec(tx, e, "insert into search_doc(num, id, text) values($1, $2, $3)", "iss", *last, id, text);
    return rc ? rc : sql_exec(tx, e, "insert into search_text(rowid, tokens) values($1, $2)", "is", *last, tokens);
}

/* last: number given out last in this transaction, 0: none. */
static int put(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, const struct resource *r,
               bool fresh, int64_t *last, struct error *e)
{
    bool lite_ = sql_dialect(k->db) == SQL_SQLITE;
    struct str now = r->deleted ? STR("") : text_of(a, kd, r), was = STR("");
    int64_t num = 0;
    CATCH_NOMEM(now.p, e);
    int rc = fresh ? 0 : find(tx, a, r->id, &num, &was, e);
    if (rc < 0 || (rc == 1 && !r->deleted && str_eq(was, now))) return rc < 0 ? rc : 0;
    if (rc == 1) rc = take_out(tx, a, lite_, kd, num, was, e);
    return rc || r->deleted ? rc : put_in(tx, a, lite_, kd, r->id, now, last, e);
}

int search_put(struct changer *c, struct arena *a, const struct resource *r, bool fresh, struct error *e)
{
    return put(c->k, c->tx, a, c->kd, r, fresh, &c->text_num, e);
}

/* ------------------------------------------------------------------ older rows */

/* Where a walk along the index of codes has come to. */
struct walk {
    char code[LIMIT_NAME + 1], org[64];
    bool begun;
    int64_t num; /* of the text made last in the transaction */
    size_t n;    /* rows of the batch */
};

static int walk_on(struct walk *w, const struct resource *last, struct error *e)
{
    w->begun = true;
    bool fits = str_to_cstr(last->code, w->code, sizeof w->code) && str_to_cstr(last->org, w->org, sizeof w->org);
    return fits ? 0 : error_set(e, ERR_TOO_LARGE, "code", "is too long", "过长");
}

#define LIVE "select " ROW_COLUMNS " from resource r where r.kind = $1 and r.deleted = 0"
#define ONWARD " order by r.code, r.org limit 500"

static int build_batch(struct kernel *k, struct sql_tx *tx, const struct kind *kd, struct walk *w, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 30);
    struct resource *rows = arena_calloc(&a, BATCH, sizeof *rows);
    struct sql_stmt *s;
    CATCH_NOMEM(rows, e);
    int rc = sql_prepare(tx, w->begun ? LIVE " and r.code >= $2 and (r.code > $2 or r.org > $3)" ONWARD : LIVE ONWARD,
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, kd->kind);
    if (w->begun) sql_bind_str(s, 2, str_of(w->code));
    if (w->begun) sql_bind_str(s, 3, str_of(w->org));
    w->n = 0;
    while (w->n < BATCH && (rc = sql_step(s, e)) == 1 && (rc = row_read(k, s, &a, &rows[w->n], e)) == 0) w->n++;
    sql_done(s);
    for (size_t i = 0; i < w->n && rc >= 0; i++) rc = put(k, tx, &a, kd, &rows[i], false, &w->num, e);
    return rc < 0 ? rc : w->n ? walk_on(w, &rows[w->n - 1], e) : 0;
}

static int build_done(struct sql_tx *tx, const struct kind *kd, const char *version, struct error *e)
{
    return sql_exec(tx, e,
                    "insert into search_state(kind, version) values($1, $2) on conflict(kind) do update set"
                    " version = excluded.version",
                    "ss", kd->kind, str_of(version));
}

static int build_kind(struct kernel *k, const struct kind *kd, const char *version, struct error *e)
{
    struct walk w = {.n = BATCH};
    int rc = 0;
    while (!rc && w.n) {
        struct sql_tx *tx;
        rc = sql_begin(k->db, true, &tx, e);
        if (rc) return rc;
        w.num = 0;
        for (int i = 0; i < BATCHES && !rc && w.n; i++) rc = build_batch(k, tx, kd, &w, e);
        if (!rc && !w.n) rc = build_done(tx, kd, version, e);
        if (rc)
            sql_rollback(tx);
        else
            rc = sql_commit(tx, e);
    }
    return rc;
}

/* Of the format and of the fields that are in the text. */
static void version_of(const struct kind *kd, char out[48])
{
    uint64_t h = 0;
    for
        json_each (column, json_get(json_get(kd->doc, "lists"), "columns"))
            if (column_field(kd, column)) h = h * 31 + str_hash(json_str(column, STR("")), 6);
    snprintf(out, 48, "%d:%016llx", FORMAT, (unsigned long long)h);
}

static int state_is(struct kernel *k, const struct kind *kd, const char *version, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select 1 from search_state where kind = $1 and version = $2", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, kd->kind);
        sql_bind_str(s, 2, str_of(version));
        rc = sql_step(s, e);
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}

int kernel_search_build(struct kernel *k, struct error *e)
{
    const struct kind *kd;
    int rc = 0;
    for (size_t i = 0; rc >= 0 && (kd = kernel_kind_at(k, i)); i++) {
        char version[48];
        version_of(kd, version);
        rc = state_is(k, kd, version, e);
        if (rc == 0) rc = build_kind(k, kd, version, e);
    }
    return rc < 0 ? rc : 0;
}

/* ------------------------------------------------------------------ finding */

/* "a b c" -> "\"a\" AND \"b\" AND \"c\""; tokens hold letters and digits only. `prefix`: one token, its beginning. */
static struct str match_of(struct arena *a, struct str tokens, bool prefix)
{
    struct buf b;
    buf_init(&b, TOKENS_MAX * 4);
    while (tokens.p) {
        struct str t = str_cut(&tokens, ' ');
        buf_printf(&b, "%s\"%.*s\"%s", b.n ? " AND " : "", STR_ARG(t), prefix ? "*" : "");
    }
    struct str s = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

#define LITE_FOUND "search_text where search_text match "
#define POSTGRES_FOUND "search_doc d where d.tokens @> string_to_array("

static int count_hits(struct kernel *k, struct sql_tx *tx, struct search_plan *p, struct error *e)
{
    bool lite_ = sql_dialect(k->db) == SQL_SQLITE;
    struct sql_stmt *s;
    int rc = sql_prepare(tx,
                         lite_ ? "select count(*) from (select 1 from " LITE_FOUND "$1 limit $2) x"
                               : "select count(*) from (select 1 from " POSTGRES_FOUND "$1, ' ') limit $2) x",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, p->tokens);
    sql_bind_i64(s, 2, SEARCH_LOOK + 1);
    rc = sql_step(s, e);
    if (rc == 1) p->hits = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

/* Two letters or digits and nothing else: the beginnings of the tokens of three, or the last two of a run. */
static struct str pair(struct arena *a, const struct kind *kd, struct str folded)
{
    struct str two = str_trim(folded);
    char kind[4];
    tag_of(kd, kind);
    if (two.n != 2 || class_of((uint8_t)two.p[0]) != LATIN || class_of((uint8_t)two.p[1]) != LATIN) return STR("");
    return str_of(arena_printf(a, "%s%.*s", kind, STR_ARG(two)));
}

/* No other kind has the same letters before its tokens. */
static bool tag_alone(struct kernel *k, const struct kind *kd)
{
    char mine[4], tag[4];
    const struct kind *other;
    tag_of(kd, mine);
    for (size_t i = 0; (other = kernel_kind_at(k, i)); i++) {
        tag_of(other, tag);
        if (!str_eq(other->kind, kd->kind) && strcmp(tag, mine) == 0) return false;
    }
    return true;
}

int search_plan(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct str q,
                struct search_plan *ret, struct error *e)
{
    bool lite_ = sql_dialect(k->db) == SQL_SQLITE, prefix = false;
    struct buf b;
    buf_init(&b, 16384);
    search_fold(&b, str_sub(q, 0, utf8_floor(q, q.n < 1024 ? q.n : 1024)));
    struct str folded = b.err ? STR_NULL : b.n ? arena_str(a, buf_view(&b)) : STR("");
    buf_fini(&b);
    CATCH_NOMEM(folded.p, e);
    *ret = (struct search_plan){.pattern = like_pattern(a, folded), .tokens = tokens_of(a, kd, folded, true)};
    if (lite_ && ret->tokens.p && !ret->tokens.n) {
        ret->tokens = pair(a, kd, folded);
        prefix = ret->tokens.n > 0;
    }
    CATCH_NOMEM(ret->pattern.p && ret->tokens.p, e);
    ret->hits = SEARCH_LOOK + 1;
    ret->alone = tag_alone(k, kd);
    if (!ret->tokens.n) return 0;
    if (lite_) ret->tokens = match_of(a, ret->tokens, prefix);
    CATCH_NOMEM(ret->tokens.p, e);
    return count_hits(k, tx, ret, e);
}

static int texts(struct kernel *k, struct filter *f, const struct search_plan *p, bool some, struct error *e)
{
    bool lite_ = sql_dialect(k->db) == SQL_SQLITE;
    buf_z(&f->sql, lite_
                       ? " from (select d.id, d.text from search_text cross join search_doc d where search_text match "
                       : " from (select d.id, d.text from search_doc d where d.tokens @> string_to_array(");
    int rc = filter_param_add(f, (struct filter_param){.type = FILTER_TEXT, .s = p->tokens}, e);
    buf_z(&f->sql, lite_ ? " and d.num = search_text.rowid" : ", ' ')");
    if (some) buf_printf(&f->sql, " limit %d", SEARCH_LOOK);
    buf_z(&f->sql, ") d");
    return rc;
}

/* The order of the tables is fixed: the texts found lead to the resources, never the other way. */
int search_from(struct kernel *k, struct filter *f, const struct search_plan *p, bool some, struct error *e)
{
    int rc = texts(k, f, p, some, e);
    buf_z(&f->sql, " cross join resource r where d.text like ");
    if (!rc) rc = filter_param_add(f, (struct filter_param){.type = FILTER_TEXT, .s = p->pattern}, e);
    buf_z(&f->sql, " escape '\\' and r.id = d.id and");
    return rc;
}

int search_texts(struct kernel *k, struct filter *f, const struct search_plan *p, struct error *e)
{
    int rc = texts(k, f, p, true, e);
    buf_z(&f->sql, " where d.text like ");
    if (!rc) rc = filter_param_add(f, (struct filter_param){.type = FILTER_TEXT, .s = p->pattern}, e);
    buf_z(&f->sql, " escape '\\'");
    return rc;
}

int search_where(struct filter *f, const struct search_plan *p, struct error *e)
{
    buf_z(&f->sql, " and exists (select 1 from search_doc d where d.id = r.id and d.text like ");
    int rc = filter_param_add(f, (struct filter_param){.type = FILTER_TEXT, .s = p->pattern}, e);
    buf_z(&f->sql, " escape '\\')");
    return rc;
}
