/* routes_query.c - see routes_query.h. Every query by GET and, for many points, by POST with the same names. */
#include "modules/history/routes_query.h"
#include "modules/history/aggregate.h"
#include "modules/history/calc.h"
#include "modules/history/delete.h"
#include "modules/history/deliver.h"
#include "modules/history/export.h"
#include "modules/history/summary.h"

static int answer(struct api_call *c, const char *kind, struct error *e)
{
    struct params p;
    int err = deliver_params(c, &p, e);
    return err ? err : deliver_run(c, kind, &p, NULL, e);
}

static int do_recorded(struct api_call *c, struct error *e)
{
    return answer(c, "recorded", e);
}
static int do_interpolated(struct api_call *c, struct error *e)
{
    return answer(c, "interpolated", e);
}
static int do_plot(struct api_call *c, struct error *e)
{
    return answer(c, "plot", e);
}
static int do_aggregate(struct api_call *c, struct error *e)
{
    return answer(c, "aggregate", e);
}
static int do_aligned(struct api_call *c, struct error *e)
{
    return answer(c, "aligned", e);
}

static void both_languages(struct json_writer *w, const char *key, const char *en, const char *zh)
{
    jw_key(w, str_of(key));
    jw_object(w);
    jw_kz(w, "en", en);
    jw_kz(w, "zh", zh);
    jw_end(w);
}

static int get_functions(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; agg_fn_at(i); i++) {
        const struct agg_fn *f = agg_fn_at(i);
        jw_object(&w);
        jw_kz(&w, "name", f->name);
        both_languages(&w, "title", f->en, f->zh);
        both_languages(&w, "help", f->help_en, f->help_zh);
        jw_kz(&w, "part13", f->part13);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    return 0;
}

#define RANGE \
    "points:string:Codes or ids, comma (64, by POST 1000);from:time:Start, default *-1h;to:time:End, default *;" \
    "tz:string:Time zone, for t, y and calendar;"
#define FORMAT ";format:string:json, csv or arrow"
#define CONFIG \
    "stepped:boolean:Hold values, default as the point;treat_uncertain_as_bad:boolean:Default true;" \
    "percent_good:number:PercentDataGood, default 100;percent_bad:number:PercentDataBad, default 100;" \
    "sloped_extrapolation:boolean:Default false;per:string:Unit of time of total and rate, default s"
#define WINDOWS \
    "interval:duration:Length of a window;calendar:string:hour, day, week, month, quarter, year or shift;" \
    "shift_start:string:Default 08:00;shift_hours:integer:Default 8;"
#define HEAD "point:integer;code:string;name:string;unit:string;step:boolean;"
#define SERIES \
    "{from:time;to:time;series:{" HEAD "t:number[];v:(number|string|null)[];q:integer[];r:integer[];" \
    "truncated:boolean}[]}"
#define SUMMARY \
    "{from:time;to:time;points?:integer;overall?:{count:integer;good:integer;min:number|null;min_t:time|null;" \
    "min_point:string|null;max:number|null;max_t:time|null;max_point:string|null;mean:number|null;twa:number|null;" \
    "integral:number;percent_good:number};series?:{" HEAD \
    "rows:{from:time;to:time;count:integer;good:integer;min:number|null;" \
    "min_t:time|null;max:number|null;max_t:time|null;mean:number|null;twa:number|null;integral:number|null;" \
    "percent_good:number|null;first:number|string|null;last:number|string|null}[]}[]}"
#define AGGREGATE \
    "{from:time;to:time;series:{" HEAD "t:number[];end:number[];values:{*:(number|null)[]};status:{*:string[]};" \
    "times?:{*:(number|null)[]}}[]}"
#define ALIGNED \
    "{from:time;to:time;t:number[];series:{point:integer;code:string;name:string;unit:string;v:(number|null)[];" \
    "q:integer[]}[]}"
#define BODY_RANGE "{points:(string|string[]);from?:(string|number);to?:(string|number);tz?:string;format?:string;"
#define BODY_WINDOWS "interval?:(string|number);calendar?:string;shift_start?:string;shift_hours?:integer;"
#define BODY_CONFIG \
    "stepped?:boolean;treat_uncertain_as_bad?:boolean;percent_good?:number;percent_bad?:number;" \
    "sloped_extrapolation?:boolean;per?:string"

/* The same by GET and by POST. */
#define QUERY(name_, handler_, en_, zh_, params_, body_, answer_) \
    API_GET("/api/v1/history/" name_, "point", AUDIT_NONE, handler_, .summary_en = (en_), .summary_zh = (zh_), \
            .params = (params_), .answer_schema = (answer_)), \
        API_DO("POST", "/api/v1/history/" name_, "point", ACT_READ, AUDIT_NONE, handler_, .summary_en = (en_), \
               .summary_zh = (zh_), .body_schema = (body_), .answer_schema = (answer_))

static const struct api_route routes[] = {
    QUERY("recorded", do_recorded, "Stored samples", "历史原始值",
          RANGE "limit:integer:Samples a point;boundary:string:inside, outside or interpolated;"
                "quality:string:all, usable or good;filter_quality:string:The same, older name;"
                "where:string:Comparison of the value, >10 or 10..20" FORMAT,
          BODY_RANGE "limit?:integer;boundary?:string;quality?:string;filter_quality?:string;where?:string}", SERIES),
    QUERY("interpolated", do_interpolated, "Values at even or at given times", "等间隔或指定时刻的插值",
          RANGE
          "interval:duration:Step, default a hundredth of the range;times:string:Instead of a range, comma" FORMAT,
          BODY_RANGE "interval?:(string|number);times?:(string|number)[]}", SERIES),
    QUERY("plot", do_plot, "At most five values a pixel", "绘图数据（每像素最多五个值）",
          RANGE "px:integer:Width in pixels" FORMAT, BODY_RANGE "px?:integer}", SERIES),
    QUERY("summary", summary_answer, "Statistics of a range, of windows of it, or of many points together", "区间统计",
          RANGE WINDOWS "filter:string:Instead of points, as in lists;overall:boolean:One row over all points",
          "{points?:(string|string[]);from?:(string|number);to?:(string|number);tz?:string;filter?:string;"
          "overall?:boolean;" BODY_WINDOWS "}",
          SUMMARY),
    QUERY("aggregate", do_aggregate, "OPC UA aggregates over windows", "OPC UA 聚合（Part 13）",
          RANGE "fn:string:Functions, comma;" WINDOWS CONFIG FORMAT,
          BODY_RANGE "fn?:(string|string[]);" BODY_WINDOWS BODY_CONFIG "}", AGGREGATE),
    QUERY("aligned", do_aligned, "One column of times for all points", "多测点对齐数据",
          RANGE "fn:string:interpolated, last or an aggregate;" WINDOWS CONFIG FORMAT,
          BODY_RANGE "fn?:string;" BODY_WINDOWS BODY_CONFIG "}", ALIGNED),
    QUERY("export", export_csv, "CSV, streamed", "导出 CSV",
          RANGE "mode:string:recorded, interpolated or aggregate;fn:string:Functions, comma;" WINDOWS CONFIG,
          BODY_RANGE
          "mode?:string;fn?:(string|string[]);boundary?:string;quality?:string;where?:string;" BODY_WINDOWS BODY_CONFIG
          "}",
          "csv"),
    QUERY("calc", calc_answer, "An expression over points", "测点表达式计算",
          "expr:string:Such as 'A.PV' / 'B.PV' * 100;from:time:Start, default *-1h;to:time:End, default *;"
          "tz:string:Time zone, for t, y and calendar;fn:string:Aggregate of each window instead of values;" WINDOWS
              CONFIG,
          "{expr:string;from?:(string|number);to?:(string|number);tz?:string;fn?:string;" BODY_WINDOWS BODY_CONFIG "}",
          "{expr:string;unit:string;from:time;to:time;points:string[];t:number[];v:(number|null)[];q:integer[]}"),
    API_DO("POST", "/api/v1/history:delete", "point", ACT_DELETE, AUDIT_CHANGE, delete_samples,
           .summary_en = "Remove samples for good", .summary_zh = "永久删除历史样本",
           .body_schema = "{points:(string|string[]);from:(string|number);to:(string|number);reason:string;tz?:string}",
           .answer_schema = "{points:integer;removed:integer}"),
    API_GET("/api/v1/history/functions", "point", AUDIT_NONE, get_functions, .summary_en = "Functions of aggregates",
            .summary_zh = "聚合函数",
            .answer_schema = "{items:{name:string;title:Text;help:Text;part13:string|null}[]}"),
};

int query_routes(struct node *n, void *module, struct error *e)
{
    return api_routes_add(n->api, routes, sizeof routes / sizeof *routes, module, e);
}
