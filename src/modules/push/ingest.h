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

/* ---- devices behind others ---- */

enum push_commands { PUSH_COMMANDS_NONE, PUSH_COMMANDS_THINGSBOARD, PUSH_COMMANDS_JETLINKS };
/* What ways in and rules ask of a device; from memory. */
struct push_about {
    struct push_id who;
    char org[37], parent[37], alias[201], method[101], provision[64]; /* provision: code of its profile */
    bool gateway;
    enum push_commands commands;
};
bool push_about(struct push *p, const char *id, struct push_about *ret);
/* The device that a message calls `name`: by its code, or by its alias behind the device `client` ("" : a user). A
 * device speaks for itself and for what is behind it: else ERR_FORBIDDEN. Who is not known is made when `make` says so,
 * or when the client is a gateway. ERR_NOT_FOUND. SQL only when one is made. */
struct push_make {
    struct str label, value; /* of those made: counted by them */
    struct str org;
    size_t most;
};
MUST_CHECK int push_named(struct push *p, struct arena *a, const char *client, struct str name,
                          const struct push_make *make, struct push_id *ret, struct error *e);

/* May it speak for whom a topic names: itself, what is behind it, or a new one if it may bring that? From memory. */
bool push_speaks(struct push *p, const char *client, struct str name);

/* ---- mappings (mapping.h) ---- */

struct push_map; /* counted */
/* The first of those that read this topic, or NULL: quick, also on a loop; a reference. */
struct push_map *push_map_topic(struct push *p, struct str topic);
bool push_map_publish(struct push *p, struct str topic); /* devices may publish there */
MUST_CHECK int push_map_code(struct push *p, struct str id_or_code, struct push_map **ret, struct error *e);
void push_map_unref(struct push_map *m);
struct str push_map_name(const struct push_map *m); /* its code */
/* The device that the topic names, when it does; {NULL,0}: another way of naming. */
struct str push_map_topic_device(const struct push_map *m, struct str topic);
/* A message by a mapping: client is the id of the device that sent it, or "". */
struct push_outcome;
struct mapping_input;
MUST_CHECK int push_take_mapped(struct push *p, struct arena *a, struct push_map *m, const char *client,
                                const struct mapping_input *in, struct push_outcome *ret, struct error *e);

/* Somebody who is told of changes, on the thread that makes them. One, set in start. */
struct push_watcher {
    void (*shared)(void *ctx, const char *device, struct str changed); /* shared attributes: a JSON object */
    void *ctx;
};
void push_watch(struct push *p, const struct push_watcher *w);

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
/* The same of those that the platform tells it (shared). */
MUST_CHECK int push_read_shared(struct push *p, const char *id, struct str keys, struct json_writer *w,
                                struct error *e);
/* A message that was not understood: counted, and shown on the device's page. */
void push_problem(struct push *p, const char *id, const struct error *why);
