/* conf.c - the options of a device, compiled: what is asked, how its pages are found, how its answers are read. */
#include "drivers/common/check.h"
#include "drivers/http/http_int.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static const char *keep(struct hc_conf *c, const char *z)
{
    return arena_strdup(&c->arena, str_of(z));
}

static int check_text(const char *text, const char *where, bool url, struct error *e)
{
    const struct fill t = {.url = url};
    int rc = fill_text(text, &t, NULL, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "%s", where);
    return rc;
}

static int set_path(struct hc_conf *c, const char *path, struct error *e)
{
    for (const char *p = path; *p; p++) {
        if (p[0] == '$' && p[1] == '{' && strchr(p, '}')) p = strchr(p, '}');
        if ((unsigned char)*p <= ' ' || *p == '#')
            return error_set(e, ERR_INVALID, "path",
                             "the path holds a blank, '#' or a control character; write %%20, %%23 …",
                             "路径含有空格、“#”或控制字符；请写作 %%20、%%23 等");
    }
    if (strstr(path, "://"))
        return error_set(e, ERR_INVALID, "path",
                         "'%.60s': the path begins behind the address of the channel, e.g. /v1/values",
                         "“%.60s”：路径接在通道地址之后，例如 /v1/values", path);
    int rc = check_text(path, "path", true, e);
    c->path = keep(c, path);
    return rc ? rc : c->path ? 0 : no_memory(e);
}

static int set_headers(struct hc_conf *c, const struct options *o, struct error *e)
{
    const char *lines = opt_str(o, "headers", "");
    int rc = http_headers_check(lines, e);
    if (rc) return rc;
    const char **all = arena_calloc(&c->arena, 54, sizeof *all);
    size_t n = 0;
    c->headers = all;
    if (!all) return no_memory(e);
    struct str rest = str_of(lines);
    for (struct str *r = &rest; r->p && n < 50;) {
        size_t k = 0;
        while (k < r->n && r->p[k] != '|' && r->p[k] != '\n') k++;
        struct str line = str_trim(str_sub(*r, 0, k));
        *r = k < r->n ? str_sub(*r, k + 1, r->n) : STR_NULL;
        if (line.n && !(all[n++] = arena_strdup(&c->arena, line))) return no_memory(e);
    }
    if (c->body && !(all[n++] = arena_printf(&c->arena, "Content-Type: %s", c->content_type))) return no_memory(e);
    return 0;
}

static int set_request(struct hc_conf *c, const struct options *o, struct error *e)
{
    c->method = keep(c, opt_str(o, "method", "GET"));
    c->content_type = keep(c, opt_str(o, "content_type", "application/json"));
    bool body = c->method && strcmp(c->method, "GET") != 0;
    const char *text = opt_str(o, "body", "");
    int rc = set_path(c, opt_str(o, "path", "/"), e);
    if (!rc && body) rc = check_text(text, "body", false, e);
    if (rc) return rc;
    c->body = body ? keep(c, text) : NULL;
    if (!c->method || !c->content_type || (body && !c->body)) return no_memory(e);
    rc = check_line(o, "content_type", e);
    return rc ? rc : set_headers(c, o, e);
}

static int set_query_path(struct hc_conf *c, const char *text, const char *where, struct error *e)
{
    if (!text[0])
        return error_set(e, ERR_INVALID, where, "a JSONPath is expected, e.g. $.next", "应为 JSONPath，例如 $.next");
    const char *copy = keep(c, text);
    if (!copy) return no_memory(e);
    int rc = json_path_compile(str_of(copy), &c->arena, &c->next, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "%s", where);
    return rc;
}

static int set_paging(struct hc_conf *c, const struct options *o, struct error *e)
{
    static const char *const params[] = {
        [PAGING_NUMBER] = "page_param", [PAGING_OFFSET] = "offset_param", [PAGING_CURSOR] = "cursor_param"};
    c->paging = (enum hc_paging)opt_enum(o, "paging", PAGING_NONE);
    c->first_page = opt_i64(o, "page_first", 1);
    c->page_size = opt_i64(o, "page_size", 0);
    c->pages_max = opt_i64(o, "pages_max", 10);
    c->lookback_us = opt_us(o, "lookback", 3600000000LL);
    c->etag = opt_bool(o, "etag", true);
    c->period_ms = (uint32_t)opt_ms(o, "period", 0);
    if (c->paging >= PAGING_NUMBER && !(c->param = keep(c, opt_str(o, params[c->paging], "page")))) return no_memory(e);
    if (c->paging == PAGING_NEXT) return set_query_path(c, opt_str(o, "next_path", "$.next"), "next_path", e);
    if (c->paging == PAGING_CURSOR) return set_query_path(c, opt_str(o, "cursor_path", ""), "cursor_path", e);
    if (c->paging == PAGING_OFFSET && c->page_size < 1)
        return error_set(e, ERR_INVALID, "page_size", "with offsets the rows of a page must be told",
                         "按偏移翻页时须填写每页行数");
    return 0;
}

int hc_conf_new(const struct options *o, bool load, struct hc_conf **ret, struct error *e)
{
    struct hc_conf *c = mem_calloc(1, sizeof *c);
    if (!c) return no_memory(e);
    arena_init(&c->arena, 512 << 10);
    int rc = set_request(c, o, e);
    if (!rc) rc = set_paging(c, o, e);
    if (!rc && load) rc = payload_reader_new(o, &c->reader, e);
    if (rc)
        hc_conf_free(c);
    else
        *ret = c;
    return rc;
}

void hc_conf_free(struct hc_conf *c)
{
    if (!c) return;
    payload_reader_free(c->reader);
    arena_fini(&c->arena);
    mem_free(c);
}

int hc_device_check(const struct options *o, struct error *e)
{
    struct hc_conf *c;
    int rc = hc_conf_new(o, true, &c, e);
    if (rc) return rc;
    bool by_path = c->paging == PAGING_NEXT || c->paging == PAGING_CURSOR;
    hc_conf_free(c);
    if (by_path && opt_enum(o, "payload", PAYLOAD_DOC_JSON) != PAYLOAD_DOC_JSON)
        return error_set(e, ERR_INVALID, "paging",
                         "a link or a cursor is found by a JSONPath, so the answers must be JSON; others have pages by "
                         "number, by offset or by the Link header",
                         "应答中的链接或游标由 JSONPath 定位，只适用于 JSON；其他格式请按页号、偏移或 Link 响应头翻页");
    return 0;
}
