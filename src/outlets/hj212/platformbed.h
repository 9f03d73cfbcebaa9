/* platformbed.h - for the tests of this folder: a platform on the bed's loop (platform's side of proto/hj212_link.h)
 * that keeps what comes and acknowledges it, unless it is told not to. Functions are static; include once. */
#pragma once
#include "io/tls_server.h"
#include "outlets/common/testbed.h"
#include "outlets/hj212/outlet.h"
#include "outlets/hj212/sender_int.h"

#define T0 1700000000000000LL /* 2023-11-15 06:13:20 in Beijing */
#define S_US 1000000LL
#define P_MESSAGES 400

struct kept {
    unsigned cn;
    int flag;
    char qn[24], pw[24], mn[48], cp[4000];
    uint64_t token;
};
struct platform {
    struct obed *bed;
    struct tls_listener *l;
    struct tls_stream *s;
    struct hj212_link link;
    bool mute, opened;
    unsigned connections, lost, acked;
    struct kept got[P_MESSAGES];
    unsigned n;
    struct hj212_ended ended; /* the last */
    unsigned nended, parts;
    size_t longest; /* frame */
    const char *pw; /* what it asks with */
};

BED void p_send(void *ctx, const void *p, size_t n)
{
    struct platform *f = ctx;
    if (f->s && f->opened) (void)!tls_stream_write(f->s, p, n);
}
BED int p_message(void *ctx, const struct hj212_message *m, uint64_t token)
{
    struct platform *f = ctx;
    struct kept *k = &f->got[f->n % P_MESSAGES];
    *k = (struct kept){.cn = m->cn, .flag = m->flag, .token = token};
    str_to_cstr(m->qn, k->qn, sizeof k->qn);
    str_to_cstr(m->pw, k->pw, sizeof k->pw);
    str_to_cstr(m->mn, k->mn, sizeof k->mn);
    CHECK(str_to_cstr(m->cp, k->cp, sizeof k->cp));
    f->n++;
    if (hj212_wants_answer(m) && !f->mute) hj212_link_acknowledge(&f->link, m), f->acked++;
    return 0;
}
BED void p_ended(void *ctx, const struct hj212_ended *e)
{
    struct platform *f = ctx;
    f->ended = *e;
    f->nended++;
}
BED void p_bad(void *ctx, const void *p, size_t n, const struct error *e)
{
    test_fail(__FILE__, __LINE__, "the instrument sent what is wrong: %s: %.*s", e->text, (int)n, (const char *)p);
}
BED void p_frame(void *ctx, const void *p, size_t n)
{
    struct platform *f = ctx;
    if (n > f->longest) f->longest = n;
    for (size_t i = 0; i + 5 < n; i++) f->parts += memcmp((const char *)p + i, "PNUM=", 5) == 0;
}
static const struct hj212_link_ops p_link_ops = {p_send, p_message, p_ended, p_bad, p_frame};

BED void p_opened(void *ctx)
{
    struct platform *f = ctx;
    f->opened = true;
    f->connections++;
}
BED void p_data(void *ctx, const uint8_t *p, size_t n)
{
    hj212_link_receive(&((struct platform *)ctx)->link, p, n, uv_hrtime());
}
BED void p_drop(struct platform *f)
{
    if (f->s) tls_stream_close(TAKE(f->s), NULL, NULL);
    f->opened = false;
    hj212_link_reset(&f->link);
}
BED void p_lost(void *ctx, const struct error *why)
{
    struct platform *f = ctx;
    f->lost++;
    p_drop(f);
}
BED void *p_accept(void *ctx, struct tls_stream *s)
{
    struct platform *f = ctx;
    CHECK(f->s == NULL);
    f->s = s;
    return f;
}
static const struct tls_listener_ops p_ops = {{p_opened, p_data, p_lost}, p_accept, NULL};

BED void p_listen(struct platform *f, unsigned port)
{
    struct tls_listener_config c = {.address = "127.0.0.1", .port = (uint16_t)port};
    struct error e = {0};
    if (tls_listener_open(&f->bed->loop, &c, &p_ops, f, &f->l, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}
BED struct platform *p_new(struct obed *b)
{
    struct platform *f = mem_calloc(1, sizeof *f);
    f->bed = b;
    f->pw = "secret";
    hj212_link_init(&f->link, &p_link_ops, f, true, 480);
    p_listen(f, 0);
    return f;
}
BED void p_free(struct platform *f)
{
    p_drop(f);
    if (f->l) tls_listener_close(TAKE(f->l), NULL, NULL);
    bed_step(f->bed);
    hj212_link_fini(&f->link);
    mem_free(f);
}
/* Ask, and await the end. */
BED void p_ask(struct platform *f, unsigned cn, const char *cp)
{
    struct hj212_call c = {.to = {STR("MN0123456789"), str_of(f->pw), 32, HJ212_2017},
                           .cn = cn,
                           .cp = str_of(cp),
                           .timeout_ms = 3000,
                           .tries = 1,
                           .now_ns = uv_hrtime(),
                           .now_us = T0 + (int64_t)(uv_hrtime() / 1000)};
    unsigned before = f->nended;
    uint64_t token = hj212_link_request(&f->link, &c);
    CHECK(token > 0);
    UNTIL(f->bed, f->nended > before && f->ended.token == token);
}
/* The n-th kept message (from 0) of a command; NULL: there is none. */
BED const struct kept *p_find(const struct platform *f, unsigned cn, unsigned nth)
{
    for (unsigned i = 0; i < f->n && i < P_MESSAGES; i++)
        if (f->got[i].cn == cn && nth-- == 0) return &f->got[i];
    return NULL;
}
BED unsigned p_count(const struct platform *f, unsigned cn)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->n && i < P_MESSAGES; i++) n += f->got[i].cn == cn;
    return n;
}

/* An instrument; `more` are further options. The clock stands at T0. */
BED struct obed *instrument(const struct platform *f, struct obed *b, const char *more)
{
    char json[1000];
    b->now_us = T0;
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"mn\":\"MN0123456789\",\"password\":\"secret\",\"announce\":false,"
             "\"settle\":\"10ms\",\"reconnect_min\":\"10ms\",\"reconnect_max\":\"20ms\"%s}",
             tls_listener_port(f->l), more);
    obed_open(b, json);
    return b;
}
/* The clock goes on to `us`. */
BED void at(struct obed *b, int64_t us)
{
    b->now_us = us;
    hs_pump((struct hs_channel *)b->ch);
}
BED size_t owed(struct obed *b)
{
    return hs_period_owed((struct hs_channel *)b->ch);
}
