/* fill.c - see fill.h: times (${now}, ${now-1h:s}, ${last:%Y-%m-%d}) and the value that is written
 * (${value}, ${json:value}). "$${" stands for "${". */
#include "base/encode.h"
#include "base/json.h"
#include "base/time.h"
#include "drivers/common/fill.h"
#include "drivers/common/payload_read.h"

#define VALUE_MAX (256u << 10)
#define NAMES "now, last (with -1h, +5m; forms :s :ms :us :ns :%Y-%m-%d)"

static int unknown(struct str name, bool value, struct error *e)
{
    name = str_sub(name, 0, 40);
    return error_set(e, ERR_INVALID, "", "${%.*s} is unknown; there are %s%s", "${%.*s} 未知；可用 %s%s", STR_ARG(name),
                     NAMES, value ? ", value, json:value" : "");
}

static void put(struct buf *out, const struct fill *t, struct str s)
{
    if (!out) return;
    if (t->url)
        percent_encode(out, s);
    else
        buf_str(out, s);
}

/* ---- times ---- */

static bool pattern_field(char c, const struct civil *t, int64_t us, char *out, size_t cap)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    switch (c) {
    case 'Y': return snprintf(out, cap, "%04d", t->year) > 0;
    case 'y': return snprintf(out, cap, "%02d", t->year % 100) > 0;
    case 'm': return snprintf(out, cap, "%02d", t->month) > 0;
    case 'd': return snprintf(out, cap, "%02d", t->day) > 0;
    case 'b': return snprintf(out, cap, "%.3s", months + 3 * (t->month - 1)) > 0;
    case 'H': return snprintf(out, cap, "%02d", t->hour) > 0;
    case 'M': return snprintf(out, cap, "%02d", t->minute) > 0;
    case 'S': return snprintf(out, cap, "%02d", t->second) > 0;
    case 'f': return snprintf(out, cap, "%03d", t->micro / 1000) > 0;
    case '%': return snprintf(out, cap, "%%") > 0;
    default: return false;
    }
}

static bool by_pattern(struct str p, int64_t us, struct buf *b)
{
    struct civil t = civil_from_us(us);
    char text[16];
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] != '%') {
            buf_u8(b, (uint8_t)p.p[i]);
            continue;
        }
        if (++i == p.n || !pattern_field(p.p[i], &t, us, text, sizeof text)) return false;
        buf_z(b, text);
    }
    return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool by_form(struct str form, int64_t us, const struct fill *t, struct buf *b)
{
    char text[TIME_TEXT_MAX];
    if (!form.p)
        buf_z(b, time_format(us, text));
    else if (str_is(form, "s"))
        buf_printf(b, "%lld", (long long)floor_div(us, 1000000));
    else if (str_is(form, "ms"))
        buf_printf(b, "%lld", (long long)floor_div(us, 1000));
    else if (str_is(form, "us"))
        buf_printf(b, "%lld", (long long)us);
    else if (str_is(form, "ns"))
        buf_printf(b, "%lld000", (long long)us);
    else if (str_find(form, '%') >= 0)
        return by_pattern(form, us + (t->zone ? payload_zone_offset_us(t->zone, us) : 0), b);
    else
        return false;
    return true;
}

/* "now-1h30m" → microseconds; the offset one duration with its sign. */
static bool time_of(struct str name, const struct fill *t, int64_t *ret)
{
    struct str rest = str_sub(name, str_starts(name, STR("last")) ? 4 : 3, name.n);
    int64_t by = 0;
    *ret = str_starts(name, STR("last")) ? t->last_us : t->now_us;
    if (!rest.n) return true;
    if ((rest.p[0] != '-' && rest.p[0] != '+') || duration_parse(str_sub(rest, 1, rest.n), &by, NULL)) return false;
    *ret += rest.p[0] == '-' ? -by : by;
    return *ret > TIME_MIN_US && *ret < TIME_MAX_US;
}

static int put_time(struct str all, const struct fill *t, struct buf *out, struct error *e)
{
    int64_t us = 0;
    struct buf b;
    struct str form = all, name = str_cut(&form, ':');
    buf_init(&b, 200);
    int rc = time_of(name, t, &us) && by_form(form, us, t, &b) && !b.err ? 0 : unknown(all, t->value != NULL, e);
    if (!rc) put(out, t, buf_view(&b));
    buf_fini(&b);
    return rc;
}

/* ---- the value ---- */

static void value_text(const struct fill_value *v, bool json, struct buf *b)
{
    struct json_writer w = json_writer(b);
    if (v->s->type == SAMPLE_STRING && json)
        jw_str(&w, v->text);
    else if (v->s->type == SAMPLE_STRING)
        buf_str(b, v->text);
    else if (v->s->type == SAMPLE_BOOL)
        buf_z(b, v->s->v.i ? "true" : "false");
    else if (v->s->type == SAMPLE_INT)
        buf_printf(b, "%lld", (long long)v->s->v.i);
    else
        buf_double(b, v->s->v.d);
}

static int put_value(bool json, const struct fill *t, struct buf *out, struct error *e)
{
    struct buf b;
    buf_init(&b, VALUE_MAX);
    if (t->value->s) value_text(t->value, json, &b);
    int rc = b.err ? error_set(e, b.err, "", "the value is too long", "数值过长") : 0;
    if (!rc) put(out, t, buf_view(&b));
    buf_fini(&b);
    return rc;
}

/* ---- all ---- */

static int put_name(struct str name, const struct fill *t, struct buf *out, struct error *e)
{
    bool json = str_is(name, "json:value");
    if (t->value && (json || str_is(name, "value"))) return put_value(json, t, out, e);
    if (str_starts(name, STR("now")) || str_starts(name, STR("last"))) return put_time(name, t, out, e);
    return unknown(name, t->value != NULL, e);
}

int fill_text(const char *text, const struct fill *t, struct buf *out, struct error *e)
{
    for (const char *at; (at = strstr(text, "${")) != NULL;) {
        bool plain = at > text && at[-1] == '$';
        const char *end = plain ? at + 1 : strchr(at, '}');
        if (!end)
            return error_set(e, ERR_INVALID, "", "'%.20s' has no closing '}'; write $${ for a plain ${",
                             "“%.20s”缺少“}”；如需原样的 ${ 请写 $${", at);
        if (out) buf_str(out, str_make(text, (size_t)(at - text) - plain));
        if (plain && out) buf_z(out, "${");
        int rc = plain ? 0 : put_name(str_make(at + 2, (size_t)(end - at - 2)), t, out, e);
        if (rc) return rc;
        text = end + 1;
    }
    if (out) buf_z(out, text);
    return out && out->err ? error_set(e, out->err, "", "the request is too long", "请求过长") : 0;
}
