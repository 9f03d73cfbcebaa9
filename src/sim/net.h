/* net.h - a TCP listener whose connections are answered by a function; can be made to misbehave.
 *
 * Everything runs on one libuv loop, its thread. A listener owns its connections. Input is bounded (a
 * connection that fills it without being understood is closed); a peer that does not read is not read
 * from until its answers are gone. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/error.h"

/* Answer what is complete at the start of in[n]: bytes of answers in out[cap], *ret_n of them; returns
 * bytes of input that are done with, or negative: close. */
typedef int net_answer(void *ctx, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *ret_n);

/*    mode      what a client sees */
#define NET_MODES(X) \
    X(OK, "ok")           /* all is well */ \
    X(REFUSE, "refuse")   /* connection refused, open ones are cut */ \
    X(FREEZE, "freeze")   /* connects, never answers */ \
    X(SLOW, "slow")       /* answers after NET_SLOW_MS */ \
    X(GARBAGE, "garbage") /* answers random bytes */
enum net_mode {
#define X(name, text) NET_##name,
    NET_MODES(X)
#undef X
};
#define NET_SLOW_MS 2500
const char *net_mode_name(enum net_mode m);
bool net_mode_parse(const char *name, enum net_mode *ret);

struct net_conn;
struct net_listener {
    uv_loop_t *loop;
    uv_tcp_t *tcp; /* own allocation, freed by its close callback; NULL: not listening */
    const char *bind;
    unsigned port; /* the real one once it listens */
    net_answer *answer;
    void *ctx;
    enum net_mode mode;
    struct net_conn *conns;
    unsigned nconns;
    uint64_t accepted, bytes_in, bytes_out;
    uint32_t noise; /* state of the garbage */
};

/* `bind` stays the caller's. ERR_* from the socket; *e names the address. */
MUST_CHECK int net_listen(struct net_listener *l, uv_loop_t *loop, const char *bind, unsigned port, net_answer *answer,
                          void *ctx, struct error *e);
void net_close(struct net_listener *l); /* asynchronous; run the loop until it is empty */
MUST_CHECK int net_set_mode(struct net_listener *l, enum net_mode m, struct error *e);
