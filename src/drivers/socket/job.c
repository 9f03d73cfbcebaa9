/* job.c - what somebody asked for: writes, test reads, tests of the connection.
 *
 * A write is sent once. With `confirm` a frame for which that condition holds is the device's yes, with `refused` its
 * no; without `confirm` the value itself must come back in a frame. Neither within the time: the outcome is unknown. */
#include "drivers/socket/socket_int.h"

#define READ_MS 5000
#define SEEN_FRESH_US 60000000

static uint32_t ms_since(const struct sk_channel *ch, uint64_t from)
{
    return (uint32_t)((sk_now(ch) - from) / NS_MS);
}

/* ---- writes ---- */

static void write_ends(struct sk_channel *ch, struct sk_write *w, enum driver_outcome outcome, const struct error *e,
                       const struct sample *back, struct str text)
{
    struct driver_write_result r = {.outcome = outcome,
                                    .error = e,
                                    .has_readback = back != NULL,
                                    .text = text.p,
                                    .text_len = text.n,
                                    .ms = ms_since(ch, w->began_ns)};
    for (struct sk_write **p = &ch->writes; *p; p = &(*p)->next) {
        if (*p != w) continue;
        *p = w->next;
        break;
    }
    if (back) r.readback = *back;
    ch->st.writes += outcome == DRIVER_DONE;
    w->done(w->arg, &r);
    mem_free(w->text);
    mem_free(w);
}

static void write_fails(struct sk_channel *ch, struct sk_write *w, enum driver_outcome outcome, const struct error *why)
{
    struct error e = *why;
    write_ends(ch, w, w->sent ? DRIVER_UNKNOWN : outcome, &e, NULL, STR_NULL);
}

static double raw_of(const struct sk_point *k, const struct sample *v)
{
    double x = v->type == SAMPLE_DOUBLE ? v->v.d : (double)v->v.i;
    bool plain = k->p.scale == 1 && k->p.offset == 0;
    return plain || k->p.scale == 0 ? x : (x - k->p.offset) / k->p.scale;
}

static void send_write(struct sk_channel *ch, struct sk_write *w, struct sk_device *d, struct sk_point *k)
{
    struct error e;
    struct template_values v = {.number = raw_of(k, &w->value), .code = str_of(d->code)};
    if (w->value.type == SAMPLE_STRING) v.text = str_make(w->text, w->text_n);
    int rc = link_send_template(d->link, d, k->write, &v, &e);
    if (rc) {
        write_fails(ch, w, rc == ERR_INVALID || rc == ERR_TOO_LARGE ? DRIVER_REFUSED : DRIVER_FAILED, &e);
        return;
    }
    w->sent = true;
    w->until_ns = sk_now(ch) + (uint64_t)d->write_ms * NS_MS;
}

static void write_over(struct sk_channel *ch, struct sk_write *w, uint64_t now)
{
    struct error e;
    if (w->sent && w->until_ns <= now) {
        error_set(&e, ERR_UNKNOWN, "",
                  "sent; nothing that confirms it came back ('confirm' of the point, or its value in a frame)",
                  "已发送；未收到确认（测点的 confirm 条件，或含该值的帧）");
        write_fails(ch, w, DRIVER_UNKNOWN, &e);
    } else if (!w->sent && w->deadline_ns && w->deadline_ns <= now) {
        error_set(&e, ERR_TIMEOUT, "", "the command expired before it could be sent", "命令在发送前已过期");
        write_fails(ch, w, DRIVER_EXPIRED, &e);
    }
}

static void write_time(struct sk_channel *ch, struct sk_write *w, uint64_t now)
{
    struct error e;
    struct sk_device *d = NULL;
    struct sk_point *k = sk_find_point(ch, w->point, &d);
    if (w->sent || (w->deadline_ns && w->deadline_ns <= now)) {
        write_over(ch, w, now);
    } else if (k == NULL || k->write == NULL) {
        error_set(&e, ERR_NOT_FOUND, "", "the point was taken away", "测点已被删除");
        write_fails(ch, w, DRIVER_FAILED, &e);
    } else if (d->link && d->link->up) {
        send_write(ch, w, d, k);
    } else if (sk_server(ch) && ch->conn == SK_UP) {
        error_set(&e, ERR_UNAVAILABLE, "", "%s is not connected", "%s 未连接", d->code);
        write_fails(ch, w, DRIVER_FAILED, &e);
    }
}

void job_write(struct driver_channel *base, const struct driver_write *q)
{
    struct sk_channel *ch = (struct sk_channel *)base;
    struct error e;
    struct sk_device *d = NULL;
    const struct sk_point *k = sk_find_point(ch, q->point, &d);
    struct sk_write *w = mem_calloc(1, sizeof *w);
    char *text = q->text_len ? mem_dup(q->text, q->text_len) : NULL;
    if (k == NULL || k->write == NULL || w == NULL || (q->text_len && !text)) {
        int rc = k == NULL ? error_set(&e, ERR_NOT_FOUND, "", "point %u is not served by this channel",
                                       "测点 %u 不属于此通道", q->point)
                 : k->write == NULL
                     ? error_set(&e, ERR_INVALID, "", "the point has no 'write' text: it cannot be written",
                                 "测点没有 write 报文，不能写入")
                     : error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        mem_free(w);
        mem_free(text);
        q->done(q->arg, &(struct driver_write_result){.outcome = rc == ERR_NOMEM ? DRIVER_FAILED : DRIVER_REFUSED,
                                                      .error = &e});
        return;
    }
    *w = (struct sk_write){.point = q->point,
                           .device = d->num,
                           .began_ns = sk_now(ch),
                           .deadline_ns = q->deadline_ns,
                           .value = q->value,
                           .text = text,
                           .text_n = q->text_len,
                           .done = q->done,
                           .arg = q->arg};
    struct sk_write **p = &ch->writes;
    while (*p) p = &(*p)->next;
    *p = w;
    if (ch->conn != SK_UP) ch->connect_now = true;
    sk_wake_at(ch, w->began_ns);
}

static bool same_value(const struct sk_point *k, const struct sk_write *w, const struct sample *s, struct str text)
{
    if (w->value.type == SAMPLE_STRING) return s->type == SAMPLE_STRING && str_eq(text, str_make(w->text, w->text_n));
    if (s->type != SAMPLE_DOUBLE && s->type != SAMPLE_INT && s->type != SAMPLE_BOOL) return false;
    double want = w->value.type == SAMPLE_DOUBLE ? w->value.v.d : (double)w->value.v.i;
    double got = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i, step = fabs(k->p.scale) / 2;
    double slack =
        field_type(k->field) == VALUE_DOUBLE || field_type(k->field) == VALUE_FLOAT ? 1e-6 * fabs(want) + 1e-9 : step;
    return fabs(got - want) <= slack;
}

static void write_frame(struct sk_channel *ch, struct sk_device *d, struct field_frame *fr, struct sk_write *w)
{
    struct error e;
    struct str text;
    struct sk_device *its = NULL;
    struct sk_point *k = sk_find_point(ch, w->point, &its);
    if (k == NULL || its != d) return;
    if (k->refused && condition_holds(k->refused, fr)) {
        error_set(&e, ERR_DEVICE, "", "%s refused it", "%s 拒绝了该命令", d->code);
        write_ends(ch, w, DRIVER_REFUSED, &e, NULL, STR_NULL);
        return;
    }
    struct sample s = {.point = k->num, .time_us = sk_utc(ch)};
    bool carried = frame_value(k, fr, &ch->a, &s, &text, &e) == 0;
    if (k->confirm && condition_holds(k->confirm, fr))
        write_ends(ch, w, DRIVER_DONE, NULL, carried ? &s : NULL, text);
    else if (!k->confirm && carried && same_value(k, w, &s, text))
        write_ends(ch, w, DRIVER_DONE, NULL, &s, text);
}

/* ---- test reads ---- */

static void read_ends(struct sk_channel *ch, struct sk_read *r, const struct error *why)
{
    for (struct sk_read **p = &ch->reads; *p; p = &(*p)->next) {
        if (*p != r) continue;
        *p = r->next;
        break;
    }
    for (struct sk_device **p = &ch->devices; *p; p = &(*p)->next) {
        if (*p != r->device) continue;
        *p = r->device->next;
        break;
    }
    for (size_t i = 0; i < r->n; i++) {
        struct driver_reading *g = &r->readings[i];
        if (g->sample.time_us) continue;
        r->errors[i] = *why;
        g->error = &r->errors[i];
        sample_bad(&g->sample, sk_utc(ch), REASON_NO_DATA);
    }
    r->done(r->arg, r->readings, r->n);
    for (size_t i = 0; i < r->n; i++) sk_point_fini(&r->points[i]);
    sk_device_free(r->device);
    arena_fini(&r->a);
    mem_free(r);
}

static void read_frame(struct sk_channel *ch, struct sk_read *r, struct field_frame *fr, int64_t time_us)
{
    struct error e;
    if (r->device->time && frame_time(r->device, fr, &time_us, &e)) time_us = sk_utc(ch);
    for (size_t i = 0; i < r->n; i++) {
        struct driver_reading *g = &r->readings[i];
        struct str text;
        struct field_value v;
        if (g->sample.time_us) continue;
        int rc = frame_value(&r->points[i], fr, &r->a, &g->sample, &text, &e);
        if (rc == ERR_NOT_FOUND) continue;
        g->sample.time_us = time_us;
        g->ms = ms_since(ch, r->began_ns);
        r->left--;
        if (rc) {
            r->errors[i] = e;
            g->error = &r->errors[i];
        }
        if (g->sample.type == SAMPLE_STRING) {
            struct str copy = arena_str(&r->a, text);
            g->text = copy.p;
            g->text_len = copy.n;
        }
        if (field_get(r->points[i].field, fr, &v, NULL) == 0 && v.n) {
            g->raw = (const uint8_t *)arena_str(&r->a, str_make((const char *)fr->p + v.at, v.n)).p;
            g->raw_len = g->raw ? v.n : 0;
        }
    }
}

/* What the device said lately counts. */
static void read_seen(struct sk_channel *ch, struct sk_read *r, const struct sk_device *d)
{
    for (unsigned k = 1; d && k <= SK_SEEN && r->left; k++) {
        const struct sk_seen *s = d->seen.at[(d->seen.next + SK_SEEN - k) % SK_SEEN];
        if (s == NULL || s->n == 0 || sk_utc(ch) - s->time_us > SEEN_FRESH_US) continue;
        struct field_frame fr = frame_view(ch, s->bytes, s->n);
        read_frame(ch, r, &fr, s->time_us);
    }
}

static int read_prepare(struct sk_channel *ch, struct sk_read *r, const struct driver_device *device,
                        const struct driver_point *points, size_t n)
{
    arena_init(&r->a, 8u << 20);
    r->points = arena_calloc(&r->a, n + 1, sizeof *r->points);
    r->readings = arena_calloc(&r->a, n + 1, sizeof *r->readings);
    r->errors = arena_calloc(&r->a, n + 1, sizeof *r->errors);
    r->device = mem_calloc(1, sizeof *r->device);
    if (!r->points || !r->readings || !r->errors || !r->device) return ERR_NOMEM;
    struct error e;
    int rc = sk_device_read(r->device, device, device ? device->options : NULL, &e);
    r->device->job = r;
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        struct driver_reading *g = &r->readings[i];
        g->sample.point = points[i].num;
        int wrong = sk_point_read(&r->points[i], &points[i], &r->errors[i]);
        if (rc) r->errors[i] = e;
        if (!wrong && !rc) {
            r->left++;
            continue;
        }
        g->error = &r->errors[i];
        sample_bad(&g->sample, sk_utc(ch), REASON_CONFIG_ERROR);
    }
    return 0;
}

void job_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
              size_t n, driver_read_done *done, void *arg)
{
    struct sk_channel *ch = (struct sk_channel *)base;
    struct sk_read *r = n <= 1000 ? mem_calloc(1, sizeof *r) : NULL;
    struct error none = {0};
    if (r == NULL || read_prepare(ch, r, device, points, n)) {
        if (r) {
            sk_device_free(r->device);
            arena_fini(&r->a);
        }
        mem_free(r);
        done(arg, NULL, 0);
        return;
    }
    r->done = done;
    r->arg = arg;
    r->began_ns = sk_now(ch);
    r->until_ns = r->began_ns + READ_MS * NS_MS;
    if (device) read_seen(ch, r, sk_twin(ch, device->options));
    if (r->left == 0) {
        read_ends(ch, r, &none);
        return;
    }
    struct sk_device **tail = &ch->devices;
    while (*tail) tail = &(*tail)->next;
    *tail = r->device;
    r->next = ch->reads;
    ch->reads = r;
    for (struct sk_link *l = ch->links; l; l = l->next)
        if (l->up && !l->closing) link_attach(l, false);
    if (ch->conn != SK_UP) ch->connect_now = true;
    sk_wake_at(ch, r->began_ns);
}

static void read_over(struct sk_channel *ch, struct sk_read *r)
{
    struct error e;
    bool server = sk_server(ch);
    error_set(&e, ERR_TIMEOUT, "",
              server && r->device->link == NULL ? "nothing came from this device within %d s"
                                                : "no frame with this field came within %d s",
              server && r->device->link == NULL ? "%d 秒内没有收到该设备的数据" : "%d 秒内没有收到含该字段的帧",
              READ_MS / 1000);
    read_ends(ch, r, &e);
}

/* ---- tests ---- */

static void test_ends(struct sk_channel *ch, struct sk_test *t, const struct error *e)
{
    char en[360], zh[360];
    bool server = sk_server(ch);
    unsigned port = ch->udp ? udp_port_number(ch->udp) : ch->listener ? tls_listener_port(ch->listener) : ch->cfg.port;
    snprintf(en, sizeof en, server ? "listening on %s (port %u)" : "connected to %s (port %u)", ch->cfg.place,
             server ? port : ch->cfg.port);
    snprintf(zh, sizeof zh, server ? "正在监听 %s（端口 %u）" : "已连接 %s（端口 %u）", ch->cfg.place,
             server ? port : ch->cfg.port);
    t->done(t->arg, e, ms_since(ch, t->began_ns), e ? "" : en, e ? "" : zh);
    mem_free(t);
}

static void tests_end(struct sk_channel *ch, const struct error *e)
{
    struct sk_test *all = TAKE(ch->tests);
    while (all) {
        struct sk_test *t = all;
        all = t->next;
        test_ends(ch, t, e);
    }
}

void job_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct sk_channel *ch = (struct sk_channel *)base;
    struct error e;
    struct sk_test *t = mem_calloc(1, sizeof *t);
    if (t == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, 0, "", "");
        return;
    }
    *t = (struct sk_test){.next = ch->tests, .began_ns = sk_now(ch), .done = done, .arg = arg};
    ch->tests = t;
    if (ch->conn == SK_UP) {
        tests_end(ch, NULL);
        return;
    }
    ch->connect_now = true;
    sk_wake_at(ch, t->began_ns);
}

/* ---- what happens ---- */

void job_frame(struct sk_channel *ch, struct sk_device *d, struct field_frame *fr)
{
    struct error none = {0};
    if (d->job) {
        read_frame(ch, d->job, fr, sk_utc(ch));
        if (d->job->left == 0) read_ends(ch, d->job, &none);
        return;
    }
    for (struct sk_write *w = ch->writes, *next; w; w = next) {
        next = w->next;
        if (w->sent && w->device == d->num) write_frame(ch, d, fr, w);
    }
}

void job_opened(struct sk_channel *ch)
{
    tests_end(ch, NULL);
}

void job_link_lost(struct sk_channel *ch, const struct sk_device *d)
{
    struct error e;
    error_set(&e, ERR_UNKNOWN, "", "the connection was lost after the command was sent", "命令发送后连接中断");
    for (struct sk_write *w = ch->writes, *next; w; w = next) {
        next = w->next;
        if (w->sent && w->device == d->num) write_fails(ch, w, DRIVER_UNKNOWN, &e);
    }
}

void job_failed(struct sk_channel *ch, const struct error *why)
{
    struct error e = *why;
    tests_end(ch, &e);
    while (ch->reads) read_ends(ch, ch->reads, &e);
    while (ch->writes) write_fails(ch, ch->writes, DRIVER_FAILED, &e);
}

void sk_job_cancel_all(struct sk_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    job_failed(ch, &e);
}

void job_pump(struct sk_channel *ch, uint64_t now, uint64_t *wake)
{
    for (struct sk_write *w = ch->writes, *next; w; w = next) {
        next = w->next;
        write_time(ch, w, now);
    }
    for (struct sk_read *r = ch->reads, *next; r; r = next) {
        next = r->next;
        if (r->until_ns <= now) read_over(ch, r);
    }
    for (struct sk_write *w = ch->writes; w; w = w->next) {
        if (w->sent) wake_earlier(wake, w->until_ns);
        if (!w->sent && w->deadline_ns) wake_earlier(wake, w->deadline_ns);
        if (!w->sent && ch->conn == SK_UP) wake_earlier(wake, now + 20 * NS_MS);
    }
    for (struct sk_read *r = ch->reads; r; r = r->next) wake_earlier(wake, r->until_ns);
}
