/* main.c - the program: picks the command. */
#include "app/config.h"
#include "app/audit.h"
#include "app/backup_cli.h"
#include "app/history_cli.h"
#include "app/migrate.h"
#include "app/serve.h"
#include "base/mem.h"
#include "sim/sim.h"

static int usage(FILE *f)
{
    fprintf(
        f,
        "bornite %s - industrial internet platform for non-ferrous metals / 有色金属工业互联网平台\n\n"
        "  bornite serve [settings]   the platform / 启动平台\n"
        "  bornite sim [options]      the demo copper group as Modbus TCP servers / 演示铜业集团仿真（bornite sim "
        "--help）\n"
        "  bornite audit verify [--data DIR | --database URL]   does the audit log hold / 校验审计日志\n"
        "  bornite migrate --from URL --to URL [--dry-run]   the database to another place / 迁移数据库\n"
        "  bornite backup list|verify --from URL   what a target of backups holds, is it whole / 查看、校验备份\n"
        "  bornite restore --from URL [--backup ID] [--until TIME] --data DIR   a data directory from a backup / "
        "从备份恢复\n"
        "  bornite history get|write|import …   history by way of a running server's API / 历史数据读取、写入、导入\n"
        "  bornite version\n"
        "  bornite help\n\n"
        "Settings of serve (also BORNITE_<NAME> in the environment, or in a JSON file):\n",
        BORNITE_VERSION);
    config_help();
    return f == stderr;
}

static int serve(int argc, char **argv)
{
    static struct config c;
    struct error e = {0};
    mem_tune();
    if (config_read(&c, argc, argv, &e)) {
        fprintf(stderr, "bornite: %s%s%s\n         %s\n", e.where, e.where[0] ? ": " : "", e.text, e.text_zh);
        return 2;
    }
    return serve_main(&c);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "help";
    if (strcmp(command, "serve") == 0) return serve(argc - 2, argv + 2);
    if (strcmp(command, "sim") == 0) return sim_main(argc - 1, argv + 1);
    if (strcmp(command, "audit") == 0) return audit_main(argc - 2, argv + 2);
    if (strcmp(command, "migrate") == 0) return migrate_main(argc - 2, argv + 2);
    if (strcmp(command, "backup") == 0) return backup_main(argc - 2, argv + 2);
    if (strcmp(command, "restore") == 0) return restore_main(argc - 2, argv + 2);
    if (strcmp(command, "history") == 0) return history_main(argc - 2, argv + 2);
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0)
        return printf("bornite %s\n", BORNITE_VERSION) < 0;
    if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0) return usage(stdout);
    fprintf(stderr, "bornite: there is no command '%s'\n\n", command);
    return usage(stderr);
}
