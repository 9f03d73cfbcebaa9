/* s3_put.c - an object on its way into an S3 store.
 *
 * Up to S3_PART bytes gather in memory and go in one request when it ends. What is longer goes in parts of that size;
 * the store shows nothing of it until the parts are completed, which happens at once or not at all. An upload that
 * fails is aborted; if the store cannot be reached even for that, its parts stay there unseen until the store's own
 * rule for unfinished uploads removes them (README). */
#include <openssl/evp.h>
#include "base/mem.h"
#include "store/s3_int.h"

struct s3_put {
    struct object_put base;
    struct s3_store *s;
    EVP_MD_CTX *hash;
    struct buf part;      /* not sent yet */
    struct buf completed; /* XML of the parts that are there */
    uint64_t size;
    unsigned parts;
    int rc; /* of a write that failed: nothing more is taken */
    char key[OBJECT_KEY_MAX + 1];
    char upload_id[1100]; /* "": none begun */
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "objects", "out of memory", "内存不足");
}

static void put_free(struct s3_put *p)
{
    buf_fini(&p->part);
    buf_fini(&p->completed);
    EVP_MD_CTX_free(p->hash);
    mem_free(p);
}

int s3_begin(struct object_store *base, const char *key, struct object_put **ret, struct error *e)
{
    struct s3_put *p = mem_calloc(1, sizeof *p);
    if (!p) return no_memory(e);
    p->base.ops = base->ops;
    p->s = (struct s3_store *)base;
    buf_init(&p->part, S3_PART);
    buf_init(&p->completed, 8u << 20);
    str_to_cstr(str_of(key), p->key, sizeof p->key);
    p->hash = EVP_MD_CTX_new();
    if (!p->hash || !EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL)) {
        put_free(p);
        return no_memory(e);
    }
    *ret = &p->base;
    return 0;
}

/* ------------------------------------------------------------------ in parts */

static int begin_parts(struct s3_put *p, struct error *e)
{
    struct s3_reply r;
    struct s3_answer a;
    const struct s3_call c = {.method = "POST", .key = p->key, .query = {{STR("uploads"), STR("")}}, .nquery = 1};
    int rc = s3_call_run(p->s, &c, &r, e);
    if (!rc && (s3_xml_read(buf_view(&r.body), &a, NULL, NULL) || !a.upload_id[0])) rc = s3_bad_answer(p->s, e);
    if (!rc) str_to_cstr(str_of(a.upload_id), p->upload_id, sizeof p->upload_id);
    buf_fini(&r.body);
    return rc;
}

static void note_part(struct s3_put *p, const char *etag)
{
    buf_printf(&p->completed, "<Part><PartNumber>%u</PartNumber><ETag>", p->parts);
    s3_xml_text(&p->completed, str_of(etag));
    buf_z(&p->completed, "</ETag></Part>");
}

static int send_part(struct s3_put *p, struct error *e)
{
    char number[12];
    struct s3_reply r;
    int rc = p->upload_id[0] ? 0 : begin_parts(p, e);
    if (rc) return rc;
    if (p->parts == S3_PARTS_MAX)
        return error_set(e, ERR_TOO_LARGE, p->key, "an object has at most %d parts of %u MiB",
                         "对象最多 %d 个分段，每段 %u MiB", S3_PARTS_MAX, S3_PART >> 20);
    snprintf(number, sizeof number, "%u", ++p->parts);
    const struct s3_call c = {.method = "PUT",
                              .key = p->key,
                              .query = {{STR("partNumber"), str_of(number)}, {STR("uploadId"), str_of(p->upload_id)}},
                              .nquery = 2,
                              .body = buf_view(&p->part)};
    rc = s3_call_run(p->s, &c, &r, e);
    if (!rc && !r.etag[0]) rc = s3_bad_answer(p->s, e);
    if (!rc) note_part(p, r.etag);
    buf_fini(&r.body);
    buf_clear(&p->part);
    return rc ? rc : p->completed.err ? no_memory(e) : 0;
}

int s3_write(struct object_put *base, const void *bytes, size_t n, struct error *e)
{
    struct s3_put *p = (struct s3_put *)base;
    if (p->rc) return error_set(e, p->rc, p->key, "the upload has failed before", "该上传此前已失败");
    EVP_DigestUpdate(p->hash, bytes, n);
    p->size += n;
    for (const char *at = bytes; n && !p->rc;) {
        if (p->part.n == S3_PART) p->rc = send_part(p, e); /* more follows: it will be in parts */
        size_t k = S3_PART - p->part.n < n ? S3_PART - p->part.n : n;
        if (!p->rc) buf_add(&p->part, at, k);
        if (!p->rc && p->part.err) p->rc = no_memory(e);
        at += k;
        n -= k;
    }
    return p->rc;
}

/* ------------------------------------------------------------------ the end */

static void abort_parts(struct s3_put *p)
{
    struct s3_reply r;
    struct error unused;
    const struct s3_call c = {.method = "DELETE",
                              .key = p->key,
                              .query = {{STR("uploadId"), str_of(p->upload_id)}},
                              .nquery = 1,
                              .once = true};
    if (!p->upload_id[0]) return;
    int rc = s3_call_run(p->s, &c, &r, &unused); /* if not, the store's rule for unfinished uploads does it */
    buf_fini(&r.body);
    if (!rc) p->upload_id[0] = 0;
}

void s3_abort(struct object_put *base)
{
    struct s3_put *p = (struct s3_put *)base;
    abort_parts(p);
    put_free(p);
}

static int put_whole(struct s3_put *p, struct error *e)
{
    struct s3_reply r;
    const struct s3_call c = {.method = "PUT", .key = p->key, .body = buf_view(&p->part)};
    int rc = s3_call_run(p->s, &c, &r, e);
    buf_fini(&r.body);
    return rc;
}

/* 200 may carry an error: the store begins its answer before it has put the parts together. */
static int complete_once(struct s3_put *p, struct str body, struct error *e)
{
    struct s3_reply r;
    struct s3_answer a;
    const struct s3_call c = {
        .method = "POST", .key = p->key, .query = {{STR("uploadId"), str_of(p->upload_id)}}, .nquery = 1, .body = body};
    int rc = s3_call_run(p->s, &c, &r, e);
    if (!rc && s3_xml_read(buf_view(&r.body), &a, NULL, NULL)) rc = s3_bad_answer(p->s, e);
    if (!rc && strcmp(a.root, "CompleteMultipartUploadResult") != 0) {
        bool passing = strcmp(a.code, "InternalError") == 0 || strcmp(a.code, "SlowDown") == 0;
        rc = a.code[0] ? s3_refused_as(p->s, &c, &r, &a, e) : s3_bad_answer(p->s, e);
        if (passing) rc = ERR_AGAIN;
    }
    buf_fini(&r.body);
    return rc;
}

/* It may have been completed by a request whose answer was lost: then it is there in its full size. */
static int is_there(struct s3_put *p, struct error *e)
{
    struct object_info info;
    int rc = s3_stat(&p->s->base, p->key, &info, e);
    if (rc || info.size == p->size) return rc;
    return error_set(e, ERR_CORRUPT, p->key, "the store holds %llu bytes of %llu", "对象存储中为 %llu 字节，应为 %llu",
                     (unsigned long long)info.size, (unsigned long long)p->size);
}

static int complete(struct s3_put *p, struct error *e)
{
    struct buf b;
    int rc = p->part.n ? send_part(p, e) : 0;
    if (rc) return rc;
    buf_init(&b, 9u << 20);
    buf_z(&b, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    buf_str(&b, buf_view(&p->completed));
    buf_z(&b, "</CompleteMultipartUpload>");
    rc = b.err ? no_memory(e) : ERR_AGAIN;
    for (int i = 0; i < 3 && rc == ERR_AGAIN; i++) rc = complete_once(p, buf_view(&b), e);
    buf_fini(&b);
    if (rc == ERR_AGAIN) rc = ERR_UNAVAILABLE;
    return rc && rc != ERR_CLOSED ? rc : is_there(p, e);
}

int s3_finish(struct object_put *base, struct object_info *ret, struct error *e)
{
    struct s3_put *p = (struct s3_put *)base;
    unsigned char digest[EVP_MAX_MD_SIZE];
    int rc = p->rc             ? error_set(e, p->rc, p->key, "the upload has failed before", "该上传此前已失败")
             : p->upload_id[0] ? complete(p, e)
                               : put_whole(p, e);
    if (rc) {
        s3_abort(base);
        return rc;
    }
    *ret = (struct object_info){.size = p->size, .modified_us = clock_now_us(p->s->clock)};
    EVP_DigestFinal_ex(p->hash, digest, NULL);
    for (int i = 0; i < 32; i++) snprintf(ret->sha256 + 2 * i, 3, "%02x", digest[i]);
    put_free(p);
    return 0;
}
