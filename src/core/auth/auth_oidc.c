/* auth_oidc.c - signing in at an OpenID provider: authorisation code with PKCE S256, state and nonce.
 *
 * What was begun stands in a bounded table in memory for ten minutes, found by the digest of `state` and
 * tied to the browser by a cookie, and is taken out when it is asked for: a replayed or planted answer finds
 * nothing. Two processes behind one address need sessions that stick to one of them for these seconds.
 * All HTTP goes over blocking calls on the lane of sign-ins; every address must be https unless the
 * issuer itself is given as http. A person is known by (provider, subject), never by what he calls himself;
 * an account that is there already is taken over only when it has no password and nobody else's link. */
#include <sys/mman.h>
#include <unistd.h>
#include "base/encode.h"
#include "base/mem.h"
#include "core/auth/auth_int.h"
#include "core/auth/jwt.h"
#include "io/http_client.h"

#define PENDING_MAX 1000
#define PENDING_US (10LL * 60 * TIME_US_PER_S)
#define ANSWER_MAX (1u << 20)

struct provider {
    struct resource r;
    struct str issuer, client_id, secret, authorize, token, jwks, ca;
};
struct pending {
    struct pending *next;
    uint8_t state[DIGEST], browser[DIGEST];
    char provider[64], nonce[AUTH_TOKEN_CHARS + 1], verifier[AUTH_TOKEN_CHARS + 1];
    char redirect[400];
    int64_t until_us;
};

/* --- the provider --- */

static int load_provider(struct auth *a, struct arena *arena, struct str code, struct provider *ret, struct error *e)
{
    int rc = resource_get(a->kernel, arena, "oidc_provider", code, &ret->r, NULL);
    if (rc || json_bool(json_get(ret->r.spec, "disabled"), false))
        return error_set(e, ERR_NOT_FOUND, "provider", "there is no identity provider '%.*s'", "没有身份提供方“%.*s”",
                         STR_ARG(code));
    ret->issuer = json_str(json_get(ret->r.spec, "issuer"), STR(""));
    ret->client_id = json_str(json_get(ret->r.spec, "client_id"), STR(""));
    ret->secret = json_str(json_get(ret->r.spec, "client_secret"), STR(""));
    ret->ca = json_str(json_get(ret->r.spec, "ca_pem"), STR(""));
    return 0;
}

/* A certificate that stands in the settings, as a file that libcurl can open. */
static int ca_file(struct str pem, char path[40])
{
    int fd = memfd_create("ca", MFD_CLOEXEC);
    if (fd < 0) return fd;
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    if (write(fd, pem.p, pem.n) == (ssize_t)pem.n) return fd;
    close(fd);
    return -1;
}

static int call_provider(struct arena *arena, const struct provider *p, struct http_call *c, struct json **ret,
                         struct error *e)
{
    struct http_answer answer;
    char path[40];
    int fd = p->ca.n ? ca_file(p->ca, path) : -1;
    if (fd >= 0) c->ca_file = path;
    c->timeout_ms = 10000;
    c->answer_max = ANSWER_MAX;
    int rc = http_call(arena, c, &answer, e);
    if (fd >= 0) close(fd);
    if (rc) return rc;
    if (answer.status == 200 && answer.body.n && json_parse(arena, answer.body, ret, NULL) == 0 &&
        (*ret)->type == JSON_OBJECT)
        return 0;
    return error_set(e, ERR_PROTOCOL, "provider", "the identity provider answers %d at %s", "身份提供方返回 %d：%s",
                     answer.status, c->url);
}

static bool safe_url(const struct provider *p, struct str url)
{
    if (str_starts(url, STR("https://"))) return true;
    return str_starts(p->issuer, STR("http://")) && str_starts(url, STR("http://"));
}

static int discover(struct arena *arena, struct provider *p, struct error *e)
{
    struct json *doc = NULL;
    struct str base = p->issuer;
    while (base.n && base.p[base.n - 1] == '/') base.n--;
    struct http_call c = {.method = "GET",
                          .url = arena_printf(arena, "%.*s/.well-known/openid-configuration", STR_ARG(base))};
    int rc = call_provider(arena, p, &c, &doc, e);
    if (rc) return rc;
    p->authorize = json_str(json_get(doc, "authorization_endpoint"), STR(""));
    p->token = json_str(json_get(doc, "token_endpoint"), STR(""));
    p->jwks = json_str(json_get(doc, "jwks_uri"), STR(""));
    if (!str_eq(json_str(json_get(doc, "issuer"), STR("")), p->issuer))
        return error_set(e, ERR_PROTOCOL, "provider", "the document at %.*s is of another issuer",
                         "%.*s 的发现文档属于其他颁发者", STR_ARG(p->issuer));
    if (!safe_url(p, p->authorize) || !safe_url(p, p->token) || !safe_url(p, p->jwks))
        return error_set(e, ERR_PROTOCOL, "provider", "an address of the identity provider is missing or not https",
                         "身份提供方的某个地址缺失或不是 https");
    return 0;
}

/* --- what was begun --- */

static void drop_old(struct auth *a, int64_t now)
{
    for (struct pending **at = &a->pending, *p; (p = *at);) {
        if (p->until_us > now) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        a->npending--;
        mem_free(p);
    }
}

static int keep(struct auth *a, struct pending *p, struct error *e)
{
    pthread_mutex_lock(&a->lock);
    drop_old(a, clock_now_us(a->clock));
    bool room = a->npending < PENDING_MAX;
    if (room) {
        p->next = a->pending;
        a->pending = p;
        a->npending++;
    }
    pthread_mutex_unlock(&a->lock);
    if (room) return 0;
    return error_set(e, ERR_LIMIT, "", "too many sign-ins have been begun; try again in some minutes",
                     "正在进行的登录过多，请几分钟后重试");
}

/* The one of that state, out of the table, whoever asks. */
static struct pending *take(struct auth *a, struct str state)
{
    uint8_t key[DIGEST];
    struct pending *found = NULL;
    auth_digest(state, key);
    pthread_mutex_lock(&a->lock);
    drop_old(a, clock_now_us(a->clock));
    for (struct pending **at = &a->pending; *at && !found; at = &(*at)->next) {
        if (memcmp((*at)->state, key, DIGEST) != 0) continue;
        found = *at;
        *at = found->next;
        a->npending--;
        break;
    }
    pthread_mutex_unlock(&a->lock);
    return found;
}

void auth_oidc_fini(struct auth *a)
{
    for (struct pending *p = a->pending, *next; p; p = next) {
        next = p->next;
        mem_free(p);
    }
    a->pending = NULL;
}

static struct str escaped(struct arena *arena, struct str s)
{
    struct buf b;
    buf_init(&b, 8192);
    percent_encode(&b, s);
    struct str ret = arena_str(arena, buf_view(&b));
    buf_fini(&b);
    return ret;
}

static char *challenge_of(struct arena *arena, const char *verifier)
{
    uint8_t key[DIGEST];
    struct buf b;
    auth_digest(str_of(verifier), key);
    buf_init(&b, 64);
    base64_encode(&b, key, sizeof(key), true);
    char *text = arena_strdup(arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static char *authorize_url(struct arena *arena, const struct provider *p, const struct pending *w, const char *state)
{
    struct str scopes = json_str(json_get(p->r.spec, "scopes"), STR("openid profile email"));
    return arena_printf(arena,
                        "%.*s%sresponse_type=code&client_id=%.*s&redirect_uri=%.*s&scope=%.*s&state=%s&nonce=%s"
                        "&code_challenge=%s&code_challenge_method=S256",
                        STR_ARG(p->authorize), str_find(p->authorize, '?') < 0 ? "?" : "&",
                        STR_ARG(escaped(arena, p->client_id)), STR_ARG(escaped(arena, str_of(w->redirect))),
                        STR_ARG(escaped(arena, scopes)), state, w->nonce, challenge_of(arena, w->verifier));
}

int auth_oidc_begin(struct auth *a, struct arena *arena, struct str code, struct str own_url, struct str *ret_url,
                    char ret_browser[AUTH_TOKEN_CHARS + 1], struct error *e)
{
    struct provider p = {.ca = STR_NULL};
    char state[AUTH_TOKEN_CHARS + 1];
    int rc = load_provider(a, arena, code, &p, e);
    if (!rc) rc = discover(arena, &p, e);
    struct pending *w = rc ? NULL : mem_calloc(1, sizeof(*w));
    if (!w) return rc ? rc : ERR_NOMEM;
    struct str base = json_str(json_get(p.r.spec, "public_url"), own_url);
    while (base.n && base.p[base.n - 1] == '/') base.n--;
    auth_secret(a->rng, state);
    auth_secret(a->rng, ret_browser);
    auth_secret(a->rng, w->nonce);
    auth_secret(a->rng, w->verifier);
    auth_digest(str_of(state), w->state);
    auth_digest(str_of(ret_browser), w->browser);
    str_to_cstr(p.r.code, w->provider, sizeof(w->provider));
    snprintf(w->redirect, sizeof(w->redirect), "%.*s/api/v1/session/oidc/%s/callback", STR_ARG(base), w->provider);
    w->until_us = clock_now_us(a->clock) + PENDING_US;
    char *url = authorize_url(arena, &p, w, state);
    rc = url ? keep(a, w, e) : ERR_NOMEM;
    if (rc) mem_free(w);
    *ret_url = str_of(url);
    return rc;
}

/* --- the answer --- */

static int exchange(struct arena *arena, const struct provider *p, const struct pending *w, struct str code,
                    struct str *ret_token, struct error *e)
{
    struct json *doc = NULL;
    struct buf basic;
    char *body =
        arena_printf(arena, "grant_type=authorization_code&code=%.*s&redirect_uri=%.*s&client_id=%.*s&code_verifier=%s",
                     STR_ARG(escaped(arena, code)), STR_ARG(escaped(arena, str_of(w->redirect))),
                     STR_ARG(escaped(arena, p->client_id)), w->verifier);
    char *pair =
        arena_printf(arena, "%.*s:%.*s", STR_ARG(escaped(arena, p->client_id)), STR_ARG(escaped(arena, p->secret)));
    if (!body || !pair) return ERR_NOMEM;
    buf_init(&basic, 8192);
    buf_z(&basic, "Authorization: Basic ");
    base64_encode(&basic, pair, strlen(pair), false);
    const char *headers[] = {"Content-Type: application/x-www-form-urlencoded", "Accept: application/json",
                             p->secret.n ? arena_strdup(arena, buf_view(&basic)) : NULL, NULL};
    buf_fini(&basic);
    struct http_call c = {
        .method = "POST", .url = arena_strdup(arena, p->token), .headers = headers, .body = str_of(body)};
    int rc = call_provider(arena, p, &c, &doc, e);
    if (!rc) *ret_token = json_str(json_get(doc, "id_token"), STR(""));
    return rc;
}

static int verify(struct auth *a, struct arena *arena, const struct provider *p, const struct pending *w,
                  struct str token, const struct json **ret, struct error *e)
{
    struct json *keys = NULL;
    struct http_call c = {.method = "GET", .url = arena_strdup(arena, p->jwks)};
    struct jwt_want want = {p->issuer, p->client_id, str_of(w->nonce), clock_now_us(a->clock)};
    int rc = call_provider(arena, p, &c, &keys, e);
    return rc ? rc : jwt_verify(arena, token, keys, &want, ret, e);
}

/* Groups as a list of texts, whatever form the provider gives them. */
static const struct json *groups_of(struct arena *arena, const struct json *claims, const char *name)
{
    const struct json *v = json_get(claims, name);
    struct json *list = json_new_array(arena);
    if (v && v->type == JSON_STRING) (void)json_push(list, json_new_str(arena, v->s));
    if (v && v->type == JSON_ARRAY)
    for
        json_each (it, v)
            if (it->type == JSON_STRING) (void)json_push(list, json_new_str(arena, it->s));
    return list;
}

static int who_is_it(struct auth *a, struct arena *arena, const struct provider *p, const struct json *claims,
                     struct auth_outside *ret, struct error *e)
{
    char *login_claim = arena_strdup(arena, json_str(json_get(p->r.spec, "login_claim"), STR("preferred_username")));
    char *groups_claim = arena_strdup(arena, json_str(json_get(p->r.spec, "groups_claim"), STR("groups")));
    char *provider = arena_printf(arena, "oidc:%.*s", STR_ARG(p->r.code));
    if (!login_claim || !groups_claim || !provider) return ERR_NOMEM;
    *ret = (struct auth_outside){
        .provider = str_of(provider),
        .subject = json_str(json_get(claims, "sub"), STR("")),
        .login = json_str(json_get(claims, login_claim), STR("")),
        .name = json_str(json_get(claims, "name"), STR("")),
        .email = json_str(json_get(claims, "email"), STR("")),
        .groups = groups_of(arena, claims, groups_claim),
        .create = json_bool(json_get(p->r.spec, "create_users"), false),
        .org = json_str(json_get(p->r.spec, "users_org"), STR("")),
    };
    return 0;
}

static int refused(struct error *e)
{
    return error_set(e, ERR_UNAUTHENTICATED, "state",
                     "this sign-in was not begun here, has been used already, or took too long; begin again",
                     "该登录并非由此处发起、已被使用或已超时，请重新登录");
}

static int finish(struct auth *a, struct arena *arena, const struct auth_answer *in, const struct pending *w,
                  char ret_user[37], struct error *e)
{
    struct provider p = {.ca = STR_NULL};
    struct str token = STR_NULL;
    const struct json *claims = NULL;
    struct auth_outside who;
    uint8_t browser[DIGEST];
    auth_digest(in->browser, browser);
    if (memcmp(browser, w->browser, DIGEST) != 0 || !str_is(in->provider, w->provider)) return refused(e);
    int rc = load_provider(a, arena, in->provider, &p, e);
    if (!rc && in->issuer.n && !str_eq(in->issuer, p.issuer)) return refused(e);
    if (!rc && !in->code.n)
        rc = error_set(e, ERR_UNAUTHENTICATED, "code", "the identity provider refused: %.*s", "身份提供方拒绝：%.*s",
                       STR_ARG(str_sub(in->error, 0, 80)));
    if (!rc) rc = discover(arena, &p, e);
    if (!rc) rc = exchange(arena, &p, w, in->code, &token, e);
    if (!rc) rc = verify(a, arena, &p, w, token, &claims, e);
    if (!rc) rc = who_is_it(a, arena, &p, claims, &who, e);
    return rc ? rc : auth_outside_user(a, arena, &who, ret_user, e);
}

int auth_oidc_finish(struct auth *a, struct arena *arena, const struct auth_answer *in,
                     char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, struct error *e)
{
    struct session s;
    char user[37];
    struct pending *w = take(a, in->state);
    if (!w) return refused(e);
    int rc = finish(a, arena, in, w, user, e);
    mem_free(w);
    if (!rc) rc = session_open(a, str_of(user), &in->from, secret, &s, e);
    if (!rc) rc = auth_by_session(a, arena, str_of(secret), ret);
    if (rc == ERR_UNAUTHENTICATED && e && !e->code) error_set(e, rc, "", "this account is disabled", "该账号已停用");
    return rc;
}
