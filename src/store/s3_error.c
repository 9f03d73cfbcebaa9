/* s3_error.c - what a refusal of the store means, with the remedy. A store that refuses us is ERR_DEVICE ("refused by
 * the other side"), never ERR_FORBIDDEN: that would tell a user that he lacks a permission of ours. */
#include "base/time.h"
#include "store/s3_int.h"

struct saying {
    const char *code;
    long status; /* when the answer has no code: HEAD */
    int err;
    const char *en, *zh; /* $k: access key, $b: bucket, $h: host */
};
static const struct saying sayings[] = {
    {"InvalidAccessKeyId", 0, ERR_DEVICE,
     "the store does not know the access key '$k'; check the secret of objects (access key:secret key)",
     "对象存储不认识访问密钥“$k”；请检查对象存储密钥（访问密钥:秘密密钥）"},
    {"SignatureDoesNotMatch", 0, ERR_DEVICE,
     "the secret key of '$k' is wrong: the store refuses the signature; check the secret of objects",
     "“$k”的秘密密钥不正确：对象存储拒绝了签名；请检查对象存储密钥"},
    {"AccessDenied", 403, ERR_DEVICE,
     "the access key '$k' has no access to bucket '$b' at $h: it must read, write, delete and list",
     "访问密钥“$k”无权访问 $h 上的存储桶“$b”：须具有读、写、删除和列出权限"},
    {"NoSuchBucket", 0, ERR_DEVICE, "there is no bucket '$b' at $h for '$k'; create it or correct the address",
     "$h 上没有可供“$k”使用的存储桶“$b”；请创建或更正地址"},
    {"NoSuchKey", 404, ERR_NOT_FOUND, "there is no such object ($k, bucket '$b' at $h)",
     "没有该对象（$k，$h 上的存储桶“$b”）"},
    {"NoSuchUpload", 0, ERR_CLOSED, "the store no longer knows this upload in parts ($k, bucket '$b' at $h)",
     "对象存储已不认识该分段上传（$k，$h 上的存储桶“$b”）"},
    {"InvalidRange", 416, ERR_RANGE, "nothing at this offset ($k, bucket '$b' at $h)",
     "该位置没有内容（$k，$h 上的存储桶“$b”）"},
    {"QuotaExceeded", 507, ERR_DISK_FULL, "the store is full ($k, bucket '$b' at $h)",
     "对象存储已满（$k，$h 上的存储桶“$b”）"},
    {"XMinioStorageFull", 0, ERR_DISK_FULL, "the store is full ($k, bucket '$b' at $h)",
     "对象存储已满（$k，$h 上的存储桶“$b”）"},
    {"EntityTooLarge", 413, ERR_TOO_LARGE, "the store takes no object of this size ($k, bucket '$b' at $h)",
     "对象存储不接受如此大的对象（$k，$h 上的存储桶“$b”）"},
    {"PermanentRedirect", 301, ERR_DEVICE, "bucket '$b' is not served by $h; correct host and region ($k)",
     "存储桶“$b”不由 $h 提供；请更正主机和区域（$k）"},
    {"TemporaryRedirect", 307, ERR_DEVICE, "bucket '$b' is not served by $h; correct host and region ($k)",
     "存储桶“$b”不由 $h 提供；请更正主机和区域（$k）"},
    {"", 401, ERR_DEVICE, "the store refuses the access key '$k' for bucket '$b' at $h",
     "$h 拒绝访问密钥“$k”访问存储桶“$b”"},
};

static const struct saying *find(const char *code, long status)
{
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++)
        if (code[0] ? strcmp(code, sayings[i].code) == 0 : status == sayings[i].status) return &sayings[i];
    return NULL;
}

static void expand(const struct s3_store *s, const char *text, char out[ERROR_TEXT_MAX])
{
    struct buf b;
    buf_init(&b, ERROR_TEXT_MAX * 4);
    for (const char *p = text; *p; p++) {
        if (*p == '$' && p[1])
            p++, buf_z(&b, *p == 'k' ? s->access : *p == 'b' ? s->bucket : s->host);
        else
            buf_u8(&b, (uint8_t)*p);
    }
    str_to_cstr(buf_view(&b), out, ERROR_TEXT_MAX);
    buf_fini(&b);
}

static int skewed(const struct s3_store *s, const struct s3_reply *r, const struct s3_answer *a, struct error *e)
{
    char now[TIME_TEXT_MAX];
    const char *there = a->server_time[0] ? a->server_time : r->date;
    time_format(clock_now_us(s->clock) / 1000000 * 1000000, now);
    return error_set(e, ERR_DEVICE, "objects",
                     "the clocks differ too much: here %s, the store at %s %s; set them by NTP",
                     "时钟相差过大：本机 %s，对象存储 %s 为 %s；请用 NTP 校时", now, s->host, there[0] ? there : "?");
}

int s3_refused_as(const struct s3_store *s, const struct s3_call *c, const struct s3_reply *r,
                  const struct s3_answer *a, struct error *e)
{
    if (strcmp(a->code, "RequestTimeTooSkewed") == 0) return skewed(s, r, a, e);
    if (a->region[0] && strcmp(a->region, s->region) != 0)
        return error_set(e, ERR_DEVICE, "objects", "the region '%s' is wrong: the store expects '%s'; write ?region=%s",
                         "区域“%s”不正确：对象存储要求“%s”；请写 ?region=%s", s->region, a->region, a->region);
    const struct saying *is = find(a->code, r->status);
    if (is) {
        char en[ERROR_TEXT_MAX], zh[ERROR_TEXT_MAX];
        expand(s, is->en, en);
        expand(s, is->zh, zh);
        return error_set(e, is->err, c->key ? c->key : "objects", "%s%.0s", "%.0s%s", en, zh);
    }
    bool later = r->status >= 500 || r->status == 429;
    return error_set(e, later ? ERR_UNAVAILABLE : ERR_DEVICE, c->key ? c->key : "objects",
                     "the store at %s answers %ld %s %s", "对象存储 %s 应答 %ld %s %s", s->host, r->status, a->code,
                     a->message);
}

int s3_refused(const struct s3_store *s, const struct s3_call *c, const struct s3_reply *r, struct error *e)
{
    struct s3_answer a;
    if (s3_xml_read(buf_view(&r->body), &a, NULL, NULL) || strcmp(a.root, "Error") != 0) a = (struct s3_answer){0};
    return s3_refused_as(s, c, r, &a, e);
}

int s3_bad_answer(const struct s3_store *s, struct error *e)
{
    return error_set(e, ERR_PROTOCOL, "objects", "%s does not answer as an S3 store; is the address right?",
                     "%s 的应答不是 S3 对象存储的应答；地址是否正确？", s->host);
}
