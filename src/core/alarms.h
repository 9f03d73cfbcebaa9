/* alarms.h - the open alarms, for other parts of the platform (forwarding, flows): seeing them, hearing of changes,
 * acknowledging. Module alarms sets node.alarms in its init. */
#pragma once
#include "core/resource.h"

struct alarm_view {
    char id[24];                    /* the same through the life of the alarm: "17-hh" */
    uint32_t num;                   /* of the point */
    const char *rule;               /* "hh", "bad" … */
    const char *title_en, *title_zh; /* one line */
    unsigned priority;              /* 1 urgent .. 4 low */
    bool active, acknowledged;
    int64_t active_us, changed_us;  /* when it was raised; when what is told happened */
    const char *who, *comment;      /* of the acknowledgement; "" */
};
typedef void alarm_fn(void *arg, const struct alarm_view *v); /* quick; texts die after it */
struct alarm_source {
    /* All open ones that are not shelved; under a lock. Any thread. */
    void (*each)(void *ctx, alarm_fn *fn, void *arg);
    /* Raised, cleared, acknowledged, removed: on the writer's thread. In the init of a module behind alarms, for good.
     * ERR_LIMIT past 4. */
    int (*watch)(void *ctx, alarm_fn *fn, void *arg);
    /* Durable on return; blocks. ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_EXISTS (needs none any more), ERR_UNAVAILABLE. */
    int (*ack)(void *ctx, const struct actor *by, struct str id, struct str comment, struct error *e);
    void *ctx;
};
