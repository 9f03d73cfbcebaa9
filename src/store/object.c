/* object.c - what all stores of objects share: the choice by URL, keys, the test. */
#include "base/str.h"
#include "store/object_int.h"

static const struct {
    const char *scheme;
    int (*open)(const char *rest, const char *secret, struct object_store **ret, struct error *e);
} schemes[] = {{"dir:", object_dir_open}, {"s3+https://", object_s3_open}, {"s3+http://", object_s3_plain_open}};

int object_store_open(const char *url, const char *secret, struct object_store **ret, struct error *e)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (str_starts(str_of(url), str_of(schemes[i].scheme)))
            return schemes[i].open(url + strlen(schemes[i].scheme), secret, ret, e);
    return error_set(e, ERR_INVALID, "objects",
                     "'%.100s' is no store of objects; write dir:/path or s3+https://host/bucket?region=…",
                     "“%.100s”不是对象存储；请写 dir:/路径 或 s3+https://主机/存储桶?region=…", url);
}

void object_store_close(struct object_store *s)
{
    if (s) s->ops->close(s);
}

bool object_key_good(const char *key)
{
    struct str s = str_of(key);
    bool bad =
        !s.n || s.n > OBJECT_KEY_MAX || key[0] == '/' || key[s.n - 1] == '/' || strstr(key, "..") || strstr(key, "//");
    for (size_t i = 0; i < s.n && !bad; i++) {
        char c = key[i];
        bad = !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-/", c));
    }
    return !bad;
}

static int check_key(const char *key, struct error *e)
{
    if (object_key_good(key)) return 0;
    return error_set(e, ERR_INVALID, "key", "'%.100s' is no key of an object", "“%.100s”不是对象键", key);
}

int object_put_begin(struct object_store *s, const char *key, struct object_put **ret, struct error *e)
{
    int rc = check_key(key, e);
    return rc ? rc : s->ops->begin(s, key, ret, e);
}
int object_put_write(struct object_put *p, const void *bytes, size_t n, struct error *e)
{
    return n ? p->ops->write(p, bytes, n, e) : 0;
}
int object_put_finish(struct object_put *p, struct object_info *ret, struct error *e)
{
    return p->ops->finish(p, ret, e);
}
void object_put_abort(struct object_put *p)
{
    if (p) p->ops->abort(p);
}
int object_get(struct object_store *s, const char *key, uint64_t offset, void *buf, size_t cap, size_t *ret_n,
               struct error *e)
{
    int rc = check_key(key, e);
    return rc ? rc : s->ops->get(s, key, offset, buf, cap, ret_n, e);
}
int object_stat(struct object_store *s, const char *key, struct object_info *ret, struct error *e)
{
    int rc = check_key(key, e);
    return rc ? rc : s->ops->stat(s, key, ret, e);
}
int object_delete(struct object_store *s, const char *key, struct error *e)
{
    int rc = check_key(key, e);
    return rc ? rc : s->ops->remove(s, key, e);
}
int object_each(struct object_store *s, const char *prefix,
                int (*fn)(void *ctx, const char *key, const struct object_info *i), void *ctx, struct error *e)
{
    return s->ops->each(s, prefix, fn, ctx, e);
}

int object_store_check(struct object_store *s, struct error *e)
{
    return s->ops->check(s, e);
}

int object_store_test(struct object_store *s, struct error *e)
{
    static const char key[] = "test/bornite", text[] = "Bornite";
    struct object_put *p;
    struct object_info info;
    char back[sizeof text];
    size_t n = 0;
    int rc = object_put_begin(s, key, &p, e);
    if (rc) return rc;
    rc = object_put_write(p, text, sizeof text, e);
    if (rc) {
        object_put_abort(p);
        return rc;
    }
    rc = object_put_finish(p, &info, e);
    if (!rc) rc = object_get(s, key, 0, back, sizeof back, &n, e);
    if (!rc && (n != sizeof text || memcmp(back, text, n) != 0))
        rc = error_set(e, ERR_CORRUPT, "objects", "what was written came back differently", "读回内容与写入不一致");
    int gone = object_delete(s, key, rc ? NULL : e);
    return rc ? rc : gone;
}
