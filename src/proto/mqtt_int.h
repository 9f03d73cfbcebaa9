/* mqtt_int.h - between the files of the codec. */
#pragma once
#include "proto/mqtt.h"

/* Kinds of packets as bits; the will of a CONNECT has properties of its own. */
#define MQTT_BIT(type) (1u << (type))
#define MQTT_WILL 0

int mqtt_refuse(struct mqtt_fault *why, uint8_t code, const char *en, const char *zh); /* -code */
/* A text with its length: UTF-8 without U+0000. */
int mqtt_take_text(struct rd *r, struct str *ret, struct mqtt_fault *why);
int mqtt_take_bytes(struct rd *r, struct str *ret, struct mqtt_fault *why);
int mqtt_take_varint(struct rd *r, uint32_t *ret, struct mqtt_fault *why);
void mqtt_put_varint(struct buf *b, uint32_t v);
size_t mqtt_varint_size(uint32_t v);
void mqtt_put_text(struct buf *b, struct str s);
/* The properties of a packet of that type with their length in front. */
int mqtt_take_props(struct rd *r, uint8_t type, struct mqtt_props *ret, struct mqtt_fault *why);
size_t mqtt_props_size(const struct mqtt_props *p); /* without the length */
void mqtt_put_props(struct buf *b, const struct mqtt_props *p);
