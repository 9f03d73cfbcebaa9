/* Any bytes: as a stream of APDUs, as words, and as what a controlling station sends to a station that answers. */
#include <assert.h>
#include "proto/iec104_station.h"

static void objects(const uint8_t *p, size_t n)
{
    struct iec104_asdu a;
    uint8_t out[IEC104_ASDU_MAX];
    if (iec104_asdu_decode(p, n, &a, NULL)) return;
    for (unsigned k = 0; k < a.count; k++) {
        struct iec104_object o = iec104_object(&a, k);
        int64_t us;
        assert(o.ioa <= IEC104_IOA_MAX);
        assert(iec104_put_one(&a, &o, out) == 9 + iec104_element_size(a.type));
        if (iec104_time_local(&o.time, 1700000000000000, &us) == 0) assert(us > 0);
    }
}

static bool next(void *ctx, uint16_t ca, bool counters, unsigned group, uint64_t *cursor, struct iec104_item *ret)
{
    static const uint8_t types[] = {1, 1, 3, 13, 13, 36, 5};
    if (group > 2 || *cursor >= sizeof types) return false;
    *ret = (struct iec104_item){.type = counters ? 15 : types[*cursor], .o.ioa = (uint32_t)*cursor};
    ++*cursor;
    return true;
}
static bool read_one(void *ctx, uint16_t ca, uint32_t ioa, struct iec104_item *ret)
{
    *ret = (struct iec104_item){.type = 13, .o.ioa = ioa};
    return ioa & 1;
}
static int command(void *ctx, uint16_t ca, const struct iec104_type *t, const struct iec104_object *o,
                   enum iec104_step how)
{
    static const int answers[] = {0, ERR_AGAIN, ERR_NOT_FOUND, ERR_FORBIDDEN};
    return answers[o->ioa & 3];
}

static void station(const uint8_t *p, size_t n)
{
    static const uint16_t cas[] = {1, 2};
    struct iec104_item events[4];
    struct iec104_station_config c = {.link = {.k = 12, .w = 8, .t1_ms = 15000, .t2_ms = 10000, .t3_ms = 20000},
                                      .ops = {.next = next, .read = read_one, .command = command},
                                      .cas = cas,
                                      .ncas = 2,
                                      .select_ms = 1000,
                                      .announce = true,
                                      .events = events,
                                      .events_cap = 4};
    static struct iec104_station s;
    uint8_t out[2048];
    uint64_t now = 1;
    iec104_station_init(&s, &c, now);
    while (n > 0) {
        int used = iec104_station_input(&s, now, p, n, NULL);
        if (used < 0) break;
        iec104_station_event(&s, &(struct iec104_item){.type = (p[0] & 1) ? 30 : 3, .cause = 3, .ca = 1});
        if (used && p[0] & 2) iec104_station_done(&s, 1, 1, 0);
        size_t sent = iec104_station_output(&s, now, out, sizeof out);
        assert(s.events_acked <= s.events_out && s.events_out <= s.events_in);
        if (p[0] & 4) iec104_station_forget_events(&s);
        assert(iec104_link_in_flight(&s.link) <= 12);
        for (size_t at = 0; at < sent;) {
            struct iec104_apdu a;
            assert(iec104_apdu_next(out + at, sent - at, &a, NULL) == 1);
            at += a.used;
        }
        if (used == 0) {
            now = iec104_station_deadline(&s);
            if (now == UINT64_MAX || iec104_station_time(&s, now, NULL) || sent == 0) break;
        }
        p += used, n -= (size_t)used;
    }
}

/* What a station sends to a controlling station. */
static void controlling(const uint8_t *p, size_t n)
{
    const struct iec104_link_config c = {
        .controlling = true, .k = 12, .w = 8, .t1_ms = 15000, .t2_ms = 10000, .t3_ms = 20000};
    struct iec104_link l;
    struct iec104_apdu a;
    enum iec104_link_event ev;
    uint8_t out[IEC104_APDU_MAX];
    uint64_t now = 1;
    iec104_link_init(&l, &c, now);
    iec104_link_start(&l, now);
    while (n > 0 && iec104_link_input(&l, now, p, n, &a, &ev, NULL) == 1) {
        iec104_link_output(&l, now, out);
        if (iec104_link_free(&l)) iec104_link_send(&l, now, p, a.used < 100 ? a.used : 100, out);
        assert(iec104_link_in_flight(&l) <= 12);
        if (p[2] & 0x80 && iec104_link_deadline(&l) != UINT64_MAX) now = iec104_link_deadline(&l);
        if (iec104_link_time(&l, now, NULL)) break;
        p += a.used, n -= a.used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char words[160];
    station(p, n);
    controlling(p, n);
    objects(p, n);
    while (n > 0) {
        struct iec104_apdu a;
        iec104_words(p, n, n & 1, words, sizeof words);
        if (iec104_apdu_next(p, n, &a, NULL) != 1) break;
        if (a.format == IEC104_I) objects(a.asdu, a.asdu_n);
        p += a.used, n -= a.used;
    }
    return 0;
}
