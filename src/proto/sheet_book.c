/* sheet_book.c - which parts a workbook has: its sheets by name, where their rows, texts and styles stand.
 *
 * /_rels/.rels names the workbook, its own relations name the sheets, the shared strings and the styles. */
#include "proto/sheet_int.h"

#define RELATIONS_MAX 4096

struct relation {
    struct str id, target;
    enum { REL_OTHER, REL_BOOK, REL_SHEET, REL_STRINGS, REL_STYLES } what;
};
struct relations {
    struct xml_in in;
    struct relation *items;
    size_t n;
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void nothing(void *ctx, const char *name) {}

static void relation_start(void *ctx, const char *name, const char **attr)
{
    static const char *const ends[] = {[REL_BOOK] = "/officeDocument",
                                       [REL_SHEET] = "/worksheet",
                                       [REL_STRINGS] = "/sharedStrings",
                                       [REL_STYLES] = "/styles"};
    struct relations *r = ctx;
    const char *id = xml_attr(attr, "Id"), *target = xml_attr(attr, "Target"), *type = xml_attr(attr, "Type");
    if (strcmp(name, "Relationship") != 0 || !id || !target || !type || r->n == RELATIONS_MAX) return;
    struct relation *it = &r->items[r->n++];
    it->id = arena_str(&r->in.w->a, str_of(id));
    it->target = arena_str(&r->in.w->a, str_of(target));
    for (int i = REL_BOOK; i <= REL_STYLES; i++)
        if (str_ends(str_of(type), str_of(ends[i]))) it->what = i;
    if (!it->id.p || !it->target.p) xml_fail(&r->in, no_memory(&r->in.err));
}

static int relations_load(struct workbook *w, const char *entry, struct relations *ret, struct error *e)
{
    static const struct xml_ops ops = {relation_start, nothing, NULL};
    *ret = (struct relations){.items = arena_calloc(&w->a, RELATIONS_MAX, sizeof *ret->items)};
    return ret->items ? xml_all(w, entry, &ops, ret, e) : no_memory(e);
}

/* A target as a path in the archive: from its root, or beside the part that names it. */
static char *resolve(struct workbook *w, struct str folder, struct str target)
{
    if (str_starts(target, STR("/"))) return arena_strdup(&w->a, str_sub(target, 1, target.n));
    while (str_starts(target, STR("./"))) target = str_sub(target, 2, target.n);
    return arena_printf(&w->a, "%.*s%.*s", STR_ARG(folder), STR_ARG(target));
}

struct book {
    struct xml_in in;
    const struct relations *rels;
    struct str folder;
};

static void add_sheet(struct book *b, const char **attr)
{
    struct workbook *w = b->in.w;
    const char *name = xml_attr(attr, "name"), *id = NULL, *state = xml_attr(attr, "state");
    for (const char **a = attr; *a; a += 2) /* r:id, beside sheetId */
        if (str_ends(str_of(a[0]), STR(":id")) || strcmp(a[0], "id") == 0) id = a[1];
    if (!name || !id || w->nsheets == SHEETS_MAX) return;
    for (size_t i = 0; i < b->rels->n; i++) {
        const struct relation *r = &b->rels->items[i];
        if (r->what != REL_SHEET || !str_is(r->id, id)) continue; /* chart sheets have no rows */
        struct sheet_entry *s = &w->sheets[w->nsheets++];
        s->name = arena_str(&w->a, str_of(name));
        s->path = resolve(w, b->folder, r->target);
        s->hidden = state && strcmp(state, "visible") != 0;
        if (!s->name.p || !s->path) xml_fail(&b->in, no_memory(&b->in.err));
        return;
    }
}

static void book_start(void *ctx, const char *name, const char **attr)
{
    struct book *b = ctx;
    if (strcmp(name, "workbookPr") == 0) {
        const char *epoch = xml_attr(attr, "date1904");
        b->in.w->epoch_1904 = epoch && (strcmp(epoch, "1") == 0 || strcmp(epoch, "true") == 0);
    } else if (strcmp(name, "sheet") == 0) {
        add_sheet(b, attr);
    }
}

static const char *book_path(struct workbook *w, struct error *e)
{
    struct relations r;
    if (relations_load(w, "_rels/.rels", &r, e)) return NULL;
    for (size_t i = 0; i < r.n; i++)
        if (r.items[i].what == REL_BOOK) return resolve(w, STR(""), r.items[i].target);
    error_set(e, ERR_INVALID, "", "the file holds no workbook", "文件中没有工作簿");
    return NULL;
}

static int parts(struct workbook *w, struct str folder, const struct relations *r, struct error *e)
{
    for (size_t i = 0; i < r->n; i++) {
        char **path = r->items[i].what == REL_STRINGS  ? &w->strings_path
                      : r->items[i].what == REL_STYLES ? &w->styles_path
                                                       : NULL;
        if (path && !(*path = resolve(w, folder, r->items[i].target))) return no_memory(e);
    }
    return w->styles_path ? styles_load(w, e) : 0;
}

int book_load(struct workbook *w, struct error *e)
{
    static const struct xml_ops ops = {book_start, nothing, NULL};
    struct relations r;
    struct error missing = {0};
    const char *path = book_path(w, &missing);
    if (!path) {
        if (missing.code == ERR_NOT_FOUND)
            return error_set(e, ERR_INVALID, "", "this is no XLSX file; save the table as .xlsx or .csv",
                             "不是 XLSX 文件；请另存为 .xlsx 或 .csv");
        if (e) *e = missing;
        return missing.code ? missing.code : no_memory(e);
    }
    const char *slash = strrchr(path, '/');
    struct str folder = slash ? str_make(path, (size_t)(slash + 1 - path)) : STR("");
    char *rels = arena_printf(&w->a, "%.*s_rels/%s.rels", STR_ARG(folder), path + folder.n);
    int rc = rels ? relations_load(w, rels, &r, e) : no_memory(e);
    struct book b = {.rels = &r, .folder = folder};
    if (!rc) rc = xml_all(w, path, &ops, &b, e);
    if (!rc && w->nsheets == 0) rc = error_set(e, ERR_INVALID, "", "the file has no sheet", "文件中没有工作表");
    if (!rc) rc = parts(w, folder, &r, e);
    return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
}

size_t xlsx_sheets(const struct workbook *w)
{
    return w->nsheets;
}
struct str xlsx_sheet_name(const struct workbook *w, size_t i)
{
    return i < w->nsheets ? w->sheets[i].name : STR_NULL;
}
bool xlsx_sheet_hidden(const struct workbook *w, size_t i)
{
    return i < w->nsheets && w->sheets[i].hidden;
}

int xlsx_sheet_find(const struct workbook *w, struct str name)
{
    for (size_t i = 0; i < w->nsheets; i++)
        if (name.n ? str_eq(w->sheets[i].name, name) : !w->sheets[i].hidden) return (int)i;
    return name.n ? -1 : 0;
}
