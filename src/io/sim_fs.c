/* sim_fs.c - files in memory with what is durable kept apart from what is not.
 *
 * Model. An inode has two contents: `now` (what reads see) and `disk` (what certainly survives), and the
 * list of changes made since the last sync in their order. A name table maps paths to inodes, also twice,
 * with the list of name changes that no sync_dir has covered yet; a rename is one atomic change that
 * becomes durable when either of its directories is synced.
 * Memory comes straight from malloc and its failure aborts: allocation failures injected by a test are
 * meant for the product, not for this. */
#include "io/sim_fs.h"
#include <pthread.h>
#include "base/str.h"

#define SECTOR 512
#define PATH_CAP 256

struct change { /* of an inode: a write (p) or a truncation (p NULL) */
    int64_t at;
    size_t n;
    uint8_t *p;
};
struct bytes {
    uint8_t *p;
    size_t n, cap;
};
struct inode {
    int refs; /* names, handles, pending changes */
    bool dir;
    struct bytes now, disk;
    struct change *changes;
    size_t nchanges, cap;
};
struct entry {
    char path[PATH_CAP];
    struct inode *ino;
};
struct names {
    struct entry *e;
    size_t n, cap;
};
struct name_change { /* `set` now means ino (NULL: nothing), and `del` (may be empty) is gone */
    char set[PATH_CAP], del[PATH_CAP];
    struct inode *ino;
};
struct failure {
    uint64_t left;
    int err;
    bool sticky;
};
struct sim_fs {
    struct fs fs;
    pthread_mutex_t lock;
    struct names now, disk;
    struct name_change *pend;
    size_t npend, cappend;
    int64_t capacity;
    uint64_t count[SIM_FS_CALLS], power_left, random;
    bool power_limited, power_off;
    struct failure fail[SIM_FS_CALLS];
};
struct sim_file {
    struct fs_file f;
    struct sim_fs *fs;
    struct inode *ino;
    bool writable;
};

static void *must(void *p)
{
    if (!p) abort();
    return p;
}

static void *grow(void *p, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap) return p;
    *cap = want > *cap * 2 ? want : *cap * 2;
    return must(realloc(p, *cap * size));
}

static uint64_t next_random(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* ---- bytes and inodes ---- */
static void bytes_resize(struct bytes *b, size_t n)
{
    b->p = grow(b->p, &b->cap, n ? n : 1, 1);
    if (n > b->n) memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void bytes_write(struct bytes *b, const void *p, size_t n, int64_t at)
{
    if ((size_t)at + n > b->n) bytes_resize(b, (size_t)at + n);
    if (n) memcpy(b->p + at, p, n);
}

static void apply(struct bytes *b, const struct change *c)
{
    if (c->p)
        bytes_write(b, c->p, c->n, c->at);
    else
        bytes_resize(b, (size_t)c->at);
}

static void inode_log(struct inode *i, int64_t at, const void *p, size_t n)
{
    i->changes = grow(i->changes, &i->cap, i->nchanges + 1, sizeof *i->changes);
    struct change c = {.at = at, .n = n};
    if (p) memcpy(c.p = must(malloc(n + 1)), p, n);
    i->changes[i->nchanges++] = c;
    apply(&i->now, &c);
}

static void inode_forget_changes(struct inode *i)
{
    for (size_t k = 0; k < i->nchanges; k++) free(i->changes[k].p);
    i->nchanges = 0;
}

static struct inode *inode_new(bool dir)
{
    struct inode *i = must(calloc(1, sizeof *i));
    i->dir = dir;
    return i;
}

static struct inode *inode_ref(struct inode *i)
{
    if (i) i->refs++;
    return i;
}

static void inode_unref(struct inode *i)
{
    if (!i || --i->refs > 0) return;
    inode_forget_changes(i);
    free(i->changes);
    free(i->now.p);
    free(i->disk.p);
    free(i);
}

/* ---- names ---- */
static struct entry *names_find(struct names *t, const char *path)
{
    for (size_t k = 0; k < t->n; k++)
        if (strcmp(t->e[k].path, path) == 0) return &t->e[k];
    return NULL;
}

static void names_del(struct names *t, const char *path)
{
    struct entry *e = names_find(t, path);
    if (!e) return;
    inode_unref(e->ino);
    *e = t->e[--t->n];
}

static void names_set(struct names *t, const char *path, struct inode *ino)
{
    inode_ref(ino);
    names_del(t, path);
    if (!ino) return;
    t->e = grow(t->e, &t->cap, t->n + 1, sizeof *t->e);
    struct entry *e = &t->e[t->n++];
    (void)str_to_cstr(str_of(path), e->path, sizeof e->path);
    e->ino = ino;
}

static void names_clear(struct names *t)
{
    while (t->n) names_del(t, t->e[t->n - 1].path);
    free(t->e);
    *t = (struct names){0};
}

static void names_apply(struct names *t, const struct name_change *c)
{
    if (*c->del) names_del(t, c->del);
    names_set(t, c->set, c->ino);
}

static bool in_dir(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (!*path) return false;
    if (n == 0) return !strchr(path, '/');
    return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static bool parent_exists(struct names *t, const char *path)
{
    char dir[PATH_CAP];
    const char *slash = strrchr(path, '/');
    if (!slash) return true;
    (void)str_to_cstr(str_make(path, (size_t)(slash - path)), dir, sizeof dir);
    struct entry *e = names_find(t, dir);
    return e && e->ino->dir;
}

static void rename_log(struct sim_fs *s, const char *set, const char *del, struct inode *ino)
{
    s->pend = grow(s->pend, &s->cappend, s->npend + 1, sizeof *s->pend);
    struct name_change *c = &s->pend[s->npend++];
    (void)str_to_cstr(str_of(set), c->set, sizeof c->set);
    (void)str_to_cstr(str_of(del), c->del, sizeof c->del);
    c->ino = inode_ref(ino);
    names_apply(&s->now, c);
}

/* ---- failures ---- */
static bool failure_hits(struct failure *f)
{
    if (f->left == 0) return false;
    if (f->left == 1) {
        if (!f->sticky) f->left = 0;
        return true;
    }
    f->left--;
    return false;
}

/* Count the call; 0 or the error it has to fail with. `changes`: the call changes something. */
static int enter(struct sim_fs *s, enum sim_fs_call call, bool changes)
{
    pthread_mutex_lock(&s->lock);
    s->count[call]++;
    s->count[SIM_FS_ANY]++;
    if (changes && s->power_limited && s->power_left-- == 0) s->power_off = true, s->power_limited = false;
    if (s->power_off) return ERR_IO;
    int rc = 0;
    if (failure_hits(&s->fail[SIM_FS_ANY])) rc = s->fail[SIM_FS_ANY].err;
    if (failure_hits(&s->fail[call])) rc = s->fail[call].err;
    return rc;
}

static int leave(struct sim_fs *s, int rc)
{
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* ---- the operations ---- */
static int open_locked(struct sim_fs *s, const char *path, int flags, struct fs_file **ret)
{
    struct entry *e = names_find(&s->now, path);
    if (e && e->ino->dir) return ERR_INVALID;
    if (e && (flags & FS_EXCL)) return ERR_EXISTS;
    if (!e && !(flags & FS_CREATE)) return ERR_NOT_FOUND;
    if (!e && !parent_exists(&s->now, path)) return ERR_NOT_FOUND;
    if (!e) {
        rename_log(s, path, "", inode_new(false));
        e = names_find(&s->now, path);
    } else if (flags & FS_TRUNC) {
        inode_log(e->ino, 0, NULL, 0);
    }
    struct sim_file *f = must(malloc(sizeof *f));
    *f = (struct sim_file){.f.ops = s->fs.ops, .fs = s, .ino = inode_ref(e->ino), .writable = flags & FS_WRITE};
    *ret = &f->f;
    return 0;
}

static int sim_open(struct fs *fs, const char *path, int flags, struct fs_file **ret)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    int rc = enter(s, SIM_FS_OPEN, flags & (FS_CREATE | FS_TRUNC));
    return leave(s, rc ? rc : open_locked(s, path, flags, ret));
}

static void sim_close(struct fs_file *file)
{
    struct sim_file *f = (struct sim_file *)file;
    pthread_mutex_lock(&f->fs->lock);
    inode_unref(f->ino);
    pthread_mutex_unlock(&f->fs->lock);
    free(f);
}

static int64_t sim_pread(struct fs_file *file, void *p, size_t n, int64_t at)
{
    struct sim_file *f = (struct sim_file *)file;
    int rc = enter(f->fs, SIM_FS_PREAD, false);
    if (rc) return leave(f->fs, rc);
    const struct bytes *b = &f->ino->now;
    size_t got = at >= 0 && (size_t)at < b->n ? b->n - (size_t)at : 0;
    if (got > n) got = n;
    if (got) memcpy(p, b->p + at, got);
    leave(f->fs, 0);
    return (int64_t)got;
}

static int64_t used_bytes(struct sim_fs *s)
{
    int64_t sum = 0;
    for (size_t k = 0; k < s->now.n; k++) sum += (int64_t)s->now.e[k].ino->now.n;
    return sum;
}

/* How much of a write of n bytes fits. */
static size_t room_for(struct sim_fs *s, struct inode *i, size_t n, int64_t at)
{
    int64_t more = at + (int64_t)n - (int64_t)i->now.n;
    if (s->capacity == 0 || more <= 0) return n;
    int64_t over = used_bytes(s) + more - s->capacity;
    if (over <= 0) return n;
    return over >= (int64_t)n ? 0 : n - (size_t)over;
}

static int sim_pwrite(struct fs_file *file, const void *p, size_t n, int64_t at)
{
    struct sim_file *f = (struct sim_file *)file;
    int rc = enter(f->fs, SIM_FS_PWRITE, true);
    if (!f->writable || at < 0)
        rc = ERR_INVALID;
    else if (f->fs->power_off)
        rc = ERR_IO;
    else {
        size_t part = rc ? (size_t)(next_random(&f->fs->random) % (n + 1)) : room_for(f->fs, f->ino, n, at);
        if (part < n && !rc) rc = ERR_DISK_FULL;
        if (part) inode_log(f->ino, at, p, part);
    }
    return leave(f->fs, rc);
}

static void make_durable(struct inode *i)
{
    for (size_t k = 0; k < i->nchanges; k++) apply(&i->disk, &i->changes[k]);
    inode_forget_changes(i);
}

/* Lay a random part of the changes over `b`: whole truncations, single sectors of writes. Bytes that
 * the file has but nothing was written to are zeros; in one state of four they are rubbish. */
static void survive(struct bytes *b, const struct inode *i, uint64_t *rnd)
{
    uint64_t mode = next_random(rnd) % 4;
    unsigned keep = (unsigned)(next_random(rnd) % 257);
    if (mode == 0) return;
    for (size_t k = 0; k < i->nchanges; k++) {
        const struct change *c = &i->changes[k];
        if (!c->p) {
            if (mode == 1 || next_random(rnd) % 256 < keep) bytes_resize(b, (size_t)c->at);
            continue;
        }
        for (size_t off = 0; off < c->n;) {
            size_t len = SECTOR - (size_t)(c->at + (int64_t)off) % SECTOR;
            if (len > c->n - off) len = c->n - off;
            uint8_t rubbish[SECTOR];
            const uint8_t *src = c->p + off;
            bool kept = mode == 1 || next_random(rnd) % 256 < keep;
            if (!kept && mode == 3 && (size_t)c->at + off >= i->disk.n) {
                memset(rubbish, (int)next_random(rnd), sizeof rubbish);
                src = rubbish, kept = true;
            }
            if (kept) bytes_write(b, src, len, c->at + (int64_t)off);
            off += len;
        }
    }
}

static int sim_sync(struct fs_file *file)
{
    struct sim_file *f = (struct sim_file *)file;
    int rc = enter(f->fs, SIM_FS_SYNC, true);
    if (rc && !f->fs->power_off) {
        survive(&f->ino->disk, f->ino, &f->fs->random);
        inode_forget_changes(f->ino);
    }
    if (!rc) make_durable(f->ino);
    return leave(f->fs, rc);
}

static int sim_truncate(struct fs_file *file, int64_t size)
{
    struct sim_file *f = (struct sim_file *)file;
    int rc = enter(f->fs, SIM_FS_TRUNCATE, true);
    if (!rc && (!f->writable || size < 0)) rc = ERR_INVALID;
    if (!rc) inode_log(f->ino, size, NULL, 0);
    return leave(f->fs, rc);
}

static int64_t sim_size(struct fs_file *file)
{
    struct sim_file *f = (struct sim_file *)file;
    pthread_mutex_lock(&f->fs->lock);
    int64_t n = f->fs->power_off ? ERR_IO : (int64_t)f->ino->now.n;
    pthread_mutex_unlock(&f->fs->lock);
    return n;
}

static int sim_rename(struct fs *fs, const char *from, const char *to)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    int rc = enter(s, SIM_FS_RENAME, true);
    struct entry *e = rc ? NULL : names_find(&s->now, from);
    if (!rc && (!e || !parent_exists(&s->now, to))) rc = ERR_NOT_FOUND;
    if (!rc && e->ino->dir) rc = ERR_UNSUPPORTED;
    if (!rc && strcmp(from, to) != 0) rename_log(s, to, from, e->ino);
    return leave(s, rc);
}

static int remove_locked(struct sim_fs *s, const char *path)
{
    struct entry *e = names_find(&s->now, path);
    if (!e) return ERR_NOT_FOUND;
    for (size_t k = 0; e->ino->dir && k < s->now.n; k++)
        if (in_dir(s->now.e[k].path, path)) return ERR_EXISTS;
    rename_log(s, path, "", NULL);
    return 0;
}

static int sim_remove(struct fs *fs, const char *path)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    int rc = enter(s, SIM_FS_REMOVE, true);
    return leave(s, rc ? rc : remove_locked(s, path));
}

static int mkdir_locked(struct sim_fs *s, const char *path)
{
    struct entry *e = names_find(&s->now, path);
    if (e) return e->ino->dir ? 0 : ERR_EXISTS;
    if (!parent_exists(&s->now, path)) return ERR_NOT_FOUND;
    rename_log(s, path, "", inode_new(true));
    return 0;
}

static int sim_mkdir(struct fs *fs, const char *path)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    int rc = enter(s, SIM_FS_MKDIR, true);
    return leave(s, rc ? rc : mkdir_locked(s, path));
}

static int sync_dir_locked(struct sim_fs *s, const char *path)
{
    struct entry *e = names_find(&s->now, path);
    if (*path && (!e || !e->ino->dir)) return ERR_NOT_FOUND;
    size_t left = 0;
    for (size_t k = 0; k < s->npend; k++) {
        struct name_change *c = &s->pend[k];
        if (in_dir(c->set, path) || in_dir(c->del, path)) {
            names_apply(&s->disk, c);
            inode_unref(c->ino);
        } else {
            s->pend[left++] = *c;
        }
    }
    s->npend = left;
    return 0;
}

static int sim_sync_dir(struct fs *fs, const char *path)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    int rc = enter(s, SIM_FS_SYNC_DIR, true);
    return leave(s, rc ? rc : sync_dir_locked(s, path));
}

/* The listing is copied first, so that `each` may call back. */
static int sim_list(struct fs *fs, const char *path, void (*each)(void *, const char *, bool, int64_t), void *ctx)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    int rc = enter(s, SIM_FS_LIST, false);
    if (!rc && *path && !names_find(&s->now, path)) rc = ERR_NOT_FOUND;
    if (rc) return leave(s, rc);
    size_t n = s->now.n;
    struct {
        char path[PATH_CAP];
        bool dir;
        int64_t size;
    } *copy = must(malloc(n * sizeof *copy + 1));
    for (size_t k = 0; k < n; k++) {
        memcpy(copy[k].path, s->now.e[k].path, PATH_CAP);
        copy[k].dir = s->now.e[k].ino->dir;
        copy[k].size = (int64_t)s->now.e[k].ino->now.n;
    }
    leave(s, 0);
    for (size_t k = 0; k < n; k++) {
        const char *slash = strrchr(copy[k].path, '/');
        if (in_dir(copy[k].path, path)) each(ctx, slash ? slash + 1 : copy[k].path, copy[k].dir, copy[k].size);
    }
    free(copy);
    return 0;
}

static int sim_space(struct fs *fs, int64_t *ret_free, int64_t *ret_total)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    pthread_mutex_lock(&s->lock);
    int64_t total = s->capacity ? s->capacity : INT64_C(1) << 40, used = used_bytes(s);
    *ret_total = total;
    *ret_free = used < total ? total - used : 0;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static void sim_destroy(struct fs *fs)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    names_clear(&s->now);
    names_clear(&s->disk);
    for (size_t k = 0; k < s->npend; k++) inode_unref(s->pend[k].ino);
    free(s->pend);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static const struct fs_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .pread = sim_pread,
    .pwrite = sim_pwrite,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .size = sim_size,
    .rename = sim_rename,
    .remove = sim_remove,
    .mkdir = sim_mkdir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .space = sim_space,
    .destroy = sim_destroy,
};

/* ---- what tests do ---- */
struct fs *sim_fs_new(void)
{
    struct sim_fs *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->fs.ops = &sim_ops;
    s->random = 1;
    pthread_mutex_init(&s->lock, NULL);
    return &s->fs;
}

void sim_fs_fail(struct fs *fs, enum sim_fs_call call, uint64_t nth, int err, bool sticky)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    pthread_mutex_lock(&s->lock);
    s->fail[call] = (struct failure){nth, err, sticky};
    pthread_mutex_unlock(&s->lock);
}

uint64_t sim_fs_count(struct fs *fs, enum sim_fs_call call)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    pthread_mutex_lock(&s->lock);
    uint64_t n = s->count[call];
    pthread_mutex_unlock(&s->lock);
    return n;
}

void sim_fs_capacity(struct fs *fs, int64_t bytes)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    pthread_mutex_lock(&s->lock);
    s->capacity = bytes;
    pthread_mutex_unlock(&s->lock);
}

void sim_fs_power_off_after(struct fs *fs, uint64_t n)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    pthread_mutex_lock(&s->lock);
    s->power_limited = true;
    s->power_left = n;
    pthread_mutex_unlock(&s->lock);
}

struct pairs { /* old inode -> new inode */
    struct inode *from[4096], *to[4096];
    size_t n;
};

static struct inode *copy_inode(struct pairs *seen, struct inode *i, bool cut, uint64_t *rnd)
{
    for (size_t k = 0; k < seen->n; k++)
        if (seen->from[k] == i) return seen->to[k];
    struct inode *c = inode_new(i->dir);
    const struct bytes *src = cut ? &i->disk : &i->now;
    bytes_write(&c->now, src->p, src->n, 0);
    if (cut) survive(&c->now, i, rnd);
    bytes_write(&c->disk, c->now.p, c->now.n, 0);
    if (seen->n == 4096) abort();
    seen->from[seen->n] = i;
    seen->to[seen->n++] = c;
    return c;
}

/* Names whose directory did not survive are gone too. */
static void drop_orphans(struct names *t)
{
    for (size_t k = 0; k < t->n;) {
        if (parent_exists(t, t->e[k].path)) {
            k++;
        } else {
            names_del(t, t->e[k].path);
            k = 0;
        }
    }
}

static void lay_names(struct sim_fs *s, struct names *out, uint64_t *rnd)
{
    uint64_t mode = next_random(rnd) % 4;
    unsigned keep = (unsigned)(next_random(rnd) % 257);
    uint64_t prefix = next_random(rnd) % (s->npend + 1);
    for (size_t k = 0; k < s->disk.n; k++) names_set(out, s->disk.e[k].path, s->disk.e[k].ino);
    for (size_t k = 0; k < s->npend; k++) {
        bool random = next_random(rnd) % 256 < keep;
        if (mode == 1 || (mode == 2 && k < prefix) || (mode == 3 && random)) names_apply(out, &s->pend[k]);
    }
    drop_orphans(out);
}

static struct fs *copy_fs(struct fs *fs, bool cut, uint64_t seed)
{
    struct sim_fs *s = (struct sim_fs *)fs, *c = (struct sim_fs *)must(sim_fs_new());
    struct pairs *seen = must(calloc(1, sizeof *seen));
    struct names found = {0};
    uint64_t rnd = seed * 0x9e3779b97f4a7c15ULL + 12345;
    pthread_mutex_lock(&s->lock);
    if (cut) lay_names(s, &found, &rnd);
    const struct names *t = cut ? &found : &s->now;
    for (size_t k = 0; k < t->n; k++) {
        struct inode *i = copy_inode(seen, t->e[k].ino, cut, &rnd);
        names_set(&c->now, t->e[k].path, i);
        names_set(&c->disk, t->e[k].path, i);
    }
    names_clear(&found);
    pthread_mutex_unlock(&s->lock);
    free(seen);
    c->random = seed + 1;
    return &c->fs;
}

struct fs *sim_fs_power_cut(struct fs *fs, uint64_t seed)
{
    return copy_fs(fs, true, seed);
}
struct fs *sim_fs_clone(struct fs *fs)
{
    return copy_fs(fs, false, 1);
}

int sim_fs_poke(struct fs *fs, const char *path, int64_t at, const void *p, size_t n)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    pthread_mutex_lock(&s->lock);
    struct entry *e = names_find(&s->now, path);
    int rc = !e ? ERR_NOT_FOUND : at < 0 || (size_t)at + n > e->ino->now.n ? ERR_INVALID : 0;
    if (!rc) {
        bytes_write(&e->ino->now, p, n, at);
        if ((size_t)at + n <= e->ino->disk.n) bytes_write(&e->ino->disk, p, n, at);
    }
    return leave(s, rc);
}

int sim_fs_chop(struct fs *fs, const char *path, int64_t size)
{
    struct sim_fs *s = (struct sim_fs *)fs;
    pthread_mutex_lock(&s->lock);
    struct entry *e = names_find(&s->now, path);
    int rc = !e ? ERR_NOT_FOUND : size < 0 || (size_t)size > e->ino->now.n ? ERR_INVALID : 0;
    if (!rc) {
        bytes_resize(&e->ino->now, (size_t)size);
        if ((size_t)size < e->ino->disk.n) bytes_resize(&e->ino->disk, (size_t)size);
    }
    return leave(s, rc);
}
