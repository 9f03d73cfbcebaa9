/* s3_xml.h - the answers of an S3 store, read by expat within bounds. A document type is refused, so nothing can
 * expand; depth, text length and number of items are limited. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "store/object.h"

struct s3_answer {
    char root[48];                    /* element: "Error", "ListBucketResult", … */
    char code[80], message[256];      /* Error */
    char server_time[40], region[40]; /* Error: RequestTimeTooSkewed, AuthorizationHeaderMalformed */
    char upload_id[1100];             /* InitiateMultipartUploadResult */
    char next[1100];                  /* ListBucketResult: NextContinuationToken */
    bool truncated;                   /* ListBucketResult: IsTruncated */
};
struct s3_item {
    struct str key; /* decoded; lives during the call */
    struct object_info info;
};
/* `item` (may be NULL) is called for each Contents of a list; what it returns other than 0 ends reading and is
 * returned. ERR_PROTOCOL: no XML, or beyond the bounds. */
MUST_CHECK int s3_xml_read(struct str text, struct s3_answer *ret, int (*item)(void *ctx, const struct s3_item *i),
                           void *ctx);
void s3_xml_text(struct buf *out, struct str s); /* escaped for an element */
