/* The Modbus server asked byte by byte: every function, limits and exceptions, masks, read after write, diagnostics,
 * identification, both framings. */
#include "base/test.h"
#include "io/tls_stream.h"
#include "outlets/common/testbed.h"
#include "outlets/modbus/modbus_out.h"

struct peer {
    struct obed *b;
    struct tls_stream *s;
    enum modbus_framing framing;
    bool opened, lost, closed;
    size_t n;
    uint8_t rx[2000], unit;
};

BED void p_opened(void *ctx)
{
    ((struct peer *)ctx)->opened = true;
}
BED void p_data(void *ctx, const uint8_t *p, size_t n)
{
    struct peer *c = ctx;
    CHECK(c->n + n <= sizeof c->rx);
    memcpy(c->rx + c->n, p, n);
    c->n += n;
}
BED void p_lost(void *ctx, const struct error *why)
{
    ((struct peer *)ctx)->lost = true;
}
static const struct tls_stream_ops peer_ops = {p_opened, p_data, p_lost};

static struct peer *connect_to(struct obed *b, enum modbus_framing f)
{
    struct peer *c = mem_calloc(1, sizeof *c);
    struct error e = {0};
    struct tls_stream_config cfg = {.host = "127.0.0.1",
                                    .port = tls_listener_port(((struct mo_channel *)(void *)b->ch)->listener)};
    *c = (struct peer){.b = b, .framing = f, .unit = 1};
    CHECK_INT(tls_stream_open(&b->loop, &cfg, &peer_ops, c, &c->s, &e), 0);
    UNTIL(b, c->opened);
    return c;
}
static void leave(struct peer *c)
{
    tls_stream_close(c->s, bed_closed, &c->closed);
    UNTIL(c->b, c->closed);
    mem_free(c);
}

static int nibble(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}
static size_t bytes_of(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; *hex; hex++)
        if (*hex != ' ') {
            out[n++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
            hex++;
        }
    return n;
}
static void put(struct peer *c, const char *hex)
{
    uint8_t pdu[300], out[MODBUS_FRAME_MAX];
    size_t n = bytes_of(hex, pdu);
    n = modbus_frame_put(c->framing, 7, c->unit, pdu, n, out);
    CHECK_INT(tls_stream_write(c->s, out, n), 0);
}
/* The PDU that answers, as hex. */
static const char *take(struct peer *c)
{
    static char hex[600];
    struct modbus_expect x = {.transaction = 7, .unit = -1, .function = -1};
    size_t over = c->framing == MODBUS_TCP ? MODBUS_MBAP : 3, skip = c->framing == MODBUS_TCP ? MODBUS_MBAP : 1;
    UNTIL(c->b, c->n > over || c->lost);
    hex[0] = 0;
    if (c->lost) return "lost";
    for (size_t i = 0; i < c->n - over && i < 290; i++) snprintf(hex + 2 * i, 3, "%02x", c->rx[skip + i]);
    if (c->framing == MODBUS_TCP) CHECK(modbus_frame_next(MODBUS_TCP, c->rx, c->n, &x, &(struct modbus_frame){0}) == 1);
    c->n = 0;
    return hex;
}
static const char *ask(struct peer *c, const char *hex)
{
    put(c, hex);
    return take(c);
}

/* 400001 int16, 400002-3 float, 400004.0, .1, .3 bits, 400010 uint8, 400011 a text of 4, 400020 BCD, 400021-24 int64;
 * 000001, 000002 coils; 300100 read only. */
static struct obed *bed(const char *more)
{
    static const struct {
        const char *code, *address;
        enum value_type t;
        bool fixed;
    } points[] = {{"I", "400001", VALUE_INT16, false},     {"F", "400002", VALUE_FLOAT, false},
                  {"B0", "400004.0", VALUE_BOOL, false},   {"B1", "400004.1", VALUE_BOOL, false},
                  {"B3", "400004.3", VALUE_BOOL, true},    {"U8", "400010", VALUE_UINT8, false},
                  {"T", "400011.4H", VALUE_STRING, false}, {"BCD", "400020", VALUE_BCD16, false},
                  {"L", "400021", VALUE_INT64, false},     {"C1", "000001", VALUE_BOOL, false},
                  {"C2", "000002", VALUE_BOOL, true},      {"R", "300100", VALUE_UINT16, false}};
    struct obed *b = obed_new(&modbus_server_outlet);
    char json[300];
    snprintf(json, sizeof json, "{\"port\":0,\"address\":\"127.0.0.1\"%s}", more);
    obed_open(b, json);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        b->points[obed_point(b, points[i].code, points[i].address, points[i].t)].writable = !points[i].fixed;
    obed_set(b);
    b->write_outcome = DRIVER_DONE;
    obed_sample(b, 0, (struct sample){.type = SAMPLE_INT, .v.i = 0x12});
    obed_value(b, 1, 1.5);
    obed_sample(b, 2, (struct sample){.type = SAMPLE_BOOL, .v.i = 1});
    obed_sample(b, 3, (struct sample){.type = SAMPLE_BOOL, .v.i = 0});
    obed_sample(b, 4, (struct sample){.type = SAMPLE_BOOL, .v.i = 1});
    return b;
}

TEST(mask_write)
{
    struct obed *b = bed("");
    struct peer *c = connect_to(b, MODBUS_TCP);
    CHECK_Z(ask(c, "16 0000 00f2 0025"), "16000000f20025"); /* AP 6.16 */
    CHECK_INT(b->write.slot, 0);
    CHECK_INT(b->write.value.v.i, 0x17);
    CHECK_Z(ask(c, "16 0003 fffd 0002"), "160003fffd0002"); /* one bit of a register of bits */
    CHECK_INT(b->writes, 2);
    CHECK_INT(b->write.slot, 3);
    CHECK_INT(b->write.value.v.i, 1);
    CHECK_Z(ask(c, "16 0003 fff7 0000"), "9602");           /* a bit that may not be written */
    CHECK_Z(ask(c, "16 0003 ffff 0000"), "160003ffff0000"); /* no bit at all */
    CHECK_Z(ask(c, "16 0001 0000 1234"), "9602");           /* half a float */
    CHECK_Z(ask(c, "16 0064 0000 1234"), "9602");           /* nothing there */
    CHECK_Z(ask(c, "16 0000 0000"), "9603");
    CHECK_INT(b->writes, 2);
    obed_sample(b, 0, (struct sample){.type = SAMPLE_INT, .quality = QUALITY_BAD, .flags = REASON_COMM_FAILURE});
    CHECK_Z(ask(c, "16 0000 00f2 0025"), "9604"); /* of what? */
    b->write_outcome = DRIVER_EXPIRED;
    CHECK_Z(ask(c, "16 0003 fffe 0001"), "9606");
    leave(c);
    obed_free(b);
}

TEST(read_after_write)
{
    struct obed *b = bed("");
    struct peer *c = connect_to(b, MODBUS_TCP);
    b->readback = true;
    CHECK_Z(ask(c, "17 0000 0004 0000 0001 02 ff85"), "1708ff853fc000000009"); /* what was read back, not what was */
    CHECK_INT(b->write.value.v.i, -123);
    CHECK_Z(ask(c, "17 0000 0001 0001 0002 04 40490fdb"), "17020012");
    CHECK_DBL(b->write.value.v.d, 3.14159274, 1e-6);
    CHECK_Z(ask(c, "17 0003 0001 0003 0001 02 0002"), "9702"); /* B3 may not be written */
    b->readback = false;
    CHECK_Z(ask(c, "17 0000 0001 0000 0001 02 0005"), "17020012"); /* not read back: the current one */
    CHECK_INT(b->writes, 3);
    CHECK_Z(ask(c, "17 0100 0001 0000 0001 02 0005"), "9702"); /* nothing to read there: nothing is written */
    CHECK_Z(ask(c, "17 0000 007e 0000 0001 02 0005"), "9703");
    CHECK_Z(ask(c, "17 0000 0001 0000 0001 04 0005"), "9703");
    CHECK_INT(b->writes, 3);
    leave(c);
    obed_free(b);
}

TEST(quantities_and_their_exceptions)
{
    static const struct {
        const char *ask, *answer;
    } rows[] = {{"03 0000 0000", "8303"},
                {"03 0000 007e", "8303"},
                {"04 0000 007e", "8403"},
                {"01 0000 07d1", "8103"},
                {"02 0000 07d1", "8203"},
                {"01 0000 0000", "8103"},
                {"03 ffff 0002", "8302"},
                {"03 2000 0001", "8302"},
                {"05 0000 1234", "8503"},
                {"0f 0000 07b1 f7 00", "8f03"},
                {"10 0000 007c f8 00", "9003"},
                {"10 0000 0002 02 0000", "9003"},
                {"06 0000", "8603"},
                {"03 0000 0001 00", "8303"},
                {"09", "8901"},
                {"64", "e401"},
                {"05 0001 ff00", "8502"},
                {"10 0000 0002 04 0001 0002", "9002"},
                {"06 0063 0001", "8602"}};
    struct obed *b = bed("");
    struct peer *c = connect_to(b, MODBUS_TCP);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) CHECK_Z(ask(c, rows[i].ask), rows[i].answer);
    CHECK_INT(b->writes, 0);
    const char *most = ask(c, "03 0000 007d");
    CHECK(strncmp(most, "03fa00123fc000000009", 20) == 0 && strlen(most) == 2 * 252);
    most = ask(c, "01 0000 07d0");
    CHECK(strncmp(most, "01fa00", 6) == 0 && strlen(most) == 2 * 252);
    CHECK_Z(ask(c, "04 0063 0001"), "0402ffff"); /* no value yet: marked */
    leave(c);
    obed_free(b);
}

TEST(values_that_are_none)
{
    struct obed *b = bed("");
    struct peer *c = connect_to(b, MODBUS_TCP);
    CHECK_Z(ask(c, "10 0001 0002 04 7fc00000"), "9003"); /* NaN */
    CHECK_Z(ask(c, "06 0013 1a00"), "8603");             /* no BCD */
    CHECK_Z(ask(c, "06 0009 0100"), "8603");             /* wider than eight bits */
    CHECK_Z(ask(c, "10 000a 0002 04 ff410000"), "9003"); /* no UTF-8 */
    CHECK_INT(b->writes, 0);
    CHECK_Z(ask(c, "06 0009 00ff"), "0600"
                                    "0900ff");
    CHECK_INT(b->write.value.v.i, 255);
    CHECK_Z(ask(c, "10 000a 0002 04 e9939d41"), "10000a0002");
    CHECK_Z(b->write.text, "铝A");
    CHECK_Z(ask(c, "10 0014 0004 08 0020000000000001"), "1000140004");
    CHECK(b->write.value.type == SAMPLE_INT && b->write.value.v.i == 9007199254740993);
    leave(c);
    obed_free(b);
}

TEST(a_write_that_waits)
{
    struct obed *b = bed("");
    struct peer *c = connect_to(b, MODBUS_TCP);
    b->hold_writes = true;
    put(c, "06 0000 0001");
    put(c, "03 0000 0001"); /* waits for its turn */
    UNTIL(b, b->writes == 1);
    CHECK_INT(c->n, 0);
    obed_finish_write(b, &b->write, DRIVER_REFUSED);
    UNTIL(b, c->n >= 9 + 11);
    CHECK(c->rx[7] == 0x86 && c->rx[8] == 4 && c->rx[16] == 3);
    c->n = 0;
    put(c, "06 0000 0002");
    UNTIL(b, b->writes == 2);
    leave(c); /* goes while it is under way */
    obed_finish_write(b, &b->write, DRIVER_DONE);
    UNTIL(b, obed_status(b).connections == 0);
    b->hold_writes = false;
    c = connect_to(b, MODBUS_TCP);
    for (int i = 0; i < 60; i++) put(c, "06 0000 0003"); /* in one stretch, each ends at once */
    UNTIL(b, c->n == 60 * 12);
    CHECK_INT(b->writes, 62);
    leave(c);
    obed_free(b);
}

TEST(diagnostics)
{
    struct obed *b = bed("");
    struct peer *c = connect_to(b, MODBUS_TCP);
    CHECK_Z(ask(c, "08 0000 a537"), "080000a537");
    CHECK_Z(ask(c, "08 0000 a537 1234 5678"), "080000a53712345678");
    CHECK_Z(ask(c, "08 0002 0000"), "0800020000");
    CHECK_Z(ask(c, "08 000a 0000"), "08000a0000");
    CHECK_Z(ask(c, "09"), "8901");
    CHECK_Z(ask(c, "08 000b 0000"), "08000b0002"); /* this one is the second */
    CHECK_Z(ask(c, "08 000d 0000"), "08000d0001");
    CHECK_Z(ask(c, "08 000e 0000"), "08000e0004");
    CHECK_Z(ask(c, "08 0001 ff00"), "080001ff00");
    CHECK_Z(ask(c, "08 000d 0000"), "08000d0000");
    CHECK_Z(ask(c, "08 0014 0000"), "0800140000");
    CHECK_Z(ask(c, "08 0004 0000"), "8801"); /* it will not fall silent */
    CHECK_Z(ask(c, "08 000b 0001"), "8803");
    CHECK_Z(ask(c, "08 0001 0001"), "8803");
    CHECK_Z(ask(c, "08 00"), "8803");
    leave(c);
    obed_free(b);
}

TEST(identification)
{
    struct obed *b = bed("");
    struct peer *c = connect_to(b, MODBUS_TCP);
    char want[200];
    int at = snprintf(want, sizeof want,
                      "2b0e0182000003"
                      "0007426f726e697465"
                      "010d6d6f646275735f736572766572"
                      "02%02x",
                      (unsigned)strlen(mo_identity.object[MODBUS_ID_REVISION]));
    for (const char *p = mo_identity.object[MODBUS_ID_REVISION]; *p; p++)
        at += snprintf(want + at, sizeof want - (size_t)at, "%02x", (unsigned)*p);
    CHECK_Z(ask(c, "2b 0e 01 00"), want);
    CHECK(strncmp(ask(c, "2b 0e 02 00"), "2b0e0282000004", 14) == 0);
    CHECK(strncmp(ask(c, "2b 0e 03 77"), "2b0e0382000004", 14) == 0); /* an unknown start begins anew */
    CHECK_Z(ask(c, "2b 0e 04 00"), "2b0e04820000010007426f726e697465");
    CHECK_Z(ask(c, "2b 0e 04 03"), "ab02");
    CHECK_Z(ask(c, "2b 0e 05 00"), "ab03");
    CHECK_Z(ask(c, "2b 0d 00 00"), "ab01");
    leave(c);
    obed_free(b);
}

TEST(rtu_over_tcp)
{
    struct obed *b = bed(",\"framing\":\"rtu\",\"any_unit\":false");
    struct peer *c = connect_to(b, MODBUS_RTU);
    CHECK_Z(ask(c, "03 0000 0001"), "03020012");
    CHECK_Z(ask(c, "08 0000 a537"), "080000a537");
    CHECK_Z(ask(c, "16 0000 00f2 0025"), "16000000f20025");
    CHECK_Z(ask(c, "17 0000 0001 0000 0001 02 0005"), "17020012");
    CHECK(strncmp(ask(c, "2b 0e 01 00"), "2b0e01", 6) == 0);
    c->unit = 2; /* another station of the line */
    put(c, "03 0000 0001");
    c->unit = 0; /* to all: carried out, not answered */
    put(c, "06 0000 0063");
    c->unit = 1;
    CHECK_Z(ask(c, "03 0000 0001"), "03020012");
    CHECK_INT(b->write.value.v.i, 0x63);
    CHECK_Z(ask(c, "08 000f 0000"), "08000f0001");
    static const uint8_t noise[] = {0xff, 0x00, 1, 3, 0, 0, 0, 1, 0x12, 0x34};
    CHECK_INT(tls_stream_write(c->s, noise, sizeof noise), 0);
    CHECK_Z(ask(c, "03 0000 0001"), "03020012");
    leave(c);
    obed_free(b);
}

TEST(units)
{
    struct obed *b = bed(",\"any_unit\":false");
    struct peer *c = connect_to(b, MODBUS_TCP);
    c->unit = 9;
    CHECK_Z(ask(c, "03 0000 0001"), "830b");
    CHECK_Z(ask(c, "06 0000 0001"), "860b");
    CHECK_INT(b->writes, 0);
    leave(c);
    obed_free(b);
}

TEST(memory_that_runs_out)
{
    struct obed *b = obed_new(&modbus_server_outlet);
    const struct options *opts =
        bed_options(b, modbus_server_outlet.channel_options, "{\"port\":0,\"address\":\"127.0.0.1\"}");
    unsigned failed = 0;
    obed_point(b, "a", "400001", VALUE_AUTO);
    for (uint64_t n = 1; n < 200; n++) {
        struct error e = {0};
        uint64_t before = mem_count();
        mem_fail_at(n, false);
        int rc = modbus_server_outlet.channel_open(&b->host, opts, &b->ch, &e);
        if (rc == 0) rc = modbus_server_outlet.channel_set(b->ch, b->points, b->npoints, &e);
        bool all = mem_count() - before < n;
        mem_fail_at(0, false);
        if (rc) CHECK_INT(rc, ERR_NOMEM);
        failed += rc != 0;
        if (b->ch) obed_close(b);
        if (all) break;
    }
    CHECK(failed >= 2);
    obed_free(b);
}

static void let_wait(struct obed *b)
{
    for (struct mo_conn *c = ((struct mo_channel *)(void *)b->ch)->conns; c; c = c->next) c->heard_ns -= 3000000000u;
}

TEST(who_says_nothing_makes_room)
{
    struct obed *b = bed(",\"connections\":2");
    struct peer *silent = connect_to(b, MODBUS_TCP), *first = connect_to(b, MODBUS_TCP), *second, *third;
    CHECK_STR(str_of(ask(first, "03 0000 0001")), "03020012");
    let_wait(b);
    second = connect_to(b, MODBUS_TCP);
    CHECK_STR(str_of(ask(second, "03 0000 0001")), "03020012");
    UNTIL(b, silent->lost);
    let_wait(b);
    third = connect_to(b, MODBUS_TCP); /* both that are here are of use */
    UNTIL(b, third->lost);
    CHECK(!first->lost && !second->lost);
    leave(silent);
    leave(first);
    leave(second);
    leave(third);
    obed_free(b);
}
