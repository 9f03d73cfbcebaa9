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
    mem_free(t->orgs_json);
    mem_free(t->may);
    mem_free(t);
}

static char *copy_text(struct str s)
{
    char *p = mem_calloc(1, s.n + 1);
    if (p && s.n) memcpy(p, s.p, s.n);
    return p;
}

/* One that is known already stays as it is. */
static int take_row(struct auth *a, struct sql_stmt *st)
{
    struct token *t = mem_calloc(1, sizeof(*t));
    if (!t) return ERR_NOMEM;
    str_to_cstr(sql_str(st, 0), t->id, sizeof(t->id));
    str_to_cstr(sql_str(st, 2), t->user_id, sizeof(t->user_id));
    str_to_cstr(sql_str(st, 3), t->name, sizeof(t->name));
    t->roles_json = copy_text(sql_str(st, 4));
    t->orgs_json = copy_text(sql_str(st, 8));
    str_to_cstr(sql_str(st, 9), t->created_by, sizeof(t->created_by));
    t->created_us = sql_i64(st, 5);
    t->expires_us = sql_i64(st, 6);
    t->used_us = t->saved_us = sql_i64(st, 7);
    int rc = t->roles_json && t->orgs_json ? auth_digest_parse(sql_str(st, 1), t->key) : ERR_NOMEM;
    pthread_mutex_lock(&a->lock);
    bool known = !rc && auth_map_get(&a->tokens, t->key);
    if (!rc && !known) rc = auth_map_put(&a->tokens, t->key, t);
    pthread_mutex_unlock(&a->lock);
    if (rc || known) token_free(t);
    return rc;
}

int tokens_load(struct auth *a, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx,
                     "select id, hash, user_id, name, roles, created_us, expires_us, used_us, orgs, created_by"
                     " from api_token",
                     &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) rc = take_row(a, s);
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

int token_principal(struct auth *a, struct token *t, struct arena *arena, struct principal *ret)
{
    int64_t now = clock_now_us(a->clock);
    struct auth_user *u = auth_user_by_id(a, str_of(t->user_id));
    if (!u || u->disabled || (t->expires_us && t->expires_us <= now)) return ERR_UNAUTHENTICATED;
    int rc = token_compile(a, t, u);
    *ret = (struct principal){.expires_us = t->expires_us};
    memcpy(ret->id, t->id, sizeof(ret->id));
    memcpy(ret->key, t->key, sizeof(ret->key));
    if (!rc) rc = auth_principal(a, u, t->may, arena, ret);
    memcpy(ret->actor.token_id, t->id, sizeof(ret->actor.token_id));
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

/* Roles and organisations must be there; what it may do is cut to what its owner may in any case, and who
 * makes it for somebody else cannot give what he has not himself. */
static int check_roles(const struct auth_rules *r, const struct json *roles, struct error *e)
{
    if (!roles || roles->type != JSON_ARRAY || !json_count(roles))
        return error_set(e, ERR_INVALID, "roles", "'roles' is a list of role codes with at least one",
                         "“roles”须为至少含一个角色编码的列表");
    for
        json_each (ref, roles) {
            struct str code = json_str(ref, STR("?"));
            if (!auth_role_find(r, code))
                return error_set(e, ERR_INVALID, "roles", "there is no role '%.*s'", "没有角色“%.*s”",
                                 STR_ARG(str_sub(code, 0, 80)));
        }
    return 0;
}

/* Codes become ids, so that a token stays where it was meant. */
static int check_orgs(const struct auth_rules *r, struct arena *arena, const struct json *orgs, struct json **ret,
                      struct error *e)
{
    if (orgs && orgs->type != JSON_NULL && orgs->type != JSON_ARRAY)
        return error_set(e, ERR_INVALID, "orgs", "'orgs' is a list of organisations", "“orgs”须为组织列表");
    *ret = json_new_array(arena);
    for
        json_each (ref, orgs) {
            struct str code = json_str(ref, STR("?"));
            const struct auth_org *o = auth_org_find(r, code);
            if (!o)
                return error_set(e, ERR_INVALID, "orgs", "there is no organisation '%.*s'", "没有组织“%.*s”",
                                 STR_ARG(str_sub(code, 0, 80)));
            if (!json_push(*ret, json_new_str(arena, str_of(o->id)))) return ERR_NOMEM;
        }
    return *ret ? 0 : ERR_NOMEM;
}

/* Under the lock, of a token that is not in the map yet. */
static int within_giver(struct auth *a, const struct principal *by, struct token *t, struct auth_user *owner,
                        struct error *e)
{
    int rc = token_compile(a, t, owner);
    if (rc || perm_covers(by->actor.may, t->may)) return rc;
    return error_set(e, ERR_FORBIDDEN, "roles", "the roles allow more than %s may do himself",
                     "这些角色的权限超出 %s 本人的权限", by->actor.login);
}

/* A role that the owner does not cover would promise what the token cannot do. */
static int within_owner(struct auth *a, const struct json *roles, struct auth_user *owner, struct error *e)
{
    int rc = user_compile(a, owner);
    for
        json_each (ref, roles) {
            struct str code = json_str(ref, STR(""));
            const struct auth_role *role = auth_role_find(a->rules, code);
            struct permissions *p = NULL;
            bool within = false;
            if (rc || !role) continue;
            rc = perm_of_role(role->permissions, &p);
            if (!rc) within = perm_reaches(owner->may, p);
            mem_free(p);
            if (!rc && !within)
                rc = error_set(e, ERR_FORBIDDEN, "roles", "the role %.*s allows more than %s may do himself",
                               "角色 %.*s 的权限超出 %s 本人的权限", STR_ARG(code), owner->login);
        }
    return rc;
}

static int insert(struct auth *a, const struct token *t, struct error *e)
{
    char hex[2 * DIGEST + 1];
    auth_digest_hex(t->key, hex);
    return auth_sql(a, e,
                    "insert into api_token(id, hash, user_id, name, roles, created_us, expires_us, used_us, orgs,"
                    " created_by) values($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
                    "sssssiiiss", str_of(t->id), str_of(hex), str_of(t->user_id), str_of(t->name),
                    str_of(t->roles_json), t->created_us, t->expires_us, (int64_t)0, str_of(t->orgs_json),
                    str_of(t->created_by));
}

static int check_expiry(struct auth *a, const struct auth_rules *r, int64_t now, int64_t *expires_us, struct error *e)
{
    int64_t days = r->settings.token_days, last = now + days * 86400 * TIME_US_PER_S;
    if (*expires_us && *expires_us <= now)
        return error_set(e, ERR_INVALID, "expires_at", "'expires_at' lies in the past", "“expires_at”早于当前时间");
    if (days && (!*expires_us || *expires_us > last))
        return error_set(e, ERR_INVALID, "expires_at", "a token may live %lld days at most; give 'expires_at'",
                         "令牌最长有效 %lld 天，请填写“expires_at”", (long long)days);
    return 0;
}

static int fill(struct auth *a, struct arena *arena, const struct token_request *q, const struct json *orgs,
                struct token *t, struct error *e)
{
    if (!q->name.n || !str_to_cstr(q->name, t->name, sizeof(t->name)))
        return error_set(e, ERR_INVALID, "name", "a token needs a name of 1 to %d bytes",
                         "令牌名称长度须为 1 到 %d 字节", LIMIT_NAME);
    struct str roles = json_text(arena, q->roles), text = json_text(arena, orgs);
    if (!roles.p || !text.p) return ERR_NOMEM;
    t->roles_json = copy_text(roles);
    t->orgs_json = copy_text(text);
    if (!t->roles_json || !t->orgs_json) return ERR_NOMEM;
    t->created_us = clock_now_us(a->clock);
    t->expires_us = q->expires_us;
    uuid7(a->clock, a->rng, t->id);
    return 0;
}

/* Whose it is to be: one's own, or that of a service account that one may administer. */
static int owner_of(struct auth *a, const struct token_request *q, struct auth_user **ret, struct error *e)
{
    struct str want = q->user.n ? q->user : str_of(q->by->actor.user_id);
    struct auth_user *u = auth_user_find(a, want);
    bool own = u && str_is(str_of(u->id), q->by->actor.user_id);
    if (!u || (!own && !permitted_at(q->by->actor.may, "user", ACT_READ, str_of(u->org))))
        return error_set(e, ERR_NOT_FOUND, "user", "there is no user '%.*s'", "没有用户“%.*s”", STR_ARG(want));
    if (!own && (!u->service || !permitted_at(q->by->actor.may, "user", ACT_ADMIN, str_of(u->org))))
        return error_set(e, ERR_FORBIDDEN, "user",
                         "tokens of others are made for service accounts only, by who administers users",
                         "只有用户管理员可为服务账号创建令牌");
    *ret = u;
    return 0;
}

static int prepare(struct auth *a, struct arena *arena, const struct token_request *q, struct token *t, struct error *e)
{
    struct auth_user *owner = NULL;
    struct json *orgs = NULL;
    int rc = check_roles(a->rules, q->roles, e);
    if (!rc) rc = check_orgs(a->rules, arena, q->orgs, &orgs, e);
    if (!rc) rc = owner_of(a, q, &owner, e);
    int64_t expires = q->expires_us;
    if (!rc) rc = check_expiry(a, a->rules, clock_now_us(a->clock), &expires, e);
    if (!rc) rc = fill(a, arena, q, orgs, t, e);
    if (rc) return rc;
    memcpy(t->user_id, owner->id, sizeof(t->user_id));
    memcpy(t->created_by, q->by->actor.login, sizeof(t->created_by));
    rc = within_owner(a, q->roles, owner, e);
    bool all = permitted_at(q->by->actor.may, "role", ACT_ADMIN, STR(""));
    return rc || all ? rc : within_giver(a, q->by, t, owner, e);
}

static int keep(struct auth *a, struct token *t, struct error *e)
{
    int rc = insert(a, t, e);
    if (rc) return rc;
    pthread_mutex_lock(&a->lock);
    rc = auth_map_put(&a->tokens, t->key, t);
    pthread_mutex_unlock(&a->lock);
    if (rc == ERR_EXISTS) { /* what listens to the shared database has read it before us */
        token_free(t);
        return 0;
    }
    if (rc == ERR_LIMIT)
        error_set(e, rc, "", "there are %d API tokens; delete some first", "已有 %d 个 API 令牌，请先删除一些",
                  AUTH_TOKENS_MAX);
    return rc;
}

int auth_token_create(struct auth *a, struct arena *arena, const struct token_request *q, char ret_id[37],
                      char secret[AUTH_TOKEN_CHARS + 4], struct error *e)
{
    struct token *t = mem_calloc(1, sizeof(*t));
    if (!t) return ERR_NOMEM;
    memcpy(secret, PREFIX, PREFIX_N);
    auth_secret(a->rng, secret + PREFIX_N);
    auth_digest(str_of(secret), t->key);
    pthread_mutex_lock(&a->lock);
    int rc = prepare(a, arena, q, t, e);
    pthread_mutex_unlock(&a->lock);
    if (!rc) memcpy(ret_id, t->id, sizeof(t->id));
    if (!rc) rc = keep(a, t, e);
    if (rc) token_free(t);
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(((const struct token_info *)b)->id, ((const struct token_info *)a)->id);
}

static const struct json *parsed(struct arena *arena, const char *text)
{
    struct json *v = NULL;
    return json_parse(arena, arena_str(arena, str_of(text)), &v, NULL) == 0 ? v : NULL;
}

/* Codes for people; what is gone keeps its id. */
static const struct json *org_codes(const struct auth *a, struct arena *arena, const char *text)
{
    struct json *list = json_new_array(arena);
    for
        json_each (ref, parsed(arena, text)) {
            const struct auth_org *o = auth_org_find(a->rules, json_str(ref, STR("")));
            (void)json_push(list, json_new_str(arena, o ? arena_str(arena, str_of(o->code)) : ref->s));
        }
    return list;
}

static void info_of(const struct auth *a, const struct token *t, struct arena *arena, struct token_info *ret)
{
    const struct auth_user *u = auth_user_by_id(a, str_of(t->user_id));
    *ret = (struct token_info){.created_us = t->created_us, .expires_us = t->expires_us, .used_us = t->used_us};
    memcpy(ret->id, t->id, sizeof(ret->id));
    memcpy(ret->user_id, t->user_id, sizeof(ret->user_id));
    str_to_cstr(str_of(u ? u->login : ""), ret->login, sizeof(ret->login));
    ret->name = arena_str(arena, str_of(t->name));
    ret->roles = parsed(arena, t->roles_json);
    ret->orgs = org_codes(a, arena, t->orgs_json);
    memcpy(ret->created_by, t->created_by, sizeof(ret->created_by));
}

int auth_tokens(struct auth *a, struct arena *arena, const struct actor *by, struct token_info **ret, size_t *ret_n)
{
    struct token *t;
    size_t n = 0;
    pthread_mutex_lock(&a->lock);
    struct token_info *list = arena_calloc(arena, a->tokens.n + 1, sizeof(*list));
    if (list) {
        auth_map_each(&a->tokens, i, t)
        {
            if (auth_sees(a, by, t->user_id)) info_of(a, t, arena, &list[n++]);
        }
    }
    pthread_mutex_unlock(&a->lock);
    if (!list) return ERR_NOMEM;
    qsort(list, n, sizeof(*list), newest_first);
    *ret = list;
    *ret_n = n;
    return 0;
}

int auth_token_delete(struct auth *a, struct str id, const struct actor *by, struct error *e)
{
    struct token *t, *found = NULL;
    pthread_mutex_lock(&a->lock);
    auth_map_each(&a->tokens, i, t)
    {
        if (str_is(id, t->id) && auth_sees(a, by, t->user_id)) found = t;
    }
    if (found) token_free(auth_map_take(&a->tokens, found->key));
    pthread_mutex_unlock(&a->lock);
    if (!found)
        return error_set(e, ERR_NOT_FOUND, "id", "there is no API token %.*s", "没有 API 令牌 %.*s", STR_ARG(id));
    return auth_sql(a, e, "delete from api_token where id = $1", "s", id);
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
    if (auth_sql(a, NULL, "delete from api_token where user_id = $1", "s", user_id)) return; /* swept at start */
}
