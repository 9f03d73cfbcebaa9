/* overlay.h - struct fs of files that are read from elsewhere, with everything that is written kept in a scratch
 * folder: a store opens in it as if it owned the files, and nothing of theirs is touched. A file that is opened for
 * writing is copied into the scratch first. Any thread. */
#pragma once
#include "io/fs.h"

struct overlay_file {
    const char *name; /* relative path; lives as long as the fs */
    int64_t bytes;
};
struct overlay_config {
    const struct overlay_file *files;
    size_t nfiles;
    int64_t (*read)(void *ctx, size_t file, void *p, size_t n, int64_t at); /* any thread */
    void *ctx;
    struct fs *scratch; /* borrowed */
};
MUST_CHECK int overlay_fs(const struct overlay_config *cfg, struct fs **ret);
