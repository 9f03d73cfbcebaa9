/* ts_remote_int.h - between ts_remote.c (the store) and ts_call.c (one request). */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "io/http_client.h"
#include "store/ts_dialect.h"

struct ts_remote {
    struct ts_store base;
    const struct ts_dialect *d;
    struct ts_target target;
    char url[512], host[260], database[64], ca[512];
    char auth[700];            /* the header, or "" */
    char secret[512];          /* kept out of texts */
    unsigned timeout_ms;
    size_t batch;
    struct ts_store *strings;
    struct http_keep *keep;
    pthread_mutex_t lock;      /* making the database */
    _Atomic bool ready, cancelled;
    _Atomic uint64_t stamp;    /* of the next row */
    _Atomic uint64_t appended;
    _Atomic int64_t guess_us;  /* range whose rows fit in one answer (engines without limits) */
};

void ts_request_init(struct ts_request *q);
void ts_request_fini(struct ts_request *q);
/* Send; the answer lies in the arena. 0, or the verdict with *e filled. */
MUST_CHECK int ts_call(struct ts_remote *r, const struct ts_request *q, struct arena *a, struct str *ret, struct error *e);
/* The database is there (made once, or again after ready was cleared). */
MUST_CHECK int ts_ready(struct ts_remote *r, struct error *e);
