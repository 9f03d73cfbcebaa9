/* fetch.c - the request of a device, page by page. A page is taken before the next is asked for; while the host is full
 * none is. What went wrong stands in device.trouble until a request goes well. */
#include "base/encode.h"
#include "drivers/http/http_int.h"

#define TARGET_MAX 4000

struct hc_fetch {
    struct hc_device *d;
    struct http_ticket *ticket; /* NULL: waits for the host */
    int64_t page, at;           /* pages taken; page number or offset of the next */
    char target[TARGET_MAX];    /* first: as configured, later: what is asked next */
    char base[TARGET_MAX];      /* as configured */
    char etag[200];
};

/* ---- the request ---- */

static const char *text_of(const char *text, const struct fill *t, struct arena *a, struct error *e)
{
    struct buf b;
    buf_init(&b, HC_TEXT_MAX);
    int rc = fill_text(text, t, &b, e);
    const char *out = rc ? NULL : arena_strdup(a, buf_view(&b));
    if (!rc && !out) error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    buf_fini(&b);
    return out;
}

int hc_request(const struct hc_conf *c, const struct fill *t, const char *etag, struct arena *a,
               struct http_link_call *ret, struct error *e)
{
    struct fill path = *t, body = *t;
    size_t n = 0;
    path.url = true;
    body.url = false;
    *ret = (struct http_link_call){.method = c->method, .target = text_of(c->path, &path, a, e)};
    if (ret->target && c->body) ret->body = str_of(text_of(c->body, &body, a, e));
    if (!ret->target || (c->body && !ret->body.p)) return e->code;
    while (c->headers[n]) n++;
    const char **headers = arena_calloc(a, n + 2, sizeof *headers);
    if (!headers) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    memcpy(headers, c->headers, n * sizeof *headers);
    if (etag && etag[0] && !(headers[n] = arena_printf(a, "If-None-Match: %s", etag)))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ret->headers = headers;
    return 0;
}

static bool add_param(char *target, const char *name, struct str value)
{
    struct buf b;
    buf_init(&b, TARGET_MAX - 1);
    buf_z(&b, target);
    buf_u8(&b, strchr(target, '?') ? '&' : '?');
    percent_encode(&b, str_of(name));
    buf_u8(&b, '=');
    percent_encode(&b, value);
    bool fits = !b.err;
    if (fits) str_to_cstr(buf_view(&b), target, TARGET_MAX);
    buf_fini(&b);
    return fits;
}

static bool add_number(char *target, const char *name, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)v);
    return add_param(target, name, str_make(text, (size_t)n));
}

/* ---- ends ---- */

static void schedule(struct hc_device *d, uint64_t at)
{
    if (d->slot.at) poll_move(&d->ch->queue, &d->slot, at);
}

static void end(struct hc_fetch *f)
{
    struct hc_channel *ch = f->d->ch;
    f->d->fetch = NULL;
    mem_free(f);
    hc_refresh(ch);
    hc_flush(ch);
    hc_plan(ch);
}

static void failed(struct hc_fetch *f, const struct error *e)
{
    struct hc_device *d = f->d;
    struct hc_channel *ch = d->ch;
    bool away = e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_CLOSED;
    const struct driver_host *h = ch->base.host;
    d->trouble = *e;
    d->etag[0] = 0;
    hc_tell_bad(d, away ? REASON_NOT_CONNECTED : REASON_COMM_FAILURE);
    schedule(d, hc_now(ch) + (uint64_t)backoff_next_ms(&d->backoff, h->random(h->ctx)) * NS_MS);
    end(f);
}

static void missing(struct hc_device *d)
{
    for (size_t i = 0; i < d->npoints; i++) {
        struct hc_point *p = &d->points[i];
        if (!p->place || p->seen || p->newest_us != INT64_MIN) continue;
        if (p->told_bad) continue;
        p->told_bad = true;
        const struct sample s = {
            .time_us = hc_utc(d->ch), .point = p->num, .quality = QUALITY_BAD, .flags = REASON_NO_DATA};
        if (mem_grow((void **)&d->ch->out, &d->ch->out_cap, d->ch->nout + 1, sizeof s)) d->ch->out[d->ch->nout++] = s;
    }
}

static void well(struct hc_fetch *f, bool changed)
{
    struct hc_device *d = f->d;
    if (changed)
        missing(d);
    else
        hc_repeat(d);
    for (size_t i = 0; i < d->npoints; i++) {
        struct hc_point *p = &d->points[i];
        if (p->fresh_us > p->newest_us) p->newest_us = p->fresh_us;
        if (p->newest_us > d->newest_us) d->newest_us = p->newest_us;
    }
    if (changed) snprintf(d->etag, sizeof d->etag, "%s", f->etag);
    backoff_reset(&d->backoff);
    d->proved = true;
    d->last_ok_us = d->ch->st.last_ok_us = hc_utc(d->ch);
    d->ch->st.polls++;
    end(f);
}

/* ---- the next page ---- */

static bool next_in_answer(struct hc_fetch *f, const struct payload_doc *doc, char *out)
{
    const struct json *root = payload_doc_json(doc), *v = root ? json_path_first(f->d->conf->next, root) : NULL;
    if (!v || (v->type != JSON_STRING && v->type != JSON_INT)) return false;
    if (v->type == JSON_INT) return snprintf(out, TARGET_MAX, "%lld", (long long)v->i) > 0;
    return v->s.n && str_to_cstr(v->s, out, TARGET_MAX);
}

/* <…>; rel="next" of the Link headers */
static bool next_in_header(const struct http_reply *r, char *out)
{
    for (size_t i = 0; i < r->nheaders; i++) {
        struct str rest = r->headers[i].value;
        if (!str_is(r->headers[i].name, "link")) continue;
        for (ptrdiff_t from; (from = str_find(rest, '<')) >= 0;) {
            rest = str_sub(rest, (size_t)from + 1, rest.n);
            ptrdiff_t to = str_find(rest, '>');
            if (to < 0) return false;
            struct str url = str_sub(rest, 0, (size_t)to), params = str_sub(rest, (size_t)to + 1, rest.n);
            ptrdiff_t more = str_find(params, '<');
            rest = params;
            if (more >= 0) params = str_sub(params, 0, (size_t)more);
            if (str_has(params, STR("rel=\"next\"")) || str_has(params, STR("rel=next")))
                return str_to_cstr(url, out, TARGET_MAX);
        }
    }
    return false;
}

static bool follow_link(struct hc_fetch *f, const char *link)
{
    char current[TARGET_MAX], next[TARGET_MAX];
    const char *t = f->target, *base = http_link_url(f->d->ch->link);
    bool absolute = strncmp(t, "http://", 7) == 0 || strncmp(t, "https://", 8) == 0;
    int n = snprintf(current, sizeof current, "%s%s%s", absolute ? "" : base,
                     absolute || t[0] == '/' || t[0] == '?' || !t[0] ? "" : "/", t);
    if ((size_t)n >= sizeof current || http_url_resolve(current, link, next, sizeof next, NULL)) return false;
    bool another = strcmp(next, current) != 0;
    snprintf(f->target, sizeof f->target, "%s", next);
    return another;
}

/* False: that was the last page. */
static bool next_page(struct hc_fetch *f, const struct payload_doc *doc, const struct http_reply *r)
{
    const struct hc_conf *c = f->d->conf;
    char text[TARGET_MAX];
    size_t rows = payload_doc_rows(doc);
    switch (c->paging) {
    case PAGING_NEXT: return next_in_answer(f, doc, text) && follow_link(f, text);
    case PAGING_LINK: return next_in_header(r, text) && follow_link(f, text);
    case PAGING_NUMBER:
    case PAGING_OFFSET:
        if (!rows || (c->page_size && (int64_t)rows < c->page_size)) return false;
        f->at += c->paging == PAGING_NUMBER ? 1 : c->page_size;
        memcpy(f->target, f->base, sizeof f->target);
        return add_number(f->target, c->param, f->at);
    case PAGING_CURSOR:
        memcpy(f->target, f->base, sizeof f->target);
        return next_in_answer(f, doc, text) && add_param(f->target, c->param, str_of(text));
    default: return false;
    }
}

/* ---- what came ---- */

static void ask(struct hc_fetch *f);

static void go_on(struct hc_fetch *f)
{
    if (hc_flush(f->d->ch)) ask(f); /* else hc_fetch_resume */
}

void hc_fetch_resume(struct hc_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i]->fetch && !ch->devices[i]->fetch->ticket) ask(ch->devices[i]->fetch);
}

static void broken(struct hc_fetch *f, const struct error *why)
{
    struct error e = {0};
    const char *name = "JSON";
    error_set(&e, why->code, "", "the answer cannot be read as %s: %.200s%s%.60s%.0s",
              "应答无法按 %s 读取：%.0s%s%.60s%.200s", name, why->text, why->where[0] ? " at " : "", why->where,
              why->text_zh);
    f->d->ch->st.errors++;
    failed(f, &e);
}

static void take_page(struct hc_fetch *f, const struct http_reply *r)
{
    struct hc_device *d = f->d;
    struct hc_channel *ch = d->ch;
    struct payload_doc *doc = NULL;
    struct error e = {0};
    AUTO_ARENA a;
    arena_init(&a, HC_DOC_MAX);
    if (payload_doc_parse(d->conf->reader, r->body, &a, &doc, &e)) {
        broken(f, &e);
        return;
    }
    if (!f->page++) d->trouble.code = 0;
    if (d->conf->etag && d->conf->paging == PAGING_NONE)
        str_to_cstr(http_reply_header(r, "etag"), f->etag, sizeof f->etag);
    if (strlen(f->etag) == sizeof f->etag - 1) f->etag[0] = 0; /* cut */
    hc_take(d, doc, &a);
    bool more = next_page(f, doc, r);
    if (more && f->page >= d->conf->pages_max) {
        char kv[100];
        snprintf(kv, sizeof kv, "device=%.60s pages=%lld", d->code, (long long)f->page);
        ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "there are more pages than may be asked for", kv);
        more = false;
    }
    if (more)
        go_on(f);
    else
        well(f, true);
}

static void came(void *arg, const struct http_end *endp)
{
    struct hc_fetch *f = arg;
    struct hc_device *d = f->d;
    struct error e = {0};
    f->ticket = NULL;
    hc_count(d->ch, endp);
    if (d->ch->closing) {
        d->fetch = NULL;
        mem_free(f);
        return;
    }
    if (endp->error) {
        failed(f, endp->error);
    } else if (endp->reply->status == 304 && !f->page) {
        d->trouble.code = 0;
        well(f, false);
    } else if (http_reply_error(endp->reply, &e)) {
        d->ch->st.errors++;
        failed(f, &e);
    } else
        take_page(f, endp->reply);
}

static int first_target(struct hc_fetch *f, const char *target)
{
    const struct hc_conf *c = f->d->conf;
    bool fits = snprintf(f->base, sizeof f->base, "%s", target) < (int)sizeof f->base;
    memcpy(f->target, f->base, sizeof f->target);
    f->at = c->paging == PAGING_NUMBER ? c->first_page : 0;
    if (fits && c->paging == PAGING_NUMBER) fits = add_number(f->target, c->param, f->at);
    if (fits && c->paging == PAGING_OFFSET) fits = add_number(f->target, c->param, 0);
    return fits ? 0 : ERR_TOO_LARGE;
}

static void ask(struct hc_fetch *f)
{
    struct hc_device *d = f->d;
    struct http_link_call call;
    struct error e = {0};
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    int64_t now = hc_utc(d->ch);
    const struct fill t = {.now_us = now,
                           .last_us = d->newest_us == INT64_MIN ? now - d->conf->lookback_us : d->newest_us,
                           .zone = d->conf->reader};
    int rc = hc_request(d->conf, &t, f->page ? NULL : d->etag, &a, &call, &e);
    if (!rc && !f->page && first_target(f, call.target))
        rc = error_set(&e, ERR_INVALID, "path", "the address of the request is too long", "请求地址过长");
    call.target = f->target;
    if (!rc) rc = http_link_ask(d->ch->link, &call, came, f, &f->ticket, &e);
    if (rc) failed(f, &e);
}

void hc_fetch_start(struct hc_device *d)
{
    struct hc_fetch *f = mem_calloc(1, sizeof *f);
    if (!f) return; /* the next time */
    f->d = d;
    d->fetch = f;
    for (size_t i = 0; i < d->npoints; i++) d->points[i].seen = false;
    ask(f);
}

void hc_fetch_drop(struct hc_device *d)
{
    if (!d->fetch) return;
    if (d->fetch->ticket) http_link_cancel(d->fetch->ticket);
    mem_free(d->fetch);
    d->fetch = NULL;
}
