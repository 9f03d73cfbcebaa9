/* ws_driver_int.h - the inside of the WebSocket driver.
 *
 * One channel = one connection that we make (client), or one port where devices connect with a token (server). A device is
 * a choice of messages; its points are places in them (drivers/common/payload_read.h).
 *   table.c    option tables, address check, the driver's row, status
 *   rules.c    a device's options -> which messages are its own
 *   set.c      the desired set
 *   conn.c     connecting, listening, losing, the timer, opening, closing
 *   data.c     messages -> samples, the batch, publishing
 *   job.c      write, read, test, browse
 * Pushed     values come when the device sends them: nothing is asked for, and what was said counts until something else
 *            is said, the connection is lost, or the device is silent for longer than its option allows. */
#pragma once
#include "base/json_path.h"
#include "base/mem.h"
#include "drivers/common/fill.h"
#include "drivers/common/payload_read.h"
#include "drivers/common/poll.h"
#include "drivers/common/ws_settings.h"
#include "drivers/websocket/driver.h"

#define NS_MS 1000000u
#define WD_TEXT_MAX 65536
#define WD_KEPT 32              /* last messages, for reading and browsing */
#define WD_KEPT_MAX (256u << 10) /* of one */
#define WD_DOC_MAX (256u << 20)
#define WD_CHUNK 256
#define WD_JOB_MS 10000

struct wd_rules { /* of a device; immutable */
    struct arena arena;
    struct payload_reader *reader;
    const struct json_path_query *select; /* NULL: all messages */
    const char *select_value;             /* "": anything */
    const char *peer;                     /* server: path at which it connects; "": any */
    uint32_t silence_ms;                  /* 0: may be silent for ever */
};
MUST_CHECK int wd_rules_new(const struct options *o, bool load, struct wd_rules **ret, struct error *e);
void wd_rules_free(struct wd_rules *r);
struct wd_message {
    struct str text, path;
    const struct json *root; /* NULL: no JSON */
};
bool wd_rules_match(const struct wd_rules *r, const struct wd_message *m);

struct wd_point {
    uint32_t num;
    struct driver_point spec; /* numbers only */
    enum value_type type;
    char *address, *message;  /* message "": cannot be written */
    struct payload_place *place; /* NULL: its address is wrong */
    bool told_bad, text_known;
    uint64_t text_hash, text_id;
};
struct wd_device {
    uint32_t num;
    struct wd_rules *rules; /* NULL: options are wrong, see config */
    struct error config, trouble;
    struct wd_point *points;
    size_t npoints;
    uint32_t bad_config;
    uint64_t heard_ns;      /* 0: nothing since the connection is there */
    int64_t last_ok_us;
    bool lost;              /* its points were told bad */
};
struct wd_conn {
    struct wd_channel *ch;
    struct wd_conn *next;
    struct ws *w;
    bool up;
    char path[256];
    uint16_t link;
};
struct wd_write {
    struct wd_write *next;
    uint32_t point;
    struct sample value;
    char *text;
    size_t text_len;
    uint64_t until_ns, began_ns;
    driver_write_done *done;
    void *arg;
};
enum wd_job_kind { WD_READ, WD_TEST, WD_BROWSE };
struct wd_job {
    struct wd_job *next;
    enum wd_job_kind kind;
    struct arena arena;
    uint64_t until_ns, began_ns;
    struct wd_rules *rules;
    struct driver_point *points;
    struct payload_place **places;
    struct driver_reading *readings;
    struct error *errors;
    bool *found;
    size_t npoints, from, max;
    size_t seen; /* messages before were looked at */
    union {
        driver_read_done *read;
        driver_test_done *test;
        driver_browse_done *browse;
    } done;
    void *arg;
};
struct wd_kept {
    char *p;
    size_t n;
    char path[256];
    int64_t time_us;
};

struct wd_channel {
    struct driver_channel base; /* first */
    struct ws_settings cfg;
    uint32_t confirm_ms;
    struct driver_status st;
    struct wd_device *devices;
    size_t ndevices;
    struct wd_conn *conns;
    struct ws_server *server;
    bool server_up, connected;  /* connected: client, opened */
    uint16_t links;
    struct backoff backoff;
    uint64_t retry_ns, up_ns;
    struct error why;           /* why it is not up */
    struct wd_kept kept[WD_KEPT];
    size_t kept_at;
    struct wd_write *writes;
    struct wd_job *jobs;
    struct sample *out;
    size_t nout, at, out_cap;
    bool held;
    uv_timer_t timer;
    bool closing, pumping;
    unsigned open;              /* timer, sockets, server: that are not closed */
    driver_closed *closed;
    void *closed_arg;
};

extern const struct option wd_channel_options[], wd_device_options[], wd_point_options[];
/* set.c */
MUST_CHECK int wd_set(struct driver_channel *base, const struct driver_device *devices, size_t nd, const struct driver_point *points,
                      size_t np, struct error *e);
void wd_devices_free(struct wd_device *d, size_t n);
struct wd_point *wd_find(struct wd_channel *ch, uint32_t num, struct wd_device **ret);
/* conn.c */
int wd_device_check(const struct options *o, struct error *e); /* rules.c */
int wd_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e);
void wd_close(struct driver_channel *base, driver_closed *closed, void *arg);
void wd_pump(struct wd_channel *ch);
void wd_refresh(struct wd_channel *ch);
bool wd_device_linked(const struct wd_channel *ch, const struct wd_device *d);
struct wd_conn *wd_conn_of(struct wd_channel *ch, const struct wd_rules *r);
int wd_send(struct wd_conn *c, struct str text);
uint64_t wd_now(const struct wd_channel *ch);
int64_t wd_utc(const struct wd_channel *ch);
/* data.c */
void wd_message(struct wd_conn *c, bool text, struct str data);
void wd_tell_bad(struct wd_channel *ch, struct wd_device *d, enum quality_reason why);
void wd_tell_config(struct wd_channel *ch);
bool wd_flush(struct wd_channel *ch);
/* job.c */
void wd_write(struct driver_channel *base, const struct driver_write *w);
void wd_read(struct driver_channel *base, const struct driver_device *device, const struct driver_point *points, size_t n,
             driver_read_done *done, void *arg);
void wd_test(struct driver_channel *base, driver_test_done *done, void *arg);
void wd_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor, size_t max,
               driver_browse_done *done, void *arg);
void wd_confirm(struct wd_channel *ch, uint32_t point, const struct sample *s, struct str text); /* a value came */
void wd_jobs_run(struct wd_channel *ch);                       /* those that can be answered, those whose time is up */
void wd_jobs_lost(struct wd_channel *ch, const struct error *why); /* no connection could be made */
void wd_jobs_cancel(struct wd_channel *ch);
uint64_t wd_jobs_next(const struct wd_channel *ch);            /* when the first runs out; UINT64_MAX: none */
