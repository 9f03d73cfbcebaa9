/* http_int.h - the inside of the HTTP driver.
 *
 * One channel = one API (address, credentials, limits: drivers/common/http_link.h). A device is a request that is sent in
 * its period; its points are places in the answer (drivers/common/payload_read.h).
 *   table.c    option tables, address check, the driver's row
 *   conf.c     a device's options -> struct hc_conf
 *   set.c      the desired set; what stays of the running one
 *   fetch.c    requests of devices, page by page
 *   data.c     answers -> samples, the batch, publishing
 *   job.c      write, read, test, browse
 *   channel.c  timer, states, opening, closing
 * Memory   devices are objects of their own, so that one that did not change goes on, in the middle of a request, too. */
#pragma once
#include "base/json_path.h"
#include "base/mem.h"
#include "drivers/common/fill.h"
#include "drivers/common/http_link.h"
#include "drivers/common/payload_read.h"
#include "drivers/common/poll.h"
#include "drivers/http/driver.h"

#define HC_DOC_MAX (256u << 20) /* memory of a parsed answer */
#define HC_TEXT_MAX 65536
#define HC_CHUNK 256            /* samples of one publish */
#define NS_MS 1000000u

enum hc_paging { PAGING_NONE, PAGING_NEXT, PAGING_LINK, PAGING_NUMBER, PAGING_OFFSET, PAGING_CURSOR };
struct hc_conf { /* of a device; immutable */
    struct arena arena;
    const char *method, *path, *body, *content_type; /* body NULL: none */
    const char *const *headers;
    struct payload_reader *reader;
    const struct json_path_query *next;             /* next link, cursor */
    const char *param;                              /* page, offset, cursor */
    enum hc_paging paging;
    int64_t first_page, page_size, pages_max, lookback_us;
    uint32_t period_ms;                             /* 0: the shortest of its points */
    bool etag;
};
MUST_CHECK int hc_conf_new(const struct options *o, bool load, struct hc_conf **ret, struct error *e);
int hc_device_check(const struct options *o, struct error *e);
void hc_conf_free(struct hc_conf *c);

struct hc_point {
    uint32_t num;
    struct driver_point spec;           /* numbers only; texts are not ours */
    enum value_type type;
    char *address;
    struct payload_place *place;        /* NULL: its address is wrong */
    bool writable;
    const char *write_method;           /* static */
    char *write_path, *write_body, *write_type;
    /* running */
    int64_t newest_us, fresh_us;        /* newest sample that came; in the answer that is read. INT64_MIN: none */
    bool told_bad, seen;                /* seen: in the answer that is read */
    uint64_t text_hash, text_id;
    bool text_known;
    struct sample last;                 /* without a time of its own; point 0: none */
};
struct hc_fetch;
struct hc_channel;
struct hc_device {
    struct poll_slot slot;              /* first: the heap hands it back */
    struct hc_channel *ch;
    uint32_t num, index;
    char *code, *signature;
    struct hc_conf *conf;               /* NULL: options are wrong, see config */
    struct error config, trouble;       /* trouble.code 0: the last request went well */
    struct hc_point *points;
    size_t npoints;
    uint32_t bad_config;
    struct hc_fetch *fetch;             /* on its way */
    struct backoff backoff;
    char etag[200];
    int64_t last_ok_us, newest_us;
    uint32_t period_ms;
    bool proved;                        /* has answered once */
};

struct hc_job {
    struct hc_channel *ch;
    struct arena arena;
    uint64_t began_ns, deadline_ns;     /* deadline of a write */
    /* of a request */
    struct hc_conf *conf;               /* owned */
    const struct driver_point *points;
    struct payload_place **places;
    struct driver_reading *readings;
    struct error *errors;
    size_t npoints, from, max;
    void *arg;
    union {
        driver_write_done *write;
        driver_read_done *read;
        driver_test_done *test;
        driver_browse_done *browse;
    } done;
    uint32_t point, device;             /* write */
};

struct hc_channel {
    struct driver_channel base;         /* first */
    struct http_link *link;
    struct driver_status st;
    struct hc_device **devices;
    size_t ndevices;
    struct poll_queue queue;
    struct sample *out;                 /* samples that the host has not taken yet */
    size_t nout, at, out_cap;
    uv_timer_t timer;
    bool closing;
    unsigned open;                      /* parts that are not closed */
    driver_closed *closed;
    void *closed_arg;
};

/* table.c */
extern const struct option hc_channel_options[], hc_device_options[], hc_point_options[];
int hc_address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret, struct error *e);
/* set.c */
MUST_CHECK int hc_set(struct driver_channel *base, const struct driver_device *devices, size_t nd, const struct driver_point *points, size_t np,
           struct error *e);
void hc_device_free(struct hc_device *d);
struct hc_point *hc_find(struct hc_channel *ch, uint32_t num, struct hc_device **ret_device);
/* fetch.c */
void hc_fetch_start(struct hc_device *d);
void hc_fetch_drop(struct hc_device *d);
void hc_fetch_resume(struct hc_channel *ch); /* those that waited for the host */
MUST_CHECK int hc_request(const struct hc_conf *c, const struct fill *t, const char *etag, struct arena *a, struct http_link_call *ret,
                          struct error *e);
/* data.c */
void hc_take(struct hc_device *d, const struct payload_doc *doc, struct arena *a);
void hc_repeat(struct hc_device *d); /* the answer has not changed: its values hold now */
void hc_tell_bad(struct hc_device *d, enum quality_reason why);
void hc_tell_config(struct hc_device *d, struct hc_point *p);
bool hc_flush(struct hc_channel *ch); /* false: the host is full */
/* channel.c */
void hc_plan(struct hc_channel *ch);
void hc_refresh(struct hc_channel *ch);
uint64_t hc_now(const struct hc_channel *ch);
int64_t hc_utc(const struct hc_channel *ch);
void hc_count(struct hc_channel *ch, const struct http_end *end);
/* job.c */
void hc_write(struct driver_channel *base, const struct driver_write *w);
void hc_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points, size_t n, driver_read_done *done,
             void *arg);
void hc_test(struct driver_channel *base, driver_test_done *done, void *arg);
void hc_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor, size_t max,
               driver_browse_done *done, void *arg);
