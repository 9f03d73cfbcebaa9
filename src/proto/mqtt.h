/* mqtt.h - MQTT 3.1, 3.1.1 and 5.0 (OASIS, 2014 and 2019) as pure functions: bytes in, packets out, and back.
 *
 *   byte 0: type(4) flags(4)    1-4 bytes: remaining length, 7 bits each, low first, 0x80: more follow, shortest form
 *   then by type:
 *     CONNECT   name level flags keep-alive [props] client-id [will-props will-topic will-payload] [user] [password]
 *     CONNACK   session-present code [props]          PUBLISH  topic [id if QoS > 0] [props] payload
 *     PUBACK, PUBREC, PUBREL, PUBCOMP  id [code [props]]        DISCONNECT, AUTH  [code [props]]
 *     SUBSCRIBE id [props] (filter options)+          UNSUBSCRIBE id [props] filter+
 *     SUBACK    id [props] code+                      UNSUBACK id [props] code+ (5.0)
 *   text: u16 length, UTF-8 without U+0000; numbers big-endian; props (5.0 only): length as above, then entries
 *   of an id and a value of the id's type.
 * One struct serves both directions. What is parsed are views into the bytes given. A refusal is a reason code of
 * 5.0 with words; 3.1.1 just closes. Lengths are checked before anything is looked at. Any thread. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"

#define MQTT_3_1 3
#define MQTT_3_1_1 4
#define MQTT_5 5
#define MQTT_LENGTH_MAX 268435455u

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH
};

/* Reason codes of 5.0: name, value, English, Chinese. 0 stands for success, normal disconnection, granted QoS 0. */
#define MQTT_REASONS(X) \
    X(SUCCESS, 0x00, "success", "成功") \
    X(GRANTED_1, 0x01, "granted QoS 1", "授予 QoS 1") \
    X(GRANTED_2, 0x02, "granted QoS 2", "授予 QoS 2") \
    X(WITH_WILL, 0x04, "disconnected with will message", "断开并发布遗嘱") \
    X(NO_SUBSCRIBERS, 0x10, "no matching subscribers", "没有匹配的订阅者") \
    X(NO_SUBSCRIPTION, 0x11, "no subscription existed", "订阅不存在") \
    X(CONTINUE_AUTH, 0x18, "continue authentication", "继续认证") \
    X(REAUTHENTICATE, 0x19, "re-authenticate", "重新认证") \
    X(UNSPECIFIED, 0x80, "unspecified error", "未说明的错误") \
    X(MALFORMED, 0x81, "malformed packet", "报文格式错误") \
    X(PROTOCOL, 0x82, "protocol error", "协议错误") \
    X(IMPLEMENTATION, 0x83, "implementation specific error", "实现相关错误") \
    X(VERSION, 0x84, "unsupported protocol version", "协议版本不支持") \
    X(CLIENT_ID, 0x85, "client identifier not valid", "客户端标识无效") \
    X(CREDENTIALS, 0x86, "bad user name or password", "用户名或密码错误") \
    X(NOT_AUTHORIZED, 0x87, "not authorized", "未授权") \
    X(UNAVAILABLE, 0x88, "server unavailable", "服务器不可用") \
    X(BUSY, 0x89, "server busy", "服务器繁忙") \
    X(BANNED, 0x8a, "banned", "已被禁止") \
    X(SHUTTING_DOWN, 0x8b, "server shutting down", "服务器正在关闭") \
    X(AUTH_METHOD, 0x8c, "bad authentication method", "认证方法错误") \
    X(KEEP_ALIVE, 0x8d, "keep alive timeout", "保活超时") \
    X(TAKEN_OVER, 0x8e, "session taken over", "会话被接管") \
    X(FILTER, 0x8f, "topic filter invalid", "主题过滤器无效") \
    X(TOPIC, 0x90, "topic name invalid", "主题名无效") \
    X(ID_IN_USE, 0x91, "packet identifier in use", "报文标识已使用") \
    X(ID_NOT_FOUND, 0x92, "packet identifier not found", "报文标识不存在") \
    X(RECEIVE_MAXIMUM, 0x93, "receive maximum exceeded", "超过接收最大值") \
    X(ALIAS, 0x94, "topic alias invalid", "主题别名无效") \
    X(TOO_LARGE, 0x95, "packet too large", "报文过大") \
    X(RATE, 0x96, "message rate too high", "消息速率过高") \
    X(QUOTA, 0x97, "quota exceeded", "超过配额") \
    X(ADMINISTRATIVE, 0x98, "administrative action", "管理操作") \
    X(PAYLOAD, 0x99, "payload format invalid", "有效载荷格式无效") \
    X(RETAIN, 0x9a, "retain not supported", "不支持保留消息") \
    X(QOS, 0x9b, "QoS not supported", "QoS 不支持") \
    X(USE_ANOTHER, 0x9c, "use another server", "使用其他服务器") \
    X(MOVED, 0x9d, "server moved", "服务器已迁移") \
    X(SHARED, 0x9e, "shared subscriptions not supported", "不支持共享订阅") \
    X(CONNECTION_RATE, 0x9f, "connection rate exceeded", "连接速率过高") \
    X(MAX_CONNECT_TIME, 0xa0, "maximum connect time", "达到最长连接时间") \
    X(SUBSCRIPTION_IDS, 0xa1, "subscription identifiers not supported", "不支持订阅标识") \
    X(WILDCARDS, 0xa2, "wildcard subscriptions not supported", "不支持通配符订阅")
enum mqtt_reason {
#define X(name, value, en, zh) MQTT_##name = (value),
    MQTT_REASONS(X)
#undef X
};
const char *mqtt_reason_words(uint8_t code, bool zh); /* "unknown reason" for codes outside the list */
const char *mqtt_type_name(uint8_t type);             /* "PUBLISH" */
/* Of a CONNACK of 3.1.1 (0-5) for a reason of 5.0. */
uint8_t mqtt_return_code(uint8_t reason);

struct mqtt_fault { /* why a packet is refused */
    uint8_t code;   /* enum mqtt_reason */
    const char *en, *zh;
};

/* ---- properties: one table (mqtt_props.c) ---- */

/* Numbers and texts have a place each in mqtt_props; user properties are read one by one. */
enum mqtt_num {
    MQTT_N_PAYLOAD_FORMAT,
    MQTT_N_EXPIRY,
    MQTT_N_SUBSCRIPTION_ID,
    MQTT_N_SESSION_EXPIRY,
    MQTT_N_SERVER_KEEP_ALIVE,
    MQTT_N_PROBLEM_INFO,
    MQTT_N_WILL_DELAY,
    MQTT_N_RESPONSE_INFO_WANTED,
    MQTT_N_RECEIVE_MAXIMUM,
    MQTT_N_ALIAS_MAXIMUM,
    MQTT_N_ALIAS,
    MQTT_N_MAXIMUM_QOS,
    MQTT_N_RETAIN_AVAILABLE,
    MQTT_N_MAXIMUM_PACKET,
    MQTT_N_WILDCARDS_AVAILABLE,
    MQTT_N_IDS_AVAILABLE,
    MQTT_N_SHARED_AVAILABLE,
    MQTT_NUMS
};
enum mqtt_text {
    MQTT_T_CONTENT_TYPE,
    MQTT_T_RESPONSE_TOPIC,
    MQTT_T_CORRELATION,
    MQTT_T_ASSIGNED_ID,
    MQTT_T_AUTH_METHOD,
    MQTT_T_AUTH_DATA,
    MQTT_T_RESPONSE_INFO,
    MQTT_T_SERVER_REFERENCE,
    MQTT_T_REASON,
    MQTT_TEXTS
};
struct mqtt_props {
    uint32_t nums, texts; /* bit per enum value: it is there */
    uint32_t num[MQTT_NUMS];
    struct str text[MQTT_TEXTS];
    struct str raw;   /* parsed: all entries as they came */
    struct str extra; /* to be written: entries (user properties, further subscription ids) as they are */
};
bool mqtt_num_get(const struct mqtt_props *p, enum mqtt_num n, uint32_t *ret);
void mqtt_num_set(struct mqtt_props *p, enum mqtt_num n, uint32_t v);
void mqtt_text_set(struct mqtt_props *p, enum mqtt_text t, struct str v);
struct mqtt_prop { /* one entry */
    uint8_t id;
    const char *name;
    uint32_t num;
    struct str text, value; /* value: of a user property, whose name is text */
};
/* 1: *ret is the next entry of `raw`, which is cut; 0: none is left; negative: it is broken (never of a parsed one). */
int mqtt_prop_next(struct str *raw, struct mqtt_prop *ret);
void mqtt_user_property(struct buf *extra, struct str name, struct str value);
/* The entries of a PUBLISH that go on to subscribers: all but expiry, alias, subscription ids. */
void mqtt_props_forward(struct str raw, struct buf *out);

/* ---- packets ---- */

struct mqtt_packet {
    uint8_t type;
    bool dup, retain;
    uint8_t qos;
    uint16_t id;
    uint8_t code; /* CONNACK (3.1.1: 0-5), acknowledgements, DISCONNECT, AUTH */
    bool session_present;
    struct str topic, payload;
    struct str items; /* SUBSCRIBE, UNSUBSCRIBE: mqtt_item_next; SUBACK, UNSUBACK: one code a byte */
    struct mqtt_props props;
    /* CONNECT only */
    uint8_t version;
    bool bridge; /* 3.1 and 3.1.1 with 0x80 in the level: the client is a broker */
    bool clean, has_will, will_retain, has_user, has_password;
    uint8_t will_qos;
    uint16_t keep_alive;
    struct str client_id, will_topic, will_payload, user, password;
    struct mqtt_props will_props;
};

/* The head of the next packet. */
struct mqtt_head {
    uint8_t first;    /* type and flags */
    uint8_t size;     /* of the head: 2-5 */
    uint32_t length;  /* what follows */
};
/* 1: *ret is filled (head.size + head.length bytes make the packet); 0: more bytes are needed; negative: *why. `max`:
 * the longest packet taken, head included. */
int mqtt_head(const uint8_t *p, size_t n, size_t max, struct mqtt_head *ret, struct mqtt_fault *why);
/* The body of a packet. version: of the connection; a CONNECT tells its own. 0 or negative with *why. Everything is
 * checked but what needs memory of earlier packets. Only the members of the type are set. */
int mqtt_parse(uint8_t version, const struct mqtt_head *h, const uint8_t *body, struct mqtt_packet *ret,
               struct mqtt_fault *why);

/* SUBSCRIBE: one filter with its options, UNSUBSCRIBE: one filter. 1, 0: none is left. */
struct mqtt_item {
    struct str filter;
    uint8_t qos, retain_handling;
    bool no_local, as_published;
};
int mqtt_item_next(uint8_t type, struct str *items, struct mqtt_item *ret);
void mqtt_item_write(uint8_t type, struct buf *items, const struct mqtt_item *i);

/* Writes a packet; in 3.1.1 properties and codes that it has not are left out. ERR_TOO_LARGE, ERR_NOMEM stick in b. */
void mqtt_write(struct buf *b, uint8_t version, const struct mqtt_packet *p);
/* Just an acknowledgement (PUBACK … PUBCOMP) with its code. */
void mqtt_write_ack(struct buf *b, uint8_t version, uint8_t type, uint16_t id, uint8_t code);
/* How many bytes mqtt_write would append; 0: it does not fit in a packet. */
size_t mqtt_size(uint8_t version, const struct mqtt_packet *p);
/* A packet in words, for people who look at a connection. */
void mqtt_describe(struct buf *out, uint8_t version, const uint8_t *p, size_t n, bool zh);

/* ---- topics (mqtt_topic.c) ---- */

#define MQTT_TOPIC_MAX 65535
#define MQTT_LEVELS_MAX 128
bool mqtt_topic_ok(struct str topic);   /* a name: 1 byte or more, no wildcard, no U+0000 (UTF-8 is checked by mqtt_parse) */
bool mqtt_filter_ok(struct str filter); /* wildcards stand alone in their level, '#' last; of $share: group and filter */
bool mqtt_match(struct str filter, struct str topic); /* topics that begin with $ are not met by a wildcard in front */
/* Whether all topics that `inner` means are meant by `outer` too: a right to `outer` covers `inner`. */
bool mqtt_covers(struct str outer, struct str inner);
/* "$share/group/filter": true, and both parts. */
bool mqtt_share(struct str filter, struct str *ret_group, struct str *ret_filter);
