/* reuse.h - the files that a backup can name without reading them: those of the backup that it builds on, and of its
 * own beginning before a crash. A file is the same when part, name and id are, and its chunks are all still in the
 * target. */
#pragma once
#include "modules/backup/manifest.h"

struct reuse;
MUST_CHECK int reuse_new(struct reuse **ret);
void reuse_free(struct reuse *r); /* NULL allowed */
/* Takes all lines of a list. */
MUST_CHECK int reuse_add(struct reuse *r, struct target *t, const struct json *list, struct error *e);
/* The line of that file, or {NULL,0}; in *ret_bytes its size. */
struct str reuse_find(struct reuse *r, struct target *t, const struct entry *f, int64_t *ret_bytes);
