/* point.c - addresses, and a field of a message as a sample. Pure but for the interning of texts.
 *
 *   2011/w01018-Rtd    a field of the data of a command; short form w01018 for 2011/w01018-Rtd, 2051/w01018 for -Avg
 *   RT! MIN! HOUR! DAY! in front stand for 2011, 2051, 2061, 2031
 *   set/RtdInterval    a setting; set/w01018/i13004: parameter i13004 of w01018 (3021)
 *   cmd/3011/w01018    a command, with the pollutant where it needs one
 *   recall/2051        ask for data of the past
 *   clock              the instrument's clock minus ours, in seconds */
#include <stdio.h>
#include "drivers/hj212/hj212_int.h"

static const struct hj_setting settings[] = {
    {"RtdInterval", 1062, 1061, VALUE_INT32, true, 1, 3600},  {"MinInterval", 1064, 1063, VALUE_INT32, true, 1, 1440},
    {"SystemTime", 1012, 1011, VALUE_STRING, true, NAN, NAN}, {"OverTime", 1000, 0, VALUE_INT32, true, 1, 99999},
    {"ReCount", 1000, 0, VALUE_INT32, true, 0, 99},           {"NewPW", 1072, 0, VALUE_STRING, false, NAN, NAN},
};
static const struct hj_setting parameter = {"", 3021, 3020, VALUE_AUTO, true, NAN, NAN};

static const struct {
    const char *name;
    unsigned cn;
} areas[] = {{"RT!", 2011}, {"MIN!", 2051}, {"HOUR!", 2061}, {"DAY!", 2031}};

static int wrong(struct error *e, const char *text)
{
    return error_set(
        e, ERR_INVALID, "address",
        "'%.60s' is no address: write w01018, 2011/w01018-Rtd, 2051/a21026-Avg, 2021/SB1-RS, set/RtdInterval, "
        "cmd/3011/w01018, recall/2051 or clock",
        "“%.60s”不是有效地址：请写 w01018、2011/w01018-Rtd、2051/a21026-Avg、2021/SB1-RS、set/RtdInterval、"
        "cmd/3011/w01018、recall/2051 或 clock",
        text);
}

static bool word(struct str s, char *out)
{
    if (s.n == 0 || s.n >= HJ_NAME_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
                  c == '.';
        if (!ok) return false;
    }
    return str_to_cstr(s, out, HJ_NAME_MAX);
}

static unsigned command(struct str s)
{
    uint64_t n;
    return s.n == 4 && str_to_u64(s, &n) == 0 ? (unsigned)n : 0;
}

static bool parse_set(struct str rest, struct hj_address *a)
{
    struct str first = str_cut(&rest, '/');
    a->kind = HJ_SET;
    if (rest.n) { /* set/w01018/i13004 */
        char id[HJ_NAME_MAX];
        a->setting = &parameter;
        a->cn = parameter.get;
        if (!word(first, a->pol) || !word(rest, id) || rest.n > HJ_NAME_MAX - 6) return false;
        snprintf(a->name, sizeof a->name, "%.33s-Info", id);
        return true;
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!str_is(first, settings[i].name)) continue;
        a->setting = &settings[i];
        a->cn = settings[i].get;
        return word(first, a->name);
    }
    return false;
}

static bool parse_command(struct str rest, struct hj_address *a)
{
    struct str cn = str_cut(&rest, '/');
    const struct hj212_command *c = hj212_command(a->cn = command(cn));
    a->kind = HJ_COMMAND;
    return c && c->kind != HJ212_ANSWER && c->kind != HJ212_UPLOAD && (rest.n == 0 || word(rest, a->pol));
}

static bool parse_recall(struct str rest, struct hj_address *a)
{
    a->kind = HJ_RECALL;
    a->cn = command(rest);
    return a->cn == 2031 || a->cn == 2041 || a->cn == 2051 || a->cn == 2061 || a->cn == 2071;
}

static bool parse_data(struct str s, struct hj_address *a)
{
    a->kind = HJ_DATA;
    a->cn = 2011;
    for (size_t i = 0; i < sizeof areas / sizeof *areas; i++) {
        if (!str_starts(s, str_of(areas[i].name))) continue;
        a->cn = areas[i].cn;
        s = str_sub(s, strlen(areas[i].name), s.n);
    }
    if (str_find(s, '/') >= 0) {
        a->cn = command(str_cut(&s, '/'));
        if (a->cn == 0) return false;
    }
    if (!word(s, a->name)) return false;
    bool plain_code = str_find(s, '-') < 0 && hj212_code(s) != NULL;
    bool period = a->cn == 2051 || a->cn == 2061 || a->cn == 2031;
    if (plain_code && s.n + 5 < sizeof a->name)
        snprintf(a->name + s.n, sizeof a->name - s.n, "%s", period ? "-Avg" : "-Rtd");
    return plain_code || str_find(s, '-') > 0 || a->cn != 2011;
}

int hj_address_parse(const char *text, struct hj_address *ret, struct error *e)
{
    struct str s = str_trim(str_of(text ? text : ""));
    *ret = (struct hj_address){0};
    bool ok;
    if (str_is(s, "clock")) {
        ret->kind = HJ_CLOCK;
        ok = true;
    } else if (str_starts(s, STR("set/"))) {
        ok = parse_set(str_sub(s, 4, s.n), ret);
    } else if (str_starts(s, STR("cmd/"))) {
        ok = parse_command(str_sub(s, 4, s.n), ret);
    } else if (str_starts(s, STR("recall/"))) {
        ok = parse_recall(str_sub(s, 7, s.n), ret);
    } else {
        ok = parse_data(s, ret);
    }
    return ok ? 0 : wrong(e, text ? text : "");
}

void hj_address_format(const struct hj_address *a, char *out, size_t cap)
{
    size_t n = strlen(a->name);
    switch (a->kind) {
    case HJ_CLOCK: snprintf(out, cap, "clock"); break;
    case HJ_COMMAND: snprintf(out, cap, "cmd/%u%s%s", a->cn, a->pol[0] ? "/" : "", a->pol); break;
    case HJ_RECALL: snprintf(out, cap, "recall/%u", a->cn); break;
    case HJ_SET:
        if (a->pol[0])
            snprintf(out, cap, "set/%s/%.*s", a->pol, (int)(n > 5 ? n - 5 : n), a->name);
        else
            snprintf(out, cap, "set/%s", a->name);
        break;
    case HJ_DATA: snprintf(out, cap, "%u/%s", a->cn, a->name); break;
    }
}

bool hj_address_writable(const struct hj_address *a)
{
    return a->kind == HJ_SET || a->kind == HJ_COMMAND || a->kind == HJ_RECALL;
}

static bool is_text(struct str name)
{
    static const char *const ends[] = {"-Flag", "-SampleTime", "-EFlag", "-Info", "-SN", "Time", "PolId", "InfoId"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (str_ends(name, str_of(ends[i]))) return true;
    return false;
}

enum value_type hj_address_type(const struct hj_address *a)
{
    if (a->kind == HJ_SET) return a->setting->type == VALUE_AUTO ? VALUE_DOUBLE : a->setting->type;
    if (a->kind == HJ_CLOCK) return VALUE_DOUBLE;
    if (a->kind == HJ_COMMAND) return VALUE_BOOL;
    if (a->kind == HJ_RECALL) return VALUE_DOUBLE; /* hours */
    return is_text(str_of(a->name)) ? VALUE_STRING : VALUE_DOUBLE;
}

int hj_point_check(const struct driver_point *p, struct hj_address *ret, enum value_type *ret_type, struct error *e)
{
    int rc = hj_address_parse(p->address, ret, e);
    if (rc) return rc;
    *ret_type = p->type == VALUE_AUTO ? hj_address_type(ret) : p->type;
    return 0;
}

/* ---- values ---- */

static void set_text(const struct hj_channel *ch, struct hj_point *p, struct str value, struct sample *s)
{
    const struct driver_host *h = ch->base.host;
    char text[1024];
    size_t n = hj212_text(value, text, sizeof text);
    s->type = SAMPLE_STRING;
    bool same = p->text_known && n < sizeof p->text && strcmp(text, p->text) == 0;
    if (!same && h->intern(h->ctx, text, n, &p->text_id)) {
        s->type = SAMPLE_NONE;
        s->quality = QUALITY_BAD;
        s->flags = REASON_DEVICE_EXCEPTION;
        return;
    }
    p->text_known = n < sizeof p->text;
    if (p->text_known) str_to_cstr(str_make(text, n), p->text, sizeof p->text);
    s->v.u = p->text_id;
}

static bool integer_type(enum value_type t)
{
    return t >= VALUE_INT8 && t <= VALUE_UINT64 && t != VALUE_FLOAT && t != VALUE_DOUBLE;
}

static void set_number(const struct hj_point *p, double raw, struct sample *s)
{
    double x = raw * p->scale + p->offset;
    if (p->type == VALUE_BOOL) {
        s->type = SAMPLE_BOOL;
        s->v.i = x != 0;
        return;
    }
    if (integer_type(p->type) && p->scale == 1 && p->offset == 0 && fabs(raw) < 9e15) {
        s->type = SAMPLE_INT;
        s->v.i = (int64_t)llround(raw);
    } else {
        s->type = SAMPLE_DOUBLE;
        s->v.d = x;
    }
    if (s->quality == QUALITY_GOOD && (x < p->lo || x > p->hi)) {
        s->quality = QUALITY_UNCERTAIN;
        s->flags = REASON_OUT_OF_RANGE;
    }
}

void hj_value(const struct hj_channel *ch, struct hj_point *p, struct str value, struct str flag, struct sample *s)
{
    const struct hj212_flag *f = flag.n ? hj212_flag(flag) : NULL;
    double raw;
    s->point = p->num;
    s->quality = f ? f->quality : flag.n ? QUALITY_UNCERTAIN : QUALITY_GOOD;
    s->flags = f ? f->reason : flag.n ? REASON_DEVICE_EXCEPTION : 0;
    if (p->type == VALUE_STRING) {
        s->quality = QUALITY_GOOD; /* a flag or a text says what it says */
        s->flags = 0;
        set_text(ch, p, value, s);
    } else if (str_to_double(value, &raw) == 0 && isfinite(raw)) {
        set_number(p, raw, s);
    } else {
        s->type = SAMPLE_NONE;
        if (s->quality != QUALITY_BAD) s->flags = REASON_NOT_A_NUMBER;
        s->quality = QUALITY_BAD;
    }
}
