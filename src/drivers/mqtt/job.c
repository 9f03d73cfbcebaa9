/* job.c - what somebody asked for: writes, test reads, tests of the connection; browsing is browse.c. A job waits in
 * the list until the connection stands, then for what the broker says or sends. Each ends exactly once.
 *
 * write   published once; DONE on PUBACK or PUBCOMP: the broker has it. With the option write_confirm only when the
 *         point's own topic tells the value; what does not come in that time is UNKNOWN.
 * read    the topics are subscribed while it lasts: what the broker retained comes at once, else the next message.
 * After READ_MS what was seen last is told as last known. */
#include <math.h>
#include <stdio.h>
#include "drivers/mqtt/mqtt_int.h"

#define READ_MS 4000
#define BROWSE_MS 2000
#define BROWSE_QUIET_MS 300 /* no new topic for so long: that is all for now */
#define RAW_MAX 4096

struct mt_job *mt_job_new(struct mt_channel *ch, enum mt_job_kind kind, void *arg)
{
    struct mt_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    j->kind = (uint8_t)kind;
    j->arg = arg;
    j->began_ns = mt_now(ch);
    j->token = ++ch->token;
    arena_init(&j->arena, 64u << 20);
    return j;
}

static void job_free(struct mt_job *j)
{
    if (j == NULL) return;
    arena_fini(&j->arena);
    mem_free(j);
}

void mt_job_push(struct mt_channel *ch, struct mt_job *j)
{
    struct mt_job **p = &ch->jobs;
    while (*p) p = &(*p)->next;
    *p = j;
    if (!mqtt_client_up(ch->client)) ch->connect_now = true;
    mt_pump(ch);
}

static uint32_t ms_since(const struct mt_channel *ch, const struct mt_job *j)
{
    return (uint32_t)((mt_now(ch) - j->began_ns) / NS_MS);
}

/* ---- the end of one ---- */

static bool needed(const struct mt_channel *ch, struct str filter)
{
    if (mt_filter_find(ch, filter)) return true;
    for (const struct mt_job *j = ch->jobs; j; j = j->next)
        for (size_t i = 0; i < j->nfilters; i++)
            if (str_eq(j->filters[i], filter)) return true;
    return false;
}

static struct mt_job *take(struct mt_channel *ch, struct mt_job *j)
{
    struct mt_job **p = &ch->jobs;
    while (*p && *p != j) p = &(*p)->next;
    if (*p == NULL) return NULL;
    *p = j->next;
    ch->linger_ns = mt_now(ch) + MT_LINGER_MS * NS_MS;
    ch->again = true;
    return j;
}

static void gone(struct mt_channel *ch, struct mt_job *j)
{
    struct error e;
    for (size_t i = 0; i < j->nfilters && j->step != STEP_WAIT && !ch->closing && mqtt_client_up(ch->client); i++)
        if (!needed(ch, j->filters[i]) && mqtt_client_unsubscribe(ch->client, &j->filters[i], 1, 0, &e)) break;
    job_free(j);
    mt_pump(ch);
}

static void end_write(struct mt_channel *ch, struct mt_job *j, enum driver_outcome outcome, const struct error *e)
{
    struct driver_write_result r = {.outcome = outcome, .error = e, .ms = ms_since(ch, j)};
    if (!take(ch, j)) return;
    if (outcome == DRIVER_DONE) ch->st.writes++;
    if (j->back.s.type != SAMPLE_NONE) {
        r.has_readback = true;
        r.readback = j->back.s;
        r.text = j->back.text.p ? j->back.text.p : "", r.text_len = j->back.text.n;
    }
    j->done.write(j->arg, &r);
    gone(ch, j);
}

static void end_read(struct mt_channel *ch, struct mt_job *j)
{
    if (!take(ch, j)) return;
    j->done.read(j->arg, j->readings, j->npoints);
    gone(ch, j);
}

static void end_test(struct mt_channel *ch, struct mt_job *j, const struct error *e)
{
    char en[200] = "", zh[200] = "";
    if (!take(ch, j)) return;
    if (e == NULL) {
        snprintf(en, sizeof en, "MQTT %s, client identifier %.100s", ch->set->c.version == MQTT_5 ? "5.0" : "3.1.1",
                 mqtt_client_id(ch->client));
        snprintf(zh, sizeof zh, "MQTT %s，客户端标识 %.100s", ch->set->c.version == MQTT_5 ? "5.0" : "3.1.1",
                 mqtt_client_id(ch->client));
    }
    j->done.test(j->arg, e, ms_since(ch, j), en, zh);
    gone(ch, j);
}

/* ---- reading ---- */

static void bad_reading(struct mt_channel *ch, struct mt_job *j, size_t i, const struct error *e,
                        enum quality_reason why)
{
    struct driver_reading *r = &j->readings[i];
    j->errors[i] = *e;
    r->error = &j->errors[i];
    r->ms = ms_since(ch, j);
    r->text = NULL, r->text_len = 0;
    r->sample = (struct sample){
        .point = j->points[i].num, .time_us = mt_utc(ch), .quality = QUALITY_BAD, .flags = (uint16_t)why};
}

static void take_value(struct mt_channel *ch, struct mt_job *j, size_t i, const struct mt_record *rec,
                       struct mt_payload *p)
{
    struct driver_reading *r = &j->readings[i];
    struct mt_value v;
    bool source;
    if (!mt_value_of(&j->format, &j->points[i], rec, &j->arena, &v)) return;
    mt_quality_of(&j->format, rec, &v.s);
    mt_time_of(&j->format, rec, p->now_us, &v.s.time_us, &source);
    if (source) v.s.flags |= SAMPLE_FLAG_SOURCE_TIME;
    struct str text = arena_str(&j->arena, v.text), raw = arena_str(&j->arena, str_sub(p->bytes, 0, RAW_MAX));
    j->got[i] = true;
    j->missing--;
    r->error = NULL;
    if (v.blob.p) raw = arena_str(&j->arena, v.blob);
    r->sample = v.s;
    r->text = text.p, r->text_len = text.n;
    r->raw = (const uint8_t *)raw.p, r->raw_len = raw.n;
    r->ms = ms_since(ch, j);
}

static bool feeds(const struct mt_job *j, const struct mt_point *p, struct str topic)
{
    if (p->at.filter.n) return mt_meets(p->at.filter, topic);
    for (size_t i = 0; i < j->ndfilters; i++)
        if (mt_meets(j->dfilters[i], topic)) return true;
    return false;
}

static void read_message(struct mt_channel *ch, struct mt_job *j, struct mt_payload *p)
{
    struct mt_record *rec = NULL;
    size_t n = 0;
    struct error e;
    bool tried = false;
    for (size_t i = 0; i < j->npoints; i++) {
        if (j->got[i] || !feeds(j, &j->points[i], p->topic)) continue;
        if (!tried && mt_records(&j->format, p, &rec, &n, &e)) {
            bad_reading(ch, j, i, &e, REASON_NOT_A_NUMBER); /* a better one may come */
            return;
        }
        tried = true;
        for (size_t k = n; k-- > 0 && !j->got[i];) take_value(ch, j, i, &rec[k], p);
        if (j->got[i]) continue;
        error_set(&e, ERR_NOT_FOUND, "", "the message on %.*s has no '%.*s'", "主题 %.*s 的报文中没有“%.*s”",
                  (int)(p->topic.n < 100 ? p->topic.n : 100), p->topic.p,
                  (int)(j->points[i].at.path.n < 80 ? j->points[i].at.path.n : 80),
                  j->points[i].at.path.p ? j->points[i].at.path.p : "");
        bad_reading(ch, j, i, &e, REASON_NO_DATA);
    }
}

/* What was seen before, for those that nothing came for. */
static void read_seen(struct mt_channel *ch, struct mt_job *j)
{
    bool *came = arena_alloc(&j->arena, j->npoints * sizeof *came);
    if (came == NULL) return;
    memcpy(came, j->got, j->npoints * sizeof *came);
    for (const struct mt_seen *s = ch->newest; s && j->missing; s = s->older) {
        struct mt_payload p = {
            .topic = s->topic, .bytes = str_make(s->payload, s->kept), .now_us = s->time_us, .arena = &ch->scratch};
        if (s->kept < s->whole) continue;
        arena_reset(&ch->scratch);
        read_message(ch, j, &p);
    }
    for (size_t i = 0; i < j->npoints; i++) {
        struct sample *v = &j->readings[i].sample;
        if (!j->got[i] || came[i] || v->quality != QUALITY_GOOD) continue;
        v->quality = QUALITY_UNCERTAIN;
        v->flags = (uint16_t)((v->flags & ~SAMPLE_REASON_MASK) | REASON_LAST_KNOWN);
    }
}

static void read_over(struct mt_channel *ch, struct mt_job *j)
{
    struct error e;
    if (j->missing) read_seen(ch, j);
    for (size_t i = 0; i < j->npoints; i++) {
        struct driver_reading *r = &j->readings[i];
        if (j->got[i] || r->error) continue;
        struct str t = j->points[i].at.filter.n ? j->points[i].at.filter : j->ndfilters ? j->dfilters[0] : STR("");
        error_set(&e, ERR_TIMEOUT, "", "no message came on %.*s within %d s", "%.*s 在 %d 秒内没有消息",
                  (int)(t.n < 120 ? t.n : 120), t.p, READ_MS / 1000);
        bad_reading(ch, j, i, &e, REASON_NO_DATA);
    }
    end_read(ch, j);
}

/* ---- what comes ---- */

void mt_job_message(struct mt_channel *ch, struct mt_payload *p, bool new_topic)
{
    for (struct mt_job *j = new_topic ? ch->jobs : NULL; j; j = j->next)
        if (j->kind == JOB_BROWSE && j->step == STEP_SENT) {
            uint64_t quiet = mt_now(ch) + BROWSE_QUIET_MS * NS_MS, last = j->began_ns + BROWSE_MS * NS_MS;
            j->end_ns = quiet < last ? quiet : last;
            ch->judge = true; /* plans the wake anew */
        }
    for (struct mt_job *j = ch->jobs, *next; j; j = next) {
        next = j->next;
        if (j->kind != JOB_READ || j->step == STEP_WAIT) continue;
        read_message(ch, j, p);
        if (j->missing == 0) {
            end_read(ch, j);
            return; /* the list may be another one now */
        }
    }
}

static bool confirms(const struct mt_job *j, const struct mt_point *p, const struct mt_value *v)
{
    const struct sample *a = &v->s, *b = &j->value;
    if (a->type == SAMPLE_NONE || a->quality == QUALITY_BAD) return false;
    if (b->type == SAMPLE_STRING || a->type == SAMPLE_STRING) return a->type == b->type && str_eq(v->text, j->text);
    double x = a->type == SAMPLE_DOUBLE ? a->v.d : (double)a->v.i,
           y = b->type == SAMPLE_DOUBLE ? b->v.d : (double)b->v.i;
    return fabs(x - y) <= 1e-6 * (fabs(y) > 1 ? fabs(y) : 1);
}

void mt_job_sample(struct mt_channel *ch, const struct mt_point *p, const struct mt_value *v)
{
    for (struct mt_job *j = ch->jobs; j; j = j->next) {
        if (j->kind != JOB_WRITE || j->step == STEP_WAIT || j->point.num != p->num || !j->point.confirm_us) continue;
        struct mt_value back = *v;
        back.text = arena_str(&j->arena, v->text);
        if (j->confirmed) continue;
        j->back = back;
        j->confirmed = confirms(j, p, v);
        if (j->confirmed) ch->judge = true; /* done at the next pump, when the broker has it too */
    }
}

void mt_job_published(struct mt_channel *ch, uint64_t token, const struct error *e)
{
    struct mt_job *j = ch->jobs;
    while (j && !(j->kind == JOB_WRITE && j->token == token && j->step == STEP_SENT)) j = j->next;
    if (j == NULL) return;
    if (e) {
        end_write(ch, j, e->code == ERR_CLOSED || e->code == ERR_CANCELLED ? DRIVER_UNKNOWN : DRIVER_REFUSED, e);
    } else if (!j->point.confirm_us || j->confirmed) {
        end_write(ch, j, DRIVER_DONE, NULL);
    } else {
        j->step = STEP_CONFIRM;
        j->end_ns = mt_now(ch) + (uint64_t)j->point.confirm_us * 1000;
        mt_pump(ch);
    }
}

/* ---- going on ---- */

static void go_write(struct mt_channel *ch, struct mt_job *j, uint64_t now)
{
    struct error e;
    struct mqtt_client_message m = {.topic = j->point.write_topic,
                                    .payload = j->payload,
                                    .qos = j->point.write_qos,
                                    .retain = j->point.write_retain};
    if (j->send_by_ns && now >= j->send_by_ns) {
        error_set(&e, ERR_TIMEOUT, "", "the deadline passed before the value was sent", "发送前已超过期限");
        end_write(ch, j, DRIVER_EXPIRED, &e);
        return;
    }
    if (ch->set->c.version == MQTT_5 && j->send_by_ns) m.expiry_s = (uint32_t)((j->send_by_ns - now) / NS_S) + 1;
    int rc = mqtt_client_publish(ch->client, &m, j->token, &e);
    if (rc == ERR_AGAIN) return;
    if (rc)
        end_write(ch, j, rc == ERR_CLOSED || rc == ERR_NOMEM ? DRIVER_FAILED : DRIVER_REFUSED, &e);
    else
        j->step = STEP_SENT;
}

static void go_subscribe(struct mt_channel *ch, struct mt_job *j, uint64_t now)
{
    struct error e;
    struct mqtt_client_filter f[MT_FILTERS_MAX];
    size_t n = j->nfilters < MT_FILTERS_MAX ? j->nfilters : MT_FILTERS_MAX;
    for (size_t i = 0; i < n; i++) {
        const struct mt_filter *x = mt_filter_find(ch, j->filters[i]);
        f[i] = (struct mqtt_client_filter){.filter = j->filters[i], .qos = x ? x->qos : j->qos};
    }
    j->step = STEP_SENT;
    j->end_ns = now + (j->kind == JOB_READ ? READ_MS : BROWSE_MS) * NS_MS;
    if (n == 0 || mqtt_client_subscribe(ch->client, f, n, j->token, &e)) j->end_ns = now;
}

static void step_write(struct mt_channel *ch, struct mt_job *j, uint64_t now)
{
    struct error e;
    bool late = j->send_by_ns && now >= j->send_by_ns;
    if (j->step == STEP_WAIT && (late || mqtt_client_up(ch->client))) {
        go_write(ch, j, now);
        return;
    }
    if (j->step != STEP_CONFIRM) return;
    if (j->confirmed) {
        end_write(ch, j, DRIVER_DONE, NULL);
    } else if (now >= j->end_ns) {
        error_set(&e, ERR_UNKNOWN, "",
                  "the broker has the command, but its topic has not told the value within %lld ms",
                  "代理已收到命令，但 %lld 毫秒内主题未回报该值", (long long)(j->point.confirm_us / 1000));
        end_write(ch, j, DRIVER_UNKNOWN, &e);
    }
}

static void step_read(struct mt_channel *ch, struct mt_job *j, uint64_t now)
{
    if (j->step == STEP_WAIT && mqtt_client_up(ch->client)) go_subscribe(ch, j, now);
    if (j->step == STEP_SENT && now >= j->end_ns) read_over(ch, j);
}

static void step_test(struct mt_channel *ch, struct mt_job *j, uint64_t now)
{
    if (mqtt_client_up(ch->client)) end_test(ch, j, NULL);
}

static void step_browse(struct mt_channel *ch, struct mt_job *j, uint64_t now)
{
    bool ready = mt_browse_ready(ch, j);
    if (!ready && j->step == STEP_WAIT && mqtt_client_up(ch->client)) go_subscribe(ch, j, now);
    if (!ready && (j->step == STEP_WAIT || now < j->end_ns)) return;
    if (!take(ch, j)) return;
    mt_browse_answer(ch, j);
    gone(ch, j);
}

static void step(struct mt_channel *ch, struct mt_job *j, uint64_t now)
{
    static void (*const steps[])(struct mt_channel *, struct mt_job *, uint64_t) = {step_write, step_read, step_test,
                                                                                    step_browse};
    steps[j->kind](ch, j, now);
}

void mt_job_pump(struct mt_channel *ch, uint64_t now)
{
    struct mt_job *list[64];
    size_t n = 0;
    for (struct mt_job *j = ch->jobs; j && n < 64; j = j->next) list[n++] = j;
    for (size_t i = 0; i < n; i++) {
        const struct mt_job *j = ch->jobs;
        while (j && j != list[i]) j = j->next;
        if (j) step(ch, list[i], now);
    }
}

uint64_t mt_job_deadline(const struct mt_channel *ch)
{
    uint64_t at = UINT64_MAX;
    for (const struct mt_job *j = ch->jobs; j; j = j->next) {
        uint64_t t = j->step == STEP_WAIT ? j->send_by_ns : j->end_ns;
        if (j->kind == JOB_WRITE && j->step == STEP_SENT) t = 0; /* the client tells */
        if (t && t < at) at = t;
        if (j->kind == JOB_WRITE && j->step == STEP_CONFIRM && j->confirmed) at = 0;
    }
    return at;
}

/* The connection was lost, or could not be made. */
static void lose_job(struct mt_channel *ch, struct mt_job *j, const struct error *why)
{
    struct error e = *why;
    if (j->kind == JOB_WRITE && j->step == STEP_WAIT) {
        end_write(ch, j, DRIVER_FAILED, &e);
    } else if (j->kind == JOB_WRITE) {
        e.code = ERR_UNKNOWN;
        end_write(ch, j, DRIVER_UNKNOWN, &e);
    } else if (j->kind == JOB_TEST) {
        end_test(ch, j, &e);
    } else if (j->kind == JOB_READ) {
        for (size_t i = 0; i < j->npoints; i++)
            if (!j->got[i]) bad_reading(ch, j, i, &e, REASON_COMM_FAILURE);
        end_read(ch, j);
    } else if (take(ch, j)) {
        j->done.browse(j->arg, &e, NULL, 0, NULL);
        gone(ch, j);
    }
}

void mt_job_lost(struct mt_channel *ch, const struct error *why)
{
    struct error e = *why;
    bool pumping = ch->pumping;
    ch->pumping = true; /* what they ask for comes after */
    struct mt_job *list = ch->jobs, *last = NULL;
    for (struct mt_job *j = list; j; j = j->next) last = j;
    while (ch->jobs) { /* those that are asked for meanwhile wait for the next connection */
        struct mt_job *j = ch->jobs;
        bool sent = j->kind == JOB_WRITE && j->step == STEP_SENT, end = j == last;
        uint64_t token = j->token;
        lose_job(ch, j, &e);
        if (sent) mqtt_client_forget(ch->client, token);
        if (end) break;
    }
    ch->pumping = pumping;
}

/* ---- asking ---- */

static int prepare(struct mt_channel *ch, struct mt_job *j, const struct driver_write *w, struct error *e)
{
    const struct mt_point *p = mt_point_find(ch, w->point);
    if (p == NULL || p->wrong)
        return error_set(e, ERR_NOT_FOUND, "", "point %u is not served by this channel", "测点 %u 不属于此通道",
                         w->point);
    if (p->write_topic.n == 0)
        return error_set(e, ERR_INVALID, "options.write_topic",
                         "the point has no topic for commands: set 'write_topic'",
                         "测点未设置命令主题：请设置“write_topic”");
    j->point = *p;
    j->value = w->value;
    j->text = arena_str(&j->arena, str_make(w->text, w->text_len));
    j->point.write_topic = arena_str(&j->arena, p->write_topic);
    return mt_command(p, &w->value, j->text, mt_utc(ch), &j->arena, &j->payload, e);
}

void mt_write(struct driver_channel *base, const struct driver_write *w)
{
    struct mt_channel *ch = (struct mt_channel *)base;
    struct error e = {0};
    struct mt_job *j = mt_job_new(ch, JOB_WRITE, w->arg);
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        w->done(w->arg, &(struct driver_write_result){.outcome = DRIVER_FAILED, .error = &e});
        return;
    }
    j->done.write = w->done;
    j->send_by_ns = w->deadline_ns;
    if (prepare(ch, j, w, &e)) {
        w->done(w->arg, &(struct driver_write_result){.outcome = DRIVER_REFUSED, .error = &e});
        job_free(j);
        return;
    }
    mt_job_push(ch, j);
}

static bool add_filter(struct mt_job *j, struct str f)
{
    for (size_t i = 0; i < j->nfilters; i++)
        if (mqtt_covers(j->filters[i], f)) return true;
    if (j->nfilters >= MT_FILTERS_MAX) return false;
    j->filters[j->nfilters++] = f;
    return true;
}

static bool read_memory(struct mt_job *j, size_t n)
{
    j->npoints = n;
    j->points = arena_calloc(&j->arena, n + 1, sizeof *j->points);
    j->errors = arena_calloc(&j->arena, n + 1, sizeof *j->errors);
    j->readings = arena_calloc(&j->arena, n + 1, sizeof *j->readings);
    j->filters = arena_calloc(&j->arena, MT_FILTERS_MAX, sizeof *j->filters);
    j->got = arena_calloc(&j->arena, n + 1, sizeof *j->got);
    return j->got && j->points && j->errors && j->readings && j->filters;
}

static void take_reads(struct mt_channel *ch, struct mt_job *j, const struct driver_device *device,
                       const struct driver_point *points)
{
    struct error config = {0}, e;
    const struct options *o = device ? device->options : NULL;
    if (mt_filters_of(o, &j->arena, &j->dfilters, &j->ndfilters, &config) == 0)
        (void)!mt_format_of(o, &j->arena, &j->format, &config);
    j->qos = (uint8_t)opt_i64(o, "qos", 1);
    for (size_t i = 0; i < j->npoints; i++) {
        e = config;
        j->points[i] = (struct mt_point){.num = points[i].num, .wrong = true};
        if (e.code == 0 &&
            mt_point_of(&j->format, j->dfilters, j->ndfilters, &points[i], &j->arena, &j->points[i], &e) == 0) {
            struct str f = j->points[i].at.filter;
            j->missing++;
            if (f.n) add_filter(j, f);
            for (size_t k = 0; k < j->ndfilters && f.n == 0; k++) add_filter(j, j->dfilters[k]);
            continue;
        }
        bad_reading(ch, j, i, &e, REASON_CONFIG_ERROR);
        j->got[i] = true;
    }
}

void mt_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct mt_channel *ch = (struct mt_channel *)base;
    struct mt_job *j = n <= 1000 ? mt_job_new(ch, JOB_READ, arg) : NULL;
    if (j == NULL || !read_memory(j, n)) {
        job_free(j);
        done(arg, NULL, 0);
        return;
    }
    j->done.read = done;
    take_reads(ch, j, device, points);
    if (j->missing) {
        mt_job_push(ch, j);
        return;
    }
    done(arg, j->readings, n);
    job_free(j);
}

void mt_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct mt_channel *ch = (struct mt_channel *)base;
    struct mt_job *j = mt_job_new(ch, JOB_TEST, arg);
    struct error e;
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, 0, "", "");
        return;
    }
    j->done.test = done;
    mt_job_push(ch, j);
}
