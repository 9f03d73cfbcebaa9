/* table.c - what the outlet tells about itself, its figures, and its row of functions. */
#include <stdio.h>
#include "drivers/common/words.h"
#include "outlets/mqtt/publisher_int.h"

static const struct option_choice group_choices[] = {
    /* in the order of enum mp_group */
    {"value", "one message for each value", "每个值一条消息"},
    {"topic", "values of a topic together", "同一主题的值合并"},
    {0},
};

const struct option mp_channel_options[] = {
    MQTT_OPTION_HOST,
    {.name = "topic",
     .type = OPTION_STRING,
     .en = "Topic",
     .zh = "主题",
     .required = true,
     .def = "bornite/${node}/${code}",
     .min = "1",
     .max = "500",
     .help_en = "With ${code}, ${name}, ${area}, ${device}, ${unit}, ${node}: plant/${area}/${code}.",
     .help_zh = "可用 ${code}、${name}、${area}、${device}、${unit}、${node}：plant/${area}/${code}。"},
    {.name = "group",
     .type = OPTION_ENUM,
     .en = "Messages",
     .zh = "消息划分",
     .def = "value",
     .choices = group_choices},
    {.name = "qos",
     .type = OPTION_INTEGER,
     .en = "QoS",
     .zh = "QoS",
     .def = "1",
     .min = "0",
     .max = "2",
     .help_en =
         "With 0 a value counts as delivered when the network has taken it: what is under way when the connection "
         "breaks is lost.",
     .help_zh = "为 0 时数据交给网络即视为送达，连接中断时在途数据会丢失。"},
    {.name = "retain",
     .type = OPTION_BOOLEAN,
     .en = "Retained",
     .zh = "保留消息",
     .def = "false",
     .help_en = "The broker keeps the last message of each topic for subscribers that come later.",
     .help_zh = "代理为后来的订阅者保留每个主题的最后一条消息。"},
    PAYLOAD_OPTIONS,
    {.name = "message_max",
     .type = OPTION_INTEGER,
     .en = "Longest payload",
     .zh = "最大载荷",
     .def = "262144",
     .min = "256",
     .max = "16777216",
     .unit = "By"},
    {.name = "window",
     .type = OPTION_INTEGER,
     .en = "Batches under way",
     .zh = "在途批次",
     .def = "8",
     .min = "1",
     .max = "100"},
    {.name = "inflight",
     .type = OPTION_INTEGER,
     .en = "Messages under way",
     .zh = "在途消息",
     .def = "100",
     .min = "1",
     .max = "10000",
     .help_en = "Not acknowledged by the broker. 1: strictly one after the other.",
     .help_zh = "未被代理确认的消息数；1 表示逐条发送。"},
    {.name = "status_topic",
     .type = OPTION_STRING,
     .en = "Topic of our state",
     .zh = "状态主题",
     .max = "500",
     .help_en = "Tells, retained, whether we are connected: bornite/${node}/state. Empty: none.",
     .help_zh = "以保留消息公布本端是否在线：bornite/${node}/state；留空则不发布。"},
    {.name = "online", .type = OPTION_STRING, .en = "When connected", .zh = "上线内容", .def = "online", .max = "2000"},
    {.name = "offline",
     .type = OPTION_STRING,
     .en = "When not (last will)",
     .zh = "离线内容（遗嘱）",
     .def = "offline",
     .max = "2000"},
    {.name = "command_topic",
     .type = OPTION_STRING,
     .en = "Topic for commands",
     .zh = "命令主题",
     .max = "500",
     .help_en = "For points whose mapping may be written: plant/${code}/set. Empty: no commands.",
     .help_zh = "用于允许写入的映射：plant/${code}/set；留空则不接收命令。"},
    {.name = "command_path",
     .type = OPTION_STRING,
     .en = "Value in a command",
     .zh = "命令中的值",
     .def = "$.value",
     .min = "1",
     .max = "500",
     .help_en = "In payloads that are JSON objects. A payload that is just a value needs none.",
     .help_zh = "用于 JSON 对象形式的命令；载荷本身即为值时不需要。"},
    {.name = "reply_topic",
     .type = OPTION_STRING,
     .en = "Topic for outcomes",
     .zh = "结果主题",
     .max = "500",
     .help_en = "Where the outcome of a command is published: plant/${code}/result. A response topic in the request "
                "(MQTT 5.0) goes before it.",
     .help_zh = "发布命令结果的主题：plant/${code}/result；请求中带响应主题（MQTT 5.0）时以其为准。"},
    {.name = "alarm_topic",
     .type = OPTION_STRING,
     .en = "Topic for alarms",
     .zh = "报警主题",
     .max = "500",
     .help_en =
         "Alarms of the points as they begin, end and are acknowledged, and those in force with each connection: "
         "plant/${code}/alarm. Empty: none.",
     .help_zh = "测点报警的发生、恢复和确认，以及每次连接时的当前报警：plant/${code}/alarm；留空则不发布。"},
    MQTT_OPTION_SESSION,
    MQTT_OPTION_TLS,
    {0},
};

static int channel_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct mp_channel *ch = (struct mp_channel *)base;
    int rc = mp_set(ch, points, n, e);
    if (rc == 0) mp_pump(ch);
    return rc;
}

static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct mp_channel *ch = (const struct mp_channel *)base;
    struct mqtt_client_stats s = {0};
    if (ch->client) mqtt_client_stats(ch->client, &s);
    *ret = ch->st;
    ret->bytes_in = s.bytes_in;
    ret->bytes_out = s.bytes_out;
    ret->rtt_us = s.rtt_us;
    ret->errors += s.errors;
    ret->connections = mqtt_client_up(ch->client);
    ret->subscriptions = ch->subscribed ? (uint32_t)ch->ncommands : 0;
}

const struct outlet mqtt_publisher_outlet = {
    .name = "mqtt_publisher",
    .en = "MQTT (publisher)",
    .zh = "MQTT（发布）",
    .help_en = "Publishes values to an external broker (mosquitto, EMQX, cloud services) and takes commands from it.",
    .help_zh = "向外部代理（mosquitto、EMQX、云服务等）发布数据，并可接收命令。",
    .channel_options = mp_channel_options,
    .sender = true,
    .buffered = true,
    .channel_check = mp_channel_check,
    .channel_open = mp_open,
    .channel_set = channel_set,
    .send = mp_send,
    .alarm = mp_alarm,
    .test = mp_test,
    .status = status,
    .close = mp_close,
    .describe = mqtt_frame_words,
    .wire_port = 1883,
};
