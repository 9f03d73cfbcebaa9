/* postgres_text.c - the DDL that migrations share, as PostgreSQL wants it. Pure.
 *
 * Migrations are written for SQLite's STRICT tables. Word by word, outside of quotes and comments:
 *   int, integer      -> bigint
 *   real              -> double precision
 *   blob              -> bytea
 *   text              -> text collate "C" (columns: order by bytes as in SQLite), plain text in a cast
 *   text, then the comment "json" -> json
 *   strict after the ")" of a table -> nothing
 * The columns of `json_columns` were declared as plain text before the comment was known and are read with
 * -> and ->>; they become json too. A word is a type where a type can stand: after a column's name or
 * after `as`; the first word after "(" or "," is a name. Only statements that begin with create or alter are
 * changed, so that data in an insert stays what it is. */
#include "store/postgres_int.h"

static const struct {
    const char *table, *column;
} json_columns[] = {
    {"resource", "labels"},
    {"resource", "spec"},
    {"resource_history", "labels"},
    {"resource_history", "spec"},
};

static const struct {
    const char *from, *to;
} types[] = {
    {"int", "bigint"},
    {"integer", "bigint"},
    {"real", "double precision"},
    {"blob", "bytea"},
};

enum lexeme { L_END, L_WORD, L_MARK, L_QUOTED, L_COMMENT, L_BLANK };
struct scan {
    struct str text, token;
    size_t at;
};

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}
static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t end_of_quoted(struct str s, size_t at)
{
    char q = s.p[at++];
    while (at < s.n) {
        if (s.p[at++] != q) continue;
        if (at == s.n || s.p[at] != q) return at;
        at++;
    }
    return at;
}

static size_t end_of_comment(struct str s, size_t at)
{
    bool line = s.p[at] == '-';
    for (at += 2; at < s.n; at++) {
        if (line && s.p[at] == '\n') return at;
        if (!line && s.p[at] == '*' && at + 1 < s.n && s.p[at + 1] == '/') return at + 2;
    }
    return s.n;
}

static enum lexeme next(struct scan *x)
{
    struct str s = x->text;
    size_t from = x->at, to = from;
    enum lexeme kind = L_MARK;
    if (from >= s.n) return L_END;
    char c = s.p[from], d = from + 1 < s.n ? s.p[from + 1] : 0;
    if (blank(c)) {
        kind = L_BLANK;
        while (to < s.n && blank(s.p[to])) to++;
    } else if (word_char(c)) {
        kind = L_WORD;
        while (to < s.n && word_char(s.p[to])) to++;
    } else if (c == '\'' || c == '"') {
        kind = L_QUOTED;
        to = end_of_quoted(s, from);
    } else if ((c == '-' && d == '-') || (c == '/' && d == '*')) {
        kind = L_COMMENT;
        to = end_of_comment(s, from);
    } else {
        to = from + 1;
    }
    x->token = str_sub(s, from, to - from);
    x->at = to;
    return kind;
}

/* Is the next thing after blanks the comment that marks JSON? Then it is passed over. */
static bool json_comment(struct scan *x)
{
    struct scan y = *x;
    enum lexeme k = next(&y);
    if (k == L_BLANK) k = next(&y);
    if (k != L_COMMENT || y.token.n < 4 || !str_is(str_trim(str_sub(y.token, 2, y.token.n - 4)), "json")) return false;
    *x = y;
    return true;
}

struct ddl {
    struct str table, column, before; /* `before`: the word or mark in front of the current one */
    bool tables, named, begins;       /* create table | alter table; its name is known; a name comes next */
};

static bool listed(const struct ddl *d)
{
    for (size_t i = 0; i < sizeof json_columns / sizeof *json_columns; i++)
        if (str_ieq(d->table, str_of(json_columns[i].table)) && str_ieq(d->column, str_of(json_columns[i].column)))
            return true;
    return false;
}

static bool put_type(struct ddl *d, struct scan *x, struct str w, struct buf *out)
{
    bool cast = str_ieq(d->before, STR("as"));
    if (!cast && !d->tables) return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_ieq(w, str_of(types[i].from))) {
            buf_z(out, types[i].to);
            return true;
        }
    if (!str_ieq(w, STR("text"))) return false;
    bool json = !cast && (json_comment(x) || listed(d));
    bool array = x->at < x->text.n && x->text.p[x->at] == '[';
    buf_z(out, json ? "json" : cast || array ? "text" : "text collate \"C\"");
    return true;
}

static bool skipped(const struct ddl *d, struct str w)
{
    return d->tables && str_is(d->before, ")") && str_ieq(w, STR("strict"));
}

static void name_table(struct ddl *d, struct str w)
{
    static const char *const not_names[] = {"table", "if", "not", "exists", "only"};
    for (size_t i = 0; i < sizeof not_names / sizeof *not_names; i++)
        if (str_ieq(w, str_of(not_names[i]))) return;
    if (!d->tables || d->named) return;
    d->table = w;
    d->named = true;
}

static void put_word(struct ddl *d, struct scan *x, struct buf *out)
{
    struct str w = x->token;
    if (str_ieq(w, STR("table")) && !d->named) d->tables = true;
    name_table(d, w);
    bool first = str_is(d->before, "(") || str_is(d->before, ",") || str_ieq(d->before, STR("column"));
    if (first) d->column = w;
    if (!skipped(d, w) && (first || !put_type(d, x, w, out))) buf_str(out, w);
    d->before = w;
}

static void put_statement(struct scan *x, struct buf *out)
{
    struct ddl d = {.before = STR("")};
    enum lexeme k;
    while ((k = next(x)) != L_END) {
        if (k == L_WORD) {
            put_word(&d, x, out);
            continue;
        }
        buf_str(out, x->token);
        if (k == L_MARK || k == L_QUOTED) d.before = x->token;
        if (k == L_MARK && x->token.p[0] == ';') return;
    }
}

static void copy_statement(struct scan *x, struct buf *out)
{
    enum lexeme k;
    while ((k = next(x)) != L_END) {
        buf_str(out, x->token);
        if (k == L_MARK && x->token.p[0] == ';') return;
    }
}

void pg_translate(struct str text, struct buf *out)
{
    struct scan x = {.text = text};
    while (x.at < text.n) {
        struct scan peek = x;
        enum lexeme k = next(&peek);
        while (k == L_BLANK || k == L_COMMENT) k = next(&peek);
        bool ddl = k == L_WORD && (str_ieq(peek.token, STR("create")) || str_ieq(peek.token, STR("alter")));
        (ddl ? put_statement : copy_statement)(&x, out);
    }
}
