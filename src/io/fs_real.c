/* fs_real.c - struct fs over the machine's files.
 *
 * Role: everything durable of a real process goes through here. All paths are opened relative to one
 * directory handle (openat), so that a renamed or bind-mounted root keeps working. Directories are made
 * with mode 0700, files with 0600, every handle is close-on-exec. Interrupted calls are repeated, short
 * writes are continued, and nothing is retried that the kernel called failed: an error of fdatasync is
 * handed up as it is and is final for that file (see fs.h).
 * Threads: stateless but for the handles; reads of one file from any thread.
 * Ownership: struct fs owns the root handle and the lock; each struct fs_file its descriptor. */
#include "io/fs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"

struct real_fs {
    struct fs fs;
    int root, lock;
};
struct real_file {
    struct fs_file f;
    int fd;
};

static int fd_of(struct fs_file *f)
{
    return ((struct real_file *)f)->fd;
}
static int root_of(struct fs *fs)
{
    return ((struct real_fs *)fs)->root;
}
static int last_error(void)
{
    return error_from_errno(-errno);
}
static const char *dir_path(const char *path)
{
    return *path ? path : ".";
}

static int open_again(int dir, const char *path, int flags, mode_t mode)
{
    int fd;
    do fd = openat(dir, path, flags | O_CLOEXEC | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int to_o_flags(int flags)
{
    int o = (flags & FS_WRITE) ? O_RDWR : O_RDONLY;
    if (flags & FS_CREATE) o |= O_CREAT;
    if (flags & FS_EXCL) o |= O_EXCL;
    if (flags & FS_TRUNC) o |= O_TRUNC;
    return o;
}

static int real_open(struct fs *fs, const char *path, int flags, struct fs_file **ret)
{
    struct real_file *f = mem_alloc(sizeof *f);
    if (!f) return ERR_NOMEM;
    f->f.ops = fs->ops;
    f->fd = open_again(root_of(fs), path, to_o_flags(flags), 0600);
    if (f->fd < 0) {
        int rc = last_error();
        mem_free(f);
        return rc;
    }
    *ret = &f->f;
    return 0;
}

static void real_close(struct fs_file *f)
{
    close(fd_of(f));
    mem_free(f);
}

static int64_t real_pread(struct fs_file *f, void *p, size_t n, int64_t at)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pread(fd_of(f), (char *)p + done, n - done, at + (int64_t)done);
        if (r == 0) break;
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return last_error();
        done += (size_t)r;
    }
    return (int64_t)done;
}

static int real_pwrite(struct fs_file *f, const void *p, size_t n, int64_t at)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pwrite(fd_of(f), (const char *)p + done, n - done, at + (int64_t)done);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return last_error();
        if (r == 0) return ERR_IO;
        done += (size_t)r;
    }
    return 0;
}

/* EINTR of fdatasync is documented for some file systems before anything was tried: repeated. */
static int real_sync(struct fs_file *f)
{
    int rc;
    do rc = fdatasync(fd_of(f));
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? last_error() : 0;
}

static int real_truncate(struct fs_file *f, int64_t size)
{
    int rc;
    do rc = ftruncate(fd_of(f), size);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? last_error() : 0;
}

static int64_t real_size(struct fs_file *f)
{
    struct stat st;
    return fstat(fd_of(f), &st) < 0 ? last_error() : (int64_t)st.st_size;
}

static int real_rename(struct fs *fs, const char *from, const char *to)
{
    return renameat(root_of(fs), from, root_of(fs), to) < 0 ? last_error() : 0;
}

static int real_remove(struct fs *fs, const char *path)
{
    if (unlinkat(root_of(fs), path, 0) == 0) return 0;
    if (errno != EISDIR && errno != EPERM) return last_error();
    return unlinkat(root_of(fs), path, AT_REMOVEDIR) < 0 ? last_error() : 0;
}

static int real_mkdir(struct fs *fs, const char *path)
{
    if (mkdirat(root_of(fs), path, 0700) == 0) return 0;
    if (errno != EEXIST) return last_error();
    struct stat st;
    if (fstatat(root_of(fs), path, &st, 0) < 0) return last_error();
    return S_ISDIR(st.st_mode) ? 0 : ERR_EXISTS;
}

static int real_sync_dir(struct fs *fs, const char *path)
{
    int fd = open_again(root_of(fs), dir_path(path), O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return last_error();
    int rc;
    do rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    rc = rc < 0 ? last_error() : 0;
    close(fd);
    return rc;
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int real_list(struct fs *fs, const char *path, void (*each)(void *, const char *, bool, int64_t), void *ctx)
{
    int fd = open_again(root_of(fs), dir_path(path), O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return last_error();
    DIR *d = fdopendir(fd);
    if (!d) {
        int rc = last_error();
        close(fd);
        return rc;
    }
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            rc = errno ? last_error() : 0;
            break;
        }
        struct stat st;
        if (is_dots(e->d_name) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
        each(ctx, e->d_name, S_ISDIR(st.st_mode), S_ISDIR(st.st_mode) ? 0 : (int64_t)st.st_size);
    }
    closedir(d);
    return rc;
}

static int real_space(struct fs *fs, int64_t *ret_free, int64_t *ret_total)
{
    struct statvfs s;
    if (fstatvfs(root_of(fs), &s) < 0) return last_error();
    *ret_free = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
    *ret_total = (int64_t)s.f_blocks * (int64_t)s.f_frsize;
    return 0;
}

static void real_destroy(struct fs *fs)
{
    struct real_fs *r = (struct real_fs *)fs;
    if (r->lock >= 0) close(r->lock);
    if (r->root >= 0) close(r->root);
    mem_free(r);
}

static const struct fs_ops real_ops = {
    .open = real_open,
    .close = real_close,
    .pread = real_pread,
    .pwrite = real_pwrite,
    .sync = real_sync,
    .truncate = real_truncate,
    .size = real_size,
    .rename = real_rename,
    .remove = real_remove,
    .mkdir = real_mkdir,
    .sync_dir = real_sync_dir,
    .list = real_list,
    .space = real_space,
    .destroy = real_destroy,
};

/* The lock is flock on the file LOCK: it ends with the process, however that ends; the pid in it is
 * only for the message. */
static int take_lock(struct real_fs *r, const char *root, struct error *e)
{
    r->lock = open_again(r->root, "LOCK", O_RDWR | O_CREAT, 0600);
    if (r->lock < 0)
        return error_set(e, last_error(), root, "cannot create %s/LOCK: %s", "无法创建 %s/LOCK：%s", root,
                         strerror(errno));
    char text[24] = "";
    if (flock(r->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return error_set(e, last_error(), root, "cannot lock %s/LOCK: %s", "无法锁定 %s/LOCK：%s", root,
                             strerror(errno));
        ssize_t n = pread(r->lock, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        return error_set(e, ERR_EXISTS, root, "data directory %s is in use by process %s; stop it first",
                         "数据目录 %s 正被进程 %s 使用，请先停止该进程", root, *text ? text : "?");
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(r->lock, 0) < 0 || pwrite(r->lock, text, (size_t)n, 0) != n)
        return error_set(e, last_error(), root, "cannot write %s/LOCK: %s", "无法写入 %s/LOCK：%s", root,
                         strerror(errno));
    return 0;
}

static int make_root(const char *root)
{
    char path[4096];
    if (!str_to_cstr(str_of(root), path, sizeof path) || !*path) return ERR_INVALID;
    for (char *p = path + 1;; p++) {
        if (*p && *p != '/') continue;
        char was = *p;
        *p = 0;
        if (mkdir(path, 0700) < 0 && errno != EEXIST) return last_error();
        *p = was;
        if (!was) return 0;
    }
}

int fs_real(const char *root, bool lock, struct fs **ret, struct error *e)
{
    struct real_fs *r = mem_alloc(sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, root, "out of memory", "内存不足");
    *r = (struct real_fs){.fs.ops = &real_ops, .root = -1, .lock = -1};
    int rc = make_root(root);
    if (rc == 0 && (r->root = open_again(AT_FDCWD, root, O_RDONLY | O_DIRECTORY, 0)) < 0) rc = last_error();
    if (rc)
        error_set(e, rc, root, "cannot use data directory %s: %s", "无法使用数据目录 %s：%s", root, strerror(errno));
    else if (lock)
        rc = take_lock(r, root, e);
    if (rc) {
        real_destroy(&r->fs);
        return rc;
    }
    *ret = &r->fs;
    return 0;
}
