/* error.c - the error list as tables, and the filling of struct error.
 *
 * Design: one row a code, indexed by -code. Text is cut at a UTF-8 boundary, so that a reader never meets
 * half a character. Nothing allocates; pure but for the caller's struct; any thread. */
#include "base/error.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *en, *zh;
    int http;
};

static const struct row rows[] = {[0] = {"no error", "正常", 200},
#define X(id, code, http_status, en_text, zh_text) [-(code)] = {en_text, zh_text, http_status},
                                  ERROR_LIST(X)
#undef X
};
#define ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

/* The list's names in lower case, as they stand in answers and logs. */
static const char *const names[] = {
    [0] = "ok",
    [-ERR_INVALID] = "invalid",
    [-ERR_UNAUTHENTICATED] = "unauthenticated",
    [-ERR_FORBIDDEN] = "forbidden",
    [-ERR_NOT_FOUND] = "not_found",
    [-ERR_EXISTS] = "exists",
    [-ERR_CONFLICT] = "conflict",
    [-ERR_REFERENCED] = "referenced",
    [-ERR_TOO_LARGE] = "too_large",
    [-ERR_LIMIT] = "limit",
    [-ERR_TIMEOUT] = "timeout",
    [-ERR_UNAVAILABLE] = "unavailable",
    [-ERR_UNSUPPORTED] = "unsupported",
    [-ERR_METHOD] = "method",
    [-ERR_MEDIA_TYPE] = "media_type",
    [-ERR_RANGE] = "range",
    [-ERR_PROTOCOL] = "protocol",
    [-ERR_DEVICE] = "device",
    [-ERR_UNKNOWN] = "unknown",
    [-ERR_NOMEM] = "nomem",
    [-ERR_IO] = "io",
    [-ERR_DISK_FULL] = "disk_full",
    [-ERR_CORRUPT] = "corrupt",
    [-ERR_CLOSED] = "closed",
    [-ERR_AGAIN] = "again",
    [-ERR_CANCELLED] = "cancelled",
    [-ERR_PRECONDITION] = "precondition",
    [-ERR_INTERNAL] = "internal",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == sizeof(rows) / sizeof(rows[0]), "a name for each code");

static const struct row *row_of(int code)
{
    static const struct row unknown = {"unknown error", "未知错误", 500};
    return code <= 0 && code > -ROWS ? &rows[-code] : &unknown;
}

const char *error_name(int code)
{
    return code <= 0 && code > -ROWS ? names[-code] : "unknown_error";
}

const char *error_title(int code)
{
    return row_of(code)->en;
}

const char *error_title_zh(int code)
{
    return row_of(code)->zh;
}

int error_http(int code)
{
    return row_of(code)->http;
}

/* `want` bytes were to stand in out[cap]; when they did not fit, take off a character that was cut. */
static void cut_at_boundary(char *out, size_t cap, size_t want)
{
    if (want < cap) return;
    size_t n = cap - 1, i = n;
    while (i > 0 && ((unsigned char)out[i - 1] & 0xc0) == 0x80) i--;
    if (i == 0) return;
    unsigned char lead = (unsigned char)out[i - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (n - (i - 1) < need) out[i - 1] = '\0';
}

static void copy_text(char *out, size_t cap, const char *z)
{
    size_t n = strlen(z);
    size_t m = n < cap ? n : cap - 1;
    memmove(out, z, m);
    out[m] = '\0';
    cut_at_boundary(out, cap, n);
}

__attribute__((format(printf, 3, 0))) static void format_text(char *out, size_t cap, const char *fmt, va_list ap)
{
    int n = vsnprintf(out, cap, fmt, ap);
    if (n < 0)
        out[0] = '\0';
    else
        cut_at_boundary(out, cap, (size_t)n);
}

int error_set(struct error *e, int code, const char *where, const char *en, const char *zh, ...)
{
    if (!e) return code;
    struct error t = {.code = code}; /* arguments may point into *e */
    copy_text(t.where, sizeof(t.where), where ? where : "");
    va_list ap;
    va_start(ap, zh);
    format_text(t.text, sizeof(t.text), en ? en : error_title(code), ap);
    va_end(ap);
    va_start(ap, zh);
    format_text(t.text_zh, sizeof(t.text_zh), zh ? zh : en ? en : error_title_zh(code), ap);
    va_end(ap);
    *e = t;
    return code;
}

void error_prefix(struct error *e, const char *prefix)
{
    if (!e) return;
    char tmp[2 * ERROR_WHERE_MAX];
    snprintf(tmp, sizeof(tmp), "%.*s%s", ERROR_WHERE_MAX - 1, prefix ? prefix : "", e->where);
    copy_text(e->where, sizeof(e->where), tmp);
}

static const struct {
    int sys, code;
} errnos[] = {
    {ENOENT, ERR_NOT_FOUND},
    {EEXIST, ERR_EXISTS},
    {EACCES, ERR_FORBIDDEN},
    {EPERM, ERR_FORBIDDEN},
    {ENOSPC, ERR_DISK_FULL},
    {EDQUOT, ERR_DISK_FULL},
    {ENOMEM, ERR_NOMEM},
    {EINVAL, ERR_INVALID},
    {ETIMEDOUT, ERR_TIMEOUT},
    {EAGAIN, ERR_AGAIN},
    {EINTR, ERR_AGAIN},
    {EBUSY, ERR_AGAIN},
    {EFBIG, ERR_TOO_LARGE},
    {ENAMETOOLONG, ERR_TOO_LARGE},
    {EMFILE, ERR_LIMIT},
    {ENFILE, ERR_LIMIT},
    {ECONNREFUSED, ERR_UNAVAILABLE},
    {ECONNRESET, ERR_CLOSED},
    {ECONNABORTED, ERR_CLOSED},
    {EPIPE, ERR_CLOSED},
    {ENOTCONN, ERR_CLOSED},
    {EHOSTUNREACH, ERR_UNAVAILABLE},
    {ENETUNREACH, ERR_UNAVAILABLE},
    {EADDRINUSE, ERR_EXISTS},
    {ENOSYS, ERR_UNSUPPORTED},
    {EOPNOTSUPP, ERR_UNSUPPORTED},
    {ECANCELED, ERR_CANCELLED},
};

int error_from_errno(int err)
{
    if (err == 0) return 0;
    if (err > 0) err = -err;
    for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        if (errnos[i].sys == -err) return errnos[i].code;
    }
    return ERR_IO;
}
