/* host_int.h - what the parts of the host share: a call of an outlet that may block, on its way.
 *
 * It runs on a pool and comes back to the loop; it stands in the line's list until it is completed, once: by its result, or as
 * cancelled when the line closes (then the result is thrown away when it comes: until then only the worker touches it). */
#pragma once
#include "core/auth/auth.h"
#include "base/mem.h"
#include "io/log.h"
#include "model/sample.h"
#include "modules/forward/run_int.h"

#define COMPONENT "forward"

enum call_kind { CALL_WRITE, CALL_HISTORY, CALL_WINDOWS, CALL_LOGIN, CALL_ACK, CALL_KEEP };

struct call {
    struct call *prev, *next;
    struct fwd *f;
    enum call_kind kind;
    bool dead;    /* completed already */
    uint32_t num; /* of the point */
    bool step;
    struct f_slot slot;
    uint32_t at; /* its index when it was asked */
    union {
        struct outlet_write write;
        struct outlet_history history;
        struct outlet_windows windows;
        struct {
            outlet_done *done;
            void *arg;
        } login;
    } q;
    char *text, *user, *peer; /* copies; of an acknowledgement: comment, user, id; of keep: text is the value */
    size_t kept_at;           /* CALL_KEEP */
    uint64_t kept_change;
    struct error error;       /* of the result; code 0: none */
    struct control_result written;
    struct batch items; /* history */
    struct buf texts;
    bool more;
    struct outlet_window *w;
    size_t nw;
};

/* host_call.c */
struct call *fwd_call_new(struct fwd *f, enum call_kind kind, uint32_t slot); /* slot UINT32_MAX: none */
void fwd_call_free(struct call *c);          /* one that was not started */
/* Out it goes, or it ends at once with what keeps it back. */
void fwd_call_start(struct call *c, struct pool *pool, void (*work)(void *arg));
void fwd_call_home(struct call *c);          /* the end of `work` */
/* host.c */
const struct f_slot *fwd_slot_of(const struct fwd *f, uint32_t slot);
/* host_act.c, host_ask.c, host_alarm.c: functions of struct outlet_host. */
void host_write(void *ctx, const struct outlet_write *w);
void host_login(void *ctx, const char *user, const char *password, const char *peer, outlet_done *done, void *arg);
void host_history(void *ctx, const struct outlet_history *q);
void host_windows(void *ctx, const struct outlet_windows *q);
void host_alarms(void *ctx, outlet_alarms_done *done, void *arg);
void host_alarm_ack(void *ctx, const char *id, const char *user, const char *comment, outlet_done *done, void *arg);
void host_keep(void *ctx, const char *name, const char *value, outlet_done *done, void *arg);
bool host_kept(void *ctx, const char *name, char *ret, size_t cap);
/* Who writes or acknowledges: the user, or the forwarding itself. */
MUST_CHECK int fwd_call_actor(struct call *c, struct arena *a, struct actor *ret);
