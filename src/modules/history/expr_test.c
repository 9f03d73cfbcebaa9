/* expr_test.c - expressions: values, precedence, quality, errors with their position. */
#include "modules/history/expr.h"
#include "base/test.h"
#include "bornite/sample.h"

static int parse(struct arena *a, const char *text, struct expr *x, struct error *e)
{
    *e = (struct error){0};
    return expr_parse(a, str_of(text), x, e);
}

TEST(values)
{
    static const struct {
        const char *text;
        double want;
    } t[] = {{"1+2*3", 7},
             {"(1+2)*3", 9},
             {"2^3^2", 512},
             {"-2^2", -4},
             {"2^-1", 0.5},
             {"7 % 4", 3},
             {"-7 % 4", -3},
             {"1e3/4", 250},
             {".5+1.", 1.5},
             {"1<2", 1},
             {"2<=1", 0},
             {"1 = 1 and 2 != 3", 1},
             {"not 0 or 0", 1},
             {"not (1 and 0)", 1},
             {"1 <> 2", 1},
             {"if(1>2, 10, 20)", 20},
             {"if(1, 10, 1/0)", 10},
             {"abs(-3)+sqrt(16)", 7},
             {"exp(0)+ln(1)+log10(1000)", 4},
             {"min(3,1,2)*max(4,9)", 9},
             {"round(2.5)+floor(-1.5)+ceil(1.2)", 3},
             {"round(3.14159, 2)", 3.14},
             {"round(1234,-2)", 1200},
             {"clamp(15,0,10)+clamp(-1,0,10)", 10},
             {"isnan(1/0)+isnan(2)", 1},
             {"true - false", 1},
             {"1/0", NAN},
             {"5%0", NAN},
             {"sqrt(-1)", NAN},
             {"(1/0)>1", NAN},
             {"if(1/0,1,2)", NAN},
             {"'a'*2", 20},
             {"'a'+'b'+'a'", 25},
             {"'it''s'", 7},
             {"isnan('none')", 1},
             {"if(isnan('none'), 0, 'none')", 0},
             {"--3", 3},
             {"+4", 4},
             {"  1\t+\n1 ", 2}};
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct expr x;
        struct error e;
        struct expr_value names[EXPR_NAMES] = {0};
        if (parse(&a, t[i].text, &x, &e)) {
            test_fail(__FILE__, __LINE__, "%s: %s", t[i].text, e.text);
            continue;
        }
        for (size_t k = 0; k < x.nname; k++)
            names[k] = str_is(x.name[k], "a")      ? (struct expr_value){10, QUALITY_GOOD}
                       : str_is(x.name[k], "b")    ? (struct expr_value){5, QUALITY_UNCERTAIN}
                       : str_is(x.name[k], "it's") ? (struct expr_value){7, QUALITY_GOOD}
                                                   : (struct expr_value){NAN, QUALITY_BAD};
        struct expr_value v = expr_eval(&x, names);
        bool same = isnan(t[i].want) ? isnan(v.v) && v.q == QUALITY_BAD : fabs(v.v - t[i].want) < 1e-12;
        if (!same) test_fail(__FILE__, __LINE__, "%s: %g, want %g", t[i].text, v.v, t[i].want);
        arena_reset(&a);
    }
}

static uint8_t quality_of(const char *text)
{
    AUTO_ARENA a;
    struct expr x;
    struct error e;
    static const struct expr_value q[] = {{1, QUALITY_GOOD}, {2, QUALITY_UNCERTAIN}, {NAN, QUALITY_BAD}};
    struct expr_value names[EXPR_NAMES] = {0};
    arena_init(&a, 1 << 20);
    CHECK_INT(parse(&a, text, &x, &e), 0);
    for (size_t k = 0; k < x.nname; k++) names[k] = q[x.name[k].p[0] == 'g' ? 0 : x.name[k].p[0] == 'u' ? 1 : 2];
    return expr_eval(&x, names).q;
}

TEST(quality_is_the_worst_of_what_was_used)
{
    CHECK_INT(quality_of("'g'+1"), QUALITY_GOOD);
    CHECK_INT(quality_of("'g'+'u'"), QUALITY_UNCERTAIN);
    CHECK_INT(quality_of("if('g','g','u')"), QUALITY_GOOD);
    CHECK_INT(quality_of("if('u','g','b')"), QUALITY_UNCERTAIN);
    CHECK_INT(quality_of("if(isnan('b'),'g','b')"), QUALITY_GOOD);
    CHECK_INT(quality_of("'b'*0"), QUALITY_BAD);
    CHECK_INT(quality_of("max('g','u')"), QUALITY_UNCERTAIN);
}

TEST(errors_name_the_position)
{
    static const struct {
        const char *text, *en;
    } t[] = {{"1+", "at position 3: the expression ends too early"},
             {"(1", "at position 3: expected ')'"},
             {"1 2", "at position 3: expected an operator or the end"},
             {"'abc", "at position 1: this quote is not closed"},
             {"''", "at position 1: the name of a point is missing"},
             {"sin(1)", "at position 1: unknown word"},
             {"if(1,2)", "at position 7: this function needs more arguments"},
             {"abs(1,2)", "at position 7: too many arguments"},
             {"min 1", "at position 5: expected '('"},
             {"1 < 2 < 3", "at position 7: expected an operator"},
             {"'温度' ? 1", "at position 6: expected an operator"},
             {"1.2.3", "at position 1: this is no number"},
             {"   ", "write an expression"},
             {"A.PV*2", "at position 1: unknown word"}};
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct expr x;
        struct error e;
        int err = parse(&a, t[i].text, &x, &e);
        if (err != ERR_INVALID || !str_starts(str_of(e.text), str_of(t[i].en)) || strcmp(e.where, "expr") ||
            !e.text_zh[0])
            test_fail(__FILE__, __LINE__, "%s: %d %s", t[i].text, err, e.text);
        arena_reset(&a);
    }
}

TEST(bounds)
{
    AUTO_ARENA a;
    struct expr x;
    struct error e;
    char text[EXPR_LENGTH + 10];
    arena_init(&a, 8 << 20);
    memset(text, '(', sizeof text);
    text[200] = 0;
    CHECK_INT(parse(&a, text, &x, &e), ERR_INVALID);
    memset(text, '-', sizeof text);
    text[500] = 0;
    CHECK_INT(parse(&a, text, &x, &e), ERR_INVALID);
    memset(text, '1', sizeof text);
    text[EXPR_LENGTH + 1] = 0;
    CHECK_INT(parse(&a, text, &x, &e), ERR_TOO_LARGE);
    for (size_t i = 0; i < 2000; i += 2) text[i] = '1', text[i + 1] = '+';
    text[1999] = 0;
    CHECK_INT(parse(&a, text, &x, &e), ERR_INVALID); /* more operations than the program holds */
    size_t n = 0;
    for (int i = 0; i < 65; i++) n += (size_t)snprintf(text + n, sizeof text - n, "%s'p%d'", i ? "+" : "", i);
    CHECK_INT(parse(&a, text, &x, &e), ERR_INVALID);
    n = 0;
    for (int i = 0; i < 30; i++) text[n++] = '(';
    text[n++] = '7';
    for (int i = 0; i < 30; i++) text[n++] = ')';
    text[n] = 0;
    CHECK_INT(parse(&a, text, &x, &e), 0);
    CHECK(expr_eval(&x, NULL).v == 7);
}
