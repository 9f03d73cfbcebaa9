/* auth_int.h - for auth.c, auth_users.c, auth_login.c, session.c and token.c only. */
#pragma once
#include <pthread.h>
#include "base/limits.h"
#include "core/auth/auth.h"
#include "core/auth/auth_backoff.h"
#include "core/auth/auth_map.h"

struct auth_role {
    const char *id, *code;
    struct permissions *may;
};
struct auth_user {
    const char *id, *login, *name;
    bool disabled, has_password;
    const char **roles; /* codes */
    size_t nroles;
    struct permissions *may; /* of all his roles */
};
/* Immutable; replaced as a whole. Strings live in its arena. */
struct auth_users {
    struct arena arena;
    struct auth_user *users; /* by id */
    size_t nusers, users_cap;
    struct auth_role *roles; /* by code */
    size_t nroles, roles_cap;
};
struct session {
    char id[37], user_id[37], peer[64], agent[160];
    uint8_t key[DIGEST];
    int64_t created_us, seen_us, saved_us;
};
struct token {
    char id[37], user_id[37];
    uint8_t key[DIGEST];
    char name[LIMIT_NAME + 1];
    char *roles_json; /* owned */
    int64_t created_us, expires_us, used_us, saved_us;
};
struct auth {
    struct kernel *kernel;
    struct sql *db;
    const struct clock *clock;
    const struct rng *rng;
    struct password_cost cost;
    char dummy_hash[PASSWORD_HASH_MAX]; /* for unknown users: the same work */
    pthread_mutex_t reload;             /* one reload at a time */
    pthread_mutex_t lock;               /* all below */
    struct auth_users *users;
    struct auth_map sessions, tokens;
    uint8_t link_key[DIGEST];
    int64_t link_until_us;  /* 0: none */
    struct backoff backoff; /* has its own lock */
};

void auth_digest(struct str secret, uint8_t ret[DIGEST]);
void auth_digest_hex(const uint8_t key[DIGEST], char ret[2 * DIGEST + 1]);
int auth_digest_parse(struct str hex, uint8_t ret[DIGEST]);
void auth_secret(const struct rng *r, char ret[AUTH_TOKEN_CHARS + 1]);

/* auth_users.c. The finders need the lock. */
MUST_CHECK int auth_users_load(struct auth *a, struct auth_users **ret, struct error *e);
void auth_users_free(struct auth_users *u);
const struct auth_user *auth_user_by_id(const struct auth *a, struct str id);
const struct auth_user *auth_user_by_login(const struct auth *a, struct str login);
const struct auth_role *auth_role_find(const struct auth_users *u, struct str id_or_code);
bool auth_is_admin(const struct permissions *p); /* may administer users */
MUST_CHECK int auth_roles_builtin(struct auth *a, struct error *e);
MUST_CHECK int auth_hooks_add(struct auth *a, struct error *e);
/* Fill *p (actor, name, roles) from a user; may: NULL = the user's own. */
MUST_CHECK int auth_principal(const struct auth_user *u, const struct permissions *may, struct arena *arena,
                              struct principal *p);

/* session.c, token.c */
MUST_CHECK int sessions_load(struct auth *a, struct error *e);
MUST_CHECK int tokens_load(struct auth *a, struct error *e);
MUST_CHECK int session_open(struct auth *a, struct str user_id, const struct auth_from *from,
                            char secret[AUTH_TOKEN_CHARS + 1], struct session *ret, struct error *e);
void sessions_drop_user(struct auth *a, struct str user_id, const char *keep); /* memory and SQL */
void tokens_drop_user(struct auth *a, struct str user_id);
MUST_CHECK int token_principal(struct auth *a, struct token *t, struct arena *arena,
                               struct principal *ret); /* under the lock */
void session_free(void *s);
void token_free(void *t);
