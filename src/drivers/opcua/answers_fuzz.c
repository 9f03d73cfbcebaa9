/* The whole client against a server that says anything: on the way up or when it is up, in place of an answer or
 * without being asked. The first byte tells how far the server behaves well (number of requests that are answered
 * properly); then come records: what happens, two bytes of length, and the bytes.
 *
 *   to the next request:    0 a proper answer   1 the right one: the header is sound, the rest are the bytes
 *                           2 another one       3 a fault            4 none          5 a part, more to come
 *                           6 it is given up    7 bytes as they are  8 the connection ends
 *   at any time, from 0xf0: a publish answer out of the bytes, time goes by, the sink is full or not, other points,
 *                           a write, a read, browsing, a change of value
 *
 * In the end the channel is closed: it must go, with every answer that it owes. */
#include <assert.h>
#include <stdlib.h>
#include "drivers/opcua/server_bed.h"
#include "proto/opcua/ua_channel_int.h"

void test_fail(const char *file, int line, const char *fmt, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, fmt);
    abort();
}

struct record {
    unsigned what;
    const uint8_t *p;
    size_t n;
};
struct input {
    const uint8_t *p;
    size_t n;
    unsigned good; /* requests that are still answered properly */
    unsigned owed; /* answers to jobs */
};
static bool next(struct input *in, struct record *ret)
{
    if (in->n < 3) return false;
    size_t len = in->p[1] | (size_t)in->p[2] << 8;
    if (len > in->n - 3) len = in->n - 3;
    *ret = (struct record){in->p[0], in->p + 3, len};
    in->p += 3 + len;
    in->n -= 3 + len;
    return true;
}

/* ---- the server ---------------------------------------------------------------------------------------------- */

static void put_chunk(struct peer *p, char kind, uint32_t request, const void *bytes, size_t n)
{
    struct buf *out = ua_channel_out(p->ua);
    size_t at = ua_chunk_begin(out, UA_CHUNK_MSG, kind);
    buf_u32le(out, p->ua->channel_id);
    buf_u32le(out, p->ua->tokens[p->ua->sending].id);
    buf_u32le(out, ua_ch_next_sequence(p->ua));
    buf_u32le(out, request);
    buf_add(out, bytes, n);
    ua_chunk_end(out, at);
    peer_out(p);
}
static void put_answer(struct bed *b, uint32_t request, uint32_t handle, unsigned type, const uint8_t *p, size_t n)
{
    const struct ua_structure *s = ua_structure(type);
    struct ua_response_header h = {.request_handle = handle};
    struct buf body;
    if (s == NULL || b->peer == NULL) return;
    struct ua_nodeid id = ua_id(0, s->binary);
    buf_init(&body, 1 << 20);
    ua_encode(&body, UA_NODEID, &id);
    ua_encode(&body, UA_T_response_header, &h);
    buf_add(&body, p, n);
    put_chunk(b->peer, 'F', request, body.p, body.n);
    buf_fini(&body);
}
static bool script(struct bed *b, const struct ua_event *ev)
{
    struct input *in = b->script_arg;
    struct record r;
    uint32_t status = UA_BAD_INTERNAL_ERROR;
    if (in->good) {
        in->good--;
        return false;
    }
    if (in->n && in->p[0] >= 0xf0) return false; /* something else comes first */
    if (!next(in, &r)) return false;
    if (r.what % 9 == 0) return false;
    if (r.what % 9 == 1) put_answer(b, ev->request_id, ev->handle, ua_response_of(ev->type), r.p, r.n);
    if (r.what % 9 == 2 && r.n)
        put_answer(b, ev->request_id, ev->handle, UA_T_FIRST + 1 + r.p[0] % (UA_T_END - UA_T_FIRST - 1), r.p + 1,
                   r.n - 1);
    if (r.n >= 4) memcpy(&status, r.p, 4);
    if (r.what % 9 == 3) bed_fault(b, ev, status);
    if (r.what % 9 == 5) put_chunk(b->peer, 'C', ev->request_id, r.p, r.n);
    if (r.what % 9 == 6) put_chunk(b->peer, 'A', ev->request_id, r.p, r.n);
    if (r.what % 9 == 7) peer_put(b->peer, r.p, r.n);
    if (r.what % 9 == 8) peer_close(b->peer);
    return true;
}

/* ---- the host's side ----------------------------------------------------------------------------------------- */

static void turn(struct bed *b, int times)
{
    for (int k = 0; k < times; k++) uv_run(&b->loop, UV_RUN_NOWAIT);
}
static struct driver_point some_point(uint32_t num)
{
    static const char *const addresses[] = {"ns=2;s=P1", "ns=2;s=P2", "method ns=2;s=A ns=2;s=B", "nsu=urn:b;i=5"};
    return (struct driver_point){.num = num,
                                 .type = num % 3 ? VALUE_AUTO : VALUE_INT32,
                                 .address = addresses[num % 4],
                                 .period_ms = 100,
                                 .scale = 1,
                                 .lo = NAN,
                                 .hi = NAN};
}
static void set_points(struct bed *b, uint32_t n)
{
    struct driver_device d = {.num = 1, .code = "D"};
    struct driver_point p[8];
    struct error e = {0};
    for (uint32_t i = 0; i < n; i++) p[i] = some_point(i + 1);
    if (opcua_driver.channel_set(b->ch, &d, 1, p, n, &e)) abort();
}
static void written(void *arg, const struct driver_write_result *r)
{
    (void)r;
    ((struct input *)arg)->owed--;
}
static void was_read(void *arg, const struct driver_reading *r, size_t n)
{
    (void)r, (void)n;
    ((struct input *)arg)->owed--;
}
static void browsed(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                    const char *cursor)
{
    (void)e, (void)items, (void)n, (void)cursor;
    ((struct input *)arg)->owed--;
}
static void ask(struct bed *b, struct input *in, unsigned what, const uint8_t *p, size_t n)
{
    struct driver_device d = {.num = 1, .code = "D"};
    struct driver_point at[2] = {some_point(n ? p[0] % 8 + 1 : 1), some_point(2)};
    struct driver_write w = {.point = at[0].num,
                             .value = {.point = at[0].num, .type = SAMPLE_DOUBLE, .v.d = (double)n},
                             .done = written,
                             .arg = in};
    if (in->owed > 20) return;
    in->owed++;
    if (what == 4) opcua_driver.write(b->ch, &w);
    if (what == 5) opcua_driver.read(b->ch, &d, at, 2, was_read, in);
    if (what == 6) opcua_driver.browse(b->ch, &d, n % 2 ? "i=85" : "", "", 100, browsed, in);
}
static void happen(struct bed *b, struct input *in, unsigned what, const uint8_t *p, size_t n)
{
    double v = 0;
    if (n >= 8) memcpy(&v, p, 8);
    if (what == 0 && b->nwaiting) {
        uint32_t request = b->waiting[0].request, handle = b->waiting[0].handle;
        memmove(b->waiting, b->waiting + 1, --b->nwaiting * sizeof b->waiting[0]);
        put_answer(b, request, handle, UA_T_publish_response, p, n);
    }
    if (what == 1) bed_skip(b, (uint64_t)n * 50);
    if (what == 2) b->full = n % 2;
    if (what == 3) set_points(b, n % 6);
    if (what >= 4 && what <= 6) ask(b, in, what, p, n);
    if (what == 7 && b->nhandles) bed_tell(b, 0, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct record r;
    if (n < 4) return 0;
    struct input in = {.p = p + 1, .n = n - 1, .good = p[0] % 16};
    struct bed *b = bed_new("");
    b->script = script;
    b->script_arg = &in;
    set_points(b, 3);
    UNTIL(b, b->npeers);
    for (int idle = 0; in.n >= 3 && idle < 10; idle++) {
        size_t left = in.n;
        turn(b, 4);
        if (in.n >= 3 && in.p[0] >= 0xf0 && next(&in, &r)) happen(b, &in, r.what & 7, r.p, r.n);
        if (in.n == left && idle > 3) bed_skip(b, 300); /* nobody asks: let it connect anew */
        if (in.n != left) idle = 0;
    }
    turn(b, 4);
    const struct oc_channel *ch = CHANNEL(b);
    assert(ch->publishing <= OC_CLASSES + 2 && ch->nhandles <= 1000 && ch->njobs <= 30);
    bed_free(b);
    assert(in.owed == 0);
    return 0;
}
