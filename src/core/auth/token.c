/* token.c - API tokens: "bn_" and 32 random bytes; only the digest is kept. A token allows what its
 * roles allow and its owner is allowed now, so that what is taken from the owner is taken from it. */
#include "core/auth/auth_int.h"
#include "base/mem.h"

#define PREFIX "bn_"
#define PREFIX_N 3

void token_free(void *p)
{
    struct token *t = p;
    mem_free(t->roles_json);
    mem_free(t);
}

static int take_row(struct auth *a, struct sql_stmt *st)
{
    struct token *t = mem_calloc(1, sizeof(*t));
    if (!t) return ERR_NOMEM;
    str_to_cstr(sql_str(st, 0), t->id, sizeof(t->id));
    str_to_cstr(sql_str(st, 2), t->user_id, sizeof(t->user_id));
    str_to_cstr(sql_str(st, 3), t->name, sizeof(t->name));
    struct str roles = sql_str(st, 4);
    t->roles_json = mem_calloc(1, roles.n + 1);
    if (t->roles_json) memcpy(t->roles_json, roles.p, roles.n);
    t->created_us = sql_i64(st, 5);
    t->expires_us = sql_i64(st, 6);
    t->used_us = t->saved_us = sql_i64(st, 7);
    int rc = t->roles_json ? auth_digest_parse(sql_str(st, 1), t->key) : ERR_NOMEM;
    if (!rc) rc = auth_map_put(&a->tokens, t->key, t);
    if (rc) token_free(t);
    return rc;
}

int tokens_load(struct auth *a, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc =
        sql_prepare(tx, "select id, hash, user_id, name, roles, created_us, expires_us, used_us from api_token", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) rc = take_row(a, s);
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

/* Under the lock: the permissions of the roles named in `roles`, within those of `owner`. */
static int compile(struct auth *a, const struct json *roles, const struct auth_user *owner, struct permissions **ret)
{
    int rc = perm_add_role(ret, NULL);
    for
        json_each (ref, roles) {
            const struct auth_role *role = auth_role_find(a->users, json_str(ref, STR_NULL));
            if (role && !rc) rc = perm_union(ret, role->may);
        }
    return rc ? rc : perm_intersect(ret, owner->may);
}

int token_principal(struct auth *a, struct token *t, struct arena *arena, struct principal *ret)
{
    int64_t now = clock_now_us(a->clock);
    const struct auth_user *u = auth_user_by_id(a, str_of(t->user_id));
    if (!u || u->disabled || (t->expires_us && t->expires_us <= now)) return ERR_UNAUTHENTICATED;
    struct json *roles = NULL;
    struct permissions *may = NULL;
    int rc = json_parse(arena, str_of(t->roles_json), &roles, NULL);
    if (!rc) rc = compile(a, roles, u, &may);
    *ret = (struct principal){.expires_us = t->expires_us};
    memcpy(ret->id, t->id, sizeof(ret->id));
    memcpy(ret->key, t->key, sizeof(ret->key));
    if (!rc) rc = auth_principal(u, may, arena, ret);
    ret->must_set_password = false;
    mem_free(may);
    t->used_us = now;
    return rc;
}

int auth_by_token(struct auth *a, struct arena *arena, struct str token, struct principal *ret)
{
    uint8_t key[DIGEST];
    if (token.n != AUTH_TOKEN_CHARS + PREFIX_N || !str_starts(token, STR(PREFIX))) return ERR_UNAUTHENTICATED;
    auth_digest(token, key);
    pthread_mutex_lock(&a->lock);
    struct token *t = auth_map_get(&a->tokens, key);
    int rc = t ? token_principal(a, t, arena, ret) : ERR_UNAUTHENTICATED;
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* Every role must be there and within what the creator may do. */
static int roles_allowed(struct auth *a, const struct principal *by, const struct json *roles, struct error *e)
{
    int rc = 0;
    if (!roles || roles->type != JSON_ARRAY || !json_count(roles))
        return error_set(e, ERR_INVALID, "roles", "'roles' is a list of role codes with at least one",
                         "“roles”须为至少含一个角色编码的列表");
    pthread_mutex_lock(&a->lock);
    for
        json_each (ref, roles) {
            struct str code = json_str(ref, STR_NULL);
            const struct auth_role *role = auth_role_find(a->users, code);
            if (!role)
                rc = error_set(e, ERR_INVALID, "roles", "there is no role '%.*s'", "没有角色“%.*s”", STR_ARG(code));
            else if (!perm_covers(by->actor.may, role->may))
                rc = error_set(e, ERR_FORBIDDEN, "roles", "the role '%.*s' allows more than you may do yourself",
                               "角色“%.*s”的权限超出了您自己的权限", STR_ARG(code));
            if (rc) break;
        }
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static int insert(struct auth *a, const struct token *t, struct error *e)
{
    char hex[2 * DIGEST + 1];
    struct sql_tx *tx = NULL;
    auth_digest_hex(t->key, hex);
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e,
                  "insert into api_token(id, hash, user_id, name, roles, created_us, expires_us, used_us)"
                  " values($1,$2,$3,$4,$5,$6,$7,$8)",
                  "sssssiii", str_of(t->id), str_of(hex), str_of(t->user_id), str_of(t->name), str_of(t->roles_json),
                  t->created_us, t->expires_us, (int64_t)0);
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, e);
}

static int fill(struct auth *a, struct arena *arena, const struct principal *by, struct str name,
                const struct json *roles, int64_t expires_us, struct token *t, struct error *e)
{
    int64_t now = clock_now_us(a->clock);
    if (expires_us && expires_us <= now)
        return error_set(e, ERR_INVALID, "expires_at", "'expires_at' lies in the past", "“expires_at”早于当前时间");
    if (!name.n || !str_to_cstr(name, t->name, sizeof(t->name)))
        return error_set(e, ERR_INVALID, "name", "a token needs a name of 1 to %d bytes",
                         "令牌名称长度须为 1 到 %d 字节", LIMIT_NAME);
    struct str text = json_text(arena, roles);
    t->roles_json = mem_calloc(1, text.n + 1);
    if (!text.p || !t->roles_json) return ERR_NOMEM;
    memcpy(t->roles_json, text.p, text.n);
    memcpy(t->user_id, by->actor.user_id, sizeof(t->user_id));
    t->created_us = now;
    t->expires_us = expires_us;
    uuid7(a->clock, a->rng, t->id);
    return 0;
}

int auth_token_create(struct auth *a, struct arena *arena, const struct principal *by, struct str name,
                      const struct json *roles, int64_t expires_us, char ret_id[37], char secret[AUTH_TOKEN_CHARS + 4],
                      struct error *e)
{
    int rc = roles_allowed(a, by, roles, e);
    if (rc) return rc;
    struct token *t = mem_calloc(1, sizeof(*t));
    if (!t) return ERR_NOMEM;
    memcpy(secret, PREFIX, PREFIX_N);
    auth_secret(a->rng, secret + PREFIX_N);
    auth_digest(str_of(secret), t->key);
    rc = fill(a, arena, by, name, roles, expires_us, t, e);
    if (!rc) rc = insert(a, t, e);
    if (!rc) {
        memcpy(ret_id, t->id, sizeof(t->id));
        pthread_mutex_lock(&a->lock);
        rc = auth_map_put(&a->tokens, t->key, t);
        pthread_mutex_unlock(&a->lock);
        if (rc == ERR_LIMIT)
            error_set(e, rc, "", "there are %d API tokens; delete some first", "已有 %d 个 API 令牌，请先删除一些",
                      AUTH_TOKENS_MAX);
    }
    if (rc) token_free(t);
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(((const struct token_info *)b)->id, ((const struct token_info *)a)->id);
}

static void info_of(const struct auth *a, const struct token *t, struct arena *arena, struct token_info *ret)
{
    const struct auth_user *u = auth_user_by_id(a, str_of(t->user_id));
    struct json *roles = NULL;
    *ret = (struct token_info){.created_us = t->created_us, .expires_us = t->expires_us, .used_us = t->used_us};
    memcpy(ret->id, t->id, sizeof(ret->id));
    memcpy(ret->user_id, t->user_id, sizeof(ret->user_id));
    str_to_cstr(str_of(u ? u->login : ""), ret->login, sizeof(ret->login));
    ret->name = arena_str(arena, str_of(t->name));
    struct str text = arena_str(arena, str_of(t->roles_json));
    if (json_parse(arena, text, &roles, NULL) == 0) ret->roles = roles;
}

int auth_tokens(struct auth *a, struct arena *arena, struct str user_id, struct token_info **ret, size_t *ret_n)
{
    struct token *t;
    size_t n = 0;
    pthread_mutex_lock(&a->lock);
    struct token_info *list = arena_calloc(arena, a->tokens.n + 1, sizeof(*list));
    if (list) {
        auth_map_each(&a->tokens, i, t)
        {
            if (!user_id.p || str_is(user_id, t->user_id)) info_of(a, t, arena, &list[n++]);
        }
    }
    pthread_mutex_unlock(&a->lock);
    if (!list) return ERR_NOMEM;
    qsort(list, n, sizeof(*list), newest_first);
    *ret = list;
    *ret_n = n;
    return 0;
}

static int sql_delete(struct auth *a, const char *text, struct str id, struct error *e)
{
    struct sql_tx *tx = NULL;
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, text, "s", id);
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, e);
}

int auth_token_delete(struct auth *a, struct str id, struct str only_user_id, struct error *e)
{
    struct token *t, *found = NULL;
    pthread_mutex_lock(&a->lock);
    auth_map_each(&a->tokens, i, t)
    {
        if (str_is(id, t->id) && (!only_user_id.p || str_is(only_user_id, t->user_id))) found = t;
    }
    if (found) token_free(auth_map_take(&a->tokens, found->key));
    pthread_mutex_unlock(&a->lock);
    if (!found)
        return error_set(e, ERR_NOT_FOUND, "id", "there is no API token %.*s", "没有 API 令牌 %.*s", STR_ARG(id));
    return sql_delete(a, "delete from api_token where id = $1", id, e);
}

void tokens_drop_user(struct auth *a, struct str user_id)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens.cap;) {
        struct token *t = a->tokens.slots[i].value;
        if (t && str_is(user_id, t->user_id))
            token_free(auth_map_take(&a->tokens, t->key));
        else
            i++;
    }
    pthread_mutex_unlock(&a->lock);
    if (sql_delete(a, "delete from api_token where user_id = $1", user_id, NULL)) return;
}
