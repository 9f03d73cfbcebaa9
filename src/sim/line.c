/* line.c - see line.h. A broadcast (unit 0) has no station here and is not answered, as it should be. */
#include "sim/line.h"
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/serial.h"

struct sim_line {
    const struct modbus_data_ops *ops;
    struct serial *port; /* NULL: a pseudo terminal */
    uv_poll_t poll;
    int master, slave; /* slave: our own hold, so that the line stays while nobody has it open */
    char path[200];
    size_t n;
    uint8_t in[2 * MODBUS_FRAME_MAX];
};

static void put(struct sim_line *l, const uint8_t *p, size_t n)
{
    if (l->port && serial_write(l->port, p, n)) return; /* the master asks again */
    if (l->port == NULL && n && write(l->master, p, n) < 0) return;
}

static void answer(struct sim_line *l, const uint8_t *p, size_t n)
{
    uint8_t out[4 * MODBUS_FRAME_MAX];
    size_t out_n = 0;
    if (n > sizeof l->in - l->n) l->n = 0; /* rubbish */
    if (n > sizeof l->in) return;
    memcpy(l->in + l->n, p, n);
    l->n += n;
    int used = modbus_server_handle(MODBUS_RTU, l->in, l->n, l->ops, out, sizeof out, &out_n);
    if (out_n) put(l, out, out_n);
    if (used <= 0) return;
    l->n -= (size_t)used;
    memmove(l->in, l->in + used, l->n);
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    answer(ctx, p, n);
}

static void on_lost(void *ctx, const struct error *why)
{
    fprintf(stderr, "sim: %s\n", why->text);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct sim_line *l = h->data;
    uint8_t in[1024];
    ssize_t k = read(l->master, in, sizeof in);
    if (k > 0) answer(l, in, (size_t)k);
}

static int open_pty(struct sim_line *l, uv_loop_t *loop, struct error *e)
{
    l->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    bool ok = l->master >= 0 && grantpt(l->master) == 0 && unlockpt(l->master) == 0 &&
              ptsname_r(l->master, l->path, sizeof l->path) == 0;
    l->slave = ok ? open(l->path, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    if (!ok || uv_poll_init(loop, &l->poll, l->master)) {
        if (l->slave >= 0) close(l->slave);
        if (l->master >= 0) close(l->master);
        return error_set(e, ERR_UNAVAILABLE, "", "no pseudo terminal to be had", "无法获得伪终端");
    }
    struct termios t;
    if (tcgetattr(l->slave, &t) == 0) {
        cfmakeraw(&t); /* no echo, no lines, whoever opens it */
        tcsetattr(l->slave, TCSANOW, &t);
    }
    l->poll.data = l;
    return uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

int sim_line_new(uv_loop_t *loop, const char *path, unsigned speed, const struct modbus_data_ops *ops,
                 struct sim_line **ret, struct error *e)
{
    static const struct serial_ops serial = {on_data, on_lost};
    struct serial_config c = {.speed = speed ? speed : 9600, .data_bits = 8, .stop_bits = 1};
    struct sim_line *l = mem_calloc(1, sizeof *l);
    if (l == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    l->ops = ops;
    str_to_cstr(str_of(path), c.path, sizeof c.path);
    str_to_cstr(str_of(path), l->path, sizeof l->path);
    int rc = strcmp(path, "pty") == 0 ? open_pty(l, loop, e) : serial_open(loop, &c, &serial, l, &l->port, e);
    if (rc) {
        mem_free(l);
        return rc;
    }
    *ret = l;
    return 0;
}

const char *sim_line_path(const struct sim_line *l)
{
    return l->path;
}

static void on_port_closed(void *arg)
{
    mem_free(arg);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct sim_line *l = h->data;
    close(l->slave);
    close(l->master);
    mem_free(l);
}

void sim_line_close(struct sim_line *l)
{
    if (l == NULL) return;
    if (l->port)
        serial_close(l->port, on_port_closed, l);
    else
        uv_close((uv_handle_t *)&l->poll, on_poll_closed);
}
