/* ts_call.c - one request to a remote time-series engine: sent, judged, and said in words when it failed. The engine's
 * own words are quoted when they do not hold the password. */
#include "store/ts_remote_int.h"

void ts_request_init(struct ts_request *q)
{
    *q = (struct ts_request){0};
    buf_init(&q->body, TS_BODY_MAX);
}

void ts_request_fini(struct ts_request *q)
{
    buf_fini(&q->body);
}

/* What libcurl said, without the address in front of it (which may have left no room for more). */
static const char *lost_why(int err, const char *url, const struct error *said)
{
    size_t n = strlen(url);
    if (err == ERR_TIMEOUT) return "time-out";
    return strncmp(said->text, url, n) == 0 && said->text[n] == ':' ? said->text + n + 2 : "no connection";
}

static int lost(const struct ts_remote *r, int err, const char *url, const struct error *said, struct error *e)
{
    if (err == ERR_TOO_LARGE)
        return error_set(e, err, "engine", "%s at %s answers with more than %u MiB", "%s（%s）的应答超过 %u MiB",
                         r->d->title, r->host, (r->d->limits ? TS_ANSWER_MAX : TS_RANGE_MAX) >> 20);
    if (err != ERR_TIMEOUT && err != ERR_NOMEM) err = ERR_UNAVAILABLE;
    return error_set(e, err, "engine", "%s at %s cannot be reached: %s", "无法连接 %s（%s）：%s", r->d->title, r->host,
                     lost_why(err, url, said));
}

static int refused(const struct ts_remote *r, int code, int status, const char *why, struct error *e)
{
    bool tells = why[0] && !(r->secret[0] && strstr(why, r->secret));
    if (!tells) why = "-";
    switch (code) {
    case ERR_UNAUTHENTICATED:
        return error_set(e, code, "password",
                         "%s at %s does not accept user and password (%s); correct them in the engine's "
                         "settings",
                         "%s（%s）不接受用户名或密码（%s）；请在引擎设置中更正", r->d->title, r->host, why);
    case ERR_FORBIDDEN:
        return error_set(e, code, "user",
                         "the user has too few rights at %s on %s (%s); grant reading and writing of the "
                         "database",
                         "用户在 %s（%s）权限不足（%s）；请授予数据库读写权限", r->d->title, r->host, why);
    case ERR_NOT_FOUND:
        return error_set(e, code, "database", "%s at %s does not have it: %s", "%s（%s）没有该对象：%s", r->d->title,
                         r->host, why);
    default:
        return error_set(e, code, "engine", "%s at %s refuses (HTTP %d): %s", "%s（%s）拒绝请求（HTTP %d）：%s",
                         r->d->title, r->host, status, why);
    }
}

int ts_call(struct ts_remote *r, const struct ts_request *q, struct arena *a, struct str *ret, struct error *e)
{
    char url[1200], type[100], why[TS_WHY_MAX] = "";
    const char *headers[3] = {0};
    struct http_answer answer;
    struct error said = {0};
    size_t n = 0;
    if (snprintf(url, sizeof url, "%s%s", r->url, q->path) >= (int)sizeof url)
        return error_set(e, ERR_INVALID, "url", "the address is too long", "地址过长");
    if (q->type && snprintf(type, sizeof type, "Content-Type: %s", q->type) > 0) headers[n++] = type;
    if (r->auth[0]) headers[n++] = r->auth;
    struct http_call c = {.method = q->method,
                          .url = url,
                          .headers = headers,
                          .body = buf_view(&q->body),
                          .timeout_ms = r->timeout_ms,
                          .answer_max = r->d->limits ? TS_ANSWER_MAX : TS_RANGE_MAX,
                          .ca_file = r->ca[0] ? r->ca : NULL,
                          .keep = r->keep,
                          .cancel = &r->cancelled};
    int err = http_call(a, &c, &answer, &said);
    if (err) return lost(r, err, url, &said, e);
    int code = r->d->verdict(answer.status, answer.body, why, sizeof why);
    if (code) return refused(r, code, answer.status, why, e);
    *ret = answer.body;
    return 0;
}

/* ------------------------------------------------------------------ the database */

static int one_step(struct ts_remote *r, size_t step, struct error *e)
{
    AUTO_ARENA a;
    struct ts_request q;
    struct str answer;
    arena_init(&a, 2 * TS_ANSWER_MAX);
    ts_request_init(&q);
    int err = r->d->setup(&r->target, step, &q);
    if (!err)
        err = ts_call(r, &q, &a, &answer, e);
    else if (err != ERR_NOT_FOUND)
        error_set(e, err, "engine", "the request cannot be made", "无法生成请求");
    else
        err = 1; /* no more */
    ts_request_fini(&q);
    return err;
}

/* What only the version's answer tells: the unit of time. */
static int ask(struct ts_remote *r, char *out, size_t cap, struct error *e)
{
    AUTO_ARENA a;
    struct ts_request q;
    struct str answer;
    arena_init(&a, 2 * TS_ANSWER_MAX);
    ts_request_init(&q);
    out[0] = 0;
    int err = r->d->version(&r->target, &q);
    if (!err) err = ts_call(r, &q, &a, &answer, e);
    if (!err) r->d->told(&r->target, answer, out, cap);
    ts_request_fini(&q);
    return err;
}

/* Whoever may not make it may still use one that an administrator has made: the first write tells. */
int ts_ready(struct ts_remote *r, struct error *e)
{
    char version[64];
    if (r->ready) return 0;
    pthread_mutex_lock(&r->lock);
    int err = 0;
    for (size_t step = 0; !r->ready && !err; step++) {
        err = one_step(r, step, e);
        if (err == ERR_FORBIDDEN || err == ERR_INVALID) err = 0;
    }
    if (err == 1) err = 0;
    if (!err && !r->ready && r->d == &ts_iotdb) err = ask(r, version, sizeof version, e);
    if (!err) r->ready = true;
    pthread_mutex_unlock(&r->lock);
    return err;
}

int ts_remote_test(struct ts_store *st, struct ts_remote_info *ret, struct error *e)
{
    struct ts_remote *r = (struct ts_remote *)st;
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    r->ready = false;
    *ret = (struct ts_remote_info){0};
    int err = ts_ready(r, e);
    if (!err) (void)!ask(r, ret->version, sizeof ret->version, NULL); /* not for everybody */
    clock_gettime(CLOCK_MONOTONIC, &t1);
    ret->ms = (unsigned)((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000);
    return err;
}
