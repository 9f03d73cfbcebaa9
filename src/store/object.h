/* object.h - objects: bytes under a key, in a directory or in an S3 store, behind one interface.
 *
 * Keys are made by the application ("attachments/ab/abcdef…"): [A-Za-z0-9._-] and '/', no "..", at most
 * 512 bytes. A put is whole or not at all: a directory writes a temporary file, fsyncs, renames, fsyncs the
 * folder; S3 signs with SigV4 (AWS4-HMAC-SHA256) and uses multipart above 16 MiB. Blocking; any thread. */
#pragma once
#include <stdbool.h>
#include "base/arena.h"

struct object_store;
/* url: "dir:/path" | "s3+https://host[:port]/bucket[/prefix]?region=…[&path_style=1]" (s3+http for a local one);
 * further: ca_file=/path, timeout_s=30 (without a byte), retry_ms=250 (first pause of three, doubled).
 * secret: "<access key>:<secret key>" for S3, NULL for a directory. An S3 store is not asked yet: _check does. */
MUST_CHECK int object_store_open(const char *url, const char *secret, struct object_store **ret, struct error *e);
void object_store_close(struct object_store *s);

struct object_info {
    uint64_t size;
    int64_t modified_us;
    char sha256[65]; /* "" when the store does not tell */
};
/* Streaming put: begin, write …, then finish or abort. */
struct object_put;
MUST_CHECK int object_put_begin(struct object_store *s, const char *key, struct object_put **ret, struct error *e);
MUST_CHECK int object_put_write(struct object_put *p, const void *bytes, size_t n, struct error *e);
MUST_CHECK int object_put_finish(struct object_put *p, struct object_info *ret,
                                 struct error *e); /* ends p in any case */
void object_put_abort(struct object_put *p);
/* A range; *ret_n 0 at the end. ERR_NOT_FOUND. */
MUST_CHECK int object_get(struct object_store *s, const char *key, uint64_t offset, void *buf, size_t cap,
                          size_t *ret_n, struct error *e);
MUST_CHECK int object_stat(struct object_store *s, const char *key, struct object_info *ret, struct error *e);
MUST_CHECK int object_delete(struct object_store *s, const char *key, struct error *e); /* 0 when it was not there */
MUST_CHECK int object_each(struct object_store *s, const char *prefix,
                           int (*fn)(void *ctx, const char *key, const struct object_info *i), void *ctx,
                           struct error *e);
/* Does it answer and let us in? Few seconds at most. ERR_UNAVAILABLE, ERR_TIMEOUT: it may come back; ERR_DEVICE: it
 * refuses (key, signature, bucket, permission, clock), the text tells which. */
MUST_CHECK int object_store_check(struct object_store *s, struct error *e);
/* Write, read back, delete a small object: for health and for the form that configures it. */
MUST_CHECK int object_store_test(struct object_store *s, struct error *e);
