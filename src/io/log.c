/* log.c - structured logging: levels, rate limit, the tail in memory, one write(2) a line.
 *
 * One mutex guards all state; a record below its level costs one relaxed load when no component has a
 * lower level of its own. A line is built on the stack and written in one call, so that lines of several
 * threads do not mix. Control characters in values become blanks: a record is always one line.
 * Rate limit: a fixed table of windows by hash of component and message; two that fall into the same
 * slot evict one another, which can only let more through, never less. Any thread. */
#include "io/log.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/time.h"
#include "base/utf8.h"
#include "io/clock.h"

#define LOG_KEPT 2000
#define LOG_RATE 10
#define LOG_SLOTS 256
#define LOG_COMPONENTS 64
#define KV_MAX 512

struct record {
    int64_t time_us;
    enum log_level level;
    char component[24], msg[104];
    char *kv; /* heap, NULL when none */
};

struct window {
    uint64_t key;
    uint64_t start_ns;
    unsigned n, held;
    enum log_level level;
    char component[24], msg[104];
};

struct component_level {
    char name[24];
    enum log_level level;
};

static struct {
    pthread_mutex_t lock;
    _Atomic int lowest;    /* the lowest level that any component wants */
    enum log_level common; /* level of components not in the table */
    struct component_level levels[LOG_COMPONENTS];
    size_t nlevels;
    struct window windows[LOG_SLOTS];
    uint64_t swept_ns;
    struct record kept[LOG_KEPT];
    size_t next, count;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .lowest = LOG_INFO, .common = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

bool log_level_parse(const char *name, enum log_level *ret)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, level_names[i]) != 0) continue;
        *ret = (enum log_level)i;
        return true;
    }
    return false;
}

static enum log_level level_of(const char *component)
{
    for (size_t i = 0; i < log_state.nlevels; i++)
        if (strcmp(log_state.levels[i].name, component) == 0) return log_state.levels[i].level;
    return log_state.common;
}

static struct component_level *level_slot(const char *component)
{
    for (size_t i = 0; i < log_state.nlevels; i++)
        if (strcmp(log_state.levels[i].name, component) == 0) return &log_state.levels[i];
    if (log_state.nlevels == LOG_COMPONENTS) return NULL;
    struct component_level *c = &log_state.levels[log_state.nlevels++];
    str_to_cstr(str_of(component), c->name, sizeof c->name);
    return c;
}

void log_level_set(const char *component, enum log_level level)
{
    pthread_mutex_lock(&log_state.lock);
    if (component) {
        struct component_level *c = level_slot(component);
        if (c) c->level = level;
    } else {
        log_state.common = level;
        log_state.nlevels = 0;
    }
    int lowest = log_state.common;
    for (size_t i = 0; i < log_state.nlevels; i++)
        if ((int)log_state.levels[i].level < lowest) lowest = log_state.levels[i].level;
    atomic_store(&log_state.lowest, lowest);
    pthread_mutex_unlock(&log_state.lock);
}

/* Copy with control characters made blanks, cut at a UTF-8 boundary. */
static void clean_copy(const char *from, char *to, size_t cap)
{
    struct str s = str_of(from);
    size_t n = s.n < cap ? s.n : utf8_floor(s, cap - 1);
    for (size_t i = 0; i < n; i++) to[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? ' ' : from[i];
    to[n] = '\0';
}

static void keep(int64_t now, enum log_level level, const char *component, const char *msg, const char *kv)
{
    struct record *r = &log_state.kept[log_state.next];
    mem_free(r->kv);
    r->time_us = now;
    r->level = level;
    str_to_cstr(str_of(component), r->component, sizeof r->component);
    clean_copy(msg, r->msg, sizeof r->msg);
    r->kv = kv[0] ? mem_strdup(kv) : NULL;
    log_state.next = (log_state.next + 1) % LOG_KEPT;
    if (log_state.count < LOG_KEPT) log_state.count++;
}

static void emit(enum log_level level, const char *component, const char *msg, const char *kv)
{
    int64_t now = clock_now_us(clock_real());
    keep(now, level, component, msg, kv);
    char line[1024], ts[TIME_TEXT_MAX];
    const struct record *r = &log_state.kept[(log_state.next + LOG_KEPT - 1) % LOG_KEPT];
    int n = snprintf(line, sizeof line, "ts=%s level=%s component=%s msg=\"%s\"%s%s\n", time_format(now, ts),
                     level_names[level], r->component, r->msg, kv[0] ? " " : "", kv);
    ssize_t done = write(STDERR_FILENO, line, (size_t)n);
    (void)done; /* there is nowhere left to complain */
}

static void tell_held(struct window *w)
{
    char kv[48];
    if (w->held == 0) return;
    snprintf(kv, sizeof kv, "held_back=%u", w->held);
    w->held = 0;
    emit(w->level, w->component, w->msg, kv);
}

/* Once a second: tell what windows that are over have held back. */
static void sweep(uint64_t now)
{
    if (now - log_state.swept_ns < 1000000000u) return;
    log_state.swept_ns = now;
    for (size_t i = 0; i < LOG_SLOTS; i++)
        if (now - log_state.windows[i].start_ns >= 1000000000u) tell_held(&log_state.windows[i]);
}

static uint64_t window_key(const char *component, const char *msg)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = component; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    h = (h ^ 0xff) * 0x100000001b3u;
    for (const char *p = msg; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return h;
}

static bool rate_ok(enum log_level level, const char *component, const char *msg)
{
    uint64_t now = clock_mono_ns(clock_real()), key = window_key(component, msg);
    sweep(now);
    struct window *w = &log_state.windows[key % LOG_SLOTS];
    if (w->key != key || now - w->start_ns >= 1000000000u) {
        tell_held(w);
        *w = (struct window){.key = key, .start_ns = now, .level = level};
        str_to_cstr(str_of(component), w->component, sizeof w->component);
        clean_copy(msg, w->msg, sizeof w->msg);
    }
    if (w->n++ < LOG_RATE) return true;
    w->held++;
    return false;
}

void log_write(enum log_level level, const char *component, const char *msg, const char *kv, ...)
{
    if ((int)level < atomic_load_explicit(&log_state.lowest, memory_order_relaxed)) return;
    char raw[KV_MAX] = "", text[KV_MAX];
    if (kv) {
        va_list ap;
        va_start(ap, kv);
        vsnprintf(raw, sizeof raw, kv, ap);
        va_end(ap);
    }
    clean_copy(raw, text, sizeof text);
    pthread_mutex_lock(&log_state.lock);
    if (level >= level_of(component) && rate_ok(level, component, msg)) emit(level, component, msg, text);
    pthread_mutex_unlock(&log_state.lock);
}

static void record_json(struct json_writer *w, const struct record *r)
{
    char ts[TIME_TEXT_MAX];
    jw_object(w);
    jw_kz(w, "ts", time_format(r->time_us, ts));
    jw_kz(w, "level", level_names[r->level]);
    jw_kz(w, "component", r->component);
    jw_kz(w, "msg", r->msg);
    jw_kz(w, "kv", r->kv ? r->kv : "");
    jw_end(w);
}

void log_tail(size_t max_lines, struct buf *out_json)
{
    struct json_writer w = json_writer(out_json);
    jw_array(&w);
    pthread_mutex_lock(&log_state.lock);
    size_t n = max_lines < log_state.count ? max_lines : log_state.count;
    for (size_t i = n; i > 0; i--) record_json(&w, &log_state.kept[(log_state.next + LOG_KEPT - i) % LOG_KEPT]);
    pthread_mutex_unlock(&log_state.lock);
    jw_end(&w);
}
