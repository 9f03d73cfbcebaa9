/* rpc.h - commands to devices and their answers. A command is sent once, with QoS 0, to the connection that the device
 * has now and that listens for commands: it is never queued and never repeated, so none can arrive late. Then its
 * answer is waited for, by number and device. */
#pragma once
#include "bornite/driver.h"
#include "base/json.h"
#include "core/control.h"

struct mqtt;
struct rpc;
struct rpc *mqtt_rpc_new(struct mqtt *m);
void mqtt_rpc_close(struct rpc *r); /* who waits is told: unknown */
void mqtt_rpc_free(struct rpc *r);

enum rpc_what { RPC_CALL, RPC_WRITE, RPC_READ };
struct rpc_request {
    const char *device; /* id */
    enum rpc_what what;
    struct str method;         /* RPC_CALL */
    const struct json *params; /* RPC_CALL: anything or NULL; RPC_WRITE: {"key":value}; RPC_READ: ["key",…] */
    unsigned timeout_ms;
    struct str by; /* login; empty: the write of a point */
};
struct rpc_answer {
    enum driver_outcome outcome;
    struct error error;
    const struct json *reply; /* in the arena; NULL: none */
    uint32_t ms;
};
/* Blocks until the answer or the time is over; never on the loop. */
void mqtt_rpc(struct rpc *r, struct arena *a, const struct rpc_request *q, struct rpc_answer *ret);
/* An answer has come (any thread): it is for the command of that number to that device. Unknown ones are left alone. */
void mqtt_rpc_reply(struct rpc *r, uint64_t id, const char *device, const struct json *body, struct error *e);

/* The last commands to a device, as an array, newest first. */
void mqtt_rpc_history(struct rpc *r, const char *device, bool zh, struct json_writer *w);

/* Points of devices for core/control.h. */
extern const char mqtt_control_name[];
void mqtt_control_route(struct rpc *r, struct control_route *ret);
