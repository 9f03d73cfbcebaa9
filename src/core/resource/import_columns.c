/* import_columns.c - which column of a table means what: names, titles in English and Chinese, paths. */
#include "core/resource/import.h"

static const struct {
    const char *name, *en, *zh;
    enum column_what what;
} fixed[] = {
    {"code", "Code", "编码", COLUMN_CODE},
    {"name", "Name", "名称", COLUMN_NAME},
    {"org", "Organisation", "组织", COLUMN_ORG},
    {"id", "Id", "标识", COLUMN_IGNORED},
    {"num", "Number", "编号", COLUMN_IGNORED},
    {"kind", "Kind", "类型", COLUMN_IGNORED},
    {"rev", "Revision", "修订", COLUMN_IGNORED},
    {"origin", "Origin", "来源", COLUMN_IGNORED},
    {"created_by", "Created by", "创建人", COLUMN_IGNORED},
    {"created_at", "Created at", "创建时间", COLUMN_IGNORED},
    {"updated_by", "Updated by", "修改人", COLUMN_IGNORED},
    {"updated_at", "Updated at", "修改时间", COLUMN_IGNORED},
};
#define FIXED (sizeof fixed / sizeof *fixed)

static bool find_title(const struct kind *kd, struct str name, struct column *c)
{
    for (size_t i = 0; i < kd->nfields; i++) {
        const struct field *f = &kd->fields[i];
        if (f->type == FIELD_OBJECT || (!str_ieq(name, f->title_en) && !str_eq(name, f->title_zh))) continue;
        *c = (struct column){COLUMN_FIELD, f->name, f, false};
        return true;
    }
    return false;
}

static bool find_fixed(struct str name, bool titles, struct column *c)
{
    for (size_t i = 0; i < FIXED; i++) {
        bool hit = str_is(name, fixed[i].name) ||
                   (titles && (str_ieq(name, str_of(fixed[i].en)) || str_is(name, fixed[i].zh)));
        if (!hit) continue;
        *c = (struct column){.what = fixed[i].what};
        return true;
    }
    return false;
}

static bool find_field(const struct kind *kd, struct str name, struct column *c)
{
    struct str path = str_starts(name, STR("spec.")) ? str_sub(name, 5, name.n) : name;
    const struct field *f = kind_field(kd, path);
    if (!f) return false;
    *c = (struct column){COLUMN_FIELD, path, f, str_find(path, '.') >= 0};
    return true;
}

static bool find_label(struct str name, struct column *c)
{
    static const struct str heads[] = {{"labels.", 7}, {"标签.", 7}};
    for (size_t i = 0; i < 2; i++)
        if (str_starts(name, heads[i]) && name.n > heads[i].n) {
            *c = (struct column){.what = COLUMN_LABEL, .path = str_sub(name, heads[i].n, name.n)};
            return true;
        }
    return false;
}

static int unknown(const struct kind *kd, struct str name, size_t i, struct error *e)
{
    struct str names[FIXED + 400];
    size_t n = 0;
    char where[32];
    snprintf(where, sizeof where, "column %zu", i + 1);
    for (size_t j = 0; j < FIXED; j++) names[n++] = str_of(fixed[j].name);
    for (size_t j = 0; j < kd->nfields && j < 400; j++) names[n++] = kd->fields[j].name;
    struct str near = name_nearest(name, names, n);
    if (near.p)
        return error_set(e, ERR_INVALID, where, "there is no field '%.*s'; did you mean '%.*s'?",
                         "没有字段“%.*s”；是否想写“%.*s”？", STR_ARG(name), STR_ARG(near));
    return error_set(e, ERR_INVALID, where,
                     "there is no field '%.*s'; columns are code, name, labels.<key> and the fields of the kind",
                     "没有字段“%.*s”；可用列为 code、name、labels.<键> 和该类型的字段", STR_ARG(name));
}

static bool twins(const struct column *a, const struct column *b)
{
    return a->what == b->what && a->what != COLUMN_IGNORED && str_eq(a->path, b->path);
}

int columns_read(const struct kind *kd, struct arena *a, const struct str *cells, size_t n, struct columns *ret,
                 struct error *e)
{
    if (n > COLUMNS_MAX)
        return error_set(e, ERR_TOO_LARGE, "line 1", "has more than %d columns", "超过 %d 列", COLUMNS_MAX);
    struct columns out = {arena_calloc(a, n ? n : 1, sizeof *out.items), n};
    CATCH_NOMEM(out.items, e);
    for (size_t i = 0; i < n; i++) {
        struct str name = str_trim(cells[i]);
        struct column *c = &out.items[i];
        if (!name.n)
            *c = (struct column){.what = COLUMN_IGNORED};
        else if (!find_fixed(name, false, c) && !find_label(name, c) && !find_field(kd, name, c) &&
                 !find_title(kd, name, c) && !find_fixed(name, true, c))
            return unknown(kd, name, i, e);
        for (size_t j = 0; j < i; j++)
            if (twins(&out.items[j], c))
                return error_set(e, ERR_INVALID, "line 1", "the column '%.*s' is there twice", "列“%.*s”重复",
                                 STR_ARG(name));
    }
    *ret = out;
    return 0;
}

/* ------------------------------------------------------------------ all columns of a kind */

struct leaves {
    struct arena *a;
    struct column *items; /* NULL: only count */
    size_t n;
    bool failed;
};

static void leaf(struct leaves *l, struct str path, const struct field *f, bool nested)
{
    if (l->items && l->n < COLUMNS_MAX) l->items[l->n] = (struct column){COLUMN_FIELD, path, f, nested};
    if (l->n < COLUMNS_MAX) l->n++;
}

static void collect(struct leaves *l, struct str prefix, const struct field *f, size_t n)
{
    for (size_t i = 0; i < n && !l->failed; i++) {
        struct str path = f[i].name;
        if (prefix.n) path = str_of(arena_printf(l->a, "%.*s.%.*s", STR_ARG(prefix), STR_ARG(f[i].name)));
        if (!path.p)
            l->failed = true;
        else if (f[i].type == FIELD_OBJECT)
            collect(l, path, f[i].fields, f[i].nfields);
        else if (f[i].type != FIELD_SECRET)
            leaf(l, path, &f[i], prefix.n > 0);
    }
}

int columns_all(const struct kind *kd, struct arena *a, const struct str *labels, size_t nlabels, bool org,
                struct columns *ret, struct error *e)
{
    struct leaves l = {.a = a, .items = arena_calloc(a, COLUMNS_MAX, sizeof *l.items)};
    CATCH_NOMEM(l.items, e);
    l.items[l.n++] = (struct column){.what = COLUMN_CODE};
    l.items[l.n++] = (struct column){.what = COLUMN_NAME};
    if (org) l.items[l.n++] = (struct column){.what = COLUMN_ORG};
    collect(&l, STR(""), kd->fields, kd->nfields);
    for (size_t i = 0; i < nlabels && l.n < COLUMNS_MAX; i++)
        l.items[l.n++] = (struct column){.what = COLUMN_LABEL, .path = labels[i]};
    if (l.failed) return kernel_nomem(e);
    *ret = (struct columns){l.items, l.n};
    return 0;
}

static bool has_column(const struct columns *c, struct str path)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].what == COLUMN_FIELD && str_eq(c->items[i].path, path)) return true;
    return false;
}

static bool covered(const struct columns *c, const char *prefix, const struct field *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s.%.*s", prefix, STR_ARG(f[i].name));
        if (has_column(c, str_of(path))) continue;
        if (f[i].type != FIELD_OBJECT || !covered(c, path, f[i].fields, f[i].nfields)) return false;
    }
    return true;
}

bool columns_cover(const struct columns *c, const struct kind *kd, struct str path)
{
    struct str top = str_cut(&path, '.');
    const struct field *f = kind_field(kd, top);
    char prefix[128];
    str_to_cstr(top, prefix, sizeof prefix);
    return f && covered(c, prefix, f->fields, f->nfields);
}
