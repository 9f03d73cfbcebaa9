/* rules.c - which notice goes where: subscriptions, quiet hours, rate limits, summaries. A snapshot of the
 * configuration, owned by the queue thread; summaries that gather live on from one snapshot to the next. */
#include <math.h>
#include "base/mem.h"
#include "base/time.h"
#include "core/auth/auth.h"
#include "modules/notice/notice.h"

#define GATHER_US (5 * TIME_US_PER_S) /* a summary gathers at least this long */
#define LISTED 10                     /* titles that it tells */
#define TEXT_MAX 3000

struct channel {
    struct str id, code, org, type;
    bool enabled, zh;
    double per_minute;
    const struct json *to;
};
struct sub {
    struct str org;
    int severity;
    const struct json *topics, *kinds, *orgs, *channels, *users, *groups, *roles;
    int quiet_from, quiet_to, utc_offset; /* minutes; from == to: none */
};
struct parent {
    struct str id, parent;
};
struct address {
    struct str id, email;
};
struct member_list {
    struct str id, code;
    const struct json *members;
};
struct role_code {
    struct str id, code;
};
struct bucket { /* of a channel; outlives snapshots */
    char channel[37];
    double tokens;
    int64_t at_us;
};
struct summary {
    struct delivery d;
    char *recipients, *text; /* owned */
    size_t listed, text_n;
    bool quiet, changed, stored, zh;
};
struct rules {
    struct node *node;
    struct arena arena;
    struct channel *channels;
    struct sub *subs;
    struct parent *orgs;
    struct address *users;
    struct member_list *groups;
    struct role_code *roles;
    size_t nchannels, nsubs, norgs, nusers, ngroups, nroles;
    size_t cap_channels, cap_subs, cap_orgs, cap_users, cap_groups, cap_roles;
    struct bucket *buckets;
    struct summary **summaries;
    size_t nbuckets, cap_buckets, nsummaries, cap_summaries;
};

/* ---- loading ---- */

static struct str keep(struct rules *r, struct str s)
{
    struct str out = arena_str(&r->arena, s);
    return out.p ? out : STR("");
}
static const struct json *part(struct rules *r, const struct resource *from, const char *name)
{
    const struct json *v = json_get(from->spec, name);
    return v ? json_copy(&r->arena, v) : NULL;
}
static int clock_of(const struct resource *r, const char *name)
{
    struct str s = json_str(json_get(r->spec, name), STR(""));
    if (s.n != 5) return -1;
    return (s.p[0] - '0') * 600 + (s.p[1] - '0') * 60 + (s.p[3] - '0') * 10 + (s.p[4] - '0');
}

#define ROOM(list, n, cap) mem_grow((void **)&(list), &(cap), (n) + 1, sizeof *(list))

static int take_channel(void *ctx, const struct resource *c)
{
    struct rules *r = ctx;
    if (!ROOM(r->channels, r->nchannels, r->cap_channels)) return ERR_NOMEM;
    r->channels[r->nchannels++] =
        (struct channel){.id = keep(r, c->id),
                         .code = keep(r, c->code),
                         .org = keep(r, c->org),
                         .type = keep(r, json_str(json_get(c->spec, "type"), STR(""))),
                         .enabled = json_bool(json_get(c->spec, "enabled"), true),
                         .zh = !str_is(json_str(json_get(c->spec, "language"), STR("zh")), "en"),
                         .per_minute = (double)json_i64(json_get(c->spec, "per_minute"), 20),
                         .to = part(r, c, "to")};
    return 0;
}

static int take_sub(void *ctx, const struct resource *s)
{
    struct rules *r = ctx;
    if (!json_bool(json_get(s->spec, "enabled"), true)) return 0;
    if (!ROOM(r->subs, r->nsubs, r->cap_subs)) return ERR_NOMEM;
    int from = clock_of(s, "quiet_from"), to = clock_of(s, "quiet_to");
    bool quiet = from >= 0 && to >= 0;
    r->subs[r->nsubs++] =
        (struct sub){.org = keep(r, s->org),
                     .severity = severity_parse(json_str(json_get(s->spec, "severity"), STR("warning"))),
                     .topics = part(r, s, "topics"),
                     .kinds = part(r, s, "kinds"),
                     .orgs = part(r, s, "orgs"),
                     .channels = part(r, s, "channels"),
                     .users = part(r, s, "users"),
                     .groups = part(r, s, "groups"),
                     .roles = part(r, s, "roles"),
                     .quiet_from = quiet ? from : 0,
                     .quiet_to = quiet ? to : 0,
                     .utc_offset = (int)json_i64(json_get(s->spec, "utc_offset"), 480)};
    return 0;
}

static int take_org(void *ctx, const struct resource *o)
{
    struct rules *r = ctx;
    if (!ROOM(r->orgs, r->norgs, r->cap_orgs)) return ERR_NOMEM;
    r->orgs[r->norgs++] = (struct parent){keep(r, o->id), keep(r, json_str(json_get(o->spec, "parent"), STR("")))};
    return 0;
}
static int take_user(void *ctx, const struct resource *u)
{
    struct rules *r = ctx;
    struct str email = json_str(json_get(u->spec, "email"), STR(""));
    if (!email.n) return 0;
    if (!ROOM(r->users, r->nusers, r->cap_users)) return ERR_NOMEM;
    r->users[r->nusers++] = (struct address){keep(r, u->id), keep(r, email)};
    return 0;
}
static int take_group(void *ctx, const struct resource *g)
{
    struct rules *r = ctx;
    if (!ROOM(r->groups, r->ngroups, r->cap_groups)) return ERR_NOMEM;
    r->groups[r->ngroups++] = (struct member_list){keep(r, g->id), keep(r, g->code), part(r, g, "members")};
    return 0;
}
static int take_role(void *ctx, const struct resource *o)
{
    struct rules *r = ctx;
    if (!ROOM(r->roles, r->nroles, r->cap_roles)) return ERR_NOMEM;
    r->roles[r->nroles++] = (struct role_code){keep(r, o->id), keep(r, o->code)};
    return 0;
}

int rules_load(struct node *n, struct rules *old, struct rules **ret, struct error *e)
{
    static const struct {
        const char *kind;
        int (*take)(void *ctx, const struct resource *r);
    } kinds[] = {{"message_channel", take_channel},
                 {"subscription", take_sub},
                 {"org", take_org},
                 {"user", take_user},
                 {"group", take_group},
                 {"role", take_role}};
    struct rules *r = mem_calloc(1, sizeof *r);
    int rc = r ? 0 : ERR_NOMEM;
    if (!r) return rc;
    r->node = n;
    arena_init(&r->arena, 256 << 20);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !rc; i++)
        if (kernel_kind(n->kernel, str_of(kinds[i].kind)))
            rc = resource_each(n->kernel, kinds[i].kind, kinds[i].take, r, e);
    if (rc) {
        rules_free(r);
        return rc;
    }
    if (old) {
        r->buckets = TAKE(old->buckets), r->nbuckets = old->nbuckets, r->cap_buckets = old->cap_buckets;
        r->summaries = TAKE(old->summaries), r->nsummaries = old->nsummaries, r->cap_summaries = old->cap_summaries;
        old->nsummaries = old->nbuckets = 0;
    }
    rules_free(old);
    *ret = r;
    return 0;
}

static void summary_free(struct summary *s)
{
    mem_free(s->recipients);
    mem_free(s->text);
    mem_free(s);
}

void rules_free(struct rules *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->nsummaries; i++) summary_free(r->summaries[i]);
    mem_free(r->channels);
    mem_free(r->subs);
    mem_free(r->orgs);
    mem_free(r->users);
    mem_free(r->groups);
    mem_free(r->roles);
    mem_free(r->buckets);
    mem_free(r->summaries);
    arena_fini(&r->arena);
    mem_free(r);
}

/* ---- does it concern a subscription? ---- */

static bool below(const struct rules *r, struct str org, struct str top)
{
    for (int depth = 0; org.n && depth < 32; depth++) {
        if (str_eq(org, top)) return true;
        size_t i = 0;
        while (i < r->norgs && !str_eq(r->orgs[i].id, org)) i++;
        if (i == r->norgs) return false;
        org = r->orgs[i].parent;
    }
    return false;
}

static bool topic_matches(struct str pattern, struct str topic)
{
    if (str_ends(pattern, STR("*"))) return str_starts(topic, str_sub(pattern, 0, pattern.n - 1));
    return str_eq(pattern, topic);
}

static bool any_topic(const struct json *list, struct str topic)
{
    bool any = json_count(list) == 0;
    for
        json_each (it, list) any |= topic_matches(json_str(it, STR("")), topic);
    return any;
}
static bool any_kind(const struct json *list, const char *kind)
{
    bool any = json_count(list) == 0;
    for
        json_each (it, list) any |= str_is(json_str(it, STR("")), kind);
    return any;
}
static bool any_org(const struct rules *r, const struct json *list, struct str org)
{
    bool any = json_count(list) == 0;
    for
        json_each (it, list) any |= below(r, org, json_str(it, STR("")));
    return any;
}

static bool concerns(const struct rules *r, const struct sub *s, const struct notice *n)
{
    struct str org = str_of(n->org);
    return (int)n->severity >= s->severity && any_topic(s->topics, n->topic) && any_kind(s->kinds, n->kind) &&
           any_org(r, s->orgs, org) && (!s->org.n || below(r, org, s->org));
}

/* ---- to whom by mail ---- */

struct recipients {
    const struct rules *r;
    const struct sub *s;
    const struct notice *n;
    struct json *out;
    struct arena *a;
};

static bool in_list(const struct json *list, struct str id)
{
    for
        json_each (it, list)
            if (str_eq(json_str(it, STR("")), id)) return true;
    return false;
}

static bool in_groups(const struct rules *r, const struct json *groups, struct str user)
{
    for (size_t i = 0; i < r->ngroups; i++)
        if (in_list(groups, r->groups[i].id) && in_list(r->groups[i].members, user)) return true;
    return false;
}

static bool in_roles(const struct rules *r, const struct json *roles, struct str codes)
{
    while (codes.p) {
        struct str code = str_trim(str_cut(&codes, ','));
        for (size_t i = 0; i < r->nroles; i++)
            if (str_eq(r->roles[i].code, code) && in_list(roles, r->roles[i].id)) return true;
    }
    return false;
}

static bool one_user(void *ctx, const struct auth_person *who)
{
    struct recipients *x = ctx;
    struct str id = str_of(who->id);
    if (who->disabled || !notice_visible(x->n, who->may, who->id)) return true;
    if (!in_list(x->s->users, id) && !in_groups(x->r, x->s->groups, id) &&
        !in_roles(x->r, x->s->roles, str_of(who->roles ? who->roles : "")))
        return true;
    for (size_t i = 0; i < x->r->nusers; i++)
        if (str_eq(x->r->users[i].id, id)) json_push(x->out, json_new_str(x->a, x->r->users[i].email));
    return true;
}

/* JSON array; empty: nobody. */
static struct str addresses(const struct rules *r, struct arena *a, const struct sub *s, const struct channel *c,
                            const struct notice *n)
{
    struct recipients x = {r, s, n, json_new_array(a), a};
    if (!str_is(c->type, "email")) return STR("[]");
    for
        json_each (it, c->to)
            if (!n->user_id[0]) json_push(x.out, json_copy(a, it));
    if (auth_users_each(api_auth(r->node->api), one_user, &x)) return STR("[]");
    return json_text(a, x.out);
}

/* ---- how much, and when ---- */

static struct bucket *bucket_of(struct rules *r, const struct channel *c, int64_t now)
{
    for (size_t i = 0; i < r->nbuckets; i++)
        if (str_is(c->id, r->buckets[i].channel)) return &r->buckets[i];
    if (!ROOM(r->buckets, r->nbuckets, r->cap_buckets)) return NULL;
    struct bucket *b = &r->buckets[r->nbuckets++];
    *b = (struct bucket){.tokens = c->per_minute, .at_us = now};
    str_to_cstr(c->id, b->channel, sizeof b->channel);
    return b;
}

static bool take_token(struct rules *r, const struct channel *c, int64_t now)
{
    struct bucket *b = bucket_of(r, c, now);
    if (!b) return true;
    double more = (double)(now - b->at_us) / 1e6 * c->per_minute / 60;
    b->tokens = fmin(c->per_minute, b->tokens + fmax(0, more));
    b->at_us = now;
    if (b->tokens < 1) return false;
    b->tokens--;
    return true;
}

/* When the quiet hours end; 0: it is not quiet. */
static int64_t quiet_until(const struct sub *s, int64_t now)
{
    const int64_t day = 86400 * TIME_US_PER_S, minute = 60 * TIME_US_PER_S;
    if (s->quiet_from == s->quiet_to) return 0;
    int64_t local = now + s->utc_offset * minute, at = (local % day) / minute;
    bool over = s->quiet_from > s->quiet_to; /* past midnight */
    bool quiet = over ? at >= s->quiet_from || at < s->quiet_to : at >= s->quiet_from && at < s->quiet_to;
    if (!quiet) return 0;
    int64_t end = local - local % day + s->quiet_to * minute;
    if (end <= local) end += day;
    return end - s->utc_offset * minute;
}

static struct summary *summary_of(struct rules *r, const struct channel *c, struct str recipients, bool quiet,
                                  int64_t until, int64_t now)
{
    for (size_t i = 0; i < r->nsummaries; i++) {
        struct summary *s = r->summaries[i];
        if (str_is(c->id, s->d.channel) && s->quiet == quiet && str_eq(s->d.recipients, recipients)) return s;
    }
    struct summary *s = mem_calloc(1, sizeof *s);
    if (!s || !ROOM(r->summaries, r->nsummaries, r->cap_summaries) || !(s->text = mem_alloc(TEXT_MAX)) ||
        !(s->recipients = mem_dup(recipients.p, recipients.n))) {
        if (s) summary_free(s);
        return NULL;
    }
    uuid7(r->node->clock, r->node->rng, s->d.id);
    str_to_cstr(c->id, s->d.channel, sizeof s->d.channel);
    str_to_cstr(c->code, s->d.channel_code, sizeof s->d.channel_code);
    str_to_cstr(c->org, s->d.org, sizeof s->d.org);
    s->d.recipients = str_make(s->recipients, recipients.n);
    s->d.topic = STR("notice.summary");
    s->d.link = STR("/messages");
    s->d.kind = s->d.ref = STR("");
    s->d.at_us = now;
    s->d.next_us = until;
    s->quiet = quiet;
    s->zh = c->zh;
    return r->summaries[r->nsummaries++] = s;
}

static void add_to(struct summary *s, const struct notice *n)
{
    struct str title = s->zh ? n->title_zh : n->title_en;
    s->d.count++;
    s->changed = true;
    if (n->severity > s->d.severity) s->d.severity = n->severity;
    if (s->listed >= LISTED || s->text_n + title.n + 1 >= TEXT_MAX) return;
    memcpy(s->text + s->text_n, title.p, title.n);
    s->text_n += title.n;
    s->text[s->text_n++] = '\n';
    s->listed++;
}

/* ---- matching ---- */

static void plain(struct rules *r, const struct channel *c, const struct notice *n, struct str recipients, int64_t now,
                  struct delivery *d)
{
    *d = (struct delivery){.is_new = true,
                           .recipients = recipients,
                           .topic = n->topic,
                           .title = c->zh ? n->title_zh : n->title_en,
                           .text = c->zh ? n->text_zh : n->text_en,
                           .link = n->link,
                           .kind = str_of(n->kind),
                           .ref = n->ref,
                           .severity = n->severity,
                           .at_us = n->at_us,
                           .next_us = now,
                           .count = 1};
    uuid7(r->node->clock, r->node->rng, d->id);
    str_to_cstr(c->id, d->channel, sizeof d->channel);
    str_to_cstr(c->code, d->channel_code, sizeof d->channel_code);
    str_to_cstr(c->org, d->org, sizeof d->org);
}

struct matching {
    struct rules *r;
    struct arena *a;
    const struct notice *n;
    int64_t now;
    struct delivery *out;
    size_t count, max;
};

static bool had(const struct matching *x, const struct channel *c, struct str recipients)
{
    for (size_t i = 0; i < x->count; i++)
        if (str_is(c->id, x->out[i].channel) && str_eq(x->out[i].recipients, recipients)) return true;
    return false;
}

static int to_channel(struct matching *x, const struct sub *s, const struct channel *c)
{
    struct str recipients = addresses(x->r, x->a, s, c, x->n);
    if (!recipients.p) return ERR_NOMEM;
    bool email = str_is(c->type, "email");
    if (!c->enabled || (email && str_is(recipients, "[]")) || (!email && x->n->user_id[0])) return 0;
    if (had(x, c, recipients)) return 0;
    int64_t quiet = x->n->severity < EVENT_CRITICAL ? quiet_until(s, x->now) : 0;
    if (quiet || !take_token(x->r, c, x->now)) {
        struct summary *sum = summary_of(x->r, c, recipients, quiet != 0, quiet ? quiet : x->now + GATHER_US, x->now);
        if (!sum) return ERR_NOMEM;
        add_to(sum, x->n);
        return 0;
    }
    if (x->count < x->max) plain(x->r, c, x->n, recipients, x->now, &x->out[x->count++]);
    return 0;
}

int rules_match(struct rules *r, struct arena *a, const struct notice *n, struct delivery **ret, size_t *ret_n)
{
    struct matching x = {.r = r, .a = a, .n = n, .now = clock_now_us(r->node->clock), .max = r->nsubs * 20 + 1};
    int rc = 0;
    *ret_n = 0;
    *ret = NULL;
    if (!r->nsubs) return 0;
    x.out = arena_calloc(a, x.max, sizeof *x.out);
    if (!x.out) return ERR_NOMEM;
    for (size_t i = 0; i < r->nsubs && !rc; i++) {
        if (!concerns(r, &r->subs[i], n)) continue;
        for (size_t k = 0; k < r->nchannels && !rc; k++)
            if (in_list(r->subs[i].channels, r->channels[k].id)) rc = to_channel(&x, &r->subs[i], &r->channels[k]);
    }
    *ret = x.out;
    *ret_n = x.count;
    return rc;
}

/* ---- summaries ---- */

static const struct channel *channel_of(const struct rules *r, const char *id)
{
    for (size_t i = 0; i < r->nchannels; i++)
        if (str_is(r->channels[i].id, id)) return &r->channels[i];
    return NULL;
}

static void describe(struct summary *s, struct arena *a, struct delivery *d)
{
    *d = s->d;
    long long rest = (long long)(s->d.count - (int64_t)s->listed);
    d->title = str_of(arena_printf(a, s->zh ? "另有 %lld 条消息" : "%lld more messages", (long long)s->d.count));
    d->text = rest > 0 ? str_of(arena_printf(a, s->zh ? "%.*s……以及另外 %lld 条" : "%.*s... and %lld others",
                                             (int)s->text_n, s->text, rest))
                       : arena_str(a, str_make(s->text, s->text_n));
    d->is_new = !s->stored;
    d->open = true;
}

int rules_summaries(struct rules *r, struct arena *a, struct delivery **ret, size_t *ret_n)
{
    int64_t now = clock_now_us(r->node->clock);
    size_t n = 0;
    *ret = arena_calloc(a, r->nsummaries + 1, sizeof **ret);
    *ret_n = 0;
    if (!*ret) return ERR_NOMEM;
    for (size_t i = 0; i < r->nsummaries; i++) {
        struct summary *s = r->summaries[i];
        const struct channel *c = channel_of(r, s->d.channel);
        bool done = now >= s->d.next_us && (!c || s->quiet || take_token(r, c, now));
        if (!s->changed && !done) continue;
        describe(s, a, &(*ret)[n]);
        (*ret)[n++].open = !done;
        s->changed = false;
        s->stored = true;
        if (!done) continue;
        (*ret)[n - 1].recipients = arena_str(a, s->d.recipients);
        summary_free(s);
        r->summaries[i--] = r->summaries[--r->nsummaries];
    }
    *ret_n = n;
    return 0;
}
