/* copy.c - the order of a copy: judge the source, make the tables beside the target, copy, read again, name it.
 *
 * The tables are made by the program itself (make_tables), so that each engine has its own kinds of index; then
 * the rows that this made are cleared. Derived tables are not copied: indices of kinds (resource_index) stay as
 * they were made, the full text (search_*) is left empty and built again at the first start. Both databases must
 * stand at the same migrations, so every table is on both sides with the same columns. */
#include "base/mem.h"
#include "store/copy_int.h"

static const struct {
    const char *beginning;
    bool clear;
} derived[] = {
    {"resource_index", false},
    {"search_", true},
};

bool table_is_derived(const char *table)
{
    for (size_t i = 0; i < sizeof derived / sizeof *derived; i++)
        if (str_starts(str_of(table), str_of(derived[i].beginning))) return true;
    return false;
}

enum fate { COPIED, KEPT, CLEARED };
static enum fate fate_of(const char *table)
{
    for (size_t i = 0; i < sizeof derived / sizeof *derived; i++)
        if (str_starts(str_of(table), str_of(derived[i].beginning))) return derived[i].clear ? CLEARED : KEPT;
    return COPIED;
}

/* ------------------------------------------------------------------ versions */

#define COMPONENTS 128
struct version {
    char component[64];
    int64_t number;
};
struct versions {
    struct version item[COMPONENTS];
    size_t n;
};

static int versions_in(struct sql_tx *tx, struct versions *v, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(
        tx, "select component, max(number) from schema_migration group by component order by component", &s, e);
    if (rc) return rc;
    v->n = 0;
    while ((rc = sql_step(s, e)) == 1 && v->n < COMPONENTS) {
        str_to_cstr(sql_str(s, 0), v->item[v->n].component, sizeof v->item[0].component);
        v->item[v->n++].number = sql_i64(s, 1);
    }
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int versions_read(struct sql *db, struct versions *v, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, false, &tx, e);
    if (rc) return rc;
    rc = versions_in(tx, v, e);
    sql_rollback(tx);
    return rc;
}

static int64_t version_of(const struct versions *v, const char *component)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->item[i].component, component) == 0) return v->item[i].number;
    return 0;
}

static int compare(const struct versions *source, const struct versions *program, struct error *e)
{
    for (size_t i = 0; i < source->n; i++)
        if (source->item[i].number > version_of(program, source->item[i].component))
            return error_set(e, ERR_UNSUPPORTED, "from",
                             "the source was written by a newer version (%s %lld); use that version",
                             "源库由更新的版本写入（%s %lld）；请使用该版本", source->item[i].component,
                             (long long)source->item[i].number);
    for (size_t i = 0; i < program->n; i++)
        if (program->item[i].number > version_of(source, program->item[i].component))
            return error_set(e, ERR_UNSUPPORTED, "from",
                             "the source is of an older version (%s %lld); start this version on it once, then migrate",
                             "源库版本较旧（%s %lld）；请先用本版本启动一次，再迁移", program->item[i].component,
                             (long long)version_of(source, program->item[i].component));
    return 0;
}

/* ------------------------------------------------------------------ the job */

struct job {
    struct sql_copy *c;
    struct sql *from;
    struct copy_shapes source, target;
    struct versions vsource, vtarget;
    struct copy_place place;
};

static int no_database(struct error *e)
{
    return error_set(e, ERR_NOT_FOUND, "from", "there is no Bornite database at the source",
                     "源地址没有 Bornite 数据库");
}

static int open_source(struct job *j, struct error *e)
{
    int rc = place_may_be(j->c->from) ? sql_open(j->c->from, &j->from, e) : no_database(e);
    if (!rc) rc = sql_alone(j->from, e);
    if (!rc) rc = shapes_read(j->from, &j->source, e);
    if (!rc && !shape_find(&j->source, "schema_migration")) rc = no_database(e);
    return rc ? rc : versions_read(j->from, &j->vsource, e);
}

static int check_shapes(const struct copy_shapes *have, const struct copy_shapes *want, struct error *e)
{
    for (size_t i = 0; i < have->n; i++) {
        const struct copy_shape *t = shape_find(want, have->table[i].name);
        if (fate_of(have->table[i].name) != COPIED || (t && shape_same(&have->table[i], t))) continue;
        return error_set(e, ERR_UNSUPPORTED, have->table[i].name,
                         "this table is not the same on both sides; nothing was copied",
                         "两侧的该表结构不一致；未作任何复制");
    }
    return 0;
}

static int judge(struct job *j, struct sql *made, struct error *e)
{
    int rc = shapes_read(made, &j->target, e);
    if (!rc) rc = versions_read(made, &j->vtarget, e);
    if (!rc) rc = compare(&j->vsource, &j->vtarget, e);
    if (!rc) rc = check_shapes(&j->source, &j->target, e);
    return rc ? rc : check_shapes(&j->target, &j->source, e);
}

static int walk_all(struct job *j, const char *step, struct sql *from, struct sql *to, struct sql_copy_table *out,
                    size_t *ret_n, struct error *e)
{
    struct copy_run r = {.cfg = j->c, .step = step};
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; i < j->source.n && !rc; i++)
        if (fate_of(j->source.table[i].name) == COPIED)
            rc = table_walk(&r, from, to, &j->source.table[i], &out[n++], e);
    *ret_n = n;
    return rc;
}

static int clear_made(struct job *j, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < j->target.n && !rc; i++)
        if (fate_of(j->target.table[i].name) != KEPT) rc = table_clear(j->place.db, j->target.table[i].name, e);
    return rc;
}

static int verify(struct job *j, struct error *e)
{
    struct sql_copy_table *again = mem_calloc(SQL_COPY_TABLES, sizeof *again);
    size_t n = 0;
    if (!again) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = walk_all(j, "verify", j->place.db, NULL, again, &n, e);
    for (size_t i = 0; i < n && !rc; i++) {
        const struct sql_copy_table *a = &j->c->table[i], *b = &again[i];
        if (a->rows == b->rows && strcmp(a->digest, b->digest) == 0) continue;
        rc =
            error_set(e, ERR_CORRUPT, a->name, "the copy differs: %lld rows became %lld; the copy was not put in place",
                      "副本不一致：%lld 行变为 %lld 行；副本未启用", (long long)a->rows, (long long)b->rows);
    }
    mem_free(again);
    return rc;
}

static int copy(struct job *j, struct error *e)
{
    struct sql_copy *c = j->c;
    int rc = place_open(&j->place, e);
    if (!rc) {
        place_release(&j->place);
        rc = c->make_tables(c->ctx, j->place.part, e);
        if (!rc) rc = place_reopen(&j->place, e);
    }
    if (!rc) rc = judge(j, j->place.db, e);
    if (!rc) rc = clear_made(j, e);
    if (!rc) rc = walk_all(j, "copy", j->from, j->place.db, c->table, &c->ntables, e);
    if (!rc) rc = verify(j, e);
    return rc ? rc : place_publish(&j->place, e);
}

static int try_only(struct job *j, struct error *e)
{
    struct sql_copy *c = j->c;
    struct sql *made = NULL;
    bool there;
    int rc = place_check(c->to, &there, e);
    if (!rc) rc = c->make_tables(c->ctx, c->scratch, e);
    if (!rc) rc = sql_open(c->scratch, &made, e);
    if (!rc) rc = judge(j, made, e);
    sql_close(made);
    return rc ? rc : walk_all(j, "read", j->from, NULL, c->table, &c->ntables, e);
}

int sql_copy_run(struct sql_copy *c, struct error *e)
{
    struct job *j = mem_calloc(1, sizeof *j);
    if (!j) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    j->c = c;
    j->place.url = c->to;
    int rc = open_source(j, e);
    if (!rc) rc = c->dry_run ? try_only(j, e) : copy(j, e);
    place_close(&j->place);
    sql_close(j->from);
    mem_free(j);
    return rc;
}
