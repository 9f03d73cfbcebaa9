/* s3_int.h - between the files of the S3 store of objects.
 *
 *   object_s3.c   address, reading, listing
 *   s3_put.c      writing: one request, or in parts
 *   s3_http.c     one signed request with its repetitions
 *   s3_error.c    what a refusal means for a person
 *   s3_sign.c, s3_xml.c  pure parts
 * A store is immutable but for the idle connections behind `lock`; any thread. */
#pragma once
#include <curl/curl.h>
#include <pthread.h>
#include "io/clock.h"
#include "store/object_int.h"
#include "store/s3_sign.h"
#include "store/s3_xml.h"

#define S3_PART (16u << 20) /* one request up to this; parts of this above; 10000 parts: 160 GiB */
#define S3_PARTS_MAX 10000
#define S3_IDLE_MAX 16
#define S3_ANSWER_MAX (8u << 20)

struct s3_store {
    struct object_store base;
    const struct clock *clock;
    char origin[300]; /* "https://bucket.host:9000" */
    char host[280];   /* as the Host header */
    char bucket[64];
    bool path_style;  /* https://host/bucket/key, not https://bucket.host/key */
    char prefix[256]; /* of all keys: "" or "prefix/" */
    char region[64];
    char access[129], secret[129];
    char ca_file[512];  /* "": the system's */
    unsigned timeout_s; /* without a byte */
    unsigned retry_ms;  /* before the first repetition; doubled for each more */
    pthread_mutex_t lock;
    CURL *idle[S3_IDLE_MAX];
    size_t nidle;
};

struct s3_call {
    const char *method;
    const char *key; /* NULL: the bucket */
    struct s3_pair query[6];
    size_t nquery;
    struct str body;
    void *sink; /* bytes of a range instead of reply->body */
    uint64_t from;
    size_t nsink;
    bool once; /* no repetition, at most 5 s to connect */
};
struct s3_reply {
    long status;
    size_t nsink; /* came into the sink */
    uint64_t length;
    int64_t modified_us;
    char etag[200];
    char date[64];
    struct buf body; /* init by s3_call_run, fini by its caller in any case */
};
/* 0: the store answered 2xx. ERR_NOT_FOUND: no such object; ERR_RANGE: nothing at that offset. */
MUST_CHECK int s3_call_run(struct s3_store *s, const struct s3_call *c, struct s3_reply *ret, struct error *e);

/* Of an answer other than 2xx; always an error. */
int s3_refused(const struct s3_store *s, const struct s3_call *c, const struct s3_reply *r, struct error *e);
/* Of an error inside an answer of 200. */
int s3_refused_as(const struct s3_store *s, const struct s3_call *c, const struct s3_reply *r,
                  const struct s3_answer *a, struct error *e);
int s3_bad_answer(const struct s3_store *s, struct error *e);

int s3_begin(struct object_store *base, const char *key, struct object_put **ret, struct error *e);
int s3_write(struct object_put *base, const void *bytes, size_t n, struct error *e);
int s3_finish(struct object_put *base, struct object_info *ret, struct error *e);
void s3_abort(struct object_put *base);
int s3_stat(struct object_store *base, const char *key, struct object_info *ret, struct error *e);
int s3_remove(struct object_store *base, const char *key, struct error *e);
