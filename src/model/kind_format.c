/* kind_format.c - formats of string fields, and regular expressions.
 *
 * A format is one row: name, check, example. Formats without a check are hints for forms. Expressions
 * are POSIX extended, compiled once with the kind; matching may be done by any thread. */
#include <regex.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "model/kind_int.h"

static bool all_of(struct str s, bool (*ok)(char c))
{
    for (size_t i = 0; i < s.n; i++)
        if (!ok(s.p[i])) return false;
    return s.n > 0;
}

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
static bool host_char(char c)
{
    return alnum(c) || c == '-' || c == '.' || c == '_' || (c & 0x80);
}
static bool ipv6_char(char c)
{
    return alnum(c) || c == ':' || c == '.' || c == '%';
}
static bool hex_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}
static bool graphic(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f;
}
static bool locale_char(char c)
{
    return alnum(c) || c == '-' || c == '_';
}

static bool is_host(struct str s)
{
    if (s.n > 253 || !s.n || s.p[0] == '.' || s.p[0] == '-') return false;
    return str_find(s, ':') >= 0 ? all_of(s, ipv6_char) : all_of(s, host_char);
}

static bool is_email(struct str s)
{
    ptrdiff_t at = str_find(s, '@');
    return at > 0 && all_of(s, graphic) && is_host(str_sub(s, (size_t)at + 1, s.n));
}

static bool is_url(struct str s)
{
    for (size_t i = 0; i + 3 < s.n; i++)
        if (memcmp(s.p + i, "://", 3) == 0) return i > 0 && i + 3 < s.n && all_of(s, graphic);
    return false;
}

static bool is_color(struct str s)
{
    return (s.n == 4 || s.n == 7 || s.n == 9) && s.p[0] == '#' && all_of(str_sub(s, 1, s.n), hex_char);
}

static bool is_json(struct str s)
{
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    struct json *v;
    return json_parse(&a, s, &v, NULL) == 0;
}

static bool is_path(struct str s)
{
    for (struct str part; s.p;) {
        part = str_cut(&s, '/');
        if (str_is(part, "..") || memchr(part.p ? part.p : "", 0, part.n)) return false;
    }
    return true;
}

static bool is_locale(struct str s)
{
    return s.n >= 2 && s.n <= 35 && all_of(s, locale_char);
}

static const struct format {
    const char *name;
    bool (*check)(struct str s);
    const char *example;
} formats[] = {
    {"email", is_email, "zhang@example.com"},
    {"url", is_url, "https://example.com/path"},
    {"host", is_host, "192.168.1.10 / plc1.plant.local"},
    {"color", is_color, "#b87333"},
    {"multiline", NULL, ""},
    {"json", is_json, "{\"a\": 1}"},
    {"unit", NULL, "t/h"},
    {"path", is_path, "LT/GRD/MILL1"},
    {"locale", is_locale, "zh-CN"},
};

static const struct format *format_of(struct str name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (str_is(name, formats[i].name)) return &formats[i];
    return NULL;
}

bool format_known(struct str format)
{
    return format_of(format) != NULL;
}

bool format_check(struct str format, struct str s, const char **ret_example)
{
    const struct format *f = format_of(format);
    if (!f || !f->check || f->check(s)) return true;
    *ret_example = f->example;
    return false;
}

struct compiled {
    regex_t r;
    struct compiled *next;
};

#define REGEX_TEXT_MAX 4096 /* longer texts match no pattern */

/* regcomp writes "x{2,255}" out 255 times, and nested ones multiply: a short pattern could eat all memory.
 * The size that it grows to is counted first: atoms, each times its interval, groups by what they hold. */
#define REGEX_SIZE_MAX 20000
#define REGEX_GROUPS_MAX 64

static size_t past_bracket(struct str s, size_t i)
{
    i += i + 1 < s.n && s.p[i + 1] == '^' ? 2 : 1;
    if (i < s.n && s.p[i] == ']') i++;
    while (i < s.n && s.p[i] != ']') i++;
    return i;
}

static size_t interval(struct str s, size_t i, size_t *end)
{
    size_t most = 0, n = 0;
    for (; i < s.n && s.p[i] != '}'; i++) {
        bool digit = s.p[i] >= '0' && s.p[i] <= '9';
        n = digit && n < 100000 ? n * 10 + (size_t)(s.p[i] - '0') : digit ? n : 0;
        if (n > most) most = n;
    }
    *end = i;
    return most ? most : 1;
}

static bool regex_small(struct str s)
{
    size_t sum[REGEX_GROUPS_MAX] = {0}, depth = 0, last = 0, times;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '(') {
            if (++depth == REGEX_GROUPS_MAX) return false;
            sum[depth] = last = 0;
            continue;
        }
        if (s.p[i] == ')' && depth) {
            last = sum[depth--] + 1;
        } else if (s.p[i] == '{') {
            times = interval(s, i, &i);
            if (times > REGEX_SIZE_MAX) return false;
            sum[depth] -= last;
            last *= times;
        } else {
            if (s.p[i] == '[') i = past_bracket(s, i);
            if (i < s.n && s.p[i] == '\\') i++;
            last = 1;
        }
        sum[depth] += last;
        if (sum[depth] > REGEX_SIZE_MAX) return false;
    }
    return true;
}

const void *regex_new(struct kind *k, struct str pattern)
{
    if (!regex_small(pattern)) return NULL;
    struct compiled *c = arena_alloc(k->arena, sizeof *c);
    char *text = arena_printf(k->arena, "^(%.*s)$", STR_ARG(pattern));
    if (!c || !text || regcomp(&c->r, text, REG_EXTENDED | REG_NOSUB)) return NULL;
    c->next = k->regexes;
    k->regexes = c;
    return c;
}

bool regex_match(const void *regex, struct str s)
{
    const struct compiled *c = regex;
    char text[REGEX_TEXT_MAX]; /* terminated: regexec with REG_STARTEND may look behind the end */
    if (s.n >= sizeof text || memchr(s.p ? s.p : "", '\0', s.n)) return false;
    str_to_cstr(s, text, sizeof text);
    return regexec(&c->r, text, 0, NULL, 0) == 0;
}

void regex_drop_all(struct kind *k)
{
    for (struct compiled *c = k->regexes; c; c = c->next) regfree(&c->r);
}

bool kind_name_ok(struct str s, bool dash)
{
    if (!s.n || s.n > 63 || s.p[0] < 'a' || s.p[0] > 'z') return false;
    for (size_t i = 1; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (dash && c == '-'))) return false;
    }
    return true;
}
