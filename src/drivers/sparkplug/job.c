/* job.c - what was asked for: commands, test reads, tests of the connection.
 *
 * A command goes out once, as NCMD or DCMD. Sparkplug has no answer to it: it is done when the metric comes back with
 * the value that was written (a rebirth: when the birth comes); when that takes too long, nobody knows. A test read
 * shows what the metric told last, and asks for a birth when nothing is known. */
#include <stdio.h>
#include "drivers/sparkplug/sparkplug_int.h"

#define READ_MAX 1000
#define AGAIN_NS (20 * NS_MS)

struct sh_job *sh_job_new(struct sh_channel *ch, enum sh_job_kind kind, void *arg)
{
    struct sh_job *j = mem_calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    j->kind = (uint8_t)kind;
    j->arg = arg;
    j->began_ns = sh_now(ch);
    return j;
}

void sh_job_push(struct sh_channel *ch, struct sh_job *j)
{
    struct sh_job **at = &ch->jobs;
    while (*at) at = &(*at)->next;
    *at = j;
    ch->connect_now = true;
    sh_pump(ch);
}

void sh_job_unlink(struct sh_channel *ch, struct sh_job *j)
{
    struct sh_job **at = &ch->jobs;
    while (*at && *at != j) at = &(*at)->next;
    if (*at) *at = j->next;
    ch->used_ns = sh_now(ch);
}

void sh_job_free(struct sh_job *j)
{
    for (size_t i = 0; j->addresses && i < j->npoints; i++) mem_free(j->addresses[i]);
    mem_free(j->addresses);
    mem_free(j->points);
    mem_free(j->text);
    mem_free(j->node);
    mem_free(j);
}

uint32_t sh_ms_since(const struct sh_channel *ch, uint64_t from)
{
    return (uint32_t)((sh_now(ch) - from) / NS_MS);
}

/* ---- commands ---- */

static void end_write(struct sh_channel *ch, struct sh_job *j, enum driver_outcome outcome, const struct error *e,
                      const struct sh_value *back)
{
    struct driver_write_result r = {.outcome = outcome, .error = e, .ms = sh_ms_since(ch, j->began_ns)};
    sh_job_unlink(ch, j);
    if (outcome == DRIVER_DONE) ch->st.writes++;
    if (back && back->s.type != SAMPLE_BLOB && back->s.type != SAMPLE_NONE) {
        r.has_readback = true;
        r.readback = back->s;
        r.text = back->text.p ? back->text.p : "", r.text_len = back->text.n;
    }
    j->done.write(j->arg, &r);
    sh_job_free(j);
}

static void end_error(struct sh_channel *ch, struct sh_job *j, enum driver_outcome outcome, int code, const char *en,
                      const char *zh)
{
    struct error e;
    error_set(&e, code, "", "%s%.0s", "%.0s%s", en, zh);
    end_write(ch, j, outcome, &e, NULL);
}

static struct sh_point *point_of(struct sh_channel *ch, uint32_t num)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].num == num) return &ch->points[i];
    return NULL;
}

static bool is_rebirth(const struct sh_metric *m)
{
    return str_is(str_make(m->name, m->n), SPB_REBIRTH);
}

/* A member goes inside an instance of its template that holds nothing else; memory: the arena's. */
static struct spb_metric in_template(const struct sh_metric *m, struct spb_metric v, struct arena *a)
{
    const struct sh_metric *parent = m->parent;
    struct spb_metric last = spb_metric_of(str_make((const char *)parent->raw, parent->raw_n));
    struct spb_template t = spb_template(last.value.field == SPB_V_TEMPLATE ? last.value.s : STR_NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    v.has_name = true, v.has_alias = false;
    v.name = str_make(m->name + parent->n + 1, m->n - parent->n - 1);
    spb_put_metric(&b, &v);
    spb_put_template(&b, t.ref);
    v.datatype = SPB_T_Template;
    v.value = (struct spb_value){.field = SPB_V_TEMPLATE, .s = arena_str(a, buf_view(&b))};
    buf_fini(&b);
    return v;
}

static int send_command(struct sh_channel *ch, struct sh_job *j, const struct sh_conf *conf, struct error *e)
{
    const struct sh_metric *m = j->metric;
    const struct sh_device *d = m->dev;
    uint64_t ms = (uint64_t)(sh_utc(ch) / 1000);
    struct spb_topic t = {.type = d->n ? SPB_DCMD : SPB_NCMD,
                          .group = sh_group(d->node),
                          .node = sh_name(d->node),
                          .device = str_make(d->name, d->n)};
    struct spb_metric v = {.has_timestamp = true,
                           .timestamp = ms,
                           .has_datatype = true,
                           .datatype = m->datatype,
                           .value = spb_value_of(m->datatype, &j->want)};
    struct buf b;
    for (; m->member; m = m->parent) v = in_template(m, v, &ch->scratch);
    v.has_alias = m->has_alias;
    v.alias = m->alias;
    v.has_name = !m->has_alias || conf->names;
    v.name = str_make(m->name, m->n);
    buf_init(&b, 1 << 20);
    spb_put_timestamp(&b, ms);
    spb_put_metric(&b, &v);
    j->token = ++ch->token + 1; /* 1 is the subscription's */
    int rc = b.err ? b.err : sh_publish(ch, &t, buf_view(&b), j->token, e);
    buf_fini(&b);
    return rc;
}

/* What stands in the way; NULL: nothing. */
static const char *obstacle(const struct sh_point *p, const char **zh)
{
    const struct sh_metric *m = p->metric;
    *zh = "测点地址有误";
    if (m == NULL) return "the address of the point is wrong";
    *zh = "“$online”只读";
    if (p->online) return "'$online' is read-only";
    return NULL;
}

static void try_command(struct sh_channel *ch, struct sh_job *j, uint64_t now)
{
    struct sh_point *p = point_of(ch, j->point);
    const char *zh, *en = p ? obstacle(p, &zh) : (zh = "没有该测点", "no such point");
    struct error e = {0};
    if (en) {
        end_error(ch, j, DRIVER_REFUSED, ERR_INVALID, en, zh);
        return;
    }
    j->metric = p->metric;
    if (!p->metric->born || !p->metric->dev->alive) {
        if (now < j->give_up_ns && p->metric->dev->node->grace_ns) return; /* its birth is awaited */
        if (p->metric->dev->alive)
            end_error(ch, j, DRIVER_FAILED, ERR_NOT_FOUND, "the birth of the device does not name this metric",
                      "设备的上线消息中没有该指标");
        else
            end_error(ch, j, DRIVER_FAILED, ERR_UNAVAILABLE, "the device or its edge node is offline",
                      "设备或边缘节点离线");
        return;
    }
    if (sh_scalar_of(p, p->metric->datatype, &j->value, str_make(j->text, j->text_len), &j->want, &e)) {
        end_write(ch, j, DRIVER_REFUSED, &e, NULL);
        return;
    }
    j->birth_answers = is_rebirth(p->metric);
    int rc = send_command(ch, j, &ch->confs[p->device], &e);
    if (rc == ERR_AGAIN && now < j->give_up_ns) {
        sh_plan(ch, now + AGAIN_NS);
    } else if (rc) {
        end_write(ch, j, DRIVER_FAILED, &e, NULL);
    } else {
        j->sent = true;
        j->give_up_ns = now + ch->cfg.write_ns;
    }
}

static void pump_write(struct sh_channel *ch, struct sh_job *j, uint64_t now)
{
    if (j->sent && now >= j->give_up_ns) {
        struct error e;
        error_set(&e, ERR_UNKNOWN, "",
                  "the metric has not come back with this value within %.1f s; look at the equipment",
                  "%.1f 秒内未收到该指标返回此值，请检查设备", (double)ch->cfg.write_ns / 1e9);
        end_write(ch, j, DRIVER_UNKNOWN, &e, NULL);
    } else if (!j->sent && j->deadline_ns && now >= j->deadline_ns) {
        end_error(ch, j, DRIVER_EXPIRED, ERR_TIMEOUT, "the deadline passed before it could be sent",
                  "发送前已超过截止时间");
    } else if (!j->sent && ch->conn == SH_UP) {
        if (j->give_up_ns == 0) j->give_up_ns = now + ch->cfg.write_ns;
        try_command(ch, j, now);
    }
}

void sh_job_value(struct sh_channel *ch, struct sh_metric *m, const struct spb_metric *v)
{
    struct spb_scalar got;
    if (ch->jobs == NULL || v->historical || v->null || spb_scalar(m->datatype, &v->value, &got)) return;
    for (struct sh_job *j = ch->jobs, *next; j; j = next) {
        next = j->next;
        if (j->kind != SH_WRITE || !j->sent || j->metric != m || j->birth_answers || !sh_same(&j->want, &got)) continue;
        struct sh_point *p = point_of(ch, j->point);
        struct sh_value back = {0};
        if (p) sh_value_of(p, m->datatype, v, &ch->scratch, &back);
        back.s.time_us = sh_utc(ch);
        end_write(ch, j, DRIVER_DONE, NULL, p ? &back : NULL);
    }
}

void sh_job_birth(struct sh_channel *ch, struct sh_node *n)
{
    for (struct sh_job *j = ch->jobs, *next; j; j = next) {
        next = j->next;
        if (j->kind == SH_WRITE && j->sent && j->birth_answers && j->metric->dev->node == n)
            end_write(ch, j, DRIVER_DONE, NULL, NULL);
        else if (j->kind == SH_BROWSE && j->asked) /* the births of devices follow at once */
            j->give_up_ns = sh_now(ch) + NS_S / 2;
    }
}

void sh_job_published(struct sh_channel *ch, uint64_t token, const struct error *e)
{
    for (struct sh_job *j = ch->jobs; j && e; j = j->next)
        if (j->kind == SH_WRITE && j->token == token) {
            end_write(ch, j, DRIVER_UNKNOWN, e, NULL);
            return;
        }
}

static bool take_text(struct sh_job *j, const struct driver_write *w)
{
    if (w->value.type != SAMPLE_STRING) return true;
    j->text = mem_alloc(w->text_len + 1);
    if (j->text == NULL) return false;
    if (w->text_len) memcpy(j->text, w->text, w->text_len);
    j->text_len = w->text_len;
    return true;
}

void sh_write(struct driver_channel *base, const struct driver_write *w)
{
    struct sh_channel *ch = (struct sh_channel *)base;
    struct sh_job *j = ch->closing ? NULL : sh_job_new(ch, SH_WRITE, w->arg);
    if (j == NULL || !take_text(j, w)) {
        struct error e;
        struct driver_write_result r = {.outcome = DRIVER_FAILED, .error = &e};
        error_set(&e, ch->closing ? ERR_CANCELLED : ERR_NOMEM, "", "%s%.0s", "%.0s%s",
                  ch->closing ? "the channel is closing" : "out of memory", ch->closing ? "通道正在关闭" : "内存不足");
        if (j) sh_job_free(j);
        w->done(w->arg, &r);
        return;
    }
    j->done.write = w->done;
    j->point = w->point;
    j->value = w->value;
    j->deadline_ns = w->deadline_ns;
    sh_job_push(ch, j);
}

/* ---- test reads ---- */

static struct sh_metric *metric_at(struct sh_channel *ch, const struct sh_target *t)
{
    struct sh_node *n = sh_node_find(ch, t->group, t->node);
    struct sh_device *d = n ? sh_device_find(n, t->device) : NULL;
    return d ? sh_metric_find(d, t->metric) : NULL;
}

static bool known(const struct sh_metric *m)
{
    return m && m->born && m->raw_n && m->dev->alive;
}

/* Nodes of which nothing is known are asked for their birth, once. */
static bool all_known(struct sh_channel *ch, struct sh_job *j)
{
    bool all = true;
    for (size_t i = 0; i < j->npoints; i++) {
        struct sh_target t;
        if (sh_target_parse(str_of(j->addresses[i]), &j->conf, &t, NULL) || t.online || known(metric_at(ch, &t)))
            continue;
        struct sh_node *n = sh_node_get(ch, t.group, t.node, false);
        all = false;
        if (!j->asked && n && ch->cfg.rebirth && sh_now(ch) >= n->flow.rebirth_at_ns) {
            sh_ask_rebirth(ch, n);
            spb_flow_rebirth_sent(&n->flow, sh_now(ch));
        }
    }
    j->asked = true;
    return all;
}

static void bad_reading(struct sh_channel *ch, struct driver_reading *r, struct error *e, enum quality_reason why)
{
    r->sample.time_us = sh_utc(ch);
    r->sample.quality = QUALITY_BAD;
    r->sample.flags = (uint16_t)why;
    r->error = e;
}

static void read_metric(struct sh_channel *ch, const struct sh_point *p, const struct sh_metric *m, struct arena *a,
                        struct driver_reading *r)
{
    struct spb_metric v = spb_metric_of(str_make((const char *)m->raw, m->raw_n));
    struct sh_value value;
    sh_value_of(p, m->datatype, &v, a, &value);
    if (value.s.type == SAMPLE_BLOB) { /* to look at */
        struct sh_point as_text = *p;
        as_text.value_type = VALUE_STRING;
        sh_value_of(&as_text, m->datatype, &v, a, &value);
        if (value.s.type == SAMPLE_BLOB) value.s.type = SAMPLE_NONE;
    }
    r->sample = value.s;
    r->sample.time_us = m->time_us ? m->time_us : sh_utc(ch);
    r->text = value.text.p ? value.text.p : "";
    r->text_len = value.text.n;
    r->raw = m->raw;
    r->raw_len = m->raw_n;
}

static void read_one(struct sh_channel *ch, struct sh_job *j, size_t i, struct arena *a, const struct error *why,
                     struct driver_reading *r, struct error *e)
{
    struct sh_target t;
    struct sh_metric *m;
    r->sample.point = j->points[i].num;
    r->ms = sh_ms_since(ch, j->began_ns);
    if (why || sh_target_parse(str_of(j->addresses[i]), &j->conf, &t, e)) {
        if (why) *e = *why;
        bad_reading(ch, r, e, why ? REASON_NOT_CONNECTED : REASON_CONFIG_ERROR);
        return;
    }
    struct sh_node *n = sh_node_find(ch, t.group, t.node);
    struct sh_device *d = n ? sh_device_find(n, t.device) : NULL;
    if (t.online) {
        r->sample = (struct sample){
            .point = j->points[i].num, .type = SAMPLE_BOOL, .time_us = sh_utc(ch), .v.i = d && d->alive};
    } else if (known(m = metric_at(ch, &t))) {
        read_metric(ch, &j->points[i], m, a, r);
    } else if (d && d->alive) {
        error_set(e, ERR_NOT_FOUND, "address", "the birth does not name the metric '%.*s'", "上线消息中没有指标“%.*s”",
                  STR_ARG(t.metric));
        bad_reading(ch, r, e, REASON_NO_DATA);
    } else {
        error_set(e, ERR_UNAVAILABLE, "", "%.*s/%.*s%s%.*s has not told its birth", "%.*s/%.*s%s%.*s 未发布上线消息",
                  STR_ARG(t.group), STR_ARG(t.node), t.device.n ? "/" : "", STR_ARG(t.device));
        bad_reading(ch, r, e, REASON_COMM_FAILURE);
    }
}

static void end_read(struct sh_channel *ch, struct sh_job *j, const struct error *why)
{
    AUTO_ARENA a;
    arena_init(&a, 64u << 20);
    struct driver_reading *r = arena_calloc(&a, j->npoints + 1, sizeof *r);
    struct error *e = arena_calloc(&a, j->npoints + 1, sizeof *e);
    sh_job_unlink(ch, j);
    for (size_t i = 0; r && e && i < j->npoints; i++) read_one(ch, j, i, &a, why, &r[i], &e[i]);
    j->done.read(j->arg, r, r && e ? j->npoints : 0);
    sh_job_free(j);
}

static void pump_read(struct sh_channel *ch, struct sh_job *j, uint64_t now)
{
    if (ch->conn != SH_UP) return;
    if (j->give_up_ns == 0) j->give_up_ns = now + ch->cfg.write_ns;
    if (all_known(ch, j) || now >= j->give_up_ns) end_read(ch, j, NULL);
}

static bool fill_read(struct sh_job *j, const struct driver_device *device, const struct driver_point *points, size_t n)
{
    sh_conf_init(&j->conf, device, device ? device->options : NULL);
    j->points = mem_calloc(n + 1, sizeof *j->points);
    j->addresses = mem_calloc(n + 1, sizeof *j->addresses);
    if (j->points == NULL || j->addresses == NULL) return false;
    j->npoints = n;
    for (size_t i = 0; i < n; i++) {
        struct sh_target t;
        struct str text = str_trim(str_of(points[i].address));
        if (sh_point_init(&points[i], &j->conf, &j->points[i], &t, NULL)) j->points[i].num = points[i].num;
        j->addresses[i] = mem_alloc(text.n + 1);
        if (j->addresses[i] == NULL) return false;
        str_to_cstr(text, j->addresses[i], text.n + 1);
    }
    return true;
}

void sh_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points,
             size_t n, driver_read_done *done, void *arg)
{
    struct sh_channel *ch = (struct sh_channel *)base;
    struct sh_job *j = ch->closing || n > READ_MAX ? NULL : sh_job_new(ch, SH_READ, arg);
    if (j == NULL || !fill_read(j, device, points, n)) {
        if (j) sh_job_free(j);
        done(arg, NULL, 0);
        return;
    }
    j->done.read = done;
    sh_job_push(ch, j);
}

/* ---- tests of the connection ---- */

static void end_test(struct sh_channel *ch, struct sh_job *j, const struct error *e)
{
    char en[200], zh[200];
    size_t alive = 0;
    for (const struct sh_node *n = ch->nodes; n; n = n->next) alive += n->flow.alive;
    snprintf(en, sizeof en, "connected to the broker; %zu edge nodes online", alive);
    snprintf(zh, sizeof zh, "已连接代理；%zu 个边缘节点在线", alive);
    sh_job_unlink(ch, j);
    j->done.test(j->arg, e, sh_ms_since(ch, j->began_ns), e ? NULL : en, e ? NULL : zh);
    sh_job_free(j);
}

void sh_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    struct sh_channel *ch = (struct sh_channel *)base;
    struct sh_job *j = ch->closing ? NULL : sh_job_new(ch, SH_TEST, arg);
    if (j == NULL) {
        struct error e;
        error_set(&e, ch->closing ? ERR_CANCELLED : ERR_NOMEM, "", "not now", "现在不行");
        done(arg, &e, 0, NULL, NULL);
        return;
    }
    j->done.test = done;
    sh_job_push(ch, j);
}

/* ---- all ---- */

uint64_t sh_job_deadline(const struct sh_channel *ch)
{
    uint64_t at = UINT64_MAX;
    for (const struct sh_job *j = ch->jobs; j; j = j->next) {
        if (j->give_up_ns && j->give_up_ns < at) at = j->give_up_ns;
        if (!j->sent && j->deadline_ns && j->deadline_ns < at) at = j->deadline_ns;
    }
    return at;
}

void sh_job_pump(struct sh_channel *ch, uint64_t now)
{
    for (struct sh_job *j = ch->jobs, *next; j; j = next) {
        next = j->next;
        if (j->kind == SH_WRITE)
            pump_write(ch, j, now);
        else if (j->kind == SH_READ)
            pump_read(ch, j, now);
        else if (j->kind == SH_BROWSE)
            sh_browse_go(ch, j, now);
        else if (ch->conn == SH_UP)
            end_test(ch, j, NULL);
    }
}

static void fail(struct sh_channel *ch, struct sh_job *j, const struct error *e)
{
    if (j->kind == SH_WRITE)
        end_write(ch, j, j->sent ? DRIVER_UNKNOWN : DRIVER_FAILED, e, NULL);
    else if (j->kind == SH_READ)
        end_read(ch, j, e);
    else if (j->kind == SH_TEST)
        end_test(ch, j, e);
    else {
        sh_job_unlink(ch, j);
        j->done.browse(j->arg, e, NULL, 0, NULL);
        sh_job_free(j);
    }
}

/* What callbacks of these push meanwhile waits for the next connection. */
void sh_job_failed(struct sh_channel *ch, const struct error *e)
{
    struct sh_job *list = ch->jobs, *last = list;
    while (last && last->next) last = last->next;
    for (struct sh_job *j = list, *next; j; j = next) {
        next = j == last ? NULL : j->next;
        fail(ch, j, e);
    }
}

void sh_job_cancel_all(struct sh_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    while (ch->jobs) fail(ch, ch->jobs, &e);
}
