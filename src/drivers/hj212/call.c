/* call.c - what somebody asks for: a write, a reading, a test.
 *
 * A write is a request to the instrument (set/…, cmd/…, recall/…). Settings are sent again when no answer comes (the
 * same QN; the instrument carries it out once); commands and the password are sent once. What the end of the exchange
 * means stands in outcome_of. Settings that can be asked for are read back. A reading is the newest value that came:
 * the instrument reports by itself. */
#include <stdio.h>
#include "drivers/hj212/hj212_int.h"

/* ---- ends of writes ---- */

static void answer_write(driver_write_done *done, void *arg, enum driver_outcome outcome, const struct error *e,
                         uint32_t ms)
{
    struct driver_write_result r = {.outcome = outcome, .error = e, .ms = ms};
    done(arg, &r);
}

static void job_done(struct hj_channel *ch, struct hj_job *j, enum driver_outcome outcome, const struct error *e)
{
    struct driver_write_result r = {
        .outcome = outcome, .error = e, .ms = (uint32_t)((hj_now(ch) - j->began_ns) / NS_MS)};
    for (struct hj_job **p = &ch->jobs; *p; p = &(*p)->next) {
        if (*p != j) continue;
        *p = j->next;
        break;
    }
    if (outcome == DRIVER_DONE) ch->st.writes++;
    if (outcome == DRIVER_DONE && j->has_back) {
        r.has_readback = true;
        r.readback = j->back;
        r.text = j->back_text;
        r.text_len = strlen(j->back_text);
    }
    j->done(j->arg, &r);
    mem_free(j);
}

static void refusal(const struct hj212_ended *x, struct error *e)
{
    const struct hj212_number *n = x->executing ? hj212_exertn(x->code) : hj212_qnrtn(x->code);
    const char *which = x->executing ? "ExeRtn" : "QnRtn";
    *e = (struct error){.code = ERR_DEVICE};
    snprintf(e->text, sizeof e->text, "the instrument refused command %u: %s (%s %d)", x->cn,
             n ? n->en : "unknown code", which, x->code);
    snprintf(e->text_zh, sizeof e->text_zh, "仪器拒绝命令 %u：%s（%s %d）", x->cn, n ? n->zh : "未知代码", which,
             x->code);
}

static enum driver_outcome outcome_of(const struct hj212_ended *x, struct error *e)
{
    switch (x->end) {
    case HJ212_END_DONE: return DRIVER_DONE;
    case HJ212_END_REFUSED: refusal(x, e); return x->executing && x->code == 4 ? DRIVER_UNKNOWN : DRIVER_REFUSED;
    case HJ212_END_SILENT:
        error_set(e, ERR_TIMEOUT, "", "no answer to command %u, sent %u times", "命令 %u 无应答（已发送 %u 次）", x->cn,
                  x->tries);
        return DRIVER_UNKNOWN;
    case HJ212_END_NO_RESULT:
        error_set(e, ERR_UNKNOWN, "", "command %u was accepted, its result (9012) did not come",
                  "命令 %u 已被接受，但未收到执行结果（9012）", x->cn);
        return DRIVER_UNKNOWN;
    case HJ212_END_CLOSED:
        error_set(e, ERR_UNKNOWN, "", "the connection was lost while command %u was on its way",
                  "命令 %u 执行过程中连接断开", x->cn);
        return DRIVER_UNKNOWN;
    }
    return DRIVER_UNKNOWN;
}

static bool read_back(struct hj_channel *ch, struct hj_job *j)
{
    struct hj_device *d = hj_device_by_num(ch, j->device_num);
    char cp[80] = "";
    if (j->kind != JOB_WRITE || j->a.kind != HJ_SET || j->a.setting->get == 0 || !d || d->conn != j->conn) return false;
    if (j->a.pol[0]) return false; /* 3020 tells logs, not every parameter */
    j->kind = JOB_READ_BACK;
    j->token = hj_request(ch, d, j->a.setting->get, cp, 1);
    return j->token != 0;
}

void hj_job_ended(struct hj_channel *ch, struct hj_conn *c, const struct hj212_ended *x)
{
    struct hj_job *j = ch->jobs;
    struct error e = {0};
    while (j && (j->conn != c || j->token != x->token)) j = j->next;
    if (j == NULL) return;
    if (j->kind == JOB_READ_BACK) { /* it is written, whatever became of the reading */
        job_done(ch, j, DRIVER_DONE, NULL);
        return;
    }
    enum driver_outcome outcome = outcome_of(x, &e);
    struct hj_device *d = hj_device_by_num(ch, j->device_num);
    if (outcome == DRIVER_DONE && j->pw[0] && d) memcpy(d->pw_next, j->pw, sizeof d->pw_next);
    if (outcome == DRIVER_DONE && read_back(ch, j)) return;
    job_done(ch, j, outcome, outcome == DRIVER_DONE ? NULL : &e);
}

void hj_job_data(struct hj_channel *ch, struct hj_conn *c, uint64_t token, const struct sample *s,
                 const struct hj_point *p)
{
    for (struct hj_job *j = token ? ch->jobs : NULL; j; j = j->next) {
        if (j->conn != c || j->token != token || j->kind != JOB_READ_BACK || j->point != p->num) continue;
        j->has_back = true;
        j->back = *s;
        str_to_cstr(str_of(s->type == SAMPLE_STRING ? p->text : ""), j->back_text, sizeof j->back_text);
    }
}

/* ---- what is sent ---- */

static bool plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < ' ' || s.p[i] == '&' || s.p[i] == '#') return false;
    return true;
}

static int wrong_value(struct error *e, const char *en, const char *zh)
{
    *e = (struct error){.code = ERR_INVALID, .where = "value"};
    str_to_cstr(str_of(en), e->text, sizeof e->text);
    str_to_cstr(str_of(zh), e->text_zh, sizeof e->text_zh);
    return ERR_INVALID;
}

/* The value in the device's units; a text that is a number counts. */
static int number_of(const struct hj_point *p, const struct driver_write *w, double *ret, struct error *e)
{
    double x;
    if (w->value.type == SAMPLE_STRING) {
        if (str_to_double(str_trim(str_make(w->text, w->text_len)), &x))
            return wrong_value(e, "a number is wanted", "应为数字");
    } else {
        x = w->value.type == SAMPLE_DOUBLE ? w->value.v.d : (double)w->value.v.i;
    }
    if (!isfinite(x) || p->scale == 0) return wrong_value(e, "a number is wanted", "应为数字");
    *ret = (x - p->offset) / p->scale;
    return 0;
}

static int time_text(struct hj_channel *ch, const struct driver_write *w, char *out, struct error *e)
{
    struct str s = w->value.type == SAMPLE_STRING ? str_trim(str_make(w->text, w->text_len)) : STR_NULL;
    int64_t us = hj_utc(ch);
    if (s.n && !str_is(s, "now") && hj212_time_parse(s, ch->cfg.tz_minutes, &us))
        return wrong_value(e, "the time must be 'now' or yyyymmddhhmmss", "时间应为 now 或 yyyymmddhhmmss");
    hj212_time_format(us, ch->cfg.tz_minutes, false, out);
    return 0;
}

static int cp_set_text(struct hj_channel *ch, struct hj_device *d, struct hj_job *j, const struct driver_write *w,
                       char *cp, size_t cap, struct error *e)
{
    struct str s = str_trim(str_make(w->text, w->value.type == SAMPLE_STRING ? w->text_len : 0));
    char time[HJ212_TIME_TEXT];
    if (j->a.setting->set == 1012) {
        int rc = time_text(ch, w, time, e);
        if (rc == 0) snprintf(cp, cap, "SystemTime=%s", time);
        return rc;
    }
    if (s.n == 0 || s.n > (d->version == HJ212_2005 || d->heard_version == HJ212_2005 ? 6 : 9) || !plain(s) ||
        str_find(s, ';') >= 0 || str_find(s, ',') >= 0)
        return wrong_value(e, "a password has 1 to 9 characters (6 in 2005), none of ; , & #",
                           "密码为 1 到 9 个字符（2005 版 6 个），不含 ; , & #");
    str_to_cstr(s, j->pw, sizeof j->pw);
    snprintf(cp, cap, "%s=%s", d->heard_version == HJ212_2005 ? "PW" : "NewPW", j->pw);
    return 0;
}

static int cp_parameter(const struct hj_job *j, const struct hj_point *p, const struct driver_write *w, char *cp,
                        size_t cap, struct error *e)
{
    struct str s = str_trim(str_make(w->text, w->value.type == SAMPLE_STRING ? w->text_len : 0));
    int id = (int)strlen(j->a.name) - 5; /* without -Info */
    double x;
    if (w->value.type == SAMPLE_STRING) {
        if (s.n == 0 || s.n > 200 || !plain(s))
            return wrong_value(e, "a text of 1 to 200 characters is wanted", "应为 1 到 200 个字符的文本");
        bool quote = str_find(s, ',') >= 0 || str_find(s, ';') >= 0;
        snprintf(cp, cap, "PolId=%s,InfoId=%.*s,%s=%s%.*s%s", j->a.pol, id, j->a.name, j->a.name, quote ? "//" : "",
                 STR_ARG(s), quote ? "//" : "");
        return 0;
    }
    int rc = number_of(p, w, &x, e);
    if (rc == 0) snprintf(cp, cap, "PolId=%s,InfoId=%.*s,%s=%.10g", j->a.pol, id, j->a.name, j->a.name, x);
    return rc;
}

static int cp_set(struct hj_channel *ch, struct hj_device *d, struct hj_job *j, const struct hj_point *p,
                  const struct driver_write *w, char *cp, size_t cap, struct error *e)
{
    const struct hj_setting *s = j->a.setting;
    double x;
    if (j->a.pol[0]) return cp_parameter(j, p, w, cp, cap, e);
    if (s->type == VALUE_STRING) return cp_set_text(ch, d, j, w, cp, cap, e);
    int rc = number_of(p, w, &x, e);
    if (rc) return rc;
    if (x < s->lo || x > s->hi || x != round(x))
        return error_set(e, ERR_INVALID, "value", "%s must be a whole number from %g to %g", "%s 应为 %g 到 %g 的整数",
                         s->name, s->lo, s->hi);
    if (s->set != 1000)
        snprintf(cp, cap, "%s=%.0f", s->name, x);
    else if (strcmp(s->name, "OverTime") == 0)
        snprintf(cp, cap, "OverTime=%.0f;ReCount=%u", x, d->retries);
    else
        snprintf(cp, cap, "OverTime=%u;ReCount=%.0f", d->timeout_ms / 1000, x);
    return 0;
}

static int cp_command(const struct hj_job *j, const struct driver_write *w, char *cp, size_t cap, struct error *e)
{
    struct str s = str_trim(str_make(w->text, w->value.type == SAMPLE_STRING ? w->text_len : 0));
    bool on =
        w->value.type == SAMPLE_STRING || (w->value.type == SAMPLE_DOUBLE ? w->value.v.d != 0 : w->value.v.i != 0);
    if (!on) return wrong_value(e, "a command is started by a value that is not 0", "写入非 0 值以启动命令");
    if (s.n > 400 || !plain(s))
        return wrong_value(e, "parameters of a command look like CstartTime=000000,Ctime=2",
                           "命令参数形如 CstartTime=000000,Ctime=2");
    bool more = str_find(s, '=') > 0;
    snprintf(cp, cap, "%s%s%s%.*s", j->a.pol[0] ? "PolId=" : "", j->a.pol, j->a.pol[0] && more ? ";" : "",
             more ? (int)s.n : 0, more ? s.p : "");
    return 0;
}

/* Hours back from now, or "begin,end". */
static int cp_recall(struct hj_channel *ch, const struct hj_point *p, const struct driver_write *w, char *cp,
                     size_t cap, struct error *e)
{
    struct str end = str_trim(str_make(w->text, w->value.type == SAMPLE_STRING ? w->text_len : 0));
    int64_t from, to = hj_utc(ch);
    char a[HJ212_TIME_TEXT], b[HJ212_TIME_TEXT];
    double hours;
    if (str_find(end, ',') > 0) {
        struct str begin = str_trim(str_cut(&end, ','));
        if (hj212_time_parse(begin, ch->cfg.tz_minutes, &from) ||
            hj212_time_parse(str_trim(end), ch->cfg.tz_minutes, &to) || from >= to)
            return wrong_value(e, "write hours, or yyyymmddhhmmss,yyyymmddhhmmss",
                               "请写入小时数，或 yyyymmddhhmmss,yyyymmddhhmmss");
    } else {
        int rc = number_of(p, w, &hours, e);
        if (rc) return rc;
        if (!(hours > 0 && hours <= 8784))
            return wrong_value(e, "hours must be more than 0 and at most 8784", "小时数应大于 0 且不超过 8784");
        from = to - (int64_t)(hours * 3600e6);
    }
    snprintf(cp, cap, "BeginTime=%s,EndTime=%s", hj212_time_format(from, ch->cfg.tz_minutes, false, a),
             hj212_time_format(to, ch->cfg.tz_minutes, false, b));
    return 0;
}

static int make_cp(struct hj_channel *ch, struct hj_device *d, struct hj_job *j, const struct hj_point *p,
                   const struct driver_write *w, char *cp, size_t cap, struct error *e)
{
    switch (j->a.kind) {
    case HJ_SET: return cp_set(ch, d, j, p, w, cp, cap, e);
    case HJ_COMMAND: return cp_command(j, w, cp, cap, e);
    case HJ_RECALL: return cp_recall(ch, p, w, cp, cap, e);
    case HJ_DATA:
    case HJ_CLOCK: break;
    }
    return error_set(e, ERR_INVALID, "", "a reported value cannot be written; only set/…, cmd/… and recall/… can",
                     "上报值不可写；仅 set/…、cmd/…、recall/… 可写");
}

static struct hj_job *job_new(struct hj_channel *ch, struct hj_device *d, const struct hj_point *p,
                              const struct driver_write *w)
{
    struct hj_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    *j = (struct hj_job){.kind = JOB_WRITE,
                         .conn = d->conn,
                         .began_ns = hj_now(ch),
                         .point = p->num,
                         .device_num = d->num,
                         .a = p->a,
                         .done = w->done,
                         .arg = w->arg};
    return j;
}

void hj_write(struct driver_channel *base, const struct driver_write *w)
{
    struct hj_channel *ch = (struct hj_channel *)base;
    struct hj_point *p = hj_point_by_num(ch, w->point);
    struct hj_device *d = p ? ch->devices[p->device] : NULL;
    struct hj_job *j = d ? job_new(ch, d, p, w) : NULL;
    enum driver_outcome outcome = DRIVER_FAILED;
    char cp[HJ212_CP_MAX];
    struct error e = {0};
    if (j == NULL)
        error_set(&e, p ? ERR_NOMEM : ERR_NOT_FOUND, "", "point %u is not served by this channel",
                  "测点 %u 不属于此通道", w->point);
    else if (make_cp(ch, d, j, p, w, cp, sizeof cp, &e))
        outcome = DRIVER_REFUSED;
    else if (w->deadline_ns && w->deadline_ns <= j->began_ns) {
        error_set(&e, ERR_TIMEOUT, "", "the command expired before it could be sent", "命令在发送前已过期");
        outcome = DRIVER_EXPIRED;
    } else if (d->conn == NULL) {
        error_set(&e, ERR_UNAVAILABLE, "", "the instrument %s is not connected", "仪器 %s 未连接", d->code);
    } else {
        bool repeat = j->a.kind == HJ_RECALL || (j->a.kind == HJ_SET && j->a.setting->repeat);
        unsigned cn = j->a.kind == HJ_SET ? j->a.setting->set : j->a.cn;
        j->next = ch->jobs;
        ch->jobs = j;
        j->token = hj_request(ch, d, cn, cp, repeat ? d->retries + 1 : 1);
        if (j->token) return;
        ch->jobs = j->next;
        error_set(&e, ERR_LIMIT, "", "too many requests are open", "未完成的请求过多");
    }
    mem_free(j);
    answer_write(w->done, w->arg, outcome, &e, 0);
}

/* ---- reading ---- */

static void read_one(struct hj_channel *ch, const char *mn, const struct driver_point *dp, struct driver_reading *r,
                     struct error *e, char *text)
{
    struct hj_point p = {.num = dp->num, .scale = dp->scale, .offset = dp->offset, .lo = dp->lo, .hi = dp->hi};
    struct hj_device *d = hj_device_by_mn(ch, str_of(mn));
    r->sample =
        (struct sample){.point = dp->num, .time_us = hj_utc(ch), .quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    if (hj_point_check(dp, &p.a, &p.type, e)) {
        r->sample.flags = REASON_CONFIG_ERROR;
        r->error = e;
        return;
    }
    if (p.a.kind == HJ_CLOCK && d && d->clock_known) {
        r->sample.type = SAMPLE_DOUBLE, r->sample.quality = QUALITY_GOOD, r->sample.flags = 0;
        r->sample.v.d = (double)d->clock_us / 1e6;
        return;
    }
    const struct hj_seen_field *f = hj_seen_value(ch, str_of(mn), p.a.cn, str_of(p.a.name));
    if (f == NULL) {
        if (d && d->conn) {
            error_set(e, ERR_NOT_FOUND, "", "the instrument is connected, %s has not come yet",
                      "仪器已连接，尚未上报 %s", dp->address);
        } else {
            error_set(e, ERR_NOT_FOUND, "", "the instrument is not connected, %s has never come",
                      "仪器未连接，从未收到 %s", dp->address);
            r->sample.flags = REASON_NOT_CONNECTED;
        }
        r->error = e;
        return;
    }
    hj_value(ch, &p, str_of(f->value), str_of(f->flag), &r->sample);
    r->sample.time_us = f->time_us;
    r->sample.flags |= SAMPLE_FLAG_SOURCE_TIME;
    str_to_cstr(str_of(f->value), text, sizeof f->value);
    r->raw = (const uint8_t *)text;
    r->raw_len = strlen(text);
    if (r->sample.type == SAMPLE_STRING) r->text = text, r->text_len = r->raw_len;
}

void hj_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct hj_channel *ch = (struct hj_channel *)base;
    AUTO_FREE struct driver_reading *r = mem_calloc(n + 1, sizeof *r);
    AUTO_FREE struct error *errors = mem_calloc(n + 1, sizeof *errors);
    AUTO_FREE char *texts = mem_calloc(n + 1, sizeof((struct hj_seen_field *)0)->value);
    const char *mn = device ? opt_str(device->options, "mn", "") : "";
    bool ok = r && errors && texts && n <= 1000;
    for (size_t i = 0; ok && i < n; i++)
        read_one(ch, mn, &points[i], &r[i], &errors[i], texts + i * sizeof((struct hj_seen_field *)0)->value);
    done(arg, r, ok ? n : 0);
}

/* ---- test ---- */

void hj_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct hj_channel *ch = (struct hj_channel *)base;
    char en[320], zh[320], who[160] = "";
    unsigned up = 0;
    size_t n = 0;
    hj_listen(ch);
    hj_wake(ch, hj_now(ch)); /* who is gone is found out now */
    for (size_t i = 0; i < ch->ndevices; i++) {
        if (ch->devices[i]->conn == NULL) continue;
        up++;
        if (n + 40 < sizeof who)
            n += (size_t)snprintf(who + n, sizeof who - n, "%s%.32s", n ? ", " : ": ", ch->devices[i]->code);
    }
    snprintf(en, sizeof en, "listening on %s, port %u; %u of %zu instruments connected%s; %u unknown MNs", ch->cfg.bind,
             ch->cfg.port, up, ch->ndevices, who, ch->nunknown);
    snprintf(zh, sizeof zh, "正在监听 %s 端口 %u；%zu 台仪器中 %u 台已连接%s；%u 个未知 MN", ch->cfg.bind, ch->cfg.port,
             ch->ndevices, up, who, ch->nunknown);
    done(arg, ch->listening ? NULL : &ch->why, 0, ch->listening ? en : "", ch->listening ? zh : "");
}
