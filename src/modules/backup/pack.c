/* pack.c - see pack.h. */
#include "modules/backup/pack.h"
#include "base/mem.h"

static int nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ------------------------------------------------------------------ packing */

struct packing {
    const struct pack_source *s;
    struct target *t;
    struct arena *a;
    struct entry *f;
    struct json *chunks;
    struct hasher *hash;
    uint8_t *room;
    int64_t at;
};

/* A chunk full, or less at the end. */
static int64_t read_chunk(struct packing *p, size_t want)
{
    size_t n = 0;
    while (n < want) {
        int64_t got = p->s->read(p->s->ctx, p->room + n, want - n, p->at + (int64_t)n);
        if (got < 0) return got;
        if (!got) break;
        n += (size_t)got;
    }
    return (int64_t)n;
}

static int store_chunk(struct packing *p, size_t n, bool only, struct error *e)
{
    char hash[TARGET_HASH];
    int rc = target_put(p->t, p->room, n, hash, NULL, e);
    if (rc) return rc;
    if (!only) hasher_add(p->hash, p->room, n);
    p->at += (int64_t)n;
    if (p->s->progress) p->s->progress(p->s->pctx, n);
    return json_push(p->chunks, json_new_str(p->a, arena_str(p->a, str_of(hash)))) ? 0 : nomem(e);
}

static int ended_early(const struct packing *p, struct error *e)
{
    char name[100];
    str_to_cstr(p->f->name, name, sizeof name);
    return error_set(e, ERR_CORRUPT, name, "has only %lld of %lld bytes", "只有 %lld / %lld 字节", (long long)p->at,
                     (long long)p->s->bytes);
}

static int pack_all(struct packing *p, struct error *e)
{
    size_t chunk = p->s->chunk ? p->s->chunk : TARGET_CHUNK;
    int64_t total = p->s->bytes;
    for (;;) {
        size_t want = total >= 0 && total - p->at < (int64_t)chunk ? (size_t)(total - p->at) : chunk;
        int64_t n = want ? read_chunk(p, want) : 0;
        if (n < 0) {
            char name[100];
            str_to_cstr(p->f->name, name, sizeof name);
            return error_set(e, (int)n, name, "cannot be read: %s", "无法读取：%s", error_title((int)n));
        }
        if (n < (int64_t)want && total >= 0) return ended_early(p, e);
        if (!n) return 0;
        int rc = store_chunk(p, (size_t)n, total >= 0 && total == n && p->at == 0, e);
        if (rc) return rc;
    }
}

int pack_file(struct target *t, struct arena *a, const struct pack_source *s, struct entry *f, struct error *e)
{
    char sha[TARGET_HASH];
    struct packing p = {.s = s, .t = t, .a = a, .f = f, .chunks = json_new_array(a), .hash = hasher_new()};
    p.room = mem_alloc(s->chunk ? s->chunk : TARGET_CHUNK);
    int rc = p.room && p.chunks && p.hash ? pack_all(&p, e) : nomem(e);
    if (!rc) {
        hasher_end(p.hash, sha);
        bool one = p.chunks->count == 1 && s->bytes >= 0; /* hashed already, as a chunk */
        f->chunks = p.chunks;
        f->bytes = p.at;
        f->sha256 = one ? json_str(p.chunks->child, STR("")) : arena_str(a, str_of(sha));
        if (!f->sha256.p) rc = nomem(e);
    }
    hasher_free(p.hash);
    mem_free(p.room);
    return rc;
}

/* ------------------------------------------------------------------ fetching */

int fetch_begin(struct fetch *x, struct target *t, struct error *e)
{
    *x = (struct fetch){.t = t, .room = mem_alloc(TARGET_CHUNK), .hash = hasher_new()};
    if (x->room && x->hash) return 0;
    fetch_end(x);
    return nomem(e);
}

void fetch_end(struct fetch *x)
{
    mem_free(x->room);
    hasher_free(x->hash);
    *x = (struct fetch){0};
}

static int make_folders(struct fs *to, const char *path)
{
    char part[600];
    int rc = 0;
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part; (p = strchr(p, '/')) && !rc; *p++ = '/') {
        *p = 0;
        rc = to->ops->mkdir(to, part);
    }
    return rc;
}

static int fetch_chunks(struct fetch *x, const struct entry *f, struct fs_file *out, int64_t *ret_at, struct error *e)
{
    int64_t at = 0;
    for (const struct json *c = f->chunks->child; c; c = c->next) {
        size_t n;
        int rc = target_get(x->t, json_str(c, STR("")), x->room, &n, e);
        if (!rc) hasher_add(x->hash, x->room, n);
        if (!rc && out && (rc = fs_pwrite(out, x->room, n, at)))
            rc = error_set(e, rc, "", "cannot be written: %s", "无法写入：%s", error_title(rc));
        if (rc) return rc;
        at += (int64_t)n;
        if (x->progress) x->progress(x->pctx, n);
    }
    *ret_at = at;
    return 0;
}

/* The error names the file; the chunk goes into the text. */
static int name_file(const struct entry *f, int rc, struct error *e)
{
    if (!e || rc == ERR_CANCELLED) return rc;
    struct error was = *e;
    str_to_cstr(str_sub(f->name, 0, sizeof e->where - 1), e->where, sizeof e->where);
    e->code = rc;
    if (!was.where[0]) return rc;
    snprintf(e->text, sizeof e->text, "%.200s (%.100s)", was.text, was.where);
    snprintf(e->text_zh, sizeof e->text_zh, "%.200s（%.100s）", was.text_zh, was.where);
    return rc;
}

int fetch_file(struct fetch *x, const struct entry *f, struct fs *to, const char *path, struct error *e)
{
    struct fs_file *out = NULL;
    char sha[TARGET_HASH];
    int64_t at = 0;
    int rc = to ? make_folders(to, path) : 0;
    if (!rc && to) rc = fs_open(to, path, FS_WRITE | FS_CREATE | FS_TRUNC, &out);
    if (rc) return error_set(e, rc, path, "cannot be made: %s", "无法创建：%s", error_title(rc));
    rc = fetch_chunks(x, f, out, &at, e);
    hasher_end(x->hash, sha);
    if (!rc && (at != f->bytes || !str_eq(str_of(sha), f->sha256)))
        rc = error_set(e, ERR_CORRUPT, "", "is not what was backed up", "与备份时不一致");
    if (!rc && out && (rc = fs_sync(out))) rc = error_set(e, rc, "", "cannot be made durable", "无法落盘");
    fs_close(out);
    if (rc && to) (void)to->ops->remove(to, path);
    return rc ? name_file(f, rc, e) : 0;
}

void restored_path(const struct entry *f, char out[600])
{
    struct str name = str_is(f->name, "settings.json") ? STR("settings-of-backup.json") : str_sub(f->name, 0, 560);
    snprintf(out, 600, "%s%.*s", str_is(f->part, "files") ? "objects/" : "", STR_ARG(name));
}
