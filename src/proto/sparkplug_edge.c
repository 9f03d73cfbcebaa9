/* sparkplug_edge.c - see sparkplug_edge.h. */
#include "proto/sparkplug_edge.h"

static void put_bdseq(const struct spb_edge *e, uint64_t ms, struct buf *out)
{
    spb_put_metric(out, &(struct spb_metric){.has_name = true,
                                             .name = STR(SPB_BDSEQ),
                                             .has_timestamp = true,
                                             .timestamp = ms,
                                             .has_datatype = true,
                                             .datatype = SPB_T_Int64,
                                             .value = {.field = SPB_V_LONG, .u = e->bdseq}});
}

void spb_edge_death(const struct spb_edge *e, uint64_t ms, struct buf *out)
{
    spb_put_timestamp(out, ms);
    put_bdseq(e, ms, out);
}

void spb_edge_birth(struct spb_edge *e, uint64_t ms, struct buf *out)
{
    e->seq = 0;
    spb_put_timestamp(out, ms);
    put_bdseq(e, ms, out);
    spb_put_metric(out, &(struct spb_metric){.has_name = true,
                                             .name = STR(SPB_REBIRTH),
                                             .has_timestamp = true,
                                             .timestamp = ms,
                                             .has_datatype = true,
                                             .datatype = SPB_T_Boolean,
                                             .value = {.field = SPB_V_BOOL, .u = 0}});
}

void spb_edge_end(struct spb_edge *e, struct buf *out)
{
    spb_put_seq(out, e->seq++);
}
