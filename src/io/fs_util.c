/* fs_util.c - whole small files over any struct fs: read all, and replace so that after a power cut
 * either the old or the new content is there. Any thread, one at a time per path. */
#include "base/mem.h"
#include "io/fs.h"

#define FS_PATH_MAX 512

void fs_destroy(struct fs *fs)
{
    if (fs) fs->ops->destroy(fs);
}

int fs_read_all(struct fs *fs, const char *path, size_t max, void **ret, size_t *ret_n)
{
    struct fs_file *f;
    int rc = fs_open(fs, path, FS_READ, &f);
    if (rc) return rc;
    int64_t size = fs_size(f);
    void *p = NULL;
    if (size < 0)
        rc = (int)size;
    else if ((uint64_t)size > max)
        rc = ERR_TOO_LARGE;
    else if (!(p = mem_alloc((size_t)size)))
        rc = ERR_NOMEM;
    int64_t got = rc ? 0 : fs_pread(f, p, (size_t)size, 0);
    if (!rc && got < 0) rc = (int)got;
    fs_close(f);
    if (rc) {
        mem_free(p);
        return rc;
    }
    *ret = p;
    *ret_n = (size_t)got;
    return 0;
}

static void parent_of(const char *path, char out[FS_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    memcpy(out, path, n);
    out[n] = 0;
}

static int write_new(struct fs *fs, const char *path, const void *p, size_t n)
{
    struct fs_file *f;
    int rc = fs_open(fs, path, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &f);
    if (rc) return rc;
    rc = fs_pwrite(f, p, n, 0);
    if (!rc) rc = fs_sync(f);
    fs_close(f);
    return rc;
}

int fs_replace(struct fs *fs, const char *path, const void *p, size_t n)
{
    char tmp[FS_PATH_MAX], dir[FS_PATH_MAX];
    int len = snprintf(tmp, sizeof tmp, "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof tmp) return ERR_TOO_LARGE;
    parent_of(path, dir);
    int rc = write_new(fs, tmp, p, n);
    if (!rc) rc = fs->ops->rename(fs, tmp, path);
    if (rc) {
        (void)fs->ops->remove(fs, tmp);
        return rc;
    }
    return fs->ops->sync_dir(fs, dir);
}
