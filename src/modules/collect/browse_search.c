/* browse_search.c - a search by crawling.
 *
 * Queue    every node that may have children, in the order in which they were met: that is breadth first. A node is
 *          met once (a set of keyed 64-bit hashes of the node ids), so loops of a device end. An entry knows its
 *          parent: that gives the path of names.
 * Flight   up to FLIGHTS browses are at the driver at once; each asks for pages until its node is told.
 * Found    items as JSON, in the order in which they were met. A page may find more than a portion is to give; the
 *          rest waits for the next.
 * Bounds   of a portion: items, nodes, time. Of a search: entries, bytes, depth; what they leave out is counted and
 *          told, never hidden. A node that cannot be browsed is counted; a lost connection ends the search. */
#include "modules/collect/browse_search.h"
#include "base/arena.h"
#include "base/mem.h"
#include "drivers/common/registry.h"

#define FLIGHTS 4
#define PAGE 500
#define DEPTH_MAX 50
#define ENTRIES_MAX 200000
#define BYTES_MAX (48u << 20)
#define WORDS_MAX 8

struct entry {
    uint32_t parent, depth;
    const char *node, *name;
};
struct flight {
    struct browse_search *s;
    uint32_t entry;
    bool busy;
    const char *cursor; /* the page to ask for; NULL: the first */
    bool waits;         /* it has a page to ask for */
};
struct browse_search {
    struct arena a;
    struct str words[WORDS_MAX];
    size_t nwords;
    struct driver_device device;
    struct options options;
    struct entry *entries;
    size_t n, cap, next; /* next: the first that was not looked at */
    uint64_t *seen;      /* open addressing; 0: free */
    size_t nseen, seen_cap;
    struct str *found;
    size_t nfound, found_cap, given; /* given: told in former portions */
    uint64_t looked, failed, left_out;
    /* the portion */
    struct browse_run run;
    struct browse_bounds bounds;
    struct flight flights[FLIGHTS];
    uint64_t looked_before, until_ns;
    bool running, planned, stepping;
    struct error broken; /* code != 0: it cannot go on */
};

/* ---- making ----------------------------------------------------------------------------------------------------- */

static bool copy_options(struct browse_search *s, const struct options *o)
{
    size_t n = 0;
    if (!o || !o->table || !o->values) return true;
    while (o->table[n].name) n++;
    struct option_value *v = arena_calloc(&s->a, n + 1, sizeof *v);
    for (size_t i = 0; v && i < n; i++) {
        v[i] = o->values[i];
        if (v[i].s && !(v[i].s = arena_strdup(&s->a, str_of(o->values[i].s)))) return false;
    }
    s->options = (struct options){o->table, v};
    s->device.options = &s->options;
    return v != NULL;
}

static void copy_words(struct browse_search *s, struct str text)
{
    while (text.p && s->nwords < WORDS_MAX) {
        struct str w = str_trim(str_cut(&text, ' '));
        if (w.n) s->words[s->nwords++] = arena_str(&s->a, w);
    }
}

static bool push(struct browse_search *s, uint32_t parent, uint32_t depth, const char *node, const char *name);

struct browse_search *browse_search_new(struct str node, struct str text, const struct driver_device *device)
{
    struct browse_search *s = mem_calloc(1, sizeof *s);
    if (!s) return NULL;
    arena_init(&s->a, BYTES_MAX);
    if (device) s->device = (struct driver_device){device->num, arena_strdup(&s->a, str_of(device->code)), NULL};
    copy_words(s, text);
    const char *root = arena_strdup(&s->a, node);
    if (root && copy_options(s, device ? device->options : NULL) && push(s, 0, 0, root, "")) return s;
    browse_search_free(s);
    return NULL;
}

void browse_search_free(struct browse_search *s)
{
    if (!s) return;
    arena_fini(&s->a);
    mem_free(s->entries);
    mem_free(s->seen);
    mem_free(s->found);
    mem_free(s);
}

/* ---- what was met ----------------------------------------------------------------------------------------------- */

static void place(uint64_t *table, size_t cap, uint64_t h)
{
    size_t i = h & (cap - 1);
    while (table[i]) i = (i + 1) & (cap - 1);
    table[i] = h;
}

static bool grow_seen(struct browse_search *s)
{
    size_t cap = s->seen_cap ? s->seen_cap * 2 : 1024;
    uint64_t *table = mem_calloc(cap, sizeof *table);
    if (!table) return false;
    for (size_t i = 0; i < s->seen_cap; i++)
        if (s->seen[i]) place(table, cap, s->seen[i]);
    mem_free(s->seen);
    s->seen = table;
    s->seen_cap = cap;
    return true;
}

/* True: it was not met before (also when there is no memory to remember it: the bounds then end the search). */
static bool meet(struct browse_search *s, const char *key, uint64_t kind)
{
    uint64_t h = str_hash(str_of(key), hash_seed() ^ kind) | 1;
    if (2 * (s->nseen + 1) > s->seen_cap && !grow_seen(s)) return true;
    for (size_t i = h & (s->seen_cap - 1); s->seen[i]; i = (i + 1) & (s->seen_cap - 1))
        if (s->seen[i] == h) return false;
    place(s->seen, s->seen_cap, h);
    s->nseen++;
    return true;
}
enum { MET_NODE = 1, MET_ITEM = 2 };

static bool push(struct browse_search *s, uint32_t parent, uint32_t depth, const char *node, const char *name)
{
    void *items = s->entries;
    if (!meet(s, node, MET_NODE)) return true;
    if (s->n >= ENTRIES_MAX || depth > DEPTH_MAX || !mem_grow(&items, &s->cap, s->n + 1, sizeof *s->entries)) {
        s->left_out++;
        return false;
    }
    s->entries = items;
    struct entry e = {parent, depth, arena_strdup(&s->a, str_of(node)), arena_strdup(&s->a, str_of(name))};
    if (!e.node || !e.name) {
        s->left_out++;
        return false;
    }
    s->entries[s->n++] = e;
    return true;
}

/* ---- matching --------------------------------------------------------------------------------------------------- */

static bool has(const char *text, struct str word)
{
    return text && str_ihas(str_of(text), word);
}

static bool in_path(const struct browse_search *s, uint32_t at, struct str word)
{
    for (; at; at = s->entries[at].parent)
        if (has(s->entries[at].name, word)) return true;
    return false;
}

/* Every word is in the item or in its path, one of them in the item. */
static bool matches(const struct browse_search *s, uint32_t parent, const struct driver_browse_item *i)
{
    bool own = false;
    for (size_t k = 0; k < s->nwords; k++) {
        bool here = has(i->name, s->words[k]) || has(i->description, s->words[k]) || has(i->address, s->words[k]);
        if (!here && !in_path(s, parent, s->words[k])) return false;
        own = own || here;
    }
    return own;
}

void browse_item_members(struct json_writer *w, const struct driver_browse_item *i)
{
    jw_kz(w, "node", i->node);
    jw_kz(w, "name", i->name);
    jw_kz(w, "description", i->description ? i->description : "");
    jw_kz(w, "address", i->address);
    jw_kz(w, "type", value_type_name(i->type));
    jw_kz(w, "value", i->value);
    jw_kz(w, "unit", i->unit);
    jw_kbool(w, "children", i->children);
    jw_kbool(w, "writable", i->writable);
    if (i->lo < i->hi) {
        jw_kdouble(w, "lo", i->lo);
        jw_kdouble(w, "hi", i->hi);
    }
}

static void write_path(const struct browse_search *s, struct json_writer *w, uint32_t at)
{
    const char *names[DEPTH_MAX + 1];
    size_t n = 0;
    for (; at && n < DEPTH_MAX; at = s->entries[at].parent) names[n++] = s->entries[at].name;
    jw_key(w, STR("path"));
    jw_array(w);
    while (n) jw_str(w, str_of(names[--n]));
    jw_end(w);
}

static void keep(struct browse_search *s, uint32_t parent, const struct driver_browse_item *i)
{
    void *items = s->found;
    struct buf b;
    buf_init(&b, 1u << 20);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    browse_item_members(&w, i);
    write_path(s, &w, parent);
    jw_end(&w);
    struct str copy = b.err ? STR_NULL : arena_str(&s->a, buf_view(&b));
    buf_fini(&b);
    if (copy.p && mem_grow(&items, &s->found_cap, s->nfound + 1, sizeof *s->found)) {
        s->found = items;
        s->found[s->nfound++] = copy;
    } else {
        s->left_out++;
    }
}

static void take_item(struct browse_search *s, uint32_t parent, const struct driver_browse_item *i)
{
    const char *key = i->address && i->address[0] ? i->address : i->node;
    if (matches(s, parent, i) && (!key || !key[0] || meet(s, key, MET_ITEM))) keep(s, parent, i);
    if (i->children && i->node && i->node[0])
        push(s, parent, s->entries[parent].depth + 1, i->node, i->name ? i->name : "");
}

/* ---- crawling --------------------------------------------------------------------------------------------------- */

static void step(void *arg);

static unsigned busy(const struct browse_search *s)
{
    unsigned n = 0;
    for (int i = 0; i < FLIGHTS; i++) n += s->flights[i].busy;
    return n;
}

static void end_if_still(struct browse_search *s)
{
    if (s->planned || s->stepping || busy(s) || !s->running) return;
    s->running = false;
    s->run.done(s->run.ctx, s->broken.code ? &s->broken : NULL);
}

static void plan(struct browse_search *s)
{
    if (s->planned) return;
    s->planned = s->run.later(s->run.ctx, step, s) == 0;
    if (s->planned) return;
    if (!s->broken.code) error_set(&s->broken, ERR_CLOSED, "", "the node is stopping", "节点正在停止");
    end_if_still(s);
}

/* The connection, not this node. */
static bool is_loss(int code)
{
    static const int codes[] = {ERR_TIMEOUT, ERR_UNAVAILABLE, ERR_CLOSED, ERR_CANCELLED, ERR_IO, ERR_UNAUTHENTICATED};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == code) return true;
    return false;
}

static void on_page(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                    const char *next)
{
    struct flight *f = arg;
    struct browse_search *s = f->s;
    f->busy = false;
    if (e) {
        s->failed++;
        if ((f->entry == 0 || is_loss(e->code)) && !s->broken.code) s->broken = *e;
    } else {
        for (size_t i = 0; i < n; i++) take_item(s, f->entry, &items[i]);
        f->cursor = next && next[0] ? arena_strdup(&s->a, str_of(next)) : NULL;
        f->waits = f->cursor != NULL;
        if (next && next[0] && !f->cursor) s->left_out++;
    }
    plan(s);
}

static bool over(const struct browse_search *s)
{
    return s->broken.code || s->nfound - s->given >= s->bounds.items ||
           s->looked - s->looked_before >= s->bounds.nodes || s->run.now(s->run.ctx) >= s->until_ns;
}

static bool ask(struct browse_search *s, struct flight *f)
{
    struct driver_channel *ch = s->run.channel(s->run.ctx);
    if (!ch) {
        error_set(&s->broken, ERR_UNAVAILABLE, "", "the channel is not running", "通道未运行");
        return false;
    }
    f->waits = false;
    f->busy = true;
    s->run.driver->browse(ch, &s->device, s->entries[f->entry].node, f->cursor, PAGE, on_page, f);
    return true;
}

static bool launch(struct browse_search *s, struct flight *f)
{
    if (f->busy || over(s)) return false;
    if (f->waits) return ask(s, f);
    if (s->next >= s->n) return false;
    f->s = s;
    f->entry = (uint32_t)s->next;
    f->cursor = NULL;
    if (!ask(s, f)) return false;
    s->next++;
    s->looked++;
    return true;
}

static void step(void *arg)
{
    struct browse_search *s = arg;
    s->planned = false;
    s->stepping = true;
    for (int i = 0; i < FLIGHTS; i++) launch(s, &s->flights[i]);
    s->stepping = false;
    end_if_still(s);
}

void browse_search_run(struct browse_search *s, const struct browse_run *r, const struct browse_bounds *b)
{
    s->run = *r;
    s->bounds = *b;
    s->looked_before = s->looked;
    s->until_ns = r->now(r->ctx) + b->ns;
    s->running = true;
    plan(s);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

bool browse_search_more(const struct browse_search *s)
{
    bool pages = false;
    for (int i = 0; i < FLIGHTS; i++) pages = pages || s->flights[i].waits;
    return pages || s->next < s->n || s->given < s->nfound;
}

void browse_search_answer(struct browse_search *s, const char *cursor, struct json_writer *w)
{
    size_t end = s->nfound - s->given > s->bounds.items ? s->given + s->bounds.items : s->nfound;
    jw_object(w);
    jw_key(w, STR("items"));
    jw_array(w);
    for (; s->given < end; s->given++) jw_raw(w, s->found[s->given]);
    jw_end(w);
    bool more = browse_search_more(s);
    jw_kz(w, "next", more ? cursor : NULL);
    jw_kbool(w, "truncated", more || s->left_out > 0);
    jw_ki64(w, "looked", (int64_t)s->looked);
    jw_ki64(w, "waiting", (int64_t)(s->n - s->next));
    jw_ki64(w, "failed", (int64_t)s->failed);
    jw_ki64(w, "left_out", (int64_t)s->left_out);
    jw_end(w);
}
