/* form_test.c - bodies, signatures (computed with another program) and mails. */
#include "modules/notice/form.h"
#include "base/test.h"

static struct message sample(void)
{
    return (struct message){.id = STR("0192"),
                            .topic = STR("alarm.raised"),
                            .title = STR("磨机 \"A\"\n高"),
                            .text = STR("105 kW <b>"),
                            .link = STR("/alarms"),
                            .kind = STR("alarm"),
                            .ref = STR("7-h"),
                            .severity = EVENT_ERROR,
                            .at_us = 1790000000000000LL,
                            .count = 3};
}

TEST(templates)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct message m = sample();
    struct error e = {0};
    struct str got = STR_NULL;
    CHECK_INT(form_webhook(&a, STR("{\"t\":\"{{title}}\",\"n\":{{ count }},\"s\":\"{{severity}}\"}"), &m, &got, &e), 0);
    CHECK_STR(got, "{\"t\":\"磨机 \\\"A\\\"\\n高\",\"n\":3,\"s\":\"error\"}");
    CHECK_INT(form_webhook(&a, STR("{\"t\":\"{{titel}}\"}"), &m, &got, &e), ERR_INVALID);
    CHECK(strstr(e.text, "{{titel}}"));
    CHECK_INT(form_webhook(&a, STR("{\"t\":{{title}}}"), &m, &got, &e), ERR_INVALID); /* no JSON in the end */
    CHECK_INT(form_webhook(&a, STR("{\"t\":\"{{title"), &m, &got, &e), ERR_INVALID);
    CHECK_INT(form_webhook(&a, STR(""), &m, &got, &e), 0);
    struct json *v;
    REQUIRE(json_parse(&a, got, &v, &e) == 0);
    CHECK_STR(json_str(json_get(v, "at"), STR("")), "2026-09-21T14:13:20Z");
    CHECK_INT(json_i64(json_get(v, "count"), 0), 3);
}

/* printf '1790000000.{}' | openssl dgst -sha256 -hmac secret, and the two robots' with -binary | base64 */
TEST(signatures)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct message m = sample();
    CHECK_STR(form_signature(&a, STR("secret"), 1790000000000000LL, STR("{}")),
              "t=1790000000,v1=d0cadd434460d4af55e7ab90d79c1802591d7001a77c9e06471d0e3ec8cc85ae");
    CHECK_STR(form_dingtalk_url(&a, STR("https://x/robot?access_token=1"), STR("SECabc"), 1790000000000000LL),
              "https://x/"
              "robot?access_token=1&timestamp=1790000000000&sign=E5%2FBtFtq3tCwIyq3uAxUusymmFVT8XBlzT%2BnRRJaKeo%3D");
    struct json *v;
    REQUIRE(json_parse(&a, form_feishu(&a, &m, STR("secret"), 1790000000000000LL), &v, NULL) == 0);
    CHECK_STR(json_str(json_get(v, "timestamp"), STR("")), "1790000000");
    CHECK_STR(json_str(json_get(v, "sign"), STR("")), "zJyPHNC4koz2pj1J0av/GAWOBNeVlJOtzZ5lhd1kd+E=");
}

TEST(answers_of_robots)
{
    static const struct {
        const char *body;
        int want;
    } rows[] = {{"{\"errcode\":0,\"errmsg\":\"ok\"}", 0},
                {"{\"errcode\":45009,\"errmsg\":\"api freq out of limit\"}", ERR_DEVICE},
                {"{\"StatusCode\":0,\"StatusMessage\":\"success\"}", 0},
                {"{\"code\":19021,\"msg\":\"sign match fail\"}", ERR_DEVICE},
                {"<html>", ERR_PROTOCOL},
                {"{}", ERR_PROTOCOL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(form_robot_answer(str_of(rows[i].body), NULL), rows[i].want);
}

/* A title may carry no header of its own; lines stay under 78 characters. */
TEST(mails)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct message m = sample();
    m.title = STR("磨机功率高高限报警：一段很长的标题一段很长的标题一段很长的标题\r\nBcc: x@y");
    struct str to[] = {STR("a@b.c"), STR("d@e.f")};
    struct mail mail = {.from = STR("n@b.c"), .to = to, .nto = 2, .host = STR("node")};
    struct str all = form_mail(&a, &mail, &m, true);
    CHECK(!str_has(all, STR("\nBcc")));
    CHECK(str_has(all, STR("Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n")));
    CHECK(str_has(all, STR("To: <a@b.c>,\r\n <d@e.f>\r\n")));
    while (all.p) CHECK(str_cut(&all, '\n').n <= 79);
}
