/* expr.h - expressions over points: 'A.PV' / 'B.PV' * 100. Parsed once to a short program for a stack, evaluated at
 * every row. Pure, bounded: length, depth of nesting, size of the program and number of names are limited.
 *
 *   or      := and { "or" and }            not  := "not" not | compare
 *   and     := not { "and" not }           compare := sum [ ("<"|"<="|">"|">="|"="|"!=") sum ]
 *   sum     := term { ("+"|"-") term }     term := unary { ("*"|"/"|"%") unary }
 *   unary   := ("-"|"+") unary | power     power := primary [ "^" unary ]
 *   primary := number | 'name' | function "(" or { "," or } ")" | "(" or ")" | "true" | "false"
 * '' inside a name stands for '. Truth is 1 and 0; anything but 0 is true. What cannot be computed (a division by 0, a
 * point without a value) is no number, NAN, and bad; isnan() asks for it. The quality of a result is the worst of what
 * was used: of if(), the condition and the branch that was taken. */
#pragma once
#include <stdint.h>
#include "base/arena.h"

#define EXPR_LENGTH 4096
#define EXPR_DEPTH 32
#define EXPR_OPS 1024
#define EXPR_NAMES 64

struct expr_op {
    uint8_t code;  /* expr.c */
    uint8_t args;  /* of a function with several */
    uint16_t name; /* of a point */
    double number;
};
struct expr {
    struct expr_op *op; /* in the arena */
    size_t nop;
    struct str name[EXPR_NAMES]; /* of points, each once, in order of appearance */
    size_t nname;
    size_t depth; /* of the stack */
};
struct expr_value {
    double v;  /* NAN: none */
    uint8_t q; /* enum quality */
};
/* ERR_INVALID | ERR_TOO_LARGE at "expr", naming the position (from 1, in characters). */
MUST_CHECK int expr_parse(struct arena *a, struct str text, struct expr *ret, struct error *e);
struct expr_value expr_eval(const struct expr *x, const struct expr_value *names);
