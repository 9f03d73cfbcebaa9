/* serial.h - a serial port on a libuv loop: RS-232, RS-422, RS-485 through a UART, a USB adapter or a pseudo terminal.
 *
 * Threads   all on the loop's thread. Opening is O_NONBLOCK; what was not sent yet is thrown away before closing, so
 * that neither waits for the line. Lock      the port is taken for us alone: TIOCEXCL keeps ordinary programs out,
 * flock() those that lock likewise (also another channel of this process, and any program run by root). Life
 * serial_open -> data … -> lost (at most once: the adapter was pulled out, the other side hung up) -> serial_close at
 * any time, in a callback too; `closed` comes from the loop when the handle is gone. Time      serial_char_ns is how
 * long a character stands on the line. A UART tells bytes in lumps (USB adapters every 1 to 16 ms), so a silence that
 * is shorter than that cannot be seen from here; serial_silence_ns allows for it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum serial_parity { SERIAL_NONE, SERIAL_EVEN, SERIAL_ODD, SERIAL_MARK, SERIAL_SPACE };
enum serial_flow { SERIAL_FLOW_NONE, SERIAL_FLOW_RTS_CTS, SERIAL_FLOW_XON_XOFF };
/* How the driver of a two-wire line is switched on for sending: the adapter does it by itself, or the kernel by RTS. */
enum serial_turn { SERIAL_TURN_AUTO, SERIAL_TURN_RTS, SERIAL_TURN_RTS_INVERTED };

struct serial_config {
    char path[200];               /* "/dev/ttyUSB0", "/dev/serial/by-id/…" */
    uint32_t speed;               /* bits a second, any number that the UART can do */
    uint8_t data_bits, stop_bits; /* 5..8; 1, 2 */
    enum serial_parity parity;
    enum serial_flow flow;
    enum serial_turn rs485;
    uint32_t rts_before_ms, rts_after_ms; /* with RTS: before and after sending */
};

struct uv_loop_s; /* uv.h brings termios.h along, which does not go with the kernel's termios2 */
struct serial;
struct serial_ops {
    void (*data)(void *ctx, const uint8_t *p, size_t n);
    void (*lost)(void *ctx, const struct error *why);
};

/* Is it a path of a device? ERR_INVALID with where "device". */
MUST_CHECK int serial_check(const struct serial_config *c, struct error *e);
/* Errors say what to do: ERR_NOT_FOUND (no such device), ERR_FORBIDDEN (group dialout), ERR_UNAVAILABLE (in use by
 * another program), ERR_INVALID (no serial port, a setting that it cannot do), ERR_NOMEM. *ops and ctx stay the
 * caller's. */
MUST_CHECK int serial_open(struct uv_loop_s *loop, const struct serial_config *c, const struct serial_ops *ops,
                           void *ctx, struct serial **ret, struct error *e);
/* At most 4 KiB may wait for the line: ERR_LIMIT. ERR_CLOSED after `lost`. */
MUST_CHECK int serial_write(struct serial *s, const void *p, size_t n);
void serial_close(struct serial *s, void (*closed)(void *arg), void *arg);

uint64_t serial_char_ns(const struct serial_config *c);
/* 3.5 characters (MODBUS over Serial Line V1.02, 2.5.1.1: from 19200 bits a second on 1.75 ms). */
uint64_t serial_t35_ns(const struct serial_config *c);
/* A silence that means that nothing more of a frame will come, as far as it can be seen from here. */
uint64_t serial_silence_ns(const struct serial_config *c);
