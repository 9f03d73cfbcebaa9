/* recent.h - the last messages of each topic, and those that nobody could read: bounded, in memory, of this run. For
 * people who make a mapping and want to click on a real message. On the loop only. */
#pragma once
#include "base/str.h"

#define RECENT_TOPICS 2000
#define RECENT_EACH 4
#define RECENT_PAYLOAD (16u << 10)
#define RECENT_BYTES (16u << 20)

enum seen_how {
    SEEN_STORED,  /* its values are kept */
    SEEN_PASSED,  /* nobody reads it: only handed on to subscribers */
    SEEN_REFUSED, /* its form is not what the topic's should be, or it may not be */
};
struct seen {
    struct str topic, payload;
    const char *device, *who; /* device: id, "" of users; who: code or login */
    enum seen_how how;
    bool counted; /* how often it comes is counted */
    size_t samples;
    const char *mapping;     /* code, or "" */
    const struct error *why; /* NULL: none */
};
struct seen_message {
    int64_t at_us;
    enum seen_how how;
    size_t size, n, samples; /* size: as it came; n: what is kept of it */
    char device[37], who[68], mapping[129];
    char *payload;
};
struct seen_topic {
    char *topic;
    struct seen_topic *chain;
    uint64_t hash;
    int64_t first_us, last_us;
    uint64_t passed, refused;
    char device[37]; /* of topics that each device has for itself */
    char why[200], why_zh[200];
    int64_t why_us;
    struct seen_message m[RECENT_EACH]; /* newest first */
    unsigned n;
};

struct recent;
struct recent *recent_new(void);
void recent_free(struct recent *r);
void recent_note(struct recent *r, const struct seen *s, int64_t now_us);
/* In no order; fn non-zero stops. */
int recent_each(const struct recent *r, int (*fn)(void *ctx, const struct seen_topic *t), void *ctx);
