/* audit.c - see audit.h. Settings as of serve (--data, --database …). With the node's secrets at hand the key that
 * signs is proven, too; else the public key that is printed is to be compared with one noted elsewhere.
 * Ends with 0: it holds, 1: it does not, 2: it could not be examined. */
#include "app/audit.h"
#include <unistd.h>
#include "app/config.h"
#include "app/keys.h"
#include "base/time.h"
#include "core/audit/audit.h"

static int fault(const struct error *e)
{
    fprintf(stderr, "bornite audit: %s%s%s\n               %s\n", e->where, e->where[0] ? ": " : "", e->text,
            e->text_zh);
    return 2;
}

static int show(const struct audit_report *r)
{
    char at[TIME_TEXT_MAX];
    printf("%s: records %lld (from %lld), checkpoints %lld, signed until %lld%s%s\n",
           r->ok ? "the audit log holds / 审计日志完整" : "THE AUDIT LOG HAS BEEN CHANGED / 审计日志已被改动",
           (long long)r->records, (long long)r->first, (long long)r->checkpoints, (long long)r->signed_until,
           r->signed_at_us ? " at " : "", r->signed_at_us ? time_format(r->signed_at_us, at) : "");
    if (!r->ok)
        printf("first bad record / 首个异常记录: %lld: %s / %s\n", (long long)r->first_bad, r->why_en, r->why_zh);
    printf("public key / 公钥: %s%s\n", r->public_key,
           r->own_key ? "" : " (not proven by the node's secrets / 未经本机密钥证实)");
    return r->ok ? 0 : 1;
}

static bool has_secrets(const struct config *c)
{
    char file[4200];
    if (c->secret_passphrase_file || getenv("BORNITE_SECRET_PASSPHRASE")) return true;
    snprintf(file, sizeof file, "%s/secret.key", c->data);
    return access(c->secret_key_file ? c->secret_key_file : file, F_OK) == 0;
}

int audit_main(int argc, char **argv)
{
    static struct config c;
    char url[4200];
    struct error e = {0};
    struct sql *db = NULL;
    struct secrets *secrets = NULL;
    struct audit_report r;
    if (argc < 1 || strcmp(argv[0], "verify") != 0) {
        fprintf(stderr, "usage: bornite audit verify [--data DIR | --database URL]\n");
        return 2;
    }
    if (config_read(&c, argc - 1, argv + 1, &e)) return fault(&e);
    snprintf(url, sizeof url, "sqlite:%s/kernel.db", c.data);
    if (!c.database && access(url + 7, R_OK) != 0) {
        error_set(&e, ERR_NOT_FOUND, url + 7, "there is no such database; give the data directory with --data",
                  "没有该数据库；请用 --data 指定数据目录");
        return fault(&e);
    }
    int rc = sql_open(c.database ? c.database : url, &db, &e);
    if (!rc && has_secrets(&c)) rc = app_secrets_open(&c, db, &secrets, &e);
    if (!rc) rc = audit_verify_db(db, secrets, &r, &e);
    int status = rc ? fault(&e) : show(&r);
    secrets_close(secrets);
    sql_close(db);
    return status;
}
