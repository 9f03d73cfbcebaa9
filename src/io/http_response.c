/* http_response.c - status lines, headers, and the server's own problem answers (RFC 9457). */
#include <assert.h>
#include "base/json.h"
#include "base/time.h"
#include "io/http_int.h"

static const struct {
    int status;
    const char *text;
} status_texts[] = {
    {200, "OK"},
    {101, "Switching Protocols"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < sizeof status_texts / sizeof *status_texts; i++)
        if (status_texts[i].status == status) return status_texts[i].text;
    return "Status";
}

void response_init(struct http_response *r)
{
    *r = (struct http_response){0};
    buf_init(&r->headers, 64 * 1024);
    buf_init(&r->body, 256u << 20);
}

void response_fini(struct http_response *r)
{
    buf_fini(&r->headers);
    buf_fini(&r->body);
}

static bool header_text_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

void http_set_header(struct http_response *r, const char *name, struct str value)
{
    bool ok = header_text_ok(value) && header_text_ok(str_of(name));
    if (!ok) return; /* a value from outside must not split the answer */
    buf_z(&r->headers, name);
    buf_z(&r->headers, ": ");
    buf_str(&r->headers, value);
    buf_z(&r->headers, "\r\n");
}

static void problem(struct http_response *r, int status, const char *code, const char *detail, const char *where)
{
    struct json_writer w = json_writer(&r->body);
    buf_clear(&r->body);
    r->status = status;
    r->content_type = "application/problem+json; charset=utf-8";
    jw_object(&w);
    jw_kz(&w, "type", "about:blank");
    jw_kz(&w, "title", http_status_text(status));
    jw_ki64(&w, "status", status);
    jw_kz(&w, "code", code);
    jw_kz(&w, "detail", detail);
    if (where && where[0]) jw_kz(&w, "where", where);
    jw_end(&w);
}

/* The word for a refusal that the server makes by itself. */
static int code_of_status(int status)
{
    static const struct {
        int status, code;
    } table[] = {{404, ERR_NOT_FOUND}, {405, ERR_METHOD},      {408, ERR_TIMEOUT},  {413, ERR_TOO_LARGE},
                 {414, ERR_TOO_LARGE}, {416, ERR_RANGE},       {426, ERR_PROTOCOL}, {431, ERR_TOO_LARGE},
                 {500, ERR_INTERNAL},  {501, ERR_UNSUPPORTED}, {503, ERR_AGAIN},    {505, ERR_UNSUPPORTED}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status) return table[i].code;
    return ERR_INVALID;
}

void response_problem(struct http_response *r, int status, const char *detail)
{
    problem(r, status, error_name(code_of_status(status)), detail, NULL);
}

void response_error(struct http_response *r, int code, const struct error *e)
{
    const char *text = e && e->text[0] ? e->text : error_title(code);
    problem(r, error_http(code), error_name(code), text, e ? e->where : NULL);
}

const char *http_date(struct http_loop *hl)
{
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t us = clock_now_us(hl->srv->clock), s = us / TIME_US_PER_S;
    if (s == hl->date_s && hl->date[0]) return hl->date;
    struct civil c = civil_from_us(us);
    hl->date_s = s;
    snprintf(hl->date, sizeof hl->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + s / 86400 % 7 * 3,
             (unsigned)c.day % 100, months + (c.month - 1) * 3, (unsigned)c.year % 10000, (unsigned)c.hour % 100,
             (unsigned)c.minute % 100, (unsigned)c.second % 100);
    return hl->date;
}

static char *put(char *to, const char *p, size_t n)
{
    memcpy(to, p, n);
    return to + n;
}

#define PUT_LIT(to, lit) put(to, lit, sizeof(lit) - 1)

static char *put_z(char *to, const char *z)
{
    return put(to, z, strlen(z));
}

static char *put_number(char *to, uint64_t v)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n) *to++ = digits[--n];
    return to;
}

static char *put_connection(char *to, const struct http_exchange *x)
{
    if (x->status == 101) return to;
    if (!x->keep_alive) return PUT_LIT(to, "Connection: close\r\n");
    return x->minor == 0 ? PUT_LIT(to, "Connection: keep-alive\r\n") : to;
}

struct str response_head(struct http_exchange *x, int64_t length, const char *content_type, bool chunked)
{
    const char *text = http_status_text(x->status);
    size_t room = 320 + strlen(text) + (content_type ? strlen(content_type) : 0) + x->r.headers.n;
    char *head = arena_alloc(&x->arena, room), *to = head;
    if (!head) return STR_NULL;
    to = PUT_LIT(to, "HTTP/1.1 ");
    to = put_number(to, (unsigned)x->status);
    *to++ = ' ';
    to = put_z(to, text);
    to = PUT_LIT(to, "\r\nDate: ");
    to = put_z(to, http_date(x->hl));
    to = PUT_LIT(to, "\r\nX-Content-Type-Options: nosniff\r\n");
    if (content_type) to = put_z(put_z(PUT_LIT(to, "Content-Type: "), content_type), "\r\n");
    if (length >= 0) to = PUT_LIT(put_number(PUT_LIT(to, "Content-Length: "), (uint64_t)length), "\r\n");
    if (chunked) to = PUT_LIT(to, "Transfer-Encoding: chunked\r\n");
    to = put_connection(to, x);
    if (x->r.headers.n) to = put(to, (const char *)x->r.headers.p, x->r.headers.n);
    to = PUT_LIT(to, "\r\n");
    assert((size_t)(to - head) <= room);
    return str_make(head, (size_t)(to - head));
}
