/* file_upload.c - a body on its way into the store of objects, never held in memory as a whole.
 *
 * Pieces come on the connection's loop and gather in `coming`; a thread of the pool takes what has gathered
 * and writes it while the next pieces come. When 1 MiB waits the sender is held back. `lock` guards what both
 * touch; `writing` tells that a thread is at it and then also owns the end: an upload that is aborted
 * meanwhile (`dead`) is freed by that thread. */
#include <pthread.h>
#include "core/file/file_int.h"

#define WAITING_MAX (1u << 20)

struct upload {
    struct files *f;
    struct http_request *q;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct buf coming, taken;
    bool writing, paused, dead;
    int rc;
    struct error err;
    struct object_put *put; /* of the writer */
    uint64_t size;
    uint8_t head[SNIFF_BYTES];
    size_t nhead;
    char id[37], key[64];
};

static void upload_free(struct upload *u)
{
    object_put_abort(u->put);
    buf_fini(&u->coming);
    buf_fini(&u->taken);
    pthread_mutex_destroy(&u->lock);
    pthread_cond_destroy(&u->idle);
    mem_free(u);
}

static int begin(struct http_request *q, void **ret_ctx, struct error *e)
{
    struct api_call *c = q->route_ctx;
    struct upload *u = mem_calloc(1, sizeof *u);
    if (!u) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    u->f = c->module;
    u->q = q;
    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->idle, NULL);
    buf_init(&u->coming, 16u << 20);
    buf_init(&u->taken, 16u << 20);
    uuid7(kernel_clock(u->f->cfg.kernel), kernel_rng(u->f->cfg.kernel), u->id);
    snprintf(u->key, sizeof u->key, "files/%.2s/%s", u->id + 34, u->id);
    *ret_ctx = u;
    return 0;
}

/* On the writer's thread, without the lock. */
static int write_taken(struct upload *u, struct error *e)
{
    int rc = u->put ? 0 : object_put_begin(u->f->cfg.objects, u->key, &u->put, e);
    if (!rc) rc = object_put_write(u->put, u->taken.p, u->taken.n, e);
    u->size += u->taken.n;
    buf_clear(&u->taken);
    return rc;
}

static void write_some(void *arg)
{
    struct upload *u = arg;
    pthread_mutex_lock(&u->lock);
    while (u->coming.n && !u->dead && !u->rc) {
        struct error e = {0};
        struct buf full = u->coming;
        u->coming = u->taken;
        u->taken = full;
        if (u->paused) http_upload_resume(u->q); /* lives: neither done nor abort was called */
        u->paused = false;
        pthread_mutex_unlock(&u->lock);
        int rc = write_taken(u, &e);
        pthread_mutex_lock(&u->lock);
        if (rc) u->rc = rc, u->err = e;
    }
    if (u->paused && !u->dead) http_upload_resume(u->q); /* the next piece hears of the failure */
    u->paused = u->writing = false;
    bool dead = u->dead;
    pthread_cond_signal(&u->idle);
    pthread_mutex_unlock(&u->lock);
    if (dead) upload_free(u);
}

static int piece(void *ctx, const void *p, size_t n, struct error *e)
{
    struct upload *u = ctx;
    size_t k = SNIFF_BYTES - u->nhead < n ? SNIFF_BYTES - u->nhead : n;
    memcpy(u->head + u->nhead, p, k);
    u->nhead += k;
    pthread_mutex_lock(&u->lock);
    int rc = u->rc;
    if (rc && e) *e = u->err;
    buf_add(&u->coming, p, n);
    if (!rc && u->coming.err) rc = error_set(e, u->coming.err, "", "out of memory", "内存不足");
    if (!rc && !u->writing) {
        u->writing = true;
        if (pool_submit(u->f->pool, write_some, u)) {
            u->writing = false;
            rc = error_set(e, ERR_AGAIN, "", "too many uploads at once; try again", "同时上传过多，请稍后重试");
        }
    }
    u->paused = !rc && u->coming.n > WAITING_MAX;
    if (u->paused) rc = 1;
    pthread_mutex_unlock(&u->lock);
    return rc;
}

static void wait_idle(struct upload *u)
{
    pthread_mutex_lock(&u->lock);
    while (u->writing) pthread_cond_wait(&u->idle, &u->lock);
    pthread_mutex_unlock(&u->lock);
}

static void done(void *ctx, struct http_request *q, struct http_response *r)
{
    wait_idle(ctx);
    upload_free(ctx);
}

static void aborted(void *ctx)
{
    struct upload *u = ctx;
    pthread_mutex_lock(&u->lock);
    u->dead = true;
    bool writing = u->writing;
    pthread_mutex_unlock(&u->lock);
    if (!writing) upload_free(u);
}

const struct http_upload_ops file_upload_ops = {begin, piece, done, aborted};

/* ------------------------------------------------------------------ the whole body has come */

static int finish(struct upload *u, struct object_info *info, struct error *e)
{
    wait_idle(u);
    if (u->rc) {
        if (e) *e = u->err;
        return u->rc;
    }
    struct buf rest = u->coming;
    u->coming = u->taken;
    u->taken = rest;
    if (!u->taken.n && !u->put) return error_set(e, ERR_INVALID, "", "the file is empty", "文件为空");
    int rc = write_taken(u, e);
    if (rc) return rc;
    struct object_put *p = u->put;
    u->put = NULL;
    return object_put_finish(p, info, e);
}

static int insert(struct files *f, const struct file_row *r, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(kernel_sql(f->cfg.kernel), true, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select count(*) from file_upload where user_id = $1", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, r->by);
        rc = sql_step(s, e);
        int64_t n = rc == 1 ? sql_i64(s, 0) : 0;
        sql_done(s);
        rc = rc < 0 ? rc : 0;
        if (!rc && n >= UPLOADS_WAITING_MAX)
            rc = error_set(e, ERR_LIMIT, "", "%d uploads of yours wait to be used; they go after 24 hours",
                           "您有 %d 个上传尚未使用；24 小时后自动清除", UPLOADS_WAITING_MAX);
    }
    if (!rc)
        rc = sql_exec(tx, e,
                      "insert into file_upload(id, object, name, size, sha256, type, user_id, at_us) "
                      "values($1,$2,$3,$4,$5,$6,$7,$8)",
                      "sssisssi", r->id, r->object, r->name, r->size, r->sha256, r->type, r->by, r->at_us);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int file_upload(struct api_call *c, struct error *e)
{
    struct files *f = c->module;
    struct upload *u = c->upload_ctx;
    struct object_info info;
    int rc = finish(u, &info, e);
    if (rc) return rc;
    struct file_row r = {.id = str_of(u->id),
                         .object = str_of(u->key),
                         .name = file_name(c->a, http_query(c->req, "name")),
                         .size = (int64_t)info.size,
                         .sha256 = str_of(info.sha256),
                         .by = str_of(c->actor.user_id),
                         .at_us = clock_now_us(kernel_clock(c->kernel))};
    r.type = str_of(file_sniff(u->head, u->nhead, r.name));
    rc = insert(f, &r, e);
    if (rc) {
        if (object_delete(f->cfg.objects, u->key, NULL)) return rc; /* cleaning finds it */
        return rc;
    }
    struct json_writer w = api_answer(c);
    c->res->status = 201;
    jw_object(&w);
    jw_kstr(&w, "id", r.id);
    jw_kstr(&w, "name", r.name);
    jw_ki64(&w, "size", r.size);
    jw_kstr(&w, "sha256", r.sha256);
    jw_kstr(&w, "type", r.type);
    jw_end(&w);
    api_audit_note(c, arena_str(c->a, r.id), STR_NULL);
    return 0;
}

/* ------------------------------------------------------------------ reading uploads */

static int find_row(struct kernel *k, struct arena *a, const struct actor *by, struct str id, struct file_row *ret,
                    struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(kernel_sql(k), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select id, object, name, size, sha256, type, user_id from file_upload where id = $1", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, id);
        rc = sql_step(s, e);
        if (rc == 1)
            *ret = (struct file_row){.id = arena_str(a, sql_str(s, 0)),
                                     .object = arena_str(a, sql_str(s, 1)),
                                     .name = arena_str(a, sql_str(s, 2)),
                                     .size = sql_i64(s, 3),
                                     .sha256 = arena_str(a, sql_str(s, 4)),
                                     .type = arena_str(a, sql_str(s, 5)),
                                     .by = arena_str(a, sql_str(s, 6))};
    }
    sql_done(s);
    sql_rollback(tx);
    if (rc < 0) return rc;
    if (rc == 1 && (!by->may || str_is(ret->by, by->user_id))) return 0;
    return error_set(e, ERR_NOT_FOUND, "upload", "there is no upload '%.*s' of yours; uploads are kept 24 hours",
                     "没有您的上传“%.*s”；上传保留 24 小时", STR_ARG(str_sub(id, 0, 60)));
}

int upload_find(struct files *f, struct arena *a, const struct actor *by, struct str id, struct file_row *ret,
                struct error *e)
{
    return find_row(f->cfg.kernel, a, by, id, ret, e);
}

int file_upload_find(struct kernel *k, struct arena *a, const struct actor *by, struct str id, struct file_upload *ret,
                     struct error *e)
{
    struct file_row u;
    int rc = find_row(k, a, by, id, &u, e);
    if (!rc) *ret = (struct file_upload){u.object, u.name, (uint64_t)u.size};
    return rc;
}

int file_load(struct files *f, const struct file_row *u, void **ret, size_t *ret_n, struct error *e)
{
    char key[128];
    if (u->size > LIMIT_BODY_IMPORT)
        return error_set(e, ERR_TOO_LARGE, "upload", "a table to import has at most %d MiB", "导入的表格最大 %d MiB",
                         LIMIT_BODY_IMPORT >> 20);
    str_to_cstr(u->object, key, sizeof key);
    uint8_t *p = mem_alloc((size_t)u->size);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    size_t at = 0, n = 1;
    int rc = 0;
    while (!rc && n && at < (size_t)u->size) {
        rc = object_get(f->cfg.objects, key, at, p + at, (size_t)u->size - at, &n, e);
        at += rc ? 0 : n;
    }
    if (!rc && at < (size_t)u->size)
        rc = error_set(e, ERR_CORRUPT, "upload", "the stored file is too short", "存储的文件不完整");
    if (rc) {
        mem_free(p);
        return rc;
    }
    *ret = p;
    *ret_n = at;
    return 0;
}
