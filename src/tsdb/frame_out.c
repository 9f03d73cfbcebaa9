/* frame_out.c - see frame_out.h. */
#include "tsdb/frame_out.h"

#define WRITE_BUF ((size_t)256 << 10)
#define GATHERED_MAX ((size_t)1 << 30)

void frame_out_init(struct frame_out *o)
{
    *o = (struct frame_out){0};
    buf_init(&o->out, GATHERED_MAX);
    buf_init(&o->payload, GATHERED_MAX);
}

void frame_out_fini(struct frame_out *o)
{
    fs_close(o->f);
    buf_fini(&o->out);
    buf_fini(&o->payload);
}

uint64_t frame_out_offset(const struct frame_out *o)
{
    return o->at + o->out.n;
}

int frame_out_flush(struct frame_out *o, size_t least)
{
    if (o->out.err) return o->out.err;
    if (o->out.n <= least) return 0;
    int rc = fs_pwrite(o->f, o->out.p, o->out.n, (int64_t)o->at);
    o->at += o->out.n;
    buf_clear(&o->out);
    return rc;
}

int frame_out_put(struct frame_out *o, enum frame_kind kind, uint64_t uid, uint64_t *ret_at, uint32_t *ret_len)
{
    uint8_t head[FRAME_HEAD];
    if (o->payload.err) return o->payload.err;
    if (o->payload.n > FRAME_MAX) return ERR_TOO_LARGE;
    *ret_at = frame_out_offset(o);
    *ret_len = (uint32_t)(FRAME_HEAD + o->payload.n);
    frame_encode(head, kind, uid, *ret_at, o->payload.p, o->payload.n);
    buf_add(&o->out, head, sizeof head);
    buf_add(&o->out, o->payload.p, o->payload.n);
    buf_clear(&o->payload);
    return frame_out_flush(o, WRITE_BUF);
}
