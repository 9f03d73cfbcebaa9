/* secret.c - data keys and sealing; see core/secret.h.
 *
 * Table secret_key: number, the data key sealed under the master key (about "bornite data key <number>"),
 * how the master key comes about, when it was made. Keys are only added. All of them are in memory, wiped
 * when closed; where several processes share a database, a number that is not known yet is looked up once.
 * A sealed text binds its key's number and `about` as associated data.
 *
 * Threads: a rwlock over the list of keys; SQL only in open, rotate, rekey and that look-up. */
#include <openssl/crypto.h>
#include <pthread.h>
#include "base/buf.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/mem.h"
#include "core/secret/secret_int.h"

#define PREFIX "$s1$"
#define KEYS_MAX 10000
#define PLAIN_MAX (LIMIT_SPEC)

static const struct sql_migration migrations[] = {
    {1, "create table secret_key(number int primary key, sealed text not null, master text not null,"
        " created_us int not null) strict;"},
};

struct data_key {
    int64_t number, created_us;
    uint8_t key[KEY_BYTES];
};
struct secrets {
    struct sql *db;
    const struct clock *clock;
    const struct rng *rng;
    struct master master;
    pthread_rwlock_t lock;
    struct data_key *keys; /* ascending */
    size_t n, cap;
};

static int nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ------------------------------------------------------------------ texts of bytes */

static int encode(struct arena *a, const char *prefix, const uint8_t *p, size_t n, struct str *ret, struct error *e)
{
    struct buf b;
    buf_init(&b, strlen(prefix) + (n + 2) / 3 * 4);
    buf_z(&b, prefix);
    base64_encode(&b, p, n, true);
    *ret = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return ret->p ? 0 : nomem(e);
}

/* Bytes of a text; in the arena. ERR_CORRUPT. */
static int decode(struct arena *a, struct str text, uint8_t **ret, size_t *ret_n)
{
    struct buf b;
    buf_init(&b, text.n);
    int rc = base64_decode(&b, text, true) || b.n < SEAL_EXTRA ? ERR_CORRUPT : 0;
    if (!rc && !(*ret = arena_alloc(a, b.n + 1))) rc = ERR_NOMEM;
    if (!rc) memcpy(*ret, b.p, b.n);
    *ret_n = b.n;
    buf_fini(&b);
    return rc;
}

/* ------------------------------------------------------------------ data keys */

static int key_seal(struct secrets *s, const struct master *m, const struct data_key *k, struct arena *a,
                    struct str *ret, struct error *e)
{
    uint8_t out[KEY_BYTES + SEAL_EXTRA];
    char about[64];
    snprintf(about, sizeof about, "bornite data key %lld", (long long)k->number);
    int rc = cipher_seal(m->key, s->rng, str_of(about), k->key, KEY_BYTES, out);
    return rc ? error_set(e, rc, "secret_key", "a data key cannot be sealed", "无法加密数据密钥")
              : encode(a, "", out, sizeof out, ret, e);
}

static int key_open(const struct master *m, struct str sealed, struct data_key *k, struct error *e)
{
    AUTO_ARENA a;
    uint8_t *bytes = NULL;
    size_t n = 0;
    char about[64];
    arena_init(&a, 4096);
    snprintf(about, sizeof about, "bornite data key %lld", (long long)k->number);
    int rc = decode(&a, sealed, &bytes, &n);
    if (!rc && n != KEY_BYTES + SEAL_EXTRA) rc = ERR_CORRUPT;
    if (!rc) rc = cipher_open(m->key, str_of(about), bytes, n, k->key);
    if (rc == ERR_CORRUPT)
        return error_set(e, rc, "secret_key",
                         "%s does not open data key %lld: it is another one than the secrets were sealed with; "
                         "give the right one",
                         "%.0s主密钥无法打开数据密钥 %lld：与加密时所用的不同；请提供正确的密钥",
                         strcmp(m->note, "file") ? "the passphrase" : "the key file", (long long)k->number);
    return rc;
}

/* Not by realloc, which would leave keys behind in freed memory. */
static int keys_grow(struct secrets *s)
{
    size_t cap = s->cap ? s->cap * 2 : 8;
    struct data_key *keys = mem_calloc(cap, sizeof *keys);
    if (!keys) return ERR_NOMEM;
    if (s->keys) {
        memcpy(keys, s->keys, s->n * sizeof *keys);
        OPENSSL_cleanse(s->keys, s->cap * sizeof *keys);
    }
    mem_free(s->keys);
    s->keys = keys;
    s->cap = cap;
    return 0;
}

static int keys_add(struct secrets *s, const struct data_key *k)
{
    if (s->n == s->cap && keys_grow(s)) return ERR_NOMEM;
    size_t at = s->n++;
    for (; at > 0 && s->keys[at - 1].number > k->number; at--) s->keys[at] = s->keys[at - 1];
    s->keys[at] = *k;
    return 0;
}

/* NULL: not known. Lock held. */
static const struct data_key *key_find(const struct secrets *s, int64_t number)
{
    for (size_t i = s->n; i-- > 0;)
        if (s->keys[i].number == number) return &s->keys[i];
    return NULL;
}

/* Rows after `from` into the list; lock held for writing. */
static int keys_read(struct secrets *s, struct sql_tx *tx, int64_t from, struct error *e)
{
    struct sql_stmt *q;
    int rc =
        sql_prepare(tx, "select number, sealed, created_us from secret_key where number > $1 order by number", &q, e);
    if (rc) return rc;
    sql_bind_i64(q, 1, from);
    while ((rc = sql_step(q, e)) == 1) {
        struct data_key k = {.number = sql_i64(q, 0), .created_us = sql_i64(q, 2)};
        rc = key_open(&s->master, sql_str(q, 1), &k, e);
        if (!rc) rc = keys_add(s, &k);
        OPENSSL_cleanse(&k, sizeof k);
        if (rc) break;
    }
    sql_done(q);
    return rc;
}

static int64_t newest(const struct secrets *s)
{
    return s->n ? s->keys[s->n - 1].number : 0;
}

/* What other processes have added. Lock held for writing. */
static int keys_reload(struct secrets *s, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(s->db, false, &tx, e);
    if (rc) return rc;
    rc = keys_read(s, tx, newest(s), e);
    sql_rollback(tx);
    return rc;
}

static int insert_key(struct secrets *s, struct sql_tx *tx, const struct data_key *k, struct error *e)
{
    AUTO_ARENA a;
    struct str sealed;
    arena_init(&a, 4096);
    int rc = key_seal(s, &s->master, k, &a, &sealed, e);
    if (rc) return rc;
    return sql_exec(tx, e, "insert into secret_key(number, sealed, master, created_us) values($1, $2, $3, $4)", "issi",
                    k->number, sealed, str_of(s->master.note), k->created_us);
}

/* Lock held for writing. */
static int key_new(struct secrets *s, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(s->db, true, &tx, e);
    if (rc) return rc;
    rc = keys_read(s, tx, newest(s), e);
    struct data_key k = {.number = newest(s) + 1, .created_us = clock_now_us(s->clock)};
    s->rng->bytes(s->rng->ctx, k.key, KEY_BYTES);
    if (!rc && s->n >= KEYS_MAX)
        rc = error_set(e, ERR_LIMIT, "secret_key", "there are %d data keys already", "数据密钥已有 %d 个", KEYS_MAX);
    if (!rc) rc = insert_key(s, tx, &k, e);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    if (!rc) rc = keys_add(s, &k);
    OPENSSL_cleanse(&k, sizeof k);
    return rc;
}

int secrets_rotate(struct secrets *s, struct error *e)
{
    pthread_rwlock_wrlock(&s->lock);
    int rc = key_new(s, e);
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

/* ------------------------------------------------------------------ open and close */

static int read_note(struct secrets *s, char note[MASTER_NOTE_MAX], struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *q;
    *note = 0;
    int rc = sql_begin(s->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select master from secret_key order by number limit 1", &q, e);
    if (!rc) {
        rc = sql_step(q, e);
        if (rc == 1) rc = str_to_cstr(sql_str(q, 0), note, MASTER_NOTE_MAX) ? 0 : ERR_CORRUPT;
        sql_done(q);
    }
    sql_rollback(tx);
    return rc;
}

static int load(struct secrets *s, const struct secrets_config *cfg, struct error *e)
{
    char note[MASTER_NOTE_MAX];
    int rc = sql_migrate(s->db, "secret", migrations, sizeof migrations / sizeof *migrations, e);
    if (!rc) rc = read_note(s, note, e);
    if (!rc) rc = master_get(cfg, note, &s->master, e);
    if (!rc) rc = keys_reload(s, e);
    if (!rc && !s->n) rc = key_new(s, e);
    return rc;
}

int secrets_open(const struct secrets_config *cfg, struct secrets **ret, struct error *e)
{
    struct secrets *s = mem_calloc(1, sizeof *s);
    if (!s) return nomem(e);
    s->db = cfg->db;
    s->clock = cfg->clock;
    s->rng = cfg->rng;
    pthread_rwlock_init(&s->lock, NULL);
    int rc = load(s, cfg, e);
    if (rc)
        secrets_close(s);
    else
        *ret = s;
    return rc;
}

void secrets_close(struct secrets *s)
{
    if (!s) return;
    if (s->keys) OPENSSL_cleanse(s->keys, s->cap * sizeof *s->keys);
    mem_free(s->keys);
    pthread_rwlock_destroy(&s->lock);
    OPENSSL_cleanse(s, sizeof *s);
    mem_free(s);
}

/* ------------------------------------------------------------------ another master key */

static int reseal_keys(struct secrets *s, struct sql_tx *tx, const struct master *m, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    int rc = 0;
    for (size_t i = 0; i < s->n && !rc; i++) {
        struct str sealed;
        arena_reset(&a);
        rc = key_seal(s, m, &s->keys[i], &a, &sealed, e);
        if (!rc)
            rc = sql_exec(tx, e, "update secret_key set sealed = $2, master = $3 where number = $1", "iss",
                          s->keys[i].number, sealed, str_of(m->note));
    }
    return rc;
}

static int rekey(struct secrets *s, const struct master *m, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(s->db, true, &tx, e);
    if (rc) return rc;
    rc = keys_read(s, tx, newest(s), e);
    if (!rc) rc = reseal_keys(s, tx, m, e);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    if (!rc) s->master = *m;
    return rc;
}

/* The new key file is made (or read) and durable before the data keys move under it; the old one is not
 * touched: until the commit it is the valid one. */
int secrets_rekey(struct secrets *s, const struct secrets_config *to, struct error *e)
{
    struct master m;
    int rc = master_get(to, "", &m, e);
    if (rc) return rc;
    pthread_rwlock_wrlock(&s->lock);
    rc = rekey(s, &m, e);
    pthread_rwlock_unlock(&s->lock);
    OPENSSL_cleanse(&m, sizeof m);
    return rc;
}

/* ------------------------------------------------------------------ sealing */

static struct str bound_about(struct arena *a, int64_t number, struct str about)
{
    char *z = arena_printf(a, "s1 %lld %.*s", (long long)number, STR_ARG(about));
    return str_of(z);
}

int secret_seal(struct secrets *s, struct arena *a, struct str about, struct str plain, struct str *ret,
                struct error *e)
{
    if (!s) {
        *ret = plain.n ? arena_str(a, plain) : STR("");
        return ret->p ? 0 : nomem(e);
    }
    if (plain.n > PLAIN_MAX)
        return error_set(e, ERR_TOO_LARGE, "", "a secret is longer than %d bytes", "机密内容超过 %d 字节", PLAIN_MAX);
    struct data_key k;
    pthread_rwlock_rdlock(&s->lock);
    k = s->keys[s->n - 1];
    pthread_rwlock_unlock(&s->lock);
    struct str bound = bound_about(a, k.number, about);
    uint8_t *out = arena_alloc(a, plain.n + SEAL_EXTRA);
    int rc = bound.p && out ? cipher_seal(k.key, s->rng, bound, plain.p, plain.n, out) : nomem(e);
    OPENSSL_cleanse(&k.key, sizeof k.key);
    char prefix[40];
    snprintf(prefix, sizeof prefix, PREFIX "%lld$", (long long)k.number);
    return rc ? rc : encode(a, prefix, out, plain.n + SEAL_EXTRA, ret, e);
}

bool secret_is_sealed(struct str t)
{
    return str_starts(t, STR(PREFIX));
}

/* The number of the key and what follows it; only written the one way that seal writes it. */
static bool take_apart(struct str t, int64_t *ret_number, struct str *ret_text)
{
    char again[24];
    t = str_sub(t, sizeof PREFIX - 1, t.n);
    struct str number = str_cut(&t, '$');
    if (!t.p || str_to_i64(number, ret_number) || *ret_number < 1) return false;
    snprintf(again, sizeof again, "%lld", (long long)*ret_number);
    *ret_text = t;
    return str_is(number, again);
}

bool secret_is_current(struct secrets *s, struct str sealed)
{
    int64_t number = 0;
    struct str text;
    if (!s || !secret_is_sealed(sealed) || !take_apart(sealed, &number, &text)) return false;
    pthread_rwlock_rdlock(&s->lock);
    bool current = number == newest(s);
    pthread_rwlock_unlock(&s->lock);
    return current;
}

static int key_get(struct secrets *s, int64_t number, struct data_key *ret)
{
    pthread_rwlock_rdlock(&s->lock);
    const struct data_key *k = key_find(s, number);
    if (k) *ret = *k;
    pthread_rwlock_unlock(&s->lock);
    if (k) return 0;
    if (sql_dialect(s->db) == SQL_SQLITE) return ERR_CORRUPT; /* nobody else adds keys */
    pthread_rwlock_wrlock(&s->lock);
    int rc = keys_reload(s, NULL);
    k = key_find(s, number);
    if (k) *ret = *k;
    pthread_rwlock_unlock(&s->lock);
    return k ? 0 : rc ? rc : ERR_CORRUPT;
}

static int unseal(struct secrets *s, struct arena *a, struct str about, struct str sealed, struct str *ret)
{
    struct data_key k;
    struct str text, bound;
    uint8_t *bytes = NULL;
    size_t n = 0;
    if (!take_apart(sealed, &k.number, &text)) return ERR_CORRUPT;
    int rc = decode(a, text, &bytes, &n);
    bound = bound_about(a, k.number, about);
    char *out = rc ? NULL : arena_alloc(a, n - SEAL_EXTRA + 1);
    if (!rc && (!bound.p || !out)) rc = ERR_NOMEM;
    if (!rc) rc = key_get(s, k.number, &k);
    if (!rc) rc = cipher_open(k.key, bound, bytes, n, out);
    OPENSSL_cleanse(&k, sizeof k);
    if (!rc) *ret = str_make(out, n - SEAL_EXTRA);
    return rc;
}

int secret_unseal(struct secrets *s, struct arena *a, struct str about, struct str sealed, struct str *ret,
                  struct error *e)
{
    if (!s || !secret_is_sealed(sealed)) {
        *ret = sealed.n ? arena_str(a, sealed) : STR("");
        return ret->p ? 0 : nomem(e);
    }
    int rc = unseal(s, a, about, sealed, ret);
    if (rc == ERR_NOMEM) return nomem(e);
    return rc ? error_set(e, rc, "", "the secret of '%.*s' does not open: it was changed or moved here; enter it again",
                          "“%.*s”的机密内容无法打开：已被改动或移动；请重新输入", STR_ARG(str_sub(about, 0, 120)))
              : 0;
}

/* ------------------------------------------------------------------ what there is */

size_t secrets_keys(struct secrets *s, struct secret_key_info *ret, size_t max)
{
    pthread_rwlock_rdlock(&s->lock);
    size_t n = s->n;
    for (size_t i = 0; i < n && i < max; i++)
        ret[i] = (struct secret_key_info){.number = s->keys[i].number, .created_us = s->keys[i].created_us};
    pthread_rwlock_unlock(&s->lock);
    return n;
}

int64_t secret_key_number(struct str sealed)
{
    int64_t number = 0;
    struct str text;
    return secret_is_sealed(sealed) && take_apart(sealed, &number, &text) ? number : 0;
}

bool secrets_by_passphrase(struct secrets *s)
{
    pthread_rwlock_rdlock(&s->lock);
    bool by = strcmp(s->master.note, "file") != 0;
    pthread_rwlock_unlock(&s->lock);
    return by;
}
