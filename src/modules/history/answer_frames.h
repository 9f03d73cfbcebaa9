/* answer_frames.h - answers of history as frames of a WebSocket: texts in out, each behind its length (u32 le). */
#pragma once
#include "modules/history/answer.h"

extern const struct answer_ops answer_frames;
/* After answer_new: the query's id as JSON ("1", "\"a\""); borrowed. */
void answer_frames_id(struct answer *a, struct str id_json);
/* The first frame of b from *at on; false: no more. */
bool answer_frames_next(const struct buf *b, size_t *at, struct str *ret);
