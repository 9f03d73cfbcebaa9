/* sparkplug_edge.h - what an edge node keeps of itself: the number of its life (bdSeq), the numbers of its messages
 * (seq), and the payloads that hold nothing else (Sparkplug 3.0.0, 4.2 and 5.4). Pure. */
#pragma once
#include "proto/sparkplug.h"

struct spb_edge {
    bool connected_before;
    uint8_t bdseq, seq; /* of this life; of the next message */
};

/* Before each CONNECT: a new life, from 0 on, 255 is followed by 0. Its NDEATH is the will. */
static inline void spb_edge_connect(struct spb_edge *e)
{
    if (e->connected_before) e->bdseq++;
    e->connected_before = true;
    e->seq = 0;
}
/* The payload of NDEATH: bdSeq and no seq. */
void spb_edge_death(const struct spb_edge *e, uint64_t ms, struct buf *out);
/* NBIRTH: seq begins again at 0. Its first metrics; those of the node follow, then spb_edge_end. */
void spb_edge_birth(struct spb_edge *e, uint64_t ms, struct buf *out);
/* Ends any payload but NDEATH with its seq. */
void spb_edge_end(struct spb_edge *e, struct buf *out);
