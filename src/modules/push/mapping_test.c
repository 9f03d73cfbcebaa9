/* Mappings: every form, templates, records, times, qualities, faults by row. */
#include "base/test.h"
#include "base/mem.h"
#include "modules/push/mapping_int.h"

static struct arena arena;
static struct mapping_result got;
static struct error why;
static struct mapping *applied; /* what it has found lives in it */

static void done(void)
{
    mapping_free(applied);
    applied = NULL;
    arena_fini(&arena);
}

/* Single quotes stand for double ones. */
static struct str quoted(const char *text)
{
    char *s = arena_strdup(&arena, str_of(text));
    for (char *c = s; s && *c; c++)
        if (*c == '\'') *c = '"';
    return str_of(s);
}

static struct mapping *compiled(const char *spec)
{
    struct json *v;
    struct mapping *m = NULL;
    why = (struct error){0};
    arena_init(&arena, 16u << 20);
    if (json_parse(&arena, quoted(spec), &v, &why) || mapping_compile(v, &m, &why)) return NULL;
    return m;
}

static int apply_bytes(const char *spec, const char *topic, struct str payload)
{
    struct mapping *m = compiled(spec);
    if (!m) return why.code;
    struct mapping_input in = {.topic = str_of(topic), .payload = payload, .client = STR("GW1")};
    applied = m;
    return mapping_apply(m, &arena, &in, &got, &why);
}

static int apply(const char *spec, const char *topic, const char *payload)
{
    static char text[4096];
    snprintf(text, sizeof text, "%s", payload);
    for (char *c = text; *c; c++)
        if (*c == '\'') *c = '"';
    return apply_bytes(spec, topic, str_of(text));
}

/* "device key=value@time/quality;…" */
static const char *shown(void)
{
    static char out[4096];
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < got.n; i++) {
        const struct mapped *v = &got.v[i];
        struct str text = json_text(&arena, v->v.v);
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s %.*s=%.*s", i ? ";" : "", STR_ARG(v->device),
                              STR_ARG(v->v.key), STR_ARG(text));
        if (v->v.has_time) n += (size_t)snprintf(out + n, sizeof out - n, "@%lld", (long long)v->v.time_us);
        if (v->v.quality) n += (size_t)snprintf(out + n, sizeof out - n, "/%d", v->v.quality);
        if (v->v.unit.n) n += (size_t)snprintf(out + n, sizeof out - n, "[%.*s]", STR_ARG(v->v.unit));
    }
    return out;
}

#define SHOWS(spec, topic, payload, want) \
    do { \
        CHECK_INT(apply(spec, topic, payload), 0); \
        CHECK_Z(shown(), want); \
        done(); \
    } while (0)
#define FAULT(i, row_, where_) \
    do { \
        REQUIRE(got.nfaults > (i)); \
        CHECK_INT(got.fault[i].row, row_); \
        CHECK_Z(got.fault[i].why.where, where_); \
        CHECK(got.fault[i].why.text[0] && got.fault[i].why.text_zh[0]); \
    } while (0)

TEST(json_rows_with_time_quality_and_unit)
{
    SHOWS("{'time':'$.meta.ts','rows':[{'key':'temp','value':'$.data.t','quality':'$.data.q','unit':'Cel'},"
          "{'key':'{topic.1}.{name}','value':'$.data.flow','factor':0.1,'add':2,'unit':'$.u'}]}",
          "plant/P7/status", "{'meta':{'ts':1700000000},'u':'t/h','data':{'t':12.5,'q':'uncertain','flow':30}}",
          "GW1 temp=12.5@1700000000000000/1[Cel];GW1 P7.flow=5@1700000000000000[t/h]");
}

TEST(records_of_name_and_value)
{
    SHOWS("{'each':'$.tags[*]','time':'$.t','time_format':'ms','device':{'from':'path','path':'$.dev'},"
          "'rows':[{'key':'{$.n}','value':'$.v','quality':'$.q','good':'0, ok'}]}",
          "x",
          "{'dev':'D9','t':1700000000123,'tags':[{'n':'a','v':1,'q':0},{'n':'b','v':'x','q':5},{'n':'c','v':true,'t':"
          "1700000001000}]}",
          "D9 a=1@1700000000123000;D9 b=\"x\"@1700000000123000/2;D9 c=true@1700000001000000");
}

TEST(a_path_that_finds_many)
{
    SHOWS("{'rows':[{'value':'$.v[*]','key':'ch{name}'}]}", "", "{'v':[1,2.5]}", "GW1 ch0=1;GW1 ch1=2.5");
    SHOWS("{'rows':[{'value':'$.v.*'}]}", "", "{'v':{'a':1,'b':2}}", "GW1 a=1;GW1 b=2");
    CHECK_INT(apply("{'rows':[{'key':'k','value':'$.v[*]'}]}", "", "{'v':[1,2]}"), 0);
    CHECK_Z(shown(), "GW1 k=1");
    FAULT(0, 0, "key");
    done();
}

TEST(every_leaf)
{
    SHOWS("{'leaves':true,'time':'$.ts','device':{'from':'topic','level':1}}", "a/DEV/c",
          "{'ts':'2026-11-23T08:00:00+08:00','a':{'b':[1,{'c':'x'}]},'d':false,'e':null}",
          "DEV a.b.0=1@1795392000000000;DEV a.b.1.c=\"x\"@1795392000000000;DEV d=false@1795392000000000");
}

TEST(csv)
{
    SHOWS("{'form':'csv','time':'when','time_format':'%Y-%m-%d %H:%M:%S','time_zone':'+08:00',"
          "'rows':[{'key':'flow','value':'flow m3/h'},{'key':'on','value':'3','as':'boolean'}]}",
          "", "when,flow m3/h,run\n2023-11-15 06:13:20,1.5,on\n2023-11-15 06:13:21,2,off\n",
          "GW1 flow=1.5@1700000000000000;GW1 on=true@1700000000000000;GW1 flow=2@1700000001000000;GW1 "
          "on=false@1700000001000000");
    SHOWS("{'form':'csv','header':false,'separator':'semicolon','rows':[{'key':'{1}','value':'2'}]}", "",
          "a;1\nb;text\n", "GW1 a=1;GW1 b=\"text\"");
    SHOWS("{'form':'csv','leaves':true,'leaf_key':'{name}'}", "", "x,y\n1,\n", "GW1 x=1");
}

TEST(plain_text)
{
    SHOWS("{'form':'text','rows':[{'key':'{topic.2}'}],'device':{'from':'topic','level':1}}", "s/D1/temp", " 23.5\n",
          "D1 temp=23.5");
    SHOWS("{'form':'text','rows':[{'key':'state','as':'text'}]}", "", "7", "GW1 state=\"7\"");
}

TEST(bytes)
{
    static const char raw[] = {0x01, (char)0xfe, (char)0xff, 0x08, 0x41, 0x48, 0,   0,
                               0,    0,          0x41,       0x48, 0x12, 0x34, 'o', 'k'};
    CHECK_INT(apply_bytes("{'form':'bytes','rows':[{'key':'u','value':'0:u8'},{'key':'i','value':'1:i16','factor':0.5},"
                          "{'key':'bit','value':'3.3:bit'},{'key':'f','value':'4:f32'},{'key':'sw','value':'8:f32sw'},"
                          "{'key':'bcd','value':'12:bcd2'},{'key':'t','value':'14:text2'},{'key':'h','value':'0:hex2'},"
                          "{'key':'le','value':'12:u16le'},{'key':'out','value':'15:u16'}]}",
                          "", str_make(raw, sizeof raw)),
              0);
    CHECK_Z(shown(), "GW1 u=1;GW1 i=-128.5;GW1 bit=true;GW1 f=12.5;GW1 sw=12.5;GW1 bcd=1234;GW1 t=\"ok\";GW1 "
                     "h=\"01fe\";GW1 le=13330");
    CHECK_INT(got.nfaults, 1);
    CHECK(got.fault[0].row == 9 && got.fault[0].missing);
    done();
    SHOWS("{'form':'bytes','encoding':'hex','rows':[{'key':'v','value':'0:i24'}]}", "", "ff:ff fe", "GW1 v=-2");
    CHECK_INT(apply("{'form':'bytes','encoding':'hex','rows':[{'key':'v','value':'0:u8'}]}", "", "zz"), ERR_INVALID);
    done();
}

TEST(what_is_wrong_is_told_by_row)
{
    CHECK_INT(apply("{'time':'$.t','rows':[{'key':'a','value':'$.a','as':'number'},{'key':'b','value':'$.none'},{'key':"
                    "'{$.none}','value':'$.c'},"
                    "{'key':'c','value':'$.c'}]}",
                    "", "{'t':'yesterday','a':'x','c':1}"),
              0);
    CHECK_INT(got.n, 0);
    CHECK_INT(got.nfaults, 4);
    FAULT(0, 0, "time");
    FAULT(1, 1, "value");
    CHECK(got.fault[1].missing && !got.fault[0].missing);
    FAULT(2, 2, "key");
    FAULT(3, 3, "time");
    done();
    CHECK_INT(apply("{'device':{'from':'topic','level':4},'leaves':true}", "a/b", "{'x':1}"), 0);
    FAULT(0, MAPPING_WHOLE, "device");
    done();
    CHECK_INT(apply("{'rows':[{'key':'a','value':'$.a'}]}", "", "{broken"), ERR_INVALID);
    done();
    CHECK_INT(apply("{'each':'$.list[*]','rows':[{'key':'a','value':'$.a'}]}", "", "{'a':1}"), ERR_INVALID);
    CHECK_Z(why.where, "each");
    done();
}

#define REFUSED(spec, where_) \
    do { \
        struct mapping *m_ = compiled(spec); \
        CHECK(m_ == NULL); \
        CHECK_Z(why.where, where_); \
        CHECK(why.text[0] && why.text_zh[0]); \
        mapping_free(m_); \
        arena_fini(&arena); \
    } while (0)

TEST(specs_that_are_wrong_name_the_field)
{
    REFUSED("{}", "rows");
    REFUSED("{'rows':[{'key':'a','value':'$.a'},{'key':'a','value':'$['}]}", "rows[1].value");
    REFUSED("{'rows':[{'key':'{what}','value':'$.a'}]}", "rows[0].key");
    REFUSED("{'rows':[{'key':'{$.a','value':'$.a'}]}", "rows[0].key");
    REFUSED("{'form':'bytes','rows':[{'key':'a','value':'0:i12'}]}", "rows[0].value");
    REFUSED("{'form':'bytes','rows':[{'key':'a','value':'0:u8le'}]}", "rows[0].value");
    REFUSED("{'form':'csv','rows':[{'key':'a'}]}", "rows[0].value");
    REFUSED("{'leaves':true,'device':{'from':'path'}}", "device.path");
    REFUSED("{'leaves':true,'time_format':'minutes'}", "time_format");
    REFUSED("{'rows':[{'key':'a','value':'$.a','time_format':'h'}]}", "rows[0].time_format");
    REFUSED("{'leaves':true,'time_zone':'Mars'}", "time_zone");
    REFUSED("{'leaves':true,'each':'$['}", "each");
    REFUSED("{'form':'text','leaves':true}", "leaves");
}
