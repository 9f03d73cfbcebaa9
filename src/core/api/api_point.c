/* api_point.c - points by name from memory, for queries that name hundreds of them.
 *
 * A table of what was found lately, by the name that was asked (code or id). It is right as of a change number of
 * the kernel: when that has moved on, the changes since are looked at, and one of any point empties the table. So an
 * answer is never older than the last change that this process has heard of. Somebody who may see only some fields
 * of points is served by the slow way. Any thread; a miss reads the store outside the lock. */
#include <pthread.h>
#include "base/mem.h"
#include "base/time.h"
#include "core/api/api_int.h"

#define SLOTS (1u << 18) /* of which at most half are used; then the table is emptied */
#define TEXT_MAX ((size_t)64 << 20)
#define CHANGES_READ 64
#define MISSES_LOAD 100 /* after which all points are read */
#define LOAD_EVERY_US (60 * TIME_US_PER_S)

struct entry {
    struct str name;
    struct api_point p;
};
struct api_point_names {
    struct kernel *kernel;
    pthread_rwlock_t lock;
    struct entry **slots; /* SLOTS, once something was found */
    size_t n;
    int64_t seq;     /* of the kernel, up to which the table is right */
    unsigned misses; /* since the table was emptied */
    int64_t load_us; /* when all were read last */
    struct arena arena;
};

int api_point_names_new(struct kernel *k, struct api_point_names **ret)
{
    struct api_point_names *t = mem_calloc(1, sizeof *t);
    if (!t) return ERR_NOMEM;
    t->kernel = k;
    pthread_rwlock_init(&t->lock, NULL);
    arena_init(&t->arena, TEXT_MAX);
    *ret = t;
    return 0;
}

void api_point_names_free(struct api_point_names *t)
{
    if (!t) return;
    mem_free(t->slots);
    arena_fini(&t->arena);
    pthread_rwlock_destroy(&t->lock);
    mem_free(t);
}

static void empty(struct api_point_names *t)
{
    if (t->slots) memset(t->slots, 0, SLOTS * sizeof(*t->slots));
    t->n = 0;
    t->misses = 0;
    arena_reset(&t->arena);
}

static bool points_changed(struct api_point_names *t, int64_t from)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct change *c = NULL;
    size_t n = 0;
    if (kernel_changes(t->kernel, &a, from, CHANGES_READ, &c, &n, NULL) || n == CHANGES_READ) return true;
    for (size_t i = 0; i < n; i++)
        if (str_is(c[i].kind, "point")) return true;
    return false;
}

/* Right as of now, which is the change number returned. */
static int64_t catch_up(struct api_point_names *t)
{
    int64_t now = kernel_seq(t->kernel);
    pthread_rwlock_rdlock(&t->lock);
    int64_t seq = t->seq;
    pthread_rwlock_unlock(&t->lock);
    if (seq >= now) return seq;
    bool changed = points_changed(t, seq);
    pthread_rwlock_wrlock(&t->lock);
    if (changed && t->seq < now) empty(t);
    if (t->seq < now) t->seq = now;
    pthread_rwlock_unlock(&t->lock);
    return now;
}

/* The slot of that name, or the free one where it belongs. */
static struct entry **slot_of(const struct api_point_names *t, struct str name)
{
    size_t i = str_hash(name, hash_seed()) % SLOTS;
    while (t->slots[i] && !str_eq(t->slots[i]->name, name)) i = (i + 1) % SLOTS;
    return &t->slots[i];
}

static bool copy_point(struct arena *a, const struct api_point *from, struct api_point *to)
{
    *to = *from;
    to->id = arena_str(a, from->id);
    to->code = arena_str(a, from->code);
    to->name = arena_str(a, from->name);
    to->unit = arena_str(a, from->unit);
    to->org = arena_str(a, from->org);
    return to->id.p && to->code.p && to->name.p && to->unit.p && to->org.p;
}

static bool recall(struct api_point_names *t, struct arena *a, struct str name, struct api_point *ret)
{
    pthread_rwlock_rdlock(&t->lock);
    const struct entry *e = t->slots ? *slot_of(t, name) : NULL;
    bool found = e && copy_point(a, &e->p, ret);
    pthread_rwlock_unlock(&t->lock);
    return found;
}

/* Under the write lock. */
static void keep(struct api_point_names *t, struct str name, const struct api_point *p)
{
    if (t->n >= SLOTS / 2) empty(t);
    if (!t->slots) t->slots = mem_calloc(SLOTS, sizeof(*t->slots));
    struct entry **slot = t->slots ? slot_of(t, name) : NULL;
    struct entry *e = slot && !*slot ? arena_calloc(&t->arena, 1, sizeof *e) : NULL;
    if (!e) return;
    e->name = arena_str(&t->arena, name);
    if (!e->name.p || !copy_point(&t->arena, p, &e->p)) return;
    *slot = e;
    t->n++;
}

/* One that was missed; true: it is time to read all. */
static bool keep_missed(struct api_point_names *t, int64_t seq, int64_t now, struct str name, const struct api_point *p)
{
    pthread_rwlock_wrlock(&t->lock);
    if (t->seq == seq) keep(t, name, p);
    bool load = ++t->misses > MISSES_LOAD && (now - t->load_us >= LOAD_EVERY_US || now < t->load_us);
    if (load) t->load_us = now;
    pthread_rwlock_unlock(&t->lock);
    return load;
}

static bool keep_rows(struct api_point_names *t, int64_t seq, struct sql_stmt *s)
{
    struct api_point p = {.num = (uint32_t)sql_i64(s, 0),
                          .id = sql_str(s, 1),
                          .code = sql_str(s, 2),
                          .name = sql_str(s, 3),
                          .org = sql_str(s, 4)};
    struct str unit = sql_str(s, 5), step = sql_str(s, 6); /* a boolean is 1 in one store, true in the other */
    p.unit = unit.p ? unit : STR("");
    p.step = str_is(step, "1") || str_is(step, "true");
    pthread_rwlock_wrlock(&t->lock);
    bool right = t->seq == seq && t->n < SLOTS / 2;
    if (right) keep(t, p.code, &p);
    pthread_rwlock_unlock(&t->lock);
    return right;
}

/* What cannot be read now is found one by one. */
static void load_all(struct api_point_names *t, int64_t seq)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    if (sql_begin(kernel_sql(t->kernel), false, &tx, NULL)) return;
    int rc = sql_prepare(tx,
                         "select num, id, code, name, org, spec ->> 'unit', spec ->> 'step' from resource"
                         " where kind = 'point' and deleted = 0 and num > 0",
                         &s, NULL);
    while (!rc && sql_step(s, NULL) == 1 && keep_rows(t, seq, s)) continue;
    sql_done(s);
    sql_rollback(tx);
}

int api_find_point(struct api_call *c, struct str name, enum api_action act, struct api_point *ret, struct error *e)
{
    struct api_point_names *t = c->api->names;
    bool quick = permitted_all_fields(c->actor.may, "point", ACT_READ);
    int64_t seq = quick ? catch_up(t) : 0;
    if (quick && recall(t, c->a, name, ret) && permitted_at(c->actor.may, "point", ACT_READ, ret->org) &&
        permitted_at(c->actor.may, "point", act, ret->org))
        return 0;
    struct resource r;
    int rc = api_find(c, "point", name, act, &r, e);
    if (rc) return rc;
    *ret = (struct api_point){.num = r.num, .id = r.id, .code = r.code, .name = r.name, .org = r.org};
    ret->unit = json_str(json_get(r.spec, "unit"), STR(""));
    ret->step = json_bool(json_get(r.spec, "step"), false);
    if (quick && keep_missed(t, seq, clock_now_us(c->api->clock), name, ret)) load_all(t, seq);
    return 0;
}
