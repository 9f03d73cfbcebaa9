/* iec104_words.c - frames and values for people. */
#include <stdarg.h>
#include <stdio.h>
#include "base/utf8.h"
#include "proto/iec104.h"

#define OBJECTS_SHOWN 6

struct words {
    char *p;
    size_t n, cap;
    bool zh;
};

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *fmt, ...)
{
    va_list ap;
    if (w->n + 1 >= w->cap) return;
    va_start(ap, fmt);
    int n = vsnprintf(w->p + w->n, w->cap - w->n, fmt, ap);
    va_end(ap);
    if (n > 0) w->n += (size_t)n;
    if (w->n >= w->cap) w->n = w->cap - 1;
}

/* Both texts take the same arguments in the same order. */
__attribute__((format(printf, 2, 4))) __attribute__((format(printf, 3, 4))) static void
say(struct words *w, const char *en, const char *zh, ...)
{
    va_list ap;
    if (w->n + 1 >= w->cap) return;
    va_start(ap, zh);
    int n = vsnprintf(w->p + w->n, w->cap - w->n, w->zh ? zh : en, ap);
    va_end(ap);
    if (n > 0) w->n += (size_t)n;
    if (w->n >= w->cap) w->n = w->cap - 1;
}

static const char *pick(const struct words *w, const char *en, const char *zh)
{
    return w->zh ? zh : en;
}

static const struct {
    uint8_t cause;
    const char *en, *zh;
} causes[] = {
    {IEC104_PERIODIC, "periodic", "周期、循环"},
    {IEC104_BACKGROUND, "background scan", "背景扫描"},
    {IEC104_SPONTANEOUS, "spontaneous", "突发（自发）"},
    {IEC104_INITIALIZED, "initialized", "初始化"},
    {IEC104_REQUEST, "requested", "请求或被请求"},
    {IEC104_ACT, "activation", "激活"},
    {IEC104_ACTCON, "activation confirmed", "激活确认"},
    {IEC104_DEACT, "deactivation", "停止激活"},
    {IEC104_DEACTCON, "deactivation confirmed", "停止激活确认"},
    {IEC104_ACTTERM, "activation terminated", "激活终止"},
    {IEC104_RETREM, "return information of a remote command", "远方命令引起的返送信息"},
    {IEC104_RETLOC, "return information of a local command", "当地命令引起的返送信息"},
    {IEC104_FILE, "file transfer", "文件传输"},
    {IEC104_INROGEN, "general interrogation", "响应站召唤"},
    {IEC104_REQCOGEN, "counter interrogation", "响应累计量站召唤"},
    {IEC104_UNKNOWN_TYPE, "unknown type", "未知的类型标识"},
    {IEC104_UNKNOWN_CAUSE, "unknown cause of transmission", "未知的传送原因"},
    {IEC104_UNKNOWN_CA, "unknown common address", "未知的公共地址"},
    {IEC104_UNKNOWN_IOA, "unknown information object address", "未知的信息对象地址"},
};

const char *iec104_cause_words(unsigned cause, bool zh)
{
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].cause == cause) return zh ? causes[i].zh : causes[i].en;
    if (cause > IEC104_INROGEN && cause <= 36) return zh ? "响应第 n 组召唤" : "interrogation of a group";
    if (cause > IEC104_REQCOGEN && cause <= 41)
        return zh ? "响应第 n 组累计量召唤" : "counter interrogation of a group";
    return zh ? "未定义的传送原因" : "an undefined cause of transmission";
}

/* What was cut stops at a whole character. */
static void end(struct words *w)
{
    if (w->cap) w->p[utf8_check(str_make(w->p, w->n))] = 0;
}

/* ---- values ---- */

static void number(struct words *w, const struct iec104_type *t, const struct iec104_object *o)
{
    static const char *const en[] = {"between", "off", "on", "faulty"};
    static const char *const zh[] = {"中间", "分", "合", "不确定"};
    switch (t->form) {
    case IEC104_SINGLE:
    case IEC104_COMMAND1: add(w, "%s", pick(w, o->i ? "on" : "off", o->i ? "合" : "分")); break;
    case IEC104_DOUBLE:
    case IEC104_PROTECTION: add(w, "%s", w->zh ? zh[o->i & 3] : en[o->i & 3]); break;
    case IEC104_COMMAND2:
        if (t->family == IEC104_C_RC_NA)
            add(w, "%s", pick(w, o->i == 2 ? "higher" : "lower", o->i == 2 ? "升" : "降"));
        else
            add(w, "%s", pick(w, o->i == 2 ? "on" : "off", o->i == 2 ? "合" : "分"));
        break;
    case IEC104_BITS:
    case IEC104_CHANGES: add(w, "0x%llx", (unsigned long long)o->i); break;
    case IEC104_FLOAT: add(w, "%.7g", o->d); break;
    case IEC104_NORMALIZED: add(w, "%.5f (%lld)", o->d, (long long)o->i); break;
    case IEC104_NOTHING: break;
    default: add(w, "%lld", (long long)o->i); break;
    }
}

static void quality(struct words *w, const struct iec104_object *o)
{
    static const struct {
        uint16_t bit;
        const char *text;
    } bits[] = {{IEC104_IV, "IV"}, {IEC104_NT, "NT"}, {IEC104_SB, "SB"}, {IEC104_BL, "BL"},
                {IEC104_OV, "OV"}, {IEC104_EI, "EI"}, {IEC104_CY, "CY"}, {IEC104_CA, "CA"}};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (o->quality & bits[i].bit) add(w, " %s", bits[i].text);
    if (o->transient) add(w, " %s", pick(w, "moving", "动作中"));
}

static void stamp(struct words *w, const struct iec104_time *t)
{
    if (!t->set) return;
    if (t->full) add(w, " 20%02u-%02u-%02uT%02u:", t->year, t->month, t->day, t->hour);
    if (!t->full) add(w, " ");
    add(w, "%02u:%02u.%03u%s%s", t->minute, t->ms / 1000u, t->ms % 1000u, t->summer ? " SU" : "",
        t->invalid ? pick(w, " time IV", " 时标 IV") : "");
}

static void value(struct words *w, const struct iec104_type *t, const struct iec104_object *o)
{
    number(w, t, o);
    quality(w, o);
    if (o->select) add(w, " %s", pick(w, "select", "选择"));
}

void iec104_value_words(const struct iec104_type *t, const struct iec104_object *o, bool zh, char *out, size_t cap)
{
    struct words w = {out, 0, cap, zh};
    if (cap) out[0] = 0;
    value(&w, t, o);
    end(&w);
}

/* ---- frames ---- */

/* How many objects are whole in what we have of them. */
static unsigned whole_objects(const struct iec104_asdu *a)
{
    size_t size = iec104_element_size(a->type), n = a->objects_n;
    size_t k = a->sequence ? (n < 3 ? 0 : size ? (n - 3) / size : 1) : n / (3 + size);
    return k < a->count ? (unsigned)k : a->count;
}

static void objects(struct words *w, const struct iec104_asdu *a)
{
    unsigned show = whole_objects(a);
    if (show > OBJECTS_SHOWN) show = OBJECTS_SHOWN;
    for (unsigned k = 0; k < show; k++) {
        struct iec104_object o = iec104_object(a, k);
        add(w, "%s%u", k ? ", " : ": ", o.ioa);
        if (a->type->form != IEC104_NOTHING) add(w, " = ");
        value(w, a->type, &o);
        stamp(w, &o.time);
    }
    if (a->count > show) add(w, ", …");
}

/* cut: the rest of it was not kept. */
static void asdu(struct words *w, const uint8_t *p, size_t n, bool cut)
{
    struct iec104_asdu a = {0};
    struct error e;
    int rc = iec104_asdu_decode(p, n, &a, &e);
    if (rc == ERR_PROTOCOL && !(cut && a.type && a.count)) {
        add(w, " %s", pick(w, e.text, e.text_zh));
        return;
    }
    if (a.type)
        add(w, " %s %s", a.type->name, pick(w, a.type->en, a.type->zh));
    else
        add(w, " %s %u", pick(w, "type", "类型"), p[0]);
    say(w, ", %s%s%s, CA %u", "，%s%s%s，公共地址 %u", iec104_cause_words(a.cause, w->zh),
        a.negative ? pick(w, ", negative", "，否定") : "", a.test ? pick(w, ", test", "，试验") : "", a.ca);
    if (a.originator) say(w, ", originator %u", "，源发者 %u", a.originator);
    if (a.count > 1) say(w, ", %u objects", "，%u 个对象", a.count);
    if (a.type) objects(w, &a);
}

static void function(struct words *w, unsigned f)
{
    const char *what = f & 0x0c ? "STARTDT" : f & 0x30 ? "STOPDT" : "TESTFR";
    bool con = f == IEC104_STARTDT_CON || f == IEC104_STOPDT_CON || f == IEC104_TESTFR_CON;
    add(w, "U %s %s", what, pick(w, con ? "con" : "act", con ? "确认" : "激活"));
}

/* An I frame of which the beginning was kept. */
static void long_frame(struct words *w, const uint8_t *p, size_t n)
{
    add(w, "I(%u,%u)", (unsigned)(p[2] | p[3] << 8) >> 1, (unsigned)(p[4] | p[5] << 8) >> 1);
    asdu(w, p + 6, n - 6, true);
}

void iec104_words(const uint8_t *p, size_t n, bool zh, char *out, size_t cap)
{
    struct words w = {out, 0, cap, zh};
    struct iec104_apdu f;
    struct error e = {0};
    if (cap) out[0] = 0;
    int rc = iec104_apdu_next(p, n, &f, &e);
    if (rc < 0)
        add(&w, "%s", pick(&w, e.text, e.text_zh));
    else if (rc == 0 && n >= 12 && (p[2] & 1) == 0)
        long_frame(&w, p, n);
    else if (rc == 0)
        say(&w, "part of a frame: %zu bytes", "不完整的帧：%zu 字节", n);
    else if (f.format == IEC104_U)
        function(&w, f.function);
    else if (f.format == IEC104_S)
        add(&w, "S(%u)", f.nr);
    else
        add(&w, "I(%u,%u)", f.ns, f.nr);
    if (rc > 0 && f.format == IEC104_I) asdu(&w, f.asdu, f.asdu_n, false);
    end(&w);
}
