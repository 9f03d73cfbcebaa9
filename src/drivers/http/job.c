/* job.c - what somebody asks for: a write, a test read, a test of the connection, a look at what an answer holds. Each
 * is one request with an object of its own that lives until it ends. */
#include "drivers/http/http_int.h"

static struct hc_job *job_new(struct hc_channel *ch, void *arg)
{
    struct hc_job *j = mem_calloc(1, sizeof *j);
    if (!j) return NULL;
    arena_init(&j->arena, HC_DOC_MAX);
    j->ch = ch;
    j->arg = arg;
    j->began_ns = hc_now(ch);
    return j;
}

static void job_free(struct hc_job *j)
{
    for (size_t i = 0; j->places && i < j->npoints; i++) payload_place_free(j->places[i]);
    hc_conf_free(j->conf);
    arena_fini(&j->arena);
    if (!j->ch->queue.n) http_link_drop_idle(j->ch->link);
    mem_free(j);
}

static uint32_t job_ms(const struct hc_job *j)
{
    return (uint32_t)((hc_now(j->ch) - j->began_ns) / NS_MS);
}

static int ask(struct hc_job *j, const struct http_link_call *call, http_done *done, struct error *e)
{
    return http_link_ask(j->ch->link, call, done, j, NULL, e);
}

/* The request of a device, its times as at first. */
static int ask_device(struct hc_job *j, const struct hc_conf *c, http_done *done, struct error *e)
{
    struct http_link_call call;
    int64_t now = hc_utc(j->ch);
    const struct fill t = {.now_us = now, .last_us = now - c->lookback_us, .zone = c->reader};
    int rc = hc_request(c, &t, NULL, &j->arena, &call, e);
    call.urgent = true;
    return rc ? rc : ask(j, &call, done, e);
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ---- write ---- */

static void write_end(const struct driver_write *w, enum driver_outcome o, const struct error *e)
{
    const struct driver_write_result r = {.outcome = o, .error = e};
    w->done(w->arg, &r);
}

/* What the answer means for the equipment. */
static enum driver_outcome outcome_of(const struct http_end *end, bool late, struct error *e)
{
    if (end->error) {
        *e = *end->error;
        if (!end->sent && late) return DRIVER_EXPIRED;
        return end->sent && e->code != ERR_FORBIDDEN ? DRIVER_UNKNOWN : DRIVER_FAILED;
    }
    int rc = http_reply_error(end->reply, e), status = end->reply->status;
    if (!rc) return DRIVER_DONE;
    return status < 500 || status == 501 || status == 503 ? DRIVER_REFUSED : DRIVER_UNKNOWN;
}

static void written(void *arg, const struct http_end *end)
{
    struct hc_job *j = arg;
    struct hc_channel *ch = j->ch;
    struct error e = {0};
    struct driver_write_result r = {.outcome = outcome_of(end, j->deadline_ns && hc_now(ch) >= j->deadline_ns, &e),
                                    .ms = job_ms(j)};
    struct hc_device *d = NULL;
    hc_count(ch, end);
    if (r.outcome != DRIVER_DONE) r.error = &e;
    if (r.outcome == DRIVER_DONE) ch->st.writes++;
    j->done.write(j->arg, &r);
    if (!ch->closing && hc_find(ch, j->point, &d) && d->slot.at) { /* what it did is to be seen soon */
        d->etag[0] = 0;
        poll_move(&ch->queue, &d->slot, hc_now(ch));
        hc_plan(ch);
    }
    job_free(j);
}

static const char *filled(struct hc_job *j, const char *text, const struct fill *t, struct error *e)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    const char *out = fill_text(text, t, &b, e) ? NULL : arena_strdup(&j->arena, buf_view(&b));
    buf_fini(&b);
    return out;
}

static int send_write(struct hc_job *j, const struct hc_device *d, const struct hc_point *p,
                      const struct driver_write *w, struct error *e)
{
    struct sample raw;
    int rc = payload_raw_value(p->type, &p->spec, &w->value, &raw, e);
    if (rc) return rc;
    const struct fill_value v = {&raw, str_make(w->text ? w->text : "", w->text_len)};
    struct fill t = {.now_us = hc_utc(j->ch),
                     .last_us = hc_utc(j->ch),
                     .value = &v,
                     .zone = d->conf ? d->conf->reader : NULL,
                     .url = true};
    const char *path = filled(j, p->write_path, &t, e);
    t.url = false;
    const char *body = path ? filled(j, p->write_body, &t, e) : NULL;
    const char *const headers[] = {arena_printf(&j->arena, "Content-Type: %s", p->write_type), NULL};
    if (!path || !body || !headers[0]) return e && e->code ? e->code : no_memory(e);
    const struct http_link_call call = {.method = p->write_method,
                                        .target = path,
                                        .headers = headers,
                                        .body = str_of(body),
                                        .once = true,
                                        .urgent = true,
                                        .deadline_ns = w->deadline_ns};
    return ask(j, &call, written, e);
}

void hc_write(struct driver_channel *base, const struct driver_write *w)
{
    struct hc_channel *ch = (struct hc_channel *)base;
    struct error e = {0};
    struct hc_device *d = NULL;
    const struct hc_point *p = hc_find(ch, w->point, &d);
    if (!p || !p->writable) {
        error_set(&e, ERR_INVALID, "", "the point has no way of writing; set its writing method",
                  "该测点未设置写入方法");
        write_end(w, DRIVER_REFUSED, &e);
        return;
    }
    struct hc_job *j = job_new(ch, w->arg);
    if (!j) {
        no_memory(&e);
        write_end(w, DRIVER_FAILED, &e);
        return;
    }
    j->done.write = w->done;
    j->point = w->point;
    j->deadline_ns = w->deadline_ns;
    int rc = send_write(j, d, p, w, &e);
    if (!rc) return;
    job_free(j);
    write_end(w, rc == ERR_INVALID || rc == ERR_FORBIDDEN ? DRIVER_REFUSED : DRIVER_FAILED, &e);
}

/* ---- read ---- */

struct reading_of {
    struct hc_job *j;
    size_t i;
    int64_t newest;
};

static int take_reading(void *ctx, const struct payload_value *v)
{
    struct reading_of *t = ctx;
    struct hc_job *j = t->j;
    struct driver_reading *r = &j->readings[t->i];
    const struct driver_point *p = &j->points[t->i];
    struct str text;
    if (v->has_time && v->time_us < t->newest) return 0;
    if (v->has_time) t->newest = v->time_us;
    r->sample = (struct sample){.point = p->num, .time_us = v->has_time ? v->time_us : hc_utc(j->ch)};
    payload_sample(v->value, p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type, p, &j->arena, &r->sample, &text);
    if (v->quality > r->sample.quality) r->sample.quality = (uint8_t)v->quality;
    struct str raw = json_text(&j->arena, v->value);
    text = arena_str(&j->arena, text);
    r->text = text.p;
    r->text_len = text.n;
    r->raw = (const uint8_t *)raw.p;
    r->raw_len = raw.n;
    if (v->error) {
        j->errors[t->i] = *v->error;
        r->error = &j->errors[t->i];
        r->sample.quality = QUALITY_BAD;
        r->sample.flags = REASON_CONFIG_ERROR;
    }
    return 0;
}

static void fail_reading(struct hc_job *j, size_t i, const struct error *e, enum quality_reason why)
{
    j->errors[i] = *e;
    j->readings[i].error = &j->errors[i];
    j->readings[i].sample = (struct sample){
        .point = j->points[i].num, .time_us = hc_utc(j->ch), .quality = QUALITY_BAD, .flags = (uint16_t)why};
}

static void read_points(struct hc_job *j, const struct payload_doc *doc)
{
    struct error e = {0};
    for (size_t i = 0; i < j->npoints; i++) {
        struct reading_of t = {j, i, INT64_MIN};
        if (!j->places[i]) continue; /* its address is wrong: told already */
        if (payload_doc_read(doc, j->places[i], take_reading, &t) != ERR_NOT_FOUND) continue;
        error_set(&e, ERR_NOT_FOUND, "address", "the answer has nothing at '%.100s'", "应答中没有“%.100s”",
                  j->points[i].address);
        fail_reading(j, i, &e, REASON_NO_DATA);
    }
}

static void read_came(void *arg, const struct http_end *end)
{
    struct hc_job *j = arg;
    struct payload_doc *doc = NULL;
    struct error e = {0};
    hc_count(j->ch, end);
    if (end->error) e = *end->error;
    int rc = end->error ? e.code : http_reply_error(end->reply, &e);
    if (!rc) rc = payload_doc_parse(j->conf->reader, end->reply->body, &j->arena, &doc, &e);
    for (size_t i = 0; rc && i < j->npoints; i++)
        if (!j->readings[i].error) fail_reading(j, i, &e, REASON_COMM_FAILURE);
    if (!rc) read_points(j, doc);
    for (size_t i = 0; i < j->npoints; i++) j->readings[i].ms = job_ms(j);
    j->done.read(j->arg, j->readings, j->npoints);
    job_free(j);
}

static int prepare_read(struct hc_job *j, const struct driver_point *points, size_t n)
{
    struct driver_point *copy = arena_calloc(&j->arena, n, sizeof *copy);
    j->places = arena_calloc(&j->arena, n, sizeof *j->places);
    j->readings = arena_calloc(&j->arena, n, sizeof *j->readings);
    j->errors = arena_calloc(&j->arena, n, sizeof *j->errors);
    if (!copy || !j->places || !j->readings || !j->errors) return ERR_NOMEM;
    j->points = copy;
    j->npoints = n;
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        copy[i] = points[i];
        copy[i].address = arena_strdup(&j->arena, str_of(points[i].address));
        copy[i].options = NULL;
        if (!copy[i].address) return ERR_NOMEM;
        if (payload_place_new(j->conf->reader, points[i].address, points[i].options, &j->places[i], &e))
            fail_reading(j, i, &e, REASON_CONFIG_ERROR);
    }
    return 0;
}

/* The options of the device are wrong: all points say so. */
static void refuse_read(struct hc_job *j, const struct driver_point *points, size_t n, const struct error *e)
{
    j->readings = arena_calloc(&j->arena, n, sizeof *j->readings);
    j->errors = arena_calloc(&j->arena, n, sizeof *j->errors);
    j->points = points;
    bool ok = j->readings && j->errors;
    for (size_t i = 0; ok && i < n; i++) fail_reading(j, i, e, REASON_CONFIG_ERROR);
    j->done.read(j->arg, j->readings, ok ? n : 0);
    j->npoints = 0;
    job_free(j);
}

void hc_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct error e = {0};
    struct hc_job *j = n && n <= 1000 ? job_new((struct hc_channel *)base, arg) : NULL;
    if (!j) {
        done(arg, NULL, 0);
        return;
    }
    j->done.read = done;
    int rc = hc_conf_new(device->options, true, &j->conf, &e);
    if (rc) {
        refuse_read(j, points, n, &e);
        return;
    }
    rc = prepare_read(j, points, n);
    if (!rc) rc = ask_device(j, j->conf, read_came, &e);
    if (!rc) return;
    const struct http_end end = {.error = e.code ? &e : NULL};
    if (e.code) {
        read_came(j, &end);
        return;
    }
    done(arg, NULL, 0);
    job_free(j);
}

/* ---- test ---- */

static void test_came(void *arg, const struct http_end *end)
{
    struct hc_job *j = arg;
    struct error e = {0};
    char en[200] = "", zh[200] = "";
    hc_count(j->ch, end);
    if (end->error) e = *end->error;
    int rc = end->error ? e.code : http_reply_error(end->reply, &e);
    bool bare = j->from; /* no device: any answer of the server will do */
    if (end->reply && bare && rc != ERR_UNAUTHENTICATED && rc != ERR_FORBIDDEN && rc != ERR_UNAVAILABLE) rc = 0;
    if (end->reply) {
        snprintf(en, sizeof en, "HTTP %d, %zu bytes from %.120s", end->reply->status, end->reply->body.n,
                 http_link_url(j->ch->link));
        snprintf(zh, sizeof zh, "HTTP %d，来自 %.120s 的 %zu 字节", end->reply->status, http_link_url(j->ch->link),
                 end->reply->body.n);
    }
    j->done.test(j->arg, rc ? &e : NULL, job_ms(j), en, zh);
    job_free(j);
}

static const struct hc_conf *first_conf(const struct hc_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i]->conf) return ch->devices[i]->conf;
    return NULL;
}

void hc_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct hc_channel *ch = (struct hc_channel *)base;
    const struct hc_conf *c = first_conf(ch);
    const struct http_link_call call = {.method = "GET", .target = "", .urgent = true};
    struct error e = {0};
    struct hc_job *j = job_new(ch, arg);
    int rc = j ? 0 : no_memory(&e);
    if (j) j->done.test = done;
    if (j) j->from = c == NULL;
    if (!rc) rc = c ? ask_device(j, c, test_came, &e) : ask(j, &call, test_came, &e);
    if (!rc) return;
    done(arg, &e, 0, "", "");
    if (j) job_free(j);
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

static const char *value_text(struct hc_job *j, const struct json *v)
{
    if (!v) return NULL;
    struct str s = v->type == JSON_STRING ? v->s : json_text(&j->arena, v);
    return arena_strdup(&j->arena, str_sub(s, 0, 200));
}

static void tell_names(struct hc_job *j, const struct payload_doc *doc)
{
    size_t want = j->from + j->max + 1;
    struct payload_name *names = arena_calloc(&j->arena, want, sizeof *names);
    struct driver_browse_item *items = arena_calloc(&j->arena, j->max, sizeof *items);
    char next[24];
    struct error e = {0};
    if (!names || !items) {
        no_memory(&e);
        j->done.browse(j->arg, &e, NULL, 0, NULL);
        return;
    }
    size_t n = payload_doc_names(doc, &j->arena, names, want), k = 0;
    for (size_t i = j->from; i < n && k < j->max; i++, k++) {
        const char *name = arena_strdup(&j->arena, names[i].address);
        items[k] = (struct driver_browse_item){.node = name,
                                               .name = name,
                                               .address = name,
                                               .type = guess(names[i].value),
                                               .value = value_text(j, names[i].value)};
        if (!name) break;
    }
    snprintf(next, sizeof next, "%zu", j->from + k);
    j->done.browse(j->arg, NULL, items, k, j->from + k < n ? next : NULL);
}

static void browse_came(void *arg, const struct http_end *end)
{
    struct hc_job *j = arg;
    struct payload_doc *doc = NULL;
    struct error e = {0};
    hc_count(j->ch, end);
    if (end->error) e = *end->error;
    int rc = end->error ? e.code : http_reply_error(end->reply, &e);
    if (!rc) rc = payload_doc_parse(j->conf->reader, end->reply->body, &j->arena, &doc, &e);
    if (rc)
        j->done.browse(j->arg, &e, NULL, 0, NULL);
    else
        tell_names(j, doc);
    job_free(j);
}

void hc_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct error e = {0};
    struct hc_job *j = job_new((struct hc_channel *)base, arg);
    uint64_t from = 0;
    int rc = j ? 0 : no_memory(&e);
    if (node[0]) { /* leaves have nothing below them */
        done(arg, NULL, NULL, 0, NULL);
        if (j) job_free(j);
        return;
    }
    if (!rc && cursor && (str_to_u64(str_of(cursor), &from) || from > 1000000))
        rc = error_set(&e, ERR_INVALID, "cursor", "not a cursor of this list", "游标无效");
    if (j) j->from = (size_t)from, j->max = max ? max : 1, j->done.browse = done;
    if (!rc) rc = hc_conf_new(device->options, true, &j->conf, &e);
    if (!rc) rc = ask_device(j, j->conf, browse_came, &e);
    if (!rc) return;
    done(arg, &e, NULL, 0, NULL);
    if (j) job_free(j);
}
