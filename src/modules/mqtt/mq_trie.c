/* mq_trie.c - subscriptions as a tree of levels. All nodes stand in one hash table keyed by parent and level, so that
 * a node with a hundred thousand children costs no more than one with two. A node without subscriptions and children
 * goes. A match walks at most the nodes that exist. */
#include "modules/mqtt/broker_int.h"

static uint64_t node_hash(const struct trie_node *parent, struct str level)
{
    return str_hash(level, hash_seed() ^ (uint64_t)(uintptr_t)parent);
}

int mq_trie_init(struct trie *t)
{
    t->nslots = 64;
    t->slots = mem_calloc(t->nslots, sizeof *t->slots);
    t->root = mem_calloc(1, sizeof *t->root + 1);
    return t->slots && t->root ? 0 : ERR_NOMEM;
}

void mq_trie_fini(struct trie *t)
{
    for (size_t i = 0; t->slots && i < t->nslots; i++)
        for (struct trie_node *n = t->slots[i], *next; n; n = next) {
            next = n->chain;
            mem_free(n);
        }
    mem_free(t->slots);
    mem_free(t->root);
    memset(t, 0, sizeof *t);
}

static struct trie_node *find(const struct trie *t, const struct trie_node *parent, struct str level)
{
    if (!parent->children) return NULL;
    uint64_t h = node_hash(parent, level);
    for (struct trie_node *n = t->slots[h & (t->nslots - 1)]; n; n = n->chain)
        if (n->hash == h && n->parent == parent && str_eq(str_make(n->level, n->n), level)) return n;
    return NULL;
}

static void grow(struct trie *t)
{
    size_t want = t->nslots * 2;
    struct trie_node **fresh = mem_calloc(want, sizeof *fresh);
    if (!fresh) return; /* chains grow longer instead */
    for (size_t i = 0; i < t->nslots; i++)
        for (struct trie_node *n = t->slots[i], *next; n; n = next) {
            next = n->chain;
            n->chain = fresh[n->hash & (want - 1)];
            fresh[n->hash & (want - 1)] = n;
        }
    mem_free(t->slots);
    t->slots = fresh;
    t->nslots = want;
}

static struct trie_node *make(struct trie *t, struct trie_node *parent, struct str level)
{
    struct trie_node *n = find(t, parent, level);
    if (n) return n;
    n = mem_calloc(1, sizeof *n + level.n + 1);
    if (!n) return NULL;
    if (t->nodes >= t->nslots) grow(t);
    n->parent = parent;
    n->hash = node_hash(parent, level);
    n->n = (uint16_t)level.n;
    if (level.n) memcpy(n->level, level.p, level.n);
    n->chain = t->slots[n->hash & (t->nslots - 1)];
    t->slots[n->hash & (t->nslots - 1)] = n;
    parent->children++;
    t->nodes++;
    return n;
}

/* The node and those above it that are of no use any more. */
static void prune(struct trie *t, struct trie_node *n)
{
    while (n != t->root && !n->subs && !n->groups && !n->children) {
        struct trie_node *parent = n->parent, **at = &t->slots[n->hash & (t->nslots - 1)];
        while (*at != n) at = &(*at)->chain;
        *at = n->chain;
        parent->children--;
        t->nodes--;
        mem_free(n);
        n = parent;
    }
}

static struct sub_group *group_of(struct trie_node *n, struct str name)
{
    struct sub_group *g;
    for (g = n->groups; g; g = g->next)
        if (str_is(name, g->name)) return g;
    g = mem_calloc(1, sizeof *g);
    if (!g) return NULL;
    g->name = mem_calloc(1, name.n + 1);
    if (!g->name) {
        mem_free(g);
        return NULL;
    }
    memcpy(g->name, name.p, name.n);
    g->next = n->groups;
    n->groups = g;
    return g;
}

int mq_trie_add(struct trie *t, struct str filter, struct str group, struct mq_sub *sub)
{
    struct trie_node *n = t->root;
    struct str rest = filter;
    while (n && rest.p) {
        struct trie_node *below = make(t, n, str_cut(&rest, '/'));
        if (!below) prune(t, n);
        n = below;
    }
    if (!n) return ERR_NOMEM;
    sub->node = n;
    sub->group = group.n ? group_of(n, group) : NULL;
    if (group.n && !sub->group) {
        prune(t, n);
        return ERR_NOMEM;
    }
    struct mq_sub **list = sub->group ? &sub->group->members : &n->subs;
    sub->next_in_node = *list;
    *list = sub;
    t->subs++;
    return 0;
}

static void drop_group(struct trie_node *n, struct sub_group *g)
{
    struct sub_group **at = &n->groups;
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    mem_free(g->name);
    mem_free(g);
}

void mq_trie_remove(struct trie *t, struct mq_sub *sub)
{
    struct trie_node *n = sub->node;
    struct mq_sub **at = sub->group ? &sub->group->members : &n->subs;
    while (*at != sub) at = &(*at)->next_in_node;
    *at = sub->next_in_node;
    if (sub->group && !sub->group->members) drop_group(n, sub->group);
    t->subs--;
    prune(t, n);
}

/* The member whose turn it is, those who are connected and can take it first; it goes to the end of the list. */
static struct mq_sub *pick(struct sub_group *g)
{
    struct mq_sub **best = NULL;
    int best_worth = -1;
    for (struct mq_sub **at = &g->members; *at; at = &(*at)->next_in_node) {
        const struct mq_session *s = (*at)->s;
        int worth = !s->link ? 0 : s->nqueue ? 1 : 2;
        if (worth > best_worth) {
            best = at;
            best_worth = worth;
        }
    }
    struct mq_sub *sub = *best;
    *best = sub->next_in_node;
    sub->next_in_node = NULL;
    struct mq_sub **end = &g->members;
    while (*end) end = &(*end)->next_in_node;
    *end = sub;
    return sub;
}

static void met(struct trie_node *n, trie_fn *fn, void *ctx)
{
    for (struct mq_sub *s = n->subs; s; s = s->next_in_node) fn(ctx, s);
    for (struct sub_group *g = n->groups; g; g = g->next) fn(ctx, pick(g));
}

/* `rest`.p NULL: the topic has ended. Depth: levels of the deepest subscription, at most MQTT_LEVELS_MAX. */
static void walk(struct trie *t, struct trie_node *n, struct str rest, bool wild, trie_fn *fn, void *ctx)
{
    struct trie_node *below;
    if (wild && (below = find(t, n, STR("#")))) met(below, fn, ctx);
    if (!rest.p) {
        met(n, fn, ctx);
        return;
    }
    struct str level = str_cut(&rest, '/');
    if ((below = find(t, n, level))) walk(t, below, rest, true, fn, ctx);
    if (wild && (below = find(t, n, STR("+")))) walk(t, below, rest, true, fn, ctx);
}

void mq_trie_match(struct trie *t, struct str topic, trie_fn *fn, void *ctx)
{
    if (t->subs) walk(t, t->root, topic, !(topic.n && topic.p[0] == '$'), fn, ctx);
}
