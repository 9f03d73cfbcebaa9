/* event.c - see core/event.h. A reader-writer lock keeps subscribers alive while they are called. */
#include "core/event.h"
#include "core/resource/kernel_int.h"

void kernel_event(struct kernel *k, const struct event *ev)
{
    pthread_rwlock_rdlock(&k->events_lock);
    for (size_t i = 0; i < k->nlisteners; i++) k->listeners[i].fn(k->listeners[i].ctx, ev);
    pthread_rwlock_unlock(&k->events_lock);
}

int kernel_event_subscribe(struct kernel *k, event_fn *fn, void *ctx)
{
    pthread_rwlock_wrlock(&k->events_lock);
    int rc = k->nlisteners < LISTENERS_MAX ? 0 : ERR_LIMIT;
    if (!rc) k->listeners[k->nlisteners++] = (struct listener){fn, ctx};
    pthread_rwlock_unlock(&k->events_lock);
    return rc;
}

void kernel_event_unsubscribe(struct kernel *k, event_fn *fn, void *ctx)
{
    pthread_rwlock_wrlock(&k->events_lock);
    for (size_t i = 0; i < k->nlisteners; i++)
        if (k->listeners[i].fn == fn && k->listeners[i].ctx == ctx) k->listeners[i--] = k->listeners[--k->nlisteners];
    pthread_rwlock_unlock(&k->events_lock);
}
