/* fs_object.c - see fs_object.h.
 *
 * Table of files: path -> number for the block cache and size, made at the first open; a rename onto a path or its
 * removal forgets the number, so that blocks of what was there before are never read again. Spooled files lie in one
 * flat folder, '/' written as '~' (which no key has). The lock covers table and counters, never a request. */
#include "store/fs_object.h"
#include <pthread.h>
#include "base/mem.h"
#include "base/str.h"
#include "store/block_cache.h"
#include "store/object_int.h"

#define COPY_BYTES (1u << 20)
#define BUCKETS 1024

struct known {
    struct known *next;
    uint64_t number, size;
    char path[];
};
struct object_fs {
    struct fs fs;
    struct object_store *store;
    struct fs *spool;
    struct block_cache *cache;
    char prefix[OBJECT_KEY_MAX];
    pthread_mutex_t lock; /* all below */
    struct known *known[BUCKETS];
    uint64_t numbers;
    struct fs_object_stats stats;
};
struct object_file {
    struct fs_file f;
    struct object_fs *fs;
    struct fs_file *spooled; /* not NULL: on its way */
    uint64_t number, size;
    char key[OBJECT_KEY_MAX + 1];
};

/* ------------------------------------------------------------------ names and errors */

static int key_of(const struct object_fs *o, const char *path, char out[OBJECT_KEY_MAX + 1])
{
    int n = snprintf(out, OBJECT_KEY_MAX + 1, "%s%s%s", o->prefix, *o->prefix ? "/" : "", path);
    return n > OBJECT_KEY_MAX || !object_key_good(out) ? ERR_INVALID : 0;
}

static void spool_name(const char *path, char out[OBJECT_KEY_MAX + 1])
{
    snprintf(out, OBJECT_KEY_MAX + 1, "%s", path);
    for (char *c = out; *c; c++)
        if (*c == '/') *c = '~';
}

static int mapped(struct object_fs *o, int rc)
{
    static const int same[] = {ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_NOMEM, ERR_DISK_FULL, ERR_CORRUPT, ERR_INVALID};
    if (rc >= 0 || rc == ERR_NOT_FOUND) return rc;
    pthread_mutex_lock(&o->lock);
    o->stats.failures++;
    pthread_mutex_unlock(&o->lock);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (rc == same[i]) return rc;
    return rc == ERR_TIMEOUT ? ERR_UNAVAILABLE : ERR_IO;
}

static struct known **bucket_of(struct object_fs *o, const char *path)
{
    return &o->known[str_hash(str_of(path), hash_seed()) % BUCKETS];
}

static void forget(struct object_fs *o, const char *path)
{
    pthread_mutex_lock(&o->lock);
    for (struct known **at = bucket_of(o, path); *at; at = &(*at)->next) {
        struct known *k = *at;
        if (strcmp(k->path, path) != 0) continue;
        *at = k->next;
        mem_free(k);
        break;
    }
    pthread_mutex_unlock(&o->lock);
}

/* The number of a file of that size; another size is another file. 0: out of memory. */
static uint64_t number_of(struct object_fs *o, const char *path, uint64_t size)
{
    pthread_mutex_lock(&o->lock);
    struct known **head = bucket_of(o, path), *k = *head;
    while (k && strcmp(k->path, path) != 0) k = k->next;
    if (!k && (k = mem_alloc(sizeof *k + strlen(path) + 1))) {
        *k = (struct known){.next = *head, .number = ++o->numbers, .size = size};
        memcpy(k->path, path, strlen(path) + 1);
        *head = k;
    } else if (k && k->size != size) {
        k->number = ++o->numbers;
        k->size = size;
    }
    uint64_t number = k ? k->number : 0;
    pthread_mutex_unlock(&o->lock);
    return number;
}

/* ------------------------------------------------------------------ opening */

static int open_spooled(struct object_fs *o, const char *path, int flags, struct fs_file **ret)
{
    char name[OBJECT_KEY_MAX + 1];
    spool_name(path, name);
    return fs_open(o->spool, name, flags, ret);
}

static int open_stored(struct object_fs *o, const char *path, struct object_file *f)
{
    struct object_info info;
    int rc = mapped(o, object_stat(o->store, f->key, &info, NULL));
    if (rc) return rc;
    f->size = info.size;
    f->number = number_of(o, path, info.size);
    return f->number ? 0 : ERR_NOMEM;
}

/* Writing: a new file, or one that is on its way. Committed files are read only. */
static int open_writing(struct object_fs *o, const char *path, int flags, struct object_file *f)
{
    struct object_info info;
    bool begins = (flags & FS_CREATE) && !(flags & FS_EXCL) && (flags & FS_TRUNC);
    int rc = begins ? ERR_NOT_FOUND : mapped(o, object_stat(o->store, f->key, &info, NULL));
    if (!rc) return flags & FS_EXCL ? ERR_EXISTS : ERR_UNSUPPORTED;
    return rc == ERR_NOT_FOUND ? open_spooled(o, path, flags, &f->spooled) : rc;
}

static int object_open(struct fs *fs, const char *path, int flags, struct fs_file **ret)
{
    struct object_fs *o = (struct object_fs *)fs;
    struct object_file *f = mem_calloc(1, sizeof *f);
    if (!f) return ERR_NOMEM;
    f->f.ops = fs->ops;
    f->fs = o;
    int rc = key_of(o, path, f->key);
    if (!rc && flags & FS_WRITE)
        rc = open_writing(o, path, flags, f);
    else if (!rc && (rc = open_spooled(o, path, FS_READ, &f->spooled)) == ERR_NOT_FOUND)
        rc = open_stored(o, path, f);
    if (rc)
        mem_free(f);
    else
        *ret = &f->f;
    return rc;
}

static void object_close(struct fs_file *file)
{
    struct object_file *f = (struct object_file *)file;
    fs_close(f->spooled);
    mem_free(f);
}

/* ------------------------------------------------------------------ reading and writing */

static int fetch(void *ctx, void *to, size_t n, uint64_t at)
{
    struct object_file *f = ctx;
    size_t done = 0;
    while (done < n) {
        size_t got = 0;
        int rc = object_get(f->fs->store, f->key, at + done, (char *)to + done, n - done, &got, NULL);
        if (rc) return mapped(f->fs, rc);
        if (!got) return mapped(f->fs, ERR_CORRUPT); /* the object is shorter than it was */
        done += got;
    }
    pthread_mutex_lock(&f->fs->lock);
    f->fs->stats.fetched_bytes += n;
    pthread_mutex_unlock(&f->fs->lock);
    return 0;
}

static int64_t object_pread(struct fs_file *file, void *p, size_t n, int64_t at)
{
    struct object_file *f = (struct object_file *)file;
    if (f->spooled) return fs_pread(f->spooled, p, n, at);
    if (at < 0) return ERR_INVALID;
    if ((uint64_t)at >= f->size || !n) return 0;
    if (n > f->size - (uint64_t)at) n = (size_t)(f->size - (uint64_t)at);
    int rc = block_cache_read(f->fs->cache, f->number, f->size, p, n, (uint64_t)at, fetch, f);
    return rc ? rc : (int64_t)n;
}

static int object_pwrite(struct fs_file *file, const void *p, size_t n, int64_t at)
{
    struct object_file *f = (struct object_file *)file;
    return f->spooled ? fs_pwrite(f->spooled, p, n, at) : ERR_UNSUPPORTED;
}

static int object_sync(struct fs_file *file)
{
    struct object_file *f = (struct object_file *)file;
    return f->spooled ? fs_sync(f->spooled) : 0;
}

static int object_truncate(struct fs_file *file, int64_t size)
{
    struct object_file *f = (struct object_file *)file;
    return f->spooled ? f->spooled->ops->truncate(f->spooled, size) : ERR_UNSUPPORTED;
}

static int64_t object_size(struct fs_file *file)
{
    struct object_file *f = (struct object_file *)file;
    return f->spooled ? fs_size(f->spooled) : (int64_t)f->size;
}

/* ------------------------------------------------------------------ commit */

struct source { /* what is uploaded: a spooled file or an object */
    struct object_fs *o;
    struct fs_file *f;
    const char *key;
};

static int64_t source_read(struct source *s, void *p, size_t n, uint64_t at)
{
    size_t got = 0;
    if (s->f) return fs_pread(s->f, p, n, (int64_t)at);
    int rc = object_get(s->o->store, s->key, at, p, n, &got, NULL);
    return rc ? rc : (int64_t)got;
}

static int send(struct source *s, struct object_put *p, uint64_t *ret_size)
{
    AUTO_FREE void *piece = mem_alloc(COPY_BYTES);
    uint64_t at = 0;
    int64_t n = piece ? 1 : ERR_NOMEM;
    while (n > 0) {
        n = source_read(s, piece, COPY_BYTES, at);
        int rc = n > 0 ? object_put_write(p, piece, (size_t)n, NULL) : 0;
        if (rc) return rc;
        if (n > 0) at += (uint64_t)n;
    }
    *ret_size = at;
    return (int)n;
}

static int upload(struct source *s, const char *to)
{
    struct object_put *p;
    struct object_info info;
    uint64_t size = 0;
    int rc = object_put_begin(s->o->store, to, &p, NULL);
    if (rc) return rc;
    rc = send(s, p, &size);
    if (rc) {
        object_put_abort(p);
        return rc;
    }
    rc = object_put_finish(p, &info, NULL);
    if (!rc && info.size != size) rc = ERR_CORRUPT;
    if (rc) return rc;
    pthread_mutex_lock(&s->o->lock);
    s->o->stats.uploads++;
    s->o->stats.uploaded_bytes += size;
    pthread_mutex_unlock(&s->o->lock);
    return 0;
}

/* A spooled file, or (setting a bad one aside) an object. */
static int object_rename(struct fs *fs, const char *from, const char *to)
{
    struct object_fs *o = (struct object_fs *)fs;
    char key[OBJECT_KEY_MAX + 1], target[OBJECT_KEY_MAX + 1], name[OBJECT_KEY_MAX + 1];
    struct source s = {.o = o, .key = key};
    int rc = key_of(o, from, key);
    if (!rc) rc = key_of(o, to, target);
    if (!rc && (rc = open_spooled(o, from, FS_READ, &s.f)) == ERR_NOT_FOUND) rc = 0;
    bool spooled = s.f != NULL;
    if (!rc) rc = mapped(o, upload(&s, target));
    fs_close(s.f);
    forget(o, to);
    if (rc) return rc;
    forget(o, from);
    spool_name(from, name);
    return spooled ? o->spool->ops->remove(o->spool, name) : mapped(o, object_delete(o->store, key, NULL));
}

static int object_remove(struct fs *fs, const char *path)
{
    struct object_fs *o = (struct object_fs *)fs;
    char key[OBJECT_KEY_MAX + 1], name[OBJECT_KEY_MAX + 1];
    int rc = key_of(o, path, key);
    if (rc) return rc;
    spool_name(path, name);
    if (o->spool->ops->remove(o->spool, name) == 0) return 0;
    rc = mapped(o, object_delete(o->store, key, NULL));
    if (!rc) forget(o, path);
    return rc;
}

/* ------------------------------------------------------------------ folders */

struct listing {
    struct object_fs *o;
    size_t skip; /* bytes of a key before the names of this folder */
    const char *folder;
    void (*each)(void *ctx, const char *name, bool dir, int64_t size);
    void *ctx;
    char last[OBJECT_KEY_MAX + 1]; /* folder told last */
};

static int list_object(void *ctx, const char *key, const struct object_info *i)
{
    struct listing *l = ctx;
    char name[OBJECT_KEY_MAX + 1];
    snprintf(name, sizeof name, "%s", key + l->skip);
    char *slash = strchr(name, '/');
    if (!slash) {
        l->each(l->ctx, name, false, (int64_t)i->size);
        return 0;
    }
    *slash = 0;
    if (strcmp(name, l->last) == 0) return 0;
    memcpy(l->last, name, sizeof name);
    l->each(l->ctx, name, true, 0);
    return 0;
}

static void list_spooled(void *ctx, const char *name, bool dir, int64_t size)
{
    struct listing *l = ctx;
    char path[OBJECT_KEY_MAX + 1];
    size_t n = strlen(l->folder);
    snprintf(path, sizeof path, "%s", name);
    for (char *c = path; *c; c++)
        if (*c == '~') *c = '/';
    if (n && (strncmp(path, l->folder, n) != 0 || path[n] != '/')) return;
    const char *rest = path + n + (n ? 1 : 0);
    if (!strchr(rest, '/')) l->each(l->ctx, rest, false, size);
}

static int object_list(struct fs *fs, const char *path, void (*each)(void *, const char *, bool, int64_t), void *ctx)
{
    struct object_fs *o = (struct object_fs *)fs;
    struct listing l = {.o = o, .folder = path, .each = each, .ctx = ctx};
    char prefix[OBJECT_KEY_MAX + 2];
    int n = snprintf(prefix, sizeof prefix, "%s%s%s%s", o->prefix, *o->prefix ? "/" : "", path, *path ? "/" : "");
    if (n > OBJECT_KEY_MAX) return ERR_INVALID;
    l.skip = (size_t)n;
    int rc = mapped(o, object_each(o->store, prefix, list_object, &l, NULL));
    return rc ? rc : o->spool->ops->list(o->spool, "", list_spooled, &l);
}

static int object_mkdir(struct fs *fs, const char *path)
{
    return 0; /* keys need no folders */
}

static int object_sync_dir(struct fs *fs, const char *path)
{
    return 0; /* a finished upload is durable */
}

static int object_space(struct fs *fs, int64_t *ret_free, int64_t *ret_total)
{
    *ret_free = *ret_total = INT64_MAX;
    return 0;
}

/* ------------------------------------------------------------------ birth and end */

static void object_destroy(struct fs *fs)
{
    struct object_fs *o = (struct object_fs *)fs;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct known *k = o->known[i], *next; k; k = next) {
            next = k->next;
            mem_free(k);
        }
    block_cache_free(o->cache);
    fs_destroy(o->spool);
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
}

static const struct fs_ops ops = {.open = object_open,
                                  .close = object_close,
                                  .pread = object_pread,
                                  .pwrite = object_pwrite,
                                  .sync = object_sync,
                                  .truncate = object_truncate,
                                  .size = object_size,
                                  .rename = object_rename,
                                  .remove = object_remove,
                                  .mkdir = object_mkdir,
                                  .sync_dir = object_sync_dir,
                                  .list = object_list,
                                  .space = object_space,
                                  .destroy = object_destroy};

struct leftover {
    char name[256];
};
static void find_leftover(void *ctx, const char *name, bool dir, int64_t size)
{
    struct leftover *l = ctx;
    if (!dir && !l->name[0]) str_to_cstr(str_of(name), l->name, sizeof l->name);
}

/* What a crash left on its way was never promised to anybody. */
static int sweep(struct fs *spool)
{
    for (;;) {
        struct leftover l = {0};
        int rc = spool->ops->list(spool, "", find_leftover, &l);
        if (rc || !l.name[0]) return rc;
        if ((rc = spool->ops->remove(spool, l.name))) return rc;
    }
}

int fs_object(const struct fs_object_config *cfg, struct fs **ret, struct error *e)
{
    struct object_fs *o = mem_calloc(1, sizeof *o);
    if (!o) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    o->fs.ops = &ops;
    o->store = cfg->store;
    pthread_mutex_init(&o->lock, NULL);
    int rc = str_to_cstr(str_of(cfg->prefix), o->prefix, sizeof o->prefix) ? 0 : ERR_TOO_LARGE;
    if (!rc) rc = fs_real(cfg->spool, false, &o->spool, e);
    if (!rc) rc = sweep(o->spool);
    if (!rc) rc = block_cache_new(cfg->cache_bytes ? cfg->cache_bytes : 64u << 20, &o->cache);
    if (!rc) {
        *ret = &o->fs;
        return 0;
    }
    object_destroy(&o->fs);
    return e && e->code ? rc
                        : error_set(e, rc, cfg->spool, "the folder for uploads cannot be used", "上传暂存目录不可用");
}

void fs_object_stats(struct fs *fs, struct fs_object_stats *ret)
{
    struct object_fs *o = (struct object_fs *)fs;
    uint64_t hits, fetches;
    block_cache_counts(o->cache, &hits, &fetches);
    pthread_mutex_lock(&o->lock);
    *ret = o->stats;
    pthread_mutex_unlock(&o->lock);
    ret->hits = hits;
    ret->fetches = fetches;
}
