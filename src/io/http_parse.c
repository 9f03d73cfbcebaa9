/* http_parse.c - request head and chunked body of HTTP/1.1, strictly (RFC 9110, RFC 9112).
 *
 * Refused rather than repaired, because a proxy in front might read it otherwise: line ends without CR,
 * bare CR, folded headers, blanks around the field name, more than one Content-Length or Host,
 * Content-Length together with Transfer-Encoding, any coding but "chunked", chunk sizes with anything
 * but hex digits, targets with control characters. */
#include "io/http_parse.h"
#include "base/utf8.h"

/* tchar of RFC 9110 5.6.2, one bit a character. */
static bool is_tchar(unsigned char c)
{
    static const uint32_t bits[8] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
    return bits[c >> 5] >> (c & 31) & 1;
}

int http_head_find(struct http_scan *s, const char *p, size_t n)
{
    while (s->at < n) {
        const char *lf = memchr(p + s->at, '\n', n - s->at);
        if (!lf) {
            s->at = n;
            break;
        }
        size_t end = (size_t)(lf - p);
        if (end == s->line || p[end - 1] != '\r') return -400;
        bool empty = end == s->line + 1, first = s->line == 0;
        s->at = s->line = end + 1;
        if (empty) {
            if (first) return -400;
            return s->at <= HTTP_HEAD_MAX ? (int)s->at : -431;
        }
    }
    if (n <= HTTP_HEAD_MAX) return 0;
    return s->line == 0 ? -414 : -431;
}

/* The next line without its CR LF; both are there, http_head_find saw to it. */
static struct str take_line(char **p, char *end)
{
    char *start = *p, *lf = memchr(start, '\n', (size_t)(end - start));
    *p = lf + 1;
    return str_make(start, (size_t)(lf - start) - 1);
}

static int parse_version(struct str v, struct http_head *h)
{
    if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[6] != '.') return -400;
    if (v.p[5] < '0' || v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9') return -400;
    if (v.p[5] != '1') return -505;
    h->minor = v.p[7] > '0';
    return 0;
}

static int parse_request_line(struct str line, struct http_head *h)
{
    ptrdiff_t a = str_find(line, ' ');
    if (a <= 0 || a > 20) return -400;
    h->method = str_make(line.p, (size_t)a);
    struct str rest = str_make(line.p + a + 1, line.n - (size_t)a - 1);
    ptrdiff_t b = str_find(rest, ' ');
    if (b <= 0) return -400;
    h->target = str_make(rest.p, (size_t)b);
    for (size_t i = 0; i < h->method.n; i++)
        if (!is_tchar((unsigned char)h->method.p[i])) return -400;
    for (size_t i = 0; i < h->target.n; i++)
        if ((unsigned char)h->target.p[i] <= 0x20 || h->target.p[i] == 0x7f) return -400;
    if (h->target.n > HTTP_TARGET_MAX) return -414;
    return parse_version(str_make(rest.p + b + 1, rest.n - (size_t)b - 1), h);
}

static int lower_name(char *p, size_t n)
{
    if (n == 0) return -400;
    for (size_t i = 0; i < n; i++) {
        if (!is_tchar((unsigned char)p[i])) return -400;
        if (p[i] >= 'A' && p[i] <= 'Z') p[i] += 'a' - 'A';
    }
    return 0;
}

static int parse_field(struct str line, char *base, struct http_head *h)
{
    if (h->nheaders == HTTP_HEADERS_MAX) return -431;
    ptrdiff_t colon = str_find(line, ':');
    if (colon <= 0 || lower_name(base + (line.p - base), (size_t)colon) != 0) return -400;
    struct str value = str_trim(str_make(line.p + colon + 1, line.n - (size_t)colon - 1));
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return -400;
    }
    h->headers[h->nheaders++] = (struct http_header){str_make(line.p, (size_t)colon), value};
    return 0;
}

bool http_has_token(struct str list, const char *token)
{
    while (list.p) {
        struct str part = str_cut(&list, ',');
        if (str_ieq(str_trim(str_cut(&part, ';')), str_of(token))) return true;
    }
    return false;
}

/* What the headers seen so far say about framing. */
struct framing {
    struct http_head *h;
    int hosts, lengths, codings;
    bool close, keep;
};

static int see_length(struct framing *f, struct str v)
{
    int64_t n = 0;
    if (f->lengths++ || v.n == 0 || v.n > 18) return -400;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') return -400;
        n = n * 10 + (v.p[i] - '0');
    }
    f->h->content_length = n;
    return 0;
}

static int see_coding(struct framing *f, struct str v)
{
    if (f->codings++ || f->h->minor == 0) return -400;
    f->h->chunked = true;
    return str_ieq(v, STR("chunked")) ? 0 : -501;
}

static int see_host(struct framing *f, struct str v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && !strchr(".-_:[]%~", c)) return -400;
    }
    return f->hosts++ ? -400 : 0;
}

static int see_connection(struct framing *f, struct str v)
{
    f->close = f->close || http_has_token(v, "close");
    f->keep = f->keep || http_has_token(v, "keep-alive");
    return 0;
}

static int see_expect(struct framing *f, struct str v)
{
    if (!str_ieq(v, STR("100-continue"))) return -417;
    f->h->expect_continue = f->h->minor == 1;
    return 0;
}

static const struct {
    struct str name;
    int (*see)(struct framing *f, struct str value);
} framing_fields[] = {
    {{"content-length", 14}, see_length},
    {{"transfer-encoding", 17}, see_coding},
    {{"host", 4}, see_host},
    {{"connection", 10}, see_connection},
    {{"expect", 6}, see_expect},
};

static int check_framing(struct http_head *h)
{
    struct framing f = {.h = h};
    h->content_length = -1;
    for (size_t i = 0; i < h->nheaders; i++) {
        for (size_t k = 0; k < sizeof framing_fields / sizeof *framing_fields; k++) {
            if (!str_eq(h->headers[i].name, framing_fields[k].name)) continue;
            int bad = framing_fields[k].see(&f, h->headers[i].value);
            if (bad) return bad;
        }
    }
    if (f.lengths && f.codings) return -400;
    if (f.hosts == 0 && h->minor == 1) return -400;
    h->keep_alive = !f.close && (h->minor == 1 || f.keep);
    return 0;
}

int http_head_parse(char *p, size_t n, struct http_head *ret)
{
    char *at = p, *end = p + n;
    ret->nheaders = 0;
    ret->chunked = ret->expect_continue = ret->keep_alive = false;
    int bad = parse_request_line(take_line(&at, end), ret);
    while (!bad && at < end - 2) bad = parse_field(take_line(&at, end), p, ret);
    return bad ? bad : check_framing(ret);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "http://host/path" -> "/path"; "/path" stays. */
static bool strip_authority(struct str *t)
{
    if (t->n && t->p[0] == '/') return true;
    size_t skip = str_starts(*t, STR("http://")) ? 7 : str_starts(*t, STR("https://")) ? 8 : 0;
    if (skip == 0) return false;
    struct str rest = str_sub(*t, skip, t->n);
    ptrdiff_t slash = str_find(rest, '/');
    if (slash <= 0) return false;
    *t = str_sub(rest, (size_t)slash, rest.n);
    return true;
}

/* Decode %XX into out; number of bytes or -400. */
static int decode_path(struct str raw, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        if (c == '#') return -400;
        if (c == '%') {
            if (raw.n - i < 3) return -400;
            int hi = hex_digit(raw.p[i + 1]), lo = hex_digit(raw.p[i + 2]);
            if (hi < 0 || lo < 0) return -400;
            c = (unsigned char)(hi << 4 | lo);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f) return -400;
        out[n++] = (char)c;
    }
    return utf8_valid(str_make(out, n)) ? (int)n : -400;
}

/* Collapse empty and "." segments in place; -400 for "..". */
static int normalise_path(char *p, size_t n)
{
    size_t out = 0, i = 0;
    while (i < n) {
        size_t start = ++i; /* p[i] was '/' */
        while (i < n && p[i] != '/') i++;
        struct str seg = str_make(p + start, i - start);
        if (str_eq(seg, STR(".."))) return -400;
        bool last = i == n;
        if (!last && (seg.n == 0 || str_eq(seg, STR(".")))) continue;
        if (str_eq(seg, STR("."))) seg.n = 0;
        p[out++] = '/';
        memmove(p + out, seg.p, seg.n);
        out += seg.n;
    }
    return (int)out;
}

int http_target_split(struct str target, char *out, struct str *ret_path, struct str *ret_query)
{
    if (!strip_authority(&target)) return -400;
    struct str raw = str_cut(&target, '?');
    int n = decode_path(raw, out);
    if (n < 0) return n;
    n = normalise_path(out, (size_t)n);
    if (n < 0) return n;
    *ret_path = str_make(out, (size_t)n);
    *ret_query = target;
    return 0;
}

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_TEXT, TRAILER_LF, END_LF, ENDED };
#define CHUNK_EXTRA_MAX 8192

static int size_byte(struct http_chunked *c, char b)
{
    int digit = hex_digit(b);
    if (digit >= 0) {
        if (++c->digits > 15) return -400;
        c->left = c->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (c->digits == 0) return -400;
    return b == '\r' ? SIZE_LF : b == ';' ? EXTENSION : -400;
}

static int text_byte(struct http_chunked *c, char b, int stay, int lf)
{
    if (b == '\r') return lf;
    if (++c->extra > CHUNK_EXTRA_MAX || ((unsigned char)b < 0x20 && b != '\t') || b == 0x7f) return -400;
    return stay;
}

/* The state after byte b, in any state but DATA; negative: refuse. */
static int chunk_byte(struct http_chunked *c, char b)
{
    switch (c->state) {
    case SIZE: return size_byte(c, b);
    case EXTENSION: return text_byte(c, b, EXTENSION, SIZE_LF);
    case SIZE_LF: return b != '\n' ? -400 : c->left ? DATA : TRAILER;
    case DATA_CR: return b == '\r' ? DATA_LF : -400;
    case DATA_LF: c->digits = 0; return b == '\n' ? SIZE : -400;
    case TRAILER: return b == '\r' ? END_LF : text_byte(c, b, TRAILER_TEXT, TRAILER_LF);
    case TRAILER_TEXT: return text_byte(c, b, TRAILER_TEXT, TRAILER_LF);
    case TRAILER_LF: return b == '\n' ? TRAILER : -400;
    case END_LF: return b == '\n' ? ENDED : -400;
    default: return -400;
    }
}

int http_chunked_next(struct http_chunked *c, const char *p, size_t n, size_t *ret_used, struct str *ret_data)
{
    size_t i = 0;
    while (c->state != DATA) {
        if (c->state == ENDED || i == n) break;
        int next = chunk_byte(c, p[i++]);
        if (next < 0) return next;
        c->state = (uint8_t)next;
    }
    *ret_used = i;
    if (c->state == ENDED) return HTTP_CHUNK_END;
    if (i == n) return HTTP_CHUNK_MORE;
    size_t k = n - i < c->left ? n - i : (size_t)c->left;
    *ret_data = str_make(p + i, k);
    c->left -= k;
    if (c->left == 0) c->state = DATA_CR;
    *ret_used = i + k;
    return HTTP_CHUNK_DATA;
}
