/* target.c - see target.h. */
#include "modules/backup/target.h"
#include <openssl/evp.h>
#include <sys/stat.h>
#include <time.h>
#include "base/mem.h"
#include "io/clock.h"
#include "modules/backup/hashset.h"

#define ROOT "bornite-backup/"
#define DOC_MAX (64u << 20)
#define DIGEST 32

struct target {
    struct target_config cfg;
    struct object_store *store;
    struct hashset known;
    uint64_t sent;
    uint64_t free_at_ns; /* when the throttle lets the next chunk go */
};

/* ------------------------------------------------------------------ hashes */

struct hasher {
    EVP_MD_CTX *md;
};

static void to_hex(const uint8_t d[DIGEST], char out[TARGET_HASH])
{
    static const char digit[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST; i++) {
        out[2 * i] = digit[d[i] >> 4];
        out[2 * i + 1] = digit[d[i] & 15];
    }
    out[2 * DIGEST] = 0;
}

struct hasher *hasher_new(void)
{
    struct hasher *h = mem_calloc(1, sizeof *h);
    if (h && (!(h->md = EVP_MD_CTX_new()) || !EVP_DigestInit_ex(h->md, EVP_sha256(), NULL))) {
        hasher_free(h);
        return NULL;
    }
    return h;
}

void hasher_add(struct hasher *h, const void *p, size_t n)
{
    EVP_DigestUpdate(h->md, p, n);
}

void hasher_end(struct hasher *h, char ret[TARGET_HASH])
{
    uint8_t d[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(h->md, d, NULL);
    EVP_DigestInit_ex(h->md, EVP_sha256(), NULL);
    to_hex(d, ret);
}

void hasher_free(struct hasher *h)
{
    if (!h) return;
    EVP_MD_CTX_free(h->md);
    mem_free(h);
}

void hash_of(const void *p, size_t n, char ret[TARGET_HASH])
{
    uint8_t d[EVP_MAX_MD_SIZE] = {0};
    EVP_Digest(p, n, d, NULL, EVP_sha256(), NULL);
    to_hex(d, ret);
}

/* ------------------------------------------------------------------ the set of chunks */

bool target_has(const struct target *t, struct str hash)
{
    return hashset_has(&t->known, hash);
}

static int learn_one(void *ctx, const char *key, const struct object_info *i)
{
    struct target *t = ctx;
    const char *name = strrchr(key, '/');
    if (target_cancelled(t)) return ERR_CANCELLED;
    return name && i->size && hashset_add(&t->known, str_of(name + 1)) == ERR_NOMEM ? ERR_NOMEM : 0;
}

int target_learn(struct target *t, struct error *e)
{
    int rc = target_each(t, "chunks/", learn_one, t, e);
    return rc == ERR_NOMEM ? error_set(e, rc, "", "out of memory", "内存不足") : rc;
}

/* ------------------------------------------------------------------ open and close */

static int folder_there(const char *url, struct error *e)
{
    struct stat st;
    if (strncmp(url, "dir:", 4) != 0 || (stat(url + 4, &st) == 0 && S_ISDIR(st.st_mode))) return 0;
    return error_set(e, ERR_NOT_FOUND, "target", "there is no directory %s", "没有目录 %s", url + 4);
}

int target_open(const struct target_config *cfg, struct target **ret, struct error *e)
{
    int rc = cfg->only_read ? folder_there(cfg->url, e) : 0;
    struct target *t = rc ? NULL : mem_calloc(1, sizeof *t);
    if (!t) return rc ? rc : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    t->cfg = *cfg;
    t->cfg.url = t->cfg.secret = NULL; /* the store has its own copies */
    rc = object_store_open(cfg->url, cfg->secret, &t->store, e);
    if (!rc) rc = object_store_check(t->store, e);
    if (rc)
        target_close(t);
    else
        *ret = t;
    return rc;
}

void target_close(struct target *t)
{
    if (!t) return;
    object_store_close(t->store);
    hashset_fini(&t->known);
    mem_free(t);
}

bool target_cancelled(const struct target *t)
{
    return t->cfg.cancelled && t->cfg.cancelled(t->cfg.ctx);
}

uint64_t target_sent(const struct target *t)
{
    return t->sent;
}

/* ------------------------------------------------------------------ chunks */

static int cancelled(struct error *e)
{
    return error_set(e, ERR_CANCELLED, "", "cancelled", "已取消");
}

/* Waits until the bytes sent so far are paid for. */
static int throttle(struct target *t, size_t n, struct error *e)
{
    uint64_t now = clock_mono_ns(clock_real());
    if (!t->cfg.bytes_per_s) return 0;
    if (t->free_at_ns < now) t->free_at_ns = now;
    while (t->free_at_ns > now) {
        uint64_t left = t->free_at_ns - now;
        struct timespec ts = {.tv_nsec = (long)(left < 50000000 ? left : 50000000)};
        if (target_cancelled(t)) return cancelled(e);
        nanosleep(&ts, NULL);
        now = clock_mono_ns(clock_real());
    }
    t->free_at_ns += n * 1000000000ull / t->cfg.bytes_per_s;
    return 0;
}

static void chunk_key(struct str hash, char out[160])
{
    snprintf(out, 160, ROOT "chunks/%.2s/%.64s", hash.p, hash.p);
}

static int put_object(struct target *t, const char *key, const void *p, size_t n, struct error *e)
{
    struct object_put *put;
    struct object_info info;
    int rc = object_put_begin(t->store, key, &put, e);
    if (rc) return rc;
    for (size_t at = 0; at < n && !rc; at += 1u << 20) {
        size_t k = n - at < 1u << 20 ? n - at : 1u << 20;
        rc = target_cancelled(t) ? cancelled(e) : object_put_write(put, (const char *)p + at, k, e);
    }
    if (rc) {
        object_put_abort(put);
        return rc;
    }
    rc = object_put_finish(put, &info, e);
    if (!rc && info.size != n)
        rc = error_set(e, ERR_IO, key, "the target took %llu of %zu bytes", "目标只接收了 %llu / %zu 字节",
                       (unsigned long long)info.size, n);
    return rc;
}

int target_put(struct target *t, const void *p, size_t n, char ret_hash[TARGET_HASH], bool *ret_new, struct error *e)
{
    char key[160];
    hash_of(p, n, ret_hash);
    bool fresh = !target_has(t, str_of(ret_hash));
    if (ret_new) *ret_new = fresh;
    if (target_cancelled(t)) return cancelled(e);
    if (!fresh) return 0;
    chunk_key(str_of(ret_hash), key);
    int rc = throttle(t, n, e);
    if (!rc) rc = put_object(t, key, p, n, e);
    if (rc) return rc;
    t->sent += n;
    return hashset_add(&t->known, str_of(ret_hash)) < 0 ? error_set(e, ERR_NOMEM, "", "out of memory", "内存不足") : 0;
}

int target_get(struct target *t, struct str hash, void *p, size_t *ret_n, struct error *e)
{
    char key[160], is[TARGET_HASH] = "";
    size_t n = 0, got = 1;
    int rc = hash.n == TARGET_HASH - 1 ? 0 : error_set(e, ERR_CORRUPT, "chunk", "is no hash", "不是哈希值");
    if (!rc) chunk_key(hash, key);
    while (!rc && got && n < TARGET_CHUNK && !str_eq(str_of(is), hash)) {
        rc =
            target_cancelled(t) ? cancelled(e) : object_get(t->store, key, n, (char *)p + n, TARGET_CHUNK - n, &got, e);
        if (!rc) hash_of(p, n += got, is);
    }
    if (rc == ERR_NOT_FOUND) return error_set(e, rc, key, "is missing in the target", "目标中缺失");
    if (rc) return rc;
    if (!str_eq(str_of(is), hash))
        return error_set(e, ERR_CORRUPT, key, "was changed since it was written", "写入后已被改变");
    *ret_n = n;
    return 0;
}

/* ------------------------------------------------------------------ documents */

static int doc_key(const char *key, char out[300], struct error *e)
{
    if (snprintf(out, 300, ROOT "%s", key) < 300) return 0;
    return error_set(e, ERR_TOO_LARGE, "key", "too long", "过长");
}

int target_doc_put(struct target *t, const char *key, struct str text, struct error *e)
{
    char full[300];
    int rc = doc_key(key, full, e);
    return rc ? rc : put_object(t, full, text.p, text.n, e);
}

int target_doc_get(struct target *t, const char *key, struct arena *a, struct str *ret, struct error *e)
{
    char full[300];
    struct object_info info;
    size_t n = 0, got = 1;
    int rc = doc_key(key, full, e);
    if (!rc) rc = object_stat(t->store, full, &info, e);
    if (!rc && info.size > DOC_MAX) rc = error_set(e, ERR_TOO_LARGE, full, "is too large", "过大");
    char *p = rc ? NULL : arena_alloc(a, info.size + 1);
    if (!rc && !p) rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    while (!rc && got && n < info.size) {
        rc = object_get(t->store, full, n, p + n, info.size - n, &got, e);
        if (!rc) n += got;
    }
    if (!rc && n != info.size) rc = error_set(e, ERR_CORRUPT, full, "is shorter than it was", "长度不足");
    if (!rc) *ret = str_make(p, n);
    return rc;
}

int target_delete(struct target *t, const char *key, struct error *e)
{
    char full[300];
    int rc = doc_key(key, full, e);
    return rc ? rc : object_delete(t->store, full, e);
}

struct each {
    int (*fn)(void *ctx, const char *key, const struct object_info *i);
    void *ctx;
};
static int without_root(void *ctx, const char *key, const struct object_info *i)
{
    struct each *x = ctx;
    return x->fn(x->ctx, key + strlen(ROOT), i);
}

int target_each(struct target *t, const char *prefix,
                int (*fn)(void *ctx, const char *key, const struct object_info *i), void *ctx, struct error *e)
{
    char full[300];
    struct each x = {fn, ctx};
    int rc = doc_key(prefix, full, e);
    return rc ? rc : object_each(t->store, full, without_root, &x, e);
}
