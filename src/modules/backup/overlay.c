/* overlay.c - see overlay.h.
 *
 * Each source file has its present name, or none: renamed, removed or taken into the scratch. A path is looked for
 * among the names first, then in the scratch. The lock covers names only. */
#include "modules/backup/overlay.h"
#include <pthread.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

struct overlay {
    struct fs fs;
    struct overlay_config cfg;
    pthread_mutex_t lock;
    char **name; /* owned; NULL: gone */
};
struct overlay_open {
    struct fs_file f;
    struct overlay *o;
    struct fs_file *real; /* not NULL: in the scratch */
    size_t file;
};

#define NONE SIZE_MAX
static size_t find(struct overlay *o, const char *path)
{
    for (size_t i = 0; i < o->cfg.nfiles; i++)
        if (o->name[i] && strcmp(o->name[i], path) == 0) return i;
    return NONE;
}

static size_t find_locked(struct overlay *o, const char *path)
{
    pthread_mutex_lock(&o->lock);
    size_t i = find(o, path);
    pthread_mutex_unlock(&o->lock);
    return i;
}

static void give_up(struct overlay *o, size_t i)
{
    pthread_mutex_lock(&o->lock);
    mem_free(o->name[i]);
    o->name[i] = NULL;
    pthread_mutex_unlock(&o->lock);
}

static int make_folders(struct fs *to, const char *path)
{
    char part[600];
    int rc = 0;
    if (!str_to_cstr(str_of(path), part, sizeof part)) return ERR_INVALID;
    for (char *p = part; (p = strchr(p, '/')) && !rc; *p++ = '/') {
        *p = 0;
        rc = to->ops->mkdir(to, part);
    }
    return rc;
}

/* ------------------------------------------------------------------ files */

#define COPY_BYTES (1u << 20)
static int copy_bytes(struct overlay *o, size_t i, struct fs_file *out)
{
    AUTO_FREE char *p = mem_alloc(COPY_BYTES);
    int64_t at = 0, n = p ? 1 : ERR_NOMEM;
    while (n > 0) {
        n = o->cfg.read(o->cfg.ctx, i, p, COPY_BYTES, at);
        int rc = n > 0 ? fs_pwrite(out, p, (size_t)n, at) : 0;
        if (rc) return rc;
        at += n > 0 ? n : 0;
    }
    return (int)n;
}

static int take_in(struct overlay *o, size_t i, const char *path, bool empty)
{
    struct fs_file *out;
    int rc = make_folders(o->cfg.scratch, path);
    if (!rc) rc = fs_open(o->cfg.scratch, path, FS_WRITE | FS_CREATE | FS_TRUNC, &out);
    if (rc) return rc;
    if (!empty) rc = copy_bytes(o, i, out);
    fs_close(out);
    if (!rc) give_up(o, i);
    return rc;
}

static int overlay_open_file(struct fs *fs, const char *path, int flags, struct fs_file **ret)
{
    struct overlay *o = (struct overlay *)fs;
    struct overlay_open *f = mem_calloc(1, sizeof *f);
    if (!f) return ERR_NOMEM;
    f->f.ops = fs->ops;
    f->o = o;
    f->file = find_locked(o, path);
    int rc = f->file != NONE && flags & FS_EXCL ? ERR_EXISTS : 0;
    if (!rc && f->file != NONE && flags & FS_WRITE) {
        rc = take_in(o, f->file, path, flags & FS_TRUNC);
        f->file = NONE;
    }
    if (!rc && f->file == NONE && flags & FS_CREATE) rc = make_folders(o->cfg.scratch, path);
    if (!rc && f->file == NONE) rc = fs_open(o->cfg.scratch, path, flags, &f->real);
    if (rc)
        mem_free(f);
    else
        *ret = &f->f;
    return rc;
}

static void overlay_close(struct fs_file *file)
{
    fs_close(((struct overlay_open *)file)->real);
    mem_free(file);
}

static int64_t overlay_pread(struct fs_file *file, void *p, size_t n, int64_t at)
{
    struct overlay_open *f = (struct overlay_open *)file;
    size_t done = 0;
    if (f->real) return fs_pread(f->real, p, n, at);
    int64_t left = f->o->cfg.files[f->file].bytes - at;
    if (left <= 0) return 0;
    if ((int64_t)n > left) n = (size_t)left;
    while (done < n) {
        int64_t got = f->o->cfg.read(f->o->cfg.ctx, f->file, (char *)p + done, n - done, at + (int64_t)done);
        if (got < 0) return got;
        if (!got) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int overlay_pwrite(struct fs_file *file, const void *p, size_t n, int64_t at)
{
    struct overlay_open *f = (struct overlay_open *)file;
    return f->real ? fs_pwrite(f->real, p, n, at) : ERR_UNSUPPORTED;
}

static int overlay_sync(struct fs_file *file)
{
    struct overlay_open *f = (struct overlay_open *)file;
    return f->real ? fs_sync(f->real) : 0;
}

static int overlay_truncate(struct fs_file *file, int64_t size)
{
    struct overlay_open *f = (struct overlay_open *)file;
    return f->real ? f->real->ops->truncate(f->real, size) : ERR_UNSUPPORTED;
}

static int64_t overlay_size(struct fs_file *file)
{
    struct overlay_open *f = (struct overlay_open *)file;
    return f->real ? fs_size(f->real) : f->o->cfg.files[f->file].bytes;
}

/* ------------------------------------------------------------------ names */

static int overlay_rename(struct fs *fs, const char *from, const char *to)
{
    struct overlay *o = (struct overlay *)fs;
    size_t i = find_locked(o, from), over = find_locked(o, to);
    char *name = i != NONE ? mem_strdup(to) : NULL;
    int rc = i == NONE ? make_folders(o->cfg.scratch, to) : name ? 0 : ERR_NOMEM;
    if (!rc && i == NONE) rc = o->cfg.scratch->ops->rename(o->cfg.scratch, from, to);
    if (rc) return rc;
    if (over != NONE) give_up(o, over);
    if (i == NONE) return 0;
    (void)o->cfg.scratch->ops->remove(o->cfg.scratch, to);
    pthread_mutex_lock(&o->lock);
    mem_free(o->name[i]);
    o->name[i] = name;
    pthread_mutex_unlock(&o->lock);
    return 0;
}

static int overlay_remove(struct fs *fs, const char *path)
{
    struct overlay *o = (struct overlay *)fs;
    size_t i = find_locked(o, path);
    if (i == NONE) return o->cfg.scratch->ops->remove(o->cfg.scratch, path);
    give_up(o, i);
    return 0;
}

static int overlay_mkdir(struct fs *fs, const char *path)
{
    struct overlay *o = (struct overlay *)fs;
    return o->cfg.scratch->ops->mkdir(o->cfg.scratch, path);
}

static int overlay_sync_dir(struct fs *fs, const char *path)
{
    return 0; /* thrown away anyway */
}

static int overlay_list(struct fs *fs, const char *path, void (*each)(void *, const char *, bool, int64_t), void *ctx)
{
    struct overlay *o = (struct overlay *)fs;
    size_t n = strlen(path);
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->cfg.nfiles; i++) {
        const char *name = o->name[i];
        if (!name || (n && (strncmp(name, path, n) != 0 || name[n] != '/'))) continue;
        name += n ? n + 1 : 0;
        if (!strchr(name, '/')) each(ctx, name, false, o->cfg.files[i].bytes);
    }
    pthread_mutex_unlock(&o->lock);
    int rc = o->cfg.scratch->ops->list(o->cfg.scratch, path, each, ctx);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int overlay_space(struct fs *fs, int64_t *ret_free, int64_t *ret_total)
{
    struct overlay *o = (struct overlay *)fs;
    return o->cfg.scratch->ops->space(o->cfg.scratch, ret_free, ret_total);
}

static void overlay_destroy(struct fs *fs)
{
    struct overlay *o = (struct overlay *)fs;
    for (size_t i = 0; o->name && i < o->cfg.nfiles; i++) mem_free(o->name[i]);
    mem_free(o->name);
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
}

static const struct fs_ops ops = {.open = overlay_open_file,
                                  .close = overlay_close,
                                  .pread = overlay_pread,
                                  .pwrite = overlay_pwrite,
                                  .sync = overlay_sync,
                                  .truncate = overlay_truncate,
                                  .size = overlay_size,
                                  .rename = overlay_rename,
                                  .remove = overlay_remove,
                                  .mkdir = overlay_mkdir,
                                  .sync_dir = overlay_sync_dir,
                                  .list = overlay_list,
                                  .space = overlay_space,
                                  .destroy = overlay_destroy};

int overlay_fs(const struct overlay_config *cfg, struct fs **ret)
{
    struct overlay *o = mem_calloc(1, sizeof *o);
    if (!o) return ERR_NOMEM;
    o->fs.ops = &ops;
    o->cfg = *cfg;
    pthread_mutex_init(&o->lock, NULL);
    bool good = (o->name = mem_calloc(cfg->nfiles + 1, sizeof *o->name)) != NULL;
    for (size_t i = 0; i < cfg->nfiles && good; i++) good = (o->name[i] = mem_strdup(cfg->files[i].name)) != NULL;
    if (good)
        *ret = &o->fs;
    else
        overlay_destroy(&o->fs);
    return good ? 0 : ERR_NOMEM;
}
