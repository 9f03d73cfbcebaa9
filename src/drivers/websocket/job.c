/* job.c - what somebody asks for. A write is a message; it is done when a message brings the value that was written,
 * and unknown when none does in time. Reading and browsing answer from the last messages, or wait for one. */
#include "drivers/websocket/ws_driver_int.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ---- write ---- */

static void write_end(struct wd_channel *ch, driver_write_done *done, void *arg, struct driver_write_result r)
{
    if (r.outcome == DRIVER_DONE) ch->st.writes++;
    done(arg, &r);
}

static void finish_write(struct wd_channel *ch, struct wd_write *w, struct driver_write_result r)
{
    r.ms = (uint32_t)((wd_now(ch) - w->began_ns) / NS_MS);
    write_end(ch, w->done, w->arg, r);
    mem_free(w->text);
    mem_free(w);
}

static bool same_value(const struct wd_write *w, const struct sample *s, struct str text)
{
    if (s->quality == QUALITY_BAD) return false;
    if (s->type == SAMPLE_STRING || w->value.type == SAMPLE_STRING)
        return s->type == w->value.type && str_eq(text, str_make(w->text, w->text_len));
    double a = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i,
           b = w->value.type == SAMPLE_DOUBLE ? w->value.v.d : (double)w->value.v.i;
    return fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

void wd_confirm(struct wd_channel *ch, uint32_t point, const struct sample *s, struct str text)
{
    for (struct wd_write **at = &ch->writes; *at;) {
        struct wd_write *w = *at;
        if (w->point != point || !same_value(w, s, text)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        finish_write(
            ch, w,
            (struct driver_write_result){
                .outcome = DRIVER_DONE, .has_readback = true, .readback = *s, .text = text.p, .text_len = text.n});
        at = &ch->writes; /* the list may have changed */
    }
}

static void unknown(struct wd_channel *ch, struct wd_write *w, const struct error *e)
{
    finish_write(ch, w, (struct driver_write_result){.outcome = DRIVER_UNKNOWN, .error = e});
}

static void late_writes(struct wd_channel *ch)
{
    struct error e = {0};
    error_set(&e, ERR_UNKNOWN, "", "the message was sent; no message brought the written value within %u ms",
              "消息已发出；%u 毫秒内未收到与写入一致的值", ch->confirm_ms);
    for (struct wd_write **at = &ch->writes; *at;) {
        struct wd_write *w = *at;
        if (w->until_ns > wd_now(ch)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        unknown(ch, w, &e);
        at = &ch->writes;
    }
}

/* 0: sent, and the caller waits. */
static int send_write(struct wd_channel *ch, const struct wd_device *d, const struct wd_point *p,
                      const struct driver_write *w, struct error *e)
{
    struct sample raw;
    struct buf b;
    struct wd_conn *c = wd_conn_of(ch, d->rules);
    int rc = payload_raw_value(p->type, &p->spec, &w->value, &raw, e);
    if (rc) return rc;
    if (!c) return error_set(e, ERR_UNAVAILABLE, "", "the device is not connected", "设备未连接");
    const struct fill_value v = {&raw, str_make(w->text ? w->text : "", w->text_len)};
    const struct fill f = {.now_us = wd_utc(ch), .last_us = wd_utc(ch), .value = &v, .zone = d->rules->reader};
    buf_init(&b, 1 << 20);
    rc = fill_text(p->message, &f, &b, e);
    if (!rc && wd_send(c, buf_view(&b)))
        rc = error_set(e, ERR_UNAVAILABLE, "", "the message could not be sent", "消息未能发出");
    buf_fini(&b);
    return rc;
}

static int wait_for(struct wd_channel *ch, const struct driver_write *w, struct wd_write **ret)
{
    struct wd_write *x = mem_calloc(1, sizeof *x);
    if (!x) return ERR_NOMEM;
    *x = (struct wd_write){.point = w->point,
                           .value = w->value,
                           .text_len = w->text_len,
                           .done = w->done,
                           .arg = w->arg,
                           .began_ns = wd_now(ch)};
    x->until_ns = x->began_ns + (uint64_t)ch->confirm_ms * NS_MS;
    x->text = mem_dup(w->text ? w->text : "", w->text_len + 1);
    if (!x->text) {
        mem_free(x);
        return ERR_NOMEM;
    }
    *ret = x;
    return 0;
}

static bool cannot_write(struct wd_channel *ch, const struct driver_write *w, const struct wd_device *d,
                         const struct wd_point *p)
{
    struct error e = {0};
    enum driver_outcome o = DRIVER_REFUSED;
    if (!p || !p->message[0] || !d->rules)
        error_set(&e, ERR_INVALID, "", "the point has no message for writing", "该测点未设置写入消息");
    else if (w->deadline_ns && w->deadline_ns <= wd_now(ch)) {
        o = DRIVER_EXPIRED;
        error_set(&e, ERR_TIMEOUT, "", "the command expired before it could be sent", "命令在发送前已过期");
    } else
        return false;
    write_end(ch, w->done, w->arg, (struct driver_write_result){.outcome = o, .error = &e});
    return true;
}

void wd_write(struct driver_channel *base, const struct driver_write *w)
{
    struct wd_channel *ch = (struct wd_channel *)base;
    struct wd_device *d = NULL;
    struct wd_write *x = NULL;
    struct error e = {0};
    const struct wd_point *p = wd_find(ch, w->point, &d);
    if (cannot_write(ch, w, d, p)) return;
    int rc = wait_for(ch, w, &x) ? no_memory(&e) : send_write(ch, d, p, w, &e);
    if (!rc) {
        x->next = ch->writes;
        ch->writes = x;
        wd_pump(ch);
        return;
    }
    if (x) mem_free(x->text);
    mem_free(x);
    write_end(ch, w->done, w->arg,
              (struct driver_write_result){.outcome = rc == ERR_INVALID ? DRIVER_REFUSED : DRIVER_FAILED, .error = &e});
}

/* ---- jobs ---- */

static struct wd_job *job_new(struct wd_channel *ch, enum wd_job_kind kind, void *arg)
{
    struct wd_job *j = mem_calloc(1, sizeof *j);
    if (!j) return NULL;
    arena_init(&j->arena, WD_DOC_MAX);
    j->kind = kind;
    j->arg = arg;
    j->began_ns = wd_now(ch);
    j->until_ns = j->began_ns + (uint64_t)WD_JOB_MS * NS_MS;
    return j;
}

static void job_free(struct wd_job *j)
{
    for (size_t i = 0; j->places && i < j->npoints; i++) payload_place_free(j->places[i]);
    wd_rules_free(j->rules);
    arena_fini(&j->arena);
    mem_free(j);
}

static void job_add(struct wd_channel *ch, struct wd_job *j)
{
    j->next = ch->jobs;
    ch->jobs = j;
    wd_pump(ch);
}

static uint32_t job_ms(const struct wd_channel *ch, const struct wd_job *j)
{
    return (uint32_t)((wd_now(ch) - j->began_ns) / NS_MS);
}

/* The k-th newest message that is the job's, parsed; NULL: it is not, or cannot be read. */
static struct payload_doc *kept_doc(const struct wd_channel *ch, struct wd_job *j, size_t k, int64_t *ret_time_us)
{
    if (k >= WD_KEPT || k >= ch->kept_at || ch->kept_at - 1 - k < j->seen) return NULL;
    const struct wd_kept *m = &ch->kept[(ch->kept_at - 1 - k) % WD_KEPT];
    struct wd_message msg = {.text = {m->p, m->n}, .path = str_of(m->path)};
    struct payload_doc *doc = NULL;
    struct json *root = NULL;
    if (j->rules->select && json_parse(&j->arena, msg.text, &root, NULL) == 0) msg.root = root;
    if (!wd_rules_match(j->rules, &msg) || payload_doc_parse(j->rules->reader, msg.text, &j->arena, &doc, NULL))
        return NULL;
    *ret_time_us = m->time_us;
    return doc;
}

/* ---- read ---- */

struct reading_of {
    struct wd_job *j;
    size_t i;
    int64_t arrived_us, newest;
};

static int take_reading(void *ctx, const struct payload_value *v)
{
    struct reading_of *t = ctx;
    struct wd_job *j = t->j;
    struct driver_reading *r = &j->readings[t->i];
    const struct driver_point *p = &j->points[t->i];
    struct str text;
    if (v->has_time && v->time_us < t->newest) return 0;
    if (v->has_time) t->newest = v->time_us;
    r->sample = (struct sample){.point = p->num, .time_us = v->has_time ? v->time_us : t->arrived_us};
    payload_sample(v->value, p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type, p, &j->arena, &r->sample, &text);
    if (v->quality > r->sample.quality) r->sample.quality = (uint8_t)v->quality;
    struct str raw = json_text(&j->arena, v->value);
    text = arena_str(&j->arena, text);
    r->text = text.p;
    r->text_len = text.n;
    r->raw = (const uint8_t *)raw.p;
    r->raw_len = raw.n;
    return 0;
}

static void fail_reading(struct wd_channel *ch, struct wd_job *j, size_t i, const struct error *e,
                         enum quality_reason why)
{
    j->errors[i] = *e;
    j->found[i] = true;
    j->readings[i].error = &j->errors[i];
    j->readings[i].sample = (struct sample){
        .point = j->points[i].num, .time_us = wd_utc(ch), .quality = QUALITY_BAD, .flags = (uint16_t)why};
}

static bool read_kept(struct wd_channel *ch, struct wd_job *j)
{
    size_t missing = 0;
    for (size_t k = 0; k < WD_KEPT; k++) {
        int64_t t_us = 0;
        const struct payload_doc *doc = kept_doc(ch, j, k, &t_us);
        for (size_t i = 0; doc && i < j->npoints; i++) {
            struct reading_of t = {j, i, t_us, INT64_MIN};
            if (!j->found[i] && payload_doc_read(doc, j->places[i], take_reading, &t) == 0) j->found[i] = true;
        }
    }
    for (size_t i = 0; i < j->npoints; i++) missing += !j->found[i];
    return missing == 0;
}

static void end_read(struct wd_channel *ch, struct wd_job *j, const struct error *why)
{
    struct error e = {0};
    for (size_t i = 0; i < j->npoints; i++) {
        j->readings[i].ms = job_ms(ch, j);
        if (j->found[i]) continue;
        if (!why)
            error_set(&e, ERR_NOT_FOUND, "address", "no message within %d s has anything at '%.100s'",
                      "%d 秒内没有消息包含“%.100s”", WD_JOB_MS / 1000, j->points[i].address);
        fail_reading(ch, j, i, why ? why : &e, why ? REASON_NOT_CONNECTED : REASON_NO_DATA);
    }
    j->done.read(j->arg, j->readings, j->npoints);
}

static int prepare_read(struct wd_channel *ch, struct wd_job *j, const struct driver_point *points, size_t n)
{
    j->points = arena_calloc(&j->arena, n, sizeof *j->points);
    j->places = arena_calloc(&j->arena, n, sizeof *j->places);
    j->readings = arena_calloc(&j->arena, n, sizeof *j->readings);
    j->errors = arena_calloc(&j->arena, n, sizeof *j->errors);
    j->found = arena_calloc(&j->arena, n, sizeof *j->found);
    if (!j->points || !j->places || !j->readings || !j->errors || !j->found) return ERR_NOMEM;
    j->npoints = n;
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        j->points[i] = points[i];
        j->points[i].options = NULL;
        j->points[i].address = arena_strdup(&j->arena, str_of(points[i].address));
        if (!j->points[i].address) return ERR_NOMEM;
        if (!j->rules->reader ||
            payload_place_new(j->rules->reader, points[i].address, points[i].options, &j->places[i], &e))
            fail_reading(ch, j, i, &e, REASON_CONFIG_ERROR);
    }
    return 0;
}

void wd_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct wd_channel *ch = (struct wd_channel *)base;
    struct error e = {0};
    struct wd_job *j = n && n <= 1000 ? job_new(ch, WD_READ, arg) : NULL;
    int rc = j ? wd_rules_new(device->options, true, &j->rules, &e) : ERR_NOMEM;
    bool wrong = rc == ERR_INVALID && (j->rules = mem_calloc(1, sizeof *j->rules)) != NULL; /* told for each point */
    if (wrong) arena_init(&j->rules->arena, 1024);
    if (!rc || wrong) rc = prepare_read(ch, j, points, n);
    if (rc) {
        if (j) job_free(j);
        done(arg, NULL, 0);
        return;
    }
    j->done.read = done;
    for (size_t i = 0; wrong && i < n; i++) fail_reading(ch, j, i, &e, REASON_CONFIG_ERROR);
    job_add(ch, j);
}

/* ---- browse ---- */

static enum value_type guess(const struct json *v)
{
    static const enum value_type types[] = {[JSON_BOOL] = VALUE_BOOL,
                                            [JSON_INT] = VALUE_INT64,
                                            [JSON_DOUBLE] = VALUE_DOUBLE,
                                            [JSON_STRING] = VALUE_STRING,
                                            [JSON_OBJECT] = VALUE_AUTO};
    double x;
    if (v && v->type == JSON_STRING && str_to_double(str_trim(v->s), &x) == 0) return VALUE_DOUBLE;
    return v ? types[v->type] : VALUE_AUTO;
}

#define NAMES_MAX 2000
struct names {
    struct payload_name at[NAMES_MAX];
    size_t n;
};

static void merge(struct names *all, const struct payload_name *more, size_t n)
{
    for (size_t i = 0; i < n && all->n < NAMES_MAX; i++) {
        bool known = false;
        for (size_t k = 0; k < all->n && !known; k++) known = str_eq(all->at[k].address, more[i].address);
        if (!known) all->at[all->n++] = more[i];
    }
}

static struct names *gather(struct wd_channel *ch, struct wd_job *j)
{
    struct names *all = arena_alloc(&j->arena, sizeof *all);
    struct payload_name *some = arena_alloc(&j->arena, NAMES_MAX * sizeof *some);
    if (!all || !some) return NULL;
    all->n = 0;
    for (size_t k = 0; k < WD_KEPT; k++) {
        int64_t t_us;
        const struct payload_doc *doc = kept_doc(ch, j, k, &t_us);
        if (doc) merge(all, some, payload_doc_names(doc, &j->arena, some, NAMES_MAX));
    }
    return all;
}

static void tell_names(struct wd_job *j, const struct names *all)
{
    struct driver_browse_item *items = arena_calloc(&j->arena, j->max, sizeof *items);
    char next[24];
    size_t k = 0;
    for (size_t i = j->from; items && i < all->n && k < j->max; i++) {
        const char *name = arena_strdup(&j->arena, all->at[i].address);
        const struct json *v = all->at[i].value;
        struct str text = !v ? STR_NULL : v->type == JSON_STRING ? v->s : json_text(&j->arena, v);
        if (!name) break;
        items[k++] = (struct driver_browse_item){.node = name,
                                                 .name = name,
                                                 .address = name,
                                                 .type = guess(v),
                                                 .value = v ? arena_strdup(&j->arena, str_sub(text, 0, 200)) : NULL};
    }
    snprintf(next, sizeof next, "%zu", j->from + k);
    j->done.browse(j->arg, NULL, items, k, items && j->from + k < all->n ? next : NULL);
}

static void end_browse(struct wd_job *j, const struct error *why)
{
    struct error e = {0};
    if (!why)
        error_set(&e, ERR_TIMEOUT, "", "no message of this device came within %d s", "%d 秒内没有收到该设备的消息",
                  WD_JOB_MS / 1000);
    j->done.browse(j->arg, why ? why : &e, NULL, 0, NULL);
}

void wd_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct wd_channel *ch = (struct wd_channel *)base;
    struct error e = {0};
    uint64_t from = 0;
    if (node[0]) {
        done(arg, NULL, NULL, 0, NULL);
        return;
    }
    struct wd_job *j = job_new(ch, WD_BROWSE, arg);
    int rc = j ? 0 : no_memory(&e);
    if (!rc && cursor && (str_to_u64(str_of(cursor), &from) || from > NAMES_MAX))
        rc = error_set(&e, ERR_INVALID, "cursor", "not a cursor of this list", "游标无效");
    if (!rc) rc = wd_rules_new(device->options, true, &j->rules, &e);
    if (rc) {
        if (j) job_free(j);
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    j->from = (size_t)from;
    j->max = max ? max : 1;
    j->done.browse = done;
    job_add(ch, j);
}

/* ---- test ---- */

static void end_test(struct wd_channel *ch, struct wd_job *j, const struct error *why)
{
    char en[200] = "", zh[200] = "";
    size_t n = 0;
    for (const struct wd_conn *c = ch->conns; c; c = c->next) n += c->up;
    if (ch->cfg.server && ch->server_up) {
        snprintf(en, sizeof en, "listening on port %u, %zu connected", ws_server_port(ch->server), n);
        snprintf(zh, sizeof zh, "正在监听端口 %u，已连接 %zu 个", ws_server_port(ch->server), n);
    } else if (!ch->cfg.server) {
        snprintf(en, sizeof en, "connected to %.150s:%u", ch->cfg.url.host, ch->cfg.url.port);
        snprintf(zh, sizeof zh, "已连接 %.150s:%u", ch->cfg.url.host, ch->cfg.url.port);
    }
    j->done.test(j->arg, why, job_ms(ch, j), en, zh);
}

void wd_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct wd_channel *ch = (struct wd_channel *)base;
    struct wd_job *j = job_new(ch, WD_TEST, arg);
    struct error e = {0};
    if (!j) {
        no_memory(&e);
        done(arg, &e, 0, "", "");
        return;
    }
    j->done.test = done;
    ch->retry_ns = 0; /* at once */
    job_add(ch, j);
}

/* ---- all of them ---- */

static void finish(struct wd_channel *ch, struct wd_job *j, const struct error *why)
{
    if (j->kind == WD_READ) end_read(ch, j, why);
    if (j->kind == WD_BROWSE) end_browse(j, why);
    if (j->kind == WD_TEST) end_test(ch, j, why);
    job_free(j);
}

/* True: it was answered. */
static bool try_job(struct wd_channel *ch, struct wd_job *j)
{
    if (j->kind == WD_TEST) {
        if (ch->cfg.server ? !ch->server_up : !ch->connected) return false;
        end_test(ch, j, NULL);
    } else if (j->kind == WD_READ) {
        if (!read_kept(ch, j)) return false;
        end_read(ch, j, NULL);
    } else {
        const struct names *all = gather(ch, j);
        if (!all || !all->n) return false;
        tell_names(j, all);
    }
    job_free(j);
    return true;
}

void wd_jobs_run(struct wd_channel *ch)
{
    struct error late = {0};
    error_set(&late, ERR_TIMEOUT, "", "no connection within %d s", "%d 秒内未能连接", WD_JOB_MS / 1000);
    late_writes(ch);
    struct wd_job *all = ch->jobs, *wait = NULL;
    ch->jobs = NULL;
    while (all) {
        struct wd_job *j = all;
        all = j->next;
        if (try_job(ch, j)) continue;
        j->seen = ch->kept_at;
        if (j->until_ns <= wd_now(ch)) {
            finish(ch, j, j->kind == WD_TEST ? &late : NULL);
            continue;
        }
        j->next = wait;
        wait = j;
    }
    while (wait) {
        struct wd_job *j = wait;
        wait = j->next;
        j->next = ch->jobs;
        ch->jobs = j;
    }
}

static void end_all(struct wd_channel *ch, const struct error *why)
{
    struct wd_job *jobs = ch->jobs;
    struct wd_write *writes = ch->writes;
    ch->jobs = NULL;
    ch->writes = NULL;
    while (writes) {
        struct wd_write *w = writes;
        writes = w->next;
        unknown(ch, w, why);
    }
    while (jobs) {
        struct wd_job *j = jobs;
        jobs = j->next;
        finish(ch, j, why);
    }
}

void wd_jobs_lost(struct wd_channel *ch, const struct error *why)
{
    end_all(ch, why);
}

void wd_jobs_cancel(struct wd_channel *ch)
{
    struct error e = {0};
    error_set(&e, ERR_CANCELLED, "", "cancelled", "已取消");
    end_all(ch, &e);
}

uint64_t wd_jobs_next(const struct wd_channel *ch)
{
    uint64_t at = UINT64_MAX;
    for (const struct wd_job *j = ch->jobs; j; j = j->next)
        if (j->until_ns < at) at = j->until_ns;
    for (const struct wd_write *w = ch->writes; w; w = w->next)
        if (w->until_ns < at) at = w->until_ns;
    return at;
}
