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

static bool top_title(const struct kind *kd, struct str name, struct column *c)
{
    for (size_t i = 0; i < kd->nfields; i++) {
        const struct field *f = &kd->fields[i];
        if (f->type == FIELD_OBJECT || (!str_ieq(name, f->title_en) && !str_eq(name, f->title_zh))) continue;
        *c = (struct column){.what = COLUMN_FIELD, .path = f->name, .f = f};
        return true;
    }
    return false;
}

/* "Limits / High": titles of nested fields. */
static bool nested_title(const struct kind *kd, struct arena *a, struct str name, struct column *c)
{
    struct columns all;
    if (!str_has(name, STR(" / ")) || columns_all(kd, a, NULL, 0, false, &all, NULL)) return false;
    for (size_t i = 0; i < all.n; i++) {
        const struct column *it = &all.items[i];
        if (!it->nested) continue;
        if (!str_ieq(name, column_title(kd, a, it, false)) && !str_eq(name, column_title(kd, a, it, true))) continue;
        *c = *it;
        return true;
    }
    return false;
}

static bool find_title(const struct kind *kd, struct arena *a, struct str name, struct column *c)
{
    return top_title(kd, name, c) || nested_title(kd, a, name, c);
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
    *c = (struct column){.what = COLUMN_FIELD, .path = path, .f = f, .nested = str_find(path, '.') >= 0};
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
                 !find_title(kd, a, name, c) && !find_fixed(name, true, c))
            return unknown(kd, name, i, e);
        for (size_t j = 0; j < i; j++)
            if (twins(&out.items[j], c))
                return error_set(e, ERR_INVALID, "line 1", "the column '%.*s' is there twice", "列“%.*s”重复",
                                 STR_ARG(name));
    }
    *ret = out;
    return 0;
}

/* ------------------------------------------------------------------ one column by its path */

int column_by_path(const struct kind *kd, struct arena *a, struct str path, struct column *ret, struct error *e)
{
    struct column c;
    struct str own = arena_str(a, str_trim(path));
    CATCH_NOMEM(own.p, e);
    if (!find_fixed(own, false, &c) && !find_label(own, &c) && !find_field(kd, own, &c)) return unknown(kd, own, 0, e);
    if (c.what == COLUMN_FIELD && c.f->type == FIELD_OBJECT)
        return error_set(e, ERR_INVALID, "", "'%.*s' is a group of fields; name one of them",
                         "“%.*s”是字段组；请指定其中的字段", STR_ARG(str_sub(own, 0, 80)));
    *ret = c;
    return 0;
}

struct str column_path(struct arena *a, const struct column *c)
{
    static const char *const names[] = {[COLUMN_CODE] = "code", [COLUMN_NAME] = "name", [COLUMN_ORG] = "org"};
    if (c->what == COLUMN_IGNORED) return STR_NULL;
    if (c->what == COLUMN_LABEL) return str_of(arena_printf(a, "labels.%.*s", STR_ARG(c->path)));
    if (c->what == COLUMN_FIELD) return str_of(arena_printf(a, "spec.%.*s", STR_ARG(c->path)));
    return str_of(names[c->what]);
}

static struct str title_of(const struct field *f, bool zh)
{
    struct str t = zh ? f->title_zh : f->title_en;
    return t.n ? t : f->name;
}

struct str column_title(const struct kind *kd, struct arena *a, const struct column *c, bool zh)
{
    if (c->what == COLUMN_LABEL) return column_path(a, c);
    if (c->what != COLUMN_FIELD) return str_of(zh ? fixed[c->what].zh : fixed[c->what].en);
    struct str rest = c->path, title = STR("");
    const struct field *fields = kd->fields;
    size_t n = kd->nfields;
    while (rest.p) {
        struct str part = str_cut(&rest, '.');
        const struct field *f = NULL;
        for (size_t i = 0; i < n && !f; i++)
            if (str_eq(fields[i].name, part)) f = &fields[i];
        if (!f) return c->path;
        title = title.n ? str_of(arena_printf(a, "%.*s / %.*s", STR_ARG(title), STR_ARG(title_of(f, zh))))
                        : title_of(f, zh);
        fields = f->fields;
        n = f->nfields;
    }
    return title;
}

bool column_sensitive(const struct kind *kd, const struct column *c)
{
    if (c->what != COLUMN_FIELD) return false;
    for (size_t i = 0; i <= c->path.n; i++) {
        if (i < c->path.n && c->path.p[i] != '.') continue;
        const struct field *f = kind_field(kd, str_sub(c->path, 0, i));
        if (f && f->sensitive) return true;
    }
    return false;
}

/* ------------------------------------------------------------------ as a person mapped them */

static int mapping_fault(const struct columns *c, size_t i, struct error *e)
{
    for (size_t j = 0; j < c->n; j++)
        if (j != i && twins(&c->items[j], &c->items[i]))
            return error_set(e, ERR_INVALID, "mapping", "columns %zu and %zu go to the same field",
                             "第 %zu 列与第 %zu 列对应同一字段", (j < i ? j : i) + 1, (j < i ? i : j) + 1);
    return 0;
}

int columns_mapped(const struct kind *kd, struct arena *a, const struct table_mapping *m, size_t n, struct columns *ret,
                   struct error *e)
{
    struct columns out = {.n = 0};
    for (size_t i = 0; i < n; i++) {
        if (m[i].column >= COLUMNS_MAX)
            return error_set(e, ERR_INVALID, "mapping", "column %zu is past the last of %d", "第 %zu 列超过上限 %d",
                             m[i].column, COLUMNS_MAX);
        if (m[i].column + 1 > out.n) out.n = m[i].column + 1;
    }
    out.items = arena_calloc(a, out.n + 1, sizeof *out.items);
    CATCH_NOMEM(out.items, e);
    for (size_t i = 0; i < out.n; i++) out.items[i].what = COLUMN_IGNORED;
    for (size_t i = 0; i < n; i++) {
        char where[40];
        struct column *c = &out.items[m[i].column];
        int rc = column_by_path(kd, a, m[i].field, c, e);
        snprintf(where, sizeof where, "mapping[%zu].field", i);
        if (rc == ERR_INVALID && e) str_to_cstr(str_of(where), e->where, sizeof e->where);
        if (!rc) rc = mapping_fault(&out, m[i].column, e);
        if (rc) return rc;
    }
    *ret = out;
    return 0;
}

int columns_defaults(const struct kind *kd, struct arena *a, const struct table_default *d, size_t n,
                     struct columns *cols, struct error *e)
{
    if (!n) return 0;
    struct column *items = arena_calloc(a, cols->n + n, sizeof *items);
    CATCH_NOMEM(items, e);
    memcpy(items, cols->items, cols->n * sizeof *items);
    cols->items = items;
    for (size_t i = 0; i < n; i++) {
        struct column c;
        size_t at = 0;
        int rc = column_by_path(kd, a, d[i].field, &c, e);
        if (rc && e) error_prefix(e, "defaults: ");
        if (rc) return rc;
        while (at < cols->n && !twins(&items[at], &c)) at++;
        if (at == cols->n) items[cols->n++] = c;
        items[at].def = d[i].text;
    }
    return 0;
}

/* ------------------------------------------------------------------ what a title probably means */

/* "周期(ms)*" means what "周期" means. */
static struct str bare(struct str s)
{
    static const struct str opens[] = {{"(", 1}, {"（", 3}, {"[", 1}, {"【", 3}};
    while (s.n && (s.p[s.n - 1] == '*' || s.p[s.n - 1] == ' ')) s.n--;
    while (s.n && s.p[0] == '*') s = str_sub(s, 1, s.n);
    for (size_t i = 0; i < 4; i++) {
        const char *p = s.n ? memmem(s.p, s.n, opens[i].p, opens[i].n) : NULL;
        if (p && p > s.p) s.n = (size_t)(p - s.p);
    }
    return str_trim(s);
}

static bool exact(const struct kind *kd, struct arena *a, struct str name, struct column *c)
{
    return find_fixed(name, false, c) || find_label(name, c) || find_field(kd, name, c) || find_title(kd, a, name, c) ||
           find_fixed(name, true, c);
}

bool column_suggest(const struct kind *kd, struct arena *a, struct str title, struct column *ret)
{
    struct str name = str_trim(title), names[COLUMNS_MAX * 3];
    struct columns all;
    size_t n = 0;
    bool found = name.n && exact(kd, a, name, ret);
    if (!found && bare(name).n) found = exact(kd, a, name = bare(name), ret);
    if (!found && name.n && !columns_all(kd, a, NULL, 0, true, &all, NULL)) {
        for (size_t i = 0; i < all.n; i++) {
            const struct column *c = &all.items[i];
            names[n++] = c->what == COLUMN_FIELD ? c->path : str_of(fixed[c->what].name);
            names[n++] = column_title(kd, a, c, false);
            names[n++] = column_title(kd, a, c, true);
        }
        struct str near = name_nearest(name, names, n);
        for (size_t i = 0; i < n && near.p && !found; i++)
            if (str_eq(names[i], near)) *ret = all.items[i / 3], found = true;
    }
    return found && ret->what != COLUMN_IGNORED && !(ret->what == COLUMN_FIELD && ret->f->type == FIELD_OBJECT);
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
    if (l->items && l->n < COLUMNS_MAX)
        l->items[l->n] = (struct column){.what = COLUMN_FIELD, .path = path, .f = f, .nested = nested};
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
