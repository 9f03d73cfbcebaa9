/* words.c - see words.h. */
#include "drivers/common/words.h"
#include <stdio.h>
#include "base/buf.h"
#include "proto/frame_spec.h"
#include "proto/hj212.h"
#include "proto/iec104.h"
#include "proto/mqtt.h"
#include "proto/opcua/ua_channel.h"
#include "proto/sparkplug.h"

#define ROOM 65536

void hj212_frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    hj212_words(f->bytes, f->n, en, zh, cap);
}

void iec104_frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    iec104_words(f->bytes, f->n, false, en, cap);
    iec104_words(f->bytes, f->n, true, zh, cap);
}

/* format: the version of MQTT; 0: 3.1.1. */
typedef void put_words(struct buf *out, uint8_t version, const uint8_t *p, size_t n, bool zh);

static void both(put_words *put, const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    struct buf b;
    buf_init(&b, ROOM);
    for (int k = 0; k < 2; k++) {
        buf_clear(&b);
        put(&b, f->format ? f->format : MQTT_3_1_1, f->bytes, f->n, k == 1);
        str_to_cstr(buf_view(&b), k == 1 ? zh : en, cap);
    }
    buf_fini(&b);
}

void mqtt_frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    both(mqtt_describe, f, en, zh, cap);
}

void sparkplug_frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    both(spb_describe, f, en, zh, cap);
}

void opcua_frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    struct buf a, b;
    buf_init(&a, ROOM);
    buf_init(&b, ROOM);
    ua_chunk_describe(str_make((const char *)f->bytes, f->n), &a, &b);
    str_to_cstr(buf_view(&a), en, cap);
    str_to_cstr(buf_view(&b), zh, cap);
    buf_fini(&a);
    buf_fini(&b);
}

static void tell(const struct driver_frame *f, int shown, const char *text, char *en, char *zh, size_t cap)
{
    bool out = f->dir == DRIVER_TX;
    snprintf(en, cap, "%s %zu bytes: %.*s", out ? "sent" : "received", f->n, shown, text);
    snprintf(zh, cap, "%s %zu 字节：%.*s", out ? "发送" : "收到", f->n, shown, text);
}

void ws_frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    tell(f, (int)(f->n < 240 ? f->n : 240), (const char *)f->bytes, en, zh, cap);
}

void bytes_frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    char text[600];
    bytes_show(f->bytes, f->n, text, sizeof text);
    tell(f, (int)sizeof text, text, en, zh, cap);
}
