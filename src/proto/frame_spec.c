/* frame_spec.c - see frame_spec.h. */
#include "proto/frame_spec.h"
#include <stdio.h>

/* ---- the spec ---- */

static int need(bool ok, const char *where, const char *en, const char *zh, struct error *e)
{
    return ok ? 0 : error_set(e, ERR_INVALID, where, "%s%.0s", "%.0s%s", en, zh);
}

static int check_length(const struct frame_spec *s, struct error *e)
{
    int rc = need(s->length_size == 1 || s->length_size == 2 || s->length_size == 4, "length_size",
                  "a length field has 1, 2 or 4 bytes", "长度字段为 1、2 或 4 字节", e);
    if (rc == 0)
        rc = need((uint64_t)s->length_at + s->length_size <= s->max, "length_at",
                  "the length field stands behind the longest frame", "长度字段位置超过最大帧长", e);
    return rc;
}

int frame_spec_check(const struct frame_spec *s, struct error *e)
{
    int rc = need(s->max >= 1 && s->max <= FRAME_MAX, "max_length", "a frame has 1 to 65536 bytes",
                  "帧长为 1 至 65536 字节", e);
    if (rc) return rc;
    switch (s->kind) {
    case FRAME_FIXED:
        return need(s->fixed >= 1 && s->fixed <= s->max && s->fixed >= s->start.n, "fixed_length",
                    "the fixed length must be 1 or more, and not more than the longest frame",
                    "固定长度应大于 0 且不超过最大帧长", e);
    case FRAME_DELIMITER:
        return need(s->end.n > 0, "end_bytes", "a delimiter is missing, for example \\r\\n or hex:0D0A",
                    "缺少分隔符，例如 \\r\\n 或 hex:0D0A", e);
    case FRAME_PATTERN:
        return need(s->start.n > 0 && s->end.n > 0, s->start.n ? "end_bytes" : "start_bytes",
                    "start and end bytes are needed, for example hex:02 and hex:03",
                    "需要起始和结束字节，例如 hex:02 与 hex:03", e);
    case FRAME_LENGTH: return check_length(s, e);
    default: return 0;
    }
}

/* ---- finding ---- */

/* Where `m` begins at or after `from`; a part of it at the very end counts when partial. n: nowhere. */
static size_t find(const uint8_t *p, size_t n, size_t from, const struct frame_mark *m, bool partial)
{
    for (size_t i = from; i < n; i++) {
        size_t k = n - i < m->n ? n - i : m->n;
        if (k < m->n && !partial) return n;
        if (memcmp(p + i, m->p, k) == 0) return i;
    }
    return n;
}

static int drop(struct frame_found *ret, size_t used, struct error *e, const char *en, const char *zh)
{
    *ret = (struct frame_found){.used = used};
    return error_set(e, ERR_PROTOCOL, "", "%zu bytes dropped: %s%.0s", "丢弃 %zu 字节：%.0s%s", used, en, zh);
}

static int no_start(const struct frame_spec *s, const uint8_t *p, size_t n, struct frame_found *ret, struct error *e)
{
    size_t at = s->start.n ? find(p, n, 0, &s->start, true) : 0;
    if (at == 0) return 0;
    return drop(ret, at, e, "no start bytes", "没有起始字节");
}

static int found(struct frame_found *ret, size_t at, size_t n, size_t used)
{
    *ret = (struct frame_found){at, n, used};
    return 1;
}

static int too_long(struct frame_found *ret, size_t used, struct error *e)
{
    return drop(ret, used, e, "longer than the longest frame", "超过最大帧长");
}

static int next_delimiter(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n,
                          struct frame_found *ret, struct error *e)
{
    size_t end = find(p, n, 0, &s->end, false);
    if (end < n && end <= s->max && !st->skipping) return found(ret, 0, end, end + s->end.n);
    if (end < n) {
        st->skipping = false;
        return too_long(ret, end + s->end.n, e);
    }
    if (n <= (size_t)s->max + s->end.n) return 0;
    st->skipping = true;
    return too_long(ret, n - s->end.n + 1, e);
}

static int next_fixed(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n,
                      struct frame_found *ret, struct error *e)
{
    int rc = no_start(s, p, n, ret, e);
    if (rc || n < s->fixed) return rc;
    return found(ret, 0, s->fixed, s->fixed);
}

static uint32_t number(const uint8_t *p, unsigned size, bool little)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < size; i++) v = v << 8 | p[little ? size - 1 - i : i];
    return v;
}

static int next_length(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n,
                       struct frame_found *ret, struct error *e)
{
    int rc = no_start(s, p, n, ret, e);
    size_t head = (size_t)s->length_at + s->length_size;
    if (head < s->start.n) head = s->start.n;
    if (rc || n < head) return rc;
    int64_t whole = (int64_t)number(p + s->length_at, s->length_size, s->length_little) + s->length_adjust;
    if (whole < (int64_t)head || whole > s->max) {
        size_t next = s->start.n ? find(p, n, 1, &s->start, true) : 1;
        return drop(ret, next, e, "the length field cannot be right", "长度字段不合理");
    }
    return n < (size_t)whole ? 0 : found(ret, 0, (size_t)whole, (size_t)whole);
}

static int next_pattern(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n,
                        struct frame_found *ret, struct error *e)
{
    int rc = no_start(s, p, n, ret, e);
    if (rc || n < s->start.n) return rc;
    size_t end = find(p, n, s->start.n, &s->end, false);
    size_t again = s->restart ? find(p, n, 1, &s->start, false) : n;
    if (again < find(p, n, s->start.n, &s->end, true)) /* what may yet be the end is no start */
        return drop(ret, again, e, "a frame begins inside another", "帧内又出现起始字节");
    if (end < n && end + s->end.n <= s->max) return found(ret, 0, end + s->end.n, end + s->end.n);
    if (end < n || n > s->max) return too_long(ret, find(p, n, 1, &s->start, true), e);
    return 0;
}

static int next_idle(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n,
                     struct frame_found *ret, struct error *e)
{
    if (n <= s->max && !st->skipping) return 0;
    st->skipping = true;
    return too_long(ret, n, e);
}

static int next_whole(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n,
                      struct frame_found *ret, struct error *e)
{
    return n > s->max ? too_long(ret, n, e) : found(ret, 0, n, n);
}

int frame_next(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n, struct frame_found *ret,
               struct error *e)
{
    static int (*const next[])(const struct frame_spec *, struct frame_state *, const uint8_t *, size_t,
                               struct frame_found *, struct error *) = {
        [FRAME_DELIMITER] = next_delimiter, [FRAME_FIXED] = next_fixed, [FRAME_LENGTH] = next_length,
        [FRAME_PATTERN] = next_pattern,     [FRAME_IDLE] = next_idle,   [FRAME_WHOLE] = next_whole,
    };
    return n ? next[s->kind](s, st, p, n, ret, e) : 0;
}

/* ---- bytes and texts ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int no_room(size_t cap, struct error *e)
{
    return error_set(e, ERR_INVALID, "", "at most %zu bytes can stand here", "此处最多 %zu 字节", cap);
}

static int parse_hex(struct str t, uint8_t *out, size_t cap, size_t *ret_n, struct error *e)
{
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == ' ' || t.p[i] == ',') continue;
        int hi = digit(t.p[i]), lo = i + 1 < t.n ? digit(t.p[i + 1]) : -1;
        if (hi < 0 || lo < 0)
            return error_set(e, ERR_INVALID, "", "'%.*s' is no pair of hexadecimal digits; write hex:02 0D 0A",
                             "“%.*s”不是一对十六进制数字；应写为 hex:02 0D 0A", i + 1 < t.n ? 2 : 1, t.p + i);
        if (n == cap) return no_room(cap, e);
        out[n++] = (uint8_t)(hi << 4 | lo);
        i++;
    }
    *ret_n = n;
    return 0;
}

/* The character behind a backslash at t.p[*at]; moves *at to its last character. -1: unknown. */
static int escaped(struct str t, size_t *at)
{
    static const char names[] = "rnt0e\\\"$", values[] = "\r\n\t\0\x1b\\\"$";
    const char *k = t.p[*at] ? strchr(names, t.p[*at]) : NULL;
    if (k) return (uint8_t)values[k - names];
    if (t.p[*at] != 'x' || *at + 2 >= t.n) return -1;
    int hi = digit(t.p[*at + 1]), lo = digit(t.p[*at + 2]);
    *at += 2;
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

int bytes_parse(struct str t, uint8_t *out, size_t cap, size_t *ret_n, struct error *e)
{
    size_t n = 0;
    if (str_starts(t, STR("hex:"))) return parse_hex(str_sub(t, 4, t.n), out, cap, ret_n, e);
    for (size_t i = 0; i < t.n; i++) {
        int c = (uint8_t)t.p[i];
        if (c == '\\') {
            i++;
            c = i < t.n ? escaped(t, &i) : -1;
        }
        if (c < 0)
            return error_set(e, ERR_INVALID, "", "after \\ stands r, n, t, 0, e, x and two digits, or \\ itself",
                             "反斜杠后应为 r、n、t、0、e、x 加两位数字，或反斜杠本身");
        if (n == cap) return no_room(cap, e);
        out[n++] = (uint8_t)c;
    }
    *ret_n = n;
    return 0;
}

static bool mostly_text(const uint8_t *p, size_t n)
{
    size_t text = 0;
    for (size_t i = 0; i < n; i++) text += (p[i] >= ' ' && p[i] < 127) || (p[i] >= 9 && p[i] <= 13);
    return n && text * 4 >= n * 3;
}

static size_t show_one(char *out, size_t cap, uint8_t c, bool text, bool first)
{
    int k;
    if (!text)
        k = snprintf(out, cap, "%s%02X", first ? "" : " ", c);
    else if (c >= ' ' && c < 127)
        k = snprintf(out, cap, "%c", c);
    else if (c == '\r' || c == '\n')
        k = snprintf(out, cap, "%s", c == '\r' ? "<CR>" : "<LF>");
    else
        k = snprintf(out, cap, "<%02X>", c);
    return (size_t)k;
}

void bytes_show(const uint8_t *p, size_t n, char *out, size_t cap)
{
    bool text = mostly_text(p, n);
    size_t at = 0;
    if (cap == 0) return;
    out[0] = 0;
    for (size_t i = 0; i < n && at + 6 < cap; i++) at += show_one(out + at, cap - at, p[i], text, i == 0);
    if (at + 6 >= cap && cap > 4) memcpy(out + (at < cap - 4 ? at : cap - 4), "...", 4);
}
