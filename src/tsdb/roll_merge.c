/* roll_merge.c - merging rollup files, so that their number stays small and pages grow long.
 *
 * Size tiers like those of segments: four or more neighbours in the same power-of-four tier become one, together
 * with smaller ones between them. Of one cell the newest stays. A cell without figures goes when no older file is
 * left that it could speak about; one that is too old goes anyway. */
#include "base/mem.h"
#include "tsdb/roll.h"
#include "tsdb/seg_page.h"

#define MERGE_MIN 4
#define MERGE_MAX 16
#define MERGED_BYTES ((int64_t)128 << 20)
#define TIER0 ((int64_t)16 << 10)

struct reader { /* cells of one level of one file, in order */
    struct roll *r;
    size_t page, i, n;
    struct index_entry *e;
};
struct merging {
    struct tsdb *db;
    struct reader in[MERGE_MAX];
    size_t n;
    unsigned level;
    bool oldest; /* nothing older is left outside */
    int64_t floor[TSDB_CLASSES];
};

static unsigned tier(const struct roll *r)
{
    unsigned t = 0;
    for (int64_t b = TIER0; b < roll_info(r)->file_bytes; b *= 4) t++;
    return t;
}

static const struct block_meta *cell_of(const struct reader *r)
{
    return r->i < r->n ? &r->e[r->i].meta : NULL;
}

/* Make the next cell the current one. */
static int settle(struct merging *m, struct reader *r)
{
    while (r->i == r->n && r->page < roll_page_count(r->r, m->level)) {
        mem_free(r->e);
        r->e = NULL;
        r->i = r->n = 0;
        int rc = roll_page(r->r, m->level, r->page, m->db->work_codec, &r->e, &r->n);
        if (rc) return rc;
        r->page++;
    }
    return 0;
}

static int compare(const struct merging *m, const struct block_meta *a, const struct block_meta *b)
{
    int64_t x = roll_start(m->level, a->first_us), y = roll_start(m->level, b->first_us);
    if (a->point != b->point) return a->point < b->point ? -1 : 1;
    return (x > y) - (x < y);
}

/* The reader whose cell comes next, of equal ones the newest (the last); NULL at the end. */
static int next_reader(struct merging *m, struct reader **ret)
{
    *ret = NULL;
    for (size_t i = 0; i < m->n; i++) {
        int rc = settle(m, &m->in[i]);
        if (rc) return rc;
        if (cell_of(&m->in[i]) && (!*ret || compare(m, cell_of(&m->in[i]), cell_of(*ret)) <= 0)) *ret = &m->in[i];
    }
    return 0;
}

static bool keep(const struct merging *m, const struct block_meta *c)
{
    if (!c->has_stats) return !m->oldest;
    return roll_start(m->level, c->first_us) >= m->floor[tsdb_class_of(m->db, c->point)];
}

static int merge_level(struct merging *m, struct roll_write *w)
{
    for (;;) {
        struct reader *r;
        int rc = job_stopped(m->db) ? ERR_CANCELLED : next_reader(m, &r);
        if (rc || !r) return rc;
        struct block_meta c = *cell_of(r);
        for (size_t i = 0; i < m->n; i++)
            if (cell_of(&m->in[i]) && compare(m, cell_of(&m->in[i]), &c) == 0) m->in[i].i++;
        if (keep(m, &c)) rc = roll_write_cell(w, m->level, &c);
        if (rc) return rc;
    }
}

static int merge_levels(struct merging *m, struct roll *const *rolls, struct roll_write *w)
{
    int rc = 0;
    for (m->level = 0; m->level < ROLL_LEVELS && !rc; m->level++) {
        for (size_t i = 0; i < m->n; i++) m->in[i] = (struct reader){.r = rolls[i]};
        rc = merge_level(m, w);
        for (size_t i = 0; i < m->n; i++) mem_free(m->in[i].e);
    }
    return rc;
}

static int write_merged(struct tsdb *db, const struct view *v, size_t first, size_t n, struct roll_info *info)
{
    struct merging *m = mem_calloc(1, sizeof *m);
    struct roll_write *w = NULL;
    const struct roll_info *last = roll_info(v->rolls[first + n - 1]);
    int rc = m ? roll_next_info(db, roll_info(v->rolls[first])->lo, last->hi, last->rolled, info) : ERR_NOMEM;
    if (!rc) {
        info->since = last->since;
        info->known = last->known;
        m->db = db;
        m->n = n;
        m->oldest = first == 0;
        memcpy(m->floor, info->floor, sizeof m->floor);
        rc = roll_write_begin(db->fs, info, db->work_codec, &w);
    }
    if (!rc) rc = merge_levels(m, v->rolls + first, w);
    if (rc)
        roll_write_abort(w);
    else
        rc = roll_write_finish(w);
    mem_free(m);
    return rc;
}

/* The new file in the place of the n ones from `first` on. */
static int swap_in(struct tsdb *db, const struct view *v, size_t first, size_t n, struct roll *merged)
{
    struct roll **all = mem_alloc((v->nrolls + 1) * sizeof(struct roll *));
    size_t k = 0;
    if (!all) return ERR_NOMEM;
    for (size_t i = 0; i < v->nrolls; i++) {
        if (i == first) all[k++] = merged;
        if (i < first || i >= first + n) all[k++] = v->rolls[i];
    }
    int rc = roll_publish(db, all, k, v->rolled, v->roll_gen);
    mem_free(all);
    return rc;
}

static int merge_range(struct tsdb *db, const struct view *v, size_t first, size_t n)
{
    struct roll_info info;
    struct roll *merged = NULL;
    char path[ROLL_PATH_MAX];
    int rc = job_begin(db);
    if (!rc) rc = write_merged(db, v, first, n, &info);
    if (rc) return rc;
    roll_path(&info, path);
    rc = roll_open(db->fs, path, &merged);
    if (!rc) rc = swap_in(db, v, first, n, merged);
    if (rc) {
        (void)db->fs->ops->remove(db->fs, path);
        db->dir_dirty = true;
    } else {
        for (size_t i = 0; i < n; i++) roll_remove(db, v->rolls[first + i]);
        (void)job_sync_dir(db);
    }
    roll_unref(merged);
    return rc;
}

/* Length of the longest run from `first` with nothing above tier t. */
static size_t run_of(const struct view *v, size_t first, unsigned t, size_t *ret_in_tier)
{
    int64_t bytes = 0;
    size_t n = 0;
    *ret_in_tier = 0;
    for (; first + n < v->nrolls && n < MERGE_MAX; n++) {
        const struct roll *r = v->rolls[first + n];
        bytes += roll_info(r)->file_bytes;
        if (tier(r) > t || bytes > MERGED_BYTES) break;
        *ret_in_tier += tier(r) == t;
    }
    return n;
}

int roll_merge_once(struct tsdb *db)
{
    struct view *v = view_get(db);
    int rc = 0;
    for (unsigned t = 0; t < 12 && rc == 0; t++)
        for (size_t first = 0; first < v->nrolls && rc == 0; first++) {
            size_t in_tier, n = run_of(v, first, t, &in_tier);
            if (in_tier < MERGE_MIN) continue;
            rc = merge_range(db, v, first, n);
            if (rc == 0 || rc == ERR_CORRUPT) rc = 1; /* broken: the next call mends it */
        }
    view_put(v);
    return rc;
}
