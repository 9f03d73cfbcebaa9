/* ts_dialect_test.c - what each dialect sends, byte for byte, and what it makes of answers; forms after the products'
 * documents: InfluxDB 1.x line protocol and /query, VictoriaMetrics /api/v1/import and /export, TDengine REST
 * (/rest/sql), Apache IoTDB REST v2, ClickHouse RowBinary. */
#include <math.h>
#include "base/encode.h"
#include "base/mem.h"
#include "base/test.h"
#include "store/ts_dialect.h"

static bool name_of(void *ctx, uint32_t point, char *out, size_t cap)
{
    snprintf(out, cap, "A B,%u", point);
    return point != 9;
}
static struct ts_target target(const struct ts_dialect *d)
{
    return (struct ts_target){.database = "plant", .name = name_of, .unit_us = d->unit_us};
}

static const struct ts_row some[] = {
    {.s = {.time_us = 1700000000000001, .point = 3, .type = SAMPLE_DOUBLE, .quality = 0, .v.d = 21.5}},
    {.s = {.time_us = 1700000000001002, .point = 3, .type = SAMPLE_BOOL, .quality = 1, .flags = 0x105, .v.i = 1}},
    {.s = {.time_us = 1700000000002003, .point = 9, .type = SAMPLE_STRING}, .text = {"it's \"a\\b\"\n停", 14}},
    {.s = {.time_us = -1, .point = 10, .type = SAMPLE_DOUBLE, .quality = 2, .flags = 6, .v.d = -INFINITY}},
};
#define N (sizeof some / sizeof *some)

/* The body of the request that takes rows `from` and on; its path into `path`. */
static struct str written(const struct ts_dialect *d, size_t from, size_t n, size_t *ret_taken, char path[600])
{
    static struct ts_request q;
    struct ts_target t = target(d);
    buf_fini(&q.body);
    q = (struct ts_request){0};
    buf_init(&q.body, TS_BODY_MAX);
    CHECK_INT(d->write(&t, some + from, n, 1000, &q, ret_taken), 0);
    CHECK_Z(q.method, "POST");
    snprintf(path, 600, "%s", q.path);
    return buf_view(&q.body);
}

TEST(influxdb_lines)
{
    char path[600];
    size_t taken;
    struct str b = written(&ts_influxdb, 0, N, &taken, path);
    CHECK_INT(taken, N);
    CHECK_Z(path, "/write?precision=u&db=plant");
    CHECK_STR(b, "samples,point=3,code=A\\ B\\,3 t=1i,q=0i,f=0i,d=21.5 1700000000000001\n"
                 "samples,point=3,code=A\\ B\\,3 t=3i,q=1i,f=261i,i=1i 1700000000001002\n"
                 "samples,point=9 t=4i,q=0i,f=0i,s=\"it's \\\"a\\\\b\\\"\n停\" 1700000000002003\n"
                 "samples,point=10,code=A\\ B\\,10 t=5i,q=2i,f=6i,i=-4503599627370496i -1\n");
}

TEST(tdengine_sql)
{
    char path[600];
    size_t taken;
    struct str b = written(&ts_tdengine, 0, N, &taken, path);
    CHECK_INT(taken, N);
    CHECK_Z(path, "/rest/sql");
    CHECK_STR(b,
              "insert into plant.p3 using plant.samples tags (3,'A B,3') values (1700000000000001,1,0,0,21.5,null,null)"
              "(1700000000001002,3,1,261,null,1,null) plant.p9 using plant.samples tags (9,'') values "
              "(1700000000002003,4,0,0,null,null,'it\\'s \"a\\\\b\"\n停') plant.p10 using plant.samples tags "
              "(10,'A B,10') values (-1,5,2,6,null,-4503599627370496,null)");
}

TEST(iotdb_tablets_and_records)
{
    char path[600];
    size_t taken;
    struct ts_row rows[8];
    struct ts_request q = {0};
    struct ts_target t = target(&ts_iotdb);
    struct str b = written(&ts_iotdb, 0, 3, &taken, path);
    CHECK_INT(taken, 3);
    CHECK_Z(path, "/rest/v2/insertRecords");
    CHECK(str_starts(
        b, STR("{\"timestamps\":[1700000000000,1700000000001,1700000000002],\"devices\":[\"root.plant.p3\",")));
    CHECK(str_has(b, STR("[3,1,261,null,1,null,\"A B,3\"]")));
    CHECK(str_ends(b, STR("\"is_aligned\":true}")));
    for (int i = 0; i < 8; i++)
        rows[i] = (struct ts_row){.s = {.time_us = i * 1000000, .point = 4, .type = SAMPLE_INT, .v.i = i}};
    buf_init(&q.body, TS_BODY_MAX);
    CHECK_INT(ts_iotdb.write(&t, rows, 8, 0, &q, &taken), 0);
    CHECK_INT(taken, 8);
    CHECK_Z(q.path, "/rest/v2/insertTablet");
    CHECK(str_starts(buf_view(&q.body),
                     STR("{\"timestamps\":[0,1000,2000,3000,4000,5000,6000,7000],\"measurements\":[\"t\",\"q\",\"f\","
                         "\"d\",\"i\",\"s\",\"code\"],\"data_types\":[\"INT32\",\"INT32\",\"INT32\",\"DOUBLE\","
                         "\"INT64\",\"TEXT\",\"TEXT\"],\"values\":[[2,2,2,2,2,2,2,2],")));
    CHECK(str_ends(
        buf_view(&q.body),
        STR(",[\"A B,4\",null,null,null,null,null,null,null]],\"is_aligned\":true,\"device\":\"root.plant.p4\"}")));
    buf_fini(&q.body);
}

TEST(victoriametrics_lines)
{
    char path[600];
    size_t taken;
    struct str b = written(&ts_victoriametrics, 0, N, &taken, path);
    CHECK_INT(taken, N);
    CHECK_Z(path, "/api/v1/import");
    CHECK(str_starts(
        b, STR("{\"metric\":{\"__name__\":\"bornite_value\",\"db\":\"plant\",\"point\":\"3\",\"code\":\"A B,3\"},"
               "\"values\":[21.5,1],\"timestamps\":[1700000000000,1700000000001]}\n"
               "{\"metric\":{\"__name__\":\"bornite_quality\",\"db\":\"plant\",\"point\":\"3\",\"code\":\"A B,3\"},"
               "\"values\":[4,8365],\"timestamps\":[1700000000000,1700000000001]}\n")));
    CHECK(str_ends(b, STR("\"point\":\"10\",\"code\":\"A B,10\"},\"values\":[222],\"timestamps\":[-1]}\n")));
}

TEST(clickhouse_rows)
{
    char path[600];
    size_t taken;
    struct buf hex;
    struct str b = written(&ts_clickhouse, 1, 2, &taken, path);
    CHECK_INT(taken, 2);
    CHECK(strncmp(path, "/?query=insert%20into%20plant.samples%20", 40) == 0);
    buf_init(&hex, 4000);
    hex_encode(&hex, b.p, b.n);
    CHECK_STR(buf_view(&hex), "03000000"         /* point */
                              "ea431e18240a0600" /* time */
                              "03"
                              "01"
                              "0501"
                              "0000000000000000"
                              "0100000000000000"
                              "00"
                              "054120422c33"     /* A B,3 */
                              "e803000000000000" /* stamp 1000 */
                              "09000000"
                              "d3471e18240a0600"
                              "04"
                              "00"
                              "0000"
                              "0000000000000000"
                              "0000000000000000"
                              "0e697427732022615c62220ae5819c"
                              "00"
                              "e903000000000000");
    buf_fini(&hex);
}

/* ------------------------------------------------------------------ answers */

struct seen {
    struct ts_row row[8];
    char text[8][40];
    size_t n;
};
static int see(void *ctx, const struct ts_row *row)
{
    struct seen *s = ctx;
    str_to_cstr(row->text, s->text[s->n], sizeof s->text[0]);
    s->row[s->n++] = *row;
    return s->n == 8;
}
static int decode(const struct ts_dialect *d, const char *body, struct seen *ret)
{
    struct ts_target t = target(d);
    *ret = (struct seen){0};
    return d->rows(&t, 7, str_of(body), see, ret);
}

TEST(answers_of_influxdb)
{
    struct seen s;
    CHECK_INT(decode(&ts_influxdb,
                     "{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"samples\",\"columns\":[\"time\",\"t\","
                     "\"q\",\"f\",\"d\",\"i\",\"s\"],"
                     "\"values\":[[10,1,0,0,3,null,null],[11,4,1,5,null,null,\"停\"],[12,5,2,0,null,"
                     "9221120237041090560,null]]}]}]}\n",
                     &s),
              0);
    CHECK_INT(s.n, 3);
    CHECK_DBL(s.row[0].s.v.d, 3, 0);
    CHECK_Z(s.text[1], "停");
    CHECK_INT(s.row[1].s.flags, 5);
    CHECK(isnan(s.row[2].s.v.d));
    CHECK_INT(decode(&ts_influxdb, "{\"results\":[{\"statement_id\":0}]}", &s), 0);
    CHECK_INT(s.n, 0);
    CHECK_INT(decode(&ts_influxdb,
                     "{\"results\":[{\"series\":[{\"values\":[[1,1,0,0,3,null,null]],\"partial\":true}]}]}", &s),
              1);
    CHECK_INT(decode(&ts_influxdb, "{\"results\":[{\"error\":\"timeout\"}]}", &s), ERR_PROTOCOL);
    CHECK_INT(decode(&ts_influxdb, "{\"results\":[{\"series\":[{\"values\":[[1,1,0,0,null,null,null]]}]}]}", &s),
              ERR_PROTOCOL);
    CHECK_INT(decode(&ts_influxdb, "{\"results\":[{\"series\":[{\"values\":[[1,1,0", &s), ERR_PROTOCOL); /* cut off */
    CHECK_INT(decode(&ts_influxdb, "<html>", &s), ERR_PROTOCOL);
}

TEST(answers_of_victoriametrics)
{
    struct seen s;
    CHECK_INT(decode(&ts_victoriametrics,
                     "{\"metric\":{\"__name__\":\"bornite_quality\"},\"values\":[4,8365,20,24,17,4,4],\"timestamps\":["
                     "3,1,5,6,7,8,3]}\n"
                     "{\"metric\":{\"__name__\":\"bornite_value\"},\"values\":[1.5,1,2.5],\"timestamps\":[3,1,3]}\n",
                     &s),
              0);
    CHECK_INT(s.n, 5); /* the value of 8 is not there yet */
    CHECK_INT(s.row[0].s.type, SAMPLE_BOOL);
    CHECK_INT(s.row[0].s.flags, 0x105);
    CHECK_INT(s.row[0].s.quality, 1);
    CHECK_DBL(s.row[1].s.v.d, 2.5, 0); /* of equal times the later */
    CHECK_INT(s.row[1].s.time_us, 3000);
    CHECK(isnan(s.row[2].s.v.d));
    CHECK(isinf(s.row[3].s.v.d));
    CHECK_INT(s.row[4].s.type, SAMPLE_NONE); /* a text: only its quality is there */
    CHECK_INT(s.row[4].s.quality, 1);
    CHECK_INT(decode(&ts_victoriametrics, "", &s), 0);
    CHECK_INT(decode(&ts_victoriametrics, "{\"metric\":{},\"values\":[1],\"timestamps\":[]}", &s), ERR_PROTOCOL);
}

TEST(answers_of_tdengine_and_iotdb)
{
    struct seen s;
    CHECK_INT(decode(&ts_tdengine,
                     "{\"code\":0,\"column_meta\":[],\"data\":[[-5,2,0,0,null,9007199254740993,null],[6,2,1,1,null,"
                     "null,null]],\"rows\":2}",
                     &s),
              0);
    CHECK_INT(s.n, 2);
    CHECK_INT(s.row[0].s.time_us, -5);
    CHECK_INT(s.row[0].s.v.i, 9007199254740993);
    CHECK(s.row[1].s.v.i == INT64_MIN);
    CHECK_INT(decode(&ts_tdengine, "{\"code\":9731,\"desc\":\"Table does not exist\"}", &s), ERR_PROTOCOL);
    CHECK_INT(decode(&ts_iotdb,
                     "{\"expressions\":[\"root.plant.p7.q\",\"root.plant.p7.t\",\"root.plant.p7.f\",\"root.plant.p7."
                     "d\",\"root.plant.p7.i\",\"root.plant.p7.s\"],"
                     "\"column_names\":null,\"timestamps\":[5,6],\"values\":[[1,0],[1,4],[0,2],[0.5,null],[null,null],["
                     "null,\"x\"]]}",
                     &s),
              0);
    CHECK_INT(s.n, 2);
    CHECK_INT(s.row[0].s.time_us, 5000);
    CHECK_INT(s.row[0].s.quality, 1);
    CHECK_DBL(s.row[0].s.v.d, 0.5, 0);
    CHECK_Z(s.text[1], "x");
    CHECK_INT(decode(&ts_iotdb, "{\"expressions\":[],\"column_names\":null,\"timestamps\":[],\"values\":[]}", &s), 0);
    CHECK_INT(decode(&ts_iotdb, "{\"expressions\":[\"a.t\"],\"timestamps\":[1,2],\"values\":[[1]]}", &s), ERR_PROTOCOL);
    CHECK_INT(decode(&ts_iotdb, "{\"timestamps\":[9223372036854775807],\"values\":[]}", &s), ERR_PROTOCOL);
}

TEST(answers_of_clickhouse)
{
    struct seen s;
    struct buf b;
    struct ts_target t = target(&ts_clickhouse);
    buf_init(&b, 1000);
    CHECK_INT(hex_decode(&b, STR("ea836bf7230a06000301050100000000000000000100000000000000"
                                 "00d3876bf7230a06000400000000000000000000000000000000000000"
                                 "0178")),
              0);
    s = (struct seen){0};
    CHECK_INT(ts_clickhouse.rows(&t, 7, buf_view(&b), see, &s), 0);
    CHECK_INT(s.n, 2);
    CHECK_INT(s.row[0].s.v.i, 1);
    CHECK_INT(s.row[0].s.flags, 0x105);
    CHECK_Z(s.text[1], "x");
    for (size_t cut = 1; cut < b.n; cut++) {
        s = (struct seen){0};
        int rc = ts_clickhouse.rows(&t, 7, str_make((char *)b.p, cut), see, &s);
        CHECK_INT(rc, cut == 29 ? 0 : ERR_PROTOCOL);
    }
    CHECK_INT(ts_clickhouse.rows(&t, 7, STR("Code: 241. DB::Exception: Memory limit exceeded (total)"), see, &s),
              ERR_PROTOCOL);
    buf_fini(&b);
}

TEST(verdicts)
{
    static const struct {
        const struct ts_dialect *d;
        int status;
        const char *body;
        int want;
        const char *why;
    } cases[] = {
        {&ts_influxdb, 204, "", 0, ""},
        {&ts_influxdb, 404, "{\"error\":\"database not found: \\\"plant\\\"\"}", ERR_NOT_FOUND,
         "database not found: \"plant\""},
        {&ts_influxdb, 400, "{\"error\":\"partial write: points beyond retention policy dropped=1\"}", ERR_INVALID,
         NULL},
        {&ts_influxdb, 500, "{\"error\":\"timeout\"}", ERR_UNAVAILABLE, "timeout"},
        {&ts_influxdb, 401, "{\"error\":\"authorization failed\"}", ERR_UNAUTHENTICATED, "authorization failed"},
        {&ts_influxdb, 200, "{\"results\":[{\"statement_id\":0,\"error\":\"database not found: plant\"}]}",
         ERR_NOT_FOUND, NULL},
        {&ts_influxdb, 503, "", ERR_UNAVAILABLE, ""},
        {&ts_influxdb, 429, "slow\ndown", ERR_UNAVAILABLE, "slow down"},
        {&ts_victoriametrics, 204, "", 0, ""},
        {&ts_victoriametrics, 401, "", ERR_UNAUTHENTICATED, ""},
        {&ts_victoriametrics, 404, "unsupported path", ERR_UNAVAILABLE, "unsupported path"},
        {&ts_tdengine, 200, "{\"code\":0,\"rows\":1}", 0, ""},
        {&ts_tdengine, 200, "{\"code\":855,\"desc\":\"Authentication failure\"}", ERR_UNAUTHENTICATED,
         "Authentication failure"},
        {&ts_tdengine, 200, "{\"code\":9731,\"desc\":\"Table does not exist\"}", ERR_NOT_FOUND, NULL},
        {&ts_tdengine, 200, "{\"code\":11,\"desc\":\"Unable to establish connection\"}", ERR_UNAVAILABLE, NULL},
        {&ts_tdengine, 400, "{\"code\":9728,\"desc\":\"syntax error\"}", ERR_INVALID, "syntax error"},
        {&ts_tdengine, 502, "<html>", ERR_UNAVAILABLE, NULL},
        {&ts_iotdb, 200, "{\"code\":200,\"message\":\"SUCCESS_STATUS\"}", 0, ""},
        {&ts_iotdb, 200, "{\"code\":501,\"message\":\"has already been created\"}", 0, ""},
        {&ts_iotdb, 401, "{\"code\":600,\"message\":\"WRONG_LOGIN_PASSWORD_ERROR\"}", ERR_UNAUTHENTICATED,
         "WRONG_LOGIN_PASSWORD_ERROR"},
        {&ts_iotdb, 401, "{\"code\":200,\"message\":\"?\"}", ERR_UNAUTHENTICATED, NULL},
        {&ts_iotdb, 200, "{\"code\":606,\"message\":\"system is read only\"}", ERR_UNAVAILABLE, "system is read only"},
        {&ts_clickhouse, 200, "", 0, ""},
        {&ts_clickhouse, 404, "Code: 60, e.displayText() = DB::Exception: Table plant.samples doesn't exist.",
         ERR_NOT_FOUND, NULL},
        {&ts_clickhouse, 404, "Code: 81. DB::Exception: Database plant does not exist. (UNKNOWN_DATABASE)",
         ERR_NOT_FOUND, NULL},
        {&ts_clickhouse, 403, "Code: 516. DB::Exception: plant: Authentication failed", ERR_UNAUTHENTICATED, NULL},
        {&ts_clickhouse, 500, "Code: 193, e.displayText() = DB::Exception: Wrong password", ERR_UNAUTHENTICATED, NULL},
        {&ts_clickhouse, 500, "Code: 252. DB::Exception: Too many parts", ERR_UNAVAILABLE, NULL},
        {&ts_clickhouse, 400, "Code: 33. DB::Exception: Cannot read all data", ERR_INVALID, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[TS_WHY_MAX] = "";
        int got = cases[i].d->verdict(cases[i].status, str_of(cases[i].body), why, sizeof why);
        if (got != cases[i].want) test_fail(__FILE__, __LINE__, "%s: %d, want %d", cases[i].body, got, cases[i].want);
        if (cases[i].why) CHECK_Z(why, cases[i].why);
    }
}

TEST(fields_and_times)
{
    char why[8];
    struct ts_fields f = {.t = SAMPLE_INT, .q = 3, .has_i = true};
    struct ts_row r;
    CHECK_INT(ts_fields_row(&f, 1, 0, &r), ERR_PROTOCOL); /* no such quality */
    f = (struct ts_fields){.t = 6};
    CHECK_INT(ts_fields_row(&f, 1, 0, &r), ERR_PROTOCOL);
    f = (struct ts_fields){.t = SAMPLE_NONE, .f = 65536};
    CHECK_INT(ts_fields_row(&f, 1, 0, &r), ERR_PROTOCOL);
    CHECK_INT(ts_floor(-1, 1000), -1);
    CHECK_INT(ts_floor(1999, 1000), 1);
    CHECK_INT(ts_ceil(-1, 1000), 0);
    CHECK_INT(ts_ceil(1, 1000), 1);
    ts_why(STR(" a\tb停停 "), why, sizeof why);
    CHECK_Z(why, "a b停"); /* whole characters */
}

TEST(settings_that_are_not_right)
{
    static const struct {
        struct ts_remote_config c;
        const char *where;
    } cases[] = {
        {{.engine = "oracle", .url = "http://h", .database = "d"}, "engine"},
        {{.engine = NULL, .url = "http://h", .database = "d"}, "engine"},
        {{.engine = "influxdb", .url = "h:1", .database = "d"}, "url"},
        {{.engine = "influxdb", .url = "http://", .database = "d"}, "url"},
        {{.engine = "influxdb", .url = "http://u:p@h", .database = "d"}, "url"},
        {{.engine = "influxdb", .url = "http://h/?x", .database = "d"}, "url"},
        {{.engine = "influxdb", .url = "http://h", .database = "1d"}, "database"},
        {{.engine = "influxdb", .url = "http://h", .database = ""}, "database"},
        {{.engine = "influxdb", .url = "http://h", .database = "a;b"}, "database"},
        {{.engine = "influxdb", .url = "http://h", .database = "d", .password = "a\r\nb"}, "password"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ts_store *st = NULL;
        struct error e = {0};
        CHECK_INT(ts_remote_open(&cases[i].c, &st, &e), ERR_INVALID);
        CHECK_Z(e.where, cases[i].where);
        CHECK(e.text_zh[0]);
    }
}
