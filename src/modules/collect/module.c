/* module.c - the module collect: its table of routes and its life. */
#include "base/mem.h"
#include "modules/collect/collect.h"

#define STATE "'off'|'connecting'|'up'|'degraded'|'down'"
#define CHANNEL \
    "id:string;code:string;name:string;driver:string|null;state:" STATE ";reason:string;points:integer;good:integer;" \
    "bad:integer;samples_per_s:number;since:time|null;last_ok:time|null;clock_ms:number|null;rtt_ms:number;requests:" \
    "integer;" \
    "errors:integer;timeouts:integer;reconnects:integer;polls:integer;late:integer;samples:integer;held:integer;" \
    "writes:integer;bytes_in:integer;bytes_out:integer;connections:integer;history:(" STATE ")[];"
#define DEVICES \
    "devices:{id:string;code:string;name:string;state:" STATE ";reason:string;points:integer;bad:integer;" \
    "last_ok:time|null;clock_ms:number|null}[];"
#define CAPTURE "{since:time;until:time;frames:integer;left_out:integer;bytes:integer}"
#define BROWSE_BODY \
    "{channel:string|channel_spec;device?:string|device_spec|{options?:object};node?:string;cursor?:string;size?:" \
    "integer;q?:string;seconds?:integer;nodes?:integer}"
#define BROWSE_ANSWER \
    "{items:{node:string;name:string;description:string;address:string|null;type:string;value:string|null;" \
    "unit:string|null;children:boolean;writable:boolean;lo?:number;hi?:number;path?:string[]}[];next:string|null;" \
    "truncated?:boolean;looked?:integer;waiting?:integer;failed?:integer;left_out?:integer}"
#define BROWSE_PARAMS \
    "q:string:Text to search below the node (else its children are listed);node:string:Where to begin;" \
    "device:string:Device by id or code;cursor:string:To go on;size:integer:Items at most;" \
    "seconds:integer:Search for as long;nodes:integer:Search so many nodes"
#define FRAMES \
    "frames:{t:time;dir:'tx'|'rx';hex:string;words:Text;ok:boolean;error:string|null}[];can_capture:boolean;" \
    "capture:" CAPTURE "|null;"
#define DRIVERS \
    "{items:{name:string;title:Text;help:Text;channel:Field[];device:Field[];point:Field[];address_help:Text;" \
    "examples:string[];browse:boolean;discover:boolean;history:boolean}[]}"
#define TEST_BODY "{spec:channel_spec}"
#define TEST_ANSWER "{ok:boolean;ms:integer;code:string|null;detail:string}"
#define READ_BODY "{channel:string|channel_spec;device:string|device_spec|{options?:object};points:point_spec[]}"
#define READ_ANSWER \
    "{items:{address:string;value:number|string|null;quality:'good'|'uncertain'|'bad';reason:string;raw:string;" \
    "ms:integer}[]}"
#define WRITE_BODY "{value:number|boolean|string;confirm:boolean;reason?:string;expires_ms?:integer}"
#define WRITE_ANSWER \
    "{command:string;outcome:'done'|'refused'|'failed'|'unknown'|'expired';detail:string;value:number|string|null;" \
    "before:number|string|null;readback:number|string|null;reason:string;ms:integer}"
#define AREA \
    "path:string;name:string;title:string;points:integer;good:integer;uncertain:integer;bad:integer;stale:integer;" \
    "children:boolean;"
#define KEYS "key:{code:string;name:string;num:integer;unit:string;lo:number|null;hi:number|null}[]"

static const struct api_route routes[] = {
    API_GET("/api/v1/drivers", "channel", AUDIT_NONE, get_drivers, .summary_en = "Drivers with their options",
            .summary_zh = "驱动及其参数表", .answer_schema = DRIVERS),
    API_GET("/api/v1/channels:status", "channel", AUDIT_NONE, get_status, .summary_en = "State of all channels",
            .summary_zh = "所有通道状态", .answer_schema = "{items:{" CHANNEL "}[]}"),
    API_GET("/api/v1/channels/{id}/diagnostics", "channel", AUDIT_NONE, get_diagnostics,
            .summary_en = "State, devices and last frames of a channel", .summary_zh = "通道诊断：状态、设备与报文",
            .answer_schema = "{" CHANNEL DEVICES FRAMES "}"),
    API_DO("POST", "/api/v1/channels:test", "channel", ACT_WRITE, AUDIT_NONE, post_test, .lane = LANE_TRY,
           .summary_en = "Try a connection that is not stored", .summary_zh = "测试未保存的连接",
           .body_schema = TEST_BODY, .answer_schema = TEST_ANSWER),
    API_DO("POST", "/api/v1/channels/{id}:test", "channel", ACT_WRITE, AUDIT_NONE, post_test_saved, .lane = LANE_TRY,
           .summary_en = "Try a channel's connection", .summary_zh = "测试通道连接", .answer_schema = TEST_ANSWER),
    API_DO("POST", "/api/v1/channels:discover", "channel", ACT_WRITE, AUDIT_NONE, post_discover, .lane = LANE_TRY,
           .summary_en = "Servers and endpoints at an address", .summary_zh = "发现服务器和端点",
           .body_schema = TEST_BODY, .answer_schema = "{items:{name:string;description:string;options:object}[]}"),
    API_DO("POST", "/api/v1/channels:read", "channel", ACT_WRITE, AUDIT_NONE, post_read, .lane = LANE_TRY,
           .summary_en = "Read addresses once, without storing", .summary_zh = "试读地址（不保存）",
           .body_schema = READ_BODY, .answer_schema = READ_ANSWER),
    API_DO("POST", "/api/v1/channels:browse", "channel", ACT_WRITE, AUDIT_NONE, post_browse, .lane = LANE_TRY,
           .summary_en = "What a device offers below a node", .summary_zh = "浏览设备提供的内容",
           .body_schema = BROWSE_BODY, .answer_schema = BROWSE_ANSWER),
    API_DO("GET", "/api/v1/channels/{id}/browse", "channel", ACT_WRITE, AUDIT_NONE, get_browse, .lane = LANE_TRY,
           .summary_en = "What a device offers below a node, listed or searched",
           .summary_zh = "浏览或搜索设备提供的内容", .params = BROWSE_PARAMS, .answer_schema = BROWSE_ANSWER),
    API_DO("POST", "/api/v1/channels/{id}:capture", "channel", ACT_WRITE, AUDIT_CHANGE, post_capture,
           .summary_en = "Record the frames of a channel for a while", .summary_zh = "录制通道报文",
           .body_schema = "{seconds:integer}", .answer_schema = CAPTURE),
    API_GET("/api/v1/channels/{id}/capture", "channel", AUDIT_NONE, get_capture,
            .summary_en = "The recorded frames as a capture file", .summary_zh = "下载报文抓包文件",
            .answer_schema = "bytes"),
    API_DO("POST", "/api/v1/points/{id}:write", "point", ACT_CONTROL, AUDIT_CONTROL, post_write, .lane = LANE_CONTROL,
           .summary_en = "Write a value to the equipment", .summary_zh = "向设备写值", .body_schema = WRITE_BODY,
           .answer_schema = WRITE_ANSWER),
    API_GET("/api/v1/points:tree", "point", AUDIT_NONE, get_tree, .summary_en = "Children of an area",
            .summary_zh = "区域树的子节点", .params = "parent:string:Path of the area",
            .answer_schema = "{items:{" AREA "}[];truncated:boolean}"),
    API_GET("/api/v1/areas", "point", AUDIT_NONE, get_areas, .summary_en = "Overview of the areas",
            .summary_zh = "区域概览", .params = "parent:string:Path of the area",
            .answer_schema = "{items:{" AREA KEYS "}[];truncated:boolean}"),
};

static int collect_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct collect *c = mem_calloc(1, sizeof *c);
    if (!c) return error_set(e, ERR_NOMEM, "collect", "out of memory", "内存不足");
    pthread_condattr_t attr;
    c->node = n;
    c->control = (struct control){control_write, c, control_route_add};
    n->collect = c;
    n->control = &c->control;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, &attr);
    pthread_condattr_destroy(&attr);
    *ret_ctx = c;
    int err = collect_kinds_add(c, e);
    if (!err) err = fetch_add(c, e);
    return err ? err : collect_hooks_add(c, e);
}

static int collect_start(void *ctx, struct error *e)
{
    struct collect *c = ctx;
    int err = run_start(c->node, 1, &c->run, e);
    return err ? err : reconcile_start(c, e);
}

static void collect_stop(void *ctx)
{
    struct collect *c = ctx;
    reconcile_stop(c);
    run_stop(c->run);
    c->run = NULL;
}

static void collect_fini(void *ctx)
{
    struct collect *c = ctx;
    if (!c) return;
    plant_unref(c->plant);
    searches_free(c);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    mem_free(c);
}

const struct module collect_module = {
    .name = "collect",
    .title_en = "Data acquisition",
    .title_zh = "数据采集",
    .routes = routes,
    .nroutes = sizeof routes / sizeof *routes,
    .init = collect_init,
    .start = collect_start,
    .stop = collect_stop,
    .fini = collect_fini,
};
