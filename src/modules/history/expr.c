/* expr.c - see expr.h: a recursive descent that leaves a postfix program, and the stack that runs it. */
#include "modules/history/expr.h"
#include <math.h>
#include "bornite/sample.h"

enum op {
    OP_NUMBER,
    OP_NAME,
    OP_NEG,
    OP_NOT,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_EQ,
    OP_NE,
    OP_AND,
    OP_OR,
    OP_CALL /* and the number of the function behind it */
};

enum fn {
    FN_IF,
    FN_ABS,
    FN_SQRT,
    FN_EXP,
    FN_LN,
    FN_LOG10,
    FN_MIN,
    FN_MAX,
    FN_ROUND,
    FN_FLOOR,
    FN_CEIL,
    FN_CLAMP,
    FN_ISNAN
};
static const struct {
    const char *name;
    uint8_t least, most; /* arguments */
} functions[] = {[FN_IF] = {"if", 3, 3},       [FN_ABS] = {"abs", 1, 1},   [FN_SQRT] = {"sqrt", 1, 1},
                 [FN_EXP] = {"exp", 1, 1},     [FN_LN] = {"ln", 1, 1},     [FN_LOG10] = {"log10", 1, 1},
                 [FN_MIN] = {"min", 1, 16},    [FN_MAX] = {"max", 1, 16},  [FN_ROUND] = {"round", 1, 2},
                 [FN_FLOOR] = {"floor", 1, 1}, [FN_CEIL] = {"ceil", 1, 1}, [FN_CLAMP] = {"clamp", 3, 3},
                 [FN_ISNAN] = {"isnan", 1, 1}};
#define FUNCTIONS (sizeof functions / sizeof *functions)

/* ------------------------------------------------------------------ parsing */

struct parser {
    struct arena *a;
    struct str text;
    size_t at;
    unsigned nest;
    size_t stack;
    struct expr *x;
    struct error *e;
    int err;
};

static int parse_or(struct parser *p);

/* Characters, not bytes: what a person counts. */
static size_t position(const struct parser *p)
{
    size_t n = 1;
    for (size_t i = 0; i < p->at && i < p->text.n; i++) n += (p->text.p[i] & 0xc0) != 0x80;
    return n;
}

static int fail(struct parser *p, const char *en, const char *zh)
{
    if (!p->err)
        p->err = error_set(p->e, ERR_INVALID, "expr", "at position %zu: %s%.0s", "第 %zu 个字符处：%.0s%s", position(p),
                           en, zh);
    return p->err;
}

static int emit(struct parser *p, struct expr_op op, int stack)
{
    if (p->x->nop == EXPR_OPS) return fail(p, "the expression is too long", "表达式过长");
    p->x->op[p->x->nop++] = op;
    p->stack = (size_t)((int)p->stack + stack);
    if (p->stack > p->x->depth) p->x->depth = p->stack;
    return 0;
}

static void blanks(struct parser *p)
{
    while (p->at < p->text.n && strchr(" \t\r\n", p->text.p[p->at])) p->at++;
}

static bool take(struct parser *p, const char *z)
{
    blanks(p);
    if (!str_starts(str_sub(p->text, p->at, p->text.n), str_of(z))) return false;
    p->at += strlen(z);
    return true;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static struct str word_at(struct parser *p)
{
    size_t n = 0;
    blanks(p);
    struct str rest = str_sub(p->text, p->at, p->text.n);
    while (n < rest.n && letter(rest.p[n])) n++;
    return str_sub(rest, 0, n);
}

static bool take_word(struct parser *p, const char *z)
{
    if (!str_is(word_at(p), z)) return false;
    p->at += strlen(z);
    return true;
}

/* 'A.PV': its number among the names. */
static int parse_name(struct parser *p)
{
    size_t n = 0, i = p->at + 1;
    char *out = arena_alloc(p->a, p->text.n - p->at + 1);
    if (!out) return p->err = error_set(p->e, ERR_NOMEM, "expr", "out of memory", "内存不足");
    for (; i < p->text.n; i++) {
        if (p->text.p[i] == '\'' && !(i + 1 < p->text.n && p->text.p[i + 1] == '\'')) break;
        if (p->text.p[i] == '\'') i++;
        out[n++] = p->text.p[i];
    }
    if (i >= p->text.n) return fail(p, "this quote is not closed", "引号未闭合");
    if (!n) return fail(p, "the name of a point is missing between the quotes", "引号内缺少测点名");
    size_t k = 0;
    while (k < p->x->nname && !str_eq(p->x->name[k], str_make(out, n))) k++;
    if (k == EXPR_NAMES) return fail(p, "more than 64 points", "测点超过 64 个");
    if (k == p->x->nname) p->x->name[p->x->nname++] = str_make(out, n);
    p->at = i + 1;
    return emit(p, (struct expr_op){.code = OP_NAME, .name = (uint16_t)k}, 1);
}

static int parse_number(struct parser *p)
{
    size_t n = 0;
    struct str rest = str_sub(p->text, p->at, p->text.n);
    double v;
    while (n < rest.n && ((rest.p[n] >= '0' && rest.p[n] <= '9') || rest.p[n] == '.')) n++;
    if (n < rest.n && (rest.p[n] | 32) == 'e') {
        size_t m = n + 1;
        if (m < rest.n && (rest.p[m] == '-' || rest.p[m] == '+')) m++;
        if (m < rest.n && rest.p[m] >= '0' && rest.p[m] <= '9') n = m;
        while (n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9') n++;
    }
    if (str_to_double(str_sub(rest, 0, n), &v)) return fail(p, "this is no number", "不是有效的数");
    p->at += n;
    return emit(p, (struct expr_op){.code = OP_NUMBER, .number = v}, 1);
}

static int parse_call(struct parser *p, size_t fn)
{
    uint8_t args = 0;
    if (!take(p, "(")) return fail(p, "expected '(' behind the name of a function", "函数名后应为 '('");
    do {
        if (args == functions[fn].most) return fail(p, "too many arguments for this function", "函数参数过多");
        if (parse_or(p)) return p->err;
        args++;
    } while (take(p, ","));
    if (args < functions[fn].least) return fail(p, "this function needs more arguments", "函数参数不足");
    if (!take(p, ")")) return fail(p, "expected ')'", "应为 ')'");
    return emit(p, (struct expr_op){.code = (uint8_t)(OP_CALL + fn), .args = args}, 1 - args);
}

static int parse_word(struct parser *p)
{
    struct str w = word_at(p);
    bool yes = str_is(w, "true"), no = str_is(w, "false");
    if (yes || no) {
        p->at += w.n;
        return emit(p, (struct expr_op){.code = OP_NUMBER, .number = yes}, 1);
    }
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (!str_is(w, functions[i].name)) continue;
        p->at += w.n;
        return parse_call(p, i);
    }
    return fail(
        p,
        "unknown word; names of points stand in single quotes, functions are if abs sqrt exp ln log10 min max round "
        "floor ceil clamp isnan",
        "无法识别的词；测点名须用单引号括起，可用函数：if abs sqrt exp ln log10 min max round floor ceil clamp isnan");
}

static int parse_primary(struct parser *p)
{
    blanks(p);
    char c = p->at < p->text.n ? p->text.p[p->at] : 0;
    if (c == '\'') return parse_name(p);
    if ((c >= '0' && c <= '9') || c == '.') return parse_number(p);
    if (c == '(') {
        p->at++;
        if (parse_or(p)) return p->err;
        return take(p, ")") ? 0 : fail(p, "expected ')'", "应为 ')'");
    }
    if (letter(c)) return parse_word(p);
    return fail(p, c ? "expected a number, a 'point', a function or '('" : "the expression ends too early",
                c ? "应为数、'测点'、函数或 '('" : "表达式不完整");
}

static int parse_unary(struct parser *p);

static int parse_power(struct parser *p)
{
    if (parse_primary(p)) return p->err;
    if (!take(p, "^")) return 0;
    if (parse_unary(p)) return p->err;
    return emit(p, (struct expr_op){.code = OP_POW}, -1);
}

static int parse_signed(struct parser *p)
{
    if (take(p, "+")) return parse_unary(p);
    if (!take(p, "-")) return parse_power(p);
    if (parse_unary(p)) return p->err;
    return emit(p, (struct expr_op){.code = OP_NEG}, 0);
}

/* Every way down goes through here or parse_not: this is where nesting is counted. */
static int deeper(struct parser *p, int (*parse)(struct parser *))
{
    if (++p->nest > EXPR_DEPTH * 2) return fail(p, "nested too deeply (32 levels)", "嵌套过深（最多 32 层）");
    int err = parse(p);
    p->nest--;
    return err;
}

static int parse_unary(struct parser *p)
{
    return deeper(p, parse_signed);
}

struct level { /* operators of one precedence */
    const char *text;
    uint8_t code;
};

static bool take_any(struct parser *p, const struct level *ops, uint8_t *ret)
{
    for (; ops->text; ops++) {
        if (!take(p, ops->text)) continue;
        *ret = ops->code;
        return true;
    }
    return false;
}

static int parse_left(struct parser *p, const struct level *ops, int (*operand)(struct parser *), bool once)
{
    uint8_t code;
    if (operand(p)) return p->err;
    while (take_any(p, ops, &code)) {
        if (operand(p) || emit(p, (struct expr_op){.code = code}, -1)) return p->err;
        if (once) break;
    }
    return 0;
}

static int parse_term(struct parser *p)
{
    static const struct level ops[] = {{"*", OP_MUL}, {"/", OP_DIV}, {"%", OP_MOD}, {0}};
    return parse_left(p, ops, parse_unary, false);
}

static int parse_sum(struct parser *p)
{
    static const struct level ops[] = {{"+", OP_ADD}, {"-", OP_SUB}, {0}};
    return parse_left(p, ops, parse_term, false);
}

static int parse_compare(struct parser *p)
{
    static const struct level ops[] = {{"<=", OP_LE}, {">=", OP_GE}, {"!=", OP_NE},
                                       {"<>", OP_NE}, {"==", OP_EQ}, {"<", OP_LT},
                                       {">", OP_GT},  {"=", OP_EQ},  {0}};
    return parse_left(p, ops, parse_sum, true);
}

static int parse_not(struct parser *p)
{
    if (!take_word(p, "not")) return parse_compare(p);
    if (deeper(p, parse_not)) return p->err;
    return emit(p, (struct expr_op){.code = OP_NOT}, 0);
}

static int parse_words(struct parser *p, const char *word, uint8_t code, int (*operand)(struct parser *))
{
    if (operand(p)) return p->err;
    while (take_word(p, word))
        if (operand(p) || emit(p, (struct expr_op){.code = code}, -1)) return p->err;
    return 0;
}

static int parse_and(struct parser *p)
{
    return parse_words(p, "and", OP_AND, parse_not);
}

static int parse_or_here(struct parser *p)
{
    return parse_words(p, "or", OP_OR, parse_and);
}

static int parse_or(struct parser *p)
{
    return deeper(p, parse_or_here);
}

int expr_parse(struct arena *a, struct str text, struct expr *ret, struct error *e)
{
    struct expr x = {.op = arena_alloc(a, EXPR_OPS * sizeof *x.op)};
    struct parser p = {.a = a, .text = text, .x = &x, .e = e};
    if (!str_trim(text).n)
        return error_set(e, ERR_INVALID, "expr", "write an expression such as 'A.PV' / 'B.PV' * 100",
                         "请写表达式，例如 'A.PV' / 'B.PV' * 100");
    if (text.n > EXPR_LENGTH)
        return error_set(e, ERR_TOO_LARGE, "expr", "longer than %d bytes", "超过 %d 字节", EXPR_LENGTH);
    if (!x.op) return error_set(e, ERR_NOMEM, "expr", "out of memory", "内存不足");
    int err = parse_or(&p);
    blanks(&p);
    if (!err && p.at < text.n) err = fail(&p, "expected an operator or the end", "应为运算符或结尾");
    if (!err) *ret = x;
    return err;
}

/* ------------------------------------------------------------------ evaluation */

static uint8_t worse(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

static double remainder_of(double a, double b)
{
    return b == 0 ? NAN : fmod(a, b);
}

static double truth(bool known, bool v)
{
    return known ? v : NAN;
}

static double apply(uint8_t code, double a, double b)
{
    bool known = !isnan(a) && !isnan(b);
    switch (code) {
    case OP_ADD: return a + b;
    case OP_SUB: return a - b;
    case OP_MUL: return a * b;
    case OP_DIV: return b == 0 ? NAN : a / b;
    case OP_MOD: return remainder_of(a, b);
    case OP_POW: return pow(a, b);
    case OP_LT: return truth(known, a < b);
    case OP_LE: return truth(known, a <= b);
    case OP_GT: return truth(known, a > b);
    case OP_GE: return truth(known, a >= b);
    case OP_EQ: return truth(known, a == b);
    case OP_NE: return truth(known, a != b);
    case OP_AND: return truth(known, a != 0 && b != 0);
    default: return truth(known, a != 0 || b != 0);
    }
}

static double rounded(const struct expr_value *v, size_t n)
{
    double scale = n > 1 ? pow(10, nearbyint(v[1].v)) : 1;
    return round(v[0].v * scale) / scale;
}

static double extreme(const struct expr_value *v, size_t n, bool most)
{
    double best = v[0].v;
    for (size_t i = 1; i < n; i++) {
        if (isnan(v[i].v)) return NAN;
        if (most ? v[i].v > best : v[i].v < best) best = v[i].v;
    }
    return best;
}

static double clamped(const struct expr_value *v)
{
    if (isnan(v[0].v) || isnan(v[1].v) || isnan(v[2].v)) return NAN;
    return v[0].v < v[1].v ? v[1].v : v[0].v > v[2].v ? v[2].v : v[0].v;
}

static double call_one(enum fn fn, const struct expr_value *v, size_t n)
{
    double x = v[0].v;
    switch (fn) {
    case FN_ABS: return fabs(x);
    case FN_SQRT: return sqrt(x);
    case FN_EXP: return exp(x);
    case FN_LN: return log(x);
    case FN_LOG10: return log10(x);
    case FN_MIN: return extreme(v, n, false);
    case FN_MAX: return extreme(v, n, true);
    case FN_ROUND: return rounded(v, n);
    case FN_FLOOR: return floor(x);
    case FN_CEIL: return ceil(x);
    default: return clamped(v);
    }
}

static struct expr_value call(enum fn fn, const struct expr_value *v, size_t n)
{
    struct expr_value r = {NAN, QUALITY_GOOD};
    if (fn == FN_ISNAN) return (struct expr_value){isnan(v[0].v), QUALITY_GOOD};
    if (fn == FN_IF) {
        if (isnan(v[0].v)) return (struct expr_value){NAN, QUALITY_BAD};
        r = v[v[0].v != 0 ? 1 : 2];
        r.q = worse(r.q, v[0].q);
        return r;
    }
    for (size_t i = 0; i < n; i++) r.q = worse(r.q, v[i].q);
    r.v = call_one(fn, v, n);
    return r;
}

/* One operation at the top of the stack; the new top. */
static struct expr_value *run(const struct expr_op *op, struct expr_value *top, const struct expr_value *names)
{
    switch (op->code) {
    case OP_NUMBER: *++top = (struct expr_value){op->number, QUALITY_GOOD}; return top;
    case OP_NAME: *++top = names[op->name]; return top;
    case OP_NEG: top->v = -top->v; return top;
    case OP_NOT: top->v = truth(!isnan(top->v), top->v == 0); return top;
    default: break;
    }
    if (op->code >= OP_CALL) {
        top -= op->args - 1;
        *top = call((enum fn)(op->code - OP_CALL), top, op->args);
    } else {
        top--;
        *top = (struct expr_value){apply(op->code, top[0].v, top[1].v), worse(top[0].q, top[1].q)};
    }
    return top;
}

struct expr_value expr_eval(const struct expr *x, const struct expr_value *names)
{
    struct expr_value stack[EXPR_OPS + 1], *top = stack;
    for (size_t i = 0; i < x->nop; i++) top = run(&x->op[i], top, names);
    if (!isfinite(top->v)) return (struct expr_value){NAN, QUALITY_BAD};
    return *top;
}
