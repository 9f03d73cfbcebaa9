/* objects.c - the store of objects and the folder for exports on their way, as the settings say. */
#include "app/objects.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/str.h"
#include "io/log.h"

int app_object_secret(const char *variable, const char *file, char out[APP_SECRET_MAX], struct error *e)
{
    const char *v = getenv(variable);
    if (file) {
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, out, APP_SECRET_MAX - 1);
        int err = errno;
        if (fd >= 0) close(fd);
        if (n < 0)
            return error_set(e, error_from_errno(err), file, "the secret of objects cannot be read: %s",
                             "无法读取对象存储密钥：%s", strerror(err));
        out[n] = 0;
        out[strcspn(out, "\r\n")] = 0;
        return 1;
    }
    if (!v || !*v) return 0;
    if (!str_to_cstr(str_of(v), out, APP_SECRET_MAX))
        return error_set(e, ERR_TOO_LARGE, variable, "is longer than %d bytes", "超过 %d 字节", APP_SECRET_MAX - 1);
    unsetenv(variable);
    return 1;
}

/* A store that refuses us is a wrong setting and ends the start; one that is away may come back: plants are watched
 * without attachments meanwhile, and health tells it. */
static int check(struct object_store *s, struct error *e)
{
    struct error why = {0};
    int rc = object_store_check(s, &why);
    if (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT) {
        log_warn("objects", "the store is away", "err=%s", why.text);
        return 0;
    }
    if (rc) *e = why;
    return rc;
}

int app_objects_open(const struct config *c, struct object_store **ret, struct error *e)
{
    char url[4300], secret[APP_SECRET_MAX];
    struct object_store *s;
    snprintf(url, sizeof url, "dir:%s/objects", c->data);
    int found = app_object_secret("BORNITE_OBJECTS_SECRET", c->objects_secret_file, secret, e);
    if (found < 0) return found;
    int rc = object_store_open(c->objects ? c->objects : url, found ? secret : NULL, &s, e);
    explicit_bzero(secret, sizeof secret);
    if (!rc && (rc = check(s, e)) != 0) object_store_close(s);
    if (!rc) *ret = s;
    return rc;
}

/* What a crash left of exports. */
static void sweep(const char *dir)
{
    char path[4700];
    DIR *d = opendir(dir);
    for (struct dirent *it; d && (it = readdir(d));) {
        if (it->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, it->d_name);
        unlink(path);
    }
    if (d) closedir(d);
}

const char *app_spool(const struct config *c, struct error *e)
{
    static char dir[4300];
    snprintf(dir, sizeof dir, "%s/spool", c->data);
    if (mkdir(dir, 0700) && errno != EEXIST) {
        error_set(e, error_from_errno(errno), dir, "the folder for exports cannot be made: %s", "无法创建导出目录：%s",
                  strerror(errno));
        return NULL;
    }
    sweep(dir);
    return dir;
}
