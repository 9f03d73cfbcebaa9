/* file_int.h - between the files of this folder. */
#pragma once
#include "base/limits.h"
#include "base/mem.h"
#include "core/api/api_int.h"
#include "core/file/files.h"
#include "io/loop.h"

#define KIND_NAME 64
#define UPLOAD_MAX (256u << 20)
#define UPLOAD_KEPT_US (24 * 3600 * 1000000LL)
#define UPLOADS_WAITING_MAX 200 /* a user */

struct files {
    struct files_config cfg;
    struct kernel_files keeper; /* for fields of type file */
    struct pool *pool; /* writes what comes in */
    struct job_type types[2];
};

struct file_row {
    struct str id, object, name, sha256, type, by, kind, resource, field; /* kind, resource, field: attachments */
    int64_t size, at_us;
};

/* file_sniff.c */
#define SNIFF_BYTES 512
const char *file_sniff(const uint8_t *p, size_t n, struct str name); /* media type by content */
bool file_inline(struct str type);                                   /* harmless images */
struct str file_name(struct arena *a, struct str given);             /* no path, no control characters */
char *file_disposition(struct arena *a, struct str name, bool show); /* RFC 6266, RFC 5987 */

/* file_upload.c */
extern const struct http_upload_ops file_upload_ops;
int file_upload(struct api_call *c, struct error *e);
/* Of that user; ERR_NOT_FOUND. */
MUST_CHECK int upload_find(struct files *f, struct arena *a, const struct actor *by, struct str id,
                           struct file_row *ret, struct error *e);
/* All bytes (mem_alloc), at most LIMIT_BODY_IMPORT. */
MUST_CHECK int file_load(struct files *f, const struct file_row *u, void **ret, size_t *ret_n, struct error *e);
int file_forbidden(const struct api_call *c, const char *kind, struct error *e);

/* file_attach.c, file_import.c, file_clean.c */
int file_attach(struct api_call *c, struct error *e);
int file_has(void *ctx, struct sql_tx *tx, const struct actor *by, struct str resource, struct str file,
             struct error *e);
int file_take(void *ctx, struct sql_tx *tx, const struct resource *r, struct str field, struct str file,
              struct error *e);
int file_attachments(struct api_call *c, struct error *e);
int file_attachment(struct api_call *c, struct error *e);
int file_detach(struct api_call *c, struct error *e);
int file_all(struct api_call *c, struct error *e);
int file_objects_test(struct api_call *c, struct error *e);
int file_preview(struct api_call *c, struct error *e);
int file_import_run(struct api_call *c, struct error *e);
int file_report(struct api_call *c, struct error *e);
int import_job(void *ctx, struct job *j, struct error *e);
int clean_job(void *ctx, struct job *j, struct error *e);
