/* feeds.c - see feeds.h. */
#include "sim/feeds.h"
#include <math.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/time.h"
#include "io/clock.h"

#define FEEDS 3
#define DAY_S 86400.0
#define TRUCK_S 240.0 /* one truck after the other */

struct sim_feeds {
    const struct sim_process *process;
    struct net_listener at[FEEDS];
    size_t shown;
};

static double plant_time(const struct sim_feeds *f)
{
    return sim_process_time(f->process);
}

/* Between -1 and 1, slowly, the same at the same time. */
static double sway(double t, double period_s, double phase)
{
    double x = 2 * M_PI * t / period_s + phase;
    return 0.6 * sin(x) + 0.3 * sin(2.7 * x + 1) + 0.1 * sin(7.1 * x + 2);
}

static ptrdiff_t index_of(struct str s, struct str what)
{
    const char *at = s.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
    return at ? at - s.p : -1;
}

/* ---- weather and prices ---- */

/* The wall clock's, as an instrument's: simulated time may run ahead of it. */
static void put_time(struct buf *b)
{
    char text[TIME_TEXT_MAX];
    int64_t now = clock_now_us(clock_real());
    buf_printf(b, "{\"time\":\"%s\"", time_format(now - now % TIME_US_PER_S, text));
}

static void put_weather(const struct sim_feeds *f, struct buf *b)
{
    double t = plant_time(f), noon = cos(2 * M_PI * (fmod(t, DAY_S) / DAY_S - 14.0 / 24));
    double temperature = 17 + 7 * noon + 2 * sway(t, 5 * DAY_S, 0) + 0.3 * sway(t, 900, 1);
    double humidity = 64 - 18 * noon + 8 * sway(t, 2 * DAY_S, 2), rain = 6 * sway(t, DAY_S, 3) - 2.5;
    put_time(b);
    buf_printf(b,
               ",\"station\":\"Longtan\",\"temperature\":%.1f,\"humidity\":%.0f,\"wind_speed\":%.1f,\"wind_direction\":"
               "%.0f,\"rain_1h\":%.1f,\"pressure\":%.1f}",
               temperature, humidity, 3.4 + 2.6 * sway(t, 1800, 4), fmod(225 + 40 * sway(t, 7200, 5), 360),
               rain > 0 ? rain : 0, 811.5 + 4 * sway(t, 3 * DAY_S, 6));
}

static const struct quote {
    const char *symbol, *unit;
    double price, swing;
    int decimals;
} quotes[] = {{"CU", "CNY/t", 78400, 900, 0},
              {"AU", "CNY/g", 782.5, 9, 2},
              {"AG", "CNY/kg", 9420, 140, 0},
              {"H2SO4", "CNY/t", 512, 14, 0}};

static void put_prices(const struct sim_feeds *f, struct buf *b)
{
    double t = plant_time(f);
    put_time(b);
    buf_z(b, ",\"items\":[");
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++) {
        const struct quote *q = &quotes[i];
        double v = q->price + q->swing * (sway(t, DAY_S, (double)i) + 0.1 * sway(t, 300, (double)i));
        buf_printf(b, "%s{\"symbol\":\"%s\",\"price\":%.*f,\"unit\":\"%s\"}", i ? "," : "", q->symbol, q->decimals, v,
                   q->unit);
    }
    buf_z(b, "]}");
}

static const struct {
    const char *path;
    void (*put)(const struct sim_feeds *f, struct buf *b);
} pages[] = {{"/weather", put_weather}, {"/prices", put_prices}};

static int find_page(struct str path)
{
    int n = sizeof pages / sizeof *pages;
    for (int i = 0; i < n; i++)
        if (str_is(path, pages[i].path)) return i;
    return -1;
}

static void put_answer(const struct sim_feeds *f, struct str method, struct str path, struct buf *out)
{
    static const char *const status[] = {"200 OK", "404 Not Found", "405 Method Not Allowed"};
    struct buf body;
    bool head = str_is(method, "HEAD");
    int page = find_page(path), why = !head && !str_is(method, "GET") ? 2 : page < 0 ? 1 : 0;
    buf_init(&body, 4096);
    if (why == 0)
        pages[page].put(f, &body);
    else
        buf_z(&body, "{\"error\":\"ask with GET for /weather or /prices\"}");
    buf_printf(out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status[why],
               body.n);
    if (!head) buf_add(out, body.p, body.n);
    buf_fini(&body);
}

static int give(struct buf *b, uint8_t *out, size_t cap, size_t *ret_n)
{
    int rc = b->err || b->n > cap ? ERR_TOO_LARGE : 0;
    if (!rc) memcpy(out, b->p, *ret_n = b->n);
    buf_fini(b);
    return rc;
}

/* One request; a body is no part of what this service takes, so such a connection is cut behind the answer's refusal.
 */
static int answer_http(void *ctx, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *ret_n)
{
    struct str text = str_make((const char *)in, n), line, path;
    ptrdiff_t end = index_of(text, STR("\r\n\r\n"));
    struct buf b;
    *ret_n = 0;
    if (end < 0) return 0;
    line = str_sub(text, 0, (size_t)index_of(text, STR("\r\n")));
    struct str method = str_cut(&line, ' ');
    path = str_cut(&line, ' ');
    path = str_cut(&path, '?');
    if (!method.n || !str_starts(line, STR("HTTP/1."))) return ERR_INVALID;
    buf_init(&b, cap);
    put_answer(ctx, method, path, &b);
    int rc = give(&b, out, cap, ret_n);
    return rc ? rc : (int)end + 4;
}

/* ---- the weighbridge ---- */

/* A truck drives on, stands, drives off; every one has its own weight. */
static double weight_kg(double t, bool *ret_stable)
{
    double at = fmod(t, TRUCK_S), load = 34000 + 14000 * sin(floor(t / TRUCK_S) * 12.9898);
    double on = at < 30 ? 0 : at < 40 ? (at - 30) / 10 : at < 170 ? 1 : at < 180 ? (180 - at) / 10 : 0;
    *ret_stable = on <= 0 || on >= 1;
    return round(load * on / 20) * 20;
}

static int answer_weight(void *ctx, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *ret_n)
{
    struct str text = str_make((const char *)in, n);
    ptrdiff_t end = index_of(text, STR("\r\n"));
    bool stable;
    *ret_n = 0;
    if (end < 0) return 0;
    double kg = weight_kg(plant_time(ctx), &stable);
    const char *line = str_eq(str_sub(text, 0, (size_t)end), STR("W")) ? NULL : "ER,unknown command\r\n";
    int k = line ? snprintf((char *)out, cap, "%s", line)
                 : snprintf((char *)out, cap, "%s,GS,%+07.0f,kg\r\n", stable ? "ST" : "US", kg);
    *ret_n = (size_t)k;
    return (int)end + 2;
}

/* ---- the board ---- */

static int show(void *ctx, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *ret_n)
{
    struct sim_feeds *f = ctx;
    for (size_t i = 0; i < n; i++) f->shown += in[i] == '\n';
    *ret_n = 0;
    return (int)n;
}

/* ---- life ---- */

static net_answer *const answers[FEEDS] = {answer_http, answer_weight, show};

int sim_feeds_new(uv_loop_t *loop, const struct sim_process *process, const char *bind, unsigned port,
                  struct sim_feeds **ret, struct error *e)
{
    struct sim_feeds *f = mem_calloc(1, sizeof *f);
    int rc = 0;
    if (!f) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    f->process = process;
    *ret = f;
    for (unsigned i = 0; i < FEEDS; i++)
        if (net_listen(&f->at[i], loop, bind, port ? port + i : 0, answers[i], f, rc ? NULL : e)) rc = ERR_UNAVAILABLE;
    return rc;
}

unsigned sim_feeds_port(const struct sim_feeds *f, unsigned i)
{
    return f->at[i].tcp ? f->at[i].port : 0;
}

size_t sim_feeds_shown(const struct sim_feeds *f)
{
    return f->shown;
}

void sim_feeds_close(struct sim_feeds *f)
{
    for (size_t i = 0; f && i < FEEDS; i++) net_close(&f->at[i]);
}

void sim_feeds_free(struct sim_feeds *f)
{
    mem_free(f);
}
