/* control.c - what the platform commands the instruments to do (3011 to 3021), carried out by points that are mapped to
 * it:
 *
 *   cmd/3011/w01018    zero and span calibration of w01018; cmd/3011: of whatever. So 3012 (take a sample), 3013
 * (clean), 3014 (compare). A number point is written 1, a text point the other parameters of the command
 *   cmd/3016/w01018    sampling period: Ctime in hours (a text point: CstartTime=000000,Ctime=2); 3017 asks for it
 *   set/w01018/i13004  parameter i13004 of w01018: 3021 sets it, 3020 asks for it
 *   3018/w01018        time from sample to value, minutes; 3019/w01018 serial number
 *
 * What no point is mapped to is refused (QnRtn 2). The result (9012) is that of the write. */
#include <stdio.h>
#include "base/utf8.h"
#include "outlets/hj212/sender_int.h"

#define TEXT_MAX 400

/* Commands, and the one under which their points stand. */
static const struct {
    uint16_t cn, point;
    bool writes;
} rows[] = {{3011, 3011, true},  {3012, 3012, true},  {3013, 3013, true},  {3014, 3014, true},  {3016, 3016, true},
            {3017, 3016, false}, {3018, 3018, false}, {3019, 3019, false}, {3020, 3021, false}, {3021, 3021, true}};

static int row_of(unsigned cn)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].cn == cn) return (int)i;
    return -1;
}

/* ---- addresses ---- */

static int parse_parameter(struct str s, struct hs_point *ret)
{
    struct str pol = str_cut(&s, '/');
    if (!hs_code_ok(pol) || !hs_code_ok(s)) return ERR_INVALID;
    ret->cn = 3021;
    str_to_cstr(pol, ret->code, sizeof ret->code);
    str_to_cstr(s, ret->info, sizeof ret->info);
    return 1;
}

int hs_control_parse(struct str s, struct hs_point *ret)
{
    uint64_t cn;
    bool cmd = str_starts(s, STR("cmd/")), plain = str_starts(s, STR("3018/")) || str_starts(s, STR("3019/"));
    if (!cmd && !plain && !str_starts(s, STR("set/"))) return 0;
    ret->kind = HS_CONTROL;
    if (cmd || plain) {
        if (cmd) s = str_sub(s, 4, s.n);
        struct str number = str_cut(&s, '/');
        if (str_to_u64(number, &cn) || (s.p && !hs_code_ok(s))) return ERR_INVALID;
        int at = row_of((unsigned)cn);
        if (at < 0 || rows[at].writes != cmd || rows[at].point != cn || cn == 3021) return ERR_INVALID;
        ret->cn = (uint16_t)cn;
        str_to_cstr(s, ret->code, sizeof ret->code);
        return 1;
    }
    return parse_parameter(str_sub(s, 4, s.n), ret);
}

void hs_control_text(const struct hs_point *p, char *out, size_t cap)
{
    if (p->cn == 3021)
        snprintf(out, cap, "set/%s/%s", p->code, p->info);
    else
        snprintf(out, cap, "%s%u%s%s", p->cn < 3018 ? "cmd/" : "", p->cn, p->code[0] ? "/" : "", p->code);
}

/* ---- which point ---- */

static const struct hs_point *find(const struct hs_channel *ch, unsigned cn, struct str pol, struct str info)
{
    const struct hs_point *any = NULL;
    for (size_t i = 0; i < ch->npoints; i++) {
        const struct hs_point *p = &ch->points[i];
        if (p->kind != HS_CONTROL || p->clash || p->cn != cn || (cn == 3021 && !str_is(info, p->info))) continue;
        if (str_is(pol, p->code)) return p;
        if (!p->code[0]) any = p;
    }
    return any;
}

static const struct hs_point *point_of(const struct hs_channel *ch, const struct hj212_message *m, int *ret_row)
{
    *ret_row = row_of(m->cn);
    if (*ret_row < 0) return NULL;
    return find(ch, rows[*ret_row].point, hj212_cp_get(m->cp, "PolId"), hj212_cp_get(m->cp, "InfoId"));
}

int hs_control_ready(struct hs_channel *ch, const struct hj212_message *m)
{
    int row;
    const struct hs_point *p = point_of(ch, m, &row);
    return p && (p->writable || !rows[row].writes) ? HS_READY : HS_REFUSED;
}

/* ---- answers ---- */

/* The value as it stands in a message: text with separators between slashes. false: there is none. */
static bool value_text(const struct hs_channel *ch, const struct hs_point *p, struct buf *out)
{
    const struct outlet_host *h = ch->base.host;
    struct sample s;
    char text[TEXT_MAX];
    size_t n = 0;
    double x;
    if (!h->current(h->ctx, p->slot, &s, text, sizeof text, &n) || s.quality == QUALITY_BAD) return false;
    if (s.type == SAMPLE_STRING) {
        bool quote = memchr(text, ',', n) || memchr(text, ';', n);
        if (quote && p->cn == 3021) buf_z(out, "//");
        buf_str(out, str_make(text, n));
        if (quote && p->cn == 3021) buf_z(out, "//");
        return n > 0;
    }
    if (!hs_number(&s, &x)) return false;
    hs_put_number(out, x, p->decimals);
    return true;
}

static void put_answer(const struct hs_channel *ch, const struct hj212_message *m, const struct hs_point *p,
                       struct buf *cp)
{
    struct str pol = hj212_cp_get(m->cp, "PolId");
    char time[HJ212_TIME_TEXT];
    if (m->cn == 3020) buf_printf(cp, "DataTime=%s;", hj212_time_format(hs_utc(ch), ch->cfg.tz_minutes, false, time));
    if (pol.n) buf_printf(cp, "PolId=%.*s,", STR_ARG(pol));
    if (m->cn == 3017 && !p->text) buf_z(cp, "CstartTime=000000,Ctime=");
    if (m->cn == 3018) buf_z(cp, "Stime=");
    if (m->cn == 3019) buf_printf(cp, "%.*s-SN=", STR_ARG(pol));
    if (m->cn == 3020) buf_printf(cp, "%s-Info=", p->info);
}

static int tell_value(struct hs_channel *ch, const struct hj212_message *m, const struct hs_point *p)
{
    struct buf cp;
    buf_init(&cp, 2048);
    put_answer(ch, m, p, &cp);
    bool some = value_text(ch, p, &cp) && !cp.err;
    if (some) hs_send_data(ch, m->cn, m->qn, buf_view(&cp));
    buf_fini(&cp);
    return some ? HS_DONE : HS_NOTHING;
}

/* ---- commands ---- */

static int exertn_of(const struct driver_write_result *r)
{
    int code = r->error ? r->error->code : 0;
    if (r->outcome == DRIVER_DONE) return HS_DONE;
    if (r->outcome == DRIVER_REFUSED) return code == ERR_INVALID ? HS_CONDITIONS : HS_FAILED;
    return HS_SILENT;
}

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct hs_pending *p = arg;
    p->ch->st.writes++;
    if (r->outcome != DRIVER_DONE)
        hs_log(p->ch, DRIVER_LOG_WARN, "a command of the platform failed", r->error ? r->error->text : NULL);
    hs_pending_end(p, exertn_of(r));
}

/* The parameters of the command but the pollutant, as they came. */
static void parameters(struct str cp, char *out, size_t cap)
{
    size_t n = 0;
    out[0] = 0;
    while (cp.p) {
        size_t end = 0;
        while (end < cp.n && cp.p[end] != ',' && cp.p[end] != ';') end++;
        struct str part = str_sub(cp, 0, end);
        if (part.n && !str_starts(part, STR("PolId=")) && n + part.n + 2 < cap)
            n += (size_t)snprintf(out + n, cap - n, "%s%.*s", n ? "," : "", STR_ARG(part));
        cp = end < cp.n ? str_sub(cp, end + 1, cp.n) : STR_NULL;
    }
}

/* What the command carries for the point. */
static struct str argument(const struct hj212_message *m, const struct hs_point *p)
{
    char name[HS_CODE_MAX + 8] = "Ctime";
    if (m->cn == 3021) snprintf(name, sizeof name, "%s-Info", p->info);
    return hj212_cp_get(m->cp, name);
}

static int value_of(const struct hj212_message *m, const struct hs_point *p, struct outlet_write *w,
                    char text[TEXT_MAX])
{
    bool carries = m->cn == 3016 || m->cn == 3021;
    struct str s = carries ? argument(m, p) : STR_NULL;
    double x = 1;
    if (p->text) {
        if (m->cp.n >= TEXT_MAX / 2) return HS_CONDITIONS;
        if (m->cn == 3021)
            hj212_text(s, text, TEXT_MAX); /* without its slashes, GBK as UTF-8 */
        else
            parameters(m->cp, text, TEXT_MAX);
        w->value.type = SAMPLE_STRING;
        w->text = text;
        w->text_len = strlen(text);
        return utf8_valid(str_of(text)) ? 0 : HS_CONDITIONS;
    }
    if (carries && (str_to_double(s, &x) || !isfinite(x))) return HS_CONDITIONS;
    w->value = (struct sample){.type = SAMPLE_DOUBLE, .v.d = x};
    return 0;
}

int hs_control_run(struct hs_channel *ch, const struct hj212_message *m)
{
    const struct outlet_host *h = ch->base.host;
    int row;
    const struct hs_point *p = point_of(ch, m, &row);
    char text[TEXT_MAX], peer[64];
    struct outlet_write w = {.peer = peer, .done = on_written};
    if (!p) return HS_CONDITIONS;
    if (!rows[row].writes) return tell_value(ch, m, p);
    int exertn = value_of(m, p, &w, text);
    if (exertn) return exertn;
    w.slot = p->slot;
    w.arg = hs_pending_new(ch, m);
    if (!w.arg) return HS_FAULTY;
    snprintf(peer, sizeof peer, "%.50s:%u", ch->cfg.host, ch->cfg.port);
    h->write(h->ctx, &w);
    return HS_LATER;
}
