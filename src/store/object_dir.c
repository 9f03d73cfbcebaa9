/* object_dir.c - objects as files below a directory: the key is the path.
 *
 * A put goes into "tmp/<random>" below the root, is fsynced, renamed to its place, and the folder is fsynced:
 * after a crash an object is there as a whole or not at all. What a crash left in tmp is removed when opening, once
 * nobody has written to it for an hour: another process may have the same store open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/clock.h"
#include "store/object_int.h"

struct dir_store {
    struct object_store base;
    char root[PATH_MAX - OBJECT_KEY_MAX - 64];
};
struct dir_put {
    struct object_put base;
    struct dir_store *s;
    int fd;
    uint64_t size;
    EVP_MD_CTX *hash;
    char tmp[PATH_MAX], path[PATH_MAX];
};

static int failed(struct error *e, int err, const char *path)
{
    return error_set(e, error_from_errno(err), path, "%s", "%s", strerror(err));
}

/* Make the folders of a path below the root. */
static int make_folders(const struct dir_store *s, char *path)
{
    for (char *p = path + strlen(s->root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        int rc = mkdir(path, 0700);
        int err = errno;
        *p = '/';
        if (rc && err != EEXIST) return err;
    }
    return 0;
}

static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    int err = fsync(fd) ? errno : 0;
    close(fd);
    return err;
}

static int dir_begin(struct object_store *base, const char *key, struct object_put **ret, struct error *e)
{
    struct dir_store *s = (struct dir_store *)base;
    struct dir_put *p = mem_calloc(1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    p->base.ops = base->ops;
    p->s = s;
    p->hash = EVP_MD_CTX_new();
    snprintf(p->path, sizeof p->path, "%s/%s", s->root, key);
    snprintf(p->tmp, sizeof p->tmp, "%s/tmp/%016llx%016llx", s->root, (unsigned long long)rng_u64(rng_real()),
             (unsigned long long)rng_u64(rng_real()));
    p->fd = open(p->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = p->fd < 0 ? failed(e, errno, p->tmp) : 0;
    if (!rc && (!p->hash || !EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL)))
        rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc)
        base->ops->abort(&p->base);
    else
        *ret = &p->base;
    return rc;
}

static int dir_write(struct object_put *base, const void *bytes, size_t n, struct error *e)
{
    struct dir_put *p = (struct dir_put *)base;
    EVP_DigestUpdate(p->hash, bytes, n);
    p->size += n;
    for (const char *at = bytes; n;) {
        ssize_t k = write(p->fd, at, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return failed(e, k ? errno : EIO, p->path);
        at += k;
        n -= (size_t)k;
    }
    return 0;
}

static void dir_abort(struct object_put *base)
{
    struct dir_put *p = (struct dir_put *)base;
    if (p->fd >= 0) {
        close(p->fd);
        unlink(p->tmp);
    }
    EVP_MD_CTX_free(p->hash);
    mem_free(p);
}

static int dir_finish(struct object_put *base, struct object_info *ret, struct error *e)
{
    struct dir_put *p = (struct dir_put *)base;
    unsigned char digest[EVP_MAX_MD_SIZE];
    int err = fsync(p->fd) ? errno : make_folders(p->s, p->path);
    if (!err && rename(p->tmp, p->path)) err = errno;
    if (err) {
        int rc = failed(e, err, p->path);
        dir_abort(base);
        return rc;
    }
    close(p->fd);
    p->fd = -1;
    err = sync_folder(p->path);
    *ret = (struct object_info){.size = p->size, .modified_us = clock_now_us(clock_real())};
    EVP_DigestFinal_ex(p->hash, digest, NULL);
    for (int i = 0; i < 32; i++) snprintf(ret->sha256 + 2 * i, 3, "%02x", digest[i]);
    int rc = err ? failed(e, err, p->path) : 0;
    dir_abort(base);
    return rc;
}

static int dir_get(struct object_store *base, const char *key, uint64_t offset, void *buf, size_t cap, size_t *ret_n,
                   struct error *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", ((struct dir_store *)base)->root, key);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return failed(e, errno, key);
    ssize_t n = pread(fd, buf, cap, (off_t)offset);
    int rc = n < 0 ? failed(e, errno, key) : 0;
    close(fd);
    if (!rc) *ret_n = (size_t)n;
    return rc;
}

static void info_of(const struct stat *st, struct object_info *ret)
{
    *ret = (struct object_info){.size = (uint64_t)st->st_size,
                                .modified_us = st->st_mtim.tv_sec * 1000000LL + st->st_mtim.tv_nsec / 1000};
}

static int dir_stat(struct object_store *base, const char *key, struct object_info *ret, struct error *e)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", ((struct dir_store *)base)->root, key);
    if (lstat(path, &st)) return failed(e, errno, key);
    if (!S_ISREG(st.st_mode)) return failed(e, ENOENT, key);
    info_of(&st, ret);
    return 0;
}

static int dir_remove(struct object_store *base, const char *key, struct error *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", ((struct dir_store *)base)->root, key);
    return unlink(path) && errno != ENOENT ? failed(e, errno, key) : 0;
}

struct walk {
    size_t root;
    const char *prefix;
    int (*fn)(void *ctx, const char *key, const struct object_info *i);
    void *ctx;
    struct error *e;
};

static int walk_folder(struct walk *w, char path[PATH_MAX], int depth)
{
    DIR *d = opendir(path);
    size_t n = strlen(path);
    int rc = 0;
    if (!d) return errno == ENOENT ? 0 : failed(w->e, errno, path);
    for (struct dirent *it; !rc && (it = readdir(d)); path[n] = 0) {
        struct stat st;
        struct object_info info;
        if (it->d_name[0] == '.' || (depth == 0 && strcmp(it->d_name, "tmp") == 0)) continue;
        if (n + strlen(it->d_name) + 2 > PATH_MAX) continue;
        snprintf(path + n, PATH_MAX - n, "/%s", it->d_name);
        if (lstat(path, &st)) continue;
        const char *key = path + w->root + 1;
        if (S_ISDIR(st.st_mode) && depth < 16) {
            rc = walk_folder(w, path, depth + 1);
        } else if (S_ISREG(st.st_mode) && strncmp(key, w->prefix, strlen(w->prefix)) == 0) {
            info_of(&st, &info);
            rc = w->fn(w->ctx, key, &info);
        }
    }
    closedir(d);
    return rc;
}

static int dir_each(struct object_store *base, const char *prefix,
                    int (*fn)(void *ctx, const char *key, const struct object_info *i), void *ctx, struct error *e)
{
    char path[PATH_MAX];
    struct dir_store *s = (struct dir_store *)base;
    struct walk w = {strlen(s->root), prefix, fn, ctx, e};
    snprintf(path, sizeof path, "%s", s->root);
    return walk_folder(&w, path, 0);
}

static int dir_check(struct object_store *base, struct error *e)
{
    const char *root = ((struct dir_store *)base)->root;
    return access(root, R_OK | W_OK | X_OK) ? failed(e, errno, root) : 0;
}

static void dir_close(struct object_store *base)
{
    mem_free(base);
}

#define LEFT_S 3600
static bool abandoned(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_mtim.tv_sec + LEFT_S < clock_now_us(clock_real()) / 1000000;
}

/* What a crash has left half-written. */
static void sweep(const char *root)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/tmp", root);
    DIR *d = opendir(path);
    for (struct dirent *it; d && (it = readdir(d));) {
        if (it->d_name[0] == '.' || strlen(it->d_name) > 200) continue;
        snprintf(path, sizeof path, "%s/tmp/%s", root, it->d_name);
        if (abandoned(path)) unlink(path);
    }
    if (d) closedir(d);
}

int object_dir_open(const char *rest, const char *secret, struct object_store **ret, struct error *e)
{
    static const struct object_ops ops = {.close = dir_close,
                                          .begin = dir_begin,
                                          .write = dir_write,
                                          .finish = dir_finish,
                                          .abort = dir_abort,
                                          .get = dir_get,
                                          .stat = dir_stat,
                                          .remove = dir_remove,
                                          .each = dir_each,
                                          .check = dir_check};
    char tmp[PATH_MAX];
    struct dir_store *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->base.ops = &ops;
    if (!rest[0] || !str_to_cstr(str_of(rest), s->root, sizeof s->root)) {
        mem_free(s);
        return error_set(e, ERR_INVALID, "objects", "dir: needs a path", "dir: 须给出路径");
    }
    snprintf(tmp, sizeof tmp, "%s/tmp", s->root);
    if ((mkdir(s->root, 0700) && errno != EEXIST) || (mkdir(tmp, 0700) && errno != EEXIST)) {
        int rc = failed(e, errno, s->root);
        mem_free(s);
        return rc;
    }
    sweep(s->root);
    *ret = &s->base;
    return 0;
}
