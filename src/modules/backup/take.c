/* take.c - a backup, or the part of its history that a range of time needs, fetched into a scratch folder of this
 * machine and opened as a store. Every byte that is fetched is hashed. The folder goes with backup_taken_end. */
#include "base/mem.h"
#include "modules/backup/backup.h"
#include "modules/backup/pack.h"

struct fetching {
    struct take *x;
    struct fetch f;
    struct taken *k;
    uint64_t total; /* bytes of what is wanted */
    bool counting;
};

/* Segments outside the range say nothing about it; strings and the like belong to all. */
static bool wanted(const struct take *x, const struct entry *f)
{
    if (!str_is(f->part, "history")) return x->all;
    if (f->class_id == 255 || x->all) return true;
    return f->from_us < x->to_us && f->to_us >= x->from_us;
}

static void progress(void *ctx, size_t n)
{
    struct fetching *g = ctx;
    g->x->bytes += n;
    job_progress(g->x->j, g->x->bytes, g->total, "fetching", "正在取回");
}

static int take_file(void *ctx, const struct entry *f, struct error *e)
{
    struct fetching *g = ctx;
    struct error why = {0};
    char path[600];
    if (!wanted(g->x, f)) return 0;
    if (g->counting) {
        g->total += (uint64_t)f->bytes;
        return 0;
    }
    restored_path(f, path);
    bool kept = !str_is(f->part, "files");
    int rc = fetch_file(&g->f, f, kept ? g->k->scratch : NULL, path, &why);
    g->x->files++;
    if (!rc) return 0;
    bool of_file = rc == ERR_CORRUPT || rc == ERR_NOT_FOUND;
    if (of_file && g->x->bad) return g->x->bad(g->x->ctx, f, &why);
    if (e) *e = why;
    return rc;
}

static int room_for(struct backup *b, uint64_t bytes, struct error *e)
{
    int64_t left = 0, all = 0;
    if (b->node->data->ops->space(b->node->data, &left, &all) || (uint64_t)left > bytes + bytes / 10 + (64u << 20))
        return 0;
    return error_set(e, ERR_DISK_FULL, b->scratch, "needs %llu MB for what is fetched; %lld MB are free",
                     "取回内容需要 %llu MB；剩余 %lld MB", (unsigned long long)(bytes >> 20), (long long)(left >> 20));
}

static int fetch_all(struct backup *b, struct fetching *g, struct error *e)
{
    g->counting = true;
    int rc = manifest_files(g->x->t, &g->k->m, take_file, g, e);
    if (!rc) rc = room_for(b, g->total, e);
    g->counting = false;
    return rc ? rc : manifest_files(g->x->t, &g->k->m, take_file, g, e);
}

int backup_take(struct backup *b, struct take *x, struct taken *ret, struct error *e)
{
    struct taken k = {0};
    struct fetching g = {.x = x, .k = &k};
    int rc = manifest_read(x->t, job_arena(x->j), x->backup, &k.m, e);
    if (!rc) rc = backup_scratch_open(b, x->j, &k.scratch, k.path, e);
    if (!rc) rc = fetch_begin(&g.f, x->t, e);
    if (!rc) {
        g.f.progress = progress;
        g.f.pctx = &g;
        rc = fetch_all(b, &g, e);
        fetch_end(&g.f);
    }
    if (rc)
        backup_taken_end(&k);
    else
        *ret = k;
    return rc;
}

int backup_take_open(struct backup *b, struct taken *k, struct error *e)
{
    int rc = k->scratch->ops->mkdir(k->scratch, "ts");
    if (rc) return error_set(e, rc, k->path, "cannot be used", "无法使用");
    return b->node->history_open(k->scratch, INT64_MAX, &k->history, e);
}

void backup_taken_end(struct taken *k)
{
    if (k->history) k->history->ops->close(k->history);
    if (k->scratch) backup_scratch_close(k->scratch, k->path);
    *k = (struct taken){0};
}
