/* rpc_log.h - the last commands to devices and what came of them: bounded, in memory, of this run; the audit log is the
 * record. Any thread. */
#pragma once
#include "bornite/driver.h"
#include "base/json.h"

#define RPC_LOG_MAX 500   /* of all devices */
#define RPC_LOG_EACH 50   /* of one */
#define RPC_LOG_TEXT 2048 /* of params, of a reply; the rest is cut */

struct rpc_note {
    const char *device;       /* id */
    struct str by, method;    /* by: login, empty: a point was written */
    struct str params, reply; /* JSON; .p NULL: none */
    int64_t at_us;
    enum driver_outcome outcome;
    const struct error *why; /* NULL: none */
    uint32_t ms;
};

struct rpc_log;
struct rpc_log *rpc_log_new(void);
void rpc_log_free(struct rpc_log *l);
/* Copies; without memory nothing is noted. */
void rpc_log_add(struct rpc_log *l, const struct rpc_note *n);
/* An array of objects, newest first. */
void rpc_log_write(struct rpc_log *l, const char *device, bool zh, struct json_writer *w);
extern const char *const rpc_outcome_names[];
