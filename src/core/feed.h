/* feed.h - a stream of server-sent events of one part of the platform: each listener gets what is new since
 * his cursor, within what he may see at that moment; who may no longer look is cut off within a second.
 *
 * One thread a feed calls `fill` for each listener after feed_wake (gathered, at most five times a second
 * and listener); a listener that has not taken the last piece is left out until he has, so slow readers
 * cost no memory: fill must bring what counts from the present state, not from a queue. */
#pragma once
#include "core/api.h"

struct feed;
struct feed_config {
    struct api *api;
    const char *name; /* of the thread */
    const char *kind; /* who may listen: `action` on this kind */
    enum api_action action;
    /* On the feed's thread. *cursor is -1 when the stream has just been opened; zh: the language that the
     * listener asked for. Events go out by feed_event. */
    void (*fill)(void *ctx, const struct actor *who, bool zh, int64_t *cursor, struct buf *out);
    void *ctx;
};
MUST_CHECK int feed_new(const struct feed_config *cfg, struct feed **ret, struct error *e);
void feed_free(struct feed *f); /* NULL allowed; after api_server_stop */
void feed_wake(struct feed *f); /* any thread, cheap */
/* One event: the JSON object that is between the two calls. */
struct json_writer feed_event(struct buf *out, const char *event);
void feed_event_end(struct json_writer *w);
/* For the module's http_stream_ops. */
void feed_open(struct feed *f, struct http_stream *s, struct http_request *q);
void feed_close(struct http_stream *s);
