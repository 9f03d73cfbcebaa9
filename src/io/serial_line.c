/* serial_line.c - settings and times of a serial line. The kernel's own termios2 is used (asm/termbits.h, not
 * termios.h): it takes any speed. */
#include <asm/termbits.h>
#include <errno.h>
#include <linux/serial.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "io/serial.h"
#include "io/serial_int.h"

#define ADAPTER_NS 20000000u /* FTDI tells what came every 16 ms unless it is set lower */

/* ---- times ---- */

uint64_t serial_char_ns(const struct serial_config *c)
{
    unsigned bits = 1u + c->data_bits + (c->parity != SERIAL_NONE) + c->stop_bits;
    return bits * 1000000000ull / (c->speed ? c->speed : 1);
}

uint64_t serial_t35_ns(const struct serial_config *c)
{
    return c->speed > 19200 ? 1750000u : serial_char_ns(c) * 7 / 2;
}

uint64_t serial_silence_ns(const struct serial_config *c)
{
    return serial_t35_ns(c) + ADAPTER_NS;
}

/* ---- settings ---- */

static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};
static const tcflag_t parities[] = {[SERIAL_NONE] = 0,
                                    [SERIAL_EVEN] = PARENB,
                                    [SERIAL_ODD] = PARENB | PARODD,
                                    [SERIAL_MARK] = PARENB | PARODD | CMSPAR,
                                    [SERIAL_SPACE] = PARENB | CMSPAR};

/* Raw: every byte as it comes; a byte with a parity error comes as 0 and is found by the frame's check. */
static void fill(struct termios2 *t, const struct serial_config *c)
{
    t->c_iflag = c->parity != SERIAL_NONE ? INPCK : 0;
    if (c->flow == SERIAL_FLOW_XON_XOFF) t->c_iflag |= IXON | IXOFF;
    t->c_oflag = 0;
    t->c_lflag = 0;
    t->c_cflag = CREAD | CLOCAL | BOTHER | sizes[c->data_bits - 5] | parities[c->parity];
    if (c->stop_bits == 2) t->c_cflag |= CSTOPB;
    if (c->flow == SERIAL_FLOW_RTS_CTS) t->c_cflag |= CRTSCTS;
    t->c_ispeed = t->c_ospeed = c->speed;
    t->c_cc[VMIN] = 1;
    t->c_cc[VTIME] = 0;
}

/* A pseudo terminal (socat, ser2net, tests) has no bits of its own: whatever is asked for will do. */
static bool pseudo(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && major(st.st_rdev) >= 136 && major(st.st_rdev) <= 143; /* devices.txt: Unix98 slaves */
}

static int apply(int fd, const struct serial_config *c, struct error *e)
{
    struct termios2 t, got;
    if (ioctl(fd, TCGETS2, &t))
        return error_set(e, ERR_INVALID, "device", "%s is no serial port", "%s 不是串口", c->path);
    fill(&t, c);
    if (ioctl(fd, TCSETS2, &t) || ioctl(fd, TCGETS2, &got))
        return error_set(e, ERR_INVALID, "speed", "%s refuses these settings: %s", "%s 拒绝这些参数：%s", c->path,
                         strerrordesc_np(errno));
    uint32_t speed = got.c_ospeed, off = speed > c->speed ? speed - c->speed : c->speed - speed;
    if (off > c->speed / 33)
        return error_set(e, ERR_INVALID, "speed", "%s cannot do %u bits a second; the nearest that it does is %u",
                         "%s 不支持 %u bit/s，最接近的为 %u", c->path, c->speed, speed);
    if (!pseudo(fd) && (got.c_cflag & (CSIZE | PARENB | PARODD)) != (t.c_cflag & (CSIZE | PARENB | PARODD)))
        return error_set(e, ERR_INVALID, "parity", "%s cannot do these data bits and this parity",
                         "%s 不支持该数据位与校验方式", c->path);
    return 0;
}

static int apply_rs485(int fd, const struct serial_config *c, struct error *e)
{
    struct serial_rs485 r = {
        .flags = SER_RS485_ENABLED, .delay_rts_before_send = c->rts_before_ms, .delay_rts_after_send = c->rts_after_ms};
    if (c->rs485 == SERIAL_TURN_AUTO) return 0;
    r.flags |= c->rs485 == SERIAL_TURN_RTS ? SER_RS485_RTS_ON_SEND : SER_RS485_RTS_AFTER_SEND;
    if (ioctl(fd, TIOCSRS485, &r) == 0) return 0;
    return error_set(e, ERR_INVALID, "rs485",
                     "%s does not switch RS-485 by RTS (%s): set 'rs485' to auto if the adapter switches by itself",
                     "%s 不支持由 RTS 切换 RS-485 收发（%s）：若适配器自动切换，请将 rs485 设为 auto", c->path,
                     strerrordesc_np(errno));
}

int serial_apply(int fd, const struct serial_config *c, struct error *e)
{
    int rc = apply(fd, c, e);
    return rc ? rc : apply_rs485(fd, c, e);
}
