/* events_int.h - events and conditions, shared by event_address.c, event_set.c, events.c, condition.c, settle.c,
 * event_write.c, event_browse.c.
 *
 * Notifier    a node whose events are asked for, by ONE monitored item however many points want them.
 * Condition   an alarm that points are of: state and branches as its events tell them.
 * Link        a point and what it takes of an event: a field of the filter of its notifier.
 * Filter      the fields that an item asks for. It only grows while points come; a new one means a new item beside the
 *             old, which is dropped a little later, so that nothing is lost; what comes twice is known by its EventId.
 * Refresh     after each connect and whenever the server asks: ConditionRefresh tells the conditions that are of
 *             interest; the others are read (settle.c).
 * Everything belongs to the channel's loop. */
#pragma once
#include "drivers/opcua/opcua_int.h"

/* Types and methods of OPC 10000-9 that ua_ids.h has not. */
enum {
    OC_EVENT_QUEUE_OVERFLOW = 3035,
    OC_SHELVED_UNSHELVED = 2930,
    OC_REFRESH_IN_PROGRESS_MS = 2000,
};
#define OC_STATUS_OUT_OF_SERVICE 0x808D0000u
#define OC_BRANCHES_MAX 100

/* ---- addresses (event_address.c) ---- */

enum oc_field_role {
    FIELD_PLAIN,
    FIELD_STATE, /* means nothing while the condition is disabled */
    FIELD_ACKED, /* of the condition and of all its branches */
    FIELD_CONFIRMED,
    FIELD_SHELVED,
    FIELD_BRANCHES,
};
struct oc_field {
    const char *name; /* in addresses of alarms */
    uint32_t type;    /* the event type that has it */
    const char *path;
    uint8_t value_type, role;
    bool writable;
    const char *en, *zh;
};
extern const struct oc_field oc_fields[]; /* ends with name NULL */
extern const struct oc_field oc_base_fields[]; /* of BaseEventType; name NULL ends */

struct oc_event { /* what an address of an event or of an alarm says; lives with the point */
    bool alarm;
    struct oc_node notifier, condition;
    const struct oc_field *field; /* NULL: the path */
    struct ua_name *path;         /* of the field, whichever */
    uint32_t path_n;
    struct oc_node path_type; /* the type that has it */
    struct oc_node type;      /* only events of this type; only where typed */
    bool typed;
    uint16_t severity; /* at least; 0: any */
    struct str key;    /* of the field: type and path as text */
};
bool oc_is_event(struct str address);
int oc_event_parse(struct arena *a, struct str text, struct oc_event **ret, struct error *e);
void oc_event_text(struct buf *out, const struct oc_event *ev);
enum value_type oc_event_value_type(const struct oc_event *ev);

/* ---- what runs ---- */

enum oc_base { /* the first fields of each filter; those from CONDITION_ID on only where conditions are wanted */
    BASE_EVENT_ID,
    BASE_EVENT_TYPE,
    BASE_TIME,
    BASE_SEVERITY,
    BASE_EVENTS, /* so many where only events are wanted */
    BASE_CONDITION_ID = BASE_EVENTS,
    BASE_BRANCH_ID,
    BASE_RETAIN,
    BASE_ENABLED,
    BASE_ACKED,
    BASE_CONFIRMED,
    BASE_QUALITY,
    BASE_CONDITIONS, /* so many */
};
#define OC_SELECT_NONE UINT32_MAX

struct oc_select {
    struct str key;
    struct oc_node type;
    struct ua_name *path;
    uint32_t path_n;
    uint32_t status; /* as the server judged it */
};
struct oc_filter {
    struct arena a;
    bool conditions;
    struct oc_select *selects;
    uint32_t n;
    bool where; /* the server is asked to leave out what no point wants */
    uint16_t severity;
    bool typed;
    struct oc_node type;
};
struct oc_item_of { /* a monitored item of a notifier */
    struct oc_filter *filter; /* own */
    uint8_t state;            /* enum oc_item */
    uint8_t klass;
    uint32_t sub, handle, id;
    bool plain; /* asked without where: the server refused that */
};
#define OC_RECENT 2048
struct oc_notifier {
    struct oc_notifier *next;
    struct arena a; /* of node and text */
    struct oc_node node;
    struct str text;
    bool used;
    uint32_t first;     /* link of its events + 1; 0: none */
    uint32_t conditions; /* links of alarms */
    uint8_t klass;
    struct oc_item_of now, old; /* old: until drop_ns */
    uint64_t drop_ns;
    bool anew;        /* the item was made after the connection was lost */
    bool gap;         /* its item was lost: events may be missing */
    uint64_t tell_ns; /* what is known last is told then, where nothing has come; 0: no */
    uint64_t lost;    /* overflows */
    uint64_t recent[OC_RECENT]; /* hashes of EventIds */
};
struct oc_branch {
    struct str id, event; /* heap; id: NodeId as text */
    bool acked, confirmed, fresh;
};
enum oc_settle { SETTLE_NO, SETTLE_WAIT /* for the refresh */, SETTLE_READ /* to be read */, SETTLE_ASKED, SETTLE_DONE };
struct oc_condition {
    struct oc_condition *next, *same; /* same: of the hash */
    struct arena a;
    struct oc_node node;
    struct str text, notifier_text;
    struct oc_notifier *notifier;
    struct ua_nodeid id; /* bound to the namespaces of this session */
    bool used, bound;
    uint32_t first; /* link + 1 */
    uint8_t settle; /* enum oc_settle */
    bool met;       /* an event of it, or its node, was seen once */
    bool enabled, acked, confirmed, retain;
    struct str event; /* heap: the last EventId of the trunk; NULL: none */
    struct oc_branch *branches;
    size_t nbranches, branches_cap;
};
struct oc_link {
    uint32_t point, next; /* next + 1; 0: the last */
    uint32_t select[2];   /* in the filters now and old */
    struct oc_kinds *kinds; /* types that it takes; NULL: all */
    int64_t raw_us;       /* several events of one time are told a microsecond apart */
    uint32_t bump;
};
struct oc_kinds { /* an event type and its subtypes */
    struct oc_kinds *next;
    struct arena a;
    struct oc_node type;
    struct str text;
    bool ready, busy, failed;
    struct ua_nodeid *ids;
    size_t n, cap, asked; /* asked: those whose subtypes are known */
};
#define OC_BUCKETS 4096
struct oc_events {
    struct oc_notifier *notifiers;
    struct oc_condition *conditions;
    struct oc_kinds *kinds;
    struct oc_link *links;
    size_t nlinks;
    struct oc_condition *table[OC_BUCKETS];
    bool dirty;      /* the set is to be taken over again: there was no memory */
    uint64_t up_ns;  /* the connection that all this is bound to */
    uint32_t handle; /* the last that was given */
    uint64_t retry_ns;
    struct {
        bool wanted, busy, running; /* running: until RefreshEnd */
        uint64_t after_ns, until_ns;
    } refresh[OC_CLASSES];
    unsigned settling, batch;
    uint32_t refused; /* items */
    struct error refusal;
    uint64_t lost_until_ns;
    struct error lost;
};

/* event_set.c */
struct oc_select *oc_select_at(const struct oc_filter *f, uint32_t i);
uint32_t oc_select_find(const struct oc_filter *f, struct str key);
void oc_filter_free(struct oc_filter *f);
/* Several may be one node, written in several ways: after each the next of it. */
struct oc_condition *oc_condition_find(const struct oc_events *ev, const struct ua_nodeid *id);
struct oc_condition *oc_condition_next(const struct oc_condition *c);
void oc_events_bind(struct oc_channel *ch, struct oc_events *ev); /* NodeIds by the namespaces of the session */
void oc_condition_forget_branches(struct oc_condition *c, bool all); /* all, or those that are not fresh */
struct oc_link *oc_link_at(const struct oc_events *ev, uint32_t link_1);

/* event_types.c */
bool oc_kinds_ready(struct oc_channel *ch, struct oc_kinds *k); /* else it is asked for */
bool oc_kinds_has(const struct oc_kinds *k, const struct ua_nodeid *type);

/* events.c */
void oc_refresh_conditions(struct oc_channel *ch, unsigned klass);
void oc_item_retire(struct oc_channel *ch, struct oc_notifier *n); /* now becomes old */

/* condition.c */
struct oc_told { /* an event, or what was read of a condition */
    const struct ua_variant *fields;
    uint32_t n;
    unsigned which; /* 0: by the filter now, 1: by the old one */
    bool read;
};
void oc_condition_take(struct oc_channel *ch, struct oc_condition *c, const struct oc_told *t);
void oc_condition_refreshing(struct oc_channel *ch, const struct oc_notifier *n);
void oc_condition_refreshed(struct oc_channel *ch, const struct oc_notifier *n);
bool oc_field_there(const struct oc_told *t, uint32_t i);
bool oc_field_bool(const struct oc_told *t, uint32_t i, bool otherwise);
int64_t oc_field_time(const struct oc_told *t, int64_t otherwise);
const struct ua_nodeid *oc_field_id(const struct oc_told *t, uint32_t i);
struct str oc_field_bytes(const struct oc_told *t, uint32_t i);

/* settle.c */
void oc_settle_pump(struct oc_channel *ch);
