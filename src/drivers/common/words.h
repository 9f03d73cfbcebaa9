/* words.h - frames in words, as driver->describe and outlet->describe want them, where both ends of a protocol need the same.
 * Pure, any thread. */
#pragma once
#include "bornite/driver.h"

typedef void frame_words(const struct driver_frame *f, char *en, char *zh, size_t cap);
frame_words hj212_frame_words, iec104_frame_words, mqtt_frame_words, opcua_frame_words, sparkplug_frame_words;
frame_words ws_frame_words;    /* texts as they are */
frame_words bytes_frame_words; /* hex where they are no text */
