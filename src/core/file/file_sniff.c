/* file_sniff.c - what a file is by its first bytes, and names that are safe to give out. Pure. */
#include "base/encode.h"
#include "base/utf8.h"
#include "core/file/file_int.h"

#define MAGIC(lit) lit, sizeof(lit) - 1

static const struct {
    size_t at;
    const char *magic;
    size_t n;
    const char *type;
} magics[] = {
    {0, MAGIC("\x89PNG\r\n\x1a\n"), "image/png"},
    {0, MAGIC("\xff\xd8\xff"), "image/jpeg"},
    {0, MAGIC("GIF87a"), "image/gif"},
    {0, MAGIC("GIF89a"), "image/gif"},
    {8, MAGIC("WEBP"), "image/webp"},
    {0, MAGIC("BM"), "image/bmp"},
    {0, MAGIC("%PDF-"), "application/pdf"},
    {4, MAGIC("ftyp"), "video/mp4"},
    {0, MAGIC("\x1a\x45\xdf\xa3"), "video/webm"},
    {8, MAGIC("WAVE"), "audio/wav"},
    {0, MAGIC("\x1f\x8b"), "application/gzip"},
    {0, MAGIC("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "application/x-ole-storage"},
    {0, MAGIC("7z\xbc\xaf\x27\x1c"), "application/x-7z-compressed"},
    {0,
     MAGIC("\x7f"
           "ELF"),
     "application/octet-stream"},
    {0, MAGIC("MZ"), "application/octet-stream"},
};
static const struct {
    const char *extension, *type;
} zips[] = {
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
};

static bool text_has(struct str s, const char *word)
{
    return str_ihas(s, str_of(word));
}

/* Whether it is text: UTF-8 (perhaps cut at the end) without control characters. */
static bool textual(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 32 && !strchr("\t\r\n\f", s.p[i])) return false;
    for (size_t cut = 0; cut < 4 && cut <= s.n; cut++)
        if (utf8_valid(str_sub(s, 0, s.n - cut))) return true;
    return false;
}

/* The members of a zip are not looked at: the name may only choose among forms of zip. */
static const char *zip_type(struct str name)
{
    for (size_t i = 0; i < sizeof zips / sizeof *zips; i++) {
        size_t n = strlen(zips[i].extension);
        if (name.n > n && str_ieq(str_sub(name, name.n - n, n), str_of(zips[i].extension))) return zips[i].type;
    }
    return "application/zip";
}

const char *file_sniff(const uint8_t *p, size_t n, struct str name)
{
    struct str s = str_make((const char *)p, n < SNIFF_BYTES ? n : SNIFF_BYTES);
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (s.n >= magics[i].at + magics[i].n && memcmp(s.p + magics[i].at, magics[i].magic, magics[i].n) == 0)
            return magics[i].type;
    if (str_starts(s, STR("PK\3\4"))) return zip_type(name);
    if (!textual(s)) return "application/octet-stream";
    if (text_has(s, "<svg")) return "image/svg+xml";
    if (text_has(s, "<html") || text_has(s, "<!doctype html") || text_has(s, "<script") || text_has(s, "<body"))
        return "text/html";
    if (text_has(s, "<?xml")) return "application/xml";
    return "text/plain; charset=utf-8";
}

bool file_inline(struct str type)
{
    static const char *const shown[] = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (str_is(type, shown[i])) return true;
    return false;
}

/* Marks that turn the direction of writing make "gpj.exe" of "exe.jpg". */
static size_t direction_mark(struct str s, size_t i)
{
    if (i + 2 >= s.n || (unsigned char)s.p[i] != 0xe2) return 0;
    unsigned char b = (unsigned char)s.p[i + 1], c = (unsigned char)s.p[i + 2];
    return (b == 0x80 && ((c >= 0xaa && c <= 0xae) || c == 0x8e || c == 0x8f)) || (b == 0x81 && c >= 0xa6 && c <= 0xa9)
               ? 3
               : 0;
}

struct str file_name(struct arena *a, struct str given)
{
    char out[201];
    size_t n = 0;
    for (size_t i = given.n; i > 0; i--)
        if (given.p[i - 1] == '/' || given.p[i - 1] == '\\') {
            given = str_sub(given, i, given.n);
            break;
        }
    if (!utf8_valid(given)) given = STR("");
    for (size_t i = 0; i < given.n && n < 200;) {
        size_t mark = direction_mark(given, i);
        unsigned char c = (unsigned char)given.p[i];
        if (mark || c < 32 || c == 127 || (n == 0 && (c == '.' || c == ' '))) {
            i += mark ? mark : 1;
            continue;
        }
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (n + len > 200) break;
        memcpy(out + n, given.p + i, len);
        n += len;
        i += len;
    }
    return n ? arena_str(a, str_make(out, n)) : STR("file");
}

char *file_disposition(struct arena *a, struct str name, bool show)
{
    struct buf plain, coded;
    buf_init(&plain, 1024);
    buf_init(&coded, 2048);
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        bool safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._", c);
        buf_u8(&plain, safe || c == ' ' ? c : '_');
        if (safe)
            buf_u8(&coded, c);
        else
            buf_printf(&coded, "%%%02X", c);
    }
    char *out = arena_printf(a, "%s; filename=\"%s\"; filename*=UTF-8''%s", show ? "inline" : "attachment",
                             buf_cstr(&plain), buf_cstr(&coded));
    buf_fini(&plain);
    buf_fini(&coded);
    return out;
}
