/* conn.c - the connection to the platform, the timer that stands for everything that waits, opening and closing.
 *
 *   IDLE -> CONNECTING -> UP -> CLOSING -> IDLE
 *
 * A lost connection is made again after a back-off, at once by a test. A platform that lets an upload go unanswered
 * after all its repeats, and says nothing else meanwhile, is left and connected anew. */
#include <stdio.h>
#include "drivers/common/wake.h"
#include "outlets/hj212/sender_int.h"

#define DAY_US (86400 * TIME_US_PER_S)
#define LASTED_NS (10000 * NS_MS)
#define LONGEST_SLEEP_NS (10000 * NS_MS) /* wall clocks are set */

uint64_t hs_now(const struct hs_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}
int64_t hs_utc(const struct hs_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}
void hs_log(const struct hs_channel *ch, enum driver_log level, const char *msg, const char *kv)
{
    ch->base.host->log(ch->base.host->ctx, level, msg, kv);
}

struct hj212_call hs_call(const struct hs_channel *ch, unsigned cn, struct str cp)
{
    return (struct hj212_call){.to = {str_of(ch->cfg.mn), str_of(ch->cfg.pw), ch->cfg.st, ch->cfg.version},
                               .cn = cn,
                               .cp = cp,
                               .timeout_ms = ch->cfg.timeout_ms,
                               .tries = ch->cfg.tries,
                               .now_ns = hs_now(ch),
                               .now_us = hs_utc(ch)};
}

/* ---- state ---- */

static void set_state(struct hs_channel *ch, enum driver_state s, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = hs_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

static bool wanted(const struct hs_channel *ch)
{
    return ch->norder + ch->ncontrols > 0;
}

static void refresh_state(struct hs_channel *ch)
{
    struct error e = {0};
    ch->st.connections = ch->conn == HS_UP;
    if (ch->conn == HS_CONNECTING) {
        set_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    } else if (ch->conn != HS_UP) {
        set_state(ch, wanted(ch) ? DRIVER_DOWN : DRIVER_OFF, wanted(ch) && ch->why.code ? &ch->why : NULL);
    } else if (ch->silent) {
        error_set(
            &e, ERR_TIMEOUT, "",
            "the platform does not acknowledge what it is sent (9014); %zu periods wait. If it never does, switch "
            "'Ask for acknowledgements' off",
            "平台未应答上传的数据（9014），%zu 个时段待补传；如平台从不应答，请关闭“要求数据应答”", hs_period_owed(ch));
        set_state(ch, DRIVER_DEGRADED, &e);
    } else if (ch->nclash) {
        set_state(ch, DRIVER_DEGRADED, &ch->clash);
    } else if (ch->clock_warned) {
        double ahead = (double)ch->clock_ahead_us / 1e6;
        error_set(&e, ERR_DEVICE, "", "the platform's clock is %.0f s %s%.0s of ours; ours is not set by it",
                  "平台时钟与本机相差 %.0f 秒（%.0s%s）；本机时钟不受其校对", fabs(ahead),
                  ahead > 0 ? "ahead" : "behind", ahead > 0 ? "快" : "慢");
        set_state(ch, DRIVER_DEGRADED, &e);
    } else {
        set_state(ch, DRIVER_UP, NULL);
    }
}

/* ---- frames, for diagnostics ---- */

static void trace(const struct hs_channel *ch, enum driver_dir dir, const void *p, size_t n, const struct error *e)
{
    const struct outlet_host *h = ch->base.host;
    struct driver_frame f = {.time_us = hs_utc(ch), .dir = dir, .bytes = p, .n = n, .error = e};
    if (h->frame && (e || h->trace)) h->frame(h->ctx, &f);
}

static void on_frame(void *ctx, const void *p, size_t n)
{
    trace(ctx, DRIVER_RX, p, n, NULL);
}

static void on_bad(void *ctx, const void *p, size_t n, const struct error *e)
{
    struct hs_channel *ch = ctx;
    ch->st.errors++;
    trace(ch, DRIVER_RX, p, n, e);
}

static void on_send(void *ctx, const void *p, size_t n)
{
    struct hs_channel *ch = ctx;
    const uint8_t *bytes = p;
    struct hj212_frame f;
    if (ch->conn != HS_UP) return;
    for (size_t at = 0; ch->base.host->trace && at < n && hj212_frame_next(bytes + at, n - at, &f, NULL) == 1;
         at += f.used)
        trace(ch, DRIVER_TX, bytes + at, f.used, NULL);
    ch->bytes_out += n;
    ch->st.bytes_out += n;
    if (tls_stream_write(ch->stream, p, n) == ERR_LIMIT) ch->doomed = true; /* it reads nothing */
}

static void on_ended(void *ctx, const struct hj212_ended *e)
{
    struct hs_channel *ch = ctx;
    if (e->rtt_us) ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + e->rtt_us / 8 : e->rtt_us;
    if (e->end == HJ212_END_DONE) ch->silent = false;
    if (e->end == HJ212_END_SILENT) {
        uint64_t waited = (uint64_t)ch->cfg.timeout_ms * ch->cfg.tries * NS_MS;
        ch->st.timeouts++;
        ch->silent = true;
        if (hs_now(ch) - ch->rx_ns >= waited) ch->doomed = true;
    }
    hs_period_ended(ch, e);
}

static const struct hj212_link_ops link_ops = {on_send, hs_ask, on_ended, on_bad, on_frame};

/* ---- tests ---- */

static void end_tests(struct hs_channel *ch, const struct error *e)
{
    char en[160], zh[160];
    size_t owed = hs_period_owed(ch);
    snprintf(en, sizeof en, "connected to %.80s:%u; %zu periods wait for their acknowledgement", ch->cfg.host,
             ch->cfg.port, owed);
    snprintf(zh, sizeof zh, "已连接 %.80s:%u；%zu 个时段等待应答", ch->cfg.host, ch->cfg.port, owed);
    struct hs_test *all = TAKE(ch->tests);
    while (all) {
        struct hs_test *t = all;
        all = t->next;
        t->done(t->arg, e, (uint32_t)((hs_now(ch) - t->began_ns) / NS_MS), e ? "" : en, e ? "" : zh);
        mem_free(t);
    }
}

void hs_test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct hs_channel *ch = (struct hs_channel *)base;
    struct hs_test *t = mem_alloc(sizeof *t);
    struct error e;
    if (t == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, 0, "", "");
        return;
    }
    *t = (struct hs_test){ch->tests, hs_now(ch), done, arg};
    ch->tests = t;
    ch->connect_now = true;
    hs_soon(ch);
}

/* ---- losing ---- */

void hs_maybe_free(struct hs_channel *ch)
{
    if (!ch->closing || ch->conn != HS_IDLE || ch->timer_open || ch->upload.asking || ch->answer.asking) return;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    hj212_link_fini(&ch->link);
    hs_report_end(&ch->upload);
    hs_report_end(&ch->answer);
    hs_period_free(ch);
    hs_set_free(ch);
    mem_free(ch);
    closed(arg);
}

static void on_stream_closed(void *arg)
{
    struct hs_channel *ch = arg;
    ch->conn = HS_IDLE;
    hs_soon(ch);
    hs_maybe_free(ch);
}

static void lose(struct hs_channel *ch, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    struct error e = *why;
    char kv[480];
    uint64_t now = hs_now(ch);
    if (ch->conn != HS_CONNECTING && ch->conn != HS_UP) return;
    if (ch->conn == HS_UP && now - ch->up_ns >= LASTED_NS) backoff_reset(&ch->cfg.backoff);
    ch->conn = HS_CLOSING;
    ch->why = e;
    ch->doomed = ch->connect_now = ch->clock_warned = false;
    ch->recall.active = false;
    tls_stream_close(TAKE(ch->stream), on_stream_closed, ch);
    hj212_link_reset(&ch->link); /* what is open is owed again */
    if (ch->closing) return;
    ch->retry_ns = now + backoff_next_ms(&ch->cfg.backoff, h->random(h->ctx)) * NS_MS;
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    hs_log(ch, DRIVER_LOG_WARN, "connection lost", kv);
    end_tests(ch, &e);
    refresh_state(ch);
}

/* ---- connecting ---- */

static void on_drained(void *ctx)
{
    hs_pump(ctx);
}

/* 2081: when the instrument started; once. */
static void announce(struct hs_channel *ch)
{
    char now[HJ212_TIME_TEXT], cp[80];
    if (ch->announced || !ch->cfg.announce) return;
    ch->announced = true;
    hj212_time_format(ch->began_us, ch->cfg.tz_minutes, false, now);
    snprintf(cp, sizeof cp, "DataTime=%s;RestartTime=%s", now, now);
    struct hj212_call c = hs_call(ch, 2081, str_of(cp));
    if (ch->cfg.answer)
        (void)!hj212_link_upload(&ch->link, &c);
    else
        (void)!hj212_link_send(&ch->link, &c);
}

/* 1013: the platform answers 9013 and sends its time by 1012. */
static void request_time(struct hs_channel *ch)
{
    int64_t now = hs_utc(ch);
    if (!ch->cfg.time_request || ch->conn != HS_UP || now < ch->time_request_us) return;
    ch->time_request_us = now + DAY_US;
    struct hj212_call c = hs_call(ch, 1013, STR_NULL);
    (void)!hj212_link_upload(&ch->link, &c);
}

static void on_opened(void *ctx)
{
    struct hs_channel *ch = ctx;
    char kv[320];
    if (ch->up_us) ch->st.reconnects++;
    ch->conn = HS_UP;
    ch->up_ns = ch->rx_ns = hs_now(ch);
    ch->up_us = hs_utc(ch);
    ch->bytes_in = ch->bytes_out = 0;
    ch->conns++;
    ch->why.code = 0;
    ch->silent = false;
    ch->rtd_next_us = ch->time_request_us = ch->up_us;
    hs_period_connected(ch);
    snprintf(kv, sizeof kv, "host=%s port=%u", ch->cfg.host, ch->cfg.port);
    hs_log(ch, DRIVER_LOG_INFO, "connected", kv);
    tls_stream_on_drained(ch->stream, on_drained);
    announce(ch);
    end_tests(ch, NULL);
    hs_pump(ch);
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct hs_channel *ch = ctx;
    bool pumping = ch->pumping;
    if (ch->conn != HS_UP) return;
    ch->rx_ns = hs_now(ch);
    ch->bytes_in += n;
    ch->st.bytes_in += n;
    ch->pumping = true; /* what callbacks ask for is done below */
    hj212_link_receive(&ch->link, p, n, ch->rx_ns);
    ch->pumping = pumping;
    hs_pump(ch);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct hs_channel *ch = ctx;
    lose(ch, why);
    hs_soon(ch);
}

static void start_connect(struct hs_channel *ch)
{
    static const struct tls_stream_ops ops = {on_opened, on_data, on_lost};
    struct tls_stream_config c = {
        .host = ch->cfg.host, .port = ch->cfg.port, .connect_ms = ch->cfg.connect_ms, .out_max = 4 * HS_QUEUE};
    const struct outlet_host *h = ch->base.host;
    struct error e;
    ch->connect_now = false;
    if (tls_stream_open(h->loop, &c, &ops, ch, &ch->stream, &e) == 0) {
        ch->conn = HS_CONNECTING;
        return;
    }
    ch->why = e;
    ch->retry_ns = hs_now(ch) + backoff_next_ms(&ch->cfg.backoff, h->random(h->ctx)) * NS_MS;
    end_tests(ch, &e);
}

static void connection(struct hs_channel *ch, uint64_t now)
{
    struct error e;
    if (ch->conn == HS_UP && ch->doomed) {
        error_set(&e, ERR_TIMEOUT, "", "%s:%u does not answer, or does not read what it is sent",
                  "%s:%u 无应答，或不接收发送的数据", ch->cfg.host, ch->cfg.port);
        lose(ch, &e);
    } else if (!wanted(ch) && ch->tests == NULL) {
        error_set(&e, ERR_CLOSED, "", "there are no points", "没有测点");
        lose(ch, &e);
    } else if (ch->conn == HS_UP && ch->tests) {
        end_tests(ch, NULL);
    } else if (ch->conn == HS_IDLE && (ch->connect_now || now >= ch->retry_ns)) {
        start_connect(ch);
    }
}

/* ---- the heart ---- */

static void on_timer(uv_timer_t *t)
{
    struct hs_channel *ch = t->data;
    ch->wake_ns = 0;
    hs_pump(ch);
}

void hs_soon(struct hs_channel *ch)
{
    uint64_t now = hs_now(ch);
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, now, now);
}

static void plan(struct hs_channel *ch, uint64_t now)
{
    uint64_t at = now + LONGEST_SLEEP_NS;
    int64_t next = hs_period_next_us(ch), utc = hs_utc(ch);
    if (!wanted(ch) && ch->tests == NULL) return;
    if (ch->norder && next < utc + (int64_t)(LONGEST_SLEEP_NS / 1000))
        wake_earlier(&at, next > utc ? now + (uint64_t)(next - utc) * 1000 : now);
    if (ch->norder) wake_earlier(&at, hs_period_next_ns(ch));
    if (ch->conn == HS_UP) wake_earlier(&at, hj212_link_next(&ch->link));
    if (ch->conn == HS_IDLE) wake_earlier(&at, ch->retry_ns);
    wake_at(&ch->timer, on_timer, &ch->wake_ns, now, at);
}

void hs_pump(struct hs_channel *ch)
{
    if (ch->pumping || ch->closing) return;
    uint64_t now = hs_now(ch);
    ch->pumping = true;
    if (ch->conn == HS_UP) hj212_link_tick(&ch->link, now);
    connection(ch, now);
    request_time(ch);
    hs_period_pump(ch, now);
    hs_recall_pump(ch);
    refresh_state(ch);
    ch->pumping = false;
    if (!ch->closing) plan(ch, hs_now(ch));
}

/* ---- opening and closing ---- */

static void set_series(struct hs_channel *ch, const struct options *o)
{
    const int64_t hour = 3600 * TIME_US_PER_S;
    struct hs_series *s = ch->series;
    s[HS_MINUTE] = (struct hs_series){
        .cn = 2051, .on = opt_bool(o, "minute", true), .period_us = opt_us(o, "minute_interval", hour / 6)};
    s[HS_HOUR] = (struct hs_series){.cn = 2061, .on = opt_bool(o, "hour", true), .period_us = hour};
    s[HS_DAY] = (struct hs_series){.cn = 2031, .on = opt_bool(o, "day", true), .period_us = 24 * hour};
    s[HS_RUN] = (struct hs_series){.cn = 2041, .on = opt_bool(o, "day", true), .period_us = 24 * hour};
}

static int configure(struct hs_channel *ch, const struct options *o, struct error *e)
{
    struct hs_config *c = &ch->cfg;
    str_to_cstr(str_of(opt_str(o, "host", "")), c->host, sizeof c->host);
    str_to_cstr(str_of(opt_str(o, "mn", "")), c->mn, sizeof c->mn);
    str_to_cstr(str_of(opt_str(o, "password", "")), c->pw, sizeof c->pw);
    c->port = (uint16_t)opt_i64(o, "port", 9000);
    c->st = (unsigned)opt_i64(o, "st", 32);
    c->version = opt_enum(o, "version", 0) == 0 ? HJ212_2017 : HJ212_2005;
    c->answer = opt_bool(o, "answer", true);
    c->announce = opt_bool(o, "announce", true);
    c->time_request = opt_bool(o, "time_request", false);
    c->timeout_ms = (uint32_t)opt_ms(o, "timeout", 5000);
    c->connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 10000);
    c->tries = (unsigned)opt_i64(o, "retries", 3) + 1;
    c->rtd_us = opt_us(o, "rtd_interval", 30 * TIME_US_PER_S);
    c->settle_us = opt_us(o, "settle", 10 * TIME_US_PER_S);
    c->valid_percent = opt_double(o, "valid_percent", 75);
    c->backoff = (struct backoff){.min_ms = (uint32_t)opt_ms(o, "reconnect_min", 1000),
                                  .max_ms = (uint32_t)opt_ms(o, "reconnect_max", 60000)};
    if (c->backoff.max_ms < c->backoff.min_ms) c->backoff.max_ms = c->backoff.min_ms;
    set_series(ch, o);
    return hs_check_channel(o, &c->tz_minutes, e);
}

int hs_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    struct hs_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct outlet_channel){&hj212_sender_outlet, host};
    int rc = configure(ch, o, e);
    if (rc == 0 && uv_timer_init(host->loop, &ch->timer))
        rc = error_set(e, ERR_INTERNAL, "", "no timer", "无法创建定时器");
    if (rc) {
        mem_free(ch);
        return rc;
    }
    hj212_link_init(&ch->link, &link_ops, ch, false, ch->cfg.tz_minutes);
    ch->upload = (struct hs_report){.ch = ch, .done = hs_period_built};
    ch->answer = (struct hs_report){.ch = ch, .done = hs_recall_built};
    ch->st.since_us = ch->began_us = hs_utc(ch);
    ch->timer.data = ch;
    ch->timer_open = true;
    hs_settings_load(ch);
    hs_period_begin(ch);
    *ret = &ch->base;
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct hs_channel *ch = h->data;
    ch->timer_open = false;
    hs_maybe_free(ch);
}

void hs_close(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct hs_channel *ch = (struct hs_channel *)base;
    struct error e;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    error_set(&e, ERR_CANCELLED, "", "the forwarding ends", "转发已停止");
    end_tests(ch, &e);
    lose(ch, &e);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
