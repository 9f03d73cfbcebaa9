/* auth_ldap.c - signing in with the password of a directory (kind ldap_server) over libldap.
 *
 * Bind as the service account, search the one entry that the filter finds for the login (escaped as of
 * RFC 4515, so that no login can widen the filter), look for its groups, then bind as that entry with the
 * password. An empty password is refused before, because a directory takes it for "anonymous". Everything
 * blocks with time-outs, on the lane of sign-ins; referrals are not followed; certificates are always
 * checked, by the system's or the given authority. A directory that does not answer is logged, and the
 * answer to the person is the same as for a wrong password. */
#include <ldap.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/mem.h"
#include "core/auth/auth_int.h"
#include "io/log.h"

#define GROUPS_MAX 500

struct directory {
    LDAP *ld;
    const struct resource *r;
    struct arena *arena;
    int ca; /* file of the authority, -1: none */
};

static struct str setting(const struct directory *d, const char *name, const char *def)
{
    return json_str(json_get(d->r->spec, name), str_of(def));
}

/* RFC 4515: what has a meaning in a filter, and all that is not plain ASCII, as \xx. */
static void escape(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c >= 0x7f || strchr("*()\\", c))
            buf_printf(out, "\\%02x", c);
        else
            buf_u8(out, c);
    }
}

char *auth_ldap_filter(struct arena *arena, struct str pattern, struct str mark, struct str value)
{
    struct buf b;
    buf_init(&b, 16 << 10);
    for (size_t i = 0; i < pattern.n;) {
        if (str_starts(str_sub(pattern, i, pattern.n), mark)) {
            escape(&b, value);
            i += mark.n;
        } else {
            buf_u8(&b, (uint8_t)pattern.p[i++]);
        }
    }
    char *text = b.err ? NULL : arena_strdup(arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static bool went_wrong(const struct directory *d, const char *what, int rc)
{
    if (rc == LDAP_SUCCESS) return false;
    log_warn("auth", "the directory fails", "directory=%.*s step=\"%s\" err=\"%s\"", STR_ARG(d->r->code), what,
             ldap_err2string(rc));
    return true;
}

static bool set_authority(struct directory *d)
{
    struct str pem = setting(d, "ca_pem", "");
    char path[40];
    int demand = LDAP_OPT_X_TLS_DEMAND, client = 0;
    ldap_set_option(d->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
    if (pem.n) {
        d->ca = memfd_create("ca", MFD_CLOEXEC);
        if (d->ca < 0 || write(d->ca, pem.p, pem.n) != (ssize_t)pem.n) return false;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", d->ca);
        ldap_set_option(d->ld, LDAP_OPT_X_TLS_CACERTFILE, path);
    }
    return !went_wrong(d, "certificates", ldap_set_option(d->ld, LDAP_OPT_X_TLS_NEWCTX, &client));
}

static void set_limits(struct directory *d)
{
    int version = LDAP_VERSION3;
    double s = 5;
    struct str text = setting(d, "timeout", "5s");
    if (str_ends(text, STR("ms"))) {
        if (str_to_double(str_sub(text, 0, text.n - 2), &s) == 0) s /= 1000;
    } else if (text.n && str_to_double(str_sub(text, 0, text.n - 1), &s)) {
        s = 5;
    }
    struct timeval tv = {(time_t)s, (suseconds_t)((s - (double)(time_t)s) * 1e6)};
    ldap_set_option(d->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(d->ld, LDAP_OPT_NETWORK_TIMEOUT, &tv);
    ldap_set_option(d->ld, LDAP_OPT_TIMEOUT, &tv);
    ldap_set_option(d->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
}

static bool connect_to(struct directory *d)
{
    char *url = arena_strdup(d->arena, setting(d, "url", ""));
    if (!url || went_wrong(d, "address", ldap_initialize(&d->ld, url))) return false;
    set_limits(d);
    if (!set_authority(d)) return false;
    bool tls = json_bool(json_get(d->r->spec, "start_tls"), true) && strncmp(url, "ldaps:", 6) != 0;
    return !tls || !went_wrong(d, "StartTLS", ldap_start_tls_s(d->ld, NULL, NULL));
}

static int bind_as(struct directory *d, const char *dn, struct str password)
{
    struct berval secret = {password.n, (char *)(uintptr_t)(password.p ? password.p : "")};
    return ldap_sasl_bind_s(d->ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

static LDAPMessage *search(struct directory *d, struct str base, const char *filter, const char *const *attrs, int most)
{
    LDAPMessage *found = NULL;
    char *at = arena_strdup(d->arena, base);
    char *const *names = (char *const *)(uintptr_t)attrs;
    if (!at || !filter) return NULL;
    int rc = ldap_search_ext_s(d->ld, at, LDAP_SCOPE_SUBTREE, filter, (char **)(uintptr_t)names, 0, NULL, NULL, NULL,
                               most, &found);
    if (rc != LDAP_SIZELIMIT_EXCEEDED && went_wrong(d, "search", rc)) {
        ldap_msgfree(found);
        return NULL;
    }
    return found;
}

static struct str value_of(struct directory *d, LDAPMessage *entry, const char *name)
{
    struct berval **v = ldap_get_values_len(d->ld, entry, name);
    struct str s = v && v[0] ? arena_str(d->arena, str_make(v[0]->bv_val, v[0]->bv_len)) : STR("");
    ldap_value_free_len(v);
    return s;
}

/* A group by its whole name and by the value of its first part ("cn=ops,ou=groups" -> "ops"). */
static void add_group(struct directory *d, struct json *list, struct str dn)
{
    struct str rest = dn, first = str_cut(&rest, ','), value = first;
    (void)str_cut(&value, '=');
    if (json_count(list) >= GROUPS_MAX) return;
    (void)json_push(list, json_new_str(d->arena, arena_str(d->arena, dn)));
    if (value.n) (void)json_push(list, json_new_str(d->arena, arena_str(d->arena, value)));
}

static void groups_by_attribute(struct directory *d, LDAPMessage *entry, const char *name, struct json *list)
{
    struct berval **v = ldap_get_values_len(d->ld, entry, name);
    for (size_t i = 0; v && v[i]; i++) add_group(d, list, str_make(v[i]->bv_val, v[i]->bv_len));
    ldap_value_free_len(v);
}

static void groups_by_search(struct directory *d, const char *dn, struct json *list)
{
    static const char *const none[] = {LDAP_NO_ATTRS, NULL};
    struct str base = setting(d, "groups_base", "");
    if (!base.n) return;
    const char *filter =
        auth_ldap_filter(d->arena, setting(d, "groups_filter", "(member={dn})"), STR("{dn}"), str_of(dn));
    LDAPMessage *found = search(d, base, filter, none, GROUPS_MAX);
    for (LDAPMessage *m = found ? ldap_first_entry(d->ld, found) : NULL; m; m = ldap_next_entry(d->ld, m)) {
        char *name = ldap_get_dn(d->ld, m);
        if (name) add_group(d, list, str_of(name));
        ldap_memfree(name);
    }
    ldap_msgfree(found);
}

/* The one entry of that login: fills *ret and the name to bind as. */
static char *find_person(struct directory *d, struct str login, struct auth_outside *ret)
{
    const char *name = arena_strdup(d->arena, setting(d, "name_attribute", "cn"));
    const char *mail = arena_strdup(d->arena, setting(d, "mail_attribute", "mail"));
    const char *groups = arena_strdup(d->arena, setting(d, "groups_attribute", "memberOf"));
    const char *attrs[] = {name, mail, groups, NULL};
    const char *filter = auth_ldap_filter(d->arena, setting(d, "filter", "(uid={login})"), STR("{login}"), login);
    LDAPMessage *found = name && mail && groups ? search(d, setting(d, "base", ""), filter, attrs, 2) : NULL;
    char *dn = NULL;
    if (found && ldap_count_entries(d->ld, found) == 1) {
        LDAPMessage *entry = ldap_first_entry(d->ld, found);
        char *text = ldap_get_dn(d->ld, entry);
        struct json *list = json_new_array(d->arena);
        dn = text ? arena_strdup(d->arena, str_of(text)) : NULL;
        ldap_memfree(text);
        groups_by_attribute(d, entry, groups, list);
        if (dn) groups_by_search(d, dn, list);
        ret->name = value_of(d, entry, name);
        ret->email = value_of(d, entry, mail);
        ret->groups = list;
    }
    ldap_msgfree(found);
    return dn;
}

static int ask(struct directory *d, struct str login, struct str password, struct auth_outside *ret)
{
    char *service = arena_strdup(d->arena, setting(d, "bind_dn", ""));
    if (!service || !connect_to(d)) return ERR_UNAVAILABLE;
    if (went_wrong(d, "bind of the service account", bind_as(d, service, setting(d, "bind_password", ""))))
        return ERR_UNAVAILABLE;
    char *dn = find_person(d, login, ret);
    if (!dn) return ERR_UNAUTHENTICATED;
    int rc = bind_as(d, dn, password);
    if (rc == LDAP_INVALID_CREDENTIALS) return ERR_UNAUTHENTICATED;
    if (went_wrong(d, "bind of the person", rc)) return ERR_UNAVAILABLE;
    ret->subject = str_of(dn);
    return 0;
}

static int try_directory(struct arena *arena, const struct resource *r, struct str login, struct str password,
                         struct auth_outside *ret)
{
    struct directory d = {.r = r, .arena = arena, .ca = -1};
    char *provider = arena_printf(arena, "ldap:%.*s", STR_ARG(r->code));
    *ret = (struct auth_outside){.provider = str_of(provider),
                                 .login = login,
                                 .create = json_bool(json_get(r->spec, "create_users"), false),
                                 .org = json_str(json_get(r->spec, "users_org"), STR(""))};
    int rc = provider ? ask(&d, login, password, ret) : ERR_NOMEM;
    if (d.ld) ldap_unbind_ext_s(d.ld, NULL, NULL);
    if (d.ca >= 0) close(d.ca);
    return rc;
}

int auth_ldap_login(struct auth *a, struct arena *arena, struct str login, struct str password, char ret_user[37],
                    struct error *e)
{
    struct list_query q = {.kind = "ldap_server", .limit = 20, .sort = STR("code")};
    struct list_page page;
    struct auth_outside who;
    if (!login.n || login.n > 63 || !password.n || memchr(login.p, 0, login.n)) return ERR_UNAUTHENTICATED;
    int rc = resource_list(a->kernel, arena, &q, &page, e);
    if (rc) return rc;
    for (size_t i = 0; i < page.n; i++) {
        if (json_bool(json_get(page.items[i].spec, "disabled"), false)) continue;
        if (try_directory(arena, &page.items[i], login, password, &who) == 0)
            return auth_outside_user(a, arena, &who, ret_user, e);
    }
    return ERR_UNAUTHENTICATED;
}
