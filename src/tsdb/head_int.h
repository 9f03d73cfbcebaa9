/* head_int.h - the head's data structures, shared by head.c (writing) and head_read.c (snapshots). */
#pragma once
#include "tsdb/codec_value.h"
#include "tsdb/head.h"
#include "tsdb/meta.h"

#define CHUNK 64       /* samples in a closed chunk of a point, rows in a closed time chunk of a group */
#define PAGE_SLOTS 256 /* points in a page of slots */
#define NO_GROUP UINT32_MAX
#define MISFITS_MAX 4 /* times a point may miss its group's rows before it changes to another group */

struct chunk { /* 1..64 samples: row column unless dense, meta column, value column */
    int64_t t0;
    uint32_t row0, row_last;
    uint16_t len;
    uint8_t n, which; /* index into slot.group */
    bool dense;       /* rows row0, row0 + 1, ... */
    uint8_t data[];
};
struct late_list {
    uint32_t n, cap;
    struct sample s[];
};
/* One point. What every sample touches comes first: it and the end of `v` are all that is met in cold memory. */
struct slot {
    int64_t last; /* greatest time seen */
    uint64_t *v;  /* the open chunk: values, `room` of them */
    int64_t t0;   /* of the open chunk */
    uint32_t row0, row_last, meta;
    uint32_t group[2]; /* the first one, and the one it may have changed to */
    uint8_t n, room;   /* samples in the open chunk, <= CHUNK */
    uint8_t which;     /* of the groups, now */
    uint8_t open_which;
    bool used, any, dense, one_meta; /* used: the point is known; any: it has a sample */
    uint8_t misfits;
    struct val_hint hint;
    uint32_t *rows, *metas; /* of the open chunk, CHUNK each, once needed */
    struct chunk **closed;
    struct late_list *late;
    uint32_t nclosed, cap;
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
