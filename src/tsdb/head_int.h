/* head_int.h - the head's data structures: head.c (taking samples), head_lane.c (chunks of a point), head_late.c
 * (late samples), head_read.c (snapshots).
 *
 * A lane is an open chunk and closed ones behind it. The open chunk is always sorted; its times are rows of the
 * point's group, or, once something came out of order, its own. */
#pragma once
#include "tsdb/codec_value.h"
#include "tsdb/head.h"
#include "tsdb/meta.h"

#define CHUNK 64       /* samples in a closed chunk of a point, rows in a closed time chunk of a group */
#define PAGE_SLOTS 256 /* points in a page of slots */
#define NO_GROUP UINT32_MAX
#define MISFITS_MAX 4 /* times a point may miss its group's rows before it changes to another group */
#define LATE_RUNS (HEAD_SOURCES - 3)

enum chunk_times { TIMES_IN_ROW, TIMES_LISTED, TIMES_IN_CHUNK }; /* rows row0, row0 + 1 ...; rows; times */
struct chunk { /* 1..64 samples: column of rows or times unless in a row, metas, values */
    int64_t t0;
    uint32_t row0, row_last;
    uint16_t len;
    uint8_t n, which; /* index into slot.group */
    uint8_t times;
    bool one_meta; /* three bytes instead of a column */
    uint8_t data[];
};
struct lane {
    uint64_t *v; /* the open chunk: values, `room` of them */
    int64_t t0;  /* of the open chunk */
    uint32_t row0, row_last, meta;
    uint8_t n, room; /* samples in the open chunk, <= CHUNK */
    uint8_t which;   /* of the point's groups has the rows */
    bool dense, one_meta, own;
    uint8_t moved; /* most samples of the open chunk that a newcomer had to pass */
    struct val_hint hint;
    uint32_t *rows, *metas; /* of the open chunk, CHUNK each, once needed */
    int64_t *times;         /* own: `room` of them */
    struct chunk **closed;
    int64_t closed_last; /* last time in them; INT64_MIN: there are none */
    uint32_t nclosed, cap;
};
struct late_run { /* sorted, no time twice */
    struct chunk **closed;
    uint32_t n;
    int64_t last;
};
/* What came too late for the open chunk. The lane's closed chunks are the newest run. */
struct late {
    struct lane lane;
    uint32_t nolder;
    struct late_run *older; /* LATE_RUNS, once needed; each larger than the next, which is newer */
};
/* One point. What every sample touches comes first: it and the end of `v` are all that is met in cold memory. */
struct slot {
    int64_t last; /* greatest time seen */
    struct lane lane;
    uint32_t group[2]; /* the first one, and the one it may have changed to */
    uint8_t which;     /* of the groups, now */
    bool used, any;    /* used: the point is known; any: it has a sample */
    uint8_t misfits;
    struct late *late;
};
struct times { /* CHUNK rows */
    int64_t t0;
    uint8_t *data; /* integer column */
    uint16_t len;
};
struct group {
    struct times *closed;
    uint32_t nclosed, cap, nopen, copen;
    int64_t *open;    /* copen <= CHUNK */
    int64_t last;     /* time of the last row */
    uint32_t *points; /* that ever joined */
    uint32_t npoints, cpoints;
};
struct page {
    struct slot slot[PAGE_SLOTS];
};
struct head {
    atomic_int refs;
    pthread_mutex_t lock;
    uint64_t number;
    struct page **pages;
    size_t npages;
    struct group *groups;
    size_t ngroups, cgroups;
    struct head_counts counts;
};

/* Where the slot of a point would be, without looking at it; NULL when there is no page. */
static inline struct slot *head_place(const struct head *h, uint32_t point)
{
    size_t page = point / PAGE_SLOTS;
    return page < h->npages && h->pages[page] ? &h->pages[page]->slot[point % PAGE_SLOTS] : NULL;
}
static inline struct slot *head_slot(const struct head *h, uint32_t point)
{
    struct slot *s = head_place(h, point);
    return s && s->used ? s : NULL;
}

/* ---- head_lane.c. false: out of memory, nothing changed but for side arrays; *bytes follows what is allocated ---- */
void lane_init(struct lane *l);
void lane_fini(struct lane *l);
/* Behind all others, with a row of group `which`. */
bool lane_append(struct lane *l, const struct sample *in, uint8_t which, uint32_t row, int64_t last, size_t *bytes);
/* Room for the times of the open chunk; the caller fills them in when there are samples. */
bool lane_own(struct lane *l, size_t *bytes);
void lane_disown(struct lane *l, size_t *bytes); /* the open chunk is empty */
/* Where t belongs among the times of an own lane; behind all that are not later. */
uint8_t lane_find(const struct lane *l, int64_t t);
/* Into an own lane with room, in its place; of two with the same time the new one stays. */
bool lane_insert(struct lane *l, const struct sample *in, size_t *bytes, bool *ret_replaced);
/* The last one of the open chunk has the time of this one, which replaces it. */
bool lane_replace(struct lane *l, uint8_t at, const struct sample *in, size_t *bytes);
/* Close the first k of the open chunk; `last` is the time of the last of them. An own lane's may have got rows of the
 * group l->which (else NULL), which the chunk then keeps instead of their times. */
bool lane_close(struct lane *l, uint8_t k, int64_t last, const uint32_t *rows, size_t *bytes);
/* It is time to close some of an own lane's open chunk before another sample: it has no more room, or half of it is
 * used, no more is needed, and memory is `scarce`. */
bool lane_full(const struct lane *l, bool scarce);
/* How many of an own lane's open chunk to close: all when they came in order, else some stay for what comes late. */
uint8_t lane_ready(const struct lane *l);

struct columns {
    int64_t t[CHUNK]; /* times, or rows (not filled when they are in a row) */
    uint64_t v[CHUNK];
    uint32_t m[CHUNK]; /* unless one_meta */
    uint32_t meta;
    bool one_meta;
};
bool chunk_decode(const struct chunk *c, struct columns *out);
bool times_decode_rows(const struct times *x, int64_t out[CHUNK]);
size_t chunk_size(const struct chunk *c);

/* With many points the open chunks are most of what is in memory. */
#define SCARCE ((size_t)24 << 20)
static inline bool head_scarce(const struct head *h)
{
    return h->counts.bytes > SCARCE;
}

/* ---- head_late.c ---- */
/* h->lock held; it is let go of for moments, in which readers see all that was late so far. */
bool late_put(struct head *h, struct slot *s, const struct sample *in);
void late_free(struct late *l);
