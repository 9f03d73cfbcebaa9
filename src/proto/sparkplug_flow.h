/* sparkplug_flow.h - what a host application keeps of one edge node: whether it lives, and the order of its messages
 * (Sparkplug 3.0.0, 5.8 and 5.16). No I/O; memory only for what is held back, within limits. One thread.
 *
 *   dead --NBIRTH--> alive, next = seq + 1 --NDEATH with the bdSeq of that birth--> dead
 *   alive: seq == next: take it. Ahead of next: hold it back until what is missing has come, or for `reorder_ns`; then
 *   what is held is taken as it is, and the node is to be asked for a rebirth. A little behind next: it is late, take
 * it. dead, and data come: ask for a rebirth. Requests for it are spaced: the first at once, then rebirth_ns, doubled
 * each time up to 64 times that, until a birth comes. */
#pragma once
#include "proto/sparkplug.h"

#define SPB_HELD_MAX 128 /* messages held back; must be under 224 */
#define SPB_HELD_BYTES (1u << 20)
#define SPB_LATE 32 /* so many numbers behind count as late, not as a gap */

struct spb_held {
    struct spb_held *next;
    uint8_t seq, type; /* enum spb_message */
    int64_t arrived_us;
    struct str device, payload; /* behind it, in the same block */
};
struct spb_flow {
    uint64_t reorder_ns, rebirth_ns; /* set by the owner */
    bool alive, has_bdseq;
    uint8_t expected; /* the next seq */
    uint64_t bdseq;
    struct spb_held *held; /* in order of seq, seen from `expected` */
    size_t nheld, held_bytes;
    uint64_t gap_ns;        /* when the gap before the first one held was seen */
    bool full;              /* no more could be held: do not wait */
    bool rebirth;           /* is wanted */
    uint64_t rebirth_at_ns; /* not before */
    unsigned rebirths;      /* asked for since the last birth */
    uint64_t gaps, late;    /* figures */
};

void spb_flow_fini(struct spb_flow *f); /* what is held is forgotten */
/* Before a birth is taken: what is held belongs to the life before it; take it all by spb_flow_next. */
void spb_flow_release(struct spb_flow *f);
void spb_flow_birth(struct spb_flow *f, bool has_seq, uint64_t seq, bool has_bdseq, uint64_t bdseq);
/* true: it is the death of this life. */
bool spb_flow_death(struct spb_flow *f, bool has_bdseq, uint64_t bdseq);
/* The host lost sight of it (its own connection is gone): dead until the next birth; nothing is asked for meanwhile. */
void spb_flow_lost(struct spb_flow *f);

enum spb_verdict { SPB_TAKE, SPB_HOLD, SPB_DROP };
/* Any message but NBIRTH, NDEATH and commands. TAKE: now. HOLD: give it to spb_flow_hold. DROP: the node is not born (a
 * rebirth is wanted now), or the same one is held. */
enum spb_verdict spb_flow_message(struct spb_flow *f, bool has_seq, uint64_t seq);
/* A copy. When there is no room it is forgotten, and what is held comes out at once. */
void spb_flow_hold(struct spb_flow *f, const struct spb_topic *t, uint64_t seq, struct str payload, int64_t arrived_us,
                   uint64_t now_ns);
/* The next one whose turn has come, NULL: none now. The caller frees it (mem_free). Ask after each message and at the
 * deadline. */
struct spb_held *spb_flow_next(struct spb_flow *f, uint64_t now_ns);
uint64_t spb_flow_deadline(const struct spb_flow *f); /* UINT64_MAX: none */

void spb_flow_want_rebirth(struct spb_flow *f);
bool spb_flow_rebirth_due(const struct spb_flow *f, uint64_t now_ns);
void spb_flow_rebirth_sent(struct spb_flow *f, uint64_t now_ns);
