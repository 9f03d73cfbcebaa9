/* test.h - unit tests. TEST(name) { ... } defines and registers; CHECK* record a failure with place and
 * values and go on; REQUIRE returns from the test. Each *_test.c is one program and needs no main: link
 * base/test_main.c. Output: one line a failed check, and last "N passed, N failed". Argument: run only
 * tests whose name contains it. */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct test_case {
    const char *name, *file;
    void (*fn)(void);
    struct test_case *next;
};
void test_register(struct test_case *t);
void test_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
const char *test_tmpdir(void); /* a fresh directory for the running test, removed afterwards */

#define TEST(id)                                                                                   \
    static void test_##id(void);                                                                   \
    __attribute__((constructor)) static void test_reg_##id(void)                                   \
    {                                                                                              \
        static struct test_case tc = {#id, __FILE__, test_##id, NULL};                             \
        test_register(&tc);                                                                        \
    }                                                                                              \
    static void test_##id(void)

#define CHECK(cond) do { if (!(cond)) test_fail(__FILE__, __LINE__, "%s", #cond); } while (0)
#define REQUIRE(cond) do { if (!(cond)) { test_fail(__FILE__, __LINE__, "%s", #cond); return; } } while (0)
#define CHECK_INT(got, want) do { long long g_ = (long long)(got), w_ = (long long)(want); \
    if (g_ != w_) test_fail(__FILE__, __LINE__, "%s = %lld, want %lld", #got, g_, w_); } while (0)
#define CHECK_DBL(got, want, tol) do { double g_ = (got), w_ = (want); \
    if (!(fabs(g_ - w_) <= (tol))) test_fail(__FILE__, __LINE__, "%s = %.17g, want %.17g", #got, g_, w_); } while (0)
#define CHECK_Z(got, want) do { const char *g_ = (got), *w_ = (want); \
    if (!g_ || strcmp(g_, w_) != 0) test_fail(__FILE__, __LINE__, "%s = \"%s\", want \"%s\"", #got, g_ ? g_ : "(null)", w_); } while (0)
#define CHECK_STR(got, want) do { struct str g_ = (got); const char *w_ = (want); \
    if (g_.n != strlen(w_) || (g_.n && memcmp(g_.p, w_, g_.n) != 0)) test_fail(__FILE__, __LINE__, "%s = \"%.*s\", want \"%s\"", #got, (int)g_.n, g_.p ? g_.p : "", w_); } while (0)
