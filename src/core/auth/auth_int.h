/* auth_int.h - for the files of this folder only (not auth_perm, auth_compile, auth_password, auth_backoff).
 *
 * Rules (roles, groups, organisations, settings) are one immutable snapshot, replaced as a whole when one of
 * them changes. Users stand beside it, one block each, replaced one by one. What a user may do is compiled
 * when it is first asked for and kept until he or the rules change. */
#pragma once
#include <pthread.h>
#include "base/limits.h"
#include "core/auth/auth.h"
#include "core/auth/auth_backoff.h"
#include "core/auth/auth_map.h"

#define AUTH_ORGS_MAX 20000
#define AUTH_DEPTH_MAX 32 /* levels of organisations */

struct auth_role {
    const char *id, *code, *name, *name_zh;
    const struct json *permissions; /* array or NULL */
};
struct auth_org {
    const char *id; /* lives as long as the auth */
    const char *code, *name, *type;
    int parent; /* index, -1: none */
};
struct auth_group {
    const char *id, *code;
    const struct json *roles, *grants, *external; /* arrays or NULL */
};
struct auth_member {
    const char *user_id;
    size_t group;
};
struct auth_mapping { /* of an identity provider or a directory: its group -> role here */
    const char *provider, *group, *role;
    const struct json *orgs;
};
struct auth_settings {
    int64_t password_length, password_classes, password_history, password_days;
    const struct json *password_forbidden;
    int64_t lock_count, lock_minutes, idle_us, absolute_us, session_count, token_days;
    const struct json *second_factor_roles;
    bool separate_admins;
};
struct auth_rules {
    struct arena arena;
    struct auth_role *roles; /* by code */
    size_t nroles, roles_cap;
    struct auth_group *groups; /* by code */
    size_t ngroups, groups_cap;
    struct auth_member *members; /* by user */
    size_t nmembers, members_cap;
    struct auth_org *orgs; /* by id */
    struct str *org_ids;   /* the same ids */
    size_t norgs, orgs_cap;
    struct auth_mapping *mappings;
    size_t nmappings, mappings_cap;
    struct auth_settings settings;
    uint64_t generation;
};
struct auth_user {
    char id[37], org[37];
    char *login, *name;
    char *access;   /* {"roles","grants","groups"} of his spec as JSON */
    char *external; /* {"provider","groups"} of his last sign-in from outside, or NULL */
    bool disabled, service, has_password, has_totp;
    int64_t password_us; /* when the password was set */
    unsigned failures;   /* wrong passwords in a row */
    int64_t locked_us;   /* until then; 0: not */
    uint64_t stamp;      /* of this version of him */
    /* compiled; valid while `compiled` equals the rules' generation */
    uint64_t compiled;
    struct permissions *may;
    char *roles; /* codes, comma-separated */
    char *role_ids; /* the same by id */
    bool needs_totp;
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
    char *roles_json, *orgs_json; /* owned; orgs_json "[]": no limit */
    char created_by[64];
    int64_t created_us, expires_us, used_us, saved_us;
    uint64_t compiled, stamp;
    struct permissions *may;
};
struct auth {
    struct kernel *kernel;
    struct sql *db;
    const struct clock *clock;
    const struct rng *rng;
    struct password_cost cost;
    char dummy_hash[PASSWORD_HASH_MAX]; /* for unknown users: the same work */
    pthread_mutex_t reload;             /* one reload at a time; guards seq, org_arena */
    int64_t seq;                        /* changes up to here are known */
    struct arena org_arena;             /* ids of organisations, kept */
    pthread_mutex_t lock;               /* all below */
    struct auth_rules *rules;
    struct auth_map users, logins; /* id, login -> struct auth_user; `users` owns */
    struct auth_map sessions, tokens;
    uint64_t generation, stamp;
    uint8_t link_key[DIGEST];
    int64_t link_until_us;   /* 0: none */
    struct backoff backoff;  /* has its own lock */
    struct pending *pending; /* sign-ins begun at providers; under the lock */
    size_t npending;
    struct auth_peers *peers; /* NULL: the database has one process */
};

void auth_digest(struct str secret, uint8_t ret[DIGEST]);
void auth_digest_hex(const uint8_t key[DIGEST], char ret[2 * DIGEST + 1]);
int auth_digest_parse(struct str hex, uint8_t ret[DIGEST]);
void auth_secret(const struct rng *r, char ret[AUTH_TOKEN_CHARS + 1]);
/* One statement in a transaction of its own. */
#define auth_sql(a, e, ...) \
    ({ \
        struct sql_tx *tx_ = NULL; \
        int rc_ = sql_begin((a)->db, true, &tx_, e); \
        if (!rc_) { \
            rc_ = sql_exec(tx_, e, __VA_ARGS__); \
            if (rc_) \
                sql_rollback(tx_); \
            else \
                rc_ = sql_commit(tx_, e); \
        } \
        rc_; \
    })

/* auth_rules.c */
MUST_CHECK int auth_rules_load(struct auth *a, struct auth_rules **ret, struct error *e); /* under `reload` */
void auth_rules_free(struct auth_rules *r);
const struct auth_role *auth_role_find(const struct auth_rules *r, struct str id_or_code);
const struct auth_group *auth_group_find(const struct auth_rules *r, struct str id_or_code);
const struct auth_org *auth_org_find(const struct auth_rules *r, struct str id_or_code);
/* Bits of the organisations named in `refs` and all below; NULL when out of memory. */
uint64_t *auth_orgs_expand(const struct auth_rules *r, const struct json *refs, struct arena *arena);
static inline size_t auth_words(const struct auth_rules *r)
{
    return (r->norgs + 63) / 64;
}
bool auth_refs_have(const struct json *refs, const char *id, const char *code);

/* auth_access.c: what a user or token is given, and by what. Under the lock, or with rules of one's own. */
struct access_item {
    const struct auth_role *role;
    const struct json *orgs;      /* references; NULL: everywhere */
    const struct auth_group *via; /* NULL: the user himself */
    const char *provider;         /* of a mapping, or NULL */
};
MUST_CHECK int access_items(const struct auth_rules *r, const char *user_id, const struct json *access,
                            const struct json *external, struct arena *arena, struct access_item **ret, size_t *ret_n);
MUST_CHECK int access_rows(const struct auth_rules *r, const struct access_item *items, size_t n,
                           struct perm_rows *rows);
MUST_CHECK int user_items(const struct auth *a, const struct auth_user *u, struct arena *arena,
                          struct access_item **ret, size_t *ret_n);
MUST_CHECK int user_compile(struct auth *a, struct auth_user *u);
MUST_CHECK int token_compile(struct auth *a, struct token *t, struct auth_user *u);
/* What a spec of a user (with the groups that name user_id) or of a group (user_id "") gives. */
MUST_CHECK int spec_permissions(const struct auth *a, const char *user_id, const struct json *spec,
                                struct permissions **ret);
bool auth_is_admin(const struct permissions *p); /* may administer users */

/* auth_users.c. The finders need the lock. */
MUST_CHECK int auth_users_load(struct auth *a, struct error *e); /* all; under `reload` */
MUST_CHECK int auth_user_load(struct auth *a, struct str id, struct error *e);
void auth_users_free(struct auth *a);
struct auth_user *auth_user_by_id(const struct auth *a, struct str id);
struct auth_user *auth_user_by_login(const struct auth *a, struct str login);
struct auth_user *auth_user_find(const struct auth *a, struct str id_or_login);
/* His own, or of somebody whom `by` administers. */
bool auth_sees(const struct auth *a, const struct actor *by, const char *user_id);
/* Fill *p (actor, name, roles) from a user; may: NULL = the user's own. */
MUST_CHECK int auth_principal(struct auth *a, struct auth_user *u, const struct permissions *may, struct arena *arena,
                              struct principal *p);

/* auth_login.c */
struct auth_known { /* what a sign-in needs of a user, copied */
    char id[37], login[64];
    bool usable, locked, has_totp, has_password;
};
void auth_known(struct auth *a, struct str login, struct auth_known *ret);
void auth_failed(struct auth *a, const struct auth_known *u, struct str login, const char *peer);
void auth_succeeded(struct auth *a, const struct auth_known *u, struct str login);
/* auth_totp.c: a code of the user's second factor or one of recovery, used up by it; ERR_UNAUTHENTICATED. */
MUST_CHECK int auth_second_step(struct auth *a, const char *user_id, struct str code, struct error *e);

/* auth_outside.c, auth_oidc.c, auth_ldap.c */
struct auth_outside { /* somebody recognised elsewhere */
    struct str provider, subject, login, name, email, org;
    const struct json *groups; /* list of texts */
    bool create;
};
MUST_CHECK int auth_outside_user(struct auth *a, struct arena *arena, const struct auth_outside *who, char ret_id[37],
                                 struct error *e);
void auth_oidc_fini(struct auth *a);
/* By the directories, in order of their codes. ERR_UNAUTHENTICATED: none knows that login and password. */
MUST_CHECK int auth_ldap_login(struct auth *a, struct arena *arena, struct str login, struct str password,
                               char ret_user[37], struct error *e);
/* `pattern` with every `mark` replaced by the escaped value. */
char *auth_ldap_filter(struct arena *arena, struct str pattern, struct str mark, struct str value);

/* auth_hooks.c, auth_roles.c */
MUST_CHECK int auth_hooks_add(struct auth *a, struct error *e);
/* With his groups from outside; true where duties are not separate. */
bool auth_user_separate(struct auth *a, const char *user_id);
MUST_CHECK int auth_roles_builtin(struct auth *a, struct error *e);
MUST_CHECK int auth_settings_builtin(struct auth *a, struct error *e); /* with their defaults, when missing */

/* session.c, token.c */
MUST_CHECK int sessions_load(struct auth *a, struct error *e);
MUST_CHECK int sessions_fetch(struct auth *a, struct error *e); /* adds those that are not known */
MUST_CHECK int tokens_load(struct auth *a, struct error *e);
MUST_CHECK int session_open(struct auth *a, struct str user_id, const struct auth_from *from,
                            char secret[AUTH_TOKEN_CHARS + 1], struct session *ret, struct error *e);
void sessions_drop_user(struct auth *a, struct str user_id, const char *keep); /* memory and SQL */
void tokens_drop_user(struct auth *a, struct str user_id);
MUST_CHECK int token_principal(struct auth *a, struct token *t, struct arena *arena,
                               struct principal *ret); /* under the lock */
void session_free(void *s);
void token_free(void *t);

/* auth_peers.c */
MUST_CHECK int auth_peers_start(struct auth *a, struct error *e);
void auth_peers_stop(struct auth *a);
