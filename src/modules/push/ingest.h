/* ingest.h - public: the devices of this module for other ways in (MQTT). The same tokens, rates, keys and points, the
 * same counts on the device's page. */
#pragma once
#include "base/json.h"
#include "model/sample.h"
#include "modules/push/decode.h"

struct push;
struct push_device;
struct push *push_running(void); /* of this process; NULL outside init and fini of the module */

/* Who has this token, or this code. Quick, never SQL: also on a loop. */
struct push_id {
    char id[37], code[129];
    uint8_t digest[32]; /* of the token */
};
bool push_find_token(struct push *p, struct str token, struct push_id *ret);
bool push_find_code(struct push *p, struct str code, struct push_id *ret);
/* Still there, enabled, and (by_token) with the same token? */
bool push_holds(struct push *p, const struct push_id *who, bool by_token);
uint64_t push_changes(struct push *p); /* another number after every change of any device or token */

/* The short way: one lock for many messages. Device pointers hold while push_changes stays. */
void push_lock(struct push *p);
void push_unlock(struct push *p);
uint64_t push_locked_changes(const struct push *p);
struct push_device *push_locked_device(struct push *p, const char *id); /* NULL: gone or disabled */
/* A message of numbers and booleans whose keys are all known: its samples go to out (room: PUSH_FAST_MAX). 0; ERR_AGAIN
 * when it wants the long way (nothing is taken or counted); ERR_LIMIT: the device sends too often. */
#define PUSH_FAST_MAX 256
MUST_CHECK int push_fast(struct push *p, struct push_device *d, enum push_form form, struct str text, int64_t now_us,
                         uint64_t now_ns, struct sample *out, size_t *ret_n);

/* The long way: SQL, points are made, everything is durable on return. Blocking. */
struct push_outcome {
    size_t stored, unknown, rejected;
    unsigned wait_s; /* with ERR_LIMIT */
};
MUST_CHECK int push_take_values(struct push *p, struct arena *a, const char *id, enum push_form form,
                                struct pushed *values, size_t n, struct push_outcome *ret, struct error *e);
MUST_CHECK int push_take_attributes(struct push *p, struct arena *a, const char *id, const struct json *body,
                                    struct error *e);
/* Attributes that the device has sent: those of `keys` ("a,b"; empty: all) as members of an object. */
MUST_CHECK int push_read_attributes(struct push *p, const char *id, struct str keys, struct json_writer *w,
                                    struct error *e);
/* A message that was not understood: counted, and shown on the device's page. */
void push_problem(struct push *p, const char *id, const struct error *why);
