/* keys.c - see keys.h. The passphrase does not stay in memory or in the environment longer than needed. */
#include "app/keys.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PASSPHRASE_MAX 1024
#define VARIABLE "BORNITE_SECRET_PASSPHRASE"

/* The first line of the file. */
static int read_file(const char *file, char out[PASSPHRASE_MAX], struct error *e)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, PASSPHRASE_MAX - 1);
    int err = errno;
    if (fd >= 0) close(fd);
    if (n < 0)
        return error_set(e, error_from_errno(-err), file, "the passphrase cannot be read: %s", "无法读取口令：%s",
                         strerror(err));
    out[n] = 0;
    out[strcspn(out, "\r\n")] = 0;
    return out[0] ? 0 : error_set(e, ERR_INVALID, file, "holds no passphrase", "文件中没有口令");
}

/* 1: there is one, 0: none. */
static int find_passphrase(const struct config *c, char out[PASSPHRASE_MAX], struct error *e)
{
    const char *v = getenv(VARIABLE);
    if (c->secret_passphrase_file) {
        int rc = read_file(c->secret_passphrase_file, out, e);
        return rc ? rc : 1;
    }
    if (!v || !*v) return 0;
    if (!str_to_cstr(str_of(v), out, PASSPHRASE_MAX))
        return error_set(e, ERR_TOO_LARGE, VARIABLE, "is longer than %d bytes", "超过 %d 字节", PASSPHRASE_MAX - 1);
    unsetenv(VARIABLE);
    return 1;
}

int app_secrets_open(const struct config *c, struct sql *db, struct secrets **ret, struct error *e)
{
    char file[4200], passphrase[PASSPHRASE_MAX];
    struct secrets_config sc = {.db = db, .clock = clock_real(), .rng = rng_real(), .key_file = c->secret_key_file};
    int found = find_passphrase(c, passphrase, e);
    if (found < 0) return found;
    if (found) sc.passphrase = passphrase;
    snprintf(file, sizeof file, "%s/secret.key", c->data);
    if (!sc.key_file) sc.key_file = file;
    int rc = secrets_open(&sc, ret, e);
    explicit_bzero(passphrase, sizeof passphrase);
    return rc;
}
