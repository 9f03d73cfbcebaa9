/* ws_frame.h - WebSocket frames (RFC 6455, section 5) as pure functions: bytes in, events out, and back.
 *
 *   byte 0: FIN(0x80) RSV1-3(0x70) opcode(0x0f)    byte 1: MASK(0x80) length(0x7f)
 *   length 126: u16 follows, 127: u64 follows (big-endian, shortest form)   then 4 mask bytes if MASK
 * Refusals are close codes as negative numbers: -1002 protocol, -1007 text that is not UTF-8, -1009 too
 * big. One thread at a time; memory: the reader's buffer, at most its message maximum. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"

enum ws_opcode { WS_CONTINUE = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
#define WS_HEAD_MAX 14

struct ws_head {
    bool fin, masked;
    uint8_t opcode;
    uint8_t mask[4];
    uint64_t len;
};
/* Bytes of the frame head; 0: more are needed; -1002. */
int ws_head_parse(const uint8_t *p, size_t n, struct ws_head *ret);
/* Write a head; returns its length. mask NULL: unmasked, as servers must. */
size_t ws_head_write(uint8_t out[WS_HEAD_MAX], bool fin, uint8_t opcode, uint64_t len, const uint8_t mask[4]);
/* XOR with the mask, `offset` bytes of the payload having gone before. */
void ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t offset);

/* Frames to messages: fragments joined, control frames in between given out at once. */
struct ws_reader {
    struct ws_head head;
    bool in_frame, want_masked;
    uint8_t message_op; /* of the message being put together; 0: none */
    unsigned nempty;    /* frames of that message that brought nothing */
    uint64_t got;       /* payload bytes of the current frame */
    uint8_t raw[WS_HEAD_MAX];
    size_t nraw;
    uint8_t control[125];
    struct buf message;
};
struct ws_event {
    uint8_t opcode;  /* WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING, WS_PONG */
    struct str data; /* until the next call; a WS_CLOSE's reason */
    unsigned code;   /* of WS_CLOSE; 1005: none was given */
};
void ws_reader_init(struct ws_reader *r, size_t message_max, bool want_masked);
void ws_reader_fini(struct ws_reader *r);
/* Take from p; *ret_used bytes were used. 1: *ret is an event, 0: all used, negative: refusal. */
int ws_reader_next(struct ws_reader *r, const uint8_t *p, size_t n, size_t *ret_used, struct ws_event *ret);
