/* A platform and an instrument back to back: what one sends, the other gets when the test says so. */
#include "base/mem.h"
#include "base/test.h"
#include "proto/hj212_link.h"

struct side {
    struct hj212_link link;
    struct buf out; /* sent, not yet delivered */
    unsigned messages, executed, bad, ended, cn;
    struct hj212_ended last;
    int answer, exertn; /* instrument: QnRtn; ExeRtn, 0: says nothing */
    bool data, acknowledge;
    char cp[2048];
    uint64_t token;
};

static void on_send(void *ctx, const void *p, size_t n)
{
    buf_add(&((struct side *)ctx)->out, p, n);
}

static int on_message(void *ctx, const struct hj212_message *m, uint64_t token)
{
    struct side *s = ctx;
    s->token = token;
    s->cn = m->cn;
    if (!s->link.platform && token == 0) return s->answer;
    str_to_cstr(m->cp, s->cp, sizeof s->cp);
    s->messages++;
    if (s->link.platform) {
        if (s->acknowledge && hj212_wants_answer(m)) hj212_link_acknowledge(&s->link, m);
        return 0;
    }
    s->executed++;
    struct hj212_call c = {
        .to = {m->mn, m->pw, 32, hj212_version(m)}, .cn = m->cn, .cp = STR("RtdInterval=30"), .qn = m->qn};
    if (s->data) CHECK_INT(hj212_link_send(&s->link, &c), 0);
    if (s->exertn) hj212_link_result(&s->link, m, s->exertn);
    return 1;
}

static void on_ended(void *ctx, const struct hj212_ended *e)
{
    struct side *s = ctx;
    s->ended++;
    s->last = *e;
}

static void on_bad(void *ctx, const void *p, size_t n, const struct error *e)
{
    ((struct side *)ctx)->bad++;
    CHECK(e->text[0] && n > 0);
}

static const struct hj212_link_ops ops = {on_send, on_message, on_ended, on_bad, NULL};

static void init(struct side *s, bool platform)
{
    *s = (struct side){.answer = 1, .exertn = 1, .acknowledge = true};
    buf_init(&s->out, 1 << 20);
    hj212_link_init(&s->link, &ops, s, platform, 480);
}
static void fini(struct side *s)
{
    hj212_link_fini(&s->link);
    buf_fini(&s->out);
}

static void deliver(struct side *from, struct side *to, uint64_t now)
{
    struct buf b = from->out;
    buf_init(&from->out, 1 << 20);
    for (size_t i = 0; i < b.n; i += 5) hj212_link_receive(&to->link, b.p + i, b.n - i < 5 ? b.n - i : 5, now);
    buf_fini(&b);
}

static struct hj212_call call(unsigned cn, const char *cp, int version)
{
    return (struct hj212_call){.to = {STR("010000A8900016F000169DC0"), STR("123456"), 32, version},
                               .cn = cn,
                               .cp = str_of(cp),
                               .timeout_ms = 1000,
                               .tries = 3,
                               .now_ns = 1,
                               .now_us = 1470013137223000};
}

TEST(request_and_result_both_versions)
{
    struct side p, i;
    init(&p, true), init(&i, false);
    for (int version = 0; version <= 4; version += 4) {
        struct hj212_call c = call(1062, "RtdInterval=30", version);
        p.ended = 0;
        uint64_t token = hj212_link_request(&p.link, &c);
        CHECK(token != 0);
        deliver(&p, &i, 2);
        CHECK_Z(i.cp, "RtdInterval=30");
        CHECK(strstr((char *)i.out.p, version ? "Flag=4;CP=&&QnRtn=1&&" : "Flag=0;CP=&&QN=20160801085857") != NULL);
        deliver(&i, &p, 3);
        CHECK_INT(p.ended, 1);
        CHECK_INT(p.last.token, token);
        CHECK_INT(p.last.end, HJ212_END_DONE);
        CHECK_INT(hj212_link_next(&p.link), -1);
    }
    CHECK_INT(i.executed, 2);
    fini(&p), fini(&i);
}

TEST(data_between_answer_and_result)
{
    struct side p, i;
    init(&p, true), init(&i, false);
    struct hj212_call c = call(1061, "", HJ212_2017);
    i.data = true;
    uint64_t token = hj212_link_request(&p.link, &c);
    deliver(&p, &i, 2);
    deliver(&i, &p, 3);
    CHECK_INT(p.messages, 1);
    CHECK_INT(p.token, token);
    CHECK_Z(p.cp, "RtdInterval=30");
    CHECK_INT(p.last.end, HJ212_END_DONE);
    fini(&p), fini(&i);
}

TEST(refusals)
{
    struct side p, i;
    init(&p, true), init(&i, false);
    struct hj212_call c = call(3011, "PolId=a21026", HJ212_2017);
    i.answer = 3;
    CHECK(hj212_link_request(&p.link, &c));
    deliver(&p, &i, 2), deliver(&i, &p, 3);
    CHECK_INT(p.last.end, HJ212_END_REFUSED);
    CHECK_INT(p.last.code, 3);
    CHECK(!p.last.executing);
    i.answer = 1, i.exertn = 5;
    CHECK(hj212_link_request(&p.link, &c));
    deliver(&p, &i, 2), deliver(&i, &p, 3);
    CHECK_INT(p.last.end, HJ212_END_REFUSED);
    CHECK_INT(p.last.code, 5);
    CHECK(p.last.executing);
    CHECK_INT(i.executed, 1);
    fini(&p), fini(&i);
}

TEST(silence_repeats_with_the_same_qn)
{
    struct side p, i;
    init(&p, true), init(&i, false);
    struct hj212_call c = call(1062, "RtdInterval=30", HJ212_2017);
    CHECK(hj212_link_request(&p.link, &c));
    size_t one = p.out.n;
    CHECK_INT(hj212_link_next(&p.link), 1000000001);
    hj212_link_tick(&p.link, 1000000000);
    CHECK_INT(p.out.n, one);
    hj212_link_tick(&p.link, 1000000001);
    CHECK_INT(p.out.n, 2 * one);
    CHECK(memcmp(p.out.p, p.out.p + one, one) == 0);
    hj212_link_tick(&p.link, 2000000002);
    hj212_link_tick(&p.link, 3000000003);
    CHECK_INT(p.last.end, HJ212_END_SILENT);
    CHECK_INT(p.last.tries, 3);
    deliver(&p, &i, 5); /* all three arrive after all: carried out once, answered each time */
    CHECK_INT(i.executed, 1);
    deliver(&i, &p, 6); /* too late: nobody waits */
    CHECK_INT(p.ended, 1);
    fini(&p), fini(&i);
}

TEST(no_result)
{
    struct side p, i;
    init(&p, true), init(&i, false);
    struct hj212_call c = call(3012, "PolId=w01018", HJ212_2017);
    c.tries = 1;
    c.result_ms = 5000;
    i.exertn = 0;
    CHECK(hj212_link_request(&p.link, &c));
    deliver(&p, &i, 2), deliver(&i, &p, 3);
    CHECK_INT(hj212_link_next(&p.link), 5000000003);
    hj212_link_tick(&p.link, 5000000003);
    CHECK_INT(p.last.end, HJ212_END_NO_RESULT);
    fini(&p), fini(&i);
}

TEST(upload_notice_and_loss)
{
    struct side p, i;
    init(&p, true), init(&i, false);
    struct hj212_call c = call(2011, "DataTime=20160801085857;w01018-Rtd=63.0,w01018-Flag=N", HJ212_2017);
    CHECK(hj212_link_upload(&i.link, &c));
    deliver(&i, &p, 2);
    CHECK_Z(p.cp, "DataTime=20160801085857;w01018-Rtd=63.0,w01018-Flag=N");
    CHECK(strstr((char *)p.out.p, "ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&") != NULL);
    deliver(&p, &i, 3);
    CHECK_INT(i.last.end, HJ212_END_DONE);
    struct hj212_call n = call(2012, "", HJ212_2017);
    CHECK(hj212_link_request(&p.link, &n));
    deliver(&p, &i, 2), deliver(&i, &p, 3);
    CHECK_INT(p.last.end, HJ212_END_DONE);
    CHECK_INT(p.last.cn, 2012);
    p.acknowledge = false; /* not stored yet */
    CHECK(hj212_link_upload(&i.link, &c));
    deliver(&i, &p, 2);
    CHECK_INT(p.out.n, 0);
    hj212_link_reset(&i.link);
    CHECK_INT(i.last.end, HJ212_END_CLOSED);
    fini(&p), fini(&i);
}

TEST(long_upload_and_wrong_crc)
{
    struct side p, i;
    char cp[4000] = "DataTime=20160801085857";
    size_t n = strlen(cp);
    init(&p, true), init(&i, false);
    for (int k = 0; k < 60; k++) n += (size_t)snprintf(cp + n, sizeof cp - n, ";a%05d-Rtd=%d.5,a%05d-Flag=N", k, k, k);
    struct hj212_call c = call(2011, cp, HJ212_2017);
    CHECK(hj212_link_upload(&i.link, &c));
    CHECK(strstr((char *)i.out.p, "PNUM=2;PNO=1;") != NULL);
    deliver(&i, &p, 2);
    CHECK_INT(p.messages, 1);
    CHECK_INT(strncmp(p.cp, cp, sizeof p.cp - 1), 0);
    deliver(&p, &i, 3);
    CHECK_INT(i.last.end, HJ212_END_DONE);
    struct hj212_call r = call(1062, "RtdInterval=30", HJ212_2017);
    CHECK(hj212_link_request(&p.link, &r));
    p.out.p[60] ^= 1;
    deliver(&p, &i, 4);
    CHECK_INT(i.bad, 1);
    CHECK(strstr((char *)i.out.p, "QnRtn=9") != NULL); /* the instrument says so */
    buf_clear(&i.out);
    CHECK(hj212_link_upload(&i.link, &c));
    i.out.p[70] ^= 1;
    deliver(&i, &p, 5);
    CHECK_INT(p.messages, 1);
    CHECK_INT(p.out.n, 0); /* the platform says nothing: it comes again */
    fini(&p), fini(&i);
}

TEST(what_is_open_has_a_limit)
{
    struct side p;
    init(&p, true);
    struct hj212_call c = call(1062, "RtdInterval=30", HJ212_2017);
    for (int k = 0; k < HJ212_OPEN_MAX; k++) CHECK(hj212_link_request(&p.link, &c) != 0);
    CHECK_INT(hj212_link_request(&p.link, &c), 0);
    struct hj212_frame f, g; /* the same moment, and yet no QN twice */
    CHECK_INT(hj212_frame_next(p.out.p, p.out.n, &f, NULL), 1);
    CHECK_INT(hj212_frame_next(p.out.p + f.used, p.out.n - f.used, &g, NULL), 1);
    CHECK(memcmp(f.segment.p, g.segment.p, 20) != 0);
    hj212_link_reset(&p.link);
    CHECK_INT(p.ended, HJ212_OPEN_MAX);
    fini(&p);
}
