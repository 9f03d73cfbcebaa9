/* strings.h - interned strings: the same bytes have the same id for ever. Any thread. */
#pragma once
#include "base/str.h"
#include "io/fs.h"

#define STRING_MAX 65536
struct strings;
/* Opens or creates "ts/strings"; *ret_damaged counts broken records. */
int strings_open(struct fs *fs, struct strings **ret, uint64_t *ret_damaged);
void strings_close(struct strings *st);
/* Durable on return. ERR_TOO_LARGE, ERR_DISK_FULL, ERR_NOMEM; ERR_IO until strings_reopen after a failed sync. */
int strings_put(struct strings *st, struct str s, uint64_t *ret_id);
/* ERR_NOT_FOUND, ERR_TOO_LARGE (*ret_n tells the size), ERR_CORRUPT. */
int strings_get(struct strings *st, uint64_t id, char *out, size_t cap, size_t *ret_n);
/* Never give out ids up to `id`: logs that were replayed name texts that this file does not have. */
void strings_beyond(struct strings *st, uint64_t id);
int64_t strings_size(struct strings *st); /* of the file, as far as it is acknowledged */
/* Write everything to a new file and go on with that. */
int strings_reopen(struct strings *st);
