/* hj212_frame.c - frames in a stream, segments, CP, times. Layout: hj212.h.
 *
 * Finding the next frame in rubbish: a frame begins with "##" and four digits and has no CR before its end. So a
 * length that lies is found out as soon as the CR LF of the true end comes, and costs that frame alone. */
#include <stdio.h>
#include "base/mem.h"
#include "proto/hj212.h"

enum { HEAD = 6, TAIL = 6 };

uint16_t hj212_crc(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint16_t r = 0xffff;
    for (size_t i = 0; i < n; i++) {
        r = (uint16_t)(r >> 8 ^ b[i]);
        for (int k = 0; k < 8; k++) r = (uint16_t)(r & 1 ? r >> 1 ^ 0xa001 : r >> 1);
    }
    return r;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* ---- frames ---- */

/* Bytes up to the next place where a frame may begin, at least `from`. A last '#' may be the first of two. */
static size_t next_head(const uint8_t *b, size_t n, size_t from)
{
    for (size_t i = from; i + 1 < n; i++)
        if (b[i] == '#' && b[i + 1] == '#') return i;
    return n > from && b[n - 1] == '#' ? n - 1 : n;
}

static int rubbish(struct hj212_frame *ret, size_t used, struct error *e)
{
    ret->used = used;
    return error_set(e, ERR_PROTOCOL, "", "%zu bytes that are no HJ 212 frame", "%zu 字节不构成 HJ 212 报文", used);
}

/* Where the first CR stands before `end`; end when there is none. */
static size_t first_cr(const uint8_t *b, size_t n, size_t end)
{
    const uint8_t *p = memchr(b, '\r', n < end ? n : end);
    return p ? (size_t)(p - b) : end;
}

static int crc_of(const uint8_t *p)
{
    int r = 0;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
        if (d < 0) return -1;
        r = r << 4 | d;
    }
    return r;
}

static int check_frame(const uint8_t *b, size_t len, struct hj212_frame *ret, struct error *e)
{
    int want = crc_of(b + HEAD + len), got = hj212_crc(b + HEAD, len);
    ret->segment = str_make((const char *)b + HEAD, len);
    if (want == got) return 1;
    return error_set(e, ERR_PROTOCOL, "CRC", "the CRC is %.4s, the segment's is %04X", "CRC 为 %.4s，数据段应为 %04X",
                     (const char *)b + HEAD + len, (unsigned)got);
}

int hj212_frame_next(const void *p, size_t n, struct hj212_frame *ret, struct error *e)
{
    const uint8_t *b = p;
    size_t len = 0;
    *ret = (struct hj212_frame){0};
    for (size_t i = 0; i < HEAD; i++) {
        if (i == n) return 0;
        if (i < 2 ? b[i] != '#' : !digit(b[i])) return rubbish(ret, next_head(b, n, 1), e);
        if (i >= 2) len = len * 10 + b[i] - '0';
    }
    size_t end = HEAD + len + 4, cr = first_cr(b, n, end);
    if (cr < end) { /* ended before its length says */
        ret->used = cr + 1 < n && b[cr + 1] == '\n' ? cr + 2 : cr + 1;
        return error_set(e, ERR_PROTOCOL, "length", "the frame says %zu bytes of data and ends after %zu",
                         "报文声明数据段 %zu 字节，实际在 %zu 字节处结束", len, cr < HEAD + 4 ? 0 : cr - HEAD - 4);
    }
    if (n < end + 1) return 0;
    bool lone = b[end] == '#'; /* the CR LF was left out, and the next frame is here */
    if (!lone && n < end + 2) return 0;
    ret->used = lone ? end : end + 2;
    if (!lone && (b[end] != '\r' || b[end + 1] != '\n')) {
        if (crc_of(b + HEAD + len) == hj212_crc(b + HEAD, len)) {
            ret->used = end;
            return check_frame(b, len, ret, e);
        }
        return rubbish(ret, next_head(b, n, 2), e);
    }
    return check_frame(b, len, ret, e);
}

void hj212_frame_put(struct buf *out, struct str segment)
{
    if (segment.n > HJ212_SEGMENT_MAX) {
        out->err = ERR_TOO_LARGE;
        return;
    }
    if (segment.n && memchr(segment.p, '\r', segment.n)) { /* would end the frame */
        out->err = ERR_INVALID;
        return;
    }
    buf_printf(out, "##%04zu", segment.n);
    buf_str(out, segment);
    buf_printf(out, "%04X\r\n", hj212_crc(segment.p, segment.n));
}

/* ---- segments ---- */

struct field_row {
    const char *name;
    size_t offset, max; /* text: at most max bytes; number: at most max digits */
    bool number;
};
#define TEXT(id, field, max) \
    { \
        id, offsetof(struct hj212_message, field), max, false \
    }
#define NUMBER(id, field, max) \
    { \
        id, offsetof(struct hj212_message, field), max, true \
    }
static const struct field_row fields[] = {
    TEXT("QN", qn, HJ212_QN_MAX), NUMBER("ST", st, 5),     NUMBER("CN", cn, 7),     TEXT("PW", pw, HJ212_PW_MAX),
    TEXT("MN", mn, HJ212_MN_MAX), NUMBER("Flag", flag, 3), NUMBER("PNUM", pnum, 4), NUMBER("PNO", pno, 4),
};

static bool plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= ' ' || (uint8_t)s.p[i] >= 0x7f) return false;
    return true;
}

static int set_number(const struct field_row *f, struct str value, struct hj212_message *m, struct error *e)
{
    unsigned x = 0;
    bool ok = value.n > 0 && value.n <= f->max;
    for (size_t i = 0; ok && i < value.n; i++) {
        ok = digit((uint8_t)value.p[i]);
        x = x * 10 + (unsigned)(value.p[i] - '0');
    }
    if (!ok || (strcmp(f->name, "Flag") == 0 && x > 255))
        return error_set(e, ERR_PROTOCOL, f->name, "%s is '%.*s', a number is wanted", "%s 为“%.*s”，应为数字", f->name,
                         (int)(value.n < 40 ? value.n : 40), value.p ? value.p : "");
    memcpy((char *)m + f->offset, &x, sizeof x);
    return 0;
}

static int set_field(struct str name, struct str value, struct hj212_message *m, struct error *e)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field_row *f = &fields[i];
        if (!str_is(name, f->name)) continue;
        if (f->number) return set_number(f, value, m, e);
        if (value.n > f->max || !plain(value))
            return error_set(e, ERR_PROTOCOL, f->name, "%s has %zu characters; at most %zu printable ones are allowed",
                             "%s 为 %zu 个字符，最多允许 %zu 个可见字符", f->name, value.n, f->max);
        memcpy((char *)m + f->offset, &value, sizeof value);
        return 0;
    }
    return 0; /* fields of later versions */
}

static int set_cp(struct str value, struct hj212_message *m, struct error *e)
{
    if (value.n < 4 || !str_starts(value, STR("&&")) || !str_ends(value, STR("&&")))
        return error_set(e, ERR_PROTOCOL, "CP", "CP does not stand between && and &&", "CP 未以 && 开头和结尾");
    m->cp = str_sub(value, 2, value.n - 4);
    return 0;
}

int hj212_message_parse(struct str segment, struct hj212_message *ret, struct error *e)
{
    struct hj212_message m = {.flag = -1};
    bool cp = false;
    while (segment.n && !cp) {
        int rc;
        if (str_starts(segment, STR("CP="))) {
            rc = set_cp(str_trim(str_sub(segment, 3, segment.n)), &m, e);
            cp = true;
        } else {
            struct str value = str_cut(&segment, ';'), name = str_cut(&value, '=');
            rc = set_field(str_trim(name), str_trim(value), &m, e);
        }
        if (rc) return rc;
    }
    if (m.cn == 0) return error_set(e, ERR_PROTOCOL, "CN", "there is no command number (CN)", "缺少命令编码 CN");
    if (!cp) return error_set(e, ERR_PROTOCOL, "CP", "there is no CP", "缺少指令参数 CP");
    if (m.pnum && (m.pno == 0 || m.pno > m.pnum))
        return error_set(e, ERR_PROTOCOL, "PNO", "packet %u of %u", "第 %u 包，共 %u 包", m.pno, m.pnum);
    *ret = m;
    return 0;
}

struct str hj212_answered_qn(const struct hj212_message *m)
{
    struct str inside = hj212_version(m) == HJ212_2005 ? hj212_cp_get(m->cp, "QN") : STR_NULL;
    return inside.n ? inside : m->qn;
}

static void put_text(struct buf *b, const char *name, struct str s)
{
    if (s.n) buf_printf(b, "%s=%.*s;", name, STR_ARG(s));
}

void hj212_message_put(struct buf *out, const struct hj212_message *m)
{
    struct buf seg;
    buf_init(&seg, HJ212_SEGMENT_MAX);
    put_text(&seg, "QN", m->qn);
    if (m->st) buf_printf(&seg, "ST=%02u;", m->st);
    buf_printf(&seg, "CN=%u;", m->cn);
    put_text(&seg, "PW", m->pw);
    put_text(&seg, "MN", m->mn);
    if (m->flag >= 0) buf_printf(&seg, "Flag=%d;", m->flag);
    if (m->pnum) buf_printf(&seg, "PNUM=%u;PNO=%u;", m->pnum, m->pno);
    buf_z(&seg, "CP=&&");
    buf_str(&seg, m->cp);
    buf_z(&seg, "&&");
    if (seg.err && !out->err) out->err = seg.err;
    if (!seg.err) hj212_frame_put(out, buf_view(&seg));
    buf_fini(&seg);
}

/* ---- CP ---- */

/* Length of the value at the front: up to , or ; - but what begins with // ends with the next //. */
static size_t value_length(struct str s)
{
    size_t i = 0;
    if (str_starts(s, STR("//")))
        for (i = 2; i + 1 < s.n && (s.p[i] != '/' || s.p[i + 1] != '/');) i++;
    if (i + 1 >= s.n) i = 0; /* never closed */
    while (i < s.n && s.p[i] != ',' && s.p[i] != ';') i++;
    return i;
}

bool hj212_cp_next(struct hj212_cp *it, struct hj212_field *ret)
{
    while (it->rest.n) {
        struct str s = it->rest;
        size_t name = 0;
        while (name < s.n && s.p[name] != '=' && s.p[name] != ',' && s.p[name] != ';') name++;
        size_t value = name < s.n && s.p[name] == '=' ? name + 1 : name, end = value;
        if (value > name) end += value_length(str_sub(s, value, s.n));
        *ret = (struct hj212_field){
            .item = it->item, .name = str_trim(str_sub(s, 0, name)), .value = str_trim(str_sub(s, value, end - value))};
        if (end < s.n && s.p[end] == ';') it->item++;
        it->rest = end < s.n ? str_sub(s, end + 1, s.n) : STR_NULL;
        ret->attr = ret->name;
        ret->code = str_cut(&ret->attr, '-');
        if (ret->name.n) return true;
    }
    return false;
}

struct str hj212_cp_get(struct str cp, const char *name)
{
    struct hj212_cp it = hj212_cp_begin(cp);
    struct hj212_field f;
    while (hj212_cp_next(&it, &f))
        if (str_is(f.name, name)) return f.value;
    return STR_NULL;
}

/* ---- times ---- */

static int number(const char *p, int n)
{
    int x = 0;
    for (int i = 0; i < n; i++) x = x * 10 + (p[i] - '0');
    return x;
}

static int month_days(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

int hj212_time_parse(struct str s, int tz_minutes, int64_t *ret_us)
{
    if (s.n != 14 && s.n != 17) return ERR_INVALID;
    for (size_t i = 0; i < s.n; i++)
        if (!digit((uint8_t)s.p[i])) return ERR_INVALID;
    struct civil c = {.year = number(s.p, 4),
                      .month = number(s.p + 4, 2),
                      .day = number(s.p + 6, 2),
                      .hour = number(s.p + 8, 2),
                      .minute = number(s.p + 10, 2),
                      .second = number(s.p + 12, 2),
                      .micro = s.n == 17 ? number(s.p + 14, 3) * 1000 : 0};
    if (c.year < 1970 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > month_days(c.year, c.month))
        return ERR_INVALID;
    if (c.hour > 23 || c.minute > 59 || c.second > 59) return ERR_INVALID;
    *ret_us = civil_to_us(&c) - tz_minutes * 60 * TIME_US_PER_S;
    return 0;
}

const char *hj212_time_format(int64_t us, int tz_minutes, bool milliseconds, char out[HJ212_TIME_TEXT])
{
    struct civil c = civil_from_us(us + tz_minutes * 60 * TIME_US_PER_S);
    int n =
        snprintf(out, HJ212_TIME_TEXT, "%04u%02u%02u%02u%02u%02u", (unsigned)c.year % 10000, (unsigned)c.month % 100,
                 (unsigned)c.day % 100, (unsigned)c.hour % 100, (unsigned)c.minute % 100, (unsigned)c.second % 100);
    if (milliseconds && n > 0)
        snprintf(out + n, (size_t)(HJ212_TIME_TEXT - n), "%03u", (unsigned)c.micro / 1000 % 1000);
    return out;
}
