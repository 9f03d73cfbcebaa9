/* Vectors of the two standards (MQTT 3.1.1 and 5.0: figures and examples of the sections named), both directions, what
 * must be refused, and topics (section 4.7 with its examples). */
#include "base/test.h"
#include "proto/mqtt.h"

struct bytes {
    uint8_t p[400];
    size_t n;
};

static struct bytes hex(const char *text)
{
    struct bytes b = {.n = 0};
    for (const char *t = text; *t; t++) {
        unsigned v = 0;
        if (*t == ' ') continue;
        if (*t == '\'') { /* 'text' as it is */
            for (t++; *t != '\''; t++) b.p[b.n++] = (uint8_t)*t;
            continue;
        }
        sscanf(t, "%2x", &v);
        b.p[b.n++] = (uint8_t)v;
        t++;
    }
    return b;
}

static int parse(uint8_t version, const struct bytes *b, struct mqtt_packet *ret, struct mqtt_fault *why)
{
    struct mqtt_head h;
    memset(ret, 0, sizeof *ret);
    int rc = mqtt_head(b->p, b->n, 1 << 20, &h, why);
    if (rc != 1) return rc ? rc : 1;
    if (h.size + h.length != b->n) return 2;
    return mqtt_parse(version, &h, b->p + h.size, ret, why);
}

/* Each is parsed, shown, and written again to the same bytes. */
static const struct {
    const char *source;
    uint8_t version;
    const char *bytes, *words;
} golden[] = {
    {"3.1.1, 3.1.2 figure 3.6 and 3.1.3", 4, "10 10 0004'MQTT' 04 02 003c 0004'abcd'",
     "CONNECT MQTT 3.1.1, client \"abcd\", keep alive 60 s, clean session"},
    {"3.1: name MQIsdp", 3, "10 12 0006'MQIsdp' 03 02 003c 0004'abcd'",
     "CONNECT MQTT 3.1, client \"abcd\", keep alive 60 s, clean session"},
    {"3.1.1, 3.1.2.3 all flags", 4, "10 22 0004'MQTT' 04 ee 000a 0001'c' 0003'w/t' 0003'bye' 0001'u' 0006'secret'",
     "CONNECT MQTT 3.1.1, client \"c\", keep alive 10 s, clean session, with user name, will to \"w/t\""},
    {"5.0, 3.1.2 figure 3-6: session expiry 10", 5, "10 17 0004'MQTT' 05 02 000a 05 11 0000000a 0005'hello'",
     "CONNECT MQTT 5.0, client \"hello\", keep alive 10 s, clean session, session expiry 10"},
    {"3.1.1, 3.2", 4, "20 02 01 00", "CONNACK session present 00 (success)"},
    {"5.0, 3.2", 5, "20 09 00 00 06 21 0014 22 000a",
     "CONNACK 00 (success), receive maximum 20, topic alias maximum 10"},
    {"3.1.1, 3.3.2 figure 3.11: a/b, id 10", 4, "32 07 0003'a/b' 000a", "PUBLISH \"a/b\", QoS 1, id 10, 0 bytes \"\""},
    {"5.0, 3.3.2 figure 3-9", 5, "32 0a 0003'a/b' 000a 00 'hi'", "PUBLISH \"a/b\", QoS 1, id 10, 2 bytes \"hi\""},
    {"5.0, 3.3.2.3 user property", 5, "31 12 0001't' 0b 26 0002'ab' 0004'cdef' 'hey'",
     "PUBLISH \"t\", QoS 0, retain, 3 bytes \"hey\", user property \"ab\"=\"cdef\""},
    {"3.4", 4, "40 02 1234", "PUBACK id 4660 00 (success)"},
    {"5.0, 3.4.2.1", 5, "40 03 1234 99", "PUBACK id 4660 99 (payload format invalid)"},
    {"5.0, 3.4.2.2", 5, "40 09 0001 83 05 1f 0002'no'",
     "PUBACK id 1 83 (implementation specific error), reason \"no\""},
    {"3.5", 4, "50 02 0001", "PUBREC id 1 00 (success)"},
    {"3.6", 4, "62 02 0001", "PUBREL id 1 00 (success)"},
    {"5.0, 3.7", 5, "70 03 0001 92", "PUBCOMP id 1 92 (packet identifier not found)"},
    {"3.1.1, 3.8.3 figure 3.23", 4, "82 0e 000a 0003'a/b' 01 0003'c/d' 02",
     "SUBSCRIBE id 10 \"a/b\" QoS 1 \"c/d\" QoS 2"},
    {"5.0, 3.8.3 with id and options", 5, "82 0b 000a 02 0b 07 0003'a/b' 2d",
     "SUBSCRIBE id 10 \"a/b\" QoS 1, subscription id 7"},
    {"3.1.1, 3.9.3 figure 3.26", 4, "90 05 000a 00 02 80",
     "SUBACK id 10 00 (success) 02 (granted QoS 2) 80 (unspecified error)"},
    {"3.1.1, 3.10.3 figure 3.30", 4, "a2 0c 000a 0003'a/b' 0003'c/d'", "UNSUBSCRIBE id 10 \"a/b\" \"c/d\""},
    {"3.1.1, 3.11", 4, "b0 02 000a", "UNSUBACK id 10"},
    {"5.0, 3.11", 5, "b0 05 000a 00 00 11", "UNSUBACK id 10 00 (success) 11 (no subscription existed)"},
    {"3.12", 4, "c0 00", "PINGREQ"},
    {"3.13", 5, "d0 00", "PINGRESP"},
    {"3.14", 4, "e0 00", "DISCONNECT 00 (success)"},
    {"5.0, 3.14", 5, "e0 01 8e", "DISCONNECT 8e (session taken over)"},
    {"5.0, 3.15", 5, "f0 09 18 07 15 0004'SCRA'", "AUTH 18 (continue authentication), authentication method \"SCRA\""},
};

static void write_again(size_t i, const struct bytes *b, struct mqtt_packet *p)
{
    struct buf out, extra;
    struct mqtt_prop v;
    buf_init(&out, 1000);
    buf_init(&extra, 1000);
    for (struct str raw = p->props.raw; mqtt_prop_next(&raw, &v) == 1;)
        if (v.id == 0x26) mqtt_user_property(&extra, v.text, v.value);
    p->props.extra = buf_view(&extra);
    mqtt_write(&out, golden[i].version, p);
    CHECK_INT(out.n, b->n);
    CHECK(out.n == b->n && memcmp(out.p, b->p, b->n) == 0);
    CHECK_INT(mqtt_size(golden[i].version, p), b->n);
    if (out.n != b->n) printf("  of %s\n", golden[i].source);
    buf_fini(&out);
    buf_fini(&extra);
}

TEST(golden_both_ways)
{
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct bytes b = hex(golden[i].bytes);
        struct mqtt_packet p;
        struct mqtt_fault why = {0};
        struct buf words;
        int rc = parse(golden[i].version, &b, &p, &why);
        if (rc) test_fail(__FILE__, __LINE__, "%s: %d %s", golden[i].source, rc, why.en ? why.en : "");
        if (rc) continue;
        buf_init(&words, 1000);
        mqtt_describe(&words, golden[i].version, b.p, b.n, false);
        CHECK_Z(buf_cstr(&words), golden[i].words);
        buf_fini(&words);
        write_again(i, &b, &p);
    }
}

TEST(every_packet_in_pieces)
{
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct bytes b = hex(golden[i].bytes);
        struct mqtt_head h;
        struct mqtt_fault why;
        struct mqtt_packet p;
        CHECK_INT(mqtt_head(b.p, 1, 1 << 20, &h, &why), 0);
        CHECK_INT(mqtt_head(b.p, b.n, 1 << 20, &h, &why), 1);
        for (size_t n = 0; n < h.length; n++) { /* a shorter packet parses or is refused, and reads nothing behind */
            struct mqtt_head cut = {h.first, h.size, (uint32_t)n};
            memset(&p, 0, sizeof p);
            int rc = mqtt_parse(golden[i].version, &cut, b.p + h.size, &p, &why);
            CHECK(rc <= 0);
        }
    }
}

TEST(what_is_refused)
{
    static const struct {
        uint8_t version;
        const char *bytes;
        uint8_t code;
    } rows[] = {
        {4, "00 00", MQTT_MALFORMED},
        {4, "30 ff ff ff ff 01", MQTT_MALFORMED},               /* five bytes of length */
        {4, "c0 80 00", MQTT_MALFORMED},                        /* not the shortest form */
        {4, "c1 00", MQTT_MALFORMED},                           /* flags */
        {4, "c0 01 00", MQTT_MALFORMED},                        /* a PINGREQ has no body */
        {4, "60 02 0001", MQTT_MALFORMED},                      /* PUBREL with flags 0 */
        {4, "80 08 0001 0003'a/b' 00", MQTT_MALFORMED},         /* SUBSCRIBE with flags 0 */
        {4, "36 07 0003'a/b' 0001", MQTT_MALFORMED},            /* QoS 3 */
        {4, "38 05 0003'a/b'", MQTT_MALFORMED},                 /* DUP with QoS 0 */
        {4, "32 07 0003'a/b' 0000", MQTT_PROTOCOL},             /* id 0 */
        {4, "30 05 0003'a/+'", MQTT_TOPIC},                     /* wildcard */
        {4, "30 02 0000", MQTT_TOPIC},                          /* no topic */
        {4, "30 05 0003'a' 00 'b'", MQTT_MALFORMED},            /* U+0000 */
        {4, "30 04 0002 c080", MQTT_MALFORMED},                 /* overlong */
        {4, "30 05 0003 eda080", MQTT_MALFORMED},               /* surrogate */
        {4, "30 05 0009'a/b'", MQTT_MALFORMED},                 /* longer than the packet */
        {4, "82 02 0001", MQTT_PROTOCOL},                       /* no filter */
        {4, "82 08 0001 0003'a/b' 03", MQTT_MALFORMED},         /* QoS 3 */
        {4, "82 08 0001 0003'a/b' 04", MQTT_MALFORMED},         /* 3.1.1 has no options */
        {5, "82 09 0001 00 0003'a/b' 30", MQTT_MALFORMED},      /* retain handling 3 */
        {5, "82 0b 0001 02 0b 00 0003'a/b' 00", MQTT_PROTOCOL}, /* subscription id 0 */
        {5, "30 06 0001't' 03 23 00", MQTT_MALFORMED},          /* properties cut short */
        {5, "30 07 0001't' 03 23 0000", MQTT_PROTOCOL},         /* alias 0 */
        {5, "30 08 0001't' 04 01 01 01 01", MQTT_PROTOCOL},     /* twice */
        {5, "30 06 0001't' 02 24 01", MQTT_PROTOCOL},           /* not of PUBLISH */
        {5, "30 06 0001't' 02 7f 01", MQTT_MALFORMED},          /* no such property */
        {5, "30 06 0001't' 02 01 02", MQTT_PROTOCOL},           /* payload format 2 */
        {5, "30 04 0001't' 05", MQTT_MALFORMED},                /* properties beyond the packet */
        {4, "f0 00", MQTT_MALFORMED},                           /* AUTH in 3.1.1 */
        {4, "10 10 0004'MQTT' 03 02 003c 0004'abcd'", MQTT_VERSION},
        {4, "10 10 0004'MQTX' 04 02 003c 0004'abcd'", MQTT_VERSION},
        {4, "10 10 0004'MQTT' 04 03 003c 0004'abcd'", MQTT_MALFORMED},         /* reserved flag */
        {4, "10 10 0004'MQTT' 04 0a 003c 0004'abcd'", MQTT_MALFORMED},         /* will QoS without will */
        {4, "10 13 0004'MQTT' 04 42 003c 0004'abcd' 0001'p'", MQTT_MALFORMED}, /* password without user */
        {4, "10 11 0004'MQTT' 04 02 003c 0004'abcd' 00", MQTT_MALFORMED},      /* left over */
        {4, "20 02 02 00", MQTT_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = hex(rows[i].bytes);
        struct mqtt_packet p;
        struct mqtt_fault why = {0};
        int rc = parse(rows[i].version, &b, &p, &why);
        if (rc >= 0 || why.code != rows[i].code || !why.en || !why.zh)
            test_fail(__FILE__, __LINE__, "row %zu: rc %d code %02x %s", i, rc, why.code, why.en ? why.en : "");
    }
}

TEST(too_long_is_known_from_the_head)
{
    struct mqtt_head h;
    struct mqtt_fault why;
    uint8_t p[] = {0x30, 0xff, 0xff, 0xff, 0x7f};
    CHECK_INT(mqtt_head(p, 5, 1000, &h, &why), -MQTT_TOO_LARGE);
    CHECK_INT(mqtt_head(p, 5, MQTT_LENGTH_MAX + 5ul, &h, &why), 1);
    CHECK_INT(h.length, MQTT_LENGTH_MAX);
    CHECK_INT(mqtt_head(p, 0, 1000, &h, &why), 0);
}

TEST(properties_of_a_message_go_on)
{
    struct bytes b = hex("30 1b 0001't' 17 02 0000003c 03 0001'c' 0b 05 0b 06 23 0001 26 0001'k' 0001'v'");
    struct mqtt_packet p;
    struct mqtt_fault why;
    struct buf on;
    uint32_t v;
    b.p[1] = (uint8_t)(b.n - 2);
    b.p[5] = (uint8_t)(b.n - 6);
    REQUIRE(parse(5, &b, &p, &why) == 0);
    CHECK(mqtt_num_get(&p.props, MQTT_N_EXPIRY, &v) && v == 60);
    CHECK(mqtt_num_get(&p.props, MQTT_N_ALIAS, &v) && v == 1);
    CHECK(!mqtt_num_get(&p.props, MQTT_N_WILL_DELAY, &v));
    CHECK_STR(p.props.text[MQTT_T_CONTENT_TYPE], "c");
    buf_init(&on, 100);
    mqtt_props_forward(p.props.raw, &on);
    struct bytes want = hex("03 0001'c' 26 0001'k' 0001'v'");
    CHECK(on.n == want.n && memcmp(on.p, want.p, want.n) == 0);
    buf_fini(&on);
}

TEST(topics_match_filters)
{
    static const struct {
        const char *filter, *topic;
        bool match;
    } rows[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/#", "sport", true},
        {"#", "sport/tennis", true},
        {"sport/tennis/+", "sport/tennis/player1", true},
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"+", "/finance", false},
        {"#", "$SYS/x", false},
        {"+/monitor/Clients", "$SYS/monitor/Clients", false},
        {"$SYS/#", "$SYS/", true},
        {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
        {"ACCOUNTS", "Accounts", false},
        {"a/b", "a/b/c", false},
        {"a/b/c", "a/b", false},
        {"a/+/c", "a//c", true},
        {"a/b", "a/b", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (mqtt_match(str_of(rows[i].filter), str_of(rows[i].topic)) != rows[i].match)
            test_fail(__FILE__, __LINE__, "%s and %s", rows[i].filter, rows[i].topic);
}

TEST(filters_that_are_none)
{
    static const char *const bad[] = {"",           "sport/tennis#", "sport/tennis/#/ranking",
                                      "sport+",     "a/b+/c",        "##",
                                      "++",         "$share",        "$share/g",
                                      "$share//a",  "$share/g+/a",   "$share/g/",
                                      "$share/g/a#"};
    static const char *const good[] = {"#", "+", "+/tennis/#", "/", "a//b", "$share/g/a/#", "$share/g//a", "$SYS/#"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mqtt_filter_ok(str_of(bad[i]))) test_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!mqtt_filter_ok(str_of(good[i]))) test_fail(__FILE__, __LINE__, "refused: %s", good[i]);
    struct str group, filter;
    CHECK(mqtt_share(STR("$share/g/a/b"), &group, &filter));
    CHECK_STR(group, "g");
    CHECK_STR(filter, "a/b");
    CHECK(!mqtt_share(STR("a/b"), &group, &filter));
    CHECK(!mqtt_topic_ok(STR("a/#")) && !mqtt_topic_ok(STR("")) && mqtt_topic_ok(STR("/")));
}

TEST(rights_cover_filters)
{
    static const struct {
        const char *outer, *inner;
        bool covers;
    } rows[] = {
        {"a/#", "a/b/+", true},     {"a/#", "a/#", true},       {"a/#", "a", true},        {"a/+", "a/b", true},
        {"a/+", "a/#", false},      {"a/+", "a/+", true},       {"a/b", "a/+", false},     {"#", "$SYS/#", false},
        {"+/d1/#", "p/d1/x", true}, {"+/d1/#", "+/+/x", false}, {"+/d1/#", "#", false},    {"a/b", "a/b", true},
        {"#", "#", true},           {"a/+/c", "a/+/+", false},  {"a/b/#", "a/+/#", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (mqtt_covers(str_of(rows[i].outer), str_of(rows[i].inner)) != rows[i].covers)
            test_fail(__FILE__, __LINE__, "%s and %s", rows[i].outer, rows[i].inner);
}
