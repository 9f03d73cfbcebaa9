/* ts_text.c - see ts_text.h. */
#include "model/ts_text.h"

static bool is_of(const struct ts_blob *b, const struct sample *s)
{
    return b->point == s->point && b->time_us == s->time_us;
}

int ts_blob_of(struct ts_store *st, const struct sample *s, struct ts_blob *ret, struct buf *bytes, struct error *e)
{
    struct ts_blob b;
    if (s->type != SAMPLE_BLOB || !st->ops->blob_get)
        return error_set(e, ERR_NOT_FOUND, "", "this value is no blob", "该值不是数据块");
    int rc = st->ops->blob_get(st, s->v.u, &b, NULL, e);
    if (!rc && !is_of(&b, s)) rc = error_set(e, ERR_NOT_FOUND, "", "the bytes have expired", "数据已过保存期限");
    if (!rc && bytes) rc = st->ops->blob_get(st, s->v.u, &b, bytes, e);
    if (!rc) *ret = b;
    return rc;
}

int ts_text(struct ts_store *st, const struct sample *s, char *out, size_t cap, size_t *ret_n)
{
    char text[TS_BLOB_TEXT_MAX] = "blob:gone";
    struct ts_blob b;
    if (s->type == SAMPLE_STRING) return st->ops->string_get(st, s->v.u, out, cap, ret_n);
    if (s->type != SAMPLE_BLOB) return ERR_NOT_FOUND;
    /* a value that is held on has another time than its blob */
    int rc = st->ops->blob_get ? st->ops->blob_get(st, s->v.u, &b, NULL, NULL) : ERR_NOT_FOUND;
    if (!rc) snprintf(text, sizeof text, "blob:%s:%llu", b.type, (unsigned long long)b.size);
    *ret_n = strlen(text);
    if (*ret_n > cap) return ERR_TOO_LARGE;
    memcpy(out, text, *ret_n);
    return 0;
}
