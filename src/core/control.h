/* control.h - writing to equipment from inside the platform: one way, whoever asks (API, forwarding, flows). Rights, limits,
 * expiry, read-back and audit are checked there (modules/collect/control.c). */
#pragma once
#include "core/resource.h"
#include "bornite/driver.h"

struct control_command {
    uint32_t point;
    struct sample value;            /* engineering units; DOUBLE, INT, BOOL, or STRING with text */
    struct str text;
    int64_t expires_ms;             /* 100 to 60000; 0: 5000 */
    struct str reason;              /* for the record; may be empty */
    const char *origin;             /* "forward:erp 10.0.0.7:51022" for the record; NULL: the API */
};
struct control_result {
    char id[37];                    /* of the command */
    enum driver_outcome outcome;
    struct error error;             /* code 0: none */
    bool has_before, has_readback;
    struct sample before, readback;
    char text[1024];                /* read-back of a string */
    uint32_t ms;
};
/* Points that no channel of a driver carries (those of pushing devices): the module that reaches them registers a route.
 * Everything that control checks of other points (rights, "writable", range, expiry, confirmation) is checked before, the
 * record is written after; the point has no `device`. */
struct control_route {
    const char *name;               /* "mqtt": for the record */
    /* Is it yours? 0; ERR_NOT_FOUND: no, the next route is asked; else yes, but it cannot be written (now): *e says why.
     * Worker threads only: it may read SQL after a start. */
    int (*find)(void *ctx, uint32_t point, struct error *e);
    /* Send it, at most once, and wait for the outcome, expires_ms (never 0 here) at most: outcome, error, readback, text
     * and ms of *ret. Blocks; on the thread that called control. */
    void (*write)(void *ctx, const struct control_command *cmd, struct control_result *ret);
    void *ctx;
};
struct control {
    /* Blocks until the outcome is known or given up; never from a loop. 0: carried out or tried, see ret; else it was
     * refused before anything was sent: ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_INVALID, ERR_UNAVAILABLE. */
    int (*write)(void *ctx, const struct actor *by, const struct control_command *cmd, struct control_result *ret, struct error *e);
    void *ctx;
    /* In the init of a module that stands behind collect; r lives on. NULL: this host knows no routes. ERR_LIMIT past 8. */
    int (*route_add)(void *ctx, const struct control_route *r);
};
