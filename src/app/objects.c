/* objects.c - the store of objects and the folder for exports on their way, as the settings say. */
#include "app/objects.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int app_objects_open(const struct config *c, struct object_store **ret, struct error *e)
{
    char url[4300];
    snprintf(url, sizeof url, "dir:%s/objects", c->data);
    return object_store_open(c->objects ? c->objects : url, NULL, ret, e);
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
