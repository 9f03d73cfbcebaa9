/* settings.c - what the platform sets by command: time-outs (1000), intervals (1062, 1064), the password (1072),
 * whether real-time data are reported (2011, 2012). A setting is told to be done (ExeRtn 1) when it is on disk, and
 * holds over restarts until the option that it overrides is changed by a user: with each stands the checksum of what
 * was configured. */
#include <stdio.h>
#include "base/crc32c.h"
#include "outlets/hj212/sender_int.h"

#define MINUTE_US (60 * TIME_US_PER_S)

static bool get_two(const char *text, int64_t *a, int64_t *b)
{
    struct str rest = str_of(text), first = str_cut(&rest, ' ');
    return str_to_i64(first, a) == 0 && str_to_i64(rest, b) == 0;
}

/* ---- each setting: as it stands, and the way in ---- */

static void show_timeouts(const struct hs_channel *ch, char *out, size_t cap)
{
    snprintf(out, cap, "%u %u", ch->cfg.timeout_ms, ch->cfg.tries);
}
static bool use_timeouts(struct hs_channel *ch, const char *text)
{
    int64_t ms, tries;
    if (!get_two(text, &ms, &tries)) return false;
    ch->cfg.timeout_ms = (uint32_t)ms;
    ch->cfg.tries = (unsigned)tries;
    return true;
}
static void show_rtd(const struct hs_channel *ch, char *out, size_t cap)
{
    snprintf(out, cap, "%lld", (long long)ch->cfg.rtd_us);
}
static bool use_rtd(struct hs_channel *ch, const char *text)
{
    if (str_to_i64(str_of(text), &ch->cfg.rtd_us)) return false;
    ch->rtd_next_us = hs_utc(ch);
    return true;
}
static void show_minutes(const struct hs_channel *ch, char *out, size_t cap)
{
    snprintf(out, cap, "%lld", (long long)ch->series[HS_MINUTE].period_us);
}
static bool use_minutes(struct hs_channel *ch, const char *text)
{
    int64_t us;
    if (str_to_i64(str_of(text), &us)) return false;
    hs_period_minutes(ch, us);
    return true;
}
static void show_password(const struct hs_channel *ch, char *out, size_t cap)
{
    snprintf(out, cap, "%s", ch->cfg.pw);
}
static bool use_password(struct hs_channel *ch, const char *text)
{
    return str_to_cstr(str_of(text), ch->cfg.pw, sizeof ch->cfg.pw);
}
static void show_reporting(const struct hs_channel *ch, char *out, size_t cap)
{
    snprintf(out, cap, "%d", ch->reports);
}
static bool use_reporting(struct hs_channel *ch, const char *text)
{
    ch->reports = strcmp(text, "0") != 0;
    return true;
}

enum { TIMEOUTS, RTD, MINUTES, PASSWORD, REPORTING, SETTINGS };
static const struct {
    const char *name;
    void (*show)(const struct hs_channel *ch, char *out, size_t cap);
    bool (*use)(struct hs_channel *ch, const char *text);
} settings[SETTINGS] = {
    [TIMEOUTS] = {"timeouts", show_timeouts, use_timeouts},     [RTD] = {"rtd", show_rtd, use_rtd},
    [MINUTES] = {"minutes", show_minutes, use_minutes},         [PASSWORD] = {"password", show_password, use_password},
    [REPORTING] = {"reporting", show_reporting, use_reporting},
};

/* ---- keeping ---- */

/* As it is kept: what was configured (eight digits), a space, what was set. */
static void kept_text(const struct hs_channel *ch, int which, const char *value, char *out, size_t cap)
{
    snprintf(out, cap, "%08x %s", ch->configured[which], value);
}

static void on_kept(void *arg, const struct error *e)
{
    struct hs_pending *p = arg;
    if (e) {
        hs_log(p->ch, DRIVER_LOG_WARN, "a setting of the platform was not stored and does not hold", e->text);
        hs_pending_end(p, HS_FAULTY);
        return;
    }
    (void)settings[p->setting].use(p->ch, p->value);
    hs_log(p->ch, DRIVER_LOG_INFO, "the platform has changed a setting", settings[p->setting].name);
    hs_pending_end(p, HS_DONE);
}

static int keep(struct hs_channel *ch, const struct hj212_message *m, int which, const char *value)
{
    const struct outlet_host *h = ch->base.host;
    char text[160];
    if (!h->keep) return settings[which].use(ch, value) ? HS_DONE : HS_CONDITIONS;
    struct hs_pending *p = hs_pending_new(ch, m);
    if (!p) return HS_FAULTY;
    p->setting = which;
    str_to_cstr(str_of(value), p->value, sizeof p->value);
    kept_text(ch, which, value, text, sizeof text);
    h->keep(h->ctx, settings[which].name, text, on_kept, p);
    return HS_LATER;
}

void hs_settings_load(struct hs_channel *ch)
{
    const struct outlet_host *h = ch->base.host;
    char text[160], was[16];
    ch->reports = true;
    for (int i = 0; i < SETTINGS; i++) {
        settings[i].show(ch, text, sizeof text);
        ch->configured[i] = crc32c(0, text, strlen(text));
    }
    for (int i = 0; h->kept && i < SETTINGS; i++) {
        if (!h->kept(h->ctx, settings[i].name, text, sizeof text)) continue;
        snprintf(was, sizeof was, "%08x ", ch->configured[i]);
        if (str_starts(str_of(text), str_of(was)) && settings[i].use(ch, text + strlen(was))) continue;
        h->keep(h->ctx, settings[i].name, NULL, NULL, NULL); /* the user has configured anew */
    }
}

/* ---- commands ---- */

static bool number(const struct hj212_message *m, const char *name, int64_t lo, int64_t hi, int64_t *ret)
{
    return str_to_i64(hj212_cp_get(m->cp, name), ret) == 0 && *ret >= lo && *ret <= hi;
}

int hs_set_timeouts(struct hs_channel *ch, const struct hj212_message *m)
{
    int64_t s, n;
    char text[60];
    if (!number(m, "OverTime", 1, 99999, &s) || !number(m, "ReCount", 0, 99, &n)) return HS_CONDITIONS;
    snprintf(text, sizeof text, "%lld %lld", (long long)s * 1000, (long long)n + 1);
    return keep(ch, m, TIMEOUTS, text);
}

int hs_set_rtd(struct hs_channel *ch, const struct hj212_message *m)
{
    int64_t n;
    char text[40];
    if (!number(m, "RtdInterval", 1, 3600, &n)) return HS_CONDITIONS;
    snprintf(text, sizeof text, "%lld", (long long)(n * TIME_US_PER_S));
    return keep(ch, m, RTD, text);
}

int hs_set_minutes(struct hs_channel *ch, const struct hj212_message *m)
{
    int64_t n;
    char text[40];
    if (!number(m, "MinInterval", 1, 1440, &n) || 1440 % n) return HS_CONDITIONS; /* a day must hold whole ones */
    snprintf(text, sizeof text, "%lld", (long long)(n * MINUTE_US));
    return keep(ch, m, MINUTES, text);
}

/* NewPW; 2005: PW. */
int hs_set_password(struct hs_channel *ch, const struct hj212_message *m)
{
    struct str pw = hj212_cp_get(m->cp, "NewPW");
    char text[HJ212_PW_MAX + 1];
    if (!pw.p) pw = hj212_cp_get(m->cp, "PW");
    if (pw.n == 0 || !str_to_cstr(pw, text, sizeof text) || !hs_code_ok(pw)) return HS_CONDITIONS;
    return keep(ch, m, PASSWORD, text);
}

void hs_set_reporting(struct hs_channel *ch, bool on)
{
    const struct outlet_host *h = ch->base.host;
    char text[40];
    ch->reports = on;
    kept_text(ch, REPORTING, "0", text, sizeof text);
    if (h->keep) h->keep(h->ctx, settings[REPORTING].name, on ? NULL : text, NULL, NULL);
}
