/* frame_spec.h - where a frame of a self-made protocol begins and ends in a stream of bytes. Pure, no state.
 *
 *   WHOLE      what comes at once is a frame: a datagram
 *   FIXED      `fixed` bytes, after `start` where there is one
 *   DELIMITER  up to `end`, which is no part of the frame; empty frames are skipped
 *   LENGTH     a number at `length_at` (size 1, 2, 4) plus `length_adjust` is the length of the whole frame; `start` first,
 *              where there is one
 *   PATTERN    from `start` to `end`, both are parts of the frame; a start inside begins it anew with `restart`
 *   IDLE       up to a silence: the caller knows it and takes what there is
 * What stands before a start, and frames that are longer than `max`, is dropped and told. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/str.h"

enum frame_kind { FRAME_DELIMITER, FRAME_FIXED, FRAME_LENGTH, FRAME_PATTERN, FRAME_IDLE, FRAME_WHOLE };
#define FRAME_MARK_MAX 32
#define FRAME_MAX 65536

struct frame_mark {
    uint8_t n, p[FRAME_MARK_MAX];
};
struct frame_spec {
    enum frame_kind kind;
    uint32_t max, fixed;
    struct frame_mark start, end;
    uint32_t length_at;
    uint8_t length_size;
    bool length_little, restart;
    int32_t length_adjust;
};
/* Between calls for one stream; zero at first. After a silence (IDLE) skipping is over: the caller clears it. */
struct frame_state {
    bool skipping; /* the rest of a frame that was too long */
};
struct frame_found {
    size_t at, n; /* the frame in the input */
    size_t used;  /* bytes of the input that are done with */
};

/* Is the spec complete? ERR_INVALID names the option in e->where. */
MUST_CHECK int frame_spec_check(const struct frame_spec *s, struct error *e);
/* 1: a frame; 0: more bytes are needed; ERR_PROTOCOL: used bytes are none, drop them (and *e says why; may be NULL). */
MUST_CHECK int frame_next(const struct frame_spec *s, struct frame_state *st, const uint8_t *p, size_t n,
                          struct frame_found *ret, struct error *e);
/* Bytes of a user: text with \r \n \t \0 \e \\ \xHH, or "hex:" and digits, blanks between them. ERR_INVALID. */
MUST_CHECK int bytes_parse(struct str text, uint8_t *out, size_t cap, size_t *ret_n, struct error *e);
/* Any bytes as a text for people: printable as they stand, the rest <CR> <LF> <02>; or in hexadecimal when most are not
 * printable. Terminated, cut to cap. */
void bytes_show(const uint8_t *p, size_t n, char *out, size_t cap);
