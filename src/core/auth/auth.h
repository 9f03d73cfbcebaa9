/* auth.h - who somebody is and what he may do: users and roles compiled from the resources, passwords,
 * sessions, API tokens, the one-time link.
 *
 * Everything that a request needs stands in memory under one lock that is never held over SQL or hashing,
 * so that auth_by_session and auth_by_token may run on a loop. SQL happens at start and on change; a
 * change takes effect in memory before the call that made it returns (revocation is immediate). Users and
 * roles are read again by the `changed` hooks of their kinds. Secrets are stored as digests only. */
#pragma once
#include "core/auth/auth_password.h"
#include "base/time.h"
#include "core/auth/auth_perm.h"
#include "core/resource.h"

struct auth;
#define AUTH_TOKEN_CHARS 43                            /* 32 random bytes in base64url */
#define AUTH_IDLE_US (12LL * 3600 * TIME_US_PER_S)     /* a session unused for so long ends */
#define AUTH_ABSOLUTE_US (7LL * 86400 * TIME_US_PER_S) /* and in any case after this */
#define AUTH_LINK_US (24LL * 3600 * TIME_US_PER_S)
#define AUTH_SESSIONS_MAX 20000
#define AUTH_SESSIONS_PER_USER 50 /* the one unused longest gives way */
#define AUTH_TOKENS_MAX 10000
#define AUTH_USERS_MAX 200000

struct auth_config {
    struct kernel *kernel;
    struct password_cost cost; /* all 0: the default */
};
/* Migrates its tables, creates the built-in roles where missing, loads all. The kinds user and role must
 * be registered. */
MUST_CHECK int auth_new(const struct auth_config *cfg, struct auth **ret, struct error *e);
void auth_free(struct auth *a);
int auth_reload(struct auth *a, struct error *e);  /* users, groups, roles, organisations, settings again */
int auth_refresh(struct auth *a, struct error *e); /* just what has changed since */
MUST_CHECK int auth_user_refresh(struct auth *a, struct str user_id, struct error *e);

/* Somebody recognised; everything lives in the arena given. */
struct principal {
    struct actor actor;
    char id[37];     /* of the session or token */
    uint8_t key[32]; /* and its digest, by which memory finds it */
    bool by_session, must_set_password;
    bool password_expired, must_add_factor; /* nothing else is allowed until that is done */
    bool second_factor;                     /* has one */
    int64_t expires_us;                     /* when it ends if unused; 0: never */
    struct str name;
    struct str *roles; /* codes */
    size_t nroles;
};
/* On any thread, also a loop. ERR_UNAUTHENTICATED; never blocks on SQL. */
MUST_CHECK int auth_by_session(struct auth *a, struct arena *arena, struct str token, struct principal *ret);
MUST_CHECK int auth_by_token(struct auth *a, struct arena *arena, struct str token, struct principal *ret);
/* The same for long-lived streams, whose asking counts as use: is it still good, and what may it now do? */
MUST_CHECK int auth_by_key(struct auth *a, struct arena *arena, const uint8_t key[32], bool session,
                           struct principal *ret);

/* Somebody by his id, with what he may now: for work done later on his behalf. ERR_NOT_FOUND: gone or
 * disabled. Any thread; never blocks on SQL. */
MUST_CHECK int auth_actor(struct auth *a, struct arena *arena, struct str user_id, struct actor *ret);
/* The same with what his API token may do now; ERR_NOT_FOUND also: the token is revoked or has expired. */
MUST_CHECK int auth_token_actor(struct auth *a, struct arena *arena, struct str user_id, struct str token_id,
                                struct actor *ret);
/* All users, until fn answers false: under the lock, so fn is quick and asks nothing of auth. */
struct auth_person {
    const char *id, *login, *org, *roles; /* roles: codes, comma-separated */
    bool disabled, service;
    const struct permissions *may;
};
MUST_CHECK int auth_users_each(struct auth *a, bool (*fn)(void *ctx, const struct auth_person *who), void *ctx);

/* Signing in; blocking (hash, SQL). `secret`: the new session's token. */
struct auth_from {
    const char *peer;
    struct str agent;
};
struct auth_try {
    struct str login, password, code; /* code: of the second factor, {NULL,0}: not given */
    struct auth_from from;
};
/* ERR_PRECONDITION: the password is right, a second factor is set and `code` is missing. */
MUST_CHECK int auth_login(struct auth *a, struct arena *arena, const struct auth_try *t,
                          char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, unsigned *ret_wait_s,
                          struct error *e);
MUST_CHECK int auth_login_link(struct auth *a, struct arena *arena, struct str link, const struct auth_from *from,
                               char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, struct error *e);
MUST_CHECK int auth_first_link(struct auth *a, char ret[65], struct error *e);
/* Passwords. own: checks `old` unless none is set. Other sessions of the user end. keep: session id or "". */
MUST_CHECK int auth_password_own(struct auth *a, const struct principal *who, struct str old, struct str new_,
                                 unsigned *ret_wait_s, struct error *e);
MUST_CHECK int auth_password_set(struct auth *a, struct str user_id, struct str password, const char *keep,
                                 struct error *e);

/* May `by` administer that user (id or login): ERR_NOT_FOUND when he may not even see him, ERR_FORBIDDEN when
 * he may not, or when the user has rights that he has not himself and may not give. */
MUST_CHECK int auth_may_manage(struct auth *a, const struct actor *by, struct str user, char ret_id[37],
                               struct error *e);
MUST_CHECK int auth_unlock(struct auth *a, const char *user_id, struct error *e);
MUST_CHECK int auth_sign_out(struct auth *a, const char *user_id, struct error *e);

/* Signing in at an OpenID provider (kind oidc_provider). begin: where to send the browser, and a secret for
 * its cookie; finish: with what came back. Blocking HTTP. */
struct auth_answer {
    struct str provider, state, code, issuer, error, browser; /* browser: of the cookie */
    struct auth_from from;
};
MUST_CHECK int auth_oidc_begin(struct auth *a, struct arena *arena, struct str provider, struct str own_url,
                               struct str *ret_url, char ret_browser[AUTH_TOKEN_CHARS + 1], struct error *e);
MUST_CHECK int auth_oidc_finish(struct auth *a, struct arena *arena, const struct auth_answer *in,
                                char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, struct error *e);

/* Second factor: TOTP and ten codes of recovery. begin gives a new secret (base32) that counts from its
 * confirmation on. */
#define AUTH_RECOVERY 10
#define AUTH_RECOVERY_CHARS 14 /* xxxx-xxxx-xxxx */
MUST_CHECK int auth_totp_begin(struct auth *a, struct arena *arena, const struct principal *who, struct str *ret_secret,
                               struct str *ret_uri, struct error *e);
MUST_CHECK int auth_totp_confirm(struct auth *a, const struct principal *who, struct str code,
                                 char ret[AUTH_RECOVERY][AUTH_RECOVERY_CHARS + 1], unsigned *ret_wait_s,
                                 struct error *e);
MUST_CHECK int auth_totp_remove(struct auth *a, const struct principal *who, struct str code, unsigned *ret_wait_s,
                                struct error *e);
MUST_CHECK int auth_totp_drop(struct auth *a, const char *user_id, struct error *e); /* by an administrator */

/* What the pages of users show beside the resource. */
struct auth_state {
    char id[37];
    struct str login;
    int64_t locked_us, password_us, seen_us;
    unsigned failures, sessions, tokens;
    bool second_factor, needs_second_factor, external;
};
MUST_CHECK int auth_states(struct auth *a, struct arena *arena, const struct actor *by, struct auth_state **ret,
                           size_t *ret_n);
/* Who may what and why, as JSON (docs/api.md). */
MUST_CHECK int auth_explain(struct auth *a, struct arena *arena, const struct actor *by, struct str user,
                            struct buf *out, struct error *e);
struct auth_question {
    struct str user, kind, action, org, field;
};
MUST_CHECK int auth_ask(struct auth *a, struct arena *arena, const struct actor *by, const struct auth_question *q,
                        struct buf *out, struct error *e);
MUST_CHECK int auth_matrix(struct auth *a, bool zh, struct buf *out, struct error *e);
MUST_CHECK int auth_orgs_tree(struct auth *a, struct arena *arena, const struct actor *by, struct buf *out,
                              struct error *e);

/* Sessions. user_id {NULL,0}: of all. */
struct session_info {
    char id[37], user_id[37], login[64], peer[64];
    struct str agent;
    int64_t created_us, seen_us, expires_us;
};
/* Own ones, and those of users that `by` administers. */
MUST_CHECK int auth_sessions(struct auth *a, struct arena *arena, const struct actor *by, struct session_info **ret,
                             size_t *ret_n);
MUST_CHECK int auth_session_kill(struct auth *a, struct str id, const struct actor *by, struct error *e);
int64_t auth_session_seconds(struct auth *a); /* the longest life of a session, for its cookie */
void auth_seen(struct auth *a, const uint8_t key[32], bool session); /* worker: persists the use when due */

/* API tokens. */
struct token_info {
    char id[37], user_id[37], login[64], created_by[64];
    struct str name;
    const struct json *roles, *orgs;
    int64_t created_us, expires_us, used_us; /* 0: never */
};
struct token_request {
    const struct principal *by;
    struct str name, user; /* user: whose, id or login; {NULL,0}: one's own */
    const struct json *roles, *orgs;
    int64_t expires_us;
};
MUST_CHECK int auth_token_create(struct auth *a, struct arena *arena, const struct token_request *q, char ret_id[37],
                                 char secret[AUTH_TOKEN_CHARS + 4], struct error *e);
MUST_CHECK int auth_tokens(struct auth *a, struct arena *arena, const struct actor *by, struct token_info **ret,
                           size_t *ret_n);
MUST_CHECK int auth_token_delete(struct auth *a, struct str id, const struct actor *by, struct error *e);
