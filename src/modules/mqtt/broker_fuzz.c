/* broker_fuzz.c - any bytes on two connections of one broker, in pieces, with losses, reconnects, seconds that pass and
 * acknowledgements that come late or not. Nothing leaks, and what the broker says is always well-formed. */
#include <stdlib.h>
#include "modules/mqtt/broker_int.h"

#define LINKS 3
struct later {
    struct mq_link *l;
    uint16_t id;
    uint8_t type, code;
};
static struct mq_broker *b;
static struct mq_link *links[LINKS];
static struct mq_link *dead[256];
static struct later late[256];
static size_t nlate, ndead;
static uint64_t ns;
static uint8_t choice;

static uint8_t login(void *ctx, struct mq_link *l, const struct mqtt_packet *p, struct mq_who *ret)
{
    *ret = (struct mq_who){.role = p->has_password ? MQ_DEVICE : MQ_USER, .id = "o", .name = "o"};
    return str_is(p->user, "x") ? MQTT_CREDENTIALS : 0;
}
static bool may(void *ctx, const struct mq_who *who, bool publish, struct str topic)
{
    return !str_starts(topic, STR("no"));
}
static bool gives(void *ctx, const struct mq_who *who, struct str topic)
{
    return !str_has(topic, STR("withheld"));
}

static int ingest(void *ctx, struct mq_link *l, const struct mqtt_packet *p)
{
    static const int answers[] = {MQ_PASS, MQ_TAKEN, -MQTT_PAYLOAD, MQ_PASS};
    return answers[choice & 3];
}
static void do_later(void *ctx, struct mq_link *l, uint8_t type, uint16_t id, uint8_t code)
{
    if (nlate == 256) {
        mq_acked(l, type, id, code, false);
        return;
    }
    late[nlate++] = (struct later){l, id, type, code};
}
static uint64_t keep(void *ctx, const struct mq_keep *k)
{
    return 1;
}
static void wake(void *ctx, struct mq_link *l) {}
static const struct mq_ops ops = {
    .login = login, .may = may, .ingest = ingest, .later = do_later, .keep = keep, .wake = wake, .gives = gives};

static void check_out(struct mq_link *l)
{
    struct mqtt_head h;
    struct mqtt_fault why;
    size_t at = 0;
    uint8_t version = l->version ? l->version : MQTT_3_1_1;
    while (at < l->out.n) {
        struct mqtt_packet p;
        memset(&p, 0, sizeof p);
        if (mqtt_head(l->out.p + at, l->out.n - at, 1u << 24, &h, &why) != 1 || h.size + h.length > l->out.n - at)
            abort();
        if (mqtt_parse(version, &h, l->out.p + at + h.size, &p, &why)) abort();
        at += h.size + h.length;
    }
    buf_clear(&l->out);
    l->woken = false;
}

static void open_link(unsigned i)
{
    links[i] = mem_calloc(1, sizeof *links[i]);
    mq_link_open(b, links[i]);
}

static void lose(unsigned i)
{
    check_out(links[i]);
    mq_link_lost(links[i]);
    if (links[i]->pending && ndead < 256)
        dead[ndead++] = links[i];
    else
        mem_free(links[i]);
}

static void release(bool good)
{
    size_t n = nlate;
    struct later all[256];
    memcpy(all, late, n * sizeof *all);
    nlate = 0;
    for (size_t i = 0; i < n; i++) mq_acked(all[i].l, all[i].type, all[i].id, all[i].code, good);
    for (size_t i = 0; i < ndead; i++) mem_free(dead[i]);
    ndead = 0;
}

/* Records: a byte that says what, a byte of length, that many bytes. */
static void step(uint8_t what, const uint8_t *p, size_t n)
{
    unsigned i = what % LINKS;
    size_t used;
    choice = what >> 2;
    switch (what >> 4) {
    case 0: release(what & 4); break;
    case 1:
        ns += 7000000000u;
        mq_time(b, ns, (int64_t)(ns / 1000));
        mq_tick(b);
        break;
    case 2:
        release(true);
        lose(i);
        open_link(i);
        break;
    case 3: (void)mq_publish(b, STR("a/b"), str_make((const char *)p, n), what & 1, what & 2); break;
    default:
        mq_input(links[i], p, n, &used);
        if (used > n) abort();
        mq_drained(links[i]);
    }
    for (unsigned k = 0; k < LINKS; k++) check_out(links[k]);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct mq_limits lim = mq_defaults;
    lim.queue = 4;
    lim.inflight = 2;
    lim.subscriptions = 5;
    lim.receive_maximum = 3;
    lim.sessions = 4;
    ns = 1000000000;
    if (mq_broker_new(&lim, &ops, NULL, &b)) return 0;
    mq_time(b, ns, (int64_t)(ns / 1000));
    for (unsigned i = 0; i < LINKS; i++) open_link(i);
    while (n >= 2) {
        size_t k = p[1] < n - 2 ? p[1] : n - 2;
        step(p[0], p + 2, k);
        p += 2 + k;
        n -= 2 + k;
    }
    release(true);
    for (unsigned i = 0; i < LINKS; i++) {
        lose(i);
        release(true);
    }
    mq_broker_free(b);
    return 0;
}
