/* event.h - what happened that somebody may want to hear of: from any part of the platform to whoever
 * subscribed (notices, webhooks, e-mail, live pages).
 *
 * kernel_event calls the subscribers on the caller's thread, outside any lock of the kernel and never
 * inside a transaction: they must be quick (queue it) and copy what they keep. Not durable itself; what
 * must survive is made durable by the subscriber (notices are). */
#pragma once
#include "core/resource.h"

enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_ERROR, EVENT_CRITICAL };
struct event {
    const char *topic; /* dotted: "job.failed", "alarm.raised", "resource.transition", "auth.locked" */
    enum event_severity severity;
    struct str title_en, title_zh; /* one line */
    struct str text_en, text_zh;   /* may be empty */
    struct str kind, id, org;      /* what it is about; org decides who may see it */
    struct str link;               /* page of the UI, "/jobs/…" */
    /* For whom: this user only, or "" = whoever may do `need` on `kind`. */
    char user_id[37];
    enum api_action need;
};
void kernel_event(struct kernel *k, const struct event *ev);
typedef void event_fn(void *ctx, const struct event *ev);
int kernel_event_subscribe(struct kernel *k, event_fn *fn, void *ctx); /* ERR_LIMIT past 32 */
void kernel_event_unsubscribe(struct kernel *k, event_fn *fn, void *ctx); /* after return fn does not run */
