/* log_test.c - levels, the rate limit, one line a record, the tail as JSON. stderr goes to a file. */
#include <fcntl.h>
#include <unistd.h>
#include "base/json.h"
#include "base/test.h"
#include "io/log.h"

static char captured[65536];

/* Send stderr to a file while fn runs, then read it back. */
static const char *capture(void (*fn)(void))
{
    char path[512];
    snprintf(path, sizeof path, "%s/stderr", test_tmpdir());
    int old = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(fd, STDERR_FILENO);
    fn();
    dup2(old, STDERR_FILENO);
    close(old);
    ssize_t n = pread(fd, captured, sizeof captured - 1, 0);
    close(fd);
    captured[n > 0 ? n : 0] = '\0';
    return captured;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

static void write_levels(void)
{
    log_debug("alpha", "hidden", NULL);
    log_info("alpha", "shown", "n=%d text=%s", 5, "a\nb");
    log_level_set("alpha", LOG_DEBUG);
    log_debug("alpha", "now shown", NULL);
    log_debug("beta", "still hidden", NULL);
    log_level_set("alpha", LOG_ERROR);
    log_warn("alpha", "too low", NULL);
    log_level_set(NULL, LOG_INFO);
}

TEST(levels_and_line_form)
{
    const char *out = capture(write_levels);
    CHECK_INT(count(out, "\n"), 2);
    CHECK(strstr(out, " level=info component=alpha msg=\"shown\" n=5 text=a b\n") != NULL);
    CHECK(strstr(out, " level=debug component=alpha msg=\"now shown\"\n") != NULL);
    CHECK(strncmp(out, "ts=20", 5) == 0);
    CHECK(strstr(out, "hidden") == NULL && strstr(out, "too low") == NULL);
}

static void write_flood(void)
{
    for (int i = 0; i < 500; i++) log_info("flood", "again and again", "i=%d", i);
    log_info("flood", "another", NULL);
}

TEST(rate_limit)
{
    const char *out = capture(write_flood);
    CHECK(count(out, "again and again") <= 22); /* 10, or two windows when a second turned meanwhile */
    CHECK(count(out, "again and again") >= 10);
    CHECK_INT(count(out, "another"), 1);
}

static void write_one(void)
{
    log_error("tail", "the newest", "quote=\"x\"");
}

TEST(tail_is_json_newest_last)
{
    capture(write_one);
    struct buf b;
    buf_init(&b, 1 << 20);
    log_tail(3, &b);
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *v;
    struct error e;
    REQUIRE(json_parse(&a, buf_view(&b), &v, &e) == 0);
    struct json *last = json_at(v, json_count(v) - 1);
    CHECK(json_count(v) <= 3 && json_count(v) > 0);
    CHECK_STR(json_str(json_get(last, "level"), STR("")), "error");
    CHECK_STR(json_str(json_get(last, "msg"), STR("")), "the newest");
    CHECK_STR(json_str(json_get(last, "kv"), STR("")), "quote=\"x\"");
    buf_fini(&b);
}

TEST(level_names)
{
    enum log_level l;
    CHECK(log_level_parse("warn", &l) && l == LOG_WARN);
    CHECK(!log_level_parse("WARN", &l));
}
