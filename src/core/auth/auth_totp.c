/* auth_totp.c - second factors: secrets sealed in the table, codes used once, recovery codes as digests.
 *
 * That a code is used up is decided by the update of its row, so that two requests, or two processes, with
 * the same code cannot both pass. Wrong codes make the next attempt wait, as wrong passwords do. */
#include "base/mem.h"
#include "core/auth/auth_int.h"
#include "core/auth/totp.h"
#include "core/secret.h"

struct factor {
    uint8_t secret[TOTP_SECRET];
    int64_t confirmed_us, last_step;
};

static struct str about(struct arena *arena, const char *user_id)
{
    return str_of(arena_printf(arena, "totp:%s", user_id));
}

static int open_secret(struct auth *a, struct arena *arena, const char *user_id, struct str sealed, struct factor *ret,
                       struct error *e)
{
    struct str text;
    size_t n = 0;
    int rc = secret_unseal(kernel_secrets(a->kernel), arena, about(arena, user_id), sealed, &text, e);
    if (!rc) rc = base32_decode(text, ret->secret, sizeof(ret->secret), &n);
    if (!rc && n != TOTP_SECRET) rc = ERR_CORRUPT;
    if (rc == ERR_INVALID)
        rc = error_set(e, ERR_CORRUPT, "", "the stored second factor is damaged", "存储的双因素密钥已损坏");
    return rc;
}

/* ERR_NOT_FOUND: there is none. */
static int read_factor(struct auth *a, const char *user_id, struct factor *ret, struct error *e)
{
    AUTO_ARENA arena;
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    arena_init(&arena, 1 << 16);
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select secret, confirmed_us, last_step from api_second_factor where user_id = $1", &s, e);
    if (!rc) sql_bind_str(s, 1, str_of(user_id));
    if (!rc) rc = sql_step(s, e);
    struct str sealed = rc == 1 ? arena_str(&arena, sql_str(s, 0)) : STR_NULL;
    if (rc == 1) {
        ret->confirmed_us = sql_i64(s, 1);
        ret->last_step = sql_i64(s, 2);
    }
    sql_done(s);
    sql_rollback(tx);
    if (rc == 0) return error_set(e, ERR_NOT_FOUND, "", "no second factor has been set up", "尚未设置双因素认证");
    return rc == 1 ? open_secret(a, &arena, user_id, sealed, ret, e) : rc;
}

/* One updating statement; *ret: it changed a row. */
static int take(struct auth *a, struct error *e, const char *text, int64_t value, const char *user_id, struct str key,
                bool *ret)
{
    struct sql_tx *tx = NULL;
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = key.p ? sql_exec(tx, e, text, "iss", value, str_of(user_id), key)
               : sql_exec(tx, e, text, "is", value, str_of(user_id));
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    *ret = sql_changes(tx) == 1;
    return sql_commit(tx, e);
}

static void recovery_hash(struct str code, char ret[2 * DIGEST + 1])
{
    char plain[32];
    size_t n = 0;
    uint8_t key[DIGEST];
    for (size_t i = 0; i < code.n && n < sizeof(plain); i++) {
        char c = code.p[i];
        if (c == '-' || c == ' ') continue;
        plain[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    auth_digest(str_make(plain, n), key);
    auth_digest_hex(key, ret);
}

static int wrong_code(struct error *e)
{
    return error_set(e, ERR_UNAUTHENTICATED, "code", "the code is wrong, has run out, or has been used already",
                     "验证码错误、已过期或已使用");
}

static int use_code(struct auth *a, const char *user_id, const struct factor *f, struct str code, struct error *e)
{
    bool taken = false;
    uint64_t step = totp_check(f->secret, sizeof(f->secret), code, clock_now_us(a->clock), (uint64_t)f->last_step);
    if (!step) return wrong_code(e);
    int rc = take(a, e, "update api_second_factor set last_step = $1 where user_id = $2 and last_step < $1",
                  (int64_t)step, user_id, STR_NULL, &taken);
    return rc || taken ? rc : wrong_code(e);
}

int auth_second_step(struct auth *a, const char *user_id, struct str code, struct error *e)
{
    struct factor f;
    char hash[2 * DIGEST + 1];
    bool taken = false;
    int rc = read_factor(a, user_id, &f, e);
    if (rc) return rc;
    rc = use_code(a, user_id, &f, code, e);
    if (rc != ERR_UNAUTHENTICATED || code.n < 12) return rc;
    recovery_hash(code, hash);
    rc = take(a, e, "update api_recovery set used_us = $1 where user_id = $2 and hash = $3 and used_us = 0",
              clock_now_us(a->clock), user_id, str_of(hash), &taken);
    return rc || taken ? rc : wrong_code(e);
}

int auth_totp_begin(struct auth *a, struct arena *arena, const struct principal *who, struct str *ret_secret,
                    struct str *ret_uri, struct error *e)
{
    uint8_t raw[TOTP_SECRET];
    struct buf text, uri;
    struct str sealed;
    if (who->second_factor)
        return error_set(e, ERR_EXISTS, "", "a second factor is set already; remove it first",
                         "已启用双因素认证，请先解除");
    a->rng->bytes(a->rng->ctx, raw, sizeof(raw));
    buf_init(&text, 64);
    buf_init(&uri, 512);
    base32_encode(&text, raw, sizeof(raw));
    *ret_secret = arena_str(arena, buf_view(&text));
    buf_printf(&uri, "otpauth://totp/Bornite:%s?secret=%.*s&issuer=Bornite", who->actor.login, STR_ARG(*ret_secret));
    *ret_uri = arena_str(arena, buf_view(&uri));
    buf_fini(&text);
    buf_fini(&uri);
    if (!ret_secret->p || !ret_uri->p) return ERR_NOMEM;
    int rc = secret_seal(kernel_secrets(a->kernel), arena, about(arena, who->actor.user_id), *ret_secret, &sealed, e);
    if (rc) return rc;
    return auth_sql(a, e,
                    "insert into api_second_factor(user_id, secret, created_us, confirmed_us, last_step)"
                    " values($1, $2, $3, 0, 0) on conflict(user_id) do update set secret = excluded.secret,"
                    " created_us = excluded.created_us, confirmed_us = 0, last_step = 0",
                    "ssi", str_of(who->actor.user_id), sealed, clock_now_us(a->clock));
}

static int wait_for(struct auth *a, const struct principal *who, unsigned *ret_wait_s, struct error *e)
{
    *ret_wait_s = backoff_wait(&a->backoff, "totp", str_of(who->actor.user_id), clock_mono_ns(a->clock));
    if (!*ret_wait_s) return 0;
    return error_set(e, ERR_LIMIT, "", "too many wrong codes; try again in %u s",
                     "验证码错误次数过多，请在 %u 秒后重试", *ret_wait_s);
}

static int checked(struct auth *a, const struct principal *who, int rc, struct error *e)
{
    if (rc != ERR_UNAUTHENTICATED) return rc;
    backoff_failed(&a->backoff, "totp", str_of(who->actor.user_id), clock_mono_ns(a->clock));
    if (e) e->code = ERR_INVALID; /* he is signed in; just the code is wrong */
    return ERR_INVALID;
}

static void make_recovery(struct auth *a, char ret[AUTH_RECOVERY][AUTH_RECOVERY_CHARS + 1])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* none that look alike */
    for (size_t i = 0; i < AUTH_RECOVERY; i++) {
        uint8_t raw[AUTH_RECOVERY_CHARS];
        a->rng->bytes(a->rng->ctx, raw, sizeof(raw));
        for (size_t k = 0; k < AUTH_RECOVERY_CHARS; k++) ret[i][k] = k % 5 == 4 ? '-' : letters[raw[k] & 31];
        ret[i][AUTH_RECOVERY_CHARS] = 0;
    }
}

static int store_recovery(struct auth *a, const char *user_id, char codes[AUTH_RECOVERY][AUTH_RECOVERY_CHARS + 1],
                          struct error *e)
{
    struct sql_tx *tx = NULL;
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "update api_second_factor set confirmed_us = $1 where user_id = $2", "is",
                  clock_now_us(a->clock), str_of(user_id));
    if (!rc) rc = sql_exec(tx, e, "delete from api_recovery where user_id = $1", "s", str_of(user_id));
    for (size_t i = 0; i < AUTH_RECOVERY && !rc; i++) {
        char hash[2 * DIGEST + 1];
        recovery_hash(str_of(codes[i]), hash);
        rc = sql_exec(tx, e, "insert into api_recovery(user_id, hash, used_us) values($1, $2, 0)", "ss",
                      str_of(user_id), str_of(hash));
    }
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, e);
}

int auth_totp_confirm(struct auth *a, const struct principal *who, struct str code,
                      char ret[AUTH_RECOVERY][AUTH_RECOVERY_CHARS + 1], unsigned *ret_wait_s, struct error *e)
{
    struct factor f;
    int rc = wait_for(a, who, ret_wait_s, e);
    if (!rc) rc = read_factor(a, who->actor.user_id, &f, e);
    if (!rc && f.confirmed_us)
        rc = error_set(e, ERR_EXISTS, "", "the second factor is confirmed already", "双因素认证已启用");
    if (!rc) rc = checked(a, who, use_code(a, who->actor.user_id, &f, code, e), e);
    if (rc) return rc;
    make_recovery(a, ret);
    rc = store_recovery(a, who->actor.user_id, ret, e);
    return rc ? rc : auth_user_refresh(a, str_of(who->actor.user_id), e);
}

int auth_totp_drop(struct auth *a, const char *user_id, struct error *e)
{
    int rc = auth_sql(a, e, "delete from api_recovery where user_id = $1", "s", str_of(user_id));
    if (!rc) rc = auth_sql(a, e, "delete from api_second_factor where user_id = $1", "s", str_of(user_id));
    return rc ? rc : auth_user_refresh(a, str_of(user_id), e);
}

int auth_totp_remove(struct auth *a, const struct principal *who, struct str code, unsigned *ret_wait_s,
                     struct error *e)
{
    int rc = wait_for(a, who, ret_wait_s, e);
    if (!rc) rc = checked(a, who, auth_second_step(a, who->actor.user_id, code, e), e);
    return rc ? rc : auth_totp_drop(a, who->actor.user_id, e);
}
