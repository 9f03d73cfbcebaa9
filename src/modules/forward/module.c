/* module.c - the module forward: its table of routes and its life. */
#include "base/mem.h"
#include "core/alarms.h"
#include "modules/forward/forward.h"
#include "modules/forward/kept.h"

#define STATE "'off'|'connecting'|'up'|'degraded'|'down'"
#define FORWARD \
    "id:string;code:string;name:string;outlet:string|null;state:" STATE \
    ";reason:string;since:time|null;last_ok:time|null;" \
    "points:integer;faults:integer;connections:integer;subscriptions:integer;rtt_ms:number;requests:integer;errors:" \
    "integer;" \
    "timeouts:integer;reconnects:integer;items:integer;items_per_s:number;writes:integer;bytes_in:integer;bytes_out:" \
    "integer;" \
    "buffer:" BUFFER "|null;history:(" STATE ")[];"
#define BUFFER \
    "{records:integer;bytes:integer;oldest:time|null;backlog:integer;backfill_per_s:number;sent:integer;refused:" \
    "integer;" \
    "lost:integer;hours:number;room_hours:number|null;fault:string}"
#define PEERS \
    "peers:{address:string;who:string;since:time|null;subscriptions:integer;items:integer;bytes_in:integer;bytes_out:" \
    "integer}[];"
#define CAPTURE "{since:time;until:time;frames:integer;left_out:integer;bytes:integer}"
#define FRAMES \
    "frames:{t:time;dir:'tx'|'rx';hex:string;words:Text;ok:boolean;error:string|null}[];can_capture:boolean;" \
    "capture:" CAPTURE "|null;"
#define OUTLETS \
    "{items:{name:string;title:Text;help:Text;server:boolean;sender:boolean;buffered:boolean;tells:boolean;addresses:" \
    "boolean;" \
    "needs_address:boolean;can_assign:boolean;channel:Field[];point:Field[];address_help:Text;examples:string[]}[]}"
#define TEST_ANSWER "{ok:boolean;ms:integer;code:string|null;detail:string}"
#define POINTS \
    "{items:{code:string;name:string;num:integer;unit:string;address:string;type:string;writable:boolean;scale:" \
    "number;" \
    "offset:number;error:string|null}[];total:integer;faults:integer}"
#define ASSIGN "{added:integer;failed:{code:string;detail:string}[];items:{code:string;address:string}[]}"

static const struct api_route routes[] = {
    API_GET("/api/v1/outlets", "forward", AUDIT_NONE, forward_get_outlets, .summary_en = "Outlets with their options",
            .summary_zh = "转发协议及其参数表", .answer_schema = OUTLETS),
    API_GET("/api/v1/forwards:status", "forward", AUDIT_NONE, forward_get_status,
            .summary_en = "State of all forwardings", .summary_zh = "所有数据转发的状态",
            .answer_schema = "{items:{" FORWARD "}[]}"),
    API_GET("/api/v1/forwards/{id}/diagnostics", "forward", AUDIT_NONE, forward_get_diagnostics,
            .summary_en = "State, peers and last frames of a forwarding", .summary_zh = "转发诊断：状态、对端与报文",
            .answer_schema = "{" FORWARD PEERS FRAMES "}"),
    API_GET("/api/v1/forwards/{id}/points", "forward", AUDIT_NONE, forward_get_points,
            .summary_en = "Points of a forwarding with their addresses", .summary_zh = "转发的测点与地址",
            .params = "q:string:Text in code, name or address;page:integer:Page;size:integer:Page "
                      "size;faults:boolean:Only those that are left out",
            .answer_schema = POINTS),
    API_DO("POST", "/api/v1/forwards/{id}:assign", "forward", ACT_WRITE, AUDIT_CHANGE, forward_post_assign,
           .summary_en = "Give points that have none a mapping with an address",
           .summary_zh = "为未映射的测点自动分配地址", .body_schema = "{filter?:string;dry_run?:boolean}",
           .answer_schema = ASSIGN),
    API_DO("POST", "/api/v1/forwards/{id}:discard", "forward", ACT_WRITE, AUDIT_CHANGE, forward_post_discard,
           .summary_en = "Drop what the buffer holds", .summary_zh = "丢弃缓存数据", .body_schema = "{confirm:boolean}",
           .answer_schema = "{records:integer}"),
    API_DO("POST", "/api/v1/forwards:test", "forward", ACT_WRITE, AUDIT_NONE, forward_post_test, .lane = LANE_TRY,
           .summary_en = "Try a forwarding that is not stored", .summary_zh = "测试未保存的转发",
           .body_schema = "{spec:forward_spec}", .answer_schema = TEST_ANSWER),
    API_DO("POST", "/api/v1/forwards/{id}:test", "forward", ACT_WRITE, AUDIT_NONE, forward_post_test_saved,
           .lane = LANE_TRY, .summary_en = "Try a forwarding", .summary_zh = "测试转发", .answer_schema = TEST_ANSWER),
    API_DO("POST", "/api/v1/forwards/{id}:capture", "forward", ACT_WRITE, AUDIT_CHANGE, forward_post_capture,
           .summary_en = "Record the frames of a forwarding for a while", .summary_zh = "录制转发报文",
           .body_schema = "{seconds:integer}", .answer_schema = CAPTURE),
    API_GET("/api/v1/forwards/{id}/capture", "forward", AUDIT_NONE, forward_get_capture,
            .summary_en = "The recorded frames as a capture file", .summary_zh = "下载报文抓包文件",
            .answer_schema = "bytes"),
};

/* On the writer of the alarms, whose threads stop after this module's. */
static void on_alarm(void *arg, const struct alarm_view *v)
{
    struct forward *f = arg;
    pthread_rwlock_rdlock(&f->run_lock);
    if (f->run) fwd_run_alarm(f->run, v);
    pthread_rwlock_unlock(&f->run_lock);
}

static int forward_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct forward *f = mem_calloc(1, sizeof *f);
    if (!f) return error_set(e, ERR_NOMEM, "forward", "out of memory", "内存不足");
    pthread_condattr_t attr;
    f->node = n;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&f->lock, NULL);
    pthread_rwlock_init(&f->run_lock, NULL);
    *ret_ctx = f;
    int rc = forward_kinds_add(f, e);
    if (!rc) rc = forward_hooks_add(f, e);
    if (!rc) rc = kept_migrate(kernel_sql(n->kernel), e);
    if (!rc) rc = plant_watch(n, forward_set_signal, f);
    if (!rc && n->alarms) rc = n->alarms->watch(n->alarms->ctx, on_alarm, f);
    return rc;
}

static int forward_start(void *ctx, struct error *e)
{
    struct forward *f = ctx;
    struct run *r;
    int rc = fwd_run_start(f->node, &r, e);
    if (rc) return rc;
    pthread_rwlock_wrlock(&f->run_lock);
    f->run = r;
    pthread_rwlock_unlock(&f->run_lock);
    return forward_set_start(f, e);
}

static void forward_stop(void *ctx)
{
    struct forward *f = ctx;
    forward_set_stop(f);
    pthread_rwlock_wrlock(&f->run_lock);
    struct run *r = f->run;
    f->run = NULL;
    pthread_rwlock_unlock(&f->run_lock);
    fwd_run_stop(r);
}

static void forward_fini(void *ctx)
{
    struct forward *f = ctx;
    if (!f) return;
    plan_free(&f->plan);
    pthread_mutex_destroy(&f->lock);
    pthread_rwlock_destroy(&f->run_lock);
    pthread_cond_destroy(&f->wake);
    mem_free(f);
}

const struct module forward_module = {
    .name = "forward",
    .title_en = "Forwarding",
    .title_zh = "数据转发",
    .routes = routes,
    .nroutes = sizeof routes / sizeof *routes,
    .init = forward_init,
    .start = forward_start,
    .stop = forward_stop,
    .fini = forward_fini,
};
