/* run_call.c - blocking calls of handlers into drivers: write, test, read, browse, search, history, discover.
 *
 * Each call is a job with two owners, the waiting handler and the loop; whoever lets go last frees it,
 * so that a driver that answers after the handler gave up does no harm. A test or read without a running
 * channel makes one for the purpose and closes it afterwards, inside the job. */
#include <time.h>
#include "base/json.h"
#include "drivers/common/registry.h"
#include "modules/collect/run_int.h"

#define BROWSE_BYTES (4u << 20)

enum job_kind { JOB_WRITE, JOB_TEST, JOB_READ, JOB_BROWSE, JOB_SEARCH, JOB_HISTORY, JOB_DISCOVER };

struct job {
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    unsigned owners;
    bool done;
    enum job_kind kind;
    struct run *run;
    struct worker *w;
    char channel_id[37];
    const struct driver *driver;
    const struct options *options; /* of the handler: used only inside the first loop_call */
    struct chan temp;              /* the channel made for the purpose */
    struct driver_write write;
    char *text;
    const struct driver_device *device;
    const struct driver_point *points;
    size_t n;
    struct call_result result;
    struct reading_copy *readings; /* the job's own */
    char *node, *cursor;           /* the job's own */
    struct buf json;               /* what was browsed */
    struct browse_search *search;  /* the job's own until it is done and the handler takes it */
    struct browse_bounds bounds;
    struct driver_history history;
    struct history_page page; /* the job's own until the handler takes it */
};

void history_page_free(struct history_page *p)
{
    mem_free(p->samples);
    mem_free(p->next);
    *p = (struct history_page){0};
}

static void job_release(struct job *j)
{
    pthread_mutex_lock(&j->lock);
    bool last = --j->owners == 0;
    pthread_mutex_unlock(&j->lock);
    if (!last) return;
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->done_cond);
    frame_log_fini(&j->temp.frames);
    mem_free(j->readings);
    mem_free(j->text);
    mem_free(j->node);
    mem_free(j->cursor);
    buf_fini(&j->json);
    history_page_free(&j->page);
    browse_search_free(j->search);
    mem_free(j);
}

static struct job *job_new(struct run *r, enum job_kind kind, struct str channel_id)
{
    struct job *j = mem_calloc(1, sizeof *j);
    if (!j) return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->done_cond, &attr);
    pthread_condattr_destroy(&attr);
    j->owners = 2;
    j->kind = kind;
    j->run = r;
    buf_init(&j->json, BROWSE_BYTES);
    str_to_cstr(channel_id, j->channel_id, sizeof j->channel_id);
    return j;
}

static void temp_closed(void *arg)
{
    job_release(arg);
}

static void job_done(struct job *j)
{
    pthread_mutex_lock(&j->lock);
    j->done = true;
    pthread_cond_signal(&j->done_cond);
    pthread_mutex_unlock(&j->lock);
    if (j->temp.ch)
        j->driver->close(j->temp.ch, temp_closed, j);
    else
        job_release(j);
}

static void job_fail(struct job *j, const struct error *e)
{
    j->result.ok = false;
    j->result.outcome = DRIVER_FAILED;
    if (e) j->result.error = *e;
    job_done(j);
}

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct job *j = arg;
    j->result.ok = r->outcome == DRIVER_DONE;
    j->result.outcome = r->outcome;
    j->result.ms = r->ms;
    if (r->error) j->result.error = *r->error;
    j->result.has_readback = r->has_readback;
    j->result.readback = r->readback;
    if (r->text) str_to_cstr(str_make(r->text, r->text_len), j->result.text, sizeof j->result.text);
    job_done(j);
}

static void on_tested(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct job *j = arg;
    j->result.ok = !e;
    j->result.ms = ms;
    if (e)
        j->result.error = *e;
    else
        error_set(&j->result.error, 0, "", "%s", "%s", en ? en : "connected");
    if (!e && zh) snprintf(j->result.error.text_zh, sizeof j->result.error.text_zh, "%.300s", zh);
    job_done(j);
}

static void copy_reading(struct reading_copy *to, const struct driver_reading *from)
{
    to->sample = from->sample;
    to->ms = from->ms;
    if (from->text) str_to_cstr(str_make(from->text, from->text_len), to->text, sizeof to->text);
    to->raw_len = from->raw_len < sizeof to->raw ? from->raw_len : sizeof to->raw;
    if (to->raw_len) memcpy(to->raw, from->raw, to->raw_len);
    if (from->error) to->error = *from->error;
}

static void on_read(void *arg, const struct driver_reading *r, size_t n)
{
    struct job *j = arg;
    for (size_t i = 0; i < n && i < j->n; i++) copy_reading(&j->readings[i], &r[i]);
    j->result.ok = n == j->n; /* a driver that cannot answers with none */
    job_done(j);
}

static void on_browsed(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                       const char *next)
{
    struct job *j = arg;
    struct json_writer w = json_writer(&j->json);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        browse_item_members(&w, &items[i]);
        jw_end(&w);
    }
    jw_end(&w);
    jw_kz(&w, "next", next);
    jw_end(&w);
    j->result.ok = !e && !j->json.err;
    if (e)
        j->result.error = *e;
    else if (j->json.err)
        error_set(&j->result.error, j->json.err, "size", "the answer is too long; ask for fewer",
                  "结果过长，请减少数量");
    job_done(j);
}

static char *text_copy(struct str s)
{
    char *z = mem_alloc(s.n + 1);
    if (z) str_to_cstr(s, z, s.n + 1);
    return z;
}

static void on_found(void *arg, const struct error *e, const struct driver_found *items, size_t n)
{
    struct job *j = arg;
    struct json_writer w = json_writer(&j->json);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kz(&w, "name", items[i].name);
        jw_kz(&w, "description", items[i].description ? items[i].description : "");
        jw_key(&w, STR("options"));
        jw_raw(&w, str_of(items[i].options));
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    j->result.ok = !e && !j->json.err;
    if (e) j->result.error = *e;
    job_done(j);
}

/* A page, with its texts in the dictionary. */
static int take_page(struct job *j, const struct driver_reading *r, size_t n, const char *next)
{
    struct sink *to = &j->w->sink;
    j->page.samples = mem_calloc(n ? n : 1, sizeof *j->page.samples);
    j->page.next = next ? text_copy(str_of(next)) : NULL;
    if (!j->page.samples || (next && !j->page.next)) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct sample s = r[i].sample;
        int rc = s.type != SAMPLE_STRING ? 0 : to->intern(to->ctx, str_make(r[i].text, r[i].text_len), &s.v.u);
        if (rc) return rc;
        s.flags |= SAMPLE_FLAG_BACKFILL;
        if (s.type != SAMPLE_BLOB) j->page.samples[j->page.n++] = s;
    }
    return 0;
}

static void on_history(void *arg, const struct error *e, const struct driver_reading *r, size_t n, const char *next)
{
    struct job *j = arg;
    int rc = e ? e->code : take_page(j, r, n, next);
    j->result.ok = rc == 0;
    if (e)
        j->result.error = *e;
    else if (rc)
        error_set(&j->result.error, rc, "", "the values cannot be kept: %s%.0s", "无法保存数据：%.0s%s",
                  error_title(rc), error_title_zh(rc));
    job_done(j);
}

/* On the loop: the channel to use, running or made for the purpose. */
static struct chan *job_channel(struct job *j)
{
    struct error e = {0};
    if (j->channel_id[0]) {
        struct chan *c = chan_find(j->w, str_of(j->channel_id));
        if (c) j->driver = c->driver;
        return c;
    }
    chan_host(&j->temp, j->w, "test");
    j->temp.driver = j->driver;
    if (j->driver->channel_open(&j->temp.host, j->options, &j->temp.ch, &e)) {
        j->temp.ch = NULL;
        j->result.error = e;
        return NULL;
    }
    return &j->temp;
}

/* ---- search: several browses of one job ---- */

static struct driver_channel *search_channel(void *ctx)
{
    struct job *j = ctx;
    if (!j->channel_id[0]) return j->temp.ch;
    struct chan *c = chan_find(j->w, str_of(j->channel_id));
    return c && c->driver == j->driver ? c->ch : NULL;
}

static int search_later(void *ctx, void (*step)(void *s), void *s)
{
    struct job *j = ctx;
    return loop_post(j->w->loop, step, s);
}

static uint64_t search_now(void *ctx)
{
    return clock_mono_ns(((struct job *)ctx)->run->node->clock);
}

static void on_searched(void *ctx, const struct error *e)
{
    struct job *j = ctx;
    j->result.ok = !e;
    if (e) j->result.error = *e;
    job_done(j);
}

static void start_search(struct job *j)
{
    struct browse_run r = {.driver = j->driver,
                           .channel = search_channel,
                           .later = search_later,
                           .now = search_now,
                           .done = on_searched,
                           .ctx = j};
    browse_search_run(j->search, &r, &j->bounds);
}

static void do_job(void *arg)
{
    struct job *j = arg;
    struct chan *c = job_channel(j);
    struct error gone;
    if (!c) {
        error_set(&gone, ERR_UNAVAILABLE, "", "the channel is not running", "通道未运行");
        job_fail(j, j->result.error.code ? NULL : &gone);
        return;
    }
    if (j->kind == JOB_WRITE) {
        j->write.done = on_written;
        j->write.arg = j;
        c->driver->write(c->ch, &j->write);
    } else if (j->kind == JOB_TEST) {
        c->driver->test(c->ch, on_tested, j);
    } else if (j->kind == JOB_SEARCH) {
        start_search(j);
    } else if (j->kind == JOB_BROWSE) {
        c->driver->browse(c->ch, j->device, j->node, j->cursor, j->n, on_browsed, j);
    } else if (j->kind == JOB_DISCOVER) {
        c->driver->discover(c->ch, on_found, j);
    } else if (j->kind == JOB_HISTORY) {
        c->driver->history(c->ch, &j->history, on_history, j);
    } else {
        c->driver->read(c->ch, j->device, j->points, j->n, on_read, j);
    }
}

static struct worker *worker_of(struct run *r, struct str id)
{
    struct chan_view v;
    if (!id.n) return &r->workers[0];
    for (unsigned i = 0; i < r->nworkers; i++) {
        struct run one = {.node = r->node, .workers = &r->workers[i], .nworkers = 1};
        if (run_view(&one, id, &v)) return &r->workers[i];
    }
    return NULL;
}

/* Run the job and wait; false when it took longer than wait_ms (the job then ends by itself). */
static bool job_run(struct job *j, unsigned wait_ms)
{
    struct timespec ts;
    j->w = worker_of(j->run, str_of(j->channel_id));
    if (!j->w) j->w = &j->run->workers[0]; /* do_job then says that it is not running */
    if (loop_call(j->w->loop, do_job, j)) {
        error_set(&j->result.error, ERR_CLOSED, "", "the node is stopping", "节点正在停止");
        j->result.outcome = DRIVER_FAILED;
        job_release(j);
        return true;
    }
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += wait_ms / 1000 + 1;
    pthread_mutex_lock(&j->lock);
    while (!j->done)
        if (pthread_cond_timedwait(&j->done_cond, &j->lock, &ts)) break;
    bool done = j->done;
    pthread_mutex_unlock(&j->lock);
    return done;
}

/* Run it and wait: 0, or why there is no answer. */
static int job_answer(struct job *j, unsigned wait_ms, struct error *e)
{
    if (!job_run(j, wait_ms))
        return error_set(e, ERR_TIMEOUT, "", "no answer within %u s", "%u 秒内没有应答", wait_ms / 1000);
    if (j->result.ok) return 0;
    if (!j->result.error.code) return error_set(e, ERR_UNAVAILABLE, "", "the channel did not answer", "通道没有应答");
    if (e) *e = j->result.error;
    return j->result.error.code;
}

static void no_memory(struct call_result *ret)
{
    *ret = (struct call_result){.outcome = DRIVER_FAILED};
    error_set(&ret->error, ERR_NOMEM, "", "out of memory", "内存不足");
}

void run_write(struct run *r, struct str id, const struct driver_write *w, unsigned wait_ms, struct call_result *ret)
{
    struct job *j = job_new(r, JOB_WRITE, id);
    if (!j) {
        no_memory(ret);
        return;
    }
    j->write = *w;
    if (w->text) {
        j->text = mem_alloc(w->text_len + 1);
        if (!j->text) {
            no_memory(ret);
            j->owners = 1;
            job_release(j);
            return;
        }
        if (w->text_len) memcpy(j->text, w->text, w->text_len);
        j->text[w->text_len] = '\0';
        j->write.text = j->text;
    }
    if (job_run(j, wait_ms)) {
        *ret = j->result;
    } else {
        *ret = (struct call_result){.outcome = DRIVER_UNKNOWN};
        error_set(&ret->error, ERR_UNKNOWN, "", "no outcome within the time allowed; look at the equipment",
                  "规定时间内没有结果，请现场确认设备状态");
    }
    job_release(j);
}

void run_test(struct run *r, struct str id, const struct driver *d, const struct options *o, unsigned wait_ms,
              struct call_result *ret)
{
    struct job *j = job_new(r, JOB_TEST, id);
    if (!j) {
        no_memory(ret);
        return;
    }
    j->driver = d;
    j->options = o;
    if (job_run(j, wait_ms)) {
        *ret = j->result;
    } else {
        *ret = (struct call_result){.ok = false};
        error_set(&ret->error, ERR_TIMEOUT, "", "no answer within %u s", "%u 秒内没有应答", wait_ms / 1000);
    }
    job_release(j);
}

int run_read(struct run *r, struct str id, const struct driver *d, const struct options *o,
             const struct driver_device *dev, const struct driver_point *points, size_t n, unsigned wait_ms,
             struct reading_copy *ret, struct error *e)
{
    struct job *j = job_new(r, JOB_READ, id);
    if (j) j->readings = mem_calloc(n, sizeof *j->readings);
    if (!j || !j->readings) {
        if (j) j->owners = 1, job_release(j);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    j->driver = d;
    j->options = o;
    j->device = dev;
    j->points = points;
    j->n = n;
    int err = job_answer(j, wait_ms, e);
    if (!err) memcpy(ret, j->readings, n * sizeof *ret);
    job_release(j);
    return err;
}

int run_browse(struct run *r, struct str id, const struct driver *d, const struct options *o,
               const struct driver_device *dev, struct str node, struct str cursor, size_t max, unsigned wait_ms,
               struct buf *ret, struct error *e)
{
    struct job *j = job_new(r, JOB_BROWSE, id);
    if (j) j->node = text_copy(node);
    if (j && cursor.n) j->cursor = text_copy(cursor);
    if (!j || !j->node || (cursor.n && !j->cursor)) {
        if (j) j->owners = 1, job_release(j);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    j->driver = d;
    j->options = o;
    j->device = dev;
    j->n = max;
    int err = job_answer(j, wait_ms, e);
    if (!err) buf_str(ret, buf_view(&j->json));
    job_release(j);
    return err;
}

int run_search(struct run *r, struct str id, const struct driver *d, const struct options *o,
               struct browse_search **search, const struct browse_bounds *bounds, unsigned wait_ms, struct error *e)
{
    struct job *j = job_new(r, JOB_SEARCH, id);
    if (!j) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    j->driver = d;
    j->options = o;
    j->search = TAKE(*search);
    j->bounds = *bounds;
    int err = job_answer(j, wait_ms, e);
    if (!err) *search = TAKE(j->search);
    job_release(j);
    return err;
}

int run_history(struct run *r, struct str id, const struct driver_history *h, unsigned wait_ms,
                struct history_page *ret, struct error *e)
{
    struct job *j = job_new(r, JOB_HISTORY, id);
    *ret = (struct history_page){0};
    if (!j) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    j->history = *h;
    int err = job_answer(j, wait_ms, e);
    if (!err) {
        *ret = j->page;
        j->page = (struct history_page){0};
    }
    job_release(j);
    return err;
}

int run_discover(struct run *r, const struct driver *d, const struct options *o, unsigned wait_ms, struct buf *ret,
                 struct error *e)
{
    struct job *j = job_new(r, JOB_DISCOVER, STR(""));
    if (!j) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    j->driver = d;
    j->options = o;
    int err = job_answer(j, wait_ms, e);
    if (!err) buf_str(ret, buf_view(&j->json));
    job_release(j);
    return err;
}
