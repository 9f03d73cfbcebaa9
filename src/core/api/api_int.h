/* api_int.h - for the api*.c files only: the router's state and one request's. */
#pragma once
#include "core/api.h"
#include "core/api/api_router.h"
#include "core/audit/audit.h"
#include "core/auth/auth.h"
#include "core/auth/auth_backoff.h"
#include "core/table.h"

struct feed;
struct idem;
struct api_watch;
struct api_metrics;

#define API_HEALTH_MAX 32
struct api {
    struct api_config cfg;
    struct kernel *kernel;
    const struct clock *clock;
    struct auth *auth;
    struct point_scope *points;
    struct api_point_names *names;
    struct audit *audit;
    struct router *router;
    struct pool *pools[LANES]; /* of the lanes; [LANE_COMMON] stays NULL: the server's */
    struct buckets buckets;
    struct idem *idem;
    struct api_watch *watch;
    struct api_metrics *metrics;
    _Atomic(struct http_server *) server;
    pthread_mutex_t posting; /* held over posts of modules and over a change of server */
    struct feed *feeds; /* core/feed.h; linked while modules start and end */
    struct api_health health[API_HEALTH_MAX];
    size_t nhealth;
};

/* A request on its way; `call` is what route_ctx and the handlers see. */
struct api_exchange {
    struct api_call call;
    const struct route *route; /* NULL: a page */
    const struct http_static *page;
    const char *kind;     /* the kind of the permission; of "*" rows the one in the path */
    struct principal who; /* valid when call.who points here */
    int64_t seq; /* of changes, when the handler began */
    struct str audit_resource, audit_detail;
    bool audit_quiet; /* when it ends well */
    struct error *faults; /* all faults of the body, beside the one returned */
    size_t nfaults;
};
static inline struct api_exchange *exchange_of(struct api_call *c)
{
    return (struct api_exchange *)c;
}

/* api_point.c */
struct api_point_names;
MUST_CHECK int api_point_names_new(struct kernel *k, struct api_point_names **ret);
void api_point_names_free(struct api_point_names *t);

/* The kernel's own routes, one table a file. */
struct route_table {
    const struct api_route *rows;
    size_t n;
};
extern const struct route_table api_auth_routes, api_resource_routes, api_system_routes;
extern const struct route_table api_audit_routes;
extern const struct route_table api_sso_routes, api_identity_routes, api_import_routes, api_lifecycle_routes, api_kind_routes;

/* api_resource.c, shared with api_lifecycle.c, api_kind.c */
void api_answer_resource(struct api_call *c, const struct resource *r, bool created);
int api_if_match(struct api_call *c, int64_t *ret, struct error *e); /* -1: whatever it is */
int api_paging(struct api_call *c, int64_t *page, int64_t *size, struct error *e);

/* api_audit.c: what the change that made `r` changed, into the audit record; how long records are kept. */
/* api_import.c: what `write` puts into the file at path becomes the answer, under that name. */
typedef int api_file_fn(void *ctx, const char *path, const char *tmpdir, struct error *e);
MUST_CHECK int api_send_file(struct api_call *c, api_file_fn *write, void *ctx, const char *media, const char *name,
                             struct error *e);
void api_audit_change(struct api_call *c, const struct resource *r);
MUST_CHECK int api_audit_start(struct api *api);

/* After a change of users or roles: in effect before the answer goes out (the hooks come later). */
void api_people_changed(struct api_call *c);

/* api_import.c: the answer to many changes at once (bulk, import). */
void api_report_answer(struct api_call *c, const struct bulk_report *r, bool dry_run, bool skip_errors);
void api_report_write(struct json_writer *w, const struct bulk_report *r, bool dry_run, bool skip_errors, bool zh,
                      size_t failed_max, size_t others_max);
int api_import_mode(struct str s, enum import_mode *ret, struct error *e); /* by name; empty: upsert */

/* Changes of users and roles need admin, whatever the row says. */
enum api_action api_action_for(const char *kind, enum api_action act);

/* Cookies. */
void api_cookie_set(struct api_call *c, const char *secret, int64_t max_age_s); /* NULL: clear */

/* api_idem.c: answers kept by (user, route, key). */
int idem_new(struct sql *db, const struct clock *clock, struct idem **ret, struct error *e);
void idem_free(struct idem *i);
/* Run fn unless the key's answer is known. */
void idem_run(struct idem *i, struct api_call *c, struct str key, void (*fn)(struct api_call *c));

/* api_watch.c */
int api_watch_new(struct api *api, struct api_watch **ret, struct error *e);
void api_watch_free(struct api_watch *w);
void api_watch_wake(struct api_watch *w);                            /* look again now: changes, rights */
void api_watch_server(struct api_watch *w, struct http_server *srv); /* NULL: no more posts after it returns */
extern const struct http_stream_ops api_watch_ops;

/* api_feed.c */
void feeds_server(struct feed *first, struct http_server *srv); /* as api_watch_server, for all of the list */

/* api_metrics.c */
int api_metrics_new(struct api_metrics **ret);
void api_metrics_free(struct api_metrics *m);
void api_metrics_count(struct api_metrics *m, const struct route *r, int status, uint64_t us);

/* openapi.c */
int openapi_write(struct api *api, struct arena *a, struct buf *out, struct error *e);
