/* frame_out.h - frames on their way into a file: gathered, written in large pieces, placed as they come. Shared by the
 * writers of segments and of rollups. One thread; the file is opened, synced and renamed by its owner. */
#pragma once
#include "io/fs.h"
#include "base/buf.h"
#include "tsdb/seg_format.h"

struct frame_out {
    struct fs_file *f;
    struct buf out, payload; /* not written yet; the frame in work */
    uint64_t at;             /* file offset of out's begin */
};
void frame_out_init(struct frame_out *o);
void frame_out_fini(struct frame_out *o); /* closes the file */
uint64_t frame_out_offset(const struct frame_out *o); /* where the next byte goes */
/* Write what has gathered, if it is more than `least` bytes. */
int frame_out_flush(struct frame_out *o, size_t least);
/* o->payload as a frame of the file `uid`; where it stands and its bytes, header included. ERR_TOO_LARGE, ERR_NOMEM, ERR_IO. */
int frame_out_put(struct frame_out *o, enum frame_kind kind, uint64_t uid, uint64_t *ret_at, uint32_t *ret_len);
