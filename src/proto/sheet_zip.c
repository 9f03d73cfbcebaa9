/* sheet_zip.c - the archive of a spreadsheet and its XML entries, inflated piece by piece into expat.
 *
 * What an attacker would send is met here: archives that inflate without end (bytes of all entries, ratio of
 * one), entry names that leave the archive, document type declarations (entities, outside files), elements
 * nested too deep. Sizes that the archive claims are never believed; what comes out is counted. */
#include "proto/sheet_int.h"

#define PIECE (16 << 10)
#define DEPTH_MAX 64
#define RATIO_FROM (32u << 20)
#define ENTRIES_MAX 20000

static void *xml_malloc(size_t n)
{
    return mem_alloc(n);
}
static void *xml_realloc(void *p, size_t n)
{
    return mem_realloc(p, n);
}
static const XML_Memory_Handling_Suite memory = {xml_malloc, xml_realloc, mem_free};

static const char *local(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

const char *xml_attr(const char **attr, const char *name)
{
    for (; *attr; attr += 2)
        if (strcmp(local(attr[0]), name) == 0) return attr[1];
    return NULL;
}

void xml_fail(struct xml_in *x, int code)
{
    if (x->rc) return;
    x->rc = code;
    XML_StopParser(x->parser, XML_FALSE);
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attr)
{
    struct xml_in *x = user;
    if (++x->depth > DEPTH_MAX) {
        xml_fail(x, error_set(&x->err, ERR_INVALID, x->entry, "is nested deeper than %d", "嵌套超过 %d 层", DEPTH_MAX));
        return;
    }
    if (!x->rc) x->ops->start(x->ctx, local(name), attr);
}

static void on_end(void *user, const XML_Char *name)
{
    struct xml_in *x = user;
    x->depth--;
    if (!x->rc) x->ops->end(x->ctx, local(name));
}

static void on_text(void *user, const XML_Char *p, int n)
{
    struct xml_in *x = user;
    if (!x->rc && x->ops->text) x->ops->text(x->ctx, p, (size_t)n);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sys, const XML_Char *pub, int internal)
{
    struct xml_in *x = user;
    xml_fail(x, error_set(&x->err, ERR_INVALID, x->entry, "has a document type declaration, which is not allowed",
                          "含有不允许的文档类型声明（DTD）"));
}

int xml_open(struct xml_in *x, struct workbook *w, const char *entry, const struct xml_ops *ops, void *ctx,
             struct error *e)
{
    zip_stat_t st;
    *x = (struct xml_in){.w = w, .ops = ops, .ctx = ctx, .entry = entry};
    zip_int64_t at = zip_name_locate(w->zip, entry, ZIP_FL_NOCASE);
    if (at < 0 || zip_stat_index(w->zip, (zip_uint64_t)at, 0, &st) != 0)
        return error_set(e, ERR_NOT_FOUND, entry, "is not in the file", "文件中没有此部分");
    x->packed = st.valid & ZIP_STAT_COMP_SIZE ? st.comp_size : 0;
    x->file = zip_fopen_index(w->zip, (zip_uint64_t)at, 0);
    if (!x->file) return error_set(e, ERR_INVALID, entry, "cannot be read: %s", "无法读取：%s", zip_strerror(w->zip));
    x->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
    if (!x->parser) {
        xml_close(x);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    return 0;
}

static int count(struct xml_in *x, size_t n, struct error *e)
{
    struct workbook *w = x->w;
    x->inflated += n;
    w->inflated += n;
    if (w->inflated > w->lim.inflated)
        return error_set(e, ERR_TOO_LARGE, x->entry, "the file inflates to more than %llu MiB",
                         "文件解压后超过 %llu MiB", (unsigned long long)(w->lim.inflated >> 20));
    if (x->inflated > RATIO_FROM && x->inflated / w->lim.ratio > x->packed)
        return error_set(e, ERR_TOO_LARGE, x->entry,
                         "inflates to more than %u times its packed size; such a file is not read",
                         "解压后超过压缩大小的 %u 倍，此类文件不予读取", w->lim.ratio);
    return 0;
}

static int parse_error(struct xml_in *x, struct error *e)
{
    if (x->rc) {
        if (e) *e = x->err;
        return x->rc;
    }
    enum XML_Error code = XML_GetErrorCode(x->parser);
    if (code == XML_ERROR_NO_MEMORY) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    return error_set(e, ERR_INVALID, x->entry, "line %lu: %s; the file is damaged", "第 %lu 行：%s；文件已损坏",
                     (unsigned long)XML_GetCurrentLineNumber(x->parser), XML_ErrorString(code));
}

int xml_step(struct xml_in *x, struct error *e)
{
    void *piece = XML_GetBuffer(x->parser, PIECE);
    if (!piece) return parse_error(x, e);
    zip_int64_t n = zip_fread(x->file, piece, PIECE);
    if (n < 0)
        return error_set(e, ERR_INVALID, x->entry, "cannot be unpacked (%s); the file is damaged",
                         "无法解压（%s）；文件已损坏", zip_error_strerror(zip_file_get_error(x->file)));
    int rc = count(x, (size_t)n, e);
    if (rc) return rc;
    if (XML_ParseBuffer(x->parser, (int)n, n == 0) != XML_STATUS_OK || x->rc) return parse_error(x, e);
    return n > 0;
}

void xml_close(struct xml_in *x)
{
    if (x->parser) XML_ParserFree(x->parser);
    if (x->file) zip_fclose(x->file);
    x->parser = NULL;
    x->file = NULL;
}

int xml_all(struct workbook *w, const char *entry, const struct xml_ops *ops, void *ctx, struct error *e)
{
    /* The callbacks reach the reader through its first member. */
    struct xml_in *x = ctx;
    int rc = xml_open(x, w, entry, ops, ctx, e);
    if (rc) return rc;
    while ((rc = xml_step(x, e)) == 1) continue;
    xml_close(x);
    return rc;
}

/* ------------------------------------------------------------------ the archive */

static int no_xlsx(const uint8_t *p, size_t n, struct error *e)
{
    static const uint8_t ole[] = {0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1};
    static const char protected_name[] = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e";
    if (n < sizeof ole || memcmp(p, ole, sizeof ole) != 0)
        return error_set(e, ERR_INVALID, "", "this is no XLSX file; save the table as .xlsx or .csv",
                         "不是 XLSX 文件；请另存为 .xlsx 或 .csv");
    if (memmem(p, n, protected_name, sizeof protected_name - 1))
        return error_set(e, ERR_INVALID, "", "the file is protected by a password; save it without one",
                         "文件受密码保护；请另存为无密码的文件");
    return error_set(e, ERR_INVALID, "", "this is an old Excel file (.xls); save it as .xlsx",
                     "这是旧版 Excel 文件（.xls）；请另存为 .xlsx");
}

static int check_names(zip_t *z, struct error *e)
{
    zip_int64_t n = zip_get_num_entries(z, 0);
    if (n > ENTRIES_MAX)
        return error_set(e, ERR_TOO_LARGE, "", "the archive has more than %d entries", "压缩包条目超过 %d 个",
                         ENTRIES_MAX);
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(z, (zip_uint64_t)i, 0);
        if (!name || name[0] == '/' || strstr(name, "..") || strchr(name, '\\') || strchr(name, ':'))
            return error_set(e, ERR_INVALID, "", "the archive has an entry with a name that is not allowed: '%.100s'",
                             "压缩包含有不允许的条目名“%.100s”", name ? name : "");
    }
    return 0;
}

static int foreign(zip_t *z, struct error *e)
{
    if (zip_name_locate(z, "xl/workbook.bin", ZIP_FL_NOCASE) >= 0)
        return error_set(e, ERR_INVALID, "", "this is a binary Excel file (.xlsb); save it as .xlsx",
                         "这是二进制 Excel 文件（.xlsb）；请另存为 .xlsx");
    if (zip_name_locate(z, "content.xml", 0) >= 0)
        return error_set(e, ERR_INVALID, "", "this is an OpenDocument table (.ods); save it as .xlsx",
                         "这是 OpenDocument 表格（.ods）；请另存为 .xlsx");
    return 0;
}

static int open_zip(struct workbook *w, const void *bytes, size_t n, struct error *e)
{
    zip_error_t ze;
    zip_error_init(&ze);
    if (n < 4 || memcmp(bytes, "PK\3\4", 4) != 0) return no_xlsx(bytes, n, e);
    zip_source_t *src = zip_source_buffer_create(bytes, n, 0, &ze);
    if (src) w->zip = zip_open_from_source(src, ZIP_RDONLY, &ze);
    int rc = 0;
    if (!w->zip) {
        rc = error_set(e, ERR_INVALID, "", "the file is damaged (%s)", "文件已损坏（%s）", zip_error_strerror(&ze));
        if (src) zip_source_free(src);
    }
    zip_error_fini(&ze);
    if (!rc) rc = check_names(w->zip, e);
    if (!rc) rc = foreign(w->zip, e);
    return rc;
}

int xlsx_open(const void *bytes, size_t n, const struct sheet_limits *lim, struct workbook **ret, struct error *e)
{
    struct workbook *w = mem_calloc(1, sizeof *w);
    if (!w) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (lim) w->lim = *lim;
    if (!w->lim.inflated) w->lim.inflated = 1u << 30;
    if (!w->lim.ratio) w->lim.ratio = 200;
    if (!w->lim.strings) w->lim.strings = 256u << 20;
    if (!w->lim.columns || w->lim.columns > SHEET_COLUMNS_MAX) w->lim.columns = SHEET_COLUMNS_MAX;
    arena_init(&w->a, 4 << 20);
    arena_init(&w->rows.a, 128 << 20);
    arena_init(&w->rows.spare, 128 << 20);
    buf_init(&w->strings, w->lim.strings);
    buf_init(&w->rows.text, 4 * SHEET_TEXT_MAX + 4096);
    int rc = open_zip(w, bytes, n, e);
    if (!rc) rc = book_load(w, e);
    if (rc)
        xlsx_close(w);
    else
        *ret = w;
    return rc;
}

void xlsx_close(struct workbook *w)
{
    if (!w) return;
    rows_close(&w->rows);
    if (w->zip) zip_discard(w->zip);
    arena_fini(&w->a);
    arena_fini(&w->rows.a);
    arena_fini(&w->rows.spare);
    buf_fini(&w->strings);
    buf_fini(&w->rows.text);
    mem_free(w->rows.queue);
    mem_free(w->rows.cells);
    mem_free(w->rows.merges);
    mem_free(w->string_ends);
    mem_free(w->dates);
    mem_free(w);
}
