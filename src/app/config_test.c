/* config_test.c - settings: defaults, precedence of arguments, environment and file, faults by name. */
#include "app/config.h"
#include <stdlib.h>
#include "base/test.h"

static int read_args(struct config *c, struct error *e, int n, const char *const *args)
{
    char *argv[16];
    *e = (struct error){0};
    for (int i = 0; i < n; i++) argv[i] = (char *)(uintptr_t)args[i];
    return config_read(c, n, argv, e);
}
#define READ(c, e, ...) \
    read_args(c, e, (int)(sizeof((const char *[]){"", __VA_ARGS__}) / sizeof(char *)) - 1, \
              (const char *[]){"", __VA_ARGS__} + 1)

static const char *file_with(const char *text)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/settings.json", test_tmpdir());
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f)) test_fail(__FILE__, __LINE__, "cannot write %s", path);
    return path;
}

TEST(defaults)
{
    struct config c;
    struct error e;
    CHECK_INT(READ(&c, &e), 0);
    CHECK_Z(c.listen, "127.0.0.1");
    CHECK(c.port == 8080 && c.shards == 1 && !c.demo && !c.tls_cert && !c.file);
}

TEST(an_argument_may_stand_in_one_word_or_two)
{
    struct config c;
    struct error e;
    CHECK_INT(READ(&c, &e, "--port=9000", "--sim-host", "Werk 1", "--demo", "--commit-ms", "50"), 0);
    CHECK(c.port == 9000 && c.demo && c.commit_ms == 50);
    CHECK_Z(c.sim_host, "Werk 1");
    CHECK_INT(READ(&c, &e, "--demo=false", "--sim-host="), 0);
    CHECK(!c.demo);
    CHECK_Z(c.sim_host, "");
    CHECK_INT(READ(&c, &e, "--port", "1", "--port", "2"), 0);
    CHECK_INT(c.port, 2);
}

TEST(arguments_before_environment_before_file)
{
    struct config c;
    struct error e;
    char config[640];
    snprintf(config, sizeof config, "--config=%s",
             file_with("{\"port\":1001,\"shards\":\"2\",\"workers\":3,\"demo\":true,\"sim-host\":\"f\"}"));
    setenv("BORNITE_SHARDS", "5", 1);
    setenv("BORNITE_PORT", "1002", 1);
    setenv("BORNITE_COMMIT_MS", "77", 1);
    CHECK_INT(READ(&c, &e, config, "--port=1003"), 0);
    CHECK_INT(c.port, 1003);
    CHECK_INT(c.shards, 5);
    CHECK_INT(c.workers, 3);
    CHECK_INT(c.commit_ms, 77);
    CHECK(c.demo);
    CHECK_Z(c.sim_host, "f");
    setenv("BORNITE_CONFIG", config + 9, 1);
    CHECK_INT(READ(&c, &e), 0); /* the file named by the environment */
    CHECK(c.port == 1002 && c.workers == 3);
    unsetenv("BORNITE_CONFIG");
    unsetenv("BORNITE_SHARDS");
    unsetenv("BORNITE_PORT");
    unsetenv("BORNITE_COMMIT_MS");
}

TEST(a_wrong_argument_is_named)
{
    static const struct {
        const char *arg, *where;
    } t[] = {{"--port=65536", "port"},
             {"--port=-1", "port"},
             {"--port=80x", "port"},
             {"--port=", "port"},
             {"--port", "port"},
             {"--shards=0", "shards"},
             {"--demo=yes", "demo"},
             {"--prot=1", ""},
             {"serve", ""},
             {"-p", ""},
             {"--", ""},
             {"--sim-host", "sim-host"},
             {"--commit-ms=5001", "commit-ms"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct config c;
        struct error e;
        if (READ(&c, &e, t[i].arg) != ERR_INVALID || strcmp(e.where, t[i].where) != 0 || !e.text[0] || !e.text_zh[0])
            test_fail(__FILE__, __LINE__, "%s: %s: %s", t[i].arg, e.where, e.text);
    }
}

TEST(a_wrong_file_is_told)
{
    static const char *const texts[] = {
        "{\"port\":\"x\"}", "{\"prot\":1}", "{\"port\":1", "[1]", "{\"sim-host\":null}", "1"};
    struct config c;
    struct error e;
    char config[640];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(config, sizeof config, "--config=%s", file_with(texts[i]));
        if (READ(&c, &e, config) == 0 || !e.text[0]) test_fail(__FILE__, __LINE__, "%s is taken", texts[i]);
    }
    CHECK_INT(READ(&c, &e, "--config=/nonexistent/settings.json"), ERR_IO);
    setenv("BORNITE_WORKERS", "many", 1);
    CHECK_INT(READ(&c, &e), ERR_INVALID);
    CHECK_Z(e.where, "workers");
    unsetenv("BORNITE_WORKERS");
}

TEST(settings_are_written_down_without_passwords)
{
    struct config c, again;
    struct error e;
    struct fs *fs;
    char path[700];
    const char *dir = test_tmpdir();
    REQUIRE(fs_real(dir, false, &fs, NULL) == 0);
    CHECK_INT(READ(&c, &e, "--port=9000", "--database=postgresql://plant:hush@db/x?schema=y", "--demo"), 0);
    CHECK_INT(config_save(&c, fs, &e), 0);
    snprintf(path, sizeof path, "%s/settings.json", dir);
    CHECK_INT(READ(&again, &e, "--config", path), 0);
    CHECK(again.port == 9000 && again.demo && again.shards == c.shards);
    CHECK_Z(again.database, "postgresql://plant@db/x?schema=y");
    fs_destroy(fs);
}
