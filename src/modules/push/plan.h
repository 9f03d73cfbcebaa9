/* plan.h - public: where a key of a device goes, and where a point comes from. Reads the store: worker threads only. */
#pragma once
#include "modules/push/ingest.h"

enum push_place {
    PUSH_PLACE_NONE,
    PUSH_PLACE_MAPPED,
    PUSH_PLACE_MADE /* the device's own point is there */,
    PUSH_PLACE_NEW
};
struct push_plan {
    enum push_place place;
    char code[129];   /* of the point */
    struct error why; /* PUSH_PLACE_NONE */
};
/* What would become of a value, without making anything. */
MUST_CHECK int push_plan_key(struct push *p, struct arena *a, const char *device, struct str key, struct push_plan *ret,
                             struct error *e);

struct push_owner {
    char device[37], code[129], key[201]; /* code: of the device */
    enum push_commands commands;
};
/* The device and key that feed a point. ERR_NOT_FOUND: it is of no pushing device. */
MUST_CHECK int push_owner_of(struct push *p, struct arena *a, uint32_t point, struct push_owner *ret, struct error *e);
