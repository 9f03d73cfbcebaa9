/* hj212_link.h - one connection of HJ 212, either side: frames out of bytes, packets put together, requests paired
 * with their answers, time-outs and repeats. A state machine without I/O: bytes and times go in, callbacks come out,
 * `hj212_link_next` says when time alone will change something.
 *
 *   platform      request (1062 …)  -> 9011 (QnRtn) -> [data, same QN] -> 9012 (ExeRtn)
 *                 notice  (2012 …)  -> 9013
 *                 upload comes      -> on_message; the owner calls hj212_link_acknowledge once it is stored: 9014
 *   instrument    upload (2011 …)   -> 9014, if one is wanted
 *                 request comes     -> on_message, which returns QnRtn: 9011 goes out; the owner sends data with
 *                                      hj212_link_send and ends with hj212_link_result: 9012
 *                 notice comes      -> on_message; 9013 goes out
 *
 * Answers go back in the form of what they answer (version bits of Flag; 2005 puts QN into CP). A request or upload is
 * sent again, with the same QN, when no answer came in time, as often as the caller allows; a refusal ends it at once.
 * What is open is bounded (HJ212_OPEN_MAX). Callbacks may call anything of here but hj212_link_fini. One thread. */
#pragma once
#include "proto/hj212.h"

#define HJ212_OPEN_MAX 32
#define HJ212_EXECUTE UINT64_MAX
#define HJ212_RECENT 16 /* requests that an instrument remembers */

enum hj212_end {
    HJ212_END_DONE,      /* 9012 with ExeRtn 1, 9013, 9014 */
    HJ212_END_REFUSED,   /* QnRtn or ExeRtn says no: code */
    HJ212_END_SILENT,    /* no 9011, 9013, 9014 after all tries */
    HJ212_END_NO_RESULT, /* 9011 came, 9012 did not */
    HJ212_END_CLOSED,    /* the connection is gone; sent may be or may not be carried out */
};
struct hj212_ended {
    uint64_t token;
    enum hj212_end end;
    int code;           /* QnRtn or ExeRtn, 0: none */
    bool executing;     /* 9011 had come */
    unsigned cn, tries; /* tries: how often it was sent */
    uint32_t rtt_us;    /* from the last try to its first answer */
};

struct hj212_link;
struct hj212_link_ops {
    void (*send)(void *ctx, const void *p, size_t n); /* one or several whole frames */
    /* A whole message that is no answer; views die with the call.
     * Platform: token is that of the open request whose QN it carries, 0: none. What it returns does not matter.
     * Instrument: a notice comes once, token 0. A request comes with token 0 and returns QnRtn, which goes out as 9011;
     * when that was 1 it comes a second time, token HJ212_EXECUTE, to be carried out (now or later). One that the
     * platform repeats is answered again and not carried out again. */
    int (*message)(void *ctx, const struct hj212_message *m, uint64_t token);
    void (*ended)(void *ctx, const struct hj212_ended *e);
    /* What could not be used: p[0..n) as it came. NULL: not wanted. */
    void (*bad)(void *ctx, const void *p, size_t n, const struct error *e);
    /* Every good frame as it came. NULL: not wanted. */
    void (*frame)(void *ctx, const void *p, size_t n);
};

struct hj212_peer { /* what stands in the head of what we send */
    struct str mn, pw;
    unsigned st;
    int version; /* HJ212_2005, HJ212_2017 */
};

struct hj212_open {
    uint64_t token, deadline_ns, sent_ns; /* token 0: free */
    struct buf bytes;
    char qn[HJ212_QN_MAX + 1], mn[HJ212_MN_MAX + 1];
    unsigned cn, tries_left, tries;
    uint32_t timeout_ms, result_ms, rtt_us;
    bool upload, notice, executing;
};

struct hj212_link {
    const struct hj212_link_ops *ops;
    void *ctx;
    bool platform;
    int tz_minutes;
    struct hj212_open open[HJ212_OPEN_MAX];
    unsigned nopen;
    uint64_t token;
    int64_t last_qn_ms;
    struct {
        char qn[HJ212_QN_MAX + 1];
        unsigned cn;
        int code;
    } recent[HJ212_RECENT];
    unsigned recent_at;
    struct hj212_parts parts;
    struct buf whole;
    uint8_t *rx; /* half a frame; grows to what comes */
    size_t rx_n, rx_cap;
    uint64_t frames, broken, rubbish; /* good frames; broken ones; bytes that were none */
    uint64_t repeats, silent;
};

/* `platform`: which side we are. Memory is taken when something comes. */
void hj212_link_init(struct hj212_link *l, const struct hj212_link_ops *ops, void *ctx, bool platform, int tz_minutes);
/* Frees; nothing is called back. */
void hj212_link_fini(struct hj212_link *l);
/* The connection is gone: everything open ends as CLOSED, half frames and parts are forgotten. */
void hj212_link_reset(struct hj212_link *l);

/* Bytes have come. now_us: for answers that need a time. */
void hj212_link_receive(struct hj212_link *l, const void *p, size_t n, uint64_t now_ns);
/* Time has passed. */
void hj212_link_tick(struct hj212_link *l, uint64_t now_ns);
uint64_t hj212_link_next(const struct hj212_link *l); /* UINT64_MAX: nothing waits */

struct hj212_call {
    struct hj212_peer to;
    unsigned cn;
    struct str cp;
    struct str qn;       /* empty: a new one from now_us; a resent upload keeps its own */
    uint32_t timeout_ms; /* of 9011, 9013, 9014 */
    uint32_t result_ms;  /* of 9012, after 9011 or data came; 0: as timeout_ms */
    unsigned tries;      /* at least 1 */
    uint64_t now_ns;
    int64_t now_us;
};
/* Platform: a request or a notice (the command table says which). Token, or 0: too many are open, out of memory, or
 * CP is too long. */
uint64_t hj212_link_request(struct hj212_link *l, const struct hj212_call *c);
/* Instrument: an upload with an answer wanted. The same results. */
uint64_t hj212_link_upload(struct hj212_link *l, const struct hj212_call *c);
/* Without an answer wanted: data of a request (its QN), or an upload into the blue. 0 or an error. */
int hj212_link_send(struct hj212_link *l, const struct hj212_call *c);
/* What came is stored: 9014. */
void hj212_link_acknowledge(struct hj212_link *l, const struct hj212_message *m);
/* Instrument: 9012 for a request. */
void hj212_link_result(struct hj212_link *l, const struct hj212_message *request, int exertn);
