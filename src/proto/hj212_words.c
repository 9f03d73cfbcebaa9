/* hj212_words.c - values and frames as people read them. */
#include <iconv.h>
#include <stdio.h>
#include "base/utf8.h"
#include "proto/hj212.h"

/* ---- texts ---- */

/* GBK to UTF-8 as far as it goes; what is neither becomes U+FFFD, byte by byte. */
static size_t from_gbk(struct str in, char *out, size_t cap)
{
    char *src = (char *)(uintptr_t)in.p, *dst = out;
    size_t left = in.n, room = cap - 1;
    iconv_t cd = iconv_open("UTF-8", "GBK");
    while (left && room >= 4) {
        if (cd != (iconv_t)-1 && iconv(cd, &src, &left, &dst, &room) != (size_t)-1) break;
        if (room < 4 || !left) break;
        memcpy(dst, "\xef\xbf\xbd", 3);
        dst += 3, room -= 3, src++, left--;
    }
    if (cd != (iconv_t)-1) iconv_close(cd);
    *dst = 0;
    return (size_t)(dst - out);
}

size_t hj212_text(struct str value, char *out, size_t cap)
{
    if (value.n >= 4 && str_starts(value, STR("//")) && str_ends(value, STR("//")))
        value = str_sub(value, 2, value.n - 4);
    if (cap == 0) return 0;
    if (!utf8_valid(value)) return from_gbk(value, out, cap);
    str_to_cstr(value, out, cap);
    return strlen(out);
}

/* ---- frames ---- */

struct words { /* two texts that grow together, each in cap bytes */
    char *en, *zh;
    size_t cap, n_en, n_zh;
};

static void append(char *to, size_t cap, size_t *n, const char *text)
{
    size_t len = strlen(text);
    if (*n + 1 >= cap) return;
    if (len > cap - 1 - *n) {
        len = cap - 1 - *n;
        while (len && ((uint8_t)text[len] & 0xc0) == 0x80) len--; /* not through a character */
    }
    memcpy(to + *n, text, len);
    *n += len;
    to[*n] = 0;
}

static void say(struct words *w, const char *en, const char *zh)
{
    append(w->en, w->cap, &w->n_en, en);
    append(w->zh, w->cap, &w->n_zh, zh);
}

__attribute__((format(printf, 2, 3))) static void sayf(struct words *w, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    say(w, text, text);
}

static void say_value(struct words *w, struct str v)
{
    char text[200];
    hj212_text(v, text, sizeof text);
    say(w, text, text);
}

static void say_number(struct words *w, const struct hj212_number *n, struct str value)
{
    say_value(w, value);
    if (n == NULL) return;
    say(w, " (", "（");
    say(w, n->en, n->zh);
    say(w, ")", "）");
}

static void say_time(struct words *w, struct str v)
{
    if (v.n != 14 && v.n != 17) {
        say_value(w, v);
        return;
    }
    const char *p = v.p;
    sayf(w, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s", p, p + 4, p + 6, p + 8, p + 10, p + 12);
}

static void say_quantity(struct words *w, const struct hj212_field *f)
{
    const struct hj212_code *c = hj212_code(f->code), *a = hj212_attr(f->attr);
    const struct hj212_flag *flag = str_is(f->attr, "Flag") ? hj212_flag(f->value) : NULL;
    if (c) {
        say(w, c->en, c->zh);
        say(w, " ", " ");
    }
    sayf(w, "%.*s", (int)(f->name.n < 60 ? f->name.n : 60), f->name.p);
    say(w, " = ", " = ");
    say_value(w, f->value);
    if (flag) {
        say(w, " (", "（");
        say(w, flag->en, flag->zh);
        say(w, ")", "）");
    } else if (c && c->unit[0] && a && !str_is(f->attr, "EFlag") && !str_is(f->attr, "SampleTime")) {
        sayf(w, " %s", c->unit);
    }
}

static void say_field(struct words *w, const struct hj212_field *f)
{
    int64_t n = 0;
    bool number = str_to_i64(f->value, &n) == 0 && n >= 0 && n <= 1000;
    if (str_ends(f->name, STR("Time")) && f->attr.n == 0) {
        sayf(w, "%.*s ", (int)(f->name.n < 60 ? f->name.n : 60), f->name.p);
        say_time(w, f->value);
    } else if (str_is(f->name, "QnRtn")) {
        say(w, "answer ", "应答 ");
        say_number(w, number ? hj212_qnrtn((int)n) : NULL, f->value);
    } else if (str_is(f->name, "ExeRtn")) {
        say(w, "result ", "结果 ");
        say_number(w, number ? hj212_exertn((int)n) : NULL, f->value);
    } else if (str_is(f->name, "NewPW")) {
        say(w, "new password not shown", "新密码不显示");
    } else {
        say_quantity(w, f);
    }
}

static void say_head(struct words *w, const struct hj212_message *m)
{
    const struct hj212_command *c = hj212_command(m->cn);
    const struct hj212_number *st = hj212_system((int)m->st);
    sayf(w, "%u ", m->cn);
    say(w, c ? c->en : "unknown command", c ? c->zh : "未知命令");
    if (m->mn.n) sayf(w, ", MN %.*s", STR_ARG(m->mn));
    if (st) {
        say(w, ", ", "，");
        say(w, st->en, st->zh);
    }
    if (m->qn.n) {
        say(w, ", of ", "，时间 ");
        say_time(w, m->qn);
    }
    if (m->pnum) {
        sayf(w, ", %u/%u", m->pno, m->pnum);
        say(w, " packets", " 包");
    }
    if (hj212_version(m) == HJ212_2005) say(w, ", 2005", "，2005 版");
    if (hj212_wants_answer(m)) say(w, ", answer wanted", "，需应答");
}

/* Diagnostics keep the beginning of a long frame only: its CP then has no end. */
static int parse_cut(struct str seg, char *head, size_t cap, struct hj212_message *ret)
{
    size_t at = 0;
    while (at + 5 < seg.n && memcmp(seg.p + at, "CP=&&", 5) != 0) at++;
    int n = snprintf(head, cap, "%.*sCP=&&&&", (int)(at < cap ? at : cap), seg.p);
    if (at + 5 >= seg.n || n < 0 || (size_t)n >= cap || hj212_message_parse(str_of(head), ret, NULL))
        return ERR_PROTOCOL;
    ret->cp = str_sub(seg, at + 5, seg.n);
    return 0;
}

void hj212_words(const void *p, size_t n, char *en, char *zh, size_t cap)
{
    struct words w = {en, zh, cap, 0, 0};
    struct str seg = str_make(p, n);
    struct hj212_message m;
    char head[400];
    if (cap == 0) return;
    en[0] = zh[0] = 0;
    if (n >= 6 && str_starts(seg, STR("##"))) {
        seg = str_sub(seg, 6, n - 6);
        if (str_ends(seg, STR("\r\n"))) seg = str_sub(seg, 0, seg.n > 6 ? seg.n - 6 : 0);
    }
    if (hj212_message_parse(seg, &m, NULL) && parse_cut(seg, head, sizeof head, &m)) {
        say(&w, "no HJ 212 message", "不是 HJ 212 报文");
        return;
    }
    say_head(&w, &m);
    struct hj212_cp it = hj212_cp_begin(m.cp);
    struct hj212_field f;
    for (unsigned k = 0; hj212_cp_next(&it, &f) && w.n_en + 1 < cap; k++) {
        say(&w, k ? "; " : ": ", k ? "；" : "：");
        say_field(&w, &f);
    }
}
