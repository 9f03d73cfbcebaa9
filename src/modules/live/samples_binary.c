/* samples_binary.c - samples as the server itself keeps them, checked and handed on without a copy.
 *
 *   offset  size  little-endian
 *   0       4     magic 0x31534e42 ("BNS1")
 *   4       4     count of rows
 *   8       8     0
 *   then a row each: i64 time_us, u32 point number, u8 type (1 f64, 2 i64, 3 boolean, 0 none), u8 quality (0 good,
 *   1 uncertain, 2 bad), u16 flags (low byte: reason; 0x0100 from a buffer, 0x0200 time of the device), f64 or i64
 *
 * All or nothing: the first row that is not as it should be refuses the body and is named. Texts go as JSON. */
#include "modules/live/samples_binary.h"
#include "base/time.h"
#include "modules/live/live.h"

#define MAGIC 0x31534e42u
#define HEAD 16
#define FLAGS (SAMPLE_REASON_MASK | SAMPLE_FLAG_BACKFILL | SAMPLE_FLAG_SOURCE_TIME)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are taken as they lie in memory");

bool samples_are_binary(const struct http_request *q)
{
    struct str type = http_header(q, "content-type");
    return str_ieq(str_trim(str_cut(&type, ';')), STR(SAMPLES_MEDIA));
}

static inline bool row_fits(const struct sample *s)
{
    bool value = s->type == SAMPLE_DOUBLE || s->type == SAMPLE_INT || (s->type == SAMPLE_BOOL && s->v.u <= 1) ||
                 (s->type == SAMPLE_NONE && s->quality == QUALITY_BAD);
    return value && s->quality <= QUALITY_BAD && !(s->flags & ~FLAGS) &&
           (s->flags & SAMPLE_REASON_MASK) <= REASON_SHUTDOWN && s->time_us >= TIME_MIN_US && s->time_us <= TIME_MAX_US;
}

static const struct {
    const char *field, *en, *zh;
} texts[] = {
    {"point", "no point that you may write has this number", "没有您可写入的该编号测点"},
    {"type", "must be 1 (f64), 2 (i64), 3 (boolean 0 or 1) or, when bad, 0",
     "应为 1（f64）、2（i64）、3（布尔 0 或 1），坏质量时可为 0"},
    {"quality", "must be 0, 1 or 2", "应为 0、1 或 2"},
    {"flags", "only a reason up to 15 and the flags 0x0100 and 0x0200 are taken",
     "只接受不超过 15 的原因及标志 0x0100、0x0200"},
    {"time", "must be microseconds since 1970 within the years 1 to 9999",
     "应为 1970 年以来的微秒数（公元 1 至 9999 年）"},
};

static int refuse_row(size_t i, const struct sample *s, bool writable, struct error *e)
{
    char where[48];
    bool type = s->type <= SAMPLE_BOOL && !(s->type == SAMPLE_BOOL && s->v.u > 1) &&
                !(s->type == SAMPLE_NONE && s->quality != QUALITY_BAD);
    bool flags = !(s->flags & ~FLAGS) && (s->flags & SAMPLE_REASON_MASK) <= REASON_SHUTDOWN;
    int which = !writable ? 0 : !type ? 1 : s->quality > QUALITY_BAD ? 2 : !flags ? 3 : 4;
    snprintf(where, sizeof where, "rows[%zu].%s", i, texts[which].field);
    int err = error_set(e, writable ? ERR_INVALID : ERR_NOT_FOUND, where, "%s", "%s", texts[which].en);
    if (e) str_to_cstr(str_of(texts[which].zh), e->text_zh, sizeof e->text_zh);
    return err;
}

static int check_rows(struct api_call *c, const struct sample *s, size_t n, struct error *e)
{
    struct point_view v;
    int err = point_view_open_known(api_points(c->api), c->actor.may, ACT_WRITE, &v);
    if (err) return error_set(e, err, "", "out of memory", "内存不足");
    for (size_t i = 0; i < n && !err; i++) {
        bool writable = point_view_has(&v, s[i].point);
        if (!writable || !row_fits(&s[i])) err = refuse_row(i, &s[i], writable, e);
    }
    point_view_close(&v);
    return err;
}

/* The rows within the body: it lies aligned, as it comes from the allocator. */
static int rows_of(struct str body, const struct sample **ret, size_t *ret_n, struct error *e)
{
    struct rd r = rd_make(body.p, body.n);
    uint32_t magic = rd_u32le(&r), count = rd_u32le(&r);
    uint64_t zero = rd_u64le(&r);
    if (r.err || magic != MAGIC || zero)
        return error_set(e, ERR_INVALID, "", "the body does not begin with BNS1, a count and eight zeros",
                         "内容开头应为 BNS1、行数与八个零字节");
    if (!count || rd_left(&r) != (size_t)count * sizeof(struct sample))
        return error_set(e, ERR_INVALID, "", "%u rows of 24 bytes are announced, %zu bytes follow",
                         "声明 %u 行（每行 24 字节），实际 %zu 字节", count, rd_left(&r));
    *ret = (const struct sample *)(const void *)r.p;
    *ret_n = count;
    return (uintptr_t)r.p % _Alignof(struct sample) ? ERR_INTERNAL : 0;
}

int samples_post_binary(struct api_call *c, struct error *e)
{
    const struct sample *s;
    size_t n;
    int err = rows_of(c->req->body, &s, &n, e);
    if (!err) err = check_rows(c, s, n, e);
    api_audit_quiet(c); /* as line protocol and pushing devices */
    if (!err) err = bus_write(((struct live_ctx *)c->module)->node->bus, s, n, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "stored", (int64_t)n);
    jw_end(&w);
    return 0;
}
