/* acl.c - see acl.h. Whoever is asked about gets a list of the rules that are his, with the holes of their filters
 * filled, in a table by his id. The table is emptied when it grows past KNOWN_MAX. */
#include "modules/mqtt/acl.h"
#include "base/mem.h"

#define KNOWN_MAX 50000
#define SLOTS 8192

struct own_rule {
    const struct acl_rule *rule;
    char *filter; /* filled; the rule's own when it has no holes */
};
struct known {
    struct known *chain;
    char id[37];
    uint64_t stamp;
    size_t n;
    struct own_rule *rule;
};
struct acl {
    struct acl_rule *rule;
    size_t n, nknown;
    bool withholds;
    struct known *slots[SLOTS];
};

static int by_order(const void *x, const void *y)
{
    const struct acl_rule *a = x, *b = y;
    return a->order != b->order ? (a->order < b->order ? -1 : 1) : strcmp(a->code, b->code);
}

struct acl *acl_new(struct acl_rule *rules, size_t n)
{
    struct acl *a = mem_calloc(1, sizeof *a);
    if (!a) return NULL;
    if (n) qsort(rules, n, sizeof *rules, by_order);
    a->rule = rules;
    a->n = n;
    for (size_t i = 0; i < n; i++) a->withholds |= rules[i].deny && rules[i].subscribe;
    return a;
}

static void known_free(struct known *k)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->rule[i].filter != k->rule[i].rule->topic) mem_free(k->rule[i].filter);
    mem_free(k->rule);
    mem_free(k);
}

static void forget_all(struct acl *a)
{
    for (size_t i = 0; i < SLOTS; i++)
        for (struct known *k = a->slots[i], *next; k; k = next) {
            next = k->chain;
            known_free(k);
        }
    memset(a->slots, 0, sizeof a->slots);
    a->nknown = 0;
}

void acl_free(struct acl *a)
{
    if (!a) return;
    forget_all(a);
    mem_free(a->rule);
    mem_free(a);
}

bool acl_empty(const struct acl *a)
{
    return !a || !a->n;
}

bool acl_withholds(const struct acl *a)
{
    return a && a->withholds;
}

/* ---- whose rules ---- */

static bool among(const char *list, const char *one)
{
    struct str rest = str_of(list);
    while (rest.p && one[0])
        if (str_is(str_trim(str_cut(&rest, ',')), one)) return true;
    return false;
}

static bool applies(const struct acl_rule *r, const struct acl_subject *s)
{
    bool device = s->who->role == MQ_DEVICE;
    switch (r->who) {
    case ACL_EVERYONE: return true;
    case ACL_DEVICES: return device;
    case ACL_DEVICE: return device && strcmp(r->id, s->who->id) == 0;
    case ACL_PROFILE: return device && s->profile[0] && strcmp(r->id, s->profile) == 0;
    case ACL_USERS: return !device;
    case ACL_USER: return !device && strcmp(r->id, s->who->id) == 0;
    case ACL_ROLE: return !device && among(s->roles, r->id);
    }
    return false;
}

static const struct {
    const char *text;
    uint8_t role;
} holes[] = {{"${device}", MQ_DEVICE}, {"${user}", MQ_USER}};

/* false: a hole is not his, or the name would mean more than itself. */
static bool fill(const struct acl_rule *r, const struct mq_who *who, char **ret)
{
    struct buf b;
    struct str rest = str_of(r->topic);
    bool ok = true;
    *ret = (char *)(uintptr_t)r->topic;
    if (!strstr(r->topic, "${")) return true;
    buf_init(&b, 1024);
    while (rest.n && ok) {
        size_t skip = 0;
        for (size_t i = 0; i < sizeof holes / sizeof *holes && !skip; i++) {
            if (!str_starts(rest, str_of(holes[i].text))) continue;
            ok = who->role == holes[i].role && !strpbrk(who->name, "+#/");
            buf_z(&b, who->name);
            skip = strlen(holes[i].text);
        }
        if (!skip) buf_add(&b, rest.p, skip = 1);
        rest = str_sub(rest, skip, rest.n);
    }
    *ret = ok && !b.err ? mem_strdup(buf_cstr(&b)) : NULL;
    buf_fini(&b);
    return *ret != NULL;
}

static bool collect(struct acl *a, const struct acl_subject *s, struct known *k)
{
    size_t most = 0;
    for (size_t i = 0; i < a->n; i++) most += applies(&a->rule[i], s);
    k->rule = mem_calloc(most + 1, sizeof *k->rule);
    for (size_t i = 0; i < a->n && k->rule; i++) {
        char *filter;
        if (applies(&a->rule[i], s) && fill(&a->rule[i], s->who, &filter))
            k->rule[k->n++] = (struct own_rule){&a->rule[i], filter};
    }
    return k->rule != NULL;
}

static void drop(struct acl *a, struct known **at)
{
    struct known *k = *at;
    *at = k->chain;
    known_free(k);
    a->nknown--;
}

/* NULL: no memory. */
static const struct known *known_of(struct acl *a, const struct acl_asker *by, const struct mq_who *who)
{
    struct known **slot = &a->slots[str_hash(str_of(who->id), hash_seed()) & (SLOTS - 1)];
    struct acl_subject s = {.who = who, .profile = "", .roles = ""};
    for (struct known **at = slot; *at; at = &(*at)->chain) {
        if (strcmp((*at)->id, who->id) != 0) continue;
        if ((*at)->stamp == by->stamp) return *at;
        drop(a, at);
        break;
    }
    if (a->nknown >= KNOWN_MAX) forget_all(a);
    struct known *k = mem_calloc(1, sizeof *k);
    if (!k) return NULL;
    by->ask(by->ctx, who, &s);
    str_to_cstr(str_of(who->id), k->id, sizeof k->id);
    k->stamp = by->stamp;
    if (!collect(a, &s, k)) {
        mem_free(k);
        return NULL;
    }
    k->chain = *slot;
    *slot = k;
    a->nknown++;
    return k;
}

/* ---- answers; without memory nothing is allowed ---- */

static enum acl_answer effect(const struct own_rule *r)
{
    return r->rule->deny ? ACL_DENY : ACL_ALLOW;
}

enum acl_answer acl_publish(struct acl *a, const struct acl_asker *by, const struct mq_who *who, struct str topic)
{
    const struct known *k = known_of(a, by, who);
    for (size_t i = 0; k && i < k->n; i++)
        if (k->rule[i].rule->publish && mqtt_match(str_of(k->rule[i].filter), topic)) return effect(&k->rule[i]);
    return k ? ACL_NONE : ACL_DENY;
}

enum acl_answer acl_subscribe(struct acl *a, const struct acl_asker *by, const struct mq_who *who, struct str filter)
{
    const struct known *k = known_of(a, by, who);
    for (size_t i = 0; k && i < k->n; i++)
        if (k->rule[i].rule->subscribe && mqtt_covers(str_of(k->rule[i].filter), filter)) return effect(&k->rule[i]);
    return k ? ACL_NONE : ACL_DENY;
}

bool acl_gets(struct acl *a, const struct acl_asker *by, const struct mq_who *who, struct str topic)
{
    const struct known *k = known_of(a, by, who);
    for (size_t i = 0; k && i < k->n; i++)
        if (k->rule[i].rule->subscribe && mqtt_match(str_of(k->rule[i].filter), topic)) return !k->rule[i].rule->deny;
    return k != NULL;
}

bool acl_grants(struct acl *a, const struct acl_asker *by, const struct mq_who *who)
{
    const struct known *k = known_of(a, by, who);
    for (size_t i = 0; k && i < k->n; i++)
        if (!k->rule[i].rule->deny) return true;
    return false;
}
