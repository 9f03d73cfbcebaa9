/* s3_xml.c - see s3_xml.h.
 *
 * Elements are taken by their path below the root; a table says where the text of each goes. Namespaces are not
 * looked at: stores differ in whether they send one. */
#include "store/s3_xml.h"
#include <expat.h>
#include "base/encode.h"
#include "base/time.h"

#define DEPTH_MAX 8
#define TEXT_MAX 4096
#define ITEMS_MAX 10000

struct reading {
    XML_Parser x;
    struct s3_answer *out;
    int (*item)(void *ctx, const struct s3_item *i);
    void *ctx;
    int rc, depth;
    size_t items, ntext;
    bool list, encoded; /* keys are percent-encoded */
    char path[160], text[TEXT_MAX];
    char key[TEXT_MAX];
    struct object_info info;
};

static void stop(struct reading *r, int rc)
{
    if (!r->rc) r->rc = rc;
    XML_StopParser(r->x, XML_FALSE);
}

/* ------------------------------------------------------------------ texts */

static const struct place {
    const char *path;
    size_t at, cap; /* in struct s3_answer */
} places[] = {
#define PLACE(path, member) \
    { \
        path, offsetof(struct s3_answer, member), sizeof((struct s3_answer *)0)->member \
    }
    PLACE("Error/Code", code),
    PLACE("Error/Message", message),
    PLACE("Error/ServerTime", server_time),
    PLACE("Error/Region", region),
    PLACE("InitiateMultipartUploadResult/UploadId", upload_id),
    PLACE("ListBucketResult/NextContinuationToken", next),
#undef PLACE
};

static void take_text(struct reading *r)
{
    struct str text = str_make(r->text, r->ntext);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strcmp(r->path, places[i].path) != 0) continue;
        bool whole = str_to_cstr(text, (char *)r->out + places[i].at, places[i].cap);
        if (!whole && places[i].cap > 1000) stop(r, ERR_PROTOCOL); /* no token may be cut, a message may */
    }
    if (!r->list) return;
    if (strcmp(r->path, "ListBucketResult/IsTruncated") == 0) r->out->truncated = str_is(text, "true");
    if (strcmp(r->path, "ListBucketResult/EncodingType") == 0) r->encoded = str_is(text, "url");
    if (strcmp(r->path, "ListBucketResult/Contents/Key") == 0) str_to_cstr(text, r->key, sizeof r->key);
    if (strcmp(r->path, "ListBucketResult/Contents/Size") == 0 && str_to_u64(text, &r->info.size))
        stop(r, ERR_PROTOCOL);
    if (strcmp(r->path, "ListBucketResult/Contents/LastModified") == 0 && time_parse(text, &r->info.modified_us, NULL))
        stop(r, ERR_PROTOCOL);
}

/* EncodingType may stand behind the keys; stores put it before them, and a '%' is in no key of ours. */
static void give_item(struct reading *r)
{
    AUTO_ARENA a;
    struct s3_item it = {str_of(r->key), r->info};
    arena_init(&a, 4 * TEXT_MAX);
    if (++r->items > ITEMS_MAX || !it.key.n || (r->encoded && percent_decode(&a, it.key, true, &it.key))) {
        stop(r, ERR_PROTOCOL);
        return;
    }
    int rc = r->item ? r->item(r->ctx, &it) : 0;
    if (rc) stop(r, rc);
}

/* ------------------------------------------------------------------ expat */

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *r = ctx;
    size_t n = strlen(r->path), more = strlen(name);
    if (++r->depth > DEPTH_MAX || n + more + 2 > sizeof r->path) {
        stop(r, ERR_PROTOCOL);
        return;
    }
    snprintf(r->path + n, sizeof r->path - n, "%s%s", n ? "/" : "", name);
    r->ntext = 0;
    if (r->depth == 1) {
        str_to_cstr(str_of(name), r->out->root, sizeof r->out->root);
        r->list = strcmp(name, "ListBucketResult") == 0;
    }
    if (strcmp(r->path, "ListBucketResult/Contents") == 0) {
        r->key[0] = 0;
        r->info = (struct object_info){0};
    }
}

static void on_end(void *ctx, const XML_Char *name)
{
    struct reading *r = ctx;
    if (r->rc) return;
    take_text(r);
    if (!r->rc && strcmp(r->path, "ListBucketResult/Contents") == 0) give_item(r);
    char *slash = strrchr(r->path, '/');
    if (slash)
        *slash = 0;
    else
        r->path[0] = 0;
    r->ntext = 0;
    r->depth--;
}

static void on_text(void *ctx, const XML_Char *s, int n)
{
    struct reading *r = ctx;
    if (n < 0 || (size_t)n >= sizeof r->text - r->ntext) {
        stop(r, ERR_PROTOCOL);
        return;
    }
    memcpy(r->text + r->ntext, s, (size_t)n);
    r->ntext += (size_t)n;
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
    stop(ctx, ERR_PROTOCOL);
}

int s3_xml_read(struct str text, struct s3_answer *ret, int (*item)(void *ctx, const struct s3_item *i), void *ctx)
{
    struct s3_answer out = {0};
    struct reading r = {.out = &out, .item = item, .ctx = ctx, .x = XML_ParserCreate(NULL)};
    if (!r.x) return ERR_NOMEM;
    XML_SetUserData(r.x, &r);
    XML_SetElementHandler(r.x, on_start, on_end);
    XML_SetCharacterDataHandler(r.x, on_text);
    XML_SetStartDoctypeDeclHandler(r.x, on_doctype);
    bool whole = text.n <= INT32_MAX && XML_Parse(r.x, text.p ? text.p : "", (int)text.n, 1) == XML_STATUS_OK;
    XML_ParserFree(r.x);
    if (r.rc) return r.rc;
    if (!whole) return ERR_PROTOCOL;
    *ret = out;
    return 0;
}

void s3_xml_text(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *as = s.p[i] == '&' ? "&amp;" : s.p[i] == '<' ? "&lt;" : s.p[i] == '>' ? "&gt;" : NULL;
        if (as)
            buf_z(out, as);
        else
            buf_u8(out, (uint8_t)s.p[i]);
    }
}
