/* A connection, either side, with requests open: bytes come in pieces, time passes, it is reset. */
#include <assert.h>
#include "proto/hj212_link.h"

struct side {
    struct hj212_link link;
    unsigned open;
    size_t sent;
};

static void on_send(void *ctx, const void *p, size_t n)
{
    struct hj212_frame f;
    assert(hj212_frame_next(p, n, &f, NULL) == 1);
    ((struct side *)ctx)->sent += n;
}
static int on_message(void *ctx, const struct hj212_message *m, uint64_t token)
{
    struct side *s = ctx;
    if (s->link.platform && hj212_wants_answer(m)) hj212_link_acknowledge(&s->link, m);
    if (token == HJ212_EXECUTE) hj212_link_result(&s->link, m, 1);
    return (int)(m->cp.n % 3);
}
static void on_ended(void *ctx, const struct hj212_ended *e)
{
    ((struct side *)ctx)->open--;
}
static void on_bad(void *ctx, const void *p, size_t n, const struct error *e)
{
    assert(n > 0 && e->text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct hj212_link_ops ops = {on_send, on_message, on_ended, on_bad, NULL};
    struct side s = {0};
    if (n < 2) return 0;
    hj212_link_init(&s.link, &ops, &s, p[0] & 1, 480);
    for (unsigned i = 0; i < 3; i++) {
        struct hj212_call c = {.to = {STR("1"), STR("1"), 32, p[0] & 2 ? HJ212_2005 : HJ212_2017},
                               .cn = i ? 1062 : 2012,
                               .cp = STR("a=1"),
                               .timeout_ms = 10,
                               .tries = 2,
                               .now_us = 1470013137000000};
        if (s.link.platform ? hj212_link_request(&s.link, &c) : hj212_link_upload(&s.link, &c)) s.open++;
    }
    for (size_t at = 1, k; at < n; at += k) {
        k = p[1] % 64 + 1u < n - at ? p[1] % 64 + 1u : n - at;
        hj212_link_receive(&s.link, p + at, k, at * 1000);
        hj212_link_tick(&s.link, at * 100000);
    }
    hj212_link_reset(&s.link);
    assert(s.open == 0 && s.link.nopen == 0);
    hj212_link_fini(&s.link);
    return 0;
}
