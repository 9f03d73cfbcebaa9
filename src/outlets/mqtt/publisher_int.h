/* publisher_int.h - the inside of the MQTT outlet: a client that publishes to an external broker, and takes commands.
 *
 *   table.c     option tables, figures, the outlet's row
 *   conn.c      the connection, birth and last will, the timer; open and close
 *   set.c       the points: topics of values, commands and replies
 *   batch.c     a batch of the journal -> messages -> acknowledged
 *   command.c   commands that come in, and replies
 *   alarm.c     alarms of the points
 *
 * Batch       its items become messages (payload and topic) when it is taken; they go out in their order as the client's
 *             window opens, batches in the order in which they came. It is done when all its messages are acknowledged
 *             (QoS 0: when the socket has taken them). A lost connection fails all batches under way: the host has them
 *             in its journal and offers them again.
 * Session     clean: what is to be sent again is the journal's business, and a command that waited at the broker while
 *             we were away is too old to be carried out. */
#pragma once
#include "base/json_path.h"
#include "base/mem.h"
#include "drivers/common/mqtt_options.h"
#include "outlets/common/payload.h"
#include "outlets/mqtt/outlet.h"

#define NS_MS 1000000ull
#define NS_S 1000000000ull
#define MP_TOPIC_MAX 600
#define MP_BATCHES_MAX 100
#define MP_COMMANDS_MAX 100 /* under way */

enum mp_group { GROUP_VALUE, GROUP_TOPIC };

struct mp_point {
    char *topic, *command, *reply; /* command, reply: "" none. topic NULL: it has none that can be published to */
    const struct outlet_point *p;  /* a copy with texts of its own */
};

struct mp_message {
    struct str topic, payload;
};
struct mp_batch {
    struct mp_batch *next;
    struct arena arena; /* of the messages */
    struct mp_message *messages;
    size_t n, cap, published, done; /* given to the client; acknowledged */
    size_t items, skipped;
    uint64_t ticket, id;
    struct error error;
};

struct mp_command {
    struct mp_channel *ch;
    char code[200], reply[MP_TOPIC_MAX], correlation[256], id[128];
    size_t correlation_n;
};

struct mp_channel {
    struct outlet_channel base; /* first */
    struct mqtt_settings *set;
    struct payload *payload;
    struct mqtt_client *client;
    struct outlet_status st;
    /* options */
    char *topic, *command_topic, *reply_topic, *alarm_topic, *status_topic, *online, *offline, *command_path;
    uint8_t group, qos;
    bool retain;
    size_t message_max;
    unsigned window;
    struct arena config;
    const struct json_path_query *command_query;
    struct mqtt_client_message will;

    struct arena arena; /* of the set */
    struct mp_point *points;
    struct outlet_point *copies;
    size_t npoints, ncommands, wrong; /* ncommands: points with a command topic; wrong: those without a topic */
    struct mp_point **by_command;     /* sorted by command topic */
    struct error trouble;             /* the first of the wrong ones */

    struct mp_batch *batches, **batches_tail;
    unsigned nbatches;
    uint64_t batch_id;
    unsigned commands_under_way, questions; /* questions: host->alarms */
    bool wants_ready, subscribed, judge;
    struct error why, refusal; /* of the connection; of a batch or the subscription, while it stands */
    uint64_t retry_ns, up_ns, wake_ns, pause_ns, pause_ms;

    driver_test_done *tests[16];
    void *test_args[16];
    uint64_t test_began[16];
    unsigned ntests;
    bool closing, client_closed, timer_open, pumping, again, connect_now, temporary;
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;
};

/* conn.c */
uint64_t mp_now(const struct mp_channel *ch);
int64_t mp_utc(const struct mp_channel *ch);
void mp_log(struct mp_channel *ch, enum driver_log level, const char *msg, const char *kv);
void mp_pump(struct mp_channel *ch);
void mp_soon(struct mp_channel *ch); /* mp_pump in the next turn */
void mp_judge(struct mp_channel *ch);
void mp_maybe_free(struct mp_channel *ch);
int mp_channel_check(const struct options *o, struct error *e);
int mp_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e);
void mp_close(struct outlet_channel *base, driver_closed *closed, void *arg);
void mp_test(struct outlet_channel *base, driver_test_done *done, void *arg);

/* set.c */
int mp_set(struct mp_channel *ch, const struct outlet_point *points, size_t n, struct error *e);
void mp_set_free(struct mp_channel *ch);
const struct mp_point *mp_by_command(const struct mp_channel *ch, struct str topic);
/* Filters of the commands that are not subscribed yet. */
void mp_subscribe(struct mp_channel *ch);

/* batch.c */
int mp_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
            uint64_t ticket);
void mp_batch_pump(struct mp_channel *ch);
void mp_batch_published(struct mp_channel *ch, uint64_t token, const struct error *e);
void mp_batch_fail(struct mp_channel *ch, const struct error *why); /* all of them */
void mp_batch_ready(struct mp_channel *ch, uint64_t now);

/* command.c */
void mp_command(struct mp_channel *ch, const struct mqtt_client_message *m);

/* alarm.c */
void mp_alarm(struct outlet_channel *base, const struct outlet_alarm *a);
void mp_alarms_in_force(struct mp_channel *ch); /* told with each connection */

#define MP_TOKEN_REPLY (UINT64_MAX)      /* nobody waits for those */
#define MP_TOKEN_BIRTH (UINT64_MAX - 1)
extern const struct option mp_channel_options[];
