/* small.h - small files that are replaced as a whole: a header, rows, a checksum. Layout in FORMAT.md. */
#pragma once
#include "base/buf.h"
#include "io/fs.h"
#include "tsdb/bits.h"

#define SMALL_HEAD 16
#define SMALL_MAX ((size_t)256 << 20)
/* Begin a payload in b (initialised); what the caller adds behind it are its rows. */
void small_begin(struct buf *b, const char magic[8]);
/* Sign it and put it in the place of `path`, durably. b stays the caller's. */
int small_save(struct fs *fs, const char *path, struct buf *b);
/* The payload of the bytes at p. ERR_CORRUPT; ERR_UNSUPPORTED: of a newer version. Pure. */
int small_check(const void *p, size_t n, const char magic[8], struct in *ret);
/* *ret_block from mem_alloc holds what *ret reads. ERR_NOT_FOUND, and those of small_check. */
int small_load(struct fs *fs, const char *path, const char magic[8], void **ret_block, struct in *ret);
