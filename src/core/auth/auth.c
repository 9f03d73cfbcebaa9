/* auth.c - see auth.h: the tables, start and end, and the digests. */
#include "core/auth/auth_int.h"
#include <openssl/sha.h>
#include "base/encode.h"
#include "base/mem.h"

static const struct sql_migration migrations[] = {
    {1, "create table api_credential(user_id text primary key, hash text not null, changed_us bigint not null);"
        "create table api_session(id text primary key, hash text not null unique, user_id text not null,"
        " created_us bigint not null, seen_us bigint not null, peer text not null, agent text not null);"
        "create index api_session_user on api_session(user_id);"
        "create table api_token(id text primary key, hash text not null unique, user_id text not null,"
        " name text not null, roles text not null, created_us bigint not null, expires_us bigint not null,"
        " used_us bigint not null);"
        "create index api_token_user on api_token(user_id);"},
    {2, "create table api_second_factor(user_id text primary key, secret text not null, created_us int not null,"
        " confirmed_us int not null, last_step int not null) strict;"
        "create table api_recovery(user_id text not null, hash text not null, used_us int not null,"
        " primary key(user_id, hash)) strict;"
        "create table api_password_old(user_id text not null, at_us int not null, hash text not null,"
        " primary key(user_id, at_us)) strict;"
        "create table api_lock(user_id text primary key, failures int not null, locked_us int not null) strict;"
        "create table api_external(user_id text primary key, provider text not null, subject text not null,"
        " groups text not null, at_us int not null) strict;"
        "create unique index api_external_subject on api_external(provider, subject);"
        "alter table api_token add column orgs text not null default '[]';"
        "alter table api_token add column created_by text not null default '';"},
};

void auth_digest(struct str secret, uint8_t ret[DIGEST])
{
    SHA256((const unsigned char *)secret.p, secret.n, ret);
}

void auth_digest_hex(const uint8_t key[DIGEST], char ret[2 * DIGEST + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST; i++) {
        ret[2 * i] = digits[key[i] >> 4];
        ret[2 * i + 1] = digits[key[i] & 15];
    }
    ret[2 * DIGEST] = 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int auth_digest_parse(struct str hex, uint8_t ret[DIGEST])
{
    if (hex.n != 2 * DIGEST) return ERR_CORRUPT;
    for (size_t i = 0; i < DIGEST; i++) {
        int hi = nibble(hex.p[2 * i]), lo = nibble(hex.p[2 * i + 1]);
        if (hi < 0 || lo < 0) return ERR_CORRUPT;
        ret[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

void auth_secret(const struct rng *r, char ret[AUTH_TOKEN_CHARS + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t raw[33] = {0}; /* 32 bytes, padded to a multiple of three */
    r->bytes(r->ctx, raw, 32);
    for (size_t i = 0; i < AUTH_TOKEN_CHARS; i++) {
        size_t at = i / 4 * 3;
        uint32_t v = (uint32_t)raw[at] << 16 | (uint32_t)raw[at + 1] << 8 | raw[at + 2];
        ret[i] = digits[v >> (18 - 6 * (i % 4)) & 63];
    }
    ret[AUTH_TOKEN_CHARS] = 0;
}

static int reload_rules(struct auth *a, struct error *e)
{
    struct auth_rules *fresh = NULL;
    int rc = auth_rules_load(a, &fresh, e);
    if (rc) return rc;
    pthread_mutex_lock(&a->lock);
    struct auth_rules *old = a->rules;
    fresh->generation = ++a->generation;
    a->rules = fresh;
    pthread_mutex_unlock(&a->lock);
    auth_rules_free(old);
    return 0;
}

/* Under `reload`. */
static int reload_all(struct auth *a, struct error *e)
{
    int64_t seq = kernel_seq(a->kernel);
    int rc = reload_rules(a, e);
    if (!rc) rc = auth_users_load(a, e);
    if (!rc) a->seq = seq;
    return rc;
}

int auth_reload(struct auth *a, struct error *e)
{
    pthread_mutex_lock(&a->reload);
    int rc = reload_all(a, e);
    pthread_mutex_unlock(&a->reload);
    return rc;
}

#define CHANGES_AT_ONCE 1000 /* more: all is read again */

struct gone {
    char (*ids)[37];
    size_t n;
};

static int take_change(struct auth *a, const struct change *c, bool *rules, struct gone *gone, struct error *e)
{
    if (!perm_people(c->kind)) return 0;
    if (!str_is(c->kind, "user")) {
        *rules = true;
        return 0;
    }
    int rc = auth_user_load(a, c->id, e);
    pthread_mutex_lock(&a->lock);
    const struct auth_user *u = auth_user_by_id(a, c->id);
    if (!u || u->disabled) str_to_cstr(c->id, gone->ids[gone->n++], 37);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static int refresh(struct auth *a, struct arena *arena, struct gone *gone, struct error *e)
{
    struct change *c = NULL;
    size_t n = 0;
    bool rules = false;
    int rc = kernel_changes(a->kernel, arena, a->seq, CHANGES_AT_ONCE, &c, &n, e);
    if (rc == ERR_RANGE || n == CHANGES_AT_ONCE) return reload_all(a, e);
    gone->ids = arena_alloc(arena, (n + 1) * sizeof(*gone->ids));
    if (!rc && !gone->ids) rc = ERR_NOMEM;
    for (size_t i = 0; i < n && !rc; i++) rc = take_change(a, &c[i], &rules, gone, e);
    if (!rc && rules) rc = reload_rules(a, e);
    if (!rc && n) a->seq = c[n - 1].seq;
    return rc;
}

/* Who is gone or disabled is signed out; those that came by reload_all are not usable anyway. */
int auth_refresh(struct auth *a, struct error *e)
{
    AUTO_ARENA arena;
    struct gone gone = {0};
    arena_init(&arena, 8 << 20);
    pthread_mutex_lock(&a->reload);
    int rc = refresh(a, &arena, &gone, e);
    pthread_mutex_unlock(&a->reload);
    for (size_t i = 0; i < gone.n; i++) {
        sessions_drop_user(a, str_of(gone.ids[i]), "");
        pthread_mutex_lock(&a->lock);
        bool there = auth_user_by_id(a, str_of(gone.ids[i])) != NULL;
        pthread_mutex_unlock(&a->lock);
        if (!there) tokens_drop_user(a, str_of(gone.ids[i]));
    }
    return rc;
}

int auth_user_refresh(struct auth *a, struct str user_id, struct error *e)
{
    pthread_mutex_lock(&a->reload);
    int rc = auth_user_load(a, user_id, e);
    pthread_mutex_unlock(&a->reload);
    return rc;
}

static void init(struct auth *a, const struct auth_config *cfg)
{
    a->kernel = cfg->kernel;
    a->db = kernel_sql(cfg->kernel);
    a->clock = kernel_clock(cfg->kernel);
    a->rng = kernel_rng(cfg->kernel);
    a->cost = cfg->cost.memory_kib ? cfg->cost : (struct password_cost){19456, 2, 1};
    auth_map_init(&a->sessions, AUTH_SESSIONS_MAX);
    auth_map_init(&a->tokens, AUTH_TOKENS_MAX);
    auth_map_init(&a->users, AUTH_USERS_MAX);
    auth_map_init(&a->logins, AUTH_USERS_MAX);
    arena_init(&a->org_arena, 64 << 20);
    backoff_init(&a->backoff);
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->reload, NULL);
}

static int load(struct auth *a, struct error *e)
{
    int rc = sql_migrate(a->db, "auth", migrations, sizeof(migrations) / sizeof(migrations[0]), e);
    if (!rc) rc = password_hash(&a->cost, a->rng, STR("nobody has this password"), a->dummy_hash);
    if (!rc) rc = auth_roles_builtin(a, e);
    if (!rc) rc = auth_settings_builtin(a, e);
    if (!rc) rc = auth_reload(a, e);
    if (!rc) rc = sessions_load(a, e);
    if (!rc) rc = tokens_load(a, e);
    if (!rc) rc = auth_hooks_add(a, e);
    if (!rc) rc = auth_peers_start(a, e);
    return rc;
}

int auth_new(const struct auth_config *cfg, struct auth **ret, struct error *e)
{
    struct auth *a = mem_calloc(1, sizeof(*a));
    if (!a) return ERR_NOMEM;
    init(a, cfg);
    int rc = load(a, e);
    if (rc) {
        auth_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

void auth_free(struct auth *a)
{
    if (!a) return;
    auth_peers_stop(a);
    auth_map_fini(&a->sessions, session_free);
    auth_map_fini(&a->tokens, token_free);
    auth_oidc_fini(a);
    auth_users_free(a);
    auth_rules_free(a->rules);
    arena_fini(&a->org_arena);
    backoff_fini(&a->backoff);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->reload);
    mem_free(a);
}
