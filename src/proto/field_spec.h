/* field_spec.h - where a value stands in a frame of a self-made protocol, as users write it, and the value itself. Pure.
 *
 * Binary; offsets count from 0, negative ones from the end of the frame:
 *   12                uint8, or the type of the point         12:int16  -4:uint32:DCBA  8:float:CDAB
 *                     orders: ABCD (or BE), CDAB, BADC, DCBA (or LE)
 *   12.3  12.0-3      a bit (0 is the lowest), bits as a number; 12.0-11:LE over two bytes
 *   4+3:uint  :int    a whole number of 1 to 8 bytes          4+3:bcd     two decimal digits a byte
 *   4+8:number        a number as text in 8 bytes             4+4:hex     a number as hexadecimal text
 *   4+8:text          text; blanks and zeros at its end go
 * Text:
 *   field 3           the third part between separators       number 2    the second number in the frame
 *   text              the frame                               key:T1      of "T1=23.5;T2=24"
 *   regex:T=([0-9.]+) the first group (or all); regex 2:… the second: POSIX extended, at most 200 characters
 *   json:$.data[0].v  JSONPath
 * A condition is FIELD=VALUE, FIELD!=VALUE or FIELD (it is there); several joined by ';'. Numbers compare as numbers.
 *
 * A field is immutable and may be shared between threads. Regular expressions have no back references and look at the
 * first 8 KiB. */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "bornite/driver.h"

#define FIELD_TEXT_MAX 240
struct field;
/* wanted: the type of the point, for a bare offset. ERR_INVALID gives a right example. */
MUST_CHECK int field_new(struct str text, enum value_type wanted, struct field **ret, struct error *e);
void field_free(struct field *f); /* NULL too */
enum value_type field_type(const struct field *f); /* what its values are when the point does not say */

/* A frame that is being looked at: parsed as JSON once, when asked for. */
struct field_frame {
    const uint8_t *p;
    size_t n;
    char separator[8]; /* of `field N` and of keys; "" counts as "," */
    struct arena *a;   /* for JSON; values live as long */
    struct json *json;
    bool parsed;
};
struct field_value {
    struct json v;  /* JSON_INT, JSON_DOUBLE, JSON_BOOL, JSON_STRING (into the frame or the arena), or what JSON holds */
    size_t at, n;   /* bytes of the frame that it stands in, where that can be told; n 0: not */
};
/* 0; ERR_NOT_FOUND: the frame has no such field; ERR_INVALID: what stands there is no such value (wrong BCD digits). */
MUST_CHECK int field_get(const struct field *f, struct field_frame *fr, struct field_value *ret, struct error *e);
/* The first number in a text, as instruments write it: "ST,GS,+  12.34kg" is 12.34. *ret_used: characters up to its end. */
bool field_number(struct str s, double *ret, size_t *ret_used);

/* The way back: put a number (or text, for :text) in p[n]. ERR_INVALID: it does not fit, or the field is no place in bytes. */
MUST_CHECK int field_put(const struct field *f, double v, struct str text, uint8_t *p, size_t n, struct error *e);
bool field_has_place(const struct field *f);
size_t field_needs(const struct field *f);   /* bytes that a frame must have for it; 0 when that depends on the frame */
/* First and behind-the-last bit of the place, for finding two that overlap. false: it has none counted from the front. */
bool field_bits(const struct field *f, uint64_t *ret_from, uint64_t *ret_to);

/* Binary number of a type in an order (convert.h's bits: 1 words reversed, 2 bytes swapped). ERR_INVALID: does not fit. */
MUST_CHECK int number_put(enum value_type t, unsigned order, double v, uint8_t *p, struct error *e);
bool number_order(struct str text, unsigned *ret);

struct condition;
MUST_CHECK int condition_new(struct str text, struct condition **ret, struct error *e); /* "": always holds */
void condition_free(struct condition *c);                                             /* NULL too */
bool condition_holds(const struct condition *c, struct field_frame *fr);              /* NULL: true */
