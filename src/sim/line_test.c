/* A pseudo terminal with stations behind it, asked as a master does. */
#include "sim/line.h"
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "base/test.h"

static int read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t n, uint16_t *r)
{
    for (unsigned i = 0; i < n; i++) r[i] = (uint16_t)(unit * 1000 + at + i);
    return unit == 1 ? 0 : MODBUS_NO_ANSWER;
}

static size_t ask(uv_loop_t *loop, int fd, const char *bytes, size_t n, uint8_t *in, size_t cap)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t got = 0;
    CHECK_INT(write(fd, bytes, n), (int)n);
    for (int i = 0; i < 1000 && got < 7; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
        if (poll(&p, 1, 1) == 1) got += (size_t)read(fd, in + got, cap - got);
    }
    return got;
}

TEST(stations_on_a_pseudo_terminal)
{
    const struct modbus_data_ops ops = {.read_registers = read_registers};
    struct sim_line *l = NULL;
    struct error e;
    uint8_t in[64];
    uv_loop_t loop;
    uv_loop_init(&loop);
    CHECK_INT(sim_line_new(&loop, "pty", 0, &ops, &l, &e), 0);
    int fd = open(sim_line_path(l), O_RDWR | O_NOCTTY | O_NONBLOCK);
    CHECK(fd >= 0);
    /* 01 04 00 00 00 01, CRC 31 CA */
    CHECK_INT(ask(&loop, fd, "\x55\x01\x04\x00\x00\x00\x01\x31\xCA", 9, in, sizeof in), 7);
    CHECK(memcmp(in, "\x01\x04\x02\x03\xE8", 5) == 0);
    CHECK_INT(modbus_crc(in, 5), in[5] | in[6] << 8);
    close(fd);
    sim_line_close(l);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&loop), 0);
    uv_loop_init(&loop);
    CHECK_INT(sim_line_new(&loop, "/dev/ttyNONE7", 9600, &ops, &l, &e), ERR_NOT_FOUND);
    CHECK_INT(uv_loop_close(&loop), 0);
}
