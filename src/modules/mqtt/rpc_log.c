/* rpc_log.c - see rpc_log.h. A list, newest first, under one lock; an entry is one allocation. */
#include "modules/mqtt/rpc_log.h"
#include "base/mem.h"
#include "base/time.h"
#include <pthread.h>

const char *const rpc_outcome_names[] = {[DRIVER_DONE] = "done",
                                         [DRIVER_REFUSED] = "refused",
                                         [DRIVER_FAILED] = "failed",
                                         [DRIVER_UNKNOWN] = "unknown",
                                         [DRIVER_EXPIRED] = "expired"};

struct entry {
    struct entry *next;
    struct rpc_note n; /* texts point into bytes */
    char device[37], why[200], why_zh[200];
    bool cut;
    char bytes[];
};
struct rpc_log {
    pthread_mutex_t lock;
    struct entry *first;
    size_t count;
};

struct rpc_log *rpc_log_new(void)
{
    struct rpc_log *l = mem_calloc(1, sizeof *l);
    if (l) pthread_mutex_init(&l->lock, NULL);
    return l;
}

void rpc_log_free(struct rpc_log *l)
{
    if (!l) return;
    while (l->first) {
        struct entry *x = l->first;
        l->first = x->next;
        mem_free(x);
    }
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

/* No text is cut inside a character. */
static struct str keep(struct str s)
{
    size_t n = s.n < RPC_LOG_TEXT ? s.n : RPC_LOG_TEXT;
    while (n && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80) n--;
    return str_make(s.p, n);
}

static struct str put(char **at, struct str s)
{
    if (!s.p) return s;
    struct str copy = str_make(*at, s.n);
    memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static struct entry *entry_of(const struct rpc_note *n)
{
    struct str params = keep(n->params), reply = keep(n->reply);
    struct entry *x = mem_calloc(1, sizeof *x + n->by.n + n->method.n + params.n + reply.n);
    if (!x) return NULL;
    char *at = x->bytes;
    x->n = *n;
    x->n.by = put(&at, n->by);
    x->n.method = put(&at, n->method);
    x->n.params = put(&at, params);
    x->n.reply = put(&at, reply);
    x->n.why = NULL;
    x->n.device = x->device;
    x->cut = params.n < n->params.n || reply.n < n->reply.n;
    str_to_cstr(str_of(n->device), x->device, sizeof x->device);
    if (n->why && n->why->code) {
        str_to_cstr(str_of(n->why->text), x->why, sizeof x->why);
        str_to_cstr(str_of(n->why->text_zh), x->why_zh, sizeof x->why_zh);
    }
    return x;
}

/* The oldest of a device that has too many goes, then the oldest of all. */
static void trim(struct rpc_log *l, const char *device)
{
    struct entry **oldest = NULL, **last = NULL;
    size_t of = 0;
    for (struct entry **at = &l->first; *at; at = &(*at)->next) {
        last = at;
        if (strcmp((*at)->device, device) == 0 && ++of > RPC_LOG_EACH) oldest = at;
    }
    if (!oldest && l->count > RPC_LOG_MAX) oldest = last;
    if (!oldest) return;
    struct entry *x = *oldest;
    *oldest = x->next;
    l->count--;
    mem_free(x);
}

void rpc_log_add(struct rpc_log *l, const struct rpc_note *n)
{
    struct entry *x = entry_of(n);
    if (!x) return;
    pthread_mutex_lock(&l->lock);
    x->next = l->first;
    l->first = x;
    l->count++;
    trim(l, x->device);
    pthread_mutex_unlock(&l->lock);
}

static void write_text(struct json_writer *w, const char *key, struct str s)
{
    if (s.p)
        jw_kstr(w, key, s);
    else
        jw_kz(w, key, NULL);
}

static void write_entry(struct json_writer *w, const struct entry *x, bool zh)
{
    char at[40];
    jw_object(w);
    jw_kz(w, "at", time_format(x->n.at_us, at));
    write_text(w, "by", x->n.by.n ? x->n.by : STR_NULL);
    jw_kstr(w, "method", x->n.method);
    write_text(w, "params", x->n.params);
    jw_kz(w, "outcome", rpc_outcome_names[x->n.outcome]);
    jw_kz(w, "detail", zh ? x->why_zh : x->why);
    write_text(w, "reply", x->n.reply);
    jw_kbool(w, "cut", x->cut);
    jw_ki64(w, "ms", x->n.ms);
    jw_end(w);
}

void rpc_log_write(struct rpc_log *l, const char *device, bool zh, struct json_writer *w)
{
    jw_array(w);
    pthread_mutex_lock(&l->lock);
    for (const struct entry *x = l->first; x; x = x->next)
        if (strcmp(x->device, device) == 0) write_entry(w, x, zh);
    pthread_mutex_unlock(&l->lock);
    jw_end(w);
}
