/* table.c - what the driver tells about itself, the check of addresses, and its row of functions. */
#include "drivers/http/http_int.h"

static const struct option_choice methods[] = {
    {"GET", "GET", "GET"}, {"POST", "POST", "POST"}, {"PUT", "PUT", "PUT"}, {0}};
static const struct option_choice write_methods[] = {{"none", "cannot be written", "不可写"},
                                                     {"POST", "POST", "POST"},
                                                     {"PUT", "PUT", "PUT"},
                                                     {"PATCH", "PATCH", "PATCH"},
                                                     {0}};
static const struct option_choice pagings[] = {
    /* in the order of enum hc_paging */
    {"none", "one answer", "单次应答"},
    {"next", "a link in the answer", "应答中的链接"},
    {"link", "the Link header (RFC 8288)", "Link 响应头（RFC 8288）"},
    {"page", "number of the page", "页号"},
    {"offset", "offset of the first row", "首行偏移"},
    {"cursor", "a cursor in the answer", "应答中的游标"},
    {0},
};

const struct option hc_channel_options[] = {HTTP_OPTIONS, {0}};

#define TEXT(id, title_en, title_zh, ...) \
    { \
        .name = id, .type = OPTION_STRING, .en = title_en, .zh = title_zh, __VA_ARGS__ \
    }
const struct option hc_device_options[] = {
    {.name = "method", .type = OPTION_ENUM, .en = "Method", .zh = "请求方法", .def = "GET", .choices = methods},
    TEXT("path", "Path", "路径", .def = "/", .max = "2000",
         .help_en = "With the query: /v1/values?from=${last:ms}. ${now}, ${now-1h}, ${last} (newest time that came), "
                    "forms :s :ms :us :ns :%Y-%m-%d.",
         .help_zh = "含查询：/v1/values?from=${last:ms}。可用 ${now}、${now-1h}、${last}（已收到的最新时间），格式 :s "
                    ":ms :us :ns :%Y-%m-%d。"),
    TEXT("body", "Body", "请求体", .max = "16000", .show_if = "method=POST|PUT",
         .help_en = "With the same ${…} as the path.", .help_zh = "可用与路径相同的 ${…}。"),
    TEXT("content_type", "Type of the body", "请求体类型", .def = "application/json", .max = "200",
         .show_if = "method=POST|PUT"),
    HTTP_OPTION_HEADERS,
    {.name = "period",
     .type = OPTION_DURATION,
     .en = "Period",
     .zh = "周期",
     .min = "100ms",
     .max = "1d",
     .help_en = "Empty: the shortest period of its points.",
     .help_zh = "留空则取其测点的最短周期。"},
    {.name = "etag",
     .type = OPTION_BOOLEAN,
     .en = "Ask only for changes (ETag)",
     .zh = "仅在变化时取回（ETag）",
     .def = "true"},
    {.name = "lookback",
     .type = OPTION_DURATION,
     .en = "First time asked for",
     .zh = "首次回看时长",
     .def = "1h",
     .min = "1s",
     .max = "365d",
     .help_en = "What ${last} is before anything came: so long before now.",
     .help_zh = "尚无数据时，${last} 取当前时间之前的这段时长。"},
    {.name = "paging", .type = OPTION_ENUM, .en = "Pages", .zh = "分页", .def = "none", .choices = pagings},
    TEXT("next_path", "Link to the next page", "下一页链接", .def = "$.next", .max = "500", .show_if = "paging=next",
         .help_en = "JSONPath", .help_zh = "JSONPath"),
    TEXT("page_param", "Parameter of the page", "页号参数", .def = "page", .min = "1", .max = "60",
         .show_if = "paging=page"),
    {.name = "page_first",
     .type = OPTION_INTEGER,
     .en = "First page",
     .zh = "首页页号",
     .def = "1",
     .min = "0",
     .max = "1",
     .show_if = "paging=page"},
    TEXT("offset_param", "Parameter of the offset", "偏移参数", .def = "offset", .min = "1", .max = "60",
         .show_if = "paging=offset"),
    {.name = "page_size",
     .type = OPTION_INTEGER,
     .en = "Rows of a page",
     .zh = "每页行数",
     .min = "1",
     .max = "100000",
     .show_if = "paging=page|offset",
     .help_en = "A page with fewer is the last one.",
     .help_zh = "不足此数的页即为最后一页。"},
    TEXT("cursor_path", "Cursor in the answer", "应答中的游标", .max = "500", .show_if = "paging=cursor",
         .required = true, .help_en = "JSONPath", .help_zh = "JSONPath"),
    TEXT("cursor_param", "Parameter of the cursor", "游标参数", .def = "cursor", .min = "1", .max = "60",
         .show_if = "paging=cursor"),
    {.name = "pages_max",
     .type = OPTION_INTEGER,
     .en = "Most pages at a time",
     .zh = "单次最多页数",
     .def = "10",
     .min = "1",
     .max = "1000",
     .show_if = "paging=next|link|page|offset|cursor"},
    PAYLOAD_READ_OPTIONS,
    {0},
};
const struct option hc_point_options[] = {
    PAYLOAD_READ_POINT_OPTIONS,
    {.name = "write_method",
     .type = OPTION_ENUM,
     .en = "Writing",
     .zh = "写入方法",
     .def = "none",
     .choices = write_methods},
    TEXT("write_path", "Path for writing", "写入路径", .max = "2000", .show_if = "write_method=POST|PUT|PATCH",
         .required = true, .help_en = "${value} and ${now} can be used.", .help_zh = "可用 ${value}、${now}。"),
    TEXT("write_body", "Body for writing", "写入请求体", .def = "{\"value\":${json:value}}", .max = "16000",
         .show_if = "write_method=POST|PUT|PATCH", .help_en = "${json:value} quotes texts for JSON.",
         .help_zh = "${json:value} 按 JSON 给文本加引号。"),
    TEXT("write_type", "Type of that body", "写入请求体类型", .def = "application/json", .max = "200",
         .show_if = "write_method=POST|PUT|PATCH"),
    {0},
};

static int check_write(const struct options *o, bool *ret_writable, struct error *e)
{
    const struct fill_value none = {0};
    const struct fill path = {.value = &none, .url = true}, body = {.value = &none};
    *ret_writable = opt_enum(o, "write_method", 0) != 0;
    if (!*ret_writable) return 0;
    int rc = fill_text(opt_str(o, "write_path", ""), &path, NULL, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "write_path");
    if (rc) return rc;
    rc = fill_text(opt_str(o, "write_body", ""), &body, NULL, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "write_body");
    return rc;
}

int hc_address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                     struct error *e)
{
    struct hc_conf *conf = NULL;
    bool writable = false;
    int rc = hc_conf_new(device, false, &conf, e);
    hc_conf_free(rc ? NULL : conf);
    if (!rc) rc = payload_address_check(device, p->address, p->options, e);
    if (!rc) rc = check_write(p->options, &writable, e);
    if (rc || !ret) return rc;
    snprintf(ret->canonical, sizeof ret->canonical, "%s", p->address);
    ret->type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type;
    ret->writable = writable;
    return 0;
}
