/* A pseudo terminal is the port: bytes both ways, the lock, what is wrong with a path, hanging up. */
#include "io/serial.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include "base/str.h"
#include "base/test.h"

struct line {
    uv_loop_t loop;
    int master;
    struct serial_config c;
    struct serial *s;
    uint8_t in[4096];
    size_t n;
    bool lost, closed;
    struct error why;
};

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct line *l = ctx;
    memcpy(l->in + l->n, p, n);
    l->n += n;
}
static void on_lost(void *ctx, const struct error *why)
{
    struct line *l = ctx;
    l->lost = true;
    l->why = *why;
}
static void on_closed(void *arg)
{
    *(bool *)arg = true;
}
static const struct serial_ops ops = {on_data, on_lost};

static void line_open(struct line *l)
{
    *l = (struct line){.c = {.speed = 115200, .data_bits = 8, .stop_bits = 1}};
    uv_loop_init(&l->loop);
    l->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    CHECK(l->master >= 0 && grantpt(l->master) == 0 && unlockpt(l->master) == 0);
    str_to_cstr(str_of(ptsname(l->master)), l->c.path, sizeof l->c.path);
}

static void line_close(struct line *l)
{
    if (l->s) {
        serial_close(l->s, on_closed, &l->closed);
        uv_run(&l->loop, UV_RUN_DEFAULT);
        CHECK(l->closed);
    }
    if (l->master >= 0) close(l->master);
    CHECK_INT(uv_loop_close(&l->loop), 0);
}

TEST(bytes_go_both_ways_unchanged)
{
    struct line l;
    uint8_t all[256], got[256];
    for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
    line_open(&l);
    CHECK_INT(serial_open(&l.loop, &l.c, &ops, &l, &l.s, &l.why), 0);
    CHECK_INT(write(l.master, all, 256), 256);
    while (l.n < 256) uv_run(&l.loop, UV_RUN_ONCE);
    CHECK(memcmp(l.in, all, 256) == 0); /* no CR, NL, XON or signal character was eaten */
    CHECK_INT(serial_write(l.s, all, 256), 0);
    CHECK_INT(read(l.master, got, 256), 256);
    CHECK(memcmp(got, all, 256) == 0);
    line_close(&l);
}

TEST(what_the_line_does_not_take_waits_and_is_bounded)
{
    struct line l;
    static uint8_t much[4096], got[65536];
    size_t sent = 0, n = 0;
    line_open(&l);
    CHECK_INT(serial_open(&l.loop, &l.c, &ops, &l, &l.s, &l.why), 0);
    int rc = 0;
    while (sent < 1 << 20 && (rc = serial_write(l.s, much, sizeof much)) == 0) sent += sizeof much;
    CHECK_INT(rc, ERR_LIMIT);
    while (n < sent) {
        ssize_t k = read(l.master, got, sizeof got);
        if (k > 0) n += (size_t)k;
        uv_run(&l.loop, UV_RUN_NOWAIT);
    }
    CHECK_INT(n, sent);
    line_close(&l);
}

TEST(two_cannot_have_a_port)
{
    struct line l;
    struct serial *other = NULL;
    struct error e;
    line_open(&l);
    CHECK_INT(serial_open(&l.loop, &l.c, &ops, &l, &l.s, &l.why), 0);
    int rc = serial_open(&l.loop, &l.c, &ops, &l, &other, &e);
    CHECK_INT(rc, ERR_UNAVAILABLE);
    CHECK(strstr(e.text, "in use by another program") && strstr(e.text, "fuser"));
    line_close(&l);
}

TEST(hanging_up_is_told_once)
{
    struct line l;
    line_open(&l);
    CHECK_INT(serial_open(&l.loop, &l.c, &ops, &l, &l.s, &l.why), 0);
    close(l.master);
    l.master = -1;
    while (!l.lost) uv_run(&l.loop, UV_RUN_ONCE);
    CHECK(strstr(l.why.text, "is gone"));
    CHECK_INT(serial_write(l.s, "x", 1), ERR_CLOSED);
    line_close(&l);
}

TEST(a_wrong_path_tells_the_remedy)
{
    static const struct {
        const char *path, *says;
        int rc;
    } rows[] = {
        {"/etc/passwd", "write the path of a device", ERR_INVALID},
        {"/dev/../etc/passwd", "write the path of a device", ERR_INVALID},
        {"/dev/ttyNONE9", "plug the adapter in", ERR_NOT_FOUND},
        {"/dev/null", "is no serial port", ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct serial_config c = {.speed = 9600, .data_bits = 8, .stop_bits = 1};
        struct serial *s = NULL;
        struct error e = {0};
        uv_loop_t loop;
        uv_loop_init(&loop);
        str_to_cstr(str_of(rows[i].path), c.path, sizeof c.path);
        CHECK_INT(serial_open(&loop, &c, &ops, NULL, &s, &e), rows[i].rc);
        if (!strstr(e.text, rows[i].says)) test_fail(__FILE__, __LINE__, "%s: %s", rows[i].path, e.text);
        CHECK_INT(uv_loop_close(&loop), 0);
    }
}

TEST(no_rs485_by_rts_on_this_port)
{
    struct line l;
    line_open(&l);
    l.c.rs485 = SERIAL_TURN_RTS;
    CHECK_INT(serial_open(&l.loop, &l.c, &ops, &l, &l.s, &l.why), ERR_INVALID);
    CHECK(strstr(l.why.text, "set 'rs485' to auto"));
    line_close(&l);
}

TEST(times_of_characters)
{
    struct serial_config c = {.speed = 9600, .data_bits = 8, .parity = SERIAL_EVEN, .stop_bits = 1};
    CHECK_INT(serial_char_ns(&c), 1145833); /* 11 bits */
    CHECK_INT(serial_t35_ns(&c), 4010415);
    c.speed = 115200;
    CHECK_INT(serial_t35_ns(&c), 1750000); /* SL 2.5.1.1 */
}
