/* postgres_text_test.c - migration texts into PostgreSQL's, word by word. */
#include "base/test.h"
#include "store/postgres_int.h"

static void translates(const char *from, const char *to)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    pg_translate(str_of(from), &b);
    if (strcmp(buf_cstr(&b), to)) test_fail(__FILE__, __LINE__, "%s\n  gives %s\n  want  %s", from, buf_cstr(&b), to);
    buf_fini(&b);
}

TEST(types_of_columns)
{
    translates("create table t(a int not null, b REAL, c blob, d text) strict;",
               "create table t(a bigint not null, b double precision, c bytea, d text collate \"C\") ;");
    translates("create table t(seq integer primary key, at_us bigint not null);",
               "create table t(seq bigint primary key, at_us bigint not null);");
}

TEST(arrays_have_no_collation)
{
    translates("create table t(num int primary key, text text not null, tokens text[] not null) strict;",
               "create table t(num bigint primary key, text text collate \"C\" not null, tokens text[] not null) ;");
}

TEST(json_columns)
{
    translates("create table t(a text /*json*/ not null, b text/* json */)", "create table t(a json not null, b json)");
    translates("create table if not exists resource(id text, labels text not null, spec text not null) strict;"
               "create table other(spec text);",
               "create table if not exists resource(id text collate \"C\", labels json not null, spec json not null) ;"
               "create table other(spec text collate \"C\");");
    translates("alter table t add column x text /*json*/; alter table t add column n int not null default 0",
               "alter table t add column x json; alter table t add column n bigint not null default 0");
}

TEST(names_that_look_like_types_stay)
{
    translates("create table t(text text, int int)", "create table t(text text collate \"C\", int bigint)");
    translates("create index i on t(text, real) where kind = 1", "create index i on t(text, real) where kind = 1");
}

TEST(casts_quotes_and_comments)
{
    translates("create index i on t(cast(spec -> 'int' as text)) where k = 'a text; int'",
               "create index i on t(cast(spec -> 'int' as text)) where k = 'a text; int'");
    translates("-- int\ncreate table t(/* int; */ a int)", "-- int\ncreate table t(/* int; */ a bigint)");
    translates("insert into t values('x int', 5); update a set n = cast(m as text);",
               "insert into t values('x int', 5); update a set n = cast(m as text);");
    translates("create table t(a text default 'it''s int', b int)",
               "create table t(a text collate \"C\" default 'it''s int', b bigint)");
}

TEST(anything_ends)
{
    translates("", "");
    translates("create table t(a 'open", "create table t(a 'open");
    translates("create /* open", "create /* open");
    translates("create table", "create table");
}
