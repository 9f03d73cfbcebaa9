/* forward.h - inside of the module forward: its one object, shared by its files. */
#pragma once
#include <pthread.h>
#include "core/module.h"
#include "modules/forward/run.h"

struct forward {
    struct node *node;
    struct run *run;                /* changes under run_lock */
    pthread_rwlock_t run_lock;
    pthread_t thread;               /* the reconciler */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, stopping, dirty;  /* under lock */
    struct plan plan;               /* under lock */
};
static inline struct forward *forward_of(struct api_call *c)
{
    return c->module;
}
/* The line of a forwarding by id or code, f_line_unref it; NULL: there is none. */
struct f_line *forward_line(struct forward *f, struct str id_or_code);
size_t forward_lines(struct forward *f, struct f_line ***ret); /* all, each counted; mem_free the array */

MUST_CHECK int forward_kinds_add(struct forward *f, struct error *e); /* validate.c */
/* A forwarding that an outlet takes: options checked by table and by the outlet. e->where begins with "spec.". */
MUST_CHECK int forward_line_of_spec(struct forward *f, const struct json *spec, struct f_line **ret, struct error *e);
MUST_CHECK int forward_hooks_add(struct forward *f, struct error *e);
MUST_CHECK int forward_set_start(struct forward *f, struct error *e);   /* reconcile.c */
void forward_set_stop(struct forward *f);
void forward_set_signal(void *f);

/* Handlers. */
int forward_get_outlets(struct api_call *c, struct error *e);                 /* api_status.c */
int forward_get_status(struct api_call *c, struct error *e);
int forward_get_diagnostics(struct api_call *c, struct error *e);
int forward_post_test(struct api_call *c, struct error *e);                   /* api_do.c */
int forward_post_test_saved(struct api_call *c, struct error *e);
int forward_post_discard(struct api_call *c, struct error *e);
int forward_post_capture(struct api_call *c, struct error *e);
int forward_get_capture(struct api_call *c, struct error *e);
int forward_get_points(struct api_call *c, struct error *e);                  /* api_points.c */
int forward_post_assign(struct api_call *c, struct error *e);
