/* serial.c - see serial.h. What the line is set to stands in serial_line.c. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/serial.h"
#include "io/serial_int.h"

#define OUT_MAX 4096

struct serial {
    uv_poll_t poll;
    int fd;
    const struct serial_ops *ops;
    void *ctx;
    char path[200];
    bool lost;
    void (*closed)(void *arg);
    void *closed_arg;
    size_t out_n;
    uint8_t out[OUT_MAX];
};

/* ---- what may go wrong ---- */

int serial_check(const struct serial_config *c, struct error *e)
{
    struct str p = str_of(c->path);
    if (str_starts(p, STR("/dev/")) && p.n > 5 && !str_has(p, STR("/../"))) return 0;
    return error_set(
        e, ERR_INVALID, "device",
        "'%s' is no serial port: write the path of a device, /dev/ttyUSB0 or /dev/serial/by-id/… (the latter "
        "keeps its name when adapters are re-plugged)",
        "“%s”不是串口：应填写设备路径，如 /dev/ttyUSB0 或 /dev/serial/by-id/…（后者在重新插拔后名称不变）", c->path);
}

static int open_error(const char *path, int err, struct error *e)
{
    switch (err) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return error_set(e, ERR_NOT_FOUND, "device",
                         "%s is not there: plug the adapter in; `ls /dev/serial/by-id /dev/ttyS*` shows the ports",
                         "%s 不存在：请插好串口适配器；可用 ls /dev/serial/by-id /dev/ttyS* 查看现有串口", path);
    case EACCES:
    case EPERM:
        return error_set(e, ERR_FORBIDDEN, "device",
                         "no permission for %s: add the service's user to its group (`usermod -aG dialout USER`) and "
                         "restart the service",
                         "没有访问 %s 的权限：请将运行本服务的用户加入其用户组（usermod -aG dialout 用户名）并重启服务",
                         path);
    case EBUSY:
    case EWOULDBLOCK:
        return error_set(e, ERR_UNAVAILABLE, "device",
                         "%s is in use by another program or channel: `fuser -v %s` shows which; close it there",
                         "%s 正被其他程序或通道占用：可用 fuser -v %s 查看，请先在那里关闭", path, path);
    case ENOTTY: return error_set(e, ERR_INVALID, "device", "%s is no serial port", "%s 不是串口", path);
    default:
        return error_set(e, ERR_UNAVAILABLE, "device", "%s cannot be opened: %s", "无法打开 %s：%s", path,
                         uv_strerror(-err));
    }
}

/* ---- life ---- */

static int take(int fd, const struct serial_config *c, struct error *e)
{
    if (flock(fd, LOCK_EX | LOCK_NB)) return open_error(c->path, errno, e);
    int rc = serial_apply(fd, c, e);
    if (rc == 0 && ioctl(fd, TIOCEXCL)) rc = open_error(c->path, errno, e);
    if (rc == 0) ioctl(fd, TCFLSH, TCIOFLUSH); /* what came before is nobody's answer */
    return rc;
}

static void lose(struct serial *s, int err)
{
    struct error e;
    if (s->lost) return;
    s->lost = true;
    uv_poll_stop(&s->poll);
    error_set(&e, ERR_UNAVAILABLE, "device", "%s is gone (%s): was the adapter pulled out?",
              "%s 已断开（%s）：适配器是否被拔出？", s->path, err ? uv_strerror(-err) : "end of file");
    s->ops->lost(s->ctx, &e);
}

static void on_poll(uv_poll_t *h, int status, int events);

static void watch(struct serial *s)
{
    if (!s->lost) uv_poll_start(&s->poll, UV_READABLE | (s->out_n ? UV_WRITABLE : 0), on_poll);
}

static void flush(struct serial *s)
{
    ssize_t k = s->out_n ? write(s->fd, s->out, s->out_n) : 0;
    if (k < 0 && errno != EAGAIN && errno != EINTR) {
        lose(s, errno);
        return;
    }
    if (k <= 0) return;
    s->out_n -= (size_t)k;
    memmove(s->out, s->out + k, s->out_n);
}

static void receive(struct serial *s)
{
    uint8_t in[2048];
    ssize_t k = read(s->fd, in, sizeof in);
    if (k > 0)
        s->ops->data(s->ctx, in, (size_t)k);
    else if (k == 0 || (errno != EAGAIN && errno != EINTR))
        lose(s, k == 0 ? 0 : errno);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct serial *s = h->data;
    if (status < 0) {
        lose(s, -status);
        return;
    }
    if (events & UV_WRITABLE) {
        flush(s);
        watch(s);
    }
    if (!s->lost && (events & UV_READABLE)) receive(s); /* it may close the port: nothing after it */
}

static struct serial *made(uv_loop_t *loop, int fd, const struct serial_config *c)
{
    struct serial *s = mem_calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->fd = fd;
    s->poll.data = s;
    str_to_cstr(str_of(c->path), s->path, sizeof s->path);
    if (uv_poll_init(loop, &s->poll, fd) == 0) return s;
    mem_free(s);
    return NULL;
}

int serial_open(struct uv_loop_s *loop, const struct serial_config *c, const struct serial_ops *ops, void *ctx,
                struct serial **ret, struct error *e)
{
    int rc = serial_check(c, e);
    if (rc) return rc;
    int fd = open(c->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return open_error(c->path, errno, e);
    rc = take(fd, c, e);
    struct serial *s = rc ? NULL : made(loop, fd, c);
    if (s == NULL) {
        if (rc == 0) rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        close(fd);
        return rc;
    }
    s->ops = ops;
    s->ctx = ctx;
    watch(s);
    *ret = s;
    return 0;
}

int serial_write(struct serial *s, const void *p, size_t n)
{
    if (s->lost) return ERR_CLOSED;
    if (n > OUT_MAX - s->out_n) return ERR_LIMIT;
    memcpy(s->out + s->out_n, p, n);
    s->out_n += n;
    ssize_t k = write(s->fd, s->out, s->out_n); /* an error shows at the next event, never from inside this call */
    if (k > 0) {
        s->out_n -= (size_t)k;
        memmove(s->out, s->out + k, s->out_n);
    }
    watch(s);
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    struct serial *s = h->data;
    void (*closed)(void *) = s->closed;
    void *arg = s->closed_arg;
    ioctl(s->fd, TCFLSH, TCIOFLUSH);
    ioctl(s->fd, TIOCNXCL);
    close(s->fd);
    mem_free(s);
    closed(arg);
}

void serial_close(struct serial *s, void (*closed)(void *arg), void *arg)
{
    s->closed = closed;
    s->closed_arg = arg;
    s->lost = true;
    uv_close((uv_handle_t *)&s->poll, on_closed);
}
