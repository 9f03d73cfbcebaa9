/* fs_object.h - struct fs (io/fs.h) over a store of objects: where old segments of history lie in S3.
 *
 * A file opened for writing is spooled in a folder of this machine; rename(x.new -> x) uploads it whole (an object
 * is there as a whole or not at all) and is the commit: when it returns 0 the file is durable in the store, and what
 * was never renamed is gone after a restart. Committed files cannot be written again, only replaced by a rename.
 * Reads go through a cache of 256 KiB blocks, least recently used out first, with a bound in bytes. A block that
 * comes shorter than the object was is ERR_CORRUPT, never a short file.
 *
 * Errors: ERR_NOT_FOUND; ERR_UNAVAILABLE (away, time-out: may pass); ERR_NOMEM, ERR_DISK_FULL, ERR_CORRUPT; all else
 * ERR_IO. remove of what is not there is 0. Folders need not be made. space() tells INT64_MAX: nobody knows.
 * Threads: any; reads of one handle from any thread at once, a spooled file by one. Blocking. */
#pragma once
#include "io/fs.h"
#include "store/object.h"

struct fs_object_config {
    struct object_store *store; /* borrowed, outlives the fs */
    const char *prefix;         /* of all keys, "" or "cold": key = prefix/path */
    const char *spool;          /* folder of this machine for files on their way; emptied at the opening */
    size_t cache_bytes;         /* 0: 64 MiB; at least 4 blocks */
};
struct fs_object_stats {
    uint64_t hits, fetches, fetched_bytes, uploads, uploaded_bytes, failures;
};
MUST_CHECK int fs_object(const struct fs_object_config *cfg, struct fs **ret, struct error *e);
void fs_object_stats(struct fs *fs, struct fs_object_stats *ret);
