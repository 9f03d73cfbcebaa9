/* strings.c - the strings file.
 *
 * Append-only, records back to back, little-endian:
 *   0  4  magic 0x52545342 "BSTR"
 *   4  4  length, 0..65536
 *   8  8  id, rising
 *   16 4  CRC32C of bytes 4..15 and the text
 *   20    the text
 * A torn tail is cut off at the start; as it may have held ids that were given out, as many ids as could
 * have stood in it are never used again. A broken record with good ones behind it loses its own string
 * only (reading it says damaged). In memory: per string its place and a hash; the text is read when asked.
 * The index is open addressing over the keyed hash of the text. */
#include "tsdb/strings.h"
#include <pthread.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "tsdb/bits.h"

#define STR_MAGIC 0x52545342u
#define STR_HEAD 20
#define STRINGS_PATH "ts/strings"
#define STRINGS_NEW "ts/strings.new"
#define FILE_MAX (INT64_C(16) << 30)

struct place {
    int64_t at; /* of the record */
    uint64_t id, hash;
    uint32_t len;
};
struct strings {
    struct fs *fs;
    struct fs_file *f;
    pthread_rwlock_t lock;
    struct place *places; /* sorted by id */
    size_t n, cap;
    uint32_t *index; /* place + 1, 0: free */
    size_t slots;
    int64_t end;
    uint64_t next_id;
    bool failed;
};

static uint32_t record_crc(const uint8_t *head, const void *text, size_t n)
{
    return crc32c(crc32c(0, head + 4, 12), text, n);
}

static void head_encode(uint8_t head[STR_HEAD], uint64_t id, struct str s)
{
    put_u32(head, STR_MAGIC);
    put_u32(head + 4, (uint32_t)s.n);
    put_u64(head + 8, id);
    put_u32(head + 16, record_crc(head, s.p, s.n));
}

/* Bytes of the good record at p, 0 when there is none. */
static size_t record_parse(const uint8_t *p, size_t n, uint64_t *ret_id)
{
    if (n < STR_HEAD || load_u32(p) != STR_MAGIC) return 0;
    size_t len = load_u32(p + 4);
    if (len > STRING_MAX || len > n - STR_HEAD || load_u32(p + 16) != record_crc(p, p + STR_HEAD, len)) return 0;
    *ret_id = load_u64(p + 8);
    return STR_HEAD + len;
}

/* ---- index ---- */
static void index_put(struct strings *st, size_t place)
{
    size_t mask = st->slots - 1, i = st->places[place].hash & mask;
    while (st->index[i]) i = (i + 1) & mask;
    st->index[i] = (uint32_t)place + 1;
}

static int index_room(struct strings *st)
{
    if (!mem_grow((void **)&st->places, &st->cap, st->n + 1, sizeof *st->places)) return ERR_NOMEM;
    if ((st->n + 1) * 2 <= st->slots) return 0;
    size_t slots = st->slots ? st->slots * 2 : 64;
    uint32_t *index = mem_calloc(slots, sizeof *index);
    if (!index) return ERR_NOMEM;
    mem_free(st->index);
    st->index = index;
    st->slots = slots;
    for (size_t i = 0; i < st->n; i++) index_put(st, i);
    return 0;
}

static void place_add(struct strings *st, int64_t at, uint64_t id, struct str s) /* after index_room */
{
    st->places[st->n] = (struct place){at, id, str_hash(s, hash_seed()), (uint32_t)s.n};
    index_put(st, st->n++);
}

static int read_text(struct strings *st, const struct place *p, uint8_t *buf) /* STR_HEAD + len */
{
    uint64_t id;
    int64_t got = fs_pread(st->f, buf, STR_HEAD + p->len, p->at);
    if (got < 0) return (int)got;
    if (record_parse(buf, (size_t)got, &id) != STR_HEAD + p->len || id != p->id) return ERR_CORRUPT;
    return 0;
}

static int find(struct strings *st, struct str s, uint64_t *ret_id)
{
    uint64_t hash = str_hash(s, hash_seed());
    AUTO_FREE uint8_t *buf = NULL;
    for (size_t mask = st->slots - 1, i = hash & mask; st->slots && st->index[i]; i = (i + 1) & mask) {
        const struct place *p = &st->places[st->index[i] - 1];
        if (p->hash != hash || p->len != s.n) continue;
        if (!buf && !(buf = mem_alloc(STR_HEAD + s.n))) return ERR_NOMEM;
        int rc = read_text(st, p, buf);
        if (rc == ERR_CORRUPT) continue;
        if (rc) return rc;
        if (s.n && memcmp(buf + STR_HEAD, s.p, s.n) != 0) continue;
        *ret_id = p->id;
        return 0;
    }
    return ERR_NOT_FOUND;
}

/* ---- opening ---- */
static int load_all(struct strings *st, const uint8_t *p, size_t n, uint64_t *ret_damaged)
{
    size_t at = 0, good = 0;
    bool gap = false;
    while (at < n) {
        uint64_t id = 0;
        size_t len = record_parse(p + at, n - at, &id);
        if (!len || id < st->next_id) {
            gap = true;
            at++;
            continue;
        }
        if (index_room(st)) return ERR_NOMEM;
        if (gap) ++*ret_damaged;
        gap = false;
        place_add(st, (int64_t)at, id, str_make((const char *)p + at + STR_HEAD, len - STR_HEAD));
        st->next_id = id + 1;
        good = at += len;
    }
    st->end = (int64_t)good;
    st->next_id += (n - good + STR_HEAD - 1) / STR_HEAD;
    return 0;
}

static int open_file(struct strings *st, uint64_t *ret_damaged)
{
    void *p = NULL;
    size_t n = 0;
    int rc = fs_open(st->fs, STRINGS_PATH, FS_READ | FS_WRITE | FS_CREATE, &st->f);
    if (!rc) rc = st->fs->ops->sync_dir(st->fs, "ts");
    if (!rc) rc = fs_read_all(st->fs, STRINGS_PATH, FILE_MAX, &p, &n);
    if (!rc) rc = load_all(st, p, n, ret_damaged);
    mem_free(p);
    return rc;
}

int strings_open(struct fs *fs, struct strings **ret, uint64_t *ret_damaged)
{
    struct strings *st = mem_calloc(1, sizeof *st);
    if (!st) return ERR_NOMEM;
    st->fs = fs;
    st->next_id = 1;
    pthread_rwlock_init(&st->lock, NULL);
    int rc = open_file(st, ret_damaged);
    if (rc) {
        strings_close(st);
        return rc;
    }
    *ret = st;
    return 0;
}

void strings_close(struct strings *st)
{
    if (!st) return;
    fs_close(st->f);
    pthread_rwlock_destroy(&st->lock);
    mem_free(st->places);
    mem_free(st->index);
    mem_free(st);
}

/* ---- use ---- */
static int append(struct strings *st, struct str s)
{
    if (st->failed) return ERR_IO;
    AUTO_FREE uint8_t *rec = mem_alloc(STR_HEAD + s.n);
    if (!rec) return ERR_NOMEM;
    head_encode(rec, st->next_id, s);
    if (s.n) memcpy(rec + STR_HEAD, s.p, s.n);
    int rc = fs_pwrite(st->f, rec, STR_HEAD + s.n, st->end);
    if (rc == ERR_DISK_FULL) {
        (void)st->f->ops->truncate(st->f, st->end);
        return rc;
    }
    if (!rc) rc = fs_sync(st->f);
    if (rc) st->failed = true;
    return rc == ERR_DISK_FULL ? ERR_IO : rc;
}

static int put_locked(struct strings *st, struct str s, uint64_t *ret_id)
{
    int rc = find(st, s, ret_id);
    if (rc != ERR_NOT_FOUND) return rc;
    rc = index_room(st);
    if (!rc && st->n >= UINT32_MAX - 1) rc = ERR_LIMIT;
    if (!rc) rc = append(st, s);
    if (rc) return rc;
    place_add(st, st->end, st->next_id, s);
    st->end += (int64_t)(STR_HEAD + s.n);
    *ret_id = st->next_id++;
    return 0;
}

/* A record with the next id makes it last; without (the disk fails) it holds as long as the store is open. */
void strings_beyond(struct strings *st, uint64_t id)
{
    char text[64];
    uint64_t got;
    pthread_rwlock_wrlock(&st->lock);
    if (id >= st->next_id && id - st->next_id < UINT32_MAX) {
        st->next_id = id + 1;
        snprintf(text, sizeof text, "(texts up to %llu are not known here)", (unsigned long long)id);
        (void)!put_locked(st, str_of(text), &got);
    }
    pthread_rwlock_unlock(&st->lock);
}

int strings_put(struct strings *st, struct str s, uint64_t *ret_id)
{
    if (s.n > STRING_MAX) return ERR_TOO_LARGE;
    pthread_rwlock_rdlock(&st->lock);
    int rc = find(st, s, ret_id);
    pthread_rwlock_unlock(&st->lock);
    if (rc != ERR_NOT_FOUND) return rc;
    pthread_rwlock_wrlock(&st->lock);
    rc = put_locked(st, s, ret_id);
    pthread_rwlock_unlock(&st->lock);
    return rc;
}

static const struct place *place_of(const struct strings *st, uint64_t id)
{
    size_t lo = 0, hi = st->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (st->places[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < st->n && st->places[lo].id == id ? &st->places[lo] : NULL;
}

static int get_locked(struct strings *st, uint64_t id, char *out, size_t cap, size_t *ret_n)
{
    const struct place *p = place_of(st, id);
    if (!p) return ERR_NOT_FOUND;
    *ret_n = p->len;
    if (p->len > cap) return ERR_TOO_LARGE;
    AUTO_FREE uint8_t *buf = mem_alloc(STR_HEAD + p->len);
    if (!buf) return ERR_NOMEM;
    int rc = read_text(st, p, buf);
    if (!rc && p->len) memcpy(out, buf + STR_HEAD, p->len);
    return rc;
}

int strings_get(struct strings *st, uint64_t id, char *out, size_t cap, size_t *ret_n)
{
    pthread_rwlock_rdlock(&st->lock);
    int rc = get_locked(st, id, out, cap, ret_n);
    pthread_rwlock_unlock(&st->lock);
    return rc;
}

/* ---- after a failed sync ---- */
static int copy_all(struct strings *st, struct fs_file *to, int64_t *places, int64_t *ret_end)
{
    AUTO_FREE uint8_t *buf = mem_alloc(STR_HEAD + STRING_MAX);
    int64_t end = 0;
    if (!buf) return ERR_NOMEM;
    for (size_t i = 0; i < st->n; i++) {
        int rc = read_text(st, &st->places[i], buf);
        if (!rc) rc = fs_pwrite(to, buf, STR_HEAD + st->places[i].len, end);
        if (rc) return rc;
        places[i] = end;
        end += STR_HEAD + st->places[i].len;
    }
    *ret_end = end;
    return fs_sync(to);
}

static int reopen_locked(struct strings *st)
{
    struct fs_file *f = NULL;
    int64_t end = 0;
    AUTO_FREE int64_t *places = mem_alloc((st->n + 1) * sizeof *places);
    if (!places) return ERR_NOMEM;
    int rc = fs_open(st->fs, STRINGS_NEW, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &f);
    if (rc) return rc;
    rc = copy_all(st, f, places, &end);
    if (!rc) rc = st->fs->ops->rename(st->fs, STRINGS_NEW, STRINGS_PATH);
    if (!rc) rc = st->fs->ops->sync_dir(st->fs, "ts");
    if (rc) {
        fs_close(f);
        return rc;
    }
    fs_close(st->f);
    st->f = f;
    st->end = end;
    for (size_t i = 0; i < st->n; i++) st->places[i].at = places[i];
    st->failed = false;
    return 0;
}

int strings_reopen(struct strings *st)
{
    pthread_rwlock_wrlock(&st->lock);
    int rc = st->failed ? reopen_locked(st) : 0;
    pthread_rwlock_unlock(&st->lock);
    return rc;
}

int64_t strings_size(struct strings *st)
{
    pthread_rwlock_rdlock(&st->lock);
    int64_t n = st->end;
    pthread_rwlock_unlock(&st->lock);
    return n;
}
