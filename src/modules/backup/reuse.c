/* reuse.c - see reuse.h: lines in an arena, sorted by a hash of part, name and id when first asked. */
#include "modules/backup/reuse.h"
#include "base/mem.h"

struct known {
    uint64_t hash;
    struct str line;
};
struct reuse {
    struct arena arena;
    struct known *item;
    size_t n, cap;
    bool sorted;
};

int reuse_new(struct reuse **ret)
{
    struct reuse *r = mem_calloc(1, sizeof *r);
    if (!r) return ERR_NOMEM;
    arena_init(&r->arena, 2048u << 20);
    *ret = r;
    return 0;
}

void reuse_free(struct reuse *r)
{
    if (!r) return;
    arena_fini(&r->arena);
    mem_free(r->item);
    mem_free(r);
}

static uint64_t hash_entry(const struct entry *f)
{
    return str_hash(f->part, 1) ^ str_hash(f->name, 2) * 31 ^ str_hash(f->id, 3) * 1009;
}

static int take_line(void *ctx, struct arena *a, const struct json *line, struct error *e)
{
    struct reuse *r = ctx;
    struct entry f;
    int rc = entry_read(line, &f, e);
    if (rc) return rc;
    struct str text = arena_str(&r->arena, json_text(a, line));
    if (!text.p || !mem_grow((void **)&r->item, &r->cap, r->n + 1, sizeof *r->item))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    r->item[r->n++] = (struct known){hash_entry(&f), text};
    r->sorted = false;
    return 0;
}

int reuse_add(struct reuse *r, struct target *t, const struct json *list, struct error *e)
{
    return lines_each(t, list, take_line, r, e);
}

static int by_hash(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static bool fits(struct target *t, struct str line, const struct entry *f, int64_t *ret_bytes)
{
    AUTO_ARENA a;
    struct json *v;
    struct entry g;
    arena_init(&a, 64u << 20);
    if (json_parse(&a, line, &v, NULL) || entry_read(v, &g, NULL)) return false;
    bool same = str_eq(g.part, f->part) && str_eq(g.name, f->name) && str_eq(g.id, f->id);
    for (const struct json *c = g.chunks->child; c && same; c = c->next) same = target_has(t, json_str(c, STR("")));
    if (same) *ret_bytes = g.bytes;
    return same;
}

struct str reuse_find(struct reuse *r, struct target *t, const struct entry *f, int64_t *ret_bytes)
{
    uint64_t h = hash_entry(f);
    if (!r->sorted && r->n) qsort(r->item, r->n, sizeof *r->item, by_hash);
    r->sorted = true;
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (r->item[mid].hash < h)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < r->n && r->item[lo].hash == h; lo++)
        if (fits(t, r->item[lo].line, f, ret_bytes)) return r->item[lo].line;
    return STR_NULL;
}
